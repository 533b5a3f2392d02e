//! The body of an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::daemon::Node;
use crate::service::{Body, ReadError};
use crate::store::Pin as ChunkPin;

/// The rest of a document could not be read. Half of it is sent already: the connection is cut, so that nobody takes
/// it for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the rest of the document cannot be read")]
pub(super) struct Cut;

/// The body of an answer.
pub(super) enum ReplyBody {
    /// Nothing.
    Empty,
    /// Everything at once.
    Whole(Bytes),
    /// Piece by piece from chunk files.
    Pieces(Pieces),
}

impl From<Vec<u8>> for ReplyBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(bytes.into())
    }
}

impl From<String> for ReplyBody {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

/// A part of a document, one piece in memory at a time.
pub(super) struct Pieces {
    node: Node,
    body: Arc<Body>,
    /// The document may be replaced while it is sent: its chunks stay until then.
    _pins: Vec<ChunkPin>,
    /// The first piece, which was read before the answer began.
    ready: Option<Bytes>,
    reading: Option<JoinHandle<Result<Vec<u8>, ReadError>>>,
    offset: u64,
    end: u64,
}

impl Pieces {
    /// The bytes of `body` from `start` to `end`. Reads the first piece: a document that cannot be read is found out
    /// while the answer can still say so.
    pub(super) async fn open(node: Node, body: Body, start: u64, end: u64) -> Result<Self, ReadError> {
        let pins = body.pin();
        let mut pieces = Self {
            node,
            body: Arc::new(body),
            _pins: pins,
            ready: None,
            reading: None,
            offset: start,
            end,
        };
        if start < end {
            let first = match read(&pieces.body, start).await {
                Ok(first) => first?,
                // The runtime is going down.
                Err(_) => Vec::new(),
            };
            pieces.ready = pieces.cut(first).ok();
        }
        Ok(pieces)
    }

    /// Cuts off what was not asked for. A piece must move the document on.
    fn cut(&self, piece: Vec<u8>) -> Result<Bytes, Cut> {
        let left = self.end - self.offset;
        let mut piece = Bytes::from(piece);
        piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        if piece.is_empty() { Err(Cut) } else { Ok(piece) }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        if self.offset >= self.end {
            return Poll::Ready(None);
        }
        let piece = match self.ready.take() {
            Some(piece) => Ok(piece),
            None => {
                let (body, offset) = (&self.body, self.offset);
                let reading = self.reading.get_or_insert_with(|| read(body, offset));
                let result = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                match result {
                    Ok(Ok(piece)) => self.cut(piece),
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "a document broke off while it was sent");
                        if let Some(chunk) = error.lost_chunk() {
                            let node = self.node.clone();
                            tokio::task::spawn_blocking(move || node.report_lost_chunk(chunk));
                        }
                        Err(Cut)
                    }
                    Err(_) => Err(Cut),
                }
            }
        };
        if let Ok(piece) = &piece {
            self.offset += piece.len() as u64;
        }
        Poll::Ready(Some(piece))
    }
}

fn read(body: &Arc<Body>, offset: u64) -> JoinHandle<Result<Vec<u8>, ReadError>> {
    let body = body.clone();
    tokio::task::spawn_blocking(move || body.read_at(offset))
}

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Pieces(pieces) => pieces
                .poll_piece(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Pieces(pieces) => pieces.offset >= pieces.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.end - pieces.offset,
        })
    }
}
