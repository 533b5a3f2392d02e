//! Keys that change: an epoch ends when somebody may read no more, and whoever may is given the next one's key.
//!
//! Whoever revokes a device begins the next epoch with it, if it may write; others begin one before they seal anything under a key that
//! somebody has who was shut out. A member who was not known to whoever began an epoch is given its key by another; the lower a
//! node's name among those that could, the sooner it does, so that mostly one speaks.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;
use zeroize::Zeroizing;

use super::Action;
use super::Report;
use super::engine::{Engine, Result};
use super::oracle::{Epoch, HandOut};
use crate::model::{EpochId, KeyEpoch, NodeId, Now};
use crate::store::Store;

/// The first among those who could give keys to a new member does so after this long.
const HAND_ON_AFTER: Duration = Duration::from_secs(2);
/// Each further one waits so much longer.
const HAND_ON_RANK: Duration = Duration::from_secs(20);
/// And nobody longer than this.
const HAND_ON_MAX: Duration = Duration::from_secs(600);

impl<S: Store> Engine<S> {
    /// The members changed: keys may have come with that, and others may lack them.
    pub(super) fn learn_keys(&mut self, now: Now) -> Result<()> {
        let before = self.config.key.current_epoch();
        let learned = self.config.key.learn(&self.membership);
        if learned {
            self.open_sealed()?;
        }
        let changed = self.config.key.current_epoch() != before;
        if learned || changed {
            self.actions.push_back(Action::Keys(self.config.key.keyring()));
        }
        if changed {
            self.radio_keys_changed(now, before);
        }
        self.plan_handing_on(now);
        Ok(())
    }

    fn must_begin_epoch(&self, now: Now) -> bool {
        let ends = |current| self.membership.must_end(current);
        self.config.key.current_epoch().is_some_and(ends) && self.membership.may_hand_on(self.node, now.wall)
    }

    /// Begins the next epoch, if somebody has the key of this one who may read no more, and if this node may.
    pub(super) fn begin_epoch_when_due(&mut self, now: Now) -> Result<()> {
        if !self.must_begin_epoch(now) {
            return Ok(());
        }
        let earlier = self.membership.epochs_to_hand_on(&self.config.key.known_epochs());
        let readers = self.membership.readers(now.wall);
        let shut_out = self.membership.shut_out();
        if let Some(statement) = self.hand_out(now, Epoch::Next { earlier: &earlier }, readers, shut_out) {
            self.state(now, statement)?;
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        now: Now,
        epoch: Epoch<'_>,
        readers: Vec<NodeId>,
        shut_out: Vec<NodeId>,
    ) -> Option<KeyEpoch> {
        let mut random = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(&mut *random);
        let what = HandOut {
            epoch,
            space: self.config.owner,
            readers,
            shut_out,
            issued: now.wall,
        };
        self.config.key.hand_out(&what, random)
    }

    /// Takes in a statement of this node's own, and spreads it.
    fn state(&mut self, now: Now, statement: KeyEpoch) -> Result<()> {
        match self.membership.add_key_epoch(statement) {
            Ok(true) => self.membership_grew(now, None),
            Ok(false) => Ok(()),
            Err(error) => {
                self.report(Report::KeysUnchanged(error.to_string()));
                Ok(())
            }
        }
    }

    /// The epochs whose keys are here and that no other one hands on, with the readers who were given none.
    fn readers_without_key(&self, now: Now) -> Vec<(EpochId, Vec<NodeId>)> {
        if self.membership.key_epochs().next().is_none() || !self.membership.may_hand_on(self.node, now.wall)
        {
            return Vec::new();
        }
        let epochs = self.membership.epochs_to_hand_on(&self.config.key.known_epochs());
        let first = self.config.key.first_epoch();
        epochs
            .into_iter()
            .filter(|epoch| Some(*epoch) != first)
            .map(|epoch| (epoch, self.membership.readers_without(epoch, now.wall)))
            .filter(|(_, readers)| !readers.is_empty())
            .collect()
    }

    /// By radio every frame, and not only what is sealed next, is sealed with a key that somebody has who was shut out.
    fn must_begin_for_radio(&self, now: Now) -> bool {
        !self.radios.is_empty() && self.must_begin_epoch(now)
    }

    fn plan_handing_on(&mut self, now: Now) {
        if self.readers_without_key(now).is_empty() && !self.must_begin_for_radio(now) {
            self.hand_on_at = None;
        } else if self.hand_on_at.is_none() {
            let before = |node: &NodeId| *node < self.node && self.membership.may_hand_on(*node, now.wall);
            let rank = self.membership.subjects().filter(before).count();
            let turn = HAND_ON_RANK.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
            let chance = Duration::from_millis(self.rng.next_u64() % 2000);
            let after = HAND_ON_AFTER.saturating_add(turn).min(HAND_ON_MAX);
            self.hand_on_at = Some(now.instant.after(after.saturating_add(chance)));
        }
    }

    /// Gives keys to members who were given none, when nobody else has meanwhile.
    pub(super) fn hand_on_when_due(&mut self, now: Now) -> Result<()> {
        if self.hand_on_at.is_none_or(|at| now.instant < at) {
            return Ok(());
        }
        self.hand_on_at = None;
        if !self.radios.is_empty() {
            self.begin_epoch_when_due(now)?;
        }
        for (epoch, readers) in self.readers_without_key(now) {
            if let Some(statement) = self.hand_out(now, Epoch::Begun(epoch), readers, Vec::new()) {
                self.state(now, statement)?;
            }
        }
        Ok(())
    }
}
