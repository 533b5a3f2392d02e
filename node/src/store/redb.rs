//! The store on disk: one redb file, two-phase commit.
//!
//! redb checks its own pages only when it repairs a file, so every value carries a checksum of its own: the first
//! [`CHECK_LEN`] bytes of the BLAKE3 hash over table, key and value, in front of the value. A value that does not match
//! is named and never returned.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

use super::{KEY_LEN_MAX, ReadTransaction, Store, StoreError, Table, Visit, WriteTransaction};

/// Bytes of checksum in front of every value.
const CHECK_LEN: usize = 8;
/// Bytes of redb's page cache. A node must idle in little memory on a Raspberry Pi.
const CACHE_LEN: usize = 8 * 1024 * 1024;

/// A store in one file. Clones share it.
#[derive(Clone)]
pub struct RedbStore(Arc<Shared>);

struct Shared {
    database: Database,
    /// Dropped behind the database, that is when the file is closed: the count of `Shared` is zero before that.
    open: Arc<()>,
    watch: Arc<Watch>,
}

/// Who is told when something read is damaged.
#[derive(Default)]
struct Watch(OnceLock<Box<Tell>>);

type Tell = dyn Fn(&StoreError) + Send + Sync;

/// Receives one key of a salvaged table, and its value unless that is damaged.
pub type Salvaged<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

impl Watch {
    fn look<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let (Err(error), Some(tell)) = (&result, self.0.get())
            && error.is_damage()
        {
            tell(error);
        }
        result
    }
}

/// Tells whether a store is still open, and does not keep it so.
pub struct OpenStore(Weak<()>);

impl OpenStore {
    /// Says whether anybody still holds the store, or its file is not closed yet.
    pub fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl RedbStore {
    /// Opens the file, or makes it. Repairs it where the last process ended in the middle of a commit.
    ///
    /// A new file gets its name when it is complete: redb refuses a file whose making a power cut ended, and the node
    /// would never start again. Until then its name ends in `.new`; what is left of one is made anew.
    ///
    /// Fails with [`StoreError::InUse`] when another process has it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        guarded(|| Self::open_file(path))
    }

    fn open_file(path: &Path) -> Result<Self, StoreError> {
        if path.exists() {
            return Self::with(builder().open(path));
        }
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let store = match Self::with(builder().create(&new)) {
            Err(StoreError::Database(_)) => {
                remove(&new)?;
                Self::with(builder().create(&new))?
            }
            result => result?,
        };
        // redb has locked what it opened, so that this process alone renames. Another may have done so just before.
        if path.exists() {
            drop(store);
            remove(&new)?;
            return Self::with(builder().open(path));
        }
        fs::rename(&new, path).map_err(failed)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = File::open(folder).map_err(failed)?;
        folder.sync_all().map_err(failed)?;
        Ok(store)
    }

    /// Opens a store on any storage: crash tests bring one that records and forgets.
    ///
    /// A storage that is not empty must hold a store that was made completely.
    pub fn open_backend(backend: impl redb::StorageBackend) -> Result<Self, StoreError> {
        Self::with(builder().create_with_backend(backend))
    }

    fn with(database: Result<Database, redb::DatabaseError>) -> Result<Self, StoreError> {
        let database = database.map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse,
            other => failed(other),
        })?;
        let store = Self(Arc::new(Shared {
            database,
            open: Arc::default(),
            watch: Arc::default(),
        }));
        // Readers of a table that was never made would fail: all are made here.
        let read = store.0.database.begin_read().map_err(failed)?;
        if Table::ALL
            .iter()
            .any(|table| read.open_table(definition(*table)).is_err())
        {
            let write = begin_write(&store.0.database)?;
            for table in Table::ALL {
                write.open_table(definition(table)).map_err(failed)?;
            }
            write.commit().map_err(failed)?;
        }
        Ok(store)
    }

    /// Has `tell` called whenever something that was read is damaged. Only the first call counts.
    pub fn on_damage(&self, tell: impl Fn(&StoreError) + Send + Sync + 'static) {
        let _ = self.0.watch.0.set(Box::new(tell));
    }

    /// For waiting until every clone is gone and the file is closed.
    pub fn open_store(&self) -> OpenStore {
        OpenStore(Arc::downgrade(&self.0.open))
    }

    /// Visits all keys of a table, each with its value or, when that is damaged, with none.
    ///
    /// Fails where the database's own structure is damaged: what was not visited yet cannot be had.
    pub fn salvage(&self, table: Table, visit: &mut Salvaged<'_>) -> Result<(), StoreError> {
        let read = self.0.database.begin_read().map_err(failed)?;
        // redb does not verify the pages that it reads, and may panic over a damaged one.
        let visited = catch_unwind(AssertUnwindSafe(|| {
            let opened = read.open_table(definition(table)).map_err(failed)?;
            for row in opened.range::<&[u8]>(..).map_err(failed)? {
                let (key, stored) = row.map_err(failed)?;
                visit(key.value(), checked(table, key.value(), stored.value()).ok());
            }
            Ok(())
        }));
        visited.unwrap_or_else(|_| Err(StoreError::Damaged(format!("table {}", table.name()))))
    }
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedbStore")
    }
}

impl Store for RedbStore {
    type Read = RedbRead;
    type Write = RedbWrite;

    fn read(&self) -> Result<RedbRead, StoreError> {
        let read = guarded(|| self.0.database.begin_read().map_err(failed))?;
        Ok(RedbRead(read, self.0.watch.clone()))
    }

    fn write(&self) -> Result<RedbWrite, StoreError> {
        let write = guarded(|| begin_write(&self.0.database))?;
        Ok(RedbWrite(write, self.0.watch.clone()))
    }
}

/// A state of a [`RedbStore`].
pub struct RedbRead(redb::ReadTransaction, Arc<Watch>);

/// Changes to a [`RedbStore`].
pub struct RedbWrite(redb::WriteTransaction, Arc<Watch>);

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_LEN);
    builder
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

fn begin_write(database: &Database) -> Result<redb::WriteTransaction, StoreError> {
    let mut write = database.begin_write().map_err(failed)?;
    write.set_durability(Durability::Immediate).map_err(failed)?;
    write.set_two_phase_commit(true);
    Ok(write)
}

const fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(reason) => StoreError::Damaged(reason),
        other => StoreError::Database(other.to_string()),
    }
}

fn check(table: Table, key: &[u8], value: &[u8]) -> [u8; CHECK_LEN] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.name().as_bytes());
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut check = [0; CHECK_LEN];
    hasher.finalize_xof().fill(&mut check);
    check
}

fn checked<'a>(table: Table, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match stored.split_first_chunk::<CHECK_LEN>() {
        Some((expected, value)) if *expected == check(table, key, value) => Ok(value),
        _ => Err(StoreError::Corrupted {
            table: table.name(),
            key: data_encoding::HEXLOWER.encode(key),
        }),
    }
}

fn get(
    opened: &impl ReadableTable<&'static [u8], &'static [u8]>,
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(stored) = opened.get(key).map_err(failed)? else {
        return Ok(None);
    };
    checked(table, key, stored.value()).map(|value| Some(value.to_vec()))
}

fn scan(
    opened: &impl ReadableTable<&'static [u8], &'static [u8]>,
    table: Table,
    from: &[u8],
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    for row in opened.range(from..).map_err(failed)? {
        let (key, stored) = row.map_err(failed)?;
        let value = checked(table, key.value(), stored.value())?;
        if visit(key.value(), value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

/// Does something with the database, which panics over some kinds of damage to its pages.
fn guarded<T>(act: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(act))
        .unwrap_or_else(|_| Err(StoreError::Damaged("a page of it makes no sense".into())))
}

impl ReadTransaction for RedbRead {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.look(guarded(|| {
            let opened = self.0.open_table(definition(table)).map_err(failed)?;
            get(&opened, table, key)
        }))
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.1.look(guarded(|| {
            let opened = self.0.open_table(definition(table)).map_err(failed)?;
            scan(&opened, table, from, visit)
        }))
    }
}

impl ReadTransaction for RedbWrite {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.1.look(guarded(|| {
            let opened = self.0.open_table(definition(table)).map_err(failed)?;
            get(&opened, table, key)
        }))
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.1.look(guarded(|| {
            let opened = self.0.open_table(definition(table)).map_err(failed)?;
            scan(&opened, table, from, visit)
        }))
    }
}

impl WriteTransaction for RedbWrite {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if key.len() > KEY_LEN_MAX {
            return Err(StoreError::KeyTooLong);
        }
        let mut stored = Vec::with_capacity(CHECK_LEN + value.len());
        stored.extend_from_slice(&check(table, key, value));
        stored.extend_from_slice(value);
        guarded(|| {
            let mut opened = self.0.open_table(definition(table)).map_err(failed)?;
            opened.insert(key, stored.as_slice()).map_err(failed)?;
            Ok(())
        })
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        guarded(|| {
            let mut opened = self.0.open_table(definition(table)).map_err(failed)?;
            let removed = opened.remove(key).map_err(failed)?;
            Ok(removed.is_some())
        })
    }

    fn commit(self) -> Result<(), StoreError> {
        guarded(|| self.0.commit().map_err(failed))
    }
}
