//! Nodes that have nothing but a LoRa radio: the real program, its real drivers, and virtual modems on ptys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use cairn_sim::modem::{Command, Fleet, FleetConfig};
use cairn_tests::{Daemon, Random, cairn, cairn_fails, eventually};
use cairn_transports::lora::modem::ModemKind;
use serde_json::Value;

/// Modules that cannot listen before they talk, and a machine that does other things as well: long enough for both.
const DEADLINE: Duration = Duration::from_secs(400);

/// Nodes of one owner, each with a modem and no other link.
struct Valley {
    kind: ModemKind,
    nodes: Vec<Daemon>,
    modems: Fleet,
    folder: tempfile::TempDir,
}

impl Valley {
    fn new(kind: ModemKind, count: usize, loss: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = FleetConfig {
            seed: 7,
            loss,
            links: Some(folder.path().to_owned()),
            ..FleetConfig::new(kind, count)
        };
        let modems = Fleet::start(config).unwrap();
        let mut valley = Self {
            kind,
            nodes: Vec::new(),
            modems,
            folder,
        };
        for index in 0..count {
            let home = valley.folder.path().join(format!("node{index}"));
            if let Some(first) = valley.nodes.first() {
                // An address where nobody is: the radio is the only way.
                first.invite(&home, &["--address", "tcp://127.0.0.1:1"]);
            }
            let node = valley.start(index);
            valley.nodes.push(node);
        }
        valley
    }

    fn start(&self, index: usize) -> Daemon {
        let port = self.modems.paths()[index].to_str().unwrap();
        // Where nothing limits the airtime, and as fast as it goes: the test waits for real time.
        let (option, value) = match self.kind {
            ModemKind::E22 => ("--air-rate", "62500"),
            _ => ("--sf", "7"),
        };
        let kind = self.kind.name();
        let args = [
            "--lora", port, "--modem", kind, "--region", "IN865", option, value,
        ];
        let home = self.folder.path().join(format!("node{index}"));
        Daemon::start(&home, &args)
    }

    fn put(&self, node: usize, name: &str, bytes: &[u8]) {
        self.put_at(node, &format!("/private/notes/{name}"), bytes);
    }

    fn put_at(&self, node: usize, path: &str, bytes: &[u8]) {
        let file = self.folder.path().join("file");
        std::fs::write(&file, bytes).unwrap();
        cairn(&self.nodes[node].home, &["put", file.to_str().unwrap(), path]);
    }

    /// Waits until all nodes hold the same, payloads included.
    fn in_step(&self) {
        self.in_step_among(self.nodes.len());
    }

    /// Likewise, of the first ones.
    fn in_step_among(&self, count: usize) {
        eventually(DEADLINE, || {
            let all: Vec<Value> = self.nodes[..count].iter().map(Daemon::status).collect();
            let same = |key: &str| all.iter().all(|status| status[key] == all[0][key]);
            let complete = all.iter().all(|status| status["incomplete"] == 0);
            if same("clock_digest") && same("documents") && same("bytes") && complete {
                return Ok(());
            }
            // Each question is a process: asked too often they take the nodes' time.
            std::thread::sleep(Duration::from_millis(500));
            Err(all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
    }

    /// Waits until the first node's modem has sent more than so many frames from now on.
    fn sends(&self, frames: u64) {
        let sent = || self.modems.statistics().unwrap()[0].frames_sent;
        let from = sent();
        eventually(DEADLINE, || {
            (sent() > from + frames)
                .then_some(())
                .ok_or_else(|| format!("{}: sending {frames} frames", self.kind))
        });
    }

    fn holds(&self, name: &str, bytes: &[u8]) {
        let path = format!("/private/notes/{name}");
        for node in &self.nodes {
            let file = self.folder.path().join("got");
            cairn(&node.home, &["get", &path, file.to_str().unwrap()]);
            assert!(std::fs::read(&file).unwrap() == bytes, "{path} differs");
        }
    }
}

fn keep_in_step(kind: ModemKind) {
    let valley = Valley::new(kind, 3, 0.1);
    valley.put(0, "a", b"from the first");
    valley.put(1, "b", b"from the second");
    valley.in_step();
    let long = Random(1).bytes(3000);
    valley.put(2, "long", &long);
    valley.put(0, "a", b"written again");
    cairn(&valley.nodes[1].home, &["rm", "/private/notes/b"]);
    valley.in_step();
    valley.holds("long", &long);
    valley.holds("a", b"written again");
    for node in &valley.nodes {
        let status = node.status();
        assert_eq!(status["radio"]["online"], true, "{status}");
        let mut peers = status["peers"].as_array().unwrap().iter();
        let heard = peers
            .find(|peer| peer["heard_by_radio"] == true)
            .expect("somebody is heard");
        assert_eq!(heard["transport"], "lora", "{heard}");
        assert_eq!(heard["link"], status["radio"]["port"], "{heard}");
    }
}

/// Each kind of modem in a valley of its own, all at the same time: most of it is waiting.
fn with_every_modem(test: impl Fn(ModemKind) + Sync) {
    std::thread::scope(|scope| {
        for kind in ModemKind::ALL {
            let test = &test;
            scope.spawn(move || test(kind));
        }
    });
}

#[test]
fn three_nodes_keep_a_space_in_step_with_loss() {
    with_every_modem(keep_in_step);
}

#[test]
fn what_the_ends_cannot_hear_goes_over_the_middle() {
    with_every_modem(|kind| {
        let valley = Valley::new(kind, 3, 0.1);
        valley.modems.command(Command::Reach(0, 2, false)).unwrap();
        valley.put(0, "a", b"from one end");
        valley.put(2, "c", b"from the other end");
        valley.in_step();
        valley.holds("c", b"from the other end");
    });
}

#[test]
fn a_killed_process_an_unplugged_modem_and_a_reset_lose_nothing() {
    with_every_modem(|kind| {
        let mut valley = Valley::new(kind, 2, 0.0);
        let long = Random(2).bytes(9_000);
        valley.put(0, "before", b"so that they know one another");
        valley.in_step();
        valley.put(0, "long", &long);
        // In the middle of the transfer, three times.
        valley.sends(8);
        valley.modems.command(Command::Unplug(0)).unwrap();
        valley.put(0, "during", b"while the modem is away");
        valley.modems.command(Command::Plug(0)).unwrap();
        valley.sends(4);
        valley.modems.command(Command::Reset(1)).unwrap();
        valley.nodes[1].kill();
        let again = valley.start(1);
        valley.nodes[1] = again;
        valley.in_step();
        valley.holds("long", &long);
        valley.holds("during", b"while the modem is away");
    });
}

#[test]
fn a_revoked_device_hears_nothing_more_of_what_the_others_write() {
    let mut valley = Valley::new(ModemKind::Rnode, 3, 0.05);
    valley.put_at(2, "/public/notes/before", b"by the one that will be lost");
    valley.in_step();
    let lost = valley.nodes[2].status();
    let id = lost["node"].as_str().unwrap();
    cairn(&valley.nodes[0].home, &["revoke", id]);
    // Who has not heard of it writes with the key from before.
    eventually(DEADLINE, || {
        let peers = cairn(&valley.nodes[1].home, &["peers", "--json"]);
        let parsed: Value = serde_json::from_str(&peers).unwrap();
        let mut peers_of_it = parsed.as_array().unwrap().iter();
        let knows = peers_of_it.any(|peer| peer["node"] == id && peer["revoked"] == true);
        std::thread::sleep(Duration::from_millis(500));
        knows.then_some(()).ok_or(peers)
    });
    valley.put_at(0, "/public/notes/after", b"for those who remain");
    valley.put_at(1, "/private/notes/after", b"for those who remain");
    valley.in_step_among(2);
    // The keys are found again after a start, with what was heard.
    valley.nodes[1].kill();
    let again = valley.start(1);
    valley.nodes[1] = again;
    valley.put_at(0, "/public/notes/more", b"for those who remain");
    valley.in_step_among(2);
    for node in &valley.nodes[..2] {
        for path in [
            "/public/notes/after",
            "/private/notes/after",
            "/public/notes/more",
        ] {
            assert_eq!(cairn(&node.home, &["get", path]), "for those who remain");
        }
    }
    // It heard all of that, and understood none of it.
    let after = valley.nodes[2].status();
    for key in ["clock_digest", "documents", "bytes"] {
        assert_eq!(after[key], lost[key], "{key}: {after}");
    }
    let foreign = |status: &Value| status["radio"]["frames_foreign"].as_u64().unwrap();
    assert!(foreign(&after) > foreign(&lost), "{after}");
}

#[test]
fn a_long_document_comes_when_somebody_asks_for_it() {
    let mut valley = Valley::new(ModemKind::Rnode, 2, 0.0);
    valley.nodes[1].kill();
    let home = valley.folder.path().join("node1");
    let file = "[lora]\nport = \"x\"\npayload_size_max = \"8 KiB\"\n";
    std::fs::write(home.join("cairn.toml"), file).unwrap();
    valley.nodes[1] = valley.start(1);
    let long = Random(2).bytes(9_000);
    valley.put(0, "long", &long);
    let node = &valley.nodes[1];
    let path = "/private/notes/long";
    let price = || -> Value { serde_json::from_str(&cairn(&home, &["fetch", path, "--json"])).unwrap() };
    // The entry comes by itself, and says who has the rest.
    eventually(DEADLINE, || match node.status() {
        status if status["incomplete"] == 1 && price()["radios"][0]["ask"][0].is_string() => Ok(()),
        status => {
            std::thread::sleep(Duration::from_millis(500));
            Err(status.to_string())
        }
    });
    let told = price();
    assert_eq!(told["bytes"], 9_000, "{told}");
    // Sealed and padded it is somewhat longer.
    let lacking = told["bytes_lacking"].as_u64().unwrap();
    assert!((9_000..9_500).contains(&lacking), "{told}");
    assert_eq!(
        (&told["unasked"], &told["requested"]),
        (&false.into(), &false.into())
    );
    assert!(
        told["radios"][0]["airtime_ms"].as_u64().unwrap() > 5_000,
        "{told}"
    );
    let listed = cairn(&home, &["ls", "/private/notes"]);
    assert!(listed.contains("not here"), "{listed}");
    let (code, said) = cairn_fails(&home, &["get", path]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("cairn fetch {path}")), "{said}");
    // Without a terminal only --yes asks for it.
    assert!(cairn(&home, &["fetch", path]).contains("By radio: "));
    assert_eq!(node.status()["requested"], 0);
    cairn(&home, &["fetch", path, "--yes"]);
    valley.in_step();
    valley.holds("long", &long);
    assert!(cairn(&home, &["fetch", path]).contains("is here"));
    assert_eq!(cairn_fails(&home, &["fetch", "/private/notes/none"]).0, 3);
    assert!(home.join("senders.record").exists());
}

#[test]
fn every_modem_is_recognised_at_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let fleets: Vec<Fleet> = ModemKind::ALL
        .into_iter()
        .map(|kind| Fleet::start(FleetConfig::new(kind, 1)).unwrap())
        .collect();
    for (fleet, kind) in fleets.iter().zip(ModemKind::ALL) {
        let port = fleet.paths()[0].to_str().unwrap();
        let found: Value =
            serde_json::from_str(&cairn(folder.path(), &["modem", "probe", "--json", port])).unwrap();
        assert_eq!(found[0]["modem"], kind.name(), "{found}");
        assert_eq!(found[0]["port"], port);
    }
    let (code, said) = cairn_fails(folder.path(), &["modem", "probe", "/dev/null", "/no/such/port"]);
    assert_eq!(code, 1);
    assert!(said.contains("no modem was found"), "{said}");
}

#[test]
fn a_modem_that_nobody_named_is_found_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(FleetConfig::new(ModemKind::Rylr, 1)).unwrap();
    let port = fleet.paths()[0].to_str().unwrap();
    let mut node = Daemon::start(folder.path(), &["--lora", port, "--region", "EU868"]);
    let on_air = |node: &Daemon| {
        eventually(DEADLINE, || {
            let radio = node.status()["radio"].take();
            (radio["online"] == true)
                .then(|| radio.clone())
                .ok_or_else(|| radio.to_string())
        })
    };
    assert!(on_air(&node)["modem"].as_str().unwrap().contains("RYLR"));
    node.kill();
    // Told once by the command line, or by the file.
    let file = format!("[lora]\nport = \"{port}\"\n");
    std::fs::write(folder.path().join("cairn.toml"), file).unwrap();
    let node = Daemon::start(folder.path(), &[]);
    assert_eq!(on_air(&node)["port"], port);
}

#[test]
fn a_radio_that_others_used_has_used_all_its_airtime() {
    let fleet = Fleet::start(FleetConfig::new(ModemKind::Rnode, 2)).unwrap();
    let shares = [&["--airtime-used"][..], &[]]
        .into_iter()
        .zip(fleet.paths())
        .map(|(told, port)| {
            let folder = tempfile::tempdir().unwrap();
            let radio = ["--lora", port.to_str().unwrap(), "--region", "EU868"];
            let node = Daemon::start(folder.path(), &[&radio[..], told].concat());
            eventually(DEADLINE, || {
                let radio = node.status()["radio"].take();
                let (used, allowed) = (&radio["window_used_ms"], &radio["window_allowed_ms"]);
                used.as_u64()
                    .zip(allowed.as_u64())
                    .ok_or_else(|| radio.to_string())
            })
        });
    let [(used, allowed), (little, _)] = shares.collect::<Vec<_>>()[..] else {
        panic!("two radios");
    };
    assert_eq!(used, allowed);
    assert!(little < allowed / 10, "{little} of {allowed} ms");
}

#[test]
fn a_port_without_a_modem_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "--no-mdns", "--http", "127.0.0.1:0", "--lora", "/dev/null"];
    let (code, said) = cairn_fails(folder.path(), &args);
    assert_eq!(code, 1);
    assert!(said.contains("--region"), "{said}");
    let (_, said) = cairn_fails(folder.path(), &[&args[..], &["--region", "EU868"]].concat());
    assert!(said.contains("nothing at /dev/null answers"), "{said}");
}

#[test]
fn a_test_shows_how_well_each_hears_the_other() {
    let mut valley = Valley::new(ModemKind::Rnode, 2, 0.0);
    // Both have heard of one another.
    valley.put(0, "a", b"some");
    valley.in_step();
    let mut caller = valley.nodes.remove(0);
    caller.terminate();
    let port = valley.modems.paths()[0].to_str().unwrap();
    let options = ["--region", "IN865", "--sf", "7", "--count", "2", "--json"];
    let said = cairn(&caller.home, &[&["modem", "test", port], &options[..]].concat());
    let events: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "online", "{said}");
    let answer = events
        .iter()
        .find(|event| event["event"] == "answer")
        .expect(&said);
    for strength in ["rssi_dbm", "there_rssi_dbm", "snr_db", "there_snr_db"] {
        assert!(answer[strength].is_number(), "{answer}");
    }
}
