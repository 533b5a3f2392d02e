//! Two nodes change one document while they are apart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use cairn_tests::{Pair, cairn};
use serde_json::Value;

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
