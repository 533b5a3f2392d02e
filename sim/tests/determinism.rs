//! The same scenario and the same seed give the same run, bit for bit: again, beside another run, and on every machine.
//!
//! `traces.txt` beside the scenarios holds the hash of the first part of each, so that builds with and without optimisation, and machines,
//! are compared with one another. After a change to the protocol: `CAIRN_WRITE_TRACES=1 cargo test -p cairn-sim --test determinism`.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use cairn::model::remember_verified;
use cairn_sim::run::{RunOptions, run};
use cairn_sim::scenario::Scenario;

/// Seconds of each scenario that are run, by how many nodes it has.
fn part_s(nodes: usize) -> u64 {
    match nodes {
        0..=3 => 4 * 3600,
        4..=20 => 900,
        21..=60 => 600,
        61..=500 => 3,
        _ => 30,
    }
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The hash of the first part of a scenario.
fn trace(file: &Path) -> String {
    remember_verified(1 << 16);
    let mut scenario = Scenario::load(file).unwrap();
    scenario.duration_us = scenario.duration_us.min(part_s(scenario.nodes.len()) * 1_000_000);
    scenario.settle_us = 0;
    let options = RunOptions {
        happenings_max: 1000,
        ..RunOptions::new(scenario.seed)
    };
    let recording = run(&scenario, options, &mut |_| {}).unwrap();
    assert!(recording.events_handled > 100, "{} is empty", file.display());
    recording.trace_hash
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut files: Vec<PathBuf> = fs::read_dir(scenarios())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 8);
    // Side by side on two threads, which must not matter.
    let run_all = || -> BTreeMap<String, String> {
        let name = |file: &Path| file.file_stem().unwrap().to_string_lossy().into_owned();
        files.iter().map(|file| (name(file), trace(file))).collect()
    };
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(run_all);
        let other = scope.spawn(run_all);
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(one, other);
    let golden = scenarios().join("traces.txt");
    let mut text = String::new();
    for (name, hash) in &one {
        writeln!(text, "{name} {hash}").unwrap();
    }
    if std::env::var_os("CAIRN_WRITE_TRACES").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&golden).unwrap_or_default(),
        text,
        "runs differ from those in traces.txt: after a change to the protocol, write it anew"
    );
}

#[test]
fn another_seed_gives_another_run() {
    let file = scenarios().join("three-modems.toml");
    let mut scenario = Scenario::load(&file).unwrap();
    scenario.settle_us = 0;
    let with = |seed| {
        let options = RunOptions::new(seed);
        run(&scenario, options, &mut |_| {}).unwrap().trace_hash
    };
    assert_ne!(with(1), with(2));
}
