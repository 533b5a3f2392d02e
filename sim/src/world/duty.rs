//! A watch on the law: how much of any window a radio was on air.

use std::collections::VecDeque;

use cairn_transports::lora::{AirtimeLimit, SubBand};

/// What one radio sent lately, and the most that it ever sent in a window.
#[derive(Debug, Clone)]
pub(crate) struct DutyWatch {
    windows: Vec<Window>,
}

#[derive(Debug, Clone)]
struct Window {
    limit: AirtimeLimit,
    /// Start and end of what is within it.
    sent: VecDeque<(u64, u64)>,
    sum_us: u64,
    most_us: u64,
}

impl DutyWatch {
    pub(crate) fn new(band: &SubBand) -> Self {
        let window = |limit: &AirtimeLimit| Window {
            limit: *limit,
            sent: VecDeque::new(),
            sum_us: 0,
            most_us: 0,
        };
        Self {
            windows: band.limits.iter().map(window).collect(),
        }
    }

    /// A frame is on air. Frames of one radio come in order.
    pub(crate) fn sent(&mut self, start_us: u64, end_us: u64) {
        for window in &mut self.windows {
            window.sent.push_back((start_us, end_us));
            window.sum_us += end_us - start_us;
            let opens = end_us.saturating_sub(window.limit.window_us);
            while let Some((start, end)) = window.sent.front().copied()
                && end <= opens
            {
                window.sum_us -= end - start;
                window.sent.pop_front();
            }
            // The oldest may be in the window in part.
            let outside = window
                .sent
                .front()
                .map_or(0, |(start, _)| opens.saturating_sub(*start));
            window.most_us = window.most_us.max(window.sum_us - outside);
        }
    }

    /// The greatest share of what the law allows that was used in any window: above 1.0 it was broken. 0 without a law.
    pub(crate) fn most_of_allowed(&self) -> f64 {
        let share = |window: &Window| window.most_us as f64 / window.limit.airtime_us as f64;
        self.windows.iter().map(share).fold(0.0, f64::max)
    }

    /// The greatest share of any window of the law that was spent on air.
    pub(crate) fn most_share(&self) -> f64 {
        let share = |window: &Window| window.most_us as f64 / window.limit.window_us as f64;
        self.windows.iter().map(share).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_transports::lora::Region;

    #[test]
    fn a_window_counts_the_part_of_a_frame_that_is_in_it() {
        let band = Region::Eu868.sub_band(868_300_000, 125_000).unwrap();
        let mut watch = DutyWatch::new(band);
        let second = 1_000_000;
        watch.sent(0, 30 * second);
        watch.sent(3590 * second, 3600 * second);
        assert!((watch.most_of_allowed() - 40.0 / 36.0).abs() < 1e-9);
        // Of the first frame 10 s are still in an hour that ends here.
        let mut watch = DutyWatch::new(band);
        watch.sent(0, 30 * second);
        watch.sent(3610 * second, 3620 * second);
        assert!((watch.most_of_allowed() - 30.0 / 36.0).abs() < 1e-9);
        assert!((watch.most_share() - 30.0 / 3600.0).abs() < 1e-9);
    }
}
