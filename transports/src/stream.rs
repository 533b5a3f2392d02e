//! One link over one stream of bytes: a task that reads and a task that writes.
//!
//! The reader stops reading when the inbox is full: that is how back-pressure reaches the peer. The writer fills a buffer with what is most
//! urgent and writes it in one piece. Both hold large buffers only while there is traffic: after [`IDLE`] they are given back, so that
//! a node with many silent neighbours stays small.

mod reader;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::closing::Closing;
use crate::inbox::{FrameReceiver, InboxSender, inbox};
use crate::link::PeerKey;
use crate::outbox::{FrameSender, Outbox};
use crate::pipe::{Opener, Sealer};
use crate::round_trip::RoundTrip;
use reader::Reader;
use writer::Writer;

/// How much is read or written at once under load, in bytes. From here on larger ones measured no faster.
const BUFFER_LEN_MAX: usize = 256 * 1024;
/// What a silent link holds ready to read, in bytes: enough for a ping, or the beginning of something.
const BUFFER_LEN_IDLE: usize = 2 * 1024;
/// After this long without traffic, buffers are given back.
const IDLE: Duration = Duration::from_secs(2);
/// How long a link that this side closes may take to say so.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a link finds out that its peer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// A ping goes out this often; it also measures the round-trip time.
    pub ping_every: Duration,
    /// A peer from which nothing at all came for this long is gone.
    pub dead_after: Duration,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(15),
            dead_after: Duration::from_secs(45),
        }
    }
}

/// What the parts of one link share.
#[derive(Clone, Debug)]
pub(crate) struct LinkCore {
    pub(crate) peer: PeerKey,
    pub(crate) closing: Closing,
    outbox: Arc<Outbox>,
    round_trip: Arc<RoundTrip>,
    keep_alive: KeepAlive,
}

impl LinkCore {
    pub(crate) fn new(peer: PeerKey, keep_alive: KeepAlive) -> Self {
        Self {
            peer,
            closing: Closing::new(),
            outbox: Arc::new(Outbox::new()),
            round_trip: Arc::default(),
            keep_alive,
        }
    }

    pub(crate) fn sender(&self) -> FrameSender {
        FrameSender::new(self.outbox.clone(), self.closing.clone(), self.round_trip.clone())
    }
}

/// Why a link went down, for the transport that ran it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkEnd {
    /// Somebody closed it, or the way is broken.
    Down,
    /// The peer sent what no honest peer sends.
    Garbage(String),
}

/// Runs a link until it is down. Returns its receiving half and the task.
pub(crate) fn spawn_link<R, W, S, O>(
    core: &LinkCore,
    read: R,
    write: W,
    sealer: S,
    opener: O,
) -> (FrameReceiver, JoinHandle<LinkEnd>)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
    S: Sealer,
    O: Opener,
{
    let (inbox, receiver) = inbox(core.closing.clone());
    let task = tokio::spawn(run(core.clone(), read, write, sealer, opener, inbox));
    (receiver, task)
}

async fn run<R, W, S, O>(
    core: LinkCore,
    read: R,
    write: W,
    sealer: S,
    opener: O,
    inbox: InboxSender,
) -> LinkEnd
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
    S: Sealer,
    O: Opener,
{
    // If this task is aborted, the other halves still learn that the link is down.
    let _closed_on_drop = CloseOnDrop(core.clone());
    let mut writer = AbortOnDrop(tokio::spawn(Writer::new(core.clone(), write, sealer).run()));
    let mut reader = Reader::new(&core, read, opener);
    let end = tokio::select! {
        end = reader.run(&inbox) => end,
        _ = core.closing.closed() => LinkEnd::Down,
    };
    core.outbox.close();
    // From here on the receiver gets what it has not taken yet, and then `None`.
    drop(inbox);
    if core.closing.closed().await.polite {
        // The socket is read to its end: closed with bytes unread, it would be reset, and the peer might never see the farewell.
        let _ = tokio::time::timeout(FAREWELL, async { tokio::join!(&mut writer.0, reader.drain()) }).await;
    }
    end
}

struct CloseOnDrop(LinkCore);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.closing.break_off("the link was stopped");
        self.0.outbox.close();
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
