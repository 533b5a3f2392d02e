//! Messages as JSON: for people (`cairn decode`) and for programs that speak the seed's names.
//!
//! Byte strings are lowercase hexadecimal; contents are base64. One way only: what is signed exists in CBOR.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

use super::Message;
use crate::model::{
    Clock, DocumentName, DocumentPath, Entry, Grant, KeyEpoch, Membership, NodeId, Operation, Payload,
    Revocation,
};

impl Message {
    /// The seed's name of the kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Membership(_) => "membership",
            Self::StorageNode(_) => "storage_node",
            Self::SyncRequest(_) => "sync_request",
            Self::Changes(_) => "sync_response",
            Self::Acknowledgement(_) => "acknowledgement",
            Self::StorageRequest(_) => "storage_request",
            Self::StorageResponse(_) => "storage_response",
            Self::StorageError(_) => "storage_error",
            Self::Twin => "twin",
            Self::FollowRequest(_) => "follow_request",
            Self::FollowChunk(_) => "follow_chunk",
        }
    }

    /// The message as one JSON object, whose `type` is its [`name`](Self::name).
    pub fn to_json(&self) -> Value {
        let mut object = match self {
            Self::Hello(hello) => {
                json!({ "instance": hello.instance, "space_tag": hello.tag.to_string(), "again": hello.again })
            }
            Self::Membership(membership) => membership_json(membership),
            Self::StorageNode(announcement) => match announcement.verified() {
                Ok(announced) => json!({
                    "node": announced.node.to_string(),
                    "storage_free_bytes": announced.free_bytes,
                    "timestamp_ms": announced.time.0,
                    "spaces": announced.spaces.iter().map(|(tag, digest)| json!({
                        "space_tag": tag.to_string(), "clock_digest": digest.to_string(),
                    })).collect::<Vec<_>>(),
                }),
                Err(error) => json!({ "invalid": error.to_string() }),
            },
            Self::SyncRequest(request) | Self::FollowRequest(request) => {
                json!({ "session": request.session, "vector_clock": clock_json(&request.clock), "live": request.live })
            }
            Self::Changes(changes) => json!({
                "session": changes.session,
                "changes": changes.entries.iter().map(|carried| {
                    let mut entry = Entry::decode(&carried.entry)
                        .map_or_else(|error| json!({ "invalid": error.to_string() }), |entry| entry_json(&entry));
                    entry["attachment"] = carried.attachment.as_ref().map_or(Value::Null, |bytes| {
                        Value::String(BASE64.encode(bytes))
                    });
                    entry
                }).collect::<Vec<_>>(),
                "scanned": clock_json(&changes.scanned),
                "done": changes.done.is_some(),
                "collected": changes.done.as_ref().map(clock_json),
                "live": changes.live.as_ref().map(|live| json!({
                    "vector_clock": clock_json(&live.clock), "dots": clock_json(&live.dots),
                })),
            }),
            Self::Acknowledgement(acknowledgement) => json!({
                "space": acknowledgement.space.to_string(),
                "node": acknowledgement.node.to_string(),
                "timestamp_ms": acknowledgement.time.wall().0,
                "vector_clock": clock_json(&acknowledgement.clock),
                "valid": acknowledgement.verify().is_ok(),
            }),
            Self::StorageRequest(request) => json!({ "chunk": request.chunk.to_string() }),
            Self::FollowChunk(request) => {
                json!({ "change": request.dot.to_string(), "chunk": request.chunk.to_string() })
            }
            Self::StorageResponse(response) => json!({
                "chunk": response.chunk.to_string(),
                "length": response.bytes.len(),
                "data": BASE64.encode(&response.bytes),
            }),
            Self::StorageError(error) => json!({
                "code": error.code.name(),
                "chunk": error.chunk.map(|chunk| chunk.to_string()),
                "message": error.reason,
            }),
            Self::Twin => json!({}),
        };
        object["type"] = Value::String(self.name().to_owned());
        object
    }
}

/// A clock: writers with the ranges that are held of each.
fn clock_json(clock: &Clock) -> Value {
    let mut writers = serde_json::Map::new();
    for (writer, first, last) in clock.ranges() {
        let name = format!("{}.{:016x}", writer.node, writer.incarnation.0);
        let ranges = writers.entry(name).or_insert_with(|| json!([]));
        if let Some(ranges) = ranges.as_array_mut() {
            ranges.push(json!([first.0, last.0]));
        }
    }
    Value::Object(writers)
}

/// An entry, without what travels beside it.
pub fn entry_json(entry: &Entry) -> Value {
    let change = entry.change();
    let mut object = json!({
        "space": change.space.to_string(),
        "path": change.name.path().map(DocumentPath::as_str),
        "writer": change.dot.writer.node.to_string(),
        "incarnation": format!("{:016x}", change.dot.writer.incarnation.0),
        "sequence": change.dot.sequence.0,
        "timestamp_ms": change.time.wall().0,
        "etag": entry.etag().to_string(),
    });
    if let DocumentName::Sealed(name) = change.name {
        object["name"] = json!(name.to_string());
    }
    match &change.operation {
        Operation::Put(content) => {
            object["operation"] = json!("PUT");
            object["content_type"] = json!(content.content_type);
            object["content_hash"] = json!(content.hash.to_string());
            object["content_length"] = json!(content.len);
            object["payload"] = match content.payload {
                Payload::Inline => json!("inline"),
                Payload::Chunk => json!("chunk"),
                Payload::Manifest(hash) => json!({ "manifest": hash.to_string() }),
            };
            if let Some(seal) = content.seal {
                object["epoch"] = json!(seal.epoch.to_string());
            }
        }
        Operation::Delete => object["operation"] = json!("DELETE"),
    }
    object
}

/// A grant.
pub fn grant_json(grant: &Grant) -> Value {
    json!({
        "subject": grant.subject.to_string(),
        "name": grant.name,
        "issuer": HEXLOWER.encode(&grant.issuer),
        "issued_ms": grant.issued.0,
        "expires_ms": grant.expires.map(|expires| expires.0),
    })
}

fn revocation_json(revocation: &Revocation) -> Value {
    json!({
        "subject": revocation.subject.to_string(),
        "issuer": HEXLOWER.encode(&revocation.issuer),
        "revoked_ms": revocation.revoked.0,
        "kept": revocation.kept.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A statement about an epoch: for whom its key is, and never the key, not even sealed.
fn key_epoch_json(statement: &KeyEpoch) -> Value {
    let keys = statement.keys();
    let names = |nodes: &mut dyn Iterator<Item = &NodeId>| nodes.map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "epoch": keys.epoch.to_string(),
        "earlier": keys.earlier.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "readers": names(&mut keys.boxes.iter().map(|(node, _)| node)),
        "shut_out": names(&mut keys.shut_out.iter()),
        "issuer": statement.issuer().to_string(),
        "issued_ms": keys.issued.0,
    })
}

fn membership_json(membership: &Membership) -> Value {
    json!({
        "space": membership.space().to_string(),
        "grants": membership.grants().into_iter().map(grant_json).collect::<Vec<_>>(),
        "revocations": membership.revocations().map(revocation_json).collect::<Vec<_>>(),
        "key_epochs": membership.key_epochs().map(key_epoch_json).collect::<Vec<_>>(),
    })
}
