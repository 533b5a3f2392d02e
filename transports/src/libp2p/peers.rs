//! Which peers are connected, and whether each has its frame link. No I/O; time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use rand::Rng;
use tokio::time::Instant;

use crate::backoff::{Backoff, GOOD_LINK};
use crate::link::PeerKey;
use crate::stream::LinkCore;

/// A link that the peer ended so soon was one that it did not want.
const UNWANTED: Duration = Duration::from_secs(1);

/// The peers that are connected.
#[derive(Debug)]
pub(super) struct Peers {
    own: PeerKey,
    connected: BTreeMap<PeerId, Peer>,
    shortest: Duration,
    longest: Duration,
}

#[derive(Debug)]
struct Peer {
    key: PeerKey,
    connections: BTreeMap<ConnectionId, Connection>,
    frames: Frames,
    backoff: Backoff,
}

/// One connection to a peer.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) remote: Multiaddr,
    pub(super) outbound: bool,
    /// False: this side made it to ask a question, and wants no link.
    pub(super) wanted: bool,
}

#[derive(Debug)]
enum Frames {
    /// This side connected to ask a question. Whoever asks all over the world must not end up with links to strangers.
    Unwanted,
    /// This side opens the stream, at that time.
    Due(Instant),
    Opening,
    /// The peer opens the stream.
    Awaited,
    Up {
        number: u64,
        since: Instant,
        core: LinkCore,
    },
}

impl Peers {
    pub(super) fn new(own: PeerKey, shortest: Duration, longest: Duration) -> Self {
        Self {
            own,
            connected: BTreeMap::new(),
            shortest,
            longest,
        }
    }

    pub(super) fn connected(
        &mut self,
        id: PeerId,
        key: PeerKey,
        number: ConnectionId,
        connection: Connection,
        now: Instant,
    ) {
        let (shortest, longest) = (self.shortest, self.longest);
        let new = || Peer {
            key,
            connections: BTreeMap::new(),
            frames: Frames::Unwanted,
            backoff: Backoff::new(shortest, longest),
        };
        let opens = self.own < key;
        let peer = self.connected.entry(id).or_insert_with(new);
        if connection.wanted {
            match peer.frames {
                // A peer that did not want a link before has connected anew: now it may.
                Frames::Unwanted | Frames::Due(_) if opens => peer.frames = Frames::Due(now),
                Frames::Unwanted => peer.frames = Frames::Awaited,
                _ => {}
            }
        }
        peer.connections.insert(number, connection);
    }

    /// Returns whether that was the last connection to the peer.
    pub(super) fn disconnected(&mut self, id: &PeerId, number: ConnectionId) -> bool {
        let Some(peer) = self.connected.get_mut(id) else {
            return false;
        };
        peer.connections.remove(&number);
        let last = peer.connections.is_empty();
        if last
            && let Some(Peer {
                frames: Frames::Up { core, .. },
                ..
            }) = self.connected.remove(id)
        {
            // The stream says so too, but later.
            core.closing.break_off("the connection was lost");
        }
        last
    }

    /// Whether there is no need to dial a peer: it has its link, or is about to.
    pub(super) fn is_reached(&self, id: &PeerId) -> bool {
        self.connected.get(id).is_some_and(|peer| match peer.frames {
            Frames::Up { .. } => true,
            Frames::Unwanted => false,
            // A peer may have connected just to ask a question, and then no link comes of it. Only nodes with the feature do.
            _ => {
                cfg!(not(feature = "wan")) || peer.connections.values().any(|connection| connection.outbound)
            }
        })
    }

    /// Whether any connection to a peer is up.
    #[cfg(feature = "wan")]
    pub(super) fn is_connected(&self, id: &PeerId) -> bool {
        self.connected.contains_key(id)
    }

    pub(super) fn key(&self, id: &PeerId) -> Option<PeerKey> {
        self.connected.get(id).map(|peer| peer.key)
    }

    /// Returns the connection by which to describe the link to a peer: one that this side made, if there is one.
    pub(super) fn connection(&self, id: &PeerId) -> Option<&Connection> {
        let connections = &self.connected.get(id)?.connections;
        connections
            .values()
            .find(|connection| connection.outbound)
            .or_else(|| connections.values().next())
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |peer: &Peer| {
            if let Frames::Due(due) = peer.frames {
                Some(due)
            } else {
                None
            }
        };
        self.connected.values().filter_map(due).min()
    }

    /// Returns a peer to which the stream is to be opened now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<PeerId> {
        let is_due = |peer: &Peer| matches!(peer.frames, Frames::Due(due) if due <= now);
        let (id, peer) = self.connected.iter_mut().find(|(_, peer)| is_due(peer))?;
        peer.frames = Frames::Opening;
        Some(*id)
    }

    /// The stream could not be opened.
    pub(super) fn not_opened(&mut self, id: &PeerId, now: Instant, rng: &mut impl Rng) {
        if let Some(peer) = self.connected.get_mut(id)
            && matches!(peer.frames, Frames::Opening)
        {
            peer.frames = Frames::Due(now + peer.backoff.next(rng));
        }
    }

    /// Whether a stream that this side opened, or that the peer opened, is to become the link.
    ///
    /// A peer whose turn it is may open a second one: then it has lost the first, and this side has not noticed yet.
    pub(super) fn accepts(&self, id: &PeerId, outbound: bool) -> bool {
        self.connected.get(id).is_some_and(|peer| match peer.frames {
            Frames::Opening => outbound,
            Frames::Awaited => !outbound,
            Frames::Up { .. } => !outbound && peer.key < self.own,
            Frames::Due(_) | Frames::Unwanted => false,
        })
    }

    /// The link is up; the one before it, if any, is closed.
    pub(super) fn up(&mut self, id: &PeerId, number: u64, core: LinkCore, now: Instant) {
        if let Some(peer) = self.connected.get_mut(id) {
            let before = std::mem::replace(
                &mut peer.frames,
                Frames::Up {
                    number,
                    since: now,
                    core,
                },
            );
            if let Frames::Up { core, .. } = before {
                core.closing.break_off("the peer opened another link");
            }
        }
    }

    /// The link is down. The connection may still be up: then a new one is due, after a pause.
    pub(super) fn down(&mut self, id: &PeerId, ended: u64, now: Instant, rng: &mut impl Rng) {
        let Some(peer) = self.connected.get_mut(id) else {
            return;
        };
        if let Frames::Up { number, since, .. } = peer.frames
            && number == ended
        {
            let lived = now.duration_since(since);
            if lived >= GOOD_LINK {
                peer.backoff.reset();
            }
            let asked_here = peer.connections.values().any(|connection| connection.outbound);
            peer.frames = if self.own > peer.key {
                Frames::Awaited
            } else if lived < UNWANTED && !asked_here {
                // The peer connected to ask a question. It connects anew if it wants a link; until then, not every second.
                Frames::Due(now + self.longest)
            } else {
                Frames::Due(now + peer.backoff.next(rng))
            };
        }
    }
}
