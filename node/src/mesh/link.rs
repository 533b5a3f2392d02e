//! Links: greetings, who may speak, announcements, acknowledgements.

use std::collections::{BTreeMap, BTreeSet};

use super::announcement::Heard;
use super::engine::{Engine, Result};
use super::radio::Obstacle;
use super::{
    Action, Announced, Announcement, ErrorCode, Hello, Lane, LinkId, LinkProfile, Message, Report,
    StorageError, clock_digest, space_tag,
};
use crate::model::access::{Area, Deed};
use crate::model::{Capabilities, Clock, Hash, HybridTime, Instant, Membership, NodeId, Now};
use crate::store::Store;

/// Most links at once.
const LINKS_MAX: usize = 256;

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: NodeId,
    pub(super) profile: LinkProfile,
    /// The instance that its greeting named, once it showed the space's tag.
    instance: Option<u64>,
    /// The peer is a granted node of the space.
    pub(super) granted: bool,
    /// The peer asked for public documents alone.
    pub(super) follows: bool,
    /// What the peer is known to hold or to have been sent. May be less than it holds.
    pub(super) known: Clock,
    /// Whose acknowledgements were passed on to it, and how new.
    pub(super) passed_on: BTreeMap<NodeId, HybridTime>,
}

/// All links of a node.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_id: BTreeMap<LinkId, Link>,
    next_announcement: Option<Instant>,
    /// Pairs of links whose peers are two processes with one key, and were told.
    twins: BTreeSet<(LinkId, LinkId)>,
}

impl Links {
    pub(super) fn get(&self, link: LinkId) -> Option<&Link> {
        self.by_id.get(&link)
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.by_id.get_mut(&link)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.by_id.iter().map(|(id, link)| (*id, link))
    }

    /// The granted nodes.
    pub(super) fn granted_peers(&self) -> BTreeSet<NodeId> {
        let granted = self.iter().filter(|(_, link)| link.granted);
        granted.map(|(_, link)| link.peer).collect()
    }

    /// The links to granted nodes: one for each node, the newest.
    pub(super) fn granted(&self) -> Vec<LinkId> {
        self.newest(|link| link.granted)
    }

    /// Likewise to nodes that follow the space without a grant.
    pub(super) fn followers(&self) -> Vec<LinkId> {
        self.newest(|link| link.follows && !link.granted)
    }

    fn newest(&self, fits: impl Fn(&Link) -> bool) -> Vec<LinkId> {
        let mut newest = BTreeMap::new();
        for (id, link) in self.iter().filter(|(_, link)| fits(link)) {
            newest.insert(link.peer, id);
        }
        newest.into_values().collect()
    }

    pub(super) fn next_announcement(&self) -> Option<Instant> {
        self.next_announcement.filter(|_| !self.by_id.is_empty())
    }
}

/// Which lane a message takes.
pub(super) fn lane(message: &Message) -> Lane {
    match message {
        Message::Changes(_) => Lane::Entries,
        Message::StorageResponse(_) => Lane::Bulk,
        _ => Lane::Control,
    }
}

impl<S: Store> Engine<S> {
    pub(super) fn link_up(&mut self, now: Now, link: LinkId, peer: NodeId, profile: LinkProfile) {
        if self.links.by_id.len() >= LINKS_MAX {
            // Strangers must not keep the owner's own nodes out.
            let Some((stranger, there)) = self.links.iter().find(|(_, link)| !link.granted) else {
                self.close(link, peer, "too many links", false);
                return;
            };
            let there = there.peer;
            self.close(stranger, there, "too many links", false);
            self.links.by_id.remove(&stranger);
        }
        let state = Link {
            peer,
            profile,
            instance: None,
            granted: false,
            follows: false,
            known: Clock::new(),
            passed_on: BTreeMap::new(),
        };
        self.links.by_id.insert(link, state);
        self.links.next_announcement.get_or_insert(now.instant);
        self.greet(link, false);
    }

    fn greet(&mut self, link: LinkId, again: bool) {
        let tag = space_tag(self.config.owner, self.node);
        let instance = self.instance;
        self.send(link, &Message::Hello(Hello { instance, tag, again }));
    }

    pub(super) fn link_down(&mut self, now: Now, link: LinkId) -> Result<()> {
        if let Some(gone) = self.links.by_id.remove(&link)
            && gone.granted
        {
            self.peers.entry(gone.peer).or_default().seen = now.wall;
            self.note_peer_changed(now, gone.peer);
        }
        self.puller.link_down(now, link);
        self.fetcher.link_down(link);
        Ok(())
    }

    pub(super) fn note_peer_changed(&mut self, now: Now, peer: NodeId) {
        self.changed.peers.insert(peer);
        self.changed.peers_since.get_or_insert(now.instant);
    }

    pub(super) fn frame(&mut self, now: Now, link: LinkId, frame: &[u8]) -> Result<()> {
        let Some(state) = self.links.get(link) else {
            return Ok(());
        };
        let (peer, granted, greeted) = (state.peer, state.granted, state.instance.is_some());
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(error) => {
                let complaint = self.config.key.complaint(&error);
                self.close(link, peer, &complaint, true);
                return Ok(());
            }
        };
        self.check_twin(link);
        match message {
            Message::Hello(hello) => self.hello(link, &hello),
            Message::Twin if granted => {
                self.twin = true;
                self.own.incarnation = None;
                self.report(Report::TwinOfOurs);
            }
            Message::StorageError(error) => self.storage_error(now, link, &error)?,
            Message::Membership(theirs) if greeted => self.merge_membership(now, link, &theirs)?,
            Message::FollowRequest(request) if greeted => self.answer_follower(link, &request)?,
            Message::FollowChunk(request) if greeted => self.serve_follower(link, &request)?,
            Message::StorageNode(announcement) => {
                if let Ok(announced) = announcement.verified()
                    && announced.node == peer
                    && granted
                {
                    self.wall.spoke(now.instant, peer, announced.time);
                    self.keep_announced(announced);
                    self.heard(now, link, announced);
                }
            }
            _ if !granted => {
                let message = Message::StorageError(StorageError {
                    code: ErrorCode::Denied,
                    chunk: None,
                    reason: "this node holds no grant here: join the space by an invite first".into(),
                });
                self.send(link, &message);
            }
            Message::SyncRequest(request) => self.answer(link, &request)?,
            Message::Changes(changes) => self.changes(now, link, changes)?,
            Message::Acknowledgement(acknowledgement) => self.acknowledged(now, link, acknowledgement)?,
            Message::StorageRequest(request) => self.serve(link, request.chunk)?,
            // A driver takes chunks out before they come here; one that nobody asked for is dropped.
            Message::StorageResponse(_)
            | Message::Membership(_)
            | Message::FollowRequest(_)
            | Message::FollowChunk(_)
            | Message::Twin => {}
        }
        Ok(())
    }

    /// Notices two live processes with one key: an older link that still speaks when a newer one greeted with another
    /// instance. (An older link that is silent is a process that ended.)
    fn check_twin(&mut self, link: LinkId) {
        let Some(state) = self.links.get(link) else {
            return;
        };
        let (peer, instance) = (state.peer, state.instance);
        let newer = self.links.iter().find(|(id, other)| {
            *id > link && other.peer == peer && other.instance.is_some() && other.instance != instance
        });
        if let (Some(_), Some((newer, _))) = (instance, newer)
            && self.links.twins.insert((link, newer))
        {
            self.report(Report::TwinOfPeer(peer));
            self.send(link, &Message::Twin);
            self.send(newer, &Message::Twin);
        }
    }

    fn hello(&mut self, link: LinkId, hello: &Hello) {
        let owner = self.config.owner;
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if hello.tag != space_tag(owner, state.peer) {
            // Another owner's node. There is nothing to say to it yet.
            return;
        }
        let peer = state.peer;
        state.instance = Some(hello.instance);
        debug_assert_ne!(peer, self.node, "transports refuse links to oneself");
        if hello.again {
            self.greet(link, false);
        }
        let membership = Message::Membership(self.membership.clone());
        self.send(link, &membership);
    }

    fn merge_membership(&mut self, now: Now, link: LinkId, theirs: &Membership) -> Result<()> {
        match self.links.get(link).map(|state| state.peer) {
            Some(peer) => self.merge_membership_of(now, peer, Some(link), theirs),
            None => Ok(()),
        }
    }

    /// Takes in what `peer` knows of the members, on a link or by radio.
    pub(super) fn merge_membership_of(
        &mut self,
        now: Now,
        peer: NodeId,
        link: Option<LinkId>,
        theirs: &Membership,
    ) -> Result<()> {
        let was_member = self.membership.capabilities(peer, now.wall).is_some();
        let mut merged = self.membership.clone();
        let mut revoked = Vec::new();
        let mut refused = None;
        for revocation in theirs.revocations() {
            match merged.add_revocation(revocation.clone()) {
                Ok(true) => revoked.push(revocation.subject),
                Ok(false) => {}
                // Its issuer may be known only by the grants below.
                Err(_) => continue,
            }
        }
        let without_grants = merged.clone();
        let mut added = Vec::new();
        for grant in theirs.grants() {
            match merged.add_grant(grant.clone()) {
                Ok(true) => added.push(grant),
                Ok(false) => {}
                Err(error) => refused = Some(error.to_string()),
            }
        }
        for revocation in theirs.revocations() {
            match merged.add_revocation(revocation.clone()) {
                Ok(true) => revoked.push(revocation.subject),
                Ok(false) => {}
                Err(error) => refused = Some(error.to_string()),
            }
        }
        for statement in theirs.key_epochs() {
            if let Err(error) = merged.add_key_epoch(statement.clone()) {
                refused = Some(error.to_string());
            }
        }
        if !was_member && merged.capabilities(peer, now.wall).is_none() {
            // Somebody who is shut out, or never was in, adds nobody; what it knows against others still counts.
            merged = without_grants;
            added.clear();
        }
        for grant in &added {
            if grant.capabilities.includes(Capabilities::HOLD)
                && merged.capabilities(grant.subject, now.wall).is_some()
            {
                self.report(Report::MemberAdded(grant.subject, grant.name.clone()));
            }
        }
        revoked.retain(|subject| merged.is_revoked(*subject) && !self.membership.is_revoked(*subject));
        for subject in revoked {
            self.report(Report::MemberRevoked(subject));
        }
        if let Some(reason) = refused {
            self.refuse(peer, reason);
        }
        if merged == self.membership {
            self.grant_links(now)
        } else {
            self.membership = merged;
            self.membership_grew(now, link)
        }
    }

    /// Keeps what is new, and lets every greeted neighbour know.
    pub(super) fn membership_grew(&mut self, now: Now, from: Option<LinkId>) -> Result<()> {
        self.changed.membership = true;
        self.learn_keys(now)?;
        self.radios.refused.may_pass(now.instant, Obstacle::Membership);
        let others: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(id, link)| Some(*id) != from && link.instance.is_some())
            .map(|(id, _)| id)
            .collect();
        let message = Message::Membership(self.membership.clone());
        for other in others {
            self.after_commit(Action::Send {
                link: other,
                lane: Lane::Control,
                frame: message.encode(),
            });
        }
        self.grant_links(now)
    }

    /// Opens the links of those that are granted now, closes those of revoked nodes.
    fn grant_links(&mut self, now: Now) -> Result<()> {
        let mut opened = Vec::new();
        let mut shut = Vec::new();
        let mut ended = Vec::new();
        let before = self.links.granted_peers();
        for (id, link) in &mut self.links.by_id {
            let may =
                link.instance.is_some() && self.membership.may(link.peer, Deed::Keep, Area::WHOLE, now.wall);
            if may && !link.granted {
                opened.push((*id, link.peer));
            }
            if link.granted && !may {
                ended.push(*id);
            }
            if self.membership.is_revoked(link.peer) {
                shut.push((*id, link.peer, "this node was revoked by its owner"));
            } else if link.granted && !may {
                shut.push((
                    *id,
                    link.peer,
                    "this node's grant has run out: it needs a new invite",
                ));
            }
            link.granted = may;
        }
        // They would ask in vain why nothing comes any more.
        for id in ended {
            let membership = Message::Membership(self.membership.clone());
            self.send(id, &membership);
        }
        for (id, peer, reason) in shut {
            self.close(id, peer, reason, false);
        }
        // Two that dial each other at once have two links for a moment: that is told once.
        for peer in self.links.granted_peers().difference(&before) {
            self.report(Report::PeerJoined(*peer));
        }
        for (id, peer) in &opened {
            self.peers.entry(*peer).or_default().seen = now.wall;
            if self.config.follows {
                // It announces itself to those who asked.
                self.puller.want(now, *id, false);
            } else {
                self.send_announcement(*id)?;
            }
        }
        if !opened.is_empty() && !self.needs_commit() {
            self.acknowledge(now);
        }
        self.fetcher.news(now);
        Ok(())
    }

    /// An announcement that others passed on. It tells who is about and with how much room; news themselves come over
    /// the links, from whoever has them.
    pub(super) fn gossip(&mut self, now: Now, author: NodeId, frame: &[u8]) {
        if author == self.node || self.membership.capabilities(author, now.wall).is_none() {
            // Others' nodes are of no use yet.
            return;
        }
        let Ok(Message::StorageNode(announcement)) = Message::decode(frame) else {
            self.refuse(author, "what it spread is no announcement".into());
            return;
        };
        match announcement.verified() {
            Ok(announced) if announced.node == author => {
                let heard = self.announced.get(&author);
                if heard.is_none_or(|heard| heard.time < announced.time) {
                    self.wall.spoke(now.instant, author, announced.time);
                    self.keep_announced(announced);
                }
            }
            _ => self.refuse(author, "it spread an announcement that it did not sign".into()),
        }
    }

    fn keep_announced(&mut self, announced: &Announced) {
        let heard = Heard {
            time: announced.time,
            free_bytes: announced.free_bytes,
        };
        self.announced.insert(announced.node, heard);
    }

    /// The digest of a neighbour's clock: pulls when it differs.
    fn heard(&mut self, now: Now, link: LinkId, announced: &Announced) {
        let tag = space_tag(self.config.owner, announced.node);
        let own = clock_digest(&self.held);
        if announced
            .spaces
            .iter()
            .any(|(space, digest)| *space == tag && *digest != own)
        {
            self.puller.want(now, link, false);
        }
        if self.config.follows {
            return;
        }
        if announced.membership != self.membership_digest() {
            self.send(link, &Message::Membership(self.membership.clone()));
        }
        if announced.acknowledgements != self.acknowledgements_digest() {
            self.acknowledgements_differ(now, link);
        }
    }

    pub(super) fn announce_when_due(&mut self, now: Now) -> Result<()> {
        if self.links.next_announcement().is_none_or(|due| now.instant < due) {
            return Ok(());
        }
        self.links.next_announcement = Some(now.instant.after(self.config.announce_interval));
        // Grants run out with time.
        self.grant_links(now)?;
        // A greeting or a grant may have got lost.
        let strange: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| !link.granted && !link.follows)
            .map(|(id, _)| id)
            .collect();
        for link in strange {
            self.greet(link, true);
        }
        if self.config.follows {
            return Ok(());
        }
        let message = self.announcement()?.encode();
        for link in [self.links.granted(), self.links.followers()].concat() {
            self.actions.push_back(Action::Send {
                link,
                lane: Lane::Control,
                frame: message.clone(),
            });
        }
        self.actions.push_back(Action::Announce(message));
        self.pass_on_when_due(now);
        Ok(())
    }

    pub(super) fn membership_digest(&self) -> Hash {
        self.membership.digest()
    }

    fn send_announcement(&mut self, link: LinkId) -> Result<()> {
        let message = self.announcement()?;
        self.send(link, &message);
        Ok(())
    }

    fn announcement(&self) -> Result<Message> {
        let announced = Announced {
            node: self.node,
            free_bytes: self.free_bytes()?,
            // Right or wrong: others do not count a node whose clock is not set.
            time: self.wall.system(),
            spaces: vec![(space_tag(self.config.owner, self.node), clock_digest(&self.held))],
            acknowledgements: self.acknowledgements_digest(),
            membership: self.membership_digest(),
        };
        Ok(Message::StorageNode(Announcement::sign(
            announced,
            &self.config.key,
        )))
    }

    fn storage_error(&mut self, now: Now, link: LinkId, error: &StorageError) -> Result<()> {
        if let Some(chunk) = error.chunk {
            return self.chunk_refused(now, link, chunk);
        }
        if error.code == ErrorCode::Denied {
            self.greet(link, true);
        }
        self.refuse_on(link, format!("{}: {}", error.code.name(), error.reason));
        Ok(())
    }

    pub(super) fn refuse_on(&mut self, link: LinkId, reason: String) {
        if let Some(peer) = self.links.get(link).map(|state| state.peer) {
            self.refuse(peer, reason);
        }
    }

    /// Reports a refusal once, however often it comes.
    pub(super) fn refuse(&mut self, peer: NodeId, reason: String) {
        if self.refusals.get(&peer) != Some(&reason) {
            if self.refusals.len() >= LINKS_MAX {
                self.refusals.clear();
            }
            self.refusals.insert(peer, reason.clone());
            self.report(Report::Refused { peer, reason });
        }
    }

    /// Closes a link to `peer`, and says why, once.
    fn close(&mut self, link: LinkId, peer: NodeId, reason: &str, penalise: bool) {
        self.refuse(peer, reason.to_owned());
        self.actions.push_back(Action::Close {
            link,
            reason: reason.to_owned(),
            penalise,
        });
    }
}
