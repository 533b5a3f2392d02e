//! The way in for entries.

use super::document::Document;
use super::{Head, SpaceError, View, chunk_refs, folder, keys};
use crate::model::{Content, DocumentPath, Dot, Entry, Hash, Manifest, Payload};
use crate::store::{Table, WriteTransaction};

/// What came of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// It is a live head now. Else it was known, or superseded before it came.
    pub live: bool,
    /// Chunks of its payload are not here yet.
    pub pending: bool,
    /// Dots of the heads that it replaced.
    pub replaced: Vec<Dot>,
    /// Chunks that no live entry lists any more: their files may go once this is committed.
    pub released: Vec<Hash>,
}

/// Why the bytes that came beside an entry are not its payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the bytes beside the entry are not what it names")]
pub struct BadAttachment;

/// What stands for the contents of small documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payloads {
    /// They themselves.
    Real,
    /// In a replay, which knows no contents: as many zeros.
    Placeholders,
}

/// Checks what travels beside an entry: the content itself when it is small, the manifest when it is large.
pub fn attach(entry: &Entry, bytes: Option<&[u8]>) -> Result<Option<Manifest>, BadAttachment> {
    Payloads::Real.attach(entry, bytes)
}

impl Payloads {
    /// As [`attach`], which takes real contents alone.
    pub fn attach(self, entry: &Entry, bytes: Option<&[u8]>) -> Result<Option<Manifest>, BadAttachment> {
        let Some(content) = entry.content() else {
            return bytes.is_none().then_some(None).ok_or(BadAttachment);
        };
        let fits = |hash: Hash| bytes.filter(|bytes| Hash::of(bytes) == hash).ok_or(BadAttachment);
        match content.payload {
            Payload::Inline => {
                let bytes = match bytes {
                    Some(bytes) if self.stand_in(bytes) => bytes,
                    _ => fits(content.hash)?,
                };
                (bytes.len() as u64 == content.len)
                    .then_some(None)
                    .ok_or(BadAttachment)
            }
            Payload::Chunk => bytes.is_none().then_some(None).ok_or(BadAttachment),
            Payload::Manifest(hash) => {
                let manifest = Manifest::decode(fits(hash)?).map_err(|_| BadAttachment)?;
                (manifest.total_len() == content.len)
                    .then_some(Some(manifest))
                    .ok_or(BadAttachment)
            }
        }
    }

    fn stand_in(self, bytes: &[u8]) -> bool {
        self == Self::Placeholders && !bytes.is_empty() && bytes.iter().all(|byte| *byte == 0)
    }
}

/// The chunks that a payload consists of.
pub(super) fn chunks(content: &Content, manifest: Option<&Manifest>) -> Vec<(Hash, u32)> {
    match content.payload {
        Payload::Inline => Vec::new(),
        Payload::Chunk => vec![(content.hash, u32::try_from(content.len).unwrap_or(u32::MAX))],
        Payload::Manifest(_) => manifest
            .map(|manifest| {
                manifest
                    .chunks()
                    .iter()
                    .map(|chunk| (chunk.hash, chunk.len))
                    .collect()
            })
            .unwrap_or_default(),
    }
}

/// Takes in an entry that was checked: signature, grant, and by [`attach`] the bytes beside it.
///
/// `chunks_here` says that all chunks of its payload are on disk, as with a local write; else only those that other
/// live entries brought are. Commutative, idempotent and associative: any order of the same entries leaves the same
/// heads and folders.
pub fn apply(
    tx: &mut impl WriteTransaction,
    entry: &Entry,
    attachment: Option<&[u8]>,
    manifest: Option<&Manifest>,
    chunks_here: bool,
) -> Result<Applied, SpaceError> {
    let path = &entry.change().path;
    let old = Document::load(tx, path)?;
    let mut applied = Applied::default();
    for head in old.heads() {
        let known = head.dot == entry.dot();
        if known
            || View(tx)
                .entry(head.dot)?
                .is_some_and(|live| live.supersedes(entry.dot()))
        {
            return Ok(applied);
        }
    }

    applied.live = true;
    let key = keys::dot(entry.dot());
    tx.put(Table::Entries, &key, &entry.encode())?;
    if let Some(bytes) = attachment {
        tx.put(Table::Inline, &key, bytes)?;
    }
    if entry.content().is_none() {
        tx.put(Table::Tombstones, &key, &[])?;
    }
    if let Some(content) = entry.content() {
        for (hash, len) in chunks(content, manifest) {
            applied.pending |= !chunk_refs::retain(tx, &hash, len, chunks_here)?;
        }
    }
    // After the new version's chunks were counted: those that both list stay where they are.
    let mut new = old.clone();
    for gone in new.extract(|head| entry.supersedes(head.dot)) {
        drop_head(tx, &gone, &mut applied.released)?;
        applied.replaced.push(gone.dot);
    }
    new.insert(Head::of(entry));
    if applied.pending {
        tx.put(Table::Pending, &key, &[])?;
    }
    store_document(tx, path, &old, &new)?;
    Ok(applied)
}

/// Drops the heads of one document for which `gone` says so, without a successor: a collected tombstone, or a version
/// that a peer knows to be superseded by something since collected. Gives the chunks that may go.
fn drop_heads(
    tx: &mut impl WriteTransaction,
    path: &DocumentPath,
    gone: impl FnMut(&Head) -> bool,
) -> Result<Vec<Hash>, SpaceError> {
    let old = Document::load(tx, path)?;
    let mut new = old.clone();
    let mut released = Vec::new();
    for head in new.extract(gone) {
        drop_head(tx, &head, &mut released)?;
    }
    store_document(tx, path, &old, &new)?;
    Ok(released)
}

/// Notes that chunks of the live entry `dot` are not here (or that all are).
pub fn mark_pending(tx: &mut impl WriteTransaction, dot: Dot, pending: bool) -> Result<(), SpaceError> {
    let key = keys::dot(dot);
    if pending {
        tx.put(Table::Pending, &key, &[])?;
    } else {
        tx.delete(Table::Pending, &key)?;
    }
    Ok(())
}

/// Forgets the tombstone `dot`. Says whether it was there.
pub fn collect_tombstone(tx: &mut impl WriteTransaction, dot: Dot) -> Result<bool, SpaceError> {
    let Some(entry) = View(tx).entry(dot)? else {
        return Ok(false);
    };
    if entry.content().is_some() {
        return Ok(false);
    }
    drop_heads(tx, &entry.change().path, |head| head.dot == dot)?;
    Ok(true)
}

/// Drops the live entry `dot`, which a peer's clock covers but the peer does not hold. Gives the chunks that may go.
pub fn remove_superseded(tx: &mut impl WriteTransaction, dot: Dot) -> Result<Vec<Hash>, SpaceError> {
    match View(tx).entry(dot)? {
        Some(entry) => drop_heads(tx, &entry.change().path, |head| head.dot == dot),
        None => Ok(Vec::new()),
    }
}

/// Removes what is kept for one head.
fn drop_head(
    tx: &mut impl WriteTransaction,
    head: &Head,
    released: &mut Vec<Hash>,
) -> Result<(), SpaceError> {
    let key = keys::dot(head.dot);
    if let Some(content) = &head.content {
        let manifest = View(tx).manifest(head.dot, content)?;
        for (hash, _) in chunks(content, manifest.as_ref()) {
            if chunk_refs::release(tx, &hash)? {
                released.push(hash);
            }
        }
    }
    tx.delete(Table::Entries, &key)?;
    tx.delete(Table::Inline, &key)?;
    tx.delete(Table::Pending, &key)?;
    tx.delete(Table::Tombstones, &key)?;
    Ok(())
}

fn store_document(
    tx: &mut impl WriteTransaction,
    path: &DocumentPath,
    old: &Document,
    new: &Document,
) -> Result<(), SpaceError> {
    let key = keys::document(path);
    if new.heads().is_empty() {
        tx.delete(Table::Heads, &key)?;
    } else {
        tx.put(Table::Heads, &key, &new.encode())?;
    }
    folder::update_above(tx, path, old, new)
}
