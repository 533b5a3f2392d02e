//! Two hundred seeds, each with a mix of faults of its own: all invariants hold.
//!
//! `CAIRN_SEEDS=A..B` chooses other seeds. The longer command is `cairn-sim check --seeds 0..10000`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use cairn::model::remember_verified;
use cairn_sim::check::{Figures, Mix, examine};
use cairn_sim::laws::Breach;
use cairn_sim::run::{RunOptions, run_checked};
use cairn_sim::scenario::{NoFiles, Scenario};

const SEEDS: Range<u64> = 0..200;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("CAIRN_SEEDS") else {
        return SEEDS;
    };
    let (from, to) = text.split_once("..").expect("CAIRN_SEEDS is A..B");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn every_invariant_holds_whatever_breaks() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let sums = Mutex::new((Figures::default(), Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                remember_verified(1 << 18);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let examined = examine(&Mix::draw(seed), None);
                    let mut sums = sums.lock().unwrap();
                    sums.0 += examined.figures;
                    if let Some(breach) = examined.breach {
                        sums.1.push(format!(
                            "seed {seed}: {breach}\nrepeat: cairn-sim check --seeds {seed}..{}",
                            seed + 1
                        ));
                    }
                }
            });
        }
    });
    let (figures, failures) = sums.into_inner().unwrap();
    println!("{figures:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if seeds == SEEDS {
        assert!(
            figures.node_hours >= 20_000.0 && figures.crashes >= 2000,
            "{figures:?}"
        );
    }
}

#[test]
fn a_mix_is_a_scenario_and_the_same_each_time() {
    for seed in 0..500 {
        let mix = Mix::draw(seed);
        let text = mix.text();
        assert_eq!(text, Mix::draw(seed).text());
        if let Err(problems) = Scenario::parse(&text, "mix.toml", &NoFiles) {
            panic!("seed {seed}: {problems}\n{text}");
        }
    }
}

/// What the short scenarios in a folder break.
fn broken_in(folder: &str) -> Vec<(PathBuf, Vec<Breach>)> {
    remember_verified(1 << 16);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // When nothing is open, no folder is.
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let run = |file: PathBuf| {
        let scenario = Scenario::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let options = RunOptions {
            compares_states: true,
            watches: true,
            ..RunOptions::new(scenario.seed)
        };
        let outcome = run_checked(&scenario, options, &mut |_| {}).unwrap();
        (file, outcome.breaches)
    };
    files.into_iter().map(run).collect()
}

/// Bugs that were found and are not mended yet. When one is, its scenario has to move up, so that it never comes back.
#[test]
fn what_is_known_to_fail_fails() {
    for (file, breaches) in broken_in("regressions/open") {
        assert!(
            !breaches.is_empty(),
            "{} holds now: move it to sim/regressions/",
            file.display()
        );
    }
}

/// What once failed and was mended stays so.
#[test]
fn what_once_failed_holds() {
    let held = broken_in("regressions");
    assert!(!held.is_empty());
    for (file, breaches) in held {
        assert!(breaches.is_empty(), "{}: {breaches:?}", file.display());
    }
}
