//! The rules of a medium.

use super::inter_sf::InterSf;
use super::path_loss::PathLoss;
use super::sensitivity::{NOISE_FIGURE_DB, Sensitivity};
use super::shadowing::Shadowing;

/// Between stations that were given no place: a strong signal, -76 dBm at 14 dBm.
pub const PATH_LOSS_DB_DEFAULT: f32 = 90.0;

/// Most transmissions that are remembered one by one: more than a station can send in a day at the fastest rate.
const AIRINGS_MAX: usize = 1 << 20;

/// All rules and parameters of a [`Medium`](super::Medium).
///
/// The default has everybody without a place hear everybody; between places it is LoRaSim's path loss with no shadowing, sensitivity by
/// noise and SNR limit, 6 dB of capture, and Goursaud's matrix between spreading factors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MediumConfig {
    /// Loss by distance, between stations that have a place.
    pub path_loss: PathLoss,
    /// Loss by luck, for each pair that has places.
    pub shadowing: Shadowing,
    /// Standard deviation of what each frame has on its own at each receiver, in dB.
    pub fading_db: f64,
    /// Between stations of which at least one has no place, in dB.
    pub unplaced_loss_db: f32,
    /// What a receiver adds to the noise, in dB.
    pub noise_figure_db: f32,
    /// The weakest frame that is understood.
    pub sensitivity: Sensitivity,
    /// What frames of one spreading factor do to each other.
    pub collisions: Collisions,
    /// What frames of different spreading factors do to each other.
    pub inter_sf: InterSf,
    /// What a receiver notices of others.
    pub carrier: CarrierSense,
    /// Others on the channel that nobody knows of.
    pub external: Option<External>,
    /// How many of its transmissions each station remembers one by one, for whoever checks the law. 0 saves memory.
    pub airings_max: usize,
    /// Whether [`Medium::poll_miss`](super::Medium::poll_miss) tells of frames that did not arrive.
    pub tells_misses: bool,
}

impl Default for MediumConfig {
    fn default() -> Self {
        Self {
            path_loss: PathLoss::default(),
            shadowing: Shadowing::default(),
            fading_db: 0.0,
            unplaced_loss_db: PATH_LOSS_DB_DEFAULT,
            noise_figure_db: NOISE_FIGURE_DB,
            sensitivity: Sensitivity::default(),
            collisions: Collisions::default(),
            inter_sf: InterSf::default(),
            carrier: CarrierSense::default(),
            external: None,
            airings_max: AIRINGS_MAX,
            tells_misses: false,
        }
    }
}

/// What becomes of two frames of one spreading factor and bandwidth that overlap in time and spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Collisions {
    /// Both are lost, however strong: pure ALOHA, LoRaSim's simple mode.
    Destroy,
    /// One that is stronger by this threshold survives. And both survive when the earlier one ends before the last five symbols of the
    /// later one's preamble begin: a receiver needs no more of it. That is how LoRaSim and Meshtasticator have it.
    Capture {
        /// In dB: 6 in LoRaSim, Meshtasticator and ns-3; Croce et al. (2018) measured 1.
        threshold_db: f32,
    },
}

impl Collisions {
    /// By how much a frame must be stronger, in dB; `None`: nothing helps.
    pub(super) fn threshold_db(self) -> Option<f32> {
        match self {
            Self::Destroy => None,
            Self::Capture { threshold_db } => Some(threshold_db),
        }
    }
}

impl Default for Collisions {
    fn default() -> Self {
        Self::Capture { threshold_db: 6.0 }
    }
}

/// When a channel counts as taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CarrierSense {
    /// A frame is noticed when so many of its symbols have been on air: activity detection listens to two at least.
    pub symbols: u32,
    /// A frame that could be understood is noticed when it is so much weaker than it must be for that, in dB: 0 here, 3 in Meshtasticator.
    pub margin_db: f32,
    /// Any signal is noticed when it is so much stronger than the noise, in dB: RNode's 11.
    pub above_noise_db: f32,
}

impl Default for CarrierSense {
    fn default() -> Self {
        Self {
            symbols: 2,
            margin_db: 0.0,
            above_noise_db: 11.0,
        }
    }
}

/// Signals from elsewhere. Each receiver has its own: time goes by in spans, and each span is taken or free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct External {
    /// The share of spans that are taken, 0 to 1.
    pub share: f64,
    /// How long a span is, in microseconds.
    pub span_us: u64,
    /// How strong the signal is, in dBm. A frame that overlaps with it must be stronger by the capture threshold; without capture it is
    /// lost.
    pub rssi_dbm: f32,
}
