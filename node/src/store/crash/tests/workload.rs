//! What a node does until the power goes, drawn from a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::model::{Promises, TABLES};
use crate::model::Hash;
use crate::store::crash::CrashRecorder;
use crate::store::{ChunkFiles, RedbStore, Store as _, Table, WriteTransaction as _};

/// Steps of a workload.
const STEPS: usize = 4;
/// Chunks of a burst: more than are synced one by one, even if a third of them is here already.
const BURST: usize = 32;

pub(super) struct Workload {
    random: ChaCha8Rng,
}

impl Workload {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.next_u32() as usize % bound
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.below(len_max) + 1];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    pub(super) fn run(mut self, recorder: &CrashRecorder, promises: &mut Promises) {
        let store = RedbStore::open_backend(recorder.database()).unwrap();
        let mut files = ChunkFiles::open(recorder.disk()).unwrap();
        for _ in 0..STEPS {
            match self.below(10) {
                0..5 => self.change_tables(recorder, &store, promises),
                5..8 => {
                    let burst = self.below(8) == 0;
                    let count = if burst { BURST } else { 1 + self.below(3) };
                    self.write_chunks(count, recorder, &files, promises);
                    if self.below(4) > 0 {
                        files.sync().unwrap();
                        promises.synced(recorder.position());
                    }
                }
                8 => self.remove_a_chunk(recorder, &files, promises),
                // The process is killed; the disk goes on.
                _ => files = ChunkFiles::open(recorder.disk()).unwrap(),
            }
        }
    }

    fn change_tables(&mut self, recorder: &CrashRecorder, store: &RedbStore, promises: &mut Promises) {
        let mut rows = promises.rows();
        let mut write = store.write().unwrap();
        for _ in 0..1 + self.below(8) {
            let table = TABLES[self.below(3)];
            let key = vec![self.below(20) as u8; 4];
            if self.below(3) == 0 {
                write.delete(table, &key).unwrap();
                rows.remove(&(table, key));
            } else {
                let len_max = if self.below(8) == 0 { 8000 } else { 300 };
                let value = self.bytes(len_max);
                write.put(table, &key, &value).unwrap();
                rows.insert((table, key), value);
            }
        }
        let number = self.random.next_u64().to_le_bytes().to_vec();
        write.put(Table::Meta, b"number", &number).unwrap();
        rows.insert((Table::Meta, b"number".to_vec()), number);
        if self.below(6) == 0 {
            return drop(write);
        }
        let begun = recorder.position();
        write.commit().unwrap();
        promises.commit(rows, begun, recorder.position());
    }

    fn write_chunks(
        &mut self,
        count: usize,
        recorder: &CrashRecorder,
        files: &ChunkFiles,
        promises: &mut Promises,
    ) {
        for _ in 0..count {
            let number = self.below(100);
            let known = promises.any_chunk(number).filter(|_| number < 30);
            let bytes = known.map_or_else(|| self.bytes(3000), |(_, bytes)| bytes);
            let hash = Hash::of(&bytes);
            promises.written(hash, &bytes, recorder.position());
            let _ = files.write(hash, &bytes).unwrap();
        }
    }

    fn remove_a_chunk(&mut self, recorder: &CrashRecorder, files: &ChunkFiles, promises: &mut Promises) {
        let number = self.below(100);
        if let Some((hash, _)) = promises.any_chunk(number) {
            promises.removed(&hash, recorder.position() + 1);
            files.remove_unless(&hash, || false).unwrap();
        }
    }
}
