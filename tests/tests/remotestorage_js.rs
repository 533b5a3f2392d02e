//! The client library of remoteStorage, unchanged, in a real browser: it connects as a person would connect it, stores, goes offline and
//! back, and two browsers at two nodes see one another's changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cairn_tests::{Browser, Daemon, Space, WebSite, cairn_given, eventually, skipped};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse";
/// Where the packages of npm are: `.ci/run` installs them and says where.
const PACKAGES: &str = "CAIRN_TEST_NPM";
/// The library that most apps ship, and the one to come.
const LIBRARIES: [&str; 2] = ["remotestoragejs", "remotestoragejs-next"];

/// The app with one of the libraries. `None`, said loudly in the name of `test`: the packages are not there.
fn app(test: &str, library: &str) -> Option<WebSite> {
    let Some(packages) = std::env::var_os(PACKAGES).map(PathBuf::from) else {
        skipped(
            test,
            &format!(
                "{PACKAGES}, the folder node_modules with remotestoragejs and what .ci/run installs beside it"
            ),
        );
        return None;
    };
    let read =
        |file: &str| std::fs::read(packages.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let files = BTreeMap::from([
        (
            String::new(),
            include_bytes!("remotestorage_js/app.html").to_vec(),
        ),
        (
            "remotestorage.js".into(),
            read(&format!("{library}/release/remotestorage.js")),
        ),
        ("widget.js".into(), read("remotestorage-widget/build/widget.js")),
        (
            "bookmarks.js".into(),
            read("remotestorage-module-bookmarks/dist/build.js"),
        ),
    ]);
    Some(WebSite::serve(files))
}

/// A browser in which the app is open and connected to a node.
struct Person {
    browser: Browser,
}

impl Person {
    fn connect(test: &str, app: &WebSite, node: &Daemon) -> Option<Self> {
        let browser = Browser::start(test)?;
        let (code, _, said) = cairn_given(&node.home, &["passwd"], PASSPHRASE);
        assert_eq!(code, 0, "{said}");
        browser.visit(&app.url());
        browser
            .wait_until("document.querySelector('.rs-box-initial') && document.getAnimations().length === 0");
        browser.click(".rs-box-initial", 0, 0);
        browser.wait_until(
            "document.querySelector('.rs-state-sign-in') && document.getAnimations().length === 0",
        );
        browser.click("input[name=rs-user-address]", 0, 0);
        browser.type_text(&format!("me@{}", node.status["http"].as_str().unwrap()));
        browser.press('\u{e007}');
        let person = Self { browser };
        // The node's own pages.
        person.browser.shows("Sign in to your storage", DEADLINE);
        person.browser.type_text(PASSPHRASE);
        person.browser.press('\u{e007}');
        for text in ["Let an app use your storage?", "bookmarks", "notes"] {
            person.browser.shows(text, DEADLINE);
        }
        person.browser.click("button[value=approve]", 0, 0);
        // And back.
        person.holds("typeof storage !== 'undefined' && storage.connected");
        Some(person)
    }

    /// Waits until an expression of the page, perhaps a promise, is true.
    #[track_caller]
    fn holds(&self, expression: &str) {
        eventually(DEADLINE, || match self.value(expression) {
            Value::Bool(true) => Ok(()),
            other => {
                std::thread::sleep(Duration::from_millis(100));
                let errors = self.value("JSON.stringify([errors, changes])");
                Err(format!("{expression}: {other}; errors and changes: {errors}"))
            }
        });
    }

    /// What an expression of the page gives, or the promise that it is.
    fn value(&self, expression: &str) -> Value {
        self.browser.run(&format!(
            "return (async () => {{ try {{ return await ({expression}); }} catch (error) {{ return 'failed: ' + error; }} }})()"
        ))
    }

    /// Stores a text, between two exchanges of the library with the node: what an app stores in a new folder while a listing of that
    /// folder arrives is left out of the library's own listings for good (`autoMergeFolder` takes it for deleted here).
    #[track_caller]
    fn store(&self, name: &str, text: &str) {
        let stored = self.value(&format!(
            "betweenSyncs().then(() => notes.storeFile('text/plain', '{name}', '{text}')).then(() => true)"
        ));
        assert_eq!(stored, true, "{name}");
    }

    /// Waits until a text is what the app reads.
    #[track_caller]
    fn reads(&self, name: &str, text: &str) {
        self.holds(&format!(
            "notes.getFile('{name}').then(file => file && file.data === '{text}' || false)"
        ));
    }
}

/// Waits until the node holds this.
#[track_caller]
fn node_holds(node: &Daemon, path: &str, text: Option<&str>) {
    eventually(DEADLINE, || {
        let (_, found, _) = cairn_given(&node.home, &["get", path, "-"], "");
        (found == text.unwrap_or_default())
            .then_some(())
            .ok_or_else(|| format!("{path}: {found:?}"))
    });
}

fn an_app_stores_lists_reads_updates_and_deletes(test: &str, library: &str) {
    let Some(app) = app(test, library) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(folder.path(), &[]);
    let Some(person) = Person::connect(test, &app, &node) else {
        return;
    };
    // Names that have to be encoded come through, too.
    for (name, text) in [("a.txt", "first"), ("sub/ä +%23.txt", "second")] {
        person.store(name, text);
        person.reads(name, text);
        node_holds(&node, &format!("/private/notes/{name}"), Some(text));
    }
    let listing = person.value("notes.getListing('').then(listing => Object.keys(listing).sort())");
    assert_eq!(listing, json!(["a.txt", "sub/"]));
    person.store("a.txt", "changed");
    node_holds(&node, "/private/notes/a.txt", Some("changed"));
    // Bytes are bytes.
    let bytes = "new Uint8Array(256).map((_, at) => at).buffer";
    let stored = person.value(&format!(
        "betweenSyncs().then(() => notes.storeFile('application/octet-stream; charset=binary', 'bytes', {bytes})).then(() => true)"
    ));
    assert_eq!(stored, true);
    let file = folder.path().join("bytes");
    eventually(DEADLINE, || {
        let (code, _, said) = cairn_given(
            &node.home,
            &["get", "/private/notes/bytes", file.to_str().unwrap()],
            "",
        );
        (code == 0).then_some(()).ok_or(said)
    });
    assert_eq!(std::fs::read(&file).unwrap(), (0..=255).collect::<Vec<u8>>());
    // What others write comes.
    cairn_given(&node.home, &["put", "-", "/private/notes/other.txt"], "by hand");
    person.reads("other.txt", "by hand");
    // A module that somebody published.
    let stored = person.value(
        "betweenSyncs().then(() => storage.bookmarks.archive.store({ url: 'http://cairn.example/', title: 'Stones', tags: ['way'] })).then(() => true)",
    );
    assert_eq!(stored, true);
    eventually(DEADLINE, || {
        let (code, _, said) = cairn_given(&node.home, &["ls", "/private/bookmarks/archive/"], "");
        (code == 0).then_some(()).ok_or(said)
    });
    person.holds(
        "storage.bookmarks.archive.getAll(false).then(all => all.length === 1 && all[0].title === 'Stones')",
    );
    // Gone here and there.
    assert_eq!(person.value("notes.remove('a.txt').then(() => true)"), true);
    node_holds(&node, "/private/notes/a.txt", None);
    person.holds("notes.getListing('').then(listing => !('a.txt' in listing))");

    // Offline the app goes on; back again, what it did arrives.
    person.browser.set_offline(true);
    person.holds("!online");
    person.store("offline.txt", "written offline");
    person.reads("offline.txt", "written offline");
    person.browser.set_offline(false);
    person.holds("online");
    node_holds(&node, "/private/notes/offline.txt", Some("written offline"));
    assert_eq!(
        person.value("errors.filter(error => !/offline|network|fetch/i.test(error))"),
        json!([])
    );
}

#[test]
fn the_published_library_stores_lists_reads_updates_and_deletes() {
    an_app_stores_lists_reads_updates_and_deletes(
        "the_published_library_stores_lists_reads_updates_and_deletes",
        LIBRARIES[0],
    );
}

#[test]
fn the_next_library_stores_lists_reads_updates_and_deletes() {
    an_app_stores_lists_reads_updates_and_deletes(
        "the_next_library_stores_lists_reads_updates_and_deletes",
        LIBRARIES[1],
    );
}

#[test]
fn two_browsers_at_two_nodes_see_one_anothers_changes_and_conflicts() {
    let test = "two_browsers_at_two_nodes_see_one_anothers_changes_and_conflicts";
    let Some(app) = app(test, LIBRARIES[0]) else {
        return;
    };
    let space = Space::new(2, "tcp://127.0.0.1:0");
    let people: Option<Vec<Person>> = space
        .nodes
        .iter()
        .map(|node| Person::connect(test, &app, node))
        .collect();
    let Some([ada, ben]) = people.as_deref() else {
        return;
    };
    ada.store("shared.txt", "from Ada");
    ben.reads("shared.txt", "from Ada");
    ben.store("shared.txt", "from Ben");
    ada.reads("shared.txt", "from Ben");
    ben.holds("changes.some(change => change.origin === 'remote' && change.newValue === 'from Ada')");

    // Both change it, and Ada's app cannot tell the node in time: the library says so to the app, and takes what is there.
    ada.browser.set_offline(true);
    ada.holds("!online");
    ada.store("shared.txt", "Ada, offline");
    ben.store("shared.txt", "Ben, meanwhile");
    node_holds(
        &space.nodes[0],
        "/private/notes/shared.txt",
        Some("Ben, meanwhile"),
    );
    ada.browser.set_offline(false);
    ada.holds(
        "changes.some(change => change.origin === 'conflict' && change.oldValue === 'Ada, offline' && change.newValue === 'Ben, meanwhile')",
    );
    ada.reads("shared.txt", "Ben, meanwhile");
    space.in_step(DEADLINE);
    // An app that resolves it otherwise writes its own again.
    ada.store("shared.txt", "both");
    ben.reads("shared.txt", "both");
}
