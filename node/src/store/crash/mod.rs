//! A disk that forgets: what a power cut leaves of a store, rebuilt again and again.
//!
//! [`CrashRecorder`] lends redb a file and [`ChunkFiles`](super::ChunkFiles) a folder. Both work as if nothing could go
//! wrong, and write down each operation in one journal. [`crash`](CrashRecorder::crash) then rebuilds the disk as a
//! power cut at any place of the journal may leave it, and [`images`](CrashRecorder::images) goes through the places
//! that matter. Every image is a recorder again: what opening it writes can be crashed, too.
//!
//! What a crash keeps is no more than was promised: operations that a sync covered. redb's sync covers its file; those
//! of a [`ChunkDisk`](super::ChunkDisk) the bytes of one file, the names in one directory, or everything. Of the others
//! each is lost or not, whatever came before or after it; a write may arrive in part, by sectors of 512 bytes; a file
//! may have its name and its length without its bytes, and be empty, or full of something else. Sectors themselves are
//! whole: redb, like most, relies on that.
//!
//! Rejected: a folder on a loop device with a fault injector below. It needs root, costs seconds for each image, and
//! shows one file system's habits, which are kinder than the promises.

mod backend;
mod disk;
mod image;
mod journal;
mod recorder;
#[cfg(test)]
mod tests;

pub use backend::CrashDatabase;
pub use disk::CrashDisk;
pub use recorder::{CrashImage, CrashRecorder, Loss};
