//! How much of the time a channel was in use.

use std::collections::VecDeque;

use cairn_transports::lora::Instant;

/// The short window, in microseconds.
pub(crate) const SHORT_US: u64 = 15_000_000;
/// The long window, in microseconds.
pub(super) const LONG_US: u64 = 3_600_000_000;

/// Uses of the channel in the last hour.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// End and length.
    uses: VecDeque<(Instant, u64)>,
}

impl Load {
    /// The channel is in use for so long, until `end`.
    pub(crate) fn record(&mut self, end: Instant, airtime_us: u64) {
        while let Some((oldest, _)) = self.uses.front()
            && end.us_since(*oldest) > LONG_US
        {
            self.uses.pop_front();
        }
        self.uses.push_back((end, airtime_us));
    }

    /// The share in the last `window_us`, in hundredths of a percent.
    pub(crate) fn share(&self, now: Instant, window_us: u64) -> u16 {
        let recent = self.uses.iter().rev();
        let used_us: u64 = recent
            .take_while(|(end, _)| now.us_since(*end) < window_us)
            .map(|(_, airtime_us)| airtime_us)
            .sum();
        u16::try_from((used_us * 10_000 / window_us).min(10_000)).unwrap_or(10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut load = Load::default();
        load.record(Instant(1_000_000), 150_000);
        load.record(Instant(10_000_000), 150_000);
        assert_eq!(load.share(Instant(10_000_000), SHORT_US), 200);
        assert_eq!(load.share(Instant(17_000_000), SHORT_US), 100);
        assert_eq!(load.share(Instant(26_000_000), SHORT_US), 0);
    }
}
