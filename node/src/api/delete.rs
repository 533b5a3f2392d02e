//! DELETE of a document.

use hyper::header::ETAG;
use hyper::{HeaderMap, Response};

use super::body::ReplyBody;
use super::conditions::Conditions;
use super::refusal::{Refusal, etag_value};
use crate::daemon::Node;
use crate::mesh::{Command, Delete, Reply};
use crate::model::DocumentPath;

/// Deletes the document at `path`; answers with the tag that it had.
pub(super) async fn delete(
    node: &Node,
    path: DocumentPath,
    asked: &HeaderMap,
) -> Result<Response<ReplyBody>, Refusal> {
    let precondition = Conditions::read(asked)?.into();
    match node
        .command(Command::Delete(Delete { path, precondition }))
        .await?
    {
        Reply::Deleted { etag } => {
            let mut answer = Response::new(ReplyBody::Empty);
            answer.headers_mut().insert(ETAG, etag_value(etag));
            Ok(answer)
        }
        _ => Err(Refusal::Broken),
    }
}
