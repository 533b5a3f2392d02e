//! A node's folder: its keys, its space, and the lock that keeps a second process out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key_files::KeyFiles;
use super::whole_file::write_whole;
use crate::mesh::Keys;
use crate::model::access::{Area, Deed};
use crate::model::{Capabilities, Grant, KeyPair, Membership, NodeId, OwnerId, WallTime, codec};
use crate::seal::{EpochKey, Keyring, Passphrase, RecoveryPhrase};

/// Most bytes of the file that describes the space.
const SPACE_LEN_MAX: usize = 1024 * 1024;

/// Why a folder cannot be a node's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// The disk.
    #[error("cannot use {path}: {error}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process runs this node.
    #[error(
        "another cairn (process {pid}) runs on {path}: stop it first, or choose another folder with --home"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other process, as it wrote down itself.
        pid: String,
    },
    /// A file that is not what it should be.
    #[error("{path} cannot be read ({reason}): put it back from a backup, or join with a new folder")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// `join` or `recover` on a folder that is a node already.
    #[error("{path} is a node already: choose a new folder, cairn --home NEW {word}")]
    Exists {
        /// The folder.
        path: PathBuf,
        /// What was wanted there.
        word: &'static str,
    },
    /// The keys are locked, and there is no passphrase.
    #[error(
        "the keys in {path} are locked by a passphrase: run this at a terminal, or name a file that holds it with \
         --passphrase-file"
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Another passphrase than the one that locked the keys.
    #[error("this passphrase does not open the keys in {path}: try again")]
    WrongPassphrase {
        /// The folder.
        path: PathBuf,
    },
    /// The owner's key is elsewhere, or on paper.
    #[error(
        "the owner's key is not in {path}: it is on the device where the space began, unless it was taken off there; \
         cairn owner restore brings it back from the recovery phrase"
    )]
    NoOwnerKey {
        /// The folder.
        path: PathBuf,
    },
    /// The words are another owner's.
    #[error("this is not the recovery phrase of the owner of {path}: nothing was changed")]
    OtherOwner {
        /// The folder.
        path: PathBuf,
    },
    /// Taking off the owner's key would leave a device that can do nothing.
    #[error(
        "this device has no grant of its own with which to admit and revoke others: the owner's key stays on it"
    )]
    NoGrant,
    /// No user name that fits in an address.
    #[error("\"{0}\" is no user name: use 1 to 64 letters, digits, \".\", \"-\" or \"_\"")]
    BadUser(String),
    /// Random bytes could not be had.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// What is wrong with an invite.
    #[error("{0}")]
    Invite(String),
}

/// Whose space a node holds, and who vouches for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    from = "(OwnerId, String, Membership, Vec<String>)",
    into = "(OwnerId, String, Membership, Vec<String>)"
)]
pub struct SpaceFile {
    /// Whose.
    pub owner: OwnerId,
    /// The user's name in addresses.
    pub user: String,
    /// The grants that lead from the owner to this node.
    pub membership: Membership,
    /// Where the node that invited this one may be found.
    pub addresses: Vec<String>,
}

impl From<(OwnerId, String, Membership, Vec<String>)> for SpaceFile {
    fn from((owner, user, membership, addresses): (OwnerId, String, Membership, Vec<String>)) -> Self {
        Self {
            owner,
            user,
            membership,
            addresses,
        }
    }
}

impl From<SpaceFile> for (OwnerId, String, Membership, Vec<String>) {
    fn from(space: SpaceFile) -> Self {
        (space.owner, space.user, space.membership, space.addresses)
    }
}

/// A node's folder, locked for this process.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    keys: KeyFiles,
    _lock: File,
}

/// 32 bytes from the system's generator.
pub fn random_seed() -> Result<Zeroizing<[u8; 32]>, HomeError> {
    random_bytes()
}

/// Bytes from the system's generator.
pub(super) fn random_bytes<const LEN: usize>() -> Result<Zeroizing<[u8; LEN]>, HomeError> {
    let mut bytes = Zeroizing::new([0; LEN]);
    let mut rest = &mut bytes[..];
    while !rest.is_empty() {
        match rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(filled) => rest = &mut rest[filled..],
            Err(error) if error == rustix::io::Errno::INTR => {}
            Err(error) => return Err(HomeError::Random(error.to_string())),
        }
    }
    Ok(bytes)
}

impl Home {
    /// Makes the folder if there is none, for its user alone.
    pub fn create(path: &Path) -> Result<(), HomeError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| HomeError::Io {
            path: path.to_owned(),
            error,
        })
    }

    /// Says which key files a folder has, and whether each is locked by a passphrase. Another process may run on it.
    pub fn key_states(path: &Path) -> Result<Vec<(&'static str, bool)>, HomeError> {
        KeyFiles::new(path, None).states()
    }

    /// The recovery phrase of a folder's owner, while the owner's key is in it. Another process may run on it.
    pub fn recovery_phrase(path: &Path, passphrase: Option<Passphrase>) -> Result<RecoveryPhrase, HomeError> {
        match KeyFiles::new(path, passphrase).read("owner.key")? {
            Some(owner) => Ok(RecoveryPhrase::of(&owner)),
            None => Err(HomeError::NoOwnerKey {
                path: path.to_owned(),
            }),
        }
    }

    /// As [`Self::open_with`], with keys that are not locked by a passphrase.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        Self::open_with(path, None)
    }

    /// Opens the folder, or makes it, and locks it. Fails with [`HomeError::InUse`] while another process has it. The
    /// passphrase is tried when a locked key is asked for.
    pub fn open_with(path: &Path, passphrase: Option<Passphrase>) -> Result<Self, HomeError> {
        let at = |error| HomeError::Io {
            path: path.to_owned(),
            error,
        };
        Self::create(path)?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| HomeError::Io {
                path: lock_path,
                error,
            })?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            let _ = (&mut lock).take(32).read_to_string(&mut pid);
            return Err(HomeError::InUse {
                path: path.to_owned(),
                pid: pid.trim().to_owned(),
            });
        }
        lock.set_len(0).map_err(at)?;
        writeln!(lock, "{}", std::process::id()).map_err(at)?;
        Ok(Self {
            path: path.to_owned(),
            keys: KeyFiles::new(path, passphrase),
            _lock: lock,
        })
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The device's key; made at the first call.
    pub fn device_key(&self) -> Result<KeyPair, HomeError> {
        if let Some(key) = self.keys.read("device.key")? {
            return Ok(key);
        }
        let key = KeyPair::from_seed(&*random_seed()?);
        self.keys.write("device.key", &key)?;
        Ok(key)
    }

    /// The owner's key, if this is the node where the space began.
    pub fn owner_key(&self) -> Result<Option<KeyPair>, HomeError> {
        self.keys.read("owner.key")
    }

    /// The key of the space's first epoch; `None` if this node was never told. Where the owner's key is, it follows from that.
    pub fn space_key(&self) -> Result<Option<EpochKey>, HomeError> {
        if let Some(key) = self.keys.read("space.key")? {
            return Ok(Some(EpochKey::new(Zeroizing::new(*key.seed()))));
        }
        Ok(self.owner_key()?.as_ref().map(EpochKey::first))
    }

    /// Keeps the key of the space's first epoch that an invite told.
    pub fn set_space_key(&self, key: &[u8; 32]) -> Result<(), HomeError> {
        self.keys.write("space.key", &KeyPair::from_seed(key))
    }

    /// Keeps the key of the epoch that was the current one when an invite was made.
    pub fn set_epoch_key(&self, key: &[u8; 32]) -> Result<(), HomeError> {
        self.keys.write("epoch.key", &KeyPair::from_seed(key))
    }

    /// All keys that this node has: its own, what it was told of the space's, and what statements of the space give it.
    pub fn keys(&self, statements: Option<&Membership>) -> Result<Keys, HomeError> {
        let mut space = self.space_key()?.map_or_else(Keyring::new, Keyring::of_first);
        if let Some(key) = self.keys.read("epoch.key")? {
            space = space.with_told(EpochKey::new(Zeroizing::new(*key.seed())));
        }
        let mut keys = Keys {
            device: self.device_key()?,
            owner: self.owner_key()?,
            space,
        };
        if let Some(statements) = statements {
            keys.learn(statements);
        }
        Ok(keys)
    }

    /// The space that this node holds; `None` in a new folder.
    pub fn space(&self) -> Result<Option<SpaceFile>, HomeError> {
        let path = self.file("space.cbor");
        match fs::read(&path) {
            Ok(bytes) => codec::decode(&bytes, SPACE_LEN_MAX)
                .map(Some)
                .map_err(|error| HomeError::Damaged {
                    path,
                    reason: error.to_string(),
                }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HomeError::Io { path, error }),
        }
    }

    /// Makes this node a member of a space.
    pub fn set_space(&self, space: &SpaceFile) -> Result<(), HomeError> {
        write_whole(&self.path, "space.cbor", &codec::encode(space))
    }

    /// Begins a space of its own for `user`, unless the folder has one. Gives the space.
    pub fn begin_space(&self, user: &str, name: &str, wall: WallTime) -> Result<SpaceFile, HomeError> {
        if let Some(space) = self.space()? {
            return Ok(space);
        }
        check_user(user)?;
        let owner = match self.owner_key()? {
            Some(owner) => owner,
            None => {
                let owner = KeyPair::from_seed(&*random_seed()?);
                self.keys.write("owner.key", &owner)?;
                owner
            }
        };
        self.found_space(&owner, user, name, wall)
    }

    /// Makes a new folder one of the nodes of an owner whose phrase this is: a device key of its own, and a grant of
    /// the owner's key. The other nodes of the owner take it in when they hear of it.
    pub fn recover(
        &self,
        phrase: &RecoveryPhrase,
        user: &str,
        name: &str,
        wall: WallTime,
    ) -> Result<SpaceFile, HomeError> {
        let owner = phrase.owner_key();
        let is_other = self
            .owner_key()?
            .is_some_and(|there| there.owner_id() != owner.owner_id());
        if is_other || self.space()?.is_some() {
            return Err(HomeError::Exists {
                path: self.path.clone(),
                word: "recover --user NAME",
            });
        }
        check_user(user)?;
        self.keys.write("owner.key", &owner)?;
        self.found_space(&owner, user, name, wall)
    }

    /// Grants this device everything by the owner's key, and writes the space with that: the last step.
    fn found_space(
        &self,
        owner: &KeyPair,
        user: &str,
        name: &str,
        wall: WallTime,
    ) -> Result<SpaceFile, HomeError> {
        let device = self.device_key()?.node_id();
        let mut membership = Membership::new(owner.owner_id());
        let grant = Grant::issue(
            owner.owner_id(),
            device,
            Capabilities::ALL,
            wall,
            None,
            name,
            owner,
        );
        membership
            .add_grant(grant)
            .map_err(|error| HomeError::Invite(error.to_string()))?;
        let space = SpaceFile {
            owner: owner.owner_id(),
            user: user.to_owned(),
            membership,
            addresses: Vec::new(),
        };
        self.set_space(&space)?;
        Ok(space)
    }

    /// Takes the owner's key off this device, which goes on by its own. Only whoever has the phrase may: it is what is
    /// left of the key.
    pub fn forget_owner_key(&self, phrase: &RecoveryPhrase, wall: WallTime) -> Result<(), HomeError> {
        let Some(owner) = self.owner_key()? else {
            return Err(HomeError::NoOwnerKey {
                path: self.path.clone(),
            });
        };
        self.check_owner(phrase, owner.owner_id())?;
        let device: NodeId = self.device_key()?.node_id();
        let admits = self
            .space()?
            .is_some_and(|space| space.membership.may(device, Deed::Admit, Area::WHOLE, wall));
        if !admits {
            return Err(HomeError::NoGrant);
        }
        if let Some(key) = self.space_key()? {
            // It followed from the owner's key up to now.
            self.set_space_key(key.secret())?;
        }
        self.keys.remove("owner.key")
    }

    /// Brings the owner's key back to a device of that owner.
    pub fn restore_owner_key(&self, phrase: &RecoveryPhrase) -> Result<(), HomeError> {
        let owner = self.space()?.map(|space| space.owner);
        let owner = owner.ok_or_else(|| HomeError::NoOwnerKey {
            path: self.path.clone(),
        })?;
        self.check_owner(phrase, owner)?;
        self.keys.write("owner.key", &phrase.owner_key())
    }

    fn check_owner(&self, phrase: &RecoveryPhrase, owner: OwnerId) -> Result<(), HomeError> {
        if phrase.owner_key().owner_id() == owner {
            return Ok(());
        }
        Err(HomeError::OtherOwner {
            path: self.path.clone(),
        })
    }

    /// Locks all keys by the passphrase that the folder was opened with.
    pub fn lock_keys(&self) -> Result<(), HomeError> {
        self.keys.lock()
    }

    /// Writes all keys in the clear again.
    pub fn unlock_keys(&self) -> Result<(), HomeError> {
        self.keys.unlock()
    }

    /// Writes a file whole or not at all, on disk when this returns.
    pub(super) fn write_durably(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        write_whole(&self.path, name, bytes)
    }
}

/// Checks a user's name, which stands in addresses as it is.
pub(super) fn check_user(user: &str) -> Result<(), HomeError> {
    let fits = (1..=64).contains(&user.len())
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && !user.starts_with('.');
    fits.then_some(())
        .ok_or_else(|| HomeError::BadUser(user.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        match Home::open(folder.path()) {
            Err(HomeError::InUse { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(home);
        Home::open(folder.path()).unwrap();
    }

    #[test]
    fn keys_and_space_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        assert!(matches!(
            home.begin_space("a b", "x", WallTime(1)),
            Err(HomeError::BadUser(_))
        ));
        let space = home.begin_space("ada", "laptop", WallTime(1)).unwrap();
        let key = home.device_key().unwrap().node_id();
        assert!(space.membership.capabilities(key, WallTime(2)).is_some());
        let again = home.begin_space("bob", "laptop", WallTime(1)).unwrap();
        assert_eq!((again.owner, again.user.as_str()), (space.owner, "ada"));
        fs::write(home.file("device.key"), "xyz").unwrap();
        assert!(matches!(home.device_key(), Err(HomeError::Damaged { .. })));
    }

    #[test]
    fn an_owner_comes_back_from_the_phrase_in_a_new_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let home = Home::open(&old).unwrap();
        let space = home.begin_space("ada", "laptop", WallTime(1)).unwrap();
        let phrase = Home::recovery_phrase(&old, None).unwrap();
        assert!(matches!(
            home.recover(&phrase, "ada", "x", WallTime(2)),
            Err(HomeError::Exists { .. })
        ));
        assert_eq!(home.space().unwrap().unwrap().membership, space.membership);

        let recovered = Home::open(&new).unwrap();
        let there = recovered.recover(&phrase, "ada", "new", WallTime(2)).unwrap();
        assert_eq!(there.owner, space.owner);
        let id = |home: &Home| home.space_key().unwrap().unwrap().id();
        assert_eq!(id(&recovered), id(&home));
        let device = recovered.device_key().unwrap().node_id();
        assert_ne!(device, home.device_key().unwrap().node_id());
        // The survivors take the newcomer in.
        let mut survivor = space.membership;
        survivor.merge(&there.membership);
        assert_eq!(
            survivor.capabilities(device, WallTime(3)),
            Some(Capabilities::ALL)
        );
    }

    #[test]
    fn an_owner_key_is_forgotten_and_restored_by_its_own_phrase_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        home.begin_space("ada", "laptop", WallTime(1)).unwrap();
        let phrase = Home::recovery_phrase(folder.path(), None).unwrap();
        let other = RecoveryPhrase::of(&KeyPair::from_seed(&[1; 32]));
        let id = |home: &Home| home.space_key().unwrap().unwrap().id();
        let space_key = id(&home);
        assert!(matches!(
            home.forget_owner_key(&other, WallTime(2)),
            Err(HomeError::OtherOwner { .. })
        ));
        home.forget_owner_key(&phrase, WallTime(2)).unwrap();
        assert!(home.owner_key().unwrap().is_none());
        assert_eq!(id(&home), space_key);
        assert!(matches!(
            Home::recovery_phrase(folder.path(), None),
            Err(HomeError::NoOwnerKey { .. })
        ));
        assert!(matches!(
            home.restore_owner_key(&other),
            Err(HomeError::OtherOwner { .. })
        ));
        home.restore_owner_key(&phrase).unwrap();
        assert!(home.owner_key().unwrap().is_some());
    }
}
