//! Connections.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::door::Door;
use super::patience::Patience;
use super::tls::Tls;
use crate::control::Desk;
use crate::daemon::{Node, SignInFile};
use crate::model::DOCUMENT_LEN_MAX;

/// How long the header of a request may take, and how long a connection may be kept without one.
const HEADER_MAX: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long requests may go on after the end was asked for.
const SHUTDOWN_MAX: Duration = Duration::from_secs(2);
/// Buffer of a connection: bounds a request's header, and each piece of a body.
const BUFFER_LEN_MAX: usize = 64 * 1024;
/// Sleep when no connection can be taken, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the door is set up.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Longest document that a PUT may store, in bytes.
    pub document_len_max: u64,
    /// Where this door is reached from outside, as in `https://home.example.org`; `None`: by the name that each
    /// request gives.
    pub public_url: Option<String>,
    /// What makes connections secret; `None`: they are plain.
    pub tls: Option<Arc<Tls>>,
    /// Where the passphrase is with which the owner signs in, to let apps in and to use the node's page; `None`: nobody can.
    pub passphrase: Option<SignInFile>,
    /// Who answers what the node's page asks; `None`: there is no page.
    pub desk: Option<Desk>,
    /// Connections at one time. More wait until others end.
    pub connections_max: usize,
    /// Uploads at one time that do not fit in the tables: each takes a thread and up to 3 MiB.
    pub uploads_max: usize,
}

impl HttpConfig {
    /// The scheme of this door's own addresses.
    pub(super) fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            document_len_max: DOCUMENT_LEN_MAX,
            public_url: None,
            tls: None,
            passphrase: None,
            desk: None,
            connections_max: 1024,
            uploads_max: 8,
        }
    }
}

/// Answers HTTP on `listener` until `shutdown` comes; then lets requests end, for 2 seconds at most.
pub async fn serve(
    node: Node,
    listener: TcpListener,
    config: HttpConfig,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(config.connections_max));
    let door = Arc::new(Door::new(node, config));
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            Some(_) = connections.join_next() => continue,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(door.clone(), stream, peer.ip(), slot, end.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = ending.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_MAX, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(
    door: Arc<Door>,
    stream: TcpStream,
    peer: IpAddr,
    _slot: Option<OwnedSemaphorePermit>,
    mut end: watch::Receiver<bool>,
) {
    // Answers are written whole: waiting for more to send along would only delay them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &door.config.tls else {
        return exchange(door, stream, peer, end).await;
    };
    let handshake = async { tls.acceptor().await.accept(stream).await };
    let shaken = tokio::select! {
        shaken = tokio::time::timeout(HEADER_MAX, handshake) => shaken,
        () = async { let _ = end.wait_for(|end| *end).await; } => return,
    };
    match shaken {
        Ok(Ok(stream)) => exchange(door.clone(), stream, peer, end).await,
        Ok(Err(error)) => tracing::debug!(%error, %peer, "no TLS with a client"),
        Err(_) => tracing::debug!(%peer, "a client took too long to begin"),
    }
}

/// Answers the requests of one connection.
async fn exchange(
    door: Arc<Door>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: IpAddr,
    mut end: watch::Receiver<bool>,
) {
    let answers = service_fn(|request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_MAX)
        .max_buf_size(BUFFER_LEN_MAX)
        .serve_connection(TokioIo::new(Patience::new(stream, SILENCE_MAX)), answers);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = async { let _ = end.wait_for(|end| *end).await; } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // Clients go away as they like.
        tracing::debug!(%error, "a connection ended badly");
    }
}
