//! Whether the simulator tells the truth: one scenario, in the simulator and with real processes on virtual modems.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use cairn_sim::medium::Airing;
use cairn_sim::modem::{Answer, Command, Fleet, FleetConfig};
use cairn_sim::random::Seeds;
use cairn_sim::recording::Happening;
use cairn_sim::run::{RunOptions, run};
use cairn_sim::scenario::Scenario;
use cairn_sim::workload::{Operation, OperationKind, Operations};
use cairn_tests::{Daemon, Http, eventually};
use cairn_transports::lora::modem::{ModemKind, ModemSettings, RnodeConfig};
use serde_json::Value;

/// Seeds of which the simulator's mean is made.
const SEEDS: std::ops::Range<u64> = 0..16;
/// By how much the two may differ.
const DIFFERENCE_MAX: f64 = 0.15;
/// So many operations at the end are at the same time.
const BURST: usize = 3;
/// What may not differ by more.
const COMPARED: [&str; 6] = [
    "frames on air",
    "bytes on air",
    "airtime, s",
    "delay, mean, s",
    "converged, mean, s",
    "the last burst, s",
];
/// Until the nodes know one another, on a busy machine.
const ACQUAINTED_MAX: Duration = Duration::from_secs(120);
/// How often a node is asked whether something arrived.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// On a machine that does other things as well a process is late now and then, so that two speak at once. What is repaired then is part of no simulated
/// run; a simulator that is wrong about it is so each time. Such a run is played again, until it is the third.
const PLAYS_MAX: usize = 3;
/// Kinds of frames, by the first three bits of each (docs/radio.md).
const KINDS: [&str; 5] = ["introduction", "message", "fragment", "poll", "status"];

/// What a run came to, from the first operation on until the scenario's end.
#[derive(Default)]
struct Outcome {
    frames: BTreeMap<&'static str, f64>,
    bytes: f64,
    airtime_s: f64,
    /// From each write to each arrival, in seconds.
    delays_s: Vec<f64>,
    /// From each operation until the last of the others had it, by the operation's place.
    everywhere_s: BTreeMap<usize, f64>,
}

impl Outcome {
    fn count(&mut self, kind: &'static str, bytes: u64, airtime_us: u64) {
        *self.frames.entry(kind).or_default() += 1.0;
        self.bytes += bytes as f64;
        self.airtime_s += airtime_us as f64 / 1e6;
    }

    /// Somebody asked for what it lacked.
    fn repaired(&self) -> bool {
        self.frames.get("status").is_some_and(|count| *count > 0.0)
    }

    fn arrived(&mut self, operation: usize, delay_s: f64) {
        self.delays_s.push(delay_s);
        let everywhere_s = self.everywhere_s.entry(operation).or_default();
        *everywhere_s = everywhere_s.max(delay_s);
    }

    fn delay(&self, share: f64) -> f64 {
        let mut sorted = self.delays_s.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }

    /// All that is compared, in the order of the table.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        let all = self.frames.values().sum();
        let mut figures = vec![("frames on air", all)];
        figures.extend(KINDS.map(|kind| (kind, self.frames.get(kind).copied().unwrap_or(0.0))));
        let mean = |all: &mut dyn Iterator<Item = f64>| {
            let (sum, count) = all.fold((0.0, 0.0), |(sum, count), each| (sum + each, count + 1.0));
            sum / count
        };
        let last = self.everywhere_s.values().rev().take(BURST);
        figures.extend([
            ("bytes on air", self.bytes),
            ("airtime, s", self.airtime_s),
            ("delay, mean, s", mean(&mut self.delays_s.iter().copied())),
            ("delay, median, s", self.delay(0.5)),
            ("delay, 90 %, s", self.delay(0.9)),
            (
                "converged, mean, s",
                mean(&mut self.everywhere_s.values().copied()),
            ),
            ("the last burst, s", last.copied().fold(0.0, f64::max)),
        ]);
        figures
    }
}

fn scenario() -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/scenarios/three-modems.toml");
    Scenario::load(&file).unwrap()
}

fn operations(scenario: &Scenario, seed: u64) -> Vec<Operation> {
    Operations::new(scenario, &Seeds::new(seed)).collect()
}

fn simulate(scenario: &Scenario, seed: u64) -> Outcome {
    let options = RunOptions {
        happenings_max: 100_000,
        compares_states: true,
        ..RunOptions::new(seed)
    };
    let recording = run(scenario, options, &mut |_| {}).unwrap();
    assert_eq!(recording.broken, Vec::<String>::new(), "seed {seed}");
    let first_us = recording.writes[0].at_us;
    let mut outcome = Outcome::default();
    for happening in &recording.happenings {
        if let Happening::Frame {
            at_us,
            kind,
            len,
            airtime_us,
            ..
        } = happening
            && (first_us..scenario.duration_us).contains(at_us)
        {
            let kind = KINDS.into_iter().find(|known| known == kind).unwrap_or("message");
            outcome.count(kind, *len, *airtime_us);
        }
    }
    for (place, write) in recording.writes.iter().enumerate() {
        for (_, at_us) in &write.arrivals {
            outcome.arrived(place, (at_us - write.at_us) as f64 / 1e6);
        }
    }
    outcome
}

/// A write that is still to arrive somewhere.
struct Due {
    /// Its place among the operations.
    operation: usize,
    node: usize,
    since: Instant,
}

/// Real processes, each with a virtual modem, whose user does what the scenario says.
struct Desk<'a> {
    scenario: &'a Scenario,
    nodes: Vec<Daemon>,
    doors: Vec<Http>,
    modems: Fleet,
    _folder: tempfile::TempDir,
}

impl<'a> Desk<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = FleetConfig {
            seed: 1,
            ..FleetConfig::new(ModemKind::Rnode, scenario.nodes.len())
        };
        let modems = Fleet::start(config).unwrap();
        let mut nodes: Vec<Daemon> = Vec::new();
        for index in 0..scenario.nodes.len() {
            let home = folder.path().join(format!("node{index}"));
            if let Some(first) = nodes.first() {
                // An address where nobody is: the radio is the only way.
                first.invite(&home, &["--address", "tcp://127.0.0.1:1"]);
            }
            let args = radio_arguments(scenario, index, &modems.paths()[index]);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            nodes.push(Daemon::start(&home, &args));
        }
        Self {
            scenario,
            doors: nodes.iter().map(Daemon::http).collect(),
            nodes,
            modems,
            _folder: folder,
        }
    }

    /// Waits until all know all, and have heard one another.
    fn acquaint(&self) {
        let others = self.nodes.len() - 1;
        eventually(ACQUAINTED_MAX, || {
            let all: Vec<Value> = self.nodes.iter().map(Daemon::status).collect();
            let knows_all = |status: &Value| {
                let peers = status["peers"].as_array().into_iter().flatten();
                // Of two who agree, the third may keep silent for long; that it was heard once is enough.
                let knows = |peer: &&Value| peer["in_step"] == true && peer["rssi_dbm"].is_number();
                peers.filter(knows).count() == others
            };
            let same = |key: &str| all.iter().all(|status| status[key] == all[0][key]);
            if same("clock_digest") && all.iter().all(knows_all) {
                return Ok(());
            }
            Err(all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
    }

    fn airings(&self, modem: usize) -> Vec<Airing> {
        match self.modems.command(Command::Airings(modem)).unwrap() {
            Answer::Airings(airings) => airings,
            other => panic!("{other:?}"),
        }
    }

    fn play(&self, operations: &[Operation], quiet: Duration) -> Outcome {
        let acquainted = Instant::now();
        let before = |modem| self.airings(modem).len();
        // As long as the simulator's nodes have before the first operation, so that their timers stand alike.
        wait_until(acquainted + quiet);
        let before: Vec<usize> = (0..self.nodes.len()).map(before).collect();
        let start = Instant::now();
        let at = |at_us: u64| start + Duration::from_micros(at_us - operations[0].at_us);
        let end = at(self.scenario.duration_us);
        let mut outcome = Outcome::default();
        let mut due: Vec<Due> = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            self.look_until(at(operation.at_us), operations, index, &mut due, &mut outcome);
            let since = Instant::now();
            self.operate(operation);
            let others = (0..self.nodes.len()).filter(|node| *node != operation.node);
            due.extend(others.map(|node| Due {
                operation: index,
                node,
                since,
            }));
        }
        self.look_until(end, operations, operations.len(), &mut due, &mut outcome);
        assert!(due.is_empty(), "{} arrivals are missing", due.len());
        for (modem, before) in before.into_iter().enumerate() {
            for airing in &self.airings(modem)[before..] {
                // The modem's own header comes before the frame.
                let kind = KINDS[usize::from(airing.begins[1] >> 5)];
                outcome.count(kind, airing.bytes as u64, airing.airtime_us);
            }
        }
        outcome
    }

    fn operate(&self, operation: &Operation) {
        let door = &self.doors[operation.node];
        match &operation.kind {
            OperationKind::Put(content) | OperationKind::Append { whole: content, .. } => {
                door.store(operation.path.as_str(), &content.bytes().unwrap());
            }
            OperationKind::Delete => {
                assert_eq!(door.delete(operation.path.as_str()).unwrap(), 200);
            }
        }
    }

    /// Looks for what is due until then.
    fn look_until(
        &self,
        until: Instant,
        operations: &[Operation],
        written: usize,
        due: &mut Vec<Due>,
        outcome: &mut Outcome,
    ) {
        while Instant::now() < until {
            let look = Instant::now();
            due.retain(|due| {
                let path = &operations[due.operation].path;
                let (status, body, _) = self.doors[due.node].get(path.as_str()).unwrap();
                // It, or a later one that replaces it.
                let mut same = operations[due.operation..written].iter();
                let there = same.any(|later| later.path == *path && holds(later, status, &body));
                if there {
                    outcome.arrived(due.operation, due.since.elapsed().as_secs_f64());
                }
                !there
            });
            wait_until(until.min(look + LOOK_EVERY));
        }
    }
}

fn holds(operation: &Operation, status: u16, body: &[u8]) -> bool {
    match &operation.kind {
        OperationKind::Put(content) | OperationKind::Append { whole: content, .. } => {
            status == 200 && content.bytes().unwrap() == body
        }
        OperationKind::Delete => status == 404,
    }
}

/// The scenario's clock: this is real time.
fn wait_until(then: Instant) {
    std::thread::sleep(then.saturating_duration_since(Instant::now()));
}

fn radio_arguments(scenario: &Scenario, node: usize, port: &Path) -> Vec<String> {
    let radio = scenario.group(node).radio.unwrap();
    let ModemSettings::Rnode(RnodeConfig {
        frequency_hz,
        bandwidth_hz,
        spreading_factor,
        coding_rate,
        tx_power_dbm,
    }) = radio.modem
    else {
        panic!("only RNodes are compared");
    };
    let region = scenario.radio.as_ref().unwrap().region.name();
    let pairs = [
        ("--lora", port.to_str().unwrap().to_owned()),
        ("--modem", "rnode".to_owned()),
        ("--region", region.to_owned()),
        ("--frequency", frequency_hz.to_string()),
        ("--bandwidth", bandwidth_hz.to_string()),
        ("--sf", spreading_factor.get().to_string()),
        ("--coding-rate", coding_rate.get().to_string()),
        ("--tx-power", tx_power_dbm.to_string()),
    ];
    let arguments = pairs.into_iter();
    arguments
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
}

#[test]
fn the_simulator_foretells_what_three_real_processes_do() {
    let scenario = scenario();
    let simulated: Vec<Outcome> = SEEDS.map(|seed| simulate(&scenario, seed)).collect();
    let operations = operations(&scenario, scenario.seed);
    for play in 1.. {
        let desk = Desk::new(&scenario);
        desk.acquaint();
        let real = desk.play(&operations, Duration::from_micros(operations[0].at_us));
        drop(desk);
        let (table, too_different) = compare(&simulated, &real);
        println!("play {play}\n{table}");
        if too_different.is_empty() {
            return;
        }
        let is_another_run = real.repaired() && !simulated.iter().any(Outcome::repaired);
        assert!(
            is_another_run && play < PLAYS_MAX,
            "too different: {too_different:?}\n{table}"
        );
        println!("two spoke at once, and nobody did in the simulated runs: played again");
    }
}

/// Both side by side, and what differs too much.
fn compare(simulated: &[Outcome], real: &Outcome) -> (String, Vec<&'static str>) {
    let mut too_different = Vec::new();
    let mut table = format!(
        "{:20}{:>10}{:>8}{:>10}{:>12}\n",
        "", "simulated", "±", "real", "differs by"
    );
    let figures: Vec<Vec<(&str, f64)>> = simulated.iter().map(Outcome::figures).collect();
    for (place, (name, found)) in real.figures().into_iter().enumerate() {
        let all = figures.iter().map(|figures| figures[place].1);
        let count = figures.len() as f64;
        let mean = all.clone().sum::<f64>() / count;
        let spread = (all.map(|figure| (figure - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
        let differs = mean / found - 1.0;
        let percent = if found == 0.0 {
            "-".to_owned()
        } else {
            format!("{:+.1} %", differs * 100.0)
        };
        writeln!(table, "{name:20}{mean:10.2}{spread:8.2}{found:10.2}{percent:>12}").unwrap();
        // What is not a number is no agreement either.
        if COMPARED.contains(&name) && (differs.is_nan() || differs.abs() > DIFFERENCE_MAX) {
            too_different.push(name);
        }
    }
    (table, too_different)
}
