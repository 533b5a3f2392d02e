//! The few things that the chunk files ask of a disk.

use std::fmt::Debug;
use std::io;

/// A folder, as far as the chunk files need one.
///
/// Paths are relative, with `/` between names; the folder itself is `""`. Nothing is durable before one of the three
/// syncs says so, and each covers no more than its name: [`sync_file`](Self::sync_file) the bytes of one file,
/// [`sync_dir`](Self::sync_dir) the names in one directory, [`sync_all`](Self::sync_all) everything. A missing file or
/// directory is [`io::ErrorKind::NotFound`].
pub trait ChunkDisk: Debug + Send + Sync + 'static {
    /// Makes a directory; one that is there already is no error. Its parent must be there.
    fn make_dir(&self, path: &str) -> io::Result<()>;

    /// Makes a file with these bytes, or replaces the bytes of the one that is there.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name, replacing the file that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes a file's bytes durable.
    fn sync_file(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// Makes everything durable that happened so far.
    fn sync_all(&self) -> io::Result<()>;

    /// The first `len_max` bytes of a file, or all when it has fewer.
    fn read(&self, path: &str, len_max: usize) -> io::Result<Vec<u8>>;

    /// The length of a file in bytes.
    fn len(&self, path: &str) -> io::Result<u64>;

    /// The names in a directory, ascending.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
}

/// The directory in which `path` is named.
pub(in crate::store) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{FolderDisk, MemoryDisk};

    /// One suite for every disk: what the simulator's does, the real one does.
    pub(crate) fn conformance(disk: &dyn ChunkDisk) {
        let not_found = |result: io::Error| assert_eq!(result.kind(), io::ErrorKind::NotFound);
        assert!(disk.list("").unwrap().is_empty());
        disk.make_dir("b").unwrap();
        disk.make_dir("b").unwrap();
        disk.make_dir("a").unwrap();
        disk.make_dir("a/c").unwrap();
        assert_eq!(disk.list("").unwrap(), ["a", "b"]);
        assert_eq!(disk.list("a").unwrap(), ["c"]);
        not_found(disk.list("none").unwrap_err());
        not_found(disk.make_dir("none/d").unwrap_err());
        not_found(disk.write("none/file", b"").unwrap_err());
        not_found(disk.read("a/c/file", 9).unwrap_err());
        not_found(disk.len("a/c/file").unwrap_err());
        not_found(disk.remove("a/c/file").unwrap_err());
        not_found(disk.rename("a/c/file", "b/file").unwrap_err());
        not_found(disk.sync_file("a/c/file").unwrap_err());
        not_found(disk.sync_dir("none").unwrap_err());

        disk.write("a/c/file", b"longer than later").unwrap();
        disk.write("a/c/file", b"hello").unwrap();
        assert_eq!(disk.len("a/c/file").unwrap(), 5);
        assert_eq!(disk.read("a/c/file", 9).unwrap(), b"hello");
        assert_eq!(disk.read("a/c/file", 2).unwrap(), b"he");
        disk.sync_file("a/c/file").unwrap();
        disk.write("b/file", b"old").unwrap();
        not_found(disk.rename("a/c/file", "none/file").unwrap_err());
        disk.rename("a/c/file", "b/file").unwrap();
        disk.sync_dir("a/c").unwrap();
        disk.sync_dir("b").unwrap();
        disk.sync_dir("").unwrap();
        assert!(disk.list("a/c").unwrap().is_empty());
        assert_eq!(disk.read("b/file", 9).unwrap(), b"hello");
        disk.sync_all().unwrap();
        disk.remove("b/file").unwrap();
        assert!(disk.list("b").unwrap().is_empty());
    }

    #[test]
    fn memory() {
        conformance(&MemoryDisk::new());
    }

    #[test]
    fn crash() {
        conformance(&*crate::store::crash::CrashRecorder::new().disk());
    }

    #[test]
    fn folder() {
        let folder = tempfile::tempdir().unwrap();
        conformance(&FolderDisk::open(folder.path()).unwrap());
        // Shared by threads, as the chunk files do.
        let _: Arc<dyn ChunkDisk> = Arc::new(FolderDisk::open(&folder.path().join("new")).unwrap());
    }
}
