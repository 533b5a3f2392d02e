//! What is known of a radio and of those who are heard on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::history::History;
use super::message::{MembershipDigest, StatementRef};
use super::summary::Digest;
use super::trickle::Trickle;
use crate::mesh::{LinkId, RadioProfile};
use crate::model::{Clock, Hash, Instant, NodeId};

/// Whoever was silent for so long is not reckoned with.
const NEIGHBOUR_LASTS: Duration = Duration::from_secs(3600);
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
            membership: [0; 3],
        }
    }

    /// It is in a state that this node was in.
    pub(super) fn is_at(&mut self, clock: Clock) {
        self.common = Some((self.digest, clock.clone()));
        self.clock = Some(clock);
        self.known = true;
        self.exact = true;
        self.ahead = false;
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
    pub(super) again: Instant,
    pub(super) tries: u32,
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
    pub(super) neighbours: BTreeMap<NodeId, Neighbour>,
    /// When to look what somebody lacks.
    pub(super) push: Option<Instant>,
    /// When to say what is held; in full, where no common state is known.
    pub(super) summary: Option<(Instant, bool)>,
    /// The state that the last summary told of, and when.
    pub(super) told: Option<(Digest, Instant)>,
    /// When to list the statements that are known.
    pub(super) list: Option<Instant>,
    pub(super) listed: Option<Instant>,
    /// Those who know other statements than this node does.
    pub(super) strangers: BTreeSet<NodeId>,
    /// Statements that somebody lacks.
    pub(super) statements: BTreeSet<StatementRef>,
    /// Chunks to be sent, and from when on: others may ask for them as well.
    pub(super) serve: VecDeque<(Hash, Instant)>,
    pub(super) wanted: BTreeMap<Hash, Wanted>,
    pub(super) listening: (BTreeSet<NodeId>, BTreeSet<[u8; 4]>),
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
            push: None,
            summary: None,
            told: None,
            list: None,
            listed: None,
            strangers: BTreeSet::new(),
            statements: BTreeSet::new(),
            serve: VecDeque::new(),
            wanted: BTreeMap::new(),
            listening: (BTreeSet::new(), BTreeSet::new()),
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
        self.neighbours
            .retain(|_, neighbour| now < neighbour.heard.after(NEIGHBOUR_LASTS));
    }

    /// A time to wait, of so many frames at least and at most.
    pub(super) fn frames(&self, frames: u64) -> Duration {
        Duration::from_micros(self.profile.frame_airtime_us * frames)
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
                radio.list,
                waiting,
                radio.wanted.values().map(|wanted| wanted.again).min(),
            ]
            .into_iter()
            .flatten()
            .min()
        };
        self.by_id.values().filter_map(of).min()
    }

    /// The payloads of documents do not come here over any radio.
    pub(in crate::mesh) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
