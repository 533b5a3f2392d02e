//! A node that has nothing to do does nothing: an SD card and a battery must live.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use cairn_tests::{Daemon, Random, Space, cairn, memory_kib};

/// Generous, for nothing here is optimised, and other tests keep the machine busy, under which the same work takes twice as long (65 s in step:
/// 100 to 220 ms): what a change adds shows in the wakes first. The bench `idle` measures the program that users run.
const TIME_MAX: Duration = Duration::from_millis(500);

/// What the threads of a process took of the processor so far: time, and how often each was woken. As the scheduler counts
/// it, to the nanosecond: ticks of 10 ms would be a matter of luck.
fn taken(pid: u32) -> BTreeMap<OsString, (Duration, u64)> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| {
            let thread = thread.unwrap();
            let counts = std::fs::read_to_string(thread.path().join("schedstat")).unwrap();
            let counts: Vec<u64> = counts
                .split_whitespace()
                .map(|count| count.parse().unwrap())
                .collect();
            (thread.file_name(), (Duration::from_nanos(counts[0]), counts[2]))
        })
        .collect()
}

/// What it took since then. A thread that ended in between, having waited in vain for work, counts nothing.
fn taken_since(pid: u32, before: &BTreeMap<OsString, (Duration, u64)>) -> (Duration, u64) {
    let mut all = (Duration::ZERO, 0);
    for (thread, (time, wakes)) in taken(pid) {
        let (time_before, wakes_before) = before.get(&thread).copied().unwrap_or_default();
        all.0 += time - time_before;
        all.1 += wakes - wakes_before;
    }
    all
}

/// Bytes that a process caused to be written to disks.
fn written(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn an_idle_node_neither_computes_nor_writes() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    node.http().store("/notes/a", b"something");
    // The window is the measurement, not a synchronisation: what was begun before it has had its 6 seconds to end.
    std::thread::sleep(Duration::from_secs(6));
    let (taken_before, written_before) = (taken(node.pid()), written(node.pid()));
    std::thread::sleep(Duration::from_secs(20));
    let (time, wakes) = taken_since(node.pid(), &taken_before);
    let wrote = written(node.pid()) - written_before;
    let resident = memory_kib(node.pid(), "VmRSS");
    println!(
        "20 s idle: {:?} of processor time in {} wakes, {wrote} bytes written, {resident} KiB resident",
        time, wakes
    );
    assert_eq!(wrote, 0, "bytes written while nothing changes");
    assert!(wakes <= 20, "woken {} times in 20 s", wakes);
    assert!(time <= TIME_MAX, "{:?} of processor time in 20 s", time);
    // The program itself, mapped from its file, is several times as large unoptimised.
    let own = memory_kib(node.pid(), "RssAnon");
    assert!(own < 8 * 1024, "{own} KiB of its own");
}

/// Longer than every period of a node: announcements, tombstones, the disk's room, keep-alive.
#[test]
fn nodes_that_are_in_step_neither_compute_nor_write() {
    let space = Space::new(2, "/ip4/127.0.0.1/tcp/0");
    space.nodes[0].http().store("/notes/a", b"something");
    space.in_step(Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(6));
    let before = [0, 1]
        .map(|at: usize| space.nodes[at].pid())
        .map(|pid| (pid, taken(pid), written(pid)));
    std::thread::sleep(Duration::from_secs(65));
    for (pid, taken_before, written_before) in before {
        let ((time, wakes), wrote) = (taken_since(pid, &taken_before), written(pid) - written_before);
        let resident = memory_kib(pid, "VmRSS");
        println!(
            "65 s in step over libp2p: {:?} of processor time in {} wakes, {wrote} bytes written, {resident} KiB resident",
            time, wakes
        );
        assert_eq!(wrote, 0, "bytes written while nothing changes");
        assert!(wakes <= 150, "woken {} times in 65 s", wakes);
        assert!(time <= TIME_MAX, "{:?} of processor time in 65 s", time);
        let own = memory_kib(pid, "RssAnon");
        assert!(own < 8 * 1024, "{own} KiB of its own");
    }
}

#[test]
fn a_hundred_mebibytes_pass_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let file = folder.path().join("file");
    let mut random = Random(1);
    let body = random.bytes(100 << 20);
    std::fs::write(&file, &body).unwrap();
    node.http().store("/big/by-http", &body);
    assert!(node.http().get("/big/by-http").unwrap().1 == body);
    cairn(
        &node.home,
        &["put", file.to_str().unwrap(), "/private/big/by-command"],
    );
    let copy = folder.path().join("copy");
    cairn(
        &node.home,
        &["get", "/private/big/by-command", copy.to_str().unwrap()],
    );
    assert!(std::fs::read(&copy).unwrap() == body);
    let peak = memory_kib(node.pid(), "VmHWM");
    println!("100 MiB put and fetched twice: {peak} KiB peak");
    assert!(peak < 40 * 1024, "{peak} KiB");
}
