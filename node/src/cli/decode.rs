//! `cairn decode`: what bytes mean.

use std::io::Read;

use serde_json::{Value, json};

use crate::daemon::{Card, CustodyCode, Invite};
use crate::mesh::{FRAME_LEN_MAX, Message, entry_json, grant_json};
use crate::model::{Entry, Grant, Manifest};

/// Reads what a user named: a file, standard input, hexadecimal digits, an invite code, a custody code or a card.
pub(super) fn decode(what: &str) -> Result<Value, String> {
    if let Some(told) = code(what) {
        return told;
    }
    let bytes = if what == "-" {
        let mut bytes = Vec::new();
        let limit = FRAME_LEN_MAX as u64 * 2 + 1;
        std::io::stdin()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        bytes
    } else if std::path::Path::new(what).exists() {
        std::fs::read(what).map_err(|error| format!("{what}: {error}"))?
    } else {
        what.as_bytes().to_vec()
    };
    if let Ok(text) = std::str::from_utf8(&bytes) {
        let text = text.trim();
        if let Some(told) = code(text) {
            return told;
        }
        if let Ok(decoded) = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
            return read(&decoded);
        }
    }
    read(&bytes)
}

fn read(bytes: &[u8]) -> Result<Value, String> {
    let error = match Message::decode(bytes) {
        Ok(message) => return Ok(message.to_json()),
        Err(error) => error,
    };
    if let Ok(entry) = Entry::decode(bytes) {
        return Ok(entry_json(&entry));
    }
    if let Ok(grant) = Grant::decode(bytes) {
        return Ok(grant_json(&grant));
    }
    if let Ok(manifest) = Manifest::decode(bytes) {
        let chunks: Vec<Value> = manifest
            .chunks()
            .iter()
            .map(|chunk| json!({ "hash": chunk.hash.to_string(), "bytes": chunk.len }))
            .collect();
        return Ok(json!({ "type": "manifest", "bytes": manifest.total_len(), "chunks": chunks }));
    }
    Err(format!(
        "these {} bytes are no frame ({error}), no entry, no grant and no manifest",
        bytes.len()
    ))
}

/// What a code says, if it is one.
fn code(text: &str) -> Option<Result<Value, String>> {
    if text.starts_with("cairn1") {
        return Some(invite(text));
    }
    if text.starts_with("cairncard1") {
        return Some(card(text));
    }
    text.starts_with("cairnhold1").then(|| custody(text))
}

fn card(code: &str) -> Result<Value, String> {
    let card = Card::decode(code).map_err(|error| error.to_string())?;
    Ok(json!({
        "type": "card",
        "owner": card.owner.to_string(),
        "user": card.user,
        "devices": card.devices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "addresses": card.addresses,
    }))
}

fn custody(code: &str) -> Result<Value, String> {
    let code = CustodyCode::decode(code).map_err(|error| error.to_string())?;
    Ok(json!({
        "type": "custody",
        "owner": code.owner.to_string(),
        "user": code.user,
        "node": code.node().map(|node| node.to_string()),
        "addresses": code.addresses,
    }))
}

/// What an invite says; its secret is not shown.
fn invite(code: &str) -> Result<Value, String> {
    let invite = Invite::decode(code).map_err(|error| error.to_string())?;
    Ok(json!({
        "type": "invite",
        "owner": invite.owner.to_string(),
        "user": invite.user,
        "addresses": invite.addresses,
        "expires_ms": invite.expires.0,
    }))
}
