//! Disks: copies of them, and what a node does after a start with the chunk files that it finds.

use std::collections::BTreeMap;

use cairn::mesh::{EngineError, Event};
use cairn::model::Hash;
use cairn::space::chunk_record;
use cairn::store::{MemoryStore, Store, StoreError};

use cairn_transports::lora::SendersRecord;

use super::{Acknowledged, NodeIndex, World};
use crate::laws;

/// A copy of a node's disk.
#[derive(Debug, Clone)]
pub struct Backup {
    store: MemoryStore,
    chunks: BTreeMap<Hash, Vec<u8>>,
    senders: SendersRecord,
}

impl World {
    /// What the daemon does after a start: chunk files of which a crash took the note are noted, those that nothing
    /// lists go, and lost or damaged ones are fetched again.
    pub(super) fn compare_chunks(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let read = self.nodes[node].store.read()?;
        self.nodes[node]
            .chunks
            .retain(|hash, bytes| Hash::of(bytes) == *hash);
        let mut here = Vec::new();
        let mut unlisted = Vec::new();
        for hash in self.nodes[node].chunks.keys() {
            match chunk_record(&read, hash) {
                Ok(Some(record)) if !record.present => here.push(*hash),
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => unlisted.push(*hash),
            }
        }
        let lost: Vec<Hash> = laws::listed_chunks(&self.nodes[node])
            .into_iter()
            .filter(|hash| !self.nodes[node].chunks.contains_key(hash))
            .filter(|hash| {
                chunk_record(&read, hash).is_ok_and(|record| record.is_some_and(|record| record.present))
            })
            .collect();
        for chunk in unlisted {
            self.nodes[node].chunks.remove(&chunk);
        }
        for chunk in here {
            self.handle(node, Event::ChunkStored { chunk })?;
        }
        for chunk in lost {
            self.handle(node, Event::ChunkLost { chunk })?;
        }
        Ok(())
    }

    /// A copy of a node's disk as it is now, for [`Self::restore`].
    pub fn backup(&self, node: NodeIndex) -> Result<Backup, StoreError> {
        let node = &self.nodes[node];
        Ok(Backup {
            store: laws::copy(&node.store)?,
            chunks: node.chunks.clone(),
            senders: node.senders.clone(),
        })
    }

    /// Cuts a node's power and puts an older copy of its disk in the place of the present one. What it had
    /// acknowledged since, and nobody else holds, is lost with the disk and no longer expected.
    pub fn restore(&mut self, node: NodeIndex, disk: &Backup) -> Result<(), EngineError> {
        self.crash(node)?;
        self.put_disk(node, disk)?;
        self.forget_what_is_nowhere();
        Ok(())
    }

    /// Puts a copy in the place of a disk.
    pub(super) fn put_disk(&mut self, node: NodeIndex, disk: &Backup) -> Result<(), StoreError> {
        let state = &mut self.nodes[node];
        state.store = laws::copy(&disk.store)?;
        state.chunks = disk.chunks.clone();
        state.senders = disk.senders.clone();
        Ok(())
    }

    /// Cuts a node's power and takes its disk away: it starts anew with an empty one.
    pub fn lose_disk(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        self.crash(node)?;
        self.nodes[node].store = MemoryStore::new();
        self.nodes[node].chunks.clear();
        self.nodes[node].senders = SendersRecord::default();
        self.nodes[node].register = None;
        self.lose_ledger(node);
        self.forget_what_is_nowhere();
        Ok(())
    }

    /// A disk is gone: what was on it alone is no longer expected, unless an image brings it back.
    pub(super) fn forget_what_is_nowhere(&mut self) {
        self.restored = true;
        let held: Vec<_> = self.nodes.iter().map(laws::clock).collect();
        let written = self.acknowledged.drain(..).chain(self.nowhere.drain(..));
        (self.acknowledged, self.nowhere) = written
            .partition(|Acknowledged { entry, .. }| held.iter().any(|clock| clock.contains(entry.dot())));
    }
}
