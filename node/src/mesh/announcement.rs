//! Announcements (`storage_node`): who is there, with how much room, and in which state its spaces are.

use serde::{Deserialize, Serialize};

use crate::model::{BadSignature, Clock, Hash, NodeId, OwnerId, Sign, Signature, WallTime, codec, verify};

/// Most spaces in one announcement.
pub const ANNOUNCED_SPACES_MAX: usize = 64;

const CONTEXT: &str = "cairn 1 announcement";

/// What a node lets others know of itself. Equal digests: nothing to do, nothing sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Announced, Signature)", into = "(Announced, Signature)")]
pub struct Announcement {
    announced: Announced,
    signature: Signature,
}

impl From<(Announced, Signature)> for Announcement {
    fn from((announced, signature): (Announced, Signature)) -> Self {
        Self { announced, signature }
    }
}

impl From<Announcement> for (Announced, Signature) {
    fn from(announcement: Announcement) -> Self {
        (announcement.announced, announcement.signature)
    }
}

/// The signed part: `[node, storage free, time, [[tag, digest], …], digest, digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "(NodeId, u64, WallTime, Vec<(Hash, Hash)>, Hash, Hash)",
    into = "(NodeId, u64, WallTime, Vec<(Hash, Hash)>, Hash, Hash)"
)]
pub struct Announced {
    /// Who.
    pub node: NodeId,
    /// Bytes that it would still store.
    pub free_bytes: u64,
    /// When.
    pub time: WallTime,
    /// For each space its [`space_tag`] and its [`clock_digest`].
    pub spaces: Vec<(Hash, Hash)>,
    /// Equal on nodes that heard the same acknowledgements.
    pub acknowledgements: Hash,
    /// Equal on nodes that know the same grants and revocations.
    pub membership: Hash,
}

/// What a node's latest announcement said, as far as it is kept. In memory alone: an idle node writes nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    /// When it was made, by its node's clock.
    pub(super) time: WallTime,
    /// Bytes that the node would still store.
    pub(super) free_bytes: u64,
}

impl From<(NodeId, u64, WallTime, Vec<(Hash, Hash)>, Hash, Hash)> for Announced {
    fn from(
        (node, free_bytes, time, spaces, acknowledgements, membership): (
            NodeId,
            u64,
            WallTime,
            Vec<(Hash, Hash)>,
            Hash,
            Hash,
        ),
    ) -> Self {
        Self {
            node,
            free_bytes,
            time,
            spaces,
            acknowledgements,
            membership,
        }
    }
}

impl From<Announced> for (NodeId, u64, WallTime, Vec<(Hash, Hash)>, Hash, Hash) {
    fn from(announced: Announced) -> Self {
        (
            announced.node,
            announced.free_bytes,
            announced.time,
            announced.spaces,
            announced.acknowledgements,
            announced.membership,
        )
    }
}

impl Announcement {
    /// Signs an announcement with the key of the node that it names.
    pub fn sign(announced: Announced, key: &impl Sign) -> Self {
        debug_assert_eq!(announced.node, key.node_id());
        let signature = key.sign(CONTEXT, &codec::encode(&announced));
        Self { announced, signature }
    }

    /// What is announced, if its node signed it and the bounds hold.
    pub fn verified(&self) -> Result<&Announced, BadSignature> {
        if self.announced.spaces.len() > ANNOUNCED_SPACES_MAX {
            return Err(BadSignature);
        }
        verify(
            &self.announced.node.0,
            CONTEXT,
            &codec::encode(&self.announced),
            &self.signature,
        )?;
        Ok(&self.announced)
    }
}

/// Names a space in what `node` announces, to those who know the owner and to nobody else.
pub fn space_tag(owner: OwnerId, node: NodeId) -> Hash {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 announced space");
    hasher.update(&owner.0);
    hasher.update(&node.0);
    hasher.finalize().into()
}

/// A few bytes for a whole clock.
pub fn clock_digest(clock: &Clock) -> Hash {
    Hash::of(&codec::encode(clock))
}
