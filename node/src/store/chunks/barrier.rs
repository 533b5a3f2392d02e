//! Barriers: making written chunks durable, many callers at a time.
//!
//! A caller is served by the first barrier that begins after its call: that one covers all it has written. While one
//! runs, callers gather for the next, so that a busy disk does few large syncs instead of many small ones.

use std::collections::BTreeSet;
use std::io;
use std::sync::PoisonError;

use super::files::{CHUNKS_DIR, Shared, subdirectory};
use super::{ChunkDisk, ChunkError};
use crate::model::Hash;

/// Most files that are synced one by one.
///
/// Measured on ext4: one file with its directory takes 0.7 ms, a sync of the whole file system with 100 new files
/// 38 ms; with 32 writers of 100 KiB each, syncs of the whole from five files on serve a quarter more of them than from
/// seventeen on. The whole also writes what other programs left unwritten, and so is not for a few files.
pub(super) const FILES_SYNCED_SINGLY_MAX: usize = 4;

/// What is written and not known to be durable.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    pub(super) files: BTreeSet<Hash>,
    /// A subdirectory was made.
    pub(super) subdirectory: bool,
}

/// Counts barriers, so that callers know when theirs is over.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    begun: u64,
    ended: u64,
    /// One failed: the kernel may have dropped what it could not write, and a second try would succeed wrongly.
    pub(super) broken: bool,
}

impl Shared {
    /// Returns when all that was written before the call is durable.
    pub(super) fn sync(&self) -> Result<(), ChunkError> {
        let mut state = self.state();
        let mine = state.barriers.begun + 1;
        loop {
            if state.barriers.broken {
                return Err(ChunkError::Broken);
            }
            if state.barriers.ended >= mine {
                return Ok(());
            }
            if state.barriers.begun > state.barriers.ended {
                state = self
                    .barrier_ended
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if state.unsynced.files.is_empty() && !state.unsynced.subdirectory {
                return Ok(());
            }
            let batch = std::mem::take(&mut state.unsynced);
            state.barriers.begun += 1;
            drop(state);
            let result = make_durable(&*self.disk, &batch);
            state = self.state();
            state.barriers.ended = state.barriers.begun;
            self.barrier_ended.notify_all();
            if let Err(error) = result {
                state.barriers.broken = true;
                // Nobody was told that these are here. Left in place they would look whole, out of the kernel's
                // memory, to the next who writes them.
                for hash in &batch.files {
                    let _ = self.disk.remove(&super::files::place(hash));
                }
                return Err(error.into());
            }
        }
    }
}

fn make_durable(disk: &dyn ChunkDisk, batch: &Unsynced) -> io::Result<()> {
    if batch.files.len() > FILES_SYNCED_SINGLY_MAX {
        return disk.sync_all();
    }
    for hash in &batch.files {
        match disk.sync_file(&super::files::place(hash)) {
            // Removed or set aside since it was written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    let subdirectories: BTreeSet<String> = batch.files.iter().map(subdirectory).collect();
    for path in &subdirectories {
        disk.sync_dir(path)?;
    }
    if batch.subdirectory {
        disk.sync_dir(CHUNKS_DIR)?;
    }
    Ok(())
}
