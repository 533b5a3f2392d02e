//! What a person writes: who is where, what carries their data, what breaks, what they write, and what must come of it.
//!
//! A [`Scenario`] is plain data that was checked: every name is resolved to an index, every number is in its range.
//! Times are virtual microseconds since the run's beginning, places metres east and north of the scenario's origin,
//! shares 0 to 1. What is drawn by chance (scattered places, random links, when a fault strikes) is not in it: the
//! generators beside it draw that from a seed, each by its own name:
//! [`Scenario::wires`], [`Scenario::strikes`], [`Scenario::clock`], and the rooms [`mobility`](crate::mobility) and
//! [`workload`](crate::workload).

mod byzantine;
mod draw;
mod fault;
mod files;
mod keys;
mod link;
mod names;
mod node;
mod place;
mod problem;
mod quantity;
mod radio;
mod read;
mod reader;
mod schema;
#[cfg(test)]
mod tests;
mod value;
mod workload;

pub use byzantine::{Byzantine, Conduct};
pub use draw::{Link, NodeClock, Strike};
pub use fault::{Fault, FaultKind, When};
pub use files::{Files, FilesBeside, NoFiles};
pub use link::{Dialling, Flaps, LinkGroup, Topology, Way, Wire};
pub use node::{Budget, ClockError, DutyCycle, Group, Member, Movement, NodeRadio};
pub use place::{Area, Placement, Point, Track};
pub use problem::{Problem, Problems, ScenarioError};
pub use radio::{Bursts, InterSf, PowerDraw, Propagation, RadioSettings};
pub use workload::{Body, FileToWrite, Rate, Sizes, TracedOperation, TracedWrite, Workload, WorkloadKind};

/// All keys that a scenario may have, with what they take and what holds without them: for a terminal.
pub fn reference() -> String {
    let mut text = String::new();
    keys::SCENARIO.walk(&mut |section| {
        if !text.contains(&format!("{}\n  {}", section.title, section.about)) {
            if !text.is_empty() {
                text.push('\n');
            }
            section.describe(&mut text);
        }
    });
    text
}

/// A scenario, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name, such as `village-of-40`.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// How long users write and things break.
    pub duration_us: u64,
    /// How long convergence is awaited after that, at most.
    pub settle_us: u64,
    /// How often the state of the whole is sampled.
    pub sample_us: u64,
    /// What makes everything random, unless another seed is given.
    pub seed: u64,
    /// The radio channel. `None`: nobody has a radio.
    pub radio: Option<RadioSettings>,
    /// Nodes as they were described: each group has its own settings.
    pub groups: Vec<Group>,
    /// The nodes, in the order of their groups. A node's index here is its name everywhere else.
    pub nodes: Vec<Member>,
    /// Names of the spaces. Nodes of one space are one owner's, and keep the same data.
    pub spaces: Vec<String>,
    /// Wired links.
    pub links: Vec<LinkGroup>,
    /// What people measured between their radios: it counts instead of what distance says. Later ones override.
    pub budgets: Vec<Budget>,
    /// What breaks.
    pub faults: Vec<Fault>,
    /// Nodes that do not keep to the protocol.
    pub byzantine: Vec<Byzantine>,
    /// What users write.
    pub workloads: Vec<Workload>,
    /// What must come of it.
    pub expect: Expect,
}

/// Bounds that a run must keep.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Expect {
    /// All nodes hold all of their space so soon after the scenario's duration.
    pub converged_within_us: Option<u64>,
    /// No radio is on air for a larger share of any window of the law.
    pub airtime_share_max: Option<f64>,
    /// At least so large a share of all pairs of write and node is there in the end.
    pub delivery_share_min: Option<f64>,
    /// 95 % of the arrivals of writes at other nodes come so soon after the write.
    pub delay_p95_max_us: Option<u64>,
}

impl Scenario {
    /// The settings of a node.
    pub fn group(&self, node: usize) -> &Group {
        &self.groups[self.nodes[node].group]
    }

    /// The nodes of a space, ascending.
    pub fn members(&self, space: usize) -> impl Iterator<Item = usize> + '_ {
        let all = self.nodes.iter().enumerate();
        all.filter(move |(_, node)| node.space == space)
            .map(|(index, _)| index)
    }
}
