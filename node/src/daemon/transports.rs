//! Which transport takes which address.

use std::net::SocketAddr;
use std::sync::Arc;

use cairn_transports::{AddressError, Identity, TcpConfig, TcpTransport, Transport, TransportEvent};
#[cfg(feature = "libp2p")]
use cairn_transports::{Libp2pConfig, Libp2pTransport};
use tokio::sync::mpsc;

use super::run::Settings;

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
    let config = TcpConfig {
        listen: tcp,
        ..TcpConfig::default()
    };
    let tcp: Arc<dyn Transport> = Arc::new(TcpTransport::start(config, identity(), events.clone()));
    let wanted =
        !multiaddrs.is_empty() || settings.mdns || dialled.iter().any(|address| address.starts_with('/'));
    #[cfg(feature = "libp2p")]
    if wanted {
        let config = Libp2pConfig {
            listen: multiaddrs,
            mdns: settings.mdns,
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
