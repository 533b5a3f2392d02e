//! The chunk files: payloads too large for the tables, cut up and kept by the hash of their bytes.
//!
//! [`Cutter`] divides a stream; equal content is cut alike on every node, which is what lets two versions of a
//! document share chunks. [`Manifest`](crate::model::Manifest) lists the chunks of one document; its bytes live in the tables. [`ChunkFiles`]
//! keeps the chunks on a [`ChunkDisk`]: [`FolderDisk`] in the daemon, [`MemoryDisk`] in the simulator, a recording one
//! in crash tests. Which chunks are still needed is for the tables to say.
//!
//! Invariants: a chunk is never returned unless its bytes have the hash they were asked by; what was written before a
//! [`sync`](ChunkFiles::sync) that succeeded survives a power cut; a pinned chunk is not removed.

mod barrier;
mod cutter;
mod disk;
mod error;
mod files;
mod folder_disk;
mod hashes;
mod memory_disk;
mod pins;
#[cfg(test)]
mod tests;

pub use cutter::{
    CHUNK_LEN_AVERAGE, CHUNK_LEN_MIN, Cut, Cutter, INLINE_LEN_MAX, PayloadCut, SINGLE_CHUNK_LEN_MAX,
};
pub use disk::ChunkDisk;
pub(super) use disk::parent;
pub use error::ChunkError;
pub use files::ChunkFiles;
pub use folder_disk::FolderDisk;
pub use hashes::Hashes;
pub use memory_disk::MemoryDisk;
pub use pins::Pin;
