//! What waits to be sent on a link: four lanes, each bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, TryAcquireError};

use crate::closing::Closing;
use crate::link::{FRAME_LEN_MAX, Lane};
use crate::round_trip::RoundTrip;

/// How many bytes may wait in one lane. Two of the longest frames: one on its way to the socket, one ready behind it.
pub const LANE_BYTES_MAX: usize = 2 * FRAME_LEN_MAX;

/// What a waiting frame costs beside its bytes, so that empty frames cannot pile up without bound.
pub(crate) const FRAME_COST: usize = 64;

/// How many permits a frame of `len` bytes takes. Cannot truncate: `len` is at most [`FRAME_LEN_MAX`].
pub(crate) fn frame_cost(len: usize) -> u32 {
    u32::try_from(len + FRAME_COST).unwrap_or(u32::MAX)
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The lane holds [`LANE_BYTES_MAX`] bytes; try again when the peer has taken some.
    #[error("the lane is full")]
    Full,
    /// The link is down.
    #[error("the link is closed")]
    Closed,
    /// The frame is longer than [`FRAME_LEN_MAX`].
    #[error("the frame is longer than {FRAME_LEN_MAX} bytes")]
    TooLong,
}

/// Something that a link has to send next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Frame(Bytes),
    Pong(u64),
}

/// The lanes of one link, shared by those who send and the task that writes.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Bytes that still fit, per lane. Semaphores are fair: who waits longest is served first.
    room: [Semaphore; 4],
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    lanes: [VecDeque<Bytes>; 4],
    /// At most one answer is owed, to the latest ping: a flood of pings costs nothing here.
    pong: Option<u64>,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            room: std::array::from_fn(|_| Semaphore::new(LANE_BYTES_MAX)),
            ready: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing between lock and unlock can leave the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lane: Lane, frame: Bytes) {
        self.queue().lanes[lane as usize].push_back(frame);
        self.ready.notify_one();
    }

    pub(crate) fn owe_pong(&self, token: u64) {
        self.queue().pong = Some(token);
        self.ready.notify_one();
    }

    /// Takes what is most urgent.
    pub(crate) fn take(&self) -> Option<Outgoing> {
        let mut queue = self.queue();
        if let Some(token) = queue.pong.take() {
            return Some(Outgoing::Pong(token));
        }
        Lane::ALL
            .into_iter()
            .find_map(|lane| self.pop(&mut queue, lane))
            .map(Outgoing::Frame)
    }

    /// Takes a control frame only: when a link closes, these still go out.
    pub(crate) fn take_control(&self) -> Option<Bytes> {
        self.pop(&mut self.queue(), Lane::Control)
    }

    fn pop(&self, queue: &mut Queue, lane: Lane) -> Option<Bytes> {
        let frames = &mut queue.lanes[lane as usize];
        let frame = frames.pop_front()?;
        if frames.is_empty() && frames.capacity() > FRAME_COST {
            *frames = VecDeque::new();
        }
        self.room[lane as usize].add_permits(frame_cost(frame.len()) as usize);
        Some(frame)
    }

    /// Waits until [`Outbox::take`] may have something.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    /// Refuses everything from now on, and fails those who wait for room.
    pub(crate) fn close(&self) {
        for room in &self.room {
            room.close();
        }
    }
}

/// The half of a link that takes frames. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FrameSender {
    outbox: Arc<Outbox>,
    closing: Closing,
    round_trip: Arc<RoundTrip>,
}

impl FrameSender {
    pub(crate) fn new(outbox: Arc<Outbox>, closing: Closing, round_trip: Arc<RoundTrip>) -> Self {
        Self {
            outbox,
            closing,
            round_trip,
        }
    }

    /// Queues a frame without waiting. May be called from any thread, inside a runtime or not.
    ///
    /// Fails with [`SendError::Full`] when the lane has no room for it. Frames of one lane arrive in the order in which they were queued.
    /// That a frame was taken does not mean that it arrives: the link may go down first.
    pub fn try_send(&self, lane: Lane, frame: Bytes) -> Result<(), SendError> {
        if frame.len() > FRAME_LEN_MAX {
            return Err(SendError::TooLong);
        }
        match self.outbox.room[lane as usize].try_acquire_many(frame_cost(frame.len())) {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => return Err(SendError::Full),
            Err(TryAcquireError::Closed) => return Err(SendError::Closed),
        }
        self.outbox.push(lane, frame);
        Ok(())
    }

    /// Queues a frame, waiting for room in its lane. Never fails with [`SendError::Full`].
    pub async fn send(&self, lane: Lane, frame: Bytes) -> Result<(), SendError> {
        if frame.len() > FRAME_LEN_MAX {
            return Err(SendError::TooLong);
        }
        let room = &self.outbox.room[lane as usize];
        let permit = room.acquire_many(frame_cost(frame.len())).await;
        permit.map_err(|_closed| SendError::Closed)?.forget();
        self.outbox.push(lane, frame);
        Ok(())
    }

    /// Closes the link from this side and tells the peer why, in at most 256 bytes of `reason`.
    ///
    /// Control frames that were queued before still go out, within two seconds; all else that waits is dropped.
    pub fn close(&self, reason: &str) {
        self.closing.close_politely(reason);
        self.outbox.close();
    }

    /// Whether the link is down, for whatever reason.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing.is_closed()
    }

    /// Returns the latest round-trip time that the keep-alive measured.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.round_trip.latest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> (FrameSender, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new());
        (
            FrameSender::new(outbox.clone(), Closing::new(), Arc::default()),
            outbox,
        )
    }

    #[test]
    fn the_most_urgent_lane_goes_first_and_each_lane_keeps_its_order() {
        let (sender, outbox) = sender();
        for (lane, byte) in [
            (Lane::Bulk, 1),
            (Lane::Bulk, 2),
            (Lane::Small, 3),
            (Lane::Control, 4),
            (Lane::Entries, 5),
        ] {
            sender.try_send(lane, Bytes::copy_from_slice(&[byte])).unwrap();
        }
        outbox.owe_pong(9);
        assert_eq!(outbox.take(), Some(Outgoing::Pong(9)));
        for byte in [4, 5, 3, 1, 2] {
            assert_eq!(
                outbox.take(),
                Some(Outgoing::Frame(Bytes::copy_from_slice(&[byte])))
            );
        }
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn a_lane_is_bounded_in_bytes_and_empty_frames_count() {
        let (sender, outbox) = sender();
        let taken = (0..)
            .take_while(|_| sender.try_send(Lane::Bulk, Bytes::new()).is_ok())
            .count();
        assert_eq!(taken, LANE_BYTES_MAX / FRAME_COST);
        assert_eq!(sender.try_send(Lane::Bulk, Bytes::new()), Err(SendError::Full));
        assert_eq!(
            sender.try_send(Lane::Control, Bytes::new()),
            Ok(()),
            "other lanes have room of their own"
        );
        outbox.take();
        outbox.take();
        assert_eq!(sender.try_send(Lane::Bulk, Bytes::new()), Ok(()));
        let long = Bytes::from(vec![0; FRAME_LEN_MAX + 1]);
        assert_eq!(sender.try_send(Lane::Control, long), Err(SendError::TooLong));
    }

    #[tokio::test]
    async fn closing_fails_those_who_wait() {
        let (sender, _outbox) = sender();
        let frame = Bytes::from(vec![0; FRAME_LEN_MAX]);
        while sender.try_send(Lane::Bulk, frame.clone()).is_ok() {}
        let waiting = tokio::spawn({
            let (sender, frame) = (sender.clone(), frame.clone());
            async move { sender.send(Lane::Bulk, frame).await }
        });
        tokio::task::yield_now().await;
        sender.close("enough");
        assert_eq!(waiting.await.unwrap(), Err(SendError::Closed));
        assert_eq!(
            sender.try_send(Lane::Control, Bytes::new()),
            Err(SendError::Closed)
        );
        assert!(sender.is_closed());
    }
}
