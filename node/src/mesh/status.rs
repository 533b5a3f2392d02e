//! What a node says of itself.

use crate::model::{Dot, Hash, Instant, NodeId, OwnerId, WallTime};

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// Its number.
    pub link: super::LinkId,
    /// Who is at the other end.
    pub peer: NodeId,
    /// It is a granted node of the space, and its greeting has come.
    pub granted: bool,
}

/// A node that is heard by radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeardStatus {
    /// The radio.
    pub radio: super::LinkId,
    /// Who is heard.
    pub node: NodeId,
    /// When it last said what it holds.
    pub heard: Instant,
}

/// One other node of the space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub node: NodeId,
    /// The name in its grant.
    pub name: String,
    /// It keeps a copy, so changes wait for it.
    pub holds: bool,
    /// It may read: one of the owner's own, and no custodian.
    pub reads: bool,
    /// It was revoked.
    pub revoked: bool,
    /// A link to it is up.
    pub linked: bool,
    /// Live entries here that it has not acknowledged.
    pub pending: u64,
    /// Those of them that this node wrote.
    pub pending_own: u64,
    /// It holds all that is here, and this node all that it showed.
    pub in_step: bool,
    /// When it was last linked or heard of, by gossip over others too.
    pub seen: WallTime,
    /// Bytes that it would still store, as it last announced since this node started.
    pub free_bytes: Option<u64>,
    /// The last reason why something from it was refused.
    pub last_refusal: Option<String>,
}

/// Where a node's time is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeSource {
    /// Its clock is set.
    System,
    /// Its clock is not set: from what other nodes of the space announce.
    Members,
    /// Its clock is not set: from the dates of others' changes.
    Changes,
    /// Its clock is not set: from the latest date in its own store.
    Store,
    /// Its clock is not set, and nothing better is known.
    Nothing,
}

impl TimeSource {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Members => "members",
            Self::Changes => "changes",
            Self::Store => "store",
            Self::Nothing => "nothing",
        }
    }
}

/// The state of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// Whose space it holds.
    pub owner: OwnerId,
    /// Documents.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that may still come, by the quota and by what the disk has free.
    pub free_bytes: u64,
    /// Own changes that some holder has not acknowledged.
    pub pending: u64,
    /// Documents whose payload is not here yet, at most [`Status::INCOMPLETE_MAX`].
    pub incomplete: Vec<Dot>,
    /// So many of these were asked for, whatever their length.
    pub requested: usize,
    /// The digest of the clock: equal on nodes that hold the same.
    pub clock_digest: Hash,
    /// The links.
    pub links: Vec<LinkStatus>,
    /// Who is heard by radio.
    pub heard: Vec<HeardStatus>,
    /// The other nodes of the space.
    pub peers: Vec<PeerStatus>,
    /// Another live process was seen with this node's key.
    pub twin: bool,
    /// Where the time is from that this node goes by.
    pub time_source: TimeSource,
    /// That time.
    pub time: WallTime,
}

impl Status {
    /// Most documents named in [`Status::incomplete`].
    pub const INCOMPLETE_MAX: usize = 1000;
}
