//! Private documents are sealed wherever they lie, and keys change when a device is shut out.
#![allow(clippy::unwrap_used)]

use cairn_tests::{Daemon, Http, Random, Space, cairn, cairn_given, files_with};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

#[test]
fn contents_are_on_no_disk_in_the_clear_and_every_device_reads_them() {
    let mut space = Space::new(2, "tcp://127.0.0.1:0");
    let short = b"a short text that nobody else may read".to_vec();
    let long = Random(7).bytes(700_000);
    let open = b"a text that everybody may read, as it is".to_vec();
    let http = space.nodes[0].http();
    for (path, body) in [
        ("/notes/short", &short),
        ("/notes/long", &long),
        ("/public/notes/open", &open),
    ] {
        http.store(path, body);
    }
    space.in_step(DEADLINE);
    let other = space.nodes[1].http();
    for (path, body) in [
        ("/notes/short", &short),
        ("/notes/long", &long),
        ("/public/notes/open", &open),
    ] {
        let (status, found, _) = other.get(path).unwrap();
        assert_eq!(status, 200);
        assert!(found == *body, "{path}");
    }
    for node in &mut space.nodes {
        node.terminate();
        assert!(
            !files_with(&node.home, &open).is_empty(),
            "it is looked for in the right place"
        );
        assert!(files_with(&node.home, &short).is_empty());
        for start in (0..long.len() - 64).step_by(100_000) {
            assert!(files_with(&node.home, &long[start..start + 64]).is_empty());
        }
    }
}

#[test]
fn keys_change_with_a_revocation_and_whoever_comes_later_reads_all() {
    let mut space = Space::new(3, "tcp://127.0.0.1:0");
    let large = Random(8).bytes(700_000);
    let mut lost = space.nodes.pop().unwrap();
    lost.http().store("/notes/before", b"before");
    for node in &space.nodes {
        node.http().reads("/notes/before", b"before");
    }
    let node = lost.status["node"].as_str().unwrap();
    cairn(&space.nodes[0].home, &["revoke", node]);
    lost.terminate();
    space.nodes[0].http().store("/notes/after", b"after");
    space.nodes[1].http().reads("/notes/after", b"after");
    space.nodes[1].http().store("/notes/large", &large);
    space.nodes[0].http().reads("/notes/large", &large);

    // One more device, which a device lets in that was let in itself.
    let home = space.scratch("newcomer");
    space.nodes[1].invite(&home, &[]);
    assert!(home.join("epoch.key").exists(), "the invite told the new key");
    let mut newcomer = Daemon::start(&home, &[]);
    let all = |http: &Http| {
        http.reads("/notes/before", b"before");
        http.reads("/notes/after", b"after");
        http.reads("/notes/large", &large);
    };
    all(&newcomer.http());
    newcomer.http().store("/notes/new", b"new");
    space.nodes[0].http().reads("/notes/new", b"new");

    // Keys are there again after a restart, and the phrase alone brings all of them.
    newcomer.terminate();
    newcomer.restart();
    all(&newcomer.http());
    newcomer.http().reads("/notes/new", b"new");
    let phrase = cairn(&space.nodes[0].home, &["owner", "phrase"]);
    let home = space.scratch("recovered");
    let (code, _, said) = cairn_given(&home, &["recover", "--user", "ada"], &phrase);
    assert_eq!(code, 0, "{said}");
    let peer = format!("tcp://{}", newcomer.socket());
    let recovered = Daemon::start(&home, &["--peer", &peer]);
    all(&recovered.http());
}
