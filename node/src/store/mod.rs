//! Durability: ordered tables of bytes, changed in transactions.
//!
//! [`Store`] is synchronous and transactional: a [`WriteTransaction`] is on disk, whole, when
//! [`commit`](WriteTransaction::commit) returns, and leaves nothing when it is dropped. What the tables mean is for
//! the rooms above to say. [`MemoryStore`] serves the simulator, [`RedbStore`] the daemon; `conformance` is the
//! suite that both pass. Payloads too large for a table go to the [`ChunkFiles`] beside it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod chunks;
#[cfg(test)]
mod conformance;
pub mod crash;
mod memory;
mod redb;

use std::ops::ControlFlow;

pub use chunks::{
    CHUNK_LEN_AVERAGE, CHUNK_LEN_MIN, ChunkDisk, ChunkError, ChunkFiles, Cut, Cutter, FolderDisk, Hashes,
    INLINE_LEN_MAX, MemoryDisk, PayloadCut, Pin, SINGLE_CHUNK_LEN_MAX,
};
pub use memory::MemoryStore;
pub use redb::{OpenStore, RedbStore, Salvaged};

/// Longest key, in bytes.
pub const KEY_LEN_MAX: usize = 4096;

/// The tables of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Entries by dot.
    Entries,
    /// Each document's live changes (dot, time, content), the winner first, by path.
    Heads,
    /// Folder versions and sums, by path.
    Folders,
    /// Small payloads by dot.
    Inline,
    /// Chunks that payloads refer to, with their count, by hash.
    Chunks,
    /// Live entries whose payload is not here yet, by dot.
    Pending,
    /// Live tombstones, by dot.
    Tombstones,
    /// What each peer has acknowledged, by node.
    Peers,
    /// Single values by name: clock, membership, own writer, collected tombstones.
    Meta,
    /// Access tokens by hash.
    Tokens,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 10] = [
        Self::Entries,
        Self::Heads,
        Self::Folders,
        Self::Inline,
        Self::Chunks,
        Self::Pending,
        Self::Tombstones,
        Self::Peers,
        Self::Meta,
        Self::Tokens,
    ];

    /// The table's name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Heads => "heads",
            Self::Folders => "folders",
            Self::Inline => "inline",
            Self::Chunks => "chunks",
            Self::Pending => "pending",
            Self::Tombstones => "tombstones",
            Self::Peers => "peers",
            Self::Meta => "meta",
            Self::Tokens => "tokens",
        }
    }
}

/// Why the store cannot do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the database below failed.
    #[error("the database failed: {0}")]
    Database(String),
    /// Another process has this store open.
    #[error("the database is in use by another process")]
    InUse,
    /// The database below found its own structure damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A stored value does not match its checksum.
    #[error("a value in table \"{table}\" is corrupted (key {key})")]
    Corrupted {
        /// The table's name.
        table: &'static str,
        /// The key, in hexadecimal.
        key: String,
    },
    /// A key over [`KEY_LEN_MAX`].
    #[error("a key has at most {KEY_LEN_MAX} bytes")]
    KeyTooLong,
}

impl StoreError {
    /// Says whether what was read is not what was written: trying again does not help, building the store anew does.
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Corrupted { .. })
    }
}

/// Receives one key and value of a scan; says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// One state of all tables, which later changes do not touch.
pub trait ReadTransaction {
    /// The value under `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits all keys from `from` on, ascending, until the visitor breaks off.
    fn scan(&self, table: Table, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError>;
}

/// A set of changes that happen together or not at all. Reads see the changes made so far.
pub trait WriteTransaction: ReadTransaction {
    /// Stores `value` under `key`.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError>;

    /// Removes `key`. Says whether it was there.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError>;

    /// Makes the changes durable: on disk when this returns.
    fn commit(self) -> Result<(), StoreError>;
}

/// A transactional store. One writer at a time; readers never wait.
pub trait Store {
    /// Reads one state.
    type Read: ReadTransaction;
    /// Makes changes.
    type Write: WriteTransaction;

    /// The state as of the last commit.
    fn read(&self) -> Result<Self::Read, StoreError>;

    /// Begins a set of changes. The transaction before must be committed or dropped.
    fn write(&self) -> Result<Self::Write, StoreError>;
}
