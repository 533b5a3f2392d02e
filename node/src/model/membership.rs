//! All grants and revocations of one space, and statements about epochs of its key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize, de::Error as _};

use super::access::{self, Area, Asker, Deed};
use super::grant::{Capabilities, Grant, GrantError};
use super::key_epoch::KeyEpoch;
use super::key_epochs::KEY_EPOCHS_MAX;
use super::revocation::{Revocation, StatementId};
use super::standing::{Standing, depths, lets_issue};
use super::{Hash, NodeId, OwnerId, WallTime, codec};

/// Most grants, and most revocations, of one space.
pub const MEMBERS_MAX: usize = 1024;
/// Most grants from the owner's to a device's own, both included. An invite leaves room for the grant of whoever takes
/// it.
pub const CHAIN_LEN_MAX: usize = 8;

/// All grants, revocations and key epochs of one space, each checked before it came in. It only grows, and merging is set union;
/// which of them stand is judged from the sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    space: OwnerId,
    grants: BTreeMap<StatementId, Grant>,
    by_subject: BTreeMap<NodeId, BTreeSet<StatementId>>,
    revocations: BTreeMap<StatementId, Revocation>,
    pub(super) key_epochs: BTreeMap<StatementId, KeyEpoch>,
    /// How many grants lead from the owner to each, itself included, by the shortest chain in which each lets the next
    /// be issued. Members may admit each other in a circle, and a device may read by a shorter chain than it admits by.
    depths: BTreeMap<StatementId, usize>,
    standing: Standing,
    digest: KnownDigest,
}

/// The digest of the statements, once somebody asked for it: it follows from them.
#[derive(Debug, Clone, Default)]
struct KnownDigest(OnceLock<Hash>);

impl PartialEq for KnownDigest {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for KnownDigest {}

impl Membership {
    /// The membership of a new space: its owner's key alone.
    pub fn new(space: OwnerId) -> Self {
        Self {
            space,
            grants: BTreeMap::new(),
            by_subject: BTreeMap::new(),
            revocations: BTreeMap::new(),
            key_epochs: BTreeMap::new(),
            depths: BTreeMap::new(),
            standing: Standing::default(),
            digest: KnownDigest::default(),
        }
    }

    /// Stands for all statements: equal on nodes that know the same.
    pub fn digest(&self) -> Hash {
        *self.digest.0.get_or_init(|| Hash::of(&codec::encode(self)))
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

    /// Takes in all that another membership of the space knows and that can stand here. Says whether there was anything new.
    pub fn merge(&mut self, other: &Self) -> bool {
        let mut grown = false;
        for grant in other.grants() {
            grown |= self.insert_grant(grant.clone()).unwrap_or(false);
        }
        for revocation in other.revocations() {
            grown |= self.insert_revocation(revocation.clone()).unwrap_or(false);
        }
        for statement in other.key_epochs() {
            grown |= self.insert_key_epoch(statement.clone()).unwrap_or(false);
        }
        if grown {
            self.judge();
        }
        grown
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
        // Whoever takes an invite stands one step further: an invite that nobody could take is none.
        let depth_max = CHAIN_LEN_MAX - usize::from(grant.capabilities.is_invite());
        let depth = self.depth(&grant).ok_or(GrantError::NotAdmitted)?;
        if depth > depth_max {
            return Err(GrantError::ChainTooLong);
        }
        let shortens = self.grants.values().any(|below| below.issuer == grant.subject.0);
        self.by_subject.entry(grant.subject).or_default().insert(id);
        self.grants.insert(id, grant);
        if shortens {
            self.depths = depths(self.space, &self.grants);
        } else {
            self.depths.insert(id, depth);
        }
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
                .is_some_and(|own| access::may(Asker::Key(own), Deed::ShutOut, Area::WHOLE));
        if !may {
            return Err(GrantError::NotAdmitted);
        }
        self.revocations.insert(id, revocation);
        Ok(true)
    }

    pub(super) fn forget_digest(&mut self) {
        self.digest = KnownDigest::default();
    }

    fn judge(&mut self) {
        self.forget_digest();
        self.standing = Standing::judge(self.space, &self.grants, &self.depths, &self.revocations);
    }

    /// The names of all statements.
    pub fn statements(&self) -> impl Iterator<Item = StatementId> + '_ {
        let statements = self.grants.keys().chain(self.revocations.keys());
        statements.chain(self.key_epochs.keys()).copied()
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

    /// Says whether what was granted to `subject` lets it do that there at `wall`.
    pub fn may(&self, subject: NodeId, deed: Deed, area: Area<'_>, wall: WallTime) -> bool {
        let own = self.capabilities(subject, wall);
        access::may(own.map_or(Asker::Anyone, Asker::Key), deed, area)
    }

    /// All that `subject` was ever granted, by each grant: invites too.
    pub(super) fn grants_ever(&self, subject: NodeId) -> impl Iterator<Item = Capabilities> {
        self.grants_of(subject).map(|(_, grant)| grant.capabilities)
    }

    /// What the grants of `subject` that stand give it, whether or not they ran out.
    pub fn granted_still(&self, subject: NodeId) -> Option<Capabilities> {
        self.grants_of(subject)
            .filter(|(id, _)| self.standing.has(**id))
            .map(|(_, grant)| grant.capabilities)
            .reduce(Capabilities::union)
    }

    /// Says whether a revocation of `subject` is in force.
    pub fn is_revoked(&self, subject: NodeId) -> bool {
        self.standing.is_revoked(subject)
    }

    /// The devices that keep a copy at `wall`, ascending.
    pub fn holders(&self, wall: WallTime) -> Vec<NodeId> {
        let mut holders: Vec<NodeId> = self.by_subject.keys().copied().collect();
        holders.retain(|node| {
            self.capabilities(*node, wall)
                .is_some_and(|own| own.includes(Capabilities::HOLD))
        });
        holders
    }

    /// All grants, so that each stands behind one that lets its issuer issue it.
    pub fn grants(&self) -> Vec<&Grant> {
        let mut ordered: Vec<_> = self.grants.iter().collect();
        ordered.sort_by_key(|(id, _)| (self.depths.get(*id).copied(), **id));
        ordered.into_iter().map(|(_, grant)| grant).collect()
    }

    /// Whom the grants are for, ascending.
    pub fn subjects(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.by_subject.keys().copied()
    }

    /// The grants that lead from the owner to `grant`, by the shortest way, the owner's end first and itself not
    /// among them. Empty when the owner issued it, and when nobody did who may.
    pub fn chain_to(&self, grant: &Grant) -> Vec<&Grant> {
        // Ends: whatever was taken in stands one step below the one that admits it by the shortest way.
        let mut chain: Vec<&Grant> = Vec::new();
        while let Some(above) = {
            let below = chain.last().copied().unwrap_or(grant);
            self.admitting(below).min_by_key(|(_, depth)| *depth)
        } {
            chain.push(above.0);
        }
        chain.reverse();
        chain
    }

    /// All revocations.
    pub fn revocations(&self) -> impl Iterator<Item = &Revocation> {
        self.revocations.values()
    }

    fn grants_of(&self, subject: NodeId) -> impl Iterator<Item = (&StatementId, &Grant)> {
        let of_subject = self.by_subject.get(&subject).into_iter().flatten();
        of_subject.filter_map(|id| self.grants.get_key_value(id))
    }

    /// The grants that let the issuer of `below` issue it, with their depths; none when that is the owner, who needs
    /// none.
    fn admitting<'a, 'b>(
        &'a self,
        below: &'b Grant,
    ) -> impl Iterator<Item = (&'a Grant, usize)> + use<'a, 'b> {
        self.grants_of(NodeId(below.issuer))
            .filter(move |(_, above)| below.issuer != self.space.0 && lets_issue(above, below))
            .filter_map(|(id, above)| Some((above, *self.depths.get(id)?)))
    }

    /// How many grants lead from the owner to `grant`, itself included; `None` when nobody issued it who may.
    fn depth(&self, grant: &Grant) -> Option<usize> {
        if grant.issuer == self.space.0 {
            return Some(1);
        }
        self.admitting(grant).map(|(_, depth)| depth + 1).min()
    }
}

/// On the wire: `[space, [grant bytes, …], [revocation bytes, …], [key epoch bytes, …]]`, issuers before those they admitted.
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
        let key_epochs: Vec<_> = self
            .key_epochs()
            .map(|statement| bytes(statement.encode()))
            .collect();
        (self.space, grants, revocations, key_epochs).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Membership {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Statements = Vec<serde_bytes::ByteBuf>;
        type Wire = (OwnerId, Statements, Statements, Statements);
        let (space, grants, revocations, key_epochs) = Wire::deserialize(deserializer)?;
        if grants.len() > MEMBERS_MAX || revocations.len() > MEMBERS_MAX || key_epochs.len() > KEY_EPOCHS_MAX
        {
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
        for bytes in key_epochs {
            let statement = KeyEpoch::decode(&bytes).map_err(D::Error::custom)?;
            membership.insert_key_epoch(statement).map_err(D::Error::custom)?;
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
        // A grant higher up brings all below it nearer.
        membership
            .add_grant(grant(&key(issuer), Capabilities::ALL, &key(1)))
            .unwrap();
        let further = grant(&key(99), Capabilities::READ, &key(issuer));
        assert_eq!(membership.add_grant(further), Ok(true));
    }
}
