//! Taking connections, and bounding what strangers cost.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::Shared;
use super::address::tcp_url;
use super::connection::{bring_up, prove};
use crate::backoff::Backoff;
use crate::link::TransportEvent;

/// How many connections the system keeps for us while we are busy.
const BACKLOG: i32 = 128;
/// After a failed accept (no file descriptors left, as a rule) the next try waits this long, so that the failure does not burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Listens on `address` until aborted.
pub(super) async fn listen(shared: Arc<Shared>, address: SocketAddr) {
    let mut backoff = Backoff::new(shared.config.redial_shortest, shared.config.redial_longest);
    let mut told = false;
    let listener = loop {
        match bind(&shared, address) {
            Ok(listener) => break listener,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    let event = TransportEvent::ListenFailed {
                        address: tcp_url(address),
                        reason: error.to_string(),
                    };
                    shared.tell(event).await;
                }
                let pause = backoff.next(&mut rand::rng());
                tokio::time::sleep(pause).await;
            }
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    shared
        .tell(TransportEvent::Listening {
            address: tcp_url(bound),
        })
        .await;
    accept(shared, listener).await;
}

fn bind(shared: &Shared, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` alone serves both families; with an IPv4 address beside it, it must leave that family to the other socket.
        socket.set_only_v6(shared.config.listen.iter().any(SocketAddr::is_ipv4))?;
    }
    // A node that comes back must not wait a minute for the connections of its former life.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let Ok(permit) = shared.half_open.clone().acquire_owned().await else {
            return; // Never closed; and without it there is nothing to wait for.
        };
        match listener.accept().await {
            Ok((_, remote)) if shared.penalties().refuses_host(remote.ip(), Instant::now()) => {
                tracing::debug!(%remote, "refused: it sent garbage before");
            }
            Ok((socket, remote)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    serve(shared, socket, remote).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, socket: TcpStream, remote: SocketAddr) {
    let brought_up = match prove(&shared, socket, false).await {
        Ok(proven) => bring_up(&shared, proven, remote, tcp_url(remote), false)
            .await
            .map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = brought_up {
        if error.is_nonsense() {
            shared.refuse(remote, error.to_string()).await;
        } else {
            tracing::debug!(%remote, %error, "an inbound connection became no link");
        }
    }
}
