//! The answering side of a sync, which keeps no state for it.

use std::ops::ControlFlow;

use super::engine::{Engine, Result};
use super::{
    Action, BATCH_ENTRIES_MAX, CarriedEntry, Changes, ErrorCode, FRAME_LEN_MAX, FollowChunk, LinkId,
    LinkProfile, LiveSet, Message, StorageError, SyncRequest,
};
use crate::model::access::{self, Asker, Deed};
use crate::model::{CLOCK_LEN_MAX, Clock, DocumentName, Dot, Entry, Hash, Payload};
use crate::space::{MissingEntry, chunk_record};
use crate::store::Store;

/// A batch is closed when it has this many bytes: large enough to fill a link, small enough to be handled at once.
const BATCH_LEN: usize = 1024 * 1024;
/// And on a slow link after this many, so that clocks do not outweigh entries.
const BATCH_LEN_MIN: usize = 4 * 1024;
/// What a frame needs beside its entries: clocks and heads.
const FRAME_RESERVE: usize = 96 * 1024;
/// Changes that are passed over in one answer to a follower: what a stranger can have this node look through by one frame.
const PASSED_OVER_MAX: usize = 2048;
/// Longest live set that is sent, in bytes.
const LIVE_LEN_MAX: usize = 1024 * 1024;

/// Entries on their way into one message.
struct Batch {
    entries: Vec<CarriedEntry>,
    len: usize,
    /// The batch is closed at this length.
    len_max: usize,
}

impl Batch {
    /// A batch for a link: about a second's worth on a slow one.
    fn on(profile: Option<LinkProfile>) -> Self {
        let second = profile
            .and_then(|profile| profile.bit_rate_bps)
            .and_then(|bps| usize::try_from(bps / 8).ok());
        let len_max = second.map_or(BATCH_LEN, |bytes| bytes.clamp(BATCH_LEN_MIN, BATCH_LEN));
        Self {
            entries: Vec::new(),
            len: 0,
            len_max,
        }
    }

    /// Says whether the entry still fits; a batch of one always does.
    fn fits(&self, missing: &MissingEntry) -> bool {
        let len = missing.entry.len() + missing.attachment.as_ref().map_or(0, Vec::len) + 16;
        self.entries.is_empty()
            || self.entries.len() < BATCH_ENTRIES_MAX
                && self.len < self.len_max
                && self.len + len <= FRAME_LEN_MAX - FRAME_RESERVE
    }

    fn add(&mut self, missing: MissingEntry) {
        self.len += missing.entry.len() + missing.attachment.as_ref().map_or(0, Vec::len) + 16;
        self.entries.push(CarriedEntry {
            entry: missing.entry,
            attachment: missing.attachment,
        });
    }
}

fn is_for_everybody(name: &DocumentName) -> bool {
    access::may(Asker::Anyone, Deed::Keep, name.area())
}

fn is_for_all(missing: &MissingEntry) -> bool {
    Entry::decode_trusted(&missing.entry).is_ok_and(|entry| is_for_everybody(&entry.change().name))
}

impl<S: Store> Engine<S> {
    pub(super) fn answer(&mut self, link: LinkId, request: &SyncRequest) -> Result<()> {
        self.check_own_writer(&request.clock);
        self.answer_with(link, request, |_| true)
    }

    /// Answers whoever asks for no more than everybody may keep. The other changes are passed over: the clock that goes with the answer covers
    /// them. What a stranger claims to hold is believed for the sake of this answer alone.
    pub(super) fn answer_follower(&mut self, link: LinkId, request: &SyncRequest) -> Result<()> {
        if let Some(state) = self.links.get_mut(link).filter(|_| !self.config.follows) {
            state.follows = true;
            self.answer_with(link, request, is_for_all)
        } else {
            Ok(())
        }
    }

    fn answer_with(
        &mut self,
        link: LinkId,
        request: &SyncRequest,
        is_sent: impl Fn(&MissingEntry) -> bool,
    ) -> Result<()> {
        let profile = self.links.get(link).map(|state| state.profile);
        let mut batch = Batch::on(profile);
        let held = self.held.shortened(CLOCK_LEN_MAX);
        let scanned = self.view(|view| {
            let mut passed_over = 0;
            view.missing(&held, &request.clock, &mut |missing| {
                if !is_sent(&missing) {
                    passed_over += 1;
                    return match passed_over > PASSED_OVER_MAX {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    };
                }
                if !batch.fits(&missing) {
                    return ControlFlow::Break(());
                }
                batch.add(missing);
                ControlFlow::Continue(())
            })
        })?;
        let mut reached = request.clock.clone();
        reached.merge(&scanned);
        let done = reached.includes(&held).then(|| self.collected.clone());
        let live = if done.is_some() && request.live {
            let dots = self.view(|view| view.live())?;
            Some(LiveSet { clock: held, dots })
        } else {
            None
        };
        if live
            .as_ref()
            .is_some_and(|live| live.dots != live.dots.shortened(LIVE_LEN_MAX))
        {
            self.refuse_on(link, "too far apart: start this peer anew, by an invite".into());
            return Ok(());
        }
        let changes = Changes {
            session: Some(request.session),
            entries: batch.entries,
            scanned,
            done,
            live,
        };
        self.send_durable(link, &Message::Changes(changes));
        Ok(())
    }

    /// Sends what may hold changes that are not committed yet: they must not be seen before.
    fn send_durable(&mut self, link: LinkId, message: &Message) {
        let action = Action::Send {
            link,
            lane: super::link::lane(message),
            frame: message.encode(),
        };
        if self.needs_commit() {
            self.after_commit(action);
        } else {
            self.actions.push_back(action);
        }
    }

    /// After a commit: sends this node's own new changes to every granted neighbour that lacks them.
    pub(super) fn push_fresh(&mut self) -> Result<()> {
        let fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        for link in [self.links.granted(), self.links.followers()].concat() {
            let Some(state) = self.links.get_mut(link) else {
                continue;
            };
            let is_member = state.granted;
            let profile = Some(state.profile);
            let lacking: Vec<Dot> = fresh
                .iter()
                .filter(|dot| !state.known.contains(**dot))
                .copied()
                .collect();
            for dot in &lacking {
                state.known.insert(*dot);
            }
            let mut batch = Batch::on(profile);
            let mut scanned = Clock::new();
            for dot in lacking {
                let missing = self.view(|view| {
                    let Some(entry) = view.entry(dot)? else {
                        return Ok(None);
                    };
                    Ok(Some(MissingEntry {
                        dot,
                        entry: entry.encode(),
                        attachment: view.attachment(dot)?,
                    }))
                })?;
                // Superseded within the same commit: its successor is in the list.
                let Some(missing) = missing.filter(|missing| is_member || is_for_all(missing)) else {
                    continue;
                };
                if !batch.fits(&missing) {
                    self.push(
                        link,
                        std::mem::replace(&mut batch, Batch::on(profile)),
                        std::mem::take(&mut scanned),
                    );
                }
                scanned.insert(dot);
                batch.add(missing);
            }
            if !batch.entries.is_empty() {
                self.push(link, batch, scanned);
            }
        }
        Ok(())
    }

    fn push(&mut self, link: LinkId, batch: Batch, scanned: Clock) {
        let changes = Changes {
            session: None,
            entries: batch.entries,
            scanned,
            done: None,
            live: None,
        };
        self.send(link, &Message::Changes(changes));
    }

    /// Sends a chunk to a node without a grant, if the change that it names is live, for everybody, and lists the chunk.
    pub(super) fn serve_follower(&mut self, link: LinkId, request: &FollowChunk) -> Result<()> {
        let FollowChunk { dot, chunk } = *request;
        let entry = self.view(|view| view.entry(dot))?;
        let content = entry
            .as_ref()
            .filter(|entry| is_for_everybody(&entry.change().name))
            .and_then(|entry| entry.content());
        let lists = match content {
            None => false,
            Some(content) => match content.payload {
                Payload::Inline => false,
                Payload::Chunk => content.hash == chunk,
                Payload::Manifest(_) => {
                    if self.offered.as_ref().is_none_or(|(offered, _)| *offered != dot) {
                        let manifest = self.view(|view| view.manifest(dot, content))?;
                        let mut chunks: Vec<Hash> = manifest
                            .iter()
                            .flat_map(|manifest| manifest.chunks())
                            .map(|listed| listed.hash)
                            .collect();
                        chunks.sort_unstable();
                        self.offered = Some((dot, chunks));
                    }
                    let chunks = self.offered.as_ref().map_or(&[][..], |(_, chunks)| chunks);
                    chunks.binary_search(&chunk).is_ok()
                }
            },
        };
        match lists {
            true => self.serve(link, request.chunk),
            false => {
                self.refuse_chunk(link, request.chunk);
                Ok(())
            }
        }
    }

    fn refuse_chunk(&mut self, link: LinkId, chunk: Hash) {
        let error = StorageError {
            code: ErrorCode::NotFound,
            chunk: Some(chunk),
            reason: "this chunk is not here".into(),
        };
        self.send(link, &Message::StorageError(error));
    }

    /// Sends a chunk to a granted node, if a live entry of the space lists it.
    pub(super) fn serve(&mut self, link: LinkId, chunk: Hash) -> Result<()> {
        let here = self
            .view(|view| chunk_record(view.0, &chunk))?
            .is_some_and(|record| record.present);
        if here {
            self.actions.push_back(Action::Serve { link, chunk });
        } else {
            self.refuse_chunk(link, chunk);
        }
        Ok(())
    }
}
