//! A node with its doors: HTTP and the control socket, from start to stop.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::home::random_seed;
use super::invite::Invite;
use super::run::{RunError, Running, Settings, start};
use super::{Custody, CustodyCode, LinkTable, RadioInfo, RadioTable, Shares, SignInFile, SystemClock};
use crate::api;
use crate::control::{self, ErrorKind, Extras, Failure};
use crate::mesh::Command;

use crate::model::access::{Area, Deed};
use crate::model::{KeyPair, Membership, NodeId, OwnerId, Revocation, WallTime};
use crate::service::SharedKeys;
use crate::space::records;
use crate::store::{OpenStore, Store};

/// Repairs of one run before the disk itself is under suspicion.
const REPAIRS_MAX: u32 = 3;
/// How long the end of a run waits for requests that nobody wants any more, and for the database to be closed.
const CLOSE_MAX: Duration = Duration::from_millis(500);

/// Why a run ended well.
enum End {
    /// SIGTERM or SIGINT.
    Told,
    /// The database was found damaged.
    Damaged,
}

/// Runs a node until SIGTERM or SIGINT, or until its store fails. A database that is found damaged is repaired, and
/// the run begins anew.
pub fn run_until_stopped(settings: &Settings) -> Result<(), RunError> {
    let mut settings = settings.clone();
    let mut found_damaged = false;
    for _ in 0..=REPAIRS_MAX {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(16)
            .enable_all()
            .build()
            .map_err(RunError::system("cannot start the runtime"))?;
        let mut stores = Vec::new();
        let ended = runtime.block_on(run(&mut settings, found_damaged, &mut stores));
        runtime.shutdown_timeout(CLOSE_MAX);
        // A database that is closed before the process ends opens at once the next time, and need not be checked.
        let waiting = Instant::now();
        while stores.iter().any(OpenStore::is_open) && waiting.elapsed() < CLOSE_MAX {
            std::thread::sleep(Duration::from_millis(2));
        }
        match ended {
            Ok(End::Told) => return Ok(()),
            Ok(End::Damaged) => found_damaged = true,
            Err(error) if error.is_damage() => found_damaged = true,
            Err(error) => return Err(error),
        }
        if settings.record.take().is_some() {
            tracing::warn!("what comes after the repair is not recorded: for that, start the node anew");
        }
    }
    Err(RunError::Repair(format!(
        "it was damaged again after {REPAIRS_MAX} repairs: the disk may be failing, move {} to another",
        settings.home.display()
    )))
}

async fn run(
    settings: &mut Settings,
    found_damaged: bool,
    stores: &mut Vec<OpenStore>,
) -> Result<End, RunError> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(RunError::system("cannot wait for signals"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(RunError::system("cannot wait for signals"))?;
    let mut running = start(settings, found_damaged).await?;
    stores.push(running.node.store().open_store());
    let http = listen_http(settings).await?;
    let tls = settings
        .tls
        .clone()
        .map(api::Tls::load)
        .transpose()?
        .map(Arc::new);
    let address = http
        .local_addr()
        .map_err(RunError::system("cannot open the HTTP door"))?;
    // After a repair, the door is where programs know it.
    settings.http = address;
    let socket = control::socket_path(running.home.path());
    // What a killed process left; the lock on the folder says that nobody listens there.
    let _ = std::fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(RunError::system("cannot open the control socket"))?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600))
        .map_err(RunError::system("cannot open the control socket"))?;
    let surroundings = Arc::new(Surroundings {
        running_node: running.node.clone(),
        device: running.device.clone(),
        owner: running.home.owner_key()?,
        links: running.links.clone(),
        radio: running.radio.clone(),
        http: address,
        scheme: if tls.is_some() { "https" } else { "http" },
        document_len_max: settings.document_len_max,
        external: settings.external.clone(),
        keys: running.keys.clone(),
        custody: running.custody.clone(),
        shares: running.shares.clone(),
    });
    let desk = control::Desk::new(running.node.clone(), surroundings.clone());
    let control = tokio::spawn(control::serve(desk.clone(), listener));
    let (stop, mut stopped) = watch::channel(false);
    let config = api::HttpConfig {
        document_len_max: settings.document_len_max,
        public_url: settings.public_url.clone(),
        tls: tls.clone(),
        passphrase: Some(SignInFile::of(running.home.path())),
        desk: Some(desk),
        ..api::HttpConfig::default()
    };
    let door = tokio::spawn(api::serve(running.node.clone(), http, config, async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    }));
    greet(&running, &surroundings);
    notify("READY=1");

    let mut damaged = running.damaged.clone();
    let end = tokio::select! {
        _ = terminate.recv() => End::Told,
        _ = interrupt.recv() => End::Told,
        Ok(()) = damaged.changed() => End::Damaged,
        _ = running.ended() => End::Told,
    };
    if matches!(end, End::Told) {
        notify("STOPPING=1");
    }
    let _ = stop.send(true);
    control.abort();
    // Requests that are under way get their answers: their changes may be on disk already.
    let _ = tokio::time::timeout(Duration::from_millis(800), door).await;
    let kept = running.custody.spaces().await;
    stores.extend(kept.iter().map(|(_, node)| node.store().open_store()));
    drop(kept);
    let shared = running.node.mounts();
    stores.extend(shared.iter().map(|mount| mount.node.store().open_store()));
    drop(shared);
    let result = running.stop().await;
    let _ = std::fs::remove_file(&socket);
    result.map(|()| end)
}

async fn listen_http(settings: &Settings) -> Result<TcpListener, RunError> {
    match TcpListener::bind(settings.http).await {
        Ok(listener) => Ok(listener),
        Err(_) if settings.http_any_port => {
            let any = SocketAddr::new(settings.http.ip(), 0);
            TcpListener::bind(any)
                .await
                .map_err(RunError::system("cannot open the HTTP door"))
        }
        Err(error) => Err(RunError::System {
            what: format!(
                "cannot open the HTTP door on {}: choose another with --http",
                settings.http
            ),
            error,
        }),
    }
}

/// Says where everything is.
fn greet(running: &Running, surroundings: &Surroundings) {
    let home = running.home.path().display();
    println!("ready {} node {}", surroundings.storage_root(), running.node.id());
    eprintln!(
        "The storage of \"{}\" is at {}",
        running.node.user(),
        surroundings.storage_root()
    );
    eprintln!("Its page is at {}", surroundings.page());
    eprintln!("Its folder is {home}");
    if !SignInFile::of(running.home.path()).exists() {
        eprintln!("Sign in, let apps in:   cairn --home {home} passwd");
    }
    eprintln!("A token for a program:  cairn --home {home} token new --scope MODULE:rw");
    eprintln!("Join another device:    cairn --home {home} invite");
}

/// Tells systemd, if it started this process and waits to hear.
fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| match path.to_string_lossy().strip_prefix('@') {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.send_to_addr(state.as_bytes(), &address)
        }
        None => socket.send_to(state.as_bytes(), &path),
    });
    if let Err(error) = sent {
        tracing::debug!(%error, "systemd did not hear");
    }
}

/// What the control socket asks of the process.
struct Surroundings {
    running_node: super::Node,
    device: KeyPair,
    owner: Option<KeyPair>,
    links: LinkTable,
    radio: RadioTable,
    http: SocketAddr,
    scheme: &'static str,
    document_len_max: u64,
    external: Vec<String>,
    keys: SharedKeys,
    custody: Custody,
    shares: Shares,
}

impl Surroundings {
    /// The address of the node's web page on this machine.
    fn page(&self) -> String {
        format!("{}/node/", self.base())
    }

    fn storage_root(&self) -> String {
        format!("{}/storage/{}", self.base(), self.running_node.user())
    }

    /// Where the HTTP door is.
    fn base(&self) -> String {
        // A door on every address is reached on this machine by the loopback one.
        let mut http = self.http;
        if http.ip().is_unspecified() {
            http.set_ip(match http {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{}://{http}", self.scheme)
    }

    /// The key that signs grants and revocations: the owner's where it is, else this device's.
    fn issuer(&self) -> &KeyPair {
        self.owner.as_ref().unwrap_or(&self.device)
    }

    fn space(&self) -> OwnerId {
        self.running_node.owner()
    }

    /// As it is on disk.
    fn membership(&self) -> Result<Membership, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(ErrorKind::Failed, error);
        let read = self.running_node.store().read().map_err(|error| failed(&error))?;
        records::membership(&read)
            .map_err(|error| failed(&error))?
            .ok_or_else(|| failed(&"the space is not written yet: try again"))
    }
}

fn radio(info: &RadioInfo) -> Value {
    let heard: serde_json::Map<String, Value> = info
        .signals
        .iter()
        .map(|(node, signal)| {
            let signal = json!({ "rssi_dbm": signal.rssi_dbm, "snr_db": signal.snr_db });
            (node.to_string(), signal)
        })
        .collect();
    json!({
        "port": info.port,
        "modem": info.modem,
        "frequency_hz": info.frequency_hz,
        "online": info.online,
        "problem": info.problem,
        "frames_sent": info.counts.frames_sent,
        "bytes_sent": info.counts.bytes_sent,
        "frames_heard": info.counts.frames_heard,
        "frames_foreign": info.counts.frames_foreign,
        "airtime_ms": info.counts.airtime_us / 1000,
        "window_used_ms": info.airtime_us.map(|(used, _)| used / 1000),
        "window_allowed_ms": info.airtime_us.map(|(_, allowed)| allowed / 1000),
        "heard": heard,
    })
}

impl Extras for Surroundings {
    fn surroundings(&self) -> Value {
        let links: Vec<Value> = self
            .links
            .links()
            .into_iter()
            .map(|link| {
                json!({
                    "node": link.peer.to_string(),
                    "address": link.address,
                    "transport": link.transport,
                    "rtt_ms": link.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
                })
            })
            .collect();
        json!({
            "http": self.http.to_string(),
            "storage_root": self.storage_root(),
            "listen": self.links.listening(),
            "links": links,
            "radio": self.radio.info().map(|info| radio(&info)),
        })
    }

    fn invite(&self, addresses: Vec<String>, valid_s: u64) -> Result<(Command, String), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(ErrorKind::Failed, error);
        let membership = self.membership()?;
        let now = SystemClock::start().now().wall;
        let expires = WallTime(now.0.saturating_add(valid_s.saturating_mul(1000)));
        let addresses = self.addresses(addresses);
        let seed = random_seed().map_err(|error| failed(&error))?;
        let (mut invite, grant) = Invite::issue(
            self.running_node.user(),
            self.issuer(),
            &membership,
            seed,
            addresses,
            now,
            expires,
        );
        let keys = self.keys.get();
        invite.tell(keys.first(), keys.current());
        Ok((Command::Admit(grant), invite.encode()))
    }

    fn revoke(&self, node: NodeId) -> Result<Command, Failure> {
        let now = SystemClock::start().now().wall;
        let kept = self.membership()?.statements_of(node);
        let revocation = Revocation::issue(self.space(), node, now, kept, self.issuer());
        Ok(Command::Revoke(revocation))
    }

    fn custody_code(
        &self,
        node: NodeId,
        name: &str,
        addresses: Vec<String>,
    ) -> Result<(Command, String), Failure> {
        let membership = self.membership()?;
        let now = SystemClock::start().now().wall;
        if membership.is_revoked(node) {
            return Err(Failure::new(
                ErrorKind::Denied,
                "that node was shut out of this space, or left it, for good: it can come back with a new folder, which has another id",
            ));
        }
        if membership.may(node, Deed::Read, Area::WHOLE, now) {
            return Err(Failure::new(
                ErrorKind::Conflict,
                "that node is one of your own devices: it keeps everything already",
            ));
        }
        let addresses = self.addresses(addresses);
        let user = self.running_node.user();
        let (code, grant) = CustodyCode::issue(user, self.issuer(), &membership, node, name, addresses, now);
        Ok((Command::Admit(grant), code.encode()))
    }

    fn custody(&self) -> Option<Custody> {
        Some(self.custody.clone())
    }

    fn shares(&self) -> Option<Shares> {
        Some(self.shares.clone())
    }

    fn addresses(&self, told: Vec<String>) -> Vec<String> {
        if told.is_empty() {
            super::addresses::reachable(&self.external, &self.links.listening())
        } else {
            told
        }
    }

    fn document_len_max(&self) -> u64 {
        self.document_len_max
    }
}
