//! Which transport takes which address.

use std::net::SocketAddr;
use std::sync::Arc;

use cairn_transports::{AddressError, Identity, TcpConfig, TcpTransport, Transport, TransportEvent};
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

/// Starts the transports that the settings ask for.
pub(super) async fn start(
    settings: &Settings,
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
    let started: Vec<Arc<dyn Transport>> =
        vec![Arc::new(TcpTransport::start(config, identity(), events.clone()))];
    Ok(started)
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
