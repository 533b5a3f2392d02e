//! How fast the simulator is, and what that takes: wall time, memory and events for growing meshes.
//!
//! Each row runs in a process of its own, so that its peak of memory is its own.
#![allow(clippy::unwrap_used, clippy::panic)] // a benchmark fails by panicking
#![allow(clippy::disallowed_methods)] // and measures real time

use std::process::Command;
use std::time::{Duration, Instant};

use cairn::mesh::Precondition;
use cairn::model::DocumentPath;
use cairn_sim::medium::{Medium, MediumConfig, PathLoss};
use cairn_sim::random::Seeds;
use cairn_sim::{BodySizes, Chronicle, Described, Newcomer, SimModem, World};
use cairn_transports::lora::Region;

/// Nodes of one owner.
const OF_SPACE: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [row, nodes] = arguments.as_slice()
        && let Ok(nodes) = nodes.parse()
    {
        println!("{}", measure(row, nodes));
        return;
    }
    println!(
        "| what | nodes | simulated | wall s | node-seconds a second | events | events a second | peak MiB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let rows: [(&str, &[usize]); 4] = [
        ("lora, a day", &[100, 1_000]),
        ("lora", &[100, 300, 1_000, 3_000, 10_000]),
        ("lan", &[20, 60, 200]),
        ("gossip", &[100, 300, 1_000, 3_000, 10_000]),
    ];
    for (row, sizes) in rows {
        for nodes in sizes {
            let own = std::env::current_exe().unwrap();
            let output = Command::new(own)
                .args([row, &nodes.to_string()])
                .output()
                .unwrap();
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

fn measure(row: &str, nodes: usize) -> String {
    cairn::model::remember_verified(1 << 18);
    let start = Instant::now();
    let (world, simulated_s) = match row {
        "lora, a day" => lora(nodes, 24),
        "lora" => lora(nodes, 1),
        "lan" => lan(nodes),
        "gossip" => gossip(nodes),
        other => panic!("no such row: {other}"),
    };
    let wall = start.elapsed().as_secs_f64();
    let events = world.handled();
    format!(
        "| {row} | {nodes} | {simulated_s} s | {wall:.1} | {:.0} | {events} | {:.0} | {:.0} |",
        (nodes as u64 * simulated_s) as f64 / wall,
        events as f64 / wall,
        peak_mib(),
    )
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn spaces(nodes: usize, of_space: usize) -> Vec<Newcomer> {
    let named = |number| Newcomer {
        name: format!("node {number}"),
        space: number / of_space,
        role: cairn_sim::Role::Member,
    };
    (0..nodes).map(named).collect()
}

fn chronicle(newcomers: &[Newcomer], has_radio: bool) -> Chronicle {
    let described = newcomers.iter().map(|newcomer| Described {
        name: newcomer.name.clone(),
        space: (newcomer.space.to_string(), newcomer.space),
        has_radio,
    });
    Chronicle::new(described.collect(), 0)
}

fn path(name: &str) -> DocumentPath {
    DocumentPath::parse(&format!("/private/sensors/{name}")).unwrap()
}

/// Sensors of many owners on one channel: each writes a reading every two hours.
fn lora(nodes: usize, hours: u64) -> (World, u64) {
    let newcomers = spaces(nodes, OF_SPACE);
    let mut world = World::of(1, &newcomers);
    world.body_sizes = BodySizes::REAL;
    world.chronicle = Some(chronicle(&newcomers, true));
    let band = Region::Eu868.sub_band(869_525_000, 125_000).unwrap();
    let config = MediumConfig {
        path_loss: PathLoss::LogDistance {
            reference_m: 1.0,
            reference_db: 31.2,
            exponent: 3.0,
        },
        airings_max: 0,
        ..MediumConfig::default()
    };
    let modems: Vec<_> = (0..nodes).map(|node| (node, SimModem::new(8).unwrap())).collect();
    world.radios_of(&modems, Medium::new(config, 1), band).unwrap();
    // As dense everywhere, however many: a thousand on 20 km x 20 km, those of an owner within 1 km.
    let side_m = 20_000.0 * (nodes as f64 / 1000.0).sqrt();
    let mut places = Seeds::new(1).generator("places", "");
    let mut centre = (0.0, 0.0);
    for node in 0..nodes {
        if node % OF_SPACE == 0 {
            centre = (places.range(0.0, side_m), places.range(0.0, side_m));
        }
        let (x_m, y_m) = (
            centre.0 + places.range(-700.0, 700.0),
            centre.1 + places.range(-700.0, 700.0),
        );
        let (medium, place) = world.medium(node).unwrap();
        medium.place(cairn_transports::lora::Instant(0), place, x_m as f32, y_m as f32);
    }
    world.start_all().unwrap();
    let mut writes: Vec<(u64, usize, u64)> = Vec::new();
    for node in 0..nodes {
        let first_s = places.below(7200);
        let rounds = (0..12).map(|round| (first_s + round * 7200, node, round));
        writes.extend(rounds.filter(|(at_s, ..)| *at_s < hours * 3600));
    }
    writes.sort_unstable();
    for (at_s, node, round) in writes {
        world.run_until(at_s * 1_000_000).unwrap();
        let body = format!("{{\"node\":{node},\"round\":{round},\"t\":21.5,\"h\":48.25,\"v\":3.71}}");
        world
            .put(
                node,
                &path(&format!("{node:05}")),
                body.as_bytes(),
                Precondition::default(),
            )
            .unwrap();
    }
    world.run_until(hours * 3_600_000_000).unwrap();
    if let Some(chronicle) = &world.chronicle {
        let (due, there) = chronicle.progress();
        eprintln!("{nodes}: {there} of {due} arrived, {:?}", world.on_air());
    }
    (world, hours * 3600)
}

/// One owner's nodes on wires, six links each, with 10,000 documents.
fn lan(nodes: usize) -> (World, u64) {
    let newcomers = spaces(nodes, nodes);
    let mut world = World::of(1, &newcomers);
    world.body_sizes = BodySizes::REAL;
    world.start_all().unwrap();
    wire(&mut world, 0..nodes, 3);
    for document in 0..10_000_u64 {
        let node = (document as usize * 7) % nodes;
        let body = format!("{document} {}", "x".repeat(200));
        world
            .put(
                node,
                &path(&format!("{document:05}")),
                body.as_bytes(),
                Precondition::default(),
            )
            .unwrap();
        world.run(Duration::from_millis(50)).unwrap();
    }
    world.run_until(900_000_000).unwrap();
    let held: Vec<_> = world.nodes.iter().map(cairn_sim::laws::clock).collect();
    let same = held.iter().filter(|clock| **clock == held[0]).count();
    eprintln!("{nodes}: {same} hold the same");
    (world, 900)
}

/// Nodes of many owners on wires, of which nothing is asked for an hour.
fn gossip(nodes: usize) -> (World, u64) {
    let newcomers = spaces(nodes, OF_SPACE);
    let mut world = World::of(1, &newcomers);
    world.start_all().unwrap();
    let mut first = 0;
    while first < nodes {
        wire(&mut world, first..(first + OF_SPACE).min(nodes), 3);
        first += OF_SPACE;
    }
    world.run_until(3_600_000_000).unwrap();
    (world, 3600)
}

/// Links each with the next one and with others further on, so that the mesh is one and small across.
fn wire(world: &mut World, nodes: std::ops::Range<usize>, each: usize) {
    let count = nodes.len();
    for at in 0..count {
        for step in 0..each {
            let other = (at + 1 + step * step * (1 + count / 12)) % count;
            world.link(nodes.start + at, nodes.start + other).unwrap();
        }
    }
}
