//! Entries: one signed change of one document.

use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError};
use super::context::{CONTEXT_WRITERS_MAX, Context};
use super::{
    BadSignature, Category, DocumentName, Dot, ETag, Hash, HybridTime, OwnerId, Seal, Sequence, Sign,
    Signature, verify,
};

/// Most bytes of an encoded entry, without its payload.
pub const ENTRY_LEN_MAX: usize = 96 * 1024;
/// Most bytes of a content type.
pub const CONTENT_TYPE_LEN_MAX: usize = 1024;
/// Largest document, in bytes: 1 TiB.
pub const DOCUMENT_LEN_MAX: u64 = 1 << 40;

const VERSION: u8 = 2;
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
    /// A private or shared document in the clear, or a public one sealed.
    #[error("documents of private/ and shared/ are sealed, those of public/ are not")]
    WrongSeal,
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
#[serde(from = "WireContent", into = "WireContent")]
pub struct Content {
    /// The media type, byte for byte as the client gave it. Of a sealed document, none.
    pub content_type: String,
    /// BLAKE3 over the whole document. Of a sealed one, over its sealed body.
    pub hash: Hash,
    /// Length in bytes. Of a sealed document, that of the sealed body and chunks.
    pub len: u64,
    /// Where the bytes are. Those of a sealed document never lie in one chunk alone: its type and path have to be somewhere.
    pub payload: Payload,
    /// With what the body is sealed.
    pub seal: Option<Seal>,
}

/// `[content type, hash, length, payload, [epoch, tag] or null]`
type WireContent = (String, Hash, u64, Payload, Option<Seal>);

impl From<WireContent> for Content {
    fn from((content_type, hash, len, payload, seal): WireContent) -> Self {
        Self {
            content_type,
            hash,
            len,
            payload,
            seal,
        }
    }
}

impl From<Content> for WireContent {
    fn from(content: Content) -> Self {
        let Content {
            content_type,
            hash,
            len,
            payload,
            seal,
        } = content;
        (content_type, hash, len, payload, seal)
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
    pub name: DocumentName,
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

/// `[version, space, dot, name, context, time, operation]`: the signed part.
type WireChange = (u8, OwnerId, Dot, DocumentName, Context, HybridTime, Operation);

impl Change {
    fn to_wire(&self) -> WireChange {
        let Self {
            space,
            dot,
            name,
            context,
            time,
            operation,
        } = self.clone();
        (VERSION, space, dot, name, context, time, operation)
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
        if !self.is_sealed_as_it_must() {
            return Err(EntryError::WrongSeal);
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

    fn is_sealed_as_it_must(&self) -> bool {
        match (&self.name, &self.operation) {
            (DocumentName::Clear(path), Operation::Put(content)) => {
                path.category() == Category::Public && content.seal.is_none()
            }
            (DocumentName::Clear(path), Operation::Delete) => path.category() == Category::Public,
            (DocumentName::Sealed(_), Operation::Put(content)) => {
                content.seal.is_some() && content.content_type.is_empty() && content.payload != Payload::Chunk
            }
            (DocumentName::Sealed(_), Operation::Delete) => true,
        }
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
        let (version, space, dot, name, context, time, operation) = wire;
        if version != VERSION {
            return Err(EntryError::UnknownVersion(version));
        }
        Ok(Self {
            change: Change {
                space,
                dot,
                name,
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
    use crate::model::{BlindName, BodyTag, DocumentPath, EpochId, Incarnation, KeyPair, Writer};
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
            name: DocumentName::Clear(DocumentPath::parse("/public/notes/a").unwrap()),
            context: Context::new(),
            time: HybridTime(77),
            operation: Operation::Put(Content {
                content_type: "text/plain".to_owned(),
                hash: Hash::of(b"hello"),
                len: 5,
                payload: Payload::Inline,
                seal: None,
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
    fn private_documents_are_sealed_and_public_ones_are_not() {
        let seal = Some(Seal {
            epoch: EpochId([1; 8]),
            tag: BodyTag([2; 16]),
        });
        let clear = |path| DocumentName::Clear(DocumentPath::parse(path).unwrap());
        let sealed = DocumentName::Sealed(BlindName([3; 16]));
        let put = |content_type: &str, payload, seal| {
            Operation::Put(Content {
                content_type: content_type.into(),
                hash: Hash([4; 32]),
                len: 5,
                payload,
                seal,
            })
        };
        for (name, operation, is_good) in [
            (sealed.clone(), put("", Payload::Inline, seal), true),
            (
                sealed.clone(),
                put("", Payload::Manifest(Hash([5; 32])), seal),
                true,
            ),
            (sealed.clone(), Operation::Delete, true),
            (sealed.clone(), put("", Payload::Inline, None), false),
            (sealed.clone(), put("text/plain", Payload::Inline, seal), false),
            (sealed, put("", Payload::Chunk, seal), false),
            (
                clear("/public/a/b"),
                put("text/plain", Payload::Inline, seal),
                false,
            ),
            (
                clear("/private/a/b"),
                put("text/plain", Payload::Inline, None),
                false,
            ),
            (clear("/private/a/b"), Operation::Delete, false),
            (
                clear("/shared/a/b"),
                put("text/plain", Payload::Inline, None),
                false,
            ),
        ] {
            let change = Change {
                name,
                operation,
                ..change(1)
            };
            let signed = Entry::sign(change, &pair());
            assert_eq!(signed.is_ok(), is_good, "{signed:?}");
            if let Ok(entry) = signed {
                assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
            }
        }
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
