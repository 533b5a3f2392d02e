//! Other users' nodes keep copies: of everything, sealed, and give all of it back to whoever has the phrase.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use cairn_tests::{Daemon, Http, Random, cairn, cairn_given, eventually, files_with};
use serde_json::Value;

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// What `cairn custody ls --json` says.
fn custody(node: &Daemon) -> Value {
    serde_json::from_str(&cairn(&node.home, &["custody", "ls", "--json"])).unwrap()
}

/// Has `keeper` keep the space of `owner`.
fn entrust(owner: &Daemon, keeper: &Daemon, more: &[&str]) {
    let node = keeper.status["node"].as_str().unwrap();
    let code = cairn(&owner.home, &["custody", "add", node, "--name", "a friend's"]);
    cairn(
        &keeper.home,
        &[&["custody", "accept", code.trim()], more].concat(),
    );
}

/// Waits until all custodians of `owner` have acknowledged all that it holds.
fn all_is_kept(owner: &Daemon) {
    eventually(DEADLINE, || {
        let told = custody(owner);
        let custodians = told["custodians"].as_array().unwrap();
        (!custodians.is_empty() && custodians.iter().all(|one| one["in_step"] == true))
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
}

/// Waits until all of `documents` can be read.
fn reads_all(http: &Http, documents: &BTreeMap<String, Vec<u8>>) {
    for (path, body) in documents {
        http.reads(path, body);
    }
}

/// Documents of all categories and lengths, with a mark in each.
fn documents(mark: &str, seed: u64) -> BTreeMap<String, Vec<u8>> {
    let mut random = Random(seed);
    let mut documents = BTreeMap::new();
    for (number, len) in [0, 10, 3_000, 40_000, 700_000].into_iter().enumerate() {
        for category in ["", "/shared", "/public"] {
            let is_public = category == "/public";
            let mark = if is_public { "open to all" } else { mark };
            let body = [mark.as_bytes(), &random.bytes(len)].concat();
            let folder = if is_public { "open" } else { mark };
            documents.insert(format!("{category}/notes/{folder}/{number}"), body);
        }
    }
    documents
}

#[test]
fn a_friend_s_node_keeps_what_it_cannot_read_and_the_phrase_brings_all_of_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let [ada_mark, ben_mark] = ["NobodyReadsThisOfAda", "NobodyReadsThisOfBen"];
    let (of_ada, of_ben) = (documents(ada_mark, 1), documents(ben_mark, 2));
    let mut ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    let mut ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    let store = |node: &Daemon, documents: &BTreeMap<String, Vec<u8>>| {
        for (path, body) in documents {
            node.http().store(path, body);
        }
    };
    // Half of it is there before, half comes later. Each keeps the other's, over the one link that there is.
    store(&ada, &of_ada.clone().into_iter().take(7).collect());
    entrust(&ada, &ben, &[]);
    all_is_kept(&ada);
    entrust(&ben, &ada, &["--quota", "1 GiB"]);
    store(&ben, &of_ben);
    // A device is shut out: what comes then is sealed under another key.
    let lost = home("lost");
    ada.invite(&lost, &[]);
    let mut lost = Daemon::start(&lost, &[]);
    let id = lost.status["node"].as_str().unwrap().to_owned();
    eventually(DEADLINE, || {
        let status = ada.status().to_string();
        status.contains(&id).then_some(()).ok_or(status)
    });
    lost.terminate();
    cairn(&ada.home, &["revoke", &id]);
    store(&ada, &of_ada);
    all_is_kept(&ada);
    all_is_kept(&ben);
    let told = custody(&ben);
    assert_eq!(told["kept"][0]["user"], "ada");
    assert_eq!(told["kept"][0]["documents"], of_ada.len());
    assert_eq!(told["kept"][0]["clock_digest"], ada.status()["clock_digest"]);
    assert_eq!(custody(&ada)["kept"][0]["quota_bytes"], 1 << 30);
    // What is kept for others is not among one's own.
    assert_eq!(ben.status()["documents"], of_ben.len());
    let (status, _, _) = ben.http().get(of_ada.keys().next().unwrap()).unwrap();
    assert_eq!(status, 404);

    // Ben's disk, and his log, do not say what it is; that of its owner shows that the mark would be found.
    let phrase = cairn(&ada.home, &["owner", "phrase"]);
    ada.terminate();
    ben.terminate();
    assert_eq!(
        files_with(&home("ben"), ada_mark.as_bytes()),
        Vec::<PathBuf>::new()
    );
    assert_eq!(
        files_with(&home("ada"), ben_mark.as_bytes()),
        Vec::<PathBuf>::new()
    );
    assert_ne!(
        files_with(&home("ada"), ada_mark.as_bytes()),
        Vec::<PathBuf>::new()
    );
    assert_ne!(files_with(&home("ben"), b"open to all"), Vec::<PathBuf>::new());

    // All that Ada has burns.
    std::fs::remove_dir_all(home("ada")).unwrap();
    std::fs::remove_dir_all(&lost.home).unwrap();
    ben.restart();
    let (code, _, said) = cairn_given(&home("anew"), &["recover", "--user", "ada"], &phrase);
    assert_eq!(code, 0, "{said}");
    let peer = format!("tcp://{}", ben.socket());
    let anew = Daemon::start(&home("anew"), &["--peer", &peer]);
    reads_all(&anew.http(), &of_ada);
    assert_eq!(anew.status()["documents"], of_ada.len());
    // And Ben goes on keeping it.
    anew.http().store("/notes/later", b"later");
    all_is_kept(&anew);
    reads_all(&ben.http(), &of_ben);
}

#[test]
fn custody_ends_from_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Daemon::start(&folder.path().join(name), &["--user", name]);
    let (ada, ben, cleo) = (start("ada"), start("ben"), start("cleo"));
    ada.http().store("/notes/a", b"a");
    entrust(&ada, &ben, &[]);
    entrust(&ada, &cleo, &[]);
    all_is_kept(&ada);

    // Ben drops it: nothing of it is left, and Ada hears of it, and waits for him no longer.
    let kept = ben.home.join("spaces");
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 1);
    cairn(&ben.home, &["custody", "drop", "ada"]);
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0);
    eventually(DEADLINE, || {
        let told = custody(&ada);
        (told["custodians"].as_array().unwrap().len() == 1)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    ada.http().store("/notes/b", b"b");
    all_is_kept(&ada);
    let (code, _, said) = cairn_given(&ben.home, &["custody", "drop", "ada"], "");
    assert_eq!(code, 3, "{said}");
    let node = ben.status["node"].as_str().unwrap();
    let (code, _, said) = cairn_given(&ada.home, &["custody", "add", node], "");
    assert_eq!(code, 4, "{said}");

    // Ada takes it from Cleo: nothing more comes there.
    let documents = || custody(&cleo)["kept"][0]["documents"].as_u64();
    assert_eq!(documents(), Some(2));
    cairn(
        &ada.home,
        &["custody", "remove", cleo.status["node"].as_str().unwrap()],
    );
    eventually(DEADLINE, || {
        let told = custody(&cleo);
        (told["kept"][0]["linked"] == 0)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    ada.http().store("/notes/c", b"c");
    eventually(DEADLINE, || {
        let status = ada.status();
        (status["pending"] == 0)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
    assert_eq!(documents(), Some(2));
    // No key changed hands: none had to change.
    assert!(!ada.log().contains("there can be no new one"), "{}", ada.log());
}

#[test]
fn a_code_is_good_for_its_node_alone_and_a_quota_holds() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Daemon::start(&folder.path().join(name), &["--user", name]);
    let (ada, ben) = (start("ada"), start("ben"));
    let node = ada.status["node"].as_str().unwrap();
    let own = cairn_given(&ada.home, &["custody", "add", node], "");
    assert_eq!(own.0, 5, "{}", own.2);
    assert_eq!(cairn_given(&ada.home, &["custody", "add", "friend"], "").0, 2);
    // Made for somebody else.
    let code = cairn(&ada.home, &["custody", "add", &"7".repeat(64)]);
    let (exit, _, said) = cairn_given(&ben.home, &["custody", "accept", code.trim()], "");
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("for another node"), "{said}");
    let (exit, _, said) = cairn_given(&ben.home, &["custody", "accept", "cairnhold1xyz"], "");
    assert_eq!(exit, 2, "{said}");
    let decoded: Value = serde_json::from_str(&cairn(&ben.home, &["decode", code.trim()])).unwrap();
    assert_eq!(decoded["type"], "custody");
    assert_eq!(decoded["node"], "7".repeat(64));

    entrust(&ada, &ben, &["--quota", "100 KiB"]);
    let http = ada.http();
    http.store("/notes/fits", &Random(3).bytes(50_000));
    http.store("/notes/too-much", &Random(4).bytes(80_000));
    eventually(DEADLINE, || {
        let told = custody(&ben);
        (told["kept"][0]["documents"] == 1 && ben.log().contains("quota"))
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    // A larger quota, by the same code's like.
    entrust(&ada, &ben, &["--quota", "1 MiB"]);
    eventually(DEADLINE, || {
        let told = custody(&ben);
        (told["kept"][0]["documents"] == 2)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
}

/// Waits until the shared folder of `owner` has been handed to all who keep it, and `keeper` keeps so many of them, whole.
fn shares_are_kept(owner: &Daemon, keeper: &Daemon, folders: usize) {
    eventually(DEADLINE, || {
        let shares: Value = serde_json::from_str(&cairn(&owner.home, &["shares", "--json"])).unwrap();
        let mut digests: Vec<&Value> = (shares.as_array().unwrap().iter())
            .map(|share| &share["clock_digest"])
            .collect();
        let told = custody(keeper);
        let kept = told["kept"].as_array().unwrap().iter();
        let mut kept: Vec<&Value> = kept
            .filter(|kept| !kept["share_of"].is_null() && kept["incomplete"] == 0)
            .map(|kept| &kept["clock_digest"])
            .collect();
        digests.sort_by_key(|digest| digest.as_str());
        kept.sort_by_key(|digest| digest.as_str());
        (kept.len() == folders && kept == digests)
            .then_some(())
            .ok_or_else(|| format!("{shares}\n{told}"))
    });
}

/// What is shared leaves the user's own space; those who keep that keep it all the same.
#[test]
fn shared_folders_are_kept_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let mark = "NobodyReadsThisOfAda";
    let mut ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    let mut ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    let mut cleo = Daemon::start(&home("cleo"), &["--user", "cleo"]);
    entrust(&ada, &ben, &["--quota", "2 MiB"]);
    let large = [mark.as_bytes(), &Random(5).bytes(600_000)].concat();
    ada.http().store(&format!("/shared/photos/garden/{mark}"), &large);
    ada.http().store("/shared/photos/garden/small", mark.as_bytes());
    all_is_kept(&ada);
    let card = cairn(&cleo.home, &["card"]);
    let of_ada = cairn(&ada.home, &["card"]);
    cairn(&cleo.home, &["card", "add", of_ada.trim()]);
    cairn(
        &ada.home,
        &[
            "share",
            "/shared/photos/garden/",
            "--with",
            card.trim(),
            "--write",
        ],
    );
    cleo.http().reads("/shared/photos/garden/small", mark.as_bytes());
    cleo.http()
        .store("/shared/photos/garden/of-cleo", mark.as_bytes());
    ada.http().reads("/shared/photos/garden/of-cleo", mark.as_bytes());
    shares_are_kept(&ada, &ben, 1);

    // All of one user together is within what was said, and a restart changes nothing of it.
    ben.terminate();
    ben.restart();
    ada.http().store("/notes/much", &Random(6).bytes(1_000_000));
    all_is_kept(&ada);
    shares_are_kept(&ada, &ben, 1);
    eventually(DEADLINE, || {
        let told = custody(&ben);
        let mut kept = told["kept"].as_array().unwrap().iter();
        kept.all(|kept| kept["free_bytes"].as_u64().unwrap() < 900_000)
            .then_some(())
            .ok_or_else(|| told.to_string())
    });
    ada.http()
        .store("/shared/photos/garden/too-much", &Random(7).bytes(900_000));
    eventually(DEADLINE, || {
        let log = ben.log();
        let told = || format!("{log}\n{}", custody(&ben));
        log.contains("quota").then_some(()).ok_or_else(told)
    });
    assert_eq!(ada.http().delete("/shared/photos/garden/too-much").unwrap(), 200);
    shares_are_kept(&ada, &ben, 1);

    // Whoever kept it may be let in, and is again one who keeps it once that is taken back.
    let ben_card = cairn(&ben.home, &["card"]);
    cairn(&ben.home, &["card", "add", of_ada.trim()]);
    let with_ben = ["--with", ben_card.trim()];
    cairn(
        &ada.home,
        &[&["share", "/shared/photos/garden/"][..], &with_ben].concat(),
    );
    ben.http().reads("/shared/photos/garden/of-cleo", mark.as_bytes());
    cairn(&ada.home, &["unshare", "/shared/photos/garden/", "--with", "ben"]);
    ada.http()
        .store("/shared/photos/garden/late", b"BenReadsThisNoMore");
    cleo.http()
        .reads("/shared/photos/garden/late", b"BenReadsThisNoMore");
    cairn(&ben.home, &["unshare", "/shared/photos/garden/"]);
    ben.terminate();
    ben.restart();
    shares_are_kept(&ada, &ben, 1);
    let gone = ben.http().get("/shared/photos/garden/late").unwrap().0;
    assert_eq!(gone, 404);

    // Everybody's disks burn but Ben's, on which nothing of it can be read.
    let phrase = cairn(&ada.home, &["owner", "phrase"]);
    ada.terminate();
    cleo.terminate();
    ben.terminate();
    for words in [mark, "BenReadsThisNoMore"] {
        assert_eq!(files_with(&home("ben"), words.as_bytes()), Vec::<PathBuf>::new());
    }
    std::fs::remove_dir_all(home("ada")).unwrap();
    std::fs::remove_dir_all(home("cleo")).unwrap();
    ben.restart();
    let (code, _, said) = cairn_given(&home("anew"), &["recover", "--user", "ada"], &phrase);
    assert_eq!(code, 0, "{said}");
    let peer = format!("tcp://{}", ben.socket());
    let anew = Daemon::start(&home("anew"), &["--peer", &peer]);
    let http = anew.http();
    http.reads(&format!("/shared/photos/garden/{mark}"), &large);
    http.reads("/shared/photos/garden/of-cleo", mark.as_bytes());
    http.reads("/shared/photos/garden/late", b"BenReadsThisNoMore");

    // What is taken from a custodian is all of it; what a custodian drops too.
    all_is_kept(&anew);
    cairn(&ben.home, &["custody", "drop", "ada"]);
    assert_eq!(std::fs::read_dir(home("ben").join("spaces")).unwrap().count(), 0);
    assert_eq!(custody(&ben)["kept"], serde_json::json!([]));
}
