//! Entity tags: the version of one document, as HTTP and the mesh name it.

use super::bytes32::fixed_bytes;
use super::{Dot, Hash, codec};

fixed_bytes! {
    /// A strong entity tag: 16 bytes of the BLAKE3 hash over content hash and dot.
    ///
    /// Two changes never share one, even with equal content: a client that saw the older one sees that there was a
    /// newer.
    ETag, 16
}

impl ETag {
    /// The tag of the change `dot` with content `content`.
    pub fn of(content: &Hash, dot: Dot) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 etag");
        hasher.update(content.as_bytes());
        hasher.update(&codec::encode(&dot));
        let mut tag = [0; 16];
        hasher.finalize_xof().fill(&mut tag);
        Self(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::tests::dot;

    #[test]
    fn content_and_dot_both_count() {
        let tag = ETag::of(&Hash::of(b"a"), dot(1, 1));
        assert_eq!(tag, ETag::of(&Hash::of(b"a"), dot(1, 1)));
        assert_ne!(tag, ETag::of(&Hash::of(b"b"), dot(1, 1)));
        assert_ne!(tag, ETag::of(&Hash::of(b"a"), dot(1, 2)));
    }
}
