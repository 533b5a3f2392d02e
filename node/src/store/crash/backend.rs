//! The file that redb gets.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::journal::{Journal, Operation};

/// A redb storage in a [`CrashRecorder`](super::CrashRecorder). It cannot be locked: open it once at a time.
#[derive(Debug)]
pub struct CrashDatabase(pub(super) Arc<Mutex<Journal>>);

impl CrashDatabase {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(position: u64) -> io::Result<usize> {
    usize::try_from(position).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl redb::StorageBackend for CrashDatabase {
    fn len(&self) -> io::Result<u64> {
        Ok(self.journal().now.database.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = place(offset)?;
        let journal = self.journal();
        let bytes = journal
            .now
            .database
            .get(offset..offset.saturating_add(out.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = place(len)?;
        self.journal().record(Operation::DatabaseLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.journal().record(Operation::DatabaseSync);
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = place(offset)?;
        self.journal().record(Operation::DatabaseWrite {
            offset,
            bytes: bytes.into(),
        });
        Ok(())
    }
}
