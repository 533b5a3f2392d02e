//! A virtual EBYTE E22-900T22S, as on Waveshare's LoRa HAT: registers, and bytes that go on air when the line pauses.
//!
//! ```text
//! line ──► mod ──► registers    A burst is a command in configuration mode, or data that is cut into packets.
//! ```
//! A pty has no mode lines. With [`Quirk::E22Wired`] they are what the control side says ([`Touch::Lines`]); configuration mode then works
//! at 9600 baud only, whatever the registers say. Without it the mode is guessed: a whole C0, C1 or C2 command that comes at 9600 baud
//! after 20 ms of silence, and ends in a pause, is taken as in configuration mode, everything else as data. Data of that very form would
//! be misunderstood.
//!
//! What goes on air besides the data is not published; here it is a byte for the purpose and two for the address. Left out: wake-on-radio
//! (mode 1 is as mode 0), the repeater, parity.

mod line;
mod registers;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use cairn_transports::lora::Instant;

use super::emulator::{Emulator, Touch};
use super::quirk::Quirk;
use super::radio::Radio;
use super::uart::{Uart, earlier};
use crate::medium::Delivery;
use crate::medium::noise_floor_dbm;
use line::{BUFFER_BYTES_MAX, Event, Line};
use registers::{BROADCAST, Registers};

/// Configuration is always at this speed.
const CONFIGURATION_SPEED: u32 = 9600;
/// Before a command that is to be recognised without mode lines, in microseconds.
const SILENCE_US_MIN: u64 = 20_000;
/// How long a quiet channel is waited for, in microseconds.
const LISTEN_US_MAX: u64 = 2_000_000;
/// How often the channel is listened to meanwhile, in microseconds.
const LISTEN_PAUSE_US: u64 = 10_000;
/// Asks for the noise and the last frame's strength, in transmission mode.
const RSSI_QUERY: [u8; 4] = [0xc0, 0xc1, 0xc2, 0xc3];
/// Begins a command for the module at the other side.
const REMOTE: [u8; 2] = [0xcf, 0xcf];

/// What a frame is for.
const FOR_DATA: u8 = 0;
const FOR_COMMAND: u8 = 1;
const FOR_ANSWER: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Transmission,
    Configuration,
    Sleep,
}

/// A frame that waits for the air.
#[derive(Debug)]
struct Outgoing {
    channel: u8,
    frame: Vec<u8>,
    /// How much of the buffer it takes.
    buffered: usize,
    /// When the channel is not waited for any longer.
    deadline: Option<Instant>,
}

/// A virtual E22.
#[derive(Debug)]
pub struct E22 {
    quirks: BTreeSet<Quirk>,
    registers: Registers,
    has_power: bool,
    lines: (bool, bool),
    uart: Uart,
    line: Line,
    burst: Vec<u8>,
    burst_speed: u32,
    /// Nothing came for a while before the burst, so that it may be a command.
    is_lone: bool,
    waiting: VecDeque<Outgoing>,
    sending_until: Option<Instant>,
    listen_again_at: Option<Instant>,
    last_rssi_dbm: f32,
}

impl E22 {
    /// A module without power, with factory settings.
    pub fn new(quirks: &BTreeSet<Quirk>) -> Self {
        Self {
            quirks: quirks.clone(),
            registers: Registers::new(quirks),
            has_power: false,
            lines: (false, false),
            uart: Uart::default(),
            line: Line::default(),
            burst: Vec::new(),
            burst_speed: 0,
            is_lone: true,
            waiting: VecDeque::new(),
            sending_until: None,
            listen_again_at: None,
            last_rssi_dbm: noise_floor_dbm(0),
        }
    }

    fn is_wired(&self) -> bool {
        self.quirks.contains(&Quirk::E22Wired)
    }

    fn mode(&self) -> Mode {
        match self.lines {
            (_, false) => Mode::Transmission,
            (false, true) => Mode::Configuration,
            (true, true) => Mode::Sleep,
        }
    }

    fn tune(&self, now: Instant, radio: &mut Radio<'_>) {
        let can_hear = self.has_power && self.mode() == Mode::Transmission;
        let tuning = self
            .registers
            .tuning(self.registers.channel())
            .filter(|_| can_hear);
        radio.listen(now, tuning);
    }

    fn buffered(&self) -> usize {
        self.burst.len()
            + self
                .waiting
                .iter()
                .map(|outgoing| outgoing.buffered)
                .sum::<usize>()
    }

    fn handle_byte(&mut self, byte: u8, speed: u32, silence_us: u64) {
        if self.burst.is_empty() {
            self.burst_speed = speed;
            self.is_lone = silence_us >= SILENCE_US_MIN;
        }
        if speed != self.burst_speed {
            // Noise, at any one speed.
            return;
        }
        if self.buffered() < BUFFER_BYTES_MAX {
            self.burst.push(byte);
        }
        let is_data = self.mode() == Mode::Transmission && speed == self.registers.speed();
        if is_data && self.burst.len() == self.registers.sub_packet_len() {
            self.take_data();
            // What follows without a pause is no command.
            self.is_lone = false;
        }
    }

    fn handle_pause(&mut self, now: Instant, radio: &mut Radio<'_>) {
        if self.burst.is_empty() {
            return;
        }
        let is_configuration_speed = self.burst_speed == CONFIGURATION_SPEED;
        match self.mode() {
            Mode::Sleep => self.burst.clear(),
            Mode::Configuration if is_configuration_speed => self.take_command(now),
            Mode::Configuration => self.burst.clear(),
            Mode::Transmission => {
                let is_command = !self.is_wired() && self.is_lone && Registers::is_command(&self.burst);
                if is_command && is_configuration_speed {
                    self.take_command(now);
                } else if self.burst_speed != self.registers.speed() {
                    self.burst.clear();
                } else if self.registers.answers_rssi() && self.burst.starts_with(&RSSI_QUERY) {
                    self.answer_rssi(now, radio);
                } else {
                    self.take_data();
                }
            }
        }
        self.tune(now, radio);
    }

    fn take_command(&mut self, now: Instant) {
        let answer = self.registers.execute(&std::mem::take(&mut self.burst));
        self.uart.write(now, CONFIGURATION_SPEED, answer);
    }

    fn answer_rssi(&mut self, now: Instant, radio: &mut Radio<'_>) {
        let query = std::mem::take(&mut self.burst);
        let values = [
            self.rssi_byte(radio.carrier(now).rssi_dbm),
            self.rssi_byte(self.last_rssi_dbm),
        ];
        let answer = match query[RSSI_QUERY.len()..] {
            [address, len] if usize::from(address) + usize::from(len) <= values.len() && len > 0 => {
                let first = usize::from(address);
                let asked = &values[first..first + usize::from(len)];
                [&[0xc1, address, len], asked].concat()
            }
            _ => vec![0xff; 3],
        };
        self.uart.write(now, self.registers.speed(), answer);
    }

    /// The burst, or as much of it as a packet holds, goes to the air.
    fn take_data(&mut self) {
        let data = std::mem::take(&mut self.burst);
        let (mut purpose, mut content) = (FOR_DATA, data.as_slice());
        let (mut address, mut channel) = (self.registers.address(), self.registers.channel());
        if let Some(command) = data.strip_prefix(&REMOTE)
            && Registers::is_command(command)
        {
            (purpose, content) = (FOR_COMMAND, command);
        } else if self.registers.is_fixed() {
            let [high, low, to_channel, payload @ ..] = content else {
                return;
            };
            address = u16::from_be_bytes([*high, *low]);
            (channel, content) = (*to_channel, payload);
        }
        if !content.is_empty() {
            self.send(purpose, address, channel, content, data.len());
        }
    }

    fn send(&mut self, purpose: u8, address: u16, channel: u8, content: &[u8], buffered: usize) {
        let [high, low] = address.to_be_bytes();
        self.waiting.push_back(Outgoing {
            channel,
            frame: [&[purpose, high, low], content].concat(),
            buffered,
            deadline: None,
        });
    }

    fn send_next(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.sending_until = self.sending_until.filter(|end| *end > now);
        self.listen_again_at = self.listen_again_at.filter(|at| *at > now);
        if self.sending_until.is_some() || self.listen_again_at.is_some() || !self.has_power {
            return;
        }
        let Some(next) = self.waiting.front_mut() else {
            return;
        };
        let deadline = *next.deadline.get_or_insert(now.after_us(LISTEN_US_MAX));
        if self.registers.listens_before_talk() && now < deadline && radio.carrier(now).is_busy {
            self.listen_again_at = Some(now.after_us(LISTEN_PAUSE_US));
            return;
        }
        if let Some(next) = self.waiting.pop_front()
            && let Some(tuning) = self.registers.tuning(next.channel)
            && let Ok(end) = radio.send(now, next.frame, &tuning, self.registers.power_dbm())
        {
            self.sending_until = Some(end);
        }
    }

    fn rssi_byte(&self, rssi_dbm: f32) -> u8 {
        let byte = if self.quirks.contains(&Quirk::E22HalvedRssi) {
            -2.0 * rssi_dbm
        } else {
            256.0 + rssi_dbm
        };
        byte.round().clamp(0.0, 255.0) as u8
    }

    fn advance(&mut self, now: Instant, radio: &mut Radio<'_>) {
        while let Some(event) = self.line.poll(now) {
            match event {
                Event::Byte {
                    byte,
                    speed,
                    silence_us,
                } => self.handle_byte(byte, speed, silence_us),
                Event::Pause => self.handle_pause(now, radio),
            }
        }
        self.send_next(now, radio);
    }

    fn forget(&mut self) {
        self.registers.reload();
        self.uart.clear();
        self.line = Line::default();
        self.burst.clear();
        self.waiting.clear();
        self.sending_until = None;
        self.listen_again_at = None;
    }
}

impl Emulator for E22 {
    fn start(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.uart.delay_us = if self.quirks.contains(&Quirk::SlowAnswers) {
            super::SLOW_ANSWER_US
        } else {
            0
        };
        self.has_power = true;
        self.forget();
        self.tune(now, radio);
    }

    fn stop(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.has_power = false;
        self.forget();
        radio.cut(now);
    }

    fn handle_host(&mut self, now: Instant, radio: &mut Radio<'_>, bytes: &[u8], speed: u32) {
        let speed = match (speed, self.mode()) {
            (0, Mode::Configuration) => CONFIGURATION_SPEED,
            (0, _) => self.registers.speed(),
            _ => speed,
        };
        self.line.push(now, bytes, speed);
        self.advance(now, radio);
    }

    fn handle_frame(&mut self, now: Instant, radio: &mut Radio<'_>, delivery: &Delivery) {
        let [purpose, high, low, content @ ..] = &*delivery.frame else {
            return;
        };
        let (to, own) = (u16::from_be_bytes([*high, *low]), self.registers.address());
        if to != own && to != BROADCAST && own != BROADCAST {
            return;
        }
        self.last_rssi_dbm = delivery.rssi_dbm;
        let speed = self.registers.speed();
        match *purpose {
            FOR_COMMAND => {
                let channel = self.registers.channel();
                let answer = self.registers.execute(content);
                self.send(FOR_ANSWER, to, channel, &answer, answer.len());
                self.send_next(now, radio);
                self.tune(now, radio);
            }
            FOR_ANSWER => self.uart.write(now, speed, [&REMOTE, content].concat()),
            _ => {
                let mut said = content.to_vec();
                if self.registers.appends_rssi() {
                    said.push(self.rssi_byte(delivery.rssi_dbm));
                }
                self.uart.write(now, speed, said);
            }
        }
    }

    fn handle_touch(&mut self, now: Instant, radio: &mut Radio<'_>, touch: Touch) {
        match touch {
            Touch::Reset => {
                radio.cut(now);
                self.start(now, radio);
            }
            Touch::Lines { m0, m1 } if self.is_wired() => {
                if self.mode() == Mode::Sleep {
                    self.registers.reload();
                }
                self.lines = (m0, m1);
                self.burst.clear();
                self.tune(now, radio);
            }
            Touch::Opened | Touch::Lines { .. } | Touch::Error(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.advance(now, radio);
    }

    fn poll_host(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.uart.poll(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.line.poll_timeout(), self.sending_until, self.listen_again_at]
            .into_iter()
            .fold(self.uart.poll_timeout(), earlier)
    }
}
