//! When an RNode may send: carrier sense, and a random wait.

use cairn_transports::lora::Instant;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

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
    let us_min = if settings.is_fast() {
        SLOT_FAST_US_MIN
    } else {
        *SLOT_US.start()
    };
    (SLOT_SYMBOLS * settings.symbol_us()).clamp(us_min, *SLOT_US.end())
}

/// Which contention window is used, 1 to 4, by the share of own airtime in hundredths of a percent.
pub(super) fn band(airtime: u16) -> u32 {
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
pub(super) struct ChannelAccess {
    next_slot_at: Option<Instant>,
    free_slots: u32,
    remaining: Option<u32>,
}

impl ChannelAccess {
    /// Begins an attempt, unless one is under way.
    pub(super) fn begin(&mut self, now: Instant, slot_us: u64) {
        if self.next_slot_at.is_none() {
            *self = Self {
                next_slot_at: Some(now.after_us(slot_us)),
                ..Self::default()
            };
        }
    }

    /// Gives the attempt up.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }

    /// When the next slot ends.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_slot_at
    }

    /// A slot is over. True when the channel is ours: the attempt is done then.
    pub(super) fn end_slot(
        &mut self,
        now: Instant,
        slot_us: u64,
        is_busy: bool,
        band: u32,
        rng: &mut ChaCha8Rng,
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
        let drawn = (band - 1) * WINDOW_SLOTS + rng.next_u32() % WINDOW_SLOTS;
        let remaining = self.remaining.get_or_insert(drawn + 1);
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
    use rand_chacha::rand_core::SeedableRng;

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
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..300 {
            let mut access = ChannelAccess::default();
            access.begin(Instant(0), 24_000);
            let mut slots = 0;
            while let Some(now) = access.poll_timeout() {
                slots += 1;
                if access.end_slot(now, 24_000, false, 1, &mut rng) {
                    break;
                }
            }
            seen.insert(slots);
        }
        assert_eq!(seen, (2..=16).collect());
        let mut access = ChannelAccess::default();
        access.begin(Instant(0), 24_000);
        assert!((0..100).all(|slot| !access.end_slot(Instant(slot), 24_000, true, 1, &mut rng)));
    }
}
