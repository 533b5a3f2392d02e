//! GET and HEAD of a document.

use bytes::Bytes;
use httpdate::HttpDate;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use hyper::{Response, StatusCode};

use super::body::{Pieces, ReplyBody};
use super::conditions::Conditions;
use super::range::Part;
use super::refusal::{Refusal, etag_value};
use crate::daemon::Node;
use crate::model::{Category, DocumentPath, WallTime};
use crate::service::{Found, Lookup};

/// How many other versions exist beside the one that is shown.
const SIBLINGS: HeaderName = HeaderName::from_static("cairn-siblings");
/// Which change made the version that is shown.
const VERSION: HeaderName = HeaderName::from_static("cairn-version");
/// Reads tried when the document is replaced under the reader.
const LOOKUPS_MAX: usize = 4;
/// The last second that HTTP has a date for.
const DATE_MAX_S: u64 = 253_402_300_799;

/// Answers with the document, or a part of it: the version that won, unless another is asked for.
pub(super) async fn get(
    node: &Node,
    path: &DocumentPath,
    version: Option<&str>,
    asked: &HeaderMap,
    is_head: bool,
) -> Result<Response<ReplyBody>, Refusal> {
    let conditions = Conditions::read(asked)?;
    let mut seen = None;
    for _ in 0..LOOKUPS_MAX {
        let Lookup::Found(found) = look_up(node, path, version)? else {
            return Err(Refusal::NoDocument);
        };
        if conditions
            .if_match
            .as_ref()
            .is_some_and(|tags| !tags.contains(found.etag))
        {
            return Err(Refusal::Changed(found.etag));
        }
        if conditions
            .if_none_match
            .as_ref()
            .is_some_and(|tags| tags.contains(found.etag))
        {
            let mut answer = Response::new(ReplyBody::Empty);
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer.headers_mut().insert(ETAG, etag_value(found.etag));
            answer
                .headers_mut()
                .insert(CACHE_CONTROL, caching(path.category()));
            return Ok(answer);
        }
        let part = match is_head {
            true => Part::Whole,
            false => Part::asked(asked, found.etag, found.len),
        };
        let (start, end) = match part {
            Part::Whole => (0, found.len),
            Part::Bytes(start, end) => (start, end),
            Part::Nothing => return Err(Refusal::Range(found.len)),
        };
        let mut headers = HeaderMap::with_capacity(16);
        describe(&mut headers, path, &found);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(end - start));
        let status = match part {
            Part::Bytes(..) => {
                let range = format!("bytes {start}-{}/{}", end.saturating_sub(1), found.len);
                headers.extend(HeaderValue::try_from(range).map(|range| (CONTENT_RANGE, range)));
                StatusCode::PARTIAL_CONTENT
            }
            _ => StatusCode::OK,
        };
        let body = match (is_head, found.body) {
            (true, _) => ReplyBody::Empty,
            (false, None) => return Err(Refusal::NotHereYet),
            (false, Some(body)) => match body.inline() {
                Some(bytes) => ReplyBody::Whole(inline(bytes, start, end)?),
                None => match Pieces::open(node.clone(), body, start, end).await {
                    Ok(pieces) => ReplyBody::Pieces(pieces),
                    Err(error) => {
                        let Some(chunk) = error.lost_chunk() else {
                            return Err(error.into());
                        };
                        // The chunks of a version that was replaced meanwhile go away rightly: look again. If it is
                        // the same version still, they are lost.
                        if seen.replace(found.dot) == Some(found.dot) {
                            tracing::warn!(%error, "a document cannot be read");
                            let node = node.clone();
                            tokio::task::spawn_blocking(move || node.report_lost_chunk(chunk));
                            return Err(Refusal::NotHereYet);
                        }
                        continue;
                    }
                },
            },
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        return Ok(answer);
    }
    Err(Refusal::Restless)
}

fn look_up(node: &Node, path: &DocumentPath, version: Option<&str>) -> Result<Lookup, Refusal> {
    let documents = node.documents();
    let winner = documents.document(path)?;
    let (Some(version), Lookup::Found(found)) = (version, &winner) else {
        return Ok(winner);
    };
    let mut heads = found.heads.iter();
    match heads.find(|head| head.dot.to_string() == version) {
        Some(head) => Ok(documents.sibling(path, head.dot)?),
        None => Err(Refusal::NoVersion),
    }
}

fn inline(bytes: &[u8], start: u64, end: u64) -> Result<Bytes, Refusal> {
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    range
        .and_then(|(start, end)| bytes.get(start..end))
        .map(Bytes::copy_from_slice)
        .ok_or(Refusal::Broken)
}

fn describe(headers: &mut HeaderMap, path: &DocumentPath, found: &Found) {
    headers.insert(ETAG, etag_value(found.etag));
    // Other doors may have let in what no header can carry.
    let content_type = HeaderValue::from_bytes(found.content_type.as_bytes())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, caching(path.category()));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Stored by whoever holds a token: a page among them gets an origin of its own, and runs nothing.
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    headers.extend(HeaderValue::try_from(date(found.modified).to_string()).map(|date| (LAST_MODIFIED, date)));
    if found.heads.len() > 1 {
        headers.insert(SIBLINGS, HeaderValue::from(found.heads.len() - 1));
        headers.extend(HeaderValue::try_from(found.dot.to_string()).map(|dot| (VERSION, dot)));
    }
}

/// What caches may do with what lies in this category.
pub(super) fn caching(category: Category) -> HeaderValue {
    HeaderValue::from_static(match category {
        Category::Public => "no-cache, public",
        Category::Private | Category::Shared => "no-cache",
    })
}

/// A time as HTTP writes it.
pub(super) fn date(wall: WallTime) -> HttpDate {
    let since_1970 = std::time::Duration::from_secs((wall.0 / 1000).min(DATE_MAX_S));
    HttpDate::from(std::time::UNIX_EPOCH + since_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_has_a_date() {
        assert_eq!(date(WallTime(0)).to_string(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(
            date(WallTime(u64::MAX)).to_string(),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }
}
