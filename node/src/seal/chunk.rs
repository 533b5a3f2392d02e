//! Sealed chunks: what a large private document consists of on disk and on its way.
//!
//! ```text
//! key       = BLAKE3, keyed by the epoch, over the chunk
//! sealed    = XChaCha20-Poly1305(key, nonce 0, no associated data, padded (form, bytes))
//! form      = 0: bytes are the chunk; 1: they are it, compressed by zstd
//! ```
//! The key stands in the body of the document. In one epoch the same chunk is sealed to the same bytes, so that what did not change in
//! a document is neither kept nor sent twice; those who lack the key can't tell what is in it, nor try whether it is what they guess.

use std::cell::RefCell;
use std::fmt;

use chacha20poly1305::aead::{Aead as _, AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;
use zstd::bulk::Compressor;

use super::NotSealed;
use super::epoch::EpochKey;
use super::padding::{pad, padded_len, unpad};
use crate::model::CHUNK_LEN_MAX;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// A chunk of which so many bytes at its beginning do not get shorter is taken for one that does not either.
const SAMPLE_LEN: usize = 4096;
/// What sealing adds to a padded chunk, in bytes.
const TAG_LEN: usize = 16;
/// It is fast: what is sealed can't be compressed later.
const LEVEL: i32 = 3;

/// What opens one chunk, and how long it is then.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct ChunkKey {
    key: Zeroizing<[u8; 32]>,
    /// Bytes of the chunk.
    pub len: u32,
}

/// `[key, length]`
type Wire = (ByteArray<32>, u32);

impl From<Wire> for ChunkKey {
    fn from((key, len): Wire) -> Self {
        Self::new(key.into_array(), len)
    }
}

impl From<ChunkKey> for Wire {
    fn from(own: ChunkKey) -> Self {
        (ByteArray::new(*own.key), own.len)
    }
}

impl fmt::Debug for ChunkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkKey({} B, …)", self.len)
    }
}

impl ChunkKey {
    pub(super) fn new(key: [u8; 32], len: u32) -> Self {
        Self {
            key: Zeroizing::new(key),
            len,
        }
    }

    /// Opens the chunk.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, NotSealed> {
        if self.len > CHUNK_LEN_MAX {
            return Err(NotSealed);
        }
        let opened = self.cipher().decrypt(&XNonce::default(), sealed);
        let mut opened = opened.map_err(|_| NotSealed)?;
        if !unpad(&mut opened) || opened.is_empty() {
            return Err(NotSealed);
        }
        let form = opened.remove(0);
        let chunk = match form {
            PLAIN => opened,
            ZSTD => zstd::bulk::decompress(&opened, self.len as usize).map_err(|_| NotSealed)?,
            _ => return Err(NotSealed),
        };
        (chunk.len() == self.len as usize)
            .then_some(chunk)
            .ok_or(NotSealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }
}

impl EpochKey {
    /// Seals a chunk. Fails when it is longer than 4 GiB.
    pub fn seal_chunk(&self, chunk: &[u8]) -> Result<(ChunkKey, Vec<u8>), NotSealed> {
        let len = u32::try_from(chunk.len()).map_err(|_| NotSealed)?;
        let key = ChunkKey {
            key: self.chunk_key(chunk),
            len,
        };
        let compressed = compressed(chunk);
        let (form, bytes) = match &compressed {
            Some(compressed) => (ZSTD, &compressed[..]),
            None => (PLAIN, chunk),
        };
        // Sealed where it lies: a chunk is long.
        let mut sealed = Vec::with_capacity(padded_len(1 + bytes.len()) + TAG_LEN);
        sealed.push(form);
        sealed.extend_from_slice(bytes);
        pad(&mut sealed);
        let done = key
            .cipher()
            .encrypt_in_place(&XNonce::default(), &[], &mut sealed);
        done.map(|()| (key, sealed)).map_err(|_| NotSealed)
    }
}

thread_local! {
    /// To make a compressor takes longer than to compress a short chunk.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// The chunk, compressed, if it gets shorter by that.
fn compressed(chunk: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            None => compressor.insert(Compressor::new(LEVEL).ok()?),
        };
        let sample = &chunk[..chunk.len().min(SAMPLE_LEN)];
        // Where there is no room for more it stops.
        let mut room = vec![0; sample.len() - sample.len() / 16];
        compressor.compress_to_buffer(sample, &mut room).ok()?;
        let compressed = compressor.compress(chunk).ok()?;
        (compressed.len() < chunk.len()).then_some(compressed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(byte: u8) -> EpochKey {
        EpochKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_chunk_is_the_same_in_its_epoch_and_opens_for_its_key_alone() {
        let text = "the same line again and again\n".repeat(1000);
        let (own, sealed) = key(1).seal_chunk(text.as_bytes()).unwrap();
        assert_eq!(
            key(1).seal_chunk(text.as_bytes()).unwrap(),
            (own.clone(), sealed.clone())
        );
        assert_eq!(own.open(&sealed).unwrap(), text.as_bytes());
        assert!(sealed.len() < text.len() / 10, "{}", sealed.len());
        let (other, elsewhere) = key(2).seal_chunk(text.as_bytes()).unwrap();
        assert_ne!(sealed, elsewhere);
        assert_eq!(other.open(&sealed), Err(NotSealed));
        assert_eq!(format!("{own:?}"), "ChunkKey(30000 B, …)");
    }

    proptest! {
        #[test]
        fn every_chunk_comes_back_and_none_that_was_changed(
            chunk in prop::collection::vec(any::<u8>(), 0..6000),
            repeated in 1_usize..4,
            at: prop::sample::Index,
            bit in 0_u8..8,
        ) {
            let chunk = chunk.repeat(repeated);
            let (own, mut sealed) = key(1).seal_chunk(&chunk).unwrap();
            prop_assert_eq!(own.open(&sealed).unwrap(), chunk);
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(own.open(&sealed), Err(NotSealed));
        }
    }
}
