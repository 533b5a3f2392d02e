//! Nodes on loopback, and waiting for things with a deadline.

use std::future::Future;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use cairn_transports::{
    Identity, KeepAlive, Link, PeerKey, TcpConfig, TcpTransport, Transport, TransportEvent,
};
#[cfg(feature = "libp2p")]
use cairn_transports::{Libp2pConfig, Libp2pTransport};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything here takes on a loaded machine; what passes does not wait for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Tcp,
    #[cfg(feature = "libp2p")]
    Libp2p,
    #[cfg(feature = "quic")]
    Quic,
}

impl Kind {
    pub(crate) fn is_datagrams(self) -> bool {
        #[cfg(feature = "quic")]
        return self == Self::Quic;
        #[cfg(not(feature = "quic"))]
        false
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Whether the machine has `::1`; says so when it has not, since the test then shows nothing.
pub(crate) fn available(family: Family) -> bool {
    let available = family == Family::V4 || TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !available {
        eprintln!("SKIPPED: this machine has no IPv6 loopback address.");
    }
    available
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// What a test wants to be other than usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) keep_alive: KeepAlive,
}

pub(crate) struct Node {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) events: mpsc::Receiver<TransportEvent>,
    pub(crate) key: PeerKey,
}

impl Node {
    /// Starts a node that listens at `listen`, an address as the transport tells it.
    pub(crate) fn start(kind: Kind, seed: u8, listen: &[String], options: Options) -> Self {
        let identity = Identity::new([seed; 32]);
        let key = identity.peer_key();
        let (sender, events) = mpsc::channel(16);
        let transport: Arc<dyn Transport> = match kind {
            Kind::Tcp => {
                let listen = listen.iter().map(|address| socket_address(address)).collect();
                let config = TcpConfig {
                    listen,
                    keep_alive: options.keep_alive,
                    ..TcpConfig::default()
                };
                Arc::new(TcpTransport::start(config, identity, sender))
            }
            #[cfg(feature = "libp2p")]
            _ => {
                let (listen, keep_alive) = (listen.to_vec(), options.keep_alive);
                let config = Libp2pConfig {
                    listen,
                    keep_alive,
                    mdns: false,
                    ..Libp2pConfig::default()
                };
                Arc::new(Libp2pTransport::start(config, identity, sender).expect("libp2p starts"))
            }
        };
        Self {
            transport,
            events,
            key,
        }
    }

    #[cfg(feature = "wan")]
    pub(crate) fn start_libp2p(config: Libp2pConfig, seed: u8) -> Self {
        let identity = Identity::new([seed; 32]);
        let key = identity.peer_key();
        let (sender, events) = mpsc::channel(16);
        let transport = Arc::new(Libp2pTransport::start(config, identity, sender).expect("libp2p starts"));
        Self {
            transport,
            events,
            key,
        }
    }

    /// Starts a node on a free port and returns it with its address.
    pub(crate) async fn listening(kind: Kind, family: Family, seed: u8) -> (Self, String) {
        Self::listening_with(kind, family, seed, Options::default()).await
    }

    pub(crate) async fn listening_with(
        kind: Kind,
        family: Family,
        seed: u8,
        options: Options,
    ) -> (Self, String) {
        let mut node = Self::start(kind, seed, &[free_port(kind, family)], options);
        let address = node.listening_address().await;
        (node, address)
    }

    /// Waits for the first event that `pick` takes, and forgets the others.
    pub(crate) async fn event<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(TransportEvent) -> Option<T>,
    ) -> T {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("the transport is up");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        within(what, wait).await
    }

    pub(crate) async fn listening_address(&mut self) -> String {
        let pick = |event| match event {
            TransportEvent::Listening { address } => Some(address),
            TransportEvent::ListenFailed { address, reason } => {
                panic!("cannot listen on {address}: {reason}")
            }
            _ => None,
        };
        self.event("a listening address", pick).await
    }

    pub(crate) async fn link(&mut self) -> Link {
        let pick = |event| {
            if let TransportEvent::LinkUp(link) = event {
                Some(link)
            } else {
                None
            }
        };
        self.event("a link", pick).await
    }
}

/// An address that means a port of the system's choice.
fn free_port(kind: Kind, family: Family) -> String {
    match (kind, family) {
        (Kind::Tcp, Family::V4) => "tcp://127.0.0.1:0".into(),
        (Kind::Tcp, Family::V6) => "tcp://[::1]:0".into(),
        #[cfg(feature = "libp2p")]
        (Kind::Libp2p, Family::V4) => "/ip4/127.0.0.1/tcp/0".into(),
        #[cfg(feature = "libp2p")]
        (Kind::Libp2p, Family::V6) => "/ip6/::1/tcp/0".into(),
        #[cfg(feature = "quic")]
        (Kind::Quic, Family::V4) => "/ip4/127.0.0.1/udp/0/quic-v1".into(),
        #[cfg(feature = "quic")]
        (Kind::Quic, Family::V6) => "/ip6/::1/udp/0/quic-v1".into(),
    }
}

/// The socket address in `tcp://HOST:PORT` or in a multiaddr over TCP.
pub(crate) fn socket_address(address: &str) -> SocketAddr {
    if let Some(address) = address.strip_prefix("tcp://") {
        return address.parse().unwrap();
    }
    let parts: Vec<&str> = address.split('/').collect();
    SocketAddr::new(parts[2].parse().unwrap(), parts[4].parse().unwrap())
}

/// Two nodes with a link between them. The nodes come along: dropping one closes its links.
pub(crate) struct Pair {
    pub(crate) dialler: Node,
    pub(crate) listener: Node,
    pub(crate) address: String,
    /// The dialler's end.
    pub(crate) out: Link,
    /// The listener's end.
    pub(crate) into: Link,
}

pub(crate) async fn pair(kind: Kind, family: Family, options: Options) -> Pair {
    let (mut listener, address) = Node::listening_with(kind, family, 1, options).await;
    let mut dialler = Node::start(kind, 2, &[], options);
    dialler.transport.dial(&address).unwrap();
    let (out, into) = tokio::join!(dialler.link(), listener.link());
    Pair {
        dialler,
        listener,
        address,
        out,
        into,
    }
}
