//! Who holds what: acknowledgements made, heard and passed on.

use std::time::Duration;

use super::engine::{Engine, Result};
use super::{Acknowledgement, LinkId, Message, Report};
use crate::model::{CLOCK_LEN_MAX, Clock, Hash, HybridTime, Instant, NodeId, Now, Writer, codec};
use crate::store::Store;

/// An acknowledgement holds the whole clock: where that is long, it is told less often.
const TELL_PAUSE_BY_WRITER: Duration = Duration::from_millis(10);
const TELL_PAUSE_MAX: Duration = Duration::from_secs(2);
/// With so many nodes, and each multiple of them, what others said is passed on one announcement's time less often: else all of them
/// would say what all have said, to all their neighbours, each time.
const PASSED_ON_AT_ONCE: usize = 8;

/// How fast acknowledgements are told.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When this node last told what it holds.
    told: Option<Instant>,
    /// When it will tell what it held back.
    due: Option<Instant>,
    /// When others' words were last passed on.
    passed_on: Option<Instant>,
    /// When anything new was last said or heard.
    news: Instant,
}

impl Pace {
    pub(super) const fn timeout(&self) -> Option<Instant> {
        self.due
    }
}

impl<S: Store> Engine<S> {
    /// After a commit: tells granted neighbours what is on disk, if they do not know it yet.
    pub(super) fn acknowledge(&mut self, now: Now) {
        if self.links.granted().is_empty() || self.config.follows {
            self.pace.due = None;
            return;
        }
        let writers = u32::try_from(self.held.writers().count()).unwrap_or(u32::MAX);
        let pause = TELL_PAUSE_BY_WRITER.saturating_mul(writers).min(TELL_PAUSE_MAX);
        match self
            .pace
            .told
            .map(|told| told.after(pause))
            .filter(|next| now.instant < *next)
        {
            Some(next) => self.pace.due = Some(next),
            None => {
                self.pace.due = None;
                if self.sign_acknowledgement(now) {
                    self.pace.told = Some(now.instant);
                }
            }
        }
        self.pass_on(Some(self.node));
    }

    /// The wall clock was set: what this node says of what it holds is said anew, by the right time. Else, dated ahead, it would be taken in by
    /// nobody, and dated in the past it would be older than what was said before.
    pub(super) fn acknowledge_anew(&mut self, now: Now) {
        self.acknowledgement_clock.restart_if_ahead(now.wall);
        self.acknowledgements
            .retain(|node, told| *node != self.node && !told.time.is_too_far_ahead(now.wall));
        self.pace.due = Some(now.instant);
    }

    /// Tells what was held back. What is told must be on disk: an open transaction's commit will do it.
    pub(super) fn acknowledge_when_due(&mut self, now: Now) {
        if self.pace.due.is_some_and(|due| due <= now.instant) && !self.needs_commit() {
            self.acknowledge(now);
        }
    }

    /// Passes on what others said, unless that was done lately.
    pub(super) fn pass_on_when_due(&mut self, now: Now) {
        let pause = self.pass_on_pause();
        if self
            .pace
            .passed_on
            .is_none_or(|last| last.after(pause) <= now.instant)
        {
            self.pace.passed_on = Some(now.instant);
            self.pass_on(None);
        }
    }

    fn pass_on_pause(&self) -> Duration {
        let times = u32::try_from(self.acknowledgements.len() / PASSED_ON_AT_ONCE).unwrap_or(u32::MAX);
        self.config.announce_interval.saturating_mul(times)
    }

    /// A neighbour has heard other acknowledgements than this node: what it was sent may have got lost, or is on its way.
    pub(super) fn acknowledgements_differ(&mut self, now: Now, link: LinkId) {
        let settles = self.config.announce_interval + self.pass_on_pause();
        if self.pace.news.after(settles) <= now.instant
            && let Some(state) = self.links.get_mut(link)
        {
            state.passed_on.clear();
        }
        self.pass_on_when_due(now);
    }

    /// Signs what is on disk, unless that is what was signed last. Says whether it did.
    pub(super) fn sign_acknowledgement(&mut self, now: Now) -> bool {
        let clock = self.complete().shortened(CLOCK_LEN_MAX);
        let is_new = self
            .acknowledgements
            .get(&self.node)
            .is_none_or(|last| last.clock != clock);
        if is_new {
            let time = self.acknowledgement_clock.tick(now.wall);
            let own = Acknowledgement::sign(self.config.owner, time, clock, &self.config.key);
            self.acknowledgements.insert(self.node, own);
            self.pace.news = now.instant;
        }
        is_new
    }

    /// Sends granted neighbours the acknowledgements that they have not had: those of `only`, or of all.
    pub(super) fn pass_on(&mut self, only: Option<NodeId>) {
        for link in self.links.granted() {
            let mut news = Vec::new();
            if let Some(state) = self.links.get_mut(link) {
                let passed = self
                    .acknowledgements
                    .values()
                    .filter(|own| only.is_none_or(|only| own.node == only));
                for own in passed.filter(|own| own.node != state.peer) {
                    if state.passed_on.get(&own.node).is_none_or(|time| own.time > *time) {
                        state.passed_on.insert(own.node, own.time);
                        news.push(own.clone());
                    }
                }
            }
            for own in news {
                self.send(link, &Message::Acknowledgement(own));
            }
        }
    }

    /// Equal on nodes that have heard the same acknowledgements.
    pub(super) fn acknowledgements_digest(&self) -> Hash {
        let heard: Vec<_> = self
            .acknowledgements
            .values()
            .map(|own| (own.node, own.time))
            .collect();
        Hash::of(&codec::encode(&heard))
    }

    /// A node says what it holds in full: the neighbour itself, or another whose word it passes on.
    pub(super) fn acknowledged(
        &mut self,
        now: Now,
        link: LinkId,
        acknowledgement: Acknowledgement,
    ) -> Result<()> {
        let Some(state) = self.links.get_mut(link) else {
            return Ok(());
        };
        let node = acknowledgement.node;
        let direct = node == state.peer;
        if node == self.node || acknowledgement.space != self.config.owner {
            return Ok(());
        }
        if let Err(error) = acknowledgement.verify() {
            self.refuse_on(link, error.to_string());
            return Ok(());
        }
        if direct {
            state.known.merge(&acknowledgement.clock);
            if !self.held.includes(&acknowledgement.clock) {
                self.puller.want(now, link, true);
            }
        }
        let time = acknowledgement.time;
        if self.take_acknowledgement(now, acknowledgement, false)
            && let Some(state) = self.links.get_mut(link)
        {
            state.passed_on.insert(node, time);
        }
        Ok(())
    }

    /// Takes in an acknowledgement whose signature is right. `more`: what is known of the node from elsewhere counts as well, since it may
    /// be newer. Says whether it is newer than the last.
    pub(super) fn take_acknowledgement(
        &mut self,
        now: Now,
        acknowledgement: Acknowledgement,
        more: bool,
    ) -> bool {
        let node = acknowledgement.node;
        self.check_own_writer(&acknowledgement.clock);
        if self.membership.capabilities(node, now.wall).is_none() {
            return false;
        }
        let last = self
            .acknowledgements
            .get(&node)
            .map_or(HybridTime(0), |last| last.time);
        // Dated by a wrong clock it would outlast all that is said once that is right.
        if acknowledgement.time <= last || acknowledgement.time.is_too_far_ahead(now.wall) {
            return false;
        }
        let record = self.peers.entry(node).or_default();
        let mut acknowledged = acknowledgement.clock.clone();
        if more {
            acknowledged.merge(&record.acknowledged);
        }
        if record.acknowledged != acknowledged {
            record.acknowledged = acknowledged;
            self.note_peer_changed(now, node);
            self.fetcher.news(now);
        }
        self.acknowledgements.insert(node, acknowledgement);
        self.pace.news = now.instant;
        true
    }

    /// Notices that a neighbour has seen changes of ours that this disk has not: it is an older copy.
    pub(super) fn check_own_writer(&mut self, clock: &Clock) {
        if let Some(incarnation) = self.own.incarnation {
            let writer = Writer {
                node: self.node,
                incarnation,
            };
            if clock.last(writer) > self.own.last {
                self.own.incarnation = None;
                self.changed.own = true;
                self.report(Report::RolledBack);
            }
        }
    }
}
