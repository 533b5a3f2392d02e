//! REYAX RYLR896 and RYLR998: AT commands on a line of 115,200 bits per second.
//!
//! One command at a time, each answered before the next. Nobody says whether the modules carry any byte, so frames go as text
//! ([`super::base85`]): 192 bytes in the 240 characters that a packet holds. `+OK` to a packet may mean that it was taken or that it is out,
//! so the next one waits for both the answer and the time on air.

use std::collections::VecDeque;

use super::super::{AirtimeError, CodingRate, Instant, Modulation, SpreadingFactor, airtime_us};
use super::config::ConfigError;
use super::{Driver, ModemError, ModemIdentity, ModemKind, Output, ReceivedFrame, Timing, base85};

/// The line's speed, in bits per second.
pub const RYLR_SPEED_BPS: u32 = 115_200;
/// Most characters of a packet.
const TEXT_LEN_MAX: usize = 240;
/// What the module adds on air.
const OVERHEAD: usize = 8;
const FRAME_LEN_MAX: usize = 192;
/// No line is longer: an answer, or a packet with its numbers.
const LINE_LEN_MAX: usize = 512;

/// Symbols of the preamble that a RYLR998 takes in networks 3 to 15, and the most that a RYLR896 takes.
const PREAMBLE_998: u16 = 12;
const PREAMBLE_896: u16 = 7;

const ANSWER_US: u64 = 1_000_000;
const TRIES_MAX: u32 = 3;
/// Drivers of others wait so long for `+OK`.
const SENT_US: u64 = 8_000_000;
/// A module that is quiet is asked now and then.
const ASK_EVERY_US: u64 = 30_000_000;

/// How a RYLR is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RylrConfig {
    /// In Hz.
    pub frequency_hz: u32,
    /// 7 to 12; the RYLR998 takes up to 9, 10 and 11 at 125, 250 and 500 kHz.
    pub spreading_factor: SpreadingFactor,
    /// 125, 250 or 500 kHz.
    pub bandwidth_hz: u32,
    /// 4/5 to 4/8.
    pub coding_rate: CodingRate,
    /// 0 to 22 dBm; the RYLR896 takes 15 at most.
    pub tx_power_dbm: u8,
    /// The module's address.
    pub address: u16,
    /// 3 to 15, or 18: modules of another network are not heard.
    pub network: u8,
}

impl RylrConfig {
    /// At a frequency: 125 kHz, 14 dBm, network 6.
    pub const fn new(frequency_hz: u32, spreading_factor: SpreadingFactor, coding_rate: CodingRate) -> Self {
        Self {
            frequency_hz,
            spreading_factor,
            bandwidth_hz: 125_000,
            coding_rate,
            tx_power_dbm: 14,
            address: 0,
            network: 6,
        }
    }

    /// Says what neither model can do.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(820_000_000..=960_000_000).contains(&self.frequency_hz) {
            return Err(ConfigError::new(
                "the frequency",
                self.frequency_hz,
                "820 to 960 MHz",
            ));
        }
        if self.bandwidth_number().is_none() {
            return Err(ConfigError::new(
                "the bandwidth",
                self.bandwidth_hz,
                "125000, 250000 or 500000 Hz",
            ));
        }
        if self.spreading_factor.get() < 7 {
            return Err(ConfigError::new(
                "the spreading factor",
                self.spreading_factor.get(),
                "7 to 12",
            ));
        }
        if self.tx_power_dbm > 22 {
            return Err(ConfigError::new("the power", self.tx_power_dbm, "0 to 22 dBm"));
        }
        if !(3..=15).contains(&self.network) && self.network != 18 {
            return Err(ConfigError::new("the network", self.network, "3 to 15, or 18"));
        }
        Ok(())
    }

    const fn bandwidth_number(&self) -> Option<u8> {
        match self.bandwidth_hz {
            125_000 => Some(7),
            250_000 => Some(8),
            500_000 => Some(9),
            _ => None,
        }
    }

    fn parameter(&self, preamble_symbols: u16) -> String {
        format!(
            "{},{},{},{}",
            self.spreading_factor.get(),
            self.bandwidth_number().unwrap_or(7),
            self.coding_rate.get() - 4,
            preamble_symbols
        )
    }

    fn modulation(&self) -> Modulation {
        Modulation {
            // The longer of the two: the model is not known yet.
            preamble_symbols: PREAMBLE_998,
            ..Modulation::new(self.spreading_factor, self.bandwidth_hz, self.coding_rate)
        }
    }

    /// What is said, in this order, and how each answer begins. A module of this version takes one length of preamble alone in the
    /// networks that both models share.
    fn dialogue(&self, version: &str) -> Vec<(String, Expected)> {
        let preamble = if version.contains("896") {
            PREAMBLE_896
        } else {
            PREAMBLE_998
        };
        let parameter = self.parameter(preamble);
        let set = |name: &str, value: String| (format!("AT+{name}={value}"), Expected::Ok);
        let ask = |name: &'static str, other: &'static str, value: String| {
            (format!("AT+{name}?"), Expected::Value { name, other, value })
        };
        let (address, network) = (self.address.to_string(), self.network.to_string());
        let (band, power) = (self.frequency_hz.to_string(), self.tx_power_dbm.to_string());
        vec![
            ("AT".into(), Expected::Ok),
            ("AT+VER?".into(), Expected::Version),
            set("MODE", "0".into()),
            set("ADDRESS", address.clone()),
            set("NETWORKID", network.clone()),
            set("BAND", band.clone()),
            set("PARAMETER", parameter.clone()),
            set("CRFOP", power.clone()),
            ask("ADDRESS", "ADDRESS", address),
            ask("NETWORKID", "NETWORK", network),
            ask("BAND", "BAND", band),
            ask("PARAMETER", "PARAMETER", parameter),
            ask("CRFOP", "CRFOP", power),
        ]
    }
}

/// How the answer to a command begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Ok,
    Version,
    Value {
        name: &'static str,
        other: &'static str,
        value: String,
    },
}

/// Packets of a RYLR: text, and eight bytes more on air.
#[derive(Clone, Copy, Debug)]
pub struct RylrTiming(Modulation);

impl RylrTiming {
    /// Of a module that is set so.
    pub fn new(config: &RylrConfig) -> Self {
        Self(config.modulation())
    }
}

impl Timing for RylrTiming {
    fn frame_len_max(&self) -> usize {
        FRAME_LEN_MAX
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        airtime_us(&self.0, self.bytes_on_air(frame_len))
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        base85::encoded_len(frame_len) + OVERHEAD
    }

    fn listens(&self) -> bool {
        false
    }

    fn access_delay_us(&self) -> u64 {
        // The module does not listen first; the line takes some 25 ms each way.
        100_000
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// The command of this number was said.
    Setting {
        at: usize,
        until: Instant,
        tries: u32,
    },
    Online,
    Failed,
}

/// A packet on its way.
#[derive(Debug, Clone, Copy)]
struct Sending {
    /// When its time on air is over.
    over: Instant,
    /// When an answer is no longer expected.
    until: Instant,
    /// What the module answered.
    accepted: Option<bool>,
}

/// Speaks with one RYLR.
#[derive(Debug)]
pub struct RylrDriver {
    config: RylrConfig,
    timing: RylrTiming,
    dialogue: Vec<(String, Expected)>,
    version: String,
    state: State,
    line: Vec<u8>,
    heard: Instant,
    asked: Option<(Instant, u32)>,
    sending: Option<Sending>,
    outputs: VecDeque<Output>,
}

impl RylrDriver {
    /// A driver for a port that is not open yet.
    pub fn new(config: RylrConfig) -> Self {
        Self {
            timing: RylrTiming::new(&config),
            dialogue: config.dialogue(""),
            config,
            version: String::new(),
            state: State::Closed,
            line: Vec::new(),
            heard: Instant(0),
            asked: None,
            sending: None,
            outputs: VecDeque::new(),
        }
    }

    fn fail(&mut self, error: ModemError) {
        self.state = State::Failed;
        self.outputs.push_back(Output::Failed(error));
    }

    fn write(&mut self, text: &[u8]) {
        let mut line = text.to_vec();
        line.extend(b"\r\n");
        self.outputs.push_back(Output::Write(line));
    }

    /// Says the command of this number; after the last one the module is online.
    fn say(&mut self, now: Instant, at: usize, tries: u32) {
        match self.dialogue.get(at) {
            Some((command, _)) => {
                let command = command.clone();
                self.write(command.as_bytes());
                self.state = State::Setting {
                    at,
                    until: now.after_us(ANSWER_US),
                    tries,
                };
            }
            None => {
                self.state = State::Online;
                self.heard = now;
                self.outputs.push_back(Output::Online(ModemIdentity {
                    kind: ModemKind::Rylr,
                    description: self.version.clone(),
                }));
            }
        }
    }

    fn line(&mut self, now: Instant, line: &[u8]) {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        if let Some(code) = text.strip_prefix("+ERR=") {
            self.refused(now, code.trim().parse().unwrap_or(0));
            return;
        }
        match self.state {
            State::Setting { at, .. } => self.answered(now, at, &text),
            State::Online => match text.as_str() {
                "+READY" | "+RESET" => self.fail(ModemError::Reset),
                "+OK" => {
                    self.asked = None;
                    if let Some(sending) = &mut self.sending {
                        sending.accepted = Some(true);
                        self.finish(now);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn answered(&mut self, now: Instant, at: usize, text: &str) {
        let Some((_, expected)) = self.dialogue.get(at) else {
            return;
        };
        let good = match expected {
            Expected::Ok => text == "+OK",
            Expected::Version => text.strip_prefix("+VER=").is_some_and(|version| {
                self.version = version.to_owned();
                true
            }),
            Expected::Value { name, other, value } => {
                let answer = text
                    .strip_prefix('+')
                    .and_then(|text| text.split_once('='))
                    .filter(|(said, _)| said == name || said == other);
                match answer {
                    Some((_, found)) if found == value => true,
                    Some((_, found)) => {
                        let error = ModemError::Parameter {
                            parameter: name,
                            asked: value.clone(),
                            found: found.to_owned(),
                        };
                        self.fail(error);
                        return;
                    }
                    None => false,
                }
            }
        };
        // Anything else is an echo, a greeting, or a packet that came meanwhile.
        if good {
            if *expected == Expected::Version {
                self.dialogue = self.config.dialogue(&self.version);
            }
            self.say(now, at + 1, 1);
        }
    }

    fn refused(&mut self, now: Instant, code: u32) {
        let why = match code {
            1 => "a command had no end",
            2 => "a command did not begin with AT",
            3 => "a command had no equals sign",
            4 => "it does not know a command or a value",
            5 => "a packet had another length than was said",
            10 => "sending took too long",
            11 => "receiving took too long",
            12 => "a packet came damaged",
            13 => "a packet was too long",
            14 => "it could not write its memory",
            17 => "the packet before was not out yet",
            18 => "it does not take this preamble",
            19 => "a packet came with a bad header",
            20 => "it does not take these times",
            _ => "an error that it does not explain",
        };
        match self.state {
            State::Setting { at, .. } if !matches!(code, 11 | 12 | 19) => {
                let command = self.dialogue.get(at).map_or("", |(command, _)| command.as_str());
                let error = ModemError::Hardware(format!("{why} ({command}, error {code})"));
                self.fail(error);
            }
            State::Online => {
                // What concerns a packet from the air says nothing of the one that is sent.
                if matches!(code, 11 | 12 | 19) {
                    return;
                }
                self.outputs
                    .push_back(Output::Notice(format!("the RYLR says: {why} (error {code})")));
                if let Some(sending) = &mut self.sending {
                    sending.accepted = Some(false);
                    self.finish(now);
                }
            }
            _ => {}
        }
    }

    /// The packet is out, if it was answered and its time is over.
    fn finish(&mut self, now: Instant) {
        if let Some(sending) = self.sending
            && let Some(accepted) = sending.accepted
            && now >= sending.over
        {
            self.sending = None;
            self.outputs.push_back(Output::Sent { accepted });
        }
    }

    /// Takes the next line or packet off what came; says whether there was one.
    fn next_line(&mut self, now: Instant) -> bool {
        const PACKET: &[u8] = b"+RCV=";
        if self.line.starts_with(PACKET) {
            return match packet(&self.line) {
                Packet::Partial => false,
                Packet::Broken => {
                    self.line.drain(..PACKET.len());
                    true
                }
                Packet::Whole { len, text, rssi, snr } => {
                    let bytes = base85::decode(&self.line[text]);
                    self.line.drain(..len);
                    match bytes {
                        Some(bytes) if !bytes.is_empty() && self.state == State::Online => {
                            self.outputs.push_back(Output::Received(ReceivedFrame {
                                bytes,
                                rssi_dbm: rssi,
                                snr_db: snr,
                            }));
                        }
                        // Of other programs on the channel, or damaged.
                        _ => {}
                    }
                    true
                }
            };
        }
        if PACKET.starts_with(&self.line) && !self.line.is_empty() {
            return false;
        }
        let Some(end) = self.line.iter().position(|byte| *byte == b'\n') else {
            return false;
        };
        let line: Vec<u8> = self.line.drain(..=end).collect();
        self.line(now, &line);
        true
    }
}

/// A `+RCV=` at the beginning of a line.
#[derive(Debug, PartialEq)]
enum Packet {
    /// More must come.
    Partial,
    /// It is none.
    Broken,
    Whole {
        /// With its end of line.
        len: usize,
        /// Where its text is.
        text: std::ops::Range<usize>,
        rssi: Option<i16>,
        snr: Option<f32>,
    },
}

/// Reads `+RCV=source,length,text,rssi,snr`, whose text may hold anything.
fn packet(line: &[u8]) -> Packet {
    let number = |from: usize| -> Result<Option<(usize, usize)>, ()> {
        let digits = line[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits > 5 {
            return Err(());
        }
        match line.get(from + digits) {
            None => Ok(None),
            Some(b',') if digits > 0 => {
                let text = std::str::from_utf8(&line[from..from + digits]).map_err(|_| ())?;
                Ok(Some((text.parse().map_err(|_| ())?, from + digits + 1)))
            }
            Some(_) => Err(()),
        }
    };
    let (source, text_len) = match number(5) {
        Ok(Some((_, next))) => (next, number(next)),
        Ok(None) => return Packet::Partial,
        Err(()) => return Packet::Broken,
    };
    let _ = source;
    let (len, from) = match text_len {
        Ok(Some((len, from))) if len <= TEXT_LEN_MAX => (len, from),
        Ok(None) => return Packet::Partial,
        _ => return Packet::Broken,
    };
    let text = from..from + len;
    let Some(rest) = line.get(text.end..) else {
        return Packet::Partial;
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return if rest.len() > 32 {
            Packet::Broken
        } else {
            Packet::Partial
        };
    };
    let mut numbers = rest[..end].split(|byte| *byte == b',');
    if numbers.next() != Some(b"") {
        return Packet::Broken;
    }
    let mut parse = || {
        std::str::from_utf8(numbers.next()?)
            .ok()?
            .trim()
            .parse::<i16>()
            .ok()
    };
    let (rssi, snr) = (parse(), parse());
    Packet::Whole {
        len: text.end + end + 1,
        text,
        rssi,
        snr: snr.map(f32::from),
    }
}

impl Driver for RylrDriver {
    fn start(&mut self, now: Instant) {
        self.outputs.push_back(Output::SetSpeed(RYLR_SPEED_BPS));
        self.heard = now;
        self.say(now, 0, 1);
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.heard = now;
        for piece in bytes.chunks(LINE_LEN_MAX) {
            self.line.extend(piece);
            while self.state != State::Failed && self.next_line(now) {}
            if self.line.len() > LINE_LEN_MAX {
                self.line.clear();
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Setting { at, until, tries } if now >= until => {
                if tries < TRIES_MAX {
                    self.say(now, at, tries + 1);
                } else if at == 0 {
                    self.fail(ModemError::Silent {
                        kind: ModemKind::Rylr,
                    });
                } else {
                    self.fail(ModemError::Stalled);
                }
            }
            State::Online => {
                if let Some(sending) = &mut self.sending
                    && now >= sending.until
                    && sending.accepted.is_none()
                {
                    sending.accepted = Some(false);
                }
                self.finish(now);
                let (since, asked) = self.asked.unwrap_or((self.heard, 0));
                if self.sending.is_none() && now.us_since(since.max(self.heard)) >= ASK_EVERY_US {
                    if asked >= TRIES_MAX {
                        self.fail(ModemError::Stalled);
                        return;
                    }
                    self.asked = Some((now, asked + 1));
                    self.write(b"AT");
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, now: Instant, frame: &[u8]) {
        match self.timing.airtime_us(frame.len()) {
            Ok(airtime) if !frame.is_empty() && frame.len() <= FRAME_LEN_MAX => {
                let text = base85::encode(frame);
                let mut command = format!("AT+SEND=0,{},", text.len()).into_bytes();
                command.extend(&text);
                self.write(&command);
                let line_us = (command.len() + 2) as u64 * 10_000_000 / u64::from(RYLR_SPEED_BPS);
                let over = now.after_us(line_us + airtime + 20_000);
                self.sending = Some(Sending {
                    over,
                    until: over.after_us(SENT_US),
                    accepted: None,
                });
            }
            _ => self.outputs.push_back(Output::Sent { accepted: false }),
        }
    }

    fn is_ready(&self) -> bool {
        self.state == State::Online && self.sending.is_none()
    }

    fn stop(&mut self, _now: Instant) {
        self.state = State::Closed;
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Closed | State::Failed => None,
            State::Setting { until, .. } => Some(until),
            State::Online => Some(match self.sending {
                Some(sending) if sending.accepted.is_some() => sending.over,
                Some(sending) => sending.until,
                None => {
                    let since = self.asked.map_or(self.heard, |(at, _)| at.max(self.heard));
                    since.after_us(ASK_EVERY_US)
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests;
