//! Keys that outlive devices: the recovery phrase, and key files locked by a passphrase.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cairn_tests::{Daemon, RUN_ON_LOOPBACK, Random, cairn, cairn_fails, cairn_given, eventually, program};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// A new owner in `home`: the phrase, on one line.
fn init(home: &Path) -> String {
    let told: Value = serde_json::from_str(&cairn(home, &["init", "--user", "ada", "--json"])).unwrap();
    told["phrase"].as_str().unwrap().to_owned()
}

fn recover(home: &Path, phrase: &str) -> String {
    let (code, node, said) = cairn_given(home, &["recover", "--user", "ada"], phrase);
    assert_eq!(code, 0, "{said}");
    node.trim().to_owned()
}

/// Files of a folder, by their names; what is no file is left out.
fn files(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(home).unwrap().map(Result::unwrap);
    entries
        .filter_map(|entry| {
            let bytes = std::fs::read(entry.path()).ok()?;
            Some((entry.file_name().into_string().unwrap(), bytes))
        })
        .collect()
}

fn in_step(nodes: &[&Daemon]) {
    eventually(DEADLINE, || {
        let all: Vec<Value> = nodes.iter().map(|node| node.status()).collect();
        let same = all
            .iter()
            .all(|status| status["clock_digest"] == all[0]["clock_digest"]);
        let idle = all.iter().all(|status| status["incomplete"] == 0);
        (same && idle).then_some(()).ok_or_else(|| format!("{all:?}"))
    });
}

/// Fails if `text` holds the phrase, in one line or in several.
fn assert_not_told(text: &str, phrase: &str) {
    let words: Vec<&str> = phrase.split(' ').collect();
    for three in words.windows(3) {
        assert!(!text.contains(&three.join(" ")), "the phrase is in it:\n{text}");
    }
}

#[test]
fn a_lost_device_is_replaced_by_the_phrase_and_shut_out() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|name| folder.path().join(name));
    let phrase = init(&first);
    // The key of the owner goes to paper alone, so that whoever has the device cannot be the owner.
    assert_eq!(cairn_given(&first, &["owner", "forget"], &phrase).0, 0);
    let mut lost = Daemon::start(&first, &[]);
    lost.invite(&second, &[]);
    let survivor = Daemon::start(&second, &[]);
    let mut random = Random(5);
    let written: Vec<(String, Vec<u8>)> = [0, 100, 9_000, 300_000, 2_500_000]
        .into_iter()
        .enumerate()
        .map(|(index, len)| (format!("/notes/{index}"), random.bytes(len)))
        .collect();
    for (path, body) in &written {
        lost.http().store(path, body);
    }
    lost.http().store("/public/site/index", b"for all");
    in_step(&[&lost, &survivor]);
    lost.kill();

    let node = recover(&third, &phrase.to_uppercase().replacen(' ', "\n  ", 7));
    let recovered = Daemon::start(&third, &["--peer", &format!("tcp://{}", survivor.socket())]);
    assert_eq!(recovered.status["node"], node.as_str());
    assert_eq!(recovered.status["owner"], survivor.status["owner"]);
    in_step(&[&recovered, &survivor]);
    for (path, body) in &written {
        assert!(recovered.http().get(path).unwrap().1 == *body, "{path} differs");
    }
    let exported = [&recovered, &survivor].map(|node| {
        let archive = node.home.join("all.tar");
        cairn(&node.home, &["export", "/", archive.to_str().unwrap()]);
        std::fs::read(archive).unwrap()
    });
    assert!(exported[0] == exported[1], "the archives differ");

    // Whoever found the lost device writes on it, with nobody to tell it that it is revoked.
    let lost_id = lost.status["node"].as_str().unwrap();
    cairn(&recovered.home, &["revoke", lost_id]);
    let lost = Daemon::start(&first, &[]);
    let (status, _) = lost.http().put("/notes/thief", b"mine now", &[]).unwrap();
    assert_eq!(status, 201);
    drop(lost);
    let peers = [&survivor, &recovered].map(|node| format!("tcp://{}", node.socket()));
    let lost = Daemon::start(&first, &["--peer", &peers[0], "--peer", &peers[1]]);
    eventually(DEADLINE, || {
        let (status, _) = lost.http().put("/notes/more", b"mine", &[]).unwrap();
        (status == 403).then_some(()).ok_or_else(|| status.to_string())
    });
    recovered.http().store("/notes/after", b"not for it");
    in_step(&[&recovered, &survivor]);
    for node in [&recovered, &survivor] {
        for name in ["thief", "more"] {
            let path = format!("/private/notes/{name}");
            assert_eq!(cairn_fails(&node.home, &["get", &path]).0, 3, "{path}");
        }
        let peers: Value = serde_json::from_str(&cairn(&node.home, &["devices", "--json"])).unwrap();
        let peers = peers.as_array().unwrap();
        assert!(
            peers
                .iter()
                .any(|peer| peer["node"] == lost_id && peer["revoked"] == true)
        );
    }
    assert_eq!(cairn_fails(&lost.home, &["get", "/private/notes/after"]).0, 3);
    for node in [&recovered, &survivor, &lost] {
        assert_not_told(&node.log(), &phrase);
    }
}

#[test]
fn a_first_start_without_a_terminal_logs_no_phrase_but_how_to_see_it() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("node"), &["--log", "trace"]);
    // The node may run meanwhile.
    let printed = cairn(&node.home, &["owner", "phrase"]);
    let phrase = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(phrase.split(' ').count(), 24);
    assert_not_told(&node.log(), &phrase);
    assert!(node.log().contains("owner phrase"), "{}", node.log());
    let told: Value = serde_json::from_str(&cairn(&node.home, &["owner", "phrase", "--json"])).unwrap();
    assert_eq!(told["phrase"], phrase.as_str());
}

#[test]
fn a_phrase_that_is_wrong_and_a_folder_that_is_taken_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| folder.path().join(name));
    let (code, id, said) = cairn_given(&old, &["init", "--user", "ada"], "");
    assert_eq!((code, id.trim().len()), (0, 64), "{said}");
    let phrase = cairn(&old, &["owner", "phrase"]);
    assert!(said.contains(&phrase), "init shows it in lines:\n{said}");
    let words: Vec<&str> = phrase.split_whitespace().collect();
    let mut unknown = words.clone();
    unknown[6] = "cairn";
    for (wrong, named) in [
        (unknown.join(" "), "word 7 "),
        (words[1..].join(" "), "these are 23"),
        (["abandon"; 24].join(" "), "do not belong together"),
        (String::new(), "these are 0"),
    ] {
        let (code, _, said) = cairn_given(&new, &["recover"], &wrong);
        assert!(code == 2 && said.contains(named), "{code}: {said}");
    }
    let before = files(&old);
    let (code, _, said) = cairn_given(&old, &["recover"], &phrase);
    assert!(code == 1 && said.contains("node already"), "{code}: {said}");
    let other = ["abandon"; 23].join(" ") + " art";
    assert_eq!(cairn_given(&old, &["owner", "forget"], &other).0, 4);
    assert_eq!(cairn_given(&old, &["owner", "restore"], &other).0, 4);
    let mut after = files(&old);
    after.insert("lock".into(), before["lock"].clone());
    assert!(before == after, "nothing changed");

    assert_eq!(cairn_given(&old, &["owner", "forget"], &phrase).0, 0);
    assert_eq!(cairn_fails(&old, &["owner", "phrase"]).0, 3);
    assert_eq!(cairn_given(&old, &["owner", "restore"], &phrase).0, 0);
    assert_eq!(cairn(&old, &["owner", "phrase"]), phrase);
    assert_eq!(recover(&new, &phrase).len(), 64);
    assert_eq!(cairn(&new, &["owner", "phrase"]), phrase);
}

#[test]
fn locked_keys_need_the_passphrase_at_every_start() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let [right, wrong] = [
        ("right", "correct horse\n"),
        ("cairn-passphrase", "battery staple\n"),
    ]
    .map(|(name, text)| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    });
    let phrase = init(&home);
    let seed = std::fs::read(home.join("owner.key")).unwrap();
    cairn(&home, &["key", "lock", "--passphrase-file", &right]);
    for (name, bytes) in files(&home) {
        let hex = bytes.windows(16).any(|window| seed.starts_with(window));
        assert!(!hex, "{name} has the owner's key in the clear");
        if name.ends_with(".key") {
            let mode = std::fs::metadata(home.join(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
    let status: Value = serde_json::from_str(&cairn(&home, &["key", "status", "--json"])).unwrap();
    assert_eq!(status["locked"], true);
    assert_eq!(status["keys"].as_array().unwrap().len(), 2, "{status}");

    let run = &RUN_ON_LOOPBACK[..];
    let wrongly = ["--passphrase-file", &wrong];
    for args in [
        run,
        &["owner", "phrase"],
        &["init", "--user", "ada"],
        &["key", "unlock"],
    ] {
        let (code, said) = cairn_fails(&home, args);
        assert!(
            code == 4 && said.contains("locked by a passphrase"),
            "{args:?} {code}: {said}"
        );
        let (code, said) = cairn_fails(&home, &[args, &wrongly].concat());
        assert!(
            code == 4 && said.contains("does not open"),
            "{args:?} {code}: {said}"
        );
    }
    let (code, _) = cairn_fails(&home, &["key", "lock", "--passphrase-file", &right]);
    assert_eq!(code, 1, "locked already");

    let mut node = Daemon::start(&home, &["--log", "trace", "--passphrase-file", &right]);
    node.http().store("/notes/a", b"text");
    let first = node.status["node"].clone();
    node.terminate();
    // As systemd hands it over.
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::copy(&right, credentials.join("cairn-passphrase")).unwrap();
    let mut command = Command::new(program());
    command
        .arg("--home")
        .arg(&home)
        .args(run)
        .env("CREDENTIALS_DIRECTORY", &credentials);
    let mut node = Daemon::spawn(&home, command);
    assert_eq!(node.status["node"], first);
    assert!(!node.log().contains("horse"));
    node.terminate();

    let args = ["owner", "forget", "--passphrase-file", "-"];
    let (code, _, said) = cairn_given(&home, &args, &format!("correct horse\n{phrase}\n"));
    assert_eq!(code, 0, "{said}");
    cairn(&home, &["key", "unlock", "--passphrase-file", &right]);
    let node = Daemon::start(&home, &[]);
    assert_eq!(node.status["node"], first);
    assert_eq!(node.http().get("/notes/a").unwrap().1, b"text");
}

/// Runs a command at a terminal (that of the program `script`), and types each line when its prompt is there. Gives the exit code
/// and all that the terminal showed.
fn at_terminal(home: &Path, args: &str, talk: &[(&str, &str)]) -> (i32, String) {
    // In the shell's place: one that stays would die of ^C itself.
    let line = format!(
        "exec '{}' --home '{}' {args}",
        program().display(),
        home.display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of bsdutils");
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (mut shown, mut looked, mut talk) = (Vec::new(), 0, talk.iter());
    let mut next = talk.next();
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = screen.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..len]);
        while let Some((prompt, answer)) = next {
            let Some(at) = shown[looked..]
                .windows(prompt.len())
                .position(|window| window == prompt.as_bytes())
            else {
                break;
            };
            looked += at + prompt.len();
            keyboard.write_all(answer.as_bytes()).unwrap();
            next = talk.next();
        }
    }
    let code = child.wait().unwrap().code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&shown).replace('\r', ""))
}

#[test]
fn at_a_terminal_the_phrase_is_shown_once_and_passphrases_are_asked_for_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    std::fs::create_dir(&home).unwrap();
    let run = RUN_ON_LOOPBACK.join(" ");
    let interrupt = ("ready http", "\x03");
    let (code, shown) = at_terminal(&home, &run, &[interrupt]);
    assert_eq!(code, 0, "{shown}");
    let phrase = cairn(&home, &["owner", "phrase"]);
    assert!(shown.contains(&phrase), "{shown}");
    let (code, again) = at_terminal(&home, &run, &[interrupt]);
    assert_eq!(code, 0, "{again}");
    assert_not_told(&again, &phrase.split_whitespace().collect::<Vec<_>>().join(" "));

    let (new, same) = ("New passphrase: ", "The same again: ");
    let (code, shown) = at_terminal(&home, "key lock", &[(new, "horse\n"), (same, "house\n")]);
    assert!(code == 1 && shown.contains("differ"), "{code}: {shown}");
    let (code, shown) = at_terminal(&home, "key lock", &[(new, "horse\n"), (same, "horse\n")]);
    assert!(code == 0 && !shown.contains("horse"), "{code}: {shown}");
    let ask = ("Passphrase: ", "horse\n");
    let (code, shown) = at_terminal(&home, &run, &[ask, interrupt]);
    assert!(code == 0 && !shown.contains("horse"), "{code}: {shown}");
    let (code, shown) = at_terminal(&home, &run, &[("Passphrase: ", "hors\n")]);
    assert!(code == 4 && shown.contains("does not open"), "{code}: {shown}");
    // Ten words, then the others.
    let words: Vec<&str> = phrase.split_whitespace().collect();
    let (ten, others) = (words[..10].join(" ") + "\n", words[10..].join(" ") + "\n");
    let typed = [ask, ("you like:", ten.as_str()), (words[9], others.as_str())];
    let (code, shown) = at_terminal(&home, "owner forget", &typed);
    assert_eq!(code, 0, "{shown}");
    assert_eq!(cairn_fails(&home, &["owner", "phrase"]).0, 4, "locked");
}
