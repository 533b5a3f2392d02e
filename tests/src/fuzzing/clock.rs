//! Clocks and contexts.

use cairn::model::{
    CLOCK_LEN_MAX, CONTEXT_WRITERS_MAX, Causality, Clock, Context, Dot, Sequence, WRITERS_MAX, codec,
};

use super::build;
use super::choices::Choices;

/// Laws: a clock and a context have one encoding each; merging is a join; `compare`, `includes`, `missing_in` and
/// `intersection` say what `contains` says at the ends of every range.
pub fn clock(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 4 {
        0 => read(choices.rest()),
        1 => {
            let first = usize::from(u16::from_be_bytes(choices.array()));
            let rest = choices.rest();
            let (a, b) = rest.split_at(first.min(rest.len()));
            match (read_clock(a), read_clock(b)) {
                (Some(a), Some(b)) => pair(&a, &b),
                _ => return false,
            }
            true
        }
        2 => {
            let (a, b, c) = (
                build::clock(&mut choices),
                build::clock(&mut choices),
                build::clock(&mut choices),
            );
            pair(&a, &b);
            assert_eq!(
                merged(&merged(&a, &b), &c),
                merged(&a, &merged(&b, &c)),
                "merge is associative"
            );
            let bytes = codec::encode(&a);
            assert_eq!(read_clock(&bytes), Some(a));
            true
        }
        _ => {
            let (a, b) = (build::context(&mut choices), build::context(&mut choices));
            contexts(&a, &b, build::dot(&mut choices));
            true
        }
    }
}

fn read(bytes: &[u8]) -> bool {
    let context = codec::decode::<Context>(bytes, CLOCK_LEN_MAX);
    if let Ok(context) = &context {
        assert_eq!(codec::encode(context), bytes, "a context has one encoding");
        assert!(context.len() <= CONTEXT_WRITERS_MAX);
    }
    let clock = read_clock(bytes);
    if let Some(clock) = &clock {
        pair(clock, &Clock::new());
        pair(clock, clock);
    }
    context.is_ok() || clock.is_some()
}

fn read_clock(bytes: &[u8]) -> Option<Clock> {
    let clock = codec::decode::<Clock>(bytes, CLOCK_LEN_MAX).ok()?;
    assert_eq!(codec::encode(&clock), bytes, "a clock has one encoding");
    assert!(clock.writers().count() <= WRITERS_MAX);
    Some(clock)
}

fn merged(a: &Clock, b: &Clock) -> Clock {
    let mut both = a.clone();
    both.merge(b);
    both
}

fn pair(a: &Clock, b: &Clock) {
    ranges(a);
    ranges(b);
    let both = merged(a, b);
    assert_eq!(both, merged(b, a), "merge is commutative");
    assert_eq!(merged(&both, b), both, "merge is idempotent");
    assert!(both.includes(a) && both.includes(b), "a merge is an upper bound");
    let shared = a.intersection(b);
    assert_eq!(shared, b.intersection(a), "intersection is commutative");
    let (more, less) = (a.missing_in(b), b.missing_in(a));
    assert_eq!(
        a.compare(b),
        match (more.is_empty(), less.is_empty()) {
            (true, true) => Causality::Equal,
            (true, false) => Causality::Before,
            (false, true) => Causality::After,
            (false, false) => Causality::Concurrent,
        }
    );
    let mut rebuilt = shared.clone();
    for (writer, first, last) in more {
        rebuilt.insert_range(writer, first, last);
    }
    assert_eq!(
        rebuilt, *a,
        "what both hold, and what only one holds, is all of it"
    );
    for dot in ends(a).chain(ends(b)) {
        let (in_a, in_b) = (a.contains(dot), b.contains(dot));
        assert_eq!(both.contains(dot), in_a || in_b, "{dot} in the union");
        assert_eq!(shared.contains(dot), in_a && in_b, "{dot} in the intersection");
    }
    for (clock, other) in [(&both, a), (a, b)] {
        let bytes = codec::encode(clock);
        assert_eq!(codec::decode::<Clock>(&bytes, usize::MAX).as_ref(), Ok(clock));
        let mut less = clock.clone();
        for (writer, first, last) in other.ranges() {
            less.remove_range(writer, first, last);
        }
        assert!(
            less.intersection(other).is_empty(),
            "nothing is left of what was removed"
        );
        ranges(&less);
    }
}

/// Ranges are disjoint, ascending, do not touch, and lie within 1 and the greatest sequence.
fn ranges(clock: &Clock) {
    let mut before = None;
    for (writer, first, last) in clock.ranges() {
        assert!(first.0 >= 1 && first <= last && last <= Sequence::MAX);
        if let Some((_, end)) = before.filter(|(other, _)| *other == writer) {
            assert!(first.0 > end + 1, "two ranges that touch are one");
        }
        before = Some((writer, last.0));
    }
    for writer in clock.writers() {
        let (prefix, last) = (clock.prefix(writer), clock.last(writer));
        assert!(prefix <= last && last.0 > 0);
        let at = |sequence| Dot { writer, sequence };
        assert!(clock.contains(at(last)) && !clock.contains(at(Sequence(last.0 + 1))));
        assert!(!clock.contains(at(Sequence(prefix.0 + 1))));
    }
}

/// The dots at, before and behind the ends of every range.
fn ends(clock: &Clock) -> impl Iterator<Item = Dot> + '_ {
    clock.ranges().flat_map(|(writer, first, last)| {
        [first.0 - 1, first.0, last.0, last.0 + 1].map(|sequence| Dot {
            writer,
            sequence: Sequence(sequence),
        })
    })
}

fn contexts(a: &Context, b: &Context, probe: Dot) {
    let join = |x: &Context, y: &Context| {
        let mut both = x.clone();
        both.merge(y);
        both
    };
    let both = join(a, b);
    assert_eq!(both, join(b, a), "merge is commutative");
    assert_eq!(join(&both, b), both, "merge is idempotent");
    assert_eq!(both.contains(probe), a.contains(probe) || b.contains(probe));
    let bytes = codec::encode(&both);
    assert_eq!(
        codec::decode::<Context>(&bytes, CLOCK_LEN_MAX).as_ref(),
        Ok(&both)
    );
    let mut short = both.clone();
    short.shorten(2);
    assert_eq!(short.len(), both.len().min(2));
    assert_eq!(join(&short, &both), both, "a shortened context says nothing new");
}
