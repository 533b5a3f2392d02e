//! How strong a frame arrives, and how strong it must be.

use cairn_transports::lora::Modulation;

/// What a receiver's electronics add to the noise, in dB.
const NOISE_FIGURE_DB: f32 = 6.0;

/// The highest signal-to-noise ratio that a modem reports, in dB: above it, the measurement saturates.
const SNR_DB_MAX: f32 = 12.0;

/// How much weaker a frame is after `distance_m`, in dB.
///
/// Log-distance model with the measured constants of Bor et al. (MSWiM 2016): 127.41 dB at 40 m, exponent 2.08. Below a metre as at one.
pub fn path_loss_db(distance_m: f32) -> f32 {
    127.41 + 20.8 * (distance_m.max(1.0) / 40.0).log10()
}

/// The noise in a receiver of this bandwidth, in dBm.
pub fn noise_floor_dbm(bandwidth_hz: u32) -> f32 {
    -174.0 + 10.0 * (bandwidth_hz.max(1) as f32).log10() + NOISE_FIGURE_DB
}

/// The weakest frame that can be understood, in dBm: so far below the noise as the spreading factor can reach (AN1200.22).
pub fn sensitivity_dbm(modulation: &Modulation) -> f32 {
    let limit_db = -2.5 * f32::from(modulation.spreading_factor.get() - 4);
    noise_floor_dbm(modulation.bandwidth_hz) + limit_db
}

/// How far above the noise a frame is, in dB, as a modem would report it.
pub fn snr_db(rssi_dbm: f32, bandwidth_hz: u32) -> f32 {
    (rssi_dbm - noise_floor_dbm(bandwidth_hz)).min(SNR_DB_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_transports::lora::{CodingRate, SpreadingFactor};

    #[test]
    fn the_figures_of_the_data_sheets() {
        assert!((path_loss_db(40.0) - 127.41).abs() < 0.01);
        assert!((path_loss_db(400.0) - 148.21).abs() < 0.01);
        assert!((noise_floor_dbm(125_000) + 117.03).abs() < 0.01);
        let modulation = |factor| {
            Modulation::new(
                SpreadingFactor::new(factor).unwrap(),
                125_000,
                CodingRate::new(5).unwrap(),
            )
        };
        assert!((sensitivity_dbm(&modulation(7)) + 124.53).abs() < 0.01);
        assert!((sensitivity_dbm(&modulation(12)) + 137.03).abs() < 0.01);
        assert!((snr_db(-120.03, 125_000) + 3.0).abs() < 0.01);
        assert!((snr_db(-20.0, 125_000) - 12.0).abs() < 0.01);
    }
}
