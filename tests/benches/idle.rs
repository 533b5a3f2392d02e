//! What a node that has nothing to do takes: memory, processor time, writes; with libp2p and without.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark fails by panicking

use std::time::Duration;

use cairn_tests::bench::{Arguments, Storage, Table, Usage, describe_machine};
use cairn_tests::{Daemon, Random, Space};

const LINKS: [(&str, &str); 2] = [
    ("tcp alone", "tcp://127.0.0.1:0"),
    ("libp2p", "/ip4/127.0.0.1/tcp/0"),
];
/// What was begun before the measurement has so long to end.
const SETTLE: Duration = Duration::from_secs(8);
const DEADLINE: Duration = Duration::from_secs(120);

fn main() {
    let Some(arguments) = Arguments::read() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    describe_machine(folder.path());
    let window = arguments.either(Duration::from_secs(30), Duration::from_secs(5));
    let many = arguments.either(10_000, 1_000);
    let mut spaces: Vec<(String, Space)> = Vec::new();
    for (link, listen) in LINKS {
        for documents in [0, many] {
            let name = format!("{link}, {documents} documents");
            if arguments.wants(&name) {
                let space = Space::new(1, listen);
                fill(&space.nodes[0], documents);
                spaces.push((name, space));
            }
        }
        let name = format!("{link}, linked pair, {many} documents");
        if arguments.wants(&name) {
            let space = Space::new(2, listen);
            fill(&space.nodes[0], many);
            space.in_step(DEADLINE);
            spaces.push((name, space));
        }
    }
    // As after a reboot: what filling took is given back.
    let started: Vec<(String, Daemon, u64)> = spaces
        .iter_mut()
        .filter(|(name, _)| !name.contains("pair"))
        .map(|(name, space)| {
            let mut node = space.nodes.remove(0);
            let peak = Usage::of(node.pid()).peak_kib;
            node.terminate();
            node.restart();
            (name.clone(), node, peak)
        })
        .collect();
    let nodes: Vec<(&str, &Daemon, Option<u64>)> = started
        .iter()
        .map(|(name, node, peak)| (name.as_str(), node, Some(*peak)))
        .chain(
            spaces
                .iter()
                .flat_map(|(name, space)| space.nodes.iter().map(move |node| (name.as_str(), node, None))),
        )
        .collect();
    std::thread::sleep(SETTLE);
    let before: Vec<Usage> = nodes.iter().map(|(_, node, _)| Usage::of(node.pid())).collect();
    std::thread::sleep(window);
    let title = format!("Idle for {} s", window.as_secs());
    let head = [
        "node",
        "VmRSS KiB",
        "VmHWM KiB",
        "VmHWM when filled",
        "processor ms",
        "bytes to disk",
        "write calls",
    ];
    let mut table = Table::new(&title, &head);
    for ((name, node, peak), before) in nodes.iter().zip(before) {
        let now = Usage::of(node.pid());
        table.row(vec![
            (*name).to_owned(),
            now.resident_kib.to_string(),
            now.peak_kib.to_string(),
            peak.map_or("–".to_owned(), |peak| peak.to_string()),
            (now.processor - before.processor).as_millis().to_string(),
            (now.written - before.written).to_string(),
            (now.write_calls - before.write_calls).to_string(),
        ]);
    }
    table.print();
}

fn fill(node: &Daemon, count: usize) {
    let mut random = Random(5);
    let documents: Vec<(String, Vec<u8>)> = (0..count)
        .map(|index| (format!("/many/{}/{index}", index % 100), random.bytes(1024)))
        .collect();
    Storage::of(node).fill(&documents, 32);
}
