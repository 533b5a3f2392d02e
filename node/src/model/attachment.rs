//! What lies beside an entry: small contents, a manifest, a sealed body, or a sealed body and a manifest.

use serde_bytes::ByteBuf;

use super::{Content, MANIFEST_LEN_MAX, Payload, codec};

/// Most bytes of a sealed body and a manifest together. They fit one frame.
const JOINED_LEN_MAX: usize = MANIFEST_LEN_MAX + 256 * 1024;

/// What lies beside an entry whose content is `content`, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attachment<'a> {
    /// Contents, or a sealed body.
    pub body: Option<&'a [u8]>,
    /// An encoded manifest.
    pub manifest: Option<&'a [u8]>,
}

impl<'a> Attachment<'a> {
    /// Takes the bytes beside an entry apart. `None`: they can't be what the entry says.
    pub fn split(content: Option<&Content>, bytes: Option<&'a [u8]>) -> Option<Self> {
        let (Some(content), Some(bytes)) = (content, bytes) else {
            let needs_none = content.is_none_or(|content| content.payload == Payload::Chunk);
            return (needs_none && bytes.is_none()).then_some(Self::default());
        };
        match (content.payload, content.seal) {
            (Payload::Inline, _) => Some(Self {
                body: Some(bytes),
                manifest: None,
            }),
            (Payload::Manifest(_), None) => Some(Self {
                body: None,
                manifest: Some(bytes),
            }),
            (Payload::Manifest(_), Some(_)) => {
                let (body, manifest) = split_joined(bytes)?;
                Some(Self {
                    body: Some(body),
                    manifest: Some(manifest),
                })
            }
            (Payload::Chunk, _) => None,
        }
    }

    /// A sealed body and a manifest with zeros in the body's place. `None`: the bytes are no such thing.
    pub fn blank_joined(bytes: &[u8]) -> Option<Vec<u8>> {
        let (body, manifest) = split_joined(bytes)?;
        Some(Self::join(&vec![0; body.len()], manifest))
    }

    /// A sealed body and a manifest as one.
    pub fn join(body: &[u8], manifest: &[u8]) -> Vec<u8> {
        codec::encode(&(ByteBuf::from(body), ByteBuf::from(manifest)))
    }
}

/// `[sealed body, manifest]`
fn split_joined(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, manifest): (ByteBuf, ByteBuf) = codec::decode(bytes, JOINED_LEN_MAX).ok()?;
    // In canonical form the manifest is the end, and the body stands before it and its head.
    let manifest = bytes.get(bytes.len() - manifest.len()..)?;
    let end = bytes.len() - codec::encode(&ByteBuf::from(manifest)).len();
    Some((bytes.get(end - body.len()..end)?, manifest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BodyTag, EpochId, Hash, Seal};
    use proptest::prelude::*;

    fn content(payload: Payload, sealed: bool) -> Content {
        Content {
            content_type: String::new(),
            hash: Hash([1; 32]),
            len: 3,
            payload,
            seal: sealed.then_some(Seal {
                epoch: EpochId([2; 8]),
                tag: BodyTag([3; 16]),
            }),
        }
    }

    #[test]
    fn nothing_lies_beside_a_deletion_and_beside_a_chunk() {
        let none = Some(Attachment::default());
        assert_eq!(Attachment::split(None, None), none);
        assert_eq!(
            Attachment::split(Some(&content(Payload::Chunk, false)), None),
            none
        );
        assert_eq!(Attachment::split(None, Some(b"")), None);
        assert_eq!(
            Attachment::split(Some(&content(Payload::Chunk, false)), Some(b"")),
            None
        );
        assert_eq!(
            Attachment::split(Some(&content(Payload::Inline, false)), None),
            None
        );
    }

    proptest! {
        #[test]
        fn what_was_joined_comes_apart(
            body in prop::collection::vec(any::<u8>(), 0..300),
            manifest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let joined = Attachment::join(&body, &manifest);
            let content = content(Payload::Manifest(Hash([4; 32])), true);
            let parts = Attachment::split(Some(&content), Some(&joined)).unwrap();
            prop_assert_eq!(parts, Attachment { body: Some(&body), manifest: Some(&manifest) });
        }

        #[test]
        fn any_bytes_come_apart_or_are_refused(bytes: Vec<u8>) {
            let content = content(Payload::Manifest(Hash([4; 32])), true);
            let _ = Attachment::split(Some(&content), Some(&bytes));
        }
    }
}
