//! What lies between the records of a link and its socket: a cipher, or nothing.

use bytes::BytesMut;

/// Turns the bytes of records into the bytes of the socket. No I/O.
pub(crate) trait Sealer: Send + 'static {
    /// Appends `plain` to what goes out. Some of it may be held back until [`Sealer::flush`].
    fn seal(&mut self, plain: &[u8], out: &mut BytesMut) -> Result<(), PipeError>;

    /// Appends all that was held back.
    fn flush(&mut self, out: &mut BytesMut) -> Result<(), PipeError>;

    /// Gives memory back: nothing is sent for the moment. Called after a flush only.
    fn release(&mut self);
}

/// Turns the bytes of the socket into the bytes of records. No I/O.
pub(crate) trait Opener: Send + 'static {
    /// Takes bytes off the front of `input` and returns what they say. `None`: more input is needed.
    fn open<'a>(&'a mut self, input: &mut BytesMut) -> Result<Option<&'a [u8]>, PipeError>;

    /// Gives memory back: nothing comes for the moment.
    fn release(&mut self);
}

/// Why a stream cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PipeError {
    /// The peer, or somebody on the way, sent what the peer's key did not seal.
    #[error("bytes that the peer did not seal")]
    Forged,
    /// A message that no sealer makes.
    #[error("a sealed message of {0} bytes")]
    WrongLength(usize),
    /// 2^64 messages were sent with one key, or the cipher is broken.
    #[error("the cipher refuses to go on")]
    Exhausted,
}

/// For streams that are sealed below: what goes in comes out.
#[cfg(feature = "libp2p")]
#[derive(Debug, Default)]
pub(crate) struct Clear {
    opened: BytesMut,
}

#[cfg(feature = "libp2p")]
impl Sealer for Clear {
    fn seal(&mut self, plain: &[u8], out: &mut BytesMut) -> Result<(), PipeError> {
        out.extend_from_slice(plain);
        Ok(())
    }

    fn flush(&mut self, _out: &mut BytesMut) -> Result<(), PipeError> {
        Ok(())
    }

    fn release(&mut self) {}
}

#[cfg(feature = "libp2p")]
impl Opener for Clear {
    fn open<'a>(&'a mut self, input: &mut BytesMut) -> Result<Option<&'a [u8]>, PipeError> {
        // The two buffers change places, so that nothing is copied and both are used again.
        self.opened.clear();
        std::mem::swap(&mut self.opened, input);
        Ok((!self.opened.is_empty()).then_some(&self.opened))
    }

    fn release(&mut self) {
        self.opened = BytesMut::new();
    }
}
