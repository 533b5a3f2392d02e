//! How Cairn's frames travel, and nothing of what they mean.
//!
//! ```text
//! tcp ──────► stream ──► framing, pipe      A transport finds peers and proves who they are; a stream turns its bytes
//! libp2p ───┘   └──────► outbox, inbox      into frames and back; outbox and inbox are the ends that the owner holds.
//!                             └──► link     the contract between all of them and the rest of the node
//! lora                                       radio: one modem, many neighbours, little airtime
//! ```
//! Start with [`Link`] for what a transport yields and [`Transport`] for what it can be told; then `TcpTransport` and `Libp2pTransport`.
//! Which of them are built is chosen by the features:
//! - `tcp` (on by default): framed TCP under Noise.
//! - `libp2p` (on by default): libp2p over TCP, with mDNS and gossip.
//! - `quic`: libp2p over QUIC as well.
//! - `wan`: libp2p across the internet: relays, hole punching, names, and a Kademlia network in which a peer is found by its key alone.

// Without TCP, a few parts that libp2p has no use for are left over; gating each of them would hide the code in attributes.
#![cfg_attr(not(feature = "tcp"), allow(dead_code))]

mod backoff;
mod closing;
pub mod framing;
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod inbox;
#[cfg(feature = "libp2p")]
mod libp2p;
mod link;
pub mod lora;
mod outbox;
mod penalty;
mod pipe;
mod registry;
mod round_trip;
mod stream;
#[cfg(feature = "tcp")]
mod tcp;

#[cfg(feature = "libp2p")]
pub use crate::libp2p::{ANNOUNCEMENT_LEN_MAX, Libp2pConfig, Libp2pTransport, StartError};
pub use identity::Identity;
pub use inbox::{FrameReceiver, INBOX_BYTES_MAX};
pub use link::{
    AddressError, BoxFuture, FRAME_LEN_MAX, Lane, Link, LinkProfile, PeerKey, Topology, Transport,
    TransportEvent,
};
pub use outbox::{FrameSender, LANE_BYTES_MAX, SendError};
pub use stream::KeepAlive;
#[cfg(feature = "tcp")]
pub use tcp::{
    TcpConfig, TcpTransport,
    handshake::{Handshake, HandshakeError, HandshakeKeys},
};
