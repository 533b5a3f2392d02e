//! How often live entries list a chunk, and whether its file is here.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::SpaceError;
use crate::model::{Hash, codec};
use crate::store::{ReadTransaction, Table, WriteTransaction};

/// Most bytes of a record.
const RECORD_LEN_MAX: usize = 32;

/// What is known of one chunk that some live entry lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32, bool)", into = "(u64, u32, bool)")]
pub struct ChunkRecord {
    /// Places in live entries that list it.
    pub count: u64,
    /// Length in bytes.
    pub len: u32,
    /// Its file is on disk.
    pub present: bool,
}

impl From<(u64, u32, bool)> for ChunkRecord {
    fn from((count, len, present): (u64, u32, bool)) -> Self {
        Self { count, len, present }
    }
}

impl From<ChunkRecord> for (u64, u32, bool) {
    fn from(record: ChunkRecord) -> Self {
        (record.count, record.len, record.present)
    }
}

/// The record of a chunk; `None` when no live entry lists it.
pub fn chunk_record(
    tx: &(impl ReadTransaction + ?Sized),
    hash: &Hash,
) -> Result<Option<ChunkRecord>, SpaceError> {
    let Some(bytes) = tx.get(Table::Chunks, &hash.0)? else {
        return Ok(None);
    };
    codec::decode_own(&bytes, RECORD_LEN_MAX)
        .map(Some)
        .map_err(|error| SpaceError::Unreadable {
            table: Table::Chunks.name(),
            reason: error.to_string(),
        })
}

/// The chunk whose hash begins so, if its file is here.
pub fn present_chunk(
    tx: &(impl ReadTransaction + ?Sized),
    beginning: &[u8; 8],
) -> Result<Option<Hash>, SpaceError> {
    let mut found = None;
    tx.scan(Table::Chunks, beginning, &mut |key, _| {
        found = key
            .starts_with(beginning)
            .then(|| key.try_into().ok().map(Hash))
            .flatten();
        ControlFlow::Break(())
    })?;
    match found {
        Some(hash) => Ok(chunk_record(tx, &hash)?
            .filter(|record| record.present)
            .map(|_| hash)),
        None => Ok(None),
    }
}

/// Notes that a chunk's file is on disk (or is not any more). `Ok(false)`: no live entry lists the chunk.
pub fn mark_present(tx: &mut impl WriteTransaction, hash: &Hash, present: bool) -> Result<bool, SpaceError> {
    let Some(record) = chunk_record(tx, hash)? else {
        return Ok(false);
    };
    if record.present != present {
        store(tx, hash, ChunkRecord { present, ..record })?;
    }
    Ok(true)
}

/// Counts one more place that lists the chunk. Says whether its file is here.
pub(super) fn retain(
    tx: &mut impl WriteTransaction,
    hash: &Hash,
    len: u32,
    present: bool,
) -> Result<bool, SpaceError> {
    let old = chunk_record(tx, hash)?;
    let record = ChunkRecord {
        count: old.map_or(0, |old| old.count) + 1,
        len,
        present: present || old.is_some_and(|old| old.present),
    };
    store(tx, hash, record)?;
    Ok(record.present)
}

/// Counts one place less. Says whether it was the last: the file may go.
pub(super) fn release(tx: &mut impl WriteTransaction, hash: &Hash) -> Result<bool, SpaceError> {
    let Some(record) = chunk_record(tx, hash)? else {
        return Ok(false);
    };
    if record.count > 1 {
        let count = record.count - 1;
        store(tx, hash, ChunkRecord { count, ..record })?;
        return Ok(false);
    }
    tx.delete(Table::Chunks, &hash.0)?;
    Ok(true)
}

fn store(tx: &mut impl WriteTransaction, hash: &Hash, record: ChunkRecord) -> Result<(), SpaceError> {
    Ok(tx.put(Table::Chunks, &hash.0, &codec::encode(&record))?)
}
