//! Causal context: what the writer of a change had seen of the same document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::Error as _};

use super::{Dot, Sequence, Writer};

/// Most writers in one document's context.
pub const CONTEXT_WRITERS_MAX: usize = 1024;

/// A version vector over one document's changes (dotted version vectors, Preguiça et al. 2012).
///
/// For each writer the greatest sequence among *this document's* changes that was seen. That is exact, not an
/// estimate: a writer has always seen its own earlier changes, and a new incarnation is a new writer. So the context
/// is complete even for a receiver that never sees the changes in between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context(BTreeMap<Writer, Sequence>);

impl Context {
    /// Nothing was seen: the document is new to its writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether the change `dot` of this document was seen.
    pub fn contains(&self, dot: Dot) -> bool {
        self.0.get(&dot.writer).is_some_and(|last| *last >= dot.sequence)
    }

    /// Notes a change of this document, and with it all that its writer did to the document before.
    pub fn insert(&mut self, dot: Dot) {
        let last = self.0.entry(dot.writer).or_insert(dot.sequence);
        *last = (*last).max(dot.sequence);
    }

    /// The join of both.
    pub fn merge(&mut self, other: &Self) {
        for (writer, sequence) in &other.0 {
            self.insert(Dot {
                writer: *writer,
                sequence: *sequence,
            });
        }
    }

    /// Forgets the oldest incarnations beyond `writers_max`. A copy of a document that old, should it turn up, will
    /// show as a sibling instead of vanishing.
    pub fn shorten(&mut self, writers_max: usize) {
        while self.0.len() > writers_max {
            let oldest = self.0.keys().copied().min_by_key(|writer| writer.incarnation);
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
    }

    /// For each writer the last change that was seen, ascending.
    pub(crate) fn dots(&self) -> impl Iterator<Item = Dot> + '_ {
        self.0.iter().map(|(writer, sequence)| Dot {
            writer: *writer,
            sequence: *sequence,
        })
    }

    /// Writers in it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// On the wire: `[dot, …]`, ascending.
impl Serialize for Context {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for Context {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dots = Vec::<(Writer, Sequence)>::deserialize(deserializer)?;
        if dots.len() > CONTEXT_WRITERS_MAX {
            return Err(D::Error::custom("too many writers in a document's context"));
        }
        if dots
            .iter()
            .any(|(_, sequence)| *sequence == Sequence(0) || *sequence > Sequence::MAX)
        {
            return Err(D::Error::custom("a sequence out of range"));
        }
        Ok(Self(dots.into_iter().collect()))
    }
}
