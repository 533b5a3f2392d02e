//! What neighbours say by radio, and what follows from it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::custody::HEARD_FRAMES;
use super::entries::{self, NodeRef, SealedWith, node_ref};
use super::message::{Beacon, ChunkRef, RadioMessage, StatementRef};
use super::neighbours::Radio;
use super::refused::{MessageName, Obstacle};
use super::speak::{SLOT_WANT, WANT_PAUSE_MAX, message_name};
use super::summary::{Digest, Summary};
use super::trickle::part;
use crate::mesh::engine::{Engine, Result};
use crate::mesh::{Action, LinkId, RadioProfile};
use crate::model::access::{Area, Deed};
use crate::model::{Clock, DocumentName, Dot, EpochId, Grant, KeyEpoch, NodeId, Now, Revocation, Writer};
use crate::seal::{Body, Place};
use crate::space::present_chunk;
use crate::store::Store;

/// Chunks that wait to be sent, at most.
const SERVE_MAX: usize = 32;
/// So long, in frames, one waits for what is lacking to come by itself.
const PATIENCE_FRAMES: u64 = 12;

impl<S: Store> Engine<S> {
    pub(in crate::mesh) fn radio_up(&mut self, now: Now, radio: LinkId, profile: RadioProfile) {
        let state = Radio::new(now.instant, profile, &mut self.rng);
        self.radios.by_id.insert(radio, state);
        if !self.needs_commit() {
            self.note_state(now);
        }
    }

    pub(in crate::mesh) fn radio_down(&mut self, radio: LinkId) {
        self.radios.by_id.remove(&radio);
        self.radios.refused.radio_down(radio);
    }

    pub(in crate::mesh) fn radio_introduced(
        &mut self,
        now: Now,
        radio: LinkId,
        from: Option<NodeId>,
        under: EpochId,
    ) -> Result<()> {
        if from.is_some_and(|from| self.membership.is_revoked(from)) {
            return Ok(());
        }
        if self.config.key.current_epoch() != Some(under) {
            return self.earlier_voice(now, radio, under, None);
        }
        if let Some(state) = self.radios.by_id.get_mut(&radio) {
            state.trickle.reset(now.instant, &mut self.rng);
        }
        Ok(())
    }

    pub(in crate::mesh) fn radio_ready(&mut self, now: Now, radio: LinkId) {
        if let Some(state) = self.radios.by_id.get_mut(&radio) {
            state.ready = true;
            if state.serving.take().is_some() {
                // Those who have it now say so first, once the modem has sent all of it; who is silent then is called soon.
                let until = now.instant.after(state.frames(8) + state.spread());
                state.trickle.reset(now.instant, &mut self.rng);
                state.trickle.not_before(until);
            }
            state.push_by(now.instant);
            // Only now is all of it on its way.
            for neighbour in state.neighbours.values_mut() {
                neighbour.sent_at = now.instant;
            }
        }
    }

    pub(in crate::mesh) fn radio_message(
        &mut self,
        now: Now,
        radio: LinkId,
        from: NodeId,
        under: EpochId,
        bytes: &[u8],
    ) -> Result<()> {
        if from == self.node || !self.radios.by_id.contains_key(&radio) || self.membership.is_revoked(from) {
            return Ok(());
        }
        if self.config.key.current_epoch() != Some(under) {
            return self.earlier_voice(now, radio, under, Some((from, bytes)));
        }
        let Ok(message) = RadioMessage::decode(bytes) else {
            self.refuse(from, "it sent a damaged message by radio".into());
            return Ok(());
        };
        let member = self.membership.may(from, Deed::Read, Area::WHOLE, now.wall);
        match message {
            RadioMessage::Beacon(beacon) => self.beacon(now, radio, from, beacon, member),
            RadioMessage::StatementList(list) => {
                self.statement_list(now, radio, None, from, &list);
                Ok(())
            }
            RadioMessage::Statements {
                grants,
                revocations,
                key_epochs,
            } => {
                let refused = self.statements(now, from, None, &grants, &revocations, &key_epochs)?;
                self.note_refused(
                    now,
                    radio,
                    message_name(bytes),
                    refused.then_some(Obstacle::Membership),
                );
                Ok(())
            }
            RadioMessage::Entries { .. } if !member => {
                self.note_refused(now, radio, message_name(bytes), Some(Obstacle::Membership));
                Ok(())
            }
            _ if !member => Ok(()),
            RadioMessage::Entries { summary, entries } => {
                let refused = self.radio_entries(now, radio, from, &entries)?;
                self.note_refused(now, radio, message_name(bytes), refused);
                match summary {
                    Some(summary) => self.summary(now, radio, from, &summary),
                    None => Ok(()),
                }
            }
            RadioMessage::Summary(summary) => self.summary(now, radio, from, &summary),
            RadioMessage::Ask(nodes) => {
                self.asked(now, radio, from, &nodes);
                Ok(())
            }
            RadioMessage::Acknowledgements { base, told } => self.told(now, radio, from, base, &told),
            RadioMessage::LiveQuestion { of, clock, live } => {
                self.live_question(now, radio, of, clock, live);
                Ok(())
            }
            RadioMessage::Living { clock, live, runs } => self.living(radio, clock, live, runs.as_ref()),
            RadioMessage::Want { of, chunks } => self.wanted(now, radio, of, &chunks),
            // A driver takes chunks out before they come here; one that nobody asked for is dropped.
            RadioMessage::Chunk(_) => Ok(()),
        }
    }

    /// A message was taken in, or something stood in the way of some of it.
    fn note_refused(&mut self, now: Now, radio: LinkId, name: MessageName, refused: Option<Obstacle>) {
        match refused {
            Some(obstacle) => self.radios.refused.note(now.instant, radio, name, obstacle),
            None => self.radios.refused.settled(radio, name),
        }
    }

    /// A random part of `span`.
    fn jitter(&mut self, span: Duration) -> Duration {
        part(span, &mut self.rng)
    }

    fn beacon(&mut self, now: Now, radio: LinkId, from: NodeId, beacon: Beacon, member: bool) -> Result<()> {
        let own_membership = self.membership_short();
        let own = self.radios.history.current().map(|state| state.digest);
        let state = self
            .radios
            .history
            .shared(beacon.clock)
            .map(|state| state.clock.clone());
        let complete = self
            .radios
            .history
            .shared(beacon.complete)
            .map(|state| state.clock.clone());
        let jitter = self.jitter(Duration::from_secs(1));
        let chance = jitter.as_secs_f64();
        let called = beacon.calls.contains(&self.node.0[0]);
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        if beacon.membership == own_membership {
            here.talk.strangers.remove(&from);
        } else {
            here.plan_list(now.instant, None, jitter);
            here.talk.note_stranger(from);
        }
        if !member {
            self.listen(radio);
            return Ok(());
        }
        let (ready, settles) = (here.ready, here.frames(2));
        let patience = here.frames(PATIENCE_FRAMES) + jitter;
        let neighbour = here.neighbour(now.instant, from, Digest([0; 6]));
        let news = neighbour.digest != beacon.clock;
        neighbour.digest = beacon.clock;
        neighbour.heard = now.instant;
        neighbour.membership = beacon.membership;
        let completed = !neighbour.complete && beacon.complete == beacon.clock;
        neighbour.complete = beacon.complete == beacon.clock;
        let in_step = own == Some(beacon.clock);
        // What it held and what was sent to it may make a state that this node never was in.
        let state = state.or_else(|| {
            neighbour
                .expected()
                .filter(|expected| Digest::of(expected) == beacon.clock)
        });
        if let Some(clock) = state {
            neighbour.is_at(clock, &self.held);
        } else if news {
            neighbour.known = false;
            neighbour.exact = false;
            neighbour.ahead = true;
        }
        if neighbour.known && ready {
            neighbour.forget_sent(now.instant, settles);
        }
        let (known, ahead) = (neighbour.known, neighbour.ahead);
        if completed {
            // It may have now what it was asked for in vain.
            let vain = here
                .wanted
                .values_mut()
                .filter(|wanted| now.instant >= wanted.coming_until);
            for wanted in vain {
                wanted.tries = 0;
                wanted.again = wanted.again.min(now.instant.after(settles));
            }
        }
        let within = here.frames(HEARD_FRAMES);
        here.custody.heard(now.instant, within, &mut self.rng);
        // Others who are in step with this node can tell it as well.
        let helpers = here
            .neighbours
            .values()
            .filter(|other| own == Some(other.digest))
            .count() as u64;
        let span = here.frames(helpers * 3 / 2);
        let helps = now.instant.after(span.mul_f64(chance));
        if in_step {
            here.trickle.consistent();
            if called {
                let at = now.instant.after(here.beacons(12).mul_f64(chance));
                here.trickle.must_speak(at);
            }
        } else {
            if known {
                here.push_by(helps);
            }
            if (ahead || !known) && here.summary.is_none() {
                // Perhaps it sends what is new by itself.
                here.summary = Some((now.instant.after(patience), false));
            }
            if news {
                here.trickle.reset(now.instant, &mut self.rng);
            }
        }
        if let Some(complete) = complete {
            self.holds(now, from, &complete);
        }
        self.settle_summary(radio);
        self.listen(radio);
        Ok(())
    }

    /// No summary is needed when no neighbour holds more, and it is known what each lacks.
    fn settle_summary(&mut self, radio: LinkId) {
        if let Some(here) = self.radios.by_id.get_mut(&radio)
            && here
                .neighbours
                .values()
                .all(|neighbour| neighbour.known && !neighbour.ahead)
        {
            here.summary = None;
        }
    }

    /// A neighbour says that it has all of this on its disk, payloads included.
    fn holds(&mut self, now: Now, node: NodeId, clock: &Clock) {
        let record = self.peers.entry(node).or_default();
        if !record.acknowledged.includes(clock) {
            record.acknowledged.merge(clock);
            self.note_peer_changed(now, node);
            self.fetcher.news(now);
        }
    }

    pub(super) fn member_called(&self, sender: NodeId, wanted: NodeRef) -> Option<NodeId> {
        if node_ref(sender) == wanted {
            return Some(sender);
        }
        self.membership
            .subjects()
            .find(|subject| node_ref(*subject) == wanted)
    }

    /// Takes in entries. Says what stood in the way of some of them, if that may pass.
    fn radio_entries(
        &mut self,
        now: Now,
        radio: LinkId,
        from: NodeId,
        bytes: &[u8],
    ) -> Result<Option<Obstacle>> {
        let owner = self.config.owner;
        let payloads = self.config.key.payloads();
        let resolve = |wanted| self.member_called(from, wanted);
        let (first, current) = (self.config.key.first_epoch(), self.config.key.current_epoch());
        let seal = |dot, body: &Body, with: SealedWith| {
            let DocumentName::Sealed(name) = self.config.key.name(&body.path)? else {
                return None;
            };
            let epoch = match with {
                SealedWith::First => first,
                SealedWith::OfFrame => current,
            };
            let place = Place {
                space: owner,
                name,
                dot,
            };
            Some((name, self.config.key.seal_again(epoch?, &place, body)?))
        };
        let decoded = entries::decode(bytes, from, owner, payloads, &resolve, &seal);
        let Ok(carried) = decoded else {
            self.refuse(from, "it sent damaged entries by radio".into());
            return Ok(None);
        };
        // Who wrote the others will be known by their grants.
        let mut refused = (carried.of_unknown > 0).then_some(Obstacle::Membership);
        let carried = carried.entries;
        let mut heard: Vec<Dot> = Vec::new();
        for carried in &carried {
            // Known before or new: the sender has it.
            if let Ok(entry) = crate::model::Entry::decode_trusted(&carried.entry) {
                match self.take_entry(now, carried)? {
                    Ok(_) => heard.push(entry.dot()),
                    Err(refusal) => {
                        refused = refusal.obstacle.or(refused);
                        self.refuse(from, refusal.reason);
                    }
                }
            }
        }
        let mut own = Clock::new();
        for dot in heard.iter().filter(|dot| dot.writer.node == from) {
            own.insert(*dot);
        }
        if !own.is_empty() {
            self.holds(now, from, &own);
        }
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(refused);
        };
        let patience = here.frames(PATIENCE_FRAMES);
        if let Some((at, _)) = &mut here.summary {
            // There may be more to come, and then there is less to tell.
            *at = (*at).max(now.instant.after(patience));
        }
        // Others were faster: it need not be said twice.
        let pushed = here
            .pushed
            .take_if(|(_, said)| !said.is_empty() && said.iter().all(|dot| heard.contains(dot)));
        if let Some((slot, _)) = pushed {
            self.actions.push_back(Action::Withdraw { radio, slot });
        }
        here.neighbour(now.instant, from, Digest([0; 6])).heard = now.instant;
        for (node, neighbour) in &mut here.neighbours {
            for dot in &heard {
                if *node == from {
                    if let Some(clock) = &mut neighbour.clock {
                        clock.insert(*dot);
                    }
                } else {
                    neighbour.sent.insert(*dot);
                    neighbour.sent_at = now.instant;
                }
            }
        }
        Ok(refused)
    }

    fn summary(&mut self, now: Now, radio: LinkId, from: NodeId, summary: &Summary) -> Result<()> {
        let held = self.held.clone();
        let base = match summary.base {
            None => Some(Clock::new()),
            Some(base) => self.radios.history.shared(base).map(|state| state.clock.clone()),
        };
        let jitter = self.jitter(Duration::from_secs(1));
        let current = self.radios.history.current().map(|state| state.digest);
        let writers = summary.writers.iter().filter_map(|(node, incarnation)| {
            Some(Writer {
                node: self.member_called(from, *node)?,
                incarnation: *incarnation,
            })
        });
        let writers: Vec<Writer> = writers.collect();
        let (adds, others) = summary.adds.resolve(&held, &writers);
        let (dead, _) = summary.dead.resolve(&held, &writers);
        let clock = base.map(|mut clock| {
            clock.merge(&adds);
            clock
        });
        // What does not add up to the state that it names is not believed: live entries might go for it.
        let Some(clock) = clock.filter(|clock| others || Digest::of(clock) == summary.digest) else {
            // Told in full, so that the other can begin from there.
            if let Some(here) = self.radios.by_id.get_mut(&radio) {
                let at = now.instant.after(here.frames(1) + jitter);
                here.summary = Some((at, true));
            }
            return Ok(());
        };
        self.check_own_writer(&clock);
        let more = clock.missing_in(&held);
        let mut lacking = Clock::new();
        for (writer, first, last) in &more {
            lacking.insert_range(*writer, *first, *last);
        }
        // All that is lacking here is superseded by what is here.
        let superseded = !others && !lacking.is_empty() && dead.includes(&lacking);
        let taken = superseded
            && self.take_superseded(now, radio, from, (summary.digest, &clock), summary.collected)?;
        let ahead = !taken && (others || !lacking.is_empty());
        let behind = !clock.includes(&held);
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        let (ready, settles) = (here.ready, here.frames(2));
        let neighbour = here.neighbour(now.instant, from, summary.digest);
        neighbour.digest = summary.digest;
        neighbour.heard = now.instant;
        neighbour.known = true;
        neighbour.exact = !others;
        neighbour.ahead = ahead;
        // Its own state is one that it knows, and it may have forgotten all others.
        neighbour.common = (!others).then(|| (summary.digest, clock.clone()));
        neighbour.clock = Some(clock);
        if ready {
            neighbour.forget_sent(now.instant, settles);
        }
        if behind {
            here.push_by(now.instant.after(jitter));
        }
        if superseded && !taken {
            // It is asked what it may have to do with: that is all there is to say.
            here.summary = None;
        } else if ahead {
            let repeated = here.told.is_some_and(|(digest, at)| {
                Some(digest) == current && now.instant < at.after(here.frames(20))
            });
            if !repeated {
                here.summary = Some((now.instant.after(here.frames(1) + jitter), false));
            }
        } else {
            self.settle_summary(radio);
        }
        self.listen(radio);
        Ok(())
    }

    fn wanted(&mut self, now: Now, radio: LinkId, of: NodeRef, chunks: &[ChunkRef]) -> Result<()> {
        if of != node_ref(self.node) {
            self.overheard_want(now, radio, chunks);
            return Ok(());
        }
        for beginning in chunks {
            let Some(hash) = self.view(|view| present_chunk(view.0, beginning))? else {
                continue;
            };
            if let Some(here) = self.radios.by_id.get_mut(&radio)
                && here.serve.len() < SERVE_MAX
                && here.serving != Some(hash)
                && !here.serve.iter().any(|(other, _)| *other == hash)
            {
                // Others who lack it may ask as well.
                let from = now.instant.after(here.frames(2));
                here.serve.push_back((hash, from));
            }
        }
        Ok(())
    }

    /// What another asks for comes to this node as well.
    fn overheard_want(&mut self, now: Now, radio: LinkId, chunks: &[ChunkRef]) {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let mut fetches = Vec::new();
        for wanted in here.wanted.values_mut() {
            if chunks.contains(&wanted.beginning()) {
                wanted.again = now.instant.after(wanted.patience);
                wanted.coming_until = now.instant.after(wanted.patience.min(WANT_PAUSE_MAX));
                fetches.push((wanted.chunk, wanted.len));
            }
        }
        if fetches.is_empty() {
            return;
        }
        self.actions.push_back(Action::Withdraw {
            radio,
            slot: SLOT_WANT,
        });
        for (chunk, len) in fetches {
            self.expect_chunk(radio, chunk, len);
        }
    }

    /// Takes in grants, revocations and key epochs. Says whether some of them were not. Of what came under an earlier key nothing counts that somebody
    /// signed who is shut out: should it stand all the same, it comes again under the current one.
    pub(super) fn statements(
        &mut self,
        now: Now,
        from: NodeId,
        under: Option<EpochId>,
        grants: &[Vec<u8>],
        revocations: &[Vec<u8>],
        key_epochs: &[Vec<u8>],
    ) -> Result<bool> {
        let mut theirs = self.membership.clone();
        let counts = |issuer: NodeId| under.is_none() || !self.membership.is_revoked(issuer);
        let mut grants: Vec<Grant> = grants
            .iter()
            .filter_map(|bytes| Grant::decode(bytes).ok())
            .collect();
        grants.retain(|grant| counts(NodeId(grant.issuer)));
        let mut revocations: Vec<Revocation> = revocations
            .iter()
            .filter_map(|bytes| Revocation::decode(bytes).ok())
            .collect();
        revocations.retain(|revocation| counts(NodeId(revocation.issuer)));
        let mut key_epochs: Vec<KeyEpoch> = key_epochs
            .iter()
            .filter_map(|bytes| KeyEpoch::decode(bytes).ok())
            .collect();
        key_epochs.retain(|statement| counts(statement.issuer()));
        // An issuer may be known only by a grant further on.
        for _ in 0..2 {
            for grant in &grants {
                let _ = theirs.add_grant(grant.clone());
            }
            for revocation in &revocations {
                let _ = theirs.add_revocation(revocation.clone());
            }
        }
        for statement in &key_epochs {
            let _ = theirs.add_key_epoch(statement.clone());
        }
        self.merge_membership_of(now, from, None, &theirs)?;
        // Others heard the same.
        let said: BTreeSet<StatementRef> = grants
            .iter()
            .map(|grant| grant.id().short())
            .chain(revocations.iter().map(|revocation| revocation.id().short()))
            .chain(key_epochs.iter().map(|statement| statement.id().short()))
            .collect();
        self.statements_were_said(under, &said);
        Ok(!self.knows_statements(&said))
    }

    /// Tells the station what this node lacks, and from whom it may come.
    pub(super) fn listen(&mut self, radio: LinkId) {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let senders: BTreeSet<NodeId> = here
            .neighbours
            .iter()
            .filter(|(_, neighbour)| neighbour.ahead || !neighbour.known)
            .map(|(node, _)| *node)
            .chain(here.talk.strangers.iter().copied())
            .chain(here.earlier.strangers())
            .collect();
        let chunks = here
            .wanted
            .keys()
            .map(|hash| [hash.0[0], hash.0[1], hash.0[2], hash.0[3]])
            .collect();
        let listening = (senders, chunks);
        if here.listening != listening {
            here.listening = listening.clone();
            let (senders, chunks) = listening;
            self.actions.push_back(Action::Listen {
                radio,
                senders,
                chunks,
            });
        }
    }
}
