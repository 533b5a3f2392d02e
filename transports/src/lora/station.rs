//! A node's radio: decides when which frame goes, within the law and with regard for others.
//!
//! Messages of the owner go out as they are when they fit in a frame, otherwise in fragments ([`super::outgoing`]). Between any two frames
//! the most urgent lane is chosen anew. Before a burst the station waits for a random time; while it hears somebody's burst, or the time
//! for answers to it, it holds back. Every frame is charged to the sub-band's budget before it goes.
//!
//! A space may have had several keys. Frames are sealed with the current one unless the owner says otherwise, and opened with all: the owner is
//! told with which ([`StationOutput::Message`]), for whoever has an earlier one alone may have been shut out since.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::budget::{Budget, BudgetRecord, Turn};
use super::dwell::DwellTiming;
use super::frame::{Frame, Head, MESSAGE_OVERHEAD, NEEDED_UNKNOWN, ObjectId, Place, Status};
use super::incoming::{Taken, TransferKey};
use super::modem::{ReceivedFrame, Timing};
use super::outgoing::{Next, Outgoing};
use super::queue::{Job, Load, Queue, Slot};
use super::seal::{KeyName, SpaceKey};
use super::senders::{KEYS_MAX, Opened, SendersRecord};
use super::{Instant, SubBand};
use crate::{Lane, PeerKey};

mod circle;
mod introductions;

use circle::{Circle, share_room};
use introductions::{Planned, above};

/// The longest status.
const STATUS_LEN: usize = MESSAGE_OVERHEAD + 5 + 8;
/// Whoever was heard in this time is a neighbour.
const NEIGHBOUR_US: u64 = 3_600_000_000;
/// Unknown voices are asked who they are again once the answers had their time, which is within these bounds; when nobody new answered
/// three times, after twice the pause, and so on up to the longest: others on the channel are unknown for ever.
const WHO_PAUSE_US: RangeInclusive<u64> = 15_000_000..=60_000_000;
const WHO_PAUSE_LONGEST_US: u64 = 3_600_000_000;
/// So many stations that are not heard here may answer the same question.
const UNHEARD: u64 = 12;
/// One introduces oneself to those who ask at most so often, and that for each two neighbours.
const INTRODUCE_PAUSE_US: u64 = 10_000_000;
/// And so often to those who ask under an earlier key: some of them may have been shut out.
const INTRODUCE_EARLIER_PAUSE_US: u64 = 600_000_000;
/// An object for those who have an earlier key goes out so many times over, repair included; then it is given up.
const EARLIER_TIMES: u32 = 3;
/// With so many frames more, for polls.
const EARLIER_POLLS: u32 = 12;
/// Under all earlier keys together so many statuses are sent in an hour.
const EARLIER_STATUSES: usize = 30;
/// Under an earlier key whoever is not known is taken in at most so often.
const EARLIER_LEARN_PAUSE_US: u64 = 30_000_000;
/// Objects that were sent are kept for late statuses.
const LINGERING_MAX: usize = 4;
/// The airtime of so long decides how long a modem makes its frames wait.
const RECENT_US: u64 = 15_000_000;
/// A modem and its port need so long between two things, in microseconds.
const TURNAROUND_US: u64 = 150_000;

/// What a station is told at its start.
pub struct StationConfig {
    /// Whose radio it is.
    pub node: PeerKey,
    /// The keys of the space: see [`Station::set_keys`].
    pub keys: Vec<SpaceKey>,
    /// How long the modem's frames are and take; the band may allow less ([`DwellTiming`]).
    pub timing: Box<dyn Timing>,
    /// Whose rules hold.
    pub band: &'static SubBand,
    /// What is left of the airtime.
    pub budget: Budget,
    /// Greater than at any start before, as far as one can tell, with random low bits: see [`super::SpaceKey`].
    pub generation: u64,
    /// What the last run left of [`StationOutput::Senders`]; nothing, where that is lost.
    pub senders: SendersRecord,
    /// Names this boot of the machine.
    pub boot: [u8; 16],
    /// Microseconds between the machine's boot and [`Instant`] 0; may be negative.
    pub boot_offset_us: i64,
    /// Makes everything random.
    pub seed: [u8; 32],
}

/// A message for the neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// A newer message of the same slot takes its place.
    pub slot: Slot,
    /// How urgent.
    pub lane: Lane,
    /// The key that it is sealed with. `None`: the current one; with another one it does not go.
    pub under: Option<KeyName>,
    /// The same bytes have the same name.
    pub name: ObjectId,
    /// What is sent: up to [`super::OBJECT_LEN_MAX`] bytes.
    pub bytes: Vec<u8>,
    /// How many neighbours want it.
    pub audience: usize,
}

/// How a broadcast ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is out, and nobody asks for more of it.
    Sent,
    /// Nobody answered.
    Unheard,
    /// It cannot be sent: too long for the link, no room in the queue, or no such key.
    Refused,
}

/// Something to do, or to know.
#[derive(Clone, Debug, PartialEq)]
pub enum StationOutput {
    /// Give this frame to the modem; then call [`Station::sent`].
    Transmit(Vec<u8>),
    /// Make this record durable; then call [`Station::recorded`]. No frame goes before.
    Record(BudgetRecord),
    /// Make this record durable; then call [`Station::senders_recorded`]. Until then it comes again, and nothing else does.
    Senders(SendersRecord),
    /// A message came.
    Message {
        /// Who sealed it.
        from: PeerKey,
        /// With which key.
        under: KeyName,
        /// What it says.
        bytes: Vec<u8>,
    },
    /// Somebody is heard for the first time, or began anew; or this station has told who it is to somebody who asked. What was said before
    /// may not have been understood. Under an earlier key, whenever somebody says who it is.
    Introduced {
        /// Who; `None`: this station.
        from: Option<PeerKey>,
        /// Under which key.
        under: KeyName,
    },
    /// A frame of this neighbour came, this strong.
    Heard {
        /// Who.
        from: PeerKey,
        /// As the modem measured it.
        rssi_dbm: Option<i16>,
        /// As the modem measured it.
        snr_db: Option<f32>,
    },
    /// A broadcast came to its end.
    Ended {
        /// Which.
        slot: Slot,
        /// How.
        ending: Ending,
    },
    /// There is room for a message beside those of the control lane.
    Ready,
}

/// What the station has sent and heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StationCounts {
    /// Frames given to the modem.
    pub frames_sent: u64,
    /// Bytes that went on air, with what the modem adds.
    pub bytes_sent: u64,
    /// Time on air, in microseconds.
    pub airtime_us: u64,
    /// Frames of members that came.
    pub frames_heard: u64,
    /// Frames that came and could not be opened.
    pub frames_foreign: u64,
}

/// The owner's object for which answers are awaited.
struct Listening {
    slot: Slot,
    under: Option<KeyName>,
    until: Instant,
}

/// An object that was sent to those who have the current key, kept for late statuses.
struct Sent {
    slot: Slot,
    lane: Lane,
    object: Box<Outgoing>,
}

/// The radio of one node.
///
/// Tell it what happens; after each call take outputs until [`poll_output`](Self::poll_output) gives `None`, then sleep, but not past
/// [`poll_timeout`](Self::poll_timeout). `now` never goes backwards.
pub struct Station {
    node: PeerKey,
    timing: Box<dyn Timing>,
    budget: Budget,
    band: &'static SubBand,
    boot: [u8; 16],
    boot_offset_us: i64,
    rng: ChaCha8Rng,
    /// One for each key, the current one's first; never empty.
    circles: Vec<Circle>,
    generation: u64,
    counter: u32,
    queue: Queue,
    lingering: VecDeque<Sent>,
    listening: Option<Listening>,
    /// What this node wants of others.
    interest: Interest,
    /// Statuses that are due.
    answers: BTreeMap<(KeyName, TransferKey, u8), Instant>,
    /// When statuses under earlier keys were planned, in the last hour.
    earlier_answers: VecDeque<Instant>,
    introduce: Option<Planned>,
    asked_who: Option<Instant>,
    /// How often that was since somebody new answered.
    asked_in_vain: u32,
    /// Who is to be told which generation it has to exceed.
    correct: Option<(Planned, PeerKey, u64)>,
    corrected: Option<Instant>,
    /// The record of senders differs from the disk's.
    senders_changed: bool,
    up: bool,
    /// A frame is with the modem; the single message that it carries, if it must not get lost.
    in_flight: Option<Option<Job>>,
    awaits_record: bool,
    /// Somebody else's burst, or the answers to it.
    hold_until: Instant,
    /// The random pause before a burst.
    armed: Option<Instant>,
    /// The job of which a burst is on its way.
    burst: Option<Slot>,
    next_turn: Option<Instant>,
    told_ready: bool,
    counts: StationCounts,
    /// Frames sent lately: when, and their airtime.
    recent: VecDeque<(Instant, u64)>,
    outputs: VecDeque<StationOutput>,
}

/// Whose bursts are of use to this node, and which objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// These have something that this node lacks, as far as is known.
    pub senders: BTreeSet<PeerKey>,
    /// These were asked for.
    pub objects: BTreeSet<ObjectId>,
}

impl Station {
    /// A station whose modem is not up yet.
    pub fn new(config: StationConfig) -> Self {
        let mut rng = ChaCha8Rng::from_seed(config.seed);
        let last = config.senders.generation;
        let generation = if config.generation > last {
            config.generation
        } else {
            above(last, &mut rng)
        };
        // A station without a key hears nobody and is heard by nobody.
        let nobodys = || vec![SpaceKey::new(KeyName([0; 8]), &config.seed)];
        let keys = Some(config.keys).filter(|keys| !keys.is_empty());
        let circle = |key| Circle::new(key, config.node, generation, &config.senders, &mut rng);
        let mut circles: Vec<Circle> = (keys.unwrap_or_else(nobodys).into_iter().take(KEYS_MAX))
            .map(circle)
            .collect();
        share_room(&mut circles);
        Self {
            node: config.node,
            timing: Box::new(DwellTiming::new(config.timing, config.band)),
            budget: config.budget,
            band: config.band,
            boot: config.boot,
            boot_offset_us: config.boot_offset_us,
            rng,
            circles,
            generation,
            counter: 0,
            queue: Queue::default(),
            lingering: VecDeque::new(),
            listening: None,
            interest: Interest::default(),
            answers: BTreeMap::new(),
            earlier_answers: VecDeque::new(),
            introduce: None,
            asked_who: None,
            asked_in_vain: 0,
            correct: None,
            corrected: None,
            senders_changed: true,
            up: false,
            in_flight: None,
            awaits_record: false,
            hold_until: Instant(0),
            armed: None,
            burst: None,
            next_turn: None,
            told_ready: false,
            counts: StationCounts::default(),
            recent: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The modem can send.
    pub fn modem_up(&mut self, now: Instant) {
        self.up = true;
        self.in_flight = None;
        if self.circles[0].introduced.is_none() {
            self.begin_introduction(now);
        }
        self.pump(now);
    }

    /// From now on these are the keys of the space, the newest first: it is the current one, unless there is none. What waits to be sealed with
    /// the one that was current is dropped, since its hearers may have been shut out meanwhile.
    pub fn set_keys(&mut self, now: Instant, keys: Vec<SpaceKey>) {
        if keys.is_empty() {
            return;
        }
        let before = self.circles[0].name();
        let known = self.senders_record();
        let mut old = std::mem::take(&mut self.circles);
        for key in keys.into_iter().take(KEYS_MAX) {
            let at = old.iter().position(|circle| circle.name() == key.name());
            let circle = match at {
                Some(at) => old.swap_remove(at),
                None => Circle::new(key, self.node, self.generation, &known, &mut self.rng),
            };
            self.circles.push(circle);
        }
        if self.circles[0].name() != before {
            self.queue.drop_current();
            self.lingering.clear();
            self.listening.take_if(|listening| listening.under.is_none());
            // Of another key's burst nothing holds the next one up but its random pause.
            self.burst = None;
            self.armed = None;
            if let Some(job) = &mut self.in_flight {
                job.take_if(|job| job.under.is_none());
            }
            self.told_ready = false;
            self.asked_in_vain = 0;
            self.begin_introduction(now);
        }
        share_room(&mut self.circles);
        let gone = |circles: &[Circle], under: KeyName| circles.iter().all(|circle| circle.name() != under);
        self.introduce
            .take_if(|planned| gone(&self.circles, planned.under));
        self.correct
            .take_if(|(planned, ..)| gone(&self.circles, planned.under));
        self.senders_changed = true;
        self.pump(now);
    }

    fn senders_record(&self) -> SendersRecord {
        let (node, generation) = (self.node, self.generation);
        let circles = self.circles.iter();
        SendersRecord {
            generation,
            heard: circles
                .flat_map(|circle| circle.record(node, generation))
                .collect(),
        }
    }

    /// The place of a key's circle.
    fn circle(&self, under: Option<KeyName>) -> Option<usize> {
        match under {
            None => Some(0),
            Some(name) => self.circles.iter().position(|circle| circle.name() == name),
        }
    }

    /// The modem is gone. Nothing that waits is lost.
    pub fn modem_down(&mut self, now: Instant) {
        self.up = false;
        if std::mem::take(&mut self.awaits_record) {
            self.budget.uncover();
        }
        self.sent(now, false);
    }

    /// The frame of the last [`StationOutput::Transmit`] is out, or the modem did not take it.
    pub fn sent(&mut self, now: Instant, accepted: bool) {
        if let Some(Some(job)) = self.in_flight.take() {
            if accepted {
                self.ended(job.slot, Ending::Sent);
            } else {
                self.queue.put_first(job);
            }
        }
        let backlog = self.backlog_us(now);
        if let Some(under) = self.listening.as_ref().map(|listening| listening.under) {
            // Answers may come from now on, or once the modem has sent what it holds.
            let window = self.window_us(self.circle(under).unwrap_or(0), now);
            if let Some(listening) = &mut self.listening {
                listening.until = now.after_us(window + backlog);
            }
        }
        self.pump(now);
    }

    /// The last [`StationOutput::Record`] is durable.
    pub fn recorded(&mut self, now: Instant) {
        self.awaits_record = false;
        self.pump(now);
    }

    /// The last [`StationOutput::Senders`] is durable.
    pub fn senders_recorded(&mut self) {
        self.senders_changed = false;
    }

    /// Sends a message.
    pub fn broadcast(&mut self, now: Instant, message: Broadcast) {
        let Broadcast {
            slot,
            lane,
            under,
            name,
            bytes,
            audience,
        } = message;
        let frame_len_max = self.timing.frame_len_max();
        if lane > Lane::Control {
            self.told_ready = false;
        }
        let Some(at) = self.circle(under) else {
            self.ended(slot, Ending::Refused);
            return self.pump(now);
        };
        // Those who overhear may lack other parts than those who asked.
        let audience = audience.max(self.circles[at].neighbours(now).count());
        // Somebody asks for more of what is on its way already: the poll at its end will ask what.
        if self.queue.iter_mut().any(|job| {
            job.slot == slot
                && job.under == under
                && matches!(&job.load, Load::Object(object) if object.transfer().is_some() && object.carries(name, &bytes))
        }) {
            return;
        }
        let sent_before = self
            .lingering
            .iter()
            .position(|sent| under.is_none() && sent.object.carries(name, &bytes));
        let load = if bytes.len() + MESSAGE_OVERHEAD <= frame_len_max {
            Some(Load::Single(bytes))
        } else if let Some(Sent { mut object, .. }) = sent_before.and_then(|at| self.lingering.remove(at)) {
            object.resume();
            Some(Load::Object(object))
        } else {
            let heard = self.circles[at].incoming.had(name);
            Outgoing::new(name, bytes, frame_len_max, audience).map(|mut object| {
                // When all of it was on air, whoever wants it has most of it.
                if heard {
                    object.resume();
                }
                Load::Object(Box::new(object))
            })
        };
        if self
            .listening
            .as_ref()
            .is_some_and(|listening| listening.slot == slot)
        {
            self.listening = None;
        }
        let taken = load.is_some_and(|load| {
            // Those who have an earlier key may ask for ever.
            let frames_left = match (&load, under) {
                (Load::Object(object), Some(_)) => EARLIER_TIMES * object.frames() as u32 + EARLIER_POLLS,
                _ => u32::MAX,
            };
            self.queue.put(Job {
                slot,
                lane,
                under,
                frames_left,
                load,
            })
        });
        if !taken {
            self.ended(slot, Ending::Refused);
        }
        self.pump(now);
    }

    /// Does not send a message that waits, or the rest of it.
    pub fn cancel(&mut self, now: Instant, slot: Slot) {
        self.queue.remove(slot);
        self.lingering.retain(|sent| sent.slot != slot);
        if self
            .listening
            .as_ref()
            .is_some_and(|listening| listening.slot == slot)
        {
            self.listening = None;
        }
        self.pump(now);
    }

    /// Its owner could not use this object yet: when it is sent again, it is taken as if it had never come.
    pub fn forget(&mut self, name: ObjectId) {
        for circle in &mut self.circles {
            circle.incoming.forget(name);
        }
    }

    /// What this node wants of others: of nothing else it asks for repair.
    pub fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    /// Neighbours: those heard lately, under any key.
    pub fn neighbours(&self, now: Instant) -> BTreeSet<PeerKey> {
        let circles = self.circles.iter();
        circles.flat_map(|circle| circle.neighbours(now)).collect()
    }

    /// Sums since the start.
    pub const fn counts(&self) -> StationCounts {
        self.counts
    }

    /// Used and allowed airtime in the window that has least left, in microseconds; `None` where nothing is limited.
    pub fn airtime_used_us(&mut self, now: Instant) -> Option<(u64, u64)> {
        self.budget.used_us(now)
    }

    /// Bytes of memory that unfinished objects of others take.
    pub fn reassembly_bytes(&self) -> usize {
        self.circles.iter().map(|circle| circle.incoming.bytes()).sum()
    }

    /// The longest message that goes in one frame, in bytes.
    pub fn single_len_max(&self) -> usize {
        self.timing.frame_len_max().saturating_sub(MESSAGE_OVERHEAD)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<StationOutput> {
        if self.senders_changed {
            return Some(StationOutput::Senders(self.senders_record()));
        }
        self.outputs.pop_front()
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        // While a frame or a record is under way nothing is concluded: what was due meanwhile is looked at when that is done.
        let is_held = self.in_flight.is_some() || self.awaits_record;
        let listening = self.listening.as_ref().filter(|_| !is_held);
        let work = [self.next_turn, listening.map(|listening| listening.until)];
        let silences = self.circles.iter().filter_map(|circle| circle.incoming.timeout());
        if self.up {
            work.into_iter().flatten().chain(silences).min()
        } else {
            None
        }
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        for at in 0..self.circles.len() {
            let name = self.circles[at].name();
            while let Some((key, block)) = self.circles[at].incoming.due(now) {
                if self.is_wanted(at, key) && self.may_answer(now, at) {
                    let delay = self.random_below(self.slot_us());
                    let answer = self.answers.entry((name, key, block));
                    answer.or_insert(now.after_us(delay));
                }
            }
        }
        self.pump(now);
    }

    /// A frame came from the air.
    pub fn received(&mut self, now: Instant, received: &ReceivedFrame) {
        let mut unknown = None;
        for at in 0..self.circles.len() {
            let circle = &mut self.circles[at];
            let may_learn =
                at == 0 || (circle.learned).is_none_or(|last| now.us_since(last) >= EARLIER_LEARN_PAUSE_US);
            let name = circle.name();
            let opened = circle.senders.open(now, &received.bytes, may_learn);
            self.senders_changed |= circle.senders.take_changed();
            match opened {
                Opened::Introduced { peer, new, again } if peer != self.node => {
                    self.heard(peer, received);
                    if new {
                        if at == 0 {
                            self.asked_in_vain = 0;
                        }
                        self.circles[at].learned = Some(now);
                        self.circles[at].incoming.begins_anew(peer);
                        self.leave_out_counters(at);
                    }
                    if new || at > 0 {
                        self.outputs.push_back(StationOutput::Introduced {
                            from: Some(peer),
                            under: name,
                        });
                    }
                    if again && self.may_introduce(at) {
                        self.answer_introduction(now, at);
                    }
                    self.pump(now);
                    return;
                }
                Opened::Frame { from, counter, frame } => {
                    self.heard(from, received);
                    self.take(now, at, from, counter, frame, received.bytes.len());
                    self.pump(now);
                    return;
                }
                Opened::Behind { peer, generation } if peer != self.node => {
                    self.correct_later(now, at, peer, generation);
                    self.pump(now);
                    return;
                }
                // Each has counters left out.
                Opened::Corrected { .. } if !may_learn => return,
                Opened::Corrected { peer, generation } => {
                    self.circles[at].learned = Some(now);
                    self.corrected(now, at, peer, generation);
                    self.pump(now);
                    return;
                }
                Opened::Behind { .. } => return,
                Opened::Introduced { .. } | Opened::Replay => return,
                Opened::Unknown => unknown = unknown.or(Some(name)),
                Opened::Foreign => {}
            }
        }
        self.counts.frames_foreign += 1;
        self.ask_who(now, unknown, &received.bytes);
    }

    fn heard(&mut self, from: PeerKey, received: &ReceivedFrame) {
        self.counts.frames_heard += 1;
        self.outputs.push_back(StationOutput::Heard {
            from,
            rssi_dbm: received.rssi_dbm,
            snr_db: received.snr_db,
        });
    }

    /// A message came, in the circle at this place.
    fn message(&mut self, at: usize, from: PeerKey, bytes: Vec<u8>) {
        let under = self.circles[at].name();
        self.outputs
            .push_back(StationOutput::Message { from, under, bytes });
    }

    fn take(&mut self, now: Instant, at: usize, from: PeerKey, counter: u32, frame: Frame, len: usize) {
        match frame {
            Frame::Message { body } => self.message(at, from, body),
            Frame::Fragment {
                place,
                poll,
                head,
                symbol,
            } => self.fragment(now, at, from, place, poll, head, symbol, len),
            Frame::Poll {
                transfer,
                block,
                head,
                answer,
            } => self.polled(now, at, from, counter, transfer, block, head, answer),
            Frame::Status(status) => self.status(now, at, from, status),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one frame")]
    fn fragment(
        &mut self,
        now: Instant,
        at: usize,
        from: PeerKey,
        place: Place,
        poll: bool,
        head: Option<Head>,
        symbol: Vec<u8>,
        len: usize,
    ) {
        let window = self.window_us(at, now);
        let airtime = self.timing.airtime_us(len).unwrap_or(0);
        let silence = 2 * window + 4 * airtime;
        let incoming = &mut self.circles[at].incoming;
        let taken = incoming.fragment(now, from, place, head, symbol, silence);
        let key = (from, place.transfer);
        self.hold(
            now,
            if poll && at == 0 {
                window
            } else {
                airtime + self.timing.access_delay_us() + TURNAROUND_US
            },
        );
        if let Taken::Complete(bytes) = taken {
            let name = self.circles[at].name();
            self.answers
                .retain(|(under, other, _), _| (*under, *other) != (name, key));
            self.message(at, from, bytes);
        } else if poll {
            self.answer_later(now, at, key, place.block.unwrap_or(0), false);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one frame")]
    fn polled(
        &mut self,
        now: Instant,
        at: usize,
        from: PeerKey,
        counter: u32,
        transfer: u16,
        block: u8,
        head: Head,
        answer: bool,
    ) {
        // The transfer began before this frame.
        let high = counter & !0xffff | u32::from(transfer);
        let full = if high <= counter {
            high
        } else {
            high.saturating_sub(0x1_0000)
        };
        let taken = self.circles[at].incoming.poll(now, from, full, block, head);
        if at == 0 {
            let window = self.window_us(at, now);
            self.hold(now, window);
        }
        if let Taken::Complete(bytes) = taken {
            self.message(at, from, bytes);
        }
        self.answer_later(now, at, (from, full), block, answer);
    }

    fn is_wanted(&self, at: usize, key: TransferKey) -> bool {
        self.interest.senders.contains(&key.0)
            || match self.circles[at].incoming.name(key) {
                Some(name) => self.interest.objects.contains(&name),
                // It may be what is waited for: the answer will tell its name.
                None => !self.interest.objects.is_empty(),
            }
    }

    /// Plans a status after a poll: soon for whoever lacks much, later for whoever lacks little. Whoever lacks nothing says so only if
    /// the poll asks for it.
    fn answer_later(&mut self, now: Instant, at: usize, key: TransferKey, block: u8, answer: bool) {
        let Some(status) = self.status_of(at, key, block) else {
            return;
        };
        let complete = status.needed == 0;
        if complete && !answer || !complete && !self.is_wanted(at, key) || !self.may_answer(now, at) {
            return;
        }
        let neighbours = self.circles[at].neighbours(now).count();
        let slots = neighbours.clamp(1, 16) as u64 * self.slot_us();
        // Whoever lacks most of 64 symbols goes first.
        let lacks = u64::from(status.needed.min(64));
        let latest = slots / 2 + self.random_below(slots / 2);
        let delay = if complete {
            latest
        } else {
            latest - slots / 2 * lacks / 64
        };
        let name = self.circles[at].name();
        self.answers.insert((name, key, block), now.after_us(delay));
        let window = self.window_us(at, now);
        // The sender may wait for others, and its modem for the channel.
        let silence = 4 * window + self.timing.backlog_us() / 2;
        self.circles[at].incoming.postpone(now, key, silence);
    }

    /// Whether a status to the circle at this place may be planned: to those who may have been shut out not often.
    fn may_answer(&mut self, now: Instant, at: usize) -> bool {
        if at == 0 {
            return true;
        }
        let since = Instant(now.0.saturating_sub(NEIGHBOUR_US));
        self.earlier_answers.retain(|planned| *planned > since);
        let may = self.earlier_answers.len() < EARLIER_STATUSES;
        if may {
            self.earlier_answers.push_back(now);
        }
        may
    }

    fn status_of(&self, at: usize, key: TransferKey, block: u8) -> Option<Status> {
        let circle = self.circles.get(at)?;
        let hint = circle.senders.key().hint(key.0);
        circle.incoming.status(key, block, hint)
    }

    /// Somebody tells what it lacks: of an object of this node, or of another's.
    fn status(&mut self, now: Instant, at: usize, from: PeerKey, status: Status) {
        if status.sender == self.circles[at].own_hint() {
            let neighbours = self.circles[at].neighbours(now).count();
            let wanted = |outgoing: &Outgoing| {
                outgoing
                    .transfer()
                    .is_some_and(|transfer| transfer as u16 == status.transfer)
            };
            let name = self.circles[at].name();
            let is_here = |under: Option<KeyName>| under.map_or(at == 0, |under| under == name);
            for job in self.queue.iter_mut() {
                if let Load::Object(object) = &mut job.load
                    && is_here(job.under)
                    && wanted(object)
                {
                    object.answered(from, status);
                    match &mut self.listening {
                        None if !object.has_more() => {
                            self.listening = Some(Listening {
                                slot: job.slot,
                                under: job.under,
                                until: now,
                            });
                        }
                        // There is nobody left to wait for.
                        Some(listening) if listening.slot == job.slot && object.answers() >= neighbours => {
                            listening.until = listening.until.min(now);
                        }
                        _ => {}
                    }
                    return;
                }
            }
            let sent = |sent: &Sent| at == 0 && wanted(&sent.object);
            if let Some(at) = self.lingering.iter().position(sent)
                && status.needed > 0
                && let Some(mut sent) = self.lingering.remove(at)
            {
                sent.object.answered(from, status);
                sent.object.conclude();
                self.queue.put_first(Job {
                    slot: sent.slot,
                    lane: sent.lane,
                    under: None,
                    frames_left: u32::MAX,
                    load: Load::Object(sent.object),
                });
            }
            return;
        }
        // Somebody else asks for the same, and for at least as much: what it gets helps this node as well.
        let circle = &self.circles[at];
        let (name, senders) = (circle.name(), circle.senders.by_hint(status.sender));
        let transfers: Vec<TransferKey> = senders
            .filter_map(|sender| circle.incoming.find(sender, status.transfer))
            .collect();
        for key in transfers {
            let own = self.status_of(at, key, status.block).map_or(0, |own| own.needed);
            let covered = own <= status.needed && (own > 0 || status.needed == 0);
            if covered && status.needed != NEEDED_UNKNOWN || own == 0 {
                self.answers.remove(&(name, key, status.block));
            }
        }
        self.hold(now, self.slot_us());
    }

    fn hold(&mut self, now: Instant, for_us: u64) {
        self.hold_until = self.hold_until.max(now.after_us(for_us));
        if self.burst.is_none() {
            self.armed = None;
        }
    }

    /// The random time before a burst is below this.
    fn spread_us(&self) -> u64 {
        if self.timing.listens() {
            return self.slot_us();
        }
        // Chance alone keeps two apart.
        3 * self.timing.airtime_us(self.timing.frame_len_max()).unwrap_or(0)
    }

    /// How much later than the driver says a frame may be out: the longer, the more was sent lately.
    fn backlog_us(&mut self, now: Instant) -> u64 {
        let since = Instant(now.0.saturating_sub(RECENT_US));
        while self.recent.front().is_some_and(|(sent, _)| *sent < since) {
            self.recent.pop_front();
        }
        let sent: u64 = self.recent.iter().map(|(_, airtime)| airtime).sum();
        // Up to a tenth of the time is not much.
        let much = sent.min(RECENT_US).saturating_sub(RECENT_US / 10);
        self.timing.backlog_us() / 1000 * (much / 1000) / (RECENT_US / 1_000_000)
    }

    /// How long one answer takes.
    fn slot_us(&self) -> u64 {
        self.timing.airtime_us(STATUS_LEN).unwrap_or(0) + TURNAROUND_US / 3
    }

    /// How long answers to a poll may take, of those in the circle at this place.
    fn window_us(&self, at: usize, now: Instant) -> u64 {
        let neighbours = self.circles[at].neighbours(now).count().clamp(1, 16) as u64;
        let answer = self.timing.airtime_us(STATUS_LEN).unwrap_or(0);
        neighbours * self.slot_us() + answer + self.timing.access_delay_us() + 2 * TURNAROUND_US
    }

    fn random_below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn ended(&mut self, slot: Slot, ending: Ending) {
        self.outputs.push_back(StationOutput::Ended { slot, ending });
    }

    /// Sends the next frame, if one may go now.
    fn pump(&mut self, now: Instant) {
        self.next_turn = None;
        if !self.up || self.in_flight.is_some() || self.awaits_record {
            return;
        }
        if self.send_answer(now) || self.send_introduction(now) || self.send_correction(now) {
            return;
        }
        if let Some(listening) = &self.listening {
            if now < listening.until {
                // What is due earlier was planned above.
                return;
            }
            let slot = listening.slot;
            self.listening = None;
            self.conclude(slot);
        }
        self.send_job(now);
        if !self.told_ready && !self.queue.has_data() && self.in_flight.is_none() && self.listening.is_none()
        {
            self.told_ready = true;
            self.outputs.push_back(StationOutput::Ready);
        }
    }

    fn plan_turn(&mut self, at: Instant) {
        self.next_turn = Some(self.next_turn.map_or(at, |turn| turn.min(at)));
    }

    fn send_answer(&mut self, now: Instant) -> bool {
        while let Some((&answer, &at)) = self.answers.iter().min_by_key(|(_, at)| **at) {
            if at > now {
                self.plan_turn(at);
                return false;
            }
            let (name, key, block) = answer;
            let circle = self.circle(Some(name));
            let status = circle.and_then(|circle| Some((circle, self.status_of(circle, key, block)?)));
            let Some((circle, status)) = status else {
                self.answers.remove(&answer);
                continue;
            };
            let frame = Frame::Status(status);
            let len = STATUS_LEN;
            match self.may_send(now, len, 0) {
                true => {
                    self.answers.remove(&answer);
                    let sealed = self.seal(circle, &frame);
                    self.transmit(now, sealed, None);
                    return true;
                }
                false => return true,
            }
        }
        false
    }

    fn send_job(&mut self, now: Instant) {
        loop {
            let Some(job) = self.queue.first() else {
                self.armed = None;
                return;
            };
            let len = match &job.load {
                Load::Single(body) => body.len() + MESSAGE_OVERHEAD,
                Load::Object(object) => match object.next_len() {
                    Some(len) => len,
                    None => return,
                },
            };
            let circle = self.circle(job.under);
            // Bulk leaves some of the budget to what is more urgent.
            let spared = match job.lane {
                Lane::Control => 0,
                Lane::Entries | Lane::Small => 20,
                Lane::Bulk => 10,
            };
            if self.burst.is_none() {
                let pause = self.spread_us();
                let from = now.max(self.hold_until);
                let armed = match self.armed {
                    Some(armed) => armed,
                    None => {
                        let armed = from.after_us(self.random_below(pause));
                        self.armed = Some(armed);
                        armed
                    }
                };
                if armed > now {
                    self.plan_turn(armed);
                    return;
                }
            }
            let Some(circle) = circle.filter(|_| !self.too_long(len)) else {
                if let Some(job) = self.queue.take_first() {
                    self.ended(job.slot, Ending::Refused);
                }
                continue;
            };
            if !self.may_send(now, len, spared) {
                return;
            }
            self.armed = None;
            let Some(mut job) = self.queue.take_first() else {
                return;
            };
            match &mut job.load {
                Load::Single(body) => {
                    let frame = Frame::Message { body: body.clone() };
                    let sealed = self.seal(circle, &frame);
                    self.transmit(now, sealed, Some(job));
                }
                Load::Object(_) if job.frames_left == 0 => {
                    self.listening.take_if(|listening| listening.slot == job.slot);
                    self.burst = None;
                    self.ended(job.slot, Ending::Unheard);
                    continue;
                }
                Load::Object(object) => {
                    job.frames_left = job.frames_left.saturating_sub(1);
                    let begins = object.begins();
                    let Some((frame, poll)) = object.next(self.counter) else {
                        return;
                    };
                    if begins {
                        self.counter = self.counter.wrapping_add(1);
                    }
                    let (slot, under, transfer) = (job.slot, job.under, object.transfer());
                    // A poll may be a frame of its own, with the next counter.
                    let sealed = match &frame {
                        Frame::Fragment { .. } => self.circles[circle].seal(&frame, transfer.unwrap_or(0)),
                        _ => self.seal(circle, &frame),
                    };
                    self.burst = (!poll).then_some(slot);
                    self.queue.put_first(job);
                    if poll {
                        self.listening = Some(Listening {
                            slot,
                            under,
                            // Until the frame is out nobody can answer.
                            until: Instant(u64::MAX),
                        });
                    }
                    self.transmit(now, sealed, None);
                }
            }
            return;
        }
    }

    /// The time for answers is over.
    fn conclude(&mut self, slot: Slot) {
        let Some(mut job) = self.queue.remove(slot) else {
            return;
        };
        let Load::Object(object) = &mut job.load else {
            return;
        };
        match object.conclude() {
            Next::More => self.queue.put_first(job),
            next => {
                let ending = if next == Next::Finished {
                    Ending::Sent
                } else {
                    Ending::Unheard
                };
                self.ended(slot, ending);
                if let (Load::Object(object), None) = (job.load, job.under) {
                    if self.lingering.len() >= LINGERING_MAX {
                        self.lingering.pop_front();
                    }
                    self.lingering.push_back(Sent {
                        slot,
                        lane: job.lane,
                        object,
                    });
                }
            }
        }
    }

    fn too_long(&self, len: usize) -> bool {
        len > self.timing.frame_len_max() || self.timing.airtime_us(len).is_err()
    }

    /// Whether the law allows a frame now; else plans when to ask again. One in `spared` of the budget is left unused.
    fn may_send(&mut self, now: Instant, len: usize, spared: u64) -> bool {
        let Ok(airtime) = self.timing.airtime_us(len) else {
            return false;
        };
        let reserve = match (self.band.frame_us_max(), spared) {
            (Some(max), 1..) => (max / spared).min(max.saturating_sub(airtime)),
            _ => 0,
        };
        match self.budget.turn(now, airtime + reserve) {
            Turn::Now => {}
            Turn::At(at) => {
                self.plan_turn(at);
                return false;
            }
            Turn::Never => return false,
        }
        if !self.budget.is_covered(airtime) {
            let since_boot = i128::from(now.0) + i128::from(self.boot_offset_us);
            let since_boot = u64::try_from(since_boot.max(0)).unwrap_or(u64::MAX);
            let record = self.budget.record(now, self.boot, since_boot, airtime);
            self.awaits_record = true;
            self.outputs.push_back(StationOutput::Record(record));
            return false;
        }
        true
    }

    fn seal(&mut self, circle: usize, frame: &Frame) -> Vec<u8> {
        let counter = self.counter;
        self.counter = self.counter.wrapping_add(1);
        self.circles[circle].seal(frame, counter)
    }

    fn transmit(&mut self, now: Instant, frame: Vec<u8>, job: Option<Job>) {
        let airtime = self.timing.airtime_us(frame.len()).unwrap_or(0);
        self.budget.charge(now, airtime);
        self.counts.frames_sent += 1;
        self.counts.bytes_sent += self.timing.bytes_on_air(frame.len()) as u64;
        self.counts.airtime_us += airtime;
        self.recent.push_back((now, airtime));
        self.in_flight = Some(job);
        self.outputs.push_back(StationOutput::Transmit(frame));
    }
}

#[cfg(test)]
mod tests;
