//! Device grants: who may hold and write a space.
//!
//! A grant names a subject's public key and what it may do. The owner's key issues grants, and so does every key whose
//! own grant includes [`Capabilities::ADMIT`] or is an invite's: an invite is a grant to a one-time key, with which the joining device
//! signs its own. So any node can check a newcomer with no link to whoever invited it.

use serde::{Deserialize, Serialize};

use super::codec::{self, CodecError};
use super::membership::MEMBERS_MAX;
use super::revocation::StatementId;
use super::{BadSignature, KeyPair, NodeId, OwnerId, Signature, WallTime, verify};

/// Most bytes of one encoded grant.
pub const GRANT_LEN_MAX: usize = 512;

const VERSION: u8 = 1;
const GRANT_CONTEXT: &str = "cairn 1 device grant";

/// What a key may do in a space, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(u8);

impl Capabilities {
    /// May read the documents.
    pub const READ: Self = Self(1);
    /// May write documents.
    pub const WRITE: Self = Self(2);
    /// Keeps a copy, and is waited for before a change counts as delivered.
    pub const HOLD: Self = Self(4);
    /// May issue grants with at most its own capabilities.
    pub const ADMIT: Self = Self(8);
    /// Everything: one of the owner's own devices.
    pub const ALL: Self = Self(15);
    /// A one-time key in an invite: admits, and does nothing else itself.
    pub const INVITE: Self = Self(16 | 15);

    /// The key of another user in a folder that is shared with that user: lets the user's devices in, who may read. It gives what it has, and so
    /// nobody the right to admit or to revoke.
    pub const GUEST_READS: Self = Self(16 | 4 | 1);
    /// Likewise, to read and write.
    pub const GUEST_WRITES: Self = Self(16 | 4 | 2 | 1);

    /// A key that lets one custodian in: who is to go takes the key with it, and may come again by another.
    pub const CUSTODY_KEY: Self = Self(16 | 4);

    /// Says whether all of `other` is included.
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Says whether this is an invite's one-time key.
    pub const fn is_invite(self) -> bool {
        self.0 & 16 != 0
    }

    /// What either set includes.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What a key with these may give.
    pub(super) const fn without_invite(self) -> Self {
        Self(self.0 & 15)
    }
}

/// What is wrong with a grant or revocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Not a grant at all.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A version that this node does not know.
    #[error("grant version {0} is not known here: update this node")]
    UnknownVersion(u8),
    /// Not signed by its issuer.
    #[error(transparent)]
    BadSignature(#[from] BadSignature),
    /// For another space.
    #[error("this grant is for another owner's space")]
    OtherSpace,
    /// No chain of valid grants leads from the owner to the issuer.
    #[error("the issuer of this grant may not admit anyone")]
    NotAdmitted,
    /// A revocation of the owner's own key.
    #[error("the owner's key cannot be revoked")]
    OwnerKey,
    /// The chain of grants from the owner would be longer than [`CHAIN_LEN_MAX`](super::CHAIN_LEN_MAX).
    #[error(
        "too many devices stand between the owner and this one: let a device invite that was invited earlier"
    )]
    ChainTooLong,
    /// Over [`GRANT_NAME_LEN_MAX`].
    #[error("a name in a grant has at most {GRANT_NAME_LEN_MAX} bytes")]
    NameTooLong,
    /// Over [`MEMBERS_MAX`].
    #[error("a space has at most {MEMBERS_MAX} members")]
    TooMany,
}

/// A signed statement that a key belongs to a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose space.
    pub space: OwnerId,
    /// The key that is admitted: a device, or an invite's one-time key.
    pub subject: NodeId,
    /// What it may do.
    pub capabilities: Capabilities,
    /// When it was issued.
    pub issued: WallTime,
    /// From when on nothing new is admitted by it; `None` for ever.
    pub expires: Option<WallTime>,
    /// A name for people, such as the device's host name.
    pub name: String,
    /// The key that signed: the owner's, or one that may admit.
    pub issuer: [u8; 32],
    signature: Signature,
}

/// Most bytes of a grant's name.
pub const GRANT_NAME_LEN_MAX: usize = 64;

type WireGrant = (
    u8,
    OwnerId,
    NodeId,
    Capabilities,
    WallTime,
    Option<WallTime>,
    String,
    NodeId,
);

impl Grant {
    /// Issues a grant, signed by `issuer`. A name over [`GRANT_NAME_LEN_MAX`] bytes is cut.
    pub fn issue(
        space: OwnerId,
        subject: NodeId,
        capabilities: Capabilities,
        issued: WallTime,
        expires: Option<WallTime>,
        name: &str,
        issuer: &KeyPair,
    ) -> Self {
        let cut = name.floor_char_boundary(GRANT_NAME_LEN_MAX);
        let mut grant = Self {
            space,
            subject,
            capabilities,
            issued,
            expires,
            name: name[..cut].to_owned(),
            issuer: issuer.public(),
            signature: Signature([0; 64]),
        };
        grant.signature = issuer.sign(GRANT_CONTEXT, &codec::encode(&grant.to_wire()));
        grant
    }

    fn to_wire(&self) -> WireGrant {
        (
            VERSION,
            self.space,
            self.subject,
            self.capabilities,
            self.issued,
            self.expires,
            self.name.clone(),
            NodeId(self.issuer),
        )
    }

    /// The grant's name, for revocations that keep it.
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.encode())
    }

    /// `[[version, space, subject, capabilities, issued, expires, name, issuer], signature]`
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(self.to_wire(), self.signature))
    }

    /// Reads a grant and verifies its signature; whether its issuer may admit is [`Membership`](super::membership::Membership)'s to say.
    pub fn decode(bytes: &[u8]) -> Result<Self, GrantError> {
        let (wire, signature): (WireGrant, Signature) = codec::decode(bytes, GRANT_LEN_MAX)?;
        let (version, space, subject, capabilities, issued, expires, name, issuer) = wire.clone();
        if version != VERSION {
            return Err(GrantError::UnknownVersion(version));
        }
        if name.len() > GRANT_NAME_LEN_MAX {
            return Err(GrantError::NameTooLong);
        }
        verify(&issuer.0, GRANT_CONTEXT, &codec::encode(&wire), &signature)?;
        Ok(Self {
            space,
            subject,
            capabilities,
            issued,
            expires,
            name,
            issuer: issuer.0,
            signature,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_grant_is_refused() {
        let owner = KeyPair::from_seed(&[1; 32]);
        let subject = NodeId([3; 32]);
        let all = Capabilities::ALL;
        let grant = Grant::issue(
            owner.owner_id(),
            subject,
            all,
            WallTime(1),
            None,
            "laptop",
            &owner,
        );
        let mut bytes = grant.encode();
        assert_eq!(Grant::decode(&bytes), Ok(grant));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(Grant::decode(&bytes), Err(GrantError::BadSignature(BadSignature)));
    }

    #[test]
    fn a_long_name_is_refused_even_if_it_is_signed() {
        let owner = KeyPair::from_seed(&[1; 32]);
        let subject = NodeId([3; 32]);
        let all = Capabilities::ALL;
        let mut long = Grant::issue(owner.owner_id(), subject, all, WallTime(1), None, "", &owner);
        long.name = "x".repeat(GRANT_NAME_LEN_MAX + 1);
        long.signature = owner.sign(GRANT_CONTEXT, &codec::encode(&long.to_wire()));
        assert_eq!(Grant::decode(&long.encode()), Err(GrantError::NameTooLong));
    }
}
