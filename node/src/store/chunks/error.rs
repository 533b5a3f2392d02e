//! Why a chunk cannot be read or kept.

use std::io;

use crate::model::{CHUNK_LEN_MAX, Hash};

/// Why a chunk cannot be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// There is no such chunk here.
    #[error("chunk {hash} is not here")]
    Missing {
        /// Its hash.
        hash: Hash,
    },
    /// The file does not hold the bytes that it should: set it aside, and fetch the chunk again.
    #[error("chunk {hash} is damaged on disk")]
    Corrupt {
        /// Its hash.
        hash: Hash,
    },
    /// The bytes to be written are not the chunk they are said to be.
    #[error("these bytes are not chunk {hash}")]
    HashMismatch {
        /// The hash they were said to have.
        hash: Hash,
    },
    /// More bytes than a chunk may have.
    #[error("{len} bytes are more than the {CHUNK_LEN_MAX} of a chunk")]
    TooLong {
        /// Bytes that came.
        len: usize,
    },
    /// No space is left on the disk, or none for this user.
    #[error("the disk is full")]
    Full,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Disk(#[source] io::Error),
    /// A sync failed before, and what the disk holds is unknown: reads go on, writes need the files opened again.
    #[error("an earlier write did not reach the disk: check the disk, then start the node again")]
    Broken,
}

impl From<io::Error> for ChunkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Disk(error),
        }
    }
}
