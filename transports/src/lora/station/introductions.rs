//! Introductions: a station's own, those that it asks for, and those that put another right.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::{
    INTRODUCE_EARLIER_PAUSE_US, INTRODUCE_PAUSE_US, Station, StationOutput, UNHEARD, WHO_PAUSE_LONGEST_US,
    WHO_PAUSE_US,
};
use crate::PeerKey;
use crate::lora::Instant;
use crate::lora::frame::{Clear, INTRODUCTION_LEN, Introduction};
use crate::lora::queue::Load;
use crate::lora::seal::KeyName;
use crate::lora::senders::{COUNTER_LUMP, GENERATION_MAX};

/// Others are told of the generations that they have to exceed at most so often; under an earlier key more rarely, as all that is said there.
const CORRECT_PAUSE_US: u64 = 60_000_000;

/// An introduction that is to be sent.
#[derive(Clone, Copy)]
pub(super) struct Planned {
    /// Not before.
    pub(super) at: Instant,
    /// With which key it is sealed.
    pub(super) under: KeyName,
    /// It asks others to do the same.
    pub(super) again: bool,
}

impl Station {
    /// Says under the current key who this is, and asks who the others are.
    pub(super) fn begin_introduction(&mut self, now: Instant) {
        // After a power cut many begin at the same time.
        let within = self.spread_us();
        self.introduce = Some(Planned {
            at: now.after_us(self.random_below(within)),
            under: self.circles[0].name(),
            again: true,
        });
    }

    /// Whether an introduction to the circle at this place may be planned: one to those who have the current key goes before all others.
    pub(super) fn may_introduce(&self, circle: usize) -> bool {
        let current = self.circles[0].name();
        (self.introduce).is_none_or(|planned| circle == 0 && planned.under != current)
    }

    /// Somebody in the circle at this place asks who is there.
    pub(super) fn answer_introduction(&mut self, now: Instant, circle: usize) {
        let pause_us = match circle {
            // Where many are heard, one of them asks often.
            0 => INTRODUCE_PAUSE_US * (self.circles[0].neighbours(now).count() as u64 / 2).max(1),
            _ => INTRODUCE_EARLIER_PAUSE_US,
        };
        let pause =
            (self.circles[circle].introduced).map_or(0, |last| pause_us.saturating_sub(now.us_since(last)));
        if circle > 0 && pause > 0 {
            return;
        }
        // Those who are not heard here may have told at the same time as this one: not again.
        let within = self.answers_us(now);
        self.introduce = Some(Planned {
            at: now.after_us(pause + self.random_below(within)),
            under: self.circles[circle].name(),
            again: false,
        });
    }

    /// Those who are asked who they are tell it within this time. Some of them are not heard here: chance alone keeps them apart.
    fn answers_us(&self, now: Instant) -> u64 {
        let own = self.timing.airtime_us(INTRODUCTION_LEN).unwrap_or(0);
        let neighbours = self.circles[0].neighbours(now).count();
        (neighbours as u64 + UNHEARD) * self.spread_us().max(2 * own)
    }

    /// How long not to ask unknown voices again.
    fn who_pause_us(&self, now: Instant) -> u64 {
        let shortest = self
            .answers_us(now)
            .clamp(*WHO_PAUSE_US.start(), *WHO_PAUSE_US.end());
        let doublings = self.asked_in_vain.saturating_sub(3).min(8);
        (shortest << doublings).min(WHO_PAUSE_LONGEST_US)
    }

    /// A frame came that does not open: of somebody who is not known, perhaps with the key `likely`, or who has another key of the space. If both are
    /// members, there is one that both have: this station asks with one after the other.
    pub(super) fn ask_who(&mut self, now: Instant, likely: Option<KeyName>, frame: &[u8]) {
        let is_voice = matches!(Clear::read(frame), Some(Clear::From { .. }));
        let may_ask = self
            .asked_who
            .is_none_or(|last| now.us_since(last) >= self.who_pause_us(now));
        if !(likely.is_some() || is_voice) || !may_ask || !self.may_introduce(0) {
            return;
        }
        let turn = self.asked_in_vain as usize;
        let under = match likely {
            // Looks deceive.
            Some(likely) if turn.is_multiple_of(2) => likely,
            _ => self.circles[turn / 2 % self.circles.len()].name(),
        };
        self.asked_who = Some(now);
        self.asked_in_vain += 1;
        let delay = self.random_below(4 * self.spread_us());
        self.introduce = Some(Planned {
            at: now.after_us(delay),
            under,
            again: true,
        });
        self.pump(now);
    }

    /// Somebody in the circle at this place began anew, and takes the counters that may have been heard before for heard.
    pub(super) fn leave_out_counters(&mut self, circle: usize) {
        // Near the end, which no run reaches, one asks in vain rather than to count anew under the same key.
        if self.counter < u32::MAX / 2 {
            self.counter += COUNTER_LUMP;
        }
        let name = self.circles[circle].name();
        for job in self.queue.iter_mut() {
            let is_theirs = job.under.map_or(circle == 0, |under| under == name);
            if let (Load::Object(object), true) = (&mut job.load, is_theirs) {
                object.renew();
            }
        }
        for sent in self.lingering.iter_mut().filter(|_| circle == 0) {
            sent.object.renew();
        }
    }

    /// A neighbour has gone back to a generation from before: one of those who know better tells it.
    pub(super) fn correct_later(&mut self, now: Instant, circle: usize, peer: PeerKey, generation: u64) {
        let pause_us = if circle == 0 {
            CORRECT_PAUSE_US
        } else {
            INTRODUCE_EARLIER_PAUSE_US
        };
        let told = self.corrected.is_some_and(|last| now.us_since(last) < pause_us);
        if !told && self.correct.is_none() {
            let spread = (self.circles[0].neighbours(now).count() as u64 + 1) * self.spread_us();
            let planned = Planned {
                at: now.after_us(self.random_below(spread)),
                under: self.circles[circle].name(),
                again: false,
            };
            self.correct = Some((planned, peer, generation));
        }
    }

    /// Somebody tells which generation a node has to exceed in the circle at this place: this one, or one that it need not be told again.
    pub(super) fn corrected(&mut self, now: Instant, circle: usize, peer: PeerKey, generation: u64) {
        let name = self.circles[circle].name();
        self.correct
            .take_if(|(planned, behind, _)| (planned.under, *behind) == (name, peer));
        if peer != self.node || generation <= self.circles[circle].generation() {
            return;
        }
        self.circles[circle].begin_generation(self.node, generation, &mut self.rng);
        // Counters go on, so that none meets the new key twice.
        self.senders_changed = true;
        self.leave_out_counters(circle);
        if self.may_introduce(circle) {
            self.introduce = Some(Planned {
                at: now,
                under: name,
                again: true,
            });
        }
    }

    /// Says whether the turn is taken: by a frame, or by the wait for one.
    pub(super) fn send_introduction(&mut self, now: Instant) -> bool {
        let Some(planned) = self.introduce else {
            return false;
        };
        let own = Introduction {
            node: self.node.0,
            generation: self
                .circle(Some(planned.under))
                .map_or(0, |at| self.circles[at].generation()),
            counter: self.counter,
            again: planned.again,
            of_another: false,
        };
        let attempt = self.attempt(now, planned, &own);
        if attempt == Attempt::Sent {
            self.introduce = None;
            let under = planned.under;
            if let Some(circle) = self.circle(Some(under)) {
                self.circles[circle].introduced = Some(now);
            }
            if !planned.again {
                self.outputs
                    .push_back(StationOutput::Introduced { from: None, under });
            }
        }
        attempt != Attempt::NotNow
    }

    /// As [`send_introduction`](Self::send_introduction).
    pub(super) fn send_correction(&mut self, now: Instant) -> bool {
        let Some((planned, peer, generation)) = self.correct else {
            return false;
        };
        let correction = Introduction {
            node: peer.0,
            generation,
            counter: 0,
            again: false,
            of_another: true,
        };
        let attempt = self.attempt(now, planned, &correction);
        if attempt == Attempt::Sent {
            self.correct = None;
            self.corrected = Some(now);
        }
        attempt != Attempt::NotNow
    }

    /// Sends an introduction, if it is due and may go.
    fn attempt(&mut self, now: Instant, planned: Planned, introduction: &Introduction) -> Attempt {
        let at = planned.at.max(self.hold_until);
        if at > now {
            self.plan_turn(at);
            return Attempt::NotNow;
        }
        if !self.may_send(now, INTRODUCTION_LEN, 0) {
            return Attempt::Held;
        }
        let mut nonce = [0; 13];
        self.rng.fill_bytes(&mut nonce);
        let Some(circle) = self.circle(Some(planned.under)) else {
            return Attempt::NotNow;
        };
        let senders = &self.circles[circle].senders;
        let sealed = introduction.seal(senders.introduction_key(), senders.key().epoch(), nonce);
        self.transmit(now, sealed, None);
        Attempt::Sent
    }
}

/// What became of an introduction that was to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// It is not due.
    NotNow,
    /// The law holds it back, and with it all that is less urgent.
    Held,
    /// It is with the modem.
    Sent,
}

/// A generation that no frame was sealed with yet, above `last`.
pub(super) fn above(last: u64, rng: &mut ChaCha8Rng) -> u64 {
    last.saturating_add(1 + u64::from(rng.next_u32()))
        .min(GENERATION_MAX)
}
