//! The store in memory: for the simulator, whose disks forget what was not committed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use super::{KEY_LEN_MAX, ReadTransaction, Store, StoreError, Table, Visit, WriteTransaction};

type Tables = BTreeMap<(Table, Vec<u8>), Arc<[u8]>>;
type Changes = BTreeMap<(Table, Vec<u8>), Option<Arc<[u8]>>>;

/// A store that lives as long as its process. Clones share one state, as two openings of one file would.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<RwLock<Arc<Tables>>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> Arc<Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Store for MemoryStore {
    type Read = MemoryRead;
    type Write = MemoryWrite;

    fn read(&self) -> Result<MemoryRead, StoreError> {
        Ok(MemoryRead(self.tables()))
    }

    fn write(&self) -> Result<MemoryWrite, StoreError> {
        Ok(MemoryWrite {
            base: self.tables(),
            changes: Changes::new(),
            store: self.clone(),
        })
    }
}

/// A state of a [`MemoryStore`].
#[derive(Debug)]
pub struct MemoryRead(Arc<Tables>);

/// Changes to a [`MemoryStore`], kept beside it until they are committed.
#[derive(Debug)]
pub struct MemoryWrite {
    base: Arc<Tables>,
    changes: Changes,
    store: MemoryStore,
}

impl ReadTransaction for MemoryRead {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(table, key.to_vec())).map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        for ((_, key), value) in self
            .0
            .range((table, from.to_vec())..)
            .take_while(|((t, _), _)| *t == table)
        {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

impl ReadTransaction for MemoryWrite {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (table, key.to_vec());
        let value = match self.changes.get(&key) {
            Some(changed) => changed.as_ref(),
            None => self.base.get(&key),
        };
        Ok(value.map(|value| value.to_vec()))
    }

    fn scan(&self, table: Table, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let start = (table, from.to_vec());
        let mut old = self
            .base
            .range(start.clone()..)
            .take_while(|((t, _), _)| *t == table)
            .peekable();
        let mut new = self
            .changes
            .range(start..)
            .take_while(|((t, _), _)| *t == table)
            .peekable();
        loop {
            let (key, value) = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some((old_key, _)), Some((new_key, _))) if old_key == new_key => {
                    old.next();
                    continue;
                }
                (Some((old_key, value)), new_next)
                    if new_next.is_none_or(|(new_key, _)| old_key < new_key) =>
                {
                    let pair = (&old_key.1, Some(*value));
                    old.next();
                    pair
                }
                (_, Some((new_key, value))) => {
                    let pair = (&new_key.1, value.as_ref());
                    new.next();
                    pair
                }
                (Some(_), None) => unreachable!("an old key with no new one is taken above"),
            };
            if let Some(value) = value
                && visit(key, value) == ControlFlow::Break(())
            {
                return Ok(());
            }
        }
    }
}

impl WriteTransaction for MemoryWrite {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        if key.len() > KEY_LEN_MAX {
            return Err(StoreError::KeyTooLong);
        }
        self.changes.insert((table, key.to_vec()), Some(value.into()));
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        let present = self.get(table, key)?.is_some();
        if present {
            self.changes.insert((table, key.to_vec()), None);
        }
        Ok(present)
    }

    fn commit(self) -> Result<(), StoreError> {
        // The base is let go first: with no reader about, the tables are changed in place.
        let Self { base, changes, store } = self;
        drop(base);
        let mut tables = store.0.write().unwrap_or_else(PoisonError::into_inner);
        let tables = Arc::make_mut(&mut tables);
        for (key, value) in changes {
            match value {
                Some(value) => tables.insert(key, value),
                None => tables.remove(&key),
            };
        }
        Ok(())
    }
}
