//! What is known of a radio and of those who are heard on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::custody::Custody;
use super::doubt::Doubt;
use super::history::History;
use super::message::{ChunkRef, MembershipDigest};
use super::refused::Refused;
use super::summary::Digest;
use super::talk::{EarlierTalk, Talk};
use super::trickle::Trickle;
use crate::mesh::{HeardStatus, LinkId, RadioProfile};
use crate::model::{Clock, Dot, Hash, Instant, NodeId};

/// Whoever was silent for so long is not reckoned with.
const NEIGHBOUR_LASTS: Duration = Duration::from_secs(4 * 3600);
/// The longest pause between beacons.
const BEACON_LONGEST: Duration = Duration::from_secs(900);
/// The share of a radio's airtime that beacons may take, in thousandths.
const BEACONS_PERMILLE: u64 = 100;

/// A node that is heard.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    /// Its latest beacon's, or summary's.
    pub(super) digest: Digest,
    /// What it holds for certain.
    pub(super) clock: Option<Clock>,
    /// The clock tells all that it holds of what is here.
    pub(super) known: bool,
    /// The clock tells all that it holds.
    pub(super) exact: bool,
    /// It holds what is not here.
    pub(super) ahead: bool,
    /// It has all payloads of what it holds.
    pub(super) complete: bool,
    /// A state of it, and what it held then: told of as a base once this node holds all of that as well.
    pub(super) common: Option<(Digest, Clock)>,
    /// What was sent, by anybody, since it was last heard: it may have that, too.
    pub(super) sent: Clock,
    pub(super) sent_at: Instant,
    pub(super) heard: Instant,
    /// When it was asked for a payload last.
    pub(super) asked: Option<Instant>,
    pub(super) membership: MembershipDigest,
}

impl Neighbour {
    pub(super) fn new(now: Instant, digest: Digest) -> Self {
        Self {
            digest,
            clock: None,
            known: false,
            exact: false,
            ahead: false,
            complete: false,
            common: None,
            sent: Clock::new(),
            sent_at: Instant(0),
            heard: now,
            asked: None,
            membership: [0; 3],
        }
    }

    /// It is in a state that is known here, whether or not this node, which holds `held`, was in it.
    pub(super) fn is_at(&mut self, clock: Clock, held: &Clock) {
        self.ahead = !held.includes(&clock);
        self.common = Some((self.digest, clock.clone()));
        self.clock = Some(clock);
        self.known = true;
        self.exact = true;
    }

    /// After it told its state: what was sent and is not in there is lost, unless that was just now and it could not know of it.
    pub(super) fn forget_sent(&mut self, now: Instant, settles: Duration) {
        if now >= self.sent_at.after(settles) {
            self.sent = Clock::new();
        }
    }

    /// It was asked for a payload and not heard since: perhaps it is out of reach.
    pub(super) fn is_silent(&self) -> bool {
        self.asked.is_some_and(|asked| self.heard <= asked)
    }

    /// What it is expected to hold once all that was sent has arrived.
    pub(super) fn expected(&self) -> Option<Clock> {
        let mut clock = self.clock.clone()?;
        clock.merge(&self.sent);
        Some(clock)
    }
}

/// A payload that this node asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) chunk: Hash,
    /// A document of which it is a part.
    pub(super) dot: Dot,
    pub(super) len: u32,
    /// How long it takes, with some patience.
    pub(super) patience: Duration,
    pub(super) again: Instant,
    /// Until then it is expected to be on its way, and nothing else is said of it.
    pub(super) coming_until: Instant,
    pub(super) tries: u32,
}

impl Wanted {
    /// How it is called in a request.
    pub(super) fn beginning(&self) -> ChunkRef {
        let mut beginning = [0; 8];
        beginning.copy_from_slice(&self.chunk.0[..8]);
        beginning
    }
}

/// One radio.
#[derive(Debug)]
pub(super) struct Radio {
    pub(super) profile: RadioProfile,
    /// The station has room for a message.
    pub(super) ready: bool,
    pub(super) trickle: Trickle,
    /// Airtime that beacons may still take, in microseconds.
    pub(super) beacon_us: u64,
    pub(super) beacon_refilled: Instant,
    /// Those who are heard under the current key.
    pub(super) neighbours: BTreeMap<NodeId, Neighbour>,
    /// Those who were, when another key was the current one, and not since.
    pub(super) aside: BTreeMap<NodeId, Neighbour>,
    /// When to look what somebody lacks.
    pub(super) push: Option<Instant>,
    /// What was pushed last, by slot: it may still wait for its turn.
    pub(super) pushed: Option<(u64, Vec<Dot>)>,
    /// When to say what is held; in full, where no common state is known.
    pub(super) summary: Option<(Instant, bool)>,
    /// The state that the last summary told of, and when.
    pub(super) told: Option<(Digest, Instant)>,
    /// What is said of membership, under the current key.
    pub(super) talk: Talk,
    /// And under earlier ones.
    pub(super) earlier: EarlierTalk,
    /// Chunks to be sent, and from when on: others may ask for them as well.
    pub(super) serve: VecDeque<(Hash, Instant)>,
    pub(super) wanted: BTreeMap<Hash, Wanted>,
    /// A chunk that is on its way to others.
    pub(super) serving: Option<Hash>,
    pub(super) listening: (BTreeSet<NodeId>, BTreeSet<[u8; 4]>),
    pub(super) custody: Custody,
    /// A neighbour's state of which this node may have missed deletions.
    pub(super) doubt: Option<Doubt>,
    /// Somebody asks what lives here, and tells a digest of what lives there.
    pub(super) living: Option<Digest>,
    pub(super) next_slot: u64,
}

impl Radio {
    pub(super) fn new(now: Instant, profile: RadioProfile, rng: &mut ChaCha8Rng) -> Self {
        let beacon_us = profile.frame_airtime_us / 4;
        // Long enough for a dozen neighbours to speak one after the other.
        let shortest = Duration::from_micros((beacon_us * 24).max(2_000_000));
        Self {
            ready: false,
            trickle: Trickle::new(now, shortest, BEACON_LONGEST.max(shortest * 4), rng),
            beacon_us: Self::beacon_us_max(&profile),
            beacon_refilled: now,
            neighbours: BTreeMap::new(),
            aside: BTreeMap::new(),
            push: None,
            pushed: None,
            summary: None,
            told: None,
            talk: Talk::default(),
            earlier: EarlierTalk::default(),
            serve: VecDeque::new(),
            wanted: BTreeMap::new(),
            serving: None,
            listening: (BTreeSet::new(), BTreeSet::new()),
            custody: Custody::new(now, rng),
            doubt: None,
            living: None,
            next_slot: 16,
            profile,
        }
    }

    fn beacon_us_max(profile: &RadioProfile) -> u64 {
        3_600_000_000 / 1000 * u64::from(profile.share_permille) / 1000 * BEACONS_PERMILLE
    }

    /// Takes the airtime of a beacon, if there is any.
    pub(super) fn take_beacon(&mut self, now: Instant) -> bool {
        let passed = now.0.saturating_sub(self.beacon_refilled.0);
        self.beacon_refilled = now;
        let refill = passed / 1000 * u64::from(self.profile.share_permille) / 1000 * BEACONS_PERMILLE;
        self.beacon_us = (self.beacon_us + refill).min(Self::beacon_us_max(&self.profile));
        let price = self.profile.frame_airtime_us / 4;
        if self.beacon_us < price {
            return false;
        }
        self.beacon_us -= price;
        true
    }

    /// Forgets those who are gone.
    pub(super) fn forget_silent(&mut self, now: Instant) {
        let gone = |neighbour: &Neighbour| now >= neighbour.heard.after(NEIGHBOUR_LASTS);
        if self.neighbours.values().any(gone) {
            self.neighbours.retain(|_, neighbour| !gone(neighbour));
        }
        self.aside.retain(|_, neighbour| !gone(neighbour));
    }

    /// What is known of a node that is heard under the current key; of one that is heard for the first time, that it is in this state.
    pub(super) fn neighbour(&mut self, now: Instant, node: NodeId, digest: Digest) -> &mut Neighbour {
        self.earlier.came_over(node);
        self.neighbours.entry(node).or_insert_with(|| {
            let known = self.aside.remove(&node);
            known.unwrap_or_else(|| Neighbour::new(now, digest))
        })
    }

    /// A time in which so many beacons can be sent.
    pub(super) fn beacons(&self, beacons: u64) -> Duration {
        Duration::from_micros(self.profile.frame_airtime_us / 4 * beacons)
    }

    /// The time over which those who have a payload now spread their word of it.
    pub(super) fn spread(&self) -> Duration {
        self.beacons(4 + 4 * self.neighbours.len().clamp(1, 5) as u64)
    }

    /// A time to wait, of so many frames at least and at most.
    pub(super) fn frames(&self, frames: u64) -> Duration {
        Duration::from_micros(self.profile.frame_airtime_us * frames)
    }

    /// Neighbours to be asked for a document's payload, in turn: its writer, those who are known to hold it with their other payloads,
    /// those who may.
    pub(super) fn holders(&self, dot: Dot) -> Vec<NodeId> {
        let rank = |(node, neighbour): &(&NodeId, &Neighbour)| {
            let holds = neighbour.clock.as_ref().is_some_and(|clock| clock.contains(dot));
            let rank = match (**node == dot.writer.node, holds, neighbour.complete) {
                (true, ..) => 0,
                (false, true, true) => 1,
                (false, false, true) => 2,
                (false, _, false) => 3,
            };
            (rank, **node)
        };
        let mut holders: Vec<(u8, NodeId)> =
            self.neighbours.iter().map(|neighbour| rank(&neighbour)).collect();
        holders.sort();
        // Asking those who can hardly have it is of use only if nobody else is there.
        let best = holders.first().map_or(0, |(rank, _)| *rank);
        let keep = if best <= 1 { 1 } else { best };
        holders
            .into_iter()
            .filter(|(rank, _)| *rank <= keep)
            .map(|(_, node)| node)
            .collect()
    }

    /// How long a payload of so many bytes may take, twice over.
    pub(super) fn patience(&self, len: u32) -> Duration {
        let frames = u64::from(len) / self.profile.frame_len_max.max(1) as u64 + 4;
        let share = u64::from(self.profile.share_permille.clamp(1, 1000));
        self.frames(frames * 2 * 1000 / share)
    }

    /// A payload is expected to be on its way to this node.
    pub(super) fn is_coming(&self, now: Instant) -> bool {
        self.wanted.values().any(|wanted| now < wanted.coming_until)
    }

    /// Every neighbour is known to be in this state.
    pub(super) fn all_at(&self, digest: Digest) -> bool {
        !self.neighbours.is_empty()
            && self.talk.strangers.is_empty()
            && self
                .neighbours
                .values()
                .all(|neighbour| neighbour.digest == digest && neighbour.complete)
    }

    pub(super) fn push_by(&mut self, at: Instant) {
        self.push = Some(self.push.map_or(at, |push| push.min(at)));
    }

    pub(super) fn slot(&mut self) -> u64 {
        self.next_slot += 1;
        self.next_slot
    }
}

/// All radios, and the states that their neighbours may know.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Radios {
    pub(super) by_id: BTreeMap<LinkId, Radio>,
    pub(super) history: History,
    /// What was complete when that was last looked at.
    pub(super) complete: Option<Digest>,
    /// Some payload was lacking then.
    pub(super) incomplete: bool,
    /// Documents whose payloads are too long to be fetched unasked.
    pub(super) too_long: BTreeSet<Dot>,
    /// Messages that were not taken in as a whole.
    pub(in crate::mesh) refused: Refused,
}

impl Radios {
    /// When something is due.
    pub(in crate::mesh) fn timeout(&self) -> Option<Instant> {
        let of = |radio: &Radio| {
            let waiting = radio
                .ready
                .then(|| radio.serve.iter().map(|(_, from)| *from).min())
                .flatten();
            [
                Some(radio.trickle.timeout()),
                radio.push.filter(|_| radio.ready),
                radio.summary.map(|(at, _)| at),
                radio.talk.list,
                radio.earlier.timeout(radio.talk_pause(), radio.ready),
                waiting,
                radio.wanted.values().map(|wanted| wanted.again).min(),
                radio.doubt.as_ref().map(|doubt| doubt.ask),
                radio.ready.then(|| radio.custody.timeout()),
            ]
            .into_iter()
            .flatten()
            .min()
        };
        self.by_id
            .values()
            .filter_map(of)
            .chain(self.refused.timeout())
            .min()
    }

    /// Who is heard.
    pub(in crate::mesh) fn heard(&self) -> Vec<HeardStatus> {
        let of = |(radio, state): (&LinkId, &Radio)| {
            let radio = *radio;
            let heard = state.neighbours.iter().map(move |(node, neighbour)| HeardStatus {
                radio,
                node: *node,
                heard: neighbour.heard,
            });
            heard.collect::<Vec<_>>()
        };
        self.by_id.iter().flat_map(of).collect()
    }

    /// Says whether there is no radio.
    pub(in crate::mesh) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
