//! Nodes on one LAN find each other with no address given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use cairn_tests::{Daemon, Lan, cairn, cairn_given, eventually, skipped};

/// How soon two nodes on one LAN must have found each other.
const FOUND_MAX: Duration = Duration::from_secs(5);
/// An invite that names no address anybody listens at.
const NOWHERE: &str = "tcp://192.0.2.1:1";

fn linked(node: &Daemon, count: usize) -> Result<(), String> {
    let status = node.status();
    let peers = status["peers"].as_array().unwrap();
    if peers.iter().filter(|peer| !peer["link"].is_null()).count() >= count {
        return Ok(());
    }
    Err(status.to_string())
}

fn waits_for(node: &Daemon, path: &str, content: &str) {
    eventually(FOUND_MAX, || {
        // Not there yet: the command fails.
        let listed = cairn(&node.home, &["ls", "-r", "--json", "/"]);
        listed.contains(path).then_some(()).ok_or(listed)
    });
    eventually(FOUND_MAX, || {
        let status = node.status();
        (status["incomplete"] == 0)
            .then_some(())
            .ok_or(status.to_string())
    });
    assert_eq!(
        cairn(&node.home, &["get", &format!("/private/notes/{path}")]),
        content
    );
}

#[test]
fn nodes_find_each_other_by_mdns() {
    let folder = tempfile::tempdir().unwrap();
    let plugged = Lan::new("mdns").and_then(|mut lan| {
        lan.plug_in()?;
        lan.plug_in()?;
        lan.plug_in()?;
        Ok(lan)
    });
    let lan = match plugged {
        Ok(lan) => lan,
        Err(lacking) => return skipped("nodes_find_each_other_by_mdns", &lacking),
    };
    let homes = [1, 2, 3].map(|number| folder.path().join(format!("node{number}")));
    let first = lan.start(1, &homes[0]);
    let file = folder.path().join("file");
    std::fs::write(&file, "from the first").unwrap();
    cairn(&homes[0], &["put", file.to_str().unwrap(), "/private/notes/one"]);
    for home in &homes[1..] {
        first.invite(home, &["--address", NOWHERE]);
    }

    let second = lan.start(2, &homes[1]);
    let start = Instant::now();
    eventually(FOUND_MAX, || linked(&second, 1));
    eventually(FOUND_MAX, || linked(&first, 1));
    println!("two found each other after {:?}", start.elapsed());
    waits_for(&second, "one", "from the first");

    let third = lan.start(3, &homes[2]);
    let start = Instant::now();
    for node in [&third, &second, &first] {
        eventually(FOUND_MAX, || linked(node, 2));
    }
    println!("the third found both after {:?}", start.elapsed());
    std::fs::write(&file, "from the third").unwrap();
    cairn(
        &homes[2],
        &["put", file.to_str().unwrap(), "/private/notes/three"],
    );
    waits_for(&first, "three", "from the third");
    waits_for(&second, "three", "from the third");
}

#[test]
fn a_recovered_device_finds_the_survivors_by_mdns() {
    let folder = tempfile::tempdir().unwrap();
    let plugged = Lan::new("recovery").and_then(|mut lan| {
        lan.plug_in()?;
        lan.plug_in()?;
        Ok(lan)
    });
    let lan = match plugged {
        Ok(lan) => lan,
        Err(lacking) => return skipped("a_recovered_device_finds_the_survivors_by_mdns", &lacking),
    };
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    let survivor = lan.start(1, &old);
    let file = folder.path().join("file");
    std::fs::write(&file, "still here").unwrap();
    cairn(&old, &["put", file.to_str().unwrap(), "/private/notes/one"]);
    let phrase = cairn(&old, &["owner", "phrase"]);
    let (code, _, said) = cairn_given(&new, &["recover"], &phrase);
    assert_eq!(code, 0, "{said}");
    let recovered = lan.start(2, &new);
    for node in [&recovered, &survivor] {
        eventually(FOUND_MAX, || linked(node, 1));
    }
    waits_for(&recovered, "one", "still here");
}
