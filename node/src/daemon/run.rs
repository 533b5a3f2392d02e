//! A whole node, from its folder to its links: started in order, stopped in the opposite one.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_transports::{AddressError, Identity, Transport, TransportEvent};
use tokio::sync::{mpsc, oneshot, watch};

use super::chunk_worker::{self, Expected};
use super::engine_thread::{self, Input, Inputs};
use super::home::{Home, HomeError, random_seed};
use super::links::{Hands, LinkTable, Reader};
use super::radio::{self, LoraError, LoraSettings};
use super::radio_table::RadioTable;
use super::recorder::{RecordError, RecordFile, RecordSettings};
use super::register::Register;
use super::transports::{self, TransportsError};
use super::{Node, SystemClock, repair};
use crate::api::{TlsError, TlsFiles};
use crate::mesh::{Config, Engine, EngineError, Event, PayloadPolicy};
use crate::model::{Hash, KeyPair};
use crate::seal::Passphrase;
use crate::service::{Documents, SharedKeys};
use crate::space::{chunk_record, records};
use crate::store::{
    ChunkError, ChunkFiles, FolderDisk, ReadTransaction, RedbStore, Store, StoreError, Table,
};

/// Transport events that wait; transports hold back beyond that.
const EVENTS_MAX: usize = 64;
/// How often the disk is asked how much room it has.
const FREE_BYTES_EVERY: Duration = Duration::from_secs(10);
/// An engine that writes nothing is told when more than this part of the room came or went.
const FREE_BYTES_CHANGE: u64 = 128;
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

/// A node whose engine and links run.
pub struct Running {
    /// For doors.
    pub node: Node,
    /// The space's keys, as the engine knows them.
    pub keys: SharedKeys,
    /// The links, for people.
    pub links: LinkTable,
    /// The radio, for people.
    pub radio: RadioTable,
    /// The folder; locked as long as this lives.
    pub home: Arc<Home>,
    /// The device's key, for signing invites and revocations.
    pub device: KeyPair,
    /// Changes to true when the database is found damaged.
    pub damaged: watch::Receiver<bool>,
    /// Resolves (as dropped) when the engine's thread ends.
    pub ended: oneshot::Receiver<()>,
    transports: Vec<Arc<dyn Transport>>,
    inputs: Inputs,
    engine: JoinHandle<Result<(), EngineError>>,
}

/// Starts a node's engine and links. Must be called within a tokio runtime. `found_damaged`: the database was found
/// damaged when it was last open.
pub async fn start(settings: &Settings, found_damaged: bool) -> Result<Running, RunError> {
    let clock = SystemClock::start();
    let home = Arc::new(Home::open_with(&settings.home, settings.passphrase.clone())?);
    let record = settings.record.as_ref().map(RecordFile::open).transpose()?;
    let space = home.begin_space(&settings.user, &settings.name, clock.now().wall)?;
    let device = home.device_key()?;
    let chunks = ChunkFiles::open(Arc::new(FolderDisk::open(home.path()).map_err(ChunkError::from)?))?;
    let store = repair::open(&home, &chunks, found_damaged, clock.now().wall)?;
    let (tell_damage, damaged) = watch::channel(false);
    store.on_damage(move |error| {
        if !tell_damage.send_replace(true) {
            tracing::error!(%error, "the database is damaged: it is repaired now");
        }
    });
    let (register, proven) = Register::open(device.node_id(), &repair::database(&home));
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

    let (sender, receiver) = std::sync::mpsc::channel();
    let inputs = Inputs::new(sender);
    let (jobs, _workers) = chunk_worker::start(chunks.clone(), store.clone(), inputs.clone())
        .map_err(RunError::system("cannot start the chunk workers"))?;
    let expected = Expected::default();
    let (events, incoming) = mpsc::channel::<TransportEvent>(EVENTS_MAX);
    let identity = || Identity::new(*device.seed());
    let dialled: Vec<String> = settings.peers.iter().chain(&space.addresses).cloned().collect();
    let members = space.membership.holders(clock.now().wall);
    let transports = transports::start(settings, &dialled, identity, events)?;
    for address in &dialled {
        if let Err(error) = transports::dial(&transports, address) {
            tracing::warn!(%error, "this peer is left out");
        }
    }
    let others = members.into_iter().filter(|member| *member != device.node_id());
    transports::keep_in_touch(&transports, others);
    let links = LinkTable::default();
    let mut radios = std::collections::BTreeMap::new();
    let mut radio_table = RadioTable::default();
    if let Some(lora) = &settings.lora {
        let started = radio::start(lora, &home, device.node_id(), clock.now().wall).await?;
        let radio = links.reserve();
        let profile = started.profile;
        // The engine thread takes it up first of all.
        let _ = inputs.send(Input::Event(Event::RadioUp { radio, profile }));
        radio_table = started.table.clone();
        let listener = radio::Listener::new(radio, &started, inputs.clone(), expected.clone(), jobs.clone());
        radios.insert(radio, started.controls);
        tokio::spawn(radio::read(listener, started.events));
    }
    let reader = Reader {
        announcements: Reader::room_for_announcements(),
        table: links.clone(),
        inputs: inputs.clone(),
        expected: expected.clone(),
        jobs: jobs.clone(),
    };
    tokio::spawn(reader.run(incoming));
    let wrote = Arc::new(AtomicBool::new(false));
    let mut hands = Hands {
        runtime: tokio::runtime::Handle::current(),
        inputs: inputs.clone(),
        chunks: chunks.clone(),
        jobs,
        expected,
        transports: transports.clone(),
        register,
        links: std::collections::BTreeMap::new(),
        radios,
        serving: Hands::serving(),
        refusals: std::collections::BTreeSet::new(),
        wrote: wrote.clone(),
        keys: keys.clone(),
    };
    let thread = std::thread::Builder::new().name("engine".into());
    let (running, ended) = oneshot::channel();
    let engine = thread
        .spawn(move || {
            let _until_here = running;
            engine_thread::run(engine, clock, &receiver, &mut hands, recorder)
        })
        .map_err(RunError::system("cannot start the engine's thread"))?;
    {
        let (store, chunks, inputs) = (store.clone(), chunks.clone(), inputs.clone());
        let keep_unlisted = repair::has_set_aside(&home);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = compare_chunks(&store, &chunks, &inputs, keep_unlisted) {
                tracing::warn!(%error, "the chunk files were not looked through");
            }
        });
    }
    tokio::spawn(watch_free_bytes(home.path().to_owned(), inputs.clone(), wrote));
    let node = Node::new(
        inputs.clone(),
        clock,
        store.clone(),
        Documents::new(store, chunks, keys.clone()),
        device.node_id(),
        space.owner,
        space.user.clone(),
    );
    Ok(Running {
        node,
        keys,
        links,
        radio: radio_table,
        home,
        device,
        damaged,
        ended,
        transports,
        inputs,
        engine,
    })
}

impl Running {
    /// Closes the links, has the engine commit what it holds, and waits for it.
    pub async fn stop(self) -> Result<(), RunError> {
        for transport in &self.transports {
            if tokio::time::timeout(LINKS_CLOSE_MAX, transport.shutdown())
                .await
                .is_err()
            {
                tracing::debug!("a transport took too long to close its links");
            }
        }
        // An engine that failed is gone already, and says why below.
        let _ = self.inputs.send(Input::Stop);
        match tokio::task::spawn_blocking(move || self.engine.join()).await {
            Ok(Ok(result)) => Ok(result?),
            _ => Err(RunError::System {
                what: "the engine's thread ended badly".into(),
                error: std::io::Error::other("it panicked"),
            }),
        }
    }
}

/// Tells the engine how much room the disk has, now and then while it writes and whenever that changed much, until it ends.
async fn watch_free_bytes(folder: std::path::PathBuf, inputs: Inputs, wrote: Arc<AtomicBool>) {
    let mut pace = tokio::time::interval(FREE_BYTES_EVERY);
    let mut told: Option<u64> = None;
    loop {
        pace.tick().await;
        match rustix::fs::statvfs(&folder) {
            Ok(disk) => {
                let bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
                // Others on this machine write all the time: no reason to wake an engine that has nothing to do.
                let little = told.is_some_and(|told| told.abs_diff(bytes) <= told / FREE_BYTES_CHANGE);
                if little && !wrote.swap(false, Ordering::Relaxed) {
                    continue;
                }
                told = Some(bytes);
                if inputs.send(Input::Event(Event::StorageFree { bytes })).is_err() {
                    return;
                }
            }
            Err(error) => tracing::debug!(%error, "the disk does not say how much room it has"),
        }
    }
}

/// Compares chunk files and tables after a start: a crash may have left files that nothing lists, or taken the note
/// that a file is here; a disk may have lost files.
fn compare_chunks(
    store: &RedbStore,
    chunks: &ChunkFiles,
    inputs: &Inputs,
    keep_unlisted: bool,
) -> Result<(), crate::service::ReadError> {
    for hash in chunks.list() {
        let hash = hash?;
        match chunk_record(&store.read()?, &hash)? {
            Some(record) if !record.present => {
                let _ = inputs.send(Input::Event(Event::ChunkStored { chunk: hash }));
            }
            Some(_) => {}
            None if keep_unlisted => {}
            None => {
                chunks.remove_unless(&hash, || {
                    !store
                        .read()
                        .is_ok_and(|read| chunk_record(&read, &hash).is_ok_and(|record| record.is_none()))
                })?;
            }
        }
    }
    let mut lost = Vec::new();
    store.read()?.scan(Table::Chunks, &[], &mut |key, _| {
        if let Ok(hash) = <[u8; 32]>::try_from(key)
            && matches!(chunks.contains(&Hash(hash)), Ok(false))
        {
            lost.push(Hash(hash));
        }
        ControlFlow::Continue(())
    })?;
    for chunk in lost {
        if chunk_record(&store.read()?, &chunk)?.is_some_and(|record| record.present) {
            tracing::warn!(%chunk, "a chunk's file is missing: it is fetched from a peer");
            let _ = inputs.send(Input::Event(Event::ChunkLost { chunk }));
        }
    }
    Ok(())
}
