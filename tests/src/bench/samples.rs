//! How long things took.

use std::time::Duration;

/// Durations of the same thing, done many times.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    sorted: Vec<Duration>,
    /// How long all of it took, from the first to the last.
    pub elapsed: Duration,
    /// How often it went wrong; these are not among the durations.
    pub failures: usize,
}

impl Samples {
    /// Takes what was measured.
    pub fn new(mut durations: Vec<Duration>, elapsed: Duration, failures: usize) -> Self {
        durations.sort_unstable();
        Self {
            sorted: durations,
            elapsed,
            failures,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// How many a second were done.
    pub fn rate(&self) -> f64 {
        self.count() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The duration that `share` (0 to 1) of all do not exceed: nearest rank.
    pub fn percentile(&self, share: f64) -> Duration {
        let rank = (share * self.count() as f64).ceil() as usize;
        let index = rank.saturating_sub(1);
        self.sorted
            .get(index.min(self.count().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    /// Half of all take no longer.
    pub fn median(&self) -> Duration {
        self.percentile(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let durations = (1..=100).rev().map(Duration::from_millis).collect();
        let samples = Samples::new(durations, Duration::from_secs(10), 0);
        assert_eq!(samples.median(), Duration::from_millis(50));
        assert_eq!(samples.percentile(0.99), Duration::from_millis(99));
        assert_eq!(samples.percentile(1.0), Duration::from_millis(100));
        assert!((samples.rate() - 10.0).abs() < 1e-9);
        assert_eq!(Samples::default().median(), Duration::ZERO);
    }
}
