//! What doors hold of a running node.

use std::sync::Arc;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::engine_thread::{Input, Inputs};
use super::{HomeError, SystemClock, random_seed};
use crate::mesh::{Command, CommandError, Event, Reply, Status};
use crate::model::{Hash, NodeId, OwnerId, WallTime};
use crate::service::Documents;
use crate::service::tokens::{self, Token};
use crate::space::{SpaceError, chunk_record};
use crate::store::{Pin, RedbStore, Store as _, StoreError, WriteTransaction as _};

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The engine said no; nothing changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
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

/// A running node. Clones are the same node.
#[derive(Clone)]
pub struct Node(Arc<Shared>);

struct Shared {
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
            inputs,
            clock,
            documents,
            store,
            node,
            owner,
            user,
        }))
    }

    /// Documents and folders, read from a snapshot.
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
