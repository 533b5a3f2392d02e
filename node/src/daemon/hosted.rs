//! Spaces besides the user's own that a node has: what all of them need to run.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use std::time::{Duration, Instant};

use cairn_transports::Transport;
use tokio::sync::{Notify, watch};

use super::channels::Channel;
use super::hands::Radios;
use super::home::{Home, random_seed};
use super::links::{LinkTable, TooManySpaces};
use super::register::Register;
use super::run::RunError;
use super::space_engine::{Prepared, Reach, SpaceEngine, SpaceFiles};
use super::{HomeError, Node, NodeError, SystemClock, repair};
use crate::mesh::{Command, Config, Engine, EngineError, Keys, PayloadPolicy};
use crate::model::{KeyPair, Membership, OwnerId, Revocation};
use crate::service::{Documents, SharedKeys};
use crate::space::records;
use crate::store::Store as _;

/// The folder of these spaces, in the node's own.
const SPACES: &str = "spaces";
/// In the folder of a space: what is in it came while there was no key, and was not opened since.
pub(super) const UNOPENED: &str = "unopened";
/// How the names of folders begin that are being removed.
const LEAVING: &str = "leaving-";

/// How long the end of a space waits for its database to be closed, and how often it looks.
const CLOSE_MAX: Duration = Duration::from_secs(2);
const CLOSE_STEP: Duration = Duration::from_millis(2);

/// What a node lends the spaces that it has besides its own.
pub(super) struct Host {
    pub(super) home: Arc<Home>,
    pub(super) device: KeyPair,
    pub(super) clock: SystemClock,
    pub(super) links: LinkTable,
    pub(super) transports: Vec<Arc<dyn Transport>>,
    pub(super) damaged: watch::Sender<bool>,
    /// Is told of links that come up, and of commits that may matter.
    pub(super) changed: Arc<Notify>,
    /// Bytes that the documents of one space may take, if nothing else is said.
    pub(super) quota_bytes: Option<u64>,
    /// The spaces that are here, the user's own among them.
    pub(super) taken: Mutex<BTreeSet<OwnerId>>,
}

/// Why a space does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Its folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// It is here in another role.
    #[error("the space {0} is here already: as one's own, a shared folder, or kept for its owner")]
    Taken(OwnerId),
    /// Too many.
    #[error(transparent)]
    TooMany(#[from] TooManySpaces),
    /// Its engine.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its engine, when it was asked.
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl From<EngineError> for HostError {
    fn from(error: EngineError) -> Self {
        Self::Run(error.into())
    }
}

/// How a space is to run.
pub(super) struct Plan {
    pub(super) owner: OwnerId,
    /// The owner's name, for people.
    pub(super) user: String,
    pub(super) keys: Keys,
    /// What is known of its members from elsewhere.
    pub(super) membership: Membership,
    /// The node is no member: only the public documents are kept.
    pub(super) follows: bool,
    pub(super) quota_bytes: Option<u64>,
    /// Its database was found damaged.
    pub(super) found_damaged: bool,
    /// Is told of commits.
    pub(super) committed: Option<Arc<Notify>>,
}

/// A space that runs.
pub(super) struct Hosted {
    pub(super) node: Node,
    channel: Channel,
    engine: SpaceEngine,
}

impl Host {
    /// The folder in which those of all spaces lie.
    pub(super) fn spaces(home: &Path) -> PathBuf {
        home.join(SPACES)
    }

    /// Where a space lies.
    pub(super) fn folder(&self, owner: OwnerId) -> PathBuf {
        Self::spaces(self.home.path()).join(owner.to_string())
    }

    /// Removes what is left of spaces that were on their way out when the node ended.
    pub(super) fn clean(home: &Path) -> io::Result<()> {
        let folders = match fs::read_dir(Self::spaces(home)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?;
            if folder
                .file_name()
                .as_encoded_bytes()
                .starts_with(LEAVING.as_bytes())
            {
                fs::remove_dir_all(folder.path())?;
            }
        }
        Ok(())
    }

    /// Removes a space from the disk, whole or at the next start.
    pub(super) fn remove(&self, owner: OwnerId) -> io::Result<()> {
        let leaving = Self::spaces(self.home.path()).join(format!("{LEAVING}{owner}"));
        fs::rename(self.folder(owner), &leaving)?;
        fs::remove_dir_all(leaving)
    }

    /// Tells the members of a space that this device is none of them any more.
    pub(super) async fn resign(&self, node: &Node) -> Result<(), HostError> {
        let read = node.store().read().map_err(RunError::from)?;
        let statements = records::membership(&read).map_err(EngineError::from)?;
        drop(read);
        let own = self.device.node_id();
        let kept = statements.map_or_else(Vec::new, |statements| statements.statements_of(own));
        let now = self.clock.now().wall;
        let resignation = Revocation::issue(node.owner(), own, now, kept, &self.device);
        node.command(Command::Revoke(resignation)).await?;
        Ok(())
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<OwnerId>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a space is here.
    pub(super) fn has(&self, space: OwnerId) -> bool {
        self.taken().contains(&space)
    }

    /// Starts the engine of a space. Must be called within a tokio runtime.
    pub(super) fn start(&self, plan: Plan) -> Result<Hosted, HostError> {
        let space = plan.owner;
        if !self.taken().insert(space) {
            return Err(HostError::Taken(space));
        }
        let started = self.start_free(plan);
        if started.is_err() {
            self.taken().remove(&space);
        }
        started
    }

    fn start_free(&self, plan: Plan) -> Result<Hosted, HostError> {
        let folder = self.folder(plan.owner);
        Home::create(&folder)?;
        let told = plan.keys;
        let files = SpaceFiles::open(
            &folder,
            &|statements| {
                let mut keys = told.clone();
                if let Some(statements) = statements {
                    keys.learn(statements);
                }
                Ok(keys.space)
            },
            plan.found_damaged,
            self.damaged.clone(),
            self.clock.now().wall,
        )?;
        let (store, chunks) = (files.store.clone(), files.chunks.clone());
        let name = format!("{}-{}", self.device.node_id(), plan.owner.short());
        let (register, proven) = Register::open(&name, &repair::database(&folder));
        let on_disk = Engine::own_writer_on_disk(&store)?;
        let mut key = told;
        let read = store.read().map_err(RunError::from)?;
        if let Some(statements) = records::membership(&read).map_err(EngineError::from)? {
            key.learn(&statements);
        }
        drop(read);
        let keys = SharedKeys::new(key.space.clone());
        let config = Config {
            key,
            owner: plan.owner,
            membership: plan.membership,
            continues: proven == Some(on_disk),
            quota_bytes: plan.quota_bytes,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: plan.follows,
        };
        let mut engine = Engine::new(config, store.clone(), *random_seed()?)?;
        let unopened = folder.join(UNOPENED);
        if unopened.exists() {
            engine.open_kept(self.clock.now())?;
            fs::remove_file(&unopened).map_err(|error| HomeError::Io {
                path: unopened,
                error,
            })?;
        }
        let prepared = Prepared::new(files)?;
        let node = Node::new(
            prepared.inputs.clone(),
            self.clock,
            store.clone(),
            Documents::new(store, chunks, keys.clone()),
            self.device.node_id(),
            plan.owner,
            plan.user,
        );
        let reach = Reach {
            transports: self.transports.clone(),
            table: self.links.clone(),
            radios: Radios::new(),
            register: Some(register),
            keys,
            committed: plan.committed,
        };
        let channel = self.links.open(prepared.seat(plan.owner))?;
        let engine = prepared.start(engine, self.clock, reach, None);
        let engine = engine.inspect_err(|_| self.links.leave(channel))?;
        Ok(Hosted {
            node,
            channel,
            engine,
        })
    }

    /// Has the engine of a space commit what it holds, and waits for it.
    pub(super) async fn end(&self, hosted: Hosted) -> Result<(), RunError> {
        self.links.leave(hosted.channel);
        drop(hosted.node);
        hosted.engine.stop().await
    }

    /// As [`Self::end`]; then the space may be opened again.
    pub(super) async fn stop(&self, hosted: Hosted) -> Result<(), RunError> {
        let store = hosted.node.store().open_store();
        let space = hosted.node.owner();
        let ended = self.end(hosted).await;
        // Whoever reads from it has done so before long.
        let closing = Instant::now();
        while store.is_open() && closing.elapsed() < CLOSE_MAX {
            tokio::time::sleep(CLOSE_STEP).await;
        }
        self.taken().remove(&space);
        ended
    }
}
