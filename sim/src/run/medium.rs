//! The channel as a scenario describes it.

use crate::medium::{Collisions, InterSf, Loss, MediumConfig, PathLoss, Shadowing, Weather};
use crate::scenario::{InterSf as Matrix, Propagation, RadioSettings};

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

/// What gets lost by chance.
pub(super) const fn loss(radio: &RadioSettings) -> Loss {
    match radio.bursts {
        None => Loss::Uniform(radio.loss),
        Some(bursts) => Loss::Weather(Weather {
            good_us: bursts.good_us,
            bad_us: bursts.bad_us,
            good_loss: radio.loss,
            bad_loss: bursts.loss,
        }),
    }
}
