//! Yesterday's copy of a node's folder, put back and written on: no change is lost, none reused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cairn_tests::{Daemon, Space};

const DEADLINE: Duration = Duration::from_secs(60);

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    assert!(
        Command::new("cp")
            .arg("-a")
            .args([from, to])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_restored_folder_writes_on_and_converges() {
    let mut space = Space::new(2, "tcp://127.0.0.1:0");
    let home = space.nodes[0].home.clone();
    let yesterday = space.scratch("yesterday");
    space.nodes[0].http().store("/notes/old", b"old");
    space.in_step(DEADLINE);
    space.nodes[0].terminate();
    copy(&home, &yesterday);
    space.nodes[0].restart();
    for index in 0..20 {
        space.nodes[0]
            .http()
            .store(&format!("/notes/today{index}"), b"today");
    }
    space.in_step(DEADLINE);
    space.nodes[0].terminate();

    // Today's disk dies; yesterday's goes on, at first with nobody to tell it that it is old.
    copy(&yesterday, &home);
    let before = space.nodes[1].status();
    space.nodes[1].kill();
    space.nodes[0].restart();
    for index in 0..20 {
        space.nodes[0]
            .http()
            .store(&format!("/notes/after{index}"), b"after");
    }
    space.nodes[1].restart();
    space.in_step(DEADLINE);
    assert_eq!(before["documents"], 21);
    for node in &space.nodes {
        let http = node.http();
        assert_eq!(node.status()["documents"], 41, "{}", node.status());
        for index in 0..20 {
            assert_eq!(http.get(&format!("/notes/today{index}")).unwrap().1, b"today");
            assert_eq!(http.get(&format!("/notes/after{index}")).unwrap().1, b"after");
        }
    }
}

#[test]
fn a_cloned_folder_on_the_same_machine_never_reuses_a_dot() {
    let mut space = Space::new(2, "tcp://127.0.0.1:0");
    let clone = space.scratch("clone");
    space.nodes[0].http().store("/notes/common", b"common");
    space.in_step(DEADLINE);
    space.nodes[0].terminate();
    copy(&space.nodes[0].home, &clone);
    // The clone writes first, then the original: both would be the next change of the same writer.
    let address = format!("tcp://{}", space.nodes[1].socket());
    let mut twin = Daemon::start(&clone, &["--peer", &address]);
    twin.http().store("/notes/clone", b"clone");
    cairn_tests::eventually(DEADLINE, || {
        let documents = space.nodes[1].status()["documents"].clone();
        (documents == 2)
            .then_some(())
            .ok_or_else(|| documents.to_string())
    });
    twin.terminate();
    space.nodes[0].restart();
    space.nodes[0].http().store("/notes/original", b"original");
    space.in_step(DEADLINE);
    for node in &space.nodes {
        for name in ["common", "clone", "original"] {
            assert_eq!(
                node.http().get(&format!("/notes/{name}")).unwrap().1,
                name.as_bytes()
            );
        }
    }
}
