//! The key files of a node's folder, in the clear or locked by a passphrase.
//!
//! In the clear a file is 64 hexadecimal digits; locked it is a [`LockedKey`]. Each file is replaced whole, and all
//! locked files of a folder share one passphrase, one salt and one cost, so that unlocking them takes its time once.
//! Between two files a crash may leave some locked and some not: all of them can be read all the same.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::whole_file::{remove_secret, replace_secret, write_whole};
use super::{HomeError, random_bytes};
use crate::model::KeyPair;
use crate::seal::{Cost, LOCKED_KEY_LEN_MAX, LockedKey, LockedKeyError, Passphrase, PassphraseKey};

/// The names of all key files.
pub(super) const KEY_FILES: [&str; 4] = ["device.key", "owner.key", "space.key", "epoch.key"];

/// The key files of one folder, and the passphrase if there is one to open them with.
#[derive(Debug)]
pub(super) struct KeyFiles {
    folder: PathBuf,
    passphrase: Option<Passphrase>,
    /// What the passphrase became, once it was needed.
    derived: Mutex<Option<PassphraseKey>>,
}

/// What is in a key file.
enum Content {
    Clear(KeyPair),
    Locked(LockedKey),
}

impl KeyFiles {
    /// Those of a folder, with the passphrase that opens the locked ones.
    pub(super) fn new(folder: &Path, passphrase: Option<Passphrase>) -> Self {
        Self {
            folder: folder.to_owned(),
            passphrase,
            derived: Mutex::new(None),
        }
    }

    /// Which key files there are, and whether each is locked.
    pub(super) fn states(&self) -> Result<Vec<(&'static str, bool)>, HomeError> {
        let mut states = Vec::new();
        for name in KEY_FILES {
            if let Some(content) = self.content(name)? {
                states.push((name, matches!(content, Content::Locked(_))));
            }
        }
        Ok(states)
    }

    /// The key in a file; `None` when there is no such file.
    pub(super) fn read(&self, name: &str) -> Result<Option<KeyPair>, HomeError> {
        Ok(match self.content(name)? {
            None => None,
            Some(Content::Clear(key)) => Some(key),
            Some(Content::Locked(locked)) => Some(self.open(name, &locked)?),
        })
    }

    /// Writes a key: locked where the others are.
    pub(super) fn write(&self, name: &str, key: &KeyPair) -> Result<(), HomeError> {
        match self.any_locked()? {
            Some((locked_name, locked)) => {
                // A passphrase that does not open the others must lock nothing.
                self.open(locked_name, &locked)?;
                let by = self.derived(&locked)?;
                write_whole(&self.folder, name, &lock(&by, name, key)?)
            }
            None => write_whole(&self.folder, name, clear(key).as_bytes()),
        }
    }

    /// Locks all files that are not locked, by the passphrase.
    pub(super) fn lock(&self) -> Result<(), HomeError> {
        let passphrase = self.passphrase.as_ref().ok_or_else(|| self.locked())?;
        let by = match self.any_locked()? {
            Some((name, locked)) => {
                self.open(name, &locked)?;
                self.derived(&locked)?
            }
            None => {
                let salt = *random_bytes()?;
                let derived = PassphraseKey::derive(passphrase, Cost::DEFAULT, salt);
                derived.map_err(|error| self.refused(KEY_FILES[0], error))?
            }
        };
        for name in KEY_FILES {
            if let Some(Content::Clear(key)) = self.content(name)? {
                replace_secret(&self.folder, name, &lock(&by, name, &key)?)?;
            }
        }
        Ok(())
    }

    /// Writes all files in the clear.
    pub(super) fn unlock(&self) -> Result<(), HomeError> {
        for name in KEY_FILES {
            if let Some(Content::Locked(locked)) = self.content(name)? {
                let key = self.open(name, &locked)?;
                write_whole(&self.folder, name, clear(&key).as_bytes())?;
            }
        }
        Ok(())
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> Result<(), HomeError> {
        remove_secret(&self.folder, name)
    }

    fn any_locked(&self) -> Result<Option<(&'static str, LockedKey)>, HomeError> {
        for name in KEY_FILES {
            if let Some(Content::Locked(locked)) = self.content(name)? {
                return Ok(Some((name, locked)));
            }
        }
        Ok(None)
    }

    fn open(&self, name: &str, locked: &LockedKey) -> Result<KeyPair, HomeError> {
        let opened = self.derived(locked)?.open(name, locked);
        let seed = opened.map_err(|error| self.refused(name, error))?;
        Ok(KeyPair::from_seed(&seed))
    }

    /// The key that opens `locked`, if the passphrase is right.
    fn derived(&self, locked: &LockedKey) -> Result<PassphraseKey, HomeError> {
        let passphrase = self.passphrase.as_ref().ok_or_else(|| self.locked())?;
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = derived.as_ref().filter(|known| known.fits(locked)) {
            return Ok(known.clone());
        }
        let new = locked.derive(passphrase);
        let new = new.map_err(|error| self.refused(KEY_FILES[0], error))?;
        *derived = Some(new.clone());
        Ok(new)
    }

    fn locked(&self) -> HomeError {
        HomeError::Locked {
            path: self.folder.clone(),
        }
    }

    fn refused(&self, name: &str, error: LockedKeyError) -> HomeError {
        match error {
            LockedKeyError::WrongPassphrase => HomeError::WrongPassphrase {
                path: self.folder.clone(),
            },
            error => HomeError::Damaged {
                path: self.folder.join(name),
                reason: error.to_string(),
            },
        }
    }

    fn content(&self, name: &str) -> Result<Option<Content>, HomeError> {
        let path = self.folder.join(name);
        let mut bytes = Zeroizing::new(Vec::with_capacity(LOCKED_KEY_LEN_MAX + 1));
        match File::open(&path) {
            Ok(file) => file
                .take(LOCKED_KEY_LEN_MAX as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| HomeError::Io {
                    path: path.clone(),
                    error,
                })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HomeError::Io { path, error }),
        };
        let damaged = |reason: &str| HomeError::Damaged {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        if LockedKey::is_meant(&bytes) {
            let locked = LockedKey::decode(&bytes).map_err(|error| self.refused(name, error))?;
            return Ok(Some(Content::Locked(locked)));
        }
        let seed = data_encoding::HEXLOWER
            .decode(bytes.trim_ascii())
            .map(Zeroizing::new)
            .map_err(|_| damaged("not hexadecimal"))?;
        let seed = <&[u8; 32]>::try_from(&seed[..]).map_err(|_| damaged("not 32 bytes"))?;
        Ok(Some(Content::Clear(KeyPair::from_seed(seed))))
    }
}

fn clear(key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(data_encoding::HEXLOWER.encode(&key.seed()[..]))
}

fn lock(by: &PassphraseKey, name: &str, key: &KeyPair) -> Result<Vec<u8>, HomeError> {
    Ok(by.lock(name, &key.seed(), *random_bytes()?).encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path, passphrase: &str) -> KeyFiles {
        let passphrase = Passphrase::from_line(Zeroizing::new(passphrase.to_owned()));
        KeyFiles::new(folder, passphrase.ok())
    }

    fn key(seed: u8) -> KeyPair {
        KeyPair::from_seed(&[seed; 32])
    }

    fn read(files: &KeyFiles, name: &str) -> Option<[u8; 32]> {
        files.read(name).unwrap().map(|key| key.public())
    }

    #[test]
    fn keys_are_locked_and_unlocked_where_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let none = files(folder.path(), "");
        none.write("device.key", &key(1)).unwrap();
        none.write("owner.key", &key(2)).unwrap();
        assert!(matches!(none.lock(), Err(HomeError::Locked { .. })));
        files(folder.path(), "horse").lock().unwrap();
        assert_eq!(
            none.states().unwrap(),
            [("device.key", true), ("owner.key", true)]
        );
        let text = std::fs::read(folder.path().join("owner.key")).unwrap();
        assert!(!text.windows(8).any(|window| window == [2; 8]));
        assert!(matches!(none.read("device.key"), Err(HomeError::Locked { .. })));
        let wrong = files(folder.path(), "house");
        assert!(matches!(
            wrong.read("owner.key"),
            Err(HomeError::WrongPassphrase { .. })
        ));
        assert!(matches!(wrong.unlock(), Err(HomeError::WrongPassphrase { .. })));

        // What is written later is locked as well, by the same passphrase alone.
        let right = files(folder.path(), "horse");
        assert!(matches!(
            wrong.write("space.key", &key(3)),
            Err(HomeError::WrongPassphrase { .. })
        ));
        right.write("space.key", &key(3)).unwrap();
        right.write("epoch.key", &key(4)).unwrap();
        assert_eq!(right.states().unwrap().len(), KEY_FILES.len());
        for (name, seed) in KEY_FILES.into_iter().zip(1..) {
            assert_eq!(
                read(&files(folder.path(), "horse"), name),
                Some(key(seed).public())
            );
        }
        right.unlock().unwrap();
        assert!(none.states().unwrap().iter().all(|(_, locked)| !locked));
        assert_eq!(read(&none, "owner.key"), Some(key(2).public()));
    }

    #[test]
    fn what_a_crash_left_half_locked_is_readable_and_locked_by_the_next_try() {
        let folder = tempfile::tempdir().unwrap();
        let right = files(folder.path(), "horse");
        right.write("device.key", &key(1)).unwrap();
        right.lock().unwrap();
        std::fs::write(folder.path().join("owner.key"), clear(&key(2)).as_bytes()).unwrap();
        assert_eq!(read(&right, "device.key"), Some(key(1).public()));
        assert_eq!(read(&right, "owner.key"), Some(key(2).public()));
        let other = files(folder.path(), "house");
        assert!(matches!(other.lock(), Err(HomeError::WrongPassphrase { .. })));
        right.lock().unwrap();
        assert!(right.states().unwrap().iter().all(|(_, locked)| *locked));
    }

    #[test]
    fn a_file_swapped_for_another_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let right = files(folder.path(), "horse");
        right.write("device.key", &key(1)).unwrap();
        right.write("owner.key", &key(2)).unwrap();
        right.lock().unwrap();
        let [device, owner] = ["device.key", "owner.key"].map(|name| folder.path().join(name));
        std::fs::copy(owner, device).unwrap();
        assert!(matches!(
            right.read("device.key"),
            Err(HomeError::WrongPassphrase { .. })
        ));
    }
}
