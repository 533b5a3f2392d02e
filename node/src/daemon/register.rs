//! The register: how far this node has written, kept outside of its folder.
//!
//! A folder that was put back from a backup looks perfectly well to itself. So what the last commit left is also
//! noted in the system's runtime folder, which no backup of the node's folder touches and no reboot survives. The
//! incarnation goes on only if both agree; in any other case the next write begins a new one. The file is written
//! without a sync: it need not outlive the system's run.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::model::codec;
use crate::space::records::OwnWriter;

const RECORD_LEN_MAX: usize = 512;

/// Boot, device and inode of the database, and how far the node had written.
type Record = (String, u64, u64, OwnWriter);

/// The register of one node in one space.
#[derive(Debug)]
pub struct Register {
    file: Option<File>,
    boot: String,
    device: u64,
    inode: u64,
}

impl Register {
    /// Opens the register called `name`: the node's id, and behind it which space it is if that is not its own. The tables lie in
    /// `database`. Says what it proves: the last state of this very file in this very run of the system, or nothing.
    pub fn open(name: &str, database: &Path) -> (Self, Option<OwnWriter>) {
        Self::open_in(&runtime_folder(), name, database)
    }

    fn open_in(folder: &Path, name: &str, database: &Path) -> (Self, Option<OwnWriter>) {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let (device, inode) = fs::metadata(database).map_or((0, 0), |file| (file.dev(), file.ino()));
        let path = folder.join(format!("cairn-{name}.register"));
        let proven = fs::read(&path).ok().and_then(|bytes| {
            let (last_boot, last_device, last_inode, own): Record =
                codec::decode(&bytes, RECORD_LEN_MAX).ok()?;
            let same = last_boot == boot && (last_device, last_inode) == (device, inode) && !boot.is_empty();
            same.then_some(own)
        });
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .ok();
        (
            Self {
                file,
                boot,
                device,
                inode,
            },
            proven,
        )
    }

    /// Notes how far the node has written. When that fails, the next start proves nothing, and all is well.
    pub fn note(&self, own: OwnWriter) {
        if let Some(file) = &self.file {
            let record: Record = (self.boot.clone(), self.device, self.inode, own);
            let bytes = codec::encode(&record);
            let written = file
                .write_all_at(&bytes, 0)
                .and_then(|()| file.set_len(bytes.len() as u64));
            if written.is_err() {
                let _ = file.set_len(0);
            }
        }
    }
}

fn runtime_folder() -> PathBuf {
    let named = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_dir());
    named.unwrap_or_else(|| {
        let shared = PathBuf::from("/dev/shm");
        if shared.is_dir() {
            shared
        } else {
            std::env::temp_dir()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HybridTime, Incarnation, Sequence};

    #[test]
    fn only_the_same_file_in_the_same_state_is_proven() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("db");
        fs::write(&database, "x").unwrap();
        let own = OwnWriter {
            incarnation: Some(Incarnation(3)),
            last: Sequence(9),
            time: HybridTime(1),
        };
        let (register, proven) = Register::open_in(folder.path(), "7", &database);
        assert_eq!(proven, None);
        register.note(own);
        assert_eq!(Register::open_in(folder.path(), "7", &database).1, Some(own));

        // A copy in its place is another file.
        fs::copy(&database, folder.path().join("copy")).unwrap();
        fs::rename(folder.path().join("copy"), &database).unwrap();
        assert_eq!(Register::open_in(folder.path(), "7", &database).1, None);
    }
}
