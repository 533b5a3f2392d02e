//! What the law allows where, as data.
//!
//! A region is a list of sub-bands; a sub-band has the power that may be radiated, and limits of the time on air in any window of time.
//! A duty cycle of 1 % per hour is 36 s in any 3,600 s; a dwell time of 400 ms in 20 s is a limit of the same kind. Sources: EN 300 220-2
//! (EU868, EU433), 47 CFR 15.247 (US915), and the LoRa Alliance's regional parameters RP002 for the others. The figures are those of the
//! time of writing and no legal advice: countries add rules of their own.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// At most so much time on air in any window of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AirtimeLimit {
    /// Longest time on air, in microseconds.
    pub airtime_us: u64,
    /// In any window of so many microseconds.
    pub window_us: u64,
}

impl AirtimeLimit {
    const HOUR_US: u64 = 3_600_000_000;

    /// A duty cycle over an hour, in thousandths.
    const fn permille(share: u64) -> Self {
        Self {
            airtime_us: Self::HOUR_US / 1000 * share,
            window_us: Self::HOUR_US,
        }
    }

    /// A dwell time of 400 ms in a window of whole seconds.
    const fn dwell_400_ms(window_s: u64) -> Self {
        Self {
            airtime_us: 400_000,
            window_us: window_s * 1_000_000,
        }
    }
}

/// A part of a band with rules of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubBand {
    /// Its lower edge, in Hz.
    pub from_hz: u32,
    /// Its upper edge, in Hz.
    pub to_hz: u32,
    /// Most radiated power, in dBm against an isotropic antenna (EIRP). ERP is 2.15 dB less.
    pub eirp_dbm: f32,
    /// Only signals at least this wide, in Hz.
    pub bandwidth_hz_min: u32,
    /// Only signals at most this wide, in Hz.
    pub bandwidth_hz_max: u32,
    /// All of them hold.
    pub limits: &'static [AirtimeLimit],
}

/// A set of rules.
#[derive(Debug, PartialEq, Eq, Clone, Copy, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Region {
    /// Europe, 863 to 870 MHz.
    Eu868,
    /// Europe, 433 MHz.
    Eu433,
    /// North America, 902 to 928 MHz.
    Us915,
    /// Australia and New Zealand, 915 to 928 MHz.
    Au915,
    /// Much of Asia, around 923 MHz.
    As923,
    /// India, 865 to 867 MHz.
    In865,
}

/// 25 mW ERP is 14 dBm, and 16.15 dBm EIRP.
const ERP_25_MW: f32 = 16.15;
/// 500 mW ERP.
const ERP_500_MW: f32 = 29.15;
/// 10 mW ERP.
const ERP_10_MW: f32 = 12.15;

const PERMILLE_1: &[AirtimeLimit] = &[AirtimeLimit::permille(1)];
const PERCENT_1: &[AirtimeLimit] = &[AirtimeLimit::permille(10)];
const PERCENT_10: &[AirtimeLimit] = &[AirtimeLimit::permille(100)];
const DWELL_20_S: &[AirtimeLimit] = &[AirtimeLimit::dwell_400_ms(20)];
const DWELL_10_S: &[AirtimeLimit] = &[AirtimeLimit::dwell_400_ms(10)];

const fn band(from_hz: u32, to_hz: u32, eirp_dbm: f32, limits: &'static [AirtimeLimit]) -> SubBand {
    SubBand {
        from_hz,
        to_hz,
        eirp_dbm,
        bandwidth_hz_min: 0,
        bandwidth_hz_max: u32::MAX,
        limits,
    }
}

/// A band where narrow signals must dwell shortly, and those of 500 kHz need not.
const fn by_width(from_hz: u32, to_hz: u32) -> [SubBand; 3] {
    let narrow = SubBand {
        bandwidth_hz_max: 249_999,
        ..band(from_hz, to_hz, 30.0, DWELL_20_S)
    };
    let middle = SubBand {
        bandwidth_hz_min: 250_000,
        bandwidth_hz_max: 499_999,
        ..band(from_hz, to_hz, 30.0, DWELL_10_S)
    };
    let wide = SubBand {
        bandwidth_hz_min: 500_000,
        ..band(from_hz, to_hz, 30.0, &[])
    };
    [narrow, middle, wide]
}

const EU868: &[SubBand] = &[
    band(863_000_000, 865_000_000, ERP_25_MW, PERMILLE_1),
    band(865_000_000, 868_000_000, ERP_25_MW, PERCENT_1),
    band(868_000_000, 868_600_000, ERP_25_MW, PERCENT_1),
    band(868_700_000, 869_200_000, ERP_25_MW, PERMILLE_1),
    band(869_400_000, 869_650_000, ERP_500_MW, PERCENT_10),
    band(869_700_000, 870_000_000, ERP_25_MW, PERCENT_1),
];
const EU433: &[SubBand] = &[band(433_050_000, 434_790_000, ERP_10_MW, PERCENT_10)];
const US915: &[SubBand] = &by_width(902_000_000, 928_000_000);
const AU915: &[SubBand] = &by_width(915_000_000, 928_000_000);
const AS923: &[SubBand] = &[SubBand {
    bandwidth_hz_max: 499_999,
    ..band(
        920_000_000,
        925_000_000,
        16.0,
        // The strictest of the countries: Japan's 10 % and the dwell time that others ask for.
        &[AirtimeLimit::permille(100), AirtimeLimit::dwell_400_ms(4)],
    )
}];
const IN865: &[SubBand] = &[band(865_000_000, 867_000_000, 30.0, &[])];

/// Why a transmission would break the rules of a region.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// No sub-band holds the whole signal.
    #[error(
        "{frequency_hz} Hz with {bandwidth_hz} Hz bandwidth lies in no sub-band of {region}; it has {bands}"
    )]
    OutsideOfBands {
        /// As given.
        frequency_hz: u32,
        /// As given.
        bandwidth_hz: u32,
        /// As given.
        region: Region,
        /// Where it may be, for people.
        bands: String,
    },
    /// The name is of no region.
    #[error("there is no region {name:?}; give one of EU868, EU433, US915, AU915, AS923, IN865")]
    Unknown {
        /// As given.
        name: String,
    },
}

impl Region {
    /// Every region.
    pub const ALL: [Self; 6] = [
        Self::Eu868,
        Self::Eu433,
        Self::Us915,
        Self::Au915,
        Self::As923,
        Self::In865,
    ];

    /// The name in the LoRa world, such as `EU868`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eu868 => "EU868",
            Self::Eu433 => "EU433",
            Self::Us915 => "US915",
            Self::Au915 => "AU915",
            Self::As923 => "AS923",
            Self::In865 => "IN865",
        }
    }

    /// Its sub-bands, ascending.
    pub const fn sub_bands(self) -> &'static [SubBand] {
        match self {
            Self::Eu868 => EU868,
            Self::Eu433 => EU433,
            Self::Us915 => US915,
            Self::Au915 => AU915,
            Self::As923 => AS923,
            Self::In865 => IN865,
        }
    }

    /// Where a node transmits that was told nothing else, in Hz: in Europe where the duty cycle is 10 %.
    pub const fn default_frequency_hz(self) -> u32 {
        match self {
            Self::Eu868 => 869_525_000,
            Self::Eu433 => 433_775_000,
            Self::Us915 => 914_900_000,
            Self::Au915 => 916_800_000,
            Self::As923 => 923_200_000,
            Self::In865 => 865_985_000,
        }
    }

    /// Which sub-band's rules a signal falls under: the one that holds the whole of it.
    pub fn sub_band(self, frequency_hz: u32, bandwidth_hz: u32) -> Result<&'static SubBand, RegionError> {
        let half = bandwidth_hz.div_ceil(2);
        let (low, high) = (
            frequency_hz.saturating_sub(half),
            frequency_hz.saturating_add(half),
        );
        self.sub_bands()
            .iter()
            .find(|band| {
                band.from_hz <= low
                    && high <= band.to_hz
                    && (band.bandwidth_hz_min..=band.bandwidth_hz_max).contains(&bandwidth_hz)
            })
            .ok_or_else(|| RegionError::OutsideOfBands {
                frequency_hz,
                bandwidth_hz,
                region: self,
                bands: self.describe_bands(),
            })
    }

    fn describe_bands(self) -> String {
        let mut edges: Vec<(u32, u32)> = self
            .sub_bands()
            .iter()
            .map(|band| (band.from_hz, band.to_hz))
            .collect();
        edges.dedup();
        let mhz = |hz: u32| f64::from(hz) / 1e6;
        let named: Vec<String> = edges
            .iter()
            .map(|(from, to)| format!("{} to {} MHz", mhz(*from), mhz(*to)))
            .collect();
        named.join(", ")
    }
}

impl SubBand {
    /// The longest single frame, in microseconds, if there is a bound.
    pub fn frame_us_max(&self) -> Option<u64> {
        self.limits.iter().map(|limit| limit.airtime_us).min()
    }

    /// The share of time that may be spent sending, in the long run; 1.0 without a limit.
    pub fn share(&self) -> f64 {
        self.limits
            .iter()
            .map(|limit| limit.airtime_us as f64 / limit.window_us as f64)
            .fold(1.0, f64::min)
    }

    /// How long it takes until a full budget is free again.
    pub fn longest_window(&self) -> Duration {
        let longest = self.limits.iter().map(|limit| limit.window_us).max();
        Duration::from_micros(longest.unwrap_or(0))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|region| region.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| RegionError::Unknown {
                name: name.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn europe_has_its_sub_bands() {
        let share = |hz| Region::Eu868.sub_band(hz, 125_000).map(SubBand::share);
        assert_eq!(share(868_100_000), Ok(0.01));
        assert_eq!(share(869_525_000), Ok(0.1));
        assert_eq!(share(864_000_000), Ok(0.001));
        assert_eq!(
            Region::Eu868
                .sub_band(868_100_000, 125_000)
                .unwrap()
                .frame_us_max(),
            Some(36_000_000)
        );
        // In the gap for alarms, and across an edge.
        assert!(share(868_650_000).is_err() && share(868_580_000).is_err());
        let error = share(915_000_000).unwrap_err().to_string();
        assert!(error.contains("869.4 to 869.65 MHz"), "{error}");
    }

    #[test]
    fn america_has_a_dwell_time_but_for_wide_signals() {
        let narrow = Region::Us915.sub_band(914_900_000, 125_000).unwrap();
        assert_eq!(narrow.frame_us_max(), Some(400_000));
        let wide = Region::Us915.sub_band(914_900_000, 500_000).unwrap();
        assert_eq!((wide.frame_us_max(), wide.share()), (None, 1.0));
    }

    #[test]
    fn defaults_are_allowed_and_names_are_read() {
        for region in Region::ALL {
            assert!(
                region.sub_band(region.default_frequency_hz(), 125_000).is_ok(),
                "{region}"
            );
            assert_eq!(region.name().to_lowercase().parse(), Ok(region));
        }
        assert!(
            "EU900"
                .parse::<Region>()
                .unwrap_err()
                .to_string()
                .contains("EU868")
        );
    }
}
