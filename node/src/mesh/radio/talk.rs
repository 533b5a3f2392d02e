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
/// Statements under earlier keys take at most one in so many parts of the time in which they could be sent.
const TOLD_SHARE: u32 = 4;
/// Within so many beacons those who have a new key tell the others that there is one.
const NEWS_WITHIN_BEACONS: u64 = 24;

/// How often something was said in vain, and when last.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    times: u32,
    /// The pause is not shorter than this: what was said took its time on air.
    least: Duration,
}

impl Pace {
    /// When it may be said again.
    fn again(&self, pause: Duration) -> Instant {
        let pause = pause.saturating_mul(2_u32.saturating_pow(self.times.min(16)));
        let pause = pause.min(PAUSE_LONGEST).max(self.least);
        self.last.map_or(Instant(0), |last| last.after(pause))
    }

    /// It is said, under an earlier key.
    fn note(&mut self, now: Instant, least: Duration) {
        self.last = Some(now);
        self.times = self.times.saturating_add(1);
        self.least = least;
    }
}

/// What is said of membership under one key.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// When to list the statements that are known.
    pub(super) list: Option<Instant>,
    /// When that was done last, under the current key.
    listed: Pace,
    /// Those who know other statements than this node does.
    pub(super) strangers: BTreeSet<NodeId>,
    /// Statements that somebody lacks.
    pub(super) statements: BTreeSet<StatementRef>,
}

impl Talk {
    pub(super) fn note_stranger(&mut self, node: NodeId) {
        if self.strangers.len() < STRANGERS_MAX {
            self.strangers.insert(node);
        }
    }
}

/// What is said by radio under earlier keys: at one pace, however many there are.
#[derive(Debug, Default)]
pub(super) struct EarlierTalk {
    talks: BTreeMap<EpochId, Talk>,
    listed: Pace,
    told: Pace,
}

impl EarlierTalk {
    /// When something is due; statements go only when there is room for a message.
    pub(super) fn timeout(&self, pause: Duration, ready: bool) -> Option<Instant> {
        let list = self.talks.values().filter_map(|talk| talk.list).min();
        let has_statements = ready && self.talks.values().any(|talk| !talk.statements.is_empty());
        let list = list.map(|at| at.max(self.listed.again(pause)));
        let tell = has_statements.then(|| self.told.again(pause));
        list.into_iter().chain(tell).min()
    }

    /// Somebody is heard under the current key: others may follow.
    pub(super) fn came_over(&mut self, node: NodeId) {
        let mut is_new = false;
        for talk in self.talks.values_mut() {
            if talk.strangers.remove(&node) {
                is_new = true;
                if talk.strangers.is_empty() {
                    talk.list = None;
                }
            }
        }
        if is_new {
            self.listed.times = 0;
            self.told.times = 0;
        }
    }

    pub(super) fn strangers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.talks
            .values()
            .flat_map(|talk| talk.strangers.iter().copied())
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
            Some(epoch) => self.earlier.talks.entry(epoch).or_default(),
        }
    }

    /// Plans to list the statements that are known.
    pub(super) fn plan_list(&mut self, now: Instant, under: Option<EpochId>, jitter: Duration) {
        let mut at = now.after(self.frames(1) + jitter);
        if under.is_none() {
            at = at.max(self.talk.listed.again(self.talk_pause()));
        }
        self.talk_under(under).list.get_or_insert(at);
    }

    /// `epoch` is the current one now, after `before`. Those who were heard so far may not know of it.
    fn keys_changed(&mut self, now: Instant, before: Option<EpochId>, epoch: EpochId, rng: &mut ChaCha8Rng) {
        for (node, mut neighbour) in std::mem::take(&mut self.neighbours) {
            neighbour.asked = None;
            neighbour.sent = Clock::new();
            self.aside.insert(node, neighbour);
        }
        self.earlier.talks.remove(&epoch);
        let mut talk = std::mem::take(&mut self.talk);
        self.earlier.listed = Pace::default();
        self.earlier.told = Pace::default();
        if let Some(before) = before {
            for node in self.aside.keys() {
                talk.note_stranger(*node);
            }
            talk.list = (!talk.strangers.is_empty())
                .then(|| now.after(self.frames(1) + part(self.beacons(NEWS_WITHIN_BEACONS), rng)));
            self.earlier.talks.insert(before, talk);
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
        if self.earlier.told.again(self.talk_pause()) > now {
            return None;
        }
        let mut talks = self.earlier.talks.iter_mut();
        let (epoch, talk) = talks.find(|(_, talk)| !talk.statements.is_empty())?;
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
        // Others may have got hold of the key; who is heard under the current one is not behind.
        if self.membership.subjects().any(|subject| subject == from) && !here.neighbours.contains_key(&from) {
            here.talk_under(Some(under)).note_stranger(from);
        }
        match message {
            Ok(RadioMessage::StatementList(list)) => {
                self.statement_list(now, radio, Some(under), from, &list);
            }
            Ok(RadioMessage::Statements {
                grants,
                revocations,
                key_epochs,
            }) => {
                if self.statements(now, from, Some(under), &grants, &revocations, &key_epochs)? {
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

    /// Others who have this key heard these statements.
    pub(super) fn statements_were_said(&mut self, under: Option<EpochId>, said: &BTreeSet<StatementRef>) {
        for here in self.radios.by_id.values_mut() {
            let talk = here.talk_under(under);
            talk.statements.retain(|statement| !said.contains(statement));
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
        here.talk_under(under).statements.extend(own.difference(&theirs));
        let lacking = theirs.difference(&own).next().is_some();
        if under.is_some() {
            // Others may lack what this one knows: a list that is planned stays so.
            if lacking {
                here.plan_list(now.instant, under, jitter);
            }
        } else if !lacking {
            here.talk.list = None;
        } else {
            here.talk.note_stranger(from);
            if here.talk.listed.again(pause) <= now.instant {
                here.plan_list(now.instant, None, jitter);
            }
            self.listen(radio);
        }
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
        let pause = here.talk_pause();
        if here.earlier.listed.again(pause) <= now.instant {
            let mut talks = here.earlier.talks.iter_mut();
            let found = talks.find(|(_, talk)| talk.list.is_some_and(|at| at <= now.instant));
            if let Some((epoch, talk)) = found {
                talk.list = None;
                due.push(Some(*epoch));
                here.earlier.listed.note(now.instant, Duration::ZERO);
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
        let message = message.encode();
        if let Some(here) = self.radios.by_id.get_mut(&radio).filter(|_| under.is_some()) {
            let least = here.patience(u32::try_from(message.len()).unwrap_or(u32::MAX));
            here.earlier.told.note(now.instant, least * TOLD_SHARE);
        }
        self.broadcast_under(radio, under, slot, Lane::Entries, message);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_in_vain_is_answered_ever_more_rarely() {
        let mut earlier = EarlierTalk::default();
        let epochs = [EpochId([1; 8]), EpochId([2; 8])];
        let (mut now, pause) = (Instant(0), Duration::from_secs(20));
        let mut answers = 0;
        // Somebody asks every second, for a day, under two keys.
        for _ in 0..86_400 {
            for epoch in epochs {
                earlier.talks.entry(epoch).or_default().list.get_or_insert(now);
            }
            if earlier.timeout(pause, false).is_some_and(|at| at <= now) {
                earlier.listed.note(now, Duration::ZERO);
                answers += 1;
            }
            now = now.after(Duration::from_secs(1));
        }
        assert!((24..36).contains(&answers), "{answers}");
        // One who came over is followed by others.
        let node = NodeId([1; 32]);
        earlier.talks.entry(epochs[0]).or_default().note_stranger(node);
        earlier.came_over(node);
        earlier.talks.entry(epochs[0]).or_default().list = Some(now);
        assert!(
            earlier
                .timeout(pause, false)
                .is_some_and(|at| at <= now.after(pause))
        );
    }
}
