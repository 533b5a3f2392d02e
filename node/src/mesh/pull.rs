//! The asking side of a sync: one session at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::rand_core::Rng;

use super::engine::{Engine, Result};
use super::radio::Obstacle;
use super::{CarriedEntry, Changes, LinkId, Message, Report, SyncRequest};
use crate::model::access::{self, Asker, Deed};
use crate::model::{CLOCK_LEN_MAX, Clock, Dot, Entry, Hash, Instant, Now};
use crate::space;
use crate::store::Store;

/// An answer that stays away this long is asked for again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// So often, before another neighbour is asked.
const TRIES_MAX: u32 = 3;
/// Whoever announces new changes has usually pushed them to us as well: wait for the push.
const PATIENCE: Duration = Duration::from_millis(30);
/// A neighbour whose changes were refused is asked again after this.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Why an entry was not taken in.
#[derive(Debug)]
pub(super) struct Refusal {
    /// For people.
    pub(super) reason: String,
    /// What may pass, if anything.
    pub(super) obstacle: Option<Obstacle>,
}

impl Refusal {
    fn for_good(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            obstacle: None,
        }
    }

    fn until(obstacle: Obstacle, reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            obstacle: Some(obstacle),
        }
    }
}

/// One session: from this node's clock to the neighbour's.
#[derive(Debug)]
struct Session {
    link: LinkId,
    nonce: u64,
    /// Held at the start.
    start: Clock,
    /// Ask for the live set.
    live: bool,
    /// Held at the start, or looked through for this session.
    reached: Clock,
    /// Everything that came was accepted.
    clean: bool,
    deadline: Instant,
    tries: u32,
}

/// Whom to ask, and the session that runs.
#[derive(Debug, Default)]
pub(super) struct Puller {
    session: Option<Session>,
    /// Neighbours that may hold more, with the time from which to ask them, and whether their very clock is known.
    wanted: BTreeMap<LinkId, (Instant, bool)>,
    /// Neighbours whose changes were refused, until when.
    paused: BTreeMap<LinkId, Instant>,
}

impl Puller {
    /// A neighbour may hold something that this node lacks; for certain, when `clock_known`.
    pub(super) fn want(&mut self, now: Now, link: LinkId, clock_known: bool) {
        let mut from = now.instant.after(PATIENCE);
        if let Some(paused) = self.paused.get(&link) {
            from = from.max(*paused);
        }
        let wanted = self.wanted.entry(link).or_insert((from, true));
        wanted.1 &= clock_known;
    }

    pub(super) fn link_down(&mut self, _now: Now, link: LinkId) {
        self.wanted.remove(&link);
        self.paused.remove(&link);
        if self.session.as_ref().is_some_and(|session| session.link == link) {
            self.session = None;
        }
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.session {
            Some(session) => Some(session.deadline),
            None => self.wanted.values().map(|(from, _)| *from).min(),
        }
    }
}

impl<S: Store> Engine<S> {
    /// Begins the session that is due, or repeats a request that got lost.
    pub(super) fn pull_when_due(&mut self, now: Now) -> Result<()> {
        if let Some(session) = &mut self.puller.session {
            if now.instant < session.deadline {
                return Ok(());
            }
            session.tries += 1;
            if session.tries < TRIES_MAX {
                self.request(now);
                return Ok(());
            }
            let link = session.link;
            self.puller.session = None;
            self.puller.paused.insert(link, now.instant.after(ANSWER_TIMEOUT));
            self.puller.want(now, link, false);
        }
        loop {
            let due = self.puller.wanted.iter().min_by_key(|(_, (from, _))| *from);
            let Some((&link, &(_, clock_known))) = due.filter(|(_, (from, _))| *from <= now.instant) else {
                return Ok(());
            };
            self.puller.wanted.remove(&link);
            let Some(state) = self.links.get(link).filter(|state| state.granted) else {
                continue;
            };
            // The push that this waited for may have come meanwhile.
            if clock_known && self.held.includes(&state.known) {
                continue;
            }
            let start = self.held.shortened(CLOCK_LEN_MAX);
            self.puller.session = Some(Session {
                link,
                nonce: self.rng.next_u64(),
                reached: start.clone(),
                start,
                live: false,
                clean: true,
                deadline: now.instant,
                tries: 0,
            });
            self.request(now);
            return Ok(());
        }
    }

    fn request(&mut self, now: Now) {
        let Some(session) = &mut self.puller.session else {
            return;
        };
        session.deadline = now.instant.after(ANSWER_TIMEOUT);
        let (link, request) = (
            session.link,
            SyncRequest {
                session: session.nonce,
                clock: session.reached.clone(),
                live: session.live,
            },
        );
        let request = match self.config.follows {
            true => Message::FollowRequest(request),
            false => Message::SyncRequest(request),
        };
        self.send(link, &request);
    }

    pub(super) fn changes(&mut self, now: Now, link: LinkId, changes: Changes) -> Result<()> {
        let answers = self.puller.session.as_mut().filter(|session| {
            session.link == link
                && changes.session == Some(session.nonce)
                // An answer to an earlier request of this session, late or doubled, covers nothing new.
                && (changes.done.is_some() || !session.reached.includes(&changes.scanned))
        });
        if let Some(session) = answers {
            session.tries = 0;
            session.reached.merge(&changes.scanned);
            if changes.done.is_none() {
                // Before the entries are looked at: the next batch travels meanwhile.
                self.request(now);
            }
        } else if changes.session.is_some() {
            // Entries are good whoever asked for them; what the answer covers is not.
            return self.take_entries(now, link, changes.entries).map(|_| ());
        }
        let accepted = self.take_entries(now, link, changes.entries)?;
        let Some(session) = self
            .puller
            .session
            .as_mut()
            .filter(|session| session.link == link && changes.session == Some(session.nonce))
        else {
            return Ok(());
        };
        session.clean &= accepted;
        let Some(collected) = changes.done else {
            return Ok(());
        };
        // Tombstones were collected there that this disk may never have seen: what they deleted must go here too.
        if changes.live.is_none() && !session.start.is_empty() && !session.start.includes(&collected) {
            session.live = true;
            self.request(now);
            return Ok(());
        }
        let Some(session) = self.puller.session.take() else {
            return Ok(());
        };
        if !session.clean {
            self.puller.paused.insert(link, now.instant.after(REFUSED_PAUSE));
            self.puller.want(now, link, false);
            return Ok(());
        }
        if let Some(live) = changes.live {
            self.drop_dead(&live.clock, &live.dots)?;
        }
        if !self.collected.includes(&collected) {
            self.collected.merge(&collected);
            self.changed.collected = true;
        }
        self.check_own_writer(&session.reached);
        if !self.held.includes(&session.reached) {
            self.held.merge(&session.reached);
            self.changed.held = true;
        }
        if let Some(state) = self.links.get_mut(link) {
            state.known.merge(&session.reached);
        }
        self.puller.paused.remove(&link);
        Ok(())
    }

    /// Drops live entries that the neighbour's clock covers and that do not live there: deleted, and the tombstone
    /// collected, while this disk was away.
    pub(super) fn drop_dead(&mut self, covered: &Clock, living: &Clock) -> Result<()> {
        let own = self.view(|view| view.live())?;
        let mut dead = Vec::new();
        for (writer, first, last) in own.missing_in(living) {
            dead.extend(
                self.view(|view| view.live_of(writer, first, last, usize::MAX))?
                    .into_iter()
                    .filter(|dot| covered.contains(*dot)),
            );
        }
        for dot in dead {
            let released = space::remove_superseded(self.tx()?, dot)?;
            self.pending.remove(&dot);
            self.fetcher.forget(dot);
            self.release(released);
        }
        Ok(())
    }

    pub(super) fn release(&mut self, chunks: Vec<Hash>) {
        if !chunks.is_empty() {
            self.after_commit(super::Action::Release(chunks));
        }
    }

    /// Checks and takes in what a neighbour sent. Says whether all of it was good.
    fn take_entries(&mut self, now: Now, link: LinkId, entries: Vec<CarriedEntry>) -> Result<bool> {
        let mut accepted = true;
        for carried in entries {
            match self.take_entry(now, &carried)? {
                Ok(Some(dot)) => {
                    if let Some(state) = self.links.get_mut(link) {
                        state.known.insert(dot);
                    }
                }
                Ok(None) => {}
                Err(refusal) => {
                    accepted = false;
                    self.refuse_on(link, refusal.reason);
                }
            }
        }
        Ok(accepted)
    }

    /// Takes in one entry, or says why not. Gives its name if it is new here.
    pub(super) fn take_entry(
        &mut self,
        now: Now,
        carried: &CarriedEntry,
    ) -> Result<std::result::Result<Option<Dot>, Refusal>> {
        // What is known needs no check; a dot that is held but not live was superseded.
        if let Ok(known) = Entry::decode_trusted(&carried.entry)
            && self.held.contains(known.dot())
        {
            return Ok(Ok(None));
        }
        let decoded = Entry::decode(&carried.entry);
        #[cfg(feature = "planted")]
        let decoded = match crate::planted::is(crate::planted::Bug::UnsignedAccepted) {
            true => Entry::decode_trusted(&carried.entry),
            false => decoded,
        };
        let entry = match decoded {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(Refusal::for_good(self.config.key.complaint(&error)))),
        };
        let change = entry.change();
        let writer = change.dot.writer.node;
        let may_write = self
            .membership
            .capabilities_ever(writer)
            .is_some_and(|own| access::may(Asker::Key(own), Deed::Write, change.name.area()));
        if change.space != self.config.owner {
            return Ok(Err(Refusal::for_good("an entry of another owner's space")));
        }
        if self.config.follows && !access::may(Asker::Anyone, Deed::Keep, change.name.area()) {
            return Ok(Err(Refusal::for_good("an entry that is not for everybody")));
        }
        if !may_write {
            return Ok(Err(Refusal::until(
                Obstacle::Membership,
                format!("an entry by {}, who holds no grant to write", writer.short()),
            )));
        }
        if !self.membership.is_revoked(writer) {
            self.wall.dated(now, writer, change.time);
        }
        if change.time.is_too_far_ahead(now.wall) {
            return Ok(Err(Refusal::until(
                Obstacle::Clock,
                format!(
                    "an entry by {} from the future: one of the clocks is wrong",
                    writer.short()
                ),
            )));
        }
        let attachment = carried.attachment.as_deref();
        let manifest = match self.config.key.payloads().attach(&entry, attachment) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Err(Refusal::for_good(error.to_string()))),
        };
        if self.over_quota(&entry)? {
            return Ok(Err(Refusal::until(
                Obstacle::Room,
                "no room: the quota of this node is used up",
            )));
        }
        if !self.disk_takes(entry.content().map_or(0, |content| content.len)) {
            return Ok(Err(Refusal::until(
                Obstacle::Room,
                "no room: the disk of this node is full",
            )));
        }
        self.clock_of_writes.observe(change.time, now.wall);
        #[cfg(feature = "planted")]
        if entry.content().is_none() && crate::planted::is(crate::planted::Bug::LostTombstone) {
            self.held.insert(entry.dot());
            self.changed.held = true;
            return Ok(Ok(Some(entry.dot())));
        }
        let opened = self.config.key.open(&entry, attachment).map(|body| body.opened);
        let applied = space::apply(
            self.tx()?,
            &entry,
            attachment,
            manifest.as_ref(),
            false,
            opened.as_ref(),
        )?;
        let dot = entry.dot();
        self.held.insert(dot);
        self.changed.held = true;
        for gone in &applied.replaced {
            self.pending.remove(gone);
            self.fetcher.forget(*gone);
        }
        if applied.pending {
            self.pending.insert(dot);
            self.fetcher.wake(now);
        }
        let mut check = Clock::new();
        check.insert(dot);
        self.check_own_writer(&check);
        let document = self.view(|view| view.named(&entry.change().name))?;
        if applied.live && document.is_conflicted() {
            let path = entry.change().name.path().or(document.opened_path());
            if let Some(path) = path {
                self.report(Report::Conflict(path.clone()));
            }
        }
        self.release(applied.released);
        Ok(Ok(Some(dot)))
    }

    fn over_quota(&self, entry: &Entry) -> Result<bool> {
        let (Some(quota), Some(content)) = (self.config.quota_bytes, entry.content()) else {
            return Ok(false);
        };
        let used = self.view(|view| view.everything())?.bytes;
        let old = self.view(|view| view.named(&entry.change().name))?;
        let old = old.stored().map_or(0, |stored| stored.content.len);
        Ok(used.saturating_sub(old).saturating_add(content.len) > quota)
    }
}
