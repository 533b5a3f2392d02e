//! Payloads that are not here yet: which chunks to ask for, and whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::engine::{Engine, Result};
use super::{Action, FollowChunk, LinkId, Message, Report, StorageRequest};
use crate::model::{Dot, Hash, Instant, Now, Payload};
use crate::space::{chunk_record, mark_pending, mark_present};
use crate::store::Store;

/// Bytes asked for and not received, for each link. Bounds what a broken link costs, and what a node buffers.
const IN_FLIGHT_MAX: u64 = 2 * 1024 * 1024;
/// Bytes received and not on disk yet, at most: a slow disk slows its links.
const UNSTORED_MAX: u64 = 24 * 1024 * 1024;
/// Documents that are fetched at the same time.
const ACTIVE_MAX: usize = 32;
/// A chunk that does not come in this time is asked for again.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);
/// When nobody has a chunk, everyone is asked again after this, or when somebody new has news.
const NOBODY_PAUSE: Duration = Duration::from_secs(20);

/// A chunk that some active document waits for.
#[derive(Debug)]
struct Wanted {
    len: u32,
    documents: BTreeSet<Dot>,
    state: State,
    /// Who said that it does not have it, or did not answer.
    refused: BTreeSet<LinkId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Queued,
    Asked {
        link: LinkId,
        deadline: Instant,
    },
    Received,
    /// Nobody has it: not asked for until then.
    Paused {
        until: Instant,
    },
}

/// What is wanted and what is under way.
#[derive(Debug, Default)]
pub(super) struct Fetcher {
    /// Chunks that each active document still lacks.
    active: BTreeMap<Dot, u32>,
    wanted: BTreeMap<Hash, Wanted>,
    /// Hashes to ask for, in the order of their documents.
    queue: VecDeque<Hash>,
    in_flight: BTreeMap<LinkId, u64>,
    unstored: u64,
    due: Option<Instant>,
}

impl Fetcher {
    /// Something changed: look again whether anything can be asked for.
    pub(super) fn wake(&mut self, now: Now) {
        self.due = Some(now.instant);
    }

    /// There are news from a neighbour: what nobody had may be had now.
    pub(super) fn news(&mut self, now: Now) {
        for (hash, wanted) in &mut self.wanted {
            if matches!(wanted.state, State::Paused { .. }) {
                wanted.state = State::Queued;
                self.queue.push_back(*hash);
            }
        }
        self.wake(now);
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.due
    }

    /// A document is no longer wanted.
    pub(super) fn forget(&mut self, dot: Dot) {
        if self.active.remove(&dot).is_some() {
            self.wanted.retain(|_, wanted| {
                wanted.documents.remove(&dot);
                !wanted.documents.is_empty() || wanted.state != State::Queued
            });
        }
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        self.in_flight.remove(&link);
        for (hash, wanted) in &mut self.wanted {
            wanted.refused.remove(&link);
            if matches!(wanted.state, State::Asked { link: asked, .. } if asked == link) {
                wanted.state = State::Queued;
                self.queue.push_front(*hash);
            }
        }
        self.due = self.due.map(|due| due.min(Instant(0))).or(Some(Instant(0)));
    }

    /// The request for `hash` is no longer under way on any link. Says on which it was.
    fn settle(&mut self, hash: &Hash, state: State) -> Option<LinkId> {
        let wanted = self.wanted.get_mut(hash)?;
        let before = std::mem::replace(&mut wanted.state, state);
        if before == State::Received {
            self.unstored = self.unstored.saturating_sub(u64::from(wanted.len));
        }
        if state == State::Received {
            self.unstored += u64::from(wanted.len);
        }
        let State::Asked { link, .. } = before else {
            return None;
        };
        if let Some(bytes) = self.in_flight.get_mut(&link) {
            *bytes = bytes.saturating_sub(u64::from(wanted.len));
        }
        Some(link)
    }
}

impl<S: Store> Engine<S> {
    pub(super) fn chunk_received(&mut self, now: Now, _link: LinkId, chunk: Hash) -> Result<()> {
        self.fetcher.settle(&chunk, State::Received);
        self.fetcher.wake(now);
        Ok(())
    }

    pub(super) fn chunk_stored(&mut self, now: Now, chunk: Hash) -> Result<()> {
        self.fetcher.settle(&chunk, State::Queued);
        self.radio_chunk_stored(&chunk);
        let listed = mark_present(self.tx()?, &chunk, true)?;
        let Some(wanted) = self.fetcher.wanted.remove(&chunk) else {
            if !listed {
                self.release(vec![chunk]);
            }
            return Ok(());
        };
        if !listed {
            self.release(vec![chunk]);
        }
        for dot in wanted.documents {
            if let Some(lacking) = self.fetcher.active.get_mut(&dot) {
                *lacking = lacking.saturating_sub(1);
                if *lacking == 0 {
                    self.complete_payload(dot)?;
                }
            }
        }
        self.fetcher.wake(now);
        Ok(())
    }

    pub(super) fn complete_payload(&mut self, dot: Dot) -> Result<()> {
        self.fetcher.active.remove(&dot);
        self.pending.remove(&dot);
        mark_pending(self.tx()?, dot, false)?;
        // The clock itself did not change, but what can be acknowledged did.
        self.changed.held = true;
        if let Some(entry) = self.view(|view| view.entry(dot))?
            && let Some(path) = self.view(|view| view.path_of(&entry.change().name))?
        {
            self.report(Report::PayloadComplete(path));
        }
        Ok(())
    }

    /// The peer does not have the chunk.
    pub(super) fn chunk_refused(&mut self, now: Now, link: LinkId, chunk: Hash) -> Result<()> {
        // A refusal that comes late, when the chunk was asked for elsewhere, says nothing about that.
        let asked_there =
            self.fetcher.wanted.get(&chunk).is_some_and(
                |wanted| matches!(wanted.state, State::Asked { link: asked, .. } if asked == link),
            );
        if asked_there {
            self.fetcher.settle(&chunk, State::Queued);
            if let Some(wanted) = self.fetcher.wanted.get_mut(&chunk) {
                wanted.refused.insert(link);
            }
            self.fetcher.queue.push_back(chunk);
        }
        self.fetcher.wake(now);
        Ok(())
    }

    pub(super) fn chunk_failed(&mut self, now: Now, chunk: Hash) {
        self.fetcher.settle(&chunk, State::Queued);
        self.fetcher.queue.push_back(chunk);
        self.fetcher.due = Some(now.instant.after(NOBODY_PAUSE));
    }

    /// A chunk that should be here is not: every document that lists it waits for it again.
    pub(super) fn chunk_lost(&mut self, now: Now, chunk: Hash) -> Result<()> {
        if !mark_present(self.tx()?, &chunk, false)? {
            return Ok(());
        }
        let lacking = self.view(|view| view.listing_chunk(&chunk))?;
        for dot in lacking {
            mark_pending(self.tx()?, dot, true)?;
            self.pending.insert(dot);
            self.fetcher.forget(dot);
            self.changed.held = true;
        }
        self.fetcher.wake(now);
        Ok(())
    }

    /// Asks for what can be asked for.
    pub(super) fn fetch_when_due(&mut self, now: Now) -> Result<()> {
        if self.fetcher.due.is_none_or(|due| now.instant < due) {
            return Ok(());
        }
        self.fetcher.due = None;
        let links = self.links.granted();
        if links.is_empty() || self.pending.is_empty() {
            return Ok(());
        }
        self.requeue_overdue(now);
        self.activate()?;
        self.ask(now, &links)?;
        let deadlines = self
            .fetcher
            .wanted
            .values()
            .filter_map(|wanted| match wanted.state {
                State::Asked { deadline, .. } => Some(deadline),
                State::Paused { until } => Some(until),
                _ => None,
            });
        let earliest = deadlines.min();
        self.fetcher.due = Some(earliest.unwrap_or(now.instant.after(NOBODY_PAUSE)));
        Ok(())
    }

    fn requeue_overdue(&mut self, now: Now) {
        for (hash, wanted) in &mut self.fetcher.wanted {
            if matches!(wanted.state, State::Paused { until } if until <= now.instant) {
                wanted.state = State::Queued;
                self.fetcher.queue.push_back(*hash);
            }
        }
        let overdue: Vec<Hash> = self
            .fetcher
            .wanted
            .iter()
            .filter(|(_, wanted)| {
                matches!(wanted.state, State::Asked { deadline, .. } if deadline <= now.instant)
            })
            .map(|(hash, _)| *hash)
            .collect();
        for hash in overdue {
            // Somebody else is asked next.
            let asked = self.fetcher.settle(&hash, State::Queued);
            if let Some(wanted) = self.fetcher.wanted.get_mut(&hash) {
                wanted.refused.extend(asked);
            }
            self.fetcher.queue.push_back(hash);
        }
    }

    /// Brings pending documents in, oldest names first.
    fn activate(&mut self) -> Result<()> {
        while self.fetcher.active.len() < ACTIVE_MAX {
            let Some(dot) = self
                .pending
                .iter()
                .find(|dot| !self.fetcher.active.contains_key(dot))
                .copied()
            else {
                return Ok(());
            };
            let chunks = self.view(|view| {
                let Some(entry) = view.entry(dot)? else {
                    return Ok(Vec::new());
                };
                let Some(content) = entry.content() else {
                    return Ok(Vec::new());
                };
                let chunks: Vec<(Hash, u32)> = match content.payload {
                    Payload::Inline => Vec::new(),
                    Payload::Chunk => vec![(content.hash, u32::try_from(content.len).unwrap_or(u32::MAX))],
                    Payload::Manifest(_) => view
                        .manifest(dot, content)?
                        .map(|manifest| {
                            manifest
                                .chunks()
                                .iter()
                                .map(|chunk| (chunk.hash, chunk.len))
                                .collect()
                        })
                        .unwrap_or_default(),
                };
                let mut lacking = Vec::new();
                let mut seen = BTreeSet::new();
                for (hash, len) in chunks {
                    if seen.insert(hash) && chunk_record(view.0, &hash)?.is_some_and(|record| !record.present)
                    {
                        lacking.push((hash, len));
                    }
                }
                Ok(lacking)
            })?;
            if chunks.is_empty() {
                self.complete_payload(dot)?;
                continue;
            }
            self.fetcher
                .active
                .insert(dot, u32::try_from(chunks.len()).unwrap_or(u32::MAX));
            for (hash, len) in chunks {
                let queue = &mut self.fetcher.queue;
                self.fetcher
                    .wanted
                    .entry(hash)
                    .or_insert_with(|| {
                        queue.push_back(hash);
                        Wanted {
                            len,
                            documents: BTreeSet::new(),
                            state: State::Queued,
                            refused: BTreeSet::new(),
                        }
                    })
                    .documents
                    .insert(dot);
            }
        }
        Ok(())
    }

    fn ask(&mut self, now: Now, links: &[LinkId]) -> Result<()> {
        let mut nobody = Vec::new();
        while let Some(hash) = self.fetcher.queue.pop_front() {
            let Some(wanted) = self
                .fetcher
                .wanted
                .get(&hash)
                .filter(|wanted| wanted.state == State::Queued)
            else {
                continue;
            };
            let len = u64::from(wanted.len);
            let in_flight: u64 = self.fetcher.in_flight.values().sum();
            let candidates = links.iter().filter(|link| !wanted.refused.contains(link));
            let Some(&link) =
                candidates.min_by_key(|link| self.fetcher.in_flight.get(link).copied().unwrap_or(0))
            else {
                nobody.push(hash);
                continue;
            };
            let used = self.fetcher.in_flight.get(&link).copied().unwrap_or(0);
            if used > 0 && used + len > IN_FLIGHT_MAX
                || in_flight + self.fetcher.unstored + len > UNSTORED_MAX
            {
                self.fetcher.queue.push_front(hash);
                break;
            }
            *self.fetcher.in_flight.entry(link).or_default() += len;
            let deadline = now.instant.after(CHUNK_TIMEOUT);
            if let Some(wanted) = self.fetcher.wanted.get_mut(&hash) {
                wanted.state = State::Asked { link, deadline };
                let len = wanted.len;
                let of = wanted.documents.first().filter(|_| self.config.follows);
                let frame = match of {
                    Some(&dot) => Message::FollowChunk(FollowChunk { dot, chunk: hash }).encode(),
                    None => Message::StorageRequest(StorageRequest { chunk: hash }).encode(),
                };
                self.actions.push_back(Action::Fetch {
                    link,
                    chunk: hash,
                    len,
                    frame,
                });
            }
        }
        // All granted neighbours refused these.
        let until = now.instant.after(NOBODY_PAUSE);
        for hash in nobody {
            // A user of this node may have stored the same content meanwhile.
            let here = self.view(|view| chunk_record(view.0, &hash))?;
            if here.is_some_and(|record| record.present) {
                self.chunk_stored(now, hash)?;
                continue;
            }
            if let Some(wanted) = self.fetcher.wanted.get_mut(&hash) {
                wanted.refused.clear();
                wanted.state = State::Paused { until };
            }
        }
        Ok(())
    }
}
