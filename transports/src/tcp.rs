//! Framed TCP, sealed by Noise.
//!
//! ```text
//! dialling, listening ──► handshake ──► crate::stream    who it is, then a link
//!          └── address                     └── noise     how bytes are sealed
//! ```
//! [`handshake`] proves who is there and [`noise`] seals what is said afterwards; both do no I/O. The rest is the asynchronous shell:
//! [`listening`] takes connections and bounds what strangers cost, [`dialling`] keeps addresses and comes back to them.

mod address;
mod connection;
mod dialling;
pub(crate) mod handshake;
mod listening;
mod noise;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::identity::Identity;
use crate::link::{AddressError, BoxFuture, PeerKey, Transport, TransportEvent};
use crate::penalty::Penalties;
use crate::registry::Registry;
use crate::stream::KeepAlive;
use address::TcpAddress;
use handshake::HandshakeKeys;

/// How many addresses are kept for dialling.
const DIALS_MAX: usize = 1024;
/// How long [`Transport::shutdown`] waits for the farewells.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// How the TCP transport behaves. The default listens nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConfig {
    /// Where to listen; port 0 lets the system choose.
    pub listen: Vec<SocketAddr>,
    /// How a dead peer is noticed.
    pub keep_alive: KeepAlive,
    /// How long a connection may take to prove who it is; also how long connecting may take.
    pub handshake_timeout: Duration,
    /// How many inbound connections may be in their handshake at once; further ones wait in the system's queue.
    pub half_open_max: usize,
    /// How many links may be up at once; further inbound ones are refused.
    pub links_max: usize,
    /// The first pause before an address is dialled again.
    pub redial_shortest: Duration,
    /// The longest one.
    pub redial_longest: Duration,
    /// What links say about cost: [`crate::LinkProfile::metered`].
    pub metered: bool,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            keep_alive: KeepAlive::default(),
            handshake_timeout: Duration::from_secs(10),
            half_open_max: 32,
            links_max: 512,
            redial_shortest: Duration::from_millis(250),
            redial_longest: Duration::from_secs(60),
            metered: false,
        }
    }
}

/// Links over TCP, at addresses of the form `tcp://HOST:PORT`. Dropping it stops it and closes its links.
#[derive(Debug)]
pub struct TcpTransport {
    shared: Arc<Shared>,
    runtime: Handle,
}

/// What the tasks of one transport share.
#[derive(Debug)]
struct Shared {
    keys: HandshakeKeys,
    config: TcpConfig,
    events: mpsc::Sender<TransportEvent>,
    half_open: Arc<Semaphore>,
    links: Registry,
    penalties: Mutex<Penalties>,
    tasks: Mutex<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    stopped: bool,
    listeners: Vec<AbortHandle>,
    dials: BTreeMap<TcpAddress, AbortHandle>,
}

impl TcpTransport {
    /// Starts listening on every address of `config`. Must be called within a tokio runtime with time and I/O.
    ///
    /// Never fails: an address that cannot be had is reported as [`TransportEvent::ListenFailed`] and tried again.
    #[must_use]
    pub fn start(config: TcpConfig, identity: Identity, events: mpsc::Sender<TransportEvent>) -> Self {
        let shared = Arc::new(Shared {
            keys: HandshakeKeys::new(&identity),
            half_open: Arc::new(Semaphore::new(config.half_open_max)),
            config,
            events,
            links: Registry::default(),
            penalties: Mutex::default(),
            tasks: Mutex::default(),
        });
        for address in shared.config.listen.clone() {
            let task = tokio::spawn(listening::listen(shared.clone(), address));
            shared.tasks().listeners.push(task.abort_handle());
        }
        Self {
            shared,
            runtime: Handle::current(),
        }
    }
}

impl Shared {
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn penalties(&self) -> MutexGuard<'_, Penalties> {
        self.penalties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the owner. False: there is none any more.
    async fn tell(&self, event: TransportEvent) -> bool {
        self.events.send(event).await.is_ok()
    }

    /// Counts nonsense from `address` and tells it if it is news.
    async fn refuse(&self, address: SocketAddr, reason: String) {
        let news = self.penalties().strike(address.ip(), Instant::now());
        tracing::debug!(%address, reason, "refused");
        if news {
            self.tell(TransportEvent::LinkRefused {
                address: address::tcp_url(address),
                reason,
            })
            .await;
        }
    }

    fn stop(&self) {
        let mut tasks = self.tasks();
        tasks.stopped = true;
        for task in tasks.listeners.drain(..) {
            task.abort();
        }
        for task in std::mem::take(&mut tasks.dials).into_values() {
            task.abort();
        }
    }
}

impl Transport for TcpTransport {
    fn dial(&self, address: &str) -> Result<(), AddressError> {
        let address: TcpAddress = address.parse()?;
        let mut tasks = self.shared.tasks();
        if tasks.stopped || tasks.dials.contains_key(&address) {
            return Ok(());
        }
        if tasks.dials.len() >= DIALS_MAX {
            return Err(AddressError::TooMany {
                address: address.to_string(),
                len_max: DIALS_MAX,
            });
        }
        let task = self
            .runtime
            .spawn(dialling::keep(self.shared.clone(), address.clone()));
        tasks.dials.insert(address, task.abort_handle());
        Ok(())
    }

    fn forget(&self, address: &str) {
        if let Ok(address) = address.parse::<TcpAddress>()
            && let Some(task) = self.shared.tasks().dials.remove(&address)
        {
            task.abort();
        }
    }

    fn announce(&self, _bytes: Bytes) {}

    fn penalise(&self, peer: PeerKey, duration: Duration) {
        self.shared.penalties().penalise(peer, duration, Instant::now());
        self.shared.links.close(Some(peer), "refused for a while");
    }

    fn shutdown(&self) -> BoxFuture<()> {
        let shared = self.shared.clone();
        Box::pin(async move {
            shared.stop();
            shared.links.close(None, "the node is shutting down");
            let _ = tokio::time::timeout(SHUTDOWN, shared.links.empty()).await;
        })
    }
}

impl Drop for TcpTransport {
    fn drop(&mut self) {
        self.shared.stop();
        self.shared.links.close(None, "the node has stopped");
    }
}
