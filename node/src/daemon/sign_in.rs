//! The owner's passphrase for signing in at the HTTP door.
//!
//! The node's folder holds its hash, in a file that is read anew at every use: `cairn passwd` works whether or not a
//! node runs, and needs no way to tell it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::HomeError;
use super::home::random_bytes;
use super::whole_file::{remove_secret, replace_secret};
use crate::model::codec;
use crate::seal::{Cost, LockedKeyError, Passphrase, PassphraseHash};

const FILE: &str = "passphrase";
const FILE_LEN_MAX: u64 = 1024;

/// Why a sign-in passphrase cannot be set or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// The disk, or the system's generator.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file that is not what it should be.
    #[error("{path} cannot be read ({reason}): set the passphrase anew with cairn passwd")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be hashed.
    #[error(transparent)]
    Hash(#[from] LockedKeyError),
}

/// The file that holds the hash of the passphrase.
#[derive(Debug, Clone)]
pub struct SignInFile {
    folder: PathBuf,
}

impl SignInFile {
    /// The one in a node's folder.
    pub fn of(home: &Path) -> Self {
        Self {
            folder: home.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Says whether a passphrase is set.
    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    /// What a passphrase is checked with now; `None` if none is set.
    pub(crate) fn hash(&self) -> Result<Option<PassphraseHash>, SignInError> {
        let path = self.path();
        let mut bytes = Vec::new();
        let read = File::open(&path)
            .and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map(|_| ()));
        match read {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HomeError::Io { path, error }.into()),
        }
        let hash = codec::decode_own(&bytes, FILE_LEN_MAX as usize);
        hash.map(Some).map_err(|error| SignInError::Damaged {
            path,
            reason: error.to_string(),
        })
    }

    /// Keeps a passphrase's hash: whole or not at all, for this user alone, on disk when this returns.
    pub fn set(&self, passphrase: &Passphrase) -> Result<(), SignInError> {
        let hash = PassphraseHash::of(passphrase, Cost::SIGN_IN, *random_bytes()?)?;
        replace_secret(&self.folder, FILE, &codec::encode(&hash))?;
        Ok(())
    }

    /// Forgets the passphrase: nobody signs in any more. Says whether there was one.
    pub fn remove(&self) -> Result<bool, SignInError> {
        let existed = fs::exists(self.path()).unwrap_or(true);
        remove_secret(&self.folder, FILE)?;
        Ok(existed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use zeroize::Zeroizing;

    #[test]
    fn a_passphrase_is_kept_as_a_hash_for_this_user_alone() {
        let passphrase = Passphrase::from_line(Zeroizing::new("correct horse".to_owned())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = SignInFile::of(folder.path());
        assert!(file.hash().unwrap().is_none() && !file.remove().unwrap());
        file.set(&passphrase).unwrap();
        let first = file.hash().unwrap().unwrap();
        assert!(first.check(&passphrase).unwrap());
        assert_eq!(<(u32, u32, u32)>::from(first.cost()), (19_456, 2, 1));
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let bytes = fs::read(file.path()).unwrap();
        assert!(!bytes.windows(5).any(|five| five == b"horse"));
        file.set(&passphrase).unwrap();
        assert_ne!(first.stamp(), file.hash().unwrap().unwrap().stamp());
        assert!(file.remove().unwrap() && file.hash().unwrap().is_none());
    }

    #[test]
    fn damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let file = SignInFile::of(folder.path());
        for bytes in [vec![], b"x".to_vec(), vec![0; 2000]] {
            fs::write(file.path(), bytes).unwrap();
            assert!(matches!(file.hash(), Err(SignInError::Damaged { .. })));
        }
    }
}
