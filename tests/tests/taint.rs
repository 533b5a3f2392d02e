//! A thousand private and shared documents with marks in their paths, types and contents: no mark is on a disk or in a log where it must not be.
//! What is in frames, the simulator sees (`sim/tests/custody.rs`).
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use cairn_tests::{Daemon, Random, cairn, eventually, files_with};
use serde_json::Value;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(120);
const DOCUMENTS: u64 = 1_000;
/// In what is the owner's alone, and in what is shared with one other user.
const OWN: &str = "MarkOfWhatIsMine";
const GIVEN: &str = "MarkOfWhatIsGiven";

fn json(node: &Daemon, words: &[&str]) -> Value {
    serde_json::from_str(&cairn(&node.home, &[words, &["--json"]].concat())).unwrap()
}

#[test]
fn no_mark_is_where_it_must_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let mut ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    let to_ada = format!("tcp://{}", ada.socket());
    let start = |name: &str| Daemon::start(&home(name), &["--user", name, "--peer", &to_ada]);
    ada.invite(&home("ada2"), &[]);
    let mut second = Daemon::start(&home("ada2"), &[]);
    // One keeps everything, one is given a folder, one is a stranger whose card is there; all are linked.
    let [mut keeper, mut guest, mut stranger] = ["keeper", "guest", "stranger"].map(start);
    let id = keeper.status["node"].as_str().unwrap();
    let code = cairn(&ada.home, &["custody", "add", id]);
    cairn(&keeper.home, &["custody", "accept", code.trim()]);
    for other in [&guest, &stranger] {
        for (from, to) in [(&ada, other), (other, &ada)] {
            let card = cairn(&from.home, &["card"]);
            cairn(&to.home, &["card", "add", card.trim()]);
        }
    }
    let http = ada.http();
    let mut random = Random(11);
    let mut given = 0;
    for number in 0..DOCUMENTS {
        if number == DOCUMENTS / 2 {
            // Half of it lies there before.
            cairn(&ada.home, &["share", "/shared/given/", "--with", "guest"]);
        }
        let (place, mark) = match random.below(3) {
            0 => ("/notes", OWN),
            1 => ("/shared/kept", OWN),
            _ => ("/shared/given", GIVEN),
        };
        given += u64::from(mark == GIVEN);
        let len = match random.below(100) {
            0 => 300_000,
            1..5 => 20_000,
            _ => random.below(3_000) as usize,
        };
        let path = format!("{place}/{}/{mark}-{number}", random.below(9));
        let body = [mark.as_bytes(), &random.bytes(len)].concat();
        let content_type = format!("application/x-{mark}");
        let stored = http
            .put(&path, &body, &[("Content-Type", &content_type)])
            .unwrap();
        assert_eq!(stored.0, 201, "{path}");
    }
    eventually(DEADLINE, || {
        let kept = json(&ada, &["custody", "ls"]);
        let all = (ada.status(), second.status());
        let shares = json(&guest, &["shares"]);
        let done = kept["custodians"][0]["in_step"] == true
            && all.0["clock_digest"] == all.1["clock_digest"]
            && all.1["incomplete"] == 0
            && shares[0]["documents"] == given
            && shares[0]["incomplete"] == 0;
        done.then_some(()).ok_or_else(|| format!("{kept}\n{shares}"))
    });
    let all = [&mut ada, &mut second, &mut keeper, &mut guest, &mut stranger];
    for node in all {
        node.terminate();
        for mark in [OWN, GIVEN] {
            assert!(
                !node.log().contains(mark),
                "in the log of {}",
                node.home.display()
            );
        }
    }
    let nowhere = Vec::<PathBuf>::new();
    for mark in [OWN, GIVEN] {
        assert_ne!(
            files_with(&home("ada"), mark.as_bytes()),
            nowhere,
            "it would be found"
        );
        assert_eq!(files_with(&home("keeper"), mark.as_bytes()), nowhere);
        assert_eq!(files_with(&home("stranger"), mark.as_bytes()), nowhere);
    }
    assert_eq!(files_with(&home("guest"), OWN.as_bytes()), nowhere);
    assert_ne!(
        files_with(&home("guest"), GIVEN.as_bytes()),
        nowhere,
        "it may have that"
    );
}
