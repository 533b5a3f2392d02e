//! Nodes: their places, their radios, their clocks and disks.

use std::ops::Range;

use cairn_transports::lora::modem::ModemSettings;

use super::place::{Area, Placement, Point, Track};

/// Nodes that were described together.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// As a person wrote it. A group of one has one node of the same name; the others are `name-1`, `name-2` and so on.
    pub name: String,
    /// Their indices in [`Scenario::nodes`](super::Scenario::nodes).
    pub nodes: Range<usize>,
    /// Where they are in the beginning.
    pub placement: Placement,
    /// How they move.
    pub movement: Movement,
    /// Their radios, if they have any.
    pub radio: Option<NodeRadio>,
    /// They take part in the wired links that name them; without, their links are down.
    pub wired: bool,
    /// How wrong their clocks are.
    pub clock: ClockError,
    /// When they sleep.
    pub duty: Option<DutyCycle>,
    /// What their disks have room for, in bytes.
    pub disk_bytes: u64,
    /// When they are switched on for the first time.
    pub starts_us: u64,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Unique in the scenario.
    pub name: String,
    /// Its index in [`Scenario::groups`](super::Scenario::groups).
    pub group: usize,
    /// Its space: the index in [`Scenario::spaces`](super::Scenario::spaces).
    pub space: usize,
}

/// How a radio is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NodeRadio {
    /// The modem with its frequency, modulation and power; it can be set so, and its region allows it.
    pub modem: ModemSettings,
    /// At the modem's port, in dBm.
    pub tx_power_dbm: f64,
    /// Of the antenna, cable losses taken off, both ways, in dBi.
    pub antenna_gain_dbi: f64,
}

/// How nodes move.
#[derive(Debug, Clone, PartialEq)]
pub enum Movement {
    /// Not at all.
    Stand,
    /// To a place drawn in the area at a speed drawn from a range, a pause drawn from a range, and on.
    Waypoints {
        /// Where to.
        area: Area,
        /// Slowest and fastest, in metres a second.
        speed_m_s: (f64, f64),
        /// Shortest and longest.
        pause_us: (u64, u64),
    },
    /// From stop to stop and from the last to the first again, with a pause at each. Begins at the first stop.
    Rounds {
        /// At least two.
        stops: Vec<Point>,
        /// In metres a second.
        speed_m_s: f64,
        /// At each stop.
        pause_us: u64,
    },
    /// As recorded. Before the first time one is at the first place, after the last at the last.
    Track(Track),
}

/// How wrong clocks are. What is drawn is drawn once for each node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClockError {
    /// Ahead of the true time (behind, if negative) by so many milliseconds.
    pub ahead_ms: i64,
    /// And by up to so many more, either way, drawn evenly.
    pub spread_ms: u64,
    /// Gains up to so many millionths, either way, drawn evenly.
    pub drift_ppm: f64,
    /// Has no battery: begins in 1970 at each start.
    pub unset: bool,
}

/// Nodes that sleep. The first awakening is drawn for each node within the first cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyCycle {
    /// Up for so long,
    pub up_us: u64,
    /// then down for so long.
    pub down_us: u64,
}

/// What was measured between radios: holds for each pair of a sender and a receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Senders.
    pub from: Vec<usize>,
    /// Receivers.
    pub to: Vec<usize>,
    /// From antenna port to antenna port, in dB: gains are in it. `None`: out of reach.
    pub loss_db: Option<f64>,
}
