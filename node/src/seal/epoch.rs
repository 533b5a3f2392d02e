//! The key of an epoch, and what follows from it.
//!
//! A space's key is replaced when somebody loses the right to read: what is written from then on is sealed under the next *epoch's*. From each
//! epoch's key follows one key for each use, so that nothing made for one is good for another.

use zeroize::Zeroizing;

use crate::model::{BlindName, BodyTag, DocumentPath, Dot, EpochId, KeyPair, codec};

const ID: &str = "cairn 1 epoch id";
const FIRST: &str = "cairn 1 first epoch";
const NAME: &str = "cairn 1 document name";
const TAG: &str = "cairn 1 body tag";
const BODY: &str = "cairn 1 body key";
const RADIO: &str = "cairn 1 radio key";
const CHUNK: &str = "cairn 1 chunk key";

/// The secret of one epoch.
#[derive(Clone)]
pub struct EpochKey {
    secret: Zeroizing<[u8; 32]>,
    id: EpochId,
    tags: Zeroizing<[u8; 32]>,
    bodies: Zeroizing<[u8; 32]>,
    chunks: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpochKey({}, …)", self.id)
    }
}

impl EpochKey {
    /// Of 32 random bytes.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        let derive = |context| Zeroizing::new(blake3::derive_key(context, &*secret));
        let mut id = EpochId([0; 8]);
        id.0.copy_from_slice(&blake3::derive_key(ID, &*secret)[..8]);
        let (tags, bodies, chunks) = (derive(TAG), derive(BODY), derive(CHUNK));
        Self {
            secret,
            id,
            tags,
            bodies,
            chunks,
        }
    }

    /// The first epoch's, which follows from the owner's key: whoever has the recovery phrase has it.
    pub fn first(owner: &KeyPair) -> Self {
        Self::new(Zeroizing::new(blake3::derive_key(FIRST, &*owner.seed())))
    }

    /// The secret itself: for key files and invites.
    pub fn secret(&self) -> &Zeroizing<[u8; 32]> {
        &self.secret
    }

    /// Its name, in the clear beside all that it seals. A hash of the key: whoever is given a key can tell that it is the right one.
    pub fn id(&self) -> EpochId {
        self.id
    }

    /// The key for names.
    pub fn names(&self) -> NameKey {
        NameKey(Zeroizing::new(blake3::derive_key(NAME, &*self.secret)))
    }

    /// The key for radio frames, which all devices of the space share.
    pub fn radio(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(RADIO, &*self.secret))
    }

    /// Stands for the body of one change, and tells it from every other: of the same change as well, should a restored disk make another one
    /// of that name.
    pub(super) fn body_tag(&self, dot: Dot, body: &[u8]) -> BodyTag {
        let mut tag = BodyTag([0; BodyTag::LEN]);
        keyed(&self.tags, dot)
            .update(body)
            .finalize_xof()
            .fill(&mut tag.0);
        tag
    }

    /// The key under which one body is sealed, and no other.
    pub(super) fn body_key(&self, dot: Dot, tag: &BodyTag) -> Zeroizing<[u8; 32]> {
        let hash = keyed(&self.bodies, dot).update(&tag.0).finalize();
        Zeroizing::new(*hash.as_bytes())
    }

    /// The key under which a chunk is sealed, and no other but the same.
    pub(super) fn chunk_key(&self, bytes: &[u8]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*blake3::keyed_hash(&self.chunks, bytes).as_bytes())
    }
}

fn keyed(key: &[u8; 32], dot: Dot) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&codec::encode(&dot));
    hasher
}

/// What the names of a space's documents are made with: it follows from the first epoch, so that a document keeps its name whatever
/// key its contents have.
#[derive(Clone)]
pub struct NameKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for NameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameKey(…)")
    }
}

impl NameKey {
    /// What stands for `path`.
    pub fn name(&self, path: &DocumentPath) -> BlindName {
        let mut name = BlindName([0; BlindName::LEN]);
        blake3::Hasher::new_keyed(&self.0)
            .update(path.as_str().as_bytes())
            .finalize_xof()
            .fill(&mut name.0);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> EpochKey {
        EpochKey::new(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn a_name_tells_nothing_and_depends_on_the_key() {
        let path = DocumentPath::parse("/private/notes/a").unwrap();
        let other = DocumentPath::parse("/private/notes/b").unwrap();
        let names = key(1).names();
        assert_eq!(names.name(&path), key(1).names().name(&path));
        assert_ne!(names.name(&path), names.name(&other));
        assert_ne!(names.name(&path), key(2).names().name(&path));
    }

    #[test]
    fn the_first_epoch_is_the_owners() {
        let [ada, ben] = [1, 2].map(|seed| EpochKey::first(&KeyPair::from_seed(&[seed; 32])));
        assert_eq!(ada.id(), EpochKey::first(&KeyPair::from_seed(&[1; 32])).id());
        assert_ne!(ada.id(), ben.id());
        assert_eq!(EpochKey::new(ada.secret().clone()).id(), ada.id());
    }

    #[test]
    fn debug_shows_no_key() {
        let key = key(9);
        assert_eq!(
            format!("{key:?} {:?}", key.names()),
            format!("EpochKey({}, …) NameKey(…)", key.id())
        );
    }
}
