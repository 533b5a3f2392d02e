//! When to say the same again: the Trickle timer (RFC 6206).
//!
//! An interval doubles from its shortest to its longest as long as all agree, and begins anew with the shortest when something differs.
//! In the second half of each, at a random moment, a node speaks, unless it has heard [`REDUNDANCY`] others say the same in that interval.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::model::Instant;

/// "k" of the RFC.
const REDUNDANCY: u32 = 2;
/// So many of the longest intervals in a row others may speak in one's place.
const SILENCED_MAX: u32 = 4;

/// What a timer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing is to be said.
    Silent,
    /// Speak, unless it is of no use.
    May,
    /// Speak: somebody waits to hear it.
    Must,
}

/// One timer.
#[derive(Debug, Clone)]
pub(super) struct Trickle {
    shortest: Duration,
    longest: Duration,
    interval: Duration,
    /// When the interval ends.
    end: Instant,
    /// When to speak in it; `None` once that is past.
    speak: Option<Instant>,
    heard: u32,
    /// Speak, whatever is heard.
    must: bool,
    /// How often in a row others spoke in its place.
    silenced: u32,
}

impl Trickle {
    /// A timer that begins now, with its shortest interval.
    pub(super) fn new(now: Instant, shortest: Duration, longest: Duration, rng: &mut ChaCha8Rng) -> Self {
        let mut trickle = Self {
            shortest,
            longest,
            interval: shortest,
            end: now,
            speak: None,
            heard: 0,
            must: false,
            silenced: 0,
        };
        trickle.begin(now, rng);
        trickle
    }

    fn begin(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        let half = self.interval / 2;
        let random = part(half, rng);
        self.end = now.after(self.interval);
        self.speak = Some(now.after(half + random));
        self.heard = 0;
    }

    /// Somebody said what this node would say.
    pub(super) fn consistent(&mut self) {
        self.heard += 1;
    }

    /// Something differs: speak soon.
    pub(super) fn reset(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if self.interval > self.shortest {
            self.interval = self.shortest;
            self.begin(now, rng);
        }
    }

    /// Speak by then, whatever others say.
    pub(super) fn must_speak(&mut self, at: Instant) {
        self.must = true;
        self.speak = Some(self.speak.map_or(at, |speak| speak.min(at)));
    }

    /// Others speak first: this node not before then, unless it must.
    pub(super) fn not_before(&mut self, at: Instant) {
        if !self.must {
            self.speak = self.speak.map(|speak| speak.max(at));
        }
    }

    /// Intervals are still short: something differed lately.
    pub(super) fn is_quick(&self) -> bool {
        self.interval * 8 < self.longest
    }

    pub(super) fn timeout(&self) -> Instant {
        self.speak.unwrap_or(self.end)
    }

    /// Says whether to speak now.
    pub(super) fn due(&mut self, now: Instant, rng: &mut ChaCha8Rng) -> Turn {
        if let Some(speak) = self.speak {
            if now < speak {
                return Turn::Silent;
            }
            self.speak = None;
            // Whoever is never heard would be taken for gone.
            let forgotten = self.silenced >= SILENCED_MAX && self.interval >= self.longest;
            if !self.must && !forgotten && self.heard >= REDUNDANCY {
                self.silenced += 1;
                return Turn::Silent;
            }
            self.silenced = 0;
            return match std::mem::take(&mut self.must) {
                true => Turn::Must,
                false => Turn::May,
            };
        }
        if now >= self.end {
            self.interval = (self.interval * 2).min(self.longest);
            self.begin(now, rng);
        }
        Turn::Silent
    }
}

/// A random part of `span`.
pub(super) fn part(span: Duration, rng: &mut ChaCha8Rng) -> Duration {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(rng.next_u64() % micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    fn times(mut heard_each: u32, until_s: u64) -> Vec<u64> {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut now = Instant(0);
        let mut trickle = Trickle::new(now, Duration::from_secs(4), Duration::from_secs(600), &mut rng);
        let mut spoken = Vec::new();
        while now < Instant(until_s * 1_000_000) {
            for _ in 0..heard_each {
                trickle.consistent();
            }
            now = trickle.timeout();
            if trickle.due(now, &mut rng) == Turn::May {
                spoken.push(now.0 / 1_000_000);
            }
            heard_each = heard_each.min(100);
        }
        spoken
    }

    #[test]
    fn intervals_double_to_the_longest() {
        let spoken = times(0, 6000);
        // 4, 8, … 512, then 600 each.
        assert!((15..=17).contains(&spoken.len()), "{spoken:?}");
        assert!(
            (2..4).contains(&spoken[0]) && (8..12).contains(&spoken[1]),
            "{spoken:?}"
        );
    }

    #[test]
    fn whoever_hears_enough_is_silent() {
        assert!(times(2, 1000).is_empty());
        // But not for ever.
        assert!((1..5).contains(&times(2, 12_000).len()));
        assert_eq!(times(1, 6000).len(), times(0, 6000).len());
    }

    #[test]
    fn whoever_must_speak_is_not_silenced() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (short, long) = (Duration::from_secs(4), Duration::from_secs(600));
        let mut trickle = Trickle::new(Instant(0), short, long, &mut rng);
        trickle.consistent();
        trickle.consistent();
        let at = Instant(1_000_000);
        trickle.must_speak(at);
        assert_eq!(trickle.timeout(), at);
        assert_eq!(trickle.due(at, &mut rng), Turn::Must);
        assert_eq!(trickle.due(trickle.timeout(), &mut rng), Turn::Silent);
    }

    #[test]
    fn others_speak_first_unless_it_must() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let (short, long) = (Duration::from_secs(4), Duration::from_secs(600));
        let mut trickle = Trickle::new(Instant(0), short, long, &mut rng);
        let later = Instant(9_000_000);
        trickle.not_before(later);
        assert_eq!(trickle.timeout(), later);
        assert_eq!(trickle.due(later, &mut rng), Turn::May);
        // Nothing more is to be said in this interval.
        trickle.not_before(Instant(10_000_000));
        assert_eq!(trickle.due(later, &mut rng), Turn::Silent);
        let soon = Instant(9_500_000);
        trickle.must_speak(soon);
        trickle.not_before(later.after(Duration::from_secs(9)));
        assert_eq!(trickle.timeout(), soon);
    }

    #[test]
    fn a_difference_makes_it_speak_soon() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut trickle = Trickle::new(
            Instant(0),
            Duration::from_secs(4),
            Duration::from_secs(600),
            &mut rng,
        );
        let mut now = Instant(0);
        for _ in 0..20 {
            now = trickle.timeout();
            trickle.due(now, &mut rng);
        }
        trickle.reset(now, &mut rng);
        assert!(trickle.timeout() <= now.after(Duration::from_secs(4)));
        // In the shortest interval another difference changes nothing.
        let before = trickle.timeout();
        trickle.reset(now.after(Duration::from_secs(1)), &mut rng);
        assert_eq!(trickle.timeout(), before);
    }
}
