//! Entries: one signed change of one document.

use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError};
use super::context::{CONTEXT_WRITERS_MAX, Context};
use super::{
    BadSignature, DocumentPath, Dot, ETag, Hash, HybridTime, OwnerId, Sequence, Sign, Signature, verify,
};

/// Most bytes of an encoded entry, without its payload.
pub const ENTRY_LEN_MAX: usize = 96 * 1024;
/// Most bytes of a content type.
pub const CONTENT_TYPE_LEN_MAX: usize = 1024;
/// Largest document, in bytes: 1 TiB.
pub const DOCUMENT_LEN_MAX: u64 = 1 << 40;

const VERSION: u8 = 1;
const SIGNATURE_CONTEXT: &str = "cairn 1 entry";

/// What is wrong with a received entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not an entry at all.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A version that this node does not know.
    #[error("entry version {0} is not known here: update this node")]
    UnknownVersion(u8),
    /// A length or sequence outside its bound.
    #[error("out of bounds: {0}")]
    OutOfBounds(&'static str),
    /// Not signed by its writer.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
}

/// Where a document's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Beside the entry: small documents travel and are kept with it.
    Inline,
    /// One chunk, whose hash is the content hash.
    Chunk,
    /// Many chunks: this is the hash of the manifest that lists them.
    Manifest(Hash),
}

/// What a PUT stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, Hash, u64, Payload)", into = "(String, Hash, u64, Payload)")]
pub struct Content {
    /// The media type, byte for byte as the client gave it.
    pub content_type: String,
    /// BLAKE3 over the whole document.
    pub hash: Hash,
    /// Length in bytes.
    pub len: u64,
    /// Where the bytes are.
    pub payload: Payload,
}

impl From<(String, Hash, u64, Payload)> for Content {
    fn from((content_type, hash, len, payload): (String, Hash, u64, Payload)) -> Self {
        Self {
            content_type,
            hash,
            len,
            payload,
        }
    }
}

impl From<Content> for (String, Hash, u64, Payload) {
    fn from(content: Content) -> Self {
        (content.content_type, content.hash, content.len, content.payload)
    }
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Stored this content.
    Put(Content),
    /// Deleted the document. The entry is its tombstone.
    Delete,
}

/// One change of one document, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose space.
    pub space: OwnerId,
    /// The change's name.
    pub dot: Dot,
    /// Which document.
    pub path: DocumentPath,
    /// What its writer had seen of the document.
    pub context: Context,
    /// When, for display and for choosing among siblings.
    pub time: HybridTime,
    /// What was done.
    pub operation: Operation,
}

/// A change with its writer's signature, checked.
///
/// Exists only with a valid signature: made by [`Entry::sign`] or by [`Entry::decode`], which verifies.
/// Whether the writer was *granted* to write is for `mesh` to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    change: Change,
    signature: Signature,
}

/// `[version, space, dot, path, context, time, operation]`: the signed part.
type WireChange = (u8, OwnerId, Dot, DocumentPath, Context, HybridTime, Operation);

impl Change {
    fn to_wire(&self) -> WireChange {
        let Self {
            space,
            dot,
            path,
            context,
            time,
            operation,
        } = self.clone();
        (VERSION, space, dot, path, context, time, operation)
    }

    fn check_bounds(&self) -> Result<(), EntryError> {
        if self.dot.sequence == Sequence(0) || self.dot.sequence > Sequence::MAX {
            return Err(EntryError::OutOfBounds("sequence"));
        }
        if self.context.contains(self.dot) {
            return Err(EntryError::OutOfBounds("a change cannot have seen itself"));
        }
        if self.context.len() > CONTEXT_WRITERS_MAX {
            return Err(EntryError::OutOfBounds("too many writers in the context"));
        }
        if let Operation::Put(content) = &self.operation {
            if content.len > DOCUMENT_LEN_MAX {
                return Err(EntryError::OutOfBounds("document length"));
            }
            if content.content_type.len() > CONTENT_TYPE_LEN_MAX {
                return Err(EntryError::OutOfBounds("content type length"));
            }
        }
        Ok(())
    }
}

impl Entry {
    /// Signs a change with its writer's key. Fails when a bound is broken or the key is not the writer's.
    pub fn sign(change: Change, writer: &impl Sign) -> Result<Self, EntryError> {
        if writer.node_id() != change.dot.writer.node {
            return Err(BadSignature.into());
        }
        change.check_bounds()?;
        let signature = writer.sign(SIGNATURE_CONTEXT, &codec::encode(&change.to_wire()));
        Ok(Self { change, signature })
    }

    /// The bytes that travel and are stored: `[signed part, signature]`.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(self.change.to_wire(), self.signature))
    }

    /// Reads an entry and verifies bounds and signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry = Self::decode_trusted(bytes)?;
        entry.change.check_bounds()?;
        let signed = codec::encode(&entry.change.to_wire());
        verify(
            &entry.change.dot.writer.node.0,
            SIGNATURE_CONTEXT,
            &signed,
            &entry.signature,
        )?;
        Ok(entry)
    }

    /// Reads an entry that this node verified before it stored it: bounds and signature are not checked again.
    pub fn decode_trusted(bytes: &[u8]) -> Result<Self, EntryError> {
        let (wire, signature): (WireChange, Signature) = codec::decode(bytes, ENTRY_LEN_MAX)?;
        let (version, space, dot, path, context, time, operation) = wire;
        if version != VERSION {
            return Err(EntryError::UnknownVersion(version));
        }
        Ok(Self {
            change: Change {
                space,
                dot,
                path,
                context,
                time,
                operation,
            },
            signature,
        })
    }

    /// The encoded entry of a change and a signature that came apart: nothing is checked. For [`decode`](Self::decode), which does.
    pub(crate) fn encode_parts(change: Change, signature: Signature) -> Vec<u8> {
        Self { change, signature }.encode()
    }

    /// The writer's signature.
    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The change.
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// The change's name.
    pub fn dot(&self) -> Dot {
        self.change.dot
    }

    /// What was stored; `None` for a tombstone.
    pub fn content(&self) -> Option<&Content> {
        match &self.change.operation {
            Operation::Put(content) => Some(content),
            Operation::Delete => None,
        }
    }

    /// The entity tag of the document in this version. A tombstone's stands for the version "absent".
    pub fn etag(&self) -> ETag {
        let hash = self.content().map_or(Hash([0; 32]), |content| content.hash);
        ETag::of(&hash, self.dot())
    }

    /// Says whether this change was made with knowledge of `dot`, another change of the same document.
    pub fn supersedes(&self, dot: Dot) -> bool {
        self.change.context.contains(dot)
    }

    /// The order among siblings: the greatest is the deterministic winner.
    ///
    /// A PUT wins over a concurrent DELETE, so that nobody's edit disappears; then the later timestamp, then the
    /// writer decides.
    pub fn rank(&self) -> (bool, HybridTime, Dot) {
        (self.content().is_some(), self.change.time, self.dot())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Incarnation, KeyPair, Writer};
    use proptest::prelude::*;

    fn pair() -> KeyPair {
        KeyPair::from_seed(&[1; 32])
    }

    fn change(sequence: u64) -> Change {
        let writer = Writer {
            node: pair().node_id(),
            incarnation: Incarnation(9),
        };
        Change {
            space: OwnerId([2; 32]),
            dot: Dot {
                writer,
                sequence: Sequence(sequence),
            },
            path: DocumentPath::parse("/public/notes/a").unwrap(),
            context: Context::new(),
            time: HybridTime(77),
            operation: Operation::Put(Content {
                content_type: "text/plain".to_owned(),
                hash: Hash::of(b"hello"),
                len: 5,
                payload: Payload::Inline,
            }),
        }
    }

    #[test]
    fn entries_round_trip() {
        let entry = Entry::sign(change(1), &pair()).unwrap();
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry.clone()));
        let manifest = Change {
            operation: Operation::Put(Content {
                payload: Payload::Manifest(Hash([3; 32])),
                ..entry.content().unwrap().clone()
            }),
            ..change(2)
        };
        let entry = Entry::sign(manifest, &pair()).unwrap();
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        let entry = Entry::sign(
            Change {
                operation: Operation::Delete,
                ..change(3)
            },
            &pair(),
        )
        .unwrap();
        assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        let mut seen = Context::new();
        seen.insert(change(5).dot);
        let itself = Change {
            context: seen,
            ..change(5)
        };
        assert!(matches!(
            Entry::sign(itself, &pair()),
            Err(EntryError::OutOfBounds(_))
        ));
        assert!(matches!(
            Entry::sign(change(0), &pair()),
            Err(EntryError::OutOfBounds(_))
        ));
        let stranger = KeyPair::from_seed(&[4; 32]);
        assert_eq!(
            Entry::sign(change(1), &stranger),
            Err(EntryError::BadSignature(BadSignature))
        );
    }

    #[test]
    fn an_edit_wins_over_a_concurrent_delete() {
        let put = Entry::sign(change(1), &pair()).unwrap();
        let delete = Change {
            operation: Operation::Delete,
            time: HybridTime(99),
            ..change(2)
        };
        let delete = Entry::sign(delete, &pair()).unwrap();
        assert!(put.rank() > delete.rank());
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_never_accepted(position in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = Entry::sign(change(1), &pair()).unwrap().encode();
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            prop_assert!(Entry::decode(&bytes).is_err());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Entry::decode(&bytes).is_err());
        }
    }
}
