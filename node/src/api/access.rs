//! Who asks at the door. What they may do is decided in [`crate::model::access`].

use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

use super::door::Door;
use super::page::Use;
use super::refusal::Refusal;
use super::url::{Item, Target, query_value};
use crate::model::access::{Asker, may};
use crate::service::{ReadError, tokens};
use crate::store::Store;

/// Refuses what the request's token does not allow.
///
/// Decided by the address alone, never by what lies there: a refusal tells nothing about the storage.
pub(super) fn check(door: &Door, request: &Parts, target: &Target) -> Result<(), Refusal> {
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let (deed, area) = (target.deed(reads), target.area());
    if may(Asker::Anyone, deed, area) {
        return Ok(());
    }
    let node = &door.node;
    let in_query = || {
        (request.method == Method::GET)
            .then(|| query_value(request.uri.query(), "access_token"))
            .flatten()
    };
    let decide = |asker| match may(asker, deed, area) {
        true => Ok(()),
        false => Err(Refusal::Scope),
    };
    let in_header = bearer(&request.headers);
    if let Some(text) = in_header
        && door.page.is_open(text, Use::Person, &door.sign_in)?
    {
        return decide(Asker::User);
    }
    let text = in_header
        .map(str::to_owned)
        .or_else(in_query)
        .ok_or(Refusal::NoToken)?;
    if in_header.is_none()
        && let Item::Document(path) = &target.item
        && door.page.is_ticket(&text, path)
    {
        return decide(Asker::Ticket);
    }
    let read = node.store().read().map_err(ReadError::from)?;
    let id = tokens::id(&text);
    let token = tokens::load(&read, &id)
        .map_err(ReadError::from)?
        .ok_or(Refusal::UnknownToken)?;
    let now = node.wall();
    if token.has_expired(now) {
        return Err(Refusal::ExpiredToken);
    }
    door.usage.note(node, id, &token, now);
    decide(Asker::Program(&token.scopes))
}

/// The token in the header, if it holds one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .trim()
        .split_once(' ')?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn the_header_is_read() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(with("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(with("bearer   abc").as_deref(), Some("abc"));
        for other in ["Basic abc", "Bearer", "Bearer ", "", "abc"] {
            assert_eq!(with(other), None, "{other}");
        }
    }
}
