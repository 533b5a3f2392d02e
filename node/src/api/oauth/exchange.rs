//! The token endpoint (RFC 6749, section 4.1.3; RFC 7636, section 4.5).

use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::codes::{BadCode, Presented};
use super::dialogue::{broken, issue};
use super::fields;
use crate::api::body::ReplyBody;
use crate::api::door::Door;
use crate::api::refusal::Refusal;
use crate::model::Hash;
use crate::service::tokens;
use crate::store::{Store as _, WriteTransaction as _};

const PARAMETERS: [&str; 5] = ["grant_type", "code", "client_id", "redirect_uri", "code_verifier"];

/// Changes a code for a token.
pub(super) async fn token(
    door: &Door,
    request: &Parts,
    body: &mut Incoming,
) -> Result<Response<ReplyBody>, Refusal> {
    let form = match fields(request, body).await {
        Ok(form) => form,
        Err(refusal @ (Refusal::BadRequest(_) | Refusal::TooLong(_))) => {
            return Ok(error("invalid_request", &refusal.to_string()));
        }
        Err(refusal) => return Err(refusal),
    };
    if let Some(name) = form.repeated(&PARAMETERS) {
        return Ok(error("invalid_request", &format!("{name} stands more than once")));
    }
    match form.get("grant_type") {
        Some("authorization_code") => {}
        Some(_) => {
            return Ok(error(
                "unsupported_grant_type",
                "grant_type has to be authorization_code",
            ));
        }
        None => return Ok(error("invalid_request", "grant_type is missing")),
    }
    let [code, client, redirect, verifier] =
        ["code", "client_id", "redirect_uri", "code_verifier"].map(|name| form.get(name).ok_or(name));
    let (code, client, redirect, verifier) = match (code, client, redirect, verifier) {
        (Ok(code), Ok(client), Ok(redirect), Ok(verifier)) => (code, client, redirect, verifier),
        (Err(name), ..) | (_, Err(name), ..) | (_, _, Err(name), _) | (.., Err(name)) => {
            return Ok(error("invalid_request", &format!("{name} is missing")));
        }
    };
    let presented = Presented {
        code,
        client,
        redirect,
        verifier,
    };
    let redeemed = door.oauth.codes().redeem(&presented, Instant::now());
    let allowed = match redeemed {
        Ok(allowed) => allowed,
        Err(bad) => {
            if let BadCode::Again(Some(token)) = bad {
                tracing::warn!("a code of an app came again: its token is removed");
                remove(door, token).await?;
            }
            return Ok(bad_code());
        }
    };
    let scope = allowed.scopes.iter().map(ToString::to_string).collect::<Vec<_>>();
    let text = issue(
        door,
        allowed.scopes,
        allowed.client,
        allowed.origin,
        allowed.valid_s,
    )
    .await?;
    let id = tokens::id(&text);
    if !door.oauth.codes().spent(code, id) {
        remove(door, id).await?;
        return Ok(bad_code());
    }
    Ok(answer(
        StatusCode::OK,
        &json!({
            "access_token": *text,
            "token_type": "bearer",
            "expires_in": allowed.valid_s,
            "scope": scope.join(" "),
        }),
    ))
}

async fn remove(door: &Door, token: Hash) -> Result<(), Refusal> {
    let node = door.node.clone();
    let removing = tokio::task::spawn_blocking(move || -> Result<(), crate::space::SpaceError> {
        let mut write = node.store().write()?;
        tokens::remove(&mut write, &token)?;
        Ok(write.commit()?)
    });
    removing
        .await
        .map_err(|_| Refusal::Broken)?
        .map_err(|error| broken(&error))
}

fn bad_code() -> Response<ReplyBody> {
    error(
        "invalid_grant",
        "the code is not known, used or too old, or client_id, redirect_uri or code_verifier do not belong to it",
    )
}

fn error(error: &str, description: &str) -> Response<ReplyBody> {
    answer(
        StatusCode::BAD_REQUEST,
        &json!({ "error": error, "error_description": description }),
    )
}

fn answer(status: StatusCode, value: &Value) -> Response<ReplyBody> {
    let mut answer = Response::new(ReplyBody::from(value.to_string()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
