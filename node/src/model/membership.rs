//! All grants and revocations of one space.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::Error as _};

use super::grant::{Capabilities, Grant, GrantError};
use super::revocation::{Revocation, StatementId};
use super::standing::{Standing, depths, lets_issue};
use super::{NodeId, OwnerId, WallTime};

/// Most grants, and most revocations, of one space.
pub const MEMBERS_MAX: usize = 1024;
/// Most steps from the owner's key to a device's grant.
pub const CHAIN_LEN_MAX: usize = 8;

/// All grants and revocations of one space, each checked before it came in. It only grows, and merging is set union;
/// which of them stand is judged from the sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    space: OwnerId,
    grants: BTreeMap<StatementId, Grant>,
    revocations: BTreeMap<StatementId, Revocation>,
    standing: Standing,
}

impl Membership {
    /// The membership of a new space: its owner's key alone.
    pub fn new(space: OwnerId) -> Self {
        Self {
            space,
            grants: BTreeMap::new(),
            revocations: BTreeMap::new(),
            standing: Standing::default(),
        }
    }

    /// Whose space.
    pub fn space(&self) -> OwnerId {
        self.space
    }

    /// Takes in a grant. `Ok(false)`: it was known. Fails when it is for another space, or no chain of grants, revoked
    /// or not, leads from the owner to its issuer.
    ///
    /// Chains are added from the owner's end: the issuer's own grant comes first.
    pub fn add_grant(&mut self, grant: Grant) -> Result<bool, GrantError> {
        let added = self.insert_grant(grant)?;
        if added {
            self.judge();
        }
        Ok(added)
    }

    /// Takes in a revocation. `Ok(false)`: it was known. The owner, any member that may admit, and the device itself
    /// may revoke it.
    pub fn add_revocation(&mut self, revocation: Revocation) -> Result<bool, GrantError> {
        let added = self.insert_revocation(revocation)?;
        if added {
            self.judge();
        }
        Ok(added)
    }

    fn insert_grant(&mut self, grant: Grant) -> Result<bool, GrantError> {
        if grant.space != self.space {
            return Err(GrantError::OtherSpace);
        }
        let id = grant.id();
        if self.grants.contains_key(&id) {
            return Ok(false);
        }
        if self.grants.len() >= MEMBERS_MAX {
            return Err(GrantError::TooMany);
        }
        self.check_issuer(&grant)?;
        self.grants.insert(id, grant);
        Ok(true)
    }

    fn insert_revocation(&mut self, revocation: Revocation) -> Result<bool, GrantError> {
        if revocation.space != self.space {
            return Err(GrantError::OtherSpace);
        }
        if revocation.subject.0 == self.space.0 {
            return Err(GrantError::OwnerKey);
        }
        let id = revocation.id();
        if self.revocations.contains_key(&id) {
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
        self.revocations.insert(id, revocation);
        Ok(true)
    }

    fn judge(&mut self) {
        self.standing = Standing::judge(self.space, &self.grants, &self.revocations);
    }

    /// The grants and revocations that `subject` signed, itself or by an invite of its: what a revocation of it keeps
    /// if whoever revokes it knows nothing against them. The newest grants first.
    pub fn statements_of(&self, subject: NodeId) -> Vec<StatementId> {
        let answers = |issuer: [u8; 32]| {
            let mut invites = self.grants_of(NodeId(issuer));
            issuer == subject.0
                || invites.any(|(_, grant)| grant.capabilities.is_invite() && grant.issuer == subject.0)
        };
        let mut grants: Vec<_> = self
            .grants
            .iter()
            .filter(|(_, grant)| answers(grant.issuer))
            .collect();
        grants.sort_by_key(|(_, grant)| std::cmp::Reverse(grant.issued));
        let revocations = self
            .revocations
            .iter()
            .filter(|(_, revocation)| revocation.issuer == subject.0);
        let revocations = revocations.map(|(id, _)| *id);
        revocations.chain(grants.into_iter().map(|(id, _)| *id)).collect()
    }

    /// What `subject` was ever granted, revoked or not: what was written before a revocation stays valid.
    pub fn capabilities_ever(&self, subject: NodeId) -> Option<Capabilities> {
        self.grants_of(subject)
            .map(|(_, grant)| grant.capabilities)
            .filter(|capabilities| !capabilities.is_invite())
            .reduce(Capabilities::union)
    }

    /// What `subject` may do at `wall`; `None` when it is no member, revoked, or its grants ran out or stand no longer.
    pub fn capabilities(&self, subject: NodeId, wall: WallTime) -> Option<Capabilities> {
        if self.is_revoked(subject) {
            return None;
        }
        self.grants_of(subject)
            .filter(|(id, _)| self.standing.has(**id))
            .filter(|(_, grant)| grant.expires.is_none_or(|expires| wall < expires))
            .map(|(_, grant)| grant.capabilities)
            .filter(|capabilities| !capabilities.is_invite())
            .reduce(Capabilities::union)
    }

    /// Says whether a revocation of `subject` is in force.
    pub fn is_revoked(&self, subject: NodeId) -> bool {
        self.standing.is_revoked(subject)
    }

    /// The devices that keep a copy at `wall`, ascending.
    pub fn holders(&self, wall: WallTime) -> Vec<NodeId> {
        let mut holders: Vec<NodeId> = self.grants.values().map(|grant| grant.subject).collect();
        holders.sort_unstable();
        holders.dedup();
        holders.retain(|node| {
            self.capabilities(*node, wall)
                .is_some_and(|own| own.includes(Capabilities::HOLD))
        });
        holders
    }

    /// All grants, so that each stands behind its issuer's.
    pub fn grants(&self) -> Vec<&Grant> {
        let depths = depths(self.space, &self.grants);
        let mut ordered: Vec<&Grant> = self.grants.values().collect();
        ordered.sort_by_key(|grant| (depths.get(&grant.issuer).copied(), grant.subject));
        ordered
    }

    /// All revocations.
    pub fn revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.revocations.values()
    }

    fn grants_of(&self, subject: NodeId) -> impl Iterator<Item = (&StatementId, &Grant)> {
        self.grants
            .iter()
            .filter(move |(_, grant)| grant.subject == subject)
    }

    /// The issuer is the owner, or has a grant that lets it, within the length of a chain.
    fn check_issuer(&self, grant: &Grant) -> Result<(), GrantError> {
        if grant.issuer == self.space.0 {
            return Ok(());
        }
        let admits = self
            .grants_of(NodeId(grant.issuer))
            .any(|(_, above)| lets_issue(above, grant));
        let within = || {
            depths(self.space, &self.grants)
                .get(&grant.issuer)
                .is_some_and(|depth| *depth < CHAIN_LEN_MAX)
        };
        if admits && within() {
            Ok(())
        } else {
            Err(GrantError::NotAdmitted)
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
            membership.insert_grant(grant).map_err(D::Error::custom)?;
        }
        for bytes in revocations {
            let revocation = Revocation::decode(&bytes).map_err(D::Error::custom)?;
            membership
                .insert_revocation(revocation)
                .map_err(D::Error::custom)?;
        }
        membership.judge();
        Ok(membership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyPair, codec};

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
            .add_grant(grant(
                &key(7),
                Capabilities::READ.union(Capabilities::ADMIT),
                &key(3),
            ))
            .unwrap();
        let more = grant(&key(8), Capabilities::ALL, &key(7));
        assert_eq!(membership.add_grant(more), Err(GrantError::NotAdmitted));
    }

    #[test]
    fn a_revoked_device_is_out_and_its_past_stays() {
        let mut membership = invited();
        let space = membership.space();
        let forged = Revocation::issue(space, key(3).node_id(), NOW, Vec::new(), &key(9));
        assert_eq!(membership.add_revocation(forged), Err(GrantError::NotAdmitted));
        membership
            .add_revocation(Revocation::issue(
                space,
                key(3).node_id(),
                NOW,
                Vec::new(),
                &key(1),
            ))
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
                Vec::new(),
                &key(1),
            ))
            .unwrap();
        let bytes = codec::encode(&membership);
        assert_eq!(codec::decode::<Membership>(&bytes, 1 << 20), Ok(membership));
    }

    fn revoke(membership: &mut Membership, subject: &KeyPair, issuer: &KeyPair) {
        let kept = membership.statements_of(subject.node_id());
        let revocation = Revocation::issue(membership.space(), subject.node_id(), NOW, kept, issuer);
        membership.add_revocation(revocation).unwrap();
    }

    fn is_member(membership: &Membership, subject: &KeyPair) -> bool {
        membership.capabilities(subject.node_id(), NOW).is_some()
    }

    #[test]
    fn a_revoked_device_admits_nobody_any_more_and_those_it_admitted_stay() {
        let mut membership = invited();
        let (device, friend, invite, late) = (key(3), key(4), key(5), key(6));
        membership
            .add_grant(grant(&friend, Capabilities::ALL, &device))
            .unwrap();
        // An invite that was out when the device was lost.
        membership
            .add_grant(grant(&invite, Capabilities::INVITE, &device))
            .unwrap();
        revoke(&mut membership, &device, &key(1));
        assert!(is_member(&membership, &friend) && !is_member(&membership, &device));
        // It may write any date it likes.
        let backdated = Grant::issue(
            membership.space(),
            late.node_id(),
            Capabilities::ALL,
            WallTime(1),
            None,
            "",
            &device,
        );
        membership.add_grant(backdated).unwrap();
        assert!(!is_member(&membership, &late));
        membership
            .add_grant(grant(&key(7), Capabilities::ALL, &invite))
            .unwrap();
        assert!(!is_member(&membership, &key(7)), "it knows its invites' keys");
        // The owner's own word lets the same key in.
        membership
            .add_grant(grant(&late, Capabilities::ALL, &key(1)))
            .unwrap();
        assert!(is_member(&membership, &late));
    }

    #[test]
    fn a_lost_devices_revocations_fall_with_it() {
        let mut membership = invited();
        let (lost, friend) = (key(3), key(4));
        membership
            .add_grant(grant(&friend, Capabilities::ALL, &lost))
            .unwrap();
        revoke(&mut membership, &key(9), &lost);
        let owners_view = membership.clone();
        // The thief shuts the friend out; the owner, who has not heard of that, shuts the thief out.
        revoke(&mut membership, &friend, &lost);
        assert!(!is_member(&membership, &friend));
        let kept = owners_view.statements_of(lost.node_id());
        let revocation = Revocation::issue(membership.space(), lost.node_id(), NOW, kept, &key(1));
        membership.add_revocation(revocation).unwrap();
        assert!(is_member(&membership, &friend) && !is_member(&membership, &lost));
        assert!(
            membership.is_revoked(key(9).node_id()),
            "what it revoked before stays revoked"
        );
    }

    #[test]
    fn an_invite_to_a_members_key_takes_nothing_from_it() {
        let mut membership = invited();
        let (device, other) = (key(3), key(4));
        membership
            .add_grant(grant(&other, Capabilities::ALL, &key(1)))
            .unwrap();
        membership
            .add_grant(grant(&other, Capabilities::INVITE, &device))
            .unwrap();
        assert!(is_member(&membership, &other));
        revoke(&mut membership, &device, &key(1));
        membership
            .add_grant(grant(&key(8), Capabilities::ALL, &other))
            .unwrap();
        assert!(is_member(&membership, &key(8)));
    }

    #[test]
    fn the_owner_cannot_be_shut_out() {
        let mut membership = invited();
        let owner = NodeId(membership.space().0);
        let revocation = Revocation::issue(membership.space(), owner, NOW, Vec::new(), &key(3));
        assert_eq!(membership.add_revocation(revocation), Err(GrantError::OwnerKey));
    }

    #[test]
    fn the_order_of_statements_does_not_matter() {
        let (owner, a, b, c) = (key(1), key(3), key(4), key(5));
        let space = owner.owner_id();
        let grants = [
            grant(&a, Capabilities::ALL, &owner),
            grant(&b, Capabilities::ALL, &owner),
            grant(&c, Capabilities::ALL, &a),
            grant(&c, Capabilities::READ, &b),
        ];
        let revocations = [
            Revocation::issue(space, a.node_id(), NOW, Vec::new(), &b),
            Revocation::issue(space, b.node_id(), NOW, Vec::new(), &a),
            Revocation::issue(space, b.node_id(), NOW, vec![grants[3].id()], &owner),
        ];
        let mut first: Option<Membership> = None;
        for rotation in 0..12 {
            let mut membership = Membership::new(space);
            let mut early: Vec<_> = grants[..2].to_vec();
            early.rotate_left(rotation % 2);
            let mut late: Vec<_> = grants[2..].to_vec();
            late.rotate_left(rotation / 2 % 2);
            for grant in early {
                membership.add_grant(grant).unwrap();
            }
            let mut shuffled = revocations.to_vec();
            shuffled.rotate_left(rotation % 3);
            membership.add_revocation(shuffled.remove(0)).unwrap();
            for grant in late {
                membership.add_grant(grant).unwrap();
            }
            for revocation in shuffled {
                membership.add_revocation(revocation).unwrap();
            }
            assert_eq!(*first.get_or_insert_with(|| membership.clone()), membership);
        }
        let membership = first.unwrap();
        // The owner shut b out, so b's word against a does not count; what a said of c stands.
        assert!(is_member(&membership, &a) && !is_member(&membership, &b));
        assert_eq!(membership.capabilities(c.node_id(), NOW), Some(Capabilities::ALL));
    }
}
