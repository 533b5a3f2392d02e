//! A virtual REYAX RYLR998 or RYLR896: AT commands.
//!
//! ```text
//! mod ──► command ──► settings    A line is answered; AT+SEND goes on air behind eight bytes of header.
//! ```
//! Guesses where the guides are silent: a value out of range is +ERR=4; a line that stops without CR LF is +ERR=1 after 200 ms; the smart
//! power saving mode hears everything.

mod command;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use cairn_transports::lora::Instant;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::emulator::{Emulator, Touch};
use super::quirk::Quirk;
use super::radio::Radio;
use super::uart::{Uart, earlier};
use crate::medium::Delivery;
use settings::{Model, Refusal, Settings};

const NO_END_OF_LINE: Refusal = 1;
const NOT_AT: Refusal = 2;
const UNKNOWN: Refusal = 4;
const WRONG_LENGTH: Refusal = 5;
const TOO_LONG: Refusal = 13;
const STILL_SENDING: Refusal = 17;

/// The longest data, in bytes.
const DATA_LEN_MAX: usize = 240;
/// Sender, receiver, and what else makes a frame eight bytes longer than its data.
const HEADER_LEN: usize = 8;
/// The longest line: a command around the longest data.
const LINE_LEN_MAX: usize = 512;
/// From the answer to a reset until it is ready, in microseconds.
const RESET_US: u64 = 5_000;
/// How long a line may stand unfinished, in microseconds.
const LINE_US_MAX: u64 = 200_000;
/// To all modules.
const BROADCAST: u16 = 0;
/// The mode in which it neither hears nor, until a byte comes, listens to its host.
const SLEEPING: u8 = 1;

/// A virtual RYLR.
#[derive(Debug)]
pub struct Rylr {
    quirks: BTreeSet<Quirk>,
    model: Model,
    rng: ChaCha8Rng,
    uart: Uart,
    settings: Settings,
    has_power: bool,
    line: Vec<u8>,
    line_ends_at: Option<Instant>,
    ready_at: Option<Instant>,
    sending_until: Option<Instant>,
}

impl Rylr {
    /// A module without power, with factory settings. `seed` decides what it draws.
    pub fn new(quirks: &BTreeSet<Quirk>, seed: u64) -> Self {
        let model = if quirks.contains(&Quirk::Rylr896) {
            Model::Rylr896
        } else {
            Model::Rylr998
        };
        Self {
            quirks: quirks.clone(),
            model,
            rng: ChaCha8Rng::seed_from_u64(seed),
            uart: Uart::default(),
            settings: Settings::new(model),
            has_power: false,
            line: Vec::new(),
            line_ends_at: None,
            ready_at: None,
            sending_until: None,
        }
    }

    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    fn say(&mut self, now: Instant, line: &[u8], speed: u32) {
        self.uart.write(now, speed, [line, b"\r\n"].concat());
    }

    fn answer(&mut self, now: Instant, answer: Result<String, Refusal>, speed: u32) {
        let line = answer.unwrap_or_else(|number| format!("+ERR={number}"));
        self.say(now, line.as_bytes(), speed);
    }

    /// Whether the line is whole. In raw mode its end is where the length says, for data may hold CR LF.
    fn is_line_whole(&self) -> bool {
        if !self.line.ends_with(b"\n") {
            return false;
        }
        if !self.has(Quirk::RylrRaw) {
            return true;
        }
        let Some(rest) = self.line.strip_prefix(b"AT+SEND=") else {
            return true;
        };
        let mut parts = rest.splitn(3, |byte| *byte == b',');
        let (_, len, data) = (parts.next(), parts.next(), parts.next());
        let len = len.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<usize>().ok());
        match (len, data) {
            (Some(len), Some(data)) => len > DATA_LEN_MAX || data.len() >= len + 2,
            _ => true,
        }
    }

    fn handle_line(&mut self, now: Instant, radio: &mut Radio<'_>) {
        let line = std::mem::take(&mut self.line);
        self.line_ends_at = None;
        let speed = self.settings.speed;
        let Some(line) = line.strip_suffix(b"\r\n") else {
            return self.answer(now, Err(NO_END_OF_LINE), speed);
        };
        let Some(command) = line.strip_prefix(b"AT") else {
            return self.answer(now, Err(NOT_AT), speed);
        };
        if let Some(rest) = command.strip_prefix(b"+SEND=") {
            if let Err(number) = self.send(now, radio, rest) {
                self.answer(now, Err(number), speed);
            } else if !self.has(Quirk::RylrOkWhenSent) {
                self.answer(now, Ok("+OK".into()), speed);
            }
            return;
        }
        match command {
            b"" => self.answer(now, Ok("+OK".into()), speed),
            b"+RESET" => {
                self.answer(now, Ok("+RESET".into()), speed);
                self.reset(now, radio);
            }
            b"+FACTORY" => {
                self.settings = Settings::new(self.model);
                self.answer(now, Ok("+FACTORY".into()), speed);
            }
            _ => {
                let text = command
                    .strip_prefix(b"+")
                    .and_then(|text| std::str::from_utf8(text).ok());
                let answer = match text {
                    Some(text) => {
                        let names_network = self.has(Quirk::RylrNetworkName);
                        self.settings.execute(self.model, names_network, text)
                    }
                    None => Err(UNKNOWN),
                };
                self.answer(now, answer, speed);
            }
        }
        self.tune(now, radio);
    }

    /// `address,length,data`.
    fn send(&mut self, now: Instant, radio: &mut Radio<'_>, rest: &[u8]) -> Result<(), Refusal> {
        let mut parts = rest.splitn(3, |byte| *byte == b',');
        let mut number = || -> Option<usize> {
            let digits = std::str::from_utf8(parts.next()?).ok()?;
            digits.parse().ok()
        };
        let to = number().and_then(|to| u16::try_from(to).ok()).ok_or(UNKNOWN)?;
        let len = number().ok_or(UNKNOWN)?;
        let data = parts.next().ok_or(WRONG_LENGTH)?;
        if len > DATA_LEN_MAX {
            return Err(TOO_LONG);
        }
        if len == 0 || data.len() != len {
            return Err(WRONG_LENGTH);
        }
        if self.sending_until.is_some() {
            return Err(STILL_SENDING);
        }
        let data = self.mangle(data);
        let ([from_high, from_low], [to_high, to_low]) =
            (self.settings.address.to_be_bytes(), to.to_be_bytes());
        let header: [u8; HEADER_LEN] = [from_high, from_low, to_high, to_low, data.len() as u8, 0, 0, 0];
        let tuning = self.settings.tuning().ok_or(UNKNOWN)?;
        let power_dbm = i8::try_from(self.settings.power_dbm).unwrap_or(i8::MAX);
        let end = radio
            .send(now, [&header, data.as_slice()].concat(), &tuning, power_dbm)
            .map_err(|_| TOO_LONG)?;
        self.sending_until = Some(end);
        Ok(())
    }

    /// What becomes of bytes that are no printable ASCII: nobody promises that they arrive.
    fn mangle(&self, data: &[u8]) -> Vec<u8> {
        if self.has(Quirk::RylrRaw) {
            return data.to_vec();
        }
        let is_printable = |byte: &u8| (0x20..0x7f).contains(byte);
        if self.has(Quirk::RylrDropsBinary) {
            return data.iter().copied().filter(is_printable).collect();
        }
        let bytes = data.iter();
        bytes
            .map(|byte| if is_printable(byte) { *byte } else { b'?' })
            .collect()
    }

    fn reset(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.settings.reset();
        self.line.clear();
        self.line_ends_at = None;
        self.sending_until = None;
        self.ready_at = Some(now.after_us(RESET_US + self.rng.next_u64() % 1000));
        radio.cut(now);
    }

    fn tune(&self, now: Instant, radio: &mut Radio<'_>) {
        let can_hear = self.has_power && self.ready_at.is_none() && self.settings.mode != SLEEPING;
        radio.listen(now, self.settings.tuning().filter(|_| can_hear));
    }
}

impl Emulator for Rylr {
    fn start(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.uart.delay_us = if self.has(Quirk::SlowAnswers) {
            super::SLOW_ANSWER_US
        } else {
            0
        };
        self.has_power = true;
        self.reset(now, radio);
    }

    fn stop(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.has_power = false;
        self.uart.clear();
        self.reset(now, radio);
        self.ready_at = None;
    }

    fn handle_host(&mut self, now: Instant, radio: &mut Radio<'_>, bytes: &[u8], speed: u32) {
        if self.ready_at.is_some() || speed != 0 && speed != self.settings.speed {
            return;
        }
        if self.settings.mode == SLEEPING && !bytes.is_empty() {
            self.settings.mode = 0;
            self.tune(now, radio);
        }
        for byte in bytes {
            self.line.push(*byte);
            if self.is_line_whole() || self.line.len() > LINE_LEN_MAX {
                self.handle_line(now, radio);
            }
        }
        self.line_ends_at = (!self.line.is_empty()).then(|| now.after_us(LINE_US_MAX));
    }

    fn handle_frame(&mut self, now: Instant, _radio: &mut Radio<'_>, delivery: &Delivery) {
        let [from_high, from_low, to_high, to_low, _, _, _, _, data @ ..] = &*delivery.frame else {
            return;
        };
        let (from, to) = (
            u16::from_be_bytes([*from_high, *from_low]),
            u16::from_be_bytes([*to_high, *to_low]),
        );
        if to == BROADCAST || to == self.settings.address {
            let start = format!("+RCV={from},{},", data.len());
            let (rssi, snr) = (delivery.rssi_dbm.round(), delivery.snr_db.round());
            let end = format!(",{rssi},{snr}");
            let line = [start.as_bytes(), data, end.as_bytes()].concat();
            self.say(now, &line, self.settings.speed);
        }
    }

    fn handle_touch(&mut self, now: Instant, radio: &mut Radio<'_>, touch: Touch) {
        match touch {
            Touch::Reset => {
                self.uart.clear();
                self.reset(now, radio);
            }
            Touch::Error(number) => self.answer(now, Err(number), self.settings.speed),
            Touch::Opened | Touch::Lines { .. } => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, radio: &mut Radio<'_>) {
        if self.ready_at.is_some_and(|at| at <= now) {
            self.ready_at = None;
            self.say(now, b"+READY", self.settings.speed);
            self.tune(now, radio);
        }
        if self.line_ends_at.is_some_and(|at| at <= now) {
            self.line_ends_at = None;
            self.line.clear();
            self.answer(now, Err(NO_END_OF_LINE), self.settings.speed);
        }
        if self.sending_until.is_some_and(|end| end <= now) {
            self.sending_until = None;
            if self.has(Quirk::RylrOkWhenSent) {
                self.answer(now, Ok("+OK".into()), self.settings.speed);
            }
        }
    }

    fn poll_host(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.uart.poll(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.line_ends_at, self.ready_at, self.sending_until]
            .into_iter()
            .fold(self.uart.poll_timeout(), earlier)
    }
}
