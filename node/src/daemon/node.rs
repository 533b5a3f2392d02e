//! What doors hold of a running node.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::engine_thread::{Input, Inputs};
use super::{HomeError, SystemClock, random_seed};
use crate::mesh::{Command, CommandError, Event, Reply, Status};
use crate::model::access::is_internal;
use crate::model::{DocumentPath, FolderPath, Hash, NodeId, OwnerId, WallTime};
use crate::service::tokens::{self, Token};
use crate::service::{Documents, ReadError};
use crate::space::{Document, Folder, FolderItem, Head, SpaceError, chunk_record};
use crate::store::{Pin, RedbStore, Store as _, StoreError, WriteTransaction as _};

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The engine said no; nothing changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// It lies in another space, which does not run, or came there while it was stored.
    #[error(
        "the shared folder {0} is not open now: try again, and if that does not help, cairn shares says why"
    )]
    Closed(FolderPath),
    /// The engine has stopped.
    #[error("the node is shutting down: try again when it is back")]
    Stopped,
}

/// How long a token that has ended is still listed, in milliseconds: 30 days.
const EXPIRED_KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

/// Why no access token could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// Random bytes could not be had.
    #[error(transparent)]
    Random(#[from] HomeError),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the tables hold.
    #[error(transparent)]
    Space(#[from] SpaceError),
}

/// A folder that lies in another space.
#[derive(Clone)]
pub struct Mount {
    /// Which.
    pub folder: FolderPath,
    /// The node of that space.
    pub node: Node,
}

impl Mount {
    /// Says whether a path lies in it.
    fn holds(&self, path: &str) -> bool {
        path.starts_with(self.folder.as_str())
    }

    fn lies_below(&self, path: &FolderPath) -> bool {
        self.folder != *path && self.folder.as_str().starts_with(path.as_str())
    }
}

/// A running node, in one space. Clones are the same node.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

struct Shared {
    /// Folders that lie in other spaces.
    mounts: RwLock<Arc<Vec<Mount>>>,
    /// Folders of spaces that do not run: nothing may be stored there meanwhile.
    closed: RwLock<Vec<FolderPath>>,
    inputs: Inputs,
    clock: SystemClock,
    documents: Documents<RedbStore>,
    store: RedbStore,
    node: NodeId,
    owner: OwnerId,
    user: String,
}

impl Node {
    pub(super) fn new(
        inputs: Inputs,
        clock: SystemClock,
        store: RedbStore,
        documents: Documents<RedbStore>,
        node: NodeId,
        owner: OwnerId,
        user: String,
    ) -> Self {
        Self(Arc::new(Shared {
            mounts: RwLock::default(),
            closed: RwLock::default(),
            inputs,
            clock,
            documents,
            store,
            node,
            owner,
            user,
        }))
    }

    /// Has folders lie in other spaces from now on, some of which do not run.
    pub(super) fn mount(&self, mounts: Vec<Mount>, closed: Vec<FolderPath>) {
        *self.0.closed.write().unwrap_or_else(PoisonError::into_inner) = closed;
        *self.0.mounts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(mounts);
    }

    /// A space goes: until folders are mounted again, nothing can be stored in its own.
    pub(super) fn close_mount(&self, space: OwnerId) {
        let mut closed = self.0.closed.write().unwrap_or_else(PoisonError::into_inner);
        let mut mounts = self.0.mounts.write().unwrap_or_else(PoisonError::into_inner);
        let gone = mounts.iter().filter(|mount| mount.node.owner() == space);
        closed.extend(gone.map(|mount| mount.folder.clone()));
        let others = mounts.iter().filter(|mount| mount.node.owner() != space);
        *mounts = Arc::new(others.cloned().collect());
    }

    /// The folders that lie in other spaces.
    pub fn mounts(&self) -> Arc<Vec<Mount>> {
        self.0
            .mounts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The node of the space in which a path lies: this one, or that of a shared folder.
    pub fn at(&self, path: &str) -> Self {
        let mounts = self.mounts();
        let mount = mounts.iter().find(|mount| mount.holds(path));
        mount.map_or_else(|| self.clone(), |mount| mount.node.clone())
    }

    /// What a document at this path would be in the way of: a shared folder of that name, or below it.
    pub fn mounted_below(&self, path: &DocumentPath) -> Option<FolderPath> {
        let folder = path.as_folder();
        let mounts = self.mounts();
        let below = |mount: &&Mount| mount.folder.as_str().starts_with(folder.as_str());
        mounts.iter().find(below).map(|mount| mount.folder.clone())
    }

    /// A folder, with what lies below it in other spaces.
    pub fn folder(&self, path: &FolderPath) -> Result<Folder, ReadError> {
        let node = self.at(path.as_str());
        let mut folder = node.documents().folder(path)?;
        for mount in self.mounts().iter().filter(|mount| mount.lies_below(path)) {
            folder = folder.with(&mount.node.documents().folder(&mount.folder)?);
        }
        Ok(folder)
    }

    /// Lists a folder: itself, and each item. Documents come first. Where other spaces are below it, each is of one state.
    pub fn list(
        &self,
        path: &FolderPath,
        visit: &mut dyn FnMut(FolderItem) -> ControlFlow<()>,
    ) -> Result<Folder, ReadError> {
        let node = self.at(path.as_str());
        let mut below: BTreeMap<String, Folder> = BTreeMap::new();
        let mut sum = Folder::default();
        for mount in self.mounts().iter().filter(|mount| mount.lies_below(path)) {
            let rest = &mount.folder.as_str()[path.as_str().len()..];
            let folder = mount.node.documents().folder(&mount.folder)?;
            if let Some((name, _)) = rest.split_once('/').filter(|_| !folder.is_empty()) {
                let item = below.entry(name.to_owned()).or_default();
                *item = item.with(&folder);
                sum = sum.with(&folder);
            }
        }
        let mut ended = false;
        let folder = node.documents().list(path, &mut |item| {
            let item = match item {
                FolderItem::Folder { name, .. } if is_internal(&format!("{path}{name}/")) => {
                    return ControlFlow::Continue(());
                }
                FolderItem::Folder { name, folder } => {
                    let more = below.remove(&name).unwrap_or_default();
                    FolderItem::Folder {
                        name,
                        folder: folder.with(&more),
                    }
                }
                document => document,
            };
            let flow = visit(item);
            ended = flow.is_break();
            flow
        })?;
        for (name, folder) in below {
            if ended || visit(FolderItem::Folder { name, folder }).is_break() {
                break;
            }
        }
        Ok(folder.with(&sum))
    }

    /// Every document below a folder that is the user's, at any depth, space by space.
    pub fn walk(
        &self,
        path: &FolderPath,
        visit: &mut dyn FnMut(&DocumentPath, &Document) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mounts = self.mounts();
        let is_hidden = |path: &DocumentPath| {
            is_internal(path.as_str()) || mounts.iter().any(|mount| mount.holds(path.as_str()))
        };
        let node = self.at(path.as_str());
        if Arc::ptr_eq(&node.0, &self.0) {
            self.documents().walk(path, &mut |path, document| {
                if is_hidden(path) {
                    return ControlFlow::Continue(());
                }
                visit(path, document)
            })?;
        } else {
            node.documents().walk(path, visit)?;
        }
        for mount in mounts.iter().filter(|mount| mount.lies_below(path)) {
            mount.node.documents().walk(&mount.folder, visit)?;
        }
        Ok(())
    }

    /// The documents with concurrent versions, at most `limit` of each space.
    pub fn conflicts(&self, limit: usize) -> Result<Vec<(DocumentPath, Vec<Head>)>, ReadError> {
        let mut conflicts = self.documents().conflicts(limit)?;
        conflicts.retain(|(path, _)| !is_internal(path.as_str()));
        for mount in self.mounts().iter() {
            let mut more = mount.node.documents().conflicts(limit)?;
            more.retain(|(path, _)| mount.holds(path.as_str()));
            conflicts.extend(more);
        }
        Ok(conflicts)
    }

    /// Documents and folders of this space alone, read from a snapshot.
    pub fn documents(&self) -> &Documents<RedbStore> {
        &self.0.documents
    }

    /// The tables, for tokens.
    pub fn store(&self) -> &RedbStore {
        &self.0.store
    }

    /// Makes an access token that is good for what `token` says, and gives its text, which is kept nowhere. Forgets those that ended
    /// long ago. Blocks.
    pub fn issue(&self, token: &Token) -> Result<Zeroizing<String>, IssueError> {
        let text = Zeroizing::new(tokens::text(&*random_seed()?));
        let mut write = self.0.store.write()?;
        tokens::forget_expired(
            &mut write,
            WallTime(token.created.0.saturating_sub(EXPIRED_KEPT_MS)),
        )?;
        tokens::store(&mut write, &tokens::id(&text), token)?;
        write.commit()?;
        Ok(text)
    }

    /// Removes the chunks of a document that was not stored. Blocks.
    pub fn discard(&self, pins: Vec<Pin>) {
        let hashes: Vec<_> = pins.iter().map(Pin::hash).collect();
        drop(pins);
        let is_listed = |hash| -> bool {
            let listed = self.0.store.read().map(|read| chunk_record(&read, hash));
            // What is not known for sure stays.
            !matches!(listed, Ok(Ok(None)))
        };
        for hash in &hashes {
            // What cannot be removed now goes at the next start.
            let _ = self.documents().chunks().remove_unless(hash, || is_listed(hash));
        }
    }

    /// The device's name.
    pub fn id(&self) -> NodeId {
        self.0.node
    }

    /// Whose space it holds.
    pub fn owner(&self) -> OwnerId {
        self.0.owner
    }

    /// The user's name in addresses: `…/storage/<user>`.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// The wall clock.
    pub fn wall(&self) -> WallTime {
        self.0.clock.now().wall
    }

    /// Has the engine carry out a command; what it changes is on disk when this returns.
    pub async fn command(&self, command: Command) -> Result<Reply, NodeError> {
        if let Command::Put(put) = &command {
            if let Some(folder) = self.mounted_below(&put.path) {
                return Err(CommandError::Clash(folder.to_string()).into());
            }
            let path = put.path.as_str();
            let closed = self.0.closed.read().unwrap_or_else(PoisonError::into_inner);
            let closed = closed
                .iter()
                .find(|folder| path.starts_with(folder.as_str()))
                .cloned();
            let mounts = self.mounts();
            let mounted = mounts.iter().find(|mount| mount.holds(path));
            if let Some(folder) = closed.or(mounted.map(|mount| mount.folder.clone())) {
                return Err(NodeError::Closed(folder));
            }
        }
        let (reply, answer) = oneshot::channel();
        self.0
            .inputs
            .send(Input::Command {
                command: Box::new(command),
                reply,
            })
            .map_err(|_| NodeError::Stopped)?;
        Ok(answer.await.map_err(|_| NodeError::Stopped)??)
    }

    /// The engine's state.
    pub async fn status(&self) -> Result<Status, NodeError> {
        match self.command(Command::Status).await? {
            Reply::Status(status) => Ok(*status),
            _ => Err(NodeError::Stopped),
        }
    }

    /// Tells the engine that a chunk's file is missing or damaged: it gets the chunk from a peer.
    pub fn report_lost_chunk(&self, chunk: Hash) {
        // A damaged file goes out of the way first, or its repair would look as if it were there already.
        let _ = self.0.documents.chunks().set_aside(&chunk);
        let _ = self.0.inputs.send(Input::Event(Event::ChunkLost { chunk }));
    }
}
