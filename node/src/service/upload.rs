//! A document on its way in.

use crate::mesh::{Precondition, Put};
use crate::model::{
    ChunkRef, Content, DOCUMENT_LEN_MAX, DocumentPath, Hash, Manifest, ManifestError, Payload,
    SEALED_CHUNKS_MAX,
};
use crate::seal::{ChunkKey, EpochKey};
use crate::store::{ChunkError, ChunkFiles, Cut, Cutter, PayloadCut, Pin};

/// Why a document's bytes cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The disk is full or failing.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// More chunks than a manifest names.
    #[error("the document is too long: {0}")]
    TooManyChunks(#[from] ManifestError),
    /// Over the limit that was set for this upload.
    #[error("the document is longer than the {len_max} bytes allowed")]
    TooLong {
        /// Bytes allowed.
        len_max: u64,
    },
}

/// Takes a document's bytes in pieces, cuts them, seals the chunks if that is to be, and writes them as they are complete. Holds 2 MiB
/// and one chunk at most.
///
/// Blocks on the disk. Dropped before its entry is committed, it leaves chunks that nobody lists: the next start
/// removes them.
pub struct Upload {
    cutter: Cutter,
    written: Written,
    len_max: u64,
}

/// The chunks that were written.
struct Written {
    chunks: ChunkFiles,
    key: Option<EpochKey>,
    pins: Vec<Pin>,
    sealed: Vec<ChunkRef>,
    keys: Vec<ChunkKey>,
}

impl Written {
    fn write(&mut self, chunk: ChunkRef, bytes: &[u8]) -> Result<(), UploadError> {
        let Some(key) = &self.key else {
            self.pins.push(self.chunks.write(chunk.hash, bytes)?);
            return Ok(());
        };
        if self.keys.len() == SEALED_CHUNKS_MAX {
            return Err(ManifestError::ChunkCount.into());
        }
        let (key, sealed) = key.seal_chunk(bytes).map_err(|_| ManifestError::ChunkLen)?;
        let hash = Hash::of(&sealed);
        self.pins.push(self.chunks.write(hash, &sealed)?);
        let len = sealed.len() as u32;
        self.sealed.push(ChunkRef { hash, len });
        self.keys.push(key);
        Ok(())
    }
}

/// A document whose bytes are on disk.
pub struct Uploaded {
    /// What its entry says of it.
    pub content: Content,
    /// Small content, or the manifest of the chunks as they were written.
    pub attachment: Option<Vec<u8>>,
    /// If the chunks are sealed, their keys.
    pub chunk_keys: Vec<ChunkKey>,
    /// Keep these until the entry is committed.
    pub pins: Vec<Pin>,
}

impl Uploaded {
    /// What has the engine store it at `path`, and what keeps its chunks on disk until that is answered.
    pub fn put_at(self, path: DocumentPath, precondition: Precondition, resolve: bool) -> (Put, Vec<Pin>) {
        let put = Put {
            path,
            content: self.content,
            attachment: self.attachment,
            chunk_keys: self.chunk_keys,
            precondition,
            resolve,
        };
        (put, self.pins)
    }
}

impl Upload {
    /// Begins an upload of at most `len_max` bytes, whose chunks are sealed with `key`.
    pub fn new(chunks: ChunkFiles, len_max: u64, key: Option<EpochKey>) -> Self {
        Self {
            cutter: Cutter::new(),
            written: Written {
                chunks,
                key,
                pins: Vec::new(),
                sealed: Vec::new(),
                keys: Vec::new(),
            },
            len_max: len_max.min(DOCUMENT_LEN_MAX),
        }
    }

    /// Takes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        if self.cutter.len() + bytes.len() as u64 > self.len_max {
            return Err(UploadError::TooLong {
                len_max: self.len_max,
            });
        }
        let written = &mut self.written;
        self.cutter.push(bytes, &mut |chunk: ChunkRef, bytes: &[u8]| {
            written.write(chunk, bytes)
        })
    }

    /// Gives the document up. The chunks that were written so far may go as soon as these pins are dropped.
    pub fn abandon(self) -> Vec<Pin> {
        self.written.pins
    }

    /// Ends the document: all its bytes are on disk when this returns, but for those that travel in the entry.
    pub fn finish(mut self, content_type: String) -> Result<Uploaded, UploadError> {
        let written = &mut self.written;
        let mut sink = |chunk: ChunkRef, bytes: &[u8]| written.write(chunk, bytes);
        let Cut { len, hash, payload } = self.cutter.finish(&mut sink)?;
        let written = self.written;
        if !written.pins.is_empty() {
            written.chunks.sync()?;
        }
        let manifest = |manifest: &Manifest| (Payload::Manifest(manifest.hash()), Some(manifest.encode()));
        let (payload, attachment) = match payload {
            PayloadCut::Inline(bytes) => (Payload::Inline, Some(bytes)),
            _ if written.key.is_some() => manifest(&Manifest::new(written.sealed)?),
            PayloadCut::Chunk => (Payload::Chunk, None),
            PayloadCut::Manifest(clear) => manifest(&clear),
        };
        Ok(Uploaded {
            content: Content {
                content_type,
                hash,
                len,
                payload,
                seal: None,
            },
            attachment,
            chunk_keys: written.keys,
            pins: written.pins,
        })
    }
}
