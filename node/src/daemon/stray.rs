//! Documents that lie in one space and belong into another: a folder that is shared from now on.
//!
//! They are copied first, while the folder is still where it was; then the folder is mounted; then what was changed meanwhile follows, and what is
//! there is removed here. Cut off anywhere, it is done again, and finds what is there already.

use std::ops::ControlFlow;

use super::{Node, NodeError};
use crate::mesh::{Command, CommandError, Condition, Delete, Precondition, Reply, Resolve, TagSet};
use crate::model::{DocumentPath, ETag, FolderPath, PathError};
use crate::service::{Body, Found, Lookup, ReadError, UploadError, Uploaded};
use crate::space::Head;

/// Places beside one that is taken, before that is given up.
const BESIDE_MAX: usize = 100;

/// Why a document stays where it is.
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
    /// Everything beside its place is taken.
    #[error("{0} and all places beside it are taken")]
    NoPlace(DocumentPath),
}

/// A document that was copied: its tag here, and the one there.
pub(super) struct Copied {
    path: DocumentPath,
    from: ETag,
    to: ETag,
}

/// Copies what lies below `folder` in `from` to `to`, at the same paths, concurrent versions too. What is not here whole, or fails, is left out.
pub(super) async fn copy(from: &Node, to: &Node, folder: &FolderPath) -> Result<Vec<Copied>, StrayError> {
    let mut copied = Vec::new();
    for path in documents_below(from, folder)? {
        match copy_one(from, to, &path).await {
            Ok(one) => copied.extend(one),
            Err(error) => {
                tracing::warn!(%path, %error, "a document does not come into its shared folder now")
            }
        }
    }
    Ok(copied)
}

async fn copy_one(from: &Node, to: &Node, path: &DocumentPath) -> Result<Option<Copied>, StrayError> {
    let Lookup::Found(found) = from.documents().document(path)? else {
        return Ok(None);
    };
    let mut others = Vec::new();
    for head in found.heads.iter().filter(|head| head.dot != found.dot) {
        if head.content.is_none() && !head.sealed {
            // A deletion that was concurrent with the rest.
            continue;
        }
        match from.documents().sibling(path, head.dot)? {
            Lookup::Found(other) if other.body.is_some() => others.push(*other),
            _ => return Ok(None),
        }
    }
    if found.body.is_none() {
        return Ok(None);
    }
    // Of concurrent versions the one that readers see takes the place, and each other one a place beside it.
    for (number, other) in others.iter().enumerate() {
        let beside = DocumentPath::parse(&format!("{path} (version {})", number + 2))?;
        bring(to, &beside, other).await?;
    }
    let there = bring(to, path, &found).await?;
    Ok(Some(Copied {
        path: path.clone(),
        from: found.etag,
        to: there,
    }))
}

/// Concurrent versions that say the same become one version.
pub(super) async fn agree(node: &Node) -> Result<(), StrayError> {
    for (path, heads) in node.documents().conflicts(usize::MAX)? {
        if let Err(error) = agree_on(node, &path, &heads).await {
            tracing::warn!(%path, %error, "versions that may say the same stay side by side for now");
        }
    }
    Ok(())
}

async fn agree_on(node: &Node, path: &DocumentPath, heads: &[Head]) -> Result<(), StrayError> {
    let Lookup::Found(found) = node.documents().document(path)? else {
        return Ok(());
    };
    let mut same_as_it = Vec::new();
    for head in heads.iter().filter(|head| head.dot != found.dot) {
        if let Lookup::Found(other) = node.documents().sibling(path, head.dot)?
            && same(&found, &other).await?
        {
            same_as_it.push(head.dot);
        }
    }
    if !same_as_it.is_empty() {
        let resolve = Resolve {
            path: path.clone(),
            keep: found.dot,
            of: Some(same_as_it),
        };
        node.command(Command::Resolve(resolve)).await?;
    }
    Ok(())
}

/// Removes here what was copied. What was changed or removed here since is changed or removed there first, unless it was changed there as well.
pub(super) async fn settle(from: &Node, to: &Node, copied: Vec<Copied>) {
    for one in copied {
        if let Err(error) = settle_one(from, to, &one).await {
            tracing::warn!(path = %one.path, %error, "a document that is in its shared folder is not removed elsewhere now");
        }
    }
}

async fn settle_one(from: &Node, to: &Node, copied: &Copied) -> Result<(), StrayError> {
    let path = &copied.path;
    let Lookup::Found(found) = from.documents().document(path)? else {
        return delete(to, path, copied.to).await;
    };
    if found.etag != copied.from {
        if found.body.is_none() || found.heads.len() > 1 {
            // It comes again.
            return Ok(());
        }
        let as_copied = Condition::IfMatch(TagSet::Tags(vec![copied.to]));
        if store(to, path, &found, as_copied).await?.is_none() {
            bring(to, path, &found).await?;
        }
    }
    delete(from, path, found.etag).await
}

/// Deletes a version, if it is the one that is there.
async fn delete(at: &Node, path: &DocumentPath, etag: ETag) -> Result<(), StrayError> {
    let delete = Delete {
        path: path.clone(),
        precondition: Precondition(vec![Condition::IfMatch(TagSet::Tags(vec![etag]))]),
    };
    match at.command(Command::Delete(delete)).await {
        Ok(_)
        | Err(NodeError::Refused(CommandError::PreconditionFailed { .. } | CommandError::NotFound(_))) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores a document at a place, unless it is there already; beside it, if something else is. Gives the tag that it has there.
async fn bring(to: &Node, place: &DocumentPath, found: &Found) -> Result<ETag, StrayError> {
    let mut path = place.clone();
    for number in 1..=BESIDE_MAX {
        if let Lookup::Found(there) = to.documents().document(&path)? {
            if same(found, &there).await? {
                return Ok(there.etag);
            }
        } else if let Some(etag) = store(to, &path, found, Condition::IfNoneMatch(TagSet::Any)).await? {
            return Ok(etag);
        }
        path = DocumentPath::parse(&format!("{place} (before it was shared, {number})"))?;
    }
    Err(StrayError::NoPlace(place.clone()))
}

/// Says whether two documents are the same to whoever reads them. Their stored hashes never are: each is sealed.
async fn same(one: &Found, other: &Found) -> Result<bool, StrayError> {
    let (Some(a), Some(b)) = (one.body.clone(), other.body.clone()) else {
        return Ok(false);
    };
    if one.content_type != other.content_type || a.len() != b.len() {
        return Ok(false);
    }
    let hashes = tokio::task::spawn_blocking(move || Ok::<_, ReadError>((hash(&a)?, hash(&b)?)));
    let (a, b) = hashes.await.map_err(|_| NodeError::Stopped)??;
    Ok(a == b)
}

fn hash(body: &Body) -> Result<blake3::Hash, ReadError> {
    let mut hasher = blake3::Hasher::new();
    let mut offset = 0;
    loop {
        let piece = body.read_at(offset)?;
        if piece.is_empty() {
            return Ok(hasher.finalize());
        }
        hasher.update(&piece);
        offset += piece.len() as u64;
    }
}

/// Stores a document on a condition. `None`: the condition does not hold.
async fn store(
    to: &Node,
    path: &DocumentPath,
    found: &Found,
    condition: Condition,
) -> Result<Option<ETag>, StrayError> {
    let (node, at, found) = (to.clone(), path.clone(), found.clone());
    let taken = tokio::task::spawn_blocking(move || take(&node, &at, &found));
    let uploaded = taken.await.map_err(|_| NodeError::Stopped)??;
    let (put, pins) = uploaded.put_at(path.clone(), Precondition(vec![condition]), false);
    let stored = to.command(Command::Put(put)).await;
    drop(pins);
    match stored {
        Ok(Reply::Stored { etag, .. }) => Ok(Some(etag)),
        Ok(_) | Err(NodeError::Refused(CommandError::PreconditionFailed { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
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

/// Walks a folder of one space alone.
fn documents_below(node: &Node, folder: &FolderPath) -> Result<Vec<DocumentPath>, ReadError> {
    let mut paths = Vec::new();
    node.documents().walk(folder, &mut |path, document| {
        if document.stored().is_some() {
            paths.push(path.clone());
        }
        ControlFlow::Continue(())
    })?;
    Ok(paths)
}
