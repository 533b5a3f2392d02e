//! Reading documents and folders from a snapshot.

use std::ops::ControlFlow;

use super::{SharedKeys, Upload};
use crate::model::{
    Category, ChunkRef, Content, DocumentPath, Dot, ETag, FolderPath, Hash, Manifest, Payload, WallTime,
};
use crate::seal::{ChunkKey, Contents};
use crate::space::{Document, Folder, FolderItem, Head, SpaceError, View};
use crate::store::{ChunkError, ChunkFiles, Pin, Store, StoreError};

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The tables failed.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A chunk is damaged or missing: tell the engine
    /// ([`Event::ChunkLost`](crate::mesh::Event::ChunkLost)), which gets it from a peer.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A chunk is what its writer named, and cannot be opened with the key that the writer gave.
    #[error(
        "chunk {0} was not sealed with the key that stands in its document: whoever wrote it made a fault"
    )]
    NotSealed(Hash),
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Space(error.into())
    }
}

impl ReadError {
    /// The chunk that is damaged or missing.
    pub fn lost_chunk(&self) -> Option<Hash> {
        match self {
            Self::Chunk(ChunkError::Missing { hash } | ChunkError::Corrupt { hash }) => Some(*hash),
            _ => None,
        }
    }
}

/// A document that is there.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its tag.
    pub etag: ETag,
    /// As its writer gave it.
    pub content_type: String,
    /// Length in bytes.
    pub len: u64,
    /// BLAKE3 of the content.
    pub hash: Hash,
    /// When the winning version was made.
    pub modified: WallTime,
    /// Which change that was.
    pub dot: Dot,
    /// All versions, the winner first: more than one means a conflict.
    pub heads: Vec<Head>,
    /// Its bytes, or `None` while they are not here yet.
    pub body: Option<Body>,
}

/// What is at a path.
#[derive(Debug, Clone)]
pub enum Lookup {
    /// A document.
    Found(Box<Found>),
    /// Nothing.
    Absent,
}

/// The bytes of a document, read piece by piece.
#[derive(Debug, Clone)]
pub struct Body {
    source: Source,
    chunks: ChunkFiles,
}

#[derive(Debug, Clone)]
enum Source {
    Inline(Vec<u8>),
    Chunks(Manifest),
    /// With the keys of the chunks.
    Sealed(Manifest, Vec<ChunkKey>),
}

/// The piece that holds byte `offset` of pieces of these lengths, and where in it.
fn piece_at(lens: impl Iterator<Item = u32>, offset: u64) -> Option<(usize, usize)> {
    let mut start = 0;
    for (index, len) in lens.enumerate() {
        let end = start + u64::from(len);
        if offset < end {
            return Some((index, (offset - start) as usize));
        }
        start = end;
    }
    None
}

impl Body {
    /// The document's length in bytes.
    pub fn len(&self) -> u64 {
        match &self.source {
            Source::Inline(bytes) => bytes.len() as u64,
            Source::Chunks(manifest) => manifest.total_len(),
            Source::Sealed(_, keys) => keys.iter().map(|key| u64::from(key.len)).sum(),
        }
    }

    /// Says whether the document is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole body, when it is kept in the tables: then no disk needs to be waited for.
    pub fn inline(&self) -> Option<&[u8]> {
        match &self.source {
            Source::Inline(bytes) => Some(bytes),
            Source::Chunks(_) | Source::Sealed(..) => None,
        }
    }

    /// Keeps the chunks of the document on disk, though it be replaced meanwhile: for a reader of many pieces.
    pub fn pin(&self) -> Vec<Pin> {
        match &self.source {
            Source::Inline(_) => Vec::new(),
            Source::Chunks(manifest) | Source::Sealed(manifest, _) => manifest
                .chunks()
                .iter()
                .map(|chunk| self.chunks.pin(chunk.hash))
                .collect(),
        }
    }

    /// The bytes from `offset` on, up to the end of the piece that `offset` lies in (1 MiB at most); empty at the end.
    ///
    /// Reads a file and verifies its hash: blocks.
    pub fn read_at(&self, offset: u64) -> Result<Vec<u8>, ReadError> {
        match &self.source {
            Source::Inline(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes[start..].to_vec())
            }
            Source::Chunks(manifest) => {
                let Some((index, within)) = manifest.chunk_at(offset) else {
                    return Ok(Vec::new());
                };
                let chunk = manifest.chunks()[index];
                let mut bytes = self.chunks.read(&chunk.hash)?;
                if bytes.len() != chunk.len as usize {
                    return Err(ChunkError::Corrupt { hash: chunk.hash }.into());
                }
                bytes.drain(..within as usize);
                Ok(bytes)
            }
            Source::Sealed(manifest, keys) => {
                let Some((index, within)) = piece_at(keys.iter().map(|key| key.len), offset) else {
                    return Ok(Vec::new());
                };
                let (Some(chunk), Some(key)) = (manifest.chunks().get(index), keys.get(index)) else {
                    return Ok(Vec::new());
                };
                let sealed = self.chunks.read(&chunk.hash)?;
                let opened = key.open(&sealed);
                let mut bytes = opened.map_err(|_| ReadError::NotSealed(chunk.hash))?;
                bytes.drain(..within);
                Ok(bytes)
            }
        }
    }
}

/// Reads one space.
#[derive(Debug, Clone)]
pub struct Documents<S> {
    store: S,
    chunks: ChunkFiles,
    keys: SharedKeys,
}

impl<S: Store> Documents<S> {
    /// Reads what this store and these chunk files hold, as far as it is public or its key is there.
    pub fn new(store: S, chunks: ChunkFiles, keys: SharedKeys) -> Self {
        Self { store, chunks, keys }
    }

    /// The space's keys.
    pub fn keys(&self) -> &SharedKeys {
        &self.keys
    }

    /// The chunk files.
    pub fn chunks(&self) -> &ChunkFiles {
        &self.chunks
    }

    /// Begins to take in a document of at most `len_max` bytes that goes to `path`. `None`: it has to be sealed, and there is no key.
    pub fn upload(&self, path: &DocumentPath, len_max: u64) -> Option<Upload> {
        let key = match path.category() {
            Category::Public => None,
            Category::Private | Category::Shared => Some(self.keys.get().current()?.clone()),
        };
        Some(Upload::new(self.chunks.clone(), len_max, key))
    }

    /// The document at `path`.
    pub fn document(&self, path: &DocumentPath) -> Result<Lookup, ReadError> {
        let read = self.store.read()?;
        let view = View(&read);
        let document = view.document(path)?;
        self.found(&view, &document, document.winner().unwrap_or(0))
    }

    /// The version `dot` of the document at `path`, if it is one of its siblings.
    pub fn sibling(&self, path: &DocumentPath, dot: Dot) -> Result<Lookup, ReadError> {
        let read = self.store.read()?;
        let view = View(&read);
        let document = view.document(path)?;
        match document.heads().iter().position(|head| head.dot == dot) {
            Some(index) => self.found(&view, &document, index),
            None => Ok(Lookup::Absent),
        }
    }

    fn found<T: crate::store::ReadTransaction>(
        &self,
        view: &View<'_, T>,
        document: &Document,
        index: usize,
    ) -> Result<Lookup, ReadError> {
        let Some(head) = document.heads().get(index).filter(|head| !head.sealed) else {
            return Ok(Lookup::Absent);
        };
        let (Some(content), Some(etag)) = (&head.content, document.etag()) else {
            return Ok(Lookup::Absent);
        };
        let source = if view.is_pending(head.dot)? {
            None
        } else if content.seal.is_some() {
            self.opened(view, head, content)?
        } else {
            match content.payload {
                Payload::Inline => view.attachment(head.dot)?.map(Source::Inline),
                Payload::Chunk => {
                    let len = u32::try_from(content.len).unwrap_or(u32::MAX);
                    Manifest::new(vec![ChunkRef {
                        hash: content.hash,
                        len,
                    }])
                    .ok()
                    .map(Source::Chunks)
                }
                Payload::Manifest(_) => view.manifest(head.dot, content)?.map(Source::Chunks),
            }
        };
        Ok(Lookup::Found(Box::new(Found {
            etag,
            content_type: content.content_type.clone(),
            len: content.len,
            hash: content.hash,
            modified: head.time.wall(),
            dot: head.dot,
            heads: document.heads().to_vec(),
            body: source.map(|source| Body {
                source,
                chunks: self.chunks.clone(),
            }),
        })))
    }

    /// The contents of a sealed document.
    fn opened<T: crate::store::ReadTransaction>(
        &self,
        view: &View<'_, T>,
        head: &Head,
        content: &Content,
    ) -> Result<Option<Source>, ReadError> {
        let (Some(entry), attachment) = (view.entry(head.dot)?, view.attachment(head.dot)?) else {
            return Ok(None);
        };
        let body = self.keys.get().open(&entry, attachment.as_deref());
        Ok(match body.map(|body| body.contents) {
            Some(Contents::Inline(bytes)) => Some(Source::Inline(bytes)),
            Some(Contents::Chunks(keys)) => {
                let manifest = view.manifest(head.dot, content)?;
                manifest.map(|manifest| Source::Sealed(manifest, keys))
            }
            None => None,
        })
    }

    /// The folder at `path`. One that was never made is empty.
    pub fn folder(&self, path: &FolderPath) -> Result<Folder, ReadError> {
        let read = self.store.read()?;
        Ok(View(&read).folder(path)?)
    }

    /// Lists a folder: itself, and each item, all of one state. Documents come first.
    pub fn list(
        &self,
        path: &FolderPath,
        visit: &mut dyn FnMut(FolderItem) -> ControlFlow<()>,
    ) -> Result<Folder, ReadError> {
        let read = self.store.read()?;
        let view = View(&read);
        let folder = view.folder(path)?;
        view.list(path, visit)?;
        Ok(folder)
    }

    /// Every document below a folder, at any depth, in the order of the tables.
    pub fn walk(
        &self,
        path: &FolderPath,
        visit: &mut dyn FnMut(&DocumentPath, &Document) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let read = self.store.read()?;
        Ok(View(&read).walk(path, visit)?)
    }

    /// The documents with concurrent versions, at most `limit`.
    pub fn conflicts(&self, limit: usize) -> Result<Vec<(DocumentPath, Vec<Head>)>, ReadError> {
        let read = self.store.read()?;
        Ok(View(&read).conflicts(limit)?)
    }
}
