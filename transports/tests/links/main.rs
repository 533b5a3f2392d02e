//! One suite over every transport: what a link promises, it promises everywhere.
//!
//! All on loopback, on ports that the system chooses, without mDNS.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod harness;
#[cfg(feature = "libp2p")]
mod libp2p_only;
#[cfg(feature = "tcp")]
mod tcp_only;
#[cfg(feature = "wan")]
mod wan_only;
