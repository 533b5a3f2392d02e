//! Two nodes change one document while they are apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use cairn_tests::{Daemon, Proxy, cairn, eventually};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(30);

/// Two nodes of one owner whose only way to one another is the proxy.
struct Pair {
    a: Daemon,
    b: Daemon,
    proxy: Proxy,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let a = Daemon::start(&folder.path().join("a"), &[]);
        let proxy = Proxy::to(a.socket());
        let code = cairn(
            &a.home,
            &["invite", "--address", &format!("tcp://{}", proxy.address)],
        );
        let home = folder.path().join("b");
        cairn(&home, &["join", code.trim()]);
        let b = Daemon::start(&home, &[]);
        let pair = Self {
            a,
            b,
            proxy,
            _folder: folder,
        };
        pair.in_step();
        pair
    }

    fn in_step(&self) {
        eventually(DEADLINE, || {
            let (a, b) = (self.a.status(), self.b.status());
            let linked = a["peers"][0]["in_step"] == true && b["peers"][0]["in_step"] == true;
            (a["clock_digest"] == b["clock_digest"] && linked)
                .then_some(())
                .ok_or_else(|| format!("{a}\n{b}"))
        });
    }

    fn apart(&self) {
        self.proxy.cut(false);
        eventually(DEADLINE, || {
            let linked = |daemon: &Daemon| daemon.status()["peers"][0]["link"] != Value::Null;
            (!linked(&self.a) && !linked(&self.b))
                .then_some(())
                .ok_or_else(|| "still linked".into())
        });
    }

    fn together(&self) {
        self.proxy.cut(true);
        self.in_step();
    }

    fn conflicts(daemon: &Daemon) -> Value {
        serde_json::from_str(&cairn(&daemon.home, &["conflicts", "--json"])).unwrap()
    }
}

#[test]
fn both_show_the_same_winner_and_sibling_and_resolve_together() {
    let pair = Pair::new();
    pair.a.http().store("/notes/x", b"first");
    pair.in_step();
    pair.apart();
    pair.a.http().store("/notes/x", b"from a");
    pair.b.http().store("/notes/x", b"from b");
    pair.together();

    let (at_a, at_b) = (
        pair.a.http().get("/notes/x").unwrap(),
        pair.b.http().get("/notes/x").unwrap(),
    );
    assert_eq!(at_a, at_b, "one winner");
    let conflicts = Pair::conflicts(&pair.a);
    assert_eq!(conflicts, Pair::conflicts(&pair.b));
    assert_eq!(conflicts.as_array().unwrap().len(), 1, "{conflicts}");

    // Resolving on one resolves on the other: whoever names the version has seen both.
    let (status, _) = pair
        .b
        .http()
        .put("/notes/x", b"both", &[("If-Match", &at_b.2)])
        .unwrap();
    assert_eq!(status, 200);
    pair.in_step();
    for node in [&pair.a, &pair.b] {
        assert_eq!(node.http().get("/notes/x").unwrap().1, b"both");
        assert_eq!(Pair::conflicts(node), serde_json::json!([]));
    }
}

#[test]
fn an_edit_survives_a_delete_elsewhere() {
    let pair = Pair::new();
    pair.a.http().store("/notes/y", b"first");
    pair.in_step();
    pair.apart();
    assert_eq!(pair.a.http().delete("/notes/y").unwrap(), 200);
    pair.b.http().store("/notes/y", b"edited");
    pair.together();
    for node in [&pair.a, &pair.b] {
        let (status, body, _) = node.http().get("/notes/y").unwrap();
        assert_eq!((status, body.as_slice()), (200, &b"edited"[..]));
    }
}

#[test]
fn a_version_is_chosen_by_the_command_line() {
    let pair = Pair::new();
    pair.apart();
    pair.a.http().store("/notes/todo", b"of a");
    pair.b.http().store("/notes/todo", b"of b");
    pair.together();
    let conflicts = Pair::conflicts(&pair.a);
    assert_eq!(conflicts[0]["versions"].as_array().unwrap().len(), 2);
    let path = "/private/notes/todo";
    let second = cairn(&pair.a.home, &["get", path, "--version", "2"]);
    cairn(&pair.a.home, &["conflicts", path, "--keep", "2"]);
    pair.in_step();
    for node in [&pair.a, &pair.b] {
        assert_eq!(Pair::conflicts(node), Value::Array(Vec::new()));
        assert_eq!(cairn(&node.home, &["get", path]), second);
    }
}
