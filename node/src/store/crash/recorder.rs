//! The recorder, and which crashes are worth a look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::image::rebuild;
use super::journal::{Contents, Journal};
use super::{CrashDatabase, CrashDisk};

/// A disk for one database and one folder, with everything that was ever done to it. Clones share it.
///
/// Bring up a store on [`database`](Self::database) and [`disk`](Self::disk), let it work, note the
/// [`position`](Self::position) whenever it has promised something, then look at each of [`images`](Self::images):
/// what was promised at or before its position must be there.
#[derive(Debug, Clone)]
pub struct CrashRecorder(Arc<Mutex<Journal>>);

/// What a power cut does to operations that no sync covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    Everything,
    /// All have arrived: the process was killed, and the kernel lived on to write.
    Nothing,
    /// Each arrives, is lost or arrives in part, as a generator (ChaCha, 8 rounds) with this seed draws it.
    Torn(u64),
}

/// A disk after a power cut.
#[derive(Debug)]
pub struct CrashImage {
    /// Operations that were carried out before it.
    pub position: usize,
    /// What became of those that no sync covered.
    pub loss: Loss,
    /// The disk. It records what is done to it next.
    pub recorder: CrashRecorder,
}

impl CrashRecorder {
    /// An empty disk.
    pub fn new() -> Self {
        Self::on(Contents::empty())
    }

    fn on(contents: Contents) -> Self {
        Self(Arc::new(Mutex::new(Journal::new(contents))))
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database file, for [`RedbStore::open_backend`](crate::store::RedbStore::open_backend).
    pub fn database(&self) -> CrashDatabase {
        CrashDatabase(self.0.clone())
    }

    /// The folder, for [`ChunkFiles::open`](crate::store::ChunkFiles::open).
    pub fn disk(&self) -> Arc<CrashDisk> {
        Arc::new(CrashDisk(self.0.clone()))
    }

    /// Operations recorded so far.
    pub fn position(&self) -> usize {
        self.journal().operations.len()
    }

    /// The positions right after each sync, ascending.
    pub fn sync_boundaries(&self) -> Vec<usize> {
        let journal = self.journal();
        let numbered = journal.operations.iter().enumerate();
        numbered
            .filter(|(_, operation)| operation.is_sync())
            .map(|(index, _)| index + 1)
            .collect()
    }

    /// The disk after a power cut at a position; one beyond the end is the end.
    pub fn crash(&self, position: usize, loss: Loss) -> CrashImage {
        let journal = self.journal();
        let position = position.min(journal.operations.len());
        let contents = rebuild(&journal.start, &journal.operations[..position], loss);
        CrashImage {
            position,
            loss,
            recorder: Self::on(contents),
        }
    }

    /// The disk after power cuts at every sync boundary, with everything lost that may be, and at `torn` places
    /// between each boundary and the one before. The same journal and seed give the same images.
    pub fn images(&self, torn: u64, seed: u64) -> impl Iterator<Item = CrashImage> + use<> {
        let mut boundaries = self.sync_boundaries();
        let end = self.position();
        if boundaries.last() != Some(&end) {
            boundaries.push(end);
        }
        let recorder = self.clone();
        let mut last = 0;
        boundaries.into_iter().flat_map(move |boundary| {
            let between = (boundary - last).max(1) as u64;
            let mut crashes = vec![(boundary, Loss::Everything)];
            for number in 0..torn {
                // Any spread will do, as long as it is the same every time; the splitting constant is Knuth's.
                let drawn = (seed ^ ((boundary as u64) << 20) ^ number).wrapping_mul(0x5851_f42d_4c95_7f2d);
                let back = (drawn >> 33) % between;
                // The boundary itself less one: the sync was asked for and did not come back.
                let position = boundary.saturating_sub(1 + back as usize);
                crashes.push((position, Loss::Torn(drawn)));
            }
            last = boundary;
            let recorder = recorder.clone();
            crashes
                .into_iter()
                .map(move |(position, loss)| recorder.crash(position, loss))
        })
    }
}

impl Default for CrashRecorder {
    fn default() -> Self {
        Self::new()
    }
}
