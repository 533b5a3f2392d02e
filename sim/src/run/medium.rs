//! The channel as a scenario describes it.

use cairn_transports::lora::{Modulation, airtime_us};

use crate::medium::{Bursts, Collisions, InterSf, Loss, MediumConfig, PathLoss, Shadowing};
use crate::scenario::{InterSf as Matrix, Propagation, RadioSettings};

/// Frames of this length tell how long a frame usually is, in bytes.
const USUAL_LEN: usize = 100;

/// The rules of the medium. `frequency_hz` is the channel's.
pub(super) fn config(radio: &RadioSettings, frequency_hz: u32, tells_misses: bool) -> MediumConfig {
    let frequency_mhz = f64::from(frequency_hz) / 1e6;
    let macro_cell = |is_metropolitan| PathLoss::Macro3gpp {
        frequency_mhz,
        height_m: 1.0,
        is_metropolitan,
    };
    MediumConfig {
        path_loss: match radio.propagation {
            Propagation::LogDistance {
                reference_m,
                reference_loss_db,
                exponent,
            } => PathLoss::LogDistance {
                reference_db: reference_loss_db,
                reference_m,
                exponent,
            },
            Propagation::Suburban => macro_cell(false),
            Propagation::Metropolitan => macro_cell(true),
            Propagation::FreeSpace => PathLoss::FreeSpace { frequency_mhz },
        },
        shadowing: Shadowing {
            sigma_db: radio.shadowing_db,
            ..Shadowing::default()
        },
        fading_db: radio.fading_db,
        noise_figure_db: radio.noise_figure_db as f32,
        collisions: Collisions::Capture {
            threshold_db: radio.capture_db as f32,
        },
        inter_sf: match radio.inter_sf {
            Matrix::None => InterSf::None,
            Matrix::Goursaud => InterSf::Goursaud,
            Matrix::Croce => InterSf::Croce,
        },
        // The world watches over the law itself.
        airings_max: 0,
        tells_misses,
        ..MediumConfig::default()
    }
}

/// What gets lost by chance. The chain of good and bad times goes on by frames: of the usual length, of this radio.
pub(super) fn loss(radio: &RadioSettings, modulation: &Modulation) -> Loss {
    let Some(bursts) = radio.bursts else {
        return Loss::Uniform(radio.loss);
    };
    let frame_us = airtime_us(modulation, USUAL_LEN).unwrap_or(0) as f64;
    let ends = |mean_us: u64| (frame_us / mean_us.max(1) as f64).min(1.0);
    Loss::Bursts(Bursts {
        worsens: ends(bursts.good_us),
        recovers: ends(bursts.bad_us),
        good_loss: radio.loss,
        bad_loss: bursts.loss,
    })
}
