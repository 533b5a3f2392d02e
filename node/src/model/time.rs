//! Time as an argument: what the core knows of clocks.
//!
//! [`Instant`] orders timers and never goes backwards; [`WallTime`] is UTC and only expiry, display and the hybrid
//! clock use it. The daemon makes both from the system's clocks, the simulator from its event queue.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Microseconds since the node started. Never goes backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The instant `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// UTC in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(pub u64);

impl WallTime {
    /// December 2025. A clock that says less was never set: it is before this software was made.
    const MADE: Self = Self(1_764_547_200_000);

    /// Says whether a clock that says this was ever set.
    pub const fn is_set(self) -> bool {
        self.0 >= Self::MADE.0
    }

    /// So many seconds later.
    pub const fn after_s(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }
}

/// Both clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For timers.
    pub instant: Instant,
    /// For expiry, display and the hybrid clock.
    pub wall: WallTime,
}

/// A hybrid logical timestamp: 48 bits of milliseconds, 16 bits of counter (Kulkarni et al. 2014).
///
/// Orders siblings for display and picks the winner; never used for causality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// A foreign timestamp may run this far ahead of the receiver's clock, in milliseconds; beyond it the entry waits
    /// or is refused, or else one bad clock would win for years.
    pub const AHEAD_MAX_MS: u64 = 10 * 60 * 1000;

    /// The timestamp of wall time `wall` with counter zero.
    pub fn at(wall: WallTime) -> Self {
        Self(wall.0.min((1 << 48) - 1) << 16)
    }

    /// The milliseconds in it.
    pub fn wall(self) -> WallTime {
        WallTime(self.0 >> 16)
    }

    /// Says whether this timestamp is further ahead of `wall` than [`Self::AHEAD_MAX_MS`].
    pub fn is_too_far_ahead(self, wall: WallTime) -> bool {
        self.wall().0 > wall.0.saturating_add(Self::AHEAD_MAX_MS)
    }
}

/// The clock that gives hybrid timestamps: each is later than every one given or seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HybridClock(HybridTime);

impl HybridClock {
    /// Continues after `last`.
    pub fn starting_after(last: HybridTime) -> Self {
        Self(last)
    }

    /// The next timestamp, at or after `wall`.
    pub fn tick(&mut self, wall: WallTime) -> HybridTime {
        self.0 = HybridTime(self.0.0.saturating_add(1)).max(HybridTime::at(wall));
        self.0
    }

    /// Takes note of a foreign timestamp, unless it is too far ahead to be believed.
    pub fn observe(&mut self, foreign: HybridTime, wall: WallTime) {
        if !foreign.is_too_far_ahead(wall) {
            self.0 = self.0.max(foreign);
        }
    }

    /// Goes on from `wall` if it is too far ahead of it: the clock that it followed was wrong. Says whether it was.
    pub fn restart_if_ahead(&mut self, wall: WallTime) -> bool {
        let ahead = self.0.is_too_far_ahead(wall);
        if ahead {
            self.0 = HybridTime::at(wall);
        }
        ahead
    }

    /// The last timestamp given or seen.
    pub fn last(&self) -> HybridTime {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_rise_even_when_the_clock_falls() {
        let mut clock = HybridClock::default();
        let first = clock.tick(WallTime(1_000));
        let second = clock.tick(WallTime(500));
        assert!(second > first);
        assert_eq!(second.wall(), WallTime(1_000));
    }

    #[test]
    fn a_clock_from_the_future_is_not_followed() {
        let mut clock = HybridClock::default();
        let bad = HybridTime::at(WallTime(HybridTime::AHEAD_MAX_MS + 2_000));
        clock.observe(bad, WallTime(1_000));
        assert!(clock.last() < bad);
        clock.observe(bad, WallTime(2_000));
        assert_eq!(clock.last(), bad);
        assert!(clock.tick(WallTime(2_000)) > bad);
    }
}
