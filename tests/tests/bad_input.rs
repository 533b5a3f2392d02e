//! What is wrong is refused with a sentence, and changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cairn_tests::{Daemon, RUN_ON_LOOPBACK, Space, cairn, cairn_fails, eventually};

const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn http_requests_are_refused_with_a_status_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &["--quota", "1 MiB"]);
    let http = node.http();
    http.store("/notes/a", b"one");
    let before = node.status();
    let status = |result: Result<(u16, String), _>| result.unwrap().0;
    assert_eq!(
        status(http.with_token("nonsense").put("/notes/a", b"x", &[])),
        401
    );
    let narrow = cairn(&node.home, &["token", "new", "--scope", "photos:rw"]);
    assert_eq!(
        status(http.with_token(narrow.trim()).put("/notes/a", b"x", &[])),
        403
    );
    assert_eq!(status(http.put("/notes//a", b"x", &[])), 400);
    assert_eq!(
        status(http.put("/notes/a", b"x", &[("If-Match", "\"old\"")])),
        412
    );
    assert_eq!(status(http.put("/notes/a/b", b"x", &[])), 409);
    assert_eq!(status(http.put("/notes", b"x", &[])), 400);
    assert_eq!(status(http.put("/notes/big", &vec![0; 2 << 20], &[])), 507);
    assert_eq!(http.get("/notes/none").unwrap().0, 404);
    let after = node.status();
    for key in ["documents", "bytes", "clock_digest"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert_eq!(http.get("/notes/a").unwrap().1, b"one");
}

#[test]
fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let (code, said) = cairn_fails(&node.home, &["run", "--no-mdns", "--http", "127.0.0.1:0"]);
    assert_eq!(code, 1);
    assert!(said.contains(&node.pid().to_string()), "{said}");
}

#[test]
fn the_command_line_has_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("a");
    assert_eq!(cairn_fails(&home, &["status"]).0, 7, "no daemon");
    assert_eq!(cairn_fails(&home, &["frobnicate"]).0, 2, "wrong usage");
    let node = Daemon::start(&home, &[]);
    assert_eq!(
        cairn_fails(&home, &["get", "/private/notes/none", "-"]).0,
        3,
        "not found"
    );
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let file = file.to_str().unwrap();
    cairn(&home, &["put", file, "/private/notes/a"]);
    assert_eq!(cairn(&home, &["get", "/private/notes/a", "-"]), "text");
    assert_eq!(
        cairn_fails(&home, &["put", file, "/private/notes/a/b"]).0,
        5,
        "conflict"
    );
    assert_eq!(
        cairn_fails(&home, &["ls", "/private/none/"]).0,
        3,
        "no such folder"
    );
    let (code, said) = cairn_fails(&home, &["--no-mdns", "status"]);
    assert!(code == 2 && said.contains("cairn run"), "{said}");
    let (code, said) = cairn_fails(&home, &["put", file, "/elsewhere/a"]);
    assert!(code == 1 || code == 2, "{code}");
    assert!(
        said.contains("/public/"),
        "the message says what a path looks like: {said}"
    );
    drop(node);
    let relay = ["run", "--no-mdns", "--http", "127.0.0.1:0", "--relay-for-others"];
    let (code, said) = cairn_fails(&home, &relay);
    assert!(code == 1 && said.contains("feature wan"), "{said}");
}

/// A script that asks in the wrong folder hears so, in the same way from every word, and leaves nothing behind there.
#[test]
fn words_for_a_node_that_was_never_made_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("none");
    for words in [
        &["passwd"][..],
        &["passwd", "--remove"],
        &["key", "status"],
        &["key", "lock"],
        &["key", "unlock"],
        &["owner", "phrase"],
        &["owner", "forget"],
        &["owner", "restore"],
        &["modem", "test", "/dev/null", "--region", "EU868"],
    ] {
        let (code, said) = cairn_fails(&home, words);
        assert_eq!(code, 3, "{words:?}: {said}");
        assert!(said.contains(home.to_str().unwrap()), "{words:?}: {said}");
        assert!(!home.exists(), "{words:?} made the folder");
    }
}

#[test]
fn an_unknown_key_in_the_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("a");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("cairn.toml"), "htpp = \"127.0.0.1:0\"\n").unwrap();
    let (_, said) = cairn_fails(&home, &["run", "--no-mdns"]);
    assert!(said.contains("htpp"), "{said}");
    for (line, key) in [
        ("quota = \"1 GB\"", "quota"),
        ("document_size_max = \"\"", "document_size_max"),
        ("log = \"loud\"", "log"),
    ] {
        std::fs::write(home.join("cairn.toml"), line).unwrap();
        let (code, said) = cairn_fails(&home, &["run", "--no-mdns"]);
        let names_it = said.contains(&format!("cairn.toml: {key}: "));
        assert!(code == 2 && names_it, "{code} {said}");
    }
}

#[test]
fn what_a_node_writes_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("a");
    // A shell whose new files everybody may read.
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(cairn_tests::program())
        .arg("--home")
        .arg(&home)
        .args(RUN_ON_LOOPBACK);
    let node = Daemon::spawn(&home, shell);
    node.http().store("/notes/small", b"one");
    node.http().store("/notes/large", &[7; 500_000]);
    let mut folders = vec![home.clone()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            let metadata = item.metadata().unwrap();
            // The test itself made the log.
            if item.file_name() == "log" {
                continue;
            }
            let mode = metadata.permissions().mode() & 0o777;
            assert_eq!(mode & 0o077, 0, "{} is {mode:o}", item.path().display());
            files += 1;
            if metadata.is_dir() {
                folders.push(item.path());
            }
        }
    }
    assert!(files > 5, "{files}");
}

#[test]
fn garbage_on_a_link_closes_it_and_is_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    for _ in 0..3 {
        if let Ok(mut stream) = TcpStream::connect(node.socket()) {
            let _ = stream.write_all(&[0x55; 4096]);
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
        }
    }
    eventually(DEADLINE, || {
        let log = node.log();
        let refusals = log
            .lines()
            .filter(|line| line.contains("a link was refused"))
            .count();
        (refusals == 1)
            .then_some(())
            .ok_or_else(|| format!("{refusals} refusals in the log:\n{log}"))
    });
    node.http().store("/notes/still", b"alive");
}

fn chunk_files(home: &Path) -> Vec<PathBuf> {
    let output = Command::new("find")
        .arg(home.join("chunks"))
        .args(["-type", "f"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(PathBuf::from)
        .collect()
}

#[test]
fn a_damaged_chunk_is_never_served_and_is_repaired_from_a_peer() {
    let space = Space::new(2, "tcp://127.0.0.1:0");
    let body = cairn_tests::Random(3).bytes(700_000);
    space.nodes[0].http().store("/photos/p", &body);
    space.in_step(DEADLINE);
    let files = chunk_files(&space.nodes[1].home);
    assert!(!files.is_empty());
    for file in &files {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }
    let http = space.nodes[1].http();
    eventually(DEADLINE, || match http.get("/photos/p") {
        Ok((200, found, _)) => {
            assert!(found == body, "wrong bytes were served");
            Ok(())
        }
        Ok((status, ..)) => Err(format!("status {status}")),
        Err(error) => Err(error.to_string()),
    });
    assert!(
        space.nodes[1].log().contains("damaged"),
        "{}",
        space.nodes[1].log()
    );
}

/// Flips one bit where `what` stands in the node's database.
fn damage(home: &Path, what: &[u8]) {
    let database = home.join("cairn.redb");
    let mut bytes = std::fs::read(&database).unwrap();
    let places: Vec<usize> = bytes
        .windows(what.len())
        .enumerate()
        .filter_map(|(at, window)| (window == what).then_some(at))
        .collect();
    assert!(!places.is_empty(), "it is in the database");
    // Pages that are free may hold it as well.
    for at in places {
        bytes[at + what.len() / 2] ^= 1;
    }
    std::fs::write(&database, bytes).unwrap();
}

fn set_aside(home: &Path) -> usize {
    let names = std::fs::read_dir(home)
        .unwrap()
        .map(|file| file.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with("cairn.redb.damaged-"))
        .count()
}

#[test]
fn a_damaged_value_is_named_never_served_and_fetched_from_a_peer() {
    for clean in [true, false] {
        let mut space = Space::new(2, "tcp://127.0.0.1:0");
        let http = space.nodes[0].http();
        // Public: it stands in the database as it is.
        let content: Vec<u8> = (0..5000).map(|at| b"abcdefg"[at % 7]).collect();
        http.store("/public/notes/a", &content);
        http.store("/public/notes/b", b"beside it");
        space.in_step(DEADLINE);
        let home = space.nodes[0].home.clone();
        if clean {
            space.nodes[0].terminate();
        } else {
            space.nodes[0].kill();
        }
        damage(&home, &content[..2000]);
        space.nodes[0].restart();
        let http = space.nodes[0].http();
        eventually(DEADLINE, || match http.get("/public/notes/a") {
            Ok((200, body, _)) => {
                assert_eq!(body, content, "a damaged value was served");
                Ok(())
            }
            other => Err(format!("{other:?}")),
        });
        eventually(DEADLINE, || match http.get("/public/notes/b") {
            Ok((200, body, _)) if body == b"beside it" => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let log = space.nodes[0].log();
        assert!(log.contains("damaged"), "{log}");
        // After a clean end the database opens, and what else is in it is carried over; after a kill, redb checks it
        // whole and refuses it.
        assert_eq!(log.contains("kept=1"), clean, "{log}");
        assert_eq!(set_aside(&home), 1);
        space.in_step(DEADLINE);
    }
}
