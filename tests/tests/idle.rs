//! A node that has nothing to do does nothing: an SD card and a battery must live.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use cairn_tests::{Daemon, Random, Space, cairn, memory_kib};

/// Processor time of a process so far, in clock ticks (10 ms).
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
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
    let (ticks_before, written_before) = (ticks(node.pid()), written(node.pid()));
    std::thread::sleep(Duration::from_secs(20));
    let (spent, wrote) = (
        ticks(node.pid()) - ticks_before,
        written(node.pid()) - written_before,
    );
    let resident = memory_kib(node.pid(), "VmRSS");
    println!(
        "20 s idle: {} ms of processor time, {wrote} bytes written, {resident} KiB resident",
        spent * 10
    );
    assert_eq!(wrote, 0, "bytes written while nothing changes");
    assert!(spent <= 2, "{} ms of processor time in 20 s", spent * 10);
    assert!(resident < 25 * 1024, "{resident} KiB resident");
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
        .map(|pid| (pid, ticks(pid), written(pid)));
    std::thread::sleep(Duration::from_secs(65));
    for (pid, ticks_before, written_before) in before {
        let (spent, wrote) = (ticks(pid) - ticks_before, written(pid) - written_before);
        let resident = memory_kib(pid, "VmRSS");
        println!(
            "65 s in step over libp2p: {} ms of processor time, {wrote} bytes written, {resident} KiB resident",
            spent * 10
        );
        assert_eq!(wrote, 0, "bytes written while nothing changes");
        assert!(spent <= 6, "{} ms of processor time in 65 s", spent * 10);
        assert!(resident < 25 * 1024, "{resident} KiB resident");
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
