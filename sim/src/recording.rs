//! What a run leaves behind, as plain data: reports, explanations and comparisons are made of it alone.
//!
//! Times are virtual microseconds since the run's beginning, places are metres. Nodes are named by their index in
//! [`Recording::nodes`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A run, from its first event to its last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// What made everything random.
    pub seed: u64,
    /// BLAKE3 over all that happened, in order, in hexadecimal.
    pub trace_hash: String,
    /// How long was simulated.
    pub duration_us: u64,
    /// Events that were handled.
    pub events_handled: u64,
    /// When the last write reached the last node that should have it. `None`: not all had all in the end.
    pub converged_at_us: Option<u64>,
    /// The nodes.
    pub nodes: Vec<NodeRecord>,
    /// Wired links, as long as each was up.
    pub links: Vec<LinkRecord>,
    /// Who was heard by whom on the radio.
    pub heard: Vec<HeardRecord>,
    /// What users wrote, in order.
    pub writes: Vec<WriteRecord>,
    /// The state of the whole, at even intervals.
    pub samples: Vec<Sample>,
    /// What was sent, by kind of message. Radio frames are counted by the kind of what they carry.
    pub messages: BTreeMap<String, Traffic>,
    /// What happened, for playing it back, in order; at most a bounded number.
    pub happenings: Vec<Happening>,
    /// Happenings that found no room any more.
    pub happenings_left_out: u64,
    /// Laws that were broken, in words. Empty: none.
    pub broken: Vec<String>,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its name in the scenario.
    pub name: String,
    /// Whose data it keeps: nodes of one space are to hold the same.
    pub space: String,
    /// Where it was, from when on; one that stands still has one place. Between two places it went straight.
    pub places: Vec<Place>,
    /// When it was up: pairs of start and end.
    pub up: Vec<(u64, u64)>,
    /// What its radio did, if it has one.
    pub radio: Option<RadioRecord>,
    /// Frames and bytes that it sent over wired links.
    pub wired: Traffic,
    /// Writes that its disk should hold in the end and does not.
    pub lacking: u64,
}

impl NodeRecord {
    /// Where it was at a time: east and north, in metres. `None`: it has no place.
    pub fn place_at(&self, at_us: u64) -> Option<(f64, f64)> {
        let next = self.places.partition_point(|place| place.at_us <= at_us);
        let Some(before) = next.checked_sub(1).and_then(|before| self.places.get(before)) else {
            return self.places.first().map(|place| (place.x_m, place.y_m));
        };
        let Some(after) = self.places.get(next) else {
            return Some((before.x_m, before.y_m));
        };
        let gone_us = at_us.saturating_sub(before.at_us);
        let part = gone_us as f64 / after.at_us.saturating_sub(before.at_us).max(1) as f64;
        let between = |from: f64, to: f64| from + part * (to - from);
        Some((between(before.x_m, after.x_m), between(before.y_m, after.y_m)))
    }
}

/// A place at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// From when on.
    pub at_us: u64,
    /// East, in metres.
    pub x_m: f64,
    /// North, in metres.
    pub y_m: f64,
}

/// A node's radio over a whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RadioRecord {
    /// What it sent.
    pub sent: Traffic,
    /// Time on air in each hour of the run, in microseconds.
    pub airtime_by_hour_us: Vec<u64>,
    /// The largest share of any sliding window of the law that it was on air, 0 to 1.
    pub airtime_max_share: f64,
    /// The share that the law allows, 0 to 1.
    pub airtime_allowed_share: f64,
    /// Frames that it received.
    pub frames_heard: u64,
    /// Frames in reach that were lost to others on the channel.
    pub frames_collided: u64,
    /// Frames in reach that came while it sent.
    pub frames_missed: u64,
    /// Frames in reach that got lost by chance.
    pub frames_lost: u64,
    /// Energy that the radio took, in joules: sending, receiving and idling.
    pub energy_j: f64,
}

/// Frames and bytes, with what they took on air.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Bytes, with all overheads.
    pub bytes: u64,
    /// Time on air, in microseconds; 0 on wires.
    pub airtime_us: u64,
}

/// A wired link while it was up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// One end.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// From when.
    pub from_us: u64,
    /// Until when.
    pub until_us: u64,
}

/// One node's radio heard another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct HeardRecord {
    /// Who sent.
    pub from: usize,
    /// Who heard.
    pub to: usize,
    /// How many frames.
    pub frames: u64,
    /// Their mean strength.
    pub rssi_mean_dbm: f64,
}

/// What a user did to a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRecord {
    /// Where.
    pub path: String,
    /// At which node.
    pub node: usize,
    /// When the user asked.
    pub at_us: u64,
    /// When the node answered that it is on disk. `None`: it never did.
    pub acknowledged_us: Option<u64>,
    /// The dot of the change, as text.
    pub dot: String,
    /// Bytes of the body; none for a DELETE.
    pub len: Option<u64>,
    /// When each other node of the space had it on its disk, payload included, or a later write that replaces it: in order
    /// of arrival.
    pub arrivals: Vec<(usize, u64)>,
    /// For each of the arrivals, in the same order, the node whose frame brought it. Shorter, or `None`: not known.
    #[serde(default)]
    pub came_from: Vec<Option<usize>>,
    /// Another write replaced it before it reached all.
    pub replaced: bool,
    /// It was acknowledged, and in the end neither it nor a write that replaces it is on any disk.
    #[serde(default)]
    pub lost: bool,
}

/// The state of the whole at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When.
    pub at_us: u64,
    /// Acknowledged writes that should be everywhere by then: pairs of write and node.
    pub due: u64,
    /// Of these, pairs that were there.
    pub there: u64,
    /// Nodes that are up.
    pub up: u64,
}

/// Something to be seen when a run is played back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Happening {
    /// A radio frame went out; these heard it.
    Frame {
        /// When it began.
        at_us: u64,
        /// How long it took.
        airtime_us: u64,
        /// Who sent it.
        from: usize,
        /// Who heard it whole.
        to: Vec<usize>,
        /// Who would have heard it, and did not.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missed: Vec<Missed>,
        /// What it carries.
        kind: String,
        /// Its bytes on air.
        len: u64,
        /// How long it lay ready before it went out.
        #[serde(default)]
        queued_us: u64,
        /// Of these, how long only the law on airtime held it back.
        #[serde(default)]
        held_by_law_us: u64,
    },
    /// A frame went over a wired link.
    Wired {
        /// When it was sent.
        at_us: u64,
        /// From.
        from: usize,
        /// To.
        to: usize,
        /// What it is.
        kind: String,
        /// Its bytes.
        len: u64,
        /// The link lost it.
        #[serde(default)]
        lost: bool,
    },
    /// A user wrote.
    Write {
        /// When.
        at_us: u64,
        /// Where: the index in [`Recording::writes`].
        write: usize,
    },
    /// A write arrived on another node's disk.
    Arrival {
        /// When.
        at_us: u64,
        /// Which: the index in [`Recording::writes`].
        write: usize,
        /// Where.
        node: usize,
    },
    /// Something broke, or was mended: crash, start, split, heal, and the like.
    Fault {
        /// When.
        at_us: u64,
        /// The node that it happened to, if it was one.
        node: Option<usize>,
        /// In words.
        what_happened: String,
    },
}

impl Happening {
    /// When it happened, or began.
    pub fn at_us(&self) -> u64 {
        match self {
            Self::Frame { at_us, .. }
            | Self::Wired { at_us, .. }
            | Self::Write { at_us, .. }
            | Self::Arrival { at_us, .. }
            | Self::Fault { at_us, .. } => *at_us,
        }
    }
}

/// A radio that was up and in reach, and did not get a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Whose.
    pub node: usize,
    /// Why.
    pub why: MissedWhy,
}

/// Why a radio in reach did not get a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedWhy {
    /// Another frame on the channel drowned it.
    Collided,
    /// It was sending itself.
    Sending,
    /// By chance, as on any link that is not perfect.
    Chance,
}
