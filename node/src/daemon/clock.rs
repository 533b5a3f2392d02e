//! The system's clocks, as the core wants them.

use std::time::{Duration, Instant as SystemInstant, SystemTime, UNIX_EPOCH};

use crate::model::{Instant, Now, WallTime};

/// Reads the system's clocks. Copies count from the same start.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: SystemInstant,
}

impl SystemClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            start: SystemInstant::now(),
        }
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let since_start = self.start.elapsed();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            instant: Instant(u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX)),
            wall: WallTime(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// How long it is from now to `instant`.
    pub fn until(&self, instant: Instant) -> Duration {
        instant.since(self.now().instant)
    }
}
