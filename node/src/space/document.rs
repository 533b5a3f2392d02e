//! A document: its heads, and which of them readers see.

use serde::{Deserialize, Serialize};

use super::{SpaceError, keys};
use crate::model::{Content, DocumentPath, Dot, ETag, Entry, Hash, HybridTime, codec};
use crate::store::{ReadTransaction, Table};

/// Most bytes of a document's record: siblings are bounded by the writers of a space.
const RECORD_LEN_MAX: usize = 8 * 1024 * 1024;

/// One live change of a document, without signature and context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The change's name.
    pub dot: Dot,
    /// When it was made.
    pub time: HybridTime,
    /// What it stored; `None` for a tombstone.
    pub content: Option<Content>,
}

impl Head {
    /// The head that `entry` makes.
    pub fn of(entry: &Entry) -> Self {
        Self {
            dot: entry.dot(),
            time: entry.change().time,
            content: entry.content().cloned(),
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
#[serde(transparent)]
pub struct Document {
    heads: Vec<Head>,
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
    /// Loads the document at `path`; one without heads when nothing was ever there, or its tombstone is collected.
    pub fn load(tx: &(impl ReadTransaction + ?Sized), path: &DocumentPath) -> Result<Self, SpaceError> {
        match tx.get(Table::Heads, &keys::document(path))? {
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

    /// All live changes, the winner first. More than one: concurrent siblings.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The winner, when it is a PUT: what GET answers.
    pub fn stored(&self) -> Option<Stored<'_>> {
        let head = self.heads.first()?;
        let content = head.content.as_ref()?;
        Some(Stored { head, content })
    }

    /// Siblings beside the winner.
    pub fn siblings(&self) -> &[Head] {
        self.heads.get(1..).unwrap_or_default()
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

    /// Takes the heads out for which `gone` says so.
    pub(super) fn extract(&mut self, mut gone: impl FnMut(&Head) -> bool) -> Vec<Head> {
        self.heads.extract_if(.., |head| gone(head)).collect()
    }
}
