//! A real node is recorded, and the real simulator does the same again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cairn::model::codec;
use cairn::record::{Given, Reader, Record, Writer};
use cairn_tests::{Daemon, RUN_ON_LOOPBACK, Random, Space, cairn, cairn_fails, simulator};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `cairn-sim replay`, and gives whether it succeeded and its lines of JSON.
fn replay(file: &Path, args: &[&str]) -> (bool, Vec<Value>) {
    let mut command = Command::new(simulator());
    let output = command
        .arg("replay")
        .arg(file)
        .arg("--json")
        .args(args)
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code().is_some_and(|code| code < 2) && said.is_empty(),
        "{said}"
    );
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output.status.success(), lines)
}

fn records(file: &Path) -> Vec<Record> {
    let mut reader = Reader::new(std::fs::File::open(file).unwrap()).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// Everything that is in a recording, unpacked.
fn unpacked(file: &Path) -> Vec<u8> {
    records(file).iter().flat_map(codec::encode).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|found| found == part)
}

#[test]
fn a_recorded_node_is_replayed_by_the_simulator() {
    // Built before a node is away: its neighbours would try ever more seldom.
    simulator();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (first, second) = (file("first"), file("second"));
    let mut space = Space::with(2, |index| match index {
        0 => vec!["--record".into(), first.to_str().unwrap().into()],
        _ => Vec::new(),
    });
    let mut random = Random(7);
    let marker = random.bytes(24);
    let http = [space.nodes[0].http(), space.nodes[1].http()];
    let token = cairn(&space.nodes[0].home, &["token", "new", "--scope", "*:rw"]);
    for (number, len) in [20, 3000, 100_000, 3_000_000].into_iter().enumerate() {
        for (at, http) in http.iter().enumerate() {
            let body = [marker.as_slice(), &random.bytes(len)].concat();
            http.store(&format!("/notes/{at}/{number}"), &body);
            http.store("/notes/both", &body);
        }
    }
    http[0].delete("/notes/0/1").unwrap();
    space.in_step(DEADLINE);
    let listen = space.nodes[0].listen().swap_remove(0);
    space.nodes[0].terminate();

    let mode = std::fs::metadata(&first).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (same, lines) = replay(&first, &[]);
    let whole = lines.last().unwrap();
    assert!(same && whole["same"] == true, "{lines:?}");
    let steps = whole["steps"].as_u64().unwrap();
    assert!(steps > 40, "{whole}");
    assert_eq!(whole["node"], space.nodes[0].status["node"]);
    assert_eq!(whole["ending"], "the recording ends: the node was stopped");

    let (_, lines) = replay(&first, &["--from", "5", "--steps", "3"]);
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["step"].as_u64()).collect();
    assert_eq!(numbers, [5, 6, 7]);

    // What must not be in it: contents, the device's key, tokens.
    let key = std::fs::read(space.nodes[0].home.join("device.key")).unwrap();
    let all = unpacked(&first);
    assert!(holds(&all, b"/private/notes/both"));
    let raw = data_encoding::HEXLOWER.decode(key.trim_ascii()).unwrap();
    let secrets = [&key[..32], &raw[..16], &marker[..16], token.trim().as_bytes()];
    for part in secrets {
        assert!(!holds(&all, part) && !holds(&std::fs::read(&first).unwrap(), part));
    }

    // A file that is there already stays as it is.
    let home = space.nodes[0].home.clone();
    let record = ["--record", first.to_str().unwrap()];
    let (code, said) = cairn_fails(&home, &[&RUN_ON_LOOPBACK[..], &record].concat());
    assert!(code == 1 && said.contains("is not empty"), "{code}: {said}");

    // A second run begins with what the first left, and ends without a word.
    let record = ["--record", second.to_str().unwrap(), "--listen", &listen];
    space.nodes[0] = Daemon::start(&home, &record);
    space.nodes[0].http().store("/notes/after", &marker);
    space.in_step(DEADLINE);
    space.nodes[0].kill();
    let (same, lines) = replay(&second, &[]);
    assert!(same, "{lines:?}");
    assert!(lines.last().unwrap()["steps"].as_u64().unwrap() > 10, "{lines:?}");

    // Somebody changes what the node was given.
    let mut all = records(&first);
    let mut step = 0;
    for record in &mut all {
        if let Record::Given(_, _, given) = record {
            step += 1;
            if let Given::Announced(..) | Given::StorageFree(_) = given {
                continue;
            }
            if step > steps / 2 && *given != Given::Timer {
                *given = Given::Timer;
                break;
            }
        }
    }
    let changed = file("changed");
    let mut writer = Writer::new(std::fs::File::create(&changed).unwrap()).unwrap();
    for record in &all {
        writer.write(record).unwrap();
    }
    let (same, lines) = replay(&changed, &[]);
    let whole = lines.last().unwrap();
    assert!(
        !same && whole["difference_at"].as_u64().is_some_and(|at| at >= step),
        "{whole}"
    );
    // The step itself is shown.
    assert_eq!(lines[0]["step"], whole["difference_at"]);
}
