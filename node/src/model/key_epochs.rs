//! Which epoch of a space's key is the current one, who has its key, and when the next must begin.
//!
//! All of it follows from the statements of the membership, so that nodes which know the same agree. An epoch takes the place of those that
//! its statements name as earlier. What a device that was shut out says of epochs counts for reading what was written, and for nothing else.
//!
//! Two nodes that cannot hear each other may each begin an epoch for the same reason: these stand side by side, all members are given both
//! keys, and the next epoch takes the place of both.

use std::collections::BTreeSet;

use super::access::{self, Area, Asker, Deed};
use super::grant::{Capabilities, GrantError};
use super::key_epoch::KeyEpoch;
use super::membership::Membership;
use super::{EpochId, NodeId, WallTime};

/// Most statements about epochs of one space.
pub const KEY_EPOCHS_MAX: usize = 1024;
/// Most bytes of all of them, encoded.
const KEY_EPOCHS_LEN_MAX: usize = 768 * 1024;

/// Says whether a key may begin epochs, and hand their keys to others.
fn hands_on(own: Capabilities) -> bool {
    let may = |deed| access::may(Asker::Key(own), deed, Area::WHOLE);
    may(Deed::Read) && may(Deed::Write)
}

impl Membership {
    /// Takes in a statement about an epoch. `Ok(false)`: it was known. Fails when it is for another space, or its issuer was never granted
    /// to read and write.
    pub fn add_key_epoch(&mut self, statement: KeyEpoch) -> Result<bool, GrantError> {
        let added = self.insert_key_epoch(statement)?;
        if added {
            self.forget_digest();
        }
        Ok(added)
    }

    pub(super) fn insert_key_epoch(&mut self, statement: KeyEpoch) -> Result<bool, GrantError> {
        if statement.keys().space != self.space() {
            return Err(GrantError::OtherSpace);
        }
        let encoded = statement.encode();
        let id = super::StatementId::of(&encoded);
        if self.key_epochs.contains_key(&id) {
            return Ok(false);
        }
        let issuer = statement.issuer();
        let may = issuer.0 == self.space().0 || self.capabilities_ever(issuer).is_some_and(hands_on);
        if !may {
            return Err(GrantError::NotAdmitted);
        }
        let len: usize = self.key_epochs.values().map(|other| other.encode().len()).sum();
        if self.key_epochs.len() >= KEY_EPOCHS_MAX || len + encoded.len() > KEY_EPOCHS_LEN_MAX {
            return Err(GrantError::TooMany);
        }
        self.key_epochs.insert(id, statement);
        Ok(true)
    }

    /// All statements about epochs.
    pub fn key_epochs(&self) -> impl Iterator<Item = &KeyEpoch> {
        self.key_epochs.values()
    }

    /// Those about one epoch.
    fn about(&self, epoch: EpochId) -> impl Iterator<Item = &KeyEpoch> {
        self.key_epochs()
            .filter(move |statement| statement.keys().epoch == epoch)
    }

    /// When an epoch began, by those who are not shut out. `None` of the first one, and of those of which nobody else says anything.
    pub fn epoch_begun(&self, epoch: EpochId) -> Option<WallTime> {
        let about = self.trusted().filter(|statement| statement.keys().epoch == epoch);
        about.map(|statement| statement.keys().issued).min()
    }

    /// Those whose issuers are not shut out.
    fn trusted(&self) -> impl Iterator<Item = &KeyEpoch> {
        self.key_epochs()
            .filter(|statement| !self.is_revoked(statement.issuer()))
    }

    /// Those among `known` that are said to take the place of others, and that no other one takes the place of. Ascending; empty while the first
    /// epoch, about which nobody says anything, is the only one.
    pub fn latest_epochs(&self, known: &BTreeSet<EpochId>) -> Vec<EpochId> {
        let of_known = || {
            self.trusted()
                .filter(|statement| known.contains(&statement.keys().epoch))
        };
        let mut latest: BTreeSet<EpochId> = of_known().map(|statement| statement.keys().epoch).collect();
        let all = latest.clone();
        for statement in of_known() {
            let keys = statement.keys();
            // Said of itself it means nothing.
            for earlier in keys.earlier.iter().filter(|earlier| **earlier != keys.epoch) {
                latest.remove(earlier);
            }
        }
        // In a circle, which takes a liar, none is later than the others.
        let latest = if latest.is_empty() { all } else { latest };
        latest.into_iter().collect()
    }

    /// Those among `known` that no later one hands on, whoever began them: the next one has to, for what was sealed with them.
    pub fn epochs_to_hand_on(&self, known: &BTreeSet<EpochId>) -> Vec<EpochId> {
        let mut left = known.clone();
        for statement in self
            .trusted()
            .filter(|statement| known.contains(&statement.keys().epoch))
        {
            let keys = statement.keys();
            for earlier in keys.earlier.iter().filter(|earlier| **earlier != keys.epoch) {
                left.remove(earlier);
            }
        }
        left.into_iter().collect()
    }

    /// The epoch under which documents are sealed by one who knows these keys; `None`: the first.
    pub fn current_epoch(&self, known: &BTreeSet<EpochId>) -> Option<EpochId> {
        let latest = self.latest_epochs(known);
        let fit = latest.iter().rev().find(|epoch| !self.must_end(**epoch));
        fit.or(latest.last()).copied()
    }

    /// Says whether somebody has the key of `epoch` who may read no more.
    pub fn must_end(&self, epoch: EpochId) -> bool {
        let mut gone = self.shut_out();
        if gone.is_empty() {
            return false;
        }
        // Whoever was shut out may say what it likes of an epoch whose key it never had. If it began this one, nobody else says that it is without.
        let (mut spared, mut without) = (BTreeSet::new(), BTreeSet::new());
        for statement in self.trusted().filter(|statement| statement.keys().epoch == epoch) {
            let keys = statement.keys();
            spared.insert(statement.issuer());
            spared.extend(keys.boxes.iter().map(|(node, _)| *node));
            without.extend(keys.shut_out.iter().copied());
        }
        gone.retain(|node| spared.contains(node) || !without.contains(node));
        !gone.is_empty()
    }

    /// Everybody who once could read, or hold an invite, and can no more: ascending. A grant that ran out shuts nobody out.
    pub fn shut_out(&self) -> Vec<NodeId> {
        if self.revocations().next().is_none() {
            return Vec::new();
        }
        let reads = |capabilities: Option<Capabilities>| {
            capabilities.is_some_and(|own| own.includes(Capabilities::READ))
        };
        let gone = |node: &NodeId| {
            let had = self
                .grants_ever(*node)
                .any(|capabilities| reads(Some(capabilities)));
            had && (self.is_revoked(*node) || !reads(self.granted_still(*node)))
        };
        self.subjects().filter(gone).collect()
    }

    /// The keys of all who may read at `wall`: devices, ascending, and the owner's last.
    pub fn readers(&self, wall: WallTime) -> Vec<NodeId> {
        let reads = |node: &NodeId| self.may(*node, Deed::Read, Area::WHOLE, wall);
        let owner = NodeId(self.space().0);
        let devices = self.subjects().filter(|node| *node != owner).filter(reads);
        devices.chain([owner]).collect()
    }

    /// Those who may read at `wall`, and were given no key of `epoch`.
    pub fn readers_without(&self, epoch: EpochId, wall: WallTime) -> Vec<NodeId> {
        let mut readers = self.readers(wall);
        readers.retain(|node| {
            self.about(epoch)
                .all(|statement| statement.key_box(*node).is_none())
        });
        readers
    }

    /// Says whether a device may begin epochs, and hand their keys to others, at `wall`.
    pub fn may_hand_on(&self, node: NodeId, wall: WallTime) -> bool {
        self.capabilities(node, wall).is_some_and(hands_on)
    }
}
