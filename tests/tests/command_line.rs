//! The words of the command line, as scripts use them: JSON, exit codes, and what they change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use cairn_tests::{Daemon, Space, cairn, cairn_fails, eventually};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(30);

fn json(daemon: &Daemon, args: &[&str]) -> Value {
    serde_json::from_str(&cairn(&daemon.home, args)).unwrap()
}

#[test]
fn documents_are_stored_listed_fetched_and_deleted() {
    let space = Space::new(1, "tcp://127.0.0.1:0");
    let node = &space.nodes[0];
    let (file, copy) = (space.scratch("file"), space.scratch("copy"));
    let (file, copy) = (file.to_str().unwrap(), copy.to_str().unwrap());
    std::fs::write(file, "some text").unwrap();

    let stored = json(node, &["put", file, "/private/notes/a", "--json"]);
    assert_eq!(stored["created"], true);
    let tag = stored["etag"].as_str().unwrap();
    std::fs::write(file, "other text").unwrap();
    cairn(&node.home, &["put", file, "/private/notes/a", "--if-match", tag]);
    let (code, said) = cairn_fails(&node.home, &["put", file, "/private/notes/a", "--if-match", tag]);
    assert_eq!(code, 5, "a stale tag: {said}");

    let listed = json(node, &["ls", "-r", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["name"], "private/notes/a");
    assert_eq!(listed[0]["bytes"], 10);

    let fetched = json(node, &["get", "/private/notes/a", copy, "--json"]);
    assert_eq!(fetched["bytes"], 10);
    assert_eq!(std::fs::read_to_string(copy).unwrap(), "other text");
    assert_eq!(
        cairn_fails(&node.home, &["get", "/private/notes/a", "--json"]).0,
        2
    );

    let deleted = json(node, &["rm", "/private/notes/a", "--json"]);
    assert_eq!(deleted["path"], "/private/notes/a");
    assert_eq!(cairn_fails(&node.home, &["rm", "/private/notes/a"]).0, 3);
    assert_eq!(json(node, &["status", "--json"])["documents"], 0);
}

#[test]
fn what_was_exported_can_be_imported_elsewhere() {
    let (one, other) = (
        Space::new(1, "tcp://127.0.0.1:0"),
        Space::new(1, "tcp://127.0.0.1:0"),
    );
    let (from, to) = (&one.nodes[0], &other.nodes[0]);
    let large = vec![b'x'; 1 << 20];
    from.http().store("/notes/small", b"a few bytes");
    from.http().store("/notes/deep/er/large", &large);
    let archive = one.scratch("all.tar");
    let archive = archive.to_str().unwrap();
    cairn(&from.home, &["export", "/", archive]);
    let imported = json(to, &["import", archive, "--json"]);
    assert_eq!(imported["documents"], 2);
    assert_eq!(imported["refused"], 0);
    assert_eq!(to.http().get("/notes/small").unwrap().1, b"a few bytes");
    assert!(to.http().get("/notes/deep/er/large").unwrap().1 == large);
    // Only below a folder, and into another.
    cairn(&from.home, &["export", "/private/notes/deep/", archive]);
    cairn(&to.home, &["import", archive, "/private/copies/"]);
    let listed = json(to, &["ls", "-r", "/private/copies/", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[test]
fn tokens_come_and_go() {
    let space = Space::new(1, "tcp://127.0.0.1:0");
    let node = &space.nodes[0];
    let token = cairn(&node.home, &["token", "new", "--scope", "notes:rw"]);
    let http = node.http().with_token(token.trim());
    http.store("/notes/a", b"text");
    let listed = json(node, &["token", "ls", "--json"]);
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .any(|own| own["scopes"][0] == "notes:rw"),
        "{listed}"
    );
    cairn(&node.home, &["token", "rm", token.trim()]);
    assert_eq!(http.get("/notes/a").map(|answer| answer.0).unwrap_or(401), 401);
}

#[test]
fn invites_and_scripts_are_printed() {
    let space = Space::new(1, "tcp://127.0.0.1:0");
    let node = &space.nodes[0];
    let invite = json(node, &["invite", "--json", "--expires", "30m"]);
    assert_eq!(invite["valid_s"], 1800);
    let code = invite["code"].as_str().unwrap();
    let decoded = json(node, &["decode", code]);
    assert!(!decoded.to_string().contains(code), "the secret is not shown");
    let drawn = cairn(&node.home, &["invite", "--qr"]);
    assert!(drawn.lines().any(|line| line.starts_with("cairn1")), "{drawn}");
    assert!(cairn(&node.home, &["completions", "bash"]).contains("cairn"));
}

#[test]
fn a_full_quota_has_an_exit_code_of_its_own_and_leaves_nothing() {
    let space = Space::with(1, |_| {
        ["--listen", "tcp://127.0.0.1:0", "--quota", "1 MiB"]
            .map(str::to_owned)
            .to_vec()
    });
    let node = &space.nodes[0];
    let file = space.scratch("file");
    std::fs::write(&file, vec![b'x'; 3 << 20]).unwrap();
    let (code, said) = cairn_fails(&node.home, &["put", file.to_str().unwrap(), "/private/big/a"]);
    assert_eq!(code, 6, "{said}");
    assert_eq!(chunk_files(node), 0, "chunks of a refused document");
}

fn chunk_files(node: &Daemon) -> usize {
    let folders = std::fs::read_dir(node.home.join("chunks")).unwrap();
    folders
        .map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count())
        .sum()
}

#[test]
fn what_waits_for_an_absent_device_is_shown() {
    let mut space = Space::new(2, "tcp://127.0.0.1:0");
    space.in_step(DEADLINE);
    let second = space.nodes.pop().unwrap();
    let (id, home) = (second.status["node"].clone(), second.home.clone());
    drop(second);
    let node = &space.nodes[0];
    eventually(DEADLINE, || {
        let peers = json(node, &["peers", "--json"]);
        (peers[0]["link"].is_null() && peers[0]["node"] == id)
            .then_some(())
            .ok_or_else(|| peers.to_string())
    });
    node.http().store("/notes/a", b"news");
    let queue = json(node, &["queue", "--json"]);
    assert_eq!(queue[0]["pending"], 1);
    assert_eq!(queue[0]["changes"][0]["path"], "/private/notes/a");
    assert_eq!(json(node, &["devices", "--json"])[0]["pending"], 1);

    space
        .nodes
        .push(Daemon::start(&home, &["--listen", "tcp://127.0.0.1:0"]));
    space.in_step(DEADLINE);
    assert_eq!(
        json(&space.nodes[0], &["queue", "--json"]),
        Value::Array(Vec::new())
    );
}

#[test]
fn a_revoked_device_is_shut_out() {
    let space = Space::new(2, "tcp://127.0.0.1:0");
    space.in_step(DEADLINE);
    let [first, second] = &space.nodes[..] else {
        panic!("two nodes")
    };
    let id = second.status["node"].as_str().unwrap();
    assert_eq!(json(first, &["revoke", id, "--json"])["revoked"], id);
    eventually(DEADLINE, || {
        let peers = json(first, &["peers", "--json"]);
        let out = peers[0]["revoked"] == true && peers[0]["link"].is_null();
        out.then_some(()).ok_or_else(|| peers.to_string())
    });
    first.http().store("/notes/after", b"not for it");
    // It learns so when it comes back, and writes no more.
    eventually(DEADLINE, || {
        let (status, _) = second.http().put("/notes/still", b"allowed", &[]).unwrap();
        (status == 403).then_some(()).ok_or_else(|| status.to_string())
    });
    let file = space.scratch("file");
    std::fs::write(&file, "text").unwrap();
    let (code, said) = cairn_fails(&second.home, &["put", file.to_str().unwrap(), "/private/notes/a"]);
    assert_eq!(code, 4, "{said}");
    assert_eq!(cairn_fails(&second.home, &["get", "/private/notes/after"]).0, 3);
}
