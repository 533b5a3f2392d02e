//! The real disk: a folder of the file system.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::ChunkDisk;

/// A folder of the file system.
///
/// [`sync_all`](ChunkDisk::sync_all) is one `syncfs`, which also writes what other programs left unwritten on that
/// file system, and reports errors from Linux 5.8 on only.
#[derive(Debug)]
pub struct FolderDisk {
    root: PathBuf,
    /// Kept open for `syncfs`.
    handle: File,
}

impl FolderDisk {
    /// Opens the folder, or makes it, for this user only, and makes its name durable. Its parent must be there.
    pub fn open(root: &Path) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(root) {
            Ok(()) => {
                if let Some(parent) = root.parent() {
                    // A bare name has the empty path as its parent, which cannot be opened.
                    let parent = if parent.as_os_str().is_empty() {
                        Path::new(".")
                    } else {
                        parent
                    };
                    File::open(parent)?.sync_all()?;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            root: root.to_owned(),
            handle: File::open(root)?,
        })
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl ChunkDisk for FolderDisk {
    fn make_dir(&self, path: &str) -> io::Result<()> {
        match fs::create_dir(self.place(path)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.place(path), bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.place(from), self.place(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.place(path))
    }

    fn sync_file(&self, path: &str) -> io::Result<()> {
        // Another handle than the one that wrote: the kernel syncs the file, whoever wrote it, and hands an error that
        // nobody was told yet to the first who asks.
        File::open(self.place(path))?.sync_data()
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        File::open(self.place(path))?.sync_all()
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.handle)?)
    }

    fn read(&self, path: &str, len_max: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.place(path))?;
        let len = file.metadata()?.len().min(len_max as u64);
        let mut bytes = Vec::with_capacity(len as usize);
        file.take(len_max as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn len(&self, path: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.place(path))?.len())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(self.place(path))? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = item?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}
