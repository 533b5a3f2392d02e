//! Frames in a stream of bytes: where one ends and the next begins. No I/O.
//!
//! Every record is a head of four bytes and a body. The head is one byte for the kind and three for the body's length, big-endian:
//!
//! | kind | body |
//! | --- | --- |
//! | 0 frame | the frame, 0 to [`FRAME_LEN_MAX`] bytes |
//! | 1 ping | a token of 8 bytes |
//! | 2 pong | the token of the ping it answers |
//! | 3 close | why, UTF-8, at most [`REASON_LEN_MAX`] bytes; nothing follows |
//!
//! The lane of a frame does not travel: it has done its work when the frame is in the stream.

use bytes::{Bytes, BytesMut};

use crate::link::FRAME_LEN_MAX;

/// The longest reason for closing that travels, in bytes.
pub const REASON_LEN_MAX: usize = 256;

/// How much is reserved for a frame before any of it came, in bytes: a head alone must not cost the receiver two megabytes.
const RESERVED_AT_FIRST: usize = 64 * 1024;

const HEAD_LEN: usize = 4;
const TOKEN_LEN: usize = 8;

/// One record of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A frame.
    Frame(Bytes),
    /// Are you there? The token comes back in a [`Record::Pong`].
    Ping(u64),
    /// I am.
    Pong(u64),
    /// The peer closes the link, and says why.
    Close(String),
}

/// What is wrong with a stream. It cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// No record is of this kind.
    #[error("a record of the unknown kind {0}")]
    UnknownKind(u8),
    /// The record's kind does not come in this length.
    #[error("a record of kind {kind} with {len} bytes")]
    WrongLength {
        /// The record's kind.
        kind: u8,
        /// The length that its head claims, in bytes.
        len: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Frame = 0,
    Ping = 1,
    Pong = 2,
    Close = 3,
}

impl Kind {
    fn read(head: [u8; HEAD_LEN]) -> Result<(Self, usize), FramingError> {
        let [kind, high, middle, low] = head;
        let len = u32::from_be_bytes([0, high, middle, low]) as usize;
        let (kind, lens) = match kind {
            0 => (Self::Frame, 0..=FRAME_LEN_MAX),
            1 => (Self::Ping, TOKEN_LEN..=TOKEN_LEN),
            2 => (Self::Pong, TOKEN_LEN..=TOKEN_LEN),
            3 => (Self::Close, 0..=REASON_LEN_MAX),
            unknown => return Err(FramingError::UnknownKind(unknown)),
        };
        if lens.contains(&len) {
            Ok((kind, len))
        } else {
            Err(FramingError::WrongLength {
                kind: kind as u8,
                len,
            })
        }
    }

    fn head(self, len: usize) -> [u8; HEAD_LEN] {
        // Lengths are below 2^24: those who call have checked them against FRAME_LEN_MAX or cut them.
        let [_, high, middle, low] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        [self as u8, high, middle, low]
    }
}

/// Returns the head that goes before a frame of `len` bytes (at most [`FRAME_LEN_MAX`]).
#[must_use]
pub fn frame_head(len: usize) -> [u8; 4] {
    debug_assert!(len <= FRAME_LEN_MAX, "senders refuse longer frames");
    Kind::Frame.head(len)
}

/// Returns a ping as it travels.
#[must_use]
pub fn ping(token: u64) -> Vec<u8> {
    [Kind::Ping.head(TOKEN_LEN).as_slice(), &token.to_be_bytes()].concat()
}

/// Returns a pong as it travels.
#[must_use]
pub fn pong(token: u64) -> Vec<u8> {
    [Kind::Pong.head(TOKEN_LEN).as_slice(), &token.to_be_bytes()].concat()
}

/// Returns a farewell as it travels; `reason` is cut to [`REASON_LEN_MAX`] bytes.
#[must_use]
pub fn close(reason: &str) -> Vec<u8> {
    let reason = &reason[..reason.floor_char_boundary(REASON_LEN_MAX)];
    [Kind::Close.head(reason.len()).as_slice(), reason.as_bytes()].concat()
}

/// Cuts a stream into records, whatever the pieces in which it comes.
///
/// Call [`RecordDecoder::decode`] until it returns `None`, then come back with the next bytes. After an error it must not be used again.
/// Holds at most one record that is not complete.
#[derive(Debug, Default)]
pub struct RecordDecoder {
    head: [u8; HEAD_LEN],
    head_len: usize,
    body: BytesMut,
}

impl RecordDecoder {
    /// Takes bytes off the front of `input` up to the end of the next record, and returns it.
    ///
    /// `None`: all of `input` was taken, and the record goes on. Fails when the stream is no stream of records.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Record>, FramingError> {
        if self.head_len < HEAD_LEN {
            let taken = split_up_to(input, HEAD_LEN - self.head_len);
            self.head[self.head_len..self.head_len + taken.len()].copy_from_slice(taken);
            self.head_len += taken.len();
            if self.head_len < HEAD_LEN {
                return Ok(None);
            }
        }
        let (kind, len) = Kind::read(self.head)?;
        let taken = split_up_to(input, len - self.body.len());
        self.grow(taken.len(), len);
        self.body.extend_from_slice(taken);
        if self.body.len() < len {
            return Ok(None);
        }
        self.head_len = 0;
        Ok(Some(self.record(kind)))
    }

    /// Makes room for `more` bytes of a body of `len`: doubling, so that what is reserved stays in proportion to what has come.
    fn grow(&mut self, more: usize, len: usize) {
        if self.body.capacity() - self.body.len() < more {
            let wanted = (self.body.len() * 2)
                .max(self.body.len() + more)
                .max(RESERVED_AT_FIRST)
                .min(len);
            self.body.reserve(wanted - self.body.len());
        }
    }

    fn record(&mut self, kind: Kind) -> Record {
        let body = std::mem::take(&mut self.body);
        let token = || {
            body.as_ref()
                .try_into()
                .map(u64::from_be_bytes)
                .unwrap_or_default()
        };
        match kind {
            Kind::Ping => Record::Ping(token()),
            Kind::Pong => Record::Pong(token()),
            Kind::Close => Record::Close(String::from_utf8_lossy(&body).into_owned()),
            Kind::Frame => Record::Frame(body.freeze()),
        }
    }
}

fn split_up_to<'a>(input: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(record: &Record) -> Vec<u8> {
        match record {
            Record::Frame(frame) => [frame_head(frame.len()).as_slice(), frame].concat(),
            Record::Ping(token) => ping(*token),
            Record::Pong(token) => pong(*token),
            Record::Close(reason) => close(reason),
        }
    }

    fn any_record() -> impl Strategy<Value = Record> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..3000).prop_map(|bytes| Record::Frame(bytes.into())),
            any::<u64>().prop_map(Record::Ping),
            any::<u64>().prop_map(Record::Pong),
            "[a-zä€]{0,80}".prop_map(Record::Close),
        ]
    }

    proptest! {
        #[test]
        fn records_survive_any_split_of_the_stream(
            records in proptest::collection::vec(any_record(), 0..12),
            cuts in proptest::collection::vec(1_usize..700, 1..40),
        ) {
            let stream: Vec<u8> = records.iter().flat_map(encode).collect();
            let (mut decoder, mut decoded, mut rest) = (RecordDecoder::default(), Vec::new(), stream.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let mut piece = split_up_to(&mut rest, *cut);
                while let Some(record) = decoder.decode(&mut piece).unwrap() {
                    decoded.push(record);
                }
                prop_assert!(piece.is_empty());
            }
            prop_assert_eq!(decoded, records);
        }

        #[test]
        fn garbage_never_panics_and_reserves_little(garbage in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let (mut decoder, mut input) = (RecordDecoder::default(), garbage.as_slice());
            while let Ok(Some(_)) = decoder.decode(&mut input) {}
            prop_assert!(decoder.body.capacity() <= RESERVED_AT_FIRST);
        }
    }

    #[test]
    fn the_longest_frame_passes_and_one_byte_more_does_not() {
        let frame = Record::Frame(vec![5; FRAME_LEN_MAX].into());
        let stream = encode(&frame);
        assert_eq!(
            RecordDecoder::default().decode(&mut stream.as_slice()),
            Ok(Some(frame))
        );
        let head = Kind::Frame.head(FRAME_LEN_MAX + 1);
        let wrong = Err(FramingError::WrongLength {
            kind: 0,
            len: FRAME_LEN_MAX + 1,
        });
        assert_eq!(RecordDecoder::default().decode(&mut head.as_slice()), wrong);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let stream = close(&"€".repeat(200));
        let Ok(Some(Record::Close(reason))) = RecordDecoder::default().decode(&mut stream.as_slice()) else {
            panic!("no farewell");
        };
        assert_eq!(reason, "€".repeat(85));
    }

    #[test]
    fn a_stream_of_records_has_this_form() {
        assert_eq!(frame_head(0x01_02_03), [0, 1, 2, 3]);
        assert_eq!(ping(0x0102), [1, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(pong(7), [2, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(close("no"), [3, 0, 0, 2, b'n', b'o']);
    }
}
