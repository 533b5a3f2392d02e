//! What keeping in step costs on a radio: bytes on air of all nodes together, every overhead counted.
//!
//! A row ends when whoever made the change knows that all others have it on their disks. Nodes, radios and the channel
//! are simulated; engine, station and frames are those of the program. Beside each row stand the bare payload,
//! compressed alone, and what Reticulum 1.5.7 and LXMF 1.2.1 took for the like on an emulated channel, without setting
//! up a link.
#![allow(clippy::unwrap_used, clippy::panic)] // a benchmark fails by panicking

use std::io::Read;
use std::time::Duration;

use cairn::mesh::{Command, Reply};
use cairn::model::DocumentPath;
use cairn_sim::{BodySizes, SimModem, World};
use cairn_transports::lora::{Region, StationCounts};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// As everywhere in the field's comparisons.
const SPREADING_FACTOR: u8 = 8;
/// So long may a row take, in simulated seconds.
const LIMIT_S: u64 = 24 * 3600;

/// One row of the table.
struct Row {
    name: &'static str,
    /// Each receiver is another node.
    receivers: usize,
    loss_permille: u64,
    payload: Vec<u8>,
    reticulum: Option<u64>,
    /// Bytes on air and seconds, for each seed.
    runs: Vec<(StationCounts, u64)>,
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if arguments.iter().any(|word| word == "--list" || word == "--help") {
        println!(
            "usage: cargo bench -p cairn-sim --bench air -- [--quick] [--seeds=20] [--public] [WORDS OF A ROW'S NAME]"
        );
        return;
    }
    let quick = arguments.iter().any(|word| word == "--quick");
    let told = arguments.iter().find_map(|word| word.strip_prefix("--seeds="));
    let seeds = told
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(if quick { 2 } else { 20 });
    // Sealed, or as they are.
    let category = if arguments.iter().any(|word| word == "--public") {
        "public"
    } else {
        "private"
    };
    let wanted: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    println!(
        "{category} documents; SF{SPREADING_FACTOR}, 125 kHz, 4/5, frames of an RNode; {seeds} seeds (0 to {}; 3 with many documents), the mean of them",
        seeds - 1
    );
    println!();
    println!(
        "| what | payload | compressed alone (bound) | bytes on air | most | of the bound | frames | airtime s | seconds | Reticulum | of Reticulum |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows(quick) {
        if wanted.iter().all(|word| row.0.contains(word.as_str())) {
            print(&run(row, category, seeds));
        }
    }
}

/// A row's name, how many receive, what is lost, what changes.
type Plan = (&'static str, usize, u64, Change, Option<u64>);

/// What happens between two measurements.
enum Change {
    /// Nothing, for an hour, between nodes that hold so many documents.
    Nothing(u64),
    /// A new document.
    New(Vec<u8>),
    /// One of so many documents is written anew.
    Changed(u64, Vec<u8>),
    /// While the nodes did not hear one another, some of so many documents were written anew.
    Apart(u64, u64),
}

fn rows(quick: bool) -> Vec<Plan> {
    use Change::{Apart, Changed, New, Nothing};
    let many = if quick { 1_000 } else { 10_000 };
    vec![
        (
            "nothing new for an hour, 1,000 documents",
            1,
            0,
            Nothing(1_000),
            Some(702),
        ),
        (
            "64-byte reading, random, 1 receiver",
            1,
            0,
            New(random(64)),
            Some(393),
        ),
        (
            "64-byte reading, random, 5 receivers",
            5,
            0,
            New(random(64)),
            Some(5 * 393),
        ),
        (
            "1 KiB JSON changed among 1,000 documents",
            1,
            0,
            Changed(1_000, json(1024)),
            Some(769),
        ),
        ("1 KiB random, 1 receiver", 1, 0, New(random(1024)), Some(1_546)),
        (
            "10 KiB random, 1 receiver",
            1,
            0,
            New(random(10_240)),
            Some(11_791),
        ),
        (
            "100 KiB random, 1 receiver",
            1,
            0,
            New(random(102_400)),
            Some(111_988),
        ),
        ("1 KiB JSON, 1 receiver", 1, 0, New(json(1024)), Some(769)),
        ("10 KiB JSON, 1 receiver", 1, 0, New(json(10_240)), Some(1_919)),
        ("100 KiB JSON, 1 receiver", 1, 0, New(json(102_400)), Some(11_415)),
        (
            "1 KiB random, 5 receivers",
            5,
            0,
            New(random(1024)),
            Some(5 * 1_546),
        ),
        (
            "10 KiB random, 5 receivers",
            5,
            0,
            New(random(10_240)),
            Some(5 * 11_791),
        ),
        (
            "100 KiB random, 5 receivers",
            5,
            0,
            New(random(102_400)),
            Some(5 * 111_988),
        ),
        (
            "10 KiB JSON, 5 receivers",
            5,
            0,
            New(json(10_240)),
            Some(5 * 1_919),
        ),
        (
            "100 KiB JSON, 5 receivers",
            5,
            0,
            New(json(102_400)),
            Some(5 * 11_415),
        ),
        (
            "10 KiB random, 1 receiver, 10 % loss",
            1,
            100,
            New(random(10_240)),
            Some(15_982),
        ),
        (
            "10 KiB random, 5 receivers, 10 % loss",
            5,
            100,
            New(random(10_240)),
            None,
        ),
        ("10,000 documents, 0 differ", 1, 0, Apart(many, 0), Some(702)),
        ("10,000 documents, 1 differs", 1, 0, Apart(many, 1), Some(911)),
        (
            "10,000 documents, 10 differ",
            1,
            0,
            Apart(many, 10),
            Some(911 + 9 * 409),
        ),
        (
            "10,000 documents, 100 differ",
            1,
            0,
            Apart(many, 100),
            Some(911 + 99 * 409),
        ),
    ]
}

fn run((name, receivers, loss_permille, change, reticulum): Plan, category: &str, seeds: u64) -> Row {
    let mut row = Row {
        name,
        receivers,
        loss_permille,
        payload: Vec::new(),
        reticulum,
        runs: Vec::new(),
    };
    // Filling many documents takes a minute.
    let seeds = match change {
        Change::New(_) => seeds,
        _ => seeds.min(3),
    };
    for seed in 0..seeds {
        let mut world = World::new(seed, 1 + row.receivers).unwrap();
        world.body_sizes = BodySizes::REAL;
        let documents = match change {
            Change::Nothing(documents) | Change::Changed(documents, _) | Change::Apart(documents, _) => {
                documents
            }
            Change::New(_) => 0,
        };
        fill(&mut world, category, documents);
        let band = Region::In865.sub_band(866_000_000, 125_000).unwrap();
        world
            .radios(SimModem::new(SPREADING_FACTOR).unwrap(), band)
            .unwrap();
        until_known(&mut world);
        // Introductions and the quick beacons of the start are over.
        world.run(Duration::from_secs(7200)).unwrap();
        world.set_air_loss(row.loss_permille);
        let before = world.on_air();
        row.payload = match &change {
            Change::Nothing(_) => Vec::new(),
            Change::New(bytes) | Change::Changed(_, bytes) => {
                put(&mut world, category, 0, bytes);
                bytes.clone()
            }
            Change::Apart(_, count) => {
                world.set_apart(0, 1, true);
                let mut all = Vec::new();
                for document in 0..*count {
                    let bytes = reading(document * 97, 1);
                    put(&mut world, category, document * 97, &bytes);
                    all.extend(bytes);
                }
                world.run(Duration::from_secs(60)).unwrap();
                world.set_apart(0, 1, false);
                all
            }
        };
        let before = match change {
            // What was said into the void is not counted: how long that lasted is of no interest.
            Change::Apart(..) => world.on_air(),
            _ => before,
        };
        let seconds = if row.payload.is_empty() {
            world.run(Duration::from_secs(3600)).unwrap();
            3600
        } else {
            until_known(&mut world)
        };
        row.runs.push((less(world.on_air(), before), seconds));
    }
    row
}

/// Documents that all nodes hold from the beginning.
fn fill(world: &mut World, category: &str, documents: u64) {
    for document in 0..documents {
        put(world, category, document, &reading(document, 0));
    }
    for other in 1..world.nodes.len() {
        world.link(0, other).unwrap();
    }
    until_known(world);
    for other in 1..world.nodes.len() {
        world.cut(0, other).unwrap();
    }
}

fn put(world: &mut World, category: &str, document: u64, bytes: &[u8]) {
    let path = DocumentPath::parse(&format!("/{category}/garden/readings/{document:05}.json")).unwrap();
    assert!(world.store(0, &path, bytes, Duration::from_millis(10)).unwrap());
}

/// Runs until the first node knows that all others have what it has.
fn until_known(world: &mut World) -> u64 {
    let path = DocumentPath::parse("/private/garden/x").unwrap();
    for second in 0..LIMIT_S {
        let request = world.command(0, &path, Command::Status).unwrap();
        match world.reply(request) {
            Some(Ok(Reply::Status(status))) if status.peers.iter().all(|peer| peer.in_step) => return second,
            _ => world.run(Duration::from_secs(1)).unwrap(),
        }
    }
    panic!("not in step after {LIMIT_S} s");
}

fn less(all: StationCounts, before: StationCounts) -> StationCounts {
    StationCounts {
        frames_sent: all.frames_sent - before.frames_sent,
        bytes_sent: all.bytes_sent - before.bytes_sent,
        airtime_us: all.airtime_us - before.airtime_us,
        ..all
    }
}

/// Bytes that nothing makes shorter.
fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    ChaCha8Rng::seed_from_u64(len as u64).fill_bytes(&mut bytes);
    bytes
}

/// A program's record of one sensor.
fn reading(document: u64, version: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(document << 8 | version);
    measurement(&mut rng, 1_767_225_600 + document * 60).into_bytes()
}

fn measurement(rng: &mut ChaCha8Rng, time: u64) -> String {
    let mut below = |bound: u64| rng.next_u64() % bound;
    format!(
        "{{\"sensor\":\"s{}\",\"time\":{time},\"temperature\":{:.2},\"humidity\":{:.2}}}",
        below(10),
        15.0 + below(1500) as f64 / 100.0,
        40.0 + below(3000) as f64 / 100.0
    )
}

/// A list of measurements, as hard to compress as the JSON that Reticulum was measured with (296, 1,368 and 10,009 bytes by bzip2).
fn json(len: usize) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut time = 1_767_225_600;
    let mut text = String::from("[");
    while text.len() < len {
        time += rng.next_u64() % 20 + 60;
        text.push_str(&measurement(&mut rng, time));
        text.push_str(",\n");
    }
    text.truncate(len);
    text.into_bytes()
}

/// The shorter of what zstd and bzip2 make of it, at their best.
fn compressed(bytes: &[u8]) -> usize {
    let mut sorted = Vec::new();
    bzip2::read::BzEncoder::new(bytes, bzip2::Compression::best())
        .read_to_end(&mut sorted)
        .unwrap();
    let zstd = zstd::bulk::compress(bytes, 19).unwrap();
    sorted.len().min(zstd.len()).min(bytes.len())
}

fn print(row: &Row) {
    let runs = row.runs.len() as f64;
    let mean = |of: fn(&(StationCounts, u64)) -> u64| row.runs.iter().map(of).sum::<u64>() as f64 / runs;
    let bytes = mean(|run| run.0.bytes_sent);
    let most = row.runs.iter().map(|run| run.0.bytes_sent).max().unwrap_or(0);
    let bound = compressed(&row.payload);
    let of_bound = if bound == 0 {
        String::new()
    } else {
        format!("{:.3} ×", bytes / bound as f64)
    };
    let (reticulum, of_reticulum) = match row.reticulum {
        Some(other) => (other.to_string(), format!("{:.2} ×", bytes / other as f64)),
        None => (String::new(), String::new()),
    };
    println!(
        "| {} | {} | {bound} | {bytes:.0} | {most} | {of_bound} | {:.1} | {:.2} | {:.0} | {reticulum} | {of_reticulum} |",
        row.name,
        row.payload.len(),
        mean(|run| run.0.frames_sent),
        mean(|run| run.0.airtime_us) / 1e6,
        mean(|run| run.1),
    );
}
