//! One owner's data in the tables of the store.
//!
//! [`View`] reads: a document with its siblings, a folder's listing, the entries that another clock lacks. [`apply`]
//! is the only way in for an entry, local or foreign: it drops what the entry supersedes, keeps what is concurrent,
//! and brings heads, folder versions and chunk counts along in the same transaction. [`records`] names the single
//! values beside them: clock, membership, what peers acknowledged. [`rebuild`] makes a new store of what can still be
//! read of a damaged one.
//!
//! A sealed document's record lies under what stands for its path. Where its key is here, a copy of the record lies at the path as well: whoever
//! reads looks there, and whoever changes goes by the name.
//!
//! Invariants: a document's heads are pairwise concurrent; `Entries` holds exactly the heads; a folder's version is
//! the sum over the documents below it, whatever the order in which they came; a chunk is counted once for every
//! live entry that lists it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod apply;
mod chunk_refs;
mod document;
mod folder;
mod keys;
mod rebuild;
pub mod records;
#[cfg(test)]
mod tests;
mod view;

pub use apply::{
    Applied, BadAttachment, Payloads, apply, attach, collect_tombstone, mark_pending, open_sealed,
    remove_superseded,
};
pub use chunk_refs::{ChunkRecord, chunk_record, mark_present, present_chunk};
pub use document::{Document, Head, Opened, Stored};
pub use folder::{Folder, FolderVersion};
pub use rebuild::{Open, Rebuilt, rebuild};
pub use view::{FolderItem, MissingEntry, View};

use crate::store::StoreError;

/// Why a space cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// The store below failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that passes its checksum but cannot be read: written by another version, or a fault of ours.
    #[error("a record in table \"{table}\" cannot be read ({reason})")]
    Unreadable {
        /// The table's name.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}
