//! What is wrong with a scenario, in words.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Its file cannot be read.
    #[error("cannot read the scenario {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says what cannot be.
    #[error("{0}")]
    Problems(Problems),
}

/// All that is wrong with a scenario, as far as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file's name, as given.
    pub file: String,
    /// In the order of the file; at least one.
    pub problems: Vec<Problem>,
    /// Problems that are not listed, for there were so many.
    pub left_out: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters it concerns.
    pub width: usize,
    /// The key, if it is about one.
    pub key: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What would do.
    pub allowed: Option<String>,
    /// The whole line.
    pub text: String,
}

/// Most problems that are listed at once.
const PROBLEMS_MAX: usize = 50;
/// Longest line that is shown, in characters.
const LINE_LEN_MAX: usize = 200;

/// A problem, and where it is in the text, in bytes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) span: Range<usize>,
    pub(super) key: Option<String>,
    pub(super) what: String,
    pub(super) allowed: Option<String>,
}

impl Problems {
    /// Finds the lines that problems are on. `found` is not empty.
    pub(super) fn new(file: &str, text: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|problem| problem.span.start);
        let left_out = found.len().saturating_sub(PROBLEMS_MAX);
        found.truncate(PROBLEMS_MAX);
        let problems = found.into_iter().map(|found| Problem::new(text, found)).collect();
        Self {
            file: file.to_owned(),
            problems,
            left_out,
        }
    }
}

/// The nearest place at or before `offset` where a character begins.
fn boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset)
        .rev()
        .find(|place| text.is_char_boundary(*place))
        .unwrap_or(0)
}

impl Problem {
    fn new(text: &str, found: Found) -> Self {
        let start = boundary(text, found.span.start);
        let end = boundary(text, found.span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let line = text[line_start..line_end].trim_end_matches('\r');
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end.min(line_end.max(start))]
                .trim_end()
                .chars()
                .count()
                .max(1),
            key: found.key,
            what: found.what,
            allowed: found.allowed,
            text: line.replace('\t', " "),
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.problems.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{problem}", self.file)?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more like these", self.left_out)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if let Some(key) = &self.key {
            write!(f, "key `{key}`: ")?;
        }
        f.write_str(&self.what)?;
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        if self.column <= LINE_LEN_MAX {
            let shown: String = self.text.chars().take(LINE_LEN_MAX).collect();
            let width = self.width.min(LINE_LEN_MAX + 1 - self.column).max(1);
            let number = self.line.to_string();
            write!(f, "\n  {number} | {shown}")?;
            write!(f, "\n  {:1$} | ", "", number.len())?;
            write!(f, "{:1$}{2}", "", self.column - 1, "^".repeat(width))?;
        }
        Ok(())
    }
}

/// The one of `words` that was probably meant by `word`.
pub(super) fn meant<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long foreign words are not worth the time.
    if word.len() > 64 {
        return None;
    }
    let likeness = |other: &str| {
        let (word, other) = (word.to_lowercase(), other.to_lowercase());
        let is_part =
            word.len() >= 3 && (other.starts_with(&word) || word.starts_with(&other) && other.len() >= 3);
        let distance = strsim::osa_distance(&word, &other);
        let near = distance <= 1.max(word.chars().count() / 3);
        (near || is_part).then_some(distance)
    };
    let likely = words
        .into_iter()
        .filter_map(|other| Some((likeness(other)?, other)));
    likely
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// ` (did you mean …?)`, if something can have been meant.
pub(super) fn hint<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    meant(word, words).map_or(String::new(), |meant| format!(" (did you mean `{meant}`?)"))
}
