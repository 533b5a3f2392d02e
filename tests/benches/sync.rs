//! The first sync of a new node: many small documents, and a large one; beside copies of the same bytes.
//!
//! Measured from the start of the second node's process until it has everything on disk, seen through its HTTP door.
//! What arrived is compared afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark fails by panicking

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cairn_tests::bench::{
    Arguments, Connection, Storage, Table, Usage, copy_and_sync, describe_machine, folder_over_tcp, number,
    random_file, ratio, same_content,
};
use cairn_tests::{Daemon, Random, cairn};

const LINKS: [(&str, &str); 2] = [("tcp", "tcp://127.0.0.1:0"), ("libp2p", "/ip4/127.0.0.1/tcp/0")];
const DOCUMENT_LEN: usize = 1024;
const POLL: Duration = Duration::from_millis(2);
const DEADLINE: Duration = Duration::from_secs(600);

fn main() {
    let Some(arguments) = Arguments::read() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    describe_machine(folder.path());
    let runs = arguments.either(3, 1);
    small(&arguments, folder.path(), runs);
    large(&arguments, folder.path(), runs);
}

/// The first node, and what it has.
fn first(folder: &Path, listen: &str) -> Daemon {
    Daemon::start(&folder.join("a"), &["--listen", listen])
}

/// Joins a second node to the first, starts it, and waits until `done` says that it has everything.
fn join(
    a: &Daemon,
    home: &Path,
    listen: &str,
    mut done: impl FnMut(&mut Connection, &Storage) -> bool,
) -> (Daemon, Duration) {
    let code = cairn(&a.home, &["invite"]);
    cairn(home, &["join", code.trim()]);
    let start = Instant::now();
    let b = Daemon::start(home, &["--listen", listen]);
    let storage = Storage::of(&b);
    let mut connection = Connection::open(storage.address).unwrap();
    while !done(&mut connection, &storage) {
        assert!(start.elapsed() < DEADLINE, "{}", b.status());
        std::thread::sleep(POLL);
    }
    (b, start.elapsed())
}

/// The run in the middle.
fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

fn row(
    table: &mut Table,
    name: &str,
    took: Duration,
    count: usize,
    bytes: u64,
    cairn: &[Duration],
    peak: &str,
) {
    let times = cairn
        .iter()
        .map(|cairn| ratio(cairn.as_secs_f64(), took.as_secs_f64()));
    table.row(vec![
        name.to_owned(),
        number(took.as_secs_f64()),
        number(count as f64 / took.as_secs_f64()),
        number(bytes as f64 / took.as_secs_f64() / f64::from(1 << 20)),
        peak.to_owned(),
        times.collect::<Vec<_>>().join(", "),
    ]);
}

fn small(arguments: &Arguments, folder: &Path, runs: usize) {
    let count = arguments.either(10_000, 1_000);
    let wanted: Vec<_> = LINKS
        .into_iter()
        .filter(|(link, _)| arguments.wants(&format!("small {link}")))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let mut random = Random(3);
    let documents: Vec<(String, Vec<u8>)> = (0..count)
        .map(|index| {
            (
                format!("/many/{}/{index}", index % 100),
                random.bytes(DOCUMENT_LEN),
            )
        })
        .collect();
    let title = format!("First sync of {count} documents of 1 KiB, {runs} runs, the median");
    let head = [
        "by",
        "seconds",
        "documents a second",
        "MiB a second",
        "peak KiB",
        "cairn takes",
    ];
    let mut table = Table::new(&title, &head);
    let bytes = (count * DOCUMENT_LEN) as u64;
    let mut taken = Vec::new();
    for (link, listen) in &wanted {
        let folder = folder.join(format!("small-{link}"));
        let a = first(&folder, listen);
        let storage = Storage::of(&a);
        let start = Instant::now();
        storage.fill(&documents, 32);
        eprintln!("  {count} documents put in {:?}", start.elapsed());
        let mut connection = Connection::open(storage.address).unwrap();
        let mut request = Vec::new();
        storage.head(&mut request, "GET", "/many/", "");
        let tag = connection
            .exchange(&request)
            .unwrap()
            .header("etag")
            .unwrap()
            .to_owned();
        let mut peak = 0;
        let times = (0..runs)
            .map(|run| {
                let home = folder.join(format!("b{run}"));
                let unchanged = format!("If-None-Match: {tag}\r\n");
                let (b, took) = join(&a, &home, listen, |connection, storage| {
                    let mut request = Vec::new();
                    storage.head(&mut request, "GET", "/many/", &unchanged);
                    connection.exchange(&request).unwrap().status == 304
                });
                peak = peak.max(Usage::of(b.pid()).peak_kib);
                check_small(&b, &documents);
                took
            })
            .collect();
        let took = median(times);
        taken.push(took);
        row(
            &mut table,
            &format!("cairn over {link}"),
            took,
            count,
            bytes,
            &[],
            &peak.to_string(),
        );
    }
    let plain = folder.join("plain");
    fs::create_dir_all(&plain).unwrap();
    for (index, (_, body)) in documents.iter().enumerate() {
        fs::write(plain.join(index.to_string()), body).unwrap();
    }
    let copies = (0..runs).map(|run| copy_and_sync(&plain, &folder.join(format!("copy{run}"))));
    row(
        &mut table,
        "cp -r and sync",
        median(copies.collect()),
        count,
        bytes,
        &taken,
        "–",
    );
    let copies = (0..runs).map(|run| folder_over_tcp(&plain, &folder.join(format!("stream{run}"))));
    row(
        &mut table,
        "plain TCP and sync",
        median(copies.collect()),
        count,
        bytes,
        &taken,
        "–",
    );
    table.print();
}

fn check_small(b: &Daemon, documents: &[(String, Vec<u8>)]) {
    let storage = Storage::of(b);
    let mut connection = Connection::open(storage.address).unwrap();
    for (path, body) in documents.iter().step_by(97) {
        let mut request = Vec::new();
        storage.head(&mut request, "GET", path, "");
        let answer = connection.exchange(&request).unwrap();
        assert!(
            answer.status == 200 && answer.body == body,
            "{path}: {}",
            answer.header
        );
    }
}

fn large(arguments: &Arguments, folder: &Path, runs: usize) {
    let len: u64 = arguments.either(1 << 30, 128 << 20);
    let wanted: Vec<_> = LINKS
        .into_iter()
        .filter(|(link, _)| arguments.wants(&format!("large {link}")))
        .collect();
    if wanted.is_empty() {
        return;
    }
    let plain = folder.join("large");
    fs::create_dir_all(&plain).unwrap();
    let original = plain.join("original");
    random_file(&original, len);
    let title = format!(
        "First sync of one document of {} MiB, {runs} runs, the median",
        len >> 20
    );
    let head = [
        "by",
        "seconds",
        "documents a second",
        "MiB a second",
        "peak KiB",
        "cairn takes",
    ];
    let mut table = Table::new(&title, &head);
    let mut taken = Vec::new();
    for (link, listen) in &wanted {
        let folder = folder.join(format!("large-{link}"));
        let a = first(&folder, listen);
        let start = Instant::now();
        cairn(&a.home, &["put", original.to_str().unwrap(), "/private/big/file"]);
        eprintln!("  the document was put in {:?}", start.elapsed());
        let mut peak = 0;
        let times = (0..runs)
            .map(|run| {
                let home = folder.join(format!("b{run}"));
                let (b, took) = join(&a, &home, listen, |connection, storage| {
                    let mut request = Vec::new();
                    storage.head(&mut request, "GET", "/big/file", "Range: bytes=-1\r\n");
                    connection.exchange(&request).unwrap().status == 206
                });
                peak = peak.max(Usage::of(b.pid()).peak_kib);
                let copy = folder.join("copy");
                cairn(&b.home, &["get", "/private/big/file", copy.to_str().unwrap()]);
                assert!(same_content(&original, &copy), "other bytes arrived");
                fs::remove_file(&copy).unwrap();
                drop(b);
                fs::remove_dir_all(&home).unwrap();
                took
            })
            .collect();
        let took = median(times);
        taken.push(took);
        row(
            &mut table,
            &format!("cairn over {link}"),
            took,
            1,
            len,
            &[],
            &peak.to_string(),
        );
        drop(a);
        fs::remove_dir_all(&folder).unwrap();
    }
    let target = folder.join("copy-of-large");
    let copies = (0..runs).map(|_| {
        let _ = fs::remove_file(&target);
        copy_and_sync(&original, &target)
    });
    row(
        &mut table,
        "cp and sync",
        median(copies.collect()),
        1,
        len,
        &taken,
        "–",
    );
    fs::remove_file(&target).unwrap();
    let copies = (0..runs).map(|_| {
        let _ = fs::remove_dir_all(&target);
        folder_over_tcp(&plain, &target)
    });
    row(
        &mut table,
        "plain TCP and sync",
        median(copies.collect()),
        1,
        len,
        &taken,
        "–",
    );
    table.print();
}
