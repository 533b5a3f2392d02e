//! The spaces of others that a node keeps for them: each in a folder of its own, with an engine of its own, and no key.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::custody_code::{CustodyCode, CustodyCodeError};
use super::home::{Home, HomeError};
use super::hosted::{Host, HostError, Hosted, Plan};
use super::run::RunError;
use super::whole_file::write_whole;
use super::{Node, NodeError, transports};
use crate::mesh::Keys;
use crate::model::{Membership, OwnerId, codec};
use crate::seal::Keyring;

/// What makes a folder one that is kept.
const FILE: &str = "custody.cbor";
const FILE_LEN_MAX: usize = 1024 * 1024;
const VERSION: u8 = 1;

/// Why a space of another owner is not kept, or not dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// The code.
    #[error(transparent)]
    Code(#[from] CustodyCodeError),
    /// This node's own owner.
    #[error("this is a code for the space that is this node's own: give it to another user's node")]
    OwnSpace,
    /// Nothing of theirs is here.
    #[error("nothing is kept here for \"{0}\": cairn custody ls lists whose spaces are")]
    NotKept(String),
    /// Several users of one name.
    #[error("more than one user called \"{0}\": name the owner by the id that cairn custody ls shows")]
    Ambiguous(String),
    /// The folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// It does not run.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Its tables, or its end.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its engine.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its folder.
    #[error("cannot remove {path}: {error}")]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What is noted of a space that is kept for another owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct KeptSpace {
    /// Whose.
    pub owner: OwnerId,
    /// The owner's name, for people.
    pub user: String,
    /// The grants that let this node keep it.
    pub membership: Membership,
    /// Where the owner's node may be found.
    pub addresses: Vec<String>,
    /// Bytes that the documents may take together.
    pub quota_bytes: Option<u64>,
}

type Wire = (u8, OwnerId, String, Membership, Vec<String>, Option<u64>);

impl From<Wire> for KeptSpace {
    fn from((_, owner, user, membership, addresses, quota_bytes): Wire) -> Self {
        Self {
            owner,
            user,
            membership,
            addresses,
            quota_bytes,
        }
    }
}

impl From<KeptSpace> for Wire {
    fn from(kept: KeptSpace) -> Self {
        (
            VERSION,
            kept.owner,
            kept.user,
            kept.membership,
            kept.addresses,
            kept.quota_bytes,
        )
    }
}

/// The spaces that are kept for others. Clones are the same.
#[derive(Clone)]
pub struct Custody(Arc<Shared>);

struct Shared {
    host: Arc<Host>,
    own: OwnerId,
    spaces: Mutex<BTreeMap<OwnerId, Running>>,
}

struct Running {
    kept: KeptSpace,
    hosted: Hosted,
}

impl Custody {
    /// What is kept in the folder of a node.
    pub(super) fn on_disk(home: &Path) -> Result<Vec<KeptSpace>, HomeError> {
        let path = Host::spaces(home);
        let at = |error| HomeError::Io {
            path: path.clone(),
            error,
        };
        let folders = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            folders => folders.map_err(at)?,
        };
        let mut kept = Vec::new();
        for folder in folders {
            let folder = folder.map_err(at)?.path();
            let file = folder.join(FILE);
            match fs::read(&file) {
                Ok(bytes) => match codec::decode_own(&bytes, FILE_LEN_MAX) {
                    Ok(space) => kept.push(space),
                    Err(error) => {
                        tracing::error!(file = %file.display(), %error, "this space of another owner cannot be kept: its file is damaged");
                    }
                },
                // Of another kind.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(at(error)),
            }
        }
        Ok(kept)
    }

    /// Starts the engines of all that is `kept`. One that does not start is left alone, and the log says why.
    pub(super) async fn start(
        host: Arc<Host>,
        own: OwnerId,
        kept: Vec<KeptSpace>,
        found_damaged: bool,
    ) -> Self {
        let custody = Self(Arc::new(Shared {
            host,
            own,
            spaces: Mutex::new(BTreeMap::new()),
        }));
        {
            let mut spaces = custody.0.spaces.lock().await;
            for space in kept {
                let (owner, user) = (space.owner, space.user.clone());
                match custody.0.run(space, found_damaged) {
                    Ok(running) => {
                        spaces.insert(owner, running);
                    }
                    Err(error) => {
                        tracing::error!(%user, %error, "the space of another owner is not kept now")
                    }
                }
            }
        }
        custody
    }

    /// Keeps the space that a code names, with at most `quota_bytes` of documents. For one that is kept already, the quota and where its
    /// owner is found change.
    pub async fn accept(&self, code: &str, quota_bytes: Option<u64>) -> Result<KeptSpace, CustodyError> {
        let code = CustodyCode::decode(code)?;
        if code.owner == self.0.own {
            return Err(CustodyError::OwnSpace);
        }
        let host = &self.0.host;
        let node = host.device.node_id();
        let kept = KeptSpace {
            membership: code.membership(node, host.clock.now().wall)?,
            owner: code.owner,
            user: code.user,
            addresses: code.addresses,
            quota_bytes,
        };
        let mut spaces = self.0.spaces.lock().await;
        if !spaces.contains_key(&kept.owner) && host.has(kept.owner) {
            return Err(HostError::Taken(kept.owner).into());
        }
        if let Some(running) = spaces.remove(&kept.owner) {
            self.0.host.stop(running.hosted).await?;
        }
        let folder = host.folder(kept.owner);
        Home::create(&folder)?;
        write_whole(&folder, FILE, &codec::encode(&kept))?;
        let running = self.0.run(kept.clone(), false)?;
        spaces.insert(kept.owner, running);
        drop(spaces);
        for address in &kept.addresses {
            if let Err(error) = transports::dial(&host.transports, address) {
                tracing::warn!(%error, "this address of the owner is left out");
            }
        }
        Ok(kept)
    }

    /// What is kept, and the engines that keep it.
    pub async fn spaces(&self) -> Vec<(KeptSpace, Node)> {
        let spaces = self.0.spaces.lock().await;
        let both = |running: &Running| (running.kept.clone(), running.hosted.node.clone());
        spaces.values().map(both).collect()
    }

    /// Keeps a space no longer: tells the owner's nodes that are linked, and removes all that is here of it. `whose` is the owner's name
    /// or id.
    pub async fn drop_space(&self, whose: &str) -> Result<KeptSpace, CustodyError> {
        let mut spaces = self.0.spaces.lock().await;
        let fits = |running: &&Running| running.kept.user == whose || running.kept.owner.to_string() == whose;
        let mut fitting = spaces.values().filter(fits);
        let found = fitting
            .next()
            .ok_or_else(|| CustodyError::NotKept(whose.to_owned()))?;
        if fitting.next().is_some() {
            return Err(CustodyError::Ambiguous(whose.to_owned()));
        }
        let (owner, node) = (found.kept.owner, found.hosted.node.clone());
        let host = &self.0.host;
        host.resign(&node).await?;
        let Some(running) = spaces.remove(&owner) else {
            return Err(CustodyError::NotKept(whose.to_owned()));
        };
        let kept = running.kept.clone();
        drop(node);
        self.0.host.stop(running.hosted).await?;
        let path = host.folder(owner);
        host.remove(owner)
            .map_err(|error| CustodyError::Remove { path, error })?;
        Ok(kept)
    }

    /// Has the engines commit what they hold, and waits for them.
    pub(super) async fn stop(&self) {
        let spaces = std::mem::take(&mut *self.0.spaces.lock().await);
        for (_, running) in spaces {
            let user = running.kept.user.clone();
            if let Err(error) = self.0.host.stop(running.hosted).await {
                tracing::warn!(%user, %error, "the space of another owner was not closed well");
            }
        }
    }
}

impl Shared {
    fn run(&self, kept: KeptSpace, found_damaged: bool) -> Result<Running, HostError> {
        let plan = Plan {
            owner: kept.owner,
            user: kept.user.clone(),
            keys: Keys {
                device: self.host.device.clone(),
                owner: None,
                space: Keyring::new(),
            },
            membership: kept.membership.clone(),
            quota_bytes: kept.quota_bytes,
            found_damaged,
            committed: None,
        };
        let hosted = self.host.start(plan)?;
        Ok(Running { kept, hosted })
    }
}
