//! Epochs of a space's key: statements that give the key of one to those who may read.
//!
//! The first epoch needs none: its key follows from the owner's, and travels in invites. A later one begins because somebody may not read any
//! more; who begins it seals its key to everybody who may. Whoever was not known then is given it by another statement about the same epoch.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::codec::{self, CodecError};
use super::membership::MEMBERS_MAX;
use super::revocation::StatementId;
use super::{BadSignature, EpochId, KeyBox, KeyPair, NodeId, OwnerId, Signature, WallTime, verify};

/// Most epochs whose keys one statement hands on: those that stood side by side when it was made.
pub const EARLIER_MAX: usize = 64;
/// Most bytes of one encoded statement: a box for each member, the names of all who are shut out, and the keys before.
pub const KEY_EPOCH_LEN_MAX: usize = 256 * 1024;

const VERSION: u8 = 1;
const CONTEXT: &str = "cairn 1 key epoch";

/// What is wrong with a statement about an epoch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyEpochError {
    /// Not one at all.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A version that this node does not know.
    #[error("key epoch version {0} is not known here: update this node")]
    UnknownVersion(u8),
    /// Not signed by its issuer.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// Over [`EARLIER_MAX`] or [`MEMBERS_MAX`].
    #[error(
        "a key epoch hands on at most {EARLIER_MAX} keys, and names at most {MEMBERS_MAX} members in each list"
    )]
    TooMany,
}

/// What a statement says, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochKeys {
    /// Whose space.
    pub space: OwnerId,
    /// Which epoch.
    pub epoch: EpochId,
    /// Those that it takes the place of.
    pub earlier: Vec<EpochId>,
    /// Their keys in this order, sealed with this epoch's.
    pub handed_on: Vec<u8>,
    /// The epoch's key, for each of these Ed25519 keys: devices, and the owner.
    pub boxes: Vec<(NodeId, KeyBox)>,
    /// Who may read no more, and is why it began.
    pub shut_out: Vec<NodeId>,
    /// When it was made.
    pub issued: WallTime,
}

/// A signed statement about an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEpoch {
    keys: EpochKeys,
    issuer: NodeId,
    signature: Signature,
}

/// `[version, space, epoch, [earlier, …], handed on, [[recipient, box], …], [shut out, …], issued, issuer]`
#[derive(Serialize, Deserialize)]
struct Wire(
    u8,
    OwnerId,
    EpochId,
    Vec<EpochId>,
    ByteBuf,
    Vec<(NodeId, KeyBox)>,
    Vec<NodeId>,
    WallTime,
    NodeId,
);

impl Wire {
    fn of(keys: &EpochKeys, issuer: NodeId) -> Self {
        let EpochKeys {
            space,
            epoch,
            earlier,
            handed_on,
            boxes,
            shut_out,
            issued,
        } = keys.clone();
        let handed_on = ByteBuf::from(handed_on);
        Self(
            VERSION, space, epoch, earlier, handed_on, boxes, shut_out, issued, issuer,
        )
    }
}

impl KeyEpoch {
    /// Signs a statement.
    pub fn sign(keys: EpochKeys, issuer: &KeyPair) -> Self {
        let signed = codec::encode(&Wire::of(&keys, issuer.node_id()));
        let signature = issuer.sign(CONTEXT, &signed);
        Self {
            keys,
            issuer: issuer.node_id(),
            signature,
        }
    }

    /// What it says.
    pub fn keys(&self) -> &EpochKeys {
        &self.keys
    }

    /// Who signed it.
    pub fn issuer(&self) -> NodeId {
        self.issuer
    }

    /// Its name.
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.encode())
    }

    /// The box for the holder of a key.
    pub fn key_box(&self, recipient: NodeId) -> Option<&KeyBox> {
        let mut boxes = self.keys.boxes.iter();
        boxes.find(|(node, _)| *node == recipient).map(|(_, own)| own)
    }

    /// `[signed part, signature]`
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(Wire::of(&self.keys, self.issuer), self.signature))
    }

    /// Reads a statement and verifies bounds and signature; whether its issuer may make it is [`Membership`](super::Membership)'s to say.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyEpochError> {
        let (wire, signature): (Wire, Signature) = codec::decode(bytes, KEY_EPOCH_LEN_MAX)?;
        let signed = codec::encode(&wire);
        let Wire(version, space, epoch, earlier, handed_on, boxes, shut_out, issued, issuer) = wire;
        if version != VERSION {
            return Err(KeyEpochError::UnknownVersion(version));
        }
        if earlier.len() > EARLIER_MAX || boxes.len() > MEMBERS_MAX + 1 || shut_out.len() > MEMBERS_MAX {
            return Err(KeyEpochError::TooMany);
        }
        verify(&issuer.0, CONTEXT, &signed, &signature)?;
        let keys = EpochKeys {
            space,
            epoch,
            earlier,
            handed_on: handed_on.into_vec(),
            boxes,
            shut_out,
            issued,
        };
        Ok(Self {
            keys,
            issuer,
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> KeyEpoch {
        let own_box = KeyBox {
            ephemeral: [3; 32],
            sealed: [4; KeyBox::SEALED_LEN],
        };
        let keys = EpochKeys {
            space: OwnerId([1; 32]),
            epoch: EpochId([2; 8]),
            earlier: vec![EpochId([5; 8])],
            handed_on: vec![6; 72],
            boxes: vec![(NodeId([7; 32]), own_box)],
            shut_out: vec![NodeId([8; 32])],
            issued: WallTime(9),
        };
        KeyEpoch::sign(keys, &KeyPair::from_seed(&[1; 32]))
    }

    #[test]
    fn it_is_read_as_it_was_signed_and_not_otherwise() {
        let own = statement();
        let mut bytes = own.encode();
        assert_eq!(KeyEpoch::decode(&bytes), Ok(own));
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(KeyEpoch::decode(&bytes).is_err(), "byte {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn it_is_bounded() {
        let issuer = KeyPair::from_seed(&[1; 32]);
        let mut keys = statement().keys().clone();
        keys.earlier = vec![EpochId([5; 8]); EARLIER_MAX + 1];
        let long = KeyEpoch::sign(keys, &issuer).encode();
        assert_eq!(KeyEpoch::decode(&long), Err(KeyEpochError::TooMany));
        let mut keys = statement().keys().clone();
        keys.boxes = vec![keys.boxes[0].clone(); MEMBERS_MAX + 2];
        let long = KeyEpoch::sign(keys, &issuer).encode();
        assert_eq!(KeyEpoch::decode(&long), Err(KeyEpochError::TooMany));
    }
}
