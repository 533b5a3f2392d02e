//! Documents that lie in one space and belong into another: a folder that is shared from now on.

use super::shares::documents_below;
use super::{Node, NodeError};
use crate::mesh::{Command, CommandError, Condition, Delete, Precondition, Put, TagSet};
use crate::model::{DocumentPath, ETag, FolderPath, PathError};
use crate::service::{Found, Lookup, ReadError, UploadError, Uploaded};

/// Why documents stay where they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StrayError {
    /// Reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Writing.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// An engine.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A name that is too long with what is added to it.
    #[error("{0}")]
    Path(#[from] PathError),
}

/// Copies what lies below `folder` in `from` to `to`, at the same paths, concurrent versions too. Gives what was copied, with the tags that it
/// had. What is not here whole is left out.
pub(super) async fn copy(
    from: &Node,
    to: &Node,
    folder: &FolderPath,
) -> Result<Vec<(DocumentPath, ETag)>, StrayError> {
    let mut copied = Vec::new();
    for path in documents_below(from, folder)? {
        let Lookup::Found(found) = from.documents().document(&path)? else {
            continue;
        };
        if found.body.is_none() {
            continue;
        }
        let etag = found.etag;
        let place = match to.documents().document(&path)? {
            Lookup::Found(there) if there.hash == found.hash => None,
            // Somebody wrote there meanwhile: both stay.
            Lookup::Found(_) => Some(DocumentPath::parse(&format!(
                "{} (before it was shared)",
                path.as_str()
            ))?),
            Lookup::Absent => Some(path.clone()),
        };
        // Of concurrent versions the one that readers see takes the place, and each other one a place beside it.
        let mut whole = true;
        let others = found
            .heads
            .iter()
            .filter(|head| head.dot != found.dot && head.content.is_some());
        for (number, head) in others.enumerate() {
            let beside = format!("{} (version {})", path.as_str(), number + 2);
            match from.documents().sibling(&path, head.dot)? {
                Lookup::Found(other) if other.body.is_some() => {
                    store(to, DocumentPath::parse(&beside)?, *other).await?;
                }
                _ => whole = false,
            }
        }
        if let Some(place) = place {
            store(to, place, *found).await?;
        }
        if whole {
            copied.push((path, etag));
        }
    }
    Ok(copied)
}

/// Removes documents that were copied, unless they were changed since.
pub(super) async fn remove(from: &Node, copied: Vec<(DocumentPath, ETag)>) -> Result<(), StrayError> {
    for (path, etag) in copied {
        let delete = Delete {
            path,
            precondition: Precondition(vec![Condition::IfMatch(TagSet::Tags(vec![etag]))]),
        };
        match from.command(Command::Delete(delete)).await {
            Ok(_)
            | Err(NodeError::Refused(CommandError::PreconditionFailed { .. } | CommandError::NotFound(_))) => {
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn store(to: &Node, path: DocumentPath, found: Found) -> Result<(), StrayError> {
    let (node, at) = (to.clone(), path.clone());
    let taken = tokio::task::spawn_blocking(move || take(&node, &at, &found));
    let uploaded = taken.await.map_err(|_| NodeError::Stopped)??;
    let put = Put {
        path,
        content: uploaded.content,
        attachment: uploaded.attachment,
        chunk_keys: uploaded.chunk_keys,
        precondition: Precondition::default(),
        resolve: true,
    };
    let stored = to.command(Command::Put(put)).await;
    drop(uploaded.pins);
    stored?;
    Ok(())
}

fn take(to: &Node, path: &DocumentPath, found: &Found) -> Result<Uploaded, StrayError> {
    let upload = to.documents().upload(path, u64::MAX);
    let mut upload = upload.ok_or(NodeError::Refused(CommandError::NoKey))?;
    if let Some(body) = &found.body {
        let _pins = body.pin();
        let mut offset = 0;
        loop {
            let piece = body.read_at(offset)?;
            if piece.is_empty() {
                break;
            }
            upload.write(&piece)?;
            offset += piece.len() as u64;
        }
    }
    Ok(upload.finish(found.content_type.clone())?)
}
