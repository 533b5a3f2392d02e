//! A whole node, from its folder to its links: started in order, stopped in the opposite one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cairn_transports::{AddressError, Identity, Transport, TransportEvent};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::custody::Custody;
use super::engine_thread::Input;
use super::hands::Radios;
use super::home::{Home, HomeError, random_seed};
use super::hosted::Host;
use super::links::LinkTable;
use super::radio::{self, LoraError, LoraSettings};
use super::radio_table::RadioTable;
use super::reader::Reader;
use super::recorder::{RecordError, RecordFile, RecordSettings};
use super::register::Register;
use super::shares::{POST_MAX, Shares};
use super::space_engine::{Prepared, Reach, SpaceEngine, SpaceFiles};
use super::transports::{self, TransportsError};
use super::{Node, SystemClock, repair};
use crate::api::{TlsError, TlsFiles};
use crate::mesh::{Config, Engine, EngineError, Event, PayloadPolicy};
use crate::model::KeyPair;
use crate::seal::Passphrase;
use crate::service::{Documents, SharedKeys};
use crate::space::records;
use crate::store::{ChunkError, Store, StoreError};

/// Transport events that wait; transports hold back beyond that.
const EVENTS_MAX: usize = 64;
/// How long a shutdown waits for links to close.
const LINKS_CLOSE_MAX: Duration = Duration::from_millis(700);

/// What a node is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's folder.
    pub home: PathBuf,
    /// What unlocks the keys, if they are locked.
    pub passphrase: Option<Passphrase>,
    /// The user's name, for a new folder.
    pub user: String,
    /// The device's name in its grant, for a new folder.
    pub name: String,
    /// Addresses to listen on: `tcp://ADDR:PORT` or multiaddrs.
    pub listen: Vec<String>,
    /// Addresses at which others reach this node from outside, in the same forms; those of TCP may name a host.
    pub external: Vec<String>,
    /// Relays through which to be reachable: multiaddrs that end in `/p2p/…`. Needs the feature `wan`.
    pub relays: Vec<String>,
    /// Relay for others. Needs the feature `wan`.
    pub relay_for_others: bool,
    /// Nodes to stay in touch with, in the same forms.
    pub peers: Vec<String>,
    /// Find nodes on the LAN.
    pub mdns: bool,
    /// Bytes that the documents may take together.
    pub quota_bytes: Option<u64>,
    /// Longest document that the doors accept.
    pub document_len_max: u64,
    /// The HTTP door; with port 0 the system chooses.
    pub http: SocketAddr,
    /// If the HTTP address is taken, let the system choose a port.
    pub http_any_port: bool,
    /// Where programs reach the HTTP door, if a proxy stands before it: `https://HOST`.
    pub public_url: Option<String>,
    /// The certificate and key for TLS at the HTTP door; `None`: it is plain.
    pub tls: Option<TlsFiles>,
    /// A LoRa radio, if there is one.
    pub lora: Option<LoraSettings>,
    /// Payloads that come by radio without anybody asking.
    pub radio_payloads: PayloadPolicy,
    /// Where to write down what the engine is given, if anywhere.
    pub record: Option<RecordSettings>,
}

impl Settings {
    /// The HTTP door, if nobody says where: reached from this machine alone.
    pub const DEFAULT_HTTP: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7780);

    /// Where to listen, if nobody says where.
    pub fn default_listen() -> Vec<String> {
        let mut listen = vec!["tcp://0.0.0.0:7781", "tcp://[::]:7781"];
        if cfg!(feature = "libp2p") {
            listen.extend(["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"]);
        }
        listen.into_iter().map(str::to_owned).collect()
    }
}

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The tables.
    #[error("cannot open the database: {0}")]
    Store(#[from] StoreError),
    /// The chunk files.
    #[error("cannot open the chunk files: {0}")]
    Chunks(#[from] ChunkError),
    /// The engine's store failed.
    #[error("the node stopped: {0}")]
    Engine(#[from] EngineError),
    /// The damaged database could not be built anew.
    #[error("cannot repair the database: {0}")]
    Repair(String),
    /// An address that no transport understands.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The transports.
    #[error(transparent)]
    Transports(#[from] TransportsError),
    /// The radio.
    #[error(transparent)]
    Lora(#[from] LoraError),
    /// TLS at the HTTP door.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The recording.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A socket, thread or signal that the system refused.
    #[error("{what}: {error}")]
    System {
        /// What was wanted.
        what: String,
        /// Why not.
        error: std::io::Error,
    },
}

impl RunError {
    /// Wraps what the system said.
    pub fn system(what: &str) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |error| Self::System {
            what: what.to_owned(),
            error,
        }
    }
}

/// A node whose engines and links run.
pub struct Running {
    /// For doors.
    pub node: Node,
    /// The space's keys, as the engine knows them.
    pub keys: SharedKeys,
    /// The links, for people.
    pub links: LinkTable,
    /// The radio, for people.
    pub radio: RadioTable,
    /// The spaces of others that are kept here.
    pub custody: Custody,
    /// The folders that are shared with other users.
    pub shares: Shares,
    /// The folder; locked as long as this lives.
    pub home: Arc<Home>,
    /// The device's key, for signing invites and revocations.
    pub device: KeyPair,
    /// Changes to true when a database is found damaged.
    pub damaged: watch::Receiver<bool>,
    transports: Vec<Arc<dyn Transport>>,
    engine: SpaceEngine,
}

/// Starts a node's engines and links. Must be called within a tokio runtime. `found_damaged`: a database was found
/// damaged when it was last open.
pub async fn start(settings: &Settings, found_damaged: bool) -> Result<Running, RunError> {
    let clock = SystemClock::start();
    let home = Arc::new(Home::open_with(&settings.home, settings.passphrase.clone())?);
    let record = settings.record.as_ref().map(RecordFile::open).transpose()?;
    let space = home.begin_space(&settings.user, &settings.name, clock.now().wall)?;
    let device = home.device_key()?;
    let (tell_damage, damaged) = watch::channel(false);
    let files = SpaceFiles::open(
        home.path(),
        &|statements| Ok(home.keys(statements)?.space),
        found_damaged,
        tell_damage.clone(),
        clock.now().wall,
    )?;
    let (store, chunks) = (files.store.clone(), files.chunks.clone());
    let (register, proven) = Register::open(&device.node_id().to_string(), &repair::database(home.path()));
    let on_disk = Engine::own_writer_on_disk(&store)?;
    let key = home.keys(
        records::membership(&store.read()?)
            .map_err(EngineError::from)?
            .as_ref(),
    )?;
    let keys = SharedKeys::new(key.space.clone());
    let config = Config {
        key,
        owner: space.owner,
        membership: space.membership.clone(),
        continues: proven == Some(on_disk),
        quota_bytes: settings.quota_bytes,
        announce_interval: Config::ANNOUNCE_INTERVAL,
        tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
        radio_payloads: settings.radio_payloads,
        follows: false,
    };
    let seed = random_seed()?;
    let recorder = record.and_then(|record| {
        let begun = record.begin(&config, &seed, &store);
        // The node is worth more than its recording.
        begun
            .inspect_err(|error| tracing::warn!(%error, "this run is not recorded"))
            .ok()
    });
    let mut engine = Engine::new(config, store.clone(), *seed)?;
    if recorder.is_some() {
        engine.note_answers();
    }

    let prepared = Prepared::new(files)?;
    let (events, incoming) = mpsc::channel::<TransportEvent>(EVENTS_MAX);
    let identity = || Identity::new(*device.seed());
    Host::clean(home.path()).map_err(RunError::system("cannot remove the files of a space that went"))?;
    let kept = Custody::on_disk(home.path())?;
    let told_of = kept.iter().flat_map(|kept| &kept.addresses);
    let dialled: Vec<String> = settings
        .peers
        .iter()
        .chain(&space.addresses)
        .chain(told_of)
        .cloned()
        .collect();
    let transports = transports::start(settings, &dialled, identity, events)?;
    for address in &dialled {
        if let Err(error) = transports::dial(&transports, address) {
            tracing::warn!(%error, "this peer is left out");
        }
    }
    let members = space.membership.holders(clock.now().wall);
    let others = members.into_iter().filter(|member| *member != device.node_id());
    transports::keep_in_touch(&transports, others);
    let changed = Arc::new(Notify::new());
    let (post, posted) = mpsc::channel(POST_MAX);
    let links = LinkTable::new(changed.clone(), post);
    links.open_home(prepared.seat(space.owner));
    let mut radios = Radios::new();
    let mut radio_table = RadioTable::default();
    if let Some(lora) = &settings.lora {
        let started = radio::start(lora, &home, device.node_id(), &keys.get(), clock.now().wall).await?;
        let radio = links.reserve();
        let profile = started.profile;
        // The engine thread takes it up first of all.
        let _ = prepared
            .inputs
            .send(Input::Event(Event::RadioUp { radio, profile }));
        radio_table = started.table.clone();
        let listener = radio::Listener::new(
            radio,
            &started,
            keys.clone(),
            prepared.inputs.clone(),
            prepared.expected.clone(),
            prepared.jobs.clone(),
        );
        radios.insert(radio, started.controls);
        tokio::spawn(radio::read(listener, started.events));
    }
    let node = Node::new(
        prepared.inputs.clone(),
        clock,
        store.clone(),
        Documents::new(store, chunks, keys.clone()),
        device.node_id(),
        space.owner,
        space.user.clone(),
    );
    let reach = Reach {
        transports: transports.clone(),
        table: links.clone(),
        radios,
        register: Some(register),
        keys: keys.clone(),
        committed: Some(changed.clone()),
    };
    let engine = prepared.start(engine, clock, reach, recorder)?;
    let host = Arc::new(Host {
        home: home.clone(),
        device: device.clone(),
        clock,
        links: links.clone(),
        transports: transports.clone(),
        damaged: tell_damage,
        changed: changed.clone(),
        quota_bytes: settings.quota_bytes,
        taken: std::sync::Mutex::new([space.owner].into()),
    });
    let custody = Custody::start(host.clone(), space.owner, kept, found_damaged).await;
    let shares = Shares::new(
        host,
        custody.clone(),
        node.clone(),
        settings.name.clone(),
        found_damaged,
    );
    shares.start(changed, posted).await;
    // Last, so that every space gets its share of the first link.
    tokio::spawn(Reader::new(links.clone()).run(incoming));
    Ok(Running {
        node,
        keys,
        links,
        radio: radio_table,
        custody,
        shares,
        home,
        device,
        damaged,
        transports,
        engine,
    })
}

impl Running {
    /// Resolves (as dropped) when the thread of the user's own engine ends.
    pub fn ended(&mut self) -> &mut oneshot::Receiver<()> {
        self.engine.ended()
    }

    /// Closes the links, has the engines commit what they hold, and waits for them.
    pub async fn stop(self) -> Result<(), RunError> {
        for transport in &self.transports {
            if tokio::time::timeout(LINKS_CLOSE_MAX, transport.shutdown())
                .await
                .is_err()
            {
                tracing::debug!("a transport took too long to close its links");
            }
        }
        self.shares.stop().await;
        self.custody.stop().await;
        let ended = self.engine.stop().await;
        // Not before: what somebody stores until then must not come into the wrong space.
        self.node.mount(Vec::new(), Vec::new());
        ended
    }
}
