//! A scenario becomes a run: a [`World`] as the scenario describes it, driven through its time, and a
//! [`Recording`] of what happened.
//!
//! ```text
//! stage      nodes, radios and their medium, before anything happens
//! director   what happens when: starts, sleep, movement, links, faults, misdeeds, what users write
//! verdict    what must hold in the end: the laws, and what the scenario expects
//! ```
//! The director has a queue of its own. What it does at a time comes after all that the world had planned until then, so that the same
//! scenario and the same seed give the same run.

mod director;
mod link;
mod medium;
mod stage;
mod verdict;

use cairn::mesh::EngineError;

use crate::laws::Breach;
use crate::recording::Recording;
use crate::scenario::Scenario;
use crate::{Planted, World, laws};
use director::Director;

/// What a run may remember and how far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOptions {
    /// Makes everything random.
    pub seed: u64,
    /// Happenings that are kept for playing the run back.
    pub happenings_max: usize,
    /// Whether the states of all nodes are compared at the end, byte for byte: that takes as long as reading all disks.
    pub compares_states: bool,
    /// Whether what must hold at any time is looked at with each sample, private bytes on their way among it: that takes as long as
    /// reading all disks, each time. The run ends with the first breach.
    pub watches: bool,
    /// A bug that the world has on purpose.
    pub planted: Option<Planted>,
}

impl RunOptions {
    /// Worlds with more nodes are watched only if somebody asks for it.
    pub const WATCHED_NODES_MAX: usize = 64;

    /// A run that keeps nothing for playing back, and in which nobody looks at the laws.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            happenings_max: 0,
            compares_states: false,
            watches: false,
            planted: None,
        }
    }
}

/// What a run leaves behind.
pub struct Outcome {
    /// The world as it is then.
    pub world: World,
    /// What happened.
    pub recording: Recording,
    /// What was broken.
    pub breaches: Vec<Breach>,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time, in microseconds.
    pub at_us: u64,
    /// Virtual time at which it ends at the latest.
    pub end_us: u64,
    /// Pairs of an acknowledged write and a node that should have it.
    pub due: u64,
    /// How many of them are there.
    pub there: u64,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An engine stopped working: its store failed.
    #[error("a simulated node failed: {0}")]
    Engine(#[from] EngineError),
    /// A real file of a workload cannot be read.
    #[error("{path}: {source}; the scenario names it as a document's content")]
    File {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Only one kind of modem is modelled.
    #[error(
        "node {node} has a modem of the kind {kind}: a run models RNodes; set modem = \"rnode\" (the other kinds are emulated by `cairn-sim modems`)"
    )]
    Modem {
        /// Which node.
        node: String,
        /// What it has.
        kind: String,
    },
}

/// Runs a scenario to its end. `progress` is told now and then how far it is.
pub fn run(
    scenario: &Scenario,
    options: RunOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Recording, RunError> {
    Ok(run_checked(scenario, options, progress)?.recording)
}

/// Runs a scenario to its end, and says which laws were broken.
pub fn run_checked(
    scenario: &Scenario,
    options: RunOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, RunError> {
    let mut director = Director::new(scenario, options)?;
    let early = director.play(progress)?;
    let mut world = director.finish();
    let lost = if options.compares_states {
        laws::lost(&world)
    } else {
        Vec::new()
    };
    let mut breaches: Vec<Breach> = Vec::new();
    match early {
        // Nothing had time to converge.
        Some(breach) => breaches.push(breach),
        None if options.compares_states => {
            breaches.extend(laws::in_the_end(&world, &lost));
            breaches.extend(laws::at_any_time(&world));
        }
        None => {}
    }
    let recording = verdict::conclude(scenario, options, &mut world, &mut breaches, &lost);
    Ok(Outcome {
        world,
        recording,
        breaches,
    })
}
