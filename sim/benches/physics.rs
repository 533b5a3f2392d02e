//! The radio medium beside theory and beside other simulators, and how fast it is.
//!
//! Tables come out as Markdown; `--plots FOLDER` also draws them. `docs/simulator-physics.md` shows the results and explains the
//! differences.
#![allow(clippy::expect_used, clippy::disallowed_methods)] // a benchmark fails by panicking, and measures time

#[path = "physics/aloha.rs"]
mod aloha;
#[path = "physics/extraction.rs"]
mod extraction;
#[path = "physics/flooding.rs"]
mod flooding;
#[path = "physics/plot.rs"]
mod plot;
#[path = "physics/speed.rs"]
mod speed;
#[path = "physics/star.rs"]
mod star;

use std::path::{Path, PathBuf};

use flooding::Outcome;
use plot::{Chart, Mark, Series};

/// Meshtasticator 2ce5fbf, 200 s, the mean of seeds 0 to 39: nodes, and its shares of reach, collisions and airtime.
const MESHTASTICATOR: [(usize, Outcome); 4] = [
    (10, outcome(0.8506, 0.1441, 0.0595)),
    (25, outcome(0.5801, 0.1822, 0.0692)),
    (50, outcome(0.3797, 0.1529, 0.0602)),
    (100, outcome(0.2423, 0.1049, 0.0447)),
];

/// What a row is called, and where its figure is.
type Row = (&'static str, fn(&Outcome) -> f64);

const fn outcome(reach: f64, collided_of_made: f64, airtime: f64) -> Outcome {
    Outcome {
        reach,
        // It does not tell.
        collided: f64::NAN,
        collided_of_made,
        airtime,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|word| word == "--list" || word == "--help") {
        println!("usage: cargo bench -p cairn-sim --bench physics -- [--quick] [--plots FOLDER]");
        return;
    }
    let is_quick = arguments.iter().any(|word| word == "--quick");
    let mut words = arguments.iter().skip_while(|word| *word != "--plots");
    let plots = words.nth(1).map(PathBuf::from);
    let scale = if is_quick { 1 } else { 10 };
    let charts = [
        ("aloha.svg", aloha_table(scale)),
        ("extraction-rate.svg", extraction_table(scale)),
    ];
    flooding_table(4 * scale);
    speed_table(is_quick);
    for (name, chart) in charts {
        if let Some(folder) = &plots {
            write_plot(&folder.join(name), &chart);
        }
    }
}

fn write_plot(path: &Path, chart: &Chart) {
    // Cargo runs benchmarks in the package's folder; people mean the project's.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::write(root.join(path), chart.svg()).expect("the folder of --plots exists");
}

fn aloha_table(scale: u64) -> Chart {
    println!("| G | S by theory | S here | standard error | off by |");
    println!("| --- | --- | --- | --- | --- |");
    let mut measured = Vec::new();
    for load in aloha::LOADS {
        let (theory, found) = (aloha::theory(load), aloha::measure(load, 10, 20_000 * scale));
        println!(
            "| {load} | {theory:.4} | {:.4} | {:.4} | {:+.2} % |",
            found.mean,
            found.error,
            (found.mean / theory - 1.0) * 100.0
        );
        measured.push((load, found.mean));
    }
    println!();
    let curve = (0..=150).map(|step| f64::from(step) / 100.0);
    Chart {
        title: "Pure ALOHA: throughput by offered load",
        x_label: "G: frames sent for each airtime",
        y_label: "S: frames received for each airtime",
        x_ticks: (0..=6).map(|step| f64::from(step) * 0.25).collect(),
        y_ticks: vec![0.0, 0.05, 0.1, 0.15, 0.2, 0.25],
        series: vec![
            Series {
                name: "theory, S = G · e^(-2G)".into(),
                colour: 0,
                mark: Mark::Line,
                points: curve.map(|load| (load, aloha::theory(load))).collect(),
            },
            Series {
                name: "Cairn's medium".into(),
                colour: 1,
                mark: Mark::Dot,
                points: measured,
            },
        ],
    }
}

fn extraction_table(scale: u64) -> Chart {
    println!("| experiment | nodes | theory | LoRaSim | here | here - LoRaSim |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut series = Vec::new();
    for (colour, experiment) in extraction::experiments().iter().enumerate() {
        let mut ours = Vec::new();
        for (nodes, lorasim) in extraction::NODES.into_iter().zip(experiment.lorasim) {
            let days = (300 * scale).div_ceil(nodes as u64);
            let rate = experiment.rate(nodes, days);
            let theory = experiment.theory(nodes);
            println!(
                "| {} | {nodes} | {} | {lorasim:.4} | {rate:.4} | {:+.4} |",
                experiment.name,
                theory.map_or(String::new(), |theory| format!("{theory:.4}")),
                rate - lorasim
            );
            ours.push((nodes as f64, rate));
        }
        let theirs = extraction::NODES.iter().zip(experiment.lorasim);
        series.push(Series {
            name: experiment.name.into(),
            colour,
            mark: Mark::Line,
            points: ours,
        });
        series.push(Series {
            name: format!("{}: LoRaSim", &experiment.name[..4]),
            colour,
            mark: Mark::Ring,
            points: theirs.map(|(nodes, rate)| (*nodes as f64, rate)).collect(),
        });
    }
    println!();
    Chart {
        title: "Data extraction rate: Cairn's medium (lines) and LoRaSim (rings)",
        x_label: "nodes around one sink, each with 20 bytes every 1,000 s",
        y_label: "frames received of those sent",
        x_ticks: (0..=10).map(|step| f64::from(step) * 100.0).collect(),
        y_ticks: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
        series,
    }
}

fn flooding_table(runs: u64) {
    println!(
        "| nodes | what | Meshtasticator, mean of 40 runs | here, mean of {runs} runs | least to most |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for (nodes, theirs) in MESHTASTICATOR {
        let ours: Vec<Outcome> = (0..runs).map(|seed| flooding::run(nodes, seed)).collect();
        let rows: [Row; 4] = [
            ("reached", |one| one.reach),
            ("collided, of frames made", |one| one.collided_of_made),
            ("collided, of frames sent", |one| one.collided),
            ("airtime", |one| one.airtime),
        ];
        for (what, pick) in rows {
            let all = || ours.iter().map(|one| pick(one) * 100.0);
            let theirs = Some(pick(&theirs)).filter(|share| !share.is_nan());
            println!(
                "| {nodes} | {what} | {} | {:.1} % | {:.1} to {:.1} % |",
                theirs.map_or(String::new(), |share| format!("{:.1} %", share * 100.0)),
                all().sum::<f64>() / runs as f64,
                all().fold(f64::INFINITY, f64::min),
                all().fold(0.0, f64::max)
            );
        }
    }
    println!();
}

fn speed_table(is_quick: bool) {
    println!(
        "| stations | where | each reaches | all lists made in s | frames a second | judged a second | delivered a second |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let frames = if is_quick { 5_000 } else { 100_000 };
    for (count, side_km, rate, frames) in [
        (1000, Some(10.0), 5.0, frames),
        (1000, Some(10.0), 100.0, frames),
        (10_000, Some(32.0), 100.0, frames),
        (1000, None, 1.0, frames / 10),
    ] {
        let found = speed::measure(count, side_km.map(|side| side * 1000.0), rate, frames);
        println!(
            "| {count} | {}, {rate} frames a second | {:.0} | {:.3} | {:.0} | {:.0} | {:.0} |",
            side_km.map_or("no places".into(), |side| format!("{side} km x {side} km")),
            found.reach,
            found.listing_s,
            found.frames_per_s,
            found.judged_per_s,
            found.deliveries_per_s
        );
    }
}
