//! GET and HEAD of a folder.

use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::Semaphore;

use super::body::ReplyBody;
use super::conditions::Conditions;
use super::document::{caching, date};
use super::refusal::{Refusal, etag_value};
use super::url::Item;
use crate::daemon::Node;
use crate::model::{Category, ETag, FolderPath};
use crate::service::ReadError;
use crate::space::{FolderItem, Stored};

const HEAD: &str = r#"{"@context":"http://remotestorage.io/spec/folder-description","items":{"#;
/// Folders with at most this many documents below are listed at once; others, where no request waits behind them.
const SMALL_DOCUMENTS_MAX: u64 = 128;

/// Answers with the folder's description.
pub(super) async fn get(
    node: &Node,
    listings: &Arc<Semaphore>,
    item: &Item,
    asked: &HeaderMap,
    is_head: bool,
) -> Result<Response<ReplyBody>, Refusal> {
    let path = match item {
        Item::Folder(path) => path.clone(),
        // What is listed there is all that lies below the root of the space.
        _ => FolderPath::root(),
    };
    let conditions = Conditions::read(asked)?;
    let folder = node.folder(&path)?;
    if conditions
        .if_match
        .is_some_and(|tags| !tags.contains(folder.etag()))
    {
        return Err(Refusal::Changed(folder.etag()));
    }
    if conditions
        .if_none_match
        .is_some_and(|tags| tags.contains(folder.etag()))
    {
        let mut answer = answer(&path, folder.etag(), ReplyBody::Empty);
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer.headers_mut().remove(CONTENT_TYPE);
        return Ok(answer);
    }
    if is_head {
        return Ok(answer(&path, folder.etag(), ReplyBody::Empty));
    }
    let (etag, text) = if folder.documents <= SMALL_DOCUMENTS_MAX {
        describe(node, &path)?
    } else {
        let permit = listings
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Refusal::Broken)?;
        let (node, path) = (node.clone(), path.clone());
        let listed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            describe(&node, &path)
        });
        listed.await.map_err(|_| Refusal::Broken)??
    };
    Ok(answer(&path, etag, ReplyBody::from(text)))
}

fn answer(path: &FolderPath, etag: ETag, body: ReplyBody) -> Response<ReplyBody> {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/ld+json"));
    // The root folder shows the private modules.
    headers.insert(
        CACHE_CONTROL,
        caching(path.category().unwrap_or(Category::Private)),
    );
    headers.insert(ETAG, etag_value(etag));
    answer
}

/// Writes the description, with the tag of what it describes.
fn describe(node: &Node, path: &FolderPath) -> Result<(ETag, Vec<u8>), ReadError> {
    let mut items = Items::default();
    if *path != FolderPath::root() {
        let folder = node.list(path, &mut |item| {
            items.add(&item);
            ControlFlow::Continue(())
        })?;
        return Ok((folder.etag(), items.finish()));
    }
    let mut private = None;
    let root = node.list(path, &mut |item| {
        match &item {
            FolderItem::Folder { name, .. } if name == Category::Private.name() => {
                private = FolderPath::parse(&format!("/{name}/")).ok();
            }
            other => items.add(other),
        }
        ControlFlow::Continue(())
    })?;
    // The tag is older than what follows, if they differ: then the client looks again, and misses nothing.
    if let Some(private) = private {
        node.list(&private, &mut |item| {
            match &item {
                // Their addresses mean something else.
                FolderItem::Folder { name, .. }
                    if Category::from_name(name).is_some_and(|category| category != Category::Private) => {}
                other => items.add(other),
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok((root.etag(), items.finish()))
}

/// The items of a description, as text.
#[derive(Default)]
struct Items(Vec<u8>);

impl Items {
    fn add(&mut self, item: &FolderItem) {
        let text = &mut self.0;
        let before = text.len();
        // Writing to memory never fails.
        let _ = match item {
            FolderItem::Document { name, document } => match (document.etag(), document.stored()) {
                (Some(etag), Some(stored)) => add_document(text, name, etag, stored),
                _ => Ok(()),
            },
            FolderItem::Folder { name, folder } => {
                let etag = folder.etag();
                quote(text, &format!("{name}/")).and_then(|()| write!(text, r#":{{"ETag":"{etag}"}}"#))
            }
        };
        if text.len() > before {
            text.push(b',');
        }
    }

    fn finish(mut self) -> Vec<u8> {
        // The comma behind the last.
        self.0.pop();
        [HEAD.as_bytes(), &self.0, b"}}"].concat()
    }
}

fn add_document(text: &mut Vec<u8>, name: &str, etag: ETag, stored: Stored<'_>) -> io::Result<()> {
    quote(text, name)?;
    write!(text, r#":{{"ETag":"{etag}","Content-Type":"#)?;
    quote(text, &stored.content.content_type)?;
    let (len, modified) = (stored.content.len, date(stored.head.time.wall()));
    write!(text, r#","Content-Length":{len},"Last-Modified":"{modified}"}}"#)
}

/// Writes a JSON string.
fn quote(text: &mut Vec<u8>, string: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(text, string)?)
}
