//! What each station of a medium did.

use std::collections::VecDeque;

use cairn_transports::lora::Instant;
use serde::Serialize;

/// One transmission, as the law sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Airing {
    /// When it began, in microseconds.
    pub start_us: u64,
    /// How long it took.
    pub airtime_us: u64,
    /// How many bytes it carried, the modem's own headers included.
    pub bytes: usize,
    /// The first two of them, to tell what it is: the modem's own header, as far as it has one, and what follows.
    pub begins: [u8; 2],
}

/// Counts of one station, since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Frames sent.
    pub frames_sent: u64,
    /// Bytes in them.
    pub bytes_sent: u64,
    /// Time on air, in microseconds.
    pub airtime_us: u64,
    /// Frames that arrived.
    pub frames_received: u64,
    /// Bytes in them.
    pub bytes_received: u64,
    /// Frames that would have arrived, but for the loss that was asked for.
    pub frames_lost: u64,
    /// Frames that would have arrived, had another not been on air with them.
    pub frames_collided: u64,
    /// Frames that would have arrived, had the station not been sending.
    pub frames_missed: u64,
    /// Frames that would have arrived, but for a signal from elsewhere.
    pub frames_jammed: u64,
    /// The transmissions one by one, oldest first, as many as the medium's rules say. Not part of what is printed.
    #[serde(skip)]
    pub airings: VecDeque<Airing>,
}

impl Statistics {
    pub(super) fn record_sent(&mut self, start: Instant, airtime_us: u64, frame: &[u8], airings_max: usize) {
        self.frames_sent += 1;
        self.bytes_sent += frame.len() as u64;
        self.airtime_us += airtime_us;
        if airings_max == 0 {
            return;
        }
        if self.airings.len() >= airings_max {
            self.airings.pop_front();
        }
        self.airings.push_back(Airing {
            start_us: start.0,
            airtime_us,
            bytes: frame.len(),
            begins: [0, 1].map(|place| frame.get(place).copied().unwrap_or(0)),
        });
    }

    /// The last transmission was cut short.
    pub(super) fn record_cut(&mut self, missing_us: u64) {
        self.airtime_us -= missing_us;
        if let Some(airing) = self.airings.back_mut() {
            airing.airtime_us -= missing_us;
        }
    }

    pub(super) fn record_received(&mut self, bytes: usize) {
        self.frames_received += 1;
        self.bytes_received += bytes as u64;
    }

    /// The most time on air in any window of this length, in microseconds. A transmission counts by the part of it that is in the window.
    pub fn airtime_us_in_any(&self, window_us: u64) -> u64 {
        // The sum is greatest in a window that begins with a transmission or ends with one.
        let ends = self.airings.iter().flat_map(|airing| {
            let end_us = airing.start_us + airing.airtime_us;
            [airing.start_us + window_us, end_us]
        });
        ends.map(|end_us| self.airtime_us_between(end_us.saturating_sub(window_us), end_us))
            .max()
            .unwrap_or(0)
    }

    fn airtime_us_between(&self, from_us: u64, to_us: u64) -> u64 {
        // Transmissions are in order and never overlap, so both edges can be searched for.
        let first = self
            .airings
            .partition_point(|airing| airing.start_us + airing.airtime_us <= from_us);
        self.airings
            .range(first..)
            .take_while(|airing| airing.start_us < to_us)
            .map(|airing| {
                let end_us = (airing.start_us + airing.airtime_us).min(to_us);
                end_us - airing.start_us.max(from_us)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_the_part_of_a_transmission_that_is_in_it() {
        let mut statistics = Statistics::default();
        for (start, airtime) in [(0, 10), (100, 30), (140, 10), (1000, 5)] {
            statistics.record_sent(Instant(start), airtime, &[7], 9);
        }
        assert_eq!(statistics.airtime_us_in_any(20), 20);
        assert_eq!(statistics.airtime_us_in_any(45), 35);
        assert_eq!(statistics.airtime_us_in_any(50), 40);
        assert_eq!(statistics.airtime_us_in_any(150), 50);
        assert_eq!(statistics.airtime_us_in_any(1_000_000), 55);
        statistics.record_cut(4);
        assert_eq!(statistics.airtime_us_in_any(1_000_000), 51);
        assert_eq!(statistics.airtime_us, 51);
    }
}
