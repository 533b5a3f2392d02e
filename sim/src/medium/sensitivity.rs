//! How strong a frame must be.

use cairn_transports::lora::Modulation;

/// What a receiver's electronics add to the noise, in dB.
pub(super) const NOISE_FIGURE_DB: f32 = 6.0;

/// The highest signal-to-noise ratio that a modem reports, in dB: above it, the measurement saturates.
const SNR_DB_MAX: f32 = 12.0;

/// Of the SX1272's data sheet, SF6 to SF12.
const SX1272: Table = Table {
    khz_125: [-121.0, -124.0, -127.0, -130.0, -133.0, -135.0, -137.0],
    khz_250: [-118.0, -122.0, -125.0, -128.0, -130.0, -132.0, -135.0],
    khz_500: [-111.0, -116.0, -119.0, -122.0, -125.0, -128.0, -129.0],
};

/// Measured by Bor et al. (MSWiM 2016, table 3), SF7 to SF12; SF6 as in the data sheet.
const LORASIM: Table = Table {
    khz_125: [-121.0, -126.5, -127.25, -131.25, -132.75, -134.5, -133.25],
    khz_250: [-118.0, -124.25, -126.75, -128.25, -130.25, -132.75, -132.25],
    khz_500: [-111.0, -120.75, -124.0, -127.5, -128.75, -128.75, -132.25],
};

/// The weakest frame that a receiver understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitivity {
    /// So far below the noise as the spreading factor can reach: -2.5 dB at SF5, and 2.5 dB more for each step (Semtech AN1200.22).
    #[default]
    SnrLimits,
    /// As the SX1272's data sheet promises. It knows 125, 250 and 500 kHz and no SF5: anything else as [`Self::SnrLimits`].
    Sx1272,
    /// As LoRaSim's authors measured. What they did not measure as [`Self::SnrLimits`].
    LoRaSim,
}

struct Table {
    khz_125: [f32; 7],
    khz_250: [f32; 7],
    khz_500: [f32; 7],
}

impl Table {
    fn find(&self, modulation: &Modulation) -> Option<f32> {
        let row = match modulation.bandwidth_hz {
            125_000 => &self.khz_125,
            250_000 => &self.khz_250,
            500_000 => &self.khz_500,
            _ => return None,
        };
        let column = usize::from(modulation.spreading_factor.get()).checked_sub(6)?;
        row.get(column).copied()
    }
}

impl Sensitivity {
    /// The weakest frame that can be understood, in dBm.
    pub fn dbm(self, modulation: &Modulation, noise_figure_db: f32) -> f32 {
        let limit_db = -2.5 * f32::from(modulation.spreading_factor.get() - 4);
        let by_snr = thermal_dbm(modulation.bandwidth_hz) + noise_figure_db + limit_db;
        let measured = match self {
            Self::SnrLimits => None,
            Self::Sx1272 => SX1272.find(modulation),
            Self::LoRaSim => LORASIM.find(modulation),
        };
        measured.unwrap_or(by_snr)
    }
}

/// The noise of the universe at room temperature, in dBm.
pub(super) fn thermal_dbm(bandwidth_hz: u32) -> f32 {
    (-174.0 + 10.0 * libm::log10(f64::from(bandwidth_hz.max(1)))) as f32
}

/// The noise in a usual receiver of this bandwidth, in dBm: one that adds 6 dB of its own.
pub fn noise_floor_dbm(bandwidth_hz: u32) -> f32 {
    thermal_dbm(bandwidth_hz) + NOISE_FIGURE_DB
}

/// How far above this noise a frame is, in dB, as a modem would report it.
pub fn snr_db(rssi_dbm: f32, noise_dbm: f32) -> f32 {
    (rssi_dbm - noise_dbm).min(SNR_DB_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_transports::lora::{CodingRate, SpreadingFactor};

    #[test]
    fn the_figures_of_the_data_sheets() {
        assert!((noise_floor_dbm(125_000) + 117.03).abs() < 0.01);
        let modulation = |factor, bandwidth_hz| {
            Modulation::new(
                SpreadingFactor::new(factor).unwrap(),
                bandwidth_hz,
                CodingRate::new(5).unwrap(),
            )
        };
        let dbm = |sensitivity: Sensitivity, factor, khz: u32| {
            sensitivity.dbm(&modulation(factor, khz * 1000), 6.0)
        };
        assert!((dbm(Sensitivity::SnrLimits, 7, 125) + 124.53).abs() < 0.01);
        assert!((dbm(Sensitivity::SnrLimits, 12, 125) + 137.03).abs() < 0.01);
        assert_eq!(dbm(Sensitivity::Sx1272, 6, 500), -111.0);
        assert_eq!(dbm(Sensitivity::Sx1272, 12, 125), -137.0);
        assert_eq!(dbm(Sensitivity::LoRaSim, 9, 250), -128.25);
        for preset in [Sensitivity::Sx1272, Sensitivity::LoRaSim] {
            assert_eq!(dbm(preset, 5, 125), dbm(Sensitivity::SnrLimits, 5, 125));
            assert_eq!(dbm(preset, 8, 62), dbm(Sensitivity::SnrLimits, 8, 62));
        }
        assert!((snr_db(-120.03, noise_floor_dbm(125_000)) + 3.0).abs() < 0.01);
        assert_eq!(snr_db(-20.0, noise_floor_dbm(125_000)), 12.0);
    }
}
