//! Content hashes: BLAKE3, 32 bytes.

use super::bytes32::fixed_bytes;

fixed_bytes! {
    /// A BLAKE3 hash of some stored or transmitted bytes.
    Hash, 32
}

impl Hash {
    /// Hashes `bytes` whole.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl From<blake3::Hash> for Hash {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}
