//! Manifests: which chunks a large document consists of.

use serde::{Deserialize, Serialize};

use super::Hash;
use super::codec::{self, CodecError};

/// Most chunks of one document: with its length and a frame's bound in mind, some 11 GiB at the average chunk.
pub const MANIFEST_CHUNKS_MAX: usize = 45_000;
/// Most chunks of a sealed document, whose body holds a key for each: some 6 GiB.
pub const SEALED_CHUNKS_MAX: usize = 24_000;
/// Most bytes of an encoded manifest; fits one frame.
pub const MANIFEST_LEN_MAX: usize = 1_800_016;
/// Largest chunk, in bytes.
pub const CHUNK_LEN_MAX: u32 = 1024 * 1024 + 32 * 1024 + 16;

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
    /// Over [`MANIFEST_CHUNKS_MAX`], or none.
    #[error("a document has 1 to {MANIFEST_CHUNKS_MAX} chunks")]
    ChunkCount,
    /// A chunk that is empty or over [`CHUNK_LEN_MAX`].
    #[error("a chunk has 1 to {CHUNK_LEN_MAX} bytes")]
    ChunkLen,
}

/// The chunks of one document, in order.
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

    /// The chunks.
    pub fn chunks(&self) -> &[ChunkRef] {
        &self.0
    }

    /// The document's length in bytes.
    pub fn total_len(&self) -> u64 {
        self.0.iter().map(|chunk| u64::from(chunk.len)).sum()
    }

    /// The chunk that holds byte `offset` of the document, and where in it; `None` at the end and beyond.
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

    /// `[version, [[hash, length], …]]`
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

    /// The name of the manifest: BLAKE3 of its encoding.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_manifest_fits() {
        let chunk = ChunkRef {
            hash: Hash([255; 32]),
            len: CHUNK_LEN_MAX,
        };
        let manifest = Manifest::new(vec![chunk; MANIFEST_CHUNKS_MAX]).unwrap();
        let bytes = manifest.encode();
        assert!(bytes.len() <= MANIFEST_LEN_MAX, "{}", bytes.len());
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        assert_eq!(
            Manifest::new(vec![chunk; MANIFEST_CHUNKS_MAX + 1]),
            Err(ManifestError::ChunkCount)
        );
    }

    #[test]
    fn an_offset_finds_its_chunk() {
        let chunk = |len| ChunkRef {
            hash: Hash([1; 32]),
            len,
        };
        let manifest = Manifest::new(vec![chunk(10), chunk(5)]).unwrap();
        assert_eq!(manifest.total_len(), 15);
        assert_eq!(manifest.chunk_at(0), Some((0, 0)));
        assert_eq!(manifest.chunk_at(10), Some((1, 0)));
        assert_eq!(manifest.chunk_at(14), Some((1, 4)));
        assert_eq!(manifest.chunk_at(15), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(manifest) = Manifest::decode(&bytes) {
                prop_assert_eq!(manifest.encode(), bytes);
            }
        }
    }
}
