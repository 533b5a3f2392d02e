//! One seed.

use std::ops::AddAssign;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Mix;
use crate::Planted;
use crate::laws::{Breach, Law};
use crate::run::{RunOptions, run_checked};
use crate::scenario::{NoFiles, Scenario};

/// Sums over runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// Runs.
    pub seeds: u64,
    /// Simulated hours of all nodes.
    pub node_hours: f64,
    /// How often the power of a node that was up was cut.
    pub crashes: u64,
    /// Writes that users were told are safe.
    pub acknowledged: u64,
    /// Events that were handled.
    pub events: u64,
    /// The longest that it took until all was everywhere after the last fault, in hours.
    pub settled_h_max: f64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.node_hours += other.node_hours;
        self.crashes += other.crashes;
        self.acknowledged += other.acknowledged;
        self.events += other.events;
        self.settled_h_max = self.settled_h_max.max(other.settled_h_max);
    }
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Examined {
    /// What it adds to the sums.
    pub figures: Figures,
    /// The first law that was broken, if one was.
    pub breach: Option<Breach>,
}

/// Runs a mix, and looks at all laws. `planted` is a bug that its world has on purpose.
pub fn examine(mix: &Mix, planted: Option<Planted>) -> Examined {
    let failed = |what: String| Examined {
        figures: Figures::default(),
        breach: Some(Breach { law: Law::Runs, what }),
    };
    let text = mix.text();
    let scenario = match Scenario::parse(&text, "mix.toml", &NoFiles) {
        Ok(scenario) => scenario,
        Err(problems) => return failed(format!("the scenario cannot be read: {problems}")),
    };
    let options = RunOptions {
        compares_states: true,
        watches: true,
        planted,
        ..RunOptions::new(mix.seed())
    };
    // A panic in an engine is a finding like any other; nothing of the broken world is used after it.
    let ran = catch_unwind(AssertUnwindSafe(|| run_checked(&scenario, options, &mut |_| {})));
    let outcome = match ran {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => return failed(error.to_string()),
        Err(_) => return failed("something in it panicked".into()),
    };
    let hours = outcome.world.now_us() as f64 / 3.6e9;
    let settled_us = outcome.world.now_us().saturating_sub(scenario.duration_us);
    Examined {
        figures: Figures {
            seeds: 1,
            node_hours: hours * scenario.nodes.len() as f64,
            crashes: outcome.world.crashes(),
            acknowledged: outcome.world.acknowledged.len() as u64,
            events: outcome.world.handled(),
            settled_h_max: settled_us as f64 / 3.6e9,
        },
        breach: outcome.breaches.into_iter().next(),
    }
}
