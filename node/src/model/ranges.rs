//! The sequences that are held of one writer.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

/// Disjoint ranges that do not touch, ascending, as first → last (both inclusive, from 1).
///
/// Nearly always there is exactly one: it stands in place, so that copying a clock allocates nothing for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ranges {
    /// Exactly one.
    One(u64, u64),
    /// None, or two and more.
    Others(BTreeMap<u64, u64>),
}

impl Default for Ranges {
    fn default() -> Self {
        Self::Others(BTreeMap::new())
    }
}

impl Ranges {
    /// Of ascending ranges that do not touch.
    pub(super) fn of_sorted(ranges: BTreeMap<u64, u64>) -> Self {
        let mut all = Self::Others(ranges);
        all.settle();
        all
    }

    /// A single range stands in place: equal sets are equal values.
    fn settle(&mut self) {
        if let Self::Others(ranges) = self
            && ranges.len() == 1
            && let Some((first, last)) = ranges.pop_first()
        {
            *self = Self::One(first, last);
        }
    }

    /// All, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (one, others) = match self {
            Self::One(first, last) => (Some((*first, *last)), None),
            Self::Others(ranges) => (None, Some(ranges)),
        };
        let others = others.into_iter().flatten();
        one.into_iter().chain(others.map(|(first, last)| (*first, *last)))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Others(ranges) => ranges.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last range that begins at `sequence` or before.
    fn before(&self, sequence: u64) -> Option<(u64, u64)> {
        match self {
            Self::One(first, last) => (*first <= sequence).then_some((*first, *last)),
            Self::Others(ranges) => {
                let before = ranges.range(..=sequence).next_back();
                before.map(|(first, last)| (*first, *last))
            }
        }
    }

    pub(super) fn contains(&self, sequence: u64) -> bool {
        self.before(sequence).is_some_and(|(_, last)| last >= sequence)
    }

    /// Says whether all of `first..=last` is held.
    pub(super) fn contains_range(&self, first: u64, last: u64) -> bool {
        self.before(first).is_some_and(|(_, own_last)| own_last >= last)
    }

    pub(super) fn includes(&self, other: &Self) -> bool {
        other.iter().all(|(first, last)| self.contains_range(first, last))
    }

    /// The greatest sequence; 0 when there is none.
    pub(super) fn last(&self) -> u64 {
        match self {
            Self::One(_, last) => *last,
            Self::Others(ranges) => ranges.last_key_value().map_or(0, |(_, last)| *last),
        }
    }

    /// All sequences from 1 to this one are held.
    pub(super) fn prefix(&self) -> u64 {
        self.before(1).map_or(0, |(_, last)| last)
    }

    /// Adds `first..=last`, joining what overlaps or touches.
    pub(super) fn insert(&mut self, mut first: u64, mut last: u64) {
        match self {
            Self::One(own_first, own_last)
                if first <= own_last.saturating_add(1) && last.saturating_add(1) >= *own_first =>
            {
                *own_first = first.min(*own_first);
                *own_last = last.max(*own_last);
            }
            Self::One(own_first, own_last) => {
                *self = Self::Others([(*own_first, *own_last), (first, last)].into());
            }
            Self::Others(ranges) => {
                if let Some((before, before_last)) = ranges.range(..=first).next_back()
                    && before_last.saturating_add(1) >= first
                {
                    if *before_last >= last {
                        return;
                    }
                    first = *before;
                }
                let reach = last.saturating_add(1);
                while let Some((&next, &next_last)) = ranges.range(first..=reach.max(first)).next() {
                    ranges.remove(&next);
                    last = last.max(next_last);
                    if next_last > reach {
                        break;
                    }
                }
                ranges.insert(first, last);
                self.settle();
            }
        }
    }

    /// Takes `first..=last` out.
    pub(super) fn remove(&mut self, first: u64, last: u64) {
        let touched: Vec<(u64, u64)> = self
            .overlapping(first, last)
            .filter(|(_, end)| *end >= first)
            .collect();
        if touched.is_empty() {
            return;
        }
        let mut ranges = match std::mem::take(self) {
            Self::One(first, last) => [(first, last)].into(),
            Self::Others(ranges) => ranges,
        };
        for (start, end) in touched {
            ranges.remove(&start);
            if start < first {
                ranges.insert(start, first - 1);
            }
            if end > last {
                ranges.insert(last + 1, end);
            }
        }
        *self = Self::of_sorted(ranges);
    }

    /// The range that begins before `first`, which may end before it, and those that begin within `first..=last`.
    fn overlapping(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let within = match self {
            Self::Others(ranges) if first < last => Some(ranges.range((Excluded(first), Included(last)))),
            _ => None,
        };
        let one = match self {
            Self::One(own, own_last) if *own > first && *own <= last => Some((*own, *own_last)),
            _ => None,
        };
        let within = within.into_iter().flatten();
        self.before(first)
            .into_iter()
            .chain(one)
            .chain(within.map(|(first, last)| (*first, *last)))
    }

    /// Gives `found` every range that is held here and lacking in `other`, ascending.
    pub(super) fn missing_in(&self, other: &Self, found: &mut impl FnMut(u64, u64)) {
        for (first, last) in self.iter() {
            let mut next = first;
            for (their_first, their_last) in other.overlapping(first, last) {
                if their_first > next {
                    found(next, their_first - 1);
                }
                next = next.max(their_last.saturating_add(1));
            }
            if next <= last {
                found(next, last);
            }
        }
    }
}
