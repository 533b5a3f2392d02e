//! Links over libp2p: TCP under noise and yamux, QUIC, relays; mDNS finds neighbours, gossip spreads announcements, and a Kademlia network
//! of all nodes that are built with the feature `wan` tells where a peer is that is known by its key alone.
//!
//! ```text
//! Libp2pTransport ──► swarm_loop ──► behaviour, gate    the one task that owns the swarm; what it speaks, whom it refuses
//!                         ├────────► dials, peers       which addresses are due; which peers have their link
//!                         └────────► routing            where a peer is whose address nobody gave (`wan`)
//! ```
//! Frames travel on one stream per peer, of the protocol `/cairn/frames/1`, in the records of [`crate::framing`]. Of the two devices the one
//! with the lower key opens it: so there is one, however many connections there are between the two.

mod behaviour;
mod dials;
mod gate;
mod key;
mod peers;
#[cfg(feature = "wan")]
mod routing;
mod swarm_loop;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use behaviour::{ANNOUNCEMENT_LEN_MAX, StartError};

use crate::identity::Identity;
use crate::link::{AddressError, BoxFuture, PeerKey, Transport, TransportEvent};
use crate::stream::KeepAlive;
use dials::Dials;
use swarm_loop::{Command, SwarmLoop};

/// How many commands may wait. They come from the node itself, one at a time; a full queue means that the loop hangs.
const COMMANDS_MAX: usize = 256;

/// How the libp2p transport behaves. The default listens nowhere, but looks for neighbours by mDNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Libp2pConfig {
    /// Where to listen, as multiaddrs; port 0 lets the system choose.
    pub listen: Vec<String>,
    /// Where others reach this node from outside, if it is known: a relay must know it.
    pub external: Vec<String>,
    /// Whether to look for neighbours on the LAN, and be found.
    pub mdns: bool,
    /// Relays through which to be reachable, each as a multiaddr that ends in `/p2p/<peer id>`. Needs the feature `wan`.
    pub relays: Vec<String>,
    /// Whether to relay for others. Needs the feature `wan`.
    pub relay_for_others: bool,
    /// How a dead peer is noticed.
    pub keep_alive: KeepAlive,
    /// How many connections may be up at once.
    pub connections_max: u32,
    /// The first pause before an address is dialled again.
    pub redial_shortest: Duration,
    /// The longest one.
    pub redial_longest: Duration,
    /// What links say about cost: [`crate::LinkProfile::metered`].
    pub metered: bool,
}

impl Default for Libp2pConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            external: Vec::new(),
            mdns: true,
            relays: Vec::new(),
            relay_for_others: false,
            keep_alive: KeepAlive::default(),
            connections_max: 512,
            redial_shortest: Duration::from_millis(250),
            redial_longest: Duration::from_secs(60),
            metered: false,
        }
    }
}

/// Links over libp2p, at multiaddrs such as `/ip4/192.0.2.1/tcp/4040`. Dropping it stops it and closes its links.
///
/// With the feature `wan` an address may name a peer alone, `/p2p/<peer id>`: then the transport looks up where that peer is. A relay
/// carries links of nodes that cannot dial each other, and is used as an address such as
/// `/ip4/192.0.2.1/tcp/4040/p2p/<relay>/p2p-circuit/p2p/<peer id>`; hole punching then tries for a direct connection.
#[derive(Debug)]
pub struct Libp2pTransport {
    dials: Arc<Mutex<Dials>>,
    commands: mpsc::Sender<Command>,
}

impl Libp2pTransport {
    /// Starts to listen and to look around. Must be called within a tokio runtime with time and I/O.
    ///
    /// Fails when an address in `config` cannot be read or libp2p refuses to start. An address that cannot be had is no failure: it is
    /// reported as [`TransportEvent::ListenFailed`] and tried again.
    pub fn start(
        config: Libp2pConfig,
        identity: Identity,
        events: mpsc::Sender<TransportEvent>,
    ) -> Result<Self, StartError> {
        let keypair = key::keypair(&identity).ok_or(StartError::Key)?;
        let mut swarm = behaviour::swarm(&keypair, &config)?;
        for address in &config.external {
            swarm.add_external_address(parse(address)?);
        }
        let mut listen = config
            .listen
            .iter()
            .map(|address| parse(address))
            .collect::<Result<Vec<_>, _>>()?;
        for relay in &config.relays {
            listen.push(parse(relay)?.with(Protocol::P2pCircuit));
        }
        let dials = Arc::new(Mutex::new(Dials::new(
            config.redial_shortest,
            config.redial_longest,
        )));
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let swarm_loop = SwarmLoop::new(swarm, identity.peer_key(), config, dials.clone(), events)?;
        tokio::spawn(swarm_loop.run(listen, receiver));
        Ok(Self { dials, commands })
    }

    /// Returns the multiaddr part that names `peer`, `/p2p/…`, to be put behind an address; `None` if it is no Ed25519 key.
    #[must_use]
    pub fn peer_suffix(peer: PeerKey) -> Option<String> {
        key::peer_id(peer).map(|id| format!("/p2p/{id}"))
    }

    fn command(&self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            tracing::warn!(%error, "libp2p takes no commands");
        }
    }
}

fn parse(address: &str) -> Result<Multiaddr, AddressError> {
    if !address.starts_with('/') {
        let expected = "a multiaddr like /ip4/192.0.2.1/tcp/4040";
        return Err(AddressError::WrongScheme {
            address: address.into(),
            transport: "libp2p",
            expected,
        });
    }
    address
        .parse()
        .map_err(|error: libp2p::multiaddr::Error| AddressError::Malformed {
            address: address.into(),
            reason: error.to_string(),
        })
}

impl Transport for Libp2pTransport {
    fn dial(&self, address: &str) -> Result<(), AddressError> {
        let address = parse(address)?;
        if cfg!(not(feature = "wan")) && dials::bare_peer(&address).is_some() {
            let address = address.to_string();
            return Err(AddressError::NeedsWan { address });
        }
        self.dials
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keep(address, Instant::now())?;
        self.command(Command::DialsChanged);
        Ok(())
    }

    fn forget(&self, address: &str) {
        if let Ok(address) = parse(address) {
            self.dials
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .forget(&address.to_string());
        }
    }

    fn announce(&self, bytes: Bytes) {
        if bytes.len() > ANNOUNCEMENT_LEN_MAX {
            tracing::warn!(len = bytes.len(), "an announcement is too long to be spread");
            return;
        }
        self.command(Command::Announce(bytes));
    }

    fn penalise(&self, peer: PeerKey, duration: Duration) {
        self.command(Command::Penalise(peer, duration));
    }

    fn shutdown(&self) -> BoxFuture<()> {
        let commands = self.commands.clone();
        Box::pin(async move {
            let (done, is_done) = oneshot::channel();
            // An error means that the loop has ended: there is nothing to wait for.
            if commands.send(Command::Shutdown(done)).await.is_ok() {
                let _ = is_done.await;
            }
        })
    }
}
