//! What the host sets on an RNode, and what becomes of it.

use cairn_transports::lora::{CodingRate, LowDataRate, Modulation, SpreadingFactor};

use crate::medium::Tuning;

/// RNodes use the private sync word.
const SYNC_WORD: u64 = 0x12;

/// The bandwidths that the chips can do, in Hz.
const BANDWIDTHS_HZ: [u32; 10] = [
    7_800, 10_400, 15_600, 20_800, 31_250, 41_700, 62_500, 125_000, 250_000, 500_000,
];

/// Steps of an SX127x's synthesizer: 32 MHz / 2^19, in Hz.
const FREQUENCY_STEP_HZ: f64 = 61.035_156_25;

/// A preamble has at least so many symbols...
const PREAMBLE_SYMBOLS_MIN: u64 = 18;
/// ... and lasts at least so long, in microseconds...
const PREAMBLE_US_MIN: u64 = 24_000;
/// ... or this, when the channel is fast.
const PREAMBLE_FAST_US_MIN: u64 = 6_000;
/// Fast is more than so many bits per second.
const FAST_BITS_PER_S: u64 = 30_000;

/// Radio parameters, as answered to the host. 0, and 255 for the power: not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) frequency_hz: u32,
    pub(super) bandwidth_hz: u32,
    pub(super) power_dbm: u8,
    pub(super) spreading_factor: u8,
    pub(super) coding_rate: u8,
    /// 0: explicit header.
    pub(super) implicit_len: u8,
    pub(super) is_promiscuous: bool,
    /// Most airtime in 15 s and in an hour, in hundredths of a percent; 0: no limit.
    pub(super) short_limit: u16,
    pub(super) long_limit: u16,
}

impl Settings {
    pub(super) const POWER_UNSET: u8 = 0xff;

    pub(super) const fn new() -> Self {
        Self {
            frequency_hz: 0,
            bandwidth_hz: 0,
            power_dbm: Self::POWER_UNSET,
            spreading_factor: 0,
            coding_rate: 5,
            implicit_len: 0,
            is_promiscuous: false,
            short_limit: 0,
            long_limit: 0,
        }
    }

    /// The radio cannot be turned on before everything is set that it needs.
    pub(super) const fn is_locked(&self) -> bool {
        self.frequency_hz == 0
            || self.bandwidth_hz == 0
            || self.power_dbm == Self::POWER_UNSET
            || self.spreading_factor == 0
    }

    pub(super) fn set_frequency(&mut self, frequency_hz: u32, has_steps: bool) {
        self.frequency_hz = if has_steps {
            ((f64::from(frequency_hz) / FREQUENCY_STEP_HZ).floor() * FREQUENCY_STEP_HZ) as u32
        } else {
            frequency_hz
        };
    }

    /// The next wider bandwidth that the chip can do.
    pub(super) fn set_bandwidth(&mut self, bandwidth_hz: u32) {
        let wider = BANDWIDTHS_HZ.into_iter().find(|known| *known >= bandwidth_hz);
        self.bandwidth_hz = wider.unwrap_or(500_000);
    }

    /// `None` while it is locked.
    pub(super) fn tuning(&self) -> Option<Tuning> {
        if self.is_locked() {
            return None;
        }
        let mut modulation = Modulation::new(
            SpreadingFactor::new(self.spreading_factor)?,
            self.bandwidth_hz,
            CodingRate::new(self.coding_rate)?,
        );
        modulation.low_data_rate = LowDataRate::Rnode;
        modulation.explicit_header = self.implicit_len == 0;
        modulation.preamble_symbols = u16::try_from(self.preamble_symbols()).unwrap_or(u16::MAX);
        Some(Tuning {
            frequency_hz: self.frequency_hz,
            network: SYNC_WORD,
            modulation,
        })
    }

    pub(super) fn symbol_us(&self) -> u64 {
        (1_000_000_u64 << self.spreading_factor)
            .checked_div(u64::from(self.bandwidth_hz))
            .unwrap_or(0)
    }

    pub(super) fn bits_per_s(&self) -> u64 {
        let per_symbol = u64::from(self.spreading_factor) * 4;
        (per_symbol * u64::from(self.bandwidth_hz) / u64::from(self.coding_rate)) >> self.spreading_factor
    }

    pub(super) fn is_fast(&self) -> bool {
        self.bits_per_s() > FAST_BITS_PER_S
    }

    pub(super) fn preamble_symbols(&self) -> u64 {
        let us_min = if self.is_fast() {
            PREAMBLE_FAST_US_MIN
        } else {
            PREAMBLE_US_MIN
        };
        us_min.div_ceil(self.symbol_us().max(1)).max(PREAMBLE_SYMBOLS_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preamble_has_18_symbols_and_lasts_24_ms() {
        let mut settings = Settings::new();
        assert!(settings.is_locked());
        settings.set_frequency(868_100_000, false);
        settings.set_bandwidth(125_000);
        settings.power_dbm = 14;
        assert!(settings.is_locked());
        settings.spreading_factor = 8;
        assert!(!settings.is_locked());
        assert_eq!(settings.preamble_symbols(), 18);
        assert_eq!(settings.bits_per_s(), 3125);
        settings.spreading_factor = 7;
        assert_eq!(settings.preamble_symbols(), 24, "18 would last 18.4 ms");
        settings.spreading_factor = 5;
        settings.set_bandwidth(499_999);
        assert_eq!(settings.bandwidth_hz, 500_000);
        assert!(settings.is_fast());
        assert_eq!(settings.preamble_symbols(), 94, "6 ms of 64 us");
    }

    #[test]
    fn a_synthesizer_with_steps_is_within_100_hz() {
        let mut settings = Settings::new();
        settings.set_frequency(868_100_000, true);
        assert_ne!(settings.frequency_hz, 868_100_000);
        assert!(settings.frequency_hz.abs_diff(868_100_000) < 62);
    }
}
