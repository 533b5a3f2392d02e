//! The world: nodes, wires, a radio channel, a virtual clock and faults.
//!
//! [`World`] drives the very engine and the very radio station of the program. What happens, happens in the order of one queue; the same
//! seed and the same calls give the same run, whose [`trace_hash`](World::trace_hash) stands for all of it.
//!
//! ```text
//! queue     what happens when; the only source of order
//! node      an engine and the disk below it: what was not committed is gone after a crash
//! wires     latency, bandwidth, loss and damage of each direction of a link
//! antenna   a node's radio: its station, its modem, the record of its airtime; the air between is crate::medium
//! harm      what weather, age and people do; misconduct: what nodes do that lie
//! users     what people ask for; chronicle: what was seen
//! ```

mod antenna;
mod bounds;
mod chronicle;
mod disk;
mod duty;
mod harm;
mod kind;
mod misconduct;
mod planted;
mod queue;
mod radio;
mod secrets;
mod trace;
mod users;
mod wires;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use cairn::mesh::{
    Action, CommandResult, Engine, EngineError, Event, LinkId, LinkProfile, Message, Reply, Report,
    RequestId, StorageResponse, carried_chunk,
};
use cairn::model::{
    Capabilities, DocumentPath, Dot, Entry, Hash, Instant, KeyPair, NodeId, Now, Sequence, WallTime,
};

pub use antenna::SimModem;
pub use chronicle::{Chronicle, Described};
pub use disk::Backup;
pub use harm::Impairment;
pub use misconduct::Misdeed;
pub use planted::Planted;
pub(crate) use wires::ppm;
pub use wires::{Ppm, WireQuality};

use crate::node::{Space, device_key};
use crate::random::{Generator, Seeds};
use crate::{BodySizes, Node, Role, laws};
use antenna::{Antenna, Packet};
use misconduct::Conduct;
pub(crate) use queue::Queue;
use radio::Air;
use secrets::Secrets;
use trace::{Kind, Trace};
use wires::Wires;

/// A node, by its place in the world.
pub type NodeIndex = usize;

/// How links misbehave that were given no quality of their own. Shares are in 1/1000.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Frames that get lost.
    pub loss: u32,
    /// Frames that come twice.
    pub duplication: u32,
    /// Most extra time on the way, so that frames overtake one another.
    pub jitter: Duration,
}

impl Faults {
    fn quality(&self) -> WireQuality {
        WireQuality {
            jitter_us: self.jitter.as_micros() as u64,
            loss: self.loss * 1000,
            duplication: self.duplication * 1000,
            ..WireQuality::default()
        }
    }
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
    /// A node's station wants to be asked.
    Station {
        node: NodeIndex,
    },
    /// A packet is at the modem.
    AtModem {
        node: NodeIndex,
        radio: LinkId,
        packet: Box<Packet>,
    },
    /// The modem may have the channel.
    Channel {
        node: NodeIndex,
        radio: LinkId,
    },
    /// The driver holds a frame to be out.
    Sent {
        node: NodeIndex,
        radio: LinkId,
    },
    /// Something on air ends.
    Air,
}

/// A write that a user was told is safe.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The entry.
    pub entry: Entry,
    /// Where it was written.
    pub node: NodeIndex,
}

/// A node that is to be: its name and the number of its space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// As in its grant.
    pub name: String,
    /// Nodes of one space hold the same; spaces are numbered from 0.
    pub space: usize,
    /// What it is there.
    pub role: Role,
}

/// Nodes of one owner or several, on one clock.
pub struct World {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What links do now that were given no quality of their own.
    pub faults: Faults,
    /// Every write that was answered with success.
    pub acknowledged: Vec<Acknowledged>,
    /// Those of them that are on no disk any more.
    nowhere: Vec<Acknowledged>,
    /// How bodies are stored.
    pub body_sizes: BodySizes,
    /// Some disk was replaced by an older copy: payloads that were nowhere else are gone.
    pub restored: bool,
    /// What was seen, if somebody wants to know.
    pub chronicle: Option<Chronicle>,
    /// A bug that this world has on purpose.
    pub planted: Option<Planted>,
    /// How often the power of a node that was up was cut.
    crashes: u64,
    /// What must not leave its space, if somebody watches over that.
    secrets: Option<Secrets>,
    seeds: Seeds,
    rng: Generator,
    wires_rng: Generator,
    disks_rng: Generator,
    now_us: u64,
    queue: Queue<Planned>,
    trace: Trace,
    handled: u64,
    next_link: u64,
    next_request: u64,
    /// How often any node or radio was started.
    lives: u64,
    wires: Wires,
    replies: BTreeMap<RequestId, CommandResult>,
    requests: BTreeMap<RequestId, (NodeIndex, DocumentPath)>,
    spaces: Vec<Space>,
    /// The nodes of each space.
    members: Vec<Rc<[NodeIndex]>>,
    left_out: BTreeSet<NodeIndex>,
    impaired: BTreeMap<NodeIndex, Impairment>,
    conduct: BTreeMap<NodeIndex, Conduct>,
    /// What was measured between two radios, in dB.
    measured: BTreeMap<(NodeIndex, NodeIndex), Option<f32>>,
    air: Option<Air>,
    antennas: BTreeMap<NodeIndex, Antenna>,
}

/// 2026-01-01, so that hybrid timestamps look like real ones.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// What every disk has room for, in bytes.
pub const DISK_FREE: u64 = 1 << 40;

impl World {
    /// `count` nodes of one owner, all up, with no links. `seed` makes everything that is random.
    pub fn new(seed: u64, count: usize) -> Result<Self, EngineError> {
        let named = |index| Newcomer {
            name: format!("node {index}"),
            space: 0,
            role: Role::Member,
        };
        let newcomers: Vec<Newcomer> = (0..count).map(named).collect();
        let mut world = Self::of(seed, &newcomers);
        world.start_all()?;
        Ok(world)
    }

    /// These nodes, all down, with no links.
    pub fn of(seed: u64, newcomers: &[Newcomer]) -> Self {
        let seeds = Seeds::new(seed);
        let mut devices: BTreeMap<usize, Vec<(String, KeyPair, Capabilities)>> = BTreeMap::new();
        let mut nodes = Vec::new();
        for (number, newcomer) in newcomers.iter().enumerate() {
            let key = device_key(number);
            let of_space = devices.entry(newcomer.space).or_default();
            let capabilities = match newcomer.role {
                Role::Member => Some(Capabilities::ALL),
                Role::Custodian => Some(Capabilities::HOLD),
                Role::Follower => None,
            };
            if let Some(capabilities) = capabilities {
                of_space.push((newcomer.name.clone(), key.clone(), capabilities));
            }
            nodes.push(Node::new(key, newcomer.space, newcomer.role));
        }
        let count = devices.last_key_value().map_or(0, |(last, _)| last + 1);
        let spaces = (0..count).map(|number| {
            let devices = devices.get(&number).map_or(&[][..], Vec::as_slice);
            Space::new(number, devices)
        });
        let of_space = |space| {
            let of = nodes
                .iter()
                .enumerate()
                .filter(|(_, node): &(usize, &Node)| node.space == space);
            of.map(|(number, _)| number).collect()
        };
        Self {
            members: (0..count).map(of_space).collect(),
            nodes,
            faults: Faults::default(),
            acknowledged: Vec::new(),
            nowhere: Vec::new(),
            body_sizes: BodySizes::SMALL,
            restored: false,
            chronicle: None,
            planted: None,
            crashes: 0,
            secrets: None,
            seeds,
            rng: seeds.generator("world", ""),
            wires_rng: seeds.generator("wires", ""),
            disks_rng: seeds.generator("disks", ""),
            now_us: 0,
            queue: Queue::default(),
            trace: Trace::default(),
            handled: 0,
            next_link: 0,
            next_request: 0,
            lives: 0,
            wires: Wires::default(),
            replies: BTreeMap::new(),
            requests: BTreeMap::new(),
            spaces: spaces.collect(),
            left_out: BTreeSet::new(),
            impaired: BTreeMap::new(),
            conduct: BTreeMap::new(),
            measured: BTreeMap::new(),
            air: None,
            antennas: BTreeMap::new(),
        }
    }

    /// Starts every node that is down.
    pub fn start_all(&mut self) -> Result<(), EngineError> {
        for node in 0..self.nodes.len() {
            if !self.is_up(node) {
                self.start(node)?;
            }
        }
        Ok(())
    }

    /// A number below `bound`.
    pub fn random(&mut self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    /// Virtual time since the beginning, in microseconds.
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Events that were handled.
    pub const fn handled(&self) -> u64 {
        self.handled
    }

    /// How often the power of a node that was up was cut.
    pub const fn crashes(&self) -> u64 {
        self.crashes
    }

    /// The hash of all that happened until now, in hexadecimal.
    pub fn trace_hash(&self) -> String {
        self.trace.hash()
    }

    /// Whether a node runs.
    pub fn is_up(&self, node: NodeIndex) -> bool {
        self.nodes.get(node).is_some_and(|node| node.engine.is_some())
    }

    /// What a right clock says, in milliseconds since 1970.
    pub const fn true_ms(&self) -> u64 {
        EPOCH_MS + self.now_us / 1000
    }

    fn now(&self, node: NodeIndex) -> Now {
        Now {
            instant: Instant(self.now_us),
            wall: WallTime(
                self.true_ms()
                    .saturating_add_signed(self.nodes[node].clock_ahead_ms),
            ),
        }
    }

    fn plan(&mut self, at_us: u64, planned: Planned) {
        self.queue.plan(at_us.max(self.now_us), planned);
    }

    /// Whether a node's state is of no interest to the laws: it lies, or is gone for good.
    pub fn is_left_out(&self, node: NodeIndex) -> bool {
        self.left_out.contains(&node)
    }

    /// Leaves a node out of what the laws look at.
    pub fn leave_out(&mut self, node: NodeIndex) {
        self.left_out.insert(node);
    }

    /// Starts a node that is down.
    pub fn start(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        self.lives += 1;
        let seed = self.seeds.bytes("engine", format!("{node} {}", self.lives));
        let state = &mut self.nodes[node];
        state.start(&self.spaces[state.space], seed)?;
        self.trace.record(self.now_us, Kind::Fault, node, b"start");
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.started(self.now_us, node);
        }
        self.handle(node, Event::StorageFree { bytes: DISK_FREE })?;
        self.compare_chunks(node)?;
        self.radio_up(node)
    }

    /// Cuts a node's power. Its links go down.
    pub fn crash(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        if self.is_up(node) {
            self.crashes += 1;
            self.trace.record(self.now_us, Kind::Fault, node, b"crash");
            if let Some(chronicle) = &mut self.chronicle {
                chronicle.stopped(self.now_us, node);
            }
        }
        self.nodes[node].crash();
        self.forget_unsynced(node);
        self.radio_down(node);
        let ends: Vec<LinkId> = self.wires.neighbours(node).map(|(_, link)| link).collect();
        for end in ends {
            self.unlink(end)?;
        }
        Ok(())
    }

    /// Lets a node's wall clock be wrong from now on, by so many milliseconds; 0 sets it right.
    pub fn set_clock(&mut self, node: NodeIndex, ahead_ms: i64) {
        self.nodes[node].clock_ahead_ms = ahead_ms;
        self.trace
            .record(self.now_us, Kind::Fault, node, &ahead_ms.to_le_bytes());
    }

    /// Tells a node how many bytes its disk has room for.
    pub fn set_free(&mut self, node: NodeIndex, bytes: u64) -> Result<(), EngineError> {
        self.handle(node, Event::StorageFree { bytes })
    }

    /// Joins two nodes that are up, by a link that does as [`Self::faults`] says.
    pub fn link(&mut self, a: NodeIndex, b: NodeIndex) -> Result<(), EngineError> {
        self.join(a, b, None)
    }

    /// Joins each of these nodes that are up with each other, by [`Self::link`].
    pub fn link_all(&mut self, nodes: &[NodeIndex]) -> Result<(), EngineError> {
        for (at, a) in nodes.iter().enumerate() {
            for b in &nodes[at + 1..] {
                self.link(*a, *b)?;
            }
        }
        Ok(())
    }

    /// Joins two nodes that are up, by a link that has this quality there and that one back.
    pub fn link_with(
        &mut self,
        a: NodeIndex,
        b: NodeIndex,
        there: WireQuality,
        back: WireQuality,
    ) -> Result<(), EngineError> {
        self.join(a, b, Some((there, back)))
    }

    fn join(
        &mut self,
        a: NodeIndex,
        b: NodeIndex,
        quality: Option<(WireQuality, WireQuality)>,
    ) -> Result<(), EngineError> {
        if a == b || self.is_linked(a, b) || !self.is_up(a) || !self.is_up(b) {
            return Ok(());
        }
        let (at_a, at_b) = (LinkId(self.next_link), LinkId(self.next_link + 1));
        self.next_link += 2;
        self.wires.join(self.now_us, (a, at_a), (b, at_b), quality);
        let profile = LinkProfile {
            frame_len_max: cairn::mesh::FRAME_LEN_MAX,
            bit_rate_bps: quality.and_then(|(there, _)| there.bandwidth_bps),
        };
        for (node, link, other) in [(a, at_a, b), (b, at_b, a)] {
            let peer = self.nodes[other].key.node_id();
            self.handle(node, Event::LinkUp { link, peer, profile })?;
        }
        Ok(())
    }

    /// Says whether a link joins the two.
    pub fn is_linked(&self, a: NodeIndex, b: NodeIndex) -> bool {
        self.wires.between(a, b).is_some()
    }

    /// Cuts the link between two nodes.
    pub fn cut(&mut self, a: NodeIndex, b: NodeIndex) -> Result<(), EngineError> {
        match self.wires.between(a, b) {
            Some(end) => self.unlink(end),
            None => Ok(()),
        }
    }

    /// Tells the chronicle of the links that are up.
    pub fn note_links(&mut self) {
        if let Some(chronicle) = &mut self.chronicle {
            for (a, b, since_us) in self.wires.all() {
                chronicle.link_was(a, b, since_us, self.now_us);
            }
        }
    }

    fn unlink(&mut self, link: LinkId) -> Result<(), EngineError> {
        let Some(end) = self.wires.remove(link) else {
            return Ok(());
        };
        let other = self.wires.remove(end.other);
        if let (Some(chronicle), Some(other)) = (&mut self.chronicle, &other) {
            chronicle.link_was(end.node, other.node, end.since_us, self.now_us);
        }
        let both = [Some((end.node, link)), other.map(|other| (other.node, end.other))];
        for (node, link) in both.into_iter().flatten() {
            self.nodes[node].expected.retain(|(from, _)| *from != link);
            self.handle(node, Event::LinkDown { link })?;
        }
        Ok(())
    }

    /// Lets everything happen that happens within `duration`.
    pub fn run(&mut self, duration: Duration) -> Result<(), EngineError> {
        self.run_until(self.now_us + duration.as_micros() as u64)
    }

    /// Lets everything happen that happens until then.
    pub fn run_until(&mut self, end_us: u64) -> Result<(), EngineError> {
        while let Some((at_us, planned)) = self.queue.pop_until(end_us) {
            self.now_us = at_us.max(self.now_us);
            self.handled += 1;
            self.happen(planned)?;
        }
        self.now_us = end_us.max(self.now_us);
        Ok(())
    }

    fn happen(&mut self, planned: Planned) -> Result<(), EngineError> {
        match planned {
            Planned::Deliver { to, link, frame } => {
                if self.wires.end(link).is_none() {
                    return Ok(());
                }
                self.trace.record(self.now_us, Kind::Frame, to, &frame);
                self.note_sender(to, link);
                self.keep_for_misuse(to, &frame);
                match carried_chunk(&frame) {
                    Some((chunk, bytes)) => self.take_chunk(to, link, chunk, bytes.to_vec()),
                    None => self.handle(to, Event::Frame { link, frame }),
                }
            }
            Planned::Announce { to, author, frame } => {
                self.trace.record(self.now_us, Kind::Announced, to, &frame);
                self.handle(to, Event::Announced { author, frame })
            }
            Planned::Commit { node } => self.commit(node),
            Planned::ChunkSynced { node, chunk } => {
                let state = &mut self.nodes[node];
                if let Some(bytes) = state.unsynced.remove(&chunk) {
                    state.chunks.insert(chunk, bytes);
                    return self.handle(node, Event::ChunkStored { chunk });
                }
                Ok(())
            }
            Planned::Timer { node } => {
                // One that was planned before an earlier one came is no longer meant.
                if self.nodes[node].timer_at != Some(self.now_us) {
                    return Ok(());
                }
                self.nodes[node].timer_at = None;
                let due = self.nodes[node].engine.as_ref().and_then(Engine::poll_timeout);
                if due.is_some_and(|due| due.0 <= self.now_us) {
                    self.handle(node, Event::Timer)
                } else {
                    self.after(node)
                }
            }
            Planned::Station { node } => self.station_due(node),
            Planned::AtModem { node, radio, packet } => {
                self.at_modem(node, radio, *packet);
                Ok(())
            }
            Planned::Channel { node, radio } => self.try_channel(node, radio),
            Planned::Sent { node, radio } => self.frame_sent(node, radio),
            Planned::Air => self.air_ends(),
        }
    }

    fn commit(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let now = self.now(node);
        self.skip_sync(node)?;
        let state = &mut self.nodes[node];
        state.commit_planned = false;
        let Some(engine) = &mut state.engine else {
            return Ok(());
        };
        engine.commit(now)?;
        state.register = Some(engine.own_writer());
        self.trace.record(self.now_us, Kind::Commit, node, &[]);
        self.note_arrivals(node);
        self.after(node)
    }

    /// What the daemon's workers do with a chunk.
    fn take_chunk(
        &mut self,
        node: NodeIndex,
        link: LinkId,
        chunk: Hash,
        bytes: Vec<u8>,
    ) -> Result<(), EngineError> {
        if !self.is_up(node) || !self.nodes[node].expected.remove(&(link, chunk)) || Hash::of(&bytes) != chunk
        {
            return Ok(());
        }
        self.nodes[node].unsynced.insert(chunk, bytes);
        let synced_us = self.now_us + 1000 + self.disks_rng.below(20_000);
        self.plan(synced_us, Planned::ChunkSynced { node, chunk });
        self.handle(node, Event::ChunkReceived { link, chunk })
    }

    fn handle(&mut self, node: NodeIndex, event: Event) -> Result<(), EngineError> {
        let now = self.now(node);
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
        let now_us = self.now_us;
        let state = &mut self.nodes[node];
        let Some(engine) = &state.engine else {
            return Ok(());
        };
        if let Some(due) = engine.poll_timeout() {
            let due_us = due.0.max(now_us + 1);
            if state.timer_at.is_none_or(|planned| due_us < planned) {
                state.timer_at = Some(due_us);
                self.queue.plan(due_us, Planned::Timer { node });
            }
        }
        if engine.needs_commit() && !state.commit_planned {
            state.commit_planned = true;
            let commit_us = now_us + 100 + self.disks_rng.below(5_000);
            self.queue.plan(commit_us, Planned::Commit { node });
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
                let here = self.overheard(node, link, &chunk);
                match here.or_else(|| self.nodes[node].chunks.get(&chunk).cloned()) {
                    Some(bytes) => self.take_chunk(node, link, chunk, bytes)?,
                    None => self.send(link, frame),
                }
            }
            Action::Broadcast(broadcast) => self.broadcast(node, broadcast)?,
            Action::Withdraw { slot, .. } => self.withdraw(node, slot)?,
            Action::Forget { name, .. } => self.forget_object(node, name),
            Action::Listen { senders, chunks, .. } => self.listen_for(node, senders, chunks),
            Action::Serve { link, chunk } => match self.nodes[node].chunk(&chunk).cloned() {
                None => {
                    self.nodes[node].chunks.remove(&chunk);
                    self.handle(node, Event::ChunkLost { chunk })?;
                }
                Some(bytes) if self.is_radio(node, link) => {
                    self.broadcast_chunk(node, link, chunk, &bytes)?
                }
                Some(bytes) => {
                    let response = StorageResponse { chunk, bytes };
                    self.send(link, Message::StorageResponse(response).encode());
                }
            },
            Action::Close { link, .. } => self.unlink(link)?,
            Action::Reply { request, result } => self.replied(node, request, result)?,
            Action::Release(chunks) => self.nodes[node].release(chunks)?,
            Action::Announce(frame) => self.gossip(node, &frame),
            Action::Keys(keyring) => {
                self.nodes[node].keyring = keyring;
                self.keys_changed(node)?;
            }
            Action::Report(report) => {
                if let Report::TwinOfOurs | Report::TwinOfPeer(_) | Report::RolledBack = report {
                    self.trace.record(self.now_us, Kind::Fault, node, b"report");
                }
            }
        }
        Ok(())
    }

    fn replied(
        &mut self,
        node: NodeIndex,
        request: RequestId,
        result: CommandResult,
    ) -> Result<(), EngineError> {
        let told = [u8::from(result.is_ok())];
        self.trace.record(self.now_us, Kind::Command, node, &told);
        if let (Ok(Reply::Stored { .. } | Reply::Deleted { .. }), Some((node, path))) =
            (&result, self.requests.get(&request))
        {
            let node = *node;
            let name = self.spaces[self.nodes[node].space].name(path);
            let written = name.and_then(|name| laws::last_own_entry(&self.nodes[node], &name));
            if let (Some(chronicle), Some(entry)) = (&mut self.chronicle, &written) {
                chronicle.acknowledged(self.now_us, request, entry);
            }
            self.acknowledged
                .extend(written.map(|entry| Acknowledged { entry, node }));
        }
        let pins = std::mem::take(&mut self.nodes[node].pins);
        let (unpinned, pins): (Vec<_>, Vec<_>) = pins.into_iter().partition(|(pinned, _)| *pinned == request);
        self.nodes[node].pins = pins;
        if result.is_err() {
            self.nodes[node].release(unpinned.into_iter().map(|(_, chunk)| chunk))?;
        }
        self.replies.insert(request, result);
        Ok(())
    }

    fn note_sender(&mut self, to: NodeIndex, link: LinkId) {
        let other = self.wires.end(link).and_then(|end| self.wires.end(end.other));
        if let (Some(chronicle), Some(other)) = (&mut self.chronicle, other) {
            chronicle.came(other.node, to);
        }
    }

    /// Tells the chronicle what is new on a node's disk.
    fn note_arrivals(&mut self, node: NodeIndex) {
        let state = &mut self.nodes[node];
        let (Some(chronicle), Some(engine)) = (&mut self.chronicle, &state.engine) else {
            return;
        };
        let news = engine.clock().missing_in(&state.seen);
        if news.is_empty() && state.awaited.is_empty() {
            return;
        }
        let fresh = news.iter().flat_map(|&(writer, first, last)| {
            (first.0..=last.0).map(move |sequence| Dot {
                writer,
                sequence: Sequence(sequence),
            })
        });
        let mut awaited = BTreeSet::new();
        for dot in fresh.chain(std::mem::take(&mut state.awaited)) {
            if engine.lacks_payload(dot) {
                awaited.insert(dot);
            } else {
                chronicle.arrived(self.now_us, node, dot);
            }
        }
        if !news.is_empty() {
            state.seen = engine.clock().clone();
        }
        state.awaited = awaited;
    }

    /// Spreads an announcement to every node that links reach, over however many others.
    fn gossip(&mut self, from: NodeIndex, frame: &[u8]) {
        self.keep_announcement(from, frame);
        let author = self.nodes[from].key.node_id();
        let Some(part) = self.wires.part_of(from) else {
            return;
        };
        // Others' nodes pass it on, and do not look at it.
        let members = self.members[self.nodes[from].space].clone();
        for to in members.iter().copied().filter(|to| *to != from) {
            if self.wires.part_of(to) != Some(part) {
                continue;
            }
            let Some(link) = self.wires.neighbours(to).next().map(|(_, link)| link) else {
                continue;
            };
            let arrivals = self
                .wires
                .arrivals(self.now_us, link, 0, self.faults, &mut self.wires_rng);
            for at_us in arrivals {
                let frame = frame.to_vec();
                self.plan(at_us, Planned::Announce { to, author, frame });
            }
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        let Some(end) = self.wires.end(link) else {
            return;
        };
        let (from, other) = (end.node, end.other);
        let Some(to) = self.wires.end(other).map(|end| end.node) else {
            return;
        };
        if self.keeps_silent(from, to) {
            return;
        }
        self.watch_wire(to, &frame);
        let mut arrivals =
            self.wires
                .arrivals(self.now_us, link, frame.len(), self.faults, &mut self.wires_rng);
        if let Some(impairment) = self.impaired.get(&to) {
            arrivals = impairment.of(arrivals, &mut self.wires_rng);
        }
        if let Some(chronicle) = &mut self.chronicle {
            let lost = arrivals.is_empty();
            chronicle.wired(self.now_us, from, to, kind::wired(&frame), frame.len(), lost);
        }
        let copies = std::iter::repeat_n(frame, arrivals.len());
        for (frame, at_us) in copies.zip(arrivals) {
            let link = other;
            self.plan(at_us, Planned::Deliver { to, link, frame });
        }
    }
}
