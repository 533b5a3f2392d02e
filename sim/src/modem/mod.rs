//! Virtual modems on ptys, joined by a radio [`medium`](crate::medium) that exists in memory only.
//!
//! ```text
//! pty ──► run ──► ether ──┬─► rnode, e22, rylr   What a modem answers and when it sends: an [`Emulator`] for each kind.
//!                         └─► medium             Who hears a frame: reach, airtime, collisions, half duplex, loss.
//! ```
//! All but [`pty`](Pty) and [`run`](Fleet) are state machines without I/O: a test can drive an [`Ether`] with a clock of its own. A
//! [`Fleet`] gives each modem a pty that the real program opens as it would open a serial port. [`Quirk`]s switch on what makes modems of
//! one kind differ.

#[cfg(test)]
mod bench;
mod control;
mod e22;
mod emulator;
mod ether;
mod port;
mod pty;
mod quirk;
mod radio;
pub(crate) mod rnode;
mod run;
mod rylr;
mod uart;

pub use control::{Command, UnknownCommand};
pub use e22::E22;
pub use emulator::{Emulator, Touch};
pub use ether::Ether;
pub use pty::Pty;
pub use quirk::{Quirk, UnknownQuirk};
pub use radio::Radio;
pub use rnode::{PACKET_LEN_MAX, Rnode};
pub use run::{Answer, Fleet, FleetConfig, FleetError};
pub use rylr::Rylr;

/// How much later [`Quirk::SlowAnswers`] makes an answer, in microseconds.
const SLOW_ANSWER_US: u64 = 400_000;
