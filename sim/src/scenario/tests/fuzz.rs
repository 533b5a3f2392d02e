//! Whatever a file says, it is read or refused: nothing panics.

use proptest::prelude::*;
use proptest::sample::Index;

use super::EVERYTHING;
use crate::mobility::{read_csv, read_gpx};
use crate::scenario::{NoFiles, Scenario};
use crate::workload::read_trace;

/// Pieces that stand for what people mistype.
const SNIPPETS: [&str; 24] = [
    "[[nodes]]\n",
    "[radio]\n",
    "\"",
    "=",
    "[",
    "]",
    "{",
    "}",
    "-1",
    "0",
    "1e308",
    "nan",
    "99999999999999999999",
    "\"0s\"",
    "\"9999999999y\"",
    "\"*\"",
    "[]",
    "true",
    "\u{1f6b2}",
    "\0",
    "\n",
    "\"house-1..99\"",
    "kind = \"crash\"\n",
    "1979-05-27",
];

#[derive(Debug, Clone)]
enum Change {
    Remove(Index, usize),
    Insert(Index, usize),
    Replace(Index, usize),
    DropLine(Index),
    RepeatLine(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), 1..30_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        (any::<Index>(), 0..SNIPPETS.len()).prop_map(|(at, what)| Change::Insert(at, what)),
        (any::<Index>(), 0..SNIPPETS.len()).prop_map(|(line, what)| Change::Replace(line, what)),
        any::<Index>().prop_map(Change::DropLine),
        (any::<Index>(), any::<Index>()).prop_map(|(line, to)| Change::RepeatLine(line, to)),
    ]
}

/// The text with a change made, at a place where a letter begins.
fn changed(text: &str, change: &Change) -> String {
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let mut lines: Vec<&str> = text.lines().collect();
    if starts.is_empty() || lines.is_empty() {
        return SNIPPETS[0].into();
    }
    let replaced;
    match change {
        Change::Remove(at, len) => {
            let from = at.index(starts.len());
            let end = starts.get(from + len).copied().unwrap_or(text.len());
            return [&text[..starts[from]], &text[end..]].concat();
        }
        Change::Insert(at, what) => {
            let at = starts[at.index(starts.len())];
            return [&text[..at], SNIPPETS[*what], &text[at..]].concat();
        }
        Change::Replace(line, what) => {
            let line = line.index(lines.len());
            let key = lines[line].split('=').next().unwrap_or_default();
            replaced = format!("{key}= {}", SNIPPETS[*what]);
            lines[line] = &replaced;
        }
        Change::DropLine(line) => {
            lines.remove(line.index(lines.len()));
        }
        Change::RepeatLine(line, to) => {
            let line = lines[line.index(lines.len())];
            lines.insert(to.index(lines.len()), line);
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_broken_scenario_is_refused_with_a_place(changes in prop::collection::vec(change(), 1..6)) {
        let text = changes.iter().fold(EVERYTHING.to_owned(), |text, change| changed(&text, change));
        if let Err(problems) = Scenario::parse(&text, "f.toml", &NoFiles) {
            prop_assert!(!problems.problems.is_empty());
            let lines = text.lines().count().max(1);
            for problem in &problems.problems {
                prop_assert!((1..=lines + 1).contains(&problem.line) && problem.column >= 1);
            }
            prop_assert!(problems.to_string().starts_with("f.toml:"));
        }
    }

    #[test]
    fn any_text_is_refused_or_read(text in ".{0,200}") {
        let _ = Scenario::parse(&text, "f.toml", &NoFiles).map_err(|problems| problems.to_string());
        let _ = read_csv(&text);
        let _ = read_gpx(&text);
        let _ = read_trace(&text, 0, |_| Some(0));
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "a = ".to_owned() + &"[".repeat(100_000),
        "a = ".to_owned() + &"{ b = ".repeat(100_000),
        "a.".repeat(100_000),
    ] {
        assert!(Scenario::parse(&text, "f.toml", &NoFiles).is_err());
    }
}
