//! The round-trip time of a link, measured by its keep-alive.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Gives out ping tokens and takes them back. A token is the sending time, so nothing has to be remembered.
#[derive(Debug)]
pub(crate) struct RoundTrip {
    started: Instant,
    /// Microseconds, 0 for none yet.
    latest_us: AtomicU64,
}

impl Default for RoundTrip {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            latest_us: AtomicU64::new(0),
        }
    }
}

impl RoundTrip {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Returns the token for a ping that goes out now.
    pub(crate) fn token(&self) -> u64 {
        self.now_us()
    }

    /// Takes the token of a pong. One that claims to come from the future is the peer's invention and is ignored.
    pub(crate) fn pong(&self, token: u64) {
        if let Some(elapsed) = self.now_us().checked_sub(token) {
            self.latest_us.store(elapsed.max(1), Ordering::Relaxed);
        }
    }

    pub(crate) fn latest(&self) -> Option<Duration> {
        match self.latest_us.load(Ordering::Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(us)),
        }
    }
}
