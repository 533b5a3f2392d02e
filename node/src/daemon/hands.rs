//! What an engine wants done outside of its thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cairn_transports::lora::RadioCommand;
use cairn_transports::{Lane, PeerKey, SendError, Transport};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::chunk_worker::{Expected, Job};
use super::engine_thread::{Input, Inputs, Outside, Up};
use super::links::{LinkTable, SpaceSender};
use super::radio;
use super::register::Register;
use super::space_engine::{Prepared, Reach};
use crate::mesh::{
    Action, Broadcast, ErrorCode, Event, LinkId, Message, Report, StorageError, chunk_frame, radio_chunk,
};
use crate::model::{Hash, NodeId};
use crate::service::SharedKeys;
use crate::space::records::OwnWriter;
use crate::store::ChunkFiles;

/// Chunks that are read from disk and not yet taken by their links, over all links. Each is 1 MiB at most.
const SERVING_MAX: usize = 4;
/// Requests that wait to be served; a peer asks for less than that at a time.
const REQUESTS_MAX: usize = 1024;
/// Refusals that are remembered, so that each is logged once.
const REFUSALS_MAX: usize = 256;
/// How long a peer that broke the rules is kept out.
const PENALTY: Duration = Duration::from_secs(30);

/// The radios, by the engine's name for each.
pub(super) type Radios = BTreeMap<LinkId, radio::Controls>;

/// Carries out what the engine wants done.
pub(super) struct Hands {
    runtime: Handle,
    inputs: Inputs,
    chunks: ChunkFiles,
    jobs: mpsc::Sender<Job>,
    expected: Expected,
    transports: Vec<Arc<dyn Transport>>,
    table: LinkTable,
    /// Of a space that this node writes to.
    register: Option<Register>,
    links: BTreeMap<LinkId, (PeerKey, SpaceSender, mpsc::Sender<Hash>)>,
    radios: Radios,
    serving: Arc<Semaphore>,
    /// What was refused, and is logged.
    refusals: BTreeSet<(NodeId, String)>,
    /// Set at each commit: the engine's count of the disk's room is an estimate until it is told again.
    wrote: Arc<AtomicBool>,
    /// For those who read and store documents.
    keys: SharedKeys,
    /// Is told of commits.
    committed: Option<Arc<Notify>>,
}

impl Hands {
    /// For the engine that was `prepared`. `wrote` is set at each commit.
    pub(super) fn new(prepared: &Prepared, reach: Reach, wrote: Arc<AtomicBool>) -> Self {
        Self {
            runtime: Handle::current(),
            inputs: prepared.inputs.clone(),
            chunks: prepared.files.chunks.clone(),
            jobs: prepared.jobs.clone(),
            expected: prepared.expected.clone(),
            transports: reach.transports,
            table: reach.table,
            register: reach.register,
            links: BTreeMap::new(),
            radios: reach.radios,
            serving: Arc::new(Semaphore::new(SERVING_MAX)),
            refusals: BTreeSet::new(),
            wrote,
            keys: reach.keys,
            committed: reach.committed,
        }
    }

    fn send(&self, link: LinkId, lane: crate::mesh::Lane, frame: Vec<u8>) {
        let Some((_, sender, _)) = self.links.get(&link) else {
            return;
        };
        let lane = match lane {
            crate::mesh::Lane::Control => Lane::Control,
            crate::mesh::Lane::Entries => Lane::Entries,
            crate::mesh::Lane::Small => Lane::Small,
            crate::mesh::Lane::Bulk => Lane::Bulk,
        };
        match sender.try_send(lane, &frame) {
            Ok(()) | Err(SendError::Closed) => {}
            // The protocol asks again for what is dropped here.
            Err(error) => tracing::debug!(?link, %error, "a frame was dropped"),
        }
    }

    /// Uses a chunk file that no live entry listed until now and that is not removed yet; asks for the chunk if it
    /// is damaged.
    fn take_from_disk(&self, link: LinkId, chunk: Hash, request: Vec<u8>) {
        let Some((_, sender, _)) = self.links.get(&link) else {
            return;
        };
        let (sender, chunks) = (sender.clone(), self.chunks.clone());
        let (expected, jobs) = (self.expected.clone(), self.jobs.clone());
        self.runtime.spawn(async move {
            let read = tokio::task::spawn_blocking(move || chunks.read(&chunk));
            if let Ok(Ok(bytes)) = read.await {
                if expected.take(link, chunk, bytes.len()) {
                    let frame = Bytes::from(chunk_frame(&chunk, &bytes));
                    // Written again if it was removed meanwhile.
                    let _ = jobs.send(Job::Store { link, frame }).await;
                }
            } else {
                let _ = sender.send(Lane::Control, &request).await;
            }
        });
    }

    fn tell_radio(&self, radio: LinkId, command: RadioCommand) {
        if let Some(commands) = self.radios.get(&radio).map(|controls| &controls.commands)
            && commands.try_send(command).is_err()
        {
            // The protocol finds out what was not said.
            tracing::debug!(?radio, "the radio is busy: a message was dropped");
            let _ = self.inputs.send(Input::Event(Event::RadioReady { radio }));
        }
    }

    /// Sends a chunk to the neighbours.
    fn serve_by_radio(&self, radio: LinkId, chunk: Hash) {
        let Some(commands) = self.radios.get(&radio).map(|controls| controls.commands.clone()) else {
            return;
        };
        let (chunks, inputs) = (self.chunks.clone(), self.inputs.clone());
        self.runtime.spawn(async move {
            let read =
                tokio::task::spawn_blocking(move || chunks.read(&chunk).map(|bytes| radio_chunk(&bytes)));
            match read.await {
                Ok(Ok(message)) => {
                    let name = [chunk.0[0], chunk.0[1], chunk.0[2], chunk.0[3]];
                    let broadcast = Broadcast {
                        radio,
                        slot: radio::chunk_slot(name),
                        under: None,
                        lane: crate::mesh::Lane::Bulk,
                        name,
                        message,
                    };
                    let _ = commands.send(radio::on_air(broadcast)).await;
                }
                _ => {
                    let _ = inputs.send(Input::Event(Event::ChunkLost { chunk }));
                    let _ = inputs.send(Input::Event(Event::RadioReady { radio }));
                }
            }
        });
    }

    /// Uses a chunk that came before it was asked for, or a file that is still here from an entry that went.
    fn take_for_radio(&self, radio: LinkId, chunk: Hash) {
        let overheard = self
            .radios
            .get(&radio)
            .and_then(|controls| controls.overheard(&chunk));
        if let Some(bytes) = overheard {
            if self.expected.take(radio, chunk, bytes.len()) {
                let frame = Bytes::from(chunk_frame(&chunk, &bytes));
                let jobs = self.jobs.clone();
                self.runtime.spawn(async move {
                    let _ = jobs.send(Job::Store { link: radio, frame }).await;
                });
            }
            return;
        }
        if !self.chunks.contains(&chunk).unwrap_or(false) {
            return;
        }
        let (chunks, expected, jobs) = (self.chunks.clone(), self.expected.clone(), self.jobs.clone());
        self.runtime.spawn(async move {
            let read = tokio::task::spawn_blocking(move || chunks.read(&chunk));
            if let Ok(Ok(bytes)) = read.await
                && expected.take(radio, chunk, bytes.len())
            {
                let frame = Bytes::from(chunk_frame(&chunk, &bytes));
                let _ = jobs.send(Job::Store { link: radio, frame }).await;
            }
        });
    }

    fn report(&mut self, report: &Report) {
        match report {
            Report::PeerJoined(peer) => tracing::info!(%peer, "in touch with a node of this space"),
            Report::MemberAdded(node, name) => tracing::info!(%node, name, "a device joined the space"),
            Report::MemberRevoked(node) => tracing::warn!(%node, "a device was shut out of the space"),
            Report::KeysUnchanged(reason) => tracing::error!(
                %reason,
                "a device that was shut out still has the key of what is written: there can be no new one"
            ),
            Report::Refused { peer, reason } => {
                // A peer that comes back with the same again is said once.
                if self.refusals.len() >= REFUSALS_MAX {
                    self.refusals.clear();
                }
                if self.refusals.insert((*peer, reason.to_string())) {
                    tracing::warn!(%peer, %reason, "refused");
                } else {
                    tracing::debug!(%peer, %reason, "refused again");
                }
            }
            Report::TwinOfOurs => tracing::error!(
                "another process uses this device's key: run one of them only, and join the other with a new folder"
            ),
            Report::TwinOfPeer(peer) => {
                tracing::error!(%peer, "two processes use one device's key: one of them must join anew");
            }
            Report::RolledBack => {
                tracing::warn!("this folder is an older copy of what it was: a new incarnation begins");
            }
            Report::ClockWasAhead => {
                tracing::warn!("this computer's clock was ahead: what was written meanwhile is dated anew");
            }
            Report::PayloadComplete(path) => tracing::debug!(path = path.as_str(), "payload complete"),
            Report::Conflict(path) => {
                tracing::info!(
                    path = path.as_str(),
                    "concurrent versions: cairn conflicts shows them"
                );
            }
        }
    }
}

impl Outside for Hands {
    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send { link, lane, frame } => self.send(link, lane, frame),
            Action::Fetch {
                link,
                chunk,
                len,
                frame,
            } => {
                self.expected.add(link, chunk, len);
                if self.radios.contains_key(&link) {
                    // The request goes by itself.
                    self.take_for_radio(link, chunk);
                } else if self.chunks.contains(&chunk).unwrap_or(false) {
                    self.take_from_disk(link, chunk, frame);
                } else {
                    self.send(link, crate::mesh::Lane::Control, frame);
                }
            }
            Action::Serve { link, chunk } if self.radios.contains_key(&link) => {
                self.serve_by_radio(link, chunk)
            }
            Action::Serve { link, chunk } => {
                if let Some((_, _, requests)) = self.links.get(&link)
                    && requests.try_send(chunk).is_err()
                {
                    tracing::debug!(?link, %chunk, "too many requests at once: one was dropped");
                }
            }
            Action::Close {
                link,
                reason,
                penalise,
            } => {
                if let Some((peer, ..)) = self.links.remove(&link) {
                    tracing::debug!(%peer, %reason, "closing a link");
                    self.table.close(link, &reason, penalise);
                    if penalise {
                        for transport in &self.transports {
                            transport.penalise(peer, PENALTY);
                        }
                    }
                }
            }
            Action::Release(chunks) => {
                let jobs = self.jobs.clone();
                self.runtime
                    .spawn(async move { jobs.send(Job::Release(chunks)).await.is_ok() });
            }
            Action::Announce(frame) => {
                let frame = Bytes::from(frame);
                for transport in &self.transports {
                    transport.announce(frame.clone());
                }
            }
            Action::Keys(keyring) => {
                for controls in self.radios.values() {
                    controls.set_keys(&keyring);
                }
                self.keys.set(keyring);
            }
            Action::Report(report) => self.report(&report),
            Action::Broadcast(broadcast) => self.tell_radio(broadcast.radio, radio::on_air(broadcast)),
            Action::Withdraw { radio, slot } => self.tell_radio(radio, RadioCommand::Cancel(slot)),
            Action::Forget { radio, name } => self.tell_radio(radio, RadioCommand::Forget(name)),
            Action::Listen {
                radio,
                senders,
                chunks,
            } => self.tell_radio(radio, radio::interest(senders, chunks)),
            Action::Reply { .. } => {}
        }
        self.links.retain(|_, (_, sender, _)| !sender.is_closed());
    }

    fn link_up(&mut self, link: LinkId, up: Up) {
        let (requests, incoming) = mpsc::channel(REQUESTS_MAX);
        let server = Server {
            chunks: self.chunks.clone(),
            sender: up.sender.clone(),
            inputs: self.inputs.clone(),
            serving: self.serving.clone(),
        };
        self.runtime.spawn(server.run(incoming));
        self.links.insert(link, (up.peer, up.sender, requests));
    }

    fn committed(&mut self, own: OwnWriter) {
        if let Some(register) = &self.register {
            register.note(own);
        }
        self.wrote.store(true, Ordering::Relaxed);
        if let Some(committed) = &self.committed {
            committed.notify_one();
        }
    }
}

/// Sends the chunks that one peer asked for, one after the other.
struct Server {
    chunks: ChunkFiles,
    sender: SpaceSender,
    inputs: Inputs,
    serving: Arc<Semaphore>,
}

impl Server {
    async fn run(self, mut requests: mpsc::Receiver<Hash>) {
        while let Some(chunk) = requests.recv().await {
            let Ok(_room) = self.serving.acquire().await else {
                return;
            };
            let chunks = self.chunks.clone();
            let read = tokio::task::spawn_blocking(move || {
                chunks.read(&chunk).map(|bytes| chunk_frame(&chunk, &bytes))
            });
            let sent = match read.await {
                Ok(Ok(frame)) => self.sender.send(Lane::Bulk, &frame).await,
                Ok(Err(error)) => {
                    tracing::warn!(%chunk, %error, "a chunk cannot be read: it is fetched again");
                    let _ = self.chunks.set_aside(&chunk);
                    let _ = self.inputs.send(Input::Event(Event::ChunkLost { chunk }));
                    let error = Message::StorageError(StorageError {
                        code: ErrorCode::NotFound,
                        chunk: Some(chunk),
                        reason: "this chunk is not here".into(),
                    });
                    self.sender.send(Lane::Control, &error.encode()).await
                }
                Err(_) => return,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}
