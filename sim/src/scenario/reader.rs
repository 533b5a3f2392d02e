//! Takes values out of a table, and notes all that is wrong with them.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::names::Names;
use super::place::Point;
use super::problem::{Found, hint};
use super::schema::{Key, Kind, REQUIRED, Section, Takes, quoted};
use super::value::{
    Read, duration, in_range, integer, is_name, list, number, pair, point, position, signed_duration_ms,
    size, text, type_in_words, word,
};

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Log(RefCell<Vec<Found>>);

impl Log {
    pub(super) fn add(&self, found: Found) {
        self.0.borrow_mut().push(found);
    }

    pub(super) fn into_found(self) -> Vec<Found> {
        self.0.into_inner()
    }
}

/// One table of the scenario.
///
/// A value that is not there, or is wrong, is `None`; the latter was noted then. The caller goes on with a default, so that
/// all that is wrong is found at once.
pub(super) struct Reader<'a, 'i> {
    table: &'a DeTable<'i>,
    span: Range<usize>,
    section: &'static Section,
    kind: Option<&'static Kind>,
    log: &'a Log,
}

impl<'a, 'i> Reader<'a, 'i> {
    /// Reads a table; `span` is its beginning. What cannot stand in it is noted.
    pub(super) fn new(
        table: &'a DeTable<'i>,
        span: Range<usize>,
        section: &'static Section,
        log: &'a Log,
    ) -> Self {
        let mut reader = Self {
            table,
            span,
            section,
            kind: None,
            log,
        };
        reader.kind = reader.read_kind();
        reader.note_unknown_keys();
        reader
    }

    fn read_kind(&self) -> Option<&'static Kind> {
        let kinds = self.section.kinds.as_ref()?;
        let words: Vec<&'static str> = kinds.all.iter().map(|kind| kind.name).collect();
        let named = match self.find(kinds.key) {
            Some(value) => match word(value.get_ref(), &words) {
                Ok(name) => Some(name),
                Err(what) => {
                    self.note(value.span(), Some(kinds.key), what, Some(quoted(&words)));
                    None
                }
            },
            None if kinds.default.is_none() => {
                let what = format!("{} must have it", self.section.title);
                self.note(self.span.clone(), Some(kinds.key), what, Some(quoted(&words)));
                None
            }
            None => kinds.default,
        };
        kinds.all.iter().find(|kind| Some(kind.name) == named)
    }

    fn note_unknown_keys(&self) {
        let discriminant = self.section.kinds.as_ref().map(|kinds| kinds.key);
        let known: Vec<&str> = self
            .section
            .keys_of(self.kind)
            .map(|key| key.name)
            .chain(discriminant)
            .collect();
        for name in self.table.keys() {
            let text = name.get_ref().as_ref();
            if known.contains(&text) {
                continue;
            }
            let other_kinds: Vec<&str> = self.kinds_with(text).collect();
            // Of an unknown kind one cannot say what it has not.
            if !other_kinds.is_empty() && self.kind.is_none() {
                continue;
            }
            let what = match (self.kind, discriminant) {
                (Some(kind), Some(discriminant)) if !other_kinds.is_empty() => format!(
                    "with {discriminant} = \"{}\" there is no such key; it goes with {}",
                    kind.name,
                    quoted(&other_kinds)
                ),
                _ => format!(
                    "there is no such key in {}{}",
                    self.section.title,
                    hint(text, known.iter().copied())
                ),
            };
            self.note(name.span(), Some(text), what, Some(known.join(", ")));
        }
    }

    fn kinds_with<'n>(&self, name: &'n str) -> impl Iterator<Item = &'static str> + use<'n> {
        let all: &'static [Kind] = self.section.kinds.as_ref().map_or(&[], |kinds| kinds.all);
        all.iter()
            .filter(move |kind| kind.keys.iter().any(|key| key.name == name))
            .map(|kind| kind.name)
    }

    fn find(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table
            .iter()
            .find(|(key, _)| key.get_ref().as_ref() == name)
            .map(|(_, value)| value)
    }

    fn note(&self, span: Range<usize>, key: Option<&str>, what: String, allowed: Option<String>) {
        self.log.add(Found {
            span,
            key: key.map(str::to_owned),
            what,
            allowed,
        });
    }

    /// A key of this table and what it takes; `None` if its kind has no such key.
    fn key(&self, name: &str) -> Option<&'static Key> {
        let key = self.section.keys_of(self.kind).find(|key| key.name == name);
        debug_assert!(
            key.is_some() || self.kinds_with(name).next().is_some(),
            "{} has no key {name}",
            self.section.title
        );
        key
    }

    /// The kind's name, if it is known.
    pub(super) fn kind(&self) -> Option<&'static str> {
        self.kind.map(|kind| kind.name)
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the value is this very text.
    pub(super) fn says(&self, name: &str, text: &str) -> bool {
        self.find(name)
            .is_some_and(|value| value.get_ref().as_str() == Some(text))
    }

    /// Notes that a value does not do, and what would.
    pub(super) fn reject(&self, name: &str, what: impl Into<String>, allowed: impl Into<String>) {
        let span = self.find(name).map_or(self.span.clone(), Spanned::span);
        self.note(span, Some(name), what.into(), Some(allowed.into()));
    }

    /// Reads the value of a key; `read` says what is wrong with it.
    fn value<T>(&self, name: &str, read: impl FnOnce(&'a DeValue<'i>) -> Read<T>) -> Option<T> {
        let key = self.key(name)?;
        let Some(value) = self.find(name) else {
            if key.default == REQUIRED {
                let what = format!("{} must have it", self.section.title);
                self.reject(name, what, key.takes.to_string());
            }
            return None;
        };
        match read(value.get_ref()) {
            Ok(read) => Some(read),
            Err(what) => {
                self.reject(name, what, key.takes.to_string());
                None
            }
        }
    }

    fn takes(&self, name: &str) -> Option<Takes> {
        self.key(name).map(|key| key.takes)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name, |value| text(value).map(str::to_owned))
    }

    pub(super) fn name(&self, name: &str) -> Option<String> {
        self.value(name, |value| {
            let text = text(value)?;
            match is_name(text) {
                true => Ok(text.to_owned()),
                false => Err("this is no name, or longer than 64 letters".into()),
            }
        })
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.value(name, |value| {
            value
                .as_bool()
                .ok_or_else(|| format!("this is {}, not true or false", type_in_words(value)))
        })
    }

    pub(super) fn integer(&self, name: &str) -> Option<u64> {
        let (min, max) = match self.takes(name)? {
            Takes::Integer(min, max) => (min, max),
            _ => (0, i64::MAX),
        };
        self.value(name, |value| in_range(integer(value)?, min, max))
            .and_then(|number| u64::try_from(number).ok())
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let (min, max) = match self.takes(name)? {
            Takes::Number(min, max) => (min, max),
            _ => (f64::MIN, f64::MAX),
        };
        self.value(name, |value| in_range(number(value)?, min, max))
    }

    pub(super) fn number_range(&self, name: &str) -> Option<(f64, f64)> {
        let (min, max) = match self.takes(name)? {
            Takes::NumberRange(min, max) => (min, max),
            _ => (f64::MIN, f64::MAX),
        };
        self.value(name, |value| {
            pair(value, |value| in_range(number(value)?, min, max))
        })
    }

    pub(super) fn duration(&self, name: &str) -> Option<u64> {
        let (min, max) = match self.takes(name)? {
            Takes::Duration(min, max) => (min, max),
            _ => (0, u64::MAX),
        };
        self.value(name, |value| duration(value, min, max))
    }

    pub(super) fn duration_range(&self, name: &str) -> Option<(u64, u64)> {
        let (min, max) = match self.takes(name)? {
            Takes::DurationRange(min, max) => (min, max),
            _ => (0, u64::MAX),
        };
        self.value(name, |value| pair(value, |value| duration(value, min, max)))
    }

    /// In milliseconds.
    pub(super) fn signed_duration_ms(&self, name: &str) -> Option<i64> {
        let max = match self.takes(name)? {
            Takes::SignedDuration(max) => max,
            _ => u64::MAX,
        };
        self.value(name, |value| signed_duration_ms(value, max))
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        let (min, max) = match self.takes(name)? {
            Takes::Size(min, max) => (min, max),
            _ => (0, u64::MAX),
        };
        self.value(name, |value| size(value, min, max))
    }

    pub(super) fn word(&self, name: &str) -> Option<&'static str> {
        let Takes::OneOf(words) = self.takes(name)? else {
            return None;
        };
        self.value(name, |value| word(value, words))
    }

    pub(super) fn words(&self, name: &str) -> Option<Vec<&'static str>> {
        let Takes::SomeOf(words) = self.takes(name)? else {
            return None;
        };
        let read = |value: &DeValue<'_>| {
            let items = list(value)?;
            if items.is_empty() {
                return Err("the list is empty".into());
            }
            items.iter().map(|item| word(item.get_ref(), words)).collect()
        };
        self.value(name, read)
    }

    pub(super) fn point(&self, name: &str) -> Option<Point> {
        self.value(name, point)
    }

    pub(super) fn points(&self, name: &str) -> Option<Vec<Point>> {
        self.value(name, |value| {
            list(value)?.iter().map(|item| point(item.get_ref())).collect()
        })
    }

    /// Latitude and longitude, in degrees.
    pub(super) fn position(&self, name: &str) -> Option<(f64, f64)> {
        self.value(name, position)
    }

    /// Indices of nodes, in the order given, each once. Empty lists are noted.
    pub(super) fn nodes(&self, name: &str, names: &Names) -> Option<Vec<usize>> {
        let value = self.raw(name)?;
        self.nodes_in(name, value, names)
    }

    /// Two sets of nodes.
    pub(super) fn two_nodes(&self, name: &str, names: &Names) -> Option<(Vec<usize>, Vec<usize>)> {
        let value = self.raw(name)?;
        let Ok([one, other]) = list(value.get_ref()) else {
            let key = self.key(name)?;
            self.reject(name, "this is not a list of two", key.takes.to_string());
            return None;
        };
        Some((
            self.nodes_in(name, one, names)?,
            self.nodes_in(name, other, names)?,
        ))
    }

    /// Sets of nodes that have none in common.
    pub(super) fn sides(&self, name: &str, names: &Names) -> Option<Vec<Vec<usize>>> {
        let key = self.key(name)?;
        let value = self.raw(name)?;
        let items = match list(value.get_ref()) {
            Ok(items) if items.len() >= 2 => items,
            _ => {
                self.reject(name, "these are not two sides", key.takes.to_string());
                return None;
            }
        };
        let mut sides: Vec<Vec<usize>> = Vec::new();
        let mut is_right = true;
        for item in items {
            let Some(side) = self.nodes_in(name, item, names) else {
                is_right = false;
                continue;
            };
            if let Some(twice) = side
                .iter()
                .find(|node| sides.iter().any(|side| side.contains(node)))
            {
                let what = format!("`{}` is on two sides", names.node(*twice));
                self.note(item.span(), Some(name), what, Some(key.takes.to_string()));
                is_right = false;
            }
            sides.push(side);
        }
        is_right.then_some(sides)
    }

    /// The value as it stands, after a note if it must be there and is not.
    fn raw(&self, name: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.value(name, |_| Ok(()))?;
        self.find(name)
    }

    fn nodes_in(&self, name: &str, value: &Spanned<DeValue<'i>>, names: &Names) -> Option<Vec<usize>> {
        let key = self.key(name)?;
        let items = match value.get_ref() {
            DeValue::Array(items) if !items.is_empty() => &items[..],
            DeValue::String(_) => std::slice::from_ref(value),
            _ => {
                let what = match value.get_ref() {
                    DeValue::Array(_) => "the list is empty".into(),
                    other => format!("this is {}, not a name", type_in_words(other)),
                };
                self.note(value.span(), Some(name), what, Some(key.takes.to_string()));
                return None;
            }
        };
        let mut nodes = Vec::new();
        let mut is_right = true;
        for item in items {
            match text(item.get_ref()) {
                Ok(text) => match names.resolve(text) {
                    Ok(found) => nodes.extend(found),
                    Err(unknown) => {
                        is_right = false;
                        if names.is_complete() {
                            self.note(item.span(), Some(name), unknown.what, Some(unknown.allowed));
                        }
                    }
                },
                Err(what) => {
                    is_right = false;
                    self.note(item.span(), Some(name), what, Some(key.takes.to_string()));
                }
            }
        }
        let mut seen = vec![false; names.len()];
        nodes.retain(|node| !std::mem::replace(&mut seen[*node], true));
        is_right.then_some(nodes)
    }

    /// A table within this one.
    pub(super) fn table(&self, name: &str) -> Option<Self> {
        let section = self.takes(name)?.section()?;
        let value = self.raw(name)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Reader::new(table, value.span(), section, self.log)),
            other => {
                let what = format!("this is {}, not a table", type_in_words(other));
                self.reject(name, what, Takes::Table(section).to_string());
                None
            }
        }
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&self, name: &str) -> Vec<Self> {
        let Some(section) = self.takes(name).and_then(|takes| takes.section()) else {
            return Vec::new();
        };
        let allowed = || Takes::Tables(section).to_string();
        let Some(value) = self.raw(name) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            let what = format!("this is {}, not a list of tables", type_in_words(value.get_ref()));
            self.reject(name, what, allowed());
            return Vec::new();
        };
        let mut readers = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(table) => readers.push(Reader::new(table, item.span(), section, self.log)),
                other => {
                    let what = format!("this is {}, not a table", type_in_words(other));
                    self.note(item.span(), Some(name), what, Some(allowed()));
                }
            }
        }
        readers
    }

    /// Notes what is wrong with the table as a whole.
    pub(super) fn reject_table(&self, what: impl Into<String>, allowed: impl Into<String>) {
        self.note(self.span.clone(), None, what.into(), Some(allowed.into()));
    }
}
