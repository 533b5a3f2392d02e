//! The command line's end.

use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use super::frame::{self, BODY_FRAME_MAX, FRAME_MAX, FrameError};
use super::{Answer, ErrorKind, Failure, Request, socket_path};

/// Bytes of a body that go into one frame.
const PIECE_LEN: usize = 256 * 1024;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error("no cairn runs on {0}: start it with cairn --home {0} run")]
    NoDaemon(String),
    /// The node said no.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The connection.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A file of the user's.
    #[error("{0}")]
    File(std::io::Error),
    /// An answer that is none.
    #[error("the node's answer cannot be read ({0}): is it of another version?")]
    Answer(String),
}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> Self {
        Self::Frame(error.into())
    }
}

impl ClientError {
    /// The exit code for it, as documented.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoDaemon(_) => 7,
            Self::Failed(failure) => match failure.kind {
                ErrorKind::Failed => 1,
                ErrorKind::Usage => 2,
                ErrorKind::NotFound => 3,
                ErrorKind::Denied => 4,
                ErrorKind::Conflict => 5,
                ErrorKind::Full => 6,
            },
            _ => 1,
        }
    }
}

/// A connection to a running node, for one request.
pub struct Client {
    from: BufReader<UnixStream>,
    to: BufWriter<UnixStream>,
}

impl Client {
    /// Connects to the node that runs in `home`.
    pub fn connect(home: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket_path(home))
            .map_err(|_| ClientError::NoDaemon(home.display().to_string()))?;
        Ok(Self {
            from: BufReader::new(stream.try_clone()?),
            to: BufWriter::new(stream),
        })
    }

    /// Asks for something that needs no body.
    pub fn ask(mut self, request: &Request) -> Result<Value, ClientError> {
        self.send(request)?;
        self.to.flush()?;
        self.answer()
    }

    /// Asks for something, with a body. `progress` hears how many bytes went.
    pub fn upload(
        mut self,
        request: &Request,
        body: &mut dyn Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Value, ClientError> {
        self.send(request)?;
        let mut piece = vec![0; PIECE_LEN];
        let mut sent = 0;
        loop {
            let len = match body.read(&mut piece) {
                Ok(len) => len,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ClientError::File(error)),
            };
            // A node that refuses closes before it has read all; its answer says why.
            if frame::write(&mut self.to, &piece[..len])
                .and_then(|()| Ok(self.to.flush()?))
                .is_err()
                || len == 0
            {
                break;
            }
            sent += len as u64;
            progress(sent);
        }
        self.answer()
    }

    /// Asks for something whose answer has a body. `begin` sees the answer before the body comes.
    pub fn download(
        mut self,
        request: &Request,
        begin: &mut dyn FnMut(&Value),
        body: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Value, ClientError> {
        self.send(request)?;
        self.to.flush()?;
        let value = self.answer()?;
        begin(&value);
        let mut received = 0;
        loop {
            let piece = frame::read(&mut self.from, BODY_FRAME_MAX)?;
            if piece.is_empty() {
                break;
            }
            body.write_all(&piece).map_err(ClientError::File)?;
            received += piece.len() as u64;
            progress(received);
        }
        body.flush().map_err(ClientError::File)?;
        // How it ended: a body that broke off ends with a failure.
        self.answer()?;
        Ok(value)
    }

    fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let json = serde_json::to_vec(request).map_err(|error| ClientError::Answer(error.to_string()))?;
        Ok(frame::write(&mut self.to, &json)?)
    }

    fn answer(&mut self) -> Result<Value, ClientError> {
        let bytes = frame::read(&mut self.from, FRAME_MAX)?;
        match serde_json::from_slice(&bytes) {
            Ok(Answer::Done(value)) => Ok(value),
            Ok(Answer::Failed(failure)) => Err(failure.into()),
            Err(error) => Err(ClientError::Answer(error.to_string())),
        }
    }
}
