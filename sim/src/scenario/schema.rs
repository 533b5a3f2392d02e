//! What may stand in a scenario, as data: the parser, its messages and the reference are made of the same tables.

use std::fmt;

use super::quantity::{DAY_US, Duration, Size};

/// A table of a scenario.
#[derive(Debug)]
pub(super) struct Section {
    /// As it is written, such as `[[nodes]]`.
    pub(super) title: &'static str,
    /// What it is about, in a sentence.
    pub(super) about: &'static str,
    /// Keys that every kind has.
    pub(super) keys: &'static [Key],
    /// If it comes in kinds, the key that says which.
    pub(super) kinds: Option<Kinds>,
}

/// A table's kinds.
#[derive(Debug)]
pub(super) struct Kinds {
    /// The key that says which.
    pub(super) key: &'static str,
    /// What it is if the key is not there.
    pub(super) default: Option<&'static str>,
    /// All of them.
    pub(super) all: &'static [Kind],
}

/// One kind of a table.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Keys that it has beside the section's.
    pub(super) keys: &'static [Key],
}

/// A key and what it takes.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// What holds without it, in words; `REQUIRED` if it must be there.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

/// Stands where a default would.
pub(super) const REQUIRED: &str = "must be given";

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Takes {
    Text,
    /// A word that can stand in paths and lists of nodes.
    Name,
    Flag,
    Integer(i64, i64),
    Number(f64, f64),
    /// Two numbers, the lower one first.
    NumberRange(f64, f64),
    /// Between two lengths, in microseconds.
    Duration(u64, u64),
    DurationRange(u64, u64),
    /// Either way, in microseconds.
    SignedDuration(u64),
    /// Between two lengths, in bytes.
    Size(u64, u64),
    OneOf(&'static [&'static str]),
    /// One or more of these words.
    SomeOf(&'static [&'static str]),
    Nodes,
    TwoNodes,
    Sides,
    Point,
    Points,
    /// Latitude and longitude.
    Position,
    /// A file or a folder beside the scenario.
    Path,
    Table(&'static Section),
    Tables(&'static Section),
}

/// Longest time that a scenario speaks of.
pub(super) const LONGEST_US: u64 = 3660 * DAY_US;

impl Takes {
    /// Whether a value of this form stands in a table of its own.
    pub(super) const fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Table(section) | Self::Tables(section) => Some(section),
            _ => None,
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text in quotes"),
            Self::Name => f.write_str("a name of letters, digits, `-` and `_`, in quotes"),
            Self::Flag => f.write_str("true or false"),
            Self::Integer(min, max) => write!(f, "a whole number from {min} to {max}"),
            Self::Number(min, max) => write!(f, "a number from {min} to {max}"),
            Self::NumberRange(min, max) => write!(
                f,
                "two numbers from {min} to {max}, the lower one first, as in [1, 2]"
            ),
            Self::Duration(min, max) => write!(
                f,
                "a duration from \"{}\" to \"{}\", such as \"90s\", \"15m\", \"6h\" or \"2d\"",
                Duration(*min),
                Duration(*max)
            ),
            Self::DurationRange(min, max) => write!(
                f,
                "two durations from \"{}\" to \"{}\", the shorter one first, as in [\"1m\", \"5m\"]",
                Duration(*min),
                Duration(*max)
            ),
            Self::SignedDuration(max) => write!(
                f,
                "a duration up to \"{}\", ahead or with a minus back, such as \"3h\" or \"-2y\"",
                Duration(*max)
            ),
            Self::Size(min, max) => write!(
                f,
                "a size from \"{}\" to \"{}\", such as \"200 B\", \"4 KiB\" or \"1 MB\"",
                Size(*min),
                Size(*max)
            ),
            Self::OneOf(words) => f.write_str(&quoted(words)),
            Self::SomeOf(words) => write!(f, "a list of some of {}", quoted(words)),
            Self::Nodes => f.write_str(
                "the name of a group or of a node, part of a group as in \"house-1..20\", \"*\" for all, or a list of these",
            ),
            Self::TwoNodes => f.write_str("two names of groups or nodes, as in [\"hill\", \"valley\"]"),
            Self::Sides => f.write_str(
                "two or more lists of groups or nodes, none in two of them, as in [[\"north\"], [\"south\", \"mill\"]]",
            ),
            Self::Point => f.write_str("a place [x, y], in metres east and north, within 1000000"),
            Self::Points => {
                f.write_str("a list of places [x, y], in metres east and north, as in [[0, 0], [1200, 300]]")
            }
            Self::Position => f.write_str("[latitude, longitude], in degrees"),
            Self::Path => f.write_str("a path beside the scenario's file, in quotes"),
            Self::Table(section) => write!(f, "a table with {}", names(section)),
            Self::Tables(section) => write!(f, "tables that begin with {}", section.title),
        }
    }
}

/// Words in quotes, with commas between.
pub(super) fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn names(section: &Section) -> String {
    let keys: Vec<&str> = section.all_keys().map(|key| key.name).collect();
    keys.join(", ")
}

impl Section {
    /// Its own keys, and those of a kind.
    pub(super) fn keys_of(&self, kind: Option<&'static Kind>) -> impl Iterator<Item = &'static Key> {
        let of_kind = kind.map_or(&[] as &[Key], |kind| kind.keys);
        self.keys.iter().chain(of_kind)
    }

    /// Its own keys, and those of every kind; some names more than once.
    pub(super) fn every_key(&self) -> impl Iterator<Item = &'static Key> {
        let of_kinds = self
            .kinds
            .iter()
            .flat_map(|kinds| kinds.all)
            .flat_map(|kind| kind.keys);
        self.keys.iter().chain(of_kinds)
    }

    /// Its own keys, and those of all kinds, each name once.
    fn all_keys(&self) -> impl Iterator<Item = &'static Key> {
        let mut seen: Vec<&str> = Vec::new();
        self.every_key().filter(move |key| {
            let is_new = !seen.contains(&key.name);
            seen.push(key.name);
            is_new
        })
    }

    /// This section and all that stand in it.
    pub(super) fn walk(&'static self, visit: &mut dyn FnMut(&'static Self)) {
        visit(self);
        for inner in self.every_key().filter_map(|key| key.takes.section()) {
            inner.walk(visit);
        }
    }

    /// Its part of the reference.
    pub(super) fn describe(&self, text: &mut String) {
        text.push_str(&format!("{}\n  {}\n", self.title, self.about));
        for key in self.keys {
            key.describe("", text);
        }
        let Some(kinds) = &self.kinds else {
            return;
        };
        let default = kinds
            .default
            .map_or(REQUIRED.to_owned(), |kind| format!("\"{kind}\""));
        text.push_str(&format!(
            "  {} = one of these. Without it: {default}.\n",
            kinds.key
        ));
        for kind in kinds.all {
            text.push_str(&format!("  {} = \"{}\": {}\n", kinds.key, kind.name, kind.about));
            for key in kind.keys {
                key.describe("  ", text);
            }
        }
    }
}

impl Key {
    fn describe(&self, indent: &str, text: &mut String) {
        let without = if self.default == REQUIRED {
            "Must be given.".to_owned()
        } else {
            format!("Without it: {}.", self.default)
        };
        text.push_str(&format!(
            "  {indent}{} = {}\n  {indent}    {} {without}\n",
            self.name, self.takes, self.about
        ));
    }
}
