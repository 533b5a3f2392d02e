//! Introductions: a station's own, those that it asks for, and those that put another right.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::{Station, StationOutput};
use crate::PeerKey;
use crate::lora::Instant;
use crate::lora::frame::{INTRODUCTION_LEN, Introduction};
use crate::lora::queue::Load;
use crate::lora::senders::{COUNTER_LUMP, GENERATION_MAX};

/// Others are told of the generations that they have to exceed at most so often.
const CORRECT_PAUSE_US: u64 = 60_000_000;

impl Station {
    /// Somebody began anew, and takes the counters that may have been heard before for heard.
    pub(super) fn leave_out_counters(&mut self) {
        // Near the end, which no run reaches, one asks in vain rather than to count anew under the same key.
        if self.counter < u32::MAX / 2 {
            self.counter += COUNTER_LUMP;
        }
        for job in self.queue.iter_mut() {
            if let Load::Object(object) = &mut job.load {
                object.renew();
            }
        }
        for (_, _, object) in &mut self.lingering {
            object.renew();
        }
    }

    /// A neighbour has gone back to a generation from before: one of those who know better tells it.
    pub(super) fn correct_later(&mut self, now: Instant, peer: PeerKey, generation: u64) {
        let told = self
            .corrected
            .is_some_and(|last| now.us_since(last) < CORRECT_PAUSE_US);
        if !told && self.correct.is_none() {
            let spread = (self.neighbours(now).len() as u64 + 1) * self.spread_us();
            self.correct = Some((now.after_us(self.random_below(spread)), peer, generation));
        }
    }

    /// Somebody tells which generation a node has to exceed: this one, or one that it need not be told again.
    pub(super) fn corrected(&mut self, now: Instant, peer: PeerKey, generation: u64) {
        self.correct.take_if(|(_, behind, _)| *behind == peer);
        if peer != self.node || generation <= self.generation {
            return;
        }
        self.generation = above(generation, &mut self.rng);
        if let Some(space) = self.spaces.first() {
            self.own_key = space.key().sender_key(self.node, self.generation);
        }
        // Counters go on, so that none meets the new key twice.
        self.senders_changed = true;
        self.leave_out_counters();
        self.introduce = Some((now, true));
    }

    /// Says whether the turn is taken: by a frame, or by the wait for one.
    pub(super) fn send_introduction(&mut self, now: Instant) -> bool {
        let Some((at, again)) = self.introduce else {
            return false;
        };
        let own = Introduction {
            node: self.node.0,
            generation: self.generation,
            counter: self.counter,
            again,
            of_another: false,
        };
        let attempt = self.attempt(now, at, &own);
        if attempt == Attempt::Sent {
            self.introduce = None;
            self.introduced = Some(now);
            if !again {
                self.outputs.push_back(StationOutput::Introduced);
            }
        }
        attempt != Attempt::NotNow
    }

    /// As [`send_introduction`](Self::send_introduction).
    pub(super) fn send_correction(&mut self, now: Instant) -> bool {
        let Some((at, peer, generation)) = self.correct else {
            return false;
        };
        let correction = Introduction {
            node: peer.0,
            generation,
            counter: 0,
            again: false,
            of_another: true,
        };
        let attempt = self.attempt(now, at, &correction);
        if attempt == Attempt::Sent {
            self.correct = None;
            self.corrected = Some(now);
        }
        attempt != Attempt::NotNow
    }

    /// Sends an introduction that is due at `at`, if it may go.
    fn attempt(&mut self, now: Instant, at: Instant, introduction: &Introduction) -> Attempt {
        let at = at.max(self.hold_until);
        if at > now {
            self.plan_turn(at);
            return Attempt::NotNow;
        }
        if !self.may_send(now, INTRODUCTION_LEN, 0) {
            return Attempt::Held;
        }
        let mut nonce = [0; 13];
        self.rng.fill_bytes(&mut nonce);
        let Some(space) = self.spaces.first() else {
            return Attempt::NotNow;
        };
        let sealed = introduction.seal(space.introduction_key(), space.key().epoch(), nonce);
        self.transmit(now, sealed, None);
        Attempt::Sent
    }
}

/// What became of an introduction that was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// It is not due, or nobody could open it.
    NotNow,
    /// The law holds it back, and with it all that is less urgent.
    Held,
    /// It is with the modem.
    Sent,
}

/// A generation that no frame was sealed with yet, above `last`.
pub(super) fn above(last: u64, rng: &mut ChaCha8Rng) -> u64 {
    last.min(GENERATION_MAX)
        .saturating_add(1 + u64::from(rng.next_u32()))
}
