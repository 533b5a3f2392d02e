//! Who is heard: the generation and the count of every sender, so that its frames can be opened, each once.
//!
//! **Over restarts** a [`SendersRecord`] is durable before anything that was heard is handed on. It names for each sender the generation, and
//! a counter that is up to [`COUNTER_LUMP`] above the highest that was heard: so it is written once in so many frames, and is never below
//! what was handed on. After a start all counters up to there count as heard. Others learn of the start by an introduction with a new
//! generation, and go on with a counter that is [`COUNTER_LUMP`] higher, above all that the record can name; until they do, their frames
//! count as those of strangers, who are asked to introduce themselves.
//!
//! A generation below the highest that was heard is a recording. It may also be a node whose disk was put back and whose clock is wrong:
//! it is told the generation that it has to exceed.

mod record;

use std::collections::BTreeMap;

use super::Instant;
use super::frame::{Clear, Frame, Introduction};
use super::seal::{FrameKey, SpaceKey};
use crate::PeerKey;

pub(super) use record::Heard;
pub use record::{DamagedSenders, SendersRecord};

/// Most senders that are kept; the one that has been silent the longest goes.
const SENDERS_MAX: usize = 256;
/// Most keys of a space with which frames are opened: the newest.
pub(super) const KEYS_MAX: usize = 16;
/// A transfer goes on for so many frames of its sender at most; what claims to be older is a recording.
const TRANSFER_AGE_MAX: u32 = 4096;
/// So many frames of a sender are heard before the record is written again; whoever hears that another has started anew leaves out as
/// many counters.
pub(super) const COUNTER_LUMP: u32 = 256;
/// The highest generation that counts: none is so high that a sender could not exceed it.
pub(super) const GENERATION_MAX: u64 = 0xf000_0000 << 32;

#[derive(Debug)]
struct Sender {
    hint: u8,
    generation: u64,
    key: FrameKey,
    /// The highest counter that was heard, or the one before the next that was announced.
    last: Option<u32>,
    /// The record names this counter.
    recorded: u32,
    /// What the record named at the start: older fragments count as heard.
    before_start: Option<u32>,
    /// In this run; none before something newer than what the record named came.
    heard: Option<Instant>,
}

impl Sender {
    /// Has counters up to `last` recorded as heard. Says whether the record must be written.
    fn reserve(&mut self) -> bool {
        let last = self.last.unwrap_or(0);
        let more = last > self.recorded;
        if more {
            self.recorded = last.saturating_add(COUNTER_LUMP);
        }
        more
    }

    /// What is not new: a recording, or a sender that does not know of this node's start.
    const fn stale(&self) -> Opened {
        if self.heard.is_some() {
            Opened::Replay
        } else {
            Opened::Unknown
        }
    }
}

/// What a frame turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Somebody introduces itself.
    Introduced {
        peer: PeerKey,
        /// It was not known, or has begun anew.
        new: bool,
        /// It asks to be told of others.
        again: bool,
    },
    /// A frame of a sender that is known. `counter` is full: of the frame, or of the transfer.
    Frame {
        from: PeerKey,
        counter: u32,
        frame: Frame,
    },
    /// It may be of a member that was not heard before, or of a generation that was not.
    Unknown,
    /// Somebody introduces itself with a generation that it has exceeded before, as this node knows.
    Behind {
        peer: PeerKey,
        /// The one to be exceeded.
        generation: u64,
    },
    /// Another tells that `peer` has to exceed a generation.
    Corrected { peer: PeerKey, generation: u64 },
    /// It was heard before.
    Replay,
    /// No frame of ours.
    Foreign,
}

/// The senders of one space, under one of its keys.
#[derive(Debug)]
pub(super) struct Senders {
    key: SpaceKey,
    introduction: FrameKey,
    known: BTreeMap<PeerKey, Sender>,
    /// The hints of those known: most frames of other spaces are told apart by them.
    hints: [bool; 256],
    /// The record must be written.
    changed: bool,
}

impl Senders {
    /// Knows who was heard before under this key, by the station of `own`.
    pub(super) fn new(key: SpaceKey, own: PeerKey, record: &SendersRecord) -> Self {
        let tag = key.tag();
        let heard = record
            .heard
            .iter()
            .filter(|heard| heard.key == tag && heard.node != own.0);
        let known = heard.take(SENDERS_MAX).map(|heard| {
            let peer = PeerKey(heard.node);
            let sender = Sender {
                hint: key.hint(peer),
                generation: heard.generation,
                key: key.sender_key(peer, heard.generation),
                last: Some(heard.counter),
                recorded: heard.counter,
                before_start: Some(heard.counter),
                heard: None,
            };
            (peer, sender)
        });
        let mut senders = Self {
            introduction: key.introduction_key(),
            known: known.collect(),
            hints: [false; 256],
            key,
            changed: false,
        };
        senders.note_hints();
        senders
    }

    fn note_hints(&mut self) {
        self.hints = [false; 256];
        for sender in self.known.values() {
            self.hints[usize::from(sender.hint)] = true;
        }
    }

    /// What of it must be known after a restart.
    pub(super) fn record(&self) -> impl Iterator<Item = Heard> + '_ {
        let key = self.key.tag();
        self.known.iter().map(move |(peer, sender)| Heard {
            key,
            node: peer.0,
            generation: sender.generation,
            counter: sender.recorded,
        })
    }

    /// Says whether the record must be written before what was opened last is handed on.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(super) const fn key(&self) -> &SpaceKey {
        &self.key
    }

    pub(super) const fn introduction_key(&self) -> &FrameKey {
        &self.introduction
    }

    /// Those heard since `since`, with when they were heard last.
    pub(super) fn heard_since(&self, since: Instant) -> impl Iterator<Item = PeerKey> + '_ {
        self.known
            .iter()
            .filter(move |(_, sender)| sender.heard.is_some_and(|heard| heard >= since))
            .map(|(peer, _)| *peer)
    }

    /// The sender whose hint this is, among those known.
    pub(super) fn by_hint(&self, hint: u8) -> impl Iterator<Item = PeerKey> + '_ {
        self.known
            .iter()
            .filter(move |(_, sender)| sender.hint == hint)
            .map(|(peer, _)| *peer)
    }

    /// `may_learn`: who is not known, or says that it began anew, is taken in.
    pub(super) fn open(&mut self, now: Instant, bytes: &[u8], may_learn: bool) -> Opened {
        let epoch = self.key.epoch();
        match Clear::read(bytes) {
            Some(Clear::Introduction { epoch: theirs }) if theirs == epoch => {
                match Introduction::open(&self.introduction, bytes) {
                    Some(introduction) => self.introduce(now, &introduction, may_learn),
                    None => Opened::Foreign,
                }
            }
            Some(Clear::From {
                epoch: theirs,
                hint,
                counter,
                is_fragment,
            }) if theirs == epoch => self.open_from(now, hint, counter, is_fragment, bytes),
            _ => Opened::Foreign,
        }
    }

    fn open_from(&mut self, now: Instant, hint: u8, low: u16, is_fragment: bool, bytes: &[u8]) -> Opened {
        if !self.hints[usize::from(hint)] {
            return Opened::Unknown;
        }
        for (peer, sender) in self.known.iter_mut().filter(|(_, sender)| sender.hint == hint) {
            let last = sender.last.unwrap_or(0);
            for counter in candidates(last, low) {
                let Some(frame) = Frame::open(&sender.key, counter, bytes) else {
                    continue;
                };
                let fresh = if is_fragment {
                    counter.saturating_add(TRANSFER_AGE_MAX) >= last
                        && sender.before_start.is_none_or(|before| counter > before)
                } else {
                    sender.last.is_none_or(|last| counter > last)
                };
                if !fresh {
                    return sender.stale();
                }
                sender.last = Some(last.max(counter));
                sender.heard = Some(now);
                self.changed |= sender.reserve();
                return Opened::Frame {
                    from: *peer,
                    counter,
                    frame,
                };
            }
        }
        Opened::Unknown
    }

    fn introduce(&mut self, now: Instant, introduction: &Introduction, may_learn: bool) -> Opened {
        let peer = PeerKey(introduction.node);
        let before = introduction.counter.checked_sub(1);
        let again = introduction.again;
        if introduction.generation > GENERATION_MAX {
            return Opened::Foreign;
        }
        if introduction.of_another {
            return Opened::Corrected {
                peer,
                generation: introduction.generation,
            };
        }
        if let Some(sender) = self.known.get_mut(&peer) {
            if introduction.generation == sender.generation {
                if before < sender.last {
                    return sender.stale();
                }
                sender.last = before;
                sender.heard = Some(now);
                self.changed |= sender.reserve();
                return Opened::Introduced {
                    peer,
                    new: false,
                    again,
                };
            }
            if introduction.generation < sender.generation {
                return Opened::Behind {
                    peer,
                    generation: sender.generation,
                };
            }
        }
        if !may_learn {
            return Opened::Foreign;
        }
        if self.known.len() >= SENDERS_MAX && !self.known.contains_key(&peer) {
            let oldest = self.known.iter().min_by_key(|(_, sender)| sender.heard);
            if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                self.known.remove(&oldest);
            }
        }
        let sender = Sender {
            hint: self.key.hint(peer),
            generation: introduction.generation,
            key: self.key.sender_key(peer, introduction.generation),
            last: before,
            recorded: introduction.counter.saturating_add(COUNTER_LUMP),
            before_start: None,
            heard: Some(now),
        };
        self.changed = true;
        self.known.insert(peer, sender);
        self.note_hints();
        Opened::Introduced {
            peer,
            new: true,
            again,
        }
    }
}

/// Full counters with these low bytes, the likeliest first: the next above `last`, then those before it.
fn candidates(last: u32, low: u16) -> impl Iterator<Item = u32> {
    let base = last & !0xffff | u32::from(low);
    let (first, second) = if base > last {
        (Some(base), base.checked_sub(0x1_0000))
    } else if last - base < 0x8000 {
        (Some(base), base.checked_add(0x1_0000))
    } else {
        (base.checked_add(0x1_0000), Some(base))
    };
    first.into_iter().chain(second)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Place;
    use super::super::seal::KeyName;
    use super::*;

    const ADA: PeerKey = PeerKey([1; 32]);
    const OWN: PeerKey = PeerKey([200; 32]);

    struct Voice {
        key: SpaceKey,
        generation: u64,
    }

    impl Voice {
        fn introduce(&self, counter: u32) -> Vec<u8> {
            let introduction = Introduction {
                node: ADA.0,
                generation: self.generation,
                counter,
                again: false,
                of_another: false,
            };
            introduction.seal(&self.key.introduction_key(), 0, [counter as u8; 13])
        }

        fn say(&self, counter: u32) -> Vec<u8> {
            let key = self.key.sender_key(ADA, self.generation);
            Frame::Message { body: vec![1] }.seal(&key, 0, self.key.hint(ADA), counter)
        }

        /// A fragment of a transfer.
        fn part(&self, transfer: u32) -> Vec<u8> {
            let key = self.key.sender_key(ADA, self.generation);
            let place = Place {
                transfer,
                block: None,
                symbol: 0,
            };
            let fragment = Frame::Fragment {
                place,
                poll: false,
                head: None,
                symbol: vec![1],
            };
            fragment.seal(&key, 0, self.key.hint(ADA), transfer)
        }
    }

    fn voice(generation: u64) -> Voice {
        Voice {
            key: SpaceKey::new(KeyName([0; 8]), &[9; 32]),
            generation,
        }
    }

    fn senders(secret: u8) -> Senders {
        Senders::new(
            SpaceKey::new(KeyName([0; 8]), &[secret; 32]),
            OWN,
            &SendersRecord::default(),
        )
    }

    /// What a restart leaves, if the record is written whenever it must be.
    struct Disk(SendersRecord);

    impl Disk {
        fn keep(&mut self, senders: &mut Senders) -> bool {
            let changed = senders.take_changed();
            if changed {
                self.0.heard = senders.record().collect();
            }
            changed
        }

        fn start(&self) -> Senders {
            Senders::new(SpaceKey::new(KeyName([0; 8]), &[9; 32]), OWN, &self.0)
        }
    }

    fn counter(opened: &Opened) -> Option<u32> {
        match opened {
            Opened::Frame { counter, .. } => Some(*counter),
            _ => None,
        }
    }

    #[test]
    fn every_frame_is_taken_once() {
        let (mut senders, ada) = (senders(9), voice(5));
        let now = Instant(0);
        assert_eq!(senders.open(now, &ada.say(0), true), Opened::Unknown);
        let hello = ada.introduce(0);
        assert!(matches!(
            senders.open(now, &hello, true),
            Opened::Introduced { new: true, .. }
        ));
        assert_eq!(counter(&senders.open(now, &ada.say(0), true)), Some(0));
        assert_eq!(senders.open(now, &ada.say(0), true), Opened::Replay);
        assert_eq!(counter(&senders.open(now, &ada.say(3), true)), Some(3));
        assert_eq!(senders.open(now, &ada.say(2), true), Opened::Replay);
        assert_eq!(senders.open(now, &hello, true), Opened::Replay);
    }

    #[test]
    fn the_upper_bytes_of_the_counter_are_remembered() {
        let (mut senders, ada) = (senders(9), voice(5));
        let now = Instant(0);
        senders.open(now, &ada.introduce(0x2_fff0), true);
        for next in [0x2_fff0, 0x2_fffe, 0x3_0001, 0x3_7000, 0x3_f000, 0x4_0000] {
            assert_eq!(counter(&senders.open(now, &ada.say(next), true)), Some(next));
        }
    }

    #[test]
    fn an_older_generation_never_counts_and_is_corrected() {
        let (mut senders, new, old) = (senders(9), voice(5), voice(4));
        senders.open(Instant(0), &new.introduce(0), true);
        for at in [1, 600_000_000, 90_000_000_000] {
            let behind = Opened::Behind {
                peer: ADA,
                generation: 5,
            };
            assert_eq!(senders.open(Instant(at), &old.introduce(0), true), behind);
            assert_eq!(senders.open(Instant(at), &old.say(0), true), Opened::Unknown);
        }
        assert_eq!(counter(&senders.open(Instant(2), &new.say(0), true)), Some(0));
        // One that nobody could exceed does not count at all.
        assert_eq!(
            senders.open(Instant(3), &voice(u64::MAX).introduce(0), true),
            Opened::Foreign
        );
    }

    #[test]
    fn the_record_is_written_once_in_many_frames() {
        let (mut senders, ada, mut disk) = (senders(9), voice(5), Disk(SendersRecord::default()));
        senders.open(Instant(0), &ada.introduce(0), true);
        let mut writes = usize::from(disk.keep(&mut senders));
        for next in 0..10 * COUNTER_LUMP {
            assert_eq!(
                counter(&senders.open(Instant(0), &ada.say(next), true)),
                Some(next)
            );
            writes += usize::from(disk.keep(&mut senders));
            assert!(disk.0.heard[0].counter >= next);
        }
        assert!((9..=11).contains(&writes), "{writes}");
    }

    #[test]
    fn a_sender_that_learns_of_the_start_is_heard_at_once() {
        let (mut first, ada, mut disk) = (senders(9), voice(5), Disk(SendersRecord::default()));
        first.open(Instant(0), &ada.introduce(0), true);
        for next in 0..700 {
            first.open(Instant(0), &ada.say(next), true);
            disk.keep(&mut first);
        }
        let mut again = disk.start();
        // It is asked who it is, and leaves out a lump.
        assert_eq!(again.open(Instant(0), &ada.say(700), true), Opened::Unknown);
        let next = 701 + COUNTER_LUMP;
        assert_eq!(counter(&again.open(Instant(0), &ada.say(next), true)), Some(next));
        assert_eq!(again.open(Instant(0), &ada.say(700), true), Opened::Replay);
        // Under another key nothing of this was heard.
        let mut other = Senders::new(SpaceKey::new(KeyName([0; 8]), &[8; 32]), OWN, &disk.0);
        assert_eq!(other.open(Instant(0), &ada.say(next), true), Opened::Unknown);
        assert_eq!(other.record().count(), 0);
    }

    #[test]
    fn others_are_foreign() {
        let mut senders = senders(8);
        assert_eq!(
            senders.open(Instant(0), &voice(5).introduce(0), true),
            Opened::Foreign
        );
        assert_eq!(senders.open(Instant(0), &[0xff; 40], true), Opened::Foreign);
        assert_eq!(senders.open(Instant(0), &[], true), Opened::Foreign);
    }

    #[test]
    fn a_crowd_of_strangers_is_bounded() {
        let key = SpaceKey::new(KeyName([0; 8]), &[9; 32]);
        let mut senders = Senders::new(key.clone(), OWN, &SendersRecord::default());
        for number in 0..1000_u32 {
            let mut node = [0; 32];
            node[..4].copy_from_slice(&number.to_be_bytes());
            let introduction = Introduction {
                node,
                generation: 1,
                counter: 0,
                again: false,
                of_another: false,
            };
            let mut nonce = [0; 13];
            nonce[..4].copy_from_slice(&number.to_be_bytes());
            senders.open(
                Instant(u64::from(number)),
                &introduction.seal(&key.introduction_key(), 0, nonce),
                true,
            );
        }
        assert_eq!(senders.heard_since(Instant(0)).count(), SENDERS_MAX);
        assert_eq!(senders.record().count(), SENDERS_MAX);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

        /// Frames of several generations, some of them lost, with restarts in between: none counts twice, whenever it is played again.
        #[test]
        fn no_recording_counts_after_a_restart(
            steps in proptest::collection::vec((0_u8..20, 1_u32..400, proptest::bool::ANY), 1..60),
            replays in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 0_u64..7_200), 1..60),
        ) {
            let mut disk = Disk(SendersRecord::default());
            let (mut senders, mut ada, mut count) = (senders(9), voice(5), 0);
            let mut recorded: Vec<Vec<u8>> = Vec::new();
            let mut now = Instant(0);
            let mut heard = std::collections::BTreeSet::new();
            for (what, more, lost) in steps {
                let frame = match what {
                    0 => {
                        senders = disk.start();
                        // Ada hears of it, or not.
                        count += if lost { 0 } else { COUNTER_LUMP };
                        continue;
                    }
                    1 => {
                        ada = voice(ada.generation + 1);
                        count = 0;
                        ada.introduce(0)
                    }
                    2..5 => ada.introduce(count),
                    5..9 => ada.part(count),
                    _ => ada.say(count),
                };
                count += more;
                now = now.after_us(1_000_000);
                if !lost {
                    if matches!(senders.open(now, &frame, true), Opened::Frame { .. }) {
                        heard.insert(frame.clone());
                    }
                    disk.keep(&mut senders);
                }
                recorded.push(frame);
            }
            senders = disk.start();
            for (which, pause_s) in replays {
                let Some(at) = (!recorded.is_empty()).then(|| which.index(recorded.len())) else { break };
                let frame = &recorded[at];
                now = now.after_us(pause_s * 1_000_000);
                if matches!(senders.open(now, frame, true), Opened::Frame { .. }) {
                    // A fragment counts as often as it comes, but not over a restart.
                    proptest::prop_assert!(!heard.contains(frame), "frame {} was taken again", at);
                }
                disk.keep(&mut senders);
            }
        }
    }
}
