//! From an app's request over sign-in and consent back to the app.

use std::net::IpAddr;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::codes::Allowed;
use super::fields;
use super::form::Form;
use super::page::{self, DAYS, Notice, Reached};
use super::request::{Asked, BadRequest, Flow};
use super::sessions::{Cookie, Purpose};
use crate::api::body::ReplyBody;
use crate::api::door::Door;
use crate::api::refusal::Refusal;
use crate::model::Scope;
use crate::seal::PassphraseHash;
use crate::service::tokens::Token;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const DAY_S: u64 = 24 * 3600;

type Answer = Result<Response<ReplyBody>, Refusal>;

/// The authorization endpoint.
pub(super) async fn authorize(door: &Door, request: &Parts) -> Answer {
    let asked = match Asked::parse(request.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(bad) => return Ok(refuse(bad, StatusCode::FOUND)),
    };
    let Some(hash) = door.sign_in.hash()? else {
        return Ok(no_passphrase());
    };
    match signed_in(door, &request.headers, &hash) {
        Some(cookie) => Ok(page::consent(door.node.user(), &asked, &cookie)),
        None => ask_passphrase(door, &asked, Notice::None),
    }
}

/// Takes the passphrase.
pub(super) async fn sign_in(door: &Door, request: &Parts, body: &mut Incoming, peer: IpAddr) -> Answer {
    let mut form = fields(request, body).await?;
    let asked = match own_form(request, &form, Purpose::SignIn) {
        Ok((asked, _)) => asked,
        Err(answer) => return Ok(*answer),
    };
    let Some(hash) = door.sign_in.hash()? else {
        return Ok(no_passphrase());
    };
    let stamp = hash.stamp();
    if let Err(denied) = door.sign_in.check(hash, form.take("passphrase"), peer).await? {
        return ask_passphrase(door, &asked, Notice::Denied(denied));
    }
    // A new cookie: whoever knew the one before is not signed in.
    let cookie = Cookie::fresh().map_err(|error| broken(&error))?;
    door.oauth.sessions().open(&cookie, stamp, Instant::now());
    let mut answer = page::redirect(StatusCode::SEE_OTHER, &format!("authorize?{}", asked.query()));
    page::set_cookie(&mut answer, &reached(door), Some(&cookie));
    Ok(answer)
}

/// Takes the decision.
pub(super) async fn decide(door: &Door, request: &Parts, body: &mut Incoming) -> Answer {
    let form = fields(request, body).await?;
    let (asked, cookie) = match own_form(request, &form, Purpose::Decide) {
        Ok(read) => read,
        Err(answer) => return Ok(*answer),
    };
    let Some(hash) = door.sign_in.hash()? else {
        return Ok(no_passphrase());
    };
    if signed_in(door, &request.headers, &hash).is_none() {
        return ask_passphrase(door, &asked, Notice::SignedOut);
    }
    let days = form.get("days").and_then(|days| days.parse().ok());
    let days = days.filter(|days| DAYS.contains(days));
    let location = match (form.get("decision"), days) {
        (Some("deny"), _) => asked.answer(&[("error", "access_denied")]),
        (Some("approve"), Some(days)) => allow(door, &asked, days * DAY_S).await?,
        _ => {
            return Ok(page::message(
                StatusCode::BAD_REQUEST,
                "This form is not complete",
                "Go back, and choose whether the app may use your storage, and for how long.",
            ));
        }
    };
    door.oauth.sessions().close(&cookie);
    let mut answer = page::redirect(StatusCode::SEE_OTHER, &location);
    page::set_cookie(&mut answer, &reached(door), None);
    Ok(answer)
}

/// Gives the app what it asked for; says where the browser goes with it.
async fn allow(door: &Door, asked: &Asked, valid_s: u64) -> Result<String, Refusal> {
    let origin = asked.redirect.origin().to_owned();
    match &asked.flow {
        Flow::Implicit => {
            let client = asked.client.clone().unwrap_or_else(|| origin.clone());
            let token = issue(door, asked.scopes.clone(), client, origin, valid_s).await?;
            Ok(asked.answer(&[
                ("access_token", &token),
                ("token_type", "bearer"),
                ("expires_in", &valid_s.to_string()),
                // RFC 6749, section 4.2.2: what is given may be written otherwise than it was asked for.
                ("scope", &asked.scope()),
            ]))
        }
        Flow::Code { challenge } => {
            let allowed = Allowed {
                client: asked.client.clone().unwrap_or_default(),
                redirect: asked.redirect.as_str().to_owned(),
                origin,
                challenge: challenge.clone(),
                scopes: asked.scopes.clone(),
                valid_s,
            };
            let code = door.oauth.codes().issue(allowed, Instant::now());
            let code = code.map_err(|error| broken(&error))?;
            Ok(asked.answer(&[("code", &code)]))
        }
    }
}

/// Makes a token for an app.
pub(super) async fn issue(
    door: &Door,
    scopes: Vec<Scope>,
    client: String,
    origin: String,
    valid_s: u64,
) -> Result<zeroize::Zeroizing<String>, Refusal> {
    // A node without a clock of its own knows the time from the others.
    let now = door.node.status().await?.time;
    let mut token = Token::new(scopes, client, now);
    token.expires = Some(now.after_s(valid_s));
    token.origin = Some(origin);
    let node = door.node.clone();
    tokio::task::spawn_blocking(move || node.issue(&token))
        .await
        .map_err(|_| Refusal::Broken)?
        .map_err(|error| broken(&error))
}

pub(super) fn broken(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "an app could not be let in");
    Refusal::Broken
}

/// The cookie, if its holder has signed in.
fn signed_in(door: &Door, headers: &HeaderMap, hash: &PassphraseHash) -> Option<Cookie> {
    let cookie = Cookie::read(headers)?;
    door.oauth
        .sessions()
        .is_open(&cookie, hash.stamp(), Instant::now())
        .then_some(cookie)
}

/// A form that this node has made for this browser: the request that it is about, and the cookie.
fn own_form(
    request: &Parts,
    form: &Form,
    purpose: Purpose,
) -> Result<(Asked, Cookie), Box<Response<ReplyBody>>> {
    let stale = || {
        Box::new(page::message(
            StatusCode::FORBIDDEN,
            "This form is not valid any more",
            "It is too old, or it does not come from a page of this node. Go back to the app and connect again.",
        ))
    };
    // Browsers that say where a form comes from say the truth. The others have the token.
    if request
        .headers
        .get(FETCH_SITE)
        .is_some_and(|site| site.as_bytes() != b"same-origin")
    {
        return Err(stale());
    }
    let cookie = Cookie::read(&request.headers).ok_or_else(stale)?;
    let query = form.get("request").unwrap_or_default();
    if !cookie.is_form_token(purpose, query, form.get("form_token")) {
        return Err(stale());
    }
    let asked = Asked::parse(query).map_err(|bad| Box::new(refuse(bad, StatusCode::SEE_OTHER)))?;
    Ok((asked, cookie))
}

fn ask_passphrase(door: &Door, asked: &Asked, notice: Notice) -> Answer {
    let cookie = Cookie::fresh().map_err(|error| broken(&error))?;
    let mut answer = page::sign_in(door.node.user(), asked, &cookie, notice);
    page::set_cookie(&mut answer, &reached(door), Some(&cookie));
    Ok(answer)
}

fn no_passphrase() -> Response<ReplyBody> {
    page::message(
        StatusCode::FORBIDDEN,
        "This node has no passphrase yet",
        "Set one on the machine where it runs, with the command: cairn passwd. Then go back to the app and connect again.",
    )
}

/// Tells the app what is wrong with its request, or the owner, if nobody knows which app it is.
fn refuse(bad: BadRequest, status: StatusCode) -> Response<ReplyBody> {
    let reason = match bad {
        BadRequest::Refused(refused) => return page::redirect(status, &refused.location),
        BadRequest::Form(bad) => bad.to_string(),
        BadRequest::Redirect(bad) => bad.to_string(),
        BadRequest::Repeated(name) => format!("{name} stands more than once"),
    };
    page::message(
        StatusCode::BAD_REQUEST,
        "The app asked in a wrong way",
        &format!("Nothing was allowed, and you are not sent back to it: {reason}. Tell its makers."),
    )
}

/// How the door is reached, as far as cookies care.
fn reached(door: &Door) -> Reached {
    let url = door.config.public_url.as_deref().unwrap_or_default();
    let (scheme, rest) = url.trim_end_matches('/').split_once("://").unwrap_or_default();
    Reached {
        prefix: rest
            .split_once('/')
            .map_or(String::new(), |(_, path)| format!("/{path}")),
        encrypted: door.config.tls.is_some() || scheme.eq_ignore_ascii_case("https"),
    }
}
