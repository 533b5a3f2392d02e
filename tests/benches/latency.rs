//! From a PUT on one node to the first GET on another that finds it.
//!
//! Both nodes have every change on disk: the first before it answers the PUT, the second before it shows the document.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark fails by panicking

use std::time::{Duration, Instant};

use cairn_tests::bench::{
    Arguments, Connection, Samples, Storage, Table, describe_machine, milliseconds, synced_writes,
};
use cairn_tests::{Random, Space};

const LINKS: [(&str, &str); 2] = [("tcp", "tcp://127.0.0.1:0"), ("libp2p", "/ip4/127.0.0.1/tcp/0")];
const LEN: usize = 1024;
const DEADLINE: Duration = Duration::from_secs(30);

fn main() {
    let Some(arguments) = Arguments::read() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    describe_machine(folder.path());
    let head = ["link", "what", "median ms", "p99 ms", "longest ms"];
    let mut table = Table::new("From PUT on one node to GET on the other, 1 KiB", &head);
    for (link, listen) in LINKS {
        if arguments.wants(link) {
            measure(&arguments, &mut table, link, listen);
        }
    }
    let bound = synced_writes(folder.path(), LEN, Duration::from_secs(1));
    row(&mut table, "–", "1 KiB written and synced", &bound);
    table.print();
}

fn row(table: &mut Table, link: &str, what: &str, samples: &Samples) {
    table.row(vec![
        link.to_owned(),
        what.to_owned(),
        milliseconds(samples.median()),
        milliseconds(samples.percentile(0.99)),
        milliseconds(samples.percentile(1.0)),
    ]);
}

fn measure(arguments: &Arguments, table: &mut Table, link: &str, listen: &str) {
    let space = Space::new(2, listen);
    let (a, b) = (Storage::of(&space.nodes[0]), Storage::of(&space.nodes[1]));
    space.nodes[0].http().store("/first/document", b"they meet");
    space.in_step(DEADLINE);
    let (mut put, mut get) = (
        Connection::open(a.address).unwrap(),
        Connection::open(b.address).unwrap(),
    );
    let mut random = Random(4);
    let (mut puts, mut arrivals, mut after) = (Vec::new(), Vec::new(), Vec::new());
    let begin = Instant::now();
    let rounds = arguments.either(500, 100);
    for round in 0..rounds + 10 {
        let path = format!("/latency/{}/{round}", round % 10);
        let body = random.bytes(LEN);
        let mut request = Vec::new();
        a.put(&mut request, &path, &body);
        let mut question = Vec::new();
        b.head(&mut question, "GET", &path, "");
        // Rounds come at all phases of what runs at intervals.
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        let start = Instant::now();
        let status = put.exchange(&request).unwrap().status;
        let answered = start.elapsed();
        assert_eq!(status, 201, "{path}");
        loop {
            let answer = get.exchange(&question).unwrap();
            if answer.status == 200 {
                assert!(answer.body == body, "{path}: other bytes");
                break;
            }
            assert!(start.elapsed() < DEADLINE, "{path} does not arrive");
        }
        // The first rounds warm up.
        if round >= 10 {
            puts.push(answered);
            arrivals.push(start.elapsed());
            after.push(start.elapsed() - answered);
        }
    }
    let elapsed = begin.elapsed();
    row(table, link, "PUT answered", &Samples::new(puts, elapsed, 0));
    row(
        table,
        link,
        "PUT begun to GET 200",
        &Samples::new(arrivals, elapsed, 0),
    );
    row(
        table,
        link,
        "PUT answered to GET 200",
        &Samples::new(after, elapsed, 0),
    );
}
