//! Cross-origin requests: programs are web pages of other origins, so every answer lets them in. Tokens, not cookies,
//! say who may do what.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Response, StatusCode};

use super::body::ReplyBody;

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, DELETE, OPTIONS");
const TOKEN_METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");
const ALLOWED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Length, Origin, If-Match, If-None-Match, If-Range, Range, X-Requested-With",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "ETag, Content-Type, Content-Length, Content-Range, Last-Modified, Accept-Ranges, Retry-After, \
     WWW-Authenticate, Cairn-Siblings, Cairn-Version",
);

/// What an answer has to say to the page that asks.
pub(super) struct Cors {
    origin: Option<HeaderValue>,
    private_network: bool,
}

impl Cors {
    /// Reads who asks.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        Self {
            origin: headers.get(ORIGIN).cloned(),
            private_network: headers
                .get(REQUEST_PRIVATE_NETWORK)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")),
        }
    }

    /// The answer to the question whether a request would be let in.
    pub(super) fn preflight(is_token_endpoint: bool) -> Response<ReplyBody> {
        let mut answer = Response::new(ReplyBody::Empty);
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        let methods = if is_token_endpoint { TOKEN_METHODS } else { METHODS };
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        answer
    }

    /// Lets the page read an answer.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        let origin = self.origin.unwrap_or(HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if self.private_network {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
    }
}
