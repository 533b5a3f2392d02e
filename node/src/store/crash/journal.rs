//! What was done to the disk, in order, and what it looks like to those who use it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A file, whatever its name is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u64);

/// One operation. Names and bytes are apart, as on a disk: a sync of one says nothing of the other.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    DatabaseWrite {
        offset: usize,
        bytes: Arc<[u8]>,
    },
    DatabaseLen(usize),
    DatabaseSync,
    /// Replaces all bytes of the file.
    FileWrite {
        file: FileId,
        bytes: Arc<[u8]>,
    },
    FileSync(FileId),
    MakeDir(String),
    Name {
        path: String,
        file: FileId,
    },
    Unname(String),
    DirSync(String),
    SyncAll,
}

impl Operation {
    pub(super) fn is_sync(&self) -> bool {
        matches!(
            self,
            Self::DatabaseSync | Self::FileSync(_) | Self::DirSync(_) | Self::SyncAll
        )
    }
}

/// The contents of a disk.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    pub(super) database: Arc<Vec<u8>>,
    pub(super) dirs: BTreeSet<String>,
    pub(super) names: BTreeMap<String, FileId>,
    pub(super) files: BTreeMap<FileId, Arc<[u8]>>,
}

impl Contents {
    pub(super) fn empty() -> Self {
        Self {
            database: Arc::default(),
            dirs: BTreeSet::from([String::new()]),
            names: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Carries out an operation as a disk without faults does.
    pub(super) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::DatabaseWrite { offset, bytes } => {
                let end = offset + bytes.len();
                let database = Arc::make_mut(&mut self.database);
                if database.len() < end {
                    database.resize(end, 0);
                }
                database[*offset..end].copy_from_slice(bytes);
            }
            Operation::DatabaseLen(len) => Arc::make_mut(&mut self.database).resize(*len, 0),
            Operation::FileWrite { file, bytes } => {
                self.files.insert(*file, bytes.clone());
            }
            Operation::MakeDir(path) => {
                self.dirs.insert(path.clone());
            }
            Operation::Name { path, file } => {
                self.names.insert(path.clone(), *file);
            }
            Operation::Unname(path) => {
                self.names.remove(path);
            }
            Operation::DatabaseSync | Operation::FileSync(_) | Operation::DirSync(_) | Operation::SyncAll => {
            }
        }
    }
}

/// A disk and how it came about.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) start: Contents,
    pub(super) operations: Vec<Operation>,
    pub(super) now: Contents,
    file_next: u64,
}

impl Journal {
    /// Begins at a disk on which all is durable.
    pub(super) fn new(start: Contents) -> Self {
        let file_next = start.files.keys().next_back().map_or(0, |last| last.0 + 1);
        Self {
            now: start.clone(),
            start,
            operations: Vec::new(),
            file_next,
        }
    }

    pub(super) fn record(&mut self, operation: Operation) {
        self.now.apply(&operation);
        self.operations.push(operation);
    }

    pub(super) fn new_file(&mut self) -> FileId {
        self.file_next += 1;
        FileId(self.file_next - 1)
    }
}
