//! Folders: nobody makes them; they are there while a document lies below.

use serde::{Deserialize, Serialize};

use super::{Document, SpaceError, keys};
use crate::model::{DocumentPath, ETag, FolderPath, codec};
use crate::store::{ReadTransaction, Table, WriteTransaction};

/// Most bytes of a folder's record.
const RECORD_LEN_MAX: usize = 256;

/// The state of everything below a folder, as a sum: the order in which documents came does not matter, and one
/// change costs one addition for each folder above it.
///
/// The sum modulo 2^256 of BLAKE3(path, tag) over all documents below (AdHash, Bellare and Micciancio 1997). It names
/// a version to well-meaning peers and clients; nothing is authenticated by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "serde_bytes::ByteArray<32>", into = "serde_bytes::ByteArray<32>")]
pub struct FolderVersion([u8; 32]);

impl From<serde_bytes::ByteArray<32>> for FolderVersion {
    fn from(bytes: serde_bytes::ByteArray<32>) -> Self {
        Self(bytes.into_array())
    }
}

impl From<FolderVersion> for serde_bytes::ByteArray<32> {
    fn from(version: FolderVersion) -> Self {
        Self::new(version.0)
    }
}

impl FolderVersion {
    fn of(path: &DocumentPath, tag: ETag) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 document in a folder");
        hasher.update(tag.as_bytes());
        hasher.update(path.as_str().as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    fn add(&mut self, other: Self) {
        let mut carry = 0;
        for (own, theirs) in self.0.iter_mut().zip(other.0) {
            let sum = u16::from(*own) + u16::from(theirs) + carry;
            [*own, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
    }

    fn subtract(&mut self, other: Self) {
        let mut borrow = 0;
        for (own, theirs) in self.0.iter_mut().zip(other.0) {
            let difference = i16::from(*own) - i16::from(theirs) - borrow;
            borrow = i16::from(difference < 0);
            [*own, _] = difference.to_le_bytes();
        }
    }
}

/// A folder that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "(FolderVersion, u64, u64)", into = "(FolderVersion, u64, u64)")]
pub struct Folder {
    /// The state of all below.
    pub version: FolderVersion,
    /// Documents below, at any depth.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<(FolderVersion, u64, u64)> for Folder {
    fn from((version, documents, bytes): (FolderVersion, u64, u64)) -> Self {
        Self {
            version,
            documents,
            bytes,
        }
    }
}

impl From<Folder> for (FolderVersion, u64, u64) {
    fn from(folder: Folder) -> Self {
        (folder.version, folder.documents, folder.bytes)
    }
}

impl Folder {
    /// Loads the folder at `path`; an empty one when no document lies below.
    pub fn load(tx: &(impl ReadTransaction + ?Sized), path: &FolderPath) -> Result<Self, SpaceError> {
        match tx.get(Table::Folders, &keys::folder(path))? {
            Some(bytes) => Self::decode(&bytes),
            None => Ok(Self::default()),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SpaceError> {
        codec::decode_own(bytes, RECORD_LEN_MAX).map_err(|error| SpaceError::Unreadable {
            table: Table::Folders.name(),
            reason: error.to_string(),
        })
    }

    /// This, and what lies below another folder.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        self.version.add(other.version);
        self.documents += other.documents;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self
    }

    /// Says whether nothing lies below: such a folder does not exist.
    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// The folder's tag: equal on all nodes that hold the same documents below it.
    pub fn etag(&self) -> ETag {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 etag of a folder");
        hasher.update(&self.version.0);
        hasher.update(&self.documents.to_le_bytes());
        let mut tag = [0; 16];
        hasher.finalize_xof().fill(&mut tag);
        ETag(tag)
    }
}

/// Where the sum over the sealed documents that cannot be read here is kept. No folder has this key.
const SEALED_KEY: &[u8] = &[keys::SEALED];

/// The sealed documents that cannot be read here, and the bytes that they take.
pub(super) fn sealed(tx: &(impl ReadTransaction + ?Sized)) -> Result<Folder, SpaceError> {
    match tx.get(Table::Folders, SEALED_KEY)? {
        Some(bytes) => Folder::decode(&bytes),
        None => Ok(Folder::default()),
    }
}

/// Brings the sum over the sealed documents that cannot be read here from one's old state to its new one.
pub(super) fn update_sealed(
    tx: &mut impl WriteTransaction,
    old: &Document,
    new: &Document,
) -> Result<(), SpaceError> {
    let counted = |document: &Document| {
        let content = document.heads().first()?.content.as_ref()?;
        document.opened_path().is_none().then_some(content.len)
    };
    let (old, new) = (counted(old), counted(new));
    if old == new {
        return Ok(());
    }
    let mut sum = sealed(tx)?;
    if let Some(len) = old {
        sum.documents = sum.documents.saturating_sub(1);
        sum.bytes = sum.bytes.saturating_sub(len);
    }
    if let Some(len) = new {
        sum.documents += 1;
        sum.bytes = sum.bytes.saturating_add(len);
    }
    if sum.is_empty() {
        tx.delete(Table::Folders, SEALED_KEY)?;
    } else {
        tx.put(Table::Folders, SEALED_KEY, &codec::encode(&sum))?;
    }
    Ok(())
}

/// Brings the folders above `path` from the document's old state to its new one.
pub(super) fn update_above(
    tx: &mut impl WriteTransaction,
    path: &DocumentPath,
    old: &Document,
    new: &Document,
) -> Result<(), SpaceError> {
    let seen = |document: &Document| {
        document
            .etag()
            .zip(document.stored())
            .map(|(tag, stored)| (FolderVersion::of(path, tag), stored.content.len))
    };
    let (old, new) = (seen(old), seen(new));
    if old == new {
        return Ok(());
    }
    for above in path.ancestors() {
        let mut folder = Folder::load(tx, &above)?;
        if let Some((version, len)) = old {
            folder.version.subtract(version);
            folder.documents = folder.documents.saturating_sub(1);
            folder.bytes = folder.bytes.saturating_sub(len);
        }
        if let Some((version, len)) = new {
            folder.version.add(version);
            folder.documents += 1;
            folder.bytes = folder.bytes.saturating_add(len);
        }
        let key = keys::folder(&above);
        if folder.is_empty() {
            tx.delete(Table::Folders, &key)?;
        } else {
            tx.put(Table::Folders, &key, &codec::encode(&folder))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn subtracting_undoes_adding_in_any_order(a: [u8; 32], b: [u8; 32], c: [u8; 32]) {
            let (a, b, c) = (FolderVersion(a), FolderVersion(b), FolderVersion(c));
            let mut left = a;
            left.add(b);
            left.add(c);
            left.subtract(b);
            let mut right = c;
            right.add(a);
            prop_assert_eq!(left, right);
        }
    }
}
