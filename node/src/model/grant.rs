//! Device grants and revocations: who may hold and write a space.
//!
//! A grant names a subject's public key and what it may do. The owner's key issues grants, and so does every key whose
//! own grant includes [`Capabilities::ADMIT`]: an invite is a grant to a one-time key, with which the joining device
//! signs its own. So any node can check a newcomer with no link to whoever invited it. [`Membership`] is the set of
//! all grants and revocations of one space; it only grows, and merging is set union.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::Error as _};

use super::codec::{self, CodecError};
use super::{BadSignature, KeyPair, NodeId, OwnerId, Signature, WallTime, verify};

/// Most grants, and most revocations, of one space.
pub const MEMBERS_MAX: usize = 1024;
/// Most grants from the owner's to a device's own, both included. An invite leaves room for the grant of whoever takes it.
pub const CHAIN_LEN_MAX: usize = 8;
/// Most bytes of one encoded grant or revocation.
pub const GRANT_LEN_MAX: usize = 512;

const VERSION: u8 = 1;
const GRANT_CONTEXT: &str = "cairn 1 device grant";
const REVOCATION_CONTEXT: &str = "cairn 1 revocation";

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

    /// Says whether all of `other` is included.
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Says whether this is an invite's one-time key.
    pub fn is_invite(self) -> bool {
        self.0 & 16 != 0
    }

    fn without_invite(self) -> Self {
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
    /// The chain of grants from the owner would be longer than [`CHAIN_LEN_MAX`].
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

    /// `[[version, space, subject, capabilities, issued, expires, name, issuer], signature]`
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(self.to_wire(), self.signature))
    }

    /// Reads a grant and verifies its signature; whether its issuer may admit is [`Membership`]'s to say.
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

    /// Says whether its subject could issue `below`: it admits, includes what is given, and had not run out by then.
    fn admits(&self, below: &Self) -> bool {
        self.subject.0 == below.issuer
            && self.capabilities.includes(Capabilities::ADMIT)
            && self
                .capabilities
                .without_invite()
                .includes(below.capabilities.without_invite())
            && self.expires.is_none_or(|expires| below.issued < expires)
    }
}

/// A signed statement that a key belongs to a space no longer. It cannot be taken back: a device that returns makes
/// itself a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whose space.
    pub space: OwnerId,
    /// The key that is shut out.
    pub subject: NodeId,
    /// When.
    pub revoked: WallTime,
    /// The key that signed.
    pub issuer: [u8; 32],
    signature: Signature,
}

type WireRevocation = (u8, OwnerId, NodeId, WallTime, NodeId);

impl Revocation {
    /// Revokes `subject`, signed by `issuer`.
    pub fn issue(space: OwnerId, subject: NodeId, revoked: WallTime, issuer: &KeyPair) -> Self {
        let wire: WireRevocation = (VERSION, space, subject, revoked, issuer.node_id());
        let signature = issuer.sign(REVOCATION_CONTEXT, &codec::encode(&wire));
        Self {
            space,
            subject,
            revoked,
            issuer: issuer.public(),
            signature,
        }
    }

    /// `[[version, space, subject, revoked, issuer], signature]`
    pub fn encode(&self) -> Vec<u8> {
        let wire: WireRevocation = (
            VERSION,
            self.space,
            self.subject,
            self.revoked,
            NodeId(self.issuer),
        );
        codec::encode(&(wire, self.signature))
    }

    /// Reads a revocation and verifies its signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, GrantError> {
        let (wire, signature): (WireRevocation, Signature) = codec::decode(bytes, GRANT_LEN_MAX)?;
        let (version, space, subject, revoked, issuer) = wire;
        if version != VERSION {
            return Err(GrantError::UnknownVersion(version));
        }
        verify(&issuer.0, REVOCATION_CONTEXT, &codec::encode(&wire), &signature)?;
        Ok(Self {
            space,
            subject,
            revoked,
            issuer: issuer.0,
            signature,
        })
    }
}

/// All grants and revocations of one space, each checked before it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    space: OwnerId,
    grants: BTreeMap<(NodeId, Vec<u8>), Grant>,
    revocations: BTreeMap<(NodeId, Vec<u8>), Revocation>,
}

impl Membership {
    /// The membership of a new space: its owner's key alone.
    pub fn new(space: OwnerId) -> Self {
        Self {
            space,
            grants: BTreeMap::new(),
            revocations: BTreeMap::new(),
        }
    }

    /// Whose space.
    pub fn space(&self) -> OwnerId {
        self.space
    }

    /// Takes in a grant. `Ok(false)`: it was known. Fails when it is for another space, or its issuer may not admit.
    ///
    /// Chains are added from the owner's end: the issuer's own grant comes first.
    pub fn add_grant(&mut self, grant: Grant) -> Result<bool, GrantError> {
        if grant.space != self.space {
            return Err(GrantError::OtherSpace);
        }
        let key = (grant.subject, grant.encode());
        if self.grants.contains_key(&key) {
            return Ok(false);
        }
        if self.grants.len() >= MEMBERS_MAX {
            return Err(GrantError::TooMany);
        }
        self.check_issuer(&grant)?;
        self.grants.insert(key, grant);
        Ok(true)
    }

    /// Takes in a revocation. `Ok(false)`: it was known. The owner, any member that may admit, and the device itself
    /// may revoke it.
    pub fn add_revocation(&mut self, revocation: Revocation) -> Result<bool, GrantError> {
        if revocation.space != self.space {
            return Err(GrantError::OtherSpace);
        }
        let key = (revocation.subject, revocation.encode());
        if self.revocations.contains_key(&key) {
            return Ok(false);
        }
        if self.revocations.len() >= MEMBERS_MAX {
            return Err(GrantError::TooMany);
        }
        let issuer = revocation.issuer;
        let may = issuer == revocation.subject.0
            || issuer == self.space.0
            || self
                .capabilities_ever(NodeId(issuer))
                .is_some_and(|own| own.includes(Capabilities::ADMIT));
        if !may {
            return Err(GrantError::NotAdmitted);
        }
        self.revocations.insert(key, revocation);
        Ok(true)
    }

    /// What `subject` was ever granted, revoked or not: what was written before a revocation stays valid.
    pub fn capabilities_ever(&self, subject: NodeId) -> Option<Capabilities> {
        self.grants_of(subject)
            .map(|grant| grant.capabilities)
            .reduce(|a, b| Capabilities(a.0 | b.0))
    }

    /// What `subject` may do at `wall`; `None` when it is no member, revoked, or its grants ran out.
    pub fn capabilities(&self, subject: NodeId, wall: WallTime) -> Option<Capabilities> {
        if self.is_revoked(subject) {
            return None;
        }
        self.grants_of(subject)
            .filter(|grant| grant.expires.is_none_or(|expires| wall < expires))
            .map(|grant| grant.capabilities)
            .reduce(|a, b| Capabilities(a.0 | b.0))
            .filter(|capabilities| !capabilities.is_invite())
    }

    /// Says whether anybody revoked `subject`.
    pub fn is_revoked(&self, subject: NodeId) -> bool {
        self.revocations
            .range((subject, Vec::new())..)
            .next()
            .is_some_and(|((node, _), _)| *node == subject)
    }

    /// The devices that keep a copy at `wall`, ascending.
    pub fn holders(&self, wall: WallTime) -> Vec<NodeId> {
        let mut holders: Vec<NodeId> = self.grants.keys().map(|(subject, _)| *subject).collect();
        holders.dedup();
        holders.retain(|node| {
            self.capabilities(*node, wall)
                .is_some_and(|own| own.includes(Capabilities::HOLD))
        });
        holders
    }

    /// All grants, so that each stands behind those that admit its issuer to issue it.
    pub fn grants(&self) -> Vec<&Grant> {
        let mut ordered: Vec<&Grant> = self.grants.values().collect();
        ordered.sort_by_cached_key(|grant| (self.depth(grant), grant.subject));
        ordered
    }

    /// The grants that lead from the owner to `grant`, by the shortest way, the owner's end first and itself not
    /// among them. Empty when the owner issued it, and when nobody did who may.
    pub fn chain_to(&self, grant: &Grant) -> Vec<&Grant> {
        // Ends: whatever was taken in has a depth, and stands one step below the one that it is followed by.
        let mut chain: Vec<&Grant> = Vec::new();
        while let Some(above) = {
            let below = chain.last().copied().unwrap_or(grant);
            self.admitting(below).min_by_key(|above| self.depth(above))
        } {
            chain.push(above);
        }
        chain.reverse();
        chain
    }

    /// All revocations.
    pub fn revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.revocations.values()
    }

    fn grants_of(&self, subject: NodeId) -> impl Iterator<Item = &Grant> {
        self.grants
            .range((subject, Vec::new())..)
            .take_while(move |((node, _), _)| *node == subject)
            .map(|(_, grant)| grant)
    }

    /// The grants by which the issuer of `below` could issue it; none when that is the owner, who needs none.
    fn admitting<'a, 'b>(&'a self, below: &'b Grant) -> impl Iterator<Item = &'a Grant> + use<'a, 'b> {
        self.grants_of(NodeId(below.issuer))
            .filter(|above| below.issuer != self.space.0 && above.admits(below))
    }

    /// How many grants lead from the owner to `grant`, itself included, by the shortest chain in which each admits the
    /// next; `None` when there is none, or none within [`CHAIN_LEN_MAX`].
    ///
    /// It is the admitting grants that count, not the shortest way to a key: a device that may read by the owner's own
    /// grant may admit others by a longer one. Members may admit each other in a circle.
    fn depth(&self, grant: &Grant) -> Option<usize> {
        let mut seen = BTreeSet::new();
        let mut level = vec![grant];
        for depth in 1..=CHAIN_LEN_MAX {
            if level.iter().any(|grant| grant.issuer == self.space.0) {
                return Some(depth);
            }
            level = level
                .into_iter()
                .flat_map(|below| self.admitting(below))
                .filter(|above| seen.insert((above.subject, above.signature)))
                .collect();
        }
        None
    }

    /// The issuer is the owner, or stands at the end of a chain of grants that is not too long.
    fn check_issuer(&self, grant: &Grant) -> Result<(), GrantError> {
        // Whoever takes an invite stands one step further: an invite that nobody could take is none.
        let len_max = CHAIN_LEN_MAX - usize::from(grant.capabilities.is_invite());
        match self.depth(grant) {
            Some(depth) if depth <= len_max => Ok(()),
            None if self.admitting(grant).next().is_none() => Err(GrantError::NotAdmitted),
            _ => Err(GrantError::ChainTooLong),
        }
    }
}

/// On the wire: `[space, [grant bytes, …], [revocation bytes, …]]`, issuers before those they admitted.
impl Serialize for Membership {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = |bytes: Vec<u8>| serde_bytes::ByteBuf::from(bytes);
        let grants: Vec<_> = self
            .grants()
            .into_iter()
            .map(|grant| bytes(grant.encode()))
            .collect();
        let revocations: Vec<_> = self
            .revocations()
            .map(|revocation| bytes(revocation.encode()))
            .collect();
        (self.space, grants, revocations).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Membership {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Wire = (OwnerId, Vec<serde_bytes::ByteBuf>, Vec<serde_bytes::ByteBuf>);
        let (space, grants, revocations) = Wire::deserialize(deserializer)?;
        if grants.len() > MEMBERS_MAX || revocations.len() > MEMBERS_MAX {
            return Err(D::Error::custom(GrantError::TooMany));
        }
        let mut membership = Self::new(space);
        for bytes in grants {
            let grant = Grant::decode(&bytes).map_err(D::Error::custom)?;
            membership.add_grant(grant).map_err(D::Error::custom)?;
        }
        for bytes in revocations {
            let revocation = Revocation::decode(&bytes).map_err(D::Error::custom)?;
            membership.add_revocation(revocation).map_err(D::Error::custom)?;
        }
        Ok(membership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_000_000);

    fn key(seed: u8) -> KeyPair {
        KeyPair::from_seed(&[seed; 32])
    }

    fn grant(subject: &KeyPair, capabilities: Capabilities, issuer: &KeyPair) -> Grant {
        Grant::issue(
            key(1).owner_id(),
            subject.node_id(),
            capabilities,
            NOW,
            None,
            "laptop",
            issuer,
        )
    }

    fn invited() -> Membership {
        let (owner, invite, device) = (key(1), key(2), key(3));
        let mut membership = Membership::new(owner.owner_id());
        let code = Grant::issue(
            owner.owner_id(),
            invite.node_id(),
            Capabilities::INVITE,
            NOW,
            Some(WallTime(NOW.0 + 10)),
            "",
            &owner,
        );
        membership.add_grant(code).unwrap();
        membership
            .add_grant(grant(&device, Capabilities::ALL, &invite))
            .unwrap();
        membership
    }

    #[test]
    fn an_invite_admits_a_device_and_is_none_itself() {
        let membership = invited();
        assert_eq!(
            membership.capabilities(key(3).node_id(), NOW),
            Some(Capabilities::ALL)
        );
        assert_eq!(membership.capabilities(key(2).node_id(), NOW), None);
        assert_eq!(membership.holders(NOW), [key(3).node_id()]);
    }

    #[test]
    fn an_invite_that_ran_out_admits_nobody() {
        let mut membership = invited();
        let late = Grant::issue(
            key(1).owner_id(),
            key(4).node_id(),
            Capabilities::ALL,
            WallTime(NOW.0 + 10),
            None,
            "late",
            &key(2),
        );
        assert_eq!(membership.add_grant(late), Err(GrantError::NotAdmitted));
    }

    #[test]
    fn strangers_admit_nobody_and_nobody_gives_more_than_they_have() {
        let mut membership = invited();
        let stranger = grant(&key(6), Capabilities::READ, &key(5));
        assert_eq!(membership.add_grant(stranger), Err(GrantError::NotAdmitted));
        membership
            .add_grant(grant(&key(7), Capabilities(1 | 8), &key(3)))
            .unwrap();
        let more = grant(&key(8), Capabilities::ALL, &key(7));
        assert_eq!(membership.add_grant(more), Err(GrantError::NotAdmitted));
    }

    #[test]
    fn a_revoked_device_is_out_and_its_past_stays() {
        let mut membership = invited();
        let space = membership.space();
        let forged = Revocation::issue(space, key(3).node_id(), NOW, &key(9));
        assert_eq!(membership.add_revocation(forged), Err(GrantError::NotAdmitted));
        membership
            .add_revocation(Revocation::issue(space, key(3).node_id(), NOW, &key(1)))
            .unwrap();
        assert_eq!(membership.capabilities(key(3).node_id(), NOW), None);
        assert_eq!(
            membership.capabilities_ever(key(3).node_id()),
            Some(Capabilities::ALL)
        );
        assert!(membership.holders(NOW).is_empty());
    }

    #[test]
    fn membership_round_trips() {
        let mut membership = invited();
        membership
            .add_revocation(Revocation::issue(
                membership.space(),
                key(3).node_id(),
                NOW,
                &key(1),
            ))
            .unwrap();
        let bytes = codec::encode(&membership);
        assert_eq!(codec::decode::<Membership>(&bytes, 1 << 20), Ok(membership));
    }

    /// A device could read by the owner's own grant, and admit by that of another member. The first made it look
    /// nearer to the owner than its right to admit was, so that what it issued was sent before that right, and nobody
    /// could read the membership any more.
    #[test]
    fn a_membership_is_read_by_others_though_a_key_has_a_shorter_chain_that_does_not_admit() {
        let (owner, admitter) = (key(1), key(2));
        let mut others: Vec<KeyPair> = (3..7).map(key).collect();
        others.sort_by_key(KeyPair::node_id);
        for (reader, subject) in [(&others[3], &others[0]), (&others[0], &others[3])] {
            let mut membership = Membership::new(owner.owner_id());
            for grant in [
                grant(reader, Capabilities::READ, &owner),
                grant(&admitter, Capabilities::ALL, &owner),
                grant(reader, Capabilities::ALL, &admitter),
                grant(subject, Capabilities::ALL, reader),
            ] {
                assert_eq!(membership.add_grant(grant), Ok(true));
            }
            let bytes = codec::encode(&membership);
            assert_eq!(codec::decode::<Membership>(&bytes, 1 << 20), Ok(membership));
        }
    }

    #[test]
    fn a_chain_ends_at_its_greatest_length_and_invites_one_step_before() {
        let mut membership = Membership::new(key(1).owner_id());
        for step in 1..=CHAIN_LEN_MAX as u8 {
            let invite = grant(&key(90), Capabilities::INVITE, &key(step));
            let last = step == CHAIN_LEN_MAX as u8;
            let expected = if last {
                Err(GrantError::ChainTooLong)
            } else {
                Ok(true)
            };
            assert_eq!(membership.clone().add_grant(invite), expected);
            let next = grant(&key(step + 1), Capabilities::ALL, &key(step));
            assert_eq!(membership.chain_to(&next).len(), usize::from(step) - 1);
            assert_eq!(membership.add_grant(next), Ok(true));
        }
        let issuer = CHAIN_LEN_MAX as u8 + 1;
        let further = grant(&key(99), Capabilities::READ, &key(issuer));
        assert_eq!(membership.add_grant(further), Err(GrantError::ChainTooLong));
    }

    #[test]
    fn a_long_name_is_refused_even_if_it_is_signed() {
        let mut long = grant(&key(3), Capabilities::ALL, &key(1));
        long.name = "x".repeat(GRANT_NAME_LEN_MAX + 1);
        long.signature = key(1).sign(GRANT_CONTEXT, &codec::encode(&long.to_wire()));
        assert_eq!(Grant::decode(&long.encode()), Err(GrantError::NameTooLong));
    }

    #[test]
    fn a_forged_grant_is_refused() {
        let mut bytes = grant(&key(3), Capabilities::ALL, &key(1)).encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(Grant::decode(&bytes), Err(GrantError::BadSignature(BadSignature)));
    }
}
