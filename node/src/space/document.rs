//! A document: its heads, and which of them readers see.

use serde::{Deserialize, Serialize};

use super::{SpaceError, keys};
use crate::model::{Content, DocumentName, DocumentPath, Dot, ETag, Entry, Hash, HybridTime, codec};
use crate::seal::Body;
use crate::store::{ReadTransaction, Table};

/// Most bytes of a document's record: siblings are bounded by the writers of a space.
const RECORD_LEN_MAX: usize = 8 * 1024 * 1024;

/// One live change of a document, without signature and context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WireHead", into = "WireHead")]
pub struct Head {
    /// The change's name.
    pub dot: Dot,
    /// When it was made.
    pub time: HybridTime,
    /// What it stored; `None` for a tombstone. Of a sealed document that can be read here, type and length are those of the document.
    pub content: Option<Content>,
    /// It is sealed, and can't be read here, or not yet.
    pub sealed: bool,
}

/// `[dot, time, content or null, sealed]`
type WireHead = (Dot, HybridTime, Option<Content>, bool);

impl From<WireHead> for Head {
    fn from((dot, time, content, sealed): WireHead) -> Self {
        Self {
            dot,
            time,
            content,
            sealed,
        }
    }
}

impl From<Head> for WireHead {
    fn from(head: Head) -> Self {
        (head.dot, head.time, head.content, head.sealed)
    }
}

/// What a sealed body says, as far as the tables keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Where the document is.
    pub path: DocumentPath,
    /// Its media type.
    pub content_type: String,
    /// Its length in bytes.
    pub len: u64,
}

impl Opened {
    /// What `body` says.
    pub fn of(body: &Body) -> Self {
        Self {
            path: body.path.clone(),
            content_type: body.content_type.clone(),
            len: body.contents.len(),
        }
    }
}

impl Head {
    /// The head that `entry` makes; `opened`: what its sealed body says, if it can be read here.
    pub fn of(entry: &Entry, opened: Option<&Opened>) -> Self {
        let mut head = Self {
            dot: entry.dot(),
            time: entry.change().time,
            content: entry.content().cloned(),
            sealed: entry.content().is_some_and(|content| content.seal.is_some()),
        };
        if let Some(opened) = opened {
            head.open(opened);
        }
        head
    }

    /// It can be read now.
    pub(super) fn open(&mut self, opened: &Opened) {
        if let Some(content) = self.content.as_mut().filter(|_| self.sealed) {
            content.content_type.clone_from(&opened.content_type);
            content.len = opened.len;
            self.sealed = false;
        }
    }

    /// The tag of this one version.
    pub fn etag(&self) -> ETag {
        let hash = self
            .content
            .as_ref()
            .map_or(Hash([0; 32]), |content| content.hash);
        ETag::of(&hash, self.dot)
    }

    fn rank(&self) -> (bool, HybridTime, Dot) {
        (self.content.is_some(), self.time, self.dot)
    }
}

/// A document: one or more heads, the winner first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    from = "(Option<DocumentPath>, Vec<Head>)",
    into = "(Option<DocumentPath>, Vec<Head>)"
)]
pub struct Document {
    /// Of a sealed document of which some head can be read here.
    path: Option<DocumentPath>,
    heads: Vec<Head>,
}

impl From<(Option<DocumentPath>, Vec<Head>)> for Document {
    fn from((path, heads): (Option<DocumentPath>, Vec<Head>)) -> Self {
        Self { path, heads }
    }
}

impl From<Document> for (Option<DocumentPath>, Vec<Head>) {
    fn from(document: Document) -> Self {
        (document.path, document.heads)
    }
}

/// What readers see of a document that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The winner.
    pub head: &'a Head,
    /// Its content.
    pub content: &'a Content,
}

impl Document {
    /// Loads the document at `path`, for readers; one without heads when nothing is there that can be read here. Of a public document, its
    /// tombstones as well.
    pub fn load(tx: &(impl ReadTransaction + ?Sized), path: &DocumentPath) -> Result<Self, SpaceError> {
        Self::load_at(tx, &keys::document(path))
    }

    /// Loads the document that `name` stands for, with all its heads; one without heads when nothing was ever there, or its tombstone is
    /// collected.
    pub fn load_named(tx: &(impl ReadTransaction + ?Sized), name: &DocumentName) -> Result<Self, SpaceError> {
        Self::load_at(tx, &keys::name(name))
    }

    fn load_at(tx: &(impl ReadTransaction + ?Sized), key: &[u8]) -> Result<Self, SpaceError> {
        match tx.get(Table::Heads, key)? {
            Some(bytes) => Self::decode(&bytes),
            None => Ok(Self::default()),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SpaceError> {
        codec::decode_own(bytes, RECORD_LEN_MAX).map_err(|error| SpaceError::Unreadable {
            table: Table::Heads.name(),
            reason: error.to_string(),
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Where a sealed document is, if that can be read here.
    pub fn opened_path(&self) -> Option<&DocumentPath> {
        self.path.as_ref()
    }

    /// All live changes, the winner first. More than one: concurrent siblings.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The winner, when it is a PUT: what GET answers.
    pub fn stored(&self) -> Option<Stored<'_>> {
        let head = self.heads.get(self.winner()?)?;
        let content = head.content.as_ref()?;
        Some(Stored { head, content })
    }

    /// The place among the heads of the one that readers see: the first that can be read here.
    pub fn winner(&self) -> Option<usize> {
        self.heads.iter().position(|head| !head.sealed)
    }

    /// Siblings beside the winner.
    pub fn siblings(&self) -> impl Iterator<Item = &Head> {
        let winner = self.winner().unwrap_or(0);
        let heads = self.heads.iter().enumerate();
        heads.filter(move |(at, _)| *at != winner).map(|(_, head)| head)
    }

    /// Says whether concurrent changes wait for somebody to resolve them.
    pub fn is_conflicted(&self) -> bool {
        self.heads.len() > 1
    }

    /// The document's tag: that of its winner, or of all heads together while there are siblings, so that whoever
    /// names the tag has seen them. `None` when the document is not there.
    pub fn etag(&self) -> Option<ETag> {
        let stored = self.stored()?;
        if !self.is_conflicted() {
            return Some(stored.head.etag());
        }
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 etag of siblings");
        for head in &self.heads {
            hasher.update(head.etag().as_bytes());
        }
        let mut tag = [0; 16];
        hasher.finalize_xof().fill(&mut tag);
        Some(ETag(tag))
    }

    /// Takes a head in, in the order of rank.
    pub(super) fn insert(&mut self, head: Head) {
        let at = self.heads.partition_point(|other| other.rank() > head.rank());
        self.heads.insert(at, head);
    }

    /// What a head's body says can be read now.
    pub(super) fn open(&mut self, dot: Dot, opened: &Opened) {
        for head in self.heads.iter_mut().filter(|head| head.dot == dot) {
            head.open(opened);
        }
        self.path = Some(opened.path.clone());
    }

    /// Forgets where it is, if nothing that can be read says so any more.
    pub(super) fn forget_path(&mut self) {
        let says = |head: &Head| head.content.is_some() && !head.sealed;
        if !self.heads.iter().any(says) {
            self.path = None;
        }
    }

    /// Takes the heads out for which `gone` says so.
    pub(super) fn extract(&mut self, mut gone: impl FnMut(&Head) -> bool) -> Vec<Head> {
        self.heads.extract_if(.., |head| gone(head)).collect()
    }
}
