//! The serial port: the only part of the radio that does I/O.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_serial::{SerialPort, SerialPortBuilderExt, SerialStream};

/// Bytes read at once.
const READ_LEN: usize = 1024;

/// An open port: 8 bits, no parity, one stop bit, no flow control.
pub(super) struct Port {
    stream: SerialStream,
    buffer: Vec<u8>,
}

impl Port {
    /// Opens the port.
    pub(super) fn open(path: &str, speed_bps: u32) -> io::Result<Self> {
        let mut stream = tokio_serial::new(path, speed_bps).open_native_async()?;
        // Another program on the same port would take bytes from this one. A pty cannot be locked, which does no harm.
        let _ = stream.set_exclusive(true);
        Ok(Self {
            stream,
            buffer: vec![0; READ_LEN],
        })
    }

    /// Waits for bytes.
    pub(super) async fn read(&mut self) -> io::Result<&[u8]> {
        let len = self.stream.read(&mut self.buffer).await?;
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the port was closed",
            ));
        }
        Ok(&self.buffer[..len])
    }

    /// Writes all of it.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Waits until everything was written.
    pub(super) async fn drain(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    /// Sets another speed, after everything was written.
    pub(super) async fn set_speed(&mut self, speed_bps: u32) -> io::Result<()> {
        self.stream.flush().await?;
        self.stream.set_baud_rate(speed_bps).map_err(io::Error::from)
    }
}
