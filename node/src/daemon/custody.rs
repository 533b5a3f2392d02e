//! The spaces of others that a node has: those that it keeps for them, sealed, and those whose public documents it follows. Each lies in a folder of
//! its own, has an engine of its own, and no key.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::card::Card;
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
/// How the file of a space begins that is kept for its owner, and of one that is followed.
const KEPT: u8 = 1;
const FOLLOWED: u8 = 2;

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
    #[error("nothing of \"{0}\" is here: cairn follow ls and cairn custody ls list whose documents are")]
    NotKept(String),
    /// Several users of one name.
    #[error(
        "more than one user called \"{0}\": name the owner by the id that cairn follow ls or cairn custody ls shows"
    )]
    Ambiguous(String),
    /// Followed, and to be kept.
    #[error(
        "the public documents of \"{0}\" are followed here: first cairn follow rm, then keep all of them"
    )]
    Followed(String),
    /// Kept, and to be followed.
    #[error(
        "all documents of \"{0}\" are kept here already, the public ones among them: cairn ls --of reads them"
    )]
    KeptAlready(String),
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
    /// Only the public documents are here, for this node's user: the owner did not ask for it.
    pub follows: bool,
}

type Wire = (u8, OwnerId, String, Membership, Vec<String>, Option<u64>);

impl From<Wire> for KeptSpace {
    fn from((kind, owner, user, membership, addresses, quota_bytes): Wire) -> Self {
        Self {
            owner,
            user,
            membership,
            addresses,
            quota_bytes,
            follows: kind == FOLLOWED,
        }
    }
}

impl From<KeptSpace> for Wire {
    fn from(kept: KeptSpace) -> Self {
        (
            if kept.follows { FOLLOWED } else { KEPT },
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
            follows: false,
        };
        self.keep(kept).await
    }

    /// Follows the public documents of the user whose card this is, and who is called so here.
    pub async fn follow(
        &self,
        card: &Card,
        called: String,
        quota_bytes: Option<u64>,
    ) -> Result<KeptSpace, CustodyError> {
        if card.owner == self.0.own {
            return Err(CustodyError::OwnSpace);
        }
        let kept = KeptSpace {
            membership: Membership::new(card.owner),
            owner: card.owner,
            user: called,
            addresses: card.addresses.clone(),
            quota_bytes,
            follows: true,
        };
        self.keep(kept).await
    }

    async fn keep(&self, kept: KeptSpace) -> Result<KeptSpace, CustodyError> {
        let host = &self.0.host;
        let mut spaces = self.0.spaces.lock().await;
        match spaces.get(&kept.owner) {
            None if host.has(kept.owner) => return Err(HostError::Taken(kept.owner).into()),
            // What is followed lacks what a custodian must have, and says that it holds it.
            Some(running) if running.kept.follows && !kept.follows => {
                return Err(CustodyError::Followed(kept.user));
            }
            Some(running) if !running.kept.follows && kept.follows => {
                return Err(CustodyError::KeptAlready(kept.user));
            }
            _ => {}
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

    /// The node with the public documents of another user, whose name or owner id `whose` is: one whom this node's user follows, or `or_kept`.
    pub async fn node_of(&self, whose: &str, or_kept: bool) -> Result<Node, CustodyError> {
        let spaces = self.0.spaces.lock().await;
        let found = find(&spaces, whose, |kept| kept.follows || or_kept)?;
        Ok(found.hosted.node.clone())
    }

    /// Keeps a space no longer, or follows it no longer: removes all that is here of it, and tells the owner's nodes that are linked if they counted on
    /// it. `whose` is the owner's name or id.
    pub async fn drop_space(&self, whose: &str, follows: bool) -> Result<KeptSpace, CustodyError> {
        let mut spaces = self.0.spaces.lock().await;
        let found = find(&spaces, whose, |kept| kept.follows == follows)?;
        let (owner, node) = (found.kept.owner, found.hosted.node.clone());
        let host = &self.0.host;
        if !follows {
            host.resign(&node).await?;
        }
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

/// The space of a user, by the user's name or the owner's id.
fn find<'a>(
    spaces: &'a BTreeMap<OwnerId, Running>,
    whose: &str,
    fits: impl Fn(&KeptSpace) -> bool,
) -> Result<&'a Running, CustodyError> {
    let is_whose = |kept: &KeptSpace| kept.user == whose || kept.owner.to_string() == whose;
    let mut fitting = spaces
        .values()
        .filter(|running| fits(&running.kept) && is_whose(&running.kept));
    let found = fitting
        .next()
        .ok_or_else(|| CustodyError::NotKept(whose.to_owned()))?;
    match fitting.next() {
        Some(_) => Err(CustodyError::Ambiguous(whose.to_owned())),
        None => Ok(found),
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
            follows: kept.follows,
            quota_bytes: kept.quota_bytes,
            found_damaged,
            committed: None,
        };
        let hosted = self.host.start(plan)?;
        Ok(Running { kept, hosted })
    }
}
