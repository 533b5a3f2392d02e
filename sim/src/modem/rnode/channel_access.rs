//! When an RNode may send: carrier sense, and a random wait.

use cairn_transports::lora::Instant;

use super::settings::Settings;

/// A slot has so many symbols...
const SLOT_SYMBOLS: u64 = 12;
/// ... and lasts this long, in microseconds.
const SLOT_US: std::ops::RangeInclusive<u64> = 24_000..=100_000;
/// The least of it when the channel is fast.
const SLOT_FAST_US_MIN: u64 = 6_000;
/// The channel must be free for so many slots before the contention window begins.
pub(super) const DIFS_SLOTS: u32 = 2;
/// How many slots a contention window is wide.
pub(super) const WINDOW_SLOTS: u32 = 15;
/// Who sends much waits longer: up to this share of own airtime, in percent, the first window is used...
const FIRST_BAND_PERCENT: u32 = 7;
/// ... and from this one on, the last.
const LAST_BAND_PERCENT: u32 = 85;
const BANDS: u32 = 4;

/// How long a slot lasts, in microseconds.
pub(super) fn slot_us(settings: &Settings) -> u64 {
    slot_of_symbols_us(settings.symbol_us(), settings.is_fast())
}

/// The same, of a channel with such symbols.
pub(crate) fn slot_of_symbols_us(symbol_us: u64, is_fast: bool) -> u64 {
    let us_min = if is_fast {
        SLOT_FAST_US_MIN
    } else {
        *SLOT_US.start()
    };
    (SLOT_SYMBOLS * symbol_us).clamp(us_min, *SLOT_US.end())
}

/// Which contention window is used, 1 to 4, by the share of own airtime in hundredths of a percent.
pub(crate) fn band(airtime: u16) -> u32 {
    let percent = u32::from(airtime) / 100;
    if percent <= FIRST_BAND_PERCENT {
        return 1;
    }
    if percent >= LAST_BAND_PERCENT {
        return BANDS;
    }
    2 + (percent - FIRST_BAND_PERCENT) * (BANDS - 2) / (LAST_BAND_PERCENT - FIRST_BAND_PERCENT)
}

/// One attempt to get the channel: it must be free for two slots and then for as many more as were drawn. A busy slot begins the two anew.
#[derive(Debug, Default)]
pub(crate) struct ChannelAccess {
    next_slot_at: Option<Instant>,
    free_slots: u32,
    remaining: Option<u32>,
}

impl ChannelAccess {
    /// Begins an attempt, unless one is under way.
    pub(crate) fn begin(&mut self, now: Instant, slot_us: u64) {
        if self.next_slot_at.is_none() {
            *self = Self {
                next_slot_at: Some(now.after_us(slot_us)),
                ..Self::default()
            };
        }
    }

    /// Gives the attempt up.
    pub(crate) fn abandon(&mut self) {
        *self = Self::default();
    }

    /// When the next slot ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_slot_at
    }

    /// The channel stays busy until then: the slots before that end without being looked at.
    pub(crate) fn pass_busy(&mut self, until: Instant, slot_us: u64) {
        if let Some(next) = &mut self.next_slot_at {
            let slots = until.us_since(*next).div_ceil(slot_us.max(1));
            *next = next.after_us(slots * slot_us);
        }
    }

    /// A slot is over. `draw` gives a random number below its argument. True when the channel is ours: the attempt is done then.
    pub(crate) fn end_slot(
        &mut self,
        now: Instant,
        slot_us: u64,
        is_busy: bool,
        band: u32,
        draw: impl FnOnce(u32) -> u32,
    ) -> bool {
        self.next_slot_at = Some(now.after_us(slot_us));
        if is_busy {
            self.free_slots = 0;
            return false;
        }
        self.free_slots += 1;
        if self.free_slots < DIFS_SLOTS {
            return false;
        }
        let remaining =
            (self.remaining).get_or_insert_with(|| (band - 1) * WINDOW_SLOTS + draw(WINDOW_SLOTS) + 1);
        *remaining -= 1;
        if *remaining == 0 {
            self.abandon();
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    #[test]
    fn the_window_moves_with_the_own_airtime() {
        assert_eq!([0, 700, 800, 8400, 8500, 10_000].map(band), [1, 1, 2, 3, 4, 4]);
    }

    #[test]
    fn slots_last_24_to_100_ms() {
        let mut settings = Settings::new();
        settings.set_bandwidth(125_000);
        settings.spreading_factor = 7;
        assert_eq!(slot_us(&settings), 24_000);
        settings.spreading_factor = 9;
        assert_eq!(slot_us(&settings), 49_152);
        settings.spreading_factor = 12;
        assert_eq!(slot_us(&settings), 100_000);
    }

    #[test]
    fn a_free_channel_is_had_after_two_to_sixteen_slots_and_a_busy_one_never() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut draw = |bound| rng.next_u32() % bound;
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..300 {
            let mut access = ChannelAccess::default();
            access.begin(Instant(0), 24_000);
            let mut slots = 0;
            while let Some(now) = access.poll_timeout() {
                slots += 1;
                if access.end_slot(now, 24_000, false, 1, &mut draw) {
                    break;
                }
            }
            seen.insert(slots);
        }
        assert_eq!(seen, (2..=16).collect());
        let mut access = ChannelAccess::default();
        access.begin(Instant(0), 24_000);
        assert!((0..100).all(|slot| !access.end_slot(Instant(slot), 24_000, true, 1, &mut draw)));
    }
    #[test]
    fn slots_of_a_busy_channel_are_passed_over_and_the_drawn_ones_kept() {
        let mut access = ChannelAccess::default();
        access.begin(Instant(0), 24_000);
        let mut ends = Vec::new();
        while let Some(now) = access.poll_timeout() {
            ends.push(now.0 / 24_000);
            // Another sends from the fourth slot to the middle of the tenth.
            let is_busy = (4..10).contains(&ends[ends.len() - 1]);
            if access.end_slot(now, 24_000, is_busy, 1, |_| 4) {
                break;
            }
            if is_busy {
                access.pass_busy(Instant(9 * 24_000 + 12_000), 24_000);
            }
        }
        // Two free ones, two of five counted; two free ones again, and the rest.
        assert_eq!(ends, [1, 2, 3, 4, 10, 11, 12, 13]);
    }
}
