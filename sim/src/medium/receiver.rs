//! One station: what is in the air around it, and what becomes of each frame there.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use cairn_transports::lora::Instant;

use super::config::{CarrierSense, Collisions, External, MediumConfig};
use super::draw::{Concern, draw, share};
use super::loss::Luck;
use super::statistics::Statistics;
use super::tuning::{Signal, Tuning};

/// The part of a preamble that a receiver needs, in symbols: what comes before may be lost (Bor et al. 2016).
const PREAMBLE_NEEDED: u16 = 5;

/// A receiver's tuning, with what follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tuned {
    pub(super) tuning: Tuning,
    pub(super) noise_dbm: f32,
    pub(super) sensitivity_dbm: f32,
}

/// A frame as it is at one station.
#[derive(Clone, Copy, Debug)]
pub(super) struct Audible {
    pub(super) frame: u64,
    pub(super) start: Instant,
    pub(super) end: Instant,
    pub(super) rssi_dbm: f32,
    pub(super) signal: Signal,
    pub(super) preamble_symbols: u16,
    pub(super) is_own: bool,
    /// It was judged, or cut off: it only disturbs others now.
    pub(super) is_over: bool,
}

impl Audible {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// When the part of its preamble begins that a receiver needs.
    fn needed_from(&self) -> Instant {
        let spare = self.preamble_symbols.saturating_sub(PREAMBLE_NEEDED);
        self.start.after_us(u64::from(spare) * self.signal.symbol_us())
    }
}

/// What becomes of a frame that could be understood if it were alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Clear,
    Missed,
    Collided,
    Jammed,
}

/// All that one station knows of the medium.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    pub(super) tuned: Option<Tuned>,
    /// It has been tuned so for so long.
    pub(super) since: Instant,
    pub(super) gain_db: f32,
    pub(super) luck: Luck,
    pub(super) statistics: Statistics,
    /// Its own frames that are on air or will be, oldest first: which, and when they end.
    pub(super) sending: VecDeque<(u64, Instant)>,
    /// What is on air here or was while something else is that still waits for its end. In the order in which they were sent.
    pub(super) audible: Vec<Audible>,
    /// What a modem holds to send after another frame: on a crowded channel most of all that is sent.
    upcoming: BinaryHeap<Reverse<Upcoming>>,
    /// With so many, it is worth looking which of them can be forgotten.
    pub(super) forget_at: usize,
}

/// A frame that has not begun. They are in the order in which they begin.
#[derive(Debug)]
struct Upcoming(Audible);

impl Upcoming {
    const fn key(&self) -> (Instant, u64) {
        (self.0.start, self.0.frame)
    }
}

impl PartialEq for Upcoming {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Upcoming {}

impl PartialOrd for Upcoming {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Upcoming {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// So few more are not looked through.
const FEW: usize = 8;

impl Receiver {
    /// A frame is sent, that begins now or later.
    pub(super) fn expect(&mut self, now: Instant, frame: Audible) {
        if frame.start > now {
            self.upcoming.push(Reverse(Upcoming(frame)));
        } else {
            self.begin(frame);
        }
    }

    fn begin(&mut self, frame: Audible) {
        let at = self.audible.partition_point(|other| other.frame < frame.frame);
        self.audible.insert(at, frame);
    }

    /// Time passes: what has begun is on air.
    pub(super) fn pass(&mut self, now: Instant) {
        while self
            .upcoming
            .peek()
            .is_some_and(|Reverse(next)| next.0.start <= now)
        {
            if let Some(Reverse(Upcoming(frame))) = self.upcoming.pop() {
                self.begin(frame);
            }
        }
    }

    /// A frame breaks off.
    pub(super) fn break_off(&mut self, frame: u64, end: Instant) {
        self.upcoming
            .retain(|Reverse(Upcoming(other))| other.frame != frame);
        if let Ok(at) = self.audible.binary_search_by_key(&frame, |audible| audible.frame) {
            self.audible[at].end = end;
            self.audible[at].is_over = true;
        }
        self.forget_old();
    }

    /// Marks a frame that has come to its end, and says how it was here. `None`: it was too weak to be here at all.
    pub(super) fn end(&mut self, frame: u64) -> Option<Audible> {
        // Frames are numbered in the order in which they are sent.
        let at = self
            .audible
            .binary_search_by_key(&frame, |audible| audible.frame)
            .ok()?;
        self.audible[at].is_over = true;
        Some(self.audible[at])
    }

    /// What ended before anything began that still waits for its end can disturb nothing. Looked for only when a few more have
    /// come: on a crowded channel each frame would look through all that its receivers hear.
    pub(super) fn forget_old(&mut self) {
        if self.audible.len() < self.forget_at {
            return;
        }
        let waiting = self.audible.iter().filter(|audible| !audible.is_over);
        match waiting.map(|audible| audible.start).min() {
            Some(oldest) => self
                .audible
                .retain(|audible| !audible.is_over || audible.end > oldest),
            None => self.audible.clear(),
        }
        self.forget_at = self.audible.len() + FEW;
    }

    /// Whether the frame could be understood here if nothing else were on air.
    pub(super) fn understands(&self, sent: &Tuning, heard: &Audible) -> bool {
        self.tuned.is_some_and(|tuned| {
            self.since <= heard.start
                && heard.rssi_dbm >= tuned.sensitivity_dbm
                && tuned.tuning.understands(sent)
        })
    }

    /// What all that was on air did to a frame.
    pub(super) fn judge(&self, heard: &Audible, config: &MediumConfig, seed: u64, place: u32) -> Fate {
        let mut is_drowned = false;
        for other in &self.audible {
            if other.frame == heard.frame || !other.overlaps(heard) {
                continue;
            }
            if other.is_own {
                return Fate::Missed;
            }
            is_drowned |= drowns(other, heard, config);
        }
        if is_drowned {
            return Fate::Collided;
        }
        match &config.external {
            Some(external) if is_jammed(external, heard, config.collisions, seed, place) => Fate::Jammed,
            _ => Fate::Clear,
        }
    }

    /// The strongest signal that is noticed on the channel that it is tuned to, whether that makes the channel taken, and until when.
    pub(super) fn sense(&self, now: Instant, config: &MediumConfig, seed: u64, place: u32) -> Sensed {
        let Some(tuned) = &self.tuned else {
            return Sensed::default();
        };
        let mut sensed = Sensed::default();
        for other in &self.audible {
            if !other.is_own && other.start <= now && now < other.end {
                sensed.add_frame(other, now, tuned, &config.carrier);
            }
        }
        if let Some(external) = &config.external {
            let span = now.0 / external.span_us.max(1);
            if is_taken(external, span, seed, place) {
                let end = (span + 1).saturating_mul(external.span_us.max(1));
                sensed.add(external.rssi_dbm, Some(Instant(end)));
            }
        }
        sensed
    }
}

/// What a receiver senses of its channel.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sensed {
    pub(super) strongest_dbm: Option<f32>,
    pub(super) busy_until: Option<Instant>,
}

impl Sensed {
    fn add_frame(&mut self, frame: &Audible, now: Instant, tuned: &Tuned, rule: &CarrierSense) {
        let ours = tuned.tuning.signal();
        let noticed_at = frame
            .start
            .after_us(u64::from(rule.symbols) * frame.signal.symbol_us());
        if noticed_at > now || !ours.overlaps(frame.signal) {
            return;
        }
        let is_strong = frame.rssi_dbm > tuned.noise_dbm + rule.above_noise_db;
        let is_like = ours.is_like(frame.signal) && frame.rssi_dbm >= tuned.sensitivity_dbm - rule.margin_db;
        self.add(frame.rssi_dbm, (is_strong || is_like).then_some(frame.end));
    }

    fn add(&mut self, rssi_dbm: f32, busy_until: Option<Instant>) {
        self.strongest_dbm = Some(self.strongest_dbm.map_or(rssi_dbm, |known| known.max(rssi_dbm)));
        self.busy_until = self.busy_until.max(busy_until);
    }
}

/// Whether another frame makes one unreadable.
fn drowns(other: &Audible, heard: &Audible, config: &MediumConfig) -> bool {
    let (ours, theirs) = (heard.signal, other.signal);
    if !ours.overlaps(theirs) || !ours.has_bandwidth_of(theirs) {
        return false;
    }
    if !ours.is_like(theirs) {
        let threshold = config
            .inter_sf
            .threshold_db(ours.spreading_factor, theirs.spreading_factor);
        return threshold.is_some_and(|threshold_db| heard.rssi_dbm < other.rssi_dbm + threshold_db);
    }
    let Some(threshold_db) = config.collisions.threshold_db() else {
        return true;
    };
    let (earlier, later) = if heard.start <= other.start {
        (heard, other)
    } else {
        (other, heard)
    };
    earlier.end > later.needed_from() && heard.rssi_dbm < other.rssi_dbm + threshold_db
}

fn is_taken(external: &External, span: u64, seed: u64, place: u32) -> bool {
    share(draw(seed, Concern::External, u64::from(place), span)) < external.share
}

fn is_jammed(external: &External, heard: &Audible, collisions: Collisions, seed: u64, place: u32) -> bool {
    let survives = (collisions.threshold_db())
        .is_some_and(|threshold_db| heard.rssi_dbm >= external.rssi_dbm + threshold_db);
    let span_us = external.span_us.max(1);
    let mut spans = heard.start.0 / span_us..=heard.end.0.saturating_sub(1) / span_us;
    !survives && spans.any(|span| is_taken(external, span, seed, place))
}
