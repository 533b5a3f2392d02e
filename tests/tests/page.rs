//! The node's web page in a real browser, used as a person uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use cairn_sim::modem::{Fleet, FleetConfig};
use cairn_tests::{
    Browser, Daemon, Http, Pair, Random, WebSite, cairn, cairn_given, eventually, percent_encode,
};
use cairn_transports::lora::modem::ModemKind;
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const PASSPHRASE: &str = "correct horse & battery";
const ENTER: char = '\u{e007}';
const TAB: char = '\u{e004}';
const ESCAPE: char = '\u{e00c}';
const ACCESSIBLE: &str = include_str!("page/accessible.js");

/// A browser with the page of a node.
struct Person {
    browser: Browser,
    base: String,
}

impl Person {
    /// Opens the page. `None`, said loudly in the name of `test`: there is no browser.
    fn open(test: &str, node: &Daemon) -> Option<Self> {
        let browser = Browser::start(test)?;
        let (code, _, said) = cairn_given(&node.home, &["passwd"], PASSPHRASE);
        assert_eq!(code, 0, "{said}");
        let base = format!("http://{}", node.status["http"].as_str().unwrap());
        browser.visit(&base);
        let person = Self { browser, base };
        person.is_at("Sign in to your node");
        Some(person)
    }

    /// Opens the page and signs in by typing.
    fn sign_in(test: &str, node: &Daemon) -> Option<Self> {
        let person = Self::open(test, node)?;
        person.browser.type_text(PASSPHRASE);
        person.browser.press(ENTER);
        person.is_at("Files");
        Some(person)
    }

    /// Waits until an expression of the page holds.
    #[track_caller]
    fn holds(&self, expression: &str) {
        eventually(DEADLINE, || {
            let value = self.browser.run(&format!("return {expression}"));
            if value == true {
                return Ok(());
            }
            let body = self.browser.run("return document.body.innerText");
            Err(format!(
                "{expression}: {value} on the page\n{}\n{:?}",
                body.as_str().unwrap_or_default(),
                self.browser.complaints()
            ))
        });
    }

    /// Waits until a part with this heading is shown whole.
    #[track_caller]
    fn is_at(&self, heading: &str) {
        self.holds(&format!(
            "document.querySelector('h1')?.textContent === {} && !document.querySelector('[aria-busy]')",
            json!(heading)
        ));
    }

    /// Waits until a text is to be seen.
    #[track_caller]
    fn sees(&self, text: &str) {
        self.holds(&format!("document.body.innerText.includes({})", json!(text)));
    }

    #[track_caller]
    fn sees_no_more(&self, text: &str) {
        self.holds(&format!(
            "!document.getElementById('main').innerText.includes({})",
            json!(text)
        ));
    }

    /// Waits for a button or link with this text, of the dialogue if one is open, and clicks on it.
    #[track_caller]
    fn click(&self, text: &str) {
        self.holds(&format!(
            "(() => {{
                document.querySelectorAll('[data-chosen]').forEach(one => one.removeAttribute('data-chosen'));
                const within = document.querySelector('dialog[open]') ?? document;
                const found = [...within.querySelectorAll('a, button')].find(one => one.textContent.trim() === {});
                found?.setAttribute('data-chosen', '');
                found?.scrollIntoView({{ block: 'center' }});
                return found !== undefined;
            }})()",
            json!(text)
        ));
        self.browser.click("[data-chosen]", 0, 0);
    }

    /// Types into the field with this label, in place of what is in it.
    #[track_caller]
    fn fill(&self, label: &str, text: &str) {
        self.holds(&format!(
            "(() => {{
                const found = [...document.querySelectorAll('label')].find(one => one.textContent === {});
                found?.control.focus();
                found?.control.select();
                return found !== undefined;
            }})()",
            json!(label)
        ));
        self.browser.type_text(text);
    }

    fn goes_to(&self, part: &str) {
        self.click(part);
        self.is_at(part);
    }

    /// What the page would be stumbled over for.
    fn complaints(&self) -> Value {
        self.browser.run(ACCESSIBLE)
    }
}

/// What the browser itself complained of, but for answers that the page shows to its reader.
fn serious(browser: &Browser) -> Vec<String> {
    let complaints = browser.complaints().into_iter();
    let expected = ["status of 403", "status of 412", "status of 429", "status of 401"];
    complaints
        .filter(|complaint| !expected.iter().any(|part| complaint.contains(part)))
        .collect()
}

#[test]
fn files_go_up_with_progress_and_come_down_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let Some(person) = Person::sign_in("files_go_up_with_progress_and_come_down_and_go", &node) else {
        return;
    };
    person.sees("Nothing is here.");
    let (long, short) = (
        folder.path().join("long ä+%.bin"),
        folder.path().join("<b>short.txt"),
    );
    let bytes = Random(1).bytes(24 * 1024 * 1024);
    std::fs::write(&long, &bytes).unwrap();
    std::fs::write(&short, "a text").unwrap();
    person.browser.run(
        "window.seen = [];
         new MutationObserver(() => window.seen.push(document.querySelector('progress').value))
            .observe(document.getElementById('uploads'), { subtree: true, attributes: true, attributeFilter: ['value'] });",
    );
    // A folder that is none is refused before anything is sent.
    person.browser.choose_files("input[type=file]", &[&long, &short]);
    person.fill("Into the folder", "/private/");
    person.click("Upload");
    person.sees("A document lies in a module");
    person.fill("Into the folder", "/private/maps/../secret/");
    person.click("Upload");
    person.sees("A folder cannot be called");
    person.browser.limit_uploads(8 * 1024 * 1024);
    person.fill("Into the folder", "/private/maps/alps/");
    person.click("Upload");
    person.holds("document.querySelectorAll('#uploads .state').length === 2");
    person.sees("% of 24.0 MiB");
    assert_eq!(person.complaints(), json!([]));
    person.holds(
        "[...document.querySelectorAll('#uploads .state')].every(one => one.textContent === 'Uploaded')",
    );
    person.holds("window.seen.filter(value => value > 0 && value < 1).length >= 2");
    person.holds("document.getElementById('said').textContent === '2 files uploaded.'");
    person.browser.limit_uploads(-1);
    assert_eq!(
        cairn(&node.home, &["get", "/private/maps/alps/<b>short.txt"]),
        "a text"
    );

    // Cancelled in the middle, nothing is stored.
    person.browser.limit_uploads(1024 * 1024);
    person.browser.choose_files("input[type=file]", &[&long]);
    person.fill("Into the folder", "/private/cancelled/");
    person.click("Upload");
    person.sees("% of 24.0 MiB");
    person.click("Cancel long ä+%.bin");
    person.sees("Cancelled");
    person.browser.limit_uploads(-1);
    assert_eq!(
        node.http().get("/cancelled/").unwrap().1,
        node.http().get("/none/").unwrap().1
    );

    // By the folders to what was uploaded.
    person.click("All");
    person.is_at("Files");
    for (link, heading) in [
        ("private/", "/private/"),
        ("maps/", "/private/maps/"),
        ("alps/", "/private/maps/alps/"),
    ] {
        person.click(link);
        person.is_at(heading);
    }
    person.sees("<b>short.txt");
    person.sees("24.0 MiB");
    assert_eq!(person.complaints(), json!([]));
    person.click("Download long ä+%.bin");
    // The browser replaces what its own files may not be called.
    let came = eventually(DEADLINE, || {
        let came = person.browser.download("long ä+%.bin");
        came.exists().then_some(came).ok_or_else(|| {
            let parent = person.browser.download("");
            format!("{:?}", std::fs::read_dir(parent).unwrap().collect::<Vec<_>>())
        })
    });
    eventually(DEADLINE, || {
        let read = std::fs::read(&came).unwrap();
        (read == bytes)
            .then_some(())
            .ok_or_else(|| format!("{} bytes", read.len()))
    });

    // What is there is not replaced unasked, long or short.
    person.click("Clear the list");
    std::fs::write(&short, "another text").unwrap();
    person.browser.choose_files("input[type=file]", &[&long, &short]);
    person.click("Upload");
    person.holds("document.querySelectorAll('#uploads li button').length === 4");
    assert_eq!(
        cairn(&node.home, &["get", "/private/maps/alps/<b>short.txt"]),
        "a text"
    );
    person.click("Replace it <b>short.txt");
    person.click("Leave it long ä+%.bin");
    person.sees("Not uploaded");
    eventually(DEADLINE, || {
        let text = cairn(&node.home, &["get", "/private/maps/alps/<b>short.txt"]);
        (text == "another text").then_some(()).ok_or(text)
    });

    // Deleted only after a yes, and only what was seen.
    person.click("Delete <b>short.txt");
    person.click("Cancel");
    person.click("Delete <b>short.txt");
    node.http()
        .store("/maps/alps/%3Cb%3Eshort.txt", b"changed meanwhile");
    person.click("Delete");
    person.sees("It was changed meanwhile");
    person.click("Close");
    person.click("Delete <b>short.txt");
    person.click("Delete");
    person.sees_no_more("<b>short.txt");
    assert_eq!(node.http().get("/maps/alps/%3Cb%3Eshort.txt").unwrap().0, 404);
    person.holds("document.activeElement.tagName === 'H1'");
    assert_eq!(serious(&person.browser), Vec::<String>::new());

    // Signed out, the session is worth nothing.
    let session = person
        .browser
        .run("return sessionStorage.getItem('cairn-session')");
    assert_eq!(
        node.http()
            .with_token(session.as_str().unwrap())
            .get("/maps/")
            .unwrap()
            .0,
        200
    );
    person.click("Sign out");
    person.sees("You are signed out.");
    assert_eq!(
        person
            .browser
            .run("return sessionStorage.getItem('cairn-session')"),
        Value::Null
    );
    assert_eq!(
        node.http()
            .with_token(session.as_str().unwrap())
            .get("/maps/")
            .unwrap()
            .0,
        401
    );
}

#[test]
fn a_conflict_is_seen_side_by_side_and_resolved() {
    let pair = Pair::new();
    let Some(person) = Person::sign_in("a_conflict_is_seen_side_by_side_and_resolved", &pair.a) else {
        return;
    };
    pair.apart();
    let (a, b) = (pair.a.http(), pair.b.http());
    let same = "line\n".repeat(20);
    for (name, of_a, of_b) in [
        ("todo.txt", "milk for two\n", "milk for <i>six</i>\nbread\n"),
        ("both.txt", "one", "two"),
    ] {
        a.store(&format!("/notes/{name}"), format!("{same}{of_a}").as_bytes());
        b.store(&format!("/notes/{name}"), format!("{same}{of_b}").as_bytes());
    }
    // Pictures are not compared as texts.
    for (http, bytes) in [(&a, [0xff_u8; 4]), (&b, [0xfe; 4])] {
        http.put("/notes/picture", &bytes, &[("Content-Type", "image/png")])
            .unwrap();
    }
    pair.together();
    person.goes_to("Conflicts");
    person.click("/private/notes/picture");
    person.sees("Only texts up to");
    person.sees("image/png");
    person.click("All conflicts");
    person.is_at("Conflicts");

    person.click("/private/notes/todo.txt");
    person.is_at("Versions of /private/notes/todo.txt");
    person.sees("Version 1, by");
    person.sees("17 equal lines");
    // Both lines beside each other, and what differs in them is marked.
    let marks = "[...document.querySelectorAll('.lines del, .lines ins')].map(one => one.textContent).sort().join('|')";
    let marked = person.browser.run(&format!("return {marks}"));
    assert_eq!(marked, "<i>six</i>|bread|two");
    assert_eq!(person.complaints(), json!([]));
    let second = cairn(
        &pair.a.home,
        &["get", "/private/notes/todo.txt", "--version", "2"],
    );
    person.click("Keep this one version 2");
    person.click("Keep it");
    person.sees("no concurrent versions any more");
    pair.in_step();
    for node in [&pair.a, &pair.b] {
        assert_eq!(cairn(&node.home, &["get", "/private/notes/todo.txt"]), second);
    }

    // Both, under two names.
    person.click("All conflicts");
    person.is_at("Conflicts");
    person.click("/private/notes/both.txt");
    let [first, second] = ["1", "2"].map(|version| {
        cairn(
            &pair.a.home,
            &["get", "/private/notes/both.txt", "--version", version],
        )
    });
    person.click("Keep as another document version 2");
    person.click("Keep both");
    person.sees("no concurrent versions any more");
    let listed: Value =
        serde_json::from_str(&cairn(&pair.a.home, &["ls", "/private/notes", "--json"])).unwrap();
    let copy = listed
        .as_array()
        .unwrap()
        .iter()
        .find_map(|item| item["name"].as_str().filter(|name| name.starts_with("both (")))
        .expect("the other");
    assert_eq!(cairn(&pair.a.home, &["get", "/private/notes/both.txt"]), first);
    assert_eq!(
        cairn(&pair.a.home, &["get", &format!("/private/notes/{copy}")]),
        second
    );
    assert_eq!(serious(&person.browser), Vec::<String>::new());
}

#[test]
fn neighbours_pending_tokens_and_devices() {
    let pair = Pair::new();
    let Some(person) = Person::sign_in("neighbours_pending_tokens_and_devices", &pair.a) else {
        return;
    };
    person.goes_to("Neighbours");
    person.sees("In step");
    // There is no radio, and nothing is made up about one.
    assert_eq!(pair.a.status["radio"], Value::Null);
    person.sees_no_more("Radio");
    person.sees(pair.b.status["node"].as_str().unwrap().get(..16).unwrap());

    // The page looks by itself.
    pair.apart();
    person.sees("Away");
    person.goes_to("Pending");
    person.sees("Nothing waits");
    pair.a.http().store("/notes/waits", b"text");
    person.sees("1 change for");
    person.sees("/private/notes/waits");
    assert_eq!(person.complaints(), json!([]));
    pair.together();
    person.sees("Nothing waits");

    person.goes_to("Tokens");
    person.fill("Name", "<script>alert(1)</script>");
    person.fill("Module", "notes");
    person.click("Make a token");
    person.sees("It is shown now and never again");
    let token = person
        .browser
        .run("return document.querySelector('textarea').value");
    let app = pair.a.http().with_token(token.as_str().unwrap());
    assert_eq!(app.get("/notes/waits").unwrap().0, 200);
    assert_eq!(app.put("/notes/x", b"x", &[]).unwrap().0, 403);
    assert_eq!(app.get("/photos/").unwrap().0, 403);
    assert_eq!(person.complaints(), json!([]));
    person.click("Remove the token of <script>alert(1)</script>");
    person.click("Remove");
    person.holds("!document.querySelector('tbody').innerText.includes('alert')");
    assert_eq!(app.get("/notes/waits").unwrap().0, 401);

    person.goes_to("Devices");
    person.click("Make an invite");
    person.holds("document.querySelector('svg.qr path')?.getAttribute('d').length > 100");
    let code = person
        .browser
        .run("return document.querySelector('textarea').value");
    let home = pair.scratch("c");
    cairn(&home, &["join", code.as_str().unwrap()]);
    assert_eq!(person.complaints(), json!([]));
    let name = pair.a.status()["peers"][0]["name"].as_str().unwrap().to_owned();
    person.click(&format!("Shut out {name}"));
    person.click("Cancel");
    assert_eq!(pair.a.status()["peers"][0]["revoked"], false);
    person.click(&format!("Shut out {name}"));
    person.click("Shut out for good");
    person.holds("document.querySelectorAll('tbody button').length === 0");
    person.sees("is shut out.");
    assert_eq!(pair.a.status()["peers"][0]["revoked"], true);
    assert_eq!(serious(&person.browser), Vec::<String>::new());
}

#[test]
fn a_folder_is_shared_and_copies_are_kept_by_clicking() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Daemon::start(&folder.path().join(name), &["--user", name]);
    let (ada, ben) = (start("ada"), start("ben"));
    ada.http().store("/shared/photos/garden/roses", b"red");
    let test = "a_folder_is_shared_and_copies_are_kept_by_clicking";
    let Some(person) = Person::sign_in(test, &ada) else {
        return;
    };
    let shown = || {
        let value = person
            .browser
            .run("return document.querySelector('textarea').value");
        value.as_str().unwrap().to_owned()
    };
    person.goes_to("Sharing");
    person.sees("0 shared folders");
    person.sees("First keep the card");
    // Cards are given by hand, each to the other.
    person.click("Show your card");
    person.holds("document.querySelector('textarea')?.value.startsWith('cairncard1')");
    cairn(&ben.home, &["card", "add", &shown()]);
    person.fill("The card", cairn(&ben.home, &["card"]).trim());
    person.fill("Name", "Benjamin");
    person.click("Keep it");
    person.sees("1 card");

    // From the folder to its sharing.
    person.goes_to("Files");
    let mut at = String::from("/");
    for name in ["shared", "photos", "garden"] {
        person.click(&format!("{name}/"));
        at = format!("{at}{name}/");
        person.is_at(&at);
    }
    person.click("Share this folder");
    person.is_at("Sharing");
    assert_eq!(person.complaints(), json!([]));
    person.click("Share");
    person.holds("document.querySelector('textarea')?.value.startsWith('cairnshare1')");
    person.sees("Benjamin, to read");
    assert_eq!(person.complaints(), json!([]));
    let http = ben.http();
    eventually(DEADLINE, || {
        match http.get("/shared/photos/garden/roses").unwrap() {
            (200, body, _) if body == b"red" => Ok(()),
            (status, ..) => Err(status.to_string()),
        }
    });
    person.click("Take away /shared/photos/garden/ from Benjamin");
    person.click("Take away");
    person.sees("is not shared with Benjamin any more");
    person.holds("document.querySelector('tbody').innerText.includes('Nobody')");

    // And Ben keeps copies.
    person.fill("Its id", ben.status["node"].as_str().unwrap());
    person.click("Make a code");
    person.holds("document.querySelector('textarea')?.value.startsWith('cairnhold1')");
    cairn(&ben.home, &["custody", "accept", &shown()]);
    person.sees("Keeps yours");
    eventually(DEADLINE, || {
        let told = cairn(&ada.home, &["custody", "ls", "--json"]);
        told.contains("\"in_step\":true").then_some(()).ok_or(told)
    });
    person.goes_to("Files");
    person.goes_to("Sharing");
    person.sees("Has everything");
    assert_eq!(person.complaints(), json!([]));
    assert_eq!(serious(&person.browser), Vec::<String>::new());
}

#[test]
fn a_user_is_followed_by_clicking() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str| Daemon::start(&folder.path().join(name), &["--user", name]);
    let (ada, ben) = (start("ada"), start("ben"));
    let path = format!("/public/recipes/{}", percent_encode("bread & butter, 100 %"));
    ada.http().store(&path, b"flour");
    ada.http().store("/recipes/secret", b"not for Ben");
    let Some(person) = Person::sign_in("a_user_is_followed_by_clicking", &ben) else {
        return;
    };
    person.goes_to("Following");
    person.sees("0 users");
    person.fill("Card or name", cairn(&ada.home, &["card"]).trim());
    person.click("Follow");
    person.sees("ada is followed");
    eventually(DEADLINE, || {
        let told = cairn(&ben.home, &["follow", "ls", "--json"]);
        let is_here = told.contains("\"documents\":1") && told.contains("\"incomplete\":0");
        is_here.then_some(()).ok_or(told)
    });
    person.click("ada");
    person.sees("Public documents of ada");
    person.sees("1 document");
    assert_eq!(person.complaints(), json!([]));
    // The link leads to the document, for whoever has it.
    let link = person
        .browser
        .run("return document.querySelector('a[download]').href");
    let link = link.as_str().unwrap();
    let (root, below) = link.split_at(link.find("/public/").unwrap());
    Http::new(root, "").reads(below, b"flour");
    person.click("All who are followed");
    person.click("Unfollow ada");
    person.click("Unfollow");
    person.sees("0 users");
    assert_eq!(person.complaints(), json!([]));
    assert_eq!(serious(&person.browser), Vec::<String>::new());
}

/// What is too long for the radio is listed, told the price of, and got when somebody says so.
#[test]
fn a_document_that_is_not_here_is_got_by_radio() {
    let folder = tempfile::tempdir().unwrap();
    let config = FleetConfig {
        links: Some(folder.path().to_owned()),
        ..FleetConfig::new(ModemKind::Rnode, 2)
    };
    let modems = Fleet::start(config).unwrap();
    let homes = ["a", "b"].map(|name| folder.path().join(name));
    let start = |index: usize| {
        let port = modems.paths()[index].to_str().unwrap();
        // Where nothing limits the airtime.
        let args = [
            "--lora", port, "--modem", "rnode", "--region", "IN865", "--sf", "7",
        ];
        Daemon::start(&homes[index], &args)
    };
    let sender = start(0);
    sender.invite(&homes[1], &["--address", "tcp://127.0.0.1:1"]);
    let config = "[lora]\nport = \"x\"\npayload_size_max = \"8 KiB\"\n";
    std::fs::write(homes[1].join("cairn.toml"), config).unwrap();
    let node = start(1);
    let Some(person) = Person::sign_in("a_document_that_is_not_here_is_got_by_radio", &node) else {
        return;
    };
    let bytes = Random(2).bytes(9_000);
    sender.http().store("/notes/long", &bytes);
    // The entry comes by itself, and says who has the rest.
    let somebody_has_it = || {
        let price = cairn(&node.home, &["fetch", "/private/notes/long", "--json"]);
        let price: Value = serde_json::from_str(&price).unwrap();
        price["radios"][0]["ask"][0].is_string()
    };
    eventually(Duration::from_secs(400), || match node.status() {
        status if status["incomplete"] == 1 && somebody_has_it() => Ok(()),
        status => {
            std::thread::sleep(Duration::from_millis(500));
            Err(status.to_string())
        }
    });
    person.goes_to("Pending");
    person.sees("The bytes of 1 document are not here yet.");
    person.browser.run("location.hash = '#/files/private/notes/'");
    person.is_at("/private/notes/");
    person.sees("Not here yet");
    assert_eq!(person.complaints(), json!([]));
    person.click("Get long");
    person.sees("By radio it takes");
    assert_eq!(person.complaints(), json!([]));
    person.click("Cancel");
    assert_eq!(node.status()["requested"], 0);
    person.click("Get long");
    person.click("Get it");
    person.sees("It is asked for.");
    eventually(Duration::from_secs(400), || match node.status() {
        status if status["incomplete"] == 0 => Ok(()),
        status => {
            std::thread::sleep(Duration::from_millis(500));
            Err(status.to_string())
        }
    });
    // The page was open all the while: what it still shows to be away is here by now.
    person.click("Get long");
    person.holds("[...document.querySelectorAll('button')].some(one => one.textContent === 'Download long')");
    person.holds("document.querySelector('dialog') === null");
    assert_eq!(node.http().get("/notes/long").unwrap().1, bytes);
}

/// A node with a radio shows how it is, and when it is gone.
#[test]
fn the_radio_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = FleetConfig {
        links: Some(folder.path().to_owned()),
        ..FleetConfig::new(ModemKind::Rnode, 1)
    };
    let modems = Fleet::start(config).unwrap();
    let port = modems.paths()[0].to_str().unwrap().to_owned();
    let args = ["--lora", &port, "--modem", "rnode", "--region", "EU868"];
    let node = Daemon::start(&folder.path().join("a"), &args);
    let Some(person) = Person::sign_in("the_radio_is_shown", &node) else {
        return;
    };
    person.goes_to("Neighbours");
    person.sees("On the air");
    for text in [
        &*port,
        " MHz",
        " on air",
        "Airtime that the law counts",
        "There are no other nodes yet",
    ] {
        person.sees(text);
    }
    let shown = person
        .browser
        .run("return document.getElementById('main').innerText");
    for odd in ["undefined", "NaN", "null"] {
        assert!(!shown.as_str().unwrap().contains(odd), "{odd} in {shown}");
    }
    assert_eq!(person.complaints(), json!([]));
    drop(modems);
    person.sees("Not on the air: ");
    assert_eq!(person.complaints(), json!([]));
}

#[test]
fn a_wrong_passphrase_is_refused_and_soon_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let Some(person) = Person::open("a_wrong_passphrase_is_refused_and_soon_not_looked_at", &node) else {
        return;
    };
    for _ in 0..5 {
        person.browser.type_text("wrong");
        person.browser.press(ENTER);
        person.holds(
            "document.getElementById('notice').textContent === 'This is not the passphrase. Try again.'",
        );
        // Ready for the next.
        person.holds("document.activeElement.type === 'password' && document.activeElement.value === ''");
        person
            .browser
            .run("document.getElementById('notice').textContent = ''");
    }
    person.browser.type_text(PASSPHRASE);
    person.browser.press(ENTER);
    person.sees("There were too many tries. Try again in");
    let log = node.log();
    assert!(!log.contains(PASSPHRASE) && !log.contains("\"wrong\""), "{log}");

    // Without a passphrase nobody can sign in, and the page says what to do.
    assert_eq!(cairn_given(&node.home, &["passwd", "--remove"], "").0, 0);
    person.browser.visit(&person.base);
    person.is_at("This node has no passphrase yet");
    person.sees("cairn passwd");
    assert_eq!(person.complaints(), json!([]));
}

/// A passphrase that is changed ends what was begun with the old one, wherever the page is.
#[test]
fn a_session_that_has_ended_asks_for_the_passphrase_again() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let test = "a_session_that_has_ended_asks_for_the_passphrase_again";
    let Some(person) = Person::sign_in(test, &node) else {
        return;
    };
    person.goes_to("Tokens");
    // A new start of the page finds the session, and where it was.
    person.browser.run("location.reload()");
    person.is_at("Tokens");
    assert_eq!(cairn_given(&node.home, &["passwd"], "another").0, 0);
    person.click("Neighbours");
    person.is_at("Sign in to your node");
    person.sees("The sign-in has ended.");
    person.browser.type_text("another");
    person.browser.press(ENTER);
    person.is_at("Neighbours");
}

#[test]
fn the_keyboard_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    node.http().store("/notes/a.txt", b"text");
    let Some(person) = Person::open("the_keyboard_is_enough", &node) else {
        return;
    };
    let browser = &person.browser;
    // Another address draws the sign-in anew: nobody types into the one that goes.
    browser.run("document.querySelector('[name=passphrase]').dataset.old = 'yes'");
    browser.visit(&format!("{}/node/#/files/private/notes/", person.base));
    person.holds(
        "document.activeElement.name === 'passphrase' && document.activeElement.dataset.old === undefined",
    );
    // The first stop leads past all that is above.
    browser.type_text(PASSPHRASE);
    browser.press(ENTER);
    person.is_at("/private/notes/");
    person.holds("document.activeElement.tagName === 'H1'");
    let focused = || {
        let name = browser.run(
            "const at = document.activeElement;
             const shown = getComputedStyle(at);
             return [at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent.trim(),
                 at === document.body || shown.outlineStyle !== 'none' && parseFloat(shown.outlineWidth) >= 2];",
        );
        assert_eq!(name[1], true, "the focus is seen at {name}");
        name[0].as_str().unwrap().to_owned()
    };
    let tab_to = |wanted: &str| {
        let mut stops = Vec::new();
        for _ in 0..40 {
            browser.press(TAB);
            let stop = focused();
            if stop == wanted {
                return stops;
            }
            stops.push(stop);
        }
        panic!("no {wanted} among {stops:?}");
    };
    browser.run("document.activeElement.blur(); document.body.tabIndex = -1; document.body.focus()");
    let stops = tab_to("Upload");
    for stop in [
        "Skip to the content",
        "Files",
        "Tokens",
        "Sign out",
        "All",
        "Download a.txt",
        "Delete a.txt",
        "Files",
        "Into the folder",
    ] {
        assert!(stops.iter().any(|one| one == stop), "{stop} among {stops:?}");
    }

    // A dialogue has the focus until it is answered, and gives it back.
    browser.run("document.querySelector('h1').focus()");
    tab_to("Delete a.txt");
    browser.press(ENTER);
    person.holds("document.querySelector('dialog[open]')?.contains(document.activeElement) === true");
    person.holds("document.activeElement.textContent === 'Cancel'");
    assert_eq!(person.complaints(), json!([]));
    browser.press(ESCAPE);
    person.holds("document.querySelector('dialog') === null");
    person.holds("document.activeElement.textContent === 'Delete a.txt'");
    browser.press(ENTER);
    person.holds("document.querySelector('dialog[open]') !== null");
    browser.press(TAB);
    browser.press(ENTER);
    person.sees("Nothing is here.");

    // Skip, and another part.
    browser.run("document.activeElement.blur(); document.body.focus()");
    tab_to("Skip to the content");
    browser.press(ENTER);
    person.holds("document.activeElement.id === 'main'");
    browser.run("document.body.focus()");
    tab_to("Tokens");
    browser.press(ENTER);
    person.is_at("Tokens");
    person.holds("document.activeElement.tagName === 'H1'");
    tab_to("Make a token");
    browser.press(ENTER);
    person.sees("It is shown now and never again");
    tab_to("Copy the token");
}

#[test]
fn every_part_is_accessible_in_light_and_dark_and_on_a_phone() {
    let pair = Pair::new();
    let test = "every_part_is_accessible_in_light_and_dark_and_on_a_phone";
    let Some(person) = Person::open(test, &pair.a) else {
        return;
    };
    assert_eq!(person.complaints(), json!([]), "the sign-in");
    person.browser.type_text(PASSPHRASE);
    person.browser.press(ENTER);
    person.is_at("Files");
    pair.apart();
    for http in [pair.a.http(), pair.b.http()] {
        http.store(
            "/notes/a-rather-long-name-without-a-space-in-it-that-a-phone-has-no-room-for.txt",
            b"x",
        );
    }
    pair.together();
    for (width, dark) in [(1280, false), (1280, true), (360, false)] {
        person.browser.resize(width, 900);
        person.browser.prefer_dark(dark);
        for part in [
            "Files",
            "Sharing",
            "Following",
            "Neighbours",
            "Pending",
            "Conflicts",
            "Devices",
            "Tokens",
        ] {
            person.goes_to(part);
            assert_eq!(
                person.complaints(),
                json!([]),
                "{part}, {width} wide, dark: {dark}"
            );
        }
    }
    // Nothing jumps while the page comes.
    person.browser.visit(&format!("{}/node/#/files/", person.base));
    person.browser.run("location.reload()");
    person.is_at("Files");
    let shift = person.browser.run(
        "let sum = 0;
         const observer = new PerformanceObserver(() => {});
         observer.observe({ type: 'layout-shift', buffered: true });
         observer.takeRecords().filter(one => !one.hadRecentInput).forEach(one => { sum += one.value; });
         return sum;",
    );
    assert!(shift.as_f64().unwrap() < 0.05, "{shift}");
}

/// A page that somebody stored is of the same origin as the node's own: were it not for the sandbox, it would have the session.
#[test]
fn a_stored_page_cannot_use_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let node = Daemon::start(&folder.path().join("a"), &[]);
    let Some(person) = Person::sign_in("a_stored_page_cannot_use_the_session", &node) else {
        return;
    };
    let page = "<!doctype html><title>untouched</title><h1>Stored</h1><script>
        document.title = 'ran';
        const session = sessionStorage.getItem('cairn-session');
        fetch('/storage/me/notes/taken', { method: 'PUT', body: session, headers: { Authorization: 'Bearer ' + session } });
    </script>";
    // Elsewhere it runs: the test would see it.
    let elsewhere = WebSite::serve([(String::new(), page.into())].into());
    person.browser.visit(&elsewhere.url());
    eventually(DEADLINE, || match person.browser.title() {
        title if title == "ran" => Ok(()),
        title => Err(title),
    });
    let media = [("Content-Type", "text/html")];
    let (status, _) = node
        .http()
        .put("/public/site/a.html", page.as_bytes(), &media)
        .unwrap();
    assert_eq!(status, 201);
    // In the very tab that is signed in, opened by itself and within the page.
    person.browser.visit(&format!("{}/node/", person.base));
    person.is_at("Files");
    let stored = "/storage/me/public/site/a.html";
    person.browser.visit(&format!("{}{stored}", person.base));
    assert_eq!(person.browser.title(), "untouched");
    person.browser.visit(&format!("{}/node/", person.base));
    person.is_at("Files");
    // The policy of the page takes no frame, script or markup of others, even if it wanted to.
    person.browser.run(&format!(
        "const frame = document.createElement('iframe');
         frame.src = '{stored}';
         document.body.append(frame);
         const script = document.createElement('script');
         try {{ script.text = 'document.title = \"ran\"'; }} catch {{ window.refused = 1; }}
         document.body.append(script);
         try {{ document.body.insertAdjacentHTML('beforeend', '<b>x</b>'); }} catch {{ window.refused += 1; }}"
    ));
    assert_eq!(person.browser.run("return window.refused"), 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_ne!(person.browser.title(), "ran");
    assert_eq!(node.http().get("/notes/taken").unwrap().0, 404);
    // It is signed in all the while.
    person.goes_to("Tokens");
}
