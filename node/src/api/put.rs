//! PUT of a document.

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response, StatusCode};

use super::body::ReplyBody;
use super::conditions::Conditions;
use super::door::Door;
use super::refusal::{Refusal, etag_value};
use super::upload;
use crate::daemon::{Node, NodeError};
use crate::mesh::{Command, CommandError, Precondition, Reply};
use crate::model::{CONTENT_TYPE_LEN_MAX, DocumentPath};
use crate::service::{Lookup, Uploaded};
use crate::store::INLINE_LEN_MAX;

/// Stores the body at `path`.
pub(super) async fn put(
    door: &Door,
    path: DocumentPath,
    request: &Parts,
    body: &mut Incoming,
) -> Result<Response<ReplyBody>, Refusal> {
    if request.headers.contains_key(CONTENT_RANGE) {
        return Err(Refusal::BadRequest(
            "A document is always stored whole: send all of it, without Content-Range",
        ));
    }
    let node = door.node.at(path.as_str());
    let content_type = content_type(&request.headers)?;
    let precondition = Precondition::from(Conditions::read(&request.headers)?);
    let len_max = door.config.document_len_max;
    let len = body.size_hint().exact();
    if len.is_some_and(|len| len > len_max) {
        return Err(Refusal::TooLong(len_max));
    }
    let uploaded = match len {
        Some(len) if len <= INLINE_LEN_MAX as u64 => {
            let bytes = upload::collect(body, INLINE_LEN_MAX).await?;
            // So short a body stays in memory: nothing here waits for a disk.
            let mut upload = upload::begin(door, &node, &path)?;
            upload.write(&bytes)?;
            upload.finish(content_type)?
        }
        _ => {
            foresee(&door.node, &path, &precondition)?;
            upload::stream(door, &node, &path, body, content_type).await?
        }
    };
    let stored = commit(&node, path, uploaded, precondition).await?;
    let Reply::Stored { etag, created, .. } = stored else {
        return Err(Refusal::Broken);
    };
    let mut answer = Response::new(ReplyBody::Empty);
    *answer.status_mut() = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    answer.headers_mut().insert(ETAG, etag_value(etag));
    Ok(answer)
}

/// The media type, byte for byte.
fn content_type(headers: &HeaderMap) -> Result<String, Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE).filter(|value| !value.is_empty()) else {
        return Ok("application/octet-stream".to_owned());
    };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if text.len() <= CONTENT_TYPE_LEN_MAX => Ok(text.to_owned()),
        _ => Err(Refusal::BadRequest(
            "The Content-Type is too long or no text: send a media type such as text/plain",
        )),
    }
}

/// Refuses what the engine would refuse, before a long body is sent for nothing. The engine has the last word.
fn foresee(node: &Node, path: &DocumentPath, precondition: &Precondition) -> Result<(), Refusal> {
    let inner = node.at(path.as_str());
    let documents = inner.documents();
    let current = match documents.document(path)? {
        Lookup::Found(found) => Some(found.etag),
        Lookup::Absent => None,
    };
    if !precondition.holds(current) {
        return Err(CommandError::PreconditionFailed { current }.into());
    }
    if current.is_some() {
        return Ok(());
    }
    let folder = path.as_folder();
    if node.folder(&folder)?.documents > 0 {
        return Err(CommandError::Clash(folder.to_string()).into());
    }
    for above in path.ancestors().filter_map(|folder| folder.as_document()) {
        if let Lookup::Found(_) = documents.document(&above)? {
            return Err(CommandError::Clash(above.to_string()).into());
        }
    }
    Ok(())
}

async fn commit(
    node: &Node,
    path: DocumentPath,
    uploaded: Uploaded,
    precondition: Precondition,
) -> Result<Reply, Refusal> {
    let (put, pins) = uploaded.put_at(path, precondition, false);
    let command = Command::Put(put);
    if pins.is_empty() {
        return Ok(node.command(command).await?);
    }
    // On its own: a client that goes away now must not take the pins along before the entry is committed.
    let node = node.clone();
    let task = tokio::spawn(async move {
        let result = node.command(command).await;
        if let Err(NodeError::Refused(_) | NodeError::Closed(_)) = &result {
            upload::discard(node, pins).await;
        }
        result
    });
    Ok(task.await.map_err(|_| Refusal::Broken)??)
}
