//! The spaces of others that a node has: those that it keeps for them, sealed, and those whose public documents it follows. Each lies in a folder of
//! its own, has an engine of its own, and no key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use super::card::Card;
use super::custody_code::{CustodyCode, CustodyCodeError};
use super::home::{Home, HomeError};
use super::hosted::{Host, HostError, Hosted, Plan, UNOPENED};
use super::run::RunError;
use super::whole_file::write_whole;
use super::{Node, NodeError, transports};
use crate::mesh::{Command, Keys};
use crate::model::access::{Area, Deed};
use crate::model::codec::{self, CodecError};
use crate::model::{Membership, NodeId, OwnerId, WallTime};
use crate::seal::Keyring;
use crate::space::{View, records};
use crate::store::Store as _;

/// What makes a folder one that is kept.
const FILE: &str = "custody.cbor";
const FILE_LEN_MAX: usize = 1024 * 1024;
/// How the file begins: of a space that is kept for its owner, of one that is followed, of a shared folder that is kept.
const KEPT: u8 = 1;
const FOLLOWED: u8 = 2;
const SHARE: u8 = 3;
/// Shared folders that are kept of one user, and of all together.
const SHARES_MAX: usize = 64;
const SHARES_OF_ALL_MAX: usize = 128;
/// What is kept of one user is measured no more often than this: what comes meanwhile may be too much.
const BALANCE_PAUSE: Duration = Duration::from_millis(200);

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
    /// What is noted of a space cannot be read.
    #[error("what is noted of this user in {0} is damaged: move that folder away, then say this again")]
    Damaged(PathBuf),
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// It is a folder that this user shares, and is kept, within that user's quota, as long as the user's own space is.
    pub share_of: Option<OwnerId>,
}

/// Of a shared folder, with the user who shares it.
type ShareWire = (Wire, OwnerId);

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
            share_of: None,
        }
    }
}

impl From<KeptSpace> for Wire {
    fn from(kept: KeptSpace) -> Self {
        (
            match kept.share_of {
                Some(_) => SHARE,
                None if kept.follows => FOLLOWED,
                None => KEPT,
            },
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
    /// Is told of commits in these spaces.
    grown: Arc<Notify>,
    balancing: std::sync::Mutex<Option<JoinHandle<()>>>,
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
                Ok(bytes) => match KeptSpace::decode(&bytes) {
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
            grown: Arc::new(Notify::new()),
            balancing: std::sync::Mutex::new(None),
        }));
        {
            let mut spaces = custody.0.spaces.lock().await;
            let users: BTreeSet<OwnerId> = kept.iter().map(|space| space.owner).collect();
            for space in kept {
                if let Some(user) = space.share_of.filter(|user| !users.contains(user)) {
                    // The user's own space was dropped while this came.
                    if !custody.0.host.folder(user).exists()
                        && let Err(error) = custody.0.host.remove(space.owner)
                    {
                        tracing::warn!(space = %space.owner, %error, "what was kept of a shared folder is still there");
                    }
                    continue;
                }
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
        custody.0.grown.notify_one();
        let shared = custody.0.clone();
        let task = tokio::spawn(async move {
            loop {
                shared.grown.notified().await;
                shared.balance().await;
                tokio::time::sleep(BALANCE_PAUSE).await;
            }
        });
        *custody.0.balancing() = Some(task);
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
            share_of: None,
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
            share_of: None,
        };
        self.keep(kept).await
    }

    async fn keep(&self, kept: KeptSpace) -> Result<KeptSpace, CustodyError> {
        let host = &self.0.host;
        let mut spaces = self.0.spaces.lock().await;
        if let Some(user) = kept.share_of
            && !spaces.contains_key(&user)
        {
            return Err(CustodyError::NotKept(kept.user));
        }
        let folder = host.folder(kept.owner);
        // It may be there without running.
        let there = match spaces.get(&kept.owner) {
            Some(running) => Some(running.kept.clone()),
            None if host.has(kept.owner) => return Err(HostError::Taken(kept.owner).into()),
            None => KeptSpace::read(&folder)?,
        };
        match there {
            // What is followed lacks what a custodian must have, and says that it holds it.
            Some(there) if there.follows && !kept.follows => return Err(CustodyError::Followed(kept.user)),
            Some(there) if !there.follows && kept.follows => {
                return Err(CustodyError::KeptAlready(kept.user));
            }
            _ => {}
        }
        Home::create(&folder)?;
        write_whole(&folder, FILE, &kept.encode())?;
        if let Some(running) = spaces.get_mut(&kept.owner) {
            running.kept = kept.clone();
            let node = running.hosted.node.clone();
            for grant in kept.membership.grants() {
                node.command(Command::Admit(grant.clone())).await?;
            }
            node.command(Command::SetQuota(kept.quota_bytes)).await?;
        } else {
            let running = self.0.run(kept.clone(), false)?;
            spaces.insert(kept.owner, running);
        }
        drop(spaces);
        self.0.grown.notify_one();
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

    /// Keeps a folder that a user shares whose own space is kept here, by a code that one of that user's devices sent over a link to itself.
    pub(super) async fn take_share(&self, peer: NodeId, code: &str) {
        match self.try_take_share(peer, code).await {
            Ok(Some(kept)) => {
                tracing::info!(user = %kept.user, "a folder that this user shares is kept here too, sealed");
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%peer, %error, "a shared folder is not kept"),
        }
    }

    async fn try_take_share(&self, peer: NodeId, code: &str) -> Result<Option<KeptSpace>, CustodyError> {
        let code = CustodyCode::decode(code)?;
        let host = &self.0.host;
        let now = host.clock.now().wall;
        if host.has(code.owner) {
            return Ok(None);
        }
        let user = {
            let spaces = self.0.spaces.lock().await;
            let mut whole = spaces.values().filter(|running| running.kept.is_whole());
            let user = whole.find(|running| running.speaks(peer, now));
            let user = user.map(|running| running.kept.clone());
            let count = |owner| move |other: &&Running| other.kept.share_of == Some(owner);
            let shares = spaces.values().filter(|other| other.kept.share_of.is_some());
            let is_full = shares.count() >= SHARES_OF_ALL_MAX;
            user.filter(|user| !is_full && spaces.values().filter(count(user.owner)).count() < SHARES_MAX)
        };
        // Of nobody for whom anything is kept here, or of one who has enough.
        let Some(user) = user else {
            return Ok(None);
        };
        let kept = KeptSpace {
            membership: code.membership(host.device.node_id(), now)?,
            owner: code.owner,
            user: user.user,
            addresses: Vec::new(),
            quota_bytes: user.quota_bytes,
            follows: false,
            share_of: Some(user.owner),
        };
        self.keep(kept).await.map(Some)
    }

    /// Says whether a folder is kept here that this user shares.
    pub(super) async fn keeps_share(&self, space: OwnerId, of: OwnerId) -> bool {
        let spaces = self.0.spaces.lock().await;
        spaces
            .get(&space)
            .is_some_and(|running| running.kept.share_of == Some(of))
    }

    /// Leaves a shared folder that is kept here to somebody who has its key, with all that is here of it.
    pub(super) async fn hand_over(&self, space: OwnerId) -> Result<(), CustodyError> {
        let Some(running) = self.0.spaces.lock().await.remove(&space) else {
            return Ok(());
        };
        if let Err(error) = self.0.host.stop(running.hosted).await {
            tracing::warn!(%space, %error, "a shared folder that was kept was not closed well");
        }
        self.0.grown.notify_one();
        let folder = self.0.host.folder(space);
        // One step: until it is done the folder is kept as before, after a restart too.
        fs::rename(folder.join(FILE), folder.join(UNOPENED))
            .map_err(|error| HomeError::Io { path: folder, error }.into())
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
        drop(node);
        let shares = spaces.values().filter(|other| other.kept.share_of == Some(owner));
        let shares: Vec<OwnerId> = shares.map(|other| other.kept.owner).collect();
        for share in shares {
            if let Some(running) = spaces.remove(&share) {
                self.0.remove(running).await?;
            }
        }
        let Some(running) = spaces.remove(&owner) else {
            return Err(CustodyError::NotKept(whose.to_owned()));
        };
        let kept = running.kept.clone();
        self.0.remove(running).await?;
        Ok(kept)
    }

    /// Has the engines commit what they hold, and waits for them.
    pub(super) async fn stop(&self) {
        if let Some(task) = self.0.balancing().take() {
            task.abort();
        }
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
        .filter(|running| running.kept.share_of.is_none() && fits(&running.kept) && is_whose(&running.kept));
    let found = fitting
        .next()
        .ok_or_else(|| CustodyError::NotKept(whose.to_owned()))?;
    match fitting.next() {
        Some(_) => Err(CustodyError::Ambiguous(whose.to_owned())),
        None => Ok(found),
    }
}

impl KeptSpace {
    fn encode(&self) -> Vec<u8> {
        let wire = Wire::from(self.clone());
        match self.share_of {
            None => codec::encode(&wire),
            Some(user) => codec::encode(&(wire, user)),
        }
    }

    /// What is noted in the folder of a space, if anything is.
    fn read(folder: &Path) -> Result<Option<Self>, CustodyError> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => Self::decode(&bytes)
                .map(Some)
                .map_err(|_| CustodyError::Damaged(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HomeError::Io { path, error }.into()),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let share = |(wire, user): ShareWire| Self {
            share_of: Some(user),
            ..wire.into()
        };
        codec::decode_own::<Wire>(bytes, FILE_LEN_MAX)
            .map(Self::from)
            .or_else(|_| codec::decode_own(bytes, FILE_LEN_MAX).map(share))
    }

    /// The own space of a user, kept whole.
    fn is_whole(&self) -> bool {
        !self.follows && self.share_of.is_none()
    }
}

impl Running {
    /// Says whether a node is a device of the user whose space this is.
    fn speaks(&self, node: NodeId, now: WallTime) -> bool {
        let read = self.hosted.node.store().read();
        let membership = read
            .ok()
            .and_then(|read| records::membership(&read).ok().flatten());
        membership.is_some_and(|membership| membership.may(node, Deed::Write, Area::WHOLE, now))
    }
}

impl Shared {
    fn balancing(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.balancing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a space that is kept no more, and removes what is here of it.
    async fn remove(&self, running: Running) -> Result<(), CustodyError> {
        let owner = running.kept.owner;
        self.host.stop(running.hosted).await?;
        let path = self.host.folder(owner);
        self.host
            .remove(owner)
            .map_err(|error| CustodyError::Remove { path, error })
    }

    /// Has what is kept of one user take no more room together than was said: each space may have what the others leave.
    async fn balance(&self) {
        let families: Vec<(Option<u64>, Vec<Node>)> = {
            let spaces = self.spaces.lock().await;
            let whole = spaces.values().filter(|running| running.kept.is_whole());
            let family = |head: &Running| {
                let shares = spaces
                    .values()
                    .filter(|other| other.kept.share_of == Some(head.kept.owner));
                let all = std::iter::once(head).chain(shares);
                let nodes = all.map(|running| running.hosted.node.clone()).collect();
                (head.kept.quota_bytes, nodes)
            };
            whole.map(family).collect()
        };
        for (quota, nodes) in families {
            let mut used = Vec::new();
            for node in &nodes {
                let read = node.store().read();
                match read.map(|read| View(&read).everything()) {
                    Ok(Ok(all)) => used.push(all.bytes),
                    // It is on its way out, or failed: what it holds is not known.
                    _ => break,
                }
            }
            if used.len() < nodes.len() {
                continue;
            }
            let all: u64 = used.iter().sum();
            for (node, own) in nodes.iter().zip(used) {
                let left = quota.map(|quota| quota.saturating_sub(all - own));
                // One that is on its way out needs none.
                let _ = node.command(Command::SetQuota(left)).await;
            }
        }
    }

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
            committed: Some(self.grown.clone()),
        };
        let hosted = self.host.start(plan)?;
        Ok(Running { kept, hosted })
    }
}
