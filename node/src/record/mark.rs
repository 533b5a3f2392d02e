//! Marks: what an action was, in nine bytes.

use serde::{Deserialize, Serialize};

use super::redact;
use crate::mesh::{Action, CommandError, CommandResult, Lane, Reply, Report, Status, TimeSource};
use crate::model::{Hash, codec};
use crate::space::Payloads;

/// What kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum ActionKind {
    /// [`Action::Send`]
    Send,
    /// [`Action::Fetch`]
    Fetch,
    /// [`Action::Serve`]
    Serve,
    /// [`Action::Broadcast`]
    Broadcast,
    /// [`Action::Withdraw`]
    Withdraw,
    /// [`Action::Listen`]
    Listen,
    /// [`Action::Close`]
    Close,
    /// [`Action::Reply`]
    Reply,
    /// [`Action::Release`]
    Release,
    /// [`Action::Announce`]
    Announce,
    /// [`Action::Report`]
    Report,
    /// [`Action::Forget`]
    Forget,
    /// [`Action::Keys`]
    Keys,
}

impl ActionKind {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Send, "send"),
        (Self::Fetch, "fetch"),
        (Self::Serve, "serve"),
        (Self::Broadcast, "broadcast"),
        (Self::Withdraw, "withdraw"),
        (Self::Listen, "listen"),
        (Self::Close, "close"),
        (Self::Reply, "reply"),
        (Self::Release, "release"),
        (Self::Announce, "announce"),
        (Self::Report, "report"),
        (Self::Forget, "forget"),
        (Self::Keys, "keys"),
    ];

    /// The kind of an action.
    pub const fn of(action: &Action) -> Self {
        match action {
            Action::Send { .. } => Self::Send,
            Action::Fetch { .. } => Self::Fetch,
            Action::Serve { .. } => Self::Serve,
            Action::Broadcast(_) => Self::Broadcast,
            Action::Withdraw { .. } => Self::Withdraw,
            Action::Listen { .. } => Self::Listen,
            Action::Close { .. } => Self::Close,
            Action::Reply { .. } => Self::Reply,
            Action::Release(_) => Self::Release,
            Action::Announce(_) => Self::Announce,
            Action::Report(_) => Self::Report,
            Action::Forget { .. } => Self::Forget,
            Action::Keys(_) => Self::Keys,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("action", |(_, name)| name)
    }
}

impl From<ActionKind> for u8 {
    fn from(kind: ActionKind) -> Self {
        kind as Self
    }
}

impl TryFrom<u8> for ActionKind {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, &'static str> {
        Self::ALL
            .get(usize::from(number))
            .map(|(kind, _)| *kind)
            .ok_or("no such kind of action")
    }
}

/// Stands for one action: equal for equal ones, whether their payloads are real or placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark(pub ActionKind, pub u64);

/// The first eight bytes of a hash of `value`.
pub(super) fn digest(value: &impl Serialize) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(&codec::encode(value)).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Mark {
    /// The mark of an action by an engine whose payloads are `payloads`.
    pub fn of(action: &Action, payloads: Payloads) -> Self {
        let lane = |lane: Lane| lane as u8;
        let hash = match action {
            Action::Send {
                link,
                lane: by,
                frame,
            } => digest(&(link.0, lane(*by), redact::own_frame(frame))),
            Action::Fetch {
                link,
                chunk,
                len,
                frame,
            } => digest(&(link.0, chunk, len, frame)),
            Action::Serve { link, chunk } => digest(&(link.0, chunk)),
            // The name follows from the bytes, which depend on how well contents compress.
            Action::Broadcast(broadcast) => digest(&(
                broadcast.radio.0,
                broadcast.slot,
                lane(broadcast.lane),
                redact::radio_message(&broadcast.message, payloads),
            )),
            Action::Withdraw { radio, slot } => digest(&(radio.0, slot)),
            Action::Listen {
                radio,
                senders,
                chunks,
            } => digest(&(radio.0, senders, chunks)),
            Action::Close {
                link,
                reason,
                penalise,
            } => digest(&(link.0, reason, penalise)),
            Action::Reply { request, result } => digest(&(request.0, reply(result))),
            Action::Release(chunks) => digest(chunks),
            Action::Announce(frame) => digest(frame),
            Action::Report(own) => digest(&report(own)),
            // Its name depends on contents, as that of a broadcast.
            Action::Forget { radio, .. } => digest(&radio.0),
            // A replay has none.
            Action::Keys(_) => 0,
        };
        Self(ActionKind::of(action), hash)
    }
}

/// A number for each kind of answer, and a digest of what it says.
fn reply(result: &CommandResult) -> (u8, u64) {
    match result {
        Ok(Reply::Stored {
            etag,
            created,
            siblings_replaced,
        }) => (0, digest(&(etag, created, *siblings_replaced as u64))),
        Ok(Reply::Deleted { etag }) => (1, digest(etag)),
        Ok(Reply::Status(own)) => (2, status(own)),
        Ok(Reply::Done) => (3, 0),
        // All of it follows from the state.
        Ok(Reply::Price(price)) => (6, digest(&format!("{price:?}"))),
        Err(CommandError::PreconditionFailed { current }) => (4, digest(current)),
        // The text names all that there is to tell.
        Err(other) => (5, digest(&other.to_string())),
    }
}

fn status(status: &Status) -> u64 {
    let peers: Vec<u64> = status
        .peers
        .iter()
        .map(|peer| {
            let flags = (peer.holds, peer.revoked, peer.linked, peer.in_step);
            let rest = (peer.pending, peer.seen, peer.free_bytes, &peer.last_refusal);
            digest(&(peer.node, &peer.name, flags, rest))
        })
        .collect();
    let links: Vec<_> = status
        .links
        .iter()
        .map(|link| (link.link.0, link.peer, link.granted))
        .collect();
    let heard: Vec<_> = status
        .heard
        .iter()
        .map(|heard| (heard.radio.0, heard.node, heard.heard.0))
        .collect();
    let sums = (status.documents, status.bytes, status.free_bytes, status.pending);
    let all = digest(&(
        (status.node, status.owner, status.twin, status.clock_digest),
        sums,
        &status.incomplete,
        (peers, links, heard),
    ));
    match status.time_source {
        // As in recordings that knew no other.
        TimeSource::System => all,
        learned => digest(&(all, learned.name(), status.time)),
    }
}

fn report(report: &Report) -> (u8, u64) {
    match report {
        Report::PeerJoined(node) => (0, digest(node)),
        Report::MemberAdded(node, name) => (1, digest(&(node, name))),
        Report::MemberRevoked(node) => (2, digest(node)),
        Report::Refused { peer, reason } => (3, digest(&(peer, reason))),
        Report::TwinOfOurs => (4, 0),
        Report::TwinOfPeer(node) => (5, digest(node)),
        Report::RolledBack => (6, 0),
        Report::ClockWasAhead => (9, 0),
        Report::PayloadComplete(path) => (7, digest(path)),
        Report::Conflict(path) => (8, digest(path)),
        Report::KeysUnchanged(reason) => (10, digest(reason)),
    }
}
