//! What came on a link and was not taken yet, bounded in bytes.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::closing::Closing;
use crate::link::FRAME_LEN_MAX;
use crate::outbox::frame_cost;

/// How many received bytes may wait for their reader. When they do, the link stops reading, and the peer's sender comes to wait.
pub const INBOX_BYTES_MAX: usize = 2 * FRAME_LEN_MAX;

/// Makes the two ends of an inbox.
pub(crate) fn inbox(closing: Closing) -> (InboxSender, FrameReceiver) {
    // The channel itself has no bound: every item in it holds its share of the semaphore, which has.
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(INBOX_BYTES_MAX));
    (InboxSender { sender, room }, FrameReceiver { receiver, closing })
}

type Item = (Bytes, OwnedSemaphorePermit);

/// The end that the task holds that reads from the peer.
#[derive(Debug)]
pub(crate) struct InboxSender {
    sender: mpsc::UnboundedSender<Item>,
    room: Arc<Semaphore>,
}

impl InboxSender {
    /// Waits for room, then queues the frame. False: nobody will ever take it.
    pub(crate) async fn deliver(&self, frame: Bytes) -> bool {
        tokio::select! {
            permit = self.room.clone().acquire_many_owned(frame_cost(frame.len())) => {
                permit.is_ok_and(|permit| self.sender.send((frame, permit)).is_ok())
            }
            () = self.sender.closed() => false,
        }
    }

    /// Waits until the receiver is dropped.
    pub(crate) async fn abandoned(&self) {
        self.sender.closed().await;
    }
}

/// The half of a link that gives frames. Dropping it closes the link.
#[derive(Debug)]
pub struct FrameReceiver {
    receiver: mpsc::UnboundedReceiver<Item>,
    closing: Closing,
}

impl FrameReceiver {
    /// Waits for the next frame. `None`: the link is down, and every frame that came on it was given.
    ///
    /// Cancel-safe: a frame is never lost when the returned future is dropped.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.receiver.recv().await.map(|(frame, _permit)| frame)
    }

    /// Returns why the link went down, for people; `None` while it is up.
    #[must_use]
    pub fn close_reason(&self) -> Option<String> {
        self.closing.reason()
    }
}
