//! The sealed body of a change: path, type and contents, for nobody but members.
//!
//! ```text
//! body      = CBOR [path, content type, contents or null, [[chunk key, length], …]]
//! sealed    = XChaCha20-Poly1305(key, nonce 0, associated data, padded body)
//! tag       = first 16 bytes of BLAKE3, keyed by the epoch, over dot and body; travels with the change, signed
//! key       = BLAKE3, keyed by the epoch, over dot and tag
//! associated data = CBOR [space, name]
//! ```
//! No nonce travels and none has to be fresh: a key seals one body only, since it follows from the body. Should a restored disk use a dot
//! again for something else, tag and key are others. And so the sealed form follows from the body alone: whoever has the key and the
//! body can make it again, and check its writer's signature.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde_bytes::ByteBuf;

use super::chunk::ChunkKey;
use super::epoch::EpochKey;
use super::padding::{pad, padded_len, unpad};
use crate::model::{
    BlindName, BodyTag, CONTENT_TYPE_LEN_MAX, Category, DocumentPath, Dot, OwnerId, SEALED_CHUNKS_MAX, Seal,
    codec,
};

/// What sealing adds to a padded body, in bytes.
const AEAD_TAG_LEN: usize = 16;
/// Most bytes of a body: a key and a length for each chunk, or the contents of a small document, and the rest.
const BODY_LEN_MAX: usize = SEALED_CHUNKS_MAX * 40 + 16 * 1024;

/// What a private or shared document is, to those who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Where it is.
    pub path: DocumentPath,
    /// The media type, byte for byte as the client gave it.
    pub content_type: String,
    /// What is in it.
    pub contents: Contents,
}

/// The contents of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// They themselves.
    Inline(Vec<u8>),
    /// In chunks: their keys, in the order of the manifest that lies beside the body.
    Chunks(Vec<ChunkKey>),
}

impl Contents {
    /// Bytes of the document.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Chunks(keys) => keys.iter().map(|key| u64::from(key.len)).sum(),
        }
    }

    /// Says whether the document is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

type Wire = (DocumentPath, String, Option<ByteBuf>, Vec<ChunkKey>);

impl Body {
    fn encode(&self) -> Vec<u8> {
        let (inline, chunks) = match &self.contents {
            Contents::Inline(bytes) => (Some(ByteBuf::from(bytes.clone())), Vec::new()),
            Contents::Chunks(keys) => (None, keys.clone()),
        };
        let wire: Wire = (self.path.clone(), self.content_type.clone(), inline, chunks);
        codec::encode(&wire)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (path, content_type, inline, chunks): Wire = codec::decode(bytes, BODY_LEN_MAX).ok()?;
        let contents = match inline {
            Some(bytes) if chunks.is_empty() => Contents::Inline(bytes.into_vec()),
            None => Contents::Chunks(chunks),
            Some(_) => return None,
        };
        // A document in the wrong category would be read under other rules than it was written under.
        let is_good = path.category() != Category::Public && content_type.len() <= CONTENT_TYPE_LEN_MAX;
        is_good.then_some(Self {
            path,
            content_type,
            contents,
        })
    }
}

/// Which change of which document a body is of: what stands in the clear beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whose space.
    pub space: OwnerId,
    /// Which document.
    pub name: BlindName,
    /// Which change.
    pub dot: Dot,
}

impl Place {
    fn associated(&self) -> Vec<u8> {
        codec::encode(&(self.space, self.name))
    }
}

/// A body that members can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBody {
    /// Stands in the signed change.
    pub seal: Seal,
    /// Travels beside it.
    pub bytes: Vec<u8>,
}

/// A body cannot be opened: it was made for another key, change or place, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this was not sealed for that place and key")]
pub struct NotSealed;

impl EpochKey {
    /// Seals the body of one change. Fails when the body is too long.
    pub fn seal(&self, place: &Place, body: &Body) -> Result<SealedBody, NotSealed> {
        let encoded = body.encode();
        if encoded.len() > BODY_LEN_MAX {
            return Err(NotSealed);
        }
        let tag = self.body_tag(place.dot, &encoded);
        let mut padded = encoded;
        pad(&mut padded);
        let payload = Payload {
            msg: &padded,
            aad: &place.associated(),
        };
        let bytes = self.cipher(place.dot, &tag).encrypt(&XNonce::default(), payload);
        Ok(SealedBody {
            seal: Seal {
                epoch: self.id(),
                tag,
            },
            bytes: bytes.map_err(|_| NotSealed)?,
        })
    }

    /// Opens the body of one change, that was sealed with `tag`.
    pub fn open(&self, place: &Place, tag: &BodyTag, sealed: &[u8]) -> Result<Body, NotSealed> {
        if sealed.len() > padded_len(BODY_LEN_MAX) + AEAD_TAG_LEN {
            return Err(NotSealed);
        }
        let payload = Payload {
            msg: sealed,
            aad: &place.associated(),
        };
        let opened = self.cipher(place.dot, tag).decrypt(&XNonce::default(), payload);
        let mut body = opened.map_err(|_| NotSealed)?;
        if !unpad(&mut body) || self.body_tag(place.dot, &body) != *tag {
            return Err(NotSealed);
        }
        Body::decode(&body).ok_or(NotSealed)
    }

    fn cipher(&self, dot: Dot, tag: &BodyTag) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.body_key(dot, tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Incarnation, NodeId, Sequence, Writer};
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    fn place(sequence: u64) -> Place {
        let writer = Writer {
            node: NodeId([1; 32]),
            incarnation: Incarnation(7),
        };
        Place {
            space: OwnerId([2; 32]),
            name: BlindName([3; 16]),
            dot: Dot {
                writer,
                sequence: Sequence(sequence),
            },
        }
    }

    fn key(byte: u8) -> EpochKey {
        EpochKey::new(Zeroizing::new([byte; 32]))
    }

    fn body(path: &str, contents: &[u8]) -> Body {
        Body {
            path: DocumentPath::parse(path).unwrap(),
            content_type: "text/plain".into(),
            contents: Contents::Inline(contents.to_vec()),
        }
    }

    #[test]
    fn a_body_opens_for_its_key_change_and_place_alone() {
        let own = body("/private/notes/a", b"text");
        let SealedBody { seal, bytes } = key(1).seal(&place(1), &own).unwrap();
        assert_eq!(seal.epoch, key(1).id());
        let open = |key: EpochKey, place: Place| key.open(&place, &seal.tag, &bytes);
        assert_eq!(open(key(1), place(1)), Ok(own));
        assert_eq!(open(key(2), place(1)), Err(NotSealed));
        assert_eq!(open(key(1), place(2)), Err(NotSealed));
        let elsewhere = Place {
            name: BlindName([4; 16]),
            ..place(1)
        };
        assert_eq!(open(key(1), elsewhere), Err(NotSealed));
        let other_space = Place {
            space: OwnerId([4; 32]),
            ..place(1)
        };
        assert_eq!(open(key(1), other_space), Err(NotSealed));
    }

    #[test]
    fn a_dot_that_is_used_again_has_another_key() {
        let [one, other] = [b"one text", b"other  !"]
            .map(|text| key(1).seal(&place(1), &body("/shared/a/b", text)).unwrap());
        assert_ne!(one.seal.tag, other.seal.tag);
        // The same stream would show what differs in the clear.
        let same = one.bytes.iter().zip(&other.bytes).filter(|(a, b)| a == b).count();
        assert!(same < one.bytes.len() / 4, "{same} of {}", one.bytes.len());
    }

    #[test]
    fn a_sealed_public_document_is_none() {
        let public = key(1).seal(&place(1), &body("/public/a/b", b"text")).unwrap();
        assert_eq!(
            key(1).open(&place(1), &public.seal.tag, &public.bytes),
            Err(NotSealed)
        );
    }

    proptest! {
        #[test]
        fn every_body_comes_back_and_none_that_was_changed(
            contents in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300).prop_map(Contents::Inline),
                prop::collection::vec((any::<[u8; 32]>(), 1_u32..1 << 20), 0..20).prop_map(|keys| {
                    Contents::Chunks(keys.into_iter().map(|(key, len)| ChunkKey::new(key, len)).collect())
                }),
            ],
            content_type in "[a-z/]{0,20}",
            at: prop::sample::Index,
            bit in 0_u8..8,
        ) {
            let body = Body { contents, content_type, ..body("/private/a/b", b"") };
            let mut sealed = key(3).seal(&place(5), &body).unwrap();
            prop_assert_eq!(key(3).seal(&place(5), &body).unwrap(), sealed.clone());
            let tag = &sealed.seal.tag;
            prop_assert_eq!(key(3).open(&place(5), tag, &sealed.bytes).unwrap(), body);
            let all = sealed.bytes.len() + BodyTag::LEN;
            match at.index(all) {
                at if at < BodyTag::LEN => sealed.seal.tag.0[at] ^= 1 << bit,
                at => sealed.bytes[at - BodyTag::LEN] ^= 1 << bit,
            }
            prop_assert_eq!(key(3).open(&place(5), &sealed.seal.tag, &sealed.bytes), Err(NotSealed));
        }
    }
}
