//! A run in one object.

use serde::Serialize;

use super::delays::{Delays, by_node};
use crate::recording::{NodeRecord, RadioRecord, Recording, Traffic};

/// A run in figures: what `cairn-sim run --json` prints. Its `Display` is the page for a terminal.
///
/// Words that scripts hang on: fields are added, never renamed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// What made everything random.
    pub seed: u64,
    /// BLAKE3 over all that happened, in hexadecimal.
    pub trace_hash: String,
    /// How long was simulated, in seconds.
    pub duration_s: f64,
    /// Events that were handled.
    pub events: u64,
    /// Every node had every write in the end.
    pub converged: bool,
    /// When the last write reached the last node, in seconds.
    pub converged_at_s: Option<f64>,
    /// Nodes.
    pub nodes: u64,
    /// Of these, nodes with a radio.
    pub radios: u64,
    /// What users wrote.
    pub writes: u64,
    /// Of these, writes that a node acknowledged.
    pub acknowledged: u64,
    /// Of the acknowledged ones, writes that are on no disk in the end.
    pub lost: u64,
    /// Pairs of a node and a write that it should hold in the end and does not.
    pub lacking: u64,
    /// How long deliveries took.
    pub delay: DelaySummary,
    /// Radio frames that were sent.
    pub frames: u64,
    /// Their bytes, with all overheads.
    pub bytes_on_air: u64,
    /// Their time on air, in seconds.
    pub airtime_s: f64,
    /// The largest share of any sliding window of the law that any radio was on air, 0 to 1.
    pub airtime_max_share: f64,
    /// Whose radio came nearest to its limit. `None`: there is no radio.
    pub airtime: Option<Airtime>,
    /// Receptions: one frame heard by three radios counts three times.
    pub frames_heard: u64,
    /// Receptions that failed because of another frame on the channel.
    pub frames_collided: u64,
    /// Receptions that failed because the radio was sending.
    pub frames_missed: u64,
    /// Receptions that failed by chance.
    pub frames_lost: u64,
    /// What the radios took. `None`: nothing was measured.
    pub energy: Option<Energy>,
    /// Frames over wired links.
    pub wired_frames: u64,
    /// Their bytes.
    pub wired_bytes: u64,
    /// The nodes that waited longest, or lack most: at most five.
    pub slowest: Vec<Slow>,
    /// Laws that were broken, in words.
    pub broken: Vec<String>,
}

/// How many of the slowest nodes a summary names.
const SLOWEST_LEN: usize = 5;

/// How long it took from a write's acknowledgement until another node of the space had it on its disk, in seconds.
///
/// Shares are of all deliveries that were due. `None`: so many never came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DelaySummary {
    /// Deliveries that were due.
    pub due: u64,
    /// Deliveries that came.
    pub came: u64,
    /// Half of them came within this time.
    pub median_s: Option<f64>,
    /// Nine of ten.
    pub p90_s: Option<f64>,
    /// 99 of a hundred.
    pub p99_s: Option<f64>,
    /// All.
    pub max_s: Option<f64>,
}

/// The radio that came nearest to what the law allows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Airtime {
    /// Whose it is.
    pub node: String,
    /// The largest share of any window of the law that it was on air, 0 to 1.
    pub max_share: f64,
    /// What the law allows, 0 to 1.
    pub allowed_share: f64,
}

/// What radios took from their batteries. The computer beside each radio is not in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Energy {
    /// Of an average radio, in joules.
    pub mean_j: f64,
    /// Of the one that took most, in joules.
    pub max_j: f64,
    /// Whose that is.
    pub max_node: String,
    /// The power that it took, in watts.
    pub max_w: f64,
}

impl Energy {
    /// How many days a battery would feed the radio that takes most.
    pub fn days_of(&self, battery_wh: f64) -> f64 {
        battery_wh / self.max_w / 24.0
    }
}

/// A node that waited long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slow {
    /// Which.
    pub node: String,
    /// The longest that something took to reach it, in seconds. `None`: nothing came.
    pub max_s: Option<f64>,
    /// Nine of ten that came to it took no longer, in seconds.
    pub p90_s: Option<f64>,
    /// Writes that it lacks in the end.
    pub lacking: u64,
    /// The share of the run in which it was up, 0 to 1.
    pub up_share: f64,
}

/// Sums a run up.
pub fn summary(recording: &Recording) -> Summary {
    let radios = || recording.nodes.iter().filter_map(|node| node.radio.as_ref());
    let sum = |of: fn(&RadioRecord) -> u64| radios().map(of).sum::<u64>();
    let delays = Delays::of(recording);
    let quantile_s = |share| delays.quantile_us(share).map(seconds);
    let acknowledged = recording
        .writes
        .iter()
        .filter(|write| write.acknowledged_us.is_some());
    Summary {
        scenario: recording.scenario.clone(),
        seed: recording.seed,
        trace_hash: recording.trace_hash.clone(),
        duration_s: seconds(recording.duration_us),
        events: recording.events_handled,
        converged: recording.converged_at_us.is_some(),
        converged_at_s: recording.converged_at_us.map(seconds),
        nodes: recording.nodes.len() as u64,
        radios: radios().count() as u64,
        writes: recording.writes.len() as u64,
        acknowledged: acknowledged.count() as u64,
        lost: recording.writes.iter().filter(|write| write.lost).count() as u64,
        lacking: recording.nodes.iter().map(|node| node.lacking).sum(),
        delay: DelaySummary {
            due: delays.due,
            came: delays.came_us.len() as u64,
            median_s: quantile_s(0.5),
            p90_s: quantile_s(0.9),
            p99_s: quantile_s(0.99),
            max_s: quantile_s(1.0),
        },
        frames: sum(|radio| radio.sent.frames),
        bytes_on_air: sum(|radio| radio.sent.bytes),
        airtime_s: seconds(sum(|radio| radio.sent.airtime_us)),
        airtime_max_share: radios().map(|radio| radio.airtime_max_share).fold(0.0, f64::max),
        airtime: airtime(&recording.nodes),
        frames_heard: sum(|radio| radio.frames_heard),
        frames_collided: sum(|radio| radio.frames_collided),
        frames_missed: sum(|radio| radio.frames_missed),
        frames_lost: sum(|radio| radio.frames_lost),
        energy: energy(recording),
        wired_frames: wired(recording, |traffic| traffic.frames),
        wired_bytes: wired(recording, |traffic| traffic.bytes),
        slowest: slowest(recording),
        broken: recording.broken.clone(),
    }
}

/// The share of a run in which a node was up, 0 to 1.
pub(super) fn up_share(node: &NodeRecord, duration_us: u64) -> f64 {
    let up_us: u64 = node
        .up
        .iter()
        .map(|(from, until)| until.saturating_sub(*from))
        .sum();
    up_us as f64 / duration_us.max(1) as f64
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn wired(recording: &Recording, of: fn(&Traffic) -> u64) -> u64 {
    recording.nodes.iter().map(|node| of(&node.wired)).sum()
}

fn airtime(nodes: &[NodeRecord]) -> Option<Airtime> {
    let of_limit = |radio: &RadioRecord| radio.airtime_max_share / radio.airtime_allowed_share.max(1e-9);
    let with_radio = nodes.iter().filter_map(|node| Some((node, node.radio.as_ref()?)));
    let (node, radio) = with_radio.max_by(|(_, a), (_, b)| of_limit(a).total_cmp(&of_limit(b)))?;
    Some(Airtime {
        node: node.name.clone(),
        max_share: radio.airtime_max_share,
        allowed_share: radio.airtime_allowed_share,
    })
}

fn energy(recording: &Recording) -> Option<Energy> {
    let of: Vec<(&NodeRecord, f64)> = recording
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.radio.as_ref()?.energy_j)))
        .collect();
    let (node, max_j) = *of.iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    if max_j <= 0.0 || recording.duration_us == 0 {
        return None;
    }
    Some(Energy {
        mean_j: of.iter().map(|(_, joules)| joules).sum::<f64>() / of.len() as f64,
        max_j,
        max_node: node.name.clone(),
        max_w: max_j / seconds(recording.duration_us),
    })
}

fn slowest(recording: &Recording) -> Vec<Slow> {
    let delays = by_node(recording);
    let mut nodes: Vec<_> = recording.nodes.iter().zip(&delays).collect();
    nodes.retain(|(node, delays)| node.lacking > 0 || !delays.is_empty());
    // What never came is slower than all that came.
    nodes.sort_by_key(|(node, delays)| std::cmp::Reverse((node.lacking, delays.last().copied())));
    nodes
        .into_iter()
        .take(SLOWEST_LEN)
        .map(|(node, delays)| Slow {
            node: node.name.clone(),
            max_s: delays.last().copied().map(seconds),
            p90_s: delays
                .get((delays.len() * 9).div_ceil(10).saturating_sub(1))
                .copied()
                .map(seconds),
            lacking: node.lacking,
            up_share: up_share(node, recording.duration_us),
        })
        .collect()
}
