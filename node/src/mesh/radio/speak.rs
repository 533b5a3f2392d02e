//! What a node says by radio, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use super::entries::{self, Packed, SealedWith, node_ref};
use super::message::{Beacon, CALLED_MAX, MembershipDigest, RadioMessage};
use super::neighbours::{Neighbour, Wanted};
use super::refused::MessageName;
use super::summary::{Digest, Runs, Summary};
use super::trickle::{Turn, part};
use rand_chacha::rand_core::Rng;

use crate::mesh::engine::{Engine, Result};
use crate::mesh::oracle::OpenedBody;
use crate::mesh::{Action, Broadcast, Lane, LinkId, RadioPrice};
use crate::model::{
    Category, Clock, Content, Dot, Entry, EpochId, Hash, NodeId, Now, Payload, Sequence, Writer,
};
use crate::space::{MissingEntry, chunk_record};
use crate::store::Store;

/// Slots of messages that newer ones replace.
const SLOT_BEACON: u64 = 1;
const SLOT_SUMMARY: u64 = 2;
pub(super) const SLOT_WANT: u64 = 4;
pub(super) const SLOT_ASK: u64 = 5;
pub(super) const SLOT_ACKNOWLEDGEMENTS: u64 = 6;
pub(super) const SLOT_QUESTION: u64 = 7;
pub(super) const SLOT_LIVING: u64 = 8;

/// Most bytes of entries in one message: some 40 frames, each of which may have to be repaired.
const ENTRIES_LEN: usize = 8 * 1024;
/// Entries that are looked at for one message.
const CANDIDATES_MAX: usize = 256;
/// The first pause before a payload is asked for again, in frames; each is twice as long, up to the longest.
const WANT_PAUSE_FRAMES: u64 = 30;
/// What was overheard is looked for before anybody is asked.
const LOOK_FIRST: Duration = Duration::from_millis(200);
pub(super) const WANT_PAUSE_MAX: Duration = Duration::from_secs(900);

/// What somebody lacks.
struct Lacking {
    missing: MissingEntry,
    by: Vec<NodeId>,
}

/// How a station calls a message.
pub(super) fn message_name(message: &[u8]) -> MessageName {
    let hash = Hash::of(message);
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

impl<S: Store> Engine<S> {
    /// After a commit: what is on the disk now may be told.
    pub(in crate::mesh) fn note_state(&mut self, now: Now) {
        if self.radios.is_empty() {
            return;
        }
        let complete = self.complete();
        let before = self.radios.history.current().map(|state| state.clock.clone());
        let mut news = self.radios.history.note(&self.held);
        // Whoever wrote something, or gave it, waits to hear that it is here.
        let of_others = before.is_some_and(|before| {
            let more = self.held.missing_in(&before);
            more.iter().any(|(writer, ..)| writer.node != self.node)
        });
        let current = self.radios.history.current();
        let complete_digest = current
            .filter(|state| state.clock == complete)
            .map_or_else(|| Digest::of(&complete), |state| state.digest);
        let completed = complete == self.held && self.radios.incomplete;
        news |= self.radios.complete != Some(complete_digest);
        self.radios.complete = Some(complete_digest);
        self.radios.incomplete = complete != self.held;
        if complete != self.held {
            // Somebody who has all of that may say so.
            let held = self.held.clone();
            self.radios.history.note(&complete);
            self.radios.history.note(&held);
        }
        let current = self.radios.history.current().map(|state| state.digest);
        for (id, radio) in &mut self.radios.by_id {
            for neighbour in radio.neighbours.values_mut() {
                if Some(neighbour.digest) == current {
                    neighbour.is_at(self.held.clone(), &self.held);
                }
            }
            if news {
                // A beacon that waits for its turn tells of the past: others would take what they sent for lost.
                self.actions.push_back(Action::Withdraw {
                    radio: *id,
                    slot: SLOT_BEACON,
                });
                radio.trickle.reset(now.instant, &mut self.rng);
                radio.custody.news(now.instant, &mut self.rng);
                if of_others && !self.radios.incomplete || completed {
                    let (pause, within) = if completed {
                        // First its sender listens to those who lack something of it.
                        (radio.frames(2), radio.spread())
                    } else {
                        (Duration::ZERO, radio.beacons(12))
                    };
                    let at = (now.instant).after(pause + part(within, &mut self.rng));
                    radio.trickle.must_speak(at);
                }
                radio.push_by(now.instant);
            }
        }
        let radios: Vec<LinkId> = self.radios.by_id.keys().copied().collect();
        for radio in radios {
            self.listen(radio);
        }
    }

    /// Says what is due. Only between commits: what is told of must be on the disk.
    pub(in crate::mesh) fn speak_when_due(&mut self, now: Now) -> Result<()> {
        if self.radios.is_empty() || self.needs_commit() {
            return Ok(());
        }
        while let Some((radio, name)) = self.radios.refused.due(now.instant) {
            self.actions.push_back(Action::Forget { radio, name });
        }
        let radios: Vec<LinkId> = self.radios.by_id.keys().copied().collect();
        for radio in radios {
            if let Some(here) = self.radios.by_id.get_mut(&radio) {
                here.forget_silent(now.instant);
            }
            self.beacon_when_due(now, radio);
            self.summary_when_due(now, radio)?;
            self.question_when_due(now, radio)?;
            self.list_when_due(now, radio);
            self.want_when_due(now, radio)?;
            self.push_when_due(now, radio)?;
        }
        Ok(())
    }

    pub(super) fn broadcast(&mut self, radio: LinkId, slot: u64, lane: Lane, message: Vec<u8>) {
        self.broadcast_under(radio, None, slot, lane, message);
    }

    /// Sends a message to those who have the key of an epoch; `None`: the current one's.
    pub(super) fn broadcast_under(
        &mut self,
        radio: LinkId,
        under: Option<EpochId>,
        slot: u64,
        lane: Lane,
        message: Vec<u8>,
    ) {
        let name = message_name(&message);
        if lane > Lane::Control
            && let Some(here) = self.radios.by_id.get_mut(&radio)
        {
            here.ready = false;
        }
        self.actions.push_back(Action::Broadcast(Broadcast {
            radio,
            slot,
            lane,
            under,
            name,
            message,
        }));
    }

    pub(super) fn membership_short(&self) -> MembershipDigest {
        let digest = self.membership_digest();
        [digest.0[0], digest.0[1], digest.0[2]]
    }

    fn beacon_when_due(&mut self, now: Now, radio: LinkId) {
        let Some(clock) = self.radios.history.current().map(|state| state.digest) else {
            return;
        };
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return;
        };
        let turn = here.trickle.due(now.instant, &mut self.rng);
        // The end of what comes tells more than its beginning.
        if turn == Turn::Silent || here.is_coming(now.instant) {
            return;
        }
        // All have just said the same; or they will, after what is on its way to them.
        if turn == Turn::May && (here.serving.is_some() || here.trickle.is_quick() && here.all_at(clock)) {
            return;
        }
        if !here.take_beacon(now.instant) {
            return;
        }
        let behind = |neighbour: &&Neighbour| {
            (neighbour.digest != clock || !neighbour.complete)
                && neighbour.expected().is_some_and(|expected| expected == self.held)
        };
        // Those who must speak soon have not had the time yet.
        let calls = here
            .neighbours
            .iter()
            .filter(|(_, neighbour)| turn == Turn::May && behind(neighbour))
            .map(|(node, _)| node.0[0])
            .take(CALLED_MAX)
            .collect();
        let complete = if self.pending.is_empty() {
            clock
        } else {
            Digest::of(&self.complete())
        };
        let beacon = RadioMessage::Beacon(Beacon {
            clock,
            complete,
            membership: self.membership_short(),
            calls,
        });
        self.broadcast(radio, SLOT_BEACON, Lane::Control, beacon.encode());
    }

    fn summary_when_due(&mut self, now: Now, radio: LinkId) -> Result<()> {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        let Some((_, full)) = here.summary.filter(|(at, _)| *at <= now.instant) else {
            return Ok(());
        };
        here.summary = None;
        // A difference is of use if all who need it know what it differs from.
        let mut commons = here
            .neighbours
            .values()
            .filter(|neighbour| neighbour.ahead || !neighbour.known)
            .map(|neighbour| {
                neighbour
                    .common
                    .clone()
                    .filter(|(_, clock)| self.held.includes(clock))
            });
        let first = commons.next().flatten();
        let base = first
            .filter(|first| !full && commons.all(|other| other.is_some_and(|(digest, _)| digest == first.0)));
        let (digest, known) = base.unzip();
        let summary = self.summary_since(digest, &known.unwrap_or_default())?;
        if let Some(here) = self.radios.by_id.get_mut(&radio) {
            here.told = Some((summary.digest, now.instant));
        }
        let message = RadioMessage::Summary(summary).encode();
        self.broadcast(radio, SLOT_SUMMARY, Lane::Control, message);
        Ok(())
    }

    /// What is held beyond `known`, a state that its hearers know by its digest.
    fn summary_since(&self, base: Option<Digest>, known: &Clock) -> Result<Summary> {
        let mut dead = Clock::new();
        for (writer, first, last) in self.held.missing_in(known) {
            dead.insert_range(writer, first, last);
        }
        let adds = Runs::of(dead.ranges());
        // Whoever knows nothing of a writer could not tell whose dead changes these are.
        let mut unheard: BTreeSet<Writer> = dead.writers().collect();
        unheard.retain(|writer| known.last(*writer) == Sequence(0));
        self.view(|view| {
            view.missing(&self.held, known, &mut |missing| {
                dead.remove(missing.dot);
                unheard.remove(&missing.dot.writer);
                ControlFlow::Continue(())
            })
        })?;
        Ok(Summary {
            digest: Digest::of(&self.held),
            base,
            adds,
            collected: !dead.intersection(&self.collected).is_empty(),
            dead: Runs::of(dead.ranges()),
            writers: unheard
                .into_iter()
                .map(|writer| (node_ref(writer.node), writer.incarnation))
                .collect(),
        })
    }

    /// Asks for payloads that did not come with their entries, where no other link brings them.
    fn want_when_due(&mut self, now: Now, radio: LinkId) -> Result<()> {
        let pending = !self.pending.is_empty() && self.links.granted().is_empty();
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        if !pending {
            here.wanted.clear();
            return Ok(());
        }
        // One at a time: what is under way is finished first.
        if here.wanted.is_empty() {
            let Some((chunk, len, dot)) = self.next_payload()? else {
                return Ok(());
            };
            let chance = self.rng.next_u64() % 1000;
            self.listen(radio);
            if let Some(here) = self.radios.by_id.get_mut(&radio) {
                // Others may lack it, too, and one request is enough for all.
                let others = here.neighbours.len().saturating_sub(1) as u64;
                let wanted = Wanted {
                    chunk,
                    dot,
                    len,
                    patience: here.patience(len),
                    again: now
                        .instant
                        .after(LOOK_FIRST + here.beacons(others * 4) * chance as u32 / 1000),
                    coming_until: now.instant,
                    tries: 0,
                };
                here.wanted.insert(chunk, wanted);
            }
            // Perhaps it was heard already, or is still on the disk.
            self.expect_chunk(radio, chunk, len);
        }
        let due: Vec<Wanted> = self
            .radios
            .by_id
            .get(&radio)
            .into_iter()
            .flat_map(|here| here.wanted.values())
            .filter(|wanted| wanted.again <= now.instant)
            .cloned()
            .collect();
        for wanted in due {
            self.want(now, radio, wanted)?;
        }
        Ok(())
    }

    fn want(&mut self, now: Now, radio: LinkId, mut wanted: Wanted) -> Result<()> {
        let record = self.view(|view| chunk_record(view.0, &wanted.chunk))?;
        let Some(record) = record.filter(|record| !record.present) else {
            if let Some(here) = self.radios.by_id.get_mut(&radio) {
                here.wanted.remove(&wanted.chunk);
            }
            return Ok(());
        };
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        let mut candidates = here.holders(wanted.dot);
        let is_silent = |node: &NodeId| here.neighbours.get(node).is_some_and(Neighbour::is_silent);
        if !candidates.iter().all(is_silent) {
            candidates.retain(|node| !is_silent(node));
        }
        let transfer = here.patience(record.len);
        let pause =
            (here.frames(WANT_PAUSE_FRAMES) * 2_u32.saturating_pow(wanted.tries.min(8))).min(WANT_PAUSE_MAX);
        let chosen = candidates
            .get(wanted.tries as usize % candidates.len().max(1))
            .copied();
        wanted.again = now.instant.after(if chosen.is_some() {
            transfer.max(pause)
        } else {
            pause
        });
        if chosen.is_some() {
            wanted.tries += 1;
            wanted.coming_until = now.instant.after(transfer.min(WANT_PAUSE_MAX));
        }
        let (chunk, beginning) = (wanted.chunk, wanted.beginning());
        here.wanted.insert(chunk, wanted);
        self.listen(radio);
        if let Some(node) = chosen {
            if let Some(neighbour) =
                (self.radios.by_id.get_mut(&radio)).and_then(|here| here.neighbours.get_mut(&node))
            {
                neighbour.asked = Some(now.instant);
            }
            let frame = RadioMessage::Want {
                of: node_ref(node),
                chunks: vec![beginning],
            }
            .encode();
            self.expect_chunk(radio, chunk, record.len);
            self.broadcast(radio, SLOT_WANT, Lane::Control, frame);
        }
        Ok(())
    }

    /// Has the driver take a chunk when it comes: the request is a message of its own.
    pub(super) fn expect_chunk(&mut self, radio: LinkId, chunk: Hash, len: u32) {
        self.actions.push_back(Action::Fetch {
            link: radio,
            chunk,
            len,
            frame: Vec::new(),
        });
    }

    /// A chunk came by radio: what comes next may be asked for.
    pub(in crate::mesh) fn radio_chunk_stored(&mut self, chunk: &Hash) {
        for here in self.radios.by_id.values_mut() {
            here.wanted.remove(chunk);
        }
    }

    /// The smallest chunk that is lacking, of a document that is short enough or was asked for. Documents that lack none any more are
    /// complete.
    fn next_payload(&mut self) -> Result<Option<(Hash, u32, Dot)>> {
        let mut smallest: Option<(Hash, u32, Dot)> = None;
        let pending = &self.pending;
        self.radios.too_long.retain(|dot| pending.contains(dot));
        let unasked = self
            .pending
            .iter()
            .filter(|dot| !self.radios.too_long.contains(dot));
        let candidates: BTreeSet<Dot> = self
            .requested
            .iter()
            .chain(unasked)
            .take(CANDIDATES_MAX)
            .copied()
            .collect();
        for dot in candidates {
            let Some(entry) = self.view(|view| view.entry(dot))? else {
                continue;
            };
            let Some(content) = entry.content() else {
                continue;
            };
            // What cannot be read here is no public document.
            let path = self.view(|view| view.path_of(&entry.change().name))?;
            let category = path.map_or(Category::Private, |path| path.category());
            if !self.is_wanted_by_radio(dot, category, content.len) {
                self.radios.too_long.insert(dot);
                continue;
            }
            let chunks = self.lacking_chunks(dot, content)?;
            if chunks.is_empty() {
                self.complete_payload(dot)?;
            }
            for (hash, len) in chunks {
                if smallest.is_none_or(|(_, least, _)| len < least) {
                    smallest = Some((hash, len, dot));
                }
            }
        }
        Ok(smallest)
    }

    /// The chunks of a payload that are not here, with their lengths.
    pub(in crate::mesh) fn lacking_chunks(&self, dot: Dot, content: &Content) -> Result<Vec<(Hash, u32)>> {
        self.view(|view| {
            let listed: Vec<Hash> = match content.payload {
                Payload::Inline => Vec::new(),
                Payload::Chunk => vec![content.hash],
                Payload::Manifest(_) => view
                    .manifest(dot, content)?
                    .map(|manifest| manifest.chunks().iter().map(|chunk| chunk.hash).collect())
                    .unwrap_or_default(),
            };
            let (mut seen, mut lacking) = (BTreeSet::new(), Vec::new());
            for hash in listed {
                if seen.insert(hash)
                    && let Some(record) = chunk_record(view.0, &hash)?.filter(|record| !record.present)
                {
                    lacking.push((hash, record.len));
                }
            }
            Ok(lacking)
        })
    }

    /// What chunks of these lengths take by each radio.
    pub(in crate::mesh) fn radio_prices(&self, dot: Dot, chunks: &[u32]) -> Vec<RadioPrice> {
        let radios = self.radios.by_id.iter();
        radios.map(|(id, radio)| radio.price(*id, dot, chunks)).collect()
    }

    /// What a small sealed body says, if it travels opened: it is sealed with the first epoch's key or the current one, both of which everybody has who
    /// can read the frame.
    fn opened_for_radio(&self, entry: &Entry, attachment: Option<&[u8]>) -> Option<(OpenedBody, SealedWith)> {
        let content = entry
            .content()
            .filter(|content| content.payload == Payload::Inline)?;
        let epoch = Some(content.seal?.epoch);
        let with = if epoch == self.config.key.first_epoch() {
            SealedWith::First
        } else if epoch == self.config.key.current_epoch() {
            SealedWith::OfFrame
        } else {
            return None;
        };
        Some((self.config.key.open(entry, attachment)?, with))
    }

    /// Sends what is most worth sending, if the station has room: statements, then entries, then acknowledgements, then chunks.
    fn push_when_due(&mut self, now: Now, radio: LinkId) -> Result<()> {
        if self.radios.by_id.get(&radio).is_none_or(|here| !here.ready) {
            return Ok(());
        }
        if self.tell_statements(now, radio) {
            return Ok(());
        }
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        if here.push.is_some_and(|at| at <= now.instant) {
            here.push = None;
            if self.push_entries(now, radio)? {
                return Ok(());
            }
        }
        if self.living_when_due(radio)? || self.tell_when_due(now, radio) || self.ask_when_due(now, radio) {
            return Ok(());
        }
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(());
        };
        if let Some(at) = here.serve.iter().position(|(_, from)| *from <= now.instant)
            && let Some((chunk, _)) = here.serve.remove(at)
        {
            here.ready = false;
            here.serving = Some(chunk);
            self.actions.push_back(Action::Serve { link: radio, chunk });
        }
        Ok(())
    }

    /// Says whether there was something to send.
    fn push_entries(&mut self, now: Now, radio: LinkId) -> Result<bool> {
        let Some(here) = self.radios.by_id.get(&radio) else {
            return Ok(false);
        };
        let single = here.profile.frame_len_max;
        let expected: Vec<(NodeId, Clock, bool)> = here
            .neighbours
            .iter()
            .filter_map(|(node, neighbour)| Some((*node, neighbour.expected()?, neighbour.known)))
            .filter(|(_, clock, _)| !clock.includes(&self.held))
            .collect();
        if expected.is_empty() {
            return Ok(false);
        }
        let lacking = self.lacking(&expected)?;
        let mut chosen: Vec<Packed> = Vec::new();
        let mut len = 0;
        let mut sent: Vec<(Dot, Vec<NodeId>)> = Vec::new();
        let all = lacking.len();
        for lack in lacking {
            let Ok(entry) = Entry::decode_trusted(&lack.missing.entry) else {
                continue;
            };
            let attached = lack.missing.attachment.as_ref().map_or(0, Vec::len);
            if !chosen.is_empty() && len + attached + 150 > ENTRIES_LEN {
                break;
            }
            len += attached + 150;
            let opened = self.opened_for_radio(&entry, lack.missing.attachment.as_deref());
            chosen.push(Packed {
                entry,
                attachment: lack.missing.attachment,
                opened,
            });
            sent.push((lack.missing.dot, lack.by));
        }
        let payloads = self.config.key.payloads();
        let mut bytes = entries::encode(&chosen, self.node, payloads);
        // Two frames that get lost apart are better than two that must come both.
        while chosen.len() > 1 && (single..2 * single).contains(&self.config.key.length(bytes.len())) {
            chosen.pop();
            sent.pop();
            bytes = entries::encode(&chosen, self.node, payloads);
        }
        let last = sent.len() == all;
        let summary = if last {
            self.closing_summary(radio, &sent)?
        } else {
            None
        };
        if chosen.is_empty() && summary.is_none() {
            return Ok(false);
        }
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(false);
        };
        for (dot, by) in &sent {
            for node in by {
                if let Some(neighbour) = here.neighbours.get_mut(node) {
                    neighbour.sent.insert(*dot);
                    neighbour.sent_at = now.instant;
                }
            }
        }
        let slot = here.slot();
        here.pushed = Some((slot, sent.iter().map(|(dot, _)| *dot).collect()));
        // There may be more.
        here.push = Some(now.instant);
        let message = match (chosen.is_empty(), summary) {
            (true, Some(summary)) => RadioMessage::Summary(summary),
            (_, summary) => RadioMessage::Entries {
                summary,
                entries: bytes,
            },
        };
        self.broadcast(radio, slot, Lane::Entries, message.encode());
        Ok(true)
    }

    /// Live entries that some neighbour lacks: small before large, fresh before old.
    fn lacking(&self, expected: &[(NodeId, Clock, bool)]) -> Result<Vec<Lacking>> {
        let mut lacking: BTreeMap<Dot, Lacking> = BTreeMap::new();
        for (node, clock, known) in expected {
            self.view(|view| {
                view.missing(&self.held, clock, &mut |missing| {
                    // Of a neighbour that holds more than is known, only this node's own changes are known to be lacking.
                    if *known || missing.dot.writer.node == self.node {
                        lacking
                            .entry(missing.dot)
                            .or_insert_with(|| Lacking {
                                missing,
                                by: Vec::new(),
                            })
                            .by
                            .push(*node);
                    }
                    if lacking.len() < CANDIDATES_MAX {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                })
            })?;
        }
        let mut lacking: Vec<Lacking> = lacking.into_values().collect();
        lacking.sort_by_key(|lack| {
            let time = Entry::decode_trusted(&lack.missing.entry).map_or(0, |entry| entry.change().time.0);
            let len = lack.missing.attachment.as_ref().map_or(0, Vec::len);
            (len > 512, std::cmp::Reverse(time))
        });
        Ok(lacking)
    }

    /// With the last of what a neighbour lacks: what it holds then, if superseded changes lie in between.
    fn closing_summary(&mut self, radio: LinkId, sent: &[(Dot, Vec<NodeId>)]) -> Result<Option<Summary>> {
        let Some(here) = self.radios.by_id.get_mut(&radio) else {
            return Ok(None);
        };
        let mut open = None;
        for (node, neighbour) in &mut here.neighbours {
            let Some(mut reached) = neighbour.expected().filter(|_| neighbour.exact) else {
                continue;
            };
            // What is told adds to a state that this node was in, too: it would claim to hold what it lacks of it.
            let Some(common) = (neighbour.common.clone()).filter(|(_, clock)| self.held.includes(clock))
            else {
                continue;
            };
            for (dot, by) in sent {
                if by.contains(node) {
                    reached.insert(*dot);
                }
            }
            if !reached.includes(&self.held) {
                // Expected to hold it all after this.
                for (writer, first, last) in self.held.missing_in(&reached) {
                    neighbour.sent.insert_range(writer, first, last);
                }
                open.get_or_insert(common);
            }
        }
        match open {
            Some((digest, clock)) => self.summary_since(Some(digest), &clock).map(Some),
            None => Ok(None),
        }
    }
}
