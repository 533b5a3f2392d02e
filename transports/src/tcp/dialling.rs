//! Keeping an address, and coming back to it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Shared;
use super::address::TcpAddress;
use super::connection::{ConnectError, bring_up, prove};
use crate::backoff::{Backoff, GOOD_LINK};
use crate::link::{PeerKey, TransportEvent};

/// How many of a name's addresses are tried.
const RESOLVED_MAX: usize = 8;

/// Keeps connecting to `address` until aborted, or until it turns out to be this node's own.
pub(super) async fn keep(shared: Arc<Shared>, address: TcpAddress) {
    let mut backoff = Backoff::new(shared.config.redial_shortest, shared.config.redial_longest);
    loop {
        let started = Instant::now();
        let reason = match dial(&shared, &address).await {
            Ok((peer, down)) => {
                // An error means that whoever would tell is gone, and the link with it.
                let _ = down.await;
                if started.elapsed() >= GOOD_LINK {
                    backoff.reset();
                }
                // The owner keeps one link of two: while the other is up, this address is in no hurry.
                shared.links.gone(peer).await;
                let pause = backoff.next(&mut rand::rng());
                tokio::time::sleep(pause).await;
                continue;
            }
            Err(ConnectError::Itself) => {
                shared.tasks().dials.remove(&address);
                let reason = ConnectError::Itself.to_string();
                shared
                    .tell(TransportEvent::DialFailed {
                        address: address.to_string(),
                        reason,
                        retry_in: None,
                    })
                    .await;
                return;
            }
            Err(error) => error,
        };
        let mut pause = backoff.next(&mut rand::rng());
        if let ConnectError::Penalised(left) = reason {
            pause = pause.max(left);
        }
        let event = TransportEvent::DialFailed {
            address: address.to_string(),
            reason: reason.to_string(),
            retry_in: Some(pause),
        };
        if !shared.tell(event).await {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Connects once. Returns whose device it is and a receiver that resolves when the link is down.
async fn dial(
    shared: &Arc<Shared>,
    address: &TcpAddress,
) -> Result<(PeerKey, oneshot::Receiver<()>), ConnectError> {
    let limit = shared.config.handshake_timeout;
    let resolved = within(limit, lookup_host((address.host.as_str(), address.port))).await?;
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address").into();
    for remote in resolved.take(RESOLVED_MAX) {
        match connect(shared, remote, limit).await {
            Ok(proven) => {
                let peer = proven.peer;
                let down = bring_up(shared, proven, remote, address.to_string(), true).await?;
                return Ok((peer, down));
            }
            Err(error @ ConnectError::Itself) => return Err(error),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn connect(
    shared: &Shared,
    remote: SocketAddr,
    limit: Duration,
) -> Result<super::connection::Proven, ConnectError> {
    let socket = within(limit, TcpStream::connect(remote)).await?;
    prove(shared, socket, true).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
