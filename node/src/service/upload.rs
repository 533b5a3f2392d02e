//! A document on its way in.

use crate::model::{ChunkRef, Content, DOCUMENT_LEN_MAX, Manifest, ManifestError, Payload};
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

/// Takes a document's bytes in pieces, cuts them, and writes chunks as they are complete. Holds 2 MiB at most.
///
/// Blocks on the disk. Dropped before its entry is committed, it leaves chunks that nobody lists: the next start
/// removes them.
pub struct Upload {
    chunks: ChunkFiles,
    cutter: Cutter,
    pins: Vec<Pin>,
    len_max: u64,
}

/// A document whose bytes are on disk.
pub struct Uploaded {
    /// What its entry says of it.
    pub content: Content,
    /// What travels beside the entry.
    pub attachment: Option<Vec<u8>>,
    /// Keep these until the entry is committed.
    pub pins: Vec<Pin>,
}

impl Upload {
    /// Begins an upload of at most `len_max` bytes.
    pub fn new(chunks: ChunkFiles, len_max: u64) -> Self {
        Self {
            chunks,
            cutter: Cutter::new(),
            pins: Vec::new(),
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
        let (chunks, pins) = (&self.chunks, &mut self.pins);
        self.cutter.push(bytes, &mut |chunk: ChunkRef, bytes: &[u8]| {
            pins.push(chunks.write(chunk.hash, bytes)?);
            Ok::<(), UploadError>(())
        })
    }

    /// Gives the document up. The chunks that were written so far may go as soon as these pins are dropped.
    pub fn abandon(self) -> Vec<Pin> {
        self.pins
    }

    /// Ends the document: all its bytes are on disk when this returns, but for those that travel in the entry.
    pub fn finish(mut self, content_type: String) -> Result<Uploaded, UploadError> {
        let (chunks, pins) = (&self.chunks, &mut self.pins);
        let Cut { len, hash, payload } = self.cutter.finish(&mut |chunk: ChunkRef, bytes: &[u8]| {
            pins.push(chunks.write(chunk.hash, bytes)?);
            Ok::<(), UploadError>(())
        })?;
        if !self.pins.is_empty() {
            self.chunks.sync()?;
        }
        let (payload, attachment) = match payload {
            PayloadCut::Inline(bytes) => (Payload::Inline, Some(bytes)),
            PayloadCut::Chunk => (Payload::Chunk, None),
            PayloadCut::Manifest(manifest) => (
                Payload::Manifest(manifest.hash()),
                Some(Manifest::encode(&manifest)),
            ),
        };
        Ok(Uploaded {
            content: Content {
                content_type,
                hash,
                len,
                payload,
            },
            attachment,
            pins: self.pins,
        })
    }
}
