//! What all virtual modems have in common.

use cairn_transports::lora::Instant;

use super::radio::Radio;
use crate::medium::Delivery;

/// Something that happens to a modem from outside of its port and its antenna.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The reset button, or power that comes and goes.
    Reset,
    /// The host opened the port.
    Opened,
    /// The E22's mode lines.
    Lines {
        /// High?
        m0: bool,
        /// High?
        m1: bool,
    },
    /// Reports this error, with the modem's own number.
    Error(u8),
}

/// A virtual modem: bytes of a serial port on one side, a radio on the other.
///
/// Call [`start`](Self::start) when it gets power. After each call take what it says from [`poll_host`](Self::poll_host) until that gives
/// `None`, then come back at [`poll_timeout`](Self::poll_timeout) with [`handle_timeout`](Self::handle_timeout). `now` never goes backwards.
pub trait Emulator: Send {
    /// Power comes.
    fn start(&mut self, now: Instant, radio: &mut Radio<'_>);

    /// Power goes: nothing is kept but what the modem keeps in its flash.
    fn stop(&mut self, now: Instant, radio: &mut Radio<'_>);

    /// The host wrote these bytes at this speed, in bits per second; 0 when the speed is not known.
    fn handle_host(&mut self, now: Instant, radio: &mut Radio<'_>, bytes: &[u8], speed: u32);

    /// A frame came from the air.
    fn handle_frame(&mut self, now: Instant, radio: &mut Radio<'_>, delivery: &Delivery);

    /// Something else happened.
    fn handle_touch(&mut self, now: Instant, radio: &mut Radio<'_>, touch: Touch);

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    fn handle_timeout(&mut self, now: Instant, radio: &mut Radio<'_>);

    /// Bytes that have reached the host until now.
    fn poll_host(&mut self, now: Instant) -> Option<Vec<u8>>;

    /// When to come back at the latest.
    fn poll_timeout(&self) -> Option<Instant>;
}
