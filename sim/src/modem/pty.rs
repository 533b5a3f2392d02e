//! A pseudo-terminal: the real program opens it as it opens a serial port.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Our end of a pseudo-terminal, raw and without blocking. When it is dropped, a host that has the other end open sees it hang up.
#[derive(Debug)]
pub struct Pty {
    master: File,
    path: PathBuf,
}

impl Pty {
    /// A new one. Nobody has opened it yet.
    pub fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(name.into_bytes()));
        // Opened and closed once, or the first host could not be told from none; it keeps being raw from then on.
        let slave = open(
            &path,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut attributes = tcgetattr(&slave)?;
        attributes.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &attributes)?;
        drop(slave);
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        Ok(Self {
            master: File::from(master),
            path,
        })
    }

    /// What the host opens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a host has it open.
    pub fn is_open(&self) -> bool {
        let mut fds = [PollFd::new(&self.master, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&now)).is_ok() && !fds[0].revents().contains(PollFlags::HUP)
    }

    /// The speed that the host set, in bits per second; 0 if it cannot be known.
    pub fn speed(&self) -> u32 {
        tcgetattr(&self.master).map_or(0, |attributes| attributes.output_speed())
    }

    /// Bytes that the host wrote; 0 when there are none, whether or not it is still there.
    pub fn read(&self, buffer: &mut [u8]) -> usize {
        (&self.master).read(buffer).unwrap_or(0)
    }

    /// Gives bytes to the host. Returns how many it had room for.
    pub fn write(&self, bytes: &[u8]) -> usize {
        (&self.master).write(bytes).unwrap_or(0)
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}
