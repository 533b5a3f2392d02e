//! Which of libp2p's protocols a node speaks, and how much each of them may cost.

use std::io;
use std::time::Duration;

use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Swarm, SwarmBuilder, identify, mdns, noise, ping, tcp, yamux};

use super::Libp2pConfig;
use super::gate::Gate;

/// The longest announcement that is spread, in bytes.
pub const ANNOUNCEMENT_LEN_MAX: usize = 8 * 1024;
/// The topic of announcements. Its number grows when their form changes.
const TOPIC: &str = "/cairn/announce/1";
/// What an announcement may weigh with its signature and topic, in bytes.
const MESSAGE_LEN_MAX: usize = ANNOUNCEMENT_LEN_MAX + 1024;

/// How many connections may be in their handshake at once, each way.
const PENDING_MAX: u32 = 32;
/// Both sides may dial, and a relayed connection may stand beside a direct one.
const PER_PEER_MAX: u32 = 4;
/// Connections that nobody uses are closed after this long.
const IDLE: Duration = Duration::from_secs(15);
/// Streams at once on one connection: the frames, gossip both ways, and a few short ones.
const STREAMS_MAX: usize = 32;
/// mDNS repeats its question this often, because the first packet may be lost.
const MDNS_EVERY: Duration = Duration::from_secs(60);
/// A connection without a frame link is asked this often whether it is alive.
const PING_EVERY: Duration = Duration::from_secs(30);

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    // The refusing ones first: what they refuse costs the others nothing.
    pub(super) gate: Gate,
    pub(super) blocked: allow_block_list::Behaviour<BlockedPeers>,
    limits: connection_limits::Behaviour,
    pub(super) streams: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
    #[cfg(feature = "wan")]
    pub(super) routing: libp2p::kad::Behaviour<libp2p::kad::store::MemoryStore>,
    ping: ping::Behaviour,
    pub(super) gossip: gossipsub::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
    #[cfg(feature = "wan")]
    relay_client: libp2p::relay::client::Behaviour,
    #[cfg(feature = "wan")]
    relay: Toggle<libp2p::relay::Behaviour>,
    #[cfg(feature = "wan")]
    hole_punching: libp2p::dcutr::Behaviour,
    #[cfg(feature = "wan")]
    reachability: libp2p::autonat::Behaviour,
}

/// Why the transport cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The device's key is not one that libp2p takes.
    #[error("the device's key cannot be used with libp2p")]
    Key,
    /// An address in the configuration cannot be read.
    #[error(transparent)]
    Address(#[from] crate::link::AddressError),
    /// Noise, mDNS or the system's name resolution refused to start.
    #[error("cannot start libp2p: {0}")]
    Failed(String),
}

pub(super) fn topic() -> IdentTopic {
    IdentTopic::new(TOPIC)
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    config
}

/// Builds a swarm that speaks all of this and listens nowhere yet.
pub(super) fn swarm(keypair: &Keypair, config: &Libp2pConfig) -> Result<Swarm<Behaviour>, StartError> {
    let failed = |error: &dyn std::fmt::Display| StartError::Failed(error.to_string());
    let builder = SwarmBuilder::with_existing_identity(keypair.clone()).with_tokio();
    let builder = builder.with_tcp(
        tcp::Config::default().nodelay(true),
        noise::Config::new,
        multiplexer,
    );
    let builder = builder.map_err(|error| failed(&error))?;
    #[cfg(feature = "quic")]
    let builder = builder.with_quic();
    #[cfg(feature = "wan")]
    let builder = builder.with_dns().map_err(|error| failed(&error))?;
    #[cfg(feature = "wan")]
    let builder = builder
        .with_relay_client(noise::Config::new, multiplexer)
        .map_err(|error| failed(&error))?
        .with_behaviour(|_, relay_client| Ok(behaviour(keypair, config, relay_client)?));
    #[cfg(not(feature = "wan"))]
    let builder = builder.with_behaviour(|_| Ok(behaviour(keypair, config)?));
    let builder = builder.map_err(|error| failed(&error))?;
    Ok(builder
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(IDLE))
        .build())
}

fn behaviour(
    keypair: &Keypair,
    config: &Libp2pConfig,
    #[cfg(feature = "wan")] relay_client: libp2p::relay::client::Behaviour,
) -> io::Result<Behaviour> {
    let own = keypair.public().to_peer_id();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX))
        .with_max_established_per_peer(Some(PER_PEER_MAX))
        .with_max_established(Some(config.connections_max));
    let about = identify::Config::new("/cairn/1".into(), keypair.public())
        .with_agent_version(concat!("cairn/", env!("CARGO_PKG_VERSION")).into())
        // Who moved says so at once: what others know of it is what third ones find.
        .with_push_listen_addr_updates(cfg!(feature = "wan"));
    let mdns = match config.mdns {
        true => {
            let config = mdns::Config {
                query_interval: MDNS_EVERY,
                ..mdns::Config::default()
            };
            Some(mdns::tokio::Behaviour::new(config, own)?)
        }
        false => None,
    };
    Ok(Behaviour {
        gate: Gate::default(),
        blocked: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits),
        streams: libp2p_stream::Behaviour::new(),
        identify: identify::Behaviour::new(about),
        #[cfg(feature = "wan")]
        routing: super::routing::behaviour(own),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY)),
        gossip: gossip(keypair)?,
        mdns: mdns.into(),
        #[cfg(feature = "wan")]
        relay_client,
        #[cfg(feature = "wan")]
        relay: config
            .relay_for_others
            .then(|| libp2p::relay::Behaviour::new(own, relay_limits()))
            .into(),
        #[cfg(feature = "wan")]
        hole_punching: libp2p::dcutr::Behaviour::new(own),
        #[cfg(feature = "wan")]
        reachability: libp2p::autonat::Behaviour::new(own, libp2p::autonat::Config::default()),
    })
}

fn gossip(keypair: &Keypair) -> io::Result<gossipsub::Behaviour> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        .max_transmit_size(MESSAGE_LEN_MAX)
        .build()
        .map_err(io::Error::other)?;
    let authenticity = MessageAuthenticity::Signed(keypair.clone());
    let mut gossip = gossipsub::Behaviour::new(authenticity, config).map_err(io::Error::other)?;
    gossip.subscribe(&topic()).map_err(io::Error::other)?;
    Ok(gossip)
}

/// A relay carries whole files between nodes that cannot meet otherwise, so more than the library's 128 KiB; but not without end.
#[cfg(feature = "wan")]
fn relay_limits() -> libp2p::relay::Config {
    libp2p::relay::Config {
        max_circuits: 32,
        max_circuits_per_peer: 4,
        max_circuit_duration: Duration::from_secs(3600),
        max_circuit_bytes: 1 << 30,
        ..libp2p::relay::Config::default()
    }
}
