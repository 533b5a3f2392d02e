//! How long to wait before the next try.

use std::time::Duration;

use rand::{Rng, RngExt as _};

/// A link that lived this long was a good one: the next pause is the shortest again.
pub(crate) const GOOD_LINK: Duration = Duration::from_secs(10);

/// Pauses that double from a shortest to a longest, with a quarter of jitter each way.
///
/// Without jitter all the nodes that a restarted neighbour lost would come back at the same instant, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            next: shortest,
        }
    }

    /// Returns the pause before the next try; the one after it will be twice as long.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let pause = self.next.mul_f64(rng.random_range(0.75..1.25));
        self.next = (self.next * 2).min(self.longest);
        pause
    }

    /// Begins again with the shortest pause.
    pub(crate) fn reset(&mut self) {
        self.next = self.shortest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again_after_a_reset() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(60));
        let mut expected = 0.25_f64;
        for _ in 0..12 {
            let pause = backoff.next(&mut rng).as_secs_f64();
            assert!(
                (expected * 0.75..expected * 1.25).contains(&pause),
                "{pause} for {expected}"
            );
            expected = (expected * 2.0).min(60.0);
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) < Duration::from_millis(313));
    }
}
