//! What a fuzzer needs of an app's request.

use super::request::{Asked, BadRequest};

/// The request that a query makes, always written alike; `None` if it makes none.
pub fn app_request(query: &str) -> Option<String> {
    Asked::parse(query).ok().map(|asked| asked.query())
}

/// Where the browser goes when a query makes no request that is put before the owner; `None` if it stays.
pub fn app_answer(query: &str) -> Option<String> {
    match Asked::parse(query) {
        Err(BadRequest::Refused(refused)) => Some(refused.location),
        _ => None,
    }
}
