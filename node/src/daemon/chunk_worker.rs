//! Chunks on their way between links and files, past the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::engine_thread::{Input, Inputs};
use crate::mesh::{Event, LinkId, carried_chunk};
use crate::model::Hash;
use crate::space::chunk_record;
use crate::store::{ChunkFiles, Pin, RedbStore, Store};

/// Chunks that wait to be written. With what links hold back this bounds the memory of a fast link and a slow disk.
const JOBS_MAX: usize = 2;
/// Bytes written before a sync begins at the latest.
const UNSYNCED_MAX: usize = 8 * 1024 * 1024;

/// Which chunks were asked for on which links: nothing else is taken in.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected(Arc<Mutex<BTreeMap<(LinkId, Hash), u32>>>);

impl Expected {
    pub(super) fn add(&self, link: LinkId, chunk: Hash, len: u32) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((link, chunk), len);
    }

    /// Says whether this chunk was asked for, and forgets it.
    pub(super) fn take(&self, link: LinkId, chunk: Hash, len: usize) -> bool {
        let asked = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(link, chunk));
        asked.is_some_and(|asked| asked as usize == len)
    }

    pub(super) fn link_down(&self, link: LinkId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(at, _), _| *at != link);
    }
}

/// Work for the worker.
pub(super) enum Job {
    /// Keep the chunk that this frame carries.
    Store { link: LinkId, frame: Bytes },
    /// No live entry lists these any more.
    Release(Vec<Hash>),
}

/// Starts the two threads: one verifies and writes, the other syncs what was written meanwhile.
pub(super) fn start(
    chunks: ChunkFiles,
    store: RedbStore,
    inputs: Inputs,
) -> std::io::Result<(mpsc::Sender<Job>, [JoinHandle<()>; 2])> {
    let (jobs, mut incoming) = mpsc::channel(JOBS_MAX);
    let (written, to_sync) = std::sync::mpsc::sync_channel::<(Pin, usize)>(256);
    let syncer =
        {
            let (chunks, inputs) = (chunks.clone(), inputs.clone());
            std::thread::Builder::new().name("chunk-sync".into()).spawn(move || {
            while let Ok(first) = to_sync.recv() {
                let mut batch = vec![first];
                let mut len = batch[0].1;
                while len < UNSYNCED_MAX
                    && let Ok(next) = to_sync.try_recv()
                {
                    len += next.1;
                    batch.push(next);
                }
                let synced = chunks.sync();
                for (pin, _) in batch {
                    let chunk = pin.hash();
                    let event = match &synced {
                        Ok(()) => Event::ChunkStored { chunk },
                        Err(error) => {
                            tracing::error!(%chunk, %error, "a received chunk did not reach the disk");
                            Event::ChunkFailed { chunk }
                        }
                    };
                    let _ = inputs.send(Input::Event(event));
                }
            }
        })?
        };
    let writer = std::thread::Builder::new()
        .name("chunk-write".into())
        .spawn(move || {
            while let Some(job) = incoming.blocking_recv() {
                match job {
                    Job::Store { link, frame } => {
                        let Some((chunk, bytes)) = carried_chunk(&frame) else {
                            continue;
                        };
                        let event = match chunks.write(chunk, bytes) {
                            Ok(pin) => {
                                let _ = written.send((pin, bytes.len()));
                                Event::ChunkReceived { link, chunk }
                            }
                            Err(error) => {
                                tracing::warn!(%chunk, %error, "a received chunk was not kept");
                                Event::ChunkFailed { chunk }
                            }
                        };
                        let _ = inputs.send(Input::Event(event));
                    }
                    Job::Release(released) => release(&chunks, &store, &released),
                }
            }
        })?;
    Ok((jobs, [writer, syncer]))
}

/// Removes chunk files that nothing lists. When in doubt a file stays: the next start looks again.
fn release(chunks: &ChunkFiles, store: &RedbStore, released: &[Hash]) {
    for chunk in released {
        let removed = chunks.remove_unless(chunk, || {
            let unlisted = store
                .read()
                .is_ok_and(|read| chunk_record(&read, chunk).is_ok_and(|record| record.is_none()));
            !unlisted
        });
        if let Err(error) = removed {
            tracing::warn!(%chunk, %error, "a chunk that nothing lists was not removed");
        }
    }
}
