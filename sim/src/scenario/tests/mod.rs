//! Scenarios that are right, and what people are told of those that are not.

mod fuzz;
mod manual;
mod shipped;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::{NoFiles, Scenario};

/// What goes with an E22 alone.
const E22: &str = "name = \"e22\"\nduration = \"1h\"\n[[nodes]]\nname = \"hat\"\n[radio]\nmodem = \"e22\"\nair_rate_bps = 2400\n";

/// A scenario with every table, every kind and every other key.
const EVERYTHING: &str = include_str!("everything.toml");

#[test]
fn every_key_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/tests");
    let files = super::FilesBeside(folder);
    let scenario =
        Scenario::parse(EVERYTHING, "everything.toml", &files).unwrap_or_else(|all| panic!("{all}"));
    assert_eq!(scenario.faults.len(), 15);
    assert_eq!(scenario.workloads.len(), 7);
    super::keys::SCENARIO.walk(&mut |section| {
        for key in section.every_key() {
            let lines = EVERYTHING.lines().chain(E22.lines());
            let used = lines.filter(|line| !line.starts_with('#')).any(|line| {
                line.split([' ', '[', ']', '{', ',', '.'])
                    .any(|word| word == key.name)
            });
            assert!(used, "{}: {}", section.title, key.name);
        }
    });
}

#[test]
fn an_e22_is_set_to_a_channel_that_it_has() {
    let scenario = Scenario::parse(E22, "e22.toml", &NoFiles).unwrap_or_else(|all| panic!("{all}"));
    let radio = scenario.groups[0].radio.unwrap();
    assert_eq!(radio.modem.channel_hz().0, 867_125_000);
    // It has no 14 dBm, and takes the next lower step.
    assert_eq!(radio.tx_power_dbm, 13.0);
}

#[test]
fn a_small_scenario_is_enough() {
    let text = "name = \"t\"\nduration = \"1h\"\n[[nodes]]\nname = \"hill\"\n";
    assert!(Scenario::parse(text, "t.toml", &NoFiles).is_ok());
}

/// `complaints.txt` holds cases: a title, a text that is wrong, and the very words that are said of it.
#[test]
fn people_are_told_what_is_wrong() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/tests/complaints.txt");
    let expected = fs::read_to_string(path).unwrap();
    let mut found = String::new();
    for case in expected
        .split("\n=== ")
        .map(|case| case.trim_start_matches("=== "))
    {
        let (title, rest) = case.split_once('\n').unwrap_or((case, ""));
        let text = rest.split("\n---\n").next().unwrap_or_default();
        let said = match Scenario::parse(text, "t.toml", &NoFiles) {
            Ok(_) => "nothing".to_owned(),
            Err(problems) => problems.to_string(),
        };
        let _ = write!(found, "=== {title}\n{text}\n---\n{said}\n\n");
    }
    assert!(
        found.trim_end() == expected.trim_end(),
        "they are told now:\n{found}"
    );
}
