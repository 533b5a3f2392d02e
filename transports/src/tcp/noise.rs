//! The sealed stream after the handshake: Noise transport messages, each behind its length. No I/O.
//!
//! ```text
//! length: u16, big-endian, 16..=65535 | ciphertext of the records' bytes, with a tag of 16 bytes
//! ```
//! Records (see [`crate::framing`]) flow over the messages' borders: many small ones share a message, a long one takes several.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use snow::StatelessTransportState;

use crate::pipe::{Opener, PipeError, Sealer};

/// The longest Noise message, in bytes, by the Noise specification.
const MESSAGE_LEN_MAX: usize = 65_535;
const TAG_LEN: usize = 16;
const LENGTH_LEN: usize = 2;
/// The most that one message says, in bytes.
const PLAIN_LEN_MAX: usize = MESSAGE_LEN_MAX - TAG_LEN;

/// Makes the two halves of a sealed stream. Each counts its own messages, so that they can work at the same time.
pub(super) fn split(state: StatelessTransportState) -> (NoiseSealer, NoiseOpener) {
    let state = Arc::new(state);
    let sealer = NoiseSealer {
        state: state.clone(),
        nonce: 0,
        held: Vec::new(),
    };
    (
        sealer,
        NoiseOpener {
            state,
            nonce: 0,
            opened: Vec::new(),
        },
    )
}

/// Seals what this side says.
pub(crate) struct NoiseSealer {
    state: Arc<StatelessTransportState>,
    nonce: u64,
    /// Bytes that wait for a full message or a flush; shorter than [`PLAIN_LEN_MAX`].
    held: Vec<u8>,
}

impl NoiseSealer {
    fn message(
        state: &StatelessTransportState,
        nonce: &mut u64,
        plain: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), PipeError> {
        let (start, len) = (out.len(), plain.len() + TAG_LEN);
        let length = u16::try_from(len).map_err(|_| PipeError::WrongLength(len))?;
        out.resize(start + LENGTH_LEN + len, 0);
        out[start..start + LENGTH_LEN].copy_from_slice(&length.to_be_bytes());
        let sealed = &mut out[start + LENGTH_LEN..];
        state
            .write_message(*nonce, plain, sealed)
            .map_err(|_| PipeError::Exhausted)?;
        *nonce = nonce.checked_add(1).ok_or(PipeError::Exhausted)?;
        Ok(())
    }
}

impl Sealer for NoiseSealer {
    fn seal(&mut self, mut plain: &[u8], out: &mut BytesMut) -> Result<(), PipeError> {
        if !self.held.is_empty() {
            let taken = plain.len().min(PLAIN_LEN_MAX - self.held.len());
            self.held.extend_from_slice(&plain[..taken]);
            plain = &plain[taken..];
            if self.held.len() == PLAIN_LEN_MAX {
                self.flush(out)?;
            }
        }
        // Whole messages are sealed from where they lie, without a copy.
        while plain.len() >= PLAIN_LEN_MAX {
            let (message, rest) = plain.split_at(PLAIN_LEN_MAX);
            Self::message(&self.state, &mut self.nonce, message, out)?;
            plain = rest;
        }
        self.held.extend_from_slice(plain);
        Ok(())
    }

    fn flush(&mut self, out: &mut BytesMut) -> Result<(), PipeError> {
        if !self.held.is_empty() {
            Self::message(&self.state, &mut self.nonce, &self.held, out)?;
            self.held.clear();
        }
        Ok(())
    }

    fn release(&mut self) {
        self.held = Vec::new();
    }
}

/// Opens what the peer says.
pub(crate) struct NoiseOpener {
    state: Arc<StatelessTransportState>,
    nonce: u64,
    opened: Vec<u8>,
}

impl Opener for NoiseOpener {
    fn open<'a>(&'a mut self, input: &mut BytesMut) -> Result<Option<&'a [u8]>, PipeError> {
        let Some((length, rest)) = input.split_first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(*length));
        if len < TAG_LEN {
            return Err(PipeError::WrongLength(len));
        }
        let Some(sealed) = rest.get(..len) else {
            return Ok(None);
        };
        // As long as the sealed bytes, not the opened ones: the cipher works in place and would allocate otherwise.
        if self.opened.len() < len {
            self.opened.resize(len, 0);
        }
        let read = self
            .state
            .read_message(self.nonce, sealed, &mut self.opened[..len])
            .map_err(|_| PipeError::Forged)?;
        self.nonce = self.nonce.checked_add(1).ok_or(PipeError::Exhausted)?;
        input.advance(LENGTH_LEN + len);
        Ok(Some(&self.opened[..read]))
    }

    fn release(&mut self) {
        self.opened = Vec::new();
    }
}
