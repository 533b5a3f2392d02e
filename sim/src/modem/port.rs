//! A modem's port: a pty that can be unplugged, under a name that lasts.

use std::collections::VecDeque;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::pty::Pty;
use super::run::FleetError;

/// What waits for a host that does not read, in bytes.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// A port, plugged in or not.
#[derive(Debug)]
pub(super) struct Port {
    pty: Option<Pty>,
    link: Option<PathBuf>,
    is_open: bool,
    unsent: VecDeque<u8>,
}

impl Port {
    /// A port that is plugged in.
    pub(super) fn new(link: Option<PathBuf>) -> Result<Self, FleetError> {
        let mut port = Self {
            pty: None,
            link,
            is_open: false,
            unsent: VecDeque::new(),
        };
        port.plug()?;
        Ok(port)
    }

    pub(super) fn plug(&mut self) -> Result<(), FleetError> {
        if self.pty.is_some() {
            return Ok(());
        }
        let pty = Pty::open().map_err(FleetError::Pty)?;
        if let Some(link) = &self.link {
            // One that a run before left behind.
            let _ = std::fs::remove_file(link);
            symlink(pty.path(), link).map_err(|source| FleetError::Link {
                path: link.clone(),
                source,
            })?;
        }
        self.pty = Some(pty);
        Ok(())
    }

    pub(super) fn unplug(&mut self) {
        if let Some(link) = &self.link {
            let _ = std::fs::remove_file(link);
        }
        self.pty = None;
        self.is_open = false;
        self.unsent.clear();
    }

    /// What the host opens, while it is plugged in.
    pub(super) fn path(&self) -> Option<&Path> {
        let pty = self.pty.as_ref()?;
        Some(self.link.as_deref().unwrap_or(pty.path()))
    }

    pub(super) fn pty(&self) -> Option<&Pty> {
        self.pty.as_ref()
    }

    /// Whether a host had it open when it was last looked at.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Looks whether a host has it open; true when one has come since the last time.
    pub(super) fn notices_open(&mut self) -> bool {
        let was_open = self.is_open;
        self.is_open = self.pty.as_ref().is_some_and(Pty::is_open);
        if !self.is_open {
            self.unsent.clear();
        }
        self.is_open && !was_open
    }

    /// What the host wrote, and the line's speed. Also what it wrote before it closed.
    pub(super) fn read(&self, buffer: &mut [u8]) -> Option<(usize, u32)> {
        let pty = self.pty.as_ref()?;
        let len = pty.read(buffer);
        (len > 0).then(|| (len, pty.speed()))
    }

    /// Bytes for the host: lost when none is there.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        if self.is_open && self.unsent.len() + bytes.len() <= UNSENT_BYTES_MAX {
            self.unsent.extend(bytes);
        }
    }

    /// Gives the host what it has room for.
    pub(super) fn flush(&mut self) {
        let Some(pty) = &self.pty else {
            return;
        };
        while !self.unsent.is_empty() {
            let (first, _) = self.unsent.as_slices();
            let written = pty.write(first);
            if written == 0 {
                break;
            }
            self.unsent.drain(..written);
        }
    }

    /// Nothing waits for the host.
    pub(super) fn is_flushed(&self) -> bool {
        self.unsent.is_empty()
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.unplug();
    }
}
