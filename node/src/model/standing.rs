//! Which grants and revocations of a space stand, given each other.
//!
//! A grant stands if its issuer is the owner's key, or has a standing grant that admits and includes what is given,
//! and no revocation in force voids it. A revocation voids all that its subject signed and that it does not keep. What
//! an invite's one-time key signed counts as signed by the invite's issuer too, who knows that key.
//!
//! Revocations whose issuers are nearer to the owner are judged first: so a lost device's revocations fall with it,
//! and it cannot shut out those above it before they have shut it out. All this follows from the sets alone: nodes
//! that know the same statements agree, in whatever order they heard them.

use std::collections::{BTreeMap, BTreeSet};

use super::access::{self, Area, Asker, Deed};
use super::grant::Grant;
use super::membership::CHAIN_LEN_MAX;
use super::revocation::{Revocation, StatementId};
use super::{NodeId, OwnerId};

/// What stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Standing {
    grants: BTreeSet<StatementId>,
    revoked: BTreeSet<NodeId>,
}

impl Standing {
    /// Judges all statements of a space. Each was checked to be well signed and to hang together.
    pub(super) fn judge(
        space: OwnerId,
        grants: &BTreeMap<StatementId, Grant>,
        depths: &BTreeMap<StatementId, usize>,
        revocations: &BTreeMap<StatementId, Revocation>,
    ) -> Self {
        let judge = Judge { space, grants };
        let mut issuers = BTreeMap::from([(space.0, 0)]);
        for (id, depth) in depths {
            if let Some(grant) = grants.get(id).filter(|grant| lets_revoke(grant)) {
                let nearest = issuers.entry(grant.subject.0).or_insert(*depth);
                *nearest = (*nearest).min(*depth);
            }
        }
        let mut in_force: Vec<&Revocation> = Vec::new();
        for depth in 0..=CHAIN_LEN_MAX {
            let standing = judge.standing(&in_force);
            let level = revocations
                .iter()
                .filter(|(_, revocation)| {
                    // Whoever resigns may have no right to revoke others; a resignation voids nothing.
                    issuers.get(&revocation.issuer).copied().unwrap_or(CHAIN_LEN_MAX) == depth
                })
                .filter(|(id, revocation)| judge.is_in_force(**id, revocation, &standing, &in_force));
            let level: Vec<&Revocation> = level.map(|(_, revocation)| revocation).collect();
            in_force.extend(level);
        }
        Self {
            grants: judge.standing(&in_force),
            revoked: in_force.iter().map(|revocation| revocation.subject).collect(),
        }
    }

    /// Says whether a grant stands.
    pub(super) fn has(&self, grant: StatementId) -> bool {
        self.grants.contains(&grant)
    }

    /// Says whether a key is shut out.
    pub(super) fn is_revoked(&self, subject: NodeId) -> bool {
        self.revoked.contains(&subject)
    }
}

/// How many grants lead from the owner to each, itself included, by the shortest chain in which each lets the next be
/// issued. What no chain of at most [`CHAIN_LEN_MAX`] leads to is absent.
pub(super) fn depths(space: OwnerId, grants: &BTreeMap<StatementId, Grant>) -> BTreeMap<StatementId, usize> {
    let mut depths = BTreeMap::new();
    let mut above: BTreeMap<[u8; 32], Vec<&Grant>> = BTreeMap::new();
    for depth in 1..=CHAIN_LEN_MAX {
        let reached: Vec<(StatementId, &Grant)> = grants
            .iter()
            .filter(|(id, _)| !depths.contains_key(*id))
            .filter(|(_, grant)| {
                let mut above = above.get(&grant.issuer).into_iter().flatten();
                grant.issuer == space.0 || above.any(|above| lets_issue(above, grant))
            })
            .map(|(id, grant)| (*id, grant))
            .collect();
        above.clear();
        for (id, grant) in reached {
            depths.insert(id, depth);
            above.entry(grant.subject.0).or_default().push(grant);
        }
    }
    depths
}

/// Says whether `above`, a grant of its issuer, lets it issue `grant`.
pub(super) fn lets_issue(above: &Grant, grant: &Grant) -> bool {
    access::may(Asker::Key(above.capabilities), Deed::Admit, Area::WHOLE)
        && above
            .capabilities
            .without_invite()
            .includes(grant.capabilities.without_invite())
        && above.expires.is_none_or(|expires| grant.issued < expires)
        // Else the keys of a chain of invites would answer for each other.
        && !(above.capabilities.is_invite() && grant.capabilities.is_invite())
}

struct Judge<'a> {
    space: OwnerId,
    grants: &'a BTreeMap<StatementId, Grant>,
}

impl Judge<'_> {
    /// The grants that stand while these revocations are in force.
    fn standing(&self, in_force: &[&Revocation]) -> BTreeSet<StatementId> {
        let mut standing = BTreeSet::new();
        let mut admitting: BTreeMap<[u8; 32], Vec<&Grant>> = BTreeMap::new();
        for _ in 0..CHAIN_LEN_MAX {
            let new: Vec<(StatementId, &Grant)> = self
                .grants
                .iter()
                .filter(|(id, _)| !standing.contains(*id))
                .filter(|(id, grant)| {
                    let mut above = admitting.get(&grant.issuer).into_iter().flatten();
                    grant.issuer == self.space.0
                        || above.any(|above| lets_issue(above, grant) && !is_void(**id, above, in_force))
                })
                .map(|(id, grant)| (*id, grant))
                .collect();
            if new.is_empty() {
                break;
            }
            for (id, grant) in new {
                standing.insert(id);
                admitting.entry(grant.subject.0).or_default().push(grant);
            }
        }
        standing
    }

    fn is_in_force(
        &self,
        id: StatementId,
        revocation: &Revocation,
        standing: &BTreeSet<StatementId>,
        in_force: &[&Revocation],
    ) -> bool {
        let own = self
            .grants
            .iter()
            .filter(|(own, grant)| grant.subject.0 == revocation.issuer && standing.contains(*own));
        revocation.issuer == self.space.0
            || is_resignation(revocation)
            || own
                .into_iter()
                .any(|(_, own)| lets_revoke(own) && !is_void(id, own, in_force))
    }
}

/// Says whether the subject of this grant may revoke others by it.
fn lets_revoke(grant: &Grant) -> bool {
    access::may(Asker::Key(grant.capabilities), Deed::ShutOut, Area::WHOLE)
}

/// A device that shuts itself out. What it signed before goes on to hold.
fn is_resignation(revocation: &Revocation) -> bool {
    revocation.issuer == revocation.subject.0
}

/// Says whether a revocation in force voids the statement `id`, whose issuer has the grant `own`.
fn is_void(id: StatementId, own: &Grant, in_force: &[&Revocation]) -> bool {
    in_force.iter().any(|revocation| {
        let subject = revocation.subject.0;
        let answers = subject == own.subject.0 || own.capabilities.is_invite() && subject == own.issuer;
        answers && !is_resignation(revocation) && revocation.kept.binary_search(&id).is_err()
    })
}
