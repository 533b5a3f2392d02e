//! The folder that the chunk files get.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::journal::{FileId, Journal, Operation};
use crate::store::ChunkDisk;
use crate::store::chunks::parent;

/// The folder of a [`CrashRecorder`](super::CrashRecorder).
#[derive(Debug)]
pub struct CrashDisk(pub(super) Arc<Mutex<Journal>>);

impl CrashDisk {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_dir(journal: &Journal, path: &str) -> io::Result<()> {
    if journal.now.dirs.contains(path) {
        return Ok(());
    }
    Err(io::ErrorKind::NotFound.into())
}

fn file(journal: &Journal, path: &str) -> io::Result<FileId> {
    if journal.now.dirs.contains(path) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let file = journal.now.names.get(path).copied();
    file.ok_or(io::ErrorKind::NotFound.into())
}

fn bytes(journal: &Journal, path: &str) -> io::Result<Arc<[u8]>> {
    let file = file(journal, path)?;
    // A file that was named and not written is empty.
    Ok(journal.now.files.get(&file).cloned().unwrap_or_default())
}

impl ChunkDisk for CrashDisk {
    fn make_dir(&self, path: &str) -> io::Result<()> {
        let mut journal = self.journal();
        check_dir(&journal, parent(path))?;
        if !journal.now.dirs.contains(path) {
            journal.record(Operation::MakeDir(path.to_owned()));
        }
        Ok(())
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let mut journal = self.journal();
        check_dir(&journal, parent(path))?;
        let file = match file(&journal, path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = journal.new_file();
                journal.record(Operation::Name {
                    path: path.to_owned(),
                    file,
                });
                file
            }
            Err(error) => return Err(error),
        };
        journal.record(Operation::FileWrite {
            file,
            bytes: bytes.into(),
        });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut journal = self.journal();
        let file = file(&journal, from)?;
        check_dir(&journal, parent(to))?;
        journal.record(Operation::Name {
            path: to.to_owned(),
            file,
        });
        journal.record(Operation::Unname(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut journal = self.journal();
        file(&journal, path)?;
        journal.record(Operation::Unname(path.to_owned()));
        Ok(())
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        let mut journal = self.journal();
        let file = file(&journal, path)?;
        journal.record(Operation::FileSync(file));
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let mut journal = self.journal();
        check_dir(&journal, path)?;
        journal.record(Operation::DirSync(path.to_owned()));
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.journal().record(Operation::SyncAll);
        Ok(())
    }

    fn read(&self, path: &str, len_max: usize) -> io::Result<Vec<u8>> {
        let bytes = bytes(&self.journal(), path)?;
        Ok(bytes[..bytes.len().min(len_max)].to_vec())
    }

    fn len(&self, path: &str) -> io::Result<u64> {
        Ok(bytes(&self.journal(), path)?.len() as u64)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let journal = self.journal();
        check_dir(&journal, path)?;
        let mut names: Vec<String> = journal
            .now
            .names
            .keys()
            .chain(&journal.now.dirs)
            .filter(|name| !name.is_empty() && parent(name) == path)
            .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned())
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}
