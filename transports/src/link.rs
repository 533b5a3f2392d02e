//! The one contract between what carries frames and what understands them.
//!
//! A transport yields [`Link`]s. Whoever takes a link learns whose device is at the other end, what the way there is like
//! ([`LinkProfile`]), and gets two halves that move opaque frames. Nothing here knows what a frame means.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::inbox::FrameReceiver;
use crate::outbox::FrameSender;

/// The longest frame that any link carries, in bytes.
///
/// One sealed chunk with its envelope fits: chunks are cut at 1 MiB at most. Both ends hold a whole frame in memory, a few of them per
/// link, and the smallest machine in mind has 512 MiB; and a frame cannot be pre-empted, so its length is also the longest that an urgent
/// frame waits for a bulk one (1.3 s at 12 Mbit/s).
pub const FRAME_LEN_MAX: usize = 2 * 1024 * 1024;

/// The Ed25519 public key of the device at the other end of a link.
///
/// On a [`Link`] it is proven: the peer showed in the handshake that it holds the secret half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

/// Who hears what is sent on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One peer, and only that one.
    PointToPoint,
    /// Every neighbour in range.
    Broadcast,
}

/// What a link is like: the protocol adapts to this and never to a transport's name.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkProfile {
    /// The longest frame that the link takes, in bytes.
    pub mtu: usize,
    /// The bit rate in bits per second, if it is known before anything was sent.
    pub bit_rate_bps: Option<u64>,
    /// Who hears what is sent.
    pub topology: Topology,
    /// The share of frames that is lost, 0.0 to 1.0. Zero for a transport that repairs losses itself.
    pub loss: f32,
    /// Whether somebody pays by the byte.
    pub metered: bool,
}

/// The priority of a frame on its link: a frame of a lower number goes first, always.
///
/// Lanes are strict: as long as there is a control frame, nothing else starts. A frame that has begun is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Acknowledgements, summaries, announcements.
    Control = 0,
    /// Signed changes.
    Entries = 1,
    /// Payloads of a few KiB.
    Small = 2,
    /// Chunks.
    Bulk = 3,
}

impl Lane {
    /// Every lane, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Control, Self::Entries, Self::Small, Self::Bulk];
}

/// A way to one peer that is up, with the peer's identity proven.
///
/// Dropping the receiver closes the link. Two links to the same peer may be up at once, for instance when both sides dialled: which one
/// to keep is for the owner of the links to decide.
#[derive(Debug)]
pub struct Link {
    /// Whose device is at the other end.
    pub peer: PeerKey,
    /// Where the other end is, in the form that [`Transport::dial`] takes. On an outbound link it is the dialled address; on an inbound one
    /// it has the peer's ephemeral port, and dialling it is of no use.
    pub address: String,
    /// The transport's name: `"tcp"` or `"libp2p"`. For people, not for decisions.
    pub transport: &'static str,
    /// Whether this side dialled.
    pub outbound: bool,
    /// What the link is like.
    pub profile: LinkProfile,
    /// Takes frames for the peer.
    pub sender: FrameSender,
    /// Gives the peer's frames.
    pub receiver: FrameReceiver,
}

/// What a transport tells its owner.
///
/// The channel is bounded: a transport that cannot deliver an event waits, and accepts no further link meanwhile.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportEvent {
    /// A link is up.
    LinkUp(Link),
    /// The transport listens on this address; with port 0 configured, this has the real port.
    Listening {
        /// In the form that [`Transport::dial`] takes.
        address: String,
    },
    /// The transport cannot listen on an address. It keeps trying, and says [`TransportEvent::Listening`] when it succeeds.
    ListenFailed {
        /// The configured address.
        address: String,
        /// Why, for people.
        reason: String,
    },
    /// Somebody was seen nearby. The transport that discovers also dials.
    Discovered {
        /// Who claims to be there; not proven.
        peer: Option<PeerKey>,
        /// In the form that [`Transport::dial`] takes.
        address: String,
    },
    /// A dialled address did not lead to a link.
    DialFailed {
        /// As given to [`Transport::dial`].
        address: String,
        /// Why, for people.
        reason: String,
        /// When it is tried again; `None`: it is forgotten.
        retry_in: Option<Duration>,
    },
    /// Somebody spoke nonsense: a bad handshake, or garbage on a link that was up. Told once per remote host, until it behaved for a while.
    LinkRefused {
        /// Where it came from.
        address: String,
        /// What was wrong, for people.
        reason: String,
    },
    /// An announcement came by gossip; `peer` signed it, whoever forwarded it.
    Announcement {
        /// The author, verified.
        peer: PeerKey,
        /// What it announces.
        bytes: Bytes,
    },
}

/// Why an address cannot be dialled: it is not one of this transport's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The address belongs to another transport.
    #[error("{address} is not an address of the {transport} transport; give {expected}")]
    WrongScheme {
        /// As given.
        address: String,
        /// The transport asked.
        transport: &'static str,
        /// The form it takes.
        expected: &'static str,
    },
    /// The address has the right beginning, but the rest cannot be read.
    #[error("cannot read the address {address}: {reason}")]
    Malformed {
        /// As given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address names a peer alone, and this program cannot look up where a peer is.
    #[error(
        "cannot find {address}: this program was built without the feature wan, which looks up where a peer is; put an address such as /ip4/192.0.2.1/tcp/4040 before it, or build with cargo build --features wan"
    )]
    NeedsWan {
        /// As given.
        address: String,
    },
    /// The transport keeps as many addresses as it may.
    #[error("cannot keep {address}: {len_max} addresses are kept already; forget some first")]
    TooMany {
        /// As given.
        address: String,
        /// The bound.
        len_max: usize,
    },
}

/// A future on the heap, as [`Transport::shutdown`] returns it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// What carries links. All methods return at once and may be called from any thread.
pub trait Transport: Send + Sync {
    /// Keeps `address` and connects to it, again and again with growing pauses, until [`Transport::forget`].
    ///
    /// While some link to the peer behind the address is up, it is not dialled again. Dialling a kept address again does nothing.
    fn dial(&self, address: &str) -> Result<(), AddressError>;

    /// Stops dialling `address`. A link that is up stays up.
    fn forget(&self, address: &str);

    /// Spreads `bytes` by gossip where the transport has it; otherwise nothing happens.
    fn announce(&self, bytes: Bytes);

    /// Closes the links to `peer` and refuses it for `duration`.
    fn penalise(&self, peer: PeerKey, duration: Duration);

    /// Stops listening and dialling, closes all links, and waits for that, a few seconds at most.
    fn shutdown(&self) -> BoxFuture<()>;
}
