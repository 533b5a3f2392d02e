//! Who is heard: the generation and the count of every sender, so that its frames can be opened, each once.

use std::collections::BTreeMap;

use super::Instant;
use super::frame::{Clear, Frame, Introduction};
use super::seal::{FrameKey, SpaceKey};
use crate::PeerKey;

/// Most senders that are kept; the one that has been silent the longest goes.
const SENDERS_MAX: usize = 256;
/// A transfer goes on for so many frames of its sender at most; what claims to be older is a recording.
const TRANSFER_AGE_MAX: u32 = 4096;
/// A sender that was silent for so long may come back with a generation that looks older: its clock was put back, or it has none.
const SILENCE_US: u64 = 600_000_000;

#[derive(Debug)]
struct Sender {
    hint: u8,
    generation: u64,
    key: FrameKey,
    /// The highest counter that was heard, or the one before the next that was announced.
    last: Option<u32>,
    heard: Instant,
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
}

impl Senders {
    pub(super) fn new(key: SpaceKey) -> Self {
        Self {
            introduction: key.introduction_key(),
            key,
            known: BTreeMap::new(),
        }
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
            .filter(move |(_, sender)| sender.heard >= since)
            .map(|(peer, _)| *peer)
    }

    /// The sender whose hint this is, among those known.
    pub(super) fn by_hint(&self, hint: u8) -> impl Iterator<Item = PeerKey> + '_ {
        self.known
            .iter()
            .filter(move |(_, sender)| sender.hint == hint)
            .map(|(peer, _)| *peer)
    }

    pub(super) fn open(&mut self, now: Instant, bytes: &[u8]) -> Opened {
        let epoch = self.key.epoch();
        match Clear::read(bytes) {
            Some(Clear::Introduction { epoch: theirs }) if theirs == epoch => {
                match Introduction::open(&self.introduction, bytes) {
                    Some(introduction) => self.introduce(now, &introduction),
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
        for (peer, sender) in self.known.iter_mut().filter(|(_, sender)| sender.hint == hint) {
            let last = sender.last.unwrap_or(0);
            for counter in candidates(last, low) {
                let Some(frame) = Frame::open(&sender.key, counter, bytes) else {
                    continue;
                };
                let fresh = if is_fragment {
                    counter.saturating_add(TRANSFER_AGE_MAX) >= last
                } else {
                    sender.last.is_none_or(|last| counter > last)
                };
                if !fresh {
                    return Opened::Replay;
                }
                sender.last = Some(last.max(counter));
                sender.heard = now;
                return Opened::Frame {
                    from: *peer,
                    counter,
                    frame,
                };
            }
        }
        Opened::Unknown
    }

    fn introduce(&mut self, now: Instant, introduction: &Introduction) -> Opened {
        let peer = PeerKey(introduction.node);
        let before = introduction.counter.checked_sub(1);
        let again = introduction.again;
        if let Some(sender) = self.known.get_mut(&peer) {
            if introduction.generation == sender.generation {
                if before < sender.last {
                    return Opened::Replay;
                }
                sender.last = before;
                sender.heard = now;
                return Opened::Introduced {
                    peer,
                    new: false,
                    again,
                };
            }
            if introduction.generation < sender.generation && now.us_since(sender.heard) < SILENCE_US {
                return Opened::Replay;
            }
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
            heard: now,
        };
        self.known.insert(peer, sender);
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
    use super::*;

    const ADA: PeerKey = PeerKey([1; 32]);

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
            };
            introduction.seal(&self.key.introduction_key(), 0, [counter as u8; 13])
        }

        fn say(&self, counter: u32) -> Vec<u8> {
            let key = self.key.sender_key(ADA, self.generation);
            Frame::Message { body: vec![1] }.seal(&key, 0, self.key.hint(ADA), counter)
        }
    }

    fn voice(generation: u64) -> Voice {
        Voice {
            key: SpaceKey::new(0, [9; 32]),
            generation,
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
        let (mut senders, ada) = (Senders::new(SpaceKey::new(0, [9; 32])), voice(5));
        let now = Instant(0);
        assert_eq!(senders.open(now, &ada.say(0)), Opened::Unknown);
        let hello = ada.introduce(0);
        assert!(matches!(
            senders.open(now, &hello),
            Opened::Introduced { new: true, .. }
        ));
        assert_eq!(counter(&senders.open(now, &ada.say(0))), Some(0));
        assert_eq!(senders.open(now, &ada.say(0)), Opened::Replay);
        assert_eq!(counter(&senders.open(now, &ada.say(3))), Some(3));
        assert_eq!(senders.open(now, &ada.say(2)), Opened::Replay);
        assert_eq!(senders.open(now, &hello), Opened::Replay);
    }

    #[test]
    fn the_upper_bytes_of_the_counter_are_remembered() {
        let (mut senders, ada) = (Senders::new(SpaceKey::new(0, [9; 32])), voice(5));
        let now = Instant(0);
        senders.open(now, &ada.introduce(0x2_fff0));
        for next in [0x2_fff0, 0x2_fffe, 0x3_0001, 0x3_7000, 0x3_f000, 0x4_0000] {
            assert_eq!(counter(&senders.open(now, &ada.say(next))), Some(next));
        }
    }

    #[test]
    fn an_older_generation_counts_only_after_silence() {
        let (mut senders, new, old) = (Senders::new(SpaceKey::new(0, [9; 32])), voice(5), voice(4));
        senders.open(Instant(0), &new.introduce(0));
        assert_eq!(senders.open(Instant(1), &old.introduce(0)), Opened::Replay);
        let later = Instant(SILENCE_US);
        assert!(matches!(
            senders.open(later, &old.introduce(0)),
            Opened::Introduced { new: true, .. }
        ));
        // And the newer one counts at once.
        assert!(matches!(
            senders.open(later, &new.introduce(9)),
            Opened::Introduced { new: true, .. }
        ));
    }

    #[test]
    fn others_are_foreign() {
        let mut senders = Senders::new(SpaceKey::new(0, [8; 32]));
        assert_eq!(senders.open(Instant(0), &voice(5).introduce(0)), Opened::Foreign);
        assert_eq!(senders.open(Instant(0), &[0xff; 40]), Opened::Foreign);
        assert_eq!(senders.open(Instant(0), &[]), Opened::Foreign);
    }

    #[test]
    fn a_crowd_of_strangers_is_bounded() {
        let key = SpaceKey::new(0, [9; 32]);
        let mut senders = Senders::new(key.clone());
        for number in 0..1000_u32 {
            let mut node = [0; 32];
            node[..4].copy_from_slice(&number.to_be_bytes());
            let introduction = Introduction {
                node,
                generation: 1,
                counter: 0,
                again: false,
            };
            let mut nonce = [0; 13];
            nonce[..4].copy_from_slice(&number.to_be_bytes());
            senders.open(
                Instant(u64::from(number)),
                &introduction.seal(&key.introduction_key(), 0, nonce),
            );
        }
        assert_eq!(senders.heard_since(Instant(0)).count(), SENDERS_MAX);
    }
}
