//! Talk about membership: who knows which statements, among those who share a key.
//!
//! Under the current key everything is said. **Under an earlier one nothing but this**: whoever has no later key may be behind, or may have
//! been shut out. The one who is behind is told the statements, finds a key among them, and is heard under that from then on. The one who was
//! shut out hears who the members are and when keys changed, and of what he says nothing counts but statements, which are signed by
//! themselves. He could ask for ever; so whoever asks in vain is answered with growing pauses, and when somebody came over the pauses are short
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::message::{RadioMessage, StatementRef};
use super::neighbours::Radio;
use super::speak::message_name;
use super::trickle::part;
use crate::mesh::engine::{Engine, Result};
use crate::mesh::{Action, Lane, LinkId};
use crate::model::{Clock, EpochId, Instant, NodeId, Now};
use crate::store::Store;
use rand_chacha::ChaCha8Rng;

/// Statements are listed at most so often, in frames.
const PAUSE_FRAMES: u64 = 30;
/// The longest pause under an earlier key; each is twice as long as the one before.
const PAUSE_LONGEST: Duration = Duration::from_secs(3600);
/// Nodes that know other members than this one does, at most.
const STRANGERS_MAX: usize = 64;
/// The slot of the list under the current key; those under earlier ones have one each, above all others of the engine's.
const SLOT_LIST: u64 = 3;
const SLOTS_OF_EARLIER: u64 = 1 << 60;
/// Within so many beacons those who have a new key tell the others that there is one.
const NEWS_WITHIN_BEACONS: u64 = 24;

/// How often something was said in vain, and when last.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    times: u32,
}

impl Pace {
    /// When it may be said again.
    fn again(&self, pause: Duration) -> Instant {
        let pause = pause.saturating_mul(2_u32.saturating_pow(self.times.min(16)));
        let pause = pause.min(PAUSE_LONGEST);
        self.last.map_or(Instant(0), |last| last.after(pause))
    }
}

/// What is said of membership under one key.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// When to list the statements that are known.
    pub(super) list: Option<Instant>,
    listed: Pace,
    /// Those who know other statements than this node does.
    pub(super) strangers: BTreeSet<NodeId>,
    /// Statements that somebody lacks.
    pub(super) statements: BTreeSet<StatementRef>,
    told: Pace,
}

impl Talk {
    /// Plans a list, unless one is planned.
    fn list_by(&mut self, at: Instant, pause: Duration) {
        let at = at.max(self.listed.again(pause));
        self.list.get_or_insert(at);
    }

    pub(super) fn note_stranger(&mut self, node: NodeId) {
        if self.strangers.len() < STRANGERS_MAX {
            self.strangers.insert(node);
        }
    }

    /// Somebody came over to the current key: there may be more to come.
    fn came_over(&mut self, node: NodeId) {
        if self.strangers.remove(&node) {
            self.listed.times = 0;
            self.told.times = 0;
            if self.strangers.is_empty() {
                self.list = None;
            }
        }
    }
}

/// What is said by radio under earlier keys.
#[derive(Debug, Default)]
pub(super) struct EarlierTalk(BTreeMap<EpochId, Talk>);

impl EarlierTalk {
    /// When something is due; statements go only when there is room for a message.
    pub(super) fn timeout(&self, pause: Duration, ready: bool) -> Option<Instant> {
        let of = |talk: &Talk| {
            let statements = ready && !talk.statements.is_empty();
            let tell = statements.then(|| talk.told.again(pause));
            talk.list.into_iter().chain(tell).min()
        };
        self.0.values().filter_map(of).min()
    }

    pub(super) fn came_over(&mut self, node: NodeId) {
        for talk in self.0.values_mut() {
            talk.came_over(node);
        }
    }

    pub(super) fn strangers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.values().flat_map(|talk| talk.strangers.iter().copied())
    }
}

impl Radio {
    /// The pause between two lists.
    pub(super) fn talk_pause(&self) -> Duration {
        self.frames(PAUSE_FRAMES)
    }

    /// What is said under a key; `None`: the current one.
    fn talk_under(&mut self, under: Option<EpochId>) -> &mut Talk {
        match under {
            None => &mut self.talk,
            Some(epoch) => self.earlier.0.entry(epoch).or_default(),
        }
    }

    /// Plans to list the statements that are known.
    pub(super) fn plan_list(&mut self, now: Instant, under: Option<EpochId>, jitter: Duration) {
        let (at, pause) = (now.after(self.frames(1) + jitter), self.talk_pause());
        self.talk_under(under).list_by(at, pause);
    }

    /// `epoch` is the current one now, after `before`. Those who were heard so far may not know of it.
    fn keys_changed(&mut self, now: Instant, before: Option<EpochId>, epoch: EpochId, rng: &mut ChaCha8Rng) {
        for (node, mut neighbour) in std::mem::take(&mut self.neighbours) {
            neighbour.asked = None;
            neighbour.sent = Clock::new();
            self.aside.insert(node, neighbour);
        }
        let again = self.earlier.0.remove(&epoch).unwrap_or_default();
        let mut talk = std::mem::replace(&mut self.talk, again);
        self.talk.listed.times = 0;
        self.talk.told.times = 0;
        if let Some(before) = before {
            for node in self.aside.keys() {
                talk.note_stranger(*node);
            }
            talk.list = (!talk.strangers.is_empty())
                .then(|| now.after(self.frames(1) + part(self.beacons(NEWS_WITHIN_BEACONS), rng)));
            talk.listed = Pace::default();
            talk.told = Pace::default();
            self.earlier.0.insert(before, talk);
        }
        // What waits at the station goes with the key that it was meant for.
        self.pushed = None;
        self.summary = None;
        self.told = None;
        self.serve.clear();
        self.doubt = None;
        self.living = None;
        self.trickle.reset(now, rng);
    }

    /// The statements that somebody lacks who may be told now, and under which key.
    fn next_statements(&mut self, now: Instant) -> Option<(Option<EpochId>, BTreeSet<StatementRef>)> {
        if !self.talk.statements.is_empty() {
            return Some((None, std::mem::take(&mut self.talk.statements)));
        }
        let pause = self.talk_pause();
        let is_due = |talk: &Talk| !talk.statements.is_empty() && talk.told.again(pause) <= now;
        let (epoch, talk) = self.earlier.0.iter_mut().find(|(_, talk)| is_due(talk))?;
        talk.told.last = Some(now);
        talk.told.times = talk.told.times.saturating_add(1);
        Some((Some(*epoch), std::mem::take(&mut talk.statements)))
    }
}

impl<S: Store> Engine<S> {
    /// Another key is the current one: what is said from now on is for those who have it.
    pub(in crate::mesh) fn radio_keys_changed(&mut self, now: Now, before: Option<EpochId>) {
        let Some(epoch) = self.config.key.current_epoch() else {
            return;
        };
        for here in self.radios.by_id.values_mut() {
            here.keys_changed(now.instant, before, epoch, &mut self.rng);
        }
        let radios: Vec<LinkId> = self.radios.by_id.keys().copied().collect();
        for radio in radios {
            self.listen(radio);
        }
    }

    /// Somebody speaks under a key that is not the current one, or says there who it is.
    pub(super) fn earlier_voice(
        &mut self,
        now: Now,
        radio: LinkId,
        under: EpochId,
        said: Option<(NodeId, &[u8])>,
    ) -> Result<()> {
        let jitter = part(Duration::from_secs(1), &mut self.rng);
        let own = self.membership_short();
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        let Some((from, bytes)) = said else {
            here.plan_list(now.instant, Some(under), jitter);
            return Ok(());
        };
        let message = RadioMessage::decode(bytes);
        if let Ok(RadioMessage::Beacon(beacon)) = &message
            && beacon.membership == own
        {
            // It knows all that could be told. Its key will come as a statement that is new here as well.
            here.talk_under(Some(under)).strangers.remove(&from);
            return Ok(());
        }
        here.talk_under(Some(under)).note_stranger(from);
        match message {
            Ok(RadioMessage::StatementList(list)) => {
                self.statement_list(now, radio, Some(under), from, &list);
            }
            Ok(RadioMessage::Statements {
                grants,
                revocations,
                key_epochs,
            }) => {
                if self.statements(now, from, &grants, &revocations, &key_epochs)? {
                    // Should it come again, it is looked at again.
                    let name = message_name(bytes);
                    self.actions.push_back(Action::Forget { radio, name });
                }
            }
            _ => here.plan_list(now.instant, Some(under), jitter),
        }
        self.listen(radio);
        Ok(())
    }

    fn statement_refs(&self) -> Vec<StatementRef> {
        self.membership
            .statements()
            .map(|statement| statement.short())
            .collect()
    }

    /// Says whether all of these are known here.
    pub(super) fn knows_statements(&self, statements: &BTreeSet<StatementRef>) -> bool {
        let known: BTreeSet<StatementRef> = self.statement_refs().into_iter().collect();
        statements.is_subset(&known)
    }

    /// Others heard these statements.
    pub(super) fn statements_were_said(&mut self, said: &BTreeSet<StatementRef>) {
        for here in self.radios.by_id.values_mut() {
            for talk in here.earlier.0.values_mut().chain([&mut here.talk]) {
                talk.statements.retain(|statement| !said.contains(statement));
            }
        }
    }

    /// Somebody tells which statements of membership it knows.
    pub(super) fn statement_list(
        &mut self,
        now: Now,
        radio: LinkId,
        under: Option<EpochId>,
        from: NodeId,
        list: &[StatementRef],
    ) {
        let theirs: BTreeSet<StatementRef> = list.iter().copied().collect();
        let own: BTreeSet<StatementRef> = self.statement_refs().into_iter().collect();
        let jitter = part(Duration::from_secs(1), &mut self.rng);
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let pause = here.talk_pause();
        let at = now.instant.after(here.frames(1) + jitter);
        let talk = here.talk_under(under);
        talk.statements.extend(own.difference(&theirs));
        let lacking = theirs.difference(&own).next().is_some();
        if !lacking {
            talk.list = None;
            return;
        }
        talk.note_stranger(from);
        if talk.listed.again(pause) <= now.instant {
            talk.list_by(at, pause);
        }
        self.listen(radio);
    }

    pub(super) fn list_when_due(&mut self, now: Now, radio: LinkId) {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let mut due = Vec::new();
        if here.talk.list.take_if(|at| *at <= now.instant).is_some() {
            here.talk.listed.last = Some(now.instant);
            due.push(None);
        }
        for (epoch, talk) in &mut here.earlier.0 {
            if talk.list.take_if(|at| *at <= now.instant).is_some() {
                talk.listed.last = Some(now.instant);
                talk.listed.times = talk.listed.times.saturating_add(1);
                due.push(Some(*epoch));
            }
        }
        for under in due {
            let message = RadioMessage::StatementList(self.statement_refs()).encode();
            let slot = under.map_or(SLOT_LIST, |epoch| {
                let [a, b, c, d, ..] = epoch.0;
                SLOTS_OF_EARLIER | u64::from(u32::from_be_bytes([a, b, c, d]))
            });
            self.broadcast_under(radio, under, slot, Lane::Control, message);
        }
    }

    /// Tells somebody statements that it lacks. Says whether there was something to tell.
    pub(super) fn tell_statements(&mut self, now: Now, radio: LinkId) -> bool {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return false;
        };
        let Some((under, wanted)) = here.next_statements(now.instant) else {
            return false;
        };
        let slot = here.slot();
        let membership = &self.membership;
        let grants = membership.grants();
        let message = RadioMessage::Statements {
            grants: (grants.iter())
                .filter(|grant| wanted.contains(&grant.id().short()))
                .map(|grant| grant.encode())
                .collect(),
            revocations: (membership.revocations())
                .filter(|revocation| wanted.contains(&revocation.id().short()))
                .map(|revocation| revocation.encode())
                .collect(),
            key_epochs: (membership.key_epochs())
                .filter(|statement| wanted.contains(&statement.id().short()))
                .map(|statement| statement.encode())
                .collect(),
        };
        self.broadcast_under(radio, under, slot, Lane::Entries, message.encode());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_in_vain_is_answered_ever_more_rarely() {
        let mut talk = Talk::default();
        let (mut now, pause) = (Instant(0), Duration::from_secs(20));
        let mut answers = 0;
        // Somebody asks every second, for a day.
        for _ in 0..86_400 {
            talk.list_by(now, pause);
            if talk.list.take_if(|at| *at <= now).is_some() {
                talk.listed.last = Some(now);
                talk.listed.times += 1;
                answers += 1;
            }
            now = now.after(Duration::from_secs(1));
        }
        assert!((24..36).contains(&answers), "{answers}");
        // One who came over is followed by others.
        let node = NodeId([1; 32]);
        talk.note_stranger(node);
        talk.came_over(node);
        talk.list_by(now, pause);
        assert!(talk.list.is_some_and(|at| at <= now.after(pause)));
    }
}
