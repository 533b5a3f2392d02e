//! The node's web page: what its owner sees and does in a browser.
//!
//! | address | |
//! | --- | --- |
//! | `GET /node/…` | the page: a few files that are part of the program (`files`) |
//! | `GET /node/hello` | whose node it is, and whether a passphrase is set |
//! | `POST /node/sign-in`, `POST /node/sign-out` | a session for the passphrase, and its end (`sessions`) |
//! | `POST /node/ask` | what the command line asks over the control socket, in the same JSON, by the same [`Desk`] |
//! | `POST /node/ticket` | an address by which the browser may save one document (`tickets`) |
//! | `POST /node/qr` | a text as a QR code |
//!
//! Documents are read and changed at their own addresses below `/storage/`, where the session is taken for a token of all
//! scopes: `access` alone decides.
//!
//! **What guards it.** There is no cookie. The page keeps its session in the tab's own storage and sends it in `Authorization`,
//! so that no other page can have a browser send it; these addresses have no CORS, and bodies must be JSON. Stored documents
//! share the origin, and are served in a sandbox that takes it from them. The page runs its own files alone, loads nothing from
//! elsewhere, cannot be framed, and puts texts into the page as texts, to which its policy holds it (Trusted Types).

mod files;
mod qr;
mod sessions;
mod tickets;

use std::net::IpAddr;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, X_FRAME_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::sessions::Sessions;
pub(super) use self::sessions::Use;
use self::tickets::Tickets;
use super::access::bearer;
use super::body::ReplyBody;
use super::door::Door;
use super::refusal::Refusal;
use super::sign_in::SignIn;
use super::upload;
use crate::control::{Desk, Request};
use crate::model::DocumentPath;
use crate::model::access::{Area, Asker, Deed, may};

/// Where all of it lies.
pub(super) const BELOW: &str = "/node/";
/// Longest request, in bytes: a path or a passphrase, and some words.
const REQUEST_LEN_MAX: usize = 64 * 1024;
/// In the query of what the page asks by itself.
const BY_ITSELF: &str = "by=page";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

type Answer = Result<Response<ReplyBody>, Refusal>;

/// What the page's end at the node remembers. All of it ends with the process.
pub(super) struct Page {
    sessions: Sessions,
    tickets: Tickets,
}

impl Page {
    pub(super) const fn new() -> Self {
        Self {
            sessions: Sessions::new(),
            tickets: Tickets::new(),
        }
    }

    /// Says whether `text` is the session of somebody who signed in with the passphrase that is set now.
    pub(super) fn is_open(&self, text: &str, by: Use, sign_in: &SignIn) -> Result<bool, Refusal> {
        let Some(stamp) = self.sessions.stamp(text, by, Instant::now()) else {
            return Ok(false);
        };
        if sign_in.hash()?.is_some_and(|hash| hash.stamp() == stamp) {
            return Ok(true);
        }
        self.sessions.close(text);
        Ok(false)
    }

    /// Says whether `text` is a ticket to read the document at `path`.
    pub(super) fn is_ticket(&self, text: &str, path: &DocumentPath) -> bool {
        self.tickets.opens(text, path, Instant::now())
    }
}

/// Sends whoever opens the door's first address to the page.
pub(super) fn lead_there() -> Response<ReplyBody> {
    let mut answer = Response::new(ReplyBody::Empty);
    *answer.status_mut() = StatusCode::FOUND;
    // Relative: behind a proxy the node may lie below a path of its own.
    answer
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static("node/"));
    answer
}

/// Answers a request below [`BELOW`].
pub(super) async fn answer(door: &Door, request: &Parts, body: &mut Incoming, peer: IpAddr) -> Answer {
    let Some(desk) = &door.config.desk else {
        return Err(Refusal::NoPage);
    };
    let name = request.uri.path().strip_prefix(BELOW).unwrap_or_default();
    if request.method == Method::GET || request.method == Method::HEAD {
        if name == "hello" {
            return hello(door);
        }
        return files::get(name, &request.headers).ok_or(Refusal::NoPage);
    }
    if request.method != Method::POST {
        return Err(Refusal::NoPage);
    }
    check_origin(&request.headers)?;
    match name {
        "sign-in" => sign_in(door, request, body, peer).await,
        "sign-out" => {
            if let Some(text) = bearer(&request.headers) {
                door.page.sessions.close(text);
            }
            Ok(answer_json(&Value::Null))
        }
        "ask" => {
            check_session(door, request)?;
            ask(desk, request, body).await
        }
        "ticket" => {
            check_session(door, request)?;
            ticket(door, request, body).await
        }
        "qr" => {
            check_session(door, request)?;
            let Drawn { text } = read(request, body).await?;
            qr::draw(&text).map(|drawn| answer_json(&drawn))
        }
        _ => Err(Refusal::NoPage),
    }
}

/// Says to the browser what it must not do with an answer, whatever it is.
pub(super) fn harden(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Browsers that say where a request comes from say the truth. The others have the session.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.get(FETCH_SITE) {
        Some(site) if site.as_bytes() != b"same-origin" => Err(Refusal::Foreign),
        _ => Ok(()),
    }
}

fn check_session(door: &Door, request: &Parts) -> Result<(), Refusal> {
    let by = match request.uri.query() {
        Some(BY_ITSELF) => Use::Page,
        _ => Use::Person,
    };
    let asker = match bearer(&request.headers) {
        Some(text) if door.page.is_open(text, by, &door.sign_in)? => Asker::User,
        // A program's token is for documents: here it says nothing.
        _ => Asker::Anyone,
    };
    match may(asker, Deed::Manage, Area::WHOLE) {
        true => Ok(()),
        false => Err(Refusal::SignedOut),
    }
}

fn hello(door: &Door) -> Answer {
    Ok(answer_json(&json!({
        "user": door.node.user(),
        "passphrase": door.sign_in.hash()?.is_some(),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    passphrase: String,
}

async fn sign_in(door: &Door, request: &Parts, body: &mut Incoming, peer: IpAddr) -> Answer {
    let Given { passphrase } = read(request, body).await?;
    let passphrase = Zeroizing::new(passphrase);
    let Some(hash) = door.sign_in.hash()? else {
        return Err(Refusal::NoPassphrase);
    };
    let stamp = hash.stamp();
    door.sign_in
        .check(hash, passphrase, peer)
        .await?
        .map_err(Refusal::Denied)?;
    let session = door.page.sessions.open(stamp, Instant::now()).map_err(broken)?;
    Ok(answer_json(&json!({ "session": *session })))
}

async fn ask(desk: &Desk, request: &Parts, body: &mut Incoming) -> Answer {
    let asked: Request = read(request, body).await?;
    let value = desk.answer(asked).await.map_err(Refusal::Desk)?;
    Ok(answer_json(&value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    path: String,
}

async fn ticket(door: &Door, request: &Parts, body: &mut Incoming) -> Answer {
    let Wanted { path } = read(request, body).await?;
    let path = DocumentPath::parse(&path).map_err(|error| Refusal::Url(error.into()))?;
    let ticket = door.page.tickets.issue(path, Instant::now()).map_err(broken)?;
    Ok(answer_json(&json!({ "ticket": ticket })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    text: String,
}

/// Reads what the page sends.
async fn read<T: DeserializeOwned>(request: &Parts, body: &mut Incoming) -> Result<T, Refusal> {
    // Forms of other pages cannot send this type.
    let media = request.headers.get(CONTENT_TYPE);
    if media.is_none_or(|media| media.as_bytes() != b"application/json") {
        return Err(Refusal::BadRequest("Send this as application/json"));
    }
    let bytes = upload::collect(body, REQUEST_LEN_MAX).await?;
    if bytes.len() > REQUEST_LEN_MAX {
        return Err(Refusal::TooLong(REQUEST_LEN_MAX as u64));
    }
    // The error is told to nobody: it may quote a passphrase.
    serde_json::from_slice(&bytes).map_err(|_| {
        Refusal::BadRequest(
            "The node does not understand this: load the page again, it may be of another version",
        )
    })
}

fn answer_json(value: &Value) -> Response<ReplyBody> {
    let mut answer = Response::new(ReplyBody::from(value.to_string()));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the page could not be answered");
    Refusal::Broken
}
