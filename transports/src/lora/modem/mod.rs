//! Modems: what is said over a serial port so that frames go on air.
//!
//! Each kind is a driver: a state machine that takes the port's bytes and the time, and gives back bytes for the port. Drivers know how
//! their modem is set up and checked, how frames are wrapped, when another frame may be given, and how long a frame is on air. They decide
//! neither what is sent nor whether the law allows it. A driver lives as long as its port is open: after [`Output::Failed`] the port is
//! opened again, with a new driver.

mod base85;
mod config;
mod e22;
mod kiss;
mod probe;
mod rnode;
mod rylr;

use std::fmt;
use std::str::FromStr;

pub use config::{ConfigError, ModemSettings};
pub use e22::{E22_BANDWIDTH_HZ, E22Config, E22Driver, E22Timing};
pub use probe::{Probe, ProbeOutput};
pub use rnode::{RNODE_SPEED_BPS, RnodeConfig, RnodeDriver, RnodeTiming};
pub use rylr::{RYLR_SPEED_BPS, RylrConfig, RylrDriver, RylrTiming};

use super::{AirtimeError, Instant};

/// The kinds of modem that there are drivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ModemKind {
    /// A board with RNode firmware: KISS over USB.
    Rnode,
    /// EBYTE E22, as on Waveshare's LoRa HAT.
    E22,
    /// REYAX RYLR896 or RYLR998: AT commands.
    Rylr,
}

/// The name is of no modem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no modem {0:?}; give one of rnode, e22, rylr")]
pub struct UnknownModem(pub String);

impl ModemKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rnode, Self::E22, Self::Rylr];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rnode => "rnode",
            Self::E22 => "e22",
            Self::Rylr => "rylr",
        }
    }
}

impl fmt::Display for ModemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModemKind {
    type Err = UnknownModem;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownModem(name.to_owned()))
    }
}

/// A frame from the air.
#[derive(Clone, Debug, PartialEq)]
pub struct ReceivedFrame {
    /// What was sent.
    pub bytes: Vec<u8>,
    /// How strong it was, if the modem says so.
    pub rssi_dbm: Option<i16>,
    /// How far above the noise, if the modem says so.
    pub snr_db: Option<f32>,
}

/// What is at the other end of a port, as far as it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModemIdentity {
    /// Which driver speaks with it.
    pub kind: ModemKind,
    /// Model and firmware, for people.
    pub description: String,
}

/// Something to be done for a driver, or to be known of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these bytes to the port.
    Write(Vec<u8>),
    /// Wait until everything was written, then set the port to this speed, in bits per second.
    SetSpeed(u32),
    /// Set the E22's lines M0 and M1, where they are wired; without the wires nothing happens.
    SetMode {
        /// High?
        m0: bool,
        /// High?
        m1: bool,
    },
    /// The modem is set up: every radio parameter was read back and is as asked for. Frames may be given from now on.
    Online(ModemIdentity),
    /// A frame came from the air.
    Received(ReceivedFrame),
    /// The frame that was given last is with the modem and another may be given, or it is known not to have been sent.
    Sent {
        /// The modem took it. Whether it was heard is another matter.
        accepted: bool,
    },
    /// Something odd that the driver could bear, for the log.
    Notice(String),
    /// The modem cannot be used as it is: close the port, and open it again after a pause.
    Failed(ModemError),
}

/// Why a modem cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModemError {
    /// Nothing that belongs to the protocol came back.
    #[error("the modem does not answer as a {kind} does: check the port, the wiring and the power")]
    Silent {
        /// What was expected there.
        kind: ModemKind,
    },
    /// The firmware cannot do what is needed.
    #[error("the modem's firmware is {found}, and at least {needed} is needed: update the modem")]
    OldFirmware {
        /// What it says.
        found: String,
        /// What would do.
        needed: String,
    },
    /// A parameter reads back as another than was written.
    #[error("the modem set {parameter} to {found} where {asked} was asked for: choose what it can do")]
    Parameter {
        /// Which.
        parameter: &'static str,
        /// What was written.
        asked: String,
        /// What it says.
        found: String,
    },
    /// The modem says that something is broken.
    #[error("the modem reports a fault: {0}")]
    Hardware(String),
    /// It began anew in the middle of work.
    #[error("the modem was reset")]
    Reset,
    /// It stopped answering.
    #[error("the modem stopped answering")]
    Stalled,
}

/// A driver: speaks with one modem on one open port.
///
/// Call [`start`](Self::start) once when the port is open, then [`handle_bytes`](Self::handle_bytes) and
/// [`handle_timeout`](Self::handle_timeout); after each call take outputs until [`poll_output`](Self::poll_output) gives `None`, then sleep
/// but not past [`poll_timeout`](Self::poll_timeout). `now` never goes backwards. Nothing follows [`Output::Failed`].
pub trait Driver: Send {
    /// The port is open.
    fn start(&mut self, now: Instant);

    /// Bytes came from the port, cut anywhere.
    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]);

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    fn handle_timeout(&mut self, now: Instant);

    /// Gives a frame of 1 to [`Timing::frame_len_max`] bytes. Only when [`is_ready`](Self::is_ready); [`Output::Sent`] follows.
    fn send(&mut self, now: Instant, frame: &[u8]);

    /// Whether a frame may be given: online, and the last one is with the air or gone.
    fn is_ready(&self) -> bool;

    /// Prepares for the port to be closed: outputs what the modem should be told.
    fn stop(&mut self, now: Instant);

    /// The next thing to do.
    fn poll_output(&mut self) -> Option<Output>;

    /// When to come back at the latest.
    fn poll_timeout(&self) -> Option<Instant>;
}

/// How long a modem's frames are, and how long they take.
pub trait Timing: Send {
    /// The longest frame, in bytes, as it is given to [`Driver::send`].
    fn frame_len_max(&self) -> usize;

    /// Time on air of a frame of this length, in microseconds, with all that the modem adds to it.
    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError>;

    /// Bytes that go over the air for a frame of this length, with all that the modem adds to it.
    fn bytes_on_air(&self, frame_len: usize) -> usize;

    /// Whether the modem listens before it talks. One that does not leaves it to chance that two do not send at once.
    fn listens(&self) -> bool {
        true
    }

    /// How long a modem that listens before it talks may hold a frame back on a quiet channel, in microseconds.
    fn access_delay_us(&self) -> u64 {
        500_000
    }

    /// How much later than the driver says it a frame may be out, if the modem sends without a pause: it may make who sends much wait
    /// longer, and hold several frames by then. In microseconds.
    fn backlog_us(&self) -> u64 {
        0
    }
}
