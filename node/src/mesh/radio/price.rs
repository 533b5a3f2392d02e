//! What it takes to fetch a payload by radio, before it begins.

use std::time::Duration;

use super::neighbours::Radio;
use crate::mesh::RadioPrice;
use crate::model::Dot;

/// Symbols of a block, after which a poll asks what is lacking.
const BLOCK_SYMBOLS: u64 = 64;
/// What a fragment takes beyond what a message does.
const FRAGMENT_MORE: usize = 2;
/// What bulk leaves of the allowed airtime, in thousandths.
const BULK_PERMILLE: u64 = 900;

impl Radio {
    /// What chunks of these lengths take, if whoever is asked has sent nothing else lately and nothing is lost.
    pub(super) fn price(&self, radio: crate::mesh::LinkId, dot: Dot, chunks: &[u32]) -> RadioPrice {
        let symbol_len = self.profile.frame_len_max.saturating_sub(FRAGMENT_MORE).max(1) as u64;
        let (mut frames, mut polls) = (0, 0);
        for len in chunks {
            let symbols = u64::from(*len).div_ceil(symbol_len);
            frames += symbols;
            // The request, and a poll behind each block.
            polls += 1 + symbols.div_ceil(BLOCK_SYMBOLS);
        }
        let airtime_us = frames * self.profile.frame_airtime_us + polls * self.profile.frame_airtime_us / 4;
        RadioPrice {
            radio,
            airtime: Duration::from_micros(airtime_us),
            expected: self.expected(airtime_us),
            ask: self.holders(dot),
        }
    }

    /// How long it takes until so much airtime was used by one sender.
    fn expected(&self, airtime_us: u64) -> Duration {
        let window_us = self.profile.window_us;
        let share = u64::from(self.profile.share_permille.clamp(1, 1000));
        let allowed_us = window_us / 1000 * share / 1000 * BULK_PERMILLE;
        if share >= 1000 || allowed_us == 0 {
            return Duration::from_micros(airtime_us);
        }
        let windows = airtime_us.saturating_sub(1) / allowed_us;
        Duration::from_micros(windows * window_us + (airtime_us - windows * allowed_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{LinkId, RadioProfile};
    use crate::model::{Incarnation, Instant, NodeId, Sequence, Writer};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn price(share_permille: u32, window_us: u64, chunks: &[u32]) -> RadioPrice {
        let profile = RadioProfile {
            frame_len_max: 242,
            frame_airtime_us: 700_000,
            share_permille,
            window_us,
        };
        let dot = Dot {
            writer: Writer {
                node: NodeId([1; 32]),
                incarnation: Incarnation(1),
            },
            sequence: Sequence(1),
        };
        let radio = Radio::new(Instant(0), profile, &mut ChaCha8Rng::seed_from_u64(1));
        radio.price(LinkId(3), dot, chunks)
    }

    #[test]
    fn frames_and_polls_make_the_airtime() {
        // 100 symbols in two blocks, two polls and a request.
        let one = price(1000, 0, &[24_000]);
        assert_eq!(one.airtime, Duration::from_micros(100 * 700_000 + 3 * 175_000));
        assert_eq!(one.expected, one.airtime);
        assert_eq!(price(1000, 0, &[24_000, 24_000]).airtime, one.airtime * 2);
        assert!(one.ask.is_empty());
        assert_eq!(price(10, 3_600_000_000, &[]).expected, Duration::ZERO);
    }

    #[test]
    fn what_exceeds_the_budget_waits_for_the_next_hour() {
        // A tenth of an hour, less a tenth: 324 s at once.
        let hour = 3_600_000_000;
        let small = price(100, hour, &[24_000]);
        assert_eq!(small.expected, small.airtime);
        let large = price(100, hour, &[240_000]);
        assert!(large.airtime > Duration::from_secs(700));
        assert_eq!(
            large.expected,
            Duration::from_secs(2 * 3600) + large.airtime - Duration::from_secs(2 * 324)
        );
        // 400 ms in 20 s: a window is short.
        let dwell = price(20, 20_000_000, &[24_000]);
        assert!(dwell.expected > dwell.airtime * 50 && dwell.expected < dwell.airtime * 60);
    }
}
