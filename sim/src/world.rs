//! The world: nodes, links, a virtual clock and faults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn::mesh::{
    Action, Broadcast, Command, CommandResult, Delete, Engine, EngineError, Event, Lane, LinkId, LinkProfile,
    Message, Overheard, Precondition, Put, Reply, RequestId, StorageResponse, carried_chunk,
    radio_carried_chunk, radio_chunk,
};
use cairn::model::{DocumentPath, ETag, Entry, Hash, Instant, KeyPair, NodeId, Now, WallTime};
use cairn::space::chunk_record;
use cairn::store::{MemoryStore, Store, StoreError};
use cairn_transports::PeerKey;
use cairn_transports::lora::modem::Timing;
use cairn_transports::lora::{
    Instant as LoraInstant, Interest, SendersRecord, StationCounts, StationOutput, SubBand,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::air::{self, Air, OnAir, Radio, SimModem};
use crate::{BodySizes, Node, laws};

/// A node, by its place in the world.
pub type NodeIndex = usize;

/// How links and disks misbehave. Shares are in 1/1000.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Frames that get lost.
    pub loss: u32,
    /// Frames that come twice.
    pub duplication: u32,
    /// Most extra time on the way, so that frames overtake one another.
    pub jitter: Duration,
}

/// Something that will happen.
enum Planned {
    Deliver {
        to: NodeIndex,
        link: LinkId,
        frame: Vec<u8>,
    },
    Announce {
        to: NodeIndex,
        author: NodeId,
        frame: Vec<u8>,
    },
    Commit {
        node: NodeIndex,
    },
    ChunkSynced {
        node: NodeIndex,
        chunk: Hash,
    },
    Timer {
        node: NodeIndex,
    },
    Station {
        node: NodeIndex,
    },
    /// A frame on air ends.
    AirEnd {
        frame: u64,
    },
}

/// A write that a user was told is safe.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The entry.
    pub entry: Entry,
}

/// A copy of a node's disk.
#[derive(Debug, Clone)]
pub struct Backup {
    store: MemoryStore,
    chunks: BTreeMap<Hash, Vec<u8>>,
    senders: SendersRecord,
}

/// Nodes of one owner, on one clock.
pub struct World {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What links do now.
    pub faults: Faults,
    /// Every write that was answered with success.
    pub acknowledged: Vec<Acknowledged>,
    /// How bodies are stored.
    pub body_sizes: BodySizes,
    /// Some disk was replaced by an older copy: payloads that were nowhere else are gone.
    pub restored: bool,
    rng: ChaCha8Rng,
    now_us: u64,
    queue: BTreeMap<(u64, u64), Planned>,
    planned: u64,
    next_link: u64,
    next_request: u64,
    /// For each end of a link the node and the other end.
    links: BTreeMap<LinkId, (NodeIndex, LinkId)>,
    replies: BTreeMap<RequestId, CommandResult>,
    requests: BTreeMap<RequestId, (NodeIndex, DocumentPath)>,
    tombstone_age_min: Duration,
    air: Air,
    modem: Option<(SimModem, &'static SubBand)>,
    /// How often any radio was started.
    generations: u64,
}

fn add(sum: &mut StationCounts, more: StationCounts) {
    sum.frames_sent += more.frames_sent;
    sum.bytes_sent += more.bytes_sent;
    sum.airtime_us += more.airtime_us;
    sum.frames_heard += more.frames_heard;
    sum.frames_foreign += more.frames_foreign;
}

/// 2026-01-01, so that hybrid timestamps look like real ones.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// What every disk has room for, in bytes.
pub const DISK_FREE: u64 = 1 << 40;

impl World {
    /// `count` nodes of one owner, all up, with no links. `seed` makes everything that is random.
    pub fn new(seed: u64, count: u8) -> Result<Self, EngineError> {
        let owner = KeyPair::from_seed(&[255; 32]);
        let mut world = Self {
            nodes: (0..count).map(|index| Node::new(index, &owner)).collect(),
            faults: Faults::default(),
            acknowledged: Vec::new(),
            body_sizes: BodySizes::SMALL,
            restored: false,
            rng: ChaCha8Rng::seed_from_u64(seed),
            now_us: 0,
            queue: BTreeMap::new(),
            planned: 0,
            next_link: 0,
            next_request: 0,
            links: BTreeMap::new(),
            replies: BTreeMap::new(),
            requests: BTreeMap::new(),
            tombstone_age_min: Duration::ZERO,
            air: Air::default(),
            modem: None,
            generations: 0,
        };
        for node in 0..world.nodes.len() {
            world.start(node)?;
        }
        Ok(world)
    }

    /// A number below `bound`.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn now(&self) -> Now {
        Now {
            instant: Instant(self.now_us),
            wall: WallTime(EPOCH_MS + self.now_us / 1000),
        }
    }

    fn plan(&mut self, delay: Duration, planned: Planned) {
        let at = self.now_us + delay.as_micros() as u64;
        self.planned += 1;
        self.queue.insert((at, self.planned), planned);
    }

    /// Starts a node that is down.
    pub fn start(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.nodes[node].start(seed, self.tombstone_age_min)?;
        self.handle(node, Event::StorageFree { bytes: DISK_FREE })?;
        self.compare_chunks(node)?;
        self.radio_up(node)
    }

    /// Gives every node a radio on one channel, from now on.
    pub fn radios(&mut self, modem: SimModem, band: &'static SubBand) -> Result<(), EngineError> {
        self.modem = Some((modem, band));
        for node in 0..self.nodes.len() {
            self.radio_up(node)?;
        }
        Ok(())
    }

    /// Lets two nodes' radios not hear one another, or hear one another again.
    pub fn set_apart(&mut self, a: NodeIndex, b: NodeIndex, apart: bool) {
        let pair = (a.min(b), a.max(b));
        if apart {
            self.air.apart.insert(pair);
        } else {
            self.air.apart.remove(&pair);
        }
    }

    /// How many frames on air each receiver loses, in thousandths.
    pub fn set_air_loss(&mut self, permille: u64) {
        self.air.loss = permille;
    }

    /// Bytes on air, frames and airtime of all radios together.
    pub fn on_air(&self) -> StationCounts {
        let mut sum = self.air.past;
        for radio in self.air.radios.values() {
            add(&mut sum, radio.station.counts());
        }
        sum
    }

    fn radio_up(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let Some((modem, band)) = self.modem.filter(|_| self.nodes[node].engine.is_some()) else {
            return Ok(());
        };
        self.radio_down(node);
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.generations += 1;
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let generation = self.generations << 32 | self.random(1 << 32);
        let now = LoraInstant(self.now_us);
        let (id, senders) = (self.nodes[node].key.node_id(), self.nodes[node].senders.clone());
        let station = air::station(id, modem, band, generation, senders, now, seed);
        let radio = Radio {
            link,
            station,
            overheard: Overheard::default(),
            waiting: None,
        };
        self.air.radios.insert(node, radio);
        let profile = modem.profile(band);
        self.handle(node, Event::RadioUp { radio: link, profile })?;
        self.station_outputs(node)
    }

    fn radio_down(&mut self, node: NodeIndex) {
        if let Some(radio) = self.air.radios.remove(&node) {
            add(&mut self.air.past, radio.station.counts());
        }
        self.air.on_air.retain(|_, frame| frame.from != node);
    }

    fn station_outputs(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let now = LoraInstant(self.now_us);
        while let Some(radio) = self.air.radios.get_mut(&node) {
            let link = radio.link;
            let Some(output) = radio.station.poll_output() else {
                break;
            };
            match output {
                StationOutput::Transmit(frame) => radio.waiting = Some(frame),
                StationOutput::Record(_) => radio.station.recorded(now),
                StationOutput::Senders(record) => {
                    self.nodes[node].senders = record;
                    radio.station.senders_recorded();
                }
                StationOutput::Ready => self.handle(node, Event::RadioReady { radio: link })?,
                StationOutput::Message { from, bytes } => match radio_carried_chunk(&bytes) {
                    Some((chunk, bytes)) if self.nodes[node].expected.contains(&(link, chunk)) => {
                        self.take_chunk(node, link, chunk, bytes)?;
                    }
                    Some((chunk, bytes)) => radio.overheard.keep(chunk, bytes),
                    None => self.handle(node, air::message(link, from, bytes))?,
                },
                StationOutput::Introduced(_) | StationOutput::Heard { .. } | StationOutput::Ended { .. } => {}
            }
        }
        self.begin_frames();
        if let Some(due) = self
            .air
            .radios
            .get(&node)
            .and_then(|radio| radio.station.poll_timeout())
        {
            let delay = Duration::from_micros(due.0.saturating_sub(self.now_us).max(1));
            self.plan(delay, Planned::Station { node });
        }
        Ok(())
    }

    /// Modems that hear nothing begin with what they held back.
    fn begin_frames(&mut self) {
        let Some((modem, _)) = self.modem else {
            return;
        };
        let waiting: Vec<NodeIndex> = self
            .air
            .radios
            .iter()
            .filter(|(_, radio)| radio.waiting.is_some())
            .map(|(node, _)| *node)
            .collect();
        for node in waiting {
            if self.air.is_busy(node) {
                continue;
            }
            let Some(frame) = self
                .air
                .radios
                .get_mut(&node)
                .and_then(|radio| radio.waiting.take())
            else {
                continue;
            };
            let airtime = modem.airtime_us(frame.len()).unwrap_or(0);
            self.air.next += 1;
            let (id, start) = (self.air.next, self.now_us);
            let end = start + airtime;
            let from = node;
            self.air.on_air.insert(
                id,
                OnAir {
                    from,
                    start,
                    end,
                    frame,
                },
            );
            self.plan(Duration::from_micros(airtime), Planned::AirEnd { frame: id });
        }
    }

    fn air_end(&mut self, id: u64) -> Result<(), EngineError> {
        let Some(done) = self.air.on_air.remove(&id) else {
            return Ok(());
        };
        let now = LoraInstant(self.now_us);
        let receivers = self.air.receivers(&done);
        if let Some(radio) = self.air.radios.get_mut(&done.from) {
            radio.station.sent(now, true);
        }
        for to in receivers {
            let lost = self.random(1000) < self.air.loss;
            if !lost && let Some(radio) = self.air.radios.get_mut(&to) {
                radio.station.received(now, &air::received(&done.frame));
                self.station_outputs(to)?;
            }
        }
        self.station_outputs(done.from)
    }

    /// Tells a node how many bytes its disk has room for.
    pub fn set_free(&mut self, node: NodeIndex, bytes: u64) -> Result<(), EngineError> {
        self.handle(node, Event::StorageFree { bytes })
    }

    /// What the daemon does after a start: chunk files of which a crash took the note are noted, those that nothing
    /// lists go, and lost ones are fetched again.
    fn compare_chunks(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let read = self.nodes[node].store.read()?;
        let mut here = Vec::new();
        let mut unlisted = Vec::new();
        for hash in self.nodes[node].chunks.keys() {
            match chunk_record(&read, hash) {
                Ok(Some(record)) if !record.present => here.push(*hash),
                Ok(Some(_)) | Err(_) => {}
                Ok(None) => unlisted.push(*hash),
            }
        }
        let lost: Vec<Hash> = laws::listed_chunks(&self.nodes[node])
            .into_iter()
            .filter(|hash| !self.nodes[node].chunks.contains_key(hash))
            .filter(|hash| {
                chunk_record(&read, hash).is_ok_and(|record| record.is_some_and(|record| record.present))
            })
            .collect();
        for chunk in unlisted {
            self.nodes[node].chunks.remove(&chunk);
        }
        for chunk in here {
            self.handle(node, Event::ChunkStored { chunk })?;
        }
        for chunk in lost {
            self.handle(node, Event::ChunkLost { chunk })?;
        }
        Ok(())
    }

    /// Cuts a node's power. Its links go down.
    pub fn crash(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        self.nodes[node].crash();
        self.radio_down(node);
        let ends: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, (at, _))| *at == node)
            .map(|(id, _)| *id)
            .collect();
        for end in ends {
            self.unlink(end)?;
        }
        Ok(())
    }

    /// A copy of a node's disk as it is now, for [`Self::restore`].
    pub fn backup(&self, node: NodeIndex) -> Result<Backup, StoreError> {
        let node = &self.nodes[node];
        Ok(Backup {
            store: laws::copy(&node.store)?,
            chunks: node.chunks.clone(),
            senders: node.senders.clone(),
        })
    }

    /// Cuts a node's power and puts an older copy of its disk in the place of the present one. What it had
    /// acknowledged since, and nobody else holds, is lost with the disk and no longer expected.
    pub fn restore(&mut self, node: NodeIndex, disk: &Backup) -> Result<(), EngineError> {
        self.crash(node)?;
        self.nodes[node].store = laws::copy(&disk.store)?;
        self.nodes[node].chunks = disk.chunks.clone();
        self.nodes[node].senders = disk.senders.clone();
        self.restored = true;
        let held: Vec<_> = self.nodes.iter().map(laws::clock).collect();
        self.acknowledged
            .retain(|Acknowledged { entry }| held.iter().any(|clock| clock.contains(entry.dot())));
        Ok(())
    }

    /// Joins two nodes that are up.
    pub fn link(&mut self, a: NodeIndex, b: NodeIndex) -> Result<(), EngineError> {
        if a == b || self.is_linked(a, b) || self.nodes[a].engine.is_none() || self.nodes[b].engine.is_none()
        {
            return Ok(());
        }
        let (at_a, at_b) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.links.insert(at_a, (a, at_b));
        self.links.insert(at_b, (b, at_a));
        let profile = LinkProfile {
            frame_len_max: cairn::mesh::FRAME_LEN_MAX,
            bit_rate_bps: None,
        };
        for (node, link, other) in [(a, at_a, b), (b, at_b, a)] {
            let peer = self.nodes[other].key.node_id();
            self.handle(node, Event::LinkUp { link, peer, profile })?;
        }
        Ok(())
    }

    /// Says whether a link joins the two.
    pub fn is_linked(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.links
            .values()
            .any(|(node, other)| *node == a && self.links.get(other).is_some_and(|(node, _)| *node == b))
    }

    /// Cuts all links between two nodes.
    pub fn cut(&mut self, a: NodeIndex, b: NodeIndex) -> Result<(), EngineError> {
        let ends: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, (node, other))| {
                *node == a && self.links.get(other).is_some_and(|(node, _)| *node == b)
            })
            .map(|(id, _)| *id)
            .collect();
        for end in ends {
            self.unlink(end)?;
        }
        Ok(())
    }

    fn unlink(&mut self, end: LinkId) -> Result<(), EngineError> {
        let Some((node, other)) = self.links.remove(&end) else {
            return Ok(());
        };
        self.nodes[node].expected.retain(|(link, _)| *link != end);
        self.handle(node, Event::LinkDown { link: end })?;
        if let Some((node, _)) = self.links.remove(&other) {
            self.nodes[node].expected.retain(|(link, _)| *link != other);
            self.handle(node, Event::LinkDown { link: other })?;
        }
        Ok(())
    }

    /// A user stores a document. Gives the request, whose reply [`Self::reply`] has once it is there.
    pub fn put(
        &mut self,
        node: NodeIndex,
        path: &DocumentPath,
        body: &[u8],
        precondition: Precondition,
    ) -> Result<RequestId, EngineError> {
        if self.nodes[node].engine.is_none() {
            return Ok(RequestId(u64::MAX));
        }
        let (content, attachment) =
            self.nodes[node].store_body(RequestId(self.next_request), body, self.body_sizes);
        let put = Put {
            path: path.clone(),
            content,
            attachment,
            precondition,
            resolve: false,
        };
        self.command(node, path, Command::Put(put))
    }

    /// A user deletes a document.
    pub fn delete(&mut self, node: NodeIndex, path: &DocumentPath) -> Result<RequestId, EngineError> {
        let delete = Delete {
            path: path.clone(),
            precondition: Precondition::default(),
        };
        self.command(node, path, Command::Delete(delete))
    }

    /// A user asks a node for something that concerns `path`.
    pub fn command(
        &mut self,
        node: NodeIndex,
        path: &DocumentPath,
        command: Command,
    ) -> Result<RequestId, EngineError> {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(request, (node, path.clone()));
        self.handle(
            node,
            Event::Command {
                request,
                command: Box::new(command),
            },
        )?;
        Ok(request)
    }

    /// How a request ended, if it did.
    pub fn reply(&self, request: RequestId) -> Option<&CommandResult> {
        self.replies.get(&request)
    }

    /// The document's tag at a node.
    pub fn etag(&self, node: NodeIndex, path: &DocumentPath) -> Option<ETag> {
        laws::document(&self.nodes[node].store, path).etag()
    }

    /// Lets everything happen that happens within `duration`.
    pub fn run(&mut self, duration: Duration) -> Result<(), EngineError> {
        let end = self.now_us + duration.as_micros() as u64;
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), planned) = entry.remove_entry();
            self.now_us = at.max(self.now_us);
            self.happen(planned)?;
        }
        self.now_us = end;
        Ok(())
    }

    fn happen(&mut self, planned: Planned) -> Result<(), EngineError> {
        match planned {
            Planned::Deliver { to, link, frame } => {
                if !self.links.contains_key(&link) {
                    return Ok(());
                }
                match carried_chunk(&frame) {
                    Some((chunk, bytes)) => self.take_chunk(to, link, chunk, bytes.to_vec()),
                    None => self.handle(to, Event::Frame { link, frame }),
                }
            }
            Planned::Announce { to, author, frame } => self.handle(to, Event::Announced { author, frame }),
            Planned::Commit { node } => {
                self.nodes[node].commit_planned = false;
                let now = self.now();
                if let Some(engine) = &mut self.nodes[node].engine {
                    engine.commit(now)?;
                    let own = engine.own_writer();
                    self.nodes[node].register = Some(own);
                }
                self.after(node)
            }
            Planned::ChunkSynced { node, chunk } => {
                let state = &mut self.nodes[node];
                if let Some(bytes) = state.unsynced.remove(&chunk) {
                    state.chunks.insert(chunk, bytes);
                    return self.handle(node, Event::ChunkStored { chunk });
                }
                Ok(())
            }
            Planned::Station { node } => {
                let now = LoraInstant(self.now_us);
                if let Some(radio) = self.air.radios.get_mut(&node)
                    && radio.station.poll_timeout().is_some_and(|due| due <= now)
                {
                    radio.station.handle_timeout(now);
                    return self.station_outputs(node);
                }
                Ok(())
            }
            Planned::AirEnd { frame } => self.air_end(frame),
            Planned::Timer { node } => {
                let due = self.nodes[node].engine.as_ref().and_then(Engine::poll_timeout);
                if due.is_some_and(|due| due.0 <= self.now_us) {
                    self.handle(node, Event::Timer)?;
                }
                Ok(())
            }
        }
    }

    /// What the daemon's workers do with a chunk.
    fn take_chunk(
        &mut self,
        node: NodeIndex,
        link: LinkId,
        chunk: Hash,
        bytes: Vec<u8>,
    ) -> Result<(), EngineError> {
        if self.nodes[node].engine.is_none()
            || !self.nodes[node].expected.remove(&(link, chunk))
            || Hash::of(&bytes) != chunk
        {
            return Ok(());
        }
        self.nodes[node].unsynced.insert(chunk, bytes);
        let delay = Duration::from_micros(1000 + self.random(20_000));
        self.plan(delay, Planned::ChunkSynced { node, chunk });
        self.handle(node, Event::ChunkReceived { link, chunk })
    }

    fn handle(&mut self, node: NodeIndex, event: Event) -> Result<(), EngineError> {
        let now = self.now();
        if let Some(engine) = &mut self.nodes[node].engine {
            engine.handle(now, event)?;
        }
        self.after(node)
    }

    /// Carries out what a node wants done, and plans its commit and its timer.
    fn after(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        while let Some(action) = self.nodes[node].engine.as_mut().and_then(Engine::poll_action) {
            self.carry_out(node, action)?;
        }
        let Some(engine) = &self.nodes[node].engine else {
            return Ok(());
        };
        let timeout = engine.poll_timeout();
        if engine.needs_commit() && !self.nodes[node].commit_planned {
            self.nodes[node].commit_planned = true;
            let delay = Duration::from_micros(100 + self.random(5_000));
            self.plan(delay, Planned::Commit { node });
        }
        if let Some(due) = timeout {
            let delay = Duration::from_micros(due.0.saturating_sub(self.now_us).max(1));
            self.plan(delay, Planned::Timer { node });
        }
        Ok(())
    }

    fn carry_out(&mut self, node: NodeIndex, action: Action) -> Result<(), EngineError> {
        match action {
            Action::Send { link, frame, .. } => self.send(link, frame),
            Action::Fetch {
                link, chunk, frame, ..
            } => {
                self.nodes[node].expected.insert((link, chunk));
                // A file that nothing listed until now, and that is not removed yet.
                let radio = self.air.radios.get_mut(&node).filter(|radio| radio.link == link);
                let overheard = radio.and_then(|radio| radio.overheard.take(&chunk));
                match overheard.or_else(|| self.nodes[node].chunks.get(&chunk).cloned()) {
                    Some(bytes) => self.take_chunk(node, link, chunk, bytes)?,
                    None => self.send(link, frame),
                }
            }
            Action::Broadcast(broadcast) => self.broadcast(node, broadcast)?,
            Action::Withdraw { slot, .. } => {
                let now = LoraInstant(self.now_us);
                if let Some(radio) = self.air.radios.get_mut(&node) {
                    radio.station.cancel(now, slot);
                    return self.station_outputs(node);
                }
            }
            Action::Listen { senders, chunks, .. } => {
                if let Some(radio) = self.air.radios.get_mut(&node) {
                    radio.station.set_interest(Interest {
                        senders: senders.into_iter().map(|sender| PeerKey(sender.0)).collect(),
                        objects: chunks,
                    });
                }
            }
            Action::Serve { link, chunk }
                if self.air.radios.get(&node).is_some_and(|radio| radio.link == link) =>
            {
                match self.nodes[node].chunk(&chunk) {
                    Some(bytes) => {
                        let name = [chunk.0[0], chunk.0[1], chunk.0[2], chunk.0[3]];
                        let message = radio_chunk(bytes);
                        let broadcast = Broadcast {
                            radio: link,
                            slot: u64::from(u32::from_be_bytes(name)) | 1 << 63,
                            lane: Lane::Bulk,
                            name,
                            message,
                        };
                        self.broadcast(node, broadcast)?;
                    }
                    None => self.handle(node, Event::ChunkLost { chunk })?,
                }
            }
            Action::Serve { link, chunk } => match self.nodes[node].chunk(&chunk) {
                Some(bytes) => {
                    let response = StorageResponse {
                        chunk,
                        bytes: bytes.clone(),
                    };
                    self.send(link, Message::StorageResponse(response).encode());
                }
                None => self.handle(node, Event::ChunkLost { chunk })?,
            },
            Action::Close { link, .. } => self.unlink(link)?,
            Action::Reply { request, result } => {
                if let (Ok(Reply::Stored { .. } | Reply::Deleted { .. }), Some((node, path))) =
                    (&result, self.requests.get(&request))
                {
                    self.acknowledged
                        .extend(laws::last_own_entry(&self.nodes[*node], path));
                }
                let pins = std::mem::take(&mut self.nodes[node].pins);
                let (unpinned, pins): (Vec<_>, Vec<_>) =
                    pins.into_iter().partition(|(pinned, _)| *pinned == request);
                self.nodes[node].pins = pins;
                if result.is_err() {
                    self.nodes[node].release(unpinned.into_iter().map(|(_, chunk)| chunk))?;
                }
                self.replies.insert(request, result);
            }
            Action::Release(chunks) => self.nodes[node].release(chunks)?,
            Action::Announce(frame) => self.gossip(node, &frame),
            Action::Report(_) => {}
        }
        Ok(())
    }

    fn broadcast(&mut self, node: NodeIndex, broadcast: Broadcast) -> Result<(), EngineError> {
        let now = LoraInstant(self.now_us);
        let lane = match broadcast.lane {
            Lane::Control => cairn_transports::Lane::Control,
            Lane::Entries => cairn_transports::Lane::Entries,
            Lane::Small => cairn_transports::Lane::Small,
            Lane::Bulk => cairn_transports::Lane::Bulk,
        };
        if let Some(radio) = self
            .air
            .radios
            .get_mut(&node)
            .filter(|radio| radio.link == broadcast.radio)
        {
            radio.station.broadcast(
                now,
                cairn_transports::lora::Broadcast {
                    slot: broadcast.slot,
                    lane,
                    name: broadcast.name,
                    bytes: broadcast.message,
                    audience: 1,
                },
            );
            return self.station_outputs(node);
        }
        Ok(())
    }

    /// Spreads an announcement to every node that links reach, over however many others.
    fn gossip(&mut self, from: NodeIndex, frame: &[u8]) {
        let mut reached = BTreeSet::from([from]);
        let mut next = vec![from];
        while let Some(node) = next.pop() {
            let neighbours = self.links.values().filter(|(end, _)| *end == node);
            for (_, other) in neighbours {
                if let Some((neighbour, _)) = self.links.get(other)
                    && reached.insert(*neighbour)
                {
                    next.push(*neighbour);
                }
            }
        }
        reached.remove(&from);
        let author = self.nodes[from].key.node_id();
        for to in reached {
            for delay in self.arrivals() {
                let frame = frame.to_vec();
                self.plan(delay, Planned::Announce { to, author, frame });
            }
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let Some((_, other)) = self.links.get(&link).copied() else {
            return;
        };
        let Some((to, _)) = self.links.get(&other).copied() else {
            return;
        };
        for delay in self.arrivals() {
            self.plan(
                delay,
                Planned::Deliver {
                    to,
                    link: other,
                    frame: frame.clone(),
                },
            );
        }
    }

    /// After which delays a frame arrives: never, once or twice.
    fn arrivals(&mut self) -> Vec<Duration> {
        let copies = if self.random(1000) < u64::from(self.faults.loss) {
            0
        } else {
            1 + usize::from(self.random(1000) < u64::from(self.faults.duplication))
        };
        (0..copies)
            .map(|_| {
                let jitter = self.random(self.faults.jitter.as_micros() as u64 + 1);
                Duration::from_micros(500 + jitter)
            })
            .collect()
    }
}
