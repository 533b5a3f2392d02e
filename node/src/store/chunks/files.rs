//! Chunk files: every chunk in a file named by its hash.
//!
//! ```text
//! chunks/ab/cdef…   the chunk with hash abcdef…, whole or, after a crash, whatever the disk kept of it
//! tmp/N             being written
//! corrupt/N-abcd…   found damaged, kept for inspection
//! ```
//! A file gets its name when all its bytes are written, but neither survives a power cut before a sync: after one, a
//! name may stand for an empty or damaged file. That is why a chunk that is written again is compared by content and
//! not by length, and why every read verifies.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;

use super::barrier::{Barriers, Unsynced};
use super::pins::Pins;
use super::{ChunkDisk, ChunkError, Hashes, Pin};
use crate::model::{CHUNK_LEN_MAX, Hash};

pub(super) const CHUNKS_DIR: &str = "chunks";
const TMP_DIR: &str = "tmp";
const CORRUPT_DIR: &str = "corrupt";
/// Most damaged files that are kept; the oldest give way.
pub(super) const CORRUPT_FILES_MAX: usize = 16;

/// The chunks on one disk. Clones share them; one process only may have them open.
#[derive(Debug, Clone)]
pub struct ChunkFiles(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn ChunkDisk>,
    state: Mutex<State>,
    pub(super) barrier_ended: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) pins: Pins,
    pub(super) unsynced: Unsynced,
    pub(super) barriers: Barriers,
    /// Which of the 256 subdirectories exist.
    subdirectories: [bool; 256],
    tmp_next: u64,
    corrupt_next: u64,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subdirectory of a chunk.
pub(super) fn subdirectory(hash: &Hash) -> String {
    format!("{CHUNKS_DIR}/{}", HEXLOWER.encode(&hash.0[..1]))
}

/// The file of a chunk.
pub(super) fn place(hash: &Hash) -> String {
    format!("{}/{}", subdirectory(hash), HEXLOWER.encode(&hash.0[1..]))
}

impl ChunkFiles {
    /// Opens the chunks on a disk, or begins with none. Deletes what was being written when the last process ended.
    ///
    /// Ends with a sync of the whole disk: a process that was killed left files that are whole in the kernel's memory
    /// only, and which nobody would sync any more, since they look as if they had been there for ever.
    pub fn open(disk: Arc<dyn ChunkDisk>) -> Result<Self, ChunkError> {
        for dir in [CHUNKS_DIR, TMP_DIR, CORRUPT_DIR] {
            disk.make_dir(dir)?;
        }
        for name in disk.list(TMP_DIR)? {
            disk.remove(&format!("{TMP_DIR}/{name}"))?;
        }
        let mut subdirectories = [false; 256];
        for name in disk.list(CHUNKS_DIR)? {
            if let Ok([byte]) = HEXLOWER.decode(name.as_bytes()).as_deref() {
                subdirectories[usize::from(*byte)] = true;
            }
        }
        let last = disk.list(CORRUPT_DIR)?.pop();
        let corrupt_next = last
            .and_then(|name| name.split_once('-')?.0.parse().ok())
            .map_or(0, |last: u64| last.saturating_add(1));
        disk.sync_all()?;
        Ok(Self(Arc::new(Shared {
            disk,
            state: Mutex::new(State {
                pins: Pins::default(),
                unsynced: Unsynced::default(),
                barriers: Barriers::default(),
                subdirectories,
                tmp_next: 0,
                corrupt_next,
            }),
            barrier_ended: Condvar::new(),
        })))
    }

    /// Writes a chunk, unless it is here already, and pins it. Not durable before the next [`sync`](Self::sync).
    ///
    /// Hold the pin until the entry that lists the chunk is committed. Fails with [`ChunkError::HashMismatch`] or
    /// [`TooLong`](ChunkError::TooLong) when the bytes are no such chunk, with [`Full`](ChunkError::Full) when the
    /// disk is, and always after a sync failed.
    pub fn write(&self, hash: Hash, bytes: &[u8]) -> Result<Pin, ChunkError> {
        if bytes.len() > CHUNK_LEN_MAX as usize {
            return Err(ChunkError::TooLong { len: bytes.len() });
        }
        if Hash::of(bytes) != hash {
            return Err(ChunkError::HashMismatch { hash });
        }
        let pin = self.pin(hash);
        let tmp = {
            let mut state = self.0.state();
            if state.barriers.broken {
                return Err(ChunkError::Broken);
            }
            state.tmp_next += 1;
            format!("{TMP_DIR}/{}", state.tmp_next)
        };
        // If the one who wrote it has not synced yet, it is still among the unsynced: the caller's sync covers it.
        if self.read(&hash).is_ok() {
            return Ok(pin);
        }
        let written = self
            .0
            .disk
            .write(&tmp, bytes)
            .and_then(|()| self.publish(&tmp, &hash));
        if let Err(error) = written {
            // What stays behind is deleted at the next start.
            let _ = self.0.disk.remove(&tmp);
            return Err(error.into());
        }
        Ok(pin)
    }

    fn publish(&self, tmp: &str, hash: &Hash) -> io::Result<()> {
        let mut state = self.0.state();
        let index = usize::from(hash.0[0]);
        if !state.subdirectories[index] {
            self.0.disk.make_dir(&subdirectory(hash))?;
            state.subdirectories[index] = true;
            state.unsynced.subdirectory = true;
        }
        self.0.disk.rename(tmp, &place(hash))?;
        state.unsynced.files.insert(*hash);
        Ok(())
    }

    /// Makes durable all that was written before the call. Callers at the same time share one barrier.
    ///
    /// When it fails, nothing that was not durable before can be relied upon: the files must be opened again.
    pub fn sync(&self) -> Result<(), ChunkError> {
        self.0.sync()
    }

    /// Reads a chunk and verifies it. Fails with [`ChunkError::Missing`] or [`Corrupt`](ChunkError::Corrupt).
    pub fn read(&self, hash: &Hash) -> Result<Vec<u8>, ChunkError> {
        // One byte more than a chunk may have: a longer file then fails the hash, and is never read whole.
        let bytes = self
            .0
            .disk
            .read(&place(hash), CHUNK_LEN_MAX as usize + 1)
            .map_err(|error| missing(error, hash))?;
        if Hash::of(&bytes) != *hash {
            return Err(ChunkError::Corrupt { hash: *hash });
        }
        Ok(bytes)
    }

    /// Says whether the chunk has a file. Only [`read`](Self::read) tells whether it is whole.
    pub fn contains(&self, hash: &Hash) -> Result<bool, ChunkError> {
        match self.len(hash) {
            Ok(_) => Ok(true),
            Err(ChunkError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The length of the chunk's file in bytes. Fails with [`ChunkError::Missing`].
    pub fn len(&self, hash: &Hash) -> Result<u64, ChunkError> {
        self.0
            .disk
            .len(&place(hash))
            .map_err(|error| missing(error, hash))
    }

    /// Keeps a chunk from being removed while the pin lives.
    pub fn pin(&self, hash: Hash) -> Pin {
        self.0.state().pins.take(hash);
        Pin {
            shared: self.0.clone(),
            hash,
        }
    }

    /// Removes a chunk, unless it is pinned or `still_referenced` says that the tables list it. Says whether a file
    /// was removed.
    ///
    /// The question is asked while nobody can pin or write, so no writer slips in between answer and removal; for the
    /// same reason it must not come back to these chunk files. The removal is not durable: a chunk that a power cut
    /// brings back is an orphan, which the scan at start finds.
    pub fn remove_unless(
        &self,
        hash: &Hash,
        still_referenced: impl FnOnce() -> bool,
    ) -> Result<bool, ChunkError> {
        let mut state = self.0.state();
        if state.pins.holds(hash) || still_referenced() {
            return Ok(false);
        }
        match self.0.disk.remove(&place(hash)) {
            Ok(()) => {
                state.unsynced.files.remove(hash);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a damaged chunk out of the way, so that it can be fetched again. Says whether it was damaged.
    ///
    /// It is verified once more, while nobody can write it: somebody may have repaired it since. The newest
    /// 16 damaged files are kept.
    pub fn set_aside(&self, hash: &Hash) -> Result<bool, ChunkError> {
        let mut state = self.0.state();
        match self.read(hash) {
            Ok(_) | Err(ChunkError::Missing { .. }) => return Ok(false),
            // An unreadable sector is damage, too.
            Err(_) => {}
        }
        let kept = self.0.disk.list(CORRUPT_DIR)?;
        for name in kept
            .iter()
            .take((kept.len() + 1).saturating_sub(CORRUPT_FILES_MAX))
        {
            self.0.disk.remove(&format!("{CORRUPT_DIR}/{name}"))?;
        }
        let aside = format!("{CORRUPT_DIR}/{:020}-{hash}", state.corrupt_next);
        state.corrupt_next = state.corrupt_next.saturating_add(1);
        self.0.disk.rename(&place(hash), &aside)?;
        Ok(true)
    }

    /// The hashes of all chunk files, in order. Chunks that come or go meanwhile may be listed or not.
    pub fn list(&self) -> Hashes {
        Hashes::new(self.0.disk.clone())
    }
}

fn missing(error: io::Error, hash: &Hash) -> ChunkError {
    match error.kind() {
        io::ErrorKind::NotFound => ChunkError::Missing { hash: *hash },
        _ => error.into(),
    }
}
