//! The corpora of the fuzz targets, replayed on stable: a decoder that breaks one of its laws fails here at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use cairn_tests::fuzzing::{Body, TARGETS, seeds};

/// Set to write the seeds into the corpora, after a change of the wire or a minimisation.
const WRITE_SEEDS: &str = "CAIRN_WRITE_SEEDS";

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target)
}

/// Hands one input to its target; a broken law becomes an error that names the input.
fn replay(body: Body, input: &[u8], name: &str) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| body(input))).map_err(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic");
        format!("{name}: {reason}")
    })
}

#[test]
fn every_law_holds_for_every_input_of_the_corpora() {
    let mut failed = Vec::new();
    for (target, body) in TARGETS {
        let folder = corpus(target);
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        let mut valid = 0;
        for file in files {
            let input = std::fs::read(&file).unwrap();
            match replay(body, &input, &file.display().to_string()) {
                Ok(is_valid) => valid += usize::from(is_valid),
                Err(failure) => failed.push(failure),
            }
        }
        assert!(valid > 0, "no input in {} is valid", folder.display());
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_seed_is_valid_and_stands_in_its_corpus() {
    let bodies = std::collections::BTreeMap::from(TARGETS);
    let mut failed = Vec::new();
    for (target, name, input) in seeds() {
        let file = corpus(target).join(format!("seed-{name}"));
        if std::env::var_os(WRITE_SEEDS).is_some() {
            std::fs::create_dir_all(corpus(target)).unwrap();
            std::fs::write(&file, &input).unwrap();
        }
        let written = std::fs::read(&file).unwrap_or_default();
        if written != input {
            failed.push(format!(
                "{} is not what its seed is now: run this test with {WRITE_SEEDS}=1",
                file.display()
            ));
        }
        match replay(bodies[target], &input, name) {
            Ok(true) => {}
            Ok(false) => failed.push(format!("{target}: the seed {name} is not valid")),
            Err(failure) => failed.push(format!("{target}: {failure}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
