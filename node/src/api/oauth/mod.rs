//! How an app gets a token: the OAuth dialogue (RFC 6749 with the profile of draft-dejong-remotestorage-26, section 10).
//!
//! | address | what it is |
//! | --- | --- |
//! | `GET /oauth/authorize` | the authorization endpoint: a page that asks for the passphrase, then one that asks for consent |
//! | `POST /oauth/sign-in`, `POST /oauth/decide` | where the forms of these pages go |
//! | `POST /oauth/token` | the token endpoint: a code and its PKCE secret for a token |
//!
//! The implicit grant is what today's apps speak; codes (with PKCE, S256 alone) are for others. Apps do not register: an app
//! is the *origin* of the address that it comes back to, and its `client_id` is no more than a name that it gives itself.
//!
//! **What the pages are guarded by.** They run no script and load nothing but their style; no other page may frame them. Each
//! form carries a token that is bound to the browser's cookie and to the request. The cookie is for `/oauth` alone, so that
//! requests for documents never carry it, and documents are served in a sandbox with an origin of its own. A sign-in is good for one decision.
//! Tries are counted, and one passphrase is hashed at a time (`sign_in`).

mod codes;
mod dialogue;
mod exchange;
mod form;
pub(super) mod fuzzing;
mod page;
mod redirect;
mod request;
mod sessions;

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, PRAGMA,
    REFERRER_POLICY, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use self::codes::Codes;
use self::form::Form;
use self::sessions::Sessions;
use super::body::ReplyBody;
use super::door::Door;
use super::refusal::Refusal;
use super::upload;

/// Where all of it lies.
pub(super) const BELOW: &str = "/oauth/";
/// The only part that pages of other origins may read.
pub(super) const TOKEN_ENDPOINT: &str = "/oauth/token";

/// What pages may do, but for where their forms lead.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const POLICY_ELSEWHERE: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What the dialogue remembers. All of it ends with the process.
pub(super) struct OAuth {
    sessions: Mutex<Sessions>,
    codes: Mutex<Codes>,
}

impl OAuth {
    pub(super) fn new() -> Self {
        Self {
            sessions: Mutex::new(Sessions::new()),
            codes: Mutex::new(Codes::new()),
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn codes(&self) -> MutexGuard<'_, Codes> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a request below [`BELOW`].
pub(super) async fn answer(
    door: &Door,
    request: &Parts,
    body: &mut Incoming,
    peer: IpAddr,
) -> Result<Response<ReplyBody>, Refusal> {
    let reads = request.method == Method::GET || request.method == Method::HEAD;
    let posts = request.method == Method::POST;
    match request.uri.path().strip_prefix(BELOW) {
        Some("authorize") if reads => dialogue::authorize(door, request).await,
        Some("sign-in") if posts => dialogue::sign_in(door, request, body, peer).await,
        Some("decide") if posts => dialogue::decide(door, request, body).await,
        Some("token") if posts => exchange::token(door, request, body).await,
        Some("style.css") if reads => Ok(style()),
        Some("authorize" | "style.css") => Ok(method("GET, HEAD")),
        Some("sign-in" | "decide" | "token") => Ok(method("POST")),
        _ => Err(Refusal::NoPage),
    }
}

/// Says to the browser what it must not do with an answer, whatever it is.
pub(super) fn harden(headers: &mut HeaderMap) {
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY_ELSEWHERE),
        );
    }
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}

/// The fields that a form brings.
async fn fields(request: &Parts, body: &mut Incoming) -> Result<Form, Refusal> {
    let media = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|media| media.to_str().ok());
    let media = media.and_then(|media| media.split(';').next()).map(str::trim);
    if !media.is_some_and(|media| media.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(Refusal::BadRequest(
            "Send the fields as a form does: application/x-www-form-urlencoded",
        ));
    }
    let bytes = upload::collect(body, form::LEN_MAX).await?;
    if bytes.len() > form::LEN_MAX {
        return Err(Refusal::TooLong(form::LEN_MAX as u64));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Refusal::BadRequest("The fields of this form are not UTF-8: encode them anew"))?;
    Form::parse(text)
        .map_err(|_| Refusal::BadRequest("The fields of this form cannot be read: encode them anew"))
}

fn style() -> Response<ReplyBody> {
    let mut answer = Response::new(ReplyBody::from(page::STYLE.to_owned()));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    answer
}

fn method(allowed: &'static str) -> Response<ReplyBody> {
    let mut answer = page::message(
        StatusCode::METHOD_NOT_ALLOWED,
        "Begin at the app",
        "This address is a step of letting an app in. Go back to the app and connect from there.",
    );
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}
