//! Folders that users share: with exactly whom they said.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use cairn_tests::{Daemon, Http, Pair, Random, cairn, cairn_given, eventually, files_with};
use serde_json::Value;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

fn json(node: &Daemon, words: &[&str]) -> Value {
    serde_json::from_str(&cairn(&node.home, &[words, &["--json"]].concat())).unwrap()
}

/// The shared folder at a path, as `cairn shares` tells it.
fn share(node: &Daemon, folder: &str) -> Option<Value> {
    let all = json(node, &["shares"]);
    all.as_array()
        .unwrap()
        .iter()
        .find(|share| share["folder"] == folder)
        .cloned()
}

/// Each keeps the other's card.
fn meet(one: &Daemon, other: &Daemon) {
    for (from, to) in [(one, other), (other, one)] {
        let card = cairn(&from.home, &["card"]);
        cairn(&to.home, &["card", "add", card.trim()]);
    }
}

fn status_of(http: &Http, path: &str) -> u16 {
    http.get(path).unwrap().0
}

/// What a folder lists over HTTP: names.
fn listed(http: &Http, path: &str) -> Vec<String> {
    let (status, body, _) = http.get(path).unwrap();
    assert_eq!(status, 200, "{path}");
    let listing: Value = serde_json::from_slice(&body).unwrap();
    listing["items"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn a_folder_is_shared_with_whom_i_said_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    let ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    ben.invite(&home("ben2"), &[]);
    let ben_too = Daemon::start(&home("ben2"), &[]);
    let mut cleo = Daemon::start(
        &home("cleo"),
        &["--user", "cleo", "--peer", &format!("tcp://{}", ada.socket())],
    );
    let (ada_http, ben_http, cleo_http) = (ada.http(), ben.http(), cleo.http());
    let large = Random(3).bytes(700_000);
    // Some of it lies there before.
    ada_http.store("/shared/photos/garden/roses", b"NobodyElseReadsRoses");
    ada_http.store("/shared/photos/garden/deep/large", &large);
    ada_http.store("/shared/photos/attic", b"not shared with anybody");
    let before = listed(&ada_http, "/shared/photos/");
    meet(&ada, &ben);
    meet(&ada, &cleo);

    // The invitation goes by itself, over the link that the card's address leads to.
    cairn(
        &ada.home,
        &["share", "/shared/photos/garden/", "--with", "ben", "--write"],
    );
    for http in [&ada_http, &ben_http, &ben_too.http()] {
        http.reads("/shared/photos/garden/roses", b"NobodyElseReadsRoses");
        http.reads("/shared/photos/garden/deep/large", &large);
    }
    assert_eq!(listed(&ada_http, "/shared/photos/"), before);
    assert_eq!(listed(&ben_http, "/shared/photos/"), ["garden/"]);
    assert_eq!(status_of(&ben_http, "/shared/photos/attic"), 404);
    let told = share(&ben, "/shared/photos/garden/").unwrap();
    assert_eq!((&told["from"], &told["write"]), (&"ada".into(), &true.into()));

    // Both write; both see a change of what the other wrote, and a deletion.
    ben_too.http().store("/shared/photos/garden/by-ben", b"by Ben");
    ada_http.reads("/shared/photos/garden/by-ben", b"by Ben");
    ada_http.store("/shared/photos/garden/by-ben", b"by Ben, changed by Ada");
    ben_http.reads("/shared/photos/garden/by-ben", b"by Ben, changed by Ada");
    assert_eq!(ben_http.delete("/shared/photos/garden/roses").unwrap(), 200);
    eventually(DEADLINE, || {
        match status_of(&ada_http, "/shared/photos/garden/roses") {
            404 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    // The command line goes there, too.
    let (code, _, said) = cairn_given(&ada.home, &["put", "-", "/shared/photos/garden/typed"], "typed");
    assert_eq!(code, 0, "{said}");
    ben_http.reads("/shared/photos/garden/typed", b"typed");
    let names = json(&ben, &["ls", "-r", "/shared/"]);
    let names: Vec<&str> = names
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "photos/garden/by-ben",
            "photos/garden/deep/large",
            "photos/garden/typed"
        ]
    );

    // Whoever may read may not write.
    ada_http.store("/shared/plans/year", b"plans");
    cairn(&ada.home, &["share", "/shared/plans/", "--with", "ben"]);
    ben_http.reads("/shared/plans/year", b"plans");
    let refused = ben_http.put("/shared/plans/mine", b"no", &[]);
    assert_eq!(refused.unwrap().0, 403);
    let (code, _, said) = cairn_given(&ben.home, &["put", "-", "/shared/plans/mine"], "no");
    assert_eq!(code, 4, "{said}");

    // Ben is taken off: what comes then is not for him, what he has he keeps.
    cairn(&ada.home, &["unshare", "/shared/photos/garden/", "--with", "ben"]);
    ada_http.store("/shared/photos/garden/later", b"NobodyElseReadsLater");
    eventually(DEADLINE, || {
        let told = share(&ben, "/shared/photos/garden/").unwrap();
        (told["ended"] == true)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    // Something that is sent after it has arrived.
    ada_http.store("/shared/plans/after", b"after");
    ben_http.reads("/shared/plans/after", b"after");
    assert_eq!(status_of(&ben_http, "/shared/photos/garden/later"), 404);
    ben_http.reads("/shared/photos/garden/typed", b"typed");
    let refused = ben_http.put("/shared/photos/garden/too-late", b"too late", &[]);
    assert_eq!(refused.unwrap().0, 403);

    // Cleo, whose card was there all the time, has nothing of it.
    assert_eq!(json(&cleo, &["shares"]), serde_json::json!([]));
    assert_eq!(status_of(&cleo_http, "/shared/photos/garden/typed"), 404);
    cleo.terminate();
    for piece in ["NobodyElseReadsRoses", "NobodyElseReadsLater", "garden"] {
        assert_eq!(
            files_with(&cleo.home, piece.as_bytes()),
            Vec::<PathBuf>::new(),
            "{piece}"
        );
    }
    assert_eq!(
        files_with(&ben.home, b"NobodyElseReadsLater"),
        Vec::<PathBuf>::new()
    );
}

#[test]
fn an_invitation_by_hand_a_restart_and_the_phrase() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let mut ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    let mut ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    ada.http().store("/shared/notes/a", b"a");
    // Ada knows Ben; Ben does not know Ada, so the invitation does not go by itself.
    let card = cairn(&ben.home, &["card"]);
    let code = cairn(
        &ada.home,
        &["share", "/shared/notes/", "--with", card.trim(), "--write"],
    );
    let again = cairn(
        &ada.home,
        &["share", "/shared/notes/", "--with", "ben", "--write"],
    );
    assert_eq!(code, again, "one invitation for each user");
    assert_eq!(json(&ben, &["shares"]), serde_json::json!([]));
    let (exit, _, said) = cairn_given(&ada.home, &["shares", "accept", code.trim()], "");
    assert_eq!(exit, 2, "{said}");
    cairn(&ben.home, &["shares", "accept", code.trim()]);
    ben.http().reads("/shared/notes/a", b"a");
    ben.http().store("/shared/notes/b", b"b");
    ada.http().reads("/shared/notes/b", b"b");

    // All is there after restarts.
    for node in [&mut ada, &mut ben] {
        node.terminate();
        node.restart();
    }
    ben.http().store("/shared/notes/c", b"c");
    for http in [ada.http(), ben.http()] {
        for name in ["a", "b", "c"] {
            http.reads(&format!("/shared/notes/{name}"), name.as_bytes());
        }
    }

    // Ada comes back by her phrase, from a custodian; what she shares is there, and goes on.
    let cleo = Daemon::start(&home("cleo"), &["--user", "cleo"]);
    let id = cleo.status["node"].as_str().unwrap();
    let code = cairn(&ada.home, &["custody", "add", id]);
    cairn(&cleo.home, &["custody", "accept", code.trim()]);
    eventually(DEADLINE, || {
        let told = json(&ada, &["custody", "ls"]);
        (told["custodians"][0]["in_step"] == true)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    let phrase = cairn(&ada.home, &["owner", "phrase"]);
    ada.terminate();
    std::fs::remove_dir_all(home("ada")).unwrap();
    let (exit, _, said) = cairn_given(&home("anew"), &["recover", "--user", "ada"], &phrase);
    assert_eq!(exit, 0, "{said}");
    let peers = [
        format!("tcp://{}", cleo.socket()),
        format!("tcp://{}", ben.socket()),
    ];
    let anew = Daemon::start(&home("anew"), &["--peer", &peers[0], "--peer", &peers[1]]);
    for name in ["a", "b", "c"] {
        anew.http()
            .reads(&format!("/shared/notes/{name}"), name.as_bytes());
    }
    anew.http().store("/shared/notes/d", b"d");
    ben.http().reads("/shared/notes/d", b"d");

    // Ben leaves: it is gone from his node, not from Ada's.
    cairn(&ben.home, &["unshare", "/shared/notes/"]);
    assert_eq!(status_of(&ben.http(), "/shared/notes/d"), 404);
    assert_eq!(std::fs::read_dir(ben.home.join("spaces")).unwrap().count(), 0);
    assert_eq!(status_of(&anew.http(), "/shared/notes/d"), 200);
}

#[test]
fn what_cannot_be_shared_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Daemon::start(&folder.path().join(name), &["--user", name]);
    let (ada, ben) = (start("ada"), start("ben"));
    let fails = |node: &Daemon, words: &[&str], code: i32, says: &str| {
        let (exit, _, said) = cairn_given(&node.home, words, "");
        assert_eq!(exit, code, "{words:?}: {said}");
        assert!(said.contains(says), "{words:?}: {said}");
    };
    fails(&ada, &["share", "/shared/a/", "--with", "ben"], 3, "no card");
    meet(&ada, &ben);
    for folder in ["/shared/", "/private/a/", "/public/a/", "/"] {
        fails(&ada, &["share", folder, "--with", "ben"], 2, "below /shared/");
    }
    fails(&ada, &["unshare", "/shared/a/"], 3, "no shared folder");
    let card = cairn(&ada.home, &["card"]);
    fails(&ada, &["card", "add", card.trim()], 5, "own user");
    fails(&ada, &["card", "add", "cairncard1xyz"], 2, "copied whole");
    cairn(&ada.home, &["share", "/shared/a/b/", "--with", "ben"]);
    fails(
        &ada,
        &["share", "/shared/a/", "--with", "ben"],
        5,
        "cannot lie in another",
    );
    fails(
        &ada,
        &["share", "/shared/a/b/c/", "--with", "ben"],
        5,
        "cannot lie in another",
    );
    fails(
        &ada,
        &["unshare", "/shared/a/b/", "--with", "cleo"],
        3,
        "not shared with",
    );
    eventually(DEADLINE, || {
        share(&ben, "/shared/a/b/").map(drop).ok_or_else(|| ben.log())
    });
    fails(
        &ben,
        &["share", "/shared/a/b/", "--with", "ada"],
        4,
        "shared by another user",
    );
    // A document cannot have the name of a folder that is shared.
    ada.http().store("/shared/a/b/c", b"c");
    let refused = ada.http().put("/shared/a/b", b"x", &[]).unwrap();
    assert_eq!(refused.0, 409);

    // What the node keeps for itself is for nobody: keys of shared folders lie there.
    let space = share(&ada, "/shared/a/b/").unwrap()["space"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/private/.cairn/shares/{space}/own");
    fails(&ada, &["get", &path, "-"], 4, "keeps for itself");
    fails(&ada, &["rm", &path], 4, "keeps for itself");
    let http = ada.http();
    assert_eq!(status_of(&http, &format!("/.cairn/shares/{space}/own")), 403);
    assert_eq!(status_of(&http, "/.cairn/"), 403);
    assert!(!listed(&http, "/").contains(&".cairn/".to_owned()));
    let archive = folder.path().join("all.tar");
    cairn(&ada.home, &["export", "/", archive.to_str().unwrap()]);
    let archive = std::fs::read(archive).unwrap();
    assert!(archive.windows(10).any(|window| window == b"shared/a/b"));
    assert!(!archive.windows(6).any(|window| window == b".cairn"));

    // Where Ben has documents of his own, nothing of another user's is laid over them.
    ben.http().store("/shared/mine/x", b"Ben's own");
    ada.http().store("/shared/mine/x", b"Ada's");
    let code = cairn(&ada.home, &["share", "/shared/mine/", "--with", "ben", "--write"]);
    eventually(DEADLINE, || {
        share(&ben, "/shared/mine/").map(drop).ok_or_else(|| ben.log())
    });
    assert_eq!(share(&ben, "/shared/mine/").unwrap()["mounted"], false);
    ben.http().reads("/shared/mine/x", b"Ben's own");
    fails(
        &ben,
        &["shares", "accept", code.trim()],
        5,
        "documents of your own",
    );
    assert_eq!(ben.http().delete("/shared/mine/x").unwrap(), 200);
    ben.http().reads("/shared/mine/x", b"Ada's");
}

#[test]
fn what_lies_in_a_folder_goes_into_the_share_whole() {
    let pair = Pair::new();
    let folder = tempfile::tempdir().unwrap();
    let ben = Daemon::start(&folder.path().join("ben"), &["--user", "ben"]);
    let (a, b) = (pair.a.http(), pair.b.http());
    a.store("/shared/plans/year", b"same");
    b.reads("/shared/plans/year", b"same");
    // Two versions that know nothing of one another, and one more document of the device that does not share.
    pair.apart();
    a.store("/shared/plans/both", b"one");
    b.store("/shared/plans/both", b"the other");
    b.store("/shared/plans/late", &Random(4).bytes(50_000));
    let card = cairn(&ben.home, &["card"]);
    let code = cairn(
        &pair.a.home,
        &["share", "/shared/plans/", "--with", card.trim(), "--write"],
    );
    cairn(&ben.home, &["shares", "accept", code.trim()]);
    ben.http().reads("/shared/plans/both", b"one");
    pair.together();
    // All of it is there, for everybody, and nothing is left beside it.
    ben.http().reads("/shared/plans/late", &Random(4).bytes(50_000));
    let all = |node: &Daemon| {
        let items = json(node, &["ls", "-r", "/shared/plans/"]);
        let items = items.as_array().unwrap().iter();
        let mut bodies: Vec<(String, String)> = items
            .map(|item| {
                let name = item["name"].as_str().unwrap().to_owned();
                let (_, body, _) =
                    cairn_given(&node.home, &["get", &format!("/shared/plans/{name}"), "-"], "");
                (name, body)
            })
            .filter(|(name, _)| name != "late")
            .collect();
        bodies.sort();
        bodies
    };
    let texts = |node: &Daemon| {
        let mut texts: Vec<String> = all(node).into_iter().map(|(_, body)| body).collect();
        texts.sort();
        texts
    };
    eventually(DEADLINE, || {
        let found = [texts(&pair.a), texts(&pair.b), texts(&ben)];
        (found.iter().all(|texts| *texts == ["one", "same", "the other"]))
            .then_some(())
            .ok_or_else(|| format!("{found:?}"))
    });
    assert_eq!(all(&pair.a), all(&ben));
    for node in [&pair.a, &pair.b] {
        let told = share(node, "/shared/plans/").unwrap();
        assert_eq!(told["documents"], 4, "{told}");
    }
    // Nothing goes round in circles.
    let digest = share(&ben, "/shared/plans/").unwrap()["clock_digest"].clone();
    a.store("/notes/elsewhere", b"x");
    b.reads("/notes/elsewhere", b"x");
    assert_eq!(share(&ben, "/shared/plans/").unwrap()["clock_digest"], digest);
}

#[test]
fn rights_change_devices_are_shut_out_and_whoever_left_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    ada.invite(&home("lost"), &[]);
    let mut lost = Daemon::start(&home("lost"), &[]);
    let ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    meet(&ada, &ben);
    ada.http().store("/shared/other/x", b"keeps the link up");
    cairn(&ada.home, &["share", "/shared/other/", "--with", "ben"]);
    ada.http().store("/shared/notes/a", b"a");
    cairn(
        &ada.home,
        &["share", "/shared/notes/", "--with", "ben", "--write"],
    );
    ben.http().reads("/shared/notes/a", b"a");
    ben.http().store("/shared/notes/by-ben", b"by Ben");
    lost.http().reads("/shared/notes/by-ben", b"by Ben");

    // From now on Ben reads: the new key comes over the link that is there.
    cairn(&ada.home, &["share", "/shared/notes/", "--with", "ben"]);
    eventually(DEADLINE, || {
        let told = share(&ben, "/shared/notes/").unwrap();
        (told["write"] == false)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    ada.http().store("/shared/notes/b", b"b");
    ben.http().reads("/shared/notes/b", b"b");
    let refused = ben.http().put("/shared/notes/no", b"no", &[]).unwrap();
    assert_eq!(refused.0, 403);

    // A device of Ada's is lost: it is out of what she shares as well.
    lost.terminate();
    let id = lost.status["node"].as_str().unwrap();
    let told = json(&ada, &["revoke", id]);
    assert_eq!(
        told["shared"],
        serde_json::json!(["/shared/notes/", "/shared/other/"]),
        "{told}"
    );
    ada.http().store("/shared/notes/secret", b"NotForTheLostDevice");
    ben.http().reads("/shared/notes/secret", b"NotForTheLostDevice");
    lost.restart();
    ada.http()
        .store("/shared/notes/more", b"NotForTheLostDevice either");
    ben.http()
        .reads("/shared/notes/more", b"NotForTheLostDevice either");
    for name in ["secret", "more"] {
        assert_eq!(status_of(&lost.http(), &format!("/shared/notes/{name}")), 404);
    }

    // Ben leaves, and comes back by the invitation that he had.
    cairn(&ben.home, &["unshare", "/shared/notes/"]);
    assert_eq!(status_of(&ben.http(), "/shared/notes/a"), 404);
    let code = cairn(&ada.home, &["share", "/shared/notes/", "--with", "ben"]);
    cairn(&ben.home, &["shares", "accept", code.trim()]);
    for (name, body) in [
        ("a", &b"a"[..]),
        ("by-ben", b"by Ben"),
        ("secret", b"NotForTheLostDevice"),
    ] {
        ben.http().reads(&format!("/shared/notes/{name}"), body);
    }
}

#[test]
fn devices_that_share_a_folder_apart_share_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let mut laptop = Daemon::start(&home("laptop"), &["--user", "ada"]);
    laptop.invite(&home("phone"), &[]);
    let mut phone = Daemon::start(&home("phone"), &[]);
    let ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    let cleo = Daemon::start(&home("cleo"), &["--user", "cleo"]);
    let large = Random(4).bytes(300_000);
    laptop.http().store("/shared/photos/roses", b"red");
    laptop.http().store("/shared/photos/large", &large);
    phone.http().reads("/shared/photos/large", &large);
    phone.http().reads("/shared/photos/roses", b"red");
    for other in [&ben, &cleo] {
        let card = cairn(&other.home, &["card"]);
        cairn(&laptop.home, &["card", "add", card.trim()]);
        let card = cairn(&laptop.home, &["card"]);
        cairn(&other.home, &["card", "add", card.trim()]);
    }
    eventually(DEADLINE, || {
        let cards = json(&phone, &["card", "ls"]);
        (cards.as_array().is_some_and(|cards| cards.len() == 2))
            .then_some(())
            .ok_or_else(|| cards.to_string())
    });

    // One is away, then the other: each shares the folder, and changes something there.
    phone.terminate();
    cairn(
        &laptop.home,
        &["share", "/shared/photos/", "--with", "ben", "--write"],
    );
    cairn(&laptop.home, &["share", "/shared/photos/", "--with", "cleo"]);
    laptop.http().store("/shared/photos/by-laptop", b"laptop");
    laptop.terminate();
    phone.restart();
    cairn(&phone.home, &["share", "/shared/photos/", "--with", "cleo"]);
    phone.http().store("/shared/photos/by-phone", b"phone");
    phone.http().store("/shared/photos/roses", b"white");
    laptop.restart();

    let all = [
        ("by-laptop", &b"laptop"[..]),
        ("by-phone", b"phone"),
        ("large", &large),
    ];
    for node in [&laptop, &phone, &ben, &cleo] {
        for (name, body) in all {
            node.http().reads(&format!("/shared/photos/{name}"), body);
        }
    }
    for node in [&laptop, &phone] {
        eventually(DEADLINE, || {
            let shares = json(node, &["shares"]);
            let told = shares.as_array().unwrap();
            let with = |share: &Value| share["with"].as_array().map_or(0, Vec::len);
            let one = told.len() == 1 && told[0]["mounted"] == true && with(&told[0]) == 2;
            // What both brought there is one; what they changed apart is shown.
            let conflicts = json(node, &["conflicts"]);
            let paths: Vec<&Value> = conflicts
                .as_array()
                .unwrap()
                .iter()
                .map(|one| &one["path"])
                .collect();
            (one && paths == ["/shared/photos/roses"])
                .then_some(())
                .ok_or_else(|| format!("{shares}\n{conflicts}"))
        });
    }

    // Who is taken off is taken off, whoever let her in.
    cairn(&laptop.home, &["unshare", "/shared/photos/", "--with", "cleo"]);
    laptop.http().store("/shared/photos/later", b"NotForCleo");
    ben.http().reads("/shared/photos/later", b"NotForCleo");
    eventually(DEADLINE, || {
        let told = share(&cleo, "/shared/photos/").unwrap();
        (told["ended"] == true)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    assert_eq!(status_of(&cleo.http(), "/shared/photos/later"), 404);
    assert_eq!(files_with(&cleo.home, b"NotForCleo"), Vec::<PathBuf>::new());
}
