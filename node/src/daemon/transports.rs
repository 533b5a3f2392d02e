//! Which transport takes which address.

use std::net::SocketAddr;
use std::sync::Arc;

#[cfg(feature = "wan")]
use cairn_transports::PeerKey;
use cairn_transports::{AddressError, Identity, TcpConfig, TcpTransport, Transport, TransportEvent};
#[cfg(feature = "libp2p")]
use cairn_transports::{Libp2pConfig, Libp2pTransport};
use tokio::sync::mpsc;

use super::run::Settings;
use crate::model::NodeId;

/// Why the transports cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportsError {
    /// An address to listen on that is of no known form.
    #[error("cannot listen on {0}: give tcp://ADDRESS:PORT, or a multiaddr such as /ip4/0.0.0.0/tcp/0")]
    BadAddress(String),
    /// A transport that failed.
    #[error("cannot start the {transport} transport: {reason}")]
    Start {
        /// Its name.
        transport: &'static str,
        /// Why.
        reason: String,
    },
    /// A multiaddr, and this program was built without libp2p.
    #[error("{0} needs libp2p, which this program was built without: use tcp://ADDRESS:PORT")]
    NoLibp2p(String),
    /// Relays, and this program was built without them.
    #[error("{0} needs a program that was built with the feature wan: cargo build --release --features wan")]
    NeedsWan(&'static str),
}

/// Starts the transports that the settings, and the addresses that will be dialled, ask for.
pub(super) fn start(
    settings: &Settings,
    dialled: &[String],
    identity: impl Fn() -> Identity,
    events: mpsc::Sender<TransportEvent>,
) -> Result<Vec<Arc<dyn Transport>>, TransportsError> {
    let mut tcp = Vec::new();
    let mut multiaddrs = Vec::new();
    for address in &settings.listen {
        match address.strip_prefix("tcp://") {
            Some(socket) => tcp.push(
                socket
                    .parse::<SocketAddr>()
                    .map_err(|_| TransportsError::BadAddress(address.clone()))?,
            ),
            None if address.starts_with('/') => multiaddrs.push(address.clone()),
            None => return Err(TransportsError::BadAddress(address.clone())),
        }
    }
    if cfg!(not(feature = "wan")) {
        if settings.relay_for_others {
            return Err(TransportsError::NeedsWan("relay_for_others"));
        }
        if !settings.relays.is_empty() {
            return Err(TransportsError::NeedsWan("relays"));
        }
    }
    let config = TcpConfig {
        listen: tcp,
        ..TcpConfig::default()
    };
    let tcp: Arc<dyn Transport> = Arc::new(TcpTransport::start(config, identity(), events.clone()));
    let wanted = !multiaddrs.is_empty()
        || settings.mdns
        || !settings.relays.is_empty()
        || dialled.iter().any(|address| address.starts_with('/'));
    #[cfg(feature = "libp2p")]
    if wanted {
        let config = Libp2pConfig {
            listen: multiaddrs,
            mdns: settings.mdns,
            external: settings
                .external
                .iter()
                .filter(|address| address.starts_with('/'))
                .cloned()
                .collect(),
            relays: settings.relays.clone(),
            relay_for_others: settings.relay_for_others,
            ..Libp2pConfig::default()
        };
        let libp2p =
            Libp2pTransport::start(config, identity(), events).map_err(|error| TransportsError::Start {
                transport: "libp2p",
                reason: error.to_string(),
            })?;
        return Ok(vec![tcp, Arc::new(libp2p)]);
    }
    #[cfg(not(feature = "libp2p"))]
    {
        drop(events);
        if let Some(address) = multiaddrs.first() {
            return Err(TransportsError::NoLibp2p(address.clone()));
        }
        if wanted {
            tracing::debug!("built without libp2p: nodes on the LAN are not looked for");
        }
    }
    Ok(vec![tcp])
}

/// Looks for the space's other devices wherever they are: their keys are enough for a node that is built with the
/// feature `wan`, and of no use to others.
pub(super) fn keep_in_touch(transports: &[Arc<dyn Transport>], members: impl Iterator<Item = NodeId>) {
    #[cfg(feature = "wan")]
    for member in members {
        let Some(address) = Libp2pTransport::peer_suffix(PeerKey(member.0)) else {
            continue;
        };
        if let Err(error) = dial(transports, &address) {
            tracing::debug!(%member, %error, "this device is not looked for");
        }
    }
    #[cfg(not(feature = "wan"))]
    drop((transports, members));
}

/// Has the transport that understands `address` dial it.
pub(super) fn dial(transports: &[Arc<dyn Transport>], address: &str) -> Result<(), AddressError> {
    let mut last = None;
    for transport in transports {
        match transport.dial(address) {
            Err(error @ AddressError::WrongScheme { .. }) => last = Some(error),
            other => return other,
        }
    }
    last.map_or(Ok(()), Err)
}
