//! Clocks as differences: what a node holds, told to those who know an earlier state of it.
//!
//! ```text
//! digest     6 bytes: of the whole clock
//! flags      bit 0: a base follows; bit 1: collected tombstones may be among the dead; bit 2: writers follow
//! [base]     6 bytes: the digest of a state that the rest adds to
//! [writers]  number; for each: 4 bytes of the node id, 8 bytes incarnation: those of whom nothing lives
//! adds       runs
//! dead       runs: of these there is no live entry any more
//! runs       number of writers; for each: 4 bytes that stand for it; number of ranges; for each range: number of sequences left out
//!            before it, number of sequences in it less one
//! ```

use super::entries::NodeRef;
use super::wire::{Damaged, Reader, Result, put_number};
use crate::model::{Clock, Hash, Incarnation, Sequence, Writer, codec};

const HAS_BASE: u8 = 1;
const COLLECTED: u8 = 2;
const HAS_WRITERS: u8 = 4;

/// Stands for a clock. 48 bits: two states of one space that differ are taken for equal once in 10^14 comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Digest(pub(super) [u8; 6]);

impl Digest {
    pub(super) fn of(clock: &Clock) -> Self {
        let hash = Hash::of(&codec::encode(clock));
        let mut digest = [0; 6];
        digest.copy_from_slice(&hash.0[..6]);
        Self(digest)
    }
}

/// Stands for a writer: four bytes of a hash over its node and incarnation.
type WriterRef = [u8; 4];

fn writer_ref(writer: &Writer) -> WriterRef {
    let hash = Hash::of(&codec::encode(writer));
    let [a, b, c, d, ..] = hash.0;
    [a, b, c, d]
}

/// Ranges of sequences by writers that may not be known here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Runs(Vec<(WriterRef, Vec<(u64, u64)>)>);

impl Runs {
    pub(super) fn of(ranges: impl IntoIterator<Item = (Writer, Sequence, Sequence)>) -> Self {
        let mut runs: Vec<(WriterRef, Vec<(u64, u64)>)> = Vec::new();
        let mut last = None;
        for (writer, first, end) in ranges {
            if last != Some(writer) {
                runs.push((writer_ref(&writer), Vec::new()));
                last = Some(writer);
            }
            if let Some((_, ranges)) = runs.last_mut() {
                ranges.push((first.0, end.0));
            }
        }
        Self(runs)
    }

    /// The dots of writers in `known`, and of `more`; says whether there are others.
    pub(super) fn resolve(&self, known: &Clock, more: &[Writer]) -> (Clock, bool) {
        let mut writers: Vec<(WriterRef, Writer)> =
            more.iter().map(|writer| (writer_ref(writer), *writer)).collect();
        for (writer, ..) in known.ranges() {
            if writers.last().is_none_or(|(_, last)| *last != writer) {
                writers.push((writer_ref(&writer), writer));
            }
        }
        let (mut clock, mut others) = (Clock::new(), false);
        for (wanted, ranges) in &self.0 {
            let Some((_, writer)) = writers.iter().find(|(own, _)| own == wanted) else {
                others = true;
                continue;
            };
            for (first, last) in ranges {
                clock.insert_range(*writer, Sequence(*first), Sequence(*last));
            }
        }
        (clock, others)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_number(out, self.0.len() as u64);
        for (writer, ranges) in &self.0 {
            out.extend(writer);
            put_number(out, ranges.len() as u64);
            let mut end = 0;
            for (first, last) in ranges {
                put_number(out, first - end - 1);
                put_number(out, last - first);
                end = *last;
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let mut runs = Vec::new();
        for _ in 0..reader.count(7)? {
            let writer = reader.array()?;
            let mut ranges = Vec::new();
            let mut end = 0_u64;
            for _ in 0..reader.count(2)? {
                let first = end
                    .checked_add(1)
                    .and_then(|next| next.checked_add(reader.number().ok()?));
                let last = first.and_then(|first| first.checked_add(reader.number().ok()?));
                let (first, last) = first.zip(last).ok_or(Damaged)?;
                if last > Sequence::MAX.0 {
                    return Err(Damaged);
                }
                ranges.push((first, last));
                end = last;
            }
            runs.push((writer, ranges));
        }
        Ok(Self(runs))
    }
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    /// Of all of it.
    pub(super) digest: Digest,
    /// The state that the rest adds to; nothing, if there is none.
    pub(super) base: Option<Digest>,
    /// What is held beyond the base.
    pub(super) adds: Runs,
    /// Of these, what has no live entry any more: superseded by what is held.
    pub(super) dead: Runs,
    /// Tombstones that were collected may be among them.
    pub(super) collected: bool,
    /// Writers beyond the base of whom nothing lives.
    pub(super) writers: Vec<(NodeRef, Incarnation)>,
}

impl Summary {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.digest.0);
        let mut flags = 0;
        if self.base.is_some() {
            flags |= HAS_BASE;
        }
        if self.collected {
            flags |= COLLECTED;
        }
        if !self.writers.is_empty() {
            flags |= HAS_WRITERS;
        }
        out.push(flags);
        out.extend(self.base.iter().flat_map(|base| base.0));
        if !self.writers.is_empty() {
            put_number(out, self.writers.len() as u64);
            for (node, incarnation) in &self.writers {
                out.extend(node);
                out.extend(incarnation.0.to_be_bytes());
            }
        }
        self.adds.encode(out);
        self.dead.encode(out);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let digest = Digest(reader.array()?);
        let flags = reader.byte()?;
        if flags & !(HAS_BASE | COLLECTED | HAS_WRITERS) != 0 {
            return Err(Damaged);
        }
        let base = match flags & HAS_BASE {
            0 => None,
            _ => Some(Digest(reader.array()?)),
        };
        let mut writers = Vec::new();
        if flags & HAS_WRITERS != 0 {
            for _ in 0..reader.count(12)? {
                let node = reader.array()?;
                writers.push((node, Incarnation(u64::from_be_bytes(reader.array()?))));
            }
            if writers.is_empty() {
                return Err(Damaged);
            }
        }
        Ok(Self {
            digest,
            base,
            adds: Runs::decode(reader)?,
            dead: Runs::decode(reader)?,
            collected: flags & COLLECTED != 0,
            writers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dot, Incarnation, NodeId};
    use proptest::prelude::*;

    fn clock(dots: &[(u8, u64)]) -> Clock {
        let mut clock = Clock::new();
        for (writer, sequence) in dots {
            clock.insert(Dot {
                writer: Writer {
                    node: NodeId([*writer; 32]),
                    incarnation: Incarnation(5),
                },
                sequence: Sequence(*sequence),
            });
        }
        clock
    }

    #[test]
    fn fifty_changes_of_one_writer_take_seven_bytes() {
        let dots: Vec<(u8, u64)> = (5001..5051).map(|sequence| (1, sequence)).collect();
        let mut out = Vec::new();
        Runs::of(clock(&dots).ranges()).encode(&mut out);
        assert_eq!(out.len(), 1 + 4 + 1 + 2 + 1);
    }

    #[test]
    fn writers_that_are_not_known_are_told() {
        let runs = Runs::of(clock(&[(1, 3), (2, 4)]).ranges());
        let (resolved, others) = runs.resolve(&clock(&[(1, 1)]), &[]);
        assert_eq!((resolved, others), (clock(&[(1, 3)]), true));
        let second: Vec<Writer> = clock(&[(2, 1)]).writers().collect();
        let (resolved, others) = runs.resolve(&clock(&[(1, 1)]), &second);
        assert_eq!((resolved, others), (clock(&[(1, 3), (2, 4)]), false));
    }

    proptest! {
        #[test]
        fn summaries_come_back(
            adds in proptest::collection::vec((0_u8..4, 1_u64..60), 0..40),
            dead in proptest::collection::vec((0_u8..4, 1_u64..60), 0..20),
            base: Option<[u8; 6]>,
            collected: bool,
            writers in proptest::collection::vec(any::<([u8; 4], u64)>(), 0..3),
        ) {
            let (adds, dead) = (clock(&adds), clock(&dead));
            let summary = Summary {
                digest: Digest::of(&adds),
                base: base.map(Digest),
                adds: Runs::of(adds.ranges()),
                dead: Runs::of(dead.ranges()),
                collected,
                writers: writers.into_iter().map(|(node, incarnation)| (node, Incarnation(incarnation))).collect(),
            };
            let mut bytes = Vec::new();
            summary.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(Summary::decode(&mut reader), Ok(summary.clone()));
            prop_assert!(reader.is_empty());
            prop_assert_eq!(summary.adds.resolve(&adds, &[]), (adds, false));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Summary::decode(&mut Reader::new(&bytes));
        }
    }
}
