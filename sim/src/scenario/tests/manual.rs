//! The manual names every table, kind and key, as the parser knows them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::scenario::keys::SCENARIO;
use crate::scenario::reference;
use crate::scenario::schema::{Key, REQUIRED, Section};

fn rows(keys: &[Key], text: &mut String) {
    text.push_str("| key | what | allowed | without it |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let cell = |text: &str| text.trim_end_matches('.').replace('|', "\\|");
        let default = if key.default == REQUIRED {
            "must be given"
        } else {
            key.default
        };
        let allowed = cell(&key.takes.to_string());
        let _ = writeln!(
            text,
            "| `{}` | {} | {allowed} | {} |",
            key.name,
            cell(key.about),
            cell(default)
        );
    }
}

/// A section as the manual has it.
fn in_manual(section: &Section) -> String {
    let mut text = format!("### `{}`\n\n{}\n\n", section.title, section.about);
    if !section.keys.is_empty() {
        rows(section.keys, &mut text);
    }
    if let Some(kinds) = &section.kinds {
        for kind in kinds.all {
            let usual = if kinds.default == Some(kind.name) {
                ", the usual one"
            } else {
                ""
            };
            let _ = write!(
                text,
                "\n`{} = \"{}\"`: {}{usual}.",
                kinds.key, kind.name, kind.about
            );
            if kind.keys.is_empty() {
                text.push('\n');
            } else {
                text.push_str("\n\n");
                rows(kind.keys, &mut text);
            }
        }
    }
    text
}

#[test]
fn the_manual_says_what_the_parser_knows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let manual = fs::read_to_string(path).unwrap();
    let (mut lacking, mut seen) = (String::new(), Vec::new());
    SCENARIO.walk(&mut |section| {
        let text = in_manual(section);
        if !manual.contains(text.trim_end()) && !seen.contains(&section.title) {
            lacking.push_str(&text);
            lacking.push('\n');
        }
        seen.push(section.title);
    });
    assert!(
        lacking.is_empty(),
        "docs/scenarios.md lacks this, or says it otherwise:\n{lacking}"
    );
}

#[test]
fn the_reference_names_every_key() {
    let reference = reference();
    SCENARIO.walk(&mut |section| {
        assert_eq!(
            reference
                .matches(&format!("{}\n  {}", section.title, section.about))
                .count(),
            1
        );
        for key in section.keys {
            assert!(
                reference.contains(&format!("\n  {} = {}\n", key.name, key.takes)),
                "{}",
                key.name
            );
        }
    });
}
