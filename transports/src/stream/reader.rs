//! The half of a link's work that takes bytes from the peer.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Instant, sleep_until};

use super::{BUFFER_LEN_IDLE, BUFFER_LEN_MAX, IDLE, LinkCore, LinkEnd};
use crate::framing::{Record, RecordDecoder};
use crate::inbox::InboxSender;
use crate::pipe::Opener;

pub(super) struct Reader<R, O> {
    core: LinkCore,
    read: R,
    opener: O,
    decoder: RecordDecoder,
    input: BytesMut,
    /// How much is asked for at the next read: doubles while reads come back full.
    read_len: usize,
    heard_at: Instant,
}

/// What ends the reading.
enum Stop {
    /// The reason stands in the link's `closing` already, or the way is broken.
    Down(String),
    Garbage(String),
}

impl<R: AsyncRead + Unpin, O: Opener> Reader<R, O> {
    pub(super) fn new(core: &LinkCore, read: R, opener: O) -> Self {
        Self {
            core: core.clone(),
            read,
            opener,
            decoder: RecordDecoder::default(),
            input: BytesMut::new(),
            read_len: BUFFER_LEN_IDLE,
            heard_at: Instant::now(),
        }
    }

    /// Reads until the link is down, and leaves the reason in the link's `closing`.
    pub(super) async fn run(&mut self, inbox: &InboxSender) -> LinkEnd {
        let (reason, end) = match self.read_records(inbox).await {
            Stop::Down(reason) => (reason, LinkEnd::Down),
            Stop::Garbage(what) => (format!("the peer sent garbage: {what}"), LinkEnd::Garbage(what)),
        };
        self.core.closing.break_off(&reason);
        end
    }

    async fn read_records(&mut self, inbox: &InboxSender) -> Stop {
        loop {
            match self.more(inbox).await {
                Ok(0) => return Stop::Down("the peer hung up".into()),
                Ok(_) => {}
                Err(error) => return Stop::Down(error.to_string()),
            }
            if let Err(stop) = self.deliver(inbox).await {
                return stop;
            }
            // Time spent waiting for room in the inbox is no silence of the peer.
            self.heard_at = Instant::now();
        }
    }

    /// Waits for bytes, and watches the silence meanwhile. Returns 0 at the end of the stream.
    async fn more(&mut self, inbox: &InboxSender) -> io::Result<usize> {
        let dead_at = self.heard_at + self.core.keep_alive.dead_after;
        let mut wake_at = dead_at.min(self.heard_at + IDLE);
        loop {
            self.input.reserve(self.read_len);
            let read = tokio::select! {
                biased;
                read = self.read.read_buf(&mut self.input) => read?,
                () = sleep_until(wake_at) => {
                    if Instant::now() >= dead_at {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer has fallen silent"));
                    }
                    self.release();
                    wake_at = dead_at;
                    continue;
                }
                () = inbox.abandoned() => return Err(io::Error::other("nobody takes the frames any more")),
            };
            if read >= self.read_len {
                self.read_len = (self.read_len * 4).min(BUFFER_LEN_MAX);
            }
            return Ok(read);
        }
    }

    fn release(&mut self) {
        self.read_len = BUFFER_LEN_IDLE;
        self.opener.release();
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    async fn deliver(&mut self, inbox: &InboxSender) -> Result<(), Stop> {
        let garbage = |error: &dyn std::error::Error| Stop::Garbage(error.to_string());
        while let Some(mut plain) = self
            .opener
            .open(&mut self.input)
            .map_err(|error| garbage(&error))?
        {
            while let Some(record) = self.decoder.decode(&mut plain).map_err(|error| garbage(&error))? {
                match record {
                    Record::Frame(frame) => {
                        if !inbox.deliver(frame).await {
                            return Err(Stop::Down("nobody takes the frames any more".into()));
                        }
                    }
                    Record::Ping(token) => self.core.outbox.owe_pong(token),
                    Record::Pong(token) => self.core.round_trip.pong(token),
                    Record::Close(reason) => return Err(Stop::Down(format!("closed by the peer: {reason}"))),
                }
            }
        }
        Ok(())
    }

    /// Reads and forgets until the peer hangs up.
    pub(super) async fn drain(&mut self) {
        loop {
            self.input.clear();
            self.input.reserve(BUFFER_LEN_IDLE);
            if !matches!(self.read.read_buf(&mut self.input).await, Ok(1..)) {
                return;
            }
        }
    }
}
