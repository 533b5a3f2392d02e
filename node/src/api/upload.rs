//! Bodies on their way in.

use std::future::poll_fn;
use std::pin::Pin as Pinned;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;

use super::door::Door;
use super::refusal::Refusal;
use crate::daemon::Node;
use crate::mesh::CommandError;
use crate::model::DocumentPath;
use crate::service::{Upload, UploadError, Uploaded};
use crate::store::Pin;

/// A body that brings nothing for this long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long a large upload waits until others end. Programs give up after 30 seconds.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Pieces that may wait for the disk, each as long as the connection's buffer at most.
const PIECES_WAITING_MAX: usize = 4;
/// What is read of a body that was refused, so that a client which sends before it reads still sees the refusal.
const DRAIN_LEN_MAX: u64 = 4 * 1024 * 1024;
const DRAIN_MAX: Duration = Duration::from_secs(2);

enum Piece {
    Bytes(Bytes),
    /// The body is complete. Without this the client has gone away.
    End,
}

/// The next bytes; `None` at the end.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = timeout(
            SILENCE_MAX,
            poll_fn(|context| Pinned::new(&mut *body).poll_frame(context)),
        );
        match frame.await {
            Err(_) => return Err(Refusal::Stalled),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Refusal::Interrupted),
            Ok(Some(Ok(frame))) => {
                // Trailers say nothing here.
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Takes a short body whole.
pub(super) async fn collect(body: &mut Incoming, len_max: usize) -> Result<Bytes, Refusal> {
    let Some(first) = next(body).await? else {
        return Ok(Bytes::new());
    };
    // Mostly all of it came with the header, and no copy is needed.
    let Some(second) = next(body).await? else {
        return Ok(first);
    };
    let mut bytes = [first, second].concat();
    while let Some(more) = next(body).await? {
        if bytes.len() + more.len() > len_max {
            return Err(Refusal::TooLong(len_max as u64));
        }
        bytes.extend_from_slice(&more);
    }
    Ok(bytes.into())
}

/// Begins to take in a document that goes to `path`.
pub(super) fn begin(door: &Door, node: &Node, path: &DocumentPath) -> Result<Upload, Refusal> {
    let upload = node.documents().upload(path, door.config.document_len_max);
    upload.ok_or_else(|| CommandError::NoKey.into())
}

/// Takes a body of any length to the disk.
pub(super) async fn stream(
    door: &Door,
    node: &Node,
    path: &DocumentPath,
    body: &mut Incoming,
    content_type: String,
) -> Result<Uploaded, Refusal> {
    let Ok(Ok(permit)) = timeout(WAIT_MAX, door.uploads.clone().acquire_owned()).await else {
        return Err(Refusal::Busy);
    };
    let (pieces, waiting) = channel(PIECES_WAITING_MAX);
    let upload = begin(door, node, path)?;
    let node = node.clone();
    let writing = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        take(&node, upload, waiting, content_type)
    });
    while let Some(bytes) = next(body).await? {
        if pieces.send(Piece::Bytes(bytes)).await.is_err() {
            // It ended early, and says why below.
            break;
        }
    }
    let _ = pieces.send(Piece::End).await;
    writing.await.map_err(|_| Refusal::Broken)?
}

fn take(
    node: &Node,
    mut upload: Upload,
    mut waiting: Receiver<Piece>,
    content_type: String,
) -> Result<Uploaded, Refusal> {
    let refusal = loop {
        match waiting.blocking_recv() {
            Some(Piece::Bytes(bytes)) => match upload.write(&bytes) {
                Ok(()) => {}
                Err(UploadError::TooLong { len_max }) => break Refusal::TooLong(len_max),
                Err(error) => break error.into(),
            },
            Some(Piece::End) => return Ok(upload.finish(content_type)?),
            None => break Refusal::Interrupted,
        }
    };
    node.discard(upload.abandon());
    Err(refusal)
}

/// Removes the chunks of a document that was not stored.
pub(super) async fn discard(node: Node, pins: Vec<Pin>) {
    // Fails when the runtime goes down: then the next start removes them.
    let _ = tokio::task::spawn_blocking(move || node.discard(pins)).await;
}

/// Reads and forgets some of a body that was refused.
pub(super) async fn drain(body: &mut Incoming) {
    let mut left = DRAIN_LEN_MAX;
    let drained = async {
        while let Ok(Some(bytes)) = next(body).await {
            left = left.saturating_sub(bytes.len() as u64);
            if left == 0 {
                return;
            }
        }
    };
    // A body that is slower is cut off, refusal or not.
    let _ = timeout(DRAIN_MAX, drained).await;
}
