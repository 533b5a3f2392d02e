//! Nodes that are recorded: engines, joined by links and a radio that lose nothing, with a tape each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use cairn::mesh::{
    Action, Command, CommandResult, Config, Engine, Event, Keys, Lane, LinkId, LinkProfile, PayloadPolicy,
    Precondition, Put, RadioProfile, RequestId, chunk_frame,
};
use cairn::model::{
    Capabilities, Category, ChunkRef, Content, DocumentPath, EpochId, Grant, Hash, Instant, KeyPair,
    Manifest, Membership, NodeId, Now, Payload, Revocation, WallTime,
};
use cairn::record::{Head, Record, Tape, Writer, dump};
use cairn::seal::{EpochKey, Keyring};
use cairn::space::records;
use cairn::store::Store;

pub(crate) const RADIO: LinkId = LinkId(1000);
/// Bodies up to here stand in their entry, and up to the second in one chunk.
const INLINE_LEN: usize = 600;
const CHUNK_LEN: usize = 2000;

pub(crate) struct Node<S: Store> {
    pub(crate) key: KeyPair,
    pub(crate) store: S,
    engine: Option<Engine<S>>,
    keyring: Keyring,
    tape: Tape,
    writer: Writer<Vec<u8>>,
    chunks: BTreeSet<Hash>,
    /// Chunks that were asked for by radio.
    expected: BTreeSet<Hash>,
    starts: u8,
}

pub(crate) struct Field<S: Store> {
    pub(crate) nodes: Vec<Node<S>>,
    pub(crate) now: Now,
    /// Recordings of runs that have ended, with the node and its clock in the end.
    pub(crate) recordings: Vec<(usize, Vec<u8>)>,
    pub(crate) replies: BTreeMap<RequestId, CommandResult>,
    owner: KeyPair,
    membership: Membership,
    links: BTreeSet<(usize, usize)>,
    has_radio: bool,
    queue: VecDeque<(usize, Event)>,
    requests: u64,
}

fn profile() -> LinkProfile {
    LinkProfile {
        frame_len_max: 1 << 20,
        bit_rate_bps: None,
    }
}

impl<S: Store + Clone> Field<S> {
    /// As many nodes as keys, not started.
    pub(crate) fn new(keys: Vec<KeyPair>, mut store: impl FnMut() -> S) -> Self {
        let owner = KeyPair::from_seed(&[99; 32]);
        let mut membership = Membership::new(owner.owner_id());
        for (index, key) in keys.iter().enumerate() {
            let name = format!("node {index}");
            let all = Capabilities::ALL;
            let (space, node) = (owner.owner_id(), key.node_id());
            let grant = Grant::issue(space, node, all, WallTime(1), None, &name, &owner);
            membership.add_grant(grant).unwrap();
        }
        let nodes = keys.into_iter().map(|key| Node {
            key,
            store: store(),
            engine: None,
            keyring: Keyring::new(),
            tape: Tape::default(),
            writer: Writer::new(Vec::new()).unwrap(),
            chunks: BTreeSet::new(),
            expected: BTreeSet::new(),
            starts: 0,
        });
        Self {
            nodes: nodes.collect(),
            now: Now {
                instant: Instant(0),
                wall: WallTime(1_790_000_000_000),
            },
            recordings: Vec::new(),
            replies: BTreeMap::new(),
            owner,
            membership,
            links: BTreeSet::new(),
            has_radio: false,
            queue: VecDeque::new(),
            requests: 0,
        }
    }

    pub(crate) fn start(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.starts += 1;
        let mut key = Keys {
            device: node.key.clone(),
            owner: None,
            space: Keyring::of_first(EpochKey::first(&self.owner)),
        };
        if let Some(membership) = records::membership(&node.store.read().unwrap()).unwrap() {
            key.learn(&membership);
        }
        node.keyring = key.space.clone();
        let config = Config {
            key,
            owner: self.owner.owner_id(),
            membership: self.membership.clone(),
            continues: node.starts > 1,
            quota_bytes: Some(10_000_000),
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: false,
        };
        let seed = [at as u8 + node.starts * 16; 32];
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer
            .write(&Record::Head(Box::new(Head::new(&config, &seed))))
            .unwrap();
        dump(&node.store, &mut |record| {
            writer.write(&record).unwrap();
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        let mut engine = Engine::new(config, node.store.clone(), seed).unwrap();
        engine.note_answers();
        (node.engine, node.writer) = (Some(engine), writer);
    }

    /// Ends a node's run, with what it had not committed.
    pub(crate) fn stop(&mut self, at: usize) {
        self.queue.retain(|(to, _)| *to != at);
        let node = &mut self.nodes[at];
        node.engine = None;
        let mut writer = std::mem::replace(&mut node.writer, Writer::new(Vec::new()).unwrap());
        writer.write(&Record::End("stopped".into())).unwrap();
        self.recordings.push((at, writer.into_inner()));
    }

    pub(crate) fn engine(&self, at: usize) -> &Engine<S> {
        self.nodes[at].engine.as_ref().unwrap()
    }

    /// The epoch with whose key a node's frames are sealed.
    pub(crate) fn epoch(&self, at: usize) -> EpochId {
        self.nodes[at].keyring.current().unwrap().id()
    }

    fn id(&self, at: usize) -> NodeId {
        self.nodes[at].key.node_id()
    }

    fn link(a: usize, b: usize) -> LinkId {
        LinkId((a.min(b) * 10 + a.max(b)) as u64)
    }

    pub(crate) fn link_up(&mut self, a: usize, b: usize) {
        self.links.insert((a, b));
        for (at, other) in [(a, b), (b, a)] {
            let (link, peer, profile) = (Self::link(a, b), self.id(other), profile());
            self.give(at, Event::LinkUp { link, peer, profile });
        }
    }

    pub(crate) fn link_down(&mut self, a: usize, b: usize) {
        self.links.remove(&(a, b));
        let link = Self::link(a, b);
        self.queue.clear();
        for at in [a, b] {
            if self.nodes[at].engine.is_some() {
                self.give(at, Event::LinkDown { link });
            }
        }
    }

    pub(crate) fn radios_up(&mut self, frame_len_max: usize) {
        self.has_radio = true;
        for at in 0..self.nodes.len() {
            let profile = RadioProfile {
                frame_len_max,
                frame_airtime_us: 400_000,
                share_permille: 100,
                window_us: 3_600_000_000,
            };
            self.give(
                at,
                Event::RadioUp {
                    radio: RADIO,
                    profile,
                },
            );
            self.give(at, Event::RadioReady { radio: RADIO });
        }
    }

    /// Gives an event to a node, and writes both down.
    pub(crate) fn give(&mut self, at: usize, event: Event) {
        let node = &mut self.nodes[at];
        let record = node.tape.event(self.now, &event);
        node.writer.write(&record).unwrap();
        node.engine.as_mut().unwrap().handle(self.now, event).unwrap();
        self.take(at);
    }

    fn commit(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let record = node.tape.commit(self.now);
        node.writer.write(&record).unwrap();
        node.engine.as_mut().unwrap().commit(self.now).unwrap();
        self.take(at);
    }

    fn take(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let engine = node.engine.as_mut().unwrap();
        let mut actions = Vec::new();
        while let Some(action) = engine.poll_action() {
            node.tape.action(&action);
            actions.push(action);
        }
        let record = node.tape.done(engine);
        node.writer.write(&record).unwrap();
        for action in actions {
            self.carry_out(at, action);
        }
    }

    fn other(&self, at: usize, link: LinkId) -> Option<usize> {
        let ends = self.links.iter().find(|(a, b)| Self::link(*a, *b) == link)?;
        Some(if ends.0 == at { ends.1 } else { ends.0 })
    }

    fn carry_out(&mut self, at: usize, action: Action) {
        match action {
            Action::Fetch { link, chunk, .. } if link == RADIO => {
                self.nodes[at].expected.insert(chunk);
            }
            Action::Send { link, frame, .. } | Action::Fetch { link, frame, .. } => {
                if let Some(to) = self.other(at, link) {
                    self.queue.push_back((to, Event::Frame { link, frame }));
                }
            }
            Action::Serve { link, chunk } => {
                let hearers: Vec<usize> = if link == RADIO {
                    self.queue.push_back((at, Event::RadioReady { radio: RADIO }));
                    (0..self.nodes.len()).filter(|to| *to != at).collect()
                } else {
                    self.other(at, link).into_iter().collect()
                };
                for to in hearers {
                    if link != RADIO || self.nodes[to].expected.remove(&chunk) {
                        self.nodes[to].chunks.insert(chunk);
                        self.queue.push_back((to, Event::ChunkReceived { link, chunk }));
                        self.queue.push_back((to, Event::ChunkStored { chunk }));
                    }
                }
            }
            Action::Broadcast(broadcast) => {
                for to in (0..self.nodes.len()).filter(|to| *to != at) {
                    let (from, message) = (self.id(at), broadcast.message.clone());
                    let event = Event::RadioMessage {
                        radio: RADIO,
                        from,
                        under: broadcast.under.unwrap_or(self.epoch(at)),
                        message,
                    };
                    self.queue.push_back((to, event));
                }
                if broadcast.lane > Lane::Control {
                    self.queue.push_back((at, Event::RadioReady { radio: RADIO }));
                }
            }
            Action::Keys(keyring) => self.nodes[at].keyring = keyring,
            Action::Reply { request, result } => {
                self.replies.insert(request, result);
            }
            _ => {}
        }
    }

    /// Has all nodes deal with what waits for them, and time go by.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now.instant.after(duration);
        loop {
            while let Some((to, event)) = self.queue.pop_front() {
                if self.nodes[to].engine.is_some() {
                    self.give(to, event);
                }
            }
            for at in 0..self.nodes.len() {
                let engine = self.nodes[at].engine.as_ref();
                if engine.is_some_and(Engine::needs_commit) {
                    self.commit(at);
                }
            }
            if !self.queue.is_empty() {
                continue;
            }
            let engines = self.nodes.iter().filter_map(|node| node.engine.as_ref());
            let due = engines.filter_map(Engine::poll_timeout).min().unwrap_or(end);
            let next = due.min(end).max(self.now.instant.after(Duration::from_millis(1)));
            self.now.wall.0 += next.since(self.now.instant).as_millis() as u64;
            self.now.instant = next;
            if next >= end {
                return;
            }
            for at in 0..self.nodes.len() {
                let engine = self.nodes[at].engine.as_ref();
                let due = engine.and_then(Engine::poll_timeout);
                if due.is_some_and(|due| due <= next) {
                    self.give(at, Event::Timer);
                }
            }
        }
    }

    pub(crate) fn command(&mut self, at: usize, command: Command) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let command = Box::new(command);
        self.give(at, Event::Command { request, command });
        request
    }

    /// A node shuts another one out, by the owner's key.
    pub(crate) fn revoke(&mut self, at: usize, other: usize) {
        let subject = self.id(other);
        let kept = self.membership.statements_of(subject);
        let space = self.owner.owner_id();
        let revocation = Revocation::issue(space, subject, WallTime(2), kept, &self.owner);
        self.command(at, Command::Revoke(revocation));
    }

    pub(crate) fn put(&mut self, at: usize, name: &str, body: &[u8]) -> RequestId {
        let is_public = path(name).category() == Category::Public;
        let hash = Hash::of(body);
        let mut chunk_keys = Vec::new();
        let (payload, attachment) = match body.len() {
            len if len <= INLINE_LEN => (Payload::Inline, Some(body.to_vec())),
            len if len <= CHUNK_LEN && is_public => {
                self.nodes[at].chunks.insert(hash);
                (Payload::Chunk, None)
            }
            _ => {
                let key = EpochKey::first(&self.owner);
                let chunks = body.chunks(CHUNK_LEN).map(|chunk| {
                    let mut stored = chunk.to_vec();
                    if !is_public {
                        let (key, sealed) = key.seal_chunk(chunk).unwrap();
                        chunk_keys.push(key);
                        stored = sealed;
                    }
                    ChunkRef {
                        hash: Hash::of(&stored),
                        len: stored.len() as u32,
                    }
                });
                let chunks: Vec<ChunkRef> = chunks.collect();
                self.nodes[at]
                    .chunks
                    .extend(chunks.iter().map(|chunk| chunk.hash));
                let manifest = Manifest::new(chunks).unwrap();
                (Payload::Manifest(manifest.hash()), Some(manifest.encode()))
            }
        };
        let put = Put {
            path: path(name),
            content: Content {
                content_type: "text/plain".into(),
                hash,
                len: body.len() as u64,
                payload,
                seal: None,
            },
            attachment,
            chunk_keys,
            precondition: Precondition::default(),
            resolve: false,
        };
        self.command(at, Command::Put(put))
    }

    /// A chunk that nobody asked for.
    pub(crate) fn stray_chunk(&mut self, to: usize, link: LinkId, bytes: &[u8]) {
        let frame = chunk_frame(&Hash::of(bytes), bytes);
        self.give(to, Event::Frame { link, frame });
    }

    /// Ends all runs, and gives all recordings.
    pub(crate) fn finish(mut self) -> Vec<(usize, Vec<u8>)> {
        for at in 0..self.nodes.len() {
            if self.nodes[at].engine.is_some() {
                self.stop(at);
            }
        }
        self.recordings
    }
}

pub(crate) fn path(name: &str) -> DocumentPath {
    // Names that begin so are of public documents.
    let category = if name.starts_with("open") {
        "public"
    } else {
        "private"
    };
    DocumentPath::parse(&format!("/{category}/notes/{name}")).unwrap()
}
