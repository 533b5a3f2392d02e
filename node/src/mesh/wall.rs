//! The wall clock that an engine goes by.
//!
//! Many small computers have no battery for their clock and wake up in 1970. A node tells that from the time alone: it is
//! before this software was made. Such a node would refuse all that its neighbours write as from the future, so it takes the time from the
//! other nodes of its space, and carries it on by the monotonic clock. A node whose clock is set listens to nobody: its own clock
//! counts, right or wrong.
//!
//! **What others' words are worth.** An announcement by a linked node (its transport proves who speaks, and that it speaks now) tells what
//! time it is *now*. The date of a signed change tells that it was not earlier *then*: a lower bound, however late the
//! change comes. Nodes whose own clocks are not set announce 1970 and are not counted: two of them would keep one another in the past.
//!
//! **Whom to believe.** Any member may have a wrong clock, or lie, and nobody can know which.
//! 1. As long as nodes speak, the lower median of what they say counts. Of three or more nodes a minority cannot move it, forwards or backwards. Of
//!    two that differ the earlier counts: too early costs a delay, too late lets changes in that all others refuse.
//!    One alone has to be believed: this node knows nothing better.
//! 2. If nobody spoke lately, as by radio, whose beacons carry no time, changes' dates count. A date that two writers reach counts at
//!    once: it takes two liars to forge it. The latest of one alone counts after a pause in which it stands, since a space of two nodes
//!    has no second writer.
//! 3. Until then, the latest date that the own store knows counts.
//!
//! So a liar moves a node without a clock only where nobody better is heard, and only until somebody is, or its clock is set; then what it wrote
//! itself meanwhile is dated anew ([`super::redate`]).

use std::collections::BTreeMap;
use std::time::Duration;

use super::TimeSource;
use crate::model::{HybridTime, Instant, NodeId, Now, WallTime};

/// The date of one writer alone has to stand for so long.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// What a node announced counts for so long: the monotonic clock carries it on.
const SPOKEN_LASTS: Duration = Duration::from_secs(3600);
/// Most nodes whose words are kept: far more than speak at a time.
const NODES_MAX: usize = 64;

/// A time, and when it was that.
#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: WallTime,
    at: Instant,
}

impl Reading {
    fn carried(self, now: Instant) -> WallTime {
        let passed = now.since(self.at).as_millis();
        WallTime(
            self.wall
                .0
                .saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)),
        )
    }
}

/// The latest date of one writer.
#[derive(Debug, Clone, Copy)]
struct Dated {
    reading: Reading,
    /// Since when it stands.
    since: Instant,
}

/// Which time it is.
#[derive(Debug, Default)]
pub(super) struct Wall {
    /// What the system's clock said last.
    system: WallTime,
    /// By so much the wall clock was ahead of the monotonic one when it was last set.
    ahead_ms: Option<i128>,
    /// The store was asked.
    asked: bool,
    /// Of a node whose clock is not set.
    learned: Option<(Reading, TimeSource)>,
    spoken: BTreeMap<NodeId, Reading>,
    dated: BTreeMap<NodeId, Dated>,
}

/// A wall clock that moved by so much against the monotonic one was set; else it drifts.
const STEP_MIN_MS: u128 = 60_000;

impl Wall {
    /// What the system's clock says, right or wrong: what is announced.
    pub(super) const fn system(&self) -> WallTime {
        self.system
    }

    /// Says whether the system's clock was ever set.
    pub(super) const fn is_set(&self) -> bool {
        self.system.is_set()
    }

    /// Where the time is from.
    pub(super) fn source(&self) -> TimeSource {
        match &self.learned {
            _ if self.is_set() => TimeSource::System,
            Some((_, source)) => *source,
            None => TimeSource::Nothing,
        }
    }

    /// The time to go by.
    pub(super) fn correct(&self, now: Now) -> Now {
        match self.learned {
            Some((reading, _)) if !now.wall.is_set() => Now {
                wall: reading.carried(now.instant),
                ..now
            },
            _ => now,
        }
    }

    /// Something happens now. `known`: the latest date in the store, asked for when nothing else is known. Gives the time to go by.
    pub(super) fn advance<E>(
        &mut self,
        now: Now,
        known: impl FnOnce() -> Result<HybridTime, E>,
    ) -> Result<Now, E> {
        self.system = now.wall;
        if now.wall.is_set() {
            self.learned = None;
            self.asked = false;
            self.dated.clear();
            return Ok(now);
        }
        if self.learned.is_none() && !std::mem::replace(&mut self.asked, true) {
            let reading = Reading {
                wall: known()?.wall(),
                at: now.instant,
            };
            self.learn(now.instant, reading, TimeSource::Store);
        }
        if let Some(wall) = self.median(now.instant) {
            let at = now.instant;
            self.dated.clear();
            // Backwards as well: these speak now.
            self.learned = Some((Reading { wall, at }, TimeSource::Members));
        } else {
            self.learn_from_dates(now.instant);
        }
        Ok(self.correct(now))
    }

    /// Says whether the clock was set since the last call, forwards or backwards. `now` is corrected.
    pub(super) fn has_stepped(&mut self, now: Now) -> bool {
        let ahead_ms = i128::from(now.wall.0) - i128::from(now.instant.0 / 1000);
        let before = *self.ahead_ms.get_or_insert(ahead_ms);
        let stepped = ahead_ms.abs_diff(before) >= STEP_MIN_MS;
        if stepped {
            self.ahead_ms = Some(ahead_ms);
        }
        stepped
    }

    fn learn(&mut self, now: Instant, reading: Reading, source: TimeSource) {
        let wall = reading.carried(now);
        let later = self.learned.is_none_or(|(before, _)| wall > before.carried(now));
        if wall.is_set() && later {
            self.learned = Some((Reading { wall, at: now }, source));
        }
    }

    fn median(&self, now: Instant) -> Option<WallTime> {
        let fresh = self
            .spoken
            .values()
            .filter(|reading| now < reading.at.after(SPOKEN_LASTS));
        let mut times: Vec<WallTime> = fresh.map(|reading| reading.carried(now)).collect();
        times.sort();
        times.get(times.len().checked_sub(1)? / 2).copied()
    }

    fn learn_from_dates(&mut self, now: Instant) {
        let mut dates: Vec<Dated> = self.dated.values().copied().collect();
        dates.sort_by_key(|date| std::cmp::Reverse(date.reading.carried(now)));
        let first = dates.first().filter(|date| now >= date.since.after(PATIENCE));
        for date in first.into_iter().chain(dates.get(1)) {
            self.learn(now, date.reading, TimeSource::Changes);
        }
        if let Some((learned, _)) = self.learned {
            let reached = learned.carried(now);
            self.dated.retain(|_, date| date.reading.carried(now) > reached);
        }
    }

    /// A member announced this time; its transport has proven who speaks.
    pub(super) fn spoke(&mut self, now: Instant, node: NodeId, wall: WallTime) {
        if !wall.is_set() {
            self.spoken.remove(&node);
        } else if self.spoken.len() < NODES_MAX || self.spoken.contains_key(&node) {
            self.spoken.insert(node, Reading { wall, at: now });
        } else {
            self.spoken
                .retain(|_, reading| now < reading.at.after(SPOKEN_LASTS));
        }
    }

    /// A member dated a change of its own so. `now` is corrected.
    pub(super) fn dated(&mut self, now: Now, writer: NodeId, time: HybridTime) {
        let wall = time.wall();
        if self.is_set() || !wall.is_set() || wall <= now.wall {
            return;
        }
        if self.dated.len() >= NODES_MAX && !self.dated.contains_key(&writer) {
            return;
        }
        let reading = Reading {
            wall,
            at: now.instant,
        };
        let date = self.dated.entry(writer).or_insert(Dated {
            reading,
            since: now.instant,
        });
        let before = date.reading.carried(now.instant);
        if wall > before {
            date.reading = reading;
            // Another claim than the one that stood.
            if time.is_too_far_ahead(before) {
                date.since = now.instant;
            }
        }
    }

    /// Of a node whose clock is set: whether others say that it is much later. `None` when nobody spoke lately.
    pub(super) fn is_behind_others(&self, now: Now) -> Option<bool> {
        let others = self.median(now.instant)?;
        Some(HybridTime::at(others).is_too_far_ahead(now.wall))
    }

    /// When a date has stood for long enough.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.dated.values().map(|date| date.since.after(PATIENCE)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In 2027.
    const TRUE_MS: u64 = 1_800_000_000_000;
    const YEAR_MS: u64 = 365 * 24 * 3_600_000;
    const MINUTE_US: u64 = 60_000_000;

    fn node(number: u8) -> NodeId {
        NodeId([number; 32])
    }

    fn now(minutes: u64, wall: u64) -> Now {
        Now {
            instant: Instant(minutes * MINUTE_US),
            wall: WallTime(wall),
        }
    }

    /// What a node in 1970 takes for the time, `minutes` after its start.
    fn unset(wall: &mut Wall, minutes: u64, known: u64) -> u64 {
        let known = HybridTime::at(WallTime(known));
        let Ok(now) = wall.advance(now(minutes, minutes * 60_000), || Ok::<_, ()>(known)) else {
            unreachable!("nothing fails");
        };
        now.wall.0
    }

    fn date(wall: &mut Wall, minutes: u64, writer: u8, ms: u64) {
        let now = wall.correct(now(minutes, minutes * 60_000));
        wall.dated(now, node(writer), HybridTime::at(WallTime(ms)));
    }

    #[test]
    fn nobody_moves_a_clock_that_is_set() {
        let mut wall = Wall::default();
        let own = now(5, TRUE_MS);
        let unasked = || -> Result<HybridTime, ()> { panic!("the store is not asked") };
        assert_eq!(wall.advance(own, unasked), Ok(own));
        for liar in 1..40 {
            wall.spoke(own.instant, node(liar), WallTime(TRUE_MS + YEAR_MS));
            wall.dated(own, node(liar), HybridTime::at(WallTime(TRUE_MS + YEAR_MS)));
        }
        let later = now(20, TRUE_MS + 15 * 60_000);
        assert_eq!(wall.advance(later, unasked), Ok(later));
        assert_eq!(wall.source(), TimeSource::System);
        assert_eq!(wall.is_behind_others(later), Some(true));
        assert_eq!(wall.is_behind_others(now(90, TRUE_MS)), None);
    }

    #[test]
    fn the_store_is_asked_first_and_time_goes_on() {
        let mut wall = Wall::default();
        assert_eq!(unset(&mut wall, 0, TRUE_MS), TRUE_MS);
        assert_eq!(unset(&mut wall, 3, TRUE_MS), TRUE_MS + 180_000);
        assert_eq!(wall.source(), TimeSource::Store);
        // Once the clock is set, what was learned is forgotten.
        let set = now(4, TRUE_MS + YEAR_MS);
        assert_eq!(wall.advance(set, || Err(())), Ok(set));
        assert_eq!(wall.source(), TimeSource::System);
    }

    #[test]
    fn an_empty_store_knows_no_time() {
        let mut wall = Wall::default();
        assert_eq!(unset(&mut wall, 1, 0), 60_000);
        assert_eq!(wall.source(), TimeSource::Nothing);
    }

    #[test]
    fn a_minority_of_those_who_speak_moves_nothing() {
        for lie in [TRUE_MS + YEAR_MS, TRUE_MS - YEAR_MS] {
            let mut wall = Wall::default();
            wall.spoke(Instant(0), node(1), WallTime(TRUE_MS));
            wall.spoke(Instant(0), node(2), WallTime(TRUE_MS + 1000));
            wall.spoke(Instant(0), node(3), WallTime(lie));
            let time = unset(&mut wall, 0, 0);
            assert!(time.abs_diff(TRUE_MS) <= 1000, "{time}");
            assert_eq!(wall.source(), TimeSource::Members);
        }
    }

    #[test]
    fn of_two_the_earlier_counts_even_if_it_comes_later() {
        let mut wall = Wall::default();
        wall.spoke(Instant(0), node(3), WallTime(TRUE_MS + YEAR_MS));
        assert_eq!(unset(&mut wall, 0, 0), TRUE_MS + YEAR_MS);
        wall.spoke(Instant(0), node(1), WallTime(TRUE_MS));
        assert_eq!(unset(&mut wall, 0, 0), TRUE_MS);
        // A node without a clock does not count.
        wall.spoke(Instant(0), node(2), WallTime(17));
        assert_eq!(unset(&mut wall, 1, 0), TRUE_MS + 60_000);
    }

    #[test]
    fn a_date_that_two_reach_counts_at_once() {
        let mut wall = Wall::default();
        unset(&mut wall, 0, TRUE_MS - YEAR_MS);
        date(&mut wall, 0, 3, TRUE_MS + YEAR_MS);
        date(&mut wall, 0, 1, TRUE_MS);
        assert_eq!(unset(&mut wall, 1, 0), TRUE_MS + 60_000);
        assert_eq!(wall.source(), TimeSource::Changes);
    }

    #[test]
    fn the_date_of_one_alone_has_to_stand() {
        let mut wall = Wall::default();
        assert_eq!(unset(&mut wall, 0, TRUE_MS - YEAR_MS), TRUE_MS - YEAR_MS);
        date(&mut wall, 0, 1, TRUE_MS);
        assert_eq!(wall.timeout(), Some(Instant(10 * MINUTE_US)));
        assert!(unset(&mut wall, 9, 0) < TRUE_MS);
        // A later claim has to stand anew; one that goes on from there does not.
        date(&mut wall, 9, 1, TRUE_MS + 3_600_000);
        date(&mut wall, 15, 1, TRUE_MS + 3_600_000 + 6 * 60_000);
        assert!(unset(&mut wall, 18, 0) < TRUE_MS);
        assert_eq!(unset(&mut wall, 19, 0), TRUE_MS + 3_600_000 + 10 * 60_000);
        assert_eq!(wall.timeout(), None);
    }

    #[test]
    fn dates_count_for_nothing_while_somebody_speaks() {
        let mut wall = Wall::default();
        wall.spoke(Instant(0), node(1), WallTime(TRUE_MS));
        unset(&mut wall, 0, 0);
        for writer in 2..9 {
            date(&mut wall, 0, writer, TRUE_MS + YEAR_MS);
        }
        assert_eq!(unset(&mut wall, 59, 0), TRUE_MS + 59 * 60_000);
        assert_eq!(wall.timeout(), None, "nothing is waited for");
    }

    #[test]
    fn drift_is_no_step() {
        let mut wall = Wall::default();
        assert!(!wall.has_stepped(now(0, TRUE_MS)));
        assert!(!wall.has_stepped(now(10, TRUE_MS + 600_000 + 59_000)));
        assert!(wall.has_stepped(now(20, TRUE_MS + 1_200_000 - 61_000)));
        assert!(!wall.has_stepped(now(30, TRUE_MS + 1_800_000 - 61_000)));
    }
}
