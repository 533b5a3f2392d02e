//! Who holds what: acknowledgements made, heard and passed on.

use super::engine::{Engine, Result};
use super::{Acknowledgement, LinkId, Message, Report};
use crate::model::{CLOCK_LEN_MAX, Clock, Hash, HybridTime, NodeId, Now, Writer, codec};
use crate::store::Store;

impl<S: Store> Engine<S> {
    /// After a commit: tells granted neighbours what is on disk, if they do not know it yet.
    pub(super) fn acknowledge(&mut self, now: Now) {
        if self.links.granted().is_empty() {
            return;
        }
        self.sign_acknowledgement(now);
        self.pass_on(Some(self.node));
    }

    /// Signs what is on disk, unless that is what was signed last.
    pub(super) fn sign_acknowledgement(&mut self, now: Now) {
        let clock = self.complete().shortened(CLOCK_LEN_MAX);
        if self
            .acknowledgements
            .get(&self.node)
            .is_none_or(|last| last.clock != clock)
        {
            let time = self.acknowledgement_clock.tick(now.wall);
            let own = Acknowledgement::sign(self.config.owner, time, clock, &self.config.key);
            self.acknowledgements.insert(self.node, own);
        }
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
        if acknowledgement.time <= last {
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
