//! Manifests: which chunks a large document consists of, in order.

use serde::{Deserialize, Serialize};

use super::CHUNK_LEN_MAX;
use crate::model::Hash;
use crate::model::codec::{self, CodecError};

/// Most chunks of one document: about 15 GiB at the average length.
pub const MANIFEST_CHUNKS_MAX: usize = 60_000;
/// Most bytes of an encoded manifest: 40 for each chunk, and its own head.
pub const MANIFEST_LEN_MAX: usize = MANIFEST_CHUNKS_MAX * 40 + 16;

const VERSION: u8 = 1;

/// One chunk of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Hash, u32)", into = "(Hash, u32)")]
pub struct ChunkRef {
    /// BLAKE3 of its bytes.
    pub hash: Hash,
    /// Its length in bytes, 1..=[`CHUNK_LEN_MAX`].
    pub len: u32,
}

impl From<(Hash, u32)> for ChunkRef {
    fn from((hash, len): (Hash, u32)) -> Self {
        Self { hash, len }
    }
}

impl From<ChunkRef> for (Hash, u32) {
    fn from(chunk: ChunkRef) -> Self {
        (chunk.hash, chunk.len)
    }
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not a manifest at all.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A version that this node does not know.
    #[error("manifest version {0} is not known here: update this node")]
    UnknownVersion(u8),
    /// No chunk, or more than [`MANIFEST_CHUNKS_MAX`].
    #[error("a manifest lists 1 to {MANIFEST_CHUNKS_MAX} chunks")]
    ChunkCount,
    /// A chunk that is empty or longer than [`CHUNK_LEN_MAX`].
    #[error("a chunk has 1 to {CHUNK_LEN_MAX} bytes")]
    ChunkLen,
}

/// The chunks of one document.
///
/// The bounds on count and chunk length hold for every value, so that no sum over it overflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(Vec<ChunkRef>);

impl Manifest {
    /// Makes a manifest, or says which bound it breaks.
    pub fn new(chunks: Vec<ChunkRef>) -> Result<Self, ManifestError> {
        if chunks.is_empty() || chunks.len() > MANIFEST_CHUNKS_MAX {
            return Err(ManifestError::ChunkCount);
        }
        if chunks
            .iter()
            .any(|chunk| chunk.len == 0 || chunk.len > CHUNK_LEN_MAX)
        {
            return Err(ManifestError::ChunkLen);
        }
        Ok(Self(chunks))
    }

    /// The chunks, in the document's order.
    pub fn chunks(&self) -> &[ChunkRef] {
        &self.0
    }

    /// The document's length in bytes.
    pub fn total_len(&self) -> u64 {
        self.0.iter().map(|chunk| u64::from(chunk.len)).sum()
    }

    /// Where byte `offset` of the document is: the index of its chunk and the offset in it. `None` at the end.
    pub fn chunk_at(&self, offset: u64) -> Option<(usize, u32)> {
        let mut start = 0;
        for (index, chunk) in self.0.iter().enumerate() {
            let end = start + u64::from(chunk.len);
            if offset < end {
                return u32::try_from(offset - start).ok().map(|within| (index, within));
            }
            start = end;
        }
        None
    }

    /// The bytes that travel and are stored: `[version, [[hash, length], …]]`.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(VERSION, &self.0))
    }

    /// Reads a manifest and checks its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let (version, chunks): (u8, Vec<ChunkRef>) = codec::decode(bytes, MANIFEST_LEN_MAX)?;
        if version != VERSION {
            return Err(ManifestError::UnknownVersion(version));
        }
        Self::new(chunks)
    }

    /// The manifest's name: BLAKE3 of its encoding.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifests() -> impl Strategy<Value = Manifest> {
        let chunk = (any::<[u8; 32]>(), 1..=CHUNK_LEN_MAX).prop_map(|(hash, len)| ChunkRef {
            hash: Hash(hash),
            len,
        });
        proptest::collection::vec(chunk, 1..20).prop_map(|chunks| Manifest::new(chunks).unwrap())
    }

    #[test]
    fn bounds_hold() {
        let chunk = ChunkRef {
            hash: Hash([255; 32]),
            len: CHUNK_LEN_MAX,
        };
        let largest = Manifest::new(vec![chunk; MANIFEST_CHUNKS_MAX]).unwrap();
        assert_eq!(Manifest::decode(&largest.encode()), Ok(largest));
        assert_eq!(
            Manifest::new(vec![chunk; MANIFEST_CHUNKS_MAX + 1]),
            Err(ManifestError::ChunkCount)
        );
        assert_eq!(Manifest::new(Vec::new()), Err(ManifestError::ChunkCount));
        for len in [0, CHUNK_LEN_MAX + 1] {
            assert_eq!(
                Manifest::new(vec![ChunkRef { len, ..chunk }]),
                Err(ManifestError::ChunkLen)
            );
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let later = codec::encode(&(VERSION + 1, Vec::<ChunkRef>::new()));
        assert_eq!(
            Manifest::decode(&later),
            Err(ManifestError::UnknownVersion(VERSION + 1))
        );
    }

    proptest! {
        #[test]
        fn round_trip(manifest in manifests()) {
            prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        }

        #[test]
        fn every_offset_finds_its_chunk(manifest in manifests(), place in any::<prop::sample::Index>(), part in 0.0..1.0) {
            let index = place.index(manifest.chunks().len());
            let len = manifest.chunks()[index].len;
            let within = ((f64::from(len) * part) as u32).min(len - 1);
            let before: u64 = manifest.chunks()[..index].iter().map(|chunk| u64::from(chunk.len)).sum();
            prop_assert_eq!(manifest.chunk_at(before + u64::from(within)), Some((index, within)));
            prop_assert_eq!(manifest.chunk_at(manifest.total_len()), None);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(manifest.encode(), bytes);
            }
        }

        #[test]
        fn a_flipped_byte_never_panics(manifest in manifests(), place in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = manifest.encode();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            if let Ok(other) = Manifest::decode(&bytes) {
                prop_assert_eq!(other.encode(), bytes);
            }
        }
    }
}
