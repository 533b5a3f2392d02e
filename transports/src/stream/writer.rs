//! The half of a link's work that brings frames to the peer.

use std::future::pending;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use super::{BUFFER_LEN_MAX, IDLE, LinkCore};
use crate::framing;
use crate::outbox::Outgoing;
use crate::pipe::{PipeError, Sealer};

pub(super) struct Writer<W, S> {
    core: LinkCore,
    write: W,
    sealer: S,
    out: BytesMut,
    /// What is left of the frame that is being sent.
    frame: Bytes,
    ping_at: Instant,
    /// Whether buffers have grown since they were last given back. `out.capacity()` does not tell: it shrinks while `out` is written.
    grown: bool,
}

#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Pipe(#[from] PipeError),
}

impl<W: AsyncWrite + Unpin, S: Sealer> Writer<W, S> {
    pub(super) fn new(core: LinkCore, write: W, sealer: S) -> Self {
        // The first ping goes out at once: the round-trip time is wanted early.
        Self {
            core,
            write,
            sealer,
            out: BytesMut::new(),
            frame: Bytes::new(),
            ping_at: Instant::now(),
            grown: false,
        }
    }

    /// Writes until the link is down; a link that this side closes gets its farewell.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.write_records().await {
            self.core.closing.break_off(&error.to_string());
        }
        let _ = self.write.shutdown().await;
    }

    async fn write_records(&mut self) -> Result<(), WriteError> {
        let closing = self.core.closing.clone();
        loop {
            self.fill()?;
            if !self.out.is_empty() {
                self.grown = true;
                self.write.write_all_buf(&mut self.out).await?;
                if closing.is_closed() {
                    return self.farewell().await;
                }
                continue;
            }
            self.write.flush().await?;
            let idle_at = self.grown.then(|| Instant::now() + IDLE);
            tokio::select! {
                () = self.core.outbox.ready() => {}
                () = sleep_until(self.ping_at) => {}
                () = idle(idle_at) => {
                    self.out = BytesMut::new();
                    self.sealer.release();
                    self.grown = false;
                }
                _ = closing.closed() => return self.farewell().await,
            }
        }
    }

    /// Fills the buffer with what is most urgent.
    fn fill(&mut self) -> Result<(), PipeError> {
        if Instant::now() >= self.ping_at {
            // Between frames only: a record inside another one would be garbage.
            if self.frame.is_empty() {
                self.sealer
                    .seal(&framing::ping(self.core.round_trip.token()), &mut self.out)?;
                self.ping_at = Instant::now() + self.core.keep_alive.ping_every;
            }
        }
        while self.out.len() < BUFFER_LEN_MAX && self.next()? {}
        self.sealer.flush(&mut self.out)
    }

    /// Seals one more piece; false if nothing waits.
    fn next(&mut self) -> Result<bool, PipeError> {
        if self.frame.is_empty() {
            match self.core.outbox.take() {
                Some(Outgoing::Pong(token)) => self.sealer.seal(&framing::pong(token), &mut self.out)?,
                Some(Outgoing::Frame(frame)) => {
                    self.sealer
                        .seal(&framing::frame_head(frame.len()), &mut self.out)?;
                    self.frame = frame;
                }
                None => return Ok(false),
            }
        }
        let piece = self
            .frame
            .len()
            .min(BUFFER_LEN_MAX - self.out.len().min(BUFFER_LEN_MAX));
        self.sealer.seal(&self.frame[..piece], &mut self.out)?;
        self.frame.advance(piece);
        if self.frame.is_empty() {
            // A whole chunk would otherwise stay in memory until the next frame.
            self.frame = Bytes::new();
        }
        Ok(true)
    }

    /// Finishes the frame that is on its way, sends what is left in the control lane, and says why the link closes.
    async fn farewell(&mut self) -> Result<(), WriteError> {
        let closed = self.core.closing.closed().await;
        if !closed.polite {
            return Ok(());
        }
        let mut frame = std::mem::take(&mut self.frame);
        self.sealer.seal(&frame, &mut self.out)?;
        frame.clear();
        while let Some(frame) = self.core.outbox.take_control() {
            self.sealer
                .seal(&framing::frame_head(frame.len()), &mut self.out)?;
            self.sealer.seal(&frame, &mut self.out)?;
        }
        self.sealer.seal(&framing::close(&closed.reason), &mut self.out)?;
        self.sealer.flush(&mut self.out)?;
        self.write.write_all_buf(&mut self.out).await?;
        self.write.flush().await?;
        Ok(())
    }
}

async fn idle(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
