//! What transports bring, on its way to the engines.

use std::sync::Arc;

use cairn_transports::{Link, TransportEvent};
use tokio::sync::{Semaphore, mpsc};

use super::chunk_worker::Job;
use super::engine_thread::Input;
use super::links::{LinkTable, Routed};
use crate::mesh::carried_chunk;
use crate::model::NodeId;

/// Bytes of one link's frames that wait for engines: beyond it the link is not read.
const WAITING_MAX: usize = 4 * 1024 * 1024;
/// Announcements from gossip that wait for engines, at most.
const ANNOUNCEMENTS_MAX: usize = 32;

/// Reads links and hands what comes to the engines.
#[derive(Clone)]
pub(super) struct Reader {
    table: LinkTable,
    /// Room for announcements that wait for engines.
    announcements: Arc<Semaphore>,
}

impl Reader {
    /// Reads for the spaces in `table`.
    pub(super) fn new(table: LinkTable) -> Self {
        Self {
            table,
            announcements: Arc::new(Semaphore::new(ANNOUNCEMENTS_MAX)),
        }
    }

    /// Takes events from the transports until they end.
    pub(super) async fn run(self, mut events: mpsc::Receiver<TransportEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                TransportEvent::LinkUp(link) => self.up(link),
                TransportEvent::Listening { address } => {
                    tracing::info!(%address, "listening");
                    self.table.listens(address);
                }
                TransportEvent::ListenFailed { address, reason } => {
                    tracing::warn!(%address, %reason, "cannot listen: other links still work");
                }
                TransportEvent::Discovered { address, .. } => tracing::debug!(%address, "seen nearby"),
                TransportEvent::DialFailed {
                    address,
                    reason,
                    retry_in,
                } => {
                    tracing::debug!(%address, %reason, ?retry_in, "no link");
                }
                TransportEvent::LinkRefused { address, reason } => {
                    tracing::warn!(%address, %reason, "a link was refused");
                }
                TransportEvent::Announcement { peer, bytes } => {
                    for inputs in self.table.all_inputs() {
                        // With too many at once some are left out: they come again.
                        if let Ok(room) = self.announcements.clone().try_acquire_owned() {
                            let (author, frame) = (NodeId(peer.0), bytes.to_vec());
                            let _ = inputs.send(Input::Announced { author, frame, room });
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn up(&self, link: Link) {
        let number = self.table.up(&link);
        tracing::debug!(peer = %link.peer, address = %link.address, "link up");
        tokio::spawn(self.clone().read(number, link));
    }

    async fn read(self, number: u64, mut link: Link) {
        let room = Arc::new(Semaphore::new(WAITING_MAX));
        while let Some(frame) = link.receiver.recv().await {
            let Some(Routed { seat, link, frame }) = self.table.route(number, &frame) else {
                continue;
            };
            if let Some((chunk, bytes)) = carried_chunk(&frame) {
                // One that nobody asked for, or that came too late, is dropped; so is what is for a space that ended.
                if seat.expected.take(link, chunk, bytes.len()) {
                    let _ = seat.jobs.send(Job::Store { link, frame }).await;
                }
                continue;
            }
            let len = u32::try_from(frame.len())
                .unwrap_or(u32::MAX)
                .clamp(64, WAITING_MAX as u32);
            let Ok(room) = room.clone().acquire_many_owned(len).await else {
                break;
            };
            let _ = seat.inputs.send(Input::Frame {
                link,
                frame: frame.into(),
                room,
            });
        }
        tracing::debug!(peer = %link.peer, address = %link.address, reason = ?link.receiver.close_reason(), "link down");
        self.table.down(number);
    }
}
