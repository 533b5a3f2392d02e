//! Vector clocks with exceptions: what a node holds of a space, in a few bytes a writer.
//!
//! For every writer a clock keeps the ranges of sequences that are held. Nearly always that is one range from 1: the
//! contiguous prefix. Ranges beyond it are the exceptions that lost or reordered frames leave for a while.
//!
//! Clocks form a join-semilattice under [`Clock::merge`]: commutative, `a ∪ b = b ∪ a`; associative,
//! `(a ∪ b) ∪ c = a ∪ (b ∪ c)`; idempotent, `a ∪ a = a`. [`Clock::compare`] is the order of that lattice.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, de::Error as _};

use super::dot::{Dot, Sequence, Writer};
use super::ranges::Ranges;

/// Most writers (node incarnations) in one clock.
pub const WRITERS_MAX: usize = 65_536;
/// Most ranges a single writer may have: one prefix and its exceptions.
pub const RANGES_MAX: usize = 65_536;
/// Most bytes of an encoded clock.
pub const CLOCK_LEN_MAX: usize = 512 * 1024;

/// What a writer takes when encoded, beside its ranges: at most so many bytes.
const WRITER_LEN_MAX: usize = 52;

/// Bytes of an encoded number.
const fn number_len(number: u64) -> usize {
    match number {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// How two clocks relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Causality {
    /// Both hold the same.
    Equal,
    /// The left one holds strictly less.
    Before,
    /// The left one holds strictly more.
    After,
    /// Each holds something that the other lacks.
    Concurrent,
}

/// A set of dots, kept small. See the module's head.
///
/// Copies share what they hold until one of them changes: what a node knows of its neighbours is mostly what it holds itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock(Arc<BTreeMap<Writer, Ranges>>);

impl Clock {
    /// Holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// As much of it as takes at most `len_max` bytes when encoded: of every writer the first ranges.
    ///
    /// Who takes in the live part of a long history holds as many ranges as there are documents, until the rest was
    /// looked through; such a clock fits into no message. To say that one holds less is always safe.
    pub fn shortened(&self, len_max: usize) -> Self {
        let range_len = number_len(Sequence::MAX.0) * 2;
        let len: usize = self
            .0
            .values()
            .map(|ranges| WRITER_LEN_MAX + ranges.len() * range_len)
            .sum();
        if len <= len_max {
            return self.clone();
        }
        let mut left = len_max;
        let mut kept = BTreeMap::new();
        for (at, (writer, ranges)) in self.0.iter().enumerate() {
            // At least one range, as long as there is room for any.
            let share = (left / (self.0.len() - at)).max(WRITER_LEN_MAX + 18).min(left);
            let mut used = WRITER_LEN_MAX;
            let mut end = 0;
            let mut first = BTreeMap::new();
            for (start, last) in ranges.iter().take(RANGES_MAX) {
                used += number_len(start - end - 1) + number_len(last - start);
                if used > share {
                    break;
                }
                first.insert(start, last);
                end = last;
            }
            if !first.is_empty() {
                kept.insert(*writer, Ranges::of_sorted(first));
            }
            left = left.saturating_sub(used.min(share));
        }
        Self(Arc::new(kept))
    }

    /// Says whether the dot is held.
    pub fn contains(&self, dot: Dot) -> bool {
        self.0
            .get(&dot.writer)
            .is_some_and(|ranges| ranges.contains(dot.sequence.0))
    }

    /// Adds one dot. A dot with sequence 0 names nothing and is ignored.
    pub fn insert(&mut self, dot: Dot) {
        self.insert_range(dot.writer, dot.sequence, dot.sequence);
    }

    /// Adds all dots of `writer` from `first` to `last`, both included, up to [`Sequence::MAX`].
    pub fn insert_range(&mut self, writer: Writer, first: Sequence, last: Sequence) {
        let (first, last) = (first.0.max(1), last.min(Sequence::MAX).0);
        let held = |ranges: &Ranges| ranges.contains_range(first, last);
        if first <= last && !self.0.get(&writer).is_some_and(held) {
            let writers = Arc::make_mut(&mut self.0);
            writers.entry(writer).or_default().insert(first, last);
        }
    }

    /// Takes one dot out.
    pub fn remove(&mut self, dot: Dot) {
        self.remove_range(dot.writer, dot.sequence, dot.sequence);
    }

    /// Takes all dots of `writer` from `first` to `last` out.
    pub fn remove_range(&mut self, writer: Writer, first: Sequence, last: Sequence) {
        if !self.0.contains_key(&writer) {
            return;
        }
        let writers = Arc::make_mut(&mut self.0);
        if let Some(ranges) = writers.get_mut(&writer) {
            ranges.remove(first.0, last.0);
            if ranges.is_empty() {
                writers.remove(&writer);
            }
        }
    }

    /// The dots that both hold.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (writer, first, last) in self.missing_in(other) {
            both.remove_range(writer, first, last);
        }
        both
    }

    /// The union. See the laws at the module's head.
    pub fn merge(&mut self, other: &Self) {
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Bug::ClockMerge) {
            for (writer, _, last) in other.ranges() {
                self.insert_range(writer, Sequence(1), last);
            }
            return;
        }
        if self.includes(other) {
            return;
        }
        if other.includes(self) {
            *self = other.clone();
            return;
        }
        let writers = Arc::make_mut(&mut self.0);
        for (writer, ranges) in other.0.iter() {
            let own = writers.entry(*writer).or_default();
            for (first, last) in ranges.iter() {
                own.insert(first, last);
            }
        }
    }

    /// Says whether every dot of `other` is held here.
    pub fn includes(&self, other: &Self) -> bool {
        let held =
            |(writer, ranges): (&Writer, &Ranges)| self.0.get(writer).is_some_and(|own| own.includes(ranges));
        Arc::ptr_eq(&self.0, &other.0) || other.0.len() <= self.0.len() && other.0.iter().all(held)
    }

    /// How this clock relates to `other`.
    pub fn compare(&self, other: &Self) -> Causality {
        match (self.includes(other), other.includes(self)) {
            (true, true) => Causality::Equal,
            (false, true) => Causality::Before,
            (true, false) => Causality::After,
            (false, false) => Causality::Concurrent,
        }
    }

    /// The greatest sequence held of `writer`, exceptions included; 0 when nothing is.
    pub fn last(&self, writer: Writer) -> Sequence {
        Sequence(self.0.get(&writer).map_or(0, Ranges::last))
    }

    /// The contiguous prefix: all sequences from 1 to this one are held.
    pub fn prefix(&self, writer: Writer) -> Sequence {
        Sequence(self.0.get(&writer).map_or(0, Ranges::prefix))
    }

    /// Every range that is held: writer, first and last sequence, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = (Writer, Sequence, Sequence)> + '_ {
        self.0.iter().flat_map(|(writer, ranges)| {
            let ranges = ranges.iter();
            ranges.map(|(first, last)| (*writer, Sequence(first), Sequence(last)))
        })
    }

    /// The ranges that this clock holds and `other` lacks, ascending.
    pub fn missing_in(&self, other: &Self) -> Vec<(Writer, Sequence, Sequence)> {
        let mut missing = Vec::new();
        if Arc::ptr_eq(&self.0, &other.0) {
            return missing;
        }
        let nothing = Ranges::default();
        for (writer, ranges) in self.0.iter() {
            let theirs = other.0.get(writer).unwrap_or(&nothing);
            ranges.missing_in(theirs, &mut |first, last| {
                missing.push((*writer, Sequence(first), Sequence(last)));
            });
        }
        missing
    }

    /// The writers of which something is held.
    pub fn writers(&self) -> impl Iterator<Item = Writer> + '_ {
        self.0.keys().copied()
    }

    /// Says whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Dot> for Clock {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut clock = Self::new();
        for dot in dots {
            clock.insert(dot);
        }
        clock
    }
}

/// On the wire: `[[writer, [gap, length, gap, length, …]], …]`, writers ascending. `gap` counts the sequences between
/// the end of the range before (0 for the first) and this range's start, less one; `length` the sequences, less one.
type WireClock = Vec<(Writer, Vec<u64>)>;

impl Serialize for Clock {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(writer, ranges)| {
            let mut numbers = Vec::with_capacity(ranges.len() * 2);
            let mut end = 0;
            for (first, last) in ranges.iter() {
                numbers.push(first - end - 1);
                numbers.push(last - first);
                end = last;
            }
            (*writer, numbers)
        }))
    }
}

impl<'de> Deserialize<'de> for Clock {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireClock::deserialize(deserializer)?;
        if wire.len() > WRITERS_MAX {
            return Err(D::Error::custom("too many writers in a clock"));
        }
        let mut clock = BTreeMap::new();
        for (writer, numbers) in wire {
            if numbers.is_empty() || numbers.len() % 2 != 0 || numbers.len() > RANGES_MAX * 2 {
                return Err(D::Error::custom("a writer's ranges come in pairs"));
            }
            let mut ranges = BTreeMap::new();
            let mut end = 0u64;
            for pair in numbers.chunks_exact(2) {
                let overflow = || D::Error::custom("a sequence beyond the greatest");
                if pair[0] == 0 && end != 0 {
                    return Err(D::Error::custom("two ranges that touch are one"));
                }
                let start = end
                    .checked_add(pair[0])
                    .and_then(|n| n.checked_add(1))
                    .ok_or_else(overflow)?;
                end = start
                    .checked_add(pair[1])
                    .filter(|end| *end <= Sequence::MAX.0)
                    .ok_or_else(overflow)?;
                ranges.insert(start, end);
            }
            if clock.insert(writer, Ranges::of_sorted(ranges)).is_some() {
                return Err(D::Error::custom("a writer stands twice in a clock"));
            }
        }
        Ok(Self(Arc::new(clock)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::codec::{decode, encode};
    use crate::model::{Incarnation, NodeId};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    pub(crate) fn dot(node: u8, sequence: u64) -> Dot {
        let writer = Writer {
            node: NodeId([node; 32]),
            incarnation: Incarnation(u64::from(node) * 3),
        };
        Dot {
            writer,
            sequence: Sequence(sequence),
        }
    }

    fn dots() -> impl Strategy<Value = BTreeSet<Dot>> {
        prop::collection::btree_set(
            (0u8..4, 1u64..24).prop_map(|(node, sequence)| dot(node, sequence)),
            0..40,
        )
    }

    fn clock(dots: &BTreeSet<Dot>) -> Clock {
        dots.iter().copied().collect()
    }

    fn expand(ranges: impl IntoIterator<Item = (Writer, Sequence, Sequence)>) -> BTreeSet<Dot> {
        ranges
            .into_iter()
            .flat_map(|(writer, first, last)| {
                (first.0..=last.0).map(move |sequence| Dot {
                    writer,
                    sequence: Sequence(sequence),
                })
            })
            .collect()
    }

    #[test]
    fn ranges_are_cut_out() {
        let all: Clock = (1..=10).map(|n| dot(1, n)).collect();
        let mut clock = all.clone();
        clock.remove(dot(1, 3));
        clock.remove_range(dot(1, 1).writer, Sequence(5), Sequence(7));
        let left: Clock = [1, 2, 4, 8, 9, 10].map(|n| dot(1, n)).into_iter().collect();
        assert_eq!(clock, left);
        assert_eq!(all.intersection(&left), left);
        assert_eq!(left.intersection(&all), left);
        clock.remove_range(dot(1, 1).writer, Sequence(1), Sequence(99));
        assert!(clock.is_empty());
    }

    #[test]
    fn the_prefix_stops_at_the_first_gap() {
        let clock: Clock = [dot(1, 1), dot(1, 2), dot(1, 4)].into_iter().collect();
        assert_eq!(clock.prefix(dot(1, 1).writer), Sequence(2));
        assert_eq!(clock.last(dot(1, 1).writer), Sequence(4));
        assert_eq!(clock.prefix(dot(2, 1).writer), Sequence(0));
    }

    #[test]
    fn the_greatest_sequence_is_no_trap() {
        let mut clock = Clock::new();
        clock.insert(dot(1, Sequence::MAX.0));
        clock.insert(dot(1, u64::MAX));
        clock.insert_range(dot(1, 1).writer, Sequence(0), Sequence(u64::MAX));
        assert_eq!(clock.ranges().count(), 1);
        assert!(clock.missing_in(&clock).is_empty());
        assert_eq!(decode::<Clock>(&encode(&clock), CLOCK_LEN_MAX), Ok(clock));
    }

    #[test]
    fn a_shortened_clock_fits_and_says_nothing_new() {
        let mut clock = Clock::new();
        for sequence in 1..=200_000 {
            clock.insert(dot(1, 2 * sequence));
        }
        clock.insert(dot(2, 7));
        let short = clock.shortened(CLOCK_LEN_MAX);
        assert!(clock.includes(&short) && short.contains(dot(1, 2)) && short.contains(dot(2, 7)));
        assert!(short.ranges().count() > 10_000);
        assert_eq!(decode::<Clock>(&encode(&short), CLOCK_LEN_MAX), Ok(short));
        assert_eq!(clock.shortened(0), Clock::new());
        for node in 0..=255 {
            clock.insert(dot(node, 1));
        }
        assert!(
            clock.shortened(4096).writers().count() > 50,
            "the first are kept when not all can be"
        );
    }

    proptest! {
        #[test]
        fn a_clock_is_the_set_of_its_dots(a in dots(), b in dots(), probe in (0u8..4, 0u64..26)) {
            let (ca, cb) = (clock(&a), clock(&b));
            prop_assert_eq!(ca.contains(dot(probe.0, probe.1)), a.contains(&dot(probe.0, probe.1)));
            prop_assert_eq!(expand(ca.ranges()), a.clone());
            prop_assert_eq!(expand(ca.missing_in(&cb)), a.difference(&b).copied().collect::<BTreeSet<_>>());
            let mut less = ca.clone();
            for dot in &b { less.remove(*dot); }
            prop_assert_eq!(less, a.difference(&b).copied().collect::<Clock>());
        }

        #[test]
        fn merge_is_a_join(a in dots(), b in dots(), c in dots()) {
            let join = |x: &Clock, y: &Clock| { let mut z = x.clone(); z.merge(y); z };
            let (a, b, c) = (clock(&a), clock(&b), clock(&c));
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            prop_assert_eq!(join(&a, &a), a.clone());
            prop_assert!(join(&a, &b).includes(&a));
        }

        #[test]
        fn compare_agrees_with_contains(a in dots(), b in dots()) {
            let expected = match (b.is_subset(&a), a.is_subset(&b)) {
                (true, true) => Causality::Equal,
                (true, false) => Causality::After,
                (false, true) => Causality::Before,
                (false, false) => Causality::Concurrent,
            };
            prop_assert_eq!(clock(&a).compare(&clock(&b)), expected);
        }

        #[test]
        fn clocks_round_trip(a in dots()) {
            let clock = clock(&a);
            prop_assert_eq!(decode::<Clock>(&encode(&clock), CLOCK_LEN_MAX), Ok(clock));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(clock) = decode::<Clock>(&bytes, CLOCK_LEN_MAX) {
                prop_assert_eq!(encode(&clock), bytes);
            }
        }
    }
}
