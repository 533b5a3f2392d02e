//! Steps in words, and as JSON.

use std::fmt;

use cairn::mesh::{Action, Message, Report, radio_message_name};
use cairn::model::{Hash, NodeId};
use cairn::record::{Given, GivenCommand};
use serde_json::{Value, json};

use super::Step;

/// Microseconds as seconds.
pub(super) fn seconds(us: u64) -> String {
    format!("{}.{:06} s", us / 1_000_000, us % 1_000_000)
}

fn message(frame: &[u8]) -> String {
    match Message::decode(frame) {
        Ok(Message::Changes(changes)) => {
            format!(
                "sync_response of {} entries, {} bytes",
                changes.entries.len(),
                frame.len()
            )
        }
        Ok(message) => format!("{}, {} bytes", message.name(), frame.len()),
        Err(_) => "a frame that cannot be read".into(),
    }
}

fn given(given: &Given) -> String {
    let node = NodeId::short;
    let hash = Hash::short;
    match given {
        Given::Commit => "commit".into(),
        Given::LinkUp(link, peer, ..) => format!("link {link} to {} is up", node(peer)),
        Given::LinkDown(link) => format!("link {link} is down"),
        Given::Frame(link, frame) => format!("frame on link {link}: {}", message(frame)),
        Given::RadioUp(radio, ..) => format!("radio {radio} is up"),
        Given::RadioDown(radio) => format!("radio {radio} is down"),
        Given::RadioMessage(radio, from, _, bytes) => {
            format!(
                "{} by radio {radio} from {}",
                radio_message_name(bytes),
                node(from)
            )
        }
        Given::RadioIntroduced(radio, ..) => format!("somebody new is heard by radio {radio}"),
        Given::RadioReady(radio) => format!("radio {radio} has room"),
        Given::Announced(author, frame) => format!("gossip of {}: {}", node(author), message(frame)),
        Given::StorageFree(bytes) => format!("the disk has room for {bytes} bytes"),
        Given::ChunkReceived(link, chunk) => format!("chunk {} came on link {link}", hash(chunk)),
        Given::ChunkStored(chunk) => format!("chunk {} is on disk", hash(chunk)),
        Given::ChunkFailed(chunk) => format!("chunk {} could not be written", hash(chunk)),
        Given::ChunkLost(chunk) => format!("chunk {} is lost", hash(chunk)),
        Given::Command(request, own) => format!("request {request}: {}", command(own)),
        Given::Timer => "timer".into(),
    }
}

fn command(command: &GivenCommand) -> String {
    match command {
        GivenCommand::Put(path, content, ..) => format!("put {path}, {} bytes", content.len),
        GivenCommand::Delete(path, _) => format!("delete {path}"),
        GivenCommand::Resolve(path, keep, _) => format!("resolve {path}, keep {keep}"),
        GivenCommand::Admit(_) => "admit a device".into(),
        GivenCommand::Revoke(_) => "revoke a device".into(),
        GivenCommand::Fetch(path, begin) => {
            let what = if *begin { "fetch" } else { "price of" };
            format!("{what} {}", path.as_str())
        }
        GivenCommand::Status => "status".into(),
        GivenCommand::Flush => "flush".into(),
        GivenCommand::SetQuota(bytes) => format!("quota {bytes:?}"),
    }
}

fn action(action: &Action) -> String {
    match action {
        Action::Send { link, frame, .. } => format!("send on link {}: {}", link.0, message(frame)),
        Action::Fetch { link, chunk, .. } => format!("fetch chunk {} on link {}", chunk.short(), link.0),
        Action::Serve { link, chunk } => format!("serve chunk {} on link {}", chunk.short(), link.0),
        Action::Broadcast(own) => {
            let name = radio_message_name(&own.message);
            format!("broadcast by radio {}: {name}", own.radio.0)
        }
        Action::Withdraw { radio, slot } => format!("withdraw slot {slot} of radio {}", radio.0),
        Action::Forget { radio, .. } => format!("have radio {} forget an object", radio.0),
        Action::Listen { radio, senders, .. } => {
            format!("listen by radio {} to {} senders", radio.0, senders.len())
        }
        Action::Close { link, reason, .. } => format!("close link {}: {reason}", link.0),
        Action::Reply { request, result } => match result {
            Ok(_) => format!("reply to request {}: done", request.0),
            Err(error) => format!("reply to request {}: {error}", request.0),
        },
        Action::Release(chunks) => format!("release {} chunks", chunks.len()),
        Action::Announce(_) => "announce".into(),
        Action::Keys(_) => "use other keys".into(),
        Action::Report(own) => report(own),
    }
}

fn report(report: &Report) -> String {
    match report {
        Report::PeerJoined(node) => format!("report: {} joined", node.short()),
        Report::MemberAdded(node, name) => format!("report: {} is a member now, {name}", node.short()),
        Report::MemberRevoked(node) => format!("report: {} is revoked", node.short()),
        Report::KeysUnchanged(reason) => format!("report: there can be no new key: {reason}"),
        Report::Refused { peer, reason } => format!("report: refused from {}: {reason}", peer.short()),
        Report::TwinOfOurs => "report: a twin of this node".into(),
        Report::TwinOfPeer(node) => format!("report: a twin of {}", node.short()),
        Report::RolledBack => "report: the disk is an older copy".into(),
        Report::ClockWasAhead => "report: the clock was ahead; changes are dated anew".into(),
        Report::PayloadComplete(path) => format!("report: {path} is complete"),
        Report::Conflict(path) => format!("report: {path} has concurrent versions"),
    }
}

/// A message, with the lengths of what stands beside entries: it is zeros.
fn message_json(frame: &[u8]) -> Value {
    let Ok(message) = Message::decode(frame) else {
        return Value::Null;
    };
    let mut object = message.to_json();
    if let (Message::Changes(changes), Some(list)) = (&message, object["changes"].as_array_mut()) {
        for (value, carried) in list.iter_mut().zip(&changes.entries) {
            value["attachment"] = json!({ "length": carried.attachment.as_ref().map(Vec::len) });
        }
    }
    object
}

fn given_json(event: &Given) -> Value {
    let mut object = json!({ "what": given(event) });
    if let Given::Frame(_, frame) | Given::Announced(_, frame) = event {
        object["message"] = message_json(frame);
    }
    object
}

fn action_json(own: &Action) -> Value {
    let mut object = json!({ "what": action(own) });
    if let Action::Send { frame, .. } | Action::Announce(frame) = own {
        object["message"] = message_json(frame);
    }
    object
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = seconds(self.now.instant.0);
        write!(f, "{:>8}  {at:>16}  {}", self.number, given(&self.given))?;
        for own in &self.actions {
            write!(f, "\n{:28}-> {}", "", action(own))?;
        }
        if let Some(difference) = &self.difference {
            write!(f, "\n{:28}!! {difference}", "")?;
        }
        Ok(())
    }
}

impl Step {
    /// The step as one JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "step": self.number,
            "at_us": self.now.instant.0,
            "wall_ms": self.now.wall.0,
            "given": given_json(&self.given),
            "actions": self.actions.iter().map(action_json).collect::<Vec<_>>(),
            "recorded": self.recorded.as_ref().map(|done| {
                done.marks.iter().map(|mark| mark.0.name()).collect::<Vec<_>>()
            }),
            "difference": self.difference.as_ref().map(ToString::to_string),
        })
    }
}
