//! Acknowledgements of nodes that are not heard: asked for, and passed on.
//!
//! What a neighbour holds its beacons tell. Whoever lacks the word of a node further away asks its neighbours, after a time in which
//! nothing changed, and less and less often; each time when one of them was just heard, since the air may be dead for minutes. Who has that node's signed acknowledgement tells it; who has not asks on, until the node
//! itself hears and signs. So nobody signs or sends anything while all hear one another.
//!
//! An acknowledgement names a clock. What travels is the digest of the teller's state, what the signer lacks of it, and the signature over
//! the whole: whoever was in that state builds the clock again, and the signature shows whether it is the right one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::entries::{NodeRef, node_ref};
use super::message::{RadioMessage, Told};
use super::speak::{SLOT_ACKNOWLEDGEMENTS, SLOT_ASK};
use super::summary::{Digest, Runs};
use super::trickle::part;
use crate::mesh::engine::{Engine, Result};
use crate::mesh::{Acknowledgement, Lane, LinkId, RadioProfile};
use crate::model::{Instant, NodeId, Now};
use crate::store::Store;

/// After a change one asks within this time; then after twice the pause, up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(600);
const PAUSE_LONGEST: Duration = Duration::from_secs(4 * 3600);
/// So long one waits to hear somebody before one asks even so.
const SILENCE_LONGEST: Duration = Duration::from_secs(3600);
/// Whoever was heard within so many frames hears as well, by all that is known.
const JUST_FRAMES: u64 = 50;
/// Those who heard it may not hear one another: they ask within so many frames...
pub(super) const HEARD_FRAMES: u64 = 40;
/// ... and those who hear a question answer within so many.
const ANSWER_FRAMES: u64 = 16;
/// The share of a radio's airtime that questions and answers may take, in thousandths: of all those together who hear one another.
const SHARE_PERMILLE: u64 = 20;
/// So many full frames of it may be saved up.
const SAVED_FRAMES: u64 = 8;
/// Most nodes in one question.
pub(super) const ASKED_MAX: usize = 16;
/// Most acknowledgements in one message.
pub(super) const TOLD_MAX: usize = 16;
/// The longest acknowledgement on air, in bytes: one of a node that lacks this and that all over is told when it lacks less.
const TOLD_LEN_MAX: usize = 200;

/// What is asked and told on one radio.
#[derive(Debug)]
pub(super) struct Custody {
    /// When to ask next.
    ask: Instant,
    /// It was due, and nobody was heard just then.
    waits: bool,
    /// How long to wait after that.
    pause: Duration,
    /// When somebody last asked for a node's acknowledgement.
    asked: BTreeMap<NodeId, Instant>,
    /// A neighbour asked for these, and they are not here.
    wanted: BTreeSet<NodeId>,
    /// Somebody asked for these: when to tell them.
    tell: BTreeMap<NodeId, Instant>,
    /// Airtime that may be used, in microseconds, when that was reckoned, and from when on there is enough.
    saved_us: u64,
    reckoned: Instant,
    enough_from: Instant,
}

impl Custody {
    pub(super) fn new(now: Instant, rng: &mut ChaCha8Rng) -> Self {
        Self {
            ask: now.after(PAUSE_FIRST / 2 + part(PAUSE_FIRST / 2, rng)),
            waits: false,
            pause: PAUSE_FIRST,
            asked: BTreeMap::new(),
            wanted: BTreeSet::new(),
            tell: BTreeMap::new(),
            saved_us: u64::MAX,
            reckoned: now,
            enough_from: now,
        }
    }

    /// Takes the airtime of a full frame, if there is as much; else it is known from when on.
    fn take(&mut self, now: Instant, profile: &RadioProfile, neighbours: usize) -> bool {
        let price_us = profile.frame_airtime_us;
        let share = u64::from(profile.share_permille) * SHARE_PERMILLE;
        let sharers = neighbours as u64 + 1;
        let earned_us = now.0.saturating_sub(self.reckoned.0) / 1000 * share / sharers / 1000;
        self.reckoned = now;
        self.saved_us = self
            .saved_us
            .saturating_add(earned_us)
            .min(price_us * SAVED_FRAMES);
        if self.saved_us < price_us {
            let wait_us = (price_us - self.saved_us) * 1_000_000 / share.max(1) * sharers;
            self.enough_from = now.after(Duration::from_micros(wait_us + 1000));
            return false;
        }
        self.saved_us -= price_us;
        true
    }

    /// Something changed that others have to acknowledge.
    pub(super) fn news(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        self.pause = PAUSE_FIRST;
        let at = now.after(PAUSE_FIRST / 2 + part(PAUSE_FIRST / 2, rng));
        self.ask = self.ask.min(at);
    }

    /// Somebody is heard: what waits for that is asked within this time.
    pub(super) fn heard(&mut self, now: Instant, within: Duration, rng: &mut ChaCha8Rng) {
        if std::mem::take(&mut self.waits) {
            self.ask = now.after(part(within, rng));
        }
    }

    pub(super) fn timeout(&self) -> Instant {
        let first = self.tell.values().copied().fold(self.ask, Instant::min);
        first.max(self.enough_from)
    }
}

impl<S: Store> Engine<S> {
    /// Holders whose word for what is here is lacking, and who do not say it in beacons or over links.
    fn unacknowledged(&self, now: Now) -> Vec<NodeId> {
        let near: BTreeSet<NodeId> = self
            .radios
            .by_id
            .values()
            .flat_map(|radio| radio.neighbours.keys().copied())
            .chain(self.links.granted_peers())
            .chain([self.node])
            .collect();
        let holders = self.membership.holders(now.wall).into_iter();
        holders
            .filter(|node| !near.contains(node))
            .filter(|node| {
                self.peers
                    .get(node)
                    .is_none_or(|record| !record.acknowledged.includes(&self.held))
            })
            .collect()
    }

    /// Asks for what is lacking. Says whether there was anything to ask for.
    pub(super) fn ask_when_due(&mut self, now: Now, radio: LinkId) -> bool {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return false;
        };
        if here.custody.ask > now.instant {
            return false;
        }
        let just = here.frames(JUST_FRAMES);
        let mut heard = here.neighbours.values().map(|neighbour| neighbour.heard);
        if !here.custody.waits && !heard.any(|heard| now.instant < heard.after(just)) {
            here.custody.waits = true;
            here.custody.ask = now.instant.after(SILENCE_LONGEST);
            return false;
        }
        here.custody.waits = false;
        let mut nodes = self.unacknowledged(now);
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return false;
        };
        let custody = &mut here.custody;
        // Nobody will say it where nobody is heard.
        if here.neighbours.is_empty() {
            nodes.clear();
        }
        custody.ask = now
            .instant
            .after(custody.pause + part(custody.pause / 2, &mut self.rng));
        custody.pause = (custody.pause * 2).min(PAUSE_LONGEST);
        let others: Vec<NodeId> = custody
            .wanted
            .iter()
            .filter(|node| !nodes.contains(node))
            .copied()
            .collect();
        nodes.extend(others);
        // In turn, where there are many.
        nodes.sort_by_key(|node| (custody.asked.get(node).copied(), *node));
        nodes.truncate(ASKED_MAX);
        if nodes.is_empty() {
            return false;
        }
        if !custody.take(now.instant, &here.profile, here.neighbours.len()) {
            custody.ask = custody.enough_from;
            return false;
        }
        for node in &nodes {
            custody.asked.insert(*node, now.instant);
        }
        let message = RadioMessage::Ask(nodes.into_iter().map(node_ref).collect());
        self.broadcast(radio, SLOT_ASK, Lane::Small, message.encode());
        true
    }

    /// A neighbour asks for acknowledgements.
    pub(super) fn asked(&mut self, now: Now, radio: LinkId, from: NodeId, wanted: &[NodeRef]) {
        let nodes: BTreeSet<NodeId> = wanted
            .iter()
            .filter_map(|wanted| self.member_called(from, *wanted))
            .collect();
        let spared = self.unacknowledged(now).iter().all(|node| nodes.contains(node));
        let told: BTreeSet<NodeId> = nodes
            .iter()
            .filter(|node| **node == self.node || self.can_tell(**node))
            .copied()
            .collect();
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let within = here.frames(ANSWER_FRAMES);
        let mut on = false;
        for node in nodes.into_iter().filter(|node| *node != from) {
            let before = here.custody.asked.insert(node, now.instant);
            if told.contains(&node) {
                let at = now.instant.after(part(within, &mut self.rng));
                here.custody.tell.entry(node).or_insert(at);
            } else {
                here.custody.wanted.insert(node);
                on |= before.is_none_or(|before| now.instant >= before.after(PAUSE_FIRST / 2));
            }
        }
        if on {
            let at = now.instant.after(part(within, &mut self.rng));
            here.custody.ask = here.custody.ask.min(at);
        } else if spared {
            // The answer comes here as well.
            let custody = &mut here.custody;
            custody.ask = custody.ask.max(now.instant.after(custody.pause));
        }
    }

    /// This node has the word of another for all that is here, or for as much as it has itself.
    fn can_tell(&self, node: NodeId) -> bool {
        self.acknowledgements
            .get(&node)
            .is_some_and(|own| own.clock.includes(&self.held))
    }

    /// Tells acknowledgements that somebody asked for. Says whether there were any.
    pub(super) fn tell_when_due(&mut self, now: Now, radio: LinkId) -> bool {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return false;
        };
        let is_due = here.custody.tell.values().any(|at| *at <= now.instant);
        if !is_due || now.instant < here.custody.enough_from {
            return false;
        }
        if !here
            .custody
            .take(now.instant, &here.profile, here.neighbours.len())
        {
            return false;
        }
        let room = here.profile.frame_len_max;
        let nodes: Vec<NodeId> = here.custody.tell.keys().copied().collect();
        if nodes.contains(&self.node) {
            self.sign_acknowledgement(now);
        }
        let Some(base) = self.radios.history.current().map(|state| state.digest) else {
            if let Some(here) = self.radios.by_id.get_mut(&radio) {
                here.custody.tell.clear();
            }
            return false;
        };
        let (mut told, mut len, mut done) = (Vec::new(), 7, Vec::new());
        for node in nodes {
            let known = self.acknowledgements.get(&node);
            let known = known.filter(|known| self.held.includes(&known.clock));
            if let Some(known) = known {
                let one = Told {
                    node: node_ref(node),
                    time: known.time,
                    lacks: Runs::of(self.held.missing_in(&known.clock)),
                    signature: known.signature(),
                };
                let one_len = one.len();
                if one_len <= TOLD_LEN_MAX {
                    if !told.is_empty() && (len + one_len > room || told.len() == TOLD_MAX) {
                        break;
                    }
                    len += one_len;
                    told.push(one);
                }
            }
            done.push(node);
        }
        if let Some(here) = self.radios.by_id.get_mut(&radio) {
            here.custody.tell.retain(|node, _| !done.contains(node));
        }
        if told.is_empty() {
            return false;
        }
        let message = RadioMessage::Acknowledgements { base, told };
        self.broadcast(radio, SLOT_ACKNOWLEDGEMENTS, Lane::Small, message.encode());
        true
    }

    /// A neighbour tells acknowledgements, its own or others'.
    pub(super) fn told(
        &mut self,
        now: Now,
        radio: LinkId,
        from: NodeId,
        base: Digest,
        told: &[Told],
    ) -> Result<()> {
        let Some(state) = self.radios.history.shared(base).map(|state| state.clock.clone()) else {
            return Ok(());
        };
        for one in told {
            let Some(node) = self.member_called(from, one.node) else {
                continue;
            };
            let (lacks, others) = one.lacks.resolve(&state, &[]);
            let mut clock = state.clone();
            for (writer, first, last) in lacks.ranges() {
                clock.remove_range(writer, first, last);
            }
            let known = self.acknowledgements.get(&node).map(|known| known.time);
            let news = node != self.node && known.is_none_or(|known| known < one.time);
            if news {
                let signed = (self.config.owner, node, one.time, clock);
                let acknowledgement = Acknowledgement::from((signed, one.signature));
                // One that was built from other writers than meant would not verify either.
                if others || acknowledgement.verify().is_err() {
                    self.refuse(from, "it told an acknowledgement that nobody signed".into());
                    continue;
                }
                let near = self
                    .radios
                    .by_id
                    .values()
                    .any(|here| here.neighbours.contains_key(&node));
                self.take_acknowledgement(now, acknowledgement, near);
            }
            let can_tell = self.acknowledgements.contains_key(&node);
            let Some(here) = self.radios.by_id.get_mut(&radio) else {
                continue;
            };
            if here.custody.wanted.remove(&node) && can_tell {
                // Those who asked here may not hear who told it.
                let at = now.instant.after(part(here.frames(ANSWER_FRAMES), &mut self.rng));
                here.custody.tell.insert(node, at);
            } else if known == Some(one.time) || node == self.node {
                here.custody.tell.remove(&node);
            }
        }
        Ok(())
    }
}
