//! Frames: a length (four bytes, big-endian), then as many bytes.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest frame of a request or an answer, in bytes: listings of large folders.
pub const FRAME_MAX: usize = 64 * 1024 * 1024;
/// Longest frame of a body, in bytes.
pub const BODY_FRAME_MAX: usize = 1024 * 1024;

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The connection.
    #[error("the connection broke off: {0}")]
    Io(#[from] io::Error),
    /// Longer than allowed.
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
}

fn check(len: [u8; 4], len_max: usize) -> Result<usize, FrameError> {
    let len = u32::from_be_bytes(len) as usize;
    if len > len_max {
        Err(FrameError::TooLong(len))
    } else {
        Ok(len)
    }
}

/// Reads a frame.
pub(super) fn read(from: &mut impl Read, len_max: usize) -> Result<Vec<u8>, FrameError> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = check(len, len_max)?;
    // Grows with what comes, whatever length was declared.
    let mut bytes = Vec::new();
    if from.take(len as u64).read_to_end(&mut bytes)? < len {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

/// Writes a frame.
pub(super) fn write(to: &mut impl Write, bytes: &[u8]) -> Result<(), FrameError> {
    let len = u32::try_from(bytes.len()).map_err(|_| FrameError::TooLong(bytes.len()))?;
    to.write_all(&len.to_be_bytes())?;
    to.write_all(bytes)?;
    Ok(())
}

/// Reads a frame, without blocking the thread.
pub(super) async fn read_async(
    from: &mut (impl AsyncRead + Unpin),
    len_max: usize,
) -> Result<Vec<u8>, FrameError> {
    let mut len = [0; 4];
    from.read_exact(&mut len).await?;
    let len = check(len, len_max)?;
    let mut bytes = Vec::new();
    if from.take(len as u64).read_to_end(&mut bytes).await? < len {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(bytes)
}

/// Writes a frame, without blocking the thread.
pub(super) async fn write_async(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), FrameError> {
    let len = u32::try_from(bytes.len()).map_err(|_| FrameError::TooLong(bytes.len()))?;
    to.write_all(&len.to_be_bytes()).await?;
    to.write_all(bytes).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_and_garbage_is_an_error(body in proptest::collection::vec(any::<u8>(), 0..300), garbage in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut wire = Vec::new();
            write(&mut wire, &body).unwrap();
            prop_assert_eq!(read(&mut &wire[..], 300).unwrap(), body.clone());
            if !body.is_empty() {
                prop_assert!(matches!(read(&mut &wire[..], body.len() - 1), Err(FrameError::TooLong(_))));
                prop_assert!(read(&mut &wire[..wire.len() - 1], 300).is_err());
            }
            let _ = read(&mut &garbage[..], 300);
        }
    }
}
