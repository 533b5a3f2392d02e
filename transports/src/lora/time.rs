//! Time, as the radio's state machines are given it.

use std::time::Duration;

/// A point in time, in microseconds since the program began to count. Never goes backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        self.after_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    /// `duration_us` microseconds later.
    #[must_use]
    pub const fn after_us(self, duration_us: u64) -> Self {
        Self(self.0.saturating_add(duration_us))
    }

    /// Microseconds since `earlier`; 0 when that is later.
    #[must_use]
    pub const fn us_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
