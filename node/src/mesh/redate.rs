//! What a node wrote while its clock was ahead, written again once it is right.
//!
//! Changes that are dated too far ahead are refused by everybody else until that date, and all that their writer makes afterwards would be
//! dated after them. So when the clock went back and its own dates are too far ahead of it, the node writes the same contents again, as
//! changes that replace the old ones, and dates go on from the clock. Nobody misses the old ones: whoever holds them sees them replaced, and
//! all others never need them. What is replaced is decided by what a writer has seen, never by time, so it does not matter that the new date is earlier.
//!
//! Nothing is written again while the clock is not set, nor before it has stood for a while, nor as long as others' words say that it is much
//! later, nor for hours in which their changes alone say so: a clock that woke up in the past would send everything there.

use std::time::Duration;

use super::Report;
use super::engine::{Engine, Result};
use crate::model::{Dot, Instant, Now, Sequence, Writer};
use crate::store::Store;

/// The clock has to stand for so long: after a start it may be set once more.
const PATIENCE: Duration = Duration::from_secs(2 * 60);
/// A clock that seems to be behind is looked at again so much later.
const HELD_BACK: Duration = Duration::from_secs(10 * 60);
/// Dates of others say so for at most so long: they may have been wrong as well, and believed this node's.
const HELD_BACK_BY_DATES_MAX: Duration = Duration::from_secs(6 * 3600);
/// Own changes that are looked at in one step.
const LOOKED_AT_MAX: usize = 64;

/// How far that has come.
#[derive(Debug, Default)]
pub(super) struct Redate {
    /// The store says that it was begun, and not that it is done: then it begins anew.
    pub(super) begun: bool,
    /// From when on own dates count as ahead of the clock, unless that changes.
    since: Option<Instant>,
    /// Since when they are.
    ahead_since: Option<Instant>,
    /// Ranges of own changes that are still to be looked at.
    left: Option<Vec<(Writer, Sequence, Sequence)>>,
}

impl Redate {
    /// `begun`: what the store says.
    pub(super) fn starting(begun: bool) -> Self {
        Self {
            begun,
            ..Self::default()
        }
    }

    /// When something is due.
    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.left {
            Some(_) => Some(Instant(0)),
            None => self.since.map(|since| since.after(PATIENCE)),
        }
    }
}

impl<S: Store> Engine<S> {
    /// Does a part of what is due. A transaction takes one part.
    pub(super) fn redate_when_due(&mut self, now: Now) -> Result<()> {
        if self.needs_commit() {
            return Ok(());
        }
        if self.redate.left.is_some() {
            return self.redate_some(now);
        }
        let ahead = self.clock_of_writes.last().is_too_far_ahead(now.wall);
        if !self.wall.is_set() || !ahead && !self.redate.begun {
            self.redate.since = None;
            self.redate.ahead_since = None;
            return Ok(());
        }
        let ahead_since = *self.redate.ahead_since.get_or_insert(now.instant);
        let since = *self.redate.since.get_or_insert(now.instant);
        if now.instant < since.after(PATIENCE) {
            return Ok(());
        }
        if self.seems_behind(now, ahead_since)? {
            self.redate.since = Some(now.instant.after(HELD_BACK));
            return Ok(());
        }
        self.redate.since = None;
        self.redate.begun = true;
        self.changed.redate = true;
        self.report(Report::ClockWasAhead);
        // Dates go on from the clock.
        self.changed.own |= self.clock_of_writes.restart_if_ahead(now.wall);
        let own = self.held.ranges().filter(|(writer, ..)| writer.node == self.node);
        let mut left: Vec<_> = own.collect();
        left.reverse();
        self.redate.left = Some(left);
        self.redate_some(now)
    }

    /// Whether the clock is behind, rather than having been ahead, as far as others can tell: by what they say now, or else, as by radio, by
    /// the dates of what is held of them.
    fn seems_behind(&self, now: Now, ahead_since: Instant) -> Result<bool> {
        match self.wall.is_behind_others(now) {
            Some(behind) => Ok(behind),
            None if now.instant >= ahead_since.after(HELD_BACK_BY_DATES_MAX) => Ok(false),
            None => {
                let latest = self.latest_date(|node| node != self.node)?;
                Ok(latest.is_too_far_ahead(now.wall))
            }
        }
    }

    fn redate_some(&mut self, now: Now) -> Result<()> {
        let mut may_look_at = LOOKED_AT_MAX;
        while let Some((writer, first, last)) = self.redate.left.as_mut().and_then(Vec::pop) {
            let dots = self.view(|view| view.live_of(writer, first, last, may_look_at))?;
            may_look_at -= dots.len();
            if may_look_at == 0
                && let (Some(dot), Some(left)) = (dots.last(), &mut self.redate.left)
                && dot.sequence < last
            {
                left.push((writer, Sequence(dot.sequence.0 + 1), last));
            }
            for dot in dots {
                self.redate_one(now, dot)?;
            }
            if may_look_at == 0 {
                return Ok(());
            }
        }
        self.redate.left = None;
        self.redate.begun = false;
        self.changed.redate = true;
        Ok(())
    }

    /// Writes a change again if its date is too far ahead.
    fn redate_one(&mut self, now: Now, dot: Dot) -> Result<()> {
        let Some(entry) = self.view(|view| view.entry(dot))? else {
            return Ok(());
        };
        if !entry.change().time.is_too_far_ahead(now.wall) {
            return Ok(());
        }
        let name = entry.change().name.clone();
        let document = self.view(|view| view.named(&name))?;
        let what = self.again(entry)?;
        // Another sibling that this node wrote, in an earlier life, has to stay: it would be replaced by whatever has the same writer.
        let writer = self.writer(now.wall);
        if (document.heads().iter()).any(|head| head.dot != dot && head.dot.writer == writer) {
            self.own.incarnation = None;
        }
        let here = !self.pending.contains(&dot);
        let requested = self.requested.remove(&dot);
        let written = self.write(now, &document, &[dot], &name, what, here)?;
        // A node that was revoked writes nothing any more, nor does one without the key.
        if let (Ok(new), true) = (written, requested) {
            self.requested.insert(new);
            self.changed.requested = true;
        }
        Ok(())
    }
}
