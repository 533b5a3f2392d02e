//! The engine: its state, and the way through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::announcement::Heard;
use super::custody::Pace;
use super::fetch::Fetcher;
use super::link::Links;
use super::local::DISK_RESERVE;
use super::oracle::{Answer, Keys, Oracle, ReplayedKeys};
use super::pull::Puller;
use super::radio::{Obstacle, PayloadPolicy, Radios};
use super::redate::Redate;
use super::wall::Wall;
use super::{Acknowledgement, Action, Event, LinkId, Message, Report};
use crate::model::{
    CLOCK_LEN_MAX, Clock, Dot, Hash, HybridClock, HybridTime, Incarnation, Instant, Membership, NodeId, Now,
    OwnerId, Sequence, Sign, WallTime, Writer,
};
use crate::space::records::{self, OwnWriter, PeerRecord, Record};
use crate::space::{SpaceError, View};
use crate::store::{ReadTransaction, Store, StoreError, WriteTransaction};

/// What a node is told at its start.
#[derive(Debug, Clone)]
pub struct Config<K = Keys> {
    /// The node's keys. What is public of them, in a replay.
    pub key: K,
    /// Whose space.
    pub owner: OwnerId,
    /// The members that are known from outside the store: the grants that made this node one of them.
    pub membership: Membership,
    /// It is proven that the store is this node's latest: the incarnation may go on. Else the next write begins a
    /// new one.
    pub continues: bool,
    /// Bytes that the documents may take together.
    pub quota_bytes: Option<u64>,
    /// How often a node announces itself when nothing happens.
    pub announce_interval: Duration,
    /// Tombstones are kept at least this long after all holders have them.
    pub tombstone_age_min: Duration,
    /// Payloads that come by radio without anybody asking.
    pub radio_payloads: PayloadPolicy,
    /// The node is no member: it keeps the public documents of the space, which needs no grant, and nothing else.
    pub follows: bool,
}

impl Config {
    /// How often a node announces itself on links that cost nothing.
    pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(30);
    /// Long enough that a user sees what was deleted, and a backup of yesterday meets the tombstone itself.
    pub const TOMBSTONE_AGE_MIN: Duration = Duration::from_secs(7 * 24 * 3600);
}

impl<K> Config<K> {
    /// The same with another key.
    pub fn with_key<L>(self, key: impl FnOnce(K) -> L) -> Config<L> {
        Config {
            key: key(self.key),
            owner: self.owner,
            membership: self.membership,
            continues: self.continues,
            quota_bytes: self.quota_bytes,
            announce_interval: self.announce_interval,
            tombstone_age_min: self.tombstone_age_min,
            radio_payloads: self.radio_payloads,
            follows: self.follows,
        }
    }
}

/// What ends an engine: its store failed. Whatever was not committed is undone; open the store again.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct EngineError(#[from] SpaceError);

impl EngineError {
    /// What the store said, if it was the store.
    pub const fn store(&self) -> Option<&StoreError> {
        match &self.0 {
            SpaceError::Store(error) => Some(error),
            SpaceError::Unreadable { .. } => None,
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

pub(super) type Result<T> = std::result::Result<T, EngineError>;

/// Peers' acknowledgements and similar are written this long after they came, or with the next change.
const LAZY_FLUSH_AFTER: Duration = Duration::from_secs(5);

/// One node of the mesh: knows its space, its peers and what each still lacks. Touches nothing but its store.
///
/// Call [`handle`](Self::handle) for what happens, and take actions until [`poll_action`](Self::poll_action) gives
/// `None`. Some actions wait for [`commit`](Self::commit): call it when no event waits, or enough were handled, and
/// take actions again. Then sleep, but not past [`poll_timeout`](Self::poll_timeout). `now` never goes backwards.
/// After an error the engine is of no use any more.
pub struct Engine<S: Store> {
    pub(super) config: Config<Oracle>,
    pub(super) node: NodeId,
    store: S,
    tx: Option<S::Write>,
    pub(super) rng: ChaCha8Rng,
    /// Told to others in greetings, so that twins are found.
    pub(super) instance: u64,
    pub(super) membership: Membership,
    pub(super) own: OwnWriter,
    pub(super) clock_of_writes: HybridClock,
    /// Dots that are held or known to be superseded.
    pub(super) held: Clock,
    /// Dots of live entries whose payload is not complete.
    pub(super) pending: BTreeSet<Dot>,
    /// Those of them that a user asked for.
    pub(super) requested: BTreeSet<Dot>,
    /// For each writer everything up to its last collected tombstone.
    pub(super) collected: Clock,
    pub(super) peers: BTreeMap<NodeId, PeerRecord>,
    /// What other nodes of the space last announced, directly or over others.
    pub(super) announced: BTreeMap<NodeId, Heard>,
    /// Bytes that the disk has room for, once that is known.
    pub(super) storage_free: Option<u64>,
    /// The newest acknowledgement of each other node, to be passed on.
    pub(super) acknowledgements: BTreeMap<NodeId, Acknowledgement>,
    pub(super) acknowledgement_clock: HybridClock,
    pub(super) pace: Pace,
    pub(super) refusals: BTreeMap<NodeId, String>,
    pub(super) links: Links,
    pub(super) puller: Puller,
    pub(super) fetcher: Fetcher,
    pub(super) radios: Radios,
    /// Own entries made since the last commit.
    pub(super) fresh: Vec<Dot>,
    pub(super) twin: bool,
    /// What must be written with the next commit.
    pub(super) changed: Changed,
    pub(super) actions: VecDeque<Action>,
    after_commit: Vec<Action>,
    pub(super) next_tombstones: Instant,
    pub(super) wall: Wall,
    pub(super) redate: Redate,
    /// When to give keys to members who were given none.
    pub(super) hand_on_at: Option<Instant>,
    /// The chunks, ascending, of the public document of which a follower last asked for one.
    pub(super) offered: Option<(Dot, Vec<Hash>)>,
}

/// What differs from the store.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) held: bool,
    pub(super) own: bool,
    pub(super) membership: bool,
    pub(super) collected: bool,
    pub(super) requested: bool,
    pub(super) redate: bool,
    /// Peers whose records differ; not urgent.
    pub(super) peers: BTreeSet<NodeId>,
    pub(super) peers_since: Option<Instant>,
}

impl Changed {
    /// Something that does not wait.
    const fn is_urgent(&self) -> bool {
        self.held || self.own || self.membership || self.collected || self.requested || self.redate
    }
}

impl<S: Store> Engine<S> {
    /// Takes up where the store left off. `seed` makes everything that is random in this run.
    pub fn new(config: Config, store: S, seed: [u8; 32]) -> Result<Self> {
        Self::begin(config.with_key(Oracle::Live), store, seed)
    }

    /// An engine that does again what another did, from a recording ([`record`](crate::record)): it knows no key, and
    /// takes placeholders for payloads. Tell it what to [`expect`](Self::expect) before each event.
    pub fn replay(config: Config<ReplayedKeys>, store: S, seed: [u8; 32]) -> Result<Self> {
        Self::begin(config.with_key(Oracle::replayed), store, seed)
    }

    fn begin(config: Config<Oracle>, store: S, seed: [u8; 32]) -> Result<Self> {
        let read = store.read()?;
        let mut membership = records::membership(&read)?.unwrap_or_else(|| Membership::new(config.owner));
        let mut changed = Changed {
            membership: membership.merge(&config.membership),
            ..Changed::default()
        };
        let own: OwnWriter = records::load(&read, Record::OwnWriter)?.unwrap_or_default();
        let held = records::load(&read, Record::Clock)?.unwrap_or_default();
        let collected = records::load(&read, Record::Collected)?.unwrap_or_default();
        let pending: BTreeSet<Dot> = View(&read).pending(None, usize::MAX)?.into_iter().collect();
        let requested: Vec<Dot> = records::load(&read, Record::Requested)?.unwrap_or_default();
        let requested = requested
            .into_iter()
            .filter(|dot| pending.contains(dot))
            .collect();
        let redate = Redate::starting(records::load(&read, Record::Redate)?.unwrap_or_default());
        let mut config = config;
        config.key.start(&membership);
        let node = config.key.node_id();
        let mut peers = BTreeMap::new();
        for grant in membership.grants() {
            if let Some(record) = records::peer(&read, grant.subject)? {
                peers.insert(grant.subject, record);
            }
        }
        drop(read);
        let mut rng = ChaCha8Rng::from_seed(seed);
        // An incarnation that may not go on is forgotten for good, whatever happens before the next write.
        changed.own |= !config.continues && own.incarnation.is_some();
        let own = if config.continues {
            own
        } else {
            OwnWriter {
                incarnation: None,
                ..own
            }
        };
        Ok(Self {
            node,
            store,
            tx: None,
            instance: rng.next_u64(),
            rng,
            membership,
            own,
            clock_of_writes: HybridClock::starting_after(own.time),
            held,
            pending,
            requested,
            collected,
            peers,
            announced: BTreeMap::new(),
            storage_free: None,
            acknowledgements: BTreeMap::new(),
            pace: Pace::default(),
            acknowledgement_clock: HybridClock::default(),
            refusals: BTreeMap::new(),
            links: Links::default(),
            puller: Puller::default(),
            fetcher: Fetcher::default(),
            radios: Radios::default(),
            fresh: Vec::new(),
            twin: false,
            changed,
            actions: VecDeque::new(),
            after_commit: Vec::new(),
            next_tombstones: Instant(0),
            wall: Wall::default(),
            redate,
            offered: None,
            hand_on_at: None,
            config,
        })
    }

    /// Notes from now on what a replay cannot find out by itself.
    pub fn note_answers(&mut self) {
        self.config.key.note();
    }

    /// Notes nothing any more.
    pub fn stop_noting(&mut self) {
        self.config.key.stop_noting();
    }

    /// What was noted since the last call, after [`note_answers`](Self::note_answers).
    pub fn noted_answers(&self) -> Vec<Answer> {
        self.config.key.noted()
    }

    /// In a replay: what was noted while the next event was handled.
    pub fn expect(&mut self, answers: Vec<Answer>) {
        self.config.key.expect(answers);
    }

    /// In a replay: says whether the engine asked for exactly what it was told to expect.
    pub fn has_met_expectations(&self) -> bool {
        self.config.key.is_exhausted()
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Now, event: Event) -> Result<()> {
        let now = self.watch_clock(now)?;
        match event {
            Event::LinkUp { link, peer, profile } => self.link_up(now, link, peer, profile),
            Event::LinkDown { link } => self.link_down(now, link)?,
            Event::Frame { link, frame } => self.frame(now, link, &frame)?,
            Event::RadioUp { radio, profile } => self.radio_up(now, radio, profile),
            Event::RadioDown { radio } => self.radio_down(radio),
            Event::RadioMessage {
                radio,
                from,
                under,
                message,
            } => self.radio_message(now, radio, from, under, &message)?,
            Event::RadioIntroduced { radio, from, under } => {
                self.radio_introduced(now, radio, from, under)?
            }
            Event::RadioReady { radio } => self.radio_ready(now, radio),
            Event::Announced { author, frame } => self.gossip(now, author, &frame),
            Event::StorageFree { bytes } => self.room(now, bytes),
            Event::ChunkReceived { link, chunk } => self.chunk_received(now, link, chunk)?,
            Event::ChunkStored { chunk } => self.chunk_stored(now, chunk)?,
            Event::ChunkFailed { chunk } => self.chunk_failed(now, chunk),
            Event::ChunkLost { chunk } => self.chunk_lost(now, chunk)?,
            Event::Command { request, command } => self.command(now, request, *command)?,
            Event::Timer => {}
        }
        self.timers(now)
    }

    fn room(&mut self, now: Now, bytes: u64) {
        // What changes all the time is no news.
        if self
            .storage_free
            .is_some_and(|before| bytes / 2 > before && bytes > DISK_RESERVE)
        {
            self.radios.refused.may_pass(now.instant, Obstacle::Room);
        }
        self.storage_free = Some(bytes);
    }

    /// The time to go by.
    fn watch_clock(&mut self, now: Now) -> Result<Now> {
        let mut wall = std::mem::take(&mut self.wall);
        let corrected = wall.advance(now, || -> Result<HybridTime> {
            let latest = self.latest_date(|_| true)?;
            Ok(latest.max(self.clock_of_writes.last()))
        });
        self.wall = wall;
        let now = corrected?;
        if self.wall.has_stepped(now) {
            self.radios.refused.may_pass(now.instant, Obstacle::Clock);
            self.acknowledge_anew(now);
        }
        Ok(now)
    }

    /// The latest date of what is held of some nodes. Looks through the whole store.
    pub(super) fn latest_date(&self, of: impl Fn(NodeId) -> bool) -> Result<HybridTime> {
        let mut latest = HybridTime::default();
        let live = self.view(|view| view.live())?;
        for writer in live.writers().filter(|writer| of(writer.node)) {
            let sequence = live.last(writer);
            // What a writer did last is what it dated last.
            if let Some(entry) = self.view(|view| view.entry(Dot { writer, sequence }))? {
                latest = latest.max(entry.change().time);
            }
        }
        Ok(latest)
    }

    /// Says whether something waits for [`commit`](Self::commit).
    pub fn needs_commit(&self) -> bool {
        self.tx.is_some() || !self.after_commit.is_empty() || self.changed.is_urgent()
    }

    /// Makes everything durable that was handled, and releases the actions that waited for it.
    pub fn commit(&mut self, now: Now) -> Result<()> {
        let now = self.wall.correct(now);
        self.settle_requests();
        if self.changed.is_urgent() || !self.changed.peers.is_empty() {
            self.store_records()?;
        }
        if let Some(tx) = self.tx.take() {
            tx.commit()?;
        }
        self.actions.extend(self.after_commit.drain(..));
        self.push_fresh()?;
        self.acknowledge(now);
        self.note_state(now);
        self.speak_when_due(now)
    }

    fn store_records(&mut self) -> Result<()> {
        let changed = std::mem::take(&mut self.changed);
        self.own.time = self.clock_of_writes.last();
        let own = self.own;
        let held = changed.held.then(|| self.held.shortened(CLOCK_LEN_MAX));
        let membership = changed.membership.then(|| self.membership.clone());
        let collected = changed.collected.then(|| self.collected.clone());
        let requested = changed
            .requested
            .then(|| self.requested.iter().copied().collect::<Vec<Dot>>());
        let peers: Vec<_> = changed
            .peers
            .iter()
            .filter_map(|node| Some((*node, self.peers.get(node)?.clone())))
            .collect();
        let redate = changed.redate.then_some(self.redate.begun);
        let tx = self.tx()?;
        if let Some(begun) = redate {
            records::store(tx, Record::Redate, &begun)?;
        }
        if changed.own {
            records::store(tx, Record::OwnWriter, &own)?;
        }
        if let Some(held) = held {
            records::store(tx, Record::Clock, &held)?;
        }
        if let Some(membership) = membership {
            records::store(tx, Record::Membership, &membership)?;
        }
        if let Some(collected) = collected {
            records::store(tx, Record::Collected, &collected)?;
        }
        if let Some(requested) = requested {
            records::store(tx, Record::Requested, &requested)?;
        }
        for (node, record) in peers {
            records::store_peer(tx, node, &record)?;
        }
        Ok(())
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to come back with [`Event::Timer`] at the latest, if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.links.next_announcement(),
            self.puller.timeout(),
            self.fetcher.timeout(),
            self.radios.timeout(),
            self.changed
                .peers_since
                .map(|since| since.after(LAZY_FLUSH_AFTER)),
            self.tombstones_timeout(),
            self.pace.timeout(),
            self.wall.timeout(),
            self.hand_on_at,
            // A part, a commit, the next part.
            self.redate.timeout().filter(|_| !self.needs_commit()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn timers(&mut self, now: Now) -> Result<()> {
        self.announce_when_due(now)?;
        self.pull_when_due(now)?;
        self.fetch_when_due(now)?;
        self.collect_when_due(now)?;
        self.redate_when_due(now)?;
        self.hand_on_when_due(now)?;
        self.acknowledge_when_due(now);
        self.speak_when_due(now)?;
        if self
            .changed
            .peers_since
            .is_some_and(|since| now.instant >= since.after(LAZY_FLUSH_AFTER))
        {
            self.store_records()?;
        }
        Ok(())
    }

    /// What the store says of this node's own writing, whether or not it may go on with it.
    pub fn own_writer_on_disk(store: &S) -> Result<OwnWriter> {
        Ok(records::load(&store.read()?, Record::OwnWriter)?.unwrap_or_default())
    }

    /// This node's writer and how far it has come: what its register outside of the store keeps.
    pub fn own_writer(&self) -> OwnWriter {
        self.own
    }

    /// What this node holds.
    pub fn clock(&self) -> &Clock {
        &self.held
    }

    /// Whether the payload of an entry that is held is not here in full.
    pub fn lacks_payload(&self, dot: Dot) -> bool {
        self.pending.contains(&dot)
    }

    /// The members of the space.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The open transaction; begins one.
    pub(super) fn tx(&mut self) -> Result<&mut S::Write> {
        let tx = match self.tx.take() {
            Some(tx) => tx,
            None => self.store.write()?,
        };
        Ok(self.tx.insert(tx))
    }

    /// Opens what came while this node had no key of the space, and makes that durable.
    pub fn open_kept(&mut self, now: Now) -> Result<()> {
        self.open_sealed()?;
        self.commit(now)
    }

    /// Opens the sealed documents whose key has come.
    pub(super) fn open_sealed(&mut self) -> Result<()> {
        let mut tx = match self.tx.take() {
            Some(tx) => tx,
            None => self.store.write()?,
        };
        let key = &self.config.key;
        crate::space::open_sealed(&mut tx, &|entry, attachment| {
            key.open(entry, attachment).map(|body| body.opened)
        })?;
        self.tx = Some(tx);
        Ok(())
    }

    /// Everything that was handled so far.
    pub(super) fn view<T>(
        &self,
        read: impl FnOnce(View<'_, dyn ReadTransaction + '_>) -> std::result::Result<T, SpaceError>,
    ) -> Result<T> {
        match &self.tx {
            Some(tx) => Ok(read(View(tx))?),
            None => Ok(read(View(&self.store.read()?))?),
        }
    }

    pub(super) fn send(&mut self, link: LinkId, message: &Message) {
        let lane = super::link::lane(message);
        self.actions.push_back(Action::Send {
            link,
            lane,
            frame: message.encode(),
        });
    }

    /// Does `action` once everything handled so far is durable.
    pub(super) fn after_commit(&mut self, action: Action) {
        self.after_commit.push(action);
    }

    pub(super) fn report(&mut self, report: Report) {
        self.actions.push_back(Action::Report(report));
    }

    /// The clock of what is here in full, payloads included.
    pub(super) fn complete(&self) -> Clock {
        let mut complete = self.held.clone();
        for dot in &self.pending {
            complete.remove(*dot);
        }
        complete
    }

    /// The writer as which this node makes its next change; begins a new incarnation where it must.
    pub(super) fn writer(&mut self, wall: WallTime) -> Writer {
        let incarnation = match self.own.incarnation {
            Some(incarnation) => incarnation,
            None => {
                let incarnation = Incarnation::new(wall, self.rng.next_u32());
                self.own.incarnation = Some(incarnation);
                self.own.last = Sequence(0);
                incarnation
            }
        };
        Writer {
            node: self.node,
            incarnation,
        }
    }
}
