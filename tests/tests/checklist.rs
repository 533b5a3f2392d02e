//! The tables of `docs/remotestorage.md`: each MUST of the protocol has tests, each SHOULD has tests or a reason, and every
//! test that is named there exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One line of a table.
#[derive(Debug)]
struct Row<'a> {
    number: &'a str,
    demand: &'a str,
    proof: &'a str,
    /// Why it is not done, or not as it is asked for.
    argument: &'a str,
}

/// The tables' document, with where its names of files lead.
struct Document {
    text: String,
    files: BTreeMap<String, PathBuf>,
}

impl Document {
    fn read() -> Self {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let text = std::fs::read_to_string(docs.join("remotestorage.md")).unwrap();
        // `[name]: path`
        let files = text.lines().filter_map(|line| {
            let (name, path) = line.strip_prefix('[')?.split_once("]: ")?;
            Some((name.to_owned(), docs.join(path)))
        });
        Self {
            files: files.collect(),
            text,
        }
    }

    /// The lines of the table below a heading.
    fn table(&self, heading: &str) -> Vec<Row<'_>> {
        let (_, below) = self.text.split_once(&format!("\n## {heading}\n")).expect(heading);
        let lines = below.lines().take_while(|line| !line.starts_with("## "));
        let rows = lines.filter_map(|line| {
            let inner = line.strip_prefix('|')?.strip_suffix('|')?;
            let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
            let (number, demand, proof, argument) = match cells[..] {
                [number, demand, proof] => (number, demand, proof, ""),
                [number, demand, proof, argument] => (number, demand, proof, argument),
                _ => panic!("three columns, or four: {line}"),
            };
            Some(Row {
                number,
                demand,
                proof,
                argument,
            })
        });
        // The heading's own line and the one of dashes.
        rows.filter(|row| row.number.starts_with(|first: char| first.is_ascii_digit()))
            .collect()
    }

    /// The tests that a cell names: ``[file] `test`, `test`; [file] `test` ``.
    fn tests(&self, cell: &str) -> Vec<(PathBuf, String)> {
        let (mut tests, mut file, mut rest) = (Vec::new(), None, cell);
        while let Some(start) = rest.find(['[', '`']) {
            let (end, is_file) = match rest.as_bytes()[start] {
                b'[' => (']', true),
                _ => ('`', false),
            };
            let inner = &rest[start + 1..];
            let (name, after) = inner
                .split_once(end)
                .unwrap_or_else(|| panic!("no {end} in {cell}"));
            if is_file {
                let path = self
                    .files
                    .get(name)
                    .unwrap_or_else(|| panic!("[{name}] leads nowhere: {cell}"));
                file = Some(path.clone());
            } else {
                let path = file
                    .clone()
                    .unwrap_or_else(|| panic!("no file before {name}: {cell}"));
                tests.push((path, name.to_owned()));
            }
            rest = after;
        }
        tests
    }
}

/// Says whether a source has a test of this name that runs.
fn has_test(source: &str, name: &str) -> bool {
    let declared = [
        format!("fn {name}()"),
        format!("fn {name}("),
        format!("async fn {name}()"),
    ];
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        let attributes: Vec<&&str> = attributes.collect();
        declared.iter().any(|start| line.starts_with(start))
            && attributes
                .iter()
                .any(|own| ["#[test]", "#[tokio::test]"].contains(*own))
            && !attributes.iter().any(|own| own.starts_with("#[ignore"))
    })
}

/// What is wrong with the tests that a cell names.
fn complaints(document: &Document, row: &Row<'_>) -> Vec<String> {
    let named = document.tests(row.proof);
    let missing = named.iter().filter(|(file, name)| {
        let source = std::fs::read_to_string(file).unwrap_or_default();
        !has_test(&source, name)
    });
    let mut complaints: Vec<String> = missing
        .map(|(file, name)| format!("{}: there is no test {name} in {}", row.number, file.display()))
        .collect();
    if named.is_empty() && row.argument.is_empty() {
        complaints.push(format!(
            "{}: neither a test nor a reason: {}",
            row.number, row.demand
        ));
    }
    complaints
}

/// Checks a table; gives how many of its rows only argue.
fn check(heading: &str, rows_min: usize) -> usize {
    let document = Document::read();
    let rows = document.table(heading);
    assert!(rows.len() >= rows_min, "{heading}: {} rows", rows.len());
    let mut wrong = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if row.number != (index + 1).to_string() {
            wrong.push(format!("{} should be number {}", row.number, index + 1));
        }
        wrong.extend(complaints(&document, row));
    }
    assert!(wrong.is_empty(), "{heading}:\n{}", wrong.join("\n"));
    rows.iter().filter(|row| row.proof.is_empty()).count()
}

/// Whoever renames or removes a test has to say what holds the demand now.
#[test]
fn every_must_has_its_tests() {
    assert_eq!(check("What a server MUST do", 45), 0, "a reason does not do");
}

#[test]
fn every_should_is_done_or_argued() {
    check("What a server SHOULD do", 25);
}

#[test]
fn the_protocol_as_a_whole_has_its_tests() {
    assert_eq!(check("The protocol as a whole", 4), 0);
}

/// The check itself: it takes what runs for a test, and nothing else.
#[test]
fn a_test_is_what_runs() {
    let source = "#[test]\nfn one() {\n}\n\n    #[ignore]\n    #[test]\n    fn two() {}\n\nfn three() {}\n\
                  #[tokio::test]\n#[allow(x)]\nasync fn four() {}\nproptest! {\n #[test]\n fn five(a in 0..1) {}\n}";
    for (name, is_test) in [
        ("one", true),
        ("two", false),
        ("three", false),
        ("four", true),
        ("five", true),
        ("on", false),
    ] {
        assert_eq!(has_test(source, name), is_test, "{name}");
    }
    let files = BTreeMap::from([("here".to_owned(), PathBuf::from("here.rs"))]);
    let document = Document {
        text: String::new(),
        files,
    };
    let named = document.tests("[here] `a`, `b`");
    let names: Vec<&str> = named.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}
