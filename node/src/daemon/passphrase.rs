//! The owner's passphrase for signing in at the HTTP door.
//!
//! The node's folder holds its Argon2id hash, in a file that is read anew at every use: `cairn passwd` works whether or not a
//! node runs, and needs no way to tell it.
//!
//! The parameters are those that a Raspberry Pi can bear beside its work: 19 MiB, two passes, one lane, which OWASP's password
//! storage cheat sheet recommends at least. They stand in the file, so that later ones leave older files good.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::random_seed;
use crate::model::codec;

const FILE: &str = "passphrase";
const FILE_LEN_MAX: u64 = 1024;
/// Longest passphrase, in bytes.
pub(crate) const LEN_MAX: usize = 1024;
/// Memory for one hash, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Memory that a file may ask for, in KiB: a damaged one must not take the machine down.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 64;

/// Why a passphrase cannot be set or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Nothing but blanks.
    #[error("an empty passphrase opens the node to everybody: choose one of several words")]
    Empty,
    /// Too long.
    #[error("a passphrase has at most {LEN_MAX} bytes: choose a shorter one")]
    TooLong,
    /// The disk.
    #[error("cannot use {path}: {error}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path} cannot be read ({reason}): set the passphrase anew with cairn passwd")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Random bytes could not be had.
    #[error(transparent)]
    Random(#[from] super::HomeError),
}

/// A passphrase: not empty, of a bounded length, wiped from memory when dropped, and never shown.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a text that somebody typed.
    pub fn new(text: Zeroizing<String>) -> Result<Self, PassphraseError> {
        if text.trim().is_empty() {
            return Err(PassphraseError::Empty);
        }
        if text.len() > LEN_MAX {
            return Err(PassphraseError::TooLong);
        }
        Ok(Self(text))
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// What is kept of a passphrase.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Kept {
    fn compute(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; 32]>, String> {
        if self.memory_kib > MEMORY_KIB_MAX || self.passes > PASSES_MAX {
            return Err("it asks for too much work".into());
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|error| error.to_string())?;
        let mut hash = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), &self.salt, &mut *hash)
            .map_err(|error| error.to_string())?;
        Ok(hash)
    }
}

/// A hash that stood in the file at one time: checks a passphrase, and tells whether the file has changed since.
#[derive(Clone)]
pub(crate) struct Checker {
    path: PathBuf,
    kept: Kept,
}

impl Checker {
    /// Says whether this is the passphrase. Takes tenths of a second and 19 MiB; blocks.
    pub(crate) fn check(&self, passphrase: &Passphrase) -> Result<bool, PassphraseError> {
        let found = self
            .kept
            .compute(passphrase)
            .map_err(|reason| PassphraseError::Damaged {
                path: self.path.clone(),
                reason,
            })?;
        // Hashes of this type compare in constant time.
        Ok(blake3::Hash::from_bytes(*found) == blake3::Hash::from_bytes(self.kept.hash))
    }

    /// Names what the file held; another passphrase has another name, and so has the same one set again.
    pub(crate) fn stamp(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 passphrase stamp");
        hasher.update(&self.kept.salt);
        hasher.update(&self.kept.hash);
        *hasher.finalize().as_bytes()
    }
}

/// The file that holds the passphrase's hash.
#[derive(Debug, Clone)]
pub struct PassphraseFile(PathBuf);

impl PassphraseFile {
    /// The one in a node's folder.
    pub fn of(home: &Path) -> Self {
        Self(home.join(FILE))
    }

    /// Says whether a passphrase is set.
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// What a passphrase is checked with now; `None` if none is set.
    pub(crate) fn checker(&self) -> Result<Option<Checker>, PassphraseError> {
        let damaged = |reason: String| PassphraseError::Damaged {
            path: self.0.clone(),
            reason,
        };
        let bytes = match fs::metadata(&self.0) {
            Ok(metadata) if metadata.len() > FILE_LEN_MAX => return Err(damaged("it is too long".into())),
            _ => fs::read(&self.0),
        };
        match bytes {
            Ok(bytes) => {
                let kept = codec::decode_own(&bytes, FILE_LEN_MAX as usize)
                    .map_err(|error| damaged(error.to_string()))?;
                Ok(Some(Checker {
                    path: self.0.clone(),
                    kept,
                }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Keeps a passphrase's hash: whole or not at all, for this user alone, on disk when this returns.
    pub fn set(&self, passphrase: &Passphrase) -> Result<(), PassphraseError> {
        let seed = random_seed()?;
        let mut kept = Kept {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: [0; 16],
            hash: [0; 32],
        };
        kept.salt.copy_from_slice(&seed[..16]);
        let hash = kept
            .compute(passphrase)
            .map_err(|reason| PassphraseError::Damaged {
                path: self.0.clone(),
                reason,
            })?;
        kept.hash.copy_from_slice(&*hash);
        let mut bytes = codec::encode(&kept);
        let written = self.write(&bytes);
        bytes.zeroize();
        written.map_err(|error| self.io(error))
    }

    /// Forgets the passphrase: nobody signs in any more. Says whether there was one.
    pub fn remove(&self) -> Result<bool, PassphraseError> {
        match fs::remove_file(&self.0).and_then(|()| self.sync_folder()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.io(error)),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let new = self.0.with_extension(format!("new-{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        match self.0.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    fn io(&self, error: io::Error) -> PassphraseError {
        PassphraseError::Io {
            path: self.0.clone(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_passphrase_is_known_again_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = PassphraseFile::of(folder.path());
        assert!(file.checker().unwrap().is_none() && !file.remove().unwrap());
        file.set(&passphrase("correct horse")).unwrap();
        let first = file.checker().unwrap().unwrap();
        assert!(first.check(&passphrase("correct horse")).unwrap());
        assert!(!first.check(&passphrase("correct horse ")).unwrap());
        let mode = fs::metadata(&file.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let bytes = fs::read(&file.0).unwrap();
        assert!(!bytes.windows(5).any(|five| five == b"horse"));
        file.set(&passphrase("correct horse")).unwrap();
        assert_ne!(first.stamp(), file.checker().unwrap().unwrap().stamp());
        assert!(file.remove().unwrap() && file.checker().unwrap().is_none());
    }

    #[test]
    fn the_parameters_are_argon2id_with_19_mib_and_two_passes() {
        let folder = tempfile::tempdir().unwrap();
        let file = PassphraseFile::of(folder.path());
        file.set(&passphrase("x")).unwrap();
        let kept = file.checker().unwrap().unwrap().kept;
        assert_eq!((kept.memory_kib, kept.passes, kept.lanes), (19_456, 2, 1));
    }

    #[test]
    fn empty_and_endless_ones_are_refused() {
        for text in [String::new(), " \t".into(), "x".repeat(LEN_MAX + 1)] {
            assert!(Passphrase::new(Zeroizing::new(text)).is_err());
        }
        assert_eq!(format!("{:?}", passphrase("secret")), "Passphrase(…)");
    }

    #[test]
    fn damaged_files_are_errors_and_no_work() {
        let folder = tempfile::tempdir().unwrap();
        let file = PassphraseFile::of(folder.path());
        for bytes in [vec![], b"x".to_vec(), vec![0; 2000]] {
            fs::write(&file.0, bytes).unwrap();
            assert!(matches!(file.checker(), Err(PassphraseError::Damaged { .. })));
        }
        for (memory_kib, passes) in [(u32::MAX, 2), (19_456, u32::MAX), (0, 0)] {
            let kept = Kept {
                memory_kib,
                passes,
                lanes: 1,
                salt: [0; 16],
                hash: [0; 32],
            };
            fs::write(&file.0, codec::encode(&kept)).unwrap();
            let checker = file.checker().unwrap().unwrap();
            assert!(checker.check(&passphrase("x")).is_err());
        }
    }
}
