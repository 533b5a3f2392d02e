//! What nodes say to one another: one message a frame.
//!
//! A frame is the CBOR array `[version, kind, body]`, in canonical form. The kinds keep the names of Cairn's seed
//! protocol where it has them; their JSON form is in [`json`](super::json).

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::{Acknowledgement, Announcement};
use crate::model::codec::{self, CodecError};
use crate::model::{CHUNK_LEN_MAX, Clock, Dot, Hash, Membership};

/// Longest frame, in bytes: a batch of changes with a manifest, or the largest chunk, and what stands around it.
pub const FRAME_LEN_MAX: usize = 2 * 1024 * 1024;
/// Most entries in one message.
pub const BATCH_ENTRIES_MAX: usize = 4096;
/// Longest explanation in a [`StorageError`], in bytes.
pub const REASON_LEN_MAX: usize = 512;

const VERSION: u8 = 1;

/// The first thing said on a link, by both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, Hash, bool)", into = "(u64, Hash, bool)")]
pub struct Hello {
    /// Drawn anew at each start: two live processes with one key differ in it.
    pub instance: u64,
    /// Names the space to those who know its owner, and nothing to others.
    pub tag: Hash,
    /// Asks to be greeted back: a greeting got lost.
    pub again: bool,
}

/// Asks for every change that `clock` lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, Clock, bool)", into = "(u64, Clock, bool)")]
pub struct SyncRequest {
    /// Chosen by the asker; the answer repeats it.
    pub session: u64,
    /// What the asker holds, or has been sent in this session.
    pub clock: Clock,
    /// Asks for the [`LiveSet`] as well: the asker may have missed collected tombstones.
    pub live: bool,
}

/// One entry with what travels beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(ByteBuf, Option<ByteBuf>)", into = "(ByteBuf, Option<ByteBuf>)")]
pub struct CarriedEntry {
    /// The encoded [`Entry`](crate::model::Entry).
    pub entry: Vec<u8>,
    /// Small content, or the manifest of large content.
    pub attachment: Option<Vec<u8>>,
}

/// Entries: an answer to a [`SyncRequest`], or pushed as they are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "(Option<u64>, Vec<CarriedEntry>, Clock, Option<Clock>, Option<LiveSet>)",
    into = "(Option<u64>, Vec<CarriedEntry>, Clock, Option<Clock>, Option<LiveSet>)"
)]
pub struct Changes {
    /// The session that this answers; `None` for a push.
    pub session: Option<u64>,
    /// The entries.
    pub entries: Vec<CarriedEntry>,
    /// The dots looked through for this answer: sent here, or superseded.
    pub scanned: Clock,
    /// Nothing is left: the session's clock and `scanned` together include the answerer's clock. For each writer
    /// everything up to its last collected tombstone: an asker that lacked some of it at the start of the session
    /// needs the live set as well.
    pub done: Option<Clock>,
    /// When it was asked for, and nothing is left.
    pub live: Option<LiveSet>,
}

/// What lives at a node: whatever its clock covers and this does not name was superseded or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Clock, Clock)", into = "(Clock, Clock)")]
pub struct LiveSet {
    /// The node's clock.
    pub clock: Clock,
    /// The dots of its live entries.
    pub dots: Clock,
}

/// Asks for one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorageRequest {
    /// Which.
    pub chunk: Hash,
}

/// Asks for one chunk of a public document, without a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Dot, Hash)", into = "(Dot, Hash)")]
pub struct FollowChunk {
    /// The change whose payload lists it.
    pub dot: Dot,
    /// Which.
    pub chunk: Hash,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Hash, ByteBuf)", into = "(Hash, ByteBuf)")]
pub struct StorageResponse {
    /// Which.
    pub chunk: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The error codes of the seed protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum ErrorCode {
    /// `STORE001`: what was asked for is not here.
    NotFound,
    /// `STORE002`: the asker may not.
    Denied,
    /// `STORE003`: no room.
    Full,
    /// `STORE004`: a message that breaks the rules.
    Invalid,
    /// `STORE005`: somebody else changed it.
    Conflict,
}

impl ErrorCode {
    const ALL: [Self; 5] = [
        Self::NotFound,
        Self::Denied,
        Self::Full,
        Self::Invalid,
        Self::Conflict,
    ];

    /// The code as people and programs know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "STORE001",
            Self::Denied => "STORE002",
            Self::Full => "STORE003",
            Self::Invalid => "STORE004",
            Self::Conflict => "STORE005",
        }
    }
}

impl From<ErrorCode> for u8 {
    fn from(code: ErrorCode) -> Self {
        code as Self + 1
    }
}

impl TryFrom<u8> for ErrorCode {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|code| u8::from(*code) == number)
            .ok_or("no such error code")
    }
}

/// Says what went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "(ErrorCode, Option<Hash>, String)",
    into = "(ErrorCode, Option<Hash>, String)"
)]
pub struct StorageError {
    /// What kind.
    pub code: ErrorCode,
    /// The chunk that was asked for, if one was.
    pub chunk: Option<Hash>,
    /// For people.
    pub reason: String,
}

macro_rules! tuples {
    ($($name:ident($($field:ident: $kind:ty),+);)+) => {$(
        impl From<($($kind,)+)> for $name {
            fn from(($($field,)+): ($($kind,)+)) -> Self {
                Self { $($field: $field.into()),+ }
            }
        }
        impl From<$name> for ($($kind,)+) {
            fn from(value: $name) -> Self {
                ($(value.$field.into(),)+)
            }
        }
    )+};
}

tuples! {
    Hello(instance: u64, tag: Hash, again: bool);
    SyncRequest(session: u64, clock: Clock, live: bool);
    Changes(
        session: Option<u64>,
        entries: Vec<CarriedEntry>,
        scanned: Clock,
        done: Option<Clock>,
        live: Option<LiveSet>
    );
    LiveSet(clock: Clock, dots: Clock);
    StorageError(code: ErrorCode, chunk: Option<Hash>, reason: String);
    FollowChunk(dot: Dot, chunk: Hash);
}

impl From<(ByteBuf, Option<ByteBuf>)> for CarriedEntry {
    fn from((entry, attachment): (ByteBuf, Option<ByteBuf>)) -> Self {
        Self {
            entry: entry.into_vec(),
            attachment: attachment.map(ByteBuf::into_vec),
        }
    }
}

impl From<CarriedEntry> for (ByteBuf, Option<ByteBuf>) {
    fn from(carried: CarriedEntry) -> Self {
        (carried.entry.into(), carried.attachment.map(ByteBuf::from))
    }
}

impl From<(Hash, ByteBuf)> for StorageResponse {
    fn from((chunk, bytes): (Hash, ByteBuf)) -> Self {
        Self {
            chunk,
            bytes: bytes.into_vec(),
        }
    }
}

impl From<StorageResponse> for (Hash, ByteBuf) {
    fn from(response: StorageResponse) -> Self {
        (response.chunk, response.bytes.into())
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Kind 1.
    Hello(Hello),
    /// Kind 2: grants and revocations, only ever to those who showed the space's tag.
    Membership(Membership),
    /// Kind 3: an announcement.
    StorageNode(Announcement),
    /// Kind 4.
    SyncRequest(SyncRequest),
    /// Kind 5.
    Changes(Changes),
    /// Kind 6.
    Acknowledgement(Acknowledgement),
    /// Kind 7.
    StorageRequest(StorageRequest),
    /// Kind 8.
    StorageResponse(StorageResponse),
    /// Kind 9.
    StorageError(StorageError),
    /// Kind 10: to a node whose key is in use by another live process.
    Twin,
    /// Kind 11: asks for the changes of public documents alone, which needs no grant.
    FollowRequest(SyncRequest),
    /// Kind 12.
    FollowChunk(FollowChunk),
}

/// Why a frame is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Not well-formed.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A version that this node does not know.
    #[error("message version {0} is not known here: update this node")]
    UnknownVersion(u8),
    /// A kind that this node does not know.
    #[error("message kind {0} is not known here")]
    UnknownKind(u8),
    /// A length over its bound.
    #[error("out of bounds: {0}")]
    OutOfBounds(&'static str),
}

fn body<T: Serialize + DeserializeOwned>(frame: &[u8]) -> Result<T, MessageError> {
    let (_, _, body): (u8, u8, T) = codec::decode(frame, FRAME_LEN_MAX)?;
    Ok(body)
}

impl Message {
    /// The number of the kind on the wire.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Membership(_) => 2,
            Self::StorageNode(_) => 3,
            Self::SyncRequest(_) => 4,
            Self::Changes(_) => 5,
            Self::Acknowledgement(_) => 6,
            Self::StorageRequest(_) => 7,
            Self::StorageResponse(_) => 8,
            Self::StorageError(_) => 9,
            Self::Twin => 10,
            Self::FollowRequest(_) => 11,
            Self::FollowChunk(_) => 12,
        }
    }

    /// The frame that carries the message.
    pub fn encode(&self) -> Vec<u8> {
        let kind = self.kind();
        match self {
            Self::Hello(body) => codec::encode(&(VERSION, kind, body)),
            Self::Membership(body) => codec::encode(&(VERSION, kind, body)),
            Self::StorageNode(body) => codec::encode(&(VERSION, kind, body)),
            Self::SyncRequest(body) => codec::encode(&(VERSION, kind, body)),
            Self::Changes(body) => codec::encode(&(VERSION, kind, body)),
            Self::Acknowledgement(body) => codec::encode(&(VERSION, kind, body)),
            Self::StorageRequest(body) => codec::encode(&(VERSION, kind, body)),
            Self::StorageResponse(body) => codec::encode(&(VERSION, kind, body)),
            Self::StorageError(body) => codec::encode(&(VERSION, kind, body)),
            Self::Twin => codec::encode(&(VERSION, kind, ())),
            Self::FollowRequest(body) => codec::encode(&(VERSION, kind, body)),
            Self::FollowChunk(body) => codec::encode(&(VERSION, kind, body)),
        }
    }

    /// Reads a frame.
    pub fn decode(frame: &[u8]) -> Result<Self, MessageError> {
        // A message is an array of three; version and kind are its first two bytes after the head.
        let malformed = || CodecError::Malformed("no message".into());
        let [head, version, kind, ..] = *frame else {
            return Err(malformed().into());
        };
        if head != 0x83 {
            return Err(malformed().into());
        }
        if version != VERSION {
            return Err(MessageError::UnknownVersion(version));
        }
        let message = match kind {
            1 => Self::Hello(body(frame)?),
            2 => Self::Membership(body(frame)?),
            3 => Self::StorageNode(body(frame)?),
            4 => Self::SyncRequest(body(frame)?),
            5 => Self::Changes(body(frame)?),
            6 => Self::Acknowledgement(body(frame)?),
            7 => Self::StorageRequest(body(frame)?),
            8 => Self::StorageResponse(body(frame)?),
            9 => Self::StorageError(body(frame)?),
            10 => {
                body::<()>(frame)?;
                Self::Twin
            }
            11 => Self::FollowRequest(body(frame)?),
            12 => Self::FollowChunk(body(frame)?),
            kind => return Err(MessageError::UnknownKind(kind)),
        };
        message.check_bounds()?;
        Ok(message)
    }

    fn check_bounds(&self) -> Result<(), MessageError> {
        match self {
            Self::Changes(changes) if changes.entries.len() > BATCH_ENTRIES_MAX => {
                Err(MessageError::OutOfBounds("entries in one message"))
            }
            Self::StorageResponse(response) if response.bytes.len() > CHUNK_LEN_MAX as usize => {
                Err(MessageError::OutOfBounds("length of a chunk"))
            }
            Self::StorageError(error) if error.reason.len() > REASON_LEN_MAX => {
                Err(MessageError::OutOfBounds("length of a reason"))
            }
            _ => Ok(()),
        }
    }
}

/// The chunk that a frame carries, without a copy; `None` when the frame is another message, which
/// [`Message::decode`] then reads. For those who move bulk past the engine.
pub fn carried_chunk(frame: &[u8]) -> Option<(Hash, &[u8])> {
    // [1, 8, [bytes(32), bytes(n)]]
    let rest = frame.strip_prefix(&[0x83, VERSION, 8, 0x82, 0x58, 0x20])?;
    let (hash, rest) = rest.split_first_chunk::<32>()?;
    let (head, rest) = rest.split_first()?;
    let (len, bytes) = match head {
        0x40..=0x57 => (usize::from(head - 0x40), rest),
        0x58 => {
            let (len, bytes) = rest.split_first_chunk::<1>()?;
            (usize::from(len[0]), bytes)
        }
        0x59 => {
            let (len, bytes) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), bytes)
        }
        0x5a => {
            let (len, bytes) = rest.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_be_bytes(*len)).ok()?, bytes)
        }
        _ => return None,
    };
    (bytes.len() == len && len <= CHUNK_LEN_MAX as usize).then_some((Hash(*hash), bytes))
}

/// The frame of a `storage_response`, with one copy of the bytes. For those who move bulk past the engine.
pub fn chunk_frame(chunk: &Hash, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + 43);
    frame.extend_from_slice(&[0x83, VERSION, 8, 0x82, 0x58, 0x20]);
    frame.extend_from_slice(&chunk.0);
    match bytes.len() {
        len @ 0..=0x17 => frame.push(0x40 + len as u8),
        len @ 0x18..=0xff => frame.extend_from_slice(&[0x58, len as u8]),
        len @ 0x100..=0xffff => {
            frame.push(0x59);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x5a);
            frame.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
    frame.extend_from_slice(bytes);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<Message> {
        use crate::model::{Dot, Incarnation, NodeId, Sequence, Writer};
        let writer = Writer {
            node: NodeId([3; 32]),
            incarnation: Incarnation(4),
        };
        let clock: Clock = [1, 2, 5]
            .map(|n| Dot {
                writer,
                sequence: Sequence(n),
            })
            .into_iter()
            .collect();
        vec![
            Message::Hello(Hello {
                instance: 7,
                tag: Hash([1; 32]),
                again: true,
            }),
            Message::SyncRequest(SyncRequest {
                session: 1,
                clock: clock.clone(),
                live: true,
            }),
            Message::Changes(Changes {
                session: Some(1),
                entries: vec![CarriedEntry {
                    entry: vec![1, 2],
                    attachment: Some(vec![3]),
                }],
                scanned: clock.clone(),
                done: Some(Clock::new()),
                live: Some(LiveSet {
                    clock: clock.clone(),
                    dots: Clock::new(),
                }),
            }),
            Message::Acknowledgement(Acknowledgement::sign(
                crate::model::OwnerId([1; 32]),
                crate::model::HybridTime(9),
                clock,
                &crate::model::KeyPair::from_seed(&[1; 32]),
            )),
            Message::StorageRequest(StorageRequest { chunk: Hash([2; 32]) }),
            Message::StorageError(StorageError {
                code: ErrorCode::NotFound,
                chunk: Some(Hash([2; 32])),
                reason: "gone".into(),
            }),
            Message::Twin,
        ]
    }

    #[test]
    fn messages_survive_their_frames() {
        for message in sample() {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }

    #[test]
    fn a_chunk_is_found_without_decoding() {
        for len in [0, 1, 23, 24, 255, 256, 65_535, 65_536, CHUNK_LEN_MAX as usize] {
            let response = StorageResponse {
                chunk: Hash([len as u8; 32]),
                bytes: vec![7; len],
            };
            let frame = Message::StorageResponse(response.clone()).encode();
            assert_eq!(chunk_frame(&response.chunk, &response.bytes), frame);
            assert!(frame.len() <= FRAME_LEN_MAX);
            assert_eq!(carried_chunk(&frame), Some((response.chunk, &response.bytes[..])));
            assert_eq!(carried_chunk(&frame[..frame.len() - 1]), None);
        }
        for message in sample() {
            assert_eq!(carried_chunk(&message.encode()), None);
        }
    }

    proptest! {
        #[test]
        fn no_frame_panics(mut frame in proptest::collection::vec(any::<u8>(), 0..300), kind in 0..12u8) {
            if frame.len() > 3 {
                frame[..3].copy_from_slice(&[0x83, 1, kind]);
            }
            if let Ok(message) = Message::decode(&frame) {
                prop_assert_eq!(message.encode(), frame);
            }
        }
    }
}
