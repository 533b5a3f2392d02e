//! The radio channel, and what hearing on it is like.

use cairn_transports::lora::{Region, SubBand};

/// One channel, for all nodes that have a radio.
#[derive(Debug, Clone, PartialEq)]
pub struct RadioSettings {
    /// Whose rules hold.
    pub region: Region,
    /// The rules of the sub-band that the channel lies in.
    pub band: &'static SubBand,
    /// How a signal fades with distance.
    pub propagation: Propagation,
    /// Standard deviation of what stands between two places, in dB: drawn once for each pair of them.
    pub shadowing_db: f64,
    /// Standard deviation of what changes from frame to frame, in dB.
    pub fading_db: f64,
    /// A frame survives another of its spreading factor that is so much weaker, in dB.
    pub capture_db: f64,
    /// What frames of different spreading factors do to one another.
    pub inter_sf: InterSf,
    /// What a receiver's electronics add to the noise, in dB.
    pub noise_figure_db: f64,
    /// Share of the frames in reach that each receiver loses by chance.
    pub loss: f64,
    /// Times in which more gets lost.
    pub bursts: Option<Bursts>,
    /// Modems wait while they hear others.
    pub listen_before_talk: bool,
    /// What the electronics take.
    pub power: PowerDraw,
}

/// How much weaker a signal is at a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Propagation {
    /// So many dB at a reference distance, and ten times the exponent more with each tenfold distance.
    LogDistance {
        /// In metres.
        reference_m: f64,
        /// In dB.
        reference_loss_db: f64,
        /// 2 in free space, 2.7 to 4 on the ground.
        exponent: f64,
    },
    /// 3GPP's suburban macro cell with both antennas at a metre, as Meshtasticator's default has it.
    Suburban,
    /// The same for a city: 3 dB more.
    Metropolitan,
    /// Nothing but distance: from hill to hill.
    FreeSpace,
}

impl Propagation {
    /// Log-distance with the constants that Bor et al. measured (MSWiM 2016).
    pub const BOR: Self = Self::LogDistance {
        reference_m: 40.0,
        reference_loss_db: 127.41,
        exponent: 2.08,
    };
}

/// Which measurements say how frames of different spreading factors disturb one another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InterSf {
    /// They do not.
    None,
    /// Goursaud and Gorce 2015, as in ns-3.
    #[default]
    Goursaud,
    /// Croce et al. 2018.
    Croce,
}

/// A channel that is good or bad in turns, for each receiver by itself (Gilbert and Elliott).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// Mean length of the good times.
    pub good_us: u64,
    /// Mean length of the bad times.
    pub bad_us: u64,
    /// Share that gets lost in bad times.
    pub loss: f64,
}

/// What a radio takes from its battery, in milliwatts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerDraw {
    /// Sending.
    pub tx_mw: f64,
    /// Receiving a frame.
    pub rx_mw: f64,
    /// Listening to an empty channel.
    pub idle_mw: f64,
}
