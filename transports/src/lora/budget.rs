//! The airtime budget of a sub-band: charged before a frame goes, over a sliding window, and kept over restarts.
//!
//! A charge is kept in a slot of a 64th of the window and counts as if it had been made when the slot ends; it is forgotten a window, a
//! slot and [`GUARD_US`] later. So no window of any position ever holds more than the limit, however long a modem held a frame back,
//! up to the guard; the price is some 2 % of the budget.
//!
//! **Over restarts** a [`BudgetRecord`] is written *before* the airtime that it covers is used: airtime is taken from the record in lumps,
//! so that a card is not worn out by a write for each frame. At a restart the whole lump counts as used just now. A record's times are
//! not those of a wall clock, which on a small computer may be years off at boot: within one boot the system's own count since boot tells
//! how old a record is, and after another boot it counts as if it had been written at that moment.

use std::collections::VecDeque;

use super::{AirtimeLimit, Instant, SubBand};

/// A modem that listens before it talks may hold a frame back this long, in microseconds.
pub const GUARD_US: u64 = 10_000_000;

const SLOTS: u64 = 64;
/// A lump is this part of the smallest limit.
const LUMP_SHARE: u64 = 32;
/// Longest encoding of a record that is read.
const RECORD_LEN_MAX: usize = 64 * 1024;

/// When a frame may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// Not before.
    At(Instant),
    /// The frame is longer than the limit itself.
    Never,
}

/// One limit, and what was used of it.
#[derive(Clone, Debug)]
struct Window {
    limit: AirtimeLimit,
    /// The end of a slot, and the airtime used in it; ascending.
    slots: VecDeque<(Instant, u64)>,
    used_us: u64,
}

impl Window {
    const fn slot_us(&self) -> u64 {
        self.limit.window_us / SLOTS
    }

    const fn kept_us(&self) -> u64 {
        // A short window's guard is its own length: such limits are about one frame after the other.
        let guard = if GUARD_US < self.limit.window_us {
            GUARD_US
        } else {
            self.limit.window_us
        };
        self.limit.window_us + guard
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(end, used)) = self.slots.front() {
            if end.after_us(self.kept_us()) > now {
                break;
            }
            self.used_us -= used;
            self.slots.pop_front();
        }
    }

    fn turn(&self, now: Instant, airtime_us: u64) -> Turn {
        if airtime_us > self.limit.airtime_us {
            return Turn::Never;
        }
        let mut left = self.used_us;
        let mut from = now;
        for &(end, used) in &self.slots {
            let gone = end.after_us(self.kept_us());
            if gone > now && left + airtime_us <= self.limit.airtime_us {
                break;
            }
            left -= used;
            from = from.max(gone);
        }
        if from > now { Turn::At(from) } else { Turn::Now }
    }

    fn charge(&mut self, now: Instant, airtime_us: u64) {
        let slot = self.slot_us().max(1);
        // A frame that begins now may end in a later slot.
        let end = Instant(now.after_us(airtime_us).0.div_ceil(slot).saturating_mul(slot));
        self.used_us += airtime_us;
        match self.slots.back_mut() {
            Some((last, used)) if *last >= end => *used += airtime_us,
            _ => self.slots.push_back((end, airtime_us)),
        }
    }
}

/// What must be on disk before the airtime that it covers is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BudgetRecord {
    /// When it was made, in microseconds since the machine started.
    pub since_boot_us: u64,
    /// Names the boot; another one's times mean nothing.
    pub boot: [u8; 16],
    /// Airtime that may have been used since the record was made.
    pub lump_us: u64,
    /// What was used before: how long before the record was made, and how much, in microseconds. One list for all limits.
    pub used: Vec<(u64, u64)>,
}

/// A record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the airtime record is damaged: the whole budget counts as used")]
pub struct DamagedRecord;

impl BudgetRecord {
    /// The record as bytes: a version, the times, a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(self.boot);
        bytes.extend(self.since_boot_us.to_be_bytes());
        bytes.extend(self.lump_us.to_be_bytes());
        for (age, used) in &self.used {
            bytes.extend(age.to_be_bytes());
            bytes.extend(used.to_be_bytes());
        }
        let check = blake3::hash(&bytes);
        bytes.extend(&check.as_bytes()[..8]);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DamagedRecord> {
        let (body, check) = bytes.split_last_chunk::<8>().ok_or(DamagedRecord)?;
        if bytes.len() > RECORD_LEN_MAX || blake3::hash(body).as_bytes()[..8] != check[..] {
            return Err(DamagedRecord);
        }
        let (&version, body) = body.split_first().ok_or(DamagedRecord)?;
        let (boot, body) = body.split_first_chunk::<16>().ok_or(DamagedRecord)?;
        let (words, rest) = body.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_be_bytes(*word));
        if version != 1 || !rest.is_empty() {
            return Err(DamagedRecord);
        }
        let since_boot_us = words.next().ok_or(DamagedRecord)?;
        let lump_us = words.next().ok_or(DamagedRecord)?;
        let mut used = Vec::new();
        while let Some(age) = words.next() {
            used.push((age, words.next().ok_or(DamagedRecord)?));
        }
        Ok(Self {
            since_boot_us,
            boot: *boot,
            lump_us,
            used,
        })
    }
}

/// The budget of one sub-band.
#[derive(Clone, Debug)]
pub struct Budget {
    windows: Vec<Window>,
    /// Airtime that the last record covers and that is not used yet.
    covered_us: u64,
    lump_us: u64,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(band: &SubBand) -> Self {
        let windows: Vec<Window> = band
            .limits
            .iter()
            .map(|limit| Window {
                limit: *limit,
                slots: VecDeque::new(),
                used_us: 0,
            })
            .collect();
        let lump_us = band
            .limits
            .iter()
            .filter(|limit| limit.window_us >= 60_000_000)
            .map(|limit| limit.airtime_us / LUMP_SHARE)
            .min()
            .unwrap_or(60_000_000);
        Self {
            windows,
            covered_us: 0,
            lump_us,
        }
    }

    /// A budget of which all is used: where the record is lost.
    pub fn exhausted(band: &SubBand, now: Instant) -> Self {
        let mut budget = Self::new(band);
        for window in &mut budget.windows {
            window.charge(now, window.limit.airtime_us);
        }
        budget
    }

    /// What a record leaves. `since_boot_us` and `boot` are those of now. `now` should lie two hours behind the first
    /// [`Instant`]: what was used before that instant counts as used at it.
    pub fn restore(
        band: &SubBand,
        record: &BudgetRecord,
        boot: [u8; 16],
        since_boot_us: u64,
        now: Instant,
    ) -> Self {
        let mut budget = Self::new(band);
        // Another boot was at least as long ago as this one lasts.
        let elapsed = if record.boot == boot {
            since_boot_us.saturating_sub(record.since_boot_us)
        } else {
            0
        };
        for window in &mut budget.windows {
            let kept = window.kept_us();
            let slot = window.slot_us();
            let mut used: Vec<(u64, u64)> = record
                .used
                .iter()
                .map(|(age, used)| (age.saturating_add(elapsed), *used))
                .filter(|(age, _)| *age < kept + slot)
                .collect();
            used.sort_by_key(|(age, _)| std::cmp::Reverse(*age));
            for (age, used) in used {
                let limit = window.limit.airtime_us;
                window.charge(Instant(now.0.saturating_sub(age)), used.min(limit));
            }
            window.charge(now, record.lump_us.min(window.limit.airtime_us));
            window.forget(now);
        }
        budget
    }

    /// When a frame of this airtime may go.
    pub fn turn(&self, now: Instant, airtime_us: u64) -> Turn {
        let mut turn = Turn::Now;
        for window in &self.windows {
            turn = match (turn, window.turn(now, airtime_us)) {
                (Turn::Never, _) | (_, Turn::Never) => Turn::Never,
                (Turn::At(a), Turn::At(b)) => Turn::At(a.max(b)),
                (Turn::At(at), Turn::Now) | (Turn::Now, Turn::At(at)) => Turn::At(at),
                (Turn::Now, Turn::Now) => Turn::Now,
            };
        }
        turn
    }

    /// Whether the last record covers a frame of this airtime; else write [`record`](Self::record) first.
    pub const fn is_covered(&self, airtime_us: u64) -> bool {
        airtime_us <= self.covered_us
    }

    /// Takes a frame's airtime off the budget. Call it before the frame goes, when its [`turn`](Self::turn) has come and it
    /// [is covered](Self::is_covered).
    pub fn charge(&mut self, now: Instant, airtime_us: u64) {
        self.covered_us = self.covered_us.saturating_sub(airtime_us);
        for window in &mut self.windows {
            window.forget(now);
            window.charge(now, airtime_us);
        }
    }

    /// Covers the next lump, at least `airtime_us`: the record must be on disk before any of it is used.
    pub fn record(
        &mut self,
        now: Instant,
        boot: [u8; 16],
        since_boot_us: u64,
        airtime_us: u64,
    ) -> BudgetRecord {
        self.covered_us = self.lump_us.max(airtime_us);
        // The finest of the long windows tells all of them; short ones are over before a restart is.
        let used = self
            .windows
            .iter()
            .max_by_key(|window| window.limit.window_us)
            .map(|window| {
                window
                    .slots
                    .iter()
                    .map(|(end, used)| (now.us_since(*end), *used))
                    .collect()
            })
            .unwrap_or_default();
        BudgetRecord {
            since_boot_us,
            boot,
            lump_us: self.covered_us,
            used,
        }
    }

    /// The last record did not become durable: what it would have covered is not.
    pub const fn uncover(&mut self) {
        self.covered_us = 0;
    }

    /// Used and allowed airtime in the window that has least left, in microseconds; `None` where nothing is limited.
    pub fn used_us(&mut self, now: Instant) -> Option<(u64, u64)> {
        for window in &mut self.windows {
            window.forget(now);
        }
        self.windows
            .iter()
            .map(|window| (window.used_us, window.limit.airtime_us))
            .max_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::Region;

    const BOOT: [u8; 16] = [7; 16];
    /// Instants that lie before the start.
    const EARLIER: u64 = 7_200_000_000;

    fn percent() -> &'static SubBand {
        Region::Eu868.sub_band(868_100_000, 125_000).unwrap()
    }

    /// The most that any window of the limit holds, by the frames' own times.
    fn worst(frames: &[(u64, u64)], limit: &AirtimeLimit) -> u64 {
        let inside = |from: u64| {
            let to = from + limit.window_us;
            frames
                .iter()
                .map(|(start, len)| (start + len).min(to).saturating_sub((*start).max(from)))
                .sum::<u64>()
        };
        // The worst window begins where a frame begins or ends where one ends.
        frames
            .iter()
            .flat_map(|(start, len)| [*start, (start + len).saturating_sub(limit.window_us)])
            .map(inside)
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_day_of_saturating_traffic_keeps_to_one_percent() {
        let band = percent();
        let mut budget = Budget::new(band);
        let airtime = 724_992;
        let (mut now, mut frames) = (Instant(0), Vec::new());
        while now < Instant(24 * 3_600_000_000) {
            match budget.turn(now, airtime) {
                Turn::Now => {
                    budget.charge(now, airtime);
                    frames.push((now.0, airtime));
                    now = now.after_us(airtime);
                }
                Turn::At(at) => now = at,
                Turn::Never => panic!("a frame fits"),
            }
        }
        let limit = band.limits[0];
        let worst = worst(&frames, &limit);
        assert!(worst <= limit.airtime_us, "{worst} us in an hour");
        let used: u64 = frames.iter().map(|(_, len)| len).sum();
        // The slots cost little of what is allowed.
        assert!(used as f64 > 0.95 * 24.0 * 36e6, "{used} us in a day");
    }

    #[test]
    fn a_frame_longer_than_the_limit_never_goes() {
        let budget = Budget::new(percent());
        assert_eq!(budget.turn(Instant(0), 36_000_001), Turn::Never);
        assert_eq!(budget.turn(Instant(0), 36_000_000), Turn::Now);
    }

    #[test]
    fn a_lost_record_costs_an_hour() {
        let band = percent();
        let budget = Budget::exhausted(band, Instant(5));
        let Turn::At(at) = budget.turn(Instant(5), 1) else {
            panic!("it must wait");
        };
        assert!(
            at >= Instant(3_600_000_005) && at < Instant(3_800_000_000),
            "{at:?}"
        );
    }

    #[test]
    fn a_damaged_record_is_told() {
        let record = BudgetRecord {
            since_boot_us: 1,
            boot: BOOT,
            lump_us: 3,
            used: vec![(4, 5)],
        };
        let mut bytes = record.encode();
        assert_eq!(BudgetRecord::decode(&bytes), Ok(record));
        bytes[20] ^= 1;
        assert_eq!(BudgetRecord::decode(&bytes), Err(DamagedRecord));
        assert_eq!(BudgetRecord::decode(&[]), Err(DamagedRecord));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

        /// Random traffic, with crashes and reboots at random moments: no window ever holds more than the limit.
        #[test]
        fn no_window_is_overspent(
            frames in proptest::collection::vec((20_000_u64..3_000_000, 0_u64..60_000_000, 0_u32..100), 1..400),
            dwell in proptest::bool::ANY,
        ) {
            let band = if dwell {
                Region::Us915.sub_band(914_900_000, 125_000).unwrap()
            } else {
                percent()
            };
            let mut budget = Budget::new(band);
            let mut boot = [0_u8; 16];
            // The real time; the machine's own count since its boot; the program's, since its start.
            let (mut real, mut booted, mut started) = (0_u64, 0_u64, 0_u64);
            let mut record = BudgetRecord::default();
            let mut sent = Vec::new();
            for (airtime, pause, fate) in frames {
                real += pause;
                if fate < 4 {
                    started = real;
                    if fate < 2 {
                        boot[0] = boot[0].wrapping_add(1);
                        booted = real;
                    }
                    budget = Budget::restore(band, &record, boot, real - booted, Instant(EARLIER));
                }
                let airtime = airtime.min(band.frame_us_max().unwrap());
                loop {
                    let now = Instant(EARLIER + real - started);
                    match budget.turn(now, airtime) {
                        Turn::Now => break,
                        Turn::At(at) => real = started + at.0 - EARLIER,
                        Turn::Never => panic!("it fits"),
                    }
                }
                let now = Instant(EARLIER + real - started);
                if !budget.is_covered(airtime) {
                    record = budget.record(now, boot, real - booted, airtime);
                    record = BudgetRecord::decode(&record.encode()).unwrap();
                }
                budget.charge(now, airtime);
                sent.push((real, airtime));
                real += airtime;
            }
            for limit in band.limits {
                let worst = worst(&sent, limit);
                proptest::prop_assert!(worst <= limit.airtime_us, "{worst} us of {}", limit.airtime_us);
            }
        }
    }
}
