//! The one task that owns the swarm.
//!
//! It never waits for the owner of the transport: events queue here, and while too many do, the swarm is not polled.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use libp2p::core::transport::ListenerId;
use libp2p::gossipsub::{self, PublishError};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, mdns};
use libp2p_stream::{Control, IncomingStreams};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

use super::Libp2pConfig;
use super::behaviour::{Behaviour, BehaviourEvent, StartError, topic};
use super::dials::{Dials, bare_peer, named_peer};
use super::key::{peer_id, peer_key};
use super::peers::{Connection, Peers};
#[cfg(feature = "wan")]
use super::routing::Routing;
use crate::backoff::Backoff;
use crate::link::{FRAME_LEN_MAX, Link, LinkProfile, PeerKey, Topology, TransportEvent};
use crate::pipe::Clear;
use crate::registry::Registry;
use crate::stream::{LinkCore, LinkEnd, spawn_link};

const FRAMES: StreamProtocol = StreamProtocol::new("/cairn/frames/1");
/// How long the peer may take to agree to a stream.
const OPEN: Duration = Duration::from_secs(10);
/// How many events may wait for the owner before the swarm has to.
const EVENTS_MAX: usize = 64;
/// How many peers may be refused at once; the one that is due first makes room.
const BLOCKED_MAX: usize = 4096;
/// How long the farewells may take.
const SHUTDOWN: Duration = Duration::from_secs(3);
/// When there is nothing to wait for.
const LONG: Duration = Duration::from_secs(3600);

/// What the transport's methods ask for.
#[derive(Debug)]
pub(super) enum Command {
    DialsChanged,
    Announce(Bytes),
    Penalise(PeerKey, Duration),
    Shutdown(oneshot::Sender<()>),
}

/// What the loop's own tasks report.
enum Report {
    Opened(PeerId, Result<Stream, String>),
    Ended {
        peer: PeerId,
        number: u64,
        end: LinkEnd,
        remote: Multiaddr,
    },
}

/// An address to listen at, which could not be had so far.
struct ListenAgain {
    address: Multiaddr,
    backoff: Backoff,
    told: bool,
    due: Instant,
}

pub(super) struct SwarmLoop {
    swarm: Swarm<Behaviour>,
    control: Control,
    incoming: IncomingStreams,
    config: Libp2pConfig,
    dials: Arc<Mutex<Dials>>,
    peers: Peers,
    #[cfg(feature = "wan")]
    routing: Routing,
    links: Registry,
    links_made: u64,
    listeners: HashMap<ListenerId, Multiaddr>,
    listen_again: Vec<ListenAgain>,
    blocked: BTreeMap<PeerId, Instant>,
    /// The latest announcement, if nobody was there to hear it.
    unheard: Option<Bytes>,
    events: mpsc::Sender<TransportEvent>,
    queue: VecDeque<TransportEvent>,
    reports: (mpsc::UnboundedSender<Report>, mpsc::UnboundedReceiver<Report>),
}

impl SwarmLoop {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        own: PeerKey,
        config: Libp2pConfig,
        dials: Arc<Mutex<Dials>>,
        events: mpsc::Sender<TransportEvent>,
    ) -> Result<Self, StartError> {
        let mut control = swarm.behaviour().streams.new_control();
        let incoming = control
            .accept(FRAMES)
            .map_err(|error| StartError::Failed(error.to_string()))?;
        let peers = Peers::new(own, config.redial_shortest, config.redial_longest);
        Ok(Self {
            swarm,
            control,
            incoming,
            config,
            dials,
            peers,
            #[cfg(feature = "wan")]
            routing: Routing::default(),
            links: Registry::default(),
            links_made: 0,
            listeners: HashMap::new(),
            listen_again: Vec::new(),
            blocked: BTreeMap::new(),
            unheard: None,
            events,
            queue: VecDeque::new(),
            // Bounded by the connections: each has at most one task that reports, and each reports once or twice.
            reports: mpsc::unbounded_channel(),
        })
    }

    /// Runs until the transport is shut down or dropped, or nobody takes its events any more.
    pub(super) async fn run(mut self, listen: Vec<Multiaddr>, mut commands: mpsc::Receiver<Command>) {
        for address in listen {
            let backoff = Backoff::new(self.config.redial_shortest, self.config.redial_longest);
            self.listen(ListenAgain {
                address,
                backoff,
                told: false,
                due: Instant::now(),
            });
        }
        let events = self.events.clone();
        let done = loop {
            let due = self.work_that_is_due();
            tokio::select! {
                permit = events.reserve(), if !self.queue.is_empty() => match (permit, self.queue.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    _ => break None,
                },
                event = self.swarm.select_next_some(), if self.queue.len() < EVENTS_MAX => self.swarm_event(event),
                Some((peer, stream)) = self.incoming.next() => self.stream(peer, stream, false),
                Some(report) = self.reports.1.recv() => self.report(report),
                command = commands.recv() => match command {
                    Some(Command::Shutdown(done)) => break Some(done),
                    Some(command) => self.command(command),
                    None => break None,
                },
                () = sleep_until(due) => {}
            }
        };
        self.farewell().await;
        drop(self);
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    /// Closes the links, and keeps the swarm going meanwhile: it carries the farewells.
    async fn farewell(&mut self) {
        self.dials().clear();
        for listener in std::mem::take(&mut self.listeners).into_keys() {
            self.swarm.remove_listener(listener);
        }
        self.links.close(None, "the node is shutting down");
        let links = self.links.clone();
        let polling = async {
            loop {
                self.swarm.select_next_some().await;
            }
        };
        tokio::select! {
            () = links.empty() => {}
            () = tokio::time::sleep(SHUTDOWN) => {}
            () = polling => {}
        }
    }

    fn dials(&self) -> MutexGuard<'_, Dials> {
        self.dials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&mut self, event: TransportEvent) {
        self.queue.push_back(event);
    }

    /// Does what is due, and returns when to come back.
    fn work_that_is_due(&mut self) -> Instant {
        let now = Instant::now();
        self.dial_what_is_due(now);
        while let Some(peer) = self.peers.take_due(now) {
            self.open(peer);
        }
        let (due, later) = std::mem::take(&mut self.listen_again)
            .into_iter()
            .partition(|again| again.due <= now);
        self.listen_again = later;
        let due: Vec<ListenAgain> = due;
        due.into_iter().for_each(|again| self.listen(again));
        let forgiven: Vec<PeerId> = self
            .blocked
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(id, _)| *id)
            .collect();
        for peer in forgiven {
            self.unblock(peer);
        }
        let next = [
            self.dials().next_due(),
            self.peers.next_due(),
            self.listen_again.iter().map(|again| again.due).min(),
            self.blocked.values().min().copied(),
        ];
        next.into_iter().flatten().min().unwrap_or(now + LONG)
    }

    fn dial_what_is_due(&mut self, now: Instant) {
        loop {
            let is_reached = |peer: &PeerId| self.peers.is_reached(peer);
            #[cfg(feature = "wan")]
            let is_looked_up = |peer: &PeerId| self.routing.is_looking_up(peer);
            #[cfg(not(feature = "wan"))]
            let is_looked_up = |_: &PeerId| false;
            let due = self.dials().take_due(now, is_reached, is_looked_up);
            let Some((name, address)) = due else { return };
            if self.is_own(&address) {
                self.leads_back(name);
                continue;
            }
            let options = match bare_peer(&address) {
                Some(peer) => self.by_name_alone(peer),
                None => {
                    let mut options = DialOpts::unknown_peer_id().address(address);
                    if cfg!(not(feature = "wan")) {
                        // From the listening port, a peer that comes back at once may find the old connection's remains. Only hole punching
                        // needs it.
                        options = options.allocate_new_port();
                    }
                    options.build()
                }
            };
            self.dials().began(&name, options.connection_id());
            if let Err(error) = self.swarm.dial(options) {
                self.dial_failed_to_begin(name, &error, now);
            }
        }
    }

    /// How to dial a peer of which only the key is given: at all addresses that are known here, and where it is connected already.
    ///
    /// Always: a connection that was made to ask a question carries no frames, so that there may be one.
    fn by_name_alone(&self, peer: PeerId) -> DialOpts {
        let connection = self
            .peers
            .connection(&peer)
            .filter(|connection| connection.outbound);
        let addresses = connection.map(|connection| connection.remote.clone());
        DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(addresses.into_iter().collect())
            .extend_addresses_through_behaviour()
            .build()
    }

    /// An address led nowhere. If it names a peer alone, others are asked where that peer is, before the next try.
    #[cfg(feature = "wan")]
    fn ask_around(&mut self, name: &str) {
        let bare = name.parse().ok().as_ref().and_then(bare_peer);
        if let Some(peer) = bare
            && !self.peers.is_connected(&peer)
        {
            self.routing
                .look_up(&mut self.swarm.behaviour_mut().routing, peer);
        }
    }

    /// Whether a connection is one on which this side wants a link, if the peer does.
    fn is_wanted(&mut self, connection: ConnectionId, peer: PeerId, outbound: bool, now: Instant) -> bool {
        let dialled = self.dials().connected(connection, peer, now);
        if cfg!(not(feature = "wan")) || dialled || !outbound {
            return true;
        }
        #[cfg(feature = "wan")]
        if self.dials().reached(&peer, now) {
            return true;
        }
        let mut relays = self.config.relays.iter();
        relays.any(|relay| relay.parse().ok().as_ref().and_then(named_peer) == Some(peer))
    }

    /// Whether an address is one of this node's own, as far as it knows them without asking.
    ///
    /// The library notices after the handshake; but a connection from the listening port to itself never gets that far.
    fn is_own(&self, address: &Multiaddr) -> bool {
        let bare: Multiaddr = address
            .iter()
            .filter(|part| !matches!(part, Protocol::P2p(_)))
            .collect();
        named_peer(address) == Some(*self.swarm.local_peer_id())
            || self
                .swarm
                .listeners()
                .chain(self.swarm.external_addresses())
                .any(|own| *own == bare)
    }

    fn leads_back(&mut self, address: String) {
        self.dials().forget(&address);
        let reason = "the address leads back to this node".to_owned();
        self.tell(TransportEvent::DialFailed {
            address,
            reason,
            retry_in: None,
        });
    }

    fn dial_failed_to_begin(&mut self, name: String, error: &DialError, now: Instant) {
        let retry_in = self.dials().failed_to_begin(&name, now, &mut rand::rng());
        #[cfg(feature = "wan")]
        self.ask_around(&name);
        self.tell(TransportEvent::DialFailed {
            address: name,
            reason: chain(error),
            retry_in,
        });
    }

    fn open(&self, peer: PeerId) {
        let (mut control, reports) = (self.control.clone(), self.reports.0.clone());
        tokio::spawn(async move {
            let opened = match timeout(OPEN, control.open_stream(peer, FRAMES)).await {
                Ok(opened) => opened.map_err(|error| error.to_string()),
                Err(_) => Err("the peer took too long to agree to a stream".to_owned()),
            };
            let _ = reports.send(Report::Opened(peer, opened));
        });
    }

    fn listen(&mut self, mut again: ListenAgain) {
        match self.swarm.listen_on(again.address.clone()) {
            Ok(listener) => {
                self.listeners.insert(listener, again.address);
            }
            Err(error) => {
                if !std::mem::replace(&mut again.told, true) {
                    let (address, reason) = (again.address.to_string(), chain(&error));
                    self.tell(TransportEvent::ListenFailed { address, reason });
                }
                again.due = Instant::now() + again.backoff.next(&mut rand::rng());
                self.listen_again.push(again);
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Announce(bytes) => self.announce(bytes),
            Command::Penalise(peer, duration) => self.penalise(peer, duration),
            // The loop looks at the dials anyway, each time around; and a shutdown never comes here.
            Command::DialsChanged | Command::Shutdown(_) => {}
        }
    }

    fn announce(&mut self, bytes: Bytes) {
        self.unheard = None;
        match self.swarm.behaviour_mut().gossip.publish(topic(), bytes.to_vec()) {
            Ok(_) | Err(PublishError::Duplicate) => {}
            Err(PublishError::NoPeersSubscribedToTopic) => self.unheard = Some(bytes),
            Err(error) => tracing::debug!(%error, "an announcement was not spread"),
        }
    }

    fn penalise(&mut self, peer: PeerKey, duration: Duration) {
        let Some(id) = peer_id(peer) else { return };
        if self.blocked.len() >= BLOCKED_MAX {
            let soonest = self
                .blocked
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(id, _)| *id);
            soonest.into_iter().for_each(|id| self.unblock(id));
        }
        let until = Instant::now() + duration.min(24 * 365 * LONG);
        self.blocked.insert(id, until);
        self.links.close(Some(peer), "refused for a while");
        self.swarm.behaviour_mut().blocked.block_peer(id);
    }

    fn unblock(&mut self, peer: PeerId) {
        self.blocked.remove(&peer);
        self.swarm.behaviour_mut().blocked.unblock_peer(peer);
    }

    fn report(&mut self, report: Report) {
        let now = Instant::now();
        match report {
            Report::Opened(peer, Ok(stream)) => self.stream(peer, stream, true),
            Report::Opened(peer, Err(error)) => {
                tracing::debug!(%peer, error, "no frame stream");
                self.peers.not_opened(&peer, now, &mut rand::rng());
            }
            Report::Ended {
                peer,
                number,
                end,
                remote,
            } => {
                self.peers.down(&peer, number, now, &mut rand::rng());
                if let LinkEnd::Garbage(reason) = end {
                    self.refuse(&remote, reason);
                    let _ = self.swarm.disconnect_peer_id(peer);
                }
            }
        }
    }

    /// Makes a link of a stream, if it is the one that is wanted.
    fn stream(&mut self, id: PeerId, stream: Stream, opened_here: bool) {
        let (Some(peer), Some(connection)) = (self.peers.key(&id), self.peers.connection(&id).cloned())
        else {
            return;
        };
        if !self.peers.accepts(&id, opened_here) {
            tracing::debug!(%peer, "a stream out of turn");
            return;
        }
        let core = LinkCore::new(peer, self.config.keep_alive);
        let registered = self.links.insert(core.clone());
        let (read, write) = tokio::io::split(stream.compat());
        let (receiver, task) = spawn_link(&core, read, write, Clear::default(), Clear::default());
        self.links_made += 1;
        let number = self.links_made;
        self.peers.up(&id, number, core.clone(), Instant::now());
        let (reports, remote) = (self.reports.0.clone(), connection.remote.clone());
        tokio::spawn(async move {
            let end = task.await.unwrap_or(LinkEnd::Down);
            drop(registered);
            let _ = reports.send(Report::Ended {
                peer: id,
                number,
                end,
                remote,
            });
        });
        let kept = self.dials().led_to(&id).map(str::to_owned);
        let outbound = kept.is_some() || connection.outbound;
        let address = kept.unwrap_or_else(|| connection.remote.to_string());
        let profile = LinkProfile {
            mtu: FRAME_LEN_MAX,
            bit_rate_bps: None,
            topology: Topology::PointToPoint,
            loss: 0.0,
            metered: self.config.metered,
        };
        let sender = core.sender();
        self.tell(TransportEvent::LinkUp(Link {
            peer,
            address,
            transport: "libp2p",
            outbound,
            profile,
            sender,
            receiver,
        }));
    }

    fn swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                self.tell(TransportEvent::Listening {
                    address: address.to_string(),
                });
            }
            SwarmEvent::ListenerClosed {
                listener_id, reason, ..
            } => self.listener_closed(listener_id, reason, now),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let outbound = endpoint.is_dialer();
                let wanted = self.is_wanted(connection_id, peer_id, outbound, now);
                match peer_key(&peer_id) {
                    Some(key) => {
                        let connection = Connection {
                            remote: endpoint.get_remote_address().clone(),
                            outbound,
                            wanted,
                        };
                        self.peers.connected(peer_id, key, connection_id, connection, now);
                    }
                    None => drop(self.swarm.disconnect_peer_id(peer_id)),
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => self.disconnected(peer_id, connection_id, now),
            SwarmEvent::IncomingConnectionError {
                send_back_addr,
                error: ListenError::Transport(error),
                ..
            } => {
                self.handshake_failed(&send_back_addr, &error);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id, error, ..
            } => {
                self.dial_failed(connection_id, &error, now);
            }
            SwarmEvent::Behaviour(event) => self.behaviour_event(event, now),
            _ => {}
        }
    }

    fn disconnected(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) {
        if self.peers.disconnected(&peer, connection) {
            self.dials().gone(&peer, now, &mut rand::rng());
        }
    }

    fn handshake_failed(&mut self, remote: &Multiaddr, error: &(dyn Error + 'static)) {
        if !is_mishap(error) {
            self.refuse(remote, chain(error));
        }
    }

    fn listener_closed(&mut self, listener: ListenerId, reason: io::Result<()>, now: Instant) {
        let Some(address) = self.listeners.remove(&listener) else {
            return;
        };
        let reason = reason.map_or_else(|error| error.to_string(), |()| "it was closed".to_owned());
        self.tell(TransportEvent::ListenFailed {
            address: address.to_string(),
            reason,
        });
        let mut backoff = Backoff::new(self.config.redial_shortest, self.config.redial_longest);
        // A relay that refuses at once must not be asked in a tight loop: the second pause, not the first.
        let _ = backoff.next(&mut rand::rng());
        let due = now + backoff.next(&mut rand::rng());
        self.listen_again.push(ListenAgain {
            address,
            backoff,
            told: true,
            due,
        });
    }

    fn dial_failed(&mut self, connection: ConnectionId, error: &DialError, now: Instant) {
        let failed = self.dials().failed(connection, now, &mut rand::rng());
        let Some((address, pause)) = failed else { return };
        #[cfg(feature = "wan")]
        self.ask_around(&address);
        // That a peer is said to be where this node is proves nothing about the peer.
        let is_bare = address.parse().ok().as_ref().and_then(bare_peer).is_some();
        if matches!(error, DialError::LocalPeerId { .. }) && !is_bare {
            self.leads_back(address);
        } else {
            let event = TransportEvent::DialFailed {
                address,
                reason: chain(error),
                retry_in: Some(pause),
            };
            self.tell(event);
        }
    }

    fn behaviour_event(&mut self, event: BehaviourEvent, now: Instant) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. }) => {
                // In strict mode the library has checked the author's signature.
                if let Some(peer) = message.source.as_ref().and_then(peer_key) {
                    self.tell(TransportEvent::Announcement {
                        peer,
                        bytes: message.data.into(),
                    });
                }
            }
            #[cfg(feature = "wan")]
            BehaviourEvent::Identify(libp2p::identify::Event::Received { peer_id, info, .. }) => {
                if let Some(connection) = self.peers.connection(&peer_id) {
                    let (remote, outbound) = (&connection.remote, connection.outbound);
                    Routing::learn(
                        &mut self.swarm.behaviour_mut().routing,
                        peer_id,
                        &info,
                        remote,
                        outbound,
                    );
                }
            }
            #[cfg(feature = "wan")]
            BehaviourEvent::Routing(event) => {
                let kademlia = &mut self.swarm.behaviour_mut().routing;
                if self.routing.event(kademlia, &event) {
                    self.dials().ask_again(now);
                }
            }
            BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. }) => {
                if let Some(bytes) = self.unheard.take() {
                    self.announce(bytes);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(seen)) => {
                for (peer, address) in seen {
                    let address = if named_peer(&address).is_some() {
                        address
                    } else {
                        address.with_p2p(peer).unwrap_or_else(|a| a)
                    };
                    if self.dials().discovered(address.clone(), now) {
                        self.tell(TransportEvent::Discovered {
                            peer: peer_key(&peer),
                            address: address.to_string(),
                        });
                    }
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Expired(gone)) => {
                for (peer, address) in gone {
                    self.dials().expired(&address);
                    if let Ok(address) = address.with_p2p(peer) {
                        self.dials().expired(&address);
                    }
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, address: &Multiaddr, reason: String) {
        tracing::debug!(%address, reason, "refused");
        if self.swarm.behaviour_mut().gate.strike(address) {
            self.tell(TransportEvent::LinkRefused {
                address: address.to_string(),
                reason,
            });
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Whether a handshake failed because the connection broke: that is nobody's fault.
fn is_mishap(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            )
        {
            return true;
        }
        cause = error.source();
    }
    false
}
