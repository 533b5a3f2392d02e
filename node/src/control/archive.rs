//! Archives: a folder as a tar file.
//!
//! Two nodes that are in step write the same bytes: documents in the byte order of their paths, with the time of
//! their winning version, and nothing of this machine. The media type travels in a PAX record.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender};

use super::server::{document, store};
use super::{ErrorKind, Failure};
use crate::daemon::Node;
use crate::mesh::{CommandError, Precondition};
use crate::model::access::Deed;
use crate::model::{DocumentPath, FolderPath};
use crate::service::Lookup;
use crate::store::Pin;

/// The PAX record that holds the media type.
const CONTENT_TYPE: &str = "CAIRN.content_type";
/// Names refused that are told one by one.
const REFUSALS_TOLD: usize = 20;
const BLOCK: usize = 256 * 1024;

fn failed(error: impl ToString) -> Failure {
    Failure::new(ErrorKind::Failed, error)
}

/// Collects what is written into pieces for a channel.
struct Pieces {
    to: Sender<Vec<u8>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= BLOCK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.to
            .blocking_send(std::mem::take(&mut self.piece))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// Writes the documents below `folder` into `to`.
pub(super) fn export(node: &Node, folder: &FolderPath, to: Sender<Vec<u8>>) -> Result<Value, Failure> {
    let mut paths = Vec::new();
    node.walk(folder, &mut |path, document| {
        if document.stored().is_some() {
            paths.push(path.clone());
        }
        ControlFlow::Continue(())
    })?;
    paths.sort_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
    let mut archive = tar::Builder::new(Pieces {
        to,
        piece: Vec::new(),
    });
    let (mut documents, mut bytes) = (0u64, 0u64);
    for path in paths {
        let Lookup::Found(found) = node.at(path.as_str()).documents().document(&path)? else {
            continue;
        };
        let Some(body) = found.body else {
            return Err(failed(format!(
                "the bytes of {} are not here yet: try again later",
                path.as_str()
            )));
        };
        archive
            .append_pax_extensions([(CONTENT_TYPE, found.content_type.as_bytes())])
            .map_err(failed)?;
        let mut header = tar::Header::new_ustar();
        header.set_size(found.len);
        header.set_mode(0o644);
        header.set_mtime(found.modified.0 / 1000);
        header.set_entry_type(tar::EntryType::Regular);
        let name = path.as_str().trim_start_matches('/');
        let reader = BodyReader {
            _pins: body.pin(),
            body,
            offset: 0,
            piece: Vec::new(),
            at: 0,
        };
        archive.append_data(&mut header, name, reader).map_err(failed)?;
        documents += 1;
        bytes += found.len;
    }
    archive
        .into_inner()
        .and_then(|mut pieces| pieces.flush())
        .map_err(failed)?;
    Ok(json!({ "documents": documents, "bytes": bytes }))
}

struct BodyReader {
    /// It may be replaced while it is read.
    _pins: Vec<Pin>,
    body: crate::service::Body,
    offset: u64,
    piece: Vec<u8>,
    at: usize,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.piece = self.body.read_at(self.offset).map_err(io::Error::other)?;
            self.offset += self.piece.len() as u64;
            self.at = 0;
        }
        let len = buffer.len().min(self.piece.len() - self.at);
        buffer[..len].copy_from_slice(&self.piece[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// Reads what comes over a channel.
struct Incoming {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() && !self.ended {
            match self.from.blocking_recv() {
                Some(piece) if !piece.is_empty() => {
                    self.piece = piece;
                    self.at = 0;
                }
                Some(_) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let len = buffer.len().min(self.piece.len() - self.at);
        buffer[..len].copy_from_slice(&self.piece[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// Stores every file of an archive below `folder`: names that begin with a category keep their place when `folder` is
/// the root.
pub(super) fn import(
    node: &Node,
    folder: &FolderPath,
    from: Receiver<Vec<u8>>,
    len_max: u64,
    runtime: &Handle,
) -> Result<Value, Failure> {
    let incoming = Incoming {
        from,
        piece: Vec::new(),
        at: 0,
        ended: false,
    };
    let mut archive = tar::Archive::new(incoming);
    let (mut documents, mut bytes) = (0u64, 0u64);
    let mut refused = Vec::new();
    let mut refused_count = 0u64;
    for entry in archive.entries().map_err(not_an_archive)? {
        let mut entry = entry.map_err(not_an_archive)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = match place(folder, &name) {
            Ok(path) => path,
            Err(failure) => {
                refused_count += 1;
                if refused.len() < REFUSALS_TOLD {
                    refused.push(failure.message);
                }
                continue;
            }
        };
        let content_type = content_type(&mut entry).unwrap_or_else(|| "application/octet-stream".into());
        let inner = node.at(path.as_str());
        let upload = inner.documents().upload(&path, len_max);
        let mut upload = upload.ok_or_else(|| Failure::from(CommandError::NoKey).after(documents))?;
        let mut buffer = vec![0; BLOCK];
        let failure: Option<Failure> = loop {
            match entry.read(&mut buffer) {
                Ok(0) => break None,
                Ok(len) => {
                    if let Err(error) = upload.write(&buffer[..len]) {
                        break Some(error.into());
                    }
                    bytes += len as u64;
                }
                Err(error) => break Some(not_an_archive(error)),
            }
        };
        if let Some(failure) = failure {
            inner.discard(upload.abandon());
            return Err(failure.after(documents));
        }
        let stored = runtime.block_on(async {
            store(
                &inner,
                path,
                upload.finish(content_type)?,
                Precondition::default(),
            )
            .await
        });
        stored.map_err(|failure| failure.after(documents))?;
        documents += 1;
    }
    Ok(json!({ "documents": documents, "bytes": bytes, "refused": refused_count, "refusals": refused }))
}

fn not_an_archive(error: io::Error) -> Failure {
    failed(format!(
        "this is no complete tar archive ({error}): what was read so far is stored"
    ))
}

fn place(folder: &FolderPath, name: &str) -> Result<DocumentPath, Failure> {
    let name = name.trim_start_matches("./").trim_start_matches('/');
    document(&format!("{}{name}", folder.as_str()), Deed::Write)
}

fn content_type<R: Read>(entry: &mut tar::Entry<'_, R>) -> Option<String> {
    let records = entry.pax_extensions().ok()??;
    records
        .flatten()
        .find(|record| record.key() == Ok(CONTENT_TYPE))
        .and_then(|record| record.value().ok().map(str::to_owned))
}
