//! What happens to a world in a run, and when.

use std::collections::BTreeMap;

use cairn::mesh::Precondition;

use super::link::{Links, count};
use super::stage::{build, put_at};
use super::{Progress, RunError, RunOptions};
use crate::laws::Breach;
use crate::mobility::{Walker, places};
use crate::random::{Generator, Seeds};
use crate::scenario::{Conduct, FaultKind, NodeClock, Scenario, Strike};
use crate::workload::{Operation, OperationKind, Operations};
use crate::world::{Queue, ppm};
use crate::{Backup, Impairment, Misdeed, NodeIndex, World, laws};

/// Clocks that drift are set anew so often.
const DRIFT_US: u64 = 3_600_000_000;

/// Something that the director does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Start(NodeIndex),
    /// A sleeper wakes or falls asleep.
    Duty(NodeIndex),
    Move(NodeIndex),
    Drift(NodeIndex),
    Dial(usize),
    Flap(usize, bool),
    /// A copy of the disks that a later strike puts back.
    Copy(usize),
    Strike(usize),
    Over(usize),
    /// What the n-th of the scenario's misbehaving nodes does, and one of its nodes.
    Begin(usize),
    End(usize),
    Misbehave(usize, NodeIndex),
    Operate,
    Sample,
}

pub(super) struct Director<'a> {
    scenario: &'a Scenario,
    options: RunOptions,
    seeds: Seeds,
    world: World,
    acts: Queue<Act>,
    walkers: Vec<Walker>,
    clocks: Vec<NodeClock>,
    jumps: BTreeMap<NodeIndex, i64>,
    /// By how much the clocks of those that are not set are ahead, in milliseconds: whatever else was done to them counts once they are.
    unset: BTreeMap<NodeIndex, i64>,
    links: Links,
    strikes: Vec<Strike>,
    copies: BTreeMap<(usize, NodeIndex), Backup>,
    clones: BTreeMap<(usize, NodeIndex), NodeIndex>,
    /// Faults that keep a node down.
    held_down: BTreeMap<NodeIndex, usize>,
    harm: BTreeMap<NodeIndex, (f64, f64, f64)>,
    apart: BTreeMap<(NodeIndex, NodeIndex), usize>,
    misdeeds: BTreeMap<(usize, NodeIndex), Generator>,
    operations: Operations,
}

impl<'a> Director<'a> {
    pub(super) fn new(scenario: &'a Scenario, options: RunOptions) -> Result<Self, RunError> {
        let seeds = Seeds::new(options.seed);
        let world = build(scenario, options)?;
        let here = places(scenario, &seeds);
        let walkers = (here.iter().enumerate())
            .map(|(node, place)| Walker::new(scenario, node, *place, &seeds))
            .collect();
        let mut director = Self {
            scenario,
            options,
            seeds,
            world,
            acts: Queue::default(),
            walkers,
            clocks: (0..scenario.nodes.len())
                .map(|node| scenario.clock(node, &seeds))
                .collect(),
            jumps: BTreeMap::new(),
            unset: BTreeMap::new(),
            links: Links::new(scenario, &seeds),
            strikes: scenario.strikes(&seeds),
            copies: BTreeMap::new(),
            clones: BTreeMap::new(),
            held_down: BTreeMap::new(),
            harm: BTreeMap::new(),
            apart: BTreeMap::new(),
            misdeeds: BTreeMap::new(),
            operations: Operations::new(scenario, &seeds),
        };
        director.plan_all();
        Ok(director)
    }

    fn plan_all(&mut self) {
        for node in 0..self.scenario.nodes.len() {
            let group = self.scenario.group(node);
            self.acts.plan(group.starts_us, Act::Start(node));
            if group.duty.is_some() {
                self.acts.plan(group.starts_us, Act::Duty(node));
            }
            if self.clocks[node].drift_ppb != 0 {
                self.acts.plan(DRIFT_US, Act::Drift(node));
            }
            if let Some(at_us) = self.walkers[node].next_update_us(0) {
                self.acts.plan(at_us, Act::Move(node));
            }
        }
        for index in 0..self.links.all.len() {
            self.acts.plan(0, Act::Dial(index));
            if self.links.all[index].link.wire.flaps.is_some() {
                self.acts.plan(0, Act::Flap(index, false));
            }
        }
        for (index, strike) in self.strikes.iter().enumerate() {
            if let FaultKind::ImageRestored { age_us } = self.scenario.faults[strike.fault].kind {
                self.acts
                    .plan(strike.at_us.saturating_sub(age_us), Act::Copy(index));
            }
            self.acts.plan(strike.at_us, Act::Strike(index));
            if let Some(until_us) = strike.until_us {
                self.acts.plan(until_us, Act::Over(index));
            }
        }
        for (index, byzantine) in self.scenario.byzantine.iter().enumerate() {
            self.acts.plan(byzantine.from_us, Act::Begin(index));
            self.acts.plan(byzantine.until_us, Act::End(index));
        }
        if let Some(at_us) = self.operations.next_us() {
            self.acts.plan(at_us, Act::Operate);
        }
        self.acts.plan(self.scenario.sample_us, Act::Sample);
    }

    /// Plays the scenario, and waits after it for all to be everywhere. Ends at once with what must never be.
    pub(super) fn play(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<Option<Breach>, RunError> {
        let end_us = self.scenario.duration_us + self.scenario.settle_us;
        while let Some((at_us, act)) = self.acts.pop_until(end_us) {
            self.world.run_until(at_us)?;
            if matches!(act, Act::Sample) {
                self.sample(progress);
                self.world.forget_replies();
                let breach = (self.options.watches)
                    .then(|| laws::at_any_time(&self.world))
                    .flatten();
                if breach.is_some() {
                    return Ok(breach);
                }
                if at_us >= self.scenario.duration_us && self.is_settled(at_us) {
                    return Ok(None);
                }
                self.acts.plan(at_us + self.scenario.sample_us, Act::Sample);
            } else {
                self.act(at_us, act)?;
            }
        }
        self.world.run_until(end_us)?;
        self.sample(progress);
        Ok(None)
    }

    /// Nothing is lacking anywhere, and nothing will happen any more that could change that.
    fn is_settled(&self, at_us: u64) -> bool {
        let over = |strike: &Strike| strike.until_us.is_none_or(|until_us| until_us <= at_us);
        self.world
            .chronicle
            .as_ref()
            .is_some_and(|chronicle| chronicle.is_all_there())
            && self.strikes.iter().all(over)
            && (!self.options.compares_states || laws::converged(&self.world).is_ok())
    }

    fn sample(&mut self, progress: &mut dyn FnMut(Progress)) {
        let at_us = self.world.now_us();
        if let Some(chronicle) = &mut self.world.chronicle {
            chronicle.sample(at_us);
            let (due, there) = chronicle.progress();
            progress(Progress {
                at_us,
                end_us: self.scenario.duration_us + self.scenario.settle_us,
                due,
                there,
            });
        }
    }

    pub(super) fn finish(self) -> World {
        self.world
    }

    fn act(&mut self, at_us: u64, act: Act) -> Result<(), RunError> {
        match act {
            Act::Start(node) => self.start(node)?,
            Act::Duty(node) => self.duty(at_us, node)?,
            Act::Move(node) => {
                let place = self.walkers[node].place(at_us);
                put_at(&mut self.world, node, (place.x_m, place.y_m), at_us);
                if let Some(next_us) = self.walkers[node].next_update_us(at_us) {
                    self.acts.plan(next_us.max(at_us + 1), Act::Move(node));
                }
            }
            Act::Drift(node) => {
                self.set_clock(node);
                self.acts.plan(at_us + DRIFT_US, Act::Drift(node));
            }
            Act::Dial(index) => {
                if let Some(next_us) = self.links.dial(&mut self.world, index)? {
                    self.acts.plan(next_us, Act::Dial(index));
                }
            }
            Act::Flap(index, down) => {
                if let Some(next_us) = self.links.flap(&mut self.world, index, down)? {
                    self.acts.plan(next_us, Act::Flap(index, !down));
                }
            }
            Act::Copy(strike) => {
                for node in self.strikes[strike].nodes.clone() {
                    let copy = self.world.backup(node).map_err(cairn::mesh::EngineError::from)?;
                    self.copies.insert((strike, node), copy);
                }
            }
            Act::Strike(strike) => self.strike(strike)?,
            Act::Over(strike) => self.over(strike)?,
            Act::Begin(index) => self.begin(at_us, index),
            Act::End(index) => self.end(index),
            Act::Misbehave(index, node) => self.misbehave(at_us, index, node)?,
            Act::Operate => {
                while self.operations.next_us().is_some_and(|due_us| due_us <= at_us) {
                    if let Some(operation) = self.operations.next() {
                        self.operate(operation)?;
                    }
                }
                if let Some(next_us) = self.operations.next_us() {
                    self.acts.plan(next_us, Act::Operate);
                }
            }
            Act::Sample => {}
        }
        Ok(())
    }

    fn note(&mut self, node: Option<NodeIndex>, what: &str) {
        let at_us = self.world.now_us();
        if let Some(chronicle) = &mut self.world.chronicle {
            chronicle.fault(at_us, node, what);
        }
    }

    fn set_clock(&mut self, node: NodeIndex) {
        let moved = self.unset.get(&node).or_else(|| self.jumps.get(&node));
        let jump_ms = moved.copied().unwrap_or(0);
        let ahead_ms = self.clocks[node].ahead_at_us(self.world.now_us()) / 1000;
        self.world.set_clock(node, ahead_ms.saturating_add(jump_ms));
    }

    /// Without a battery a clock goes on from 1970.
    fn unset_clock(&mut self, node: NodeIndex) {
        self.unset.insert(node, -self.world.true_ms().cast_signed());
    }

    /// Starts a node, unless something keeps it down.
    fn start(&mut self, node: NodeIndex) -> Result<(), RunError> {
        if self.held_down.contains_key(&node) || self.world.is_up(node) {
            return Ok(());
        }
        if self.clocks[node].unset {
            self.unset_clock(node);
        }
        self.set_clock(node);
        Ok(self.world.start(node)?)
    }

    fn duty(&mut self, at_us: u64, node: NodeIndex) -> Result<(), RunError> {
        let Some(duty) = self.scenario.group(node).duty else {
            return Ok(());
        };
        let (is_up, until_us) = duty.is_up(self.scenario.duty_phase_us(node, &self.seeds), at_us);
        if is_up {
            self.start(node)?;
        } else {
            self.world.crash(node)?;
        }
        self.acts.plan(until_us.max(at_us + 1), Act::Duty(node));
        Ok(())
    }

    fn operate(&mut self, operation: Operation) -> Result<(), RunError> {
        let Operation { node, path, kind, .. } = operation;
        // Whoever finds the node off writes nothing.
        if !self.world.is_up(node) {
            return Ok(());
        }
        match kind {
            OperationKind::Put(content) | OperationKind::Append { whole: content, .. } => {
                let body = content.bytes().map_err(|source| RunError::File {
                    path: path.as_str().to_owned(),
                    source,
                })?;
                self.world.put(node, &path, &body, Precondition::default())?;
            }
            OperationKind::Delete => {
                self.world.delete(node, &path)?;
            }
        }
        Ok(())
    }

    fn strike(&mut self, index: usize) -> Result<(), RunError> {
        let strike = self.strikes[index].clone();
        let kind = self.scenario.faults[strike.fault].kind.clone();
        let lasts = strike.until_us.is_some();
        if let FaultKind::Split { sides, wired, radio } = &kind {
            self.note(None, "split");
            return self.split(sides, *wired, *radio, true);
        }
        for node in strike.nodes {
            self.note(Some(node), kind.name());
            match kind {
                FaultKind::Crash {
                    disk_lost,
                    torn_write,
                } => {
                    if torn_write {
                        self.world.tear(node)?;
                    }
                    if disk_lost {
                        self.world.lose_disk(node)?;
                    }
                    self.world.crash(node)?;
                    count(&mut self.held_down, node, true);
                }
                FaultKind::Restart => {
                    self.world.crash(node)?;
                    self.start(node)?;
                }
                FaultKind::DiskFull => self.world.fill_disk(node, true)?,
                FaultKind::ClockJump { by_ms } => {
                    *self.jumps.entry(node).or_default() += by_ms;
                    self.set_clock(node);
                }
                FaultKind::ClockUnset => {
                    self.world.crash(node)?;
                    self.unset_clock(node);
                    self.start(node)?;
                }
                FaultKind::LinkDown => self.links.take_down(&mut self.world, node, true)?,
                FaultKind::Loss { .. } | FaultKind::Corrupt { .. } | FaultKind::Duplicate { .. } => {
                    self.impair(node, &kind, 1.0);
                }
                FaultKind::RadioUnplugged => self.world.set_unplugged(node, true)?,
                FaultKind::AirtimeLedgerLost => {
                    self.world.crash(node)?;
                    self.world.lose_ledger(node);
                    self.start(node)?;
                }
                FaultKind::BitRot { chunks } => {
                    self.world.rot(node, chunks);
                }
                FaultKind::ImageRestored { .. } => {
                    if let Some(copy) = self.copies.remove(&(index, node)) {
                        self.world.restore(node, &copy)?;
                        self.start(node)?;
                    }
                }
                FaultKind::Cloned => {
                    let name = format!("{} (clone)", self.scenario.nodes[node].name);
                    let clone = self.world.clone_node(node, &name)?;
                    // It is where its twin is, and dials the same neighbours.
                    for other in self.links.others(node) {
                        self.world.link(clone, other)?;
                    }
                    if lasts {
                        self.clones.insert((index, node), clone);
                    }
                }
                FaultKind::Split { .. } => {}
            }
        }
        Ok(())
    }

    fn over(&mut self, index: usize) -> Result<(), RunError> {
        let strike = self.strikes[index].clone();
        let kind = self.scenario.faults[strike.fault].kind.clone();
        if let FaultKind::Split { sides, wired, radio } = &kind {
            self.note(None, "split healed");
            return self.split(sides, *wired, *radio, false);
        }
        for node in strike.nodes {
            match kind {
                FaultKind::Crash { .. } => {
                    count(&mut self.held_down, node, false);
                    self.start(node)?;
                }
                FaultKind::DiskFull => self.world.fill_disk(node, false)?,
                FaultKind::ClockJump { by_ms } => {
                    *self.jumps.entry(node).or_default() -= by_ms;
                    self.set_clock(node);
                }
                FaultKind::ClockUnset => {
                    self.unset.remove(&node);
                    self.set_clock(node);
                }
                FaultKind::LinkDown => self.links.take_down(&mut self.world, node, false)?,
                FaultKind::Loss { .. } | FaultKind::Corrupt { .. } | FaultKind::Duplicate { .. } => {
                    self.impair(node, &kind, -1.0);
                }
                FaultKind::RadioUnplugged => self.world.set_unplugged(node, false)?,
                FaultKind::Cloned => {
                    if let Some(clone) = self.clones.remove(&(index, node)) {
                        self.world.retire(clone)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn impair(&mut self, node: NodeIndex, kind: &FaultKind, sign: f64) {
        let (loss, corruption, duplication) = self.harm.entry(node).or_default();
        match kind {
            FaultKind::Loss { share } => *loss += sign * share,
            FaultKind::Corrupt { share } => *corruption += sign * share,
            FaultKind::Duplicate { share } => *duplication += sign * share,
            _ => {}
        }
        let impairment = Impairment {
            loss: ppm(*loss),
            corruption: ppm(*corruption),
            duplication: ppm(*duplication),
        };
        self.world.impair(node, impairment);
    }

    fn split(&mut self, sides: &[Vec<usize>], wired: bool, radio: bool, apart: bool) -> Result<(), RunError> {
        for (place, side) in sides.iter().enumerate() {
            let others = sides[place + 1..].iter().flatten();
            for (a, b) in others.flat_map(|other| side.iter().map(|node| (*node, *other))) {
                if wired {
                    self.links.split(&mut self.world, a, b, apart)?;
                }
                if radio {
                    let pair = (a.min(b), a.max(b));
                    count(&mut self.apart, pair, apart);
                    self.world.set_apart(a, b, self.apart.contains_key(&pair));
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, at_us: u64, index: usize) {
        let scenario = self.scenario;
        let byzantine = &scenario.byzantine[index];
        for node in byzantine.nodes.iter().copied() {
            self.note(Some(node), "misbehaves from now on");
            self.world.corrupt_node(node);
            match &byzantine.conduct {
                Conduct::LyingClock { ahead_ms } => {
                    self.jumps.insert(node, *ahead_ms);
                    self.set_clock(node);
                }
                Conduct::Silence { share, towards } => {
                    self.world.silence(node, ppm(*share), towards.iter().copied());
                }
                Conduct::BadSignatures { .. } | Conduct::Replay { .. } | Conduct::Flood { .. } => {
                    let key = format!("{index} {}", scenario.nodes[node].name);
                    self.misdeeds
                        .insert((index, node), self.seeds.generator("misdeeds", key));
                    self.plan_misdeed(at_us, index, node);
                }
            }
        }
    }

    fn end(&mut self, index: usize) {
        let scenario = self.scenario;
        for node in scenario.byzantine[index].nodes.iter().copied() {
            match &scenario.byzantine[index].conduct {
                Conduct::LyingClock { .. } => {
                    self.jumps.remove(&node);
                    self.set_clock(node);
                }
                Conduct::Silence { .. } => self.world.silence(node, 0, []),
                _ => {
                    self.misdeeds.remove(&(index, node));
                }
            }
        }
    }

    fn plan_misdeed(&mut self, at_us: u64, index: usize, node: NodeIndex) {
        let (Conduct::BadSignatures { per_hour }
        | Conduct::Replay { per_hour }
        | Conduct::Flood { per_hour }) = self.scenario.byzantine[index].conduct
        else {
            return;
        };
        if let Some(generator) = self.misdeeds.get_mut(&(index, node)) {
            let wait_us = generator.exponential(3.6e9 / per_hour.max(1e-6)) as u64;
            self.acts
                .plan(at_us + wait_us.max(1), Act::Misbehave(index, node));
        }
    }

    fn misbehave(&mut self, at_us: u64, index: usize, node: NodeIndex) -> Result<(), RunError> {
        if !self.misdeeds.contains_key(&(index, node)) {
            return Ok(());
        }
        let misdeed = match self.scenario.byzantine[index].conduct {
            Conduct::BadSignatures { .. } => Misdeed::BadSignature,
            Conduct::Replay { .. } => Misdeed::Replay,
            _ => Misdeed::Flood,
        };
        self.world.misbehave(node, misdeed)?;
        self.plan_misdeed(at_us, index, node);
        Ok(())
    }
}
