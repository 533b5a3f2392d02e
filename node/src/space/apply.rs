//! The way in for entries.

use super::document::{Document, Opened};
use super::{Head, Open, SpaceError, View, chunk_refs, folder, keys};
use crate::model::{
    Attachment, Content, DocumentName, Dot, Entry, Hash, Manifest, Payload, SEALED_CHUNKS_MAX,
};
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
        let parts = Attachment::split(Some(content), bytes).ok_or(BadAttachment)?;
        let fits = |bytes: &[u8], hash: Hash| Hash::of(bytes) == hash;
        if let Some(body) = parts.body
            && !self.stand_in(body)
            && !fits(body, content.hash)
        {
            return Err(BadAttachment);
        }
        let mut len = parts.body.map_or(0, |body| body.len() as u64);
        let manifest = match (content.payload, parts.manifest) {
            (Payload::Manifest(hash), Some(bytes)) if fits(bytes, hash) => {
                let manifest = Manifest::decode(bytes).map_err(|_| BadAttachment)?;
                if content.seal.is_some() && manifest.chunks().len() > SEALED_CHUNKS_MAX {
                    return Err(BadAttachment);
                }
                len += manifest.total_len();
                Some(manifest)
            }
            (Payload::Manifest(_), _) => return Err(BadAttachment),
            _ => None,
        };
        (content.payload == Payload::Chunk || len == content.len)
            .then_some(manifest)
            .ok_or(BadAttachment)
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
/// live entries brought are. `opened` is what a sealed body says, if its key is here. Commutative, idempotent and associative: any order of
/// the same entries leaves the same heads and folders.
pub fn apply(
    tx: &mut impl WriteTransaction,
    entry: &Entry,
    attachment: Option<&[u8]>,
    manifest: Option<&Manifest>,
    chunks_here: bool,
    opened: Option<&Opened>,
) -> Result<Applied, SpaceError> {
    let name = &entry.change().name;
    let old = Document::load_named(tx, name)?;
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
    new.insert(Head::of(entry, None));
    if let Some(opened) = opened {
        new.open(entry.dot(), opened);
    }
    if applied.pending {
        tx.put(Table::Pending, &key, &[])?;
    }
    store_document(tx, name, &old, new)?;
    Ok(applied)
}

/// Opens the sealed heads whose key has come: `open` says what the body of an entry says. Gives how many those were.
pub fn open_sealed(tx: &mut impl WriteTransaction, open: &Open<'_>) -> Result<usize, SpaceError> {
    let mut waiting = Vec::new();
    View(tx).sealed(&mut |name, document| {
        if document.heads().iter().any(|head| head.sealed) {
            waiting.push(DocumentName::Sealed(name));
        }
    })?;
    let mut count = 0;
    for name in waiting {
        let old = Document::load_named(tx, &name)?;
        let mut new = old.clone();
        for head in old.heads().iter().filter(|head| head.sealed) {
            let view = View(tx);
            if let Some(entry) = view.entry(head.dot)?
                && let Some(opened) = open(&entry, view.attachment(head.dot)?.as_deref())
            {
                new.open(head.dot, &opened);
                count += 1;
            }
        }
        store_document(tx, &name, &old, new)?;
    }
    Ok(count)
}

/// Drops the heads of one document for which `gone` says so, without a successor: a collected tombstone, or a version
/// that a peer knows to be superseded by something since collected. Gives the chunks that may go.
fn drop_heads(
    tx: &mut impl WriteTransaction,
    name: &DocumentName,
    gone: impl FnMut(&Head) -> bool,
) -> Result<Vec<Hash>, SpaceError> {
    let old = Document::load_named(tx, name)?;
    let mut new = old.clone();
    let mut released = Vec::new();
    for head in new.extract(gone) {
        drop_head(tx, &head, &mut released)?;
    }
    store_document(tx, name, &old, new)?;
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
    drop_heads(tx, &entry.change().name, |head| head.dot == dot)?;
    Ok(true)
}

/// Drops the live entry `dot`, which a peer's clock covers but the peer does not hold. Gives the chunks that may go.
pub fn remove_superseded(tx: &mut impl WriteTransaction, dot: Dot) -> Result<Vec<Hash>, SpaceError> {
    match View(tx).entry(dot)? {
        Some(entry) => drop_heads(tx, &entry.change().name, |head| head.dot == dot),
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

/// Stores a document's record. Of a sealed one that can be read here a copy lies at its path, for readers.
fn store_document(
    tx: &mut impl WriteTransaction,
    name: &DocumentName,
    old: &Document,
    mut new: Document,
) -> Result<(), SpaceError> {
    new.forget_path();
    put_heads(tx, &keys::name(name), &new)?;
    let path = match name {
        DocumentName::Clear(path) => Some(path),
        DocumentName::Sealed(_) => {
            let path = new.opened_path().or(old.opened_path());
            if let Some(path) = path {
                let readable = new.opened_path().is_some().then_some(&new);
                put_heads(
                    tx,
                    &keys::document(path),
                    readable.unwrap_or(&Document::default()),
                )?;
            }
            folder::update_sealed(tx, old, &new)?;
            path
        }
    };
    match path {
        Some(path) => folder::update_above(tx, path, old, &new),
        None => Ok(()),
    }
}

fn put_heads(tx: &mut impl WriteTransaction, key: &[u8], document: &Document) -> Result<(), SpaceError> {
    if document.heads().is_empty() {
        tx.delete(Table::Heads, key)?;
    } else {
        tx.put(Table::Heads, key, &document.encode())?;
    }
    Ok(())
}
