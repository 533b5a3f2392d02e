//! One space of a node while it runs: its tables, its chunk files, and the thread of its engine.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use cairn_transports::Transport;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::SystemClock;
use super::chunk_worker::{self, Expected, Job};
use super::engine_thread::{self, Input, Inputs};
use super::hands::{Hands, Radios};
use super::links::{LinkTable, Seat};
use super::recorder::Recorder;
use super::register::Register;
use super::repair::{self, KeysOf};
use super::run::RunError;
use crate::mesh::{Engine, EngineError, Event};
use crate::model::{Hash, OwnerId, WallTime};
use crate::service::SharedKeys;
use crate::space::chunk_record;
use crate::store::{ChunkError, ChunkFiles, FolderDisk, ReadTransaction, RedbStore, Store, Table};

/// How often the disk is asked how much room it has.
const FREE_BYTES_EVERY: Duration = Duration::from_secs(10);
/// An engine that writes nothing is told when more than this part of the room came or went.
const FREE_BYTES_CHANGE: u64 = 128;

/// Where a space lies.
pub(super) struct SpaceFiles {
    folder: PathBuf,
    pub(super) store: RedbStore,
    pub(super) chunks: ChunkFiles,
}

impl SpaceFiles {
    /// Opens the space in `folder`. `damaged` is told when its database is found damaged.
    pub(super) fn open(
        folder: &Path,
        keys: &KeysOf<'_>,
        found_damaged: bool,
        damaged: watch::Sender<bool>,
        wall: WallTime,
    ) -> Result<Self, RunError> {
        let chunks = ChunkFiles::open(Arc::new(FolderDisk::open(folder).map_err(ChunkError::from)?))?;
        let store = repair::open(folder, keys, &chunks, found_damaged, wall)?;
        store.on_damage(move |error| {
            if !damaged.send_replace(true) {
                tracing::error!(%error, "the database is damaged: it is repaired now");
            }
        });
        Ok(Self {
            folder: folder.to_owned(),
            store,
            chunks,
        })
    }
}

/// An engine's surroundings, ready before it runs.
pub(super) struct Prepared {
    pub(super) files: SpaceFiles,
    pub(super) inputs: Inputs,
    pub(super) expected: Expected,
    pub(super) jobs: mpsc::Sender<Job>,
    receiver: Receiver<Input>,
}

/// What an engine acts on.
pub(super) struct Reach {
    pub(super) transports: Vec<Arc<dyn Transport>>,
    pub(super) table: LinkTable,
    pub(super) radios: Radios,
    pub(super) register: Option<Register>,
    pub(super) keys: SharedKeys,
    /// Is told of commits.
    pub(super) committed: Option<Arc<Notify>>,
}

impl Prepared {
    pub(super) fn new(files: SpaceFiles) -> Result<Self, RunError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let inputs = Inputs::new(sender);
        let (jobs, _workers) = chunk_worker::start(files.chunks.clone(), files.store.clone(), inputs.clone())
            .map_err(RunError::system("cannot start the chunk workers"))?;
        Ok(Self {
            files,
            inputs,
            expected: Expected::default(),
            jobs,
            receiver,
        })
    }

    /// Where the links find it.
    pub(super) fn seat(&self, owner: OwnerId) -> Seat {
        Seat {
            owner,
            inputs: self.inputs.clone(),
            expected: self.expected.clone(),
            jobs: self.jobs.clone(),
        }
    }

    /// Starts the thread of `engine`. Must be called within a tokio runtime.
    pub(super) fn start(
        self,
        engine: Engine<RedbStore>,
        clock: SystemClock,
        reach: Reach,
        recorder: Option<Recorder>,
    ) -> Result<SpaceEngine, RunError> {
        let wrote = Arc::new(AtomicBool::new(false));
        let mut hands = Hands::new(&self, reach, wrote.clone());
        let Self {
            files,
            inputs,
            receiver,
            ..
        } = self;
        let (running, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || {
                let _until_here = running;
                engine_thread::run(engine, clock, &receiver, &mut hands, recorder)
            })
            .map_err(RunError::system("cannot start the engine's thread"))?;
        tokio::spawn(watch_free_bytes(files.folder.clone(), inputs.clone(), wrote));
        let to_engine = inputs.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = compare_chunks(&files, &to_engine) {
                tracing::warn!(%error, "the chunk files were not looked through");
            }
        });
        Ok(SpaceEngine {
            inputs,
            thread,
            ended,
        })
    }
}

/// An engine that runs.
pub(super) struct SpaceEngine {
    inputs: Inputs,
    thread: JoinHandle<Result<(), EngineError>>,
    ended: oneshot::Receiver<()>,
}

impl SpaceEngine {
    /// Resolves (as dropped) when the thread ends.
    pub(super) fn ended(&mut self) -> &mut oneshot::Receiver<()> {
        &mut self.ended
    }

    /// Has the engine commit what it holds, and waits for it.
    pub(super) async fn stop(self) -> Result<(), RunError> {
        // An engine that failed is gone already, and says why below.
        let _ = self.inputs.send(Input::Stop);
        match tokio::task::spawn_blocking(move || self.thread.join()).await {
            Ok(Ok(result)) => Ok(result?),
            _ => Err(RunError::System {
                what: "the engine's thread ended badly".into(),
                error: std::io::Error::other("it panicked"),
            }),
        }
    }
}

/// Tells the engine how much room the disk has, now and then while it writes and whenever that changed much, until it ends.
async fn watch_free_bytes(folder: PathBuf, inputs: Inputs, wrote: Arc<AtomicBool>) {
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
fn compare_chunks(files: &SpaceFiles, inputs: &Inputs) -> Result<(), crate::service::ReadError> {
    let (store, chunks) = (&files.store, &files.chunks);
    let keep_unlisted = repair::has_set_aside(&files.folder);
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
