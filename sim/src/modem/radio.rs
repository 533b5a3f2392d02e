//! A modem's own radio.

use cairn_transports::lora::{AirtimeError, Instant};

use crate::medium::{Carrier, Medium, Station, Tuning};

/// The medium, as one station has it: it can send and listen only as itself.
#[derive(Debug)]
pub struct Radio<'a> {
    medium: &'a mut Medium,
    station: Station,
}

impl<'a> Radio<'a> {
    /// The radio of `station`.
    pub fn new(medium: &'a mut Medium, station: Station) -> Self {
        Self { medium, station }
    }

    /// Tunes the receiver; `None` turns it off.
    pub fn listen(&mut self, now: Instant, tuning: Option<Tuning>) {
        self.medium.listen(now, self.station, tuning);
    }

    /// Sends a frame. Returns when it will be over.
    pub fn send(
        &mut self,
        now: Instant,
        frame: Vec<u8>,
        tuning: &Tuning,
        power_dbm: i8,
    ) -> Result<Instant, AirtimeError> {
        self.medium.send(now, self.station, frame, tuning, power_dbm)
    }

    /// Breaks off what is being sent, and turns the receiver off.
    pub fn cut(&mut self, now: Instant) {
        self.medium.cut(now, self.station);
    }

    /// What is on the channel.
    pub fn carrier(&mut self, now: Instant) -> Carrier {
        self.medium.carrier(now, self.station)
    }
}
