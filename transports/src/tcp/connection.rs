//! From a connected socket to a link.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Shared;
use super::handshake::{Handshake, HandshakeError};
use super::noise::{NoiseOpener, NoiseSealer};
use crate::link::{FRAME_LEN_MAX, Link, LinkProfile, PeerKey, Topology, TransportEvent};
use crate::stream::{LinkCore, LinkEnd, spawn_link};

/// How much the kernel may hold that is not on its way yet, in bytes. What it holds, an urgent frame can no longer overtake.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 256 * 1024;

/// Why a connection did not become a link.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the peer took too long to prove who it is")]
    Slow,
    #[error("the peer hung up during the handshake")]
    HungUp,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("the address leads back to this node")]
    Itself,
    #[error("the peer is refused for {0:?} more")]
    Penalised(std::time::Duration),
    #[error("this node has as many links as it may")]
    TooManyLinks,
    #[error("this node is stopping")]
    Stopping,
}

impl ConnectError {
    /// Whether the other side did what no honest node does.
    pub(super) fn is_nonsense(&self) -> bool {
        matches!(self, Self::Slow | Self::Handshake(_))
    }
}

/// A peer that has proven who it is.
pub(super) struct Proven {
    pub(super) peer: PeerKey,
    socket: TcpStream,
    sealer: NoiseSealer,
    opener: NoiseOpener,
}

/// Shakes hands, within the configured time.
pub(super) async fn prove(
    shared: &Shared,
    socket: TcpStream,
    outbound: bool,
) -> Result<Proven, ConnectError> {
    let proven = timeout(
        shared.config.handshake_timeout,
        shake_hands(shared, socket, outbound),
    );
    let proven = proven.await.map_err(|_| ConnectError::Slow)??;
    if proven.peer == shared.keys.own() {
        return Err(ConnectError::Itself);
    }
    if let Some(left) = shared.penalties().refuses_peer(proven.peer, Instant::now()) {
        return Err(ConnectError::Penalised(left));
    }
    if !outbound && shared.links.len() >= shared.config.links_max {
        return Err(ConnectError::TooManyLinks);
    }
    Ok(proven)
}

async fn shake_hands(shared: &Shared, mut socket: TcpStream, outbound: bool) -> Result<Proven, ConnectError> {
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_MAX)?;
    let mut handshake = Handshake::new(&shared.keys, outbound)?;
    let mut input = Vec::new();
    while !handshake.is_finished() {
        if let Some(message) = handshake.output()? {
            socket.write_all(&message).await?;
            continue;
        }
        // Never more than this message: what follows belongs to the link.
        let mut wanted = (&mut socket).take(handshake.wanted(input.len()) as u64);
        match wanted.read_buf(&mut input).await {
            Ok(0) => return Err(ConnectError::HungUp),
            Ok(_) => {}
            // A peer that refuses this node hangs up with bytes of ours unread, which looks like this.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(ConnectError::HungUp),
            Err(error) => return Err(error.into()),
        }
        let taken = handshake.input(&input)?;
        input.drain(..taken);
    }
    let (peer, sealer, opener) = handshake.finish().ok_or(HandshakeError::Unproven)?;
    Ok(Proven {
        peer,
        socket,
        sealer,
        opener,
    })
}

/// Makes a link of a proven connection and hands it to the owner. The returned receiver resolves when the link is down.
pub(super) async fn bring_up(
    shared: &Arc<Shared>,
    proven: Proven,
    remote: SocketAddr,
    address: String,
    outbound: bool,
) -> Result<oneshot::Receiver<()>, ConnectError> {
    let core = LinkCore::new(proven.peer, shared.config.keep_alive);
    let registered = shared.links.insert(core.clone());
    if shared.tasks().stopped {
        // After it was registered, so that whoever stops the transport sees this link or it sees that.
        return Err(ConnectError::Stopping);
    }
    let (read, write) = proven.socket.into_split();
    let (receiver, task) = spawn_link(&core, read, write, proven.sealer, proven.opener);
    let (down, is_down) = oneshot::channel();
    tokio::spawn({
        let shared = shared.clone();
        async move {
            let end = task.await.unwrap_or(LinkEnd::Down);
            drop(registered);
            if let LinkEnd::Garbage(what) = end {
                shared.refuse(remote, what).await;
            }
            let _ = down.send(());
        }
    });
    let profile = LinkProfile {
        mtu: FRAME_LEN_MAX,
        bit_rate_bps: None,
        topology: Topology::PointToPoint,
        loss: 0.0,
        metered: shared.config.metered,
    };
    let link = Link {
        peer: proven.peer,
        address,
        transport: "tcp",
        outbound,
        profile,
        sender: core.sender(),
        receiver,
    };
    // If nobody takes the event, the link is dropped with it, and so closed.
    shared.tell(TransportEvent::LinkUp(link)).await;
    Ok(is_down)
}
