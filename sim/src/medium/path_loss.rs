//! How much weaker a frame gets on its way, by distance alone.

/// How signals fade with distance. All of these are straight lines over the logarithm of the distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PathLoss {
    /// Measured somewhere: so much at a distance, and so steep from there.
    LogDistance {
        /// Loss at the reference distance, in dB.
        reference_db: f64,
        /// The reference distance, in metres.
        reference_m: f64,
        /// 2 in free space, more between houses.
        exponent: f64,
    },
    /// 3GPP's macro cell (TR 25.996), as Meshtasticator has it for two antennas of one height: its models 5 and 6.
    Macro3gpp {
        /// In MHz.
        frequency_mhz: f64,
        /// Of both antennas, in metres.
        height_m: f64,
        /// In the middle of a big city, and not in a suburb: 3 dB more.
        is_metropolitan: bool,
    },
    /// Nothing in between (Friis).
    FreeSpace {
        /// In MHz.
        frequency_mhz: f64,
    },
}

impl PathLoss {
    /// Bor et al. (MSWiM 2016) measured 127.41 dB at 40 m and an exponent of 2.08: LoRaSim, and Meshtasticator's model 0.
    pub const LORASIM: Self = Self::LogDistance {
        reference_db: 127.41,
        reference_m: 40.0,
        exponent: 2.08,
    };

    /// How much weaker a frame is after `distance_m`, in dB. Below a metre as at one.
    pub fn loss_db(&self, distance_m: f64) -> f64 {
        self.line().loss_db(distance_m)
    }

    pub(super) fn line(&self) -> Line {
        match *self {
            Self::LogDistance {
                reference_db,
                reference_m,
                exponent,
            } => Line {
                metre_db: reference_db - 10.0 * exponent * libm::log10(reference_m),
                decade_db: 10.0 * exponent,
            },
            Self::Macro3gpp {
                frequency_mhz,
                height_m,
                is_metropolitan,
            } => {
                let log_height = libm::log10(height_m);
                let decade_db = 44.9 - 6.55 * log_height;
                let kilometre_db = 45.5 + (35.46 - 1.1 * height_m) * libm::log10(frequency_mhz)
                    - 13.82 * log_height
                    + 0.7 * height_m
                    + if is_metropolitan { 3.0 } else { 0.0 };
                Line {
                    metre_db: kilometre_db - 3.0 * decade_db,
                    decade_db,
                }
            }
            Self::FreeSpace { frequency_mhz } => Line {
                metre_db: 20.0 * libm::log10(frequency_mhz) - 27.55,
                decade_db: 20.0,
            },
        }
    }
}

impl Default for PathLoss {
    fn default() -> Self {
        Self::LORASIM
    }
}

/// A path loss, ready to be evaluated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Loss at one metre.
    metre_db: f64,
    /// How much more at ten times the distance.
    decade_db: f64,
}

impl Line {
    pub(super) fn loss_db(&self, distance_m: f64) -> f64 {
        self.metre_db + self.decade_db * libm::log10(distance_m.max(1.0))
    }

    /// Further away the loss is greater for certain.
    pub(super) fn distance_m(&self, loss_db: f64) -> f64 {
        if self.decade_db <= 0.0 {
            return f64::INFINITY;
        }
        // A little further, for what rounding takes away.
        libm::pow(10.0, (loss_db - self.metre_db) / self.decade_db) * 1.0001 + 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_the_sources() {
        let near =
            |loss_db: f64, expected_db: f64| assert!((loss_db - expected_db).abs() < 0.01, "{loss_db}");
        near(PathLoss::LORASIM.loss_db(40.0), 127.41);
        near(PathLoss::LORASIM.loss_db(400.0), 148.21);
        near(
            PathLoss::FreeSpace { frequency_mhz: 868.0 }.loss_db(1000.0),
            91.22,
        );
        // Meshtasticator reaches 2,013 m with 30 dBm at LongFast, which it takes to need -131.5 dBm.
        let model_5 = |is_metropolitan| PathLoss::Macro3gpp {
            frequency_mhz: 908.75,
            height_m: 1.0,
            is_metropolitan,
        };
        near(model_5(false).loss_db(2013.0), 161.5);
        near(model_5(true).loss_db(2013.0), 164.5);
    }

    #[test]
    fn a_loss_and_its_distance_belong_together() {
        for loss_db in [60.0, 127.41, 150.0, 161.5] {
            let line = PathLoss::LORASIM.line();
            let distance_m = line.distance_m(loss_db);
            assert!(line.loss_db(distance_m) >= loss_db);
            assert!(line.loss_db(distance_m * 0.99 - 2.0) < loss_db || distance_m < 2.0);
        }
    }
}
