//! WebFinger (RFC 7033): where a user's storage is.

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use serde_json::json;

use super::body::ReplyBody;
use super::oauth::TOKEN_ENDPOINT;
use super::refusal::Refusal;
use super::url::{encode_name, query_value};

const RELATION: &str = "http://tools.ietf.org/id/draft-dejong-remotestorage";

/// Answers where the storage of `user` is.
pub(super) fn get(
    user: &str,
    public_url: Option<&str>,
    scheme: &str,
    request: &Parts,
) -> Result<Response<ReplyBody>, Refusal> {
    let resource = query_value(request.uri.query(), "resource").ok_or(Refusal::BadRequest(
        "Say whom you look for: /.well-known/webfinger?resource=acct:<user>@<host>",
    ))?;
    if !resource.contains(':') {
        return Err(Refusal::BadRequest(
            "A resource is an address with a scheme: /.well-known/webfinger?resource=acct:<user>@<host>",
        ));
    }
    if !means(&resource, user) {
        return Err(Refusal::UnknownUser);
    }
    let base = match public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("{scheme}://{}", host(request)?),
    };
    let (dialogue, token) = (
        format!("{base}/oauth/authorize"),
        format!("{base}{TOKEN_ENDPOINT}"),
    );
    let description = json!({
        "subject": resource,
        "links": [{
            "rel": RELATION,
            "href": format!("{base}/storage/{}", encode_name(user)),
            "properties": {
                "http://remotestorage.io/spec/version": "draft-dejong-remotestorage-26",
                "http://tools.ietf.org/html/rfc6749#section-4.2": dialogue,
                "http://tools.ietf.org/html/rfc6749#section-3.1": dialogue,
                "http://tools.ietf.org/html/rfc6749#section-3.2": token,
                "http://tools.ietf.org/html/rfc7636": "S256",
                "http://tools.ietf.org/html/rfc6750#section-2.3": "true",
                "http://tools.ietf.org/html/rfc7233": "GET",
            },
        }],
    });
    let mut answer = Response::new(ReplyBody::from(description.to_string()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jrd+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(answer)
}

/// Says whether `resource` is this user. Hosts have many names, so any will do; and a host with one user may stand
/// for that user.
fn means(resource: &str, user: &str) -> bool {
    if let Some(account) = resource.strip_prefix("acct:") {
        return account.rsplit_once('@').is_some_and(|(name, _)| name == user);
    }
    ["http://", "https://"]
        .iter()
        .filter_map(|scheme| resource.strip_prefix(scheme))
        .any(|host| !host.trim_end_matches('/').contains('/'))
}

/// The name by which the client reached this node.
fn host(request: &Parts) -> Result<Authority, Refusal> {
    let named = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let parsed = match (request.uri.authority(), named) {
        (Some(authority), _) => Some(authority.clone()),
        (None, Some(named)) => named.parse().ok(),
        (None, None) => None,
    };
    parsed
        .filter(|authority: &Authority| !authority.as_str().contains('@'))
        .ok_or(Refusal::BadRequest("Say in the Host header which host you mean"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn resources() {
        for resource in [
            "acct:ada@example.org",
            "acct:ada@[::1]:8",
            "http://example.org/",
            "https://h",
        ] {
            assert!(means(resource, "ada"), "{resource}");
        }
        for resource in [
            "acct:bob@example.org",
            "acct:ada",
            "ada@h",
            "http://example.org/ada",
            "",
        ] {
            assert!(!means(resource, "ada"), "{resource}");
        }
    }

    proptest! {
        #[test]
        fn no_resource_panics(resource in "\\PC{0,40}") {
            means(&resource, "ada");
        }
    }
}
