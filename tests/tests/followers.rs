//! What a user keeps in `public/` is followed by other users' nodes, which have no grant.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::Duration;

use cairn_tests::{Daemon, Http, Random, cairn, cairn_given, eventually, files_with};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// What `cairn follow ls --json` says of the one user who is followed.
fn followed(node: &Daemon) -> Value {
    let told: Value = serde_json::from_str(&cairn(&node.home, &["follow", "ls", "--json"])).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    told[0].clone()
}

/// Waits until a followed user's document is what it should be here; `None`: gone.
fn reads(node: &Daemon, user: &str, path: &str, expected: Option<&[u8]>) {
    let file = node.home.join("read");
    let file = file.to_str().unwrap();
    eventually(DEADLINE, || {
        let (code, _, said) = cairn_given(&node.home, &["get", "--of", user, path, file], "");
        let is_there = match expected {
            Some(body) => code == 0 && std::fs::read(file).unwrap() == body,
            None => code == 3,
        };
        is_there.then_some(()).ok_or_else(|| format!("{code}: {said}"))
    });
}

/// A client without a token, at what is here of a user.
fn as_anyone(node: &Daemon, user: &str) -> Http {
    let (storage, _) = node.status["storage_root"]
        .as_str()
        .unwrap()
        .rsplit_once('/')
        .unwrap();
    Http::new(&format!("{storage}/{user}"), "")
}

#[test]
fn public_documents_are_followed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    let ada = Daemon::start(&home("ada"), &["--user", "ada"]);
    let mut ben = Daemon::start(&home("ben"), &["--user", "ben"]);
    let secret = "OnlyAdaReadsThis";
    ada.http().store(&format!("/notes/{secret}"), secret.as_bytes());
    ada.http()
        .store(&format!("/shared/notes/{secret}"), secret.as_bytes());
    let large = Random(1).bytes(3_000_000);
    let small = b"for everybody";
    ada.http().store("/public/notes/small", small);
    ada.http().store("/public/photos/2026/large", &large);

    // A card is all that it takes.
    let card = cairn(&ada.home, &["card"]);
    cairn(&ben.home, &["follow", "add", card.trim(), "--quota", "1 GiB"]);
    reads(&ben, "ada", "/public/notes/small", Some(small));
    reads(&ben, "ada", "/public/photos/2026/large", Some(&large));
    let told = followed(&ben);
    assert_eq!(told["user"], "ada");
    assert_eq!(told["documents"], 2, "{told}");
    assert_eq!(told["quota_bytes"], 1 << 30);
    let listed = cairn(&ben.home, &["ls", "--of", "ada", "-r", "/"]);
    assert!(
        listed.contains("public/photos/2026/large") && !listed.contains(secret),
        "{listed}"
    );

    // They are not among his own; at the HTTP door everybody may read them who knows what they are called.
    let (answered, _, _) = ben.http().get("/public/notes/small").unwrap();
    assert_eq!(answered, 404);
    let of_ada = as_anyone(&ben, "ada");
    of_ada.reads("/public/notes/small", small);
    for (path, status) in [
        ("/public/notes/", 404),
        ("/public/notes/none", 404),
        (&format!("/notes/{secret}"), 404),
    ] {
        let (answered, _, _) = of_ada.get(path).unwrap();
        assert_eq!(answered, status, "{path}");
    }
    let (answered, _, _) = as_anyone(&ben, "nobody").get("/public/notes/small").unwrap();
    assert_eq!(answered, 404);

    // What changes comes, what is deleted goes, over a restart too.
    ada.http().store("/public/notes/small", b"changed");
    reads(&ben, "ada", "/public/notes/small", Some(b"changed"));
    ben.terminate();
    cairn(&ada.home, &["rm", "/public/photos/2026/large"]);
    ada.http().store("/public/notes/new", b"while ben was away");
    ada.http().store(&format!("/notes/{secret}-2"), secret.as_bytes());
    ben.restart();
    reads(&ben, "ada", "/public/notes/new", Some(b"while ben was away"));
    reads(&ben, "ada", "/public/photos/2026/large", None);
    assert_eq!(files_with(&ben.home, secret.as_bytes()), Vec::<PathBuf>::new());
    assert_ne!(files_with(&ada.home, secret.as_bytes()), Vec::<PathBuf>::new());

    // Ada's node counts on nobody who follows.
    assert_eq!(ada.status()["pending"], 0);
    let id = ben.status["node"].as_str().unwrap().to_owned();
    assert!(!cairn(&ada.home, &["devices", "--json"]).contains(&id));

    // Whoever follows cannot be a custodian of the same user at once.
    let code = cairn(&ada.home, &["custody", "add", &id]);
    let (failed, _, said) = cairn_given(&ben.home, &["custody", "accept", code.trim()], "");
    assert!(failed != 0 && said.contains("cairn follow rm"), "{said}");

    cairn(&ben.home, &["follow", "rm", "ada"]);
    assert_eq!(cairn(&ben.home, &["follow", "ls", "--json"]).trim(), "[]");
    let (gone, _, said) = cairn_given(&ben.home, &["get", "--of", "ada", "/public/notes/new"], "");
    assert_eq!(gone, 3, "{said}");
    assert_eq!(std::fs::read_dir(ben.home.join("spaces")).unwrap().count(), 0);
}
