//! Files that are written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::HomeError;

/// Writes the file `name` of `folder`, readable by this user alone, on disk when this returns. Whenever the power goes,
/// what was there before or what is written now is there.
pub(super) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let path = folder.join(name);
    let new = folder.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| HomeError::Io {
        path: path.clone(),
        error,
    })
}

/// As [`write_whole`]; then what was there before is overwritten with zeros, if no other name leads to it.
pub(super) fn replace_secret(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let old = OpenOptions::new().write(true).open(folder.join(name)).ok();
    write_whole(folder, name, bytes)?;
    if let Some(old) = old {
        overwrite(&old);
    }
    Ok(())
}

/// Removes the file `name` of `folder`, and what a write that was cut off left of it, and overwrites them with zeros once
/// the folder on disk does not name them any more. Neither need be there.
pub(super) fn remove_secret(folder: &Path, name: &str) -> Result<(), HomeError> {
    let mut gone = Vec::new();
    for name in [format!("{name}.new"), name.to_owned()] {
        let path = folder.join(name);
        let at = |error| HomeError::Io {
            path: path.clone(),
            error,
        };
        let old = match OpenOptions::new().write(true).open(&path) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at(error)),
        };
        fs::remove_file(&path).map_err(at)?;
        gone.push(old);
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| HomeError::Io {
        path: folder.to_owned(),
        error,
    })?;
    gone.iter().for_each(overwrite);
    Ok(())
}

/// Overwrites a file that has no name any more. Where the disk writes elsewhere, as flash does, the old bytes may stay: a
/// failure changes nothing that could be relied on.
fn overwrite(mut old: &File) {
    let Ok(found) = old.metadata() else { return };
    if found.nlink() == 0 {
        let zeros = vec![0; usize::try_from(found.len()).unwrap_or(0).min(4096)];
        let _ = old.write_all(&zeros).and_then(|()| old.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_replaced_or_removed_is_overwritten_but_not_through_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("a.key"), folder.path().join("backup"));
        write_whole(folder.path(), "a.key", b"secret").unwrap();
        let old = File::open(&path).unwrap();
        replace_secret(folder.path(), "a.key", b"locked").unwrap();
        assert_eq!(std::io::read_to_string(old).unwrap(), "\0".repeat(6));
        assert_eq!(fs::read(&path).unwrap(), b"locked");

        fs::hard_link(&path, &backup).unwrap();
        fs::write(folder.path().join("a.key.new"), b"cut off").unwrap();
        remove_secret(folder.path(), "a.key").unwrap();
        remove_secret(folder.path(), "a.key").unwrap();
        assert_eq!(fs::read(&backup).unwrap(), b"locked");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
