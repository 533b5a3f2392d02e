//! What users ask of a node, and what it answers.

use std::time::Duration;

use super::LinkId;
use super::status::Status;
use crate::model::{Content, DocumentPath, Dot, ETag, Grant, NodeId, Revocation};
use crate::seal::ChunkKey;

/// A set of entity tags in a precondition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagSet {
    /// `*`: any version that exists.
    Any,
    /// These versions.
    Tags(Vec<ETag>),
}

impl TagSet {
    /// Says whether the set names `current`.
    pub fn contains(&self, current: Option<ETag>) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Tags(tags), Some(tag)) => tags.contains(&tag),
        }
    }
}

/// A condition on the state before a change (RFC 9110, section 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match`: the current version is one of these.
    IfMatch(TagSet),
    /// `If-None-Match`: it is none of these.
    IfNoneMatch(TagSet),
}

/// All conditions of one change: each must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Precondition(pub Vec<Condition>);

impl Precondition {
    /// Says whether all hold for the current version (`None`: the document is not there).
    pub fn holds(&self, current: Option<ETag>) -> bool {
        self.0.iter().all(|condition| match condition {
            Condition::IfMatch(tags) => tags.contains(current),
            Condition::IfNoneMatch(tags) => !tags.contains(current),
        })
    }

    /// Says whether the asker has named the version that it changes.
    pub fn names_version(&self) -> bool {
        self.0
            .iter()
            .any(|condition| matches!(condition, Condition::IfMatch(TagSet::Tags(_))))
    }
}

/// Stores a document whose chunks are on disk already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Where.
    pub path: DocumentPath,
    /// What, as it is in the clear.
    pub content: Content,
    /// Small content itself, or the manifest of large content.
    pub attachment: Option<Vec<u8>>,
    /// If its chunks are sealed, their keys: those of a private or shared document are, and it has a manifest even if it has one chunk.
    pub chunk_keys: Vec<ChunkKey>,
    /// What must hold before.
    pub precondition: Precondition,
    /// Replaces concurrent siblings as well, though no condition names them.
    pub resolve: bool,
}

/// Deletes a document, with all its siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Which.
    pub path: DocumentPath,
    /// What must hold before.
    pub precondition: Precondition,
}

/// Makes one of a document's siblings take the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// Which document.
    pub path: DocumentPath,
    /// The sibling that stays.
    pub keep: Dot,
    /// Those whose place it takes. `None`: all.
    pub of: Option<Vec<Dot>>,
}

/// What fetching a document's payload takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The document's length, in bytes.
    pub len: u64,
    /// Bytes of it that are not here.
    pub lacking: u64,
    /// In so many chunks.
    pub chunks: usize,
    /// It is short enough to come by radio without anybody asking.
    pub unasked: bool,
    /// It was asked for.
    pub requested: bool,
    /// Nodes on links that cost nothing: from them it comes by itself.
    pub linked: Vec<NodeId>,
    /// Each radio.
    pub radios: Vec<RadioPrice>,
}

/// What it takes by a radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadioPrice {
    /// Which.
    pub radio: LinkId,
    /// Time on air, of whoever sends it, if nothing is lost.
    pub airtime: Duration,
    /// Until it is here, if whoever sends it keeps to the law and has sent nothing else lately.
    pub expected: Duration,
    /// Who will be asked, in this order; nobody, if none is heard that may have it.
    pub ask: Vec<NodeId>,
}

/// What a user asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// See [`Put`].
    Put(Put),
    /// See [`Delete`].
    Delete(Delete),
    /// See [`Resolve`].
    Resolve(Resolve),
    /// Takes a grant in and spreads it.
    Admit(Grant),
    /// Takes a revocation in and spreads it.
    Revoke(Revocation),
    /// Tells what the payload of a document takes ([`Reply::Price`]); with `begin`, fetches it whatever its length.
    Fetch {
        /// Which document.
        path: DocumentPath,
        /// Ask for it now.
        begin: bool,
    },
    /// Changes how many bytes the documents may take together, until the engine ends.
    SetQuota(Option<u64>),
    /// The state of the node.
    Status,
    /// Answers when everything before it is on disk.
    Flush,
}

/// How a command ended well.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The document is on disk.
    Stored {
        /// Its tag.
        etag: ETag,
        /// There was none before.
        created: bool,
        /// Concurrent siblings that this change replaced, beside the version that readers saw.
        siblings_replaced: usize,
    },
    /// The document is gone; this is the tag that it had.
    Deleted {
        /// The tag before.
        etag: ETag,
    },
    /// See [`Command::Fetch`].
    Price(Box<Price>),
    /// See [`Command::Status`].
    Status(Box<Status>),
    /// Nothing more to say.
    Done,
}

/// Why a command was not carried out. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such document.
    #[error("there is no document at {0}")]
    NotFound(DocumentPath),
    /// A condition does not hold.
    #[error("the document was changed meanwhile: read it again, then write")]
    PreconditionFailed {
        /// The current tag.
        current: Option<ETag>,
    },
    /// A document stands where a folder would have to be, or the other way round.
    #[error("{0} is in the way: no document and folder can have the same name")]
    Clash(String),
    /// What is left of the disk is kept for the database.
    #[error(
        "the disk is full: {free_bytes} bytes are left, which the database needs; delete something, or make room"
    )]
    DiskFull {
        /// Bytes that are left.
        free_bytes: u64,
    },
    /// The user's documents would take more than allowed.
    #[error("this would exceed the quota of {quota_bytes} bytes: delete something, or raise the quota")]
    OverQuota {
        /// Bytes allowed.
        quota_bytes: u64,
    },
    /// No such sibling.
    #[error("{0} is not one of this document's versions")]
    NoSuchSibling(Dot),
    /// A private or shared document, and no key for it.
    #[error(
        "this node has no key for private and shared documents: it gets it from another of the owner's nodes, when one is reached"
    )]
    NoKey,
    /// This device was revoked.
    #[error("this device may not write here any more: {0} was revoked by the owner")]
    Revoked(NodeId),
    /// This node holds the space for its owner, and no more.
    #[error("this node keeps the space for its owner and may not write to it")]
    HoldsOnly,
    /// A bound of the model.
    #[error("{0}")]
    Invalid(String),
}

impl CommandError {
    /// Something beside a document is not what the document says.
    pub(super) fn misfit() -> Self {
        Self::Invalid("the payload does not fit its description".into())
    }
}

/// How a command ended.
pub type CommandResult = Result<Reply, CommandError>;
