//! A node's folder: its keys, its space, and the lock that keeps a second process out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::{Capabilities, Grant, KeyPair, Membership, OwnerId, WallTime, codec};

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
    /// `join` on a folder that is a node already.
    #[error("{path} is a node already: join with a new folder, cairn --home NEW join CODE")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
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
    _lock: File,
}

/// 32 bytes from the system's generator.
pub fn random_seed() -> Result<Zeroizing<[u8; 32]>, HomeError> {
    let mut seed = Zeroizing::new([0; 32]);
    let mut rest = &mut seed[..];
    while !rest.is_empty() {
        match rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(filled) => rest = &mut rest[filled..],
            Err(error) if error == rustix::io::Errno::INTR => {}
            Err(error) => return Err(HomeError::Random(error.to_string())),
        }
    }
    Ok(seed)
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

    /// Opens the folder, or makes it, and locks it. Fails with [`HomeError::InUse`] while another process has it.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
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
        if let Some(key) = self.read_key("device.key")? {
            return Ok(key);
        }
        let key = KeyPair::from_seed(&*random_seed()?);
        self.write_key("device.key", &key)?;
        Ok(key)
    }

    /// The owner's key, if this is the node where the space began.
    pub fn owner_key(&self) -> Result<Option<KeyPair>, HomeError> {
        self.read_key("owner.key")
    }

    /// The key that the members of the space share for radio frames; `None` if this node was never told. On the node where the space
    /// began it follows from the owner's key.
    pub fn radio_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, HomeError> {
        if let Some(key) = self.read_key("radio.key")? {
            return Ok(Some(Zeroizing::new(*key.seed())));
        }
        Ok(self.owner_key()?.map(|owner| {
            let mut hasher = blake3::Hasher::new_derive_key("cairn 1 radio key");
            hasher.update(&owner.seed()[..]);
            Zeroizing::new(*hasher.finalize().as_bytes())
        }))
    }

    /// Keeps the key for radio frames that an invite told.
    pub fn set_radio_key(&self, key: &[u8; 32]) -> Result<(), HomeError> {
        self.write_key("radio.key", &KeyPair::from_seed(key))
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
        self.write_secret("space.cbor", &codec::encode(space))
    }

    /// Begins a space of its own for `user`, unless the folder has one. Gives the space.
    pub fn begin_space(&self, user: &str, name: &str, wall: WallTime) -> Result<SpaceFile, HomeError> {
        if let Some(space) = self.space()? {
            return Ok(space);
        }
        check_user(user)?;
        let device = self.device_key()?;
        let owner = match self.owner_key()? {
            Some(owner) => owner,
            None => {
                let owner = KeyPair::from_seed(&*random_seed()?);
                self.write_key("owner.key", &owner)?;
                owner
            }
        };
        let mut membership = Membership::new(owner.owner_id());
        let grant = Grant::issue(
            owner.owner_id(),
            device.node_id(),
            Capabilities::ALL,
            wall,
            None,
            name,
            &owner,
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

    fn read_key(&self, name: &str) -> Result<Option<KeyPair>, HomeError> {
        let path = self.file(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HomeError::Io { path, error }),
        };
        let damaged = |reason: &str| HomeError::Damaged {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let bytes = data_encoding::HEXLOWER
            .decode(text.trim().as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| damaged("not hexadecimal"))?;
        let seed = <&[u8; 32]>::try_from(&bytes[..]).map_err(|_| damaged("not 32 bytes"))?;
        Ok(Some(KeyPair::from_seed(seed)))
    }

    fn write_key(&self, name: &str, key: &KeyPair) -> Result<(), HomeError> {
        let text = Zeroizing::new(data_encoding::HEXLOWER.encode(&key.seed()[..]));
        self.write_secret(name, text.as_bytes())
    }

    /// Writes a file whole or not at all, on disk when this returns.
    pub(super) fn write_durably(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        self.write_secret(name, bytes)
    }

    /// Writes a file whole or not at all, readable by this user alone, on disk when this returns.
    fn write_secret(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        let path = self.file(name);
        let new = self.file(&format!("{name}.new"));
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
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| HomeError::Io {
            path: path.clone(),
            error,
        })
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
}
