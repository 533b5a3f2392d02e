//! What a RYLR can be set to.

use cairn_transports::lora::{CodingRate, Modulation, SpreadingFactor};

use crate::medium::Tuning;

/// Bandwidths by their number, in Hz.
const BANDWIDTHS_HZ: [u32; 10] = [
    7_800, 10_400, 15_600, 20_800, 31_250, 41_700, 62_500, 125_000, 250_000, 500_000,
];
const SPEEDS: [u32; 9] = [300, 1200, 4800, 9600, 19_200, 28_800, 38_400, 57_600, 115_200];
/// The network of the RYLR998 in which the preamble can be chosen.
const OPEN_NETWORK: u8 = 18;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Rylr896,
    Rylr998,
}

/// Spreading factor, number of the bandwidth, coding rate, preamble.
pub(super) type Parameters = [u8; 4];

/// Why a value is refused: the number behind +ERR=.
pub(super) type Refusal = u8;
/// Unknown command. The guides name no number for a value out of range; this one is a guess.
const REFUSED: Refusal = 4;
const PREAMBLE_REFUSED: Refusal = 18;

impl Model {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rylr896 => "RYLR896",
            Self::Rylr998 => "RYLR998",
        }
    }

    pub(super) const fn power_dbm_max(self) -> u8 {
        match self {
            Self::Rylr896 => 15,
            Self::Rylr998 => 22,
        }
    }

    /// How many hex digits a password has.
    pub(super) const fn password_len(self) -> usize {
        match self {
            Self::Rylr896 => 32,
            Self::Rylr998 => 8,
        }
    }

    pub(super) const fn has_network(self, network: u8) -> bool {
        match self {
            Self::Rylr896 => network <= 16,
            Self::Rylr998 => (network >= 3 && network <= 15) || network == OPEN_NETWORK,
        }
    }

    pub(super) fn has_band(self, frequency_hz: u32) -> bool {
        match self {
            Self::Rylr896 => (820_000_000..=1_020_000_000).contains(&frequency_hz),
            Self::Rylr998 => (820_000_000..=960_000_000).contains(&frequency_hz),
        }
    }

    pub(super) fn has_speed(self, speed: u32) -> bool {
        SPEEDS.contains(&speed)
    }

    /// Whether the parameters can be set in this network.
    pub(super) fn check(self, parameters: Parameters, network: u8) -> Result<(), Refusal> {
        let [factor, bandwidth, rate, preamble] = parameters;
        let (is_fit, has_preamble) = match self {
            Self::Rylr896 => (
                (7..=12).contains(&factor) && bandwidth <= 9,
                (4..=7).contains(&preamble),
            ),
            Self::Rylr998 => (
                (7..=9).contains(&bandwidth) && (5..=bandwidth + 2).contains(&factor),
                preamble == 12 || network == OPEN_NETWORK && (4..=24).contains(&preamble),
            ),
        };
        if !is_fit || !(1..=4).contains(&rate) {
            return Err(REFUSED);
        }
        if has_preamble {
            Ok(())
        } else {
            Err(PREAMBLE_REFUSED)
        }
    }
}

/// Settings that can be lost, and what they fall back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) address: u16,
    pub(super) network: u8,
    pub(super) band_hz: u32,
    /// The band after a reset.
    pub(super) kept_band_hz: u32,
    pub(super) parameters: Parameters,
    pub(super) mode: u8,
    pub(super) smart_ms: Option<(u16, u16)>,
    pub(super) speed: u32,
    pub(super) password: Option<String>,
    pub(super) power_dbm: u8,
}

impl Settings {
    /// As it leaves the factory.
    pub(super) const fn new(model: Model) -> Self {
        let (network, parameters) = match model {
            Model::Rylr896 => (0, [12, 7, 1, 4]),
            Model::Rylr998 => (OPEN_NETWORK, [9, 7, 1, 12]),
        };
        Self {
            address: 0,
            network,
            band_hz: 915_000_000,
            kept_band_hz: 915_000_000,
            parameters,
            mode: 0,
            smart_ms: None,
            speed: 115_200,
            password: None,
            power_dbm: model.power_dbm_max(),
        }
    }

    /// What a reset loses: the band unless it was stored, the password, the mode.
    pub(super) fn reset(&mut self) {
        self.band_hz = self.kept_band_hz;
        self.password = None;
        self.mode = 0;
        self.smart_ms = None;
    }

    pub(super) fn tuning(&self) -> Option<Tuning> {
        let [factor, bandwidth, rate, preamble] = self.parameters;
        let mut modulation = Modulation::new(
            SpreadingFactor::new(factor)?,
            BANDWIDTHS_HZ.get(usize::from(bandwidth)).copied()?,
            CodingRate::new(rate + 4)?,
        );
        modulation.preamble_symbols = u16::from(preamble);
        let password = self.password.iter().flat_map(|digits| digits.bytes());
        // FNV-1a: another password is another network.
        let network = password.fold(0xcbf2_9ce4_8422_2325 ^ u64::from(self.network), |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Some(Tuning {
            frequency_hz: self.band_hz,
            network,
            modulation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_has_its_ranges() {
        let new = Model::Rylr998;
        for (parameters, network, expected) in [
            ([9, 7, 1, 12], 18, Ok(())),
            ([10, 7, 1, 12], 18, Err(REFUSED)),
            ([10, 8, 1, 12], 18, Ok(())),
            ([11, 8, 1, 12], 18, Err(REFUSED)),
            ([11, 9, 4, 24], 18, Ok(())),
            ([12, 9, 4, 12], 18, Err(REFUSED)),
            ([5, 7, 1, 4], 18, Ok(())),
            ([4, 7, 1, 12], 18, Err(REFUSED)),
            ([9, 6, 1, 12], 18, Err(REFUSED)),
            ([9, 7, 0, 12], 18, Err(REFUSED)),
            ([9, 7, 5, 12], 18, Err(REFUSED)),
            ([9, 7, 1, 8], 5, Err(PREAMBLE_REFUSED)),
            ([9, 7, 1, 25], 18, Err(PREAMBLE_REFUSED)),
        ] {
            assert_eq!(new.check(parameters, network), expected, "{parameters:?}");
        }
        let old = Model::Rylr896;
        assert_eq!(old.check([12, 0, 4, 7], 0), Ok(()));
        assert_eq!(old.check([6, 7, 1, 4], 0), Err(REFUSED));
        assert_eq!(old.check([10, 7, 1, 8], 0), Err(PREAMBLE_REFUSED));
        assert!(new.has_network(3) && !new.has_network(16) && new.has_network(18) && !new.has_network(2));
        assert!(old.has_network(0) && old.has_network(16) && !old.has_network(17));
        assert!(new.has_band(868_100_000) && !new.has_band(433_000_000));
    }

    #[test]
    fn a_password_makes_another_network() {
        let mut settings = Settings::new(Model::Rylr998);
        let open = settings.tuning().unwrap();
        settings.password = Some("00112233".into());
        assert!(!open.understands(&settings.tuning().unwrap()));
        settings.reset();
        assert!(open.understands(&settings.tuning().unwrap()));
    }
}
