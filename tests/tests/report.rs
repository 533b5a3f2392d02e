//! Reports of made-up runs, as a planner reads them and as scripts do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use cairn_sim::explain::{Cause, explain};
use cairn_sim::recording::{HeardRecord, Recording};
use cairn_sim::report::{self, ReportError};
use cairn_tests::recordings;
use serde_json::Value;

fn written(recording: &Recording) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let files = report::write(recording, folder.path()).unwrap();
    (folder, files)
}

fn rows(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cell.push(letters.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ => cell.push(letter),
        }
    }
    assert!(
        !quoted && row.is_empty() && cell.is_empty(),
        "{} ends in a row",
        path.display()
    );
    rows
}

/// Scripts read these words from `cairn-sim run --json`.
#[test]
fn the_summary_keeps_its_words() {
    let summary = report::summary(&recordings::courier());
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["scenario"], "courier");
    assert_eq!(json["seed"], 7);
    assert_eq!(json["trace_hash"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&json["converged"], &json["converged_at_s"]),
        (&Value::Bool(false), &Value::Null)
    );
    assert_eq!(
        (&json["acknowledged"], &json["lost"]),
        (&Value::from(4), &Value::from(0))
    );
    for number in [
        "frames",
        "bytes_on_air",
        "airtime_max_share",
        "duration_s",
        "nodes",
        "writes",
        "frames_collided",
    ] {
        assert!(json[number].as_f64().unwrap() > 0.0, "{number}: {json}");
    }
    assert_eq!(
        (&json["delay"]["due"], &json["delay"]["came"]),
        (&Value::from(48), &Value::from(42))
    );
    assert!(
        json["delay"]["median_s"].is_f64() && json["delay"]["p90_s"].is_null(),
        "one of eight never came: {json}"
    );

    let village = serde_json::to_value(report::summary(&recordings::village())).unwrap();
    assert_eq!(village["converged"], true);
    assert!(village["converged_at_s"].as_f64().unwrap() > 0.0);
}

/// What a planner asks: is it there, how long does it take, what does it cost.
#[test]
fn the_text_answers_a_planner() {
    let text = report::summary(&recordings::courier()).to_string();
    for answer in [
        "NO: 6 of 48 deliveries",
        "half within 1 h",
        "of 10 % allowed",
        "18650 cell",
        "none lost",
    ] {
        assert!(text.contains(answer), "{answer}: {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
}

#[test]
fn tables_hold_what_the_recording_holds() {
    let recording = recordings::courier();
    let (folder, _) = written(&recording);
    for (name, count) in [
        ("nodes.csv", recording.nodes.len()),
        ("writes.csv", recording.writes.len()),
        (
            "arrivals.csv",
            recording.writes.iter().map(|write| write.arrivals.len()).sum(),
        ),
        ("messages.csv", recording.messages.len()),
        ("samples.csv", recording.samples.len()),
        ("links.csv", recording.links.len() + recording.heard.len()),
    ] {
        let rows = rows(&folder.path().join(name));
        assert_eq!(rows.len(), count + 1, "{name}");
        assert!(
            rows.iter().all(|row| row.len() == rows[0].len()),
            "{name}: every row has every column"
        );
    }
    let writes = rows(&folder.path().join("writes.csv"));
    assert_eq!(
        writes[3][..3],
        ["/shared/letters/a second, \"late\" one", "n3:3", "north-4"]
    );
}

#[test]
fn a_recording_is_read_as_it_was_written() {
    let recording = recordings::courier();
    let (folder, files) = written(&recording);
    assert!(files.iter().all(|file| file.metadata().unwrap().len() > 0));
    let read = report::read(&folder.path().join("recording.json")).unwrap();
    assert!(read == recording, "it was written and read as another");
    let (again, _) = written(&recording);
    for file in files {
        let other = again.path().join(file.file_name().unwrap());
        assert!(
            std::fs::read(&file).unwrap() == std::fs::read(other).unwrap(),
            "{} differs",
            file.display()
        );
    }
}

#[test]
fn what_is_no_recording_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.json");
    assert!(matches!(report::read(&path), Err(ReportError::Read { .. })));
    std::fs::write(&path, "{\"scenario\": 3}").unwrap();
    assert!(matches!(report::read(&path), Err(ReportError::Parse { .. })));
    let heard = vec![HeardRecord {
        from: 0,
        to: 5,
        ..HeardRecord::default()
    }];
    let broken = Recording {
        heard,
        ..Recording::default()
    };
    std::fs::write(&path, serde_json::to_vec(&broken).unwrap()).unwrap();
    let message = report::read(&path).unwrap_err().to_string();
    assert!(message.contains("speaks of node 0 and has 0 nodes"), "{message}");
    std::fs::write(folder.path().join("file"), "").unwrap();
    let refused = report::write(&Recording::default(), &folder.path().join("file/report"));
    assert!(matches!(refused, Err(ReportError::Write { .. })));
}

/// The letter waits for the bicycle, and then for the node that is down.
#[test]
fn a_letter_that_rode_a_bicycle_is_explained() {
    let recording = recordings::courier();
    let told = explain(&recording, "/shared/letters/to the south", "south-3").unwrap();
    let names: Vec<&str> = told.hops.iter().map(|hop| hop.to.as_str()).collect();
    assert_eq!((names[0], names.last()), ("bicycle", Some(&"south-3")));
    assert_eq!(told.hops[1].waits[0].cause, Cause::OutOfReach);
    assert_eq!(told.hops.last().unwrap().waits[0].cause, Cause::ReceiverDown);
    for hop in &told.hops {
        let parts: u64 = hop.waits.iter().map(|wait| wait.us).sum();
        let whole = hop.until_us.unwrap().saturating_sub(hop.since_us);
        assert_eq!(parts, whole, "{hop}");
    }
}

/// Reports of all the made-up runs, for looking at: `REPORTS=folder cargo test -p cairn-tests --test report -- --ignored`.
#[test]
#[ignore = "writes into the folder that REPORTS names"]
fn reports_to_look_at() {
    let folder = std::env::var("REPORTS").unwrap();
    for recording in [
        recordings::village(),
        recordings::courier(),
        recordings::thousand(),
    ] {
        report::write(&recording, &Path::new(&folder).join(&recording.scenario)).unwrap();
    }
}
