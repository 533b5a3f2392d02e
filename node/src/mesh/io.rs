//! What goes into the engine and what comes out.

use std::collections::BTreeSet;

use super::command::{Command, CommandResult};
use crate::model::{DocumentPath, EpochId, Hash, NodeId};
use crate::seal::Keyring;

/// A link, as its driver numbers them. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A request of a user, as its driver numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What the engine needs to know of a link. It adapts by this and never by a transport's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkProfile {
    /// Longest frame, in bytes.
    pub frame_len_max: usize,
    /// Bits per second, when known.
    pub bit_rate_bps: Option<u64>,
}

/// What the engine needs to know of a radio: a link that every neighbour hears, and that carries little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RadioProfile {
    /// Longest message that goes in one frame, in bytes.
    pub frame_len_max: usize,
    /// How long such a frame is on air, in microseconds.
    pub frame_airtime_us: u64,
    /// The share of time that the law leaves for sending, in thousandths.
    pub share_permille: u32,
    /// The window that the share is of, in microseconds; 0 where nothing is limited.
    pub window_us: u64,
}

/// A message to every neighbour on a radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// Where.
    pub radio: LinkId,
    /// One that waits and has the same slot is replaced.
    pub slot: u64,
    /// How urgent.
    pub lane: Lane,
    /// For those who have the key of this epoch. `None`: the current one's, as [`Action::Keys`] told it last.
    pub under: Option<EpochId>,
    /// The same bytes have the same name.
    pub name: [u8; 4],
    /// The bytes.
    pub message: Vec<u8>,
}

/// Frames of a lower lane go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Greetings, requests, acknowledgements.
    Control,
    /// Entries.
    Entries,
    /// Small payloads.
    Small,
    /// Chunks.
    Bulk,
}

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A link came up; its transport has proven who is at the other end.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// Who is there.
        peer: NodeId,
        /// What it can carry.
        profile: LinkProfile,
    },
    /// A link is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame came in.
    Frame {
        /// On which link.
        link: LinkId,
        /// Its bytes.
        frame: Vec<u8>,
    },
    /// A radio is there: see [`Action::Broadcast`].
    RadioUp {
        /// Its number among links.
        radio: LinkId,
        /// What it can carry.
        profile: RadioProfile,
    },
    /// A radio is gone.
    RadioDown {
        /// Which.
        radio: LinkId,
    },
    /// A message came by radio, sealed with a key of this space.
    RadioMessage {
        /// By which radio.
        radio: LinkId,
        /// Who sealed it, as far as those who have the key do not pose as one another.
        from: NodeId,
        /// With the key of which epoch.
        under: EpochId,
        /// Its bytes.
        message: Vec<u8>,
    },
    /// A radio hears somebody for the first time, or has told somebody who it is: what it or they said before may not have been understood.
    RadioIntroduced {
        /// Which.
        radio: LinkId,
        /// Whom; `None`: this node has told who it is.
        from: Option<NodeId>,
        /// Under the key of which epoch.
        under: EpochId,
    },
    /// A radio has room for a message beside those of the control lane.
    RadioReady {
        /// Which.
        radio: LinkId,
    },
    /// An announcement was spread by gossip and came here over other nodes.
    Announced {
        /// Who spread it; its transport has proven this.
        author: NodeId,
        /// Its bytes, as [`Action::Announce`] gave them.
        frame: Vec<u8>,
    },
    /// So much room is left where the store is, in bytes.
    StorageFree {
        /// What more would fit.
        bytes: u64,
    },
    /// A chunk that was asked for arrived and its hash was checked. It may not be on disk yet.
    ChunkReceived {
        /// On which link.
        link: LinkId,
        /// Which.
        chunk: Hash,
    },
    /// A chunk is on disk: a crash will not take it.
    ChunkStored {
        /// Which.
        chunk: Hash,
    },
    /// A chunk could not be written: the disk is full or failing.
    ChunkFailed {
        /// Which.
        chunk: Hash,
    },
    /// A chunk's file is missing, or its bytes are not what they were.
    ChunkLost {
        /// Which.
        chunk: Hash,
    },
    /// A user asks for something.
    Command {
        /// The reply will carry it.
        request: RequestId,
        /// What.
        command: Box<Command>,
    },
    /// The time that `poll_timeout` named has come.
    Timer,
}

/// Something to do. Each carries all that is needed to do it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a frame. It may be dropped when the link is full: the protocol asks again.
    Send {
        /// Where.
        link: LinkId,
        /// How urgent.
        lane: Lane,
        /// The bytes.
        frame: Vec<u8>,
    },
    /// Ask for a chunk: send the frame, and accept this chunk from this link, of at most `len` bytes. If its file is
    /// still here from an entry that went, that will do, as if it had come over the link.
    Fetch {
        /// Where.
        link: LinkId,
        /// Which.
        chunk: Hash,
        /// How long it is.
        len: u32,
        /// The request.
        frame: Vec<u8>,
    },
    /// Read a chunk and send it as a `storage_response`, or say `storage_error` when it is not here.
    Serve {
        /// To whom.
        link: LinkId,
        /// Which.
        chunk: Hash,
    },
    /// Send a message by radio. It may be lost: the protocol finds out.
    Broadcast(Broadcast),
    /// Do not send what waits in this slot: it is no longer true.
    Withdraw {
        /// Which radio.
        radio: LinkId,
        /// The slot of the message.
        slot: u64,
    },
    /// A radio's station treats a message of this name as if it had never come: not all of it was taken in, and it is sent again.
    Forget {
        /// Which radio.
        radio: LinkId,
        /// As in [`Broadcast::name`].
        name: [u8; 4],
    },
    /// From now on a radio's station asks for repair of what these send, and of these chunks (by the first bytes of their hashes).
    Listen {
        /// Which radio.
        radio: LinkId,
        /// Neighbours that have what this node lacks.
        senders: BTreeSet<NodeId>,
        /// Chunks that this node asked for.
        chunks: BTreeSet<[u8; 4]>,
    },
    /// Close a link.
    Close {
        /// Which.
        link: LinkId,
        /// For the log and the other side.
        reason: String,
        /// The peer broke the rules: slow it down.
        penalise: bool,
    },
    /// Answer a user.
    Reply {
        /// The request that this answers.
        request: RequestId,
        /// How it ended.
        result: CommandResult,
    },
    /// No live entry lists these chunks any more: their files may go, unless someone pinned them.
    Release(Vec<Hash>),
    /// Spread an announcement wherever a transport can gossip.
    Announce(Vec<u8>),
    /// From now on these are the keys of the space.
    Keys(Keyring),
    /// Something that a person may want to know.
    Report(Report),
}

/// News for the log and for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A node of the space is linked and granted.
    PeerJoined(NodeId),
    /// A node was admitted that was not known before.
    MemberAdded(NodeId, String),
    /// A node was shut out.
    MemberRevoked(NodeId),
    /// Somebody who was shut out has the key that documents are sealed with, and there can't be another one: this is why.
    KeysUnchanged(String),
    /// A peer sent something that breaks the rules.
    Refused {
        /// Who.
        peer: NodeId,
        /// What.
        reason: String,
    },
    /// Another live process uses this node's key.
    TwinOfOurs,
    /// Two live processes use a peer's key.
    TwinOfPeer(NodeId),
    /// Peers had seen changes of ours that this disk does not hold: it is an older copy. A new incarnation begins.
    RolledBack,
    /// This node's clock was ahead and is right now: what it wrote meanwhile is dated anew.
    ClockWasAhead,
    /// A document's payload is complete.
    PayloadComplete(DocumentPath),
    /// A document has concurrent versions now.
    Conflict(DocumentPath),
}
