//! What was promised, and when.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::model::Hash;
use crate::store::crash::CrashRecorder;
use crate::store::{
    ChunkError, ChunkFiles, ReadTransaction as _, RedbStore, Store as _, Table, WriteTransaction as _,
};

/// The tables that workloads use. `Meta` holds the number of the last transaction.
pub(super) const TABLES: [Table; 4] = [Table::Entries, Table::Inline, Table::Folders, Table::Meta];

pub(super) type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// One transaction: the rows after it, and between which positions of the journal it was committed.
#[derive(Debug)]
struct Committed {
    rows: Rows,
    begun: usize,
    acknowledged: usize,
}

/// What happened to a chunk from a position on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Written,
    Acknowledged,
    Removed,
}

/// What happened to one chunk, with the position of each change.
type Fates = Vec<(usize, Fate)>;

/// What a node has promised by each position of its journal.
#[derive(Debug, Default)]
pub(super) struct Promises {
    committed: Vec<Committed>,
    chunks: BTreeMap<Hash, (Vec<u8>, Fates)>,
}

impl Promises {
    pub(super) fn rows(&self) -> Rows {
        self.committed
            .last()
            .map_or_else(Rows::new, |last| last.rows.clone())
    }

    pub(super) fn commit(&mut self, rows: Rows, begun: usize, acknowledged: usize) {
        self.committed.push(Committed {
            rows,
            begun,
            acknowledged,
        });
    }

    pub(super) fn written(&mut self, hash: Hash, bytes: &[u8], position: usize) {
        let (_, fates) = self.chunks.entry(hash).or_insert((bytes.to_vec(), Vec::new()));
        // Writing again what is acknowledged takes nothing back.
        if fates.last().is_none_or(|(_, fate)| *fate == Fate::Removed) {
            fates.push((position, Fate::Written));
        }
    }

    /// A sync returned: all that was written is acknowledged.
    pub(super) fn synced(&mut self, position: usize) {
        for (_, fates) in self.chunks.values_mut() {
            if let Some((_, Fate::Written)) = fates.last() {
                fates.push((position, Fate::Acknowledged));
            }
        }
    }

    /// From `position` on the chunk may be gone.
    pub(super) fn removed(&mut self, hash: &Hash, position: usize) {
        if let Some((_, fates)) = self.chunks.get_mut(hash) {
            fates.push((position, Fate::Removed));
        }
    }

    pub(super) fn any_chunk(&self, number: usize) -> Option<(Hash, Vec<u8>)> {
        let index = number.checked_rem(self.chunks.len())?;
        let (hash, (bytes, _)) = self.chunks.iter().nth(index)?;
        Some((*hash, bytes.clone()))
    }

    /// Checks a disk after a power cut at `position`. Returns what holds from there on: what was found must stay.
    pub(super) fn check(
        &self,
        position: usize,
        store: &RedbStore,
        files: &ChunkFiles,
        context: &str,
    ) -> Self {
        let mut later = Self::default();
        later.commit(self.check_rows(position, store, context), 0, 0);
        for (hash, (bytes, fates)) in &self.chunks {
            let promised = fates
                .iter()
                .take_while(|(from, _)| *from <= position)
                .last()
                .is_some_and(|(_, fate)| *fate == Fate::Acknowledged);
            match files.read(hash) {
                Ok(found) => {
                    assert_eq!(&found, bytes, "chunk {hash} is another, {context}");
                    later.written(*hash, bytes, 0);
                }
                Err(ChunkError::Missing { .. } | ChunkError::Corrupt { .. }) => {
                    assert!(!promised, "chunk {hash} was acknowledged and is lost, {context}");
                }
                Err(error) => panic!("chunk {hash} cannot be read ({error}), {context}"),
            }
        }
        later.synced(0);
        later
    }

    fn check_rows(&self, position: usize, store: &RedbStore, context: &str) -> Rows {
        let rows = rows(store, context);
        let acknowledged = self
            .committed
            .iter()
            .filter(|transaction| transaction.acknowledged <= position)
            .count();
        let begun = self
            .committed
            .iter()
            .filter(|transaction| transaction.begun <= position)
            .count();
        let empty = Rows::new();
        let state = |count: usize| {
            count
                .checked_sub(1)
                .map_or(&empty, |last| &self.committed[last].rows)
        };
        assert!(
            (acknowledged..=begun).any(|count| *state(count) == rows),
            "{acknowledged} transactions were acknowledged and {begun} begun, the tables hold transaction {:?}, {context}",
            rows.get(&(Table::Meta, b"number".to_vec())),
        );
        rows
    }

    /// Goes on after a crash: writes chunks that are missing or damaged, and commits one more transaction.
    pub(super) fn write_again(
        &mut self,
        recorder: &CrashRecorder,
        store: &RedbStore,
        files: &ChunkFiles,
        before: &Self,
    ) {
        let lost: Vec<_> = before
            .chunks
            .iter()
            .filter(|(hash, _)| !self.chunks.contains_key(hash))
            .take(3)
            .collect();
        for (hash, (bytes, _)) in lost {
            let _ = files.write(*hash, bytes).unwrap();
            self.written(*hash, bytes, recorder.position());
        }
        files.sync().unwrap();
        self.synced(recorder.position());
        let mut rows = self.rows();
        let row = (Table::Folders, b"after the crash".to_vec());
        let begun = recorder.position();
        let mut write = store.write().unwrap();
        write.put(row.0, &row.1, b"1").unwrap();
        write.commit().unwrap();
        rows.insert(row, b"1".to_vec());
        self.commit(rows, begun, recorder.position());
    }
}

fn rows(store: &RedbStore, context: &str) -> Rows {
    let mut rows = Rows::new();
    let read = store.read().unwrap();
    for table in TABLES {
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.insert((table, key.to_vec()), value.to_vec());
            ControlFlow::Continue(())
        };
        if let Err(error) = read.scan(table, b"", &mut visit) {
            panic!("table {} cannot be read ({error}), {context}", table.name());
        }
    }
    rows
}
