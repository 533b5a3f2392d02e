//! EBYTE E22, as on Waveshare's SX1262 HAT: a UART that sends what it is given.
//!
//! In transparent mode the module gives no frames: it sends what comes without a pause, at most 240 bytes at a time, and its peers print
//! that with nothing around it. So the driver puts two bytes before each frame, its length and the length with every second bit turned
//! over (`len`, `len ^ 0x55`), and looks for such a pair when it lost its place. Whether the bytes are right is for the frame's seal to
//! say. No packet begins with `C0 C1 C2 C3` or `CF CF`, which the module would take for commands.
//!
//! Registers are written so that they are lost at power-off (`C2`): the flash is not worn out, and what its owner set stays.

use std::collections::VecDeque;

use super::super::{AirtimeError, Instant};
use super::config::ConfigError;
use super::{Driver, ModemError, ModemIdentity, ModemKind, Output, ReceivedFrame, Timing};

const READ: u8 = 0xc1;
const WRITE_UNTIL_POWER_OFF: u8 = 0xc2;
/// Registers that matter: ADDH, ADDL, NETID, REG0, REG1, REG2, REG3.
const REGISTERS: usize = 7;
pub(super) const READ_ALL: [u8; 3] = [READ, 0, REGISTERS as u8];
/// Bits of REG3 that the driver does not care for: the wake-on-radio role and period.
const WAKE_BITS: u8 = 0b0000_1111;

/// In configuration mode the line always has this speed.
pub(super) const CONFIGURATION_SPEED_BPS: u32 = 9600;
/// The sub-packet, less the two bytes in front.
const FRAME_LEN_MAX: usize = 238;
const HEADER_LEN: usize = 2;
const CHECK: u8 = 0x55;

/// After a change of mode or speed.
const SETTLE_US: u64 = 60_000;
const ANSWER_US: u64 = 500_000;
const TRIES_MAX: u32 = 3;
/// A piece of which no more comes for so long is dropped.
const HALF_FRAME_US: u64 = 300_000;
/// The strength follows the packet at once, or not at all.
const RSSI_US: u64 = 60_000;
/// A listening module waits for a quiet channel so long, and then sends.
const LISTEN_US: u64 = 2_000_000;

/// The widest signal of an E22, in Hz. Which one it makes of an air rate is not published, so it is reckoned with as this one.
pub const E22_BANDWIDTH_HZ: u32 = 500_000;

/// How an E22 is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E22Config {
    /// The channel's middle, in Hz: on a grid of 1 MHz from 850.125 or 410.125 MHz.
    pub frequency_hz: u32,
    /// Bits per second over the air: 300, 1200, 2400, 4800, 9600, 19200, 38400 or 62500.
    pub air_rate_bps: u32,
    /// 22, 17, 13 or 10 dBm: the highest that is not above it is used.
    pub tx_power_dbm: u8,
    /// The module's address; 65535 hears all.
    pub address: u16,
    /// Modules of another network are not heard.
    pub network: u8,
    /// The line's speed in use, in bits per second.
    pub speed_bps: u32,
    /// The module listens before it sends.
    pub listen_first: bool,
    /// The module tells how strong each packet was.
    pub rssi: bool,
}

const AIR_RATES: [u32; 8] = [300, 1200, 2400, 4800, 9600, 19_200, 38_400, 62_500];
const SPEEDS: [u32; 8] = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
const POWERS: [u8; 4] = [22, 17, 13, 10];

/// The registers in what came after [`READ_ALL`], whatever noise stands before them.
pub(super) fn find_registers(line: &[u8]) -> Option<[u8; REGISTERS]> {
    let at = line.windows(READ_ALL.len()).position(|bytes| bytes == READ_ALL)?;
    line[at + READ_ALL.len()..].first_chunk().copied()
}

/// What a module's registers say, for people.
pub(super) fn describe(registers: &[u8; REGISTERS]) -> String {
    let air_rate_bps = AIR_RATES[usize::from(registers[3] & 7)];
    format!("E22, {air_rate_bps} bit/s over the air, channel {}", registers[5])
}

impl E22Config {
    /// 2,400 bits per second at 868.125 MHz, 13 dBm, on a line of 9,600.
    pub const fn new(frequency_hz: u32) -> Self {
        Self {
            frequency_hz,
            air_rate_bps: 2400,
            tx_power_dbm: 13,
            address: 0xffff,
            network: 0,
            speed_bps: 9600,
            listen_first: true,
            rssi: true,
        }
    }

    /// The channel's number.
    fn channel(&self) -> Option<u8> {
        let (first, last) = if self.frequency_hz >= 850_125_000 {
            (850_125_000, 80)
        } else {
            (410_125_000, 83)
        };
        let above = self.frequency_hz.checked_sub(first)?;
        let channel = u8::try_from(above / 1_000_000).ok()?;
        (above % 1_000_000 == 0 && channel <= last).then_some(channel)
    }

    /// The frequencies that an E22 can be set to, in Hz, ascending.
    pub fn frequencies_hz() -> impl Iterator<Item = u32> {
        let low = (0..=83).map(|channel| 410_125_000 + channel * 1_000_000);
        low.chain((0..=80).map(|channel| 850_125_000 + channel * 1_000_000))
    }

    /// Says what no E22 can do.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.channel().is_none() {
            return Err(ConfigError::new(
                "the frequency",
                self.frequency_hz,
                "850.125 to 930.125 or 410.125 to 493.125 MHz in steps of 1 MHz",
            ));
        }
        if !AIR_RATES.contains(&self.air_rate_bps) {
            return Err(ConfigError::new(
                "the air rate",
                self.air_rate_bps,
                "300, 1200, 2400, 4800, 9600, 19200, 38400 or 62500 bits per second",
            ));
        }
        if !SPEEDS.contains(&self.speed_bps) {
            return Err(ConfigError::new(
                "the line's speed",
                self.speed_bps,
                "1200 to 115200 bits per second in the usual steps",
            ));
        }
        if self.tx_power_dbm < 10 {
            return Err(ConfigError::new(
                "the power",
                self.tx_power_dbm,
                "10, 13, 17 or 22 dBm",
            ));
        }
        Ok(())
    }

    fn registers(&self, wake: u8) -> [u8; REGISTERS] {
        let place =
            |list: &[u32; 8], value: u32| list.iter().position(|own| *own == value).unwrap_or(2) as u8;
        let power = POWERS
            .iter()
            .position(|power| *power <= self.tx_power_dbm)
            .unwrap_or(3) as u8;
        let [high, low] = self.address.to_be_bytes();
        let mut options = wake & WAKE_BITS;
        if self.rssi {
            options |= 0x80;
        }
        if self.listen_first {
            options |= 0x10;
        }
        [
            high,
            low,
            self.network,
            place(&SPEEDS, self.speed_bps) << 5 | place(&AIR_RATES, self.air_rate_bps),
            power,
            self.channel().unwrap_or(18),
            options,
        ]
    }
}

/// Packets of an E22. How they are modulated is not published: the time is the manual's own example, 1.5 s for 100 bytes at 1,200 bits
/// per second, and in proportion.
#[derive(Clone, Copy, Debug)]
pub struct E22Timing {
    air_rate_bps: u32,
    speed_bps: u32,
    listen_first: bool,
}

impl E22Timing {
    /// Of a module that is set so.
    pub const fn new(config: &E22Config) -> Self {
        Self {
            air_rate_bps: config.air_rate_bps,
            speed_bps: config.speed_bps,
            listen_first: config.listen_first,
        }
    }

    /// How long the line takes for a frame.
    fn line_us(&self, frame_len: usize) -> u64 {
        (frame_len + HEADER_LEN) as u64 * 10_000_000 / u64::from(self.speed_bps.max(1))
    }
}

impl Timing for E22Timing {
    fn frame_len_max(&self) -> usize {
        FRAME_LEN_MAX
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        if frame_len > FRAME_LEN_MAX {
            return Err(AirtimeError::PayloadTooLong { len: frame_len });
        }
        if self.air_rate_bps == 0 {
            return Err(AirtimeError::NoBandwidth);
        }
        let bits = 8 * (frame_len + HEADER_LEN) as u64;
        Ok((bits * 1_000_000 * 9 / 4).div_ceil(u64::from(self.air_rate_bps)))
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        frame_len + HEADER_LEN
    }

    fn access_delay_us(&self) -> u64 {
        self.line_us(FRAME_LEN_MAX) + if self.listen_first { LISTEN_US / 4 } else { 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// The module changes its mode; then its registers are read.
    Entering {
        until: Instant,
    },
    /// The registers were asked for.
    Reading {
        until: Instant,
        tries: u32,
    },
    /// They were written.
    Writing {
        until: Instant,
        tries: u32,
    },
    /// The module changes back.
    Leaving {
        until: Instant,
    },
    Online {
        ready: Instant,
    },
    Failed,
}

/// Speaks with one E22.
#[derive(Debug)]
pub struct E22Driver {
    config: E22Config,
    timing: E22Timing,
    state: State,
    line: Vec<u8>,
    heard: Instant,
    /// A frame that waits for its strength.
    waiting: Option<(Vec<u8>, Instant)>,
    checked: bool,
    sending: bool,
    outputs: VecDeque<Output>,
}

impl E22Driver {
    /// A driver for a port that is not open yet.
    pub fn new(config: E22Config) -> Self {
        Self {
            config,
            timing: E22Timing::new(&config),
            state: State::Closed,
            line: Vec::new(),
            heard: Instant(0),
            waiting: None,
            checked: false,
            sending: false,
            outputs: VecDeque::new(),
        }
    }

    fn fail(&mut self, error: ModemError) {
        self.state = State::Failed;
        self.outputs.push_back(Output::Failed(error));
    }

    fn read_registers(&mut self, now: Instant, tries: u32) {
        self.line.clear();
        self.outputs.push_back(Output::Write(READ_ALL.to_vec()));
        let until = now.after_us(ANSWER_US);
        self.state = State::Reading { until, tries };
    }

    fn leave(&mut self, now: Instant) {
        self.line.clear();
        self.outputs.push_back(Output::SetMode { m0: false, m1: false });
        self.outputs.push_back(Output::SetSpeed(self.config.speed_bps));
        self.state = State::Leaving {
            until: now.after_us(SETTLE_US),
        };
    }

    /// The registers in an answer, once it is complete.
    fn answer(&mut self) -> Option<Result<[u8; REGISTERS], ()>> {
        loop {
            if self.line.starts_with(&[0xff, 0xff, 0xff]) {
                return Some(Err(()));
            }
            let head = &self.line[..self.line.len().min(READ_ALL.len())];
            if READ_ALL.starts_with(head) || [0xff; 3].starts_with(head) {
                break;
            }
            // Noise before the answer.
            self.line.remove(0);
        }
        let body = self.line.strip_prefix(&READ_ALL)?;
        Some(Ok(*body.first_chunk()?))
    }

    fn configured(&mut self, now: Instant) {
        let written = match self.state {
            State::Reading { .. } => false,
            State::Writing { .. } => true,
            _ => return,
        };
        let Some(answer) = self.answer() else { return };
        let Ok(found) = answer else {
            self.fail(ModemError::Hardware("it did not understand a command".into()));
            return;
        };
        let wanted = self.config.registers(found[REGISTERS - 1]);
        if found == wanted {
            self.checked = true;
            self.leave(now);
        } else if written {
            self.fail(ModemError::Parameter {
                parameter: "its registers",
                asked: format!("{wanted:02x?}"),
                found: format!("{found:02x?}"),
            });
        } else {
            self.line.clear();
            self.write_registers(now, wanted, 1);
        }
    }

    fn write_registers(&mut self, now: Instant, registers: [u8; REGISTERS], tries: u32) {
        let mut bytes = vec![WRITE_UNTIL_POWER_OFF, 0, REGISTERS as u8];
        bytes.extend(registers);
        self.outputs.push_back(Output::Write(bytes));
        self.state = State::Writing {
            until: now.after_us(ANSWER_US),
            tries,
        };
    }

    /// Takes frames out of what came over the air.
    fn frames(&mut self, now: Instant) {
        loop {
            if let Some((frame, _)) = self.waiting.take_if(|_| !self.line.is_empty()) {
                let strength = self.line.remove(0);
                self.deliver(frame, Some(i16::from(strength) - 256));
                continue;
            }
            let [len, check, ..] = *self.line.as_slice() else {
                return;
            };
            if len == 0 || usize::from(len) > FRAME_LEN_MAX || check != len ^ CHECK {
                self.line.remove(0);
                continue;
            }
            let end = HEADER_LEN + usize::from(len);
            if self.line.len() < end {
                return;
            }
            let frame = self.line.drain(..end).skip(HEADER_LEN).collect();
            if self.config.rssi {
                self.waiting = Some((frame, now.after_us(RSSI_US)));
            } else {
                self.deliver(frame, None);
            }
        }
    }

    fn deliver(&mut self, bytes: Vec<u8>, rssi_dbm: Option<i16>) {
        self.outputs.push_back(Output::Received(ReceivedFrame {
            bytes,
            rssi_dbm,
            snr_db: None,
        }));
    }
}

impl Driver for E22Driver {
    fn start(&mut self, now: Instant) {
        self.outputs.push_back(Output::SetMode { m0: false, m1: true });
        self.outputs.push_back(Output::SetSpeed(CONFIGURATION_SPEED_BPS));
        self.state = State::Entering {
            until: now.after_us(SETTLE_US),
        };
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        match self.state {
            State::Reading { .. } | State::Writing { .. } => {
                self.line.extend(bytes);
                self.configured(now);
                // An answer has ten bytes: what is longer is none.
                if self.line.len() > 256 {
                    self.line.clear();
                }
            }
            State::Online { .. } => {
                if now.us_since(self.heard) > HALF_FRAME_US {
                    self.line.clear();
                }
                self.heard = now;
                for piece in bytes.chunks(FRAME_LEN_MAX) {
                    self.line.extend(piece);
                    self.frames(now);
                }
            }
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Entering { until } if now >= until => self.read_registers(now, 1),
            State::Reading { until, tries } if now >= until => {
                if tries < TRIES_MAX {
                    self.read_registers(now, tries + 1);
                } else {
                    // A USB adapter with jumpers cannot be brought into configuration mode.
                    self.outputs.push_back(Output::Notice(
                        "the E22 does not answer in configuration mode: its settings are taken as they are; check that M0 and M1 are wired, or that its jumpers and settings are right"
                            .into(),
                    ));
                    self.leave(now);
                }
            }
            State::Writing { until, tries } if now >= until => {
                if tries < TRIES_MAX {
                    let wanted = self.config.registers(3);
                    self.write_registers(now, wanted, tries + 1);
                } else {
                    self.fail(ModemError::Stalled);
                }
            }
            State::Leaving { until } if now >= until => {
                self.line.clear();
                self.state = State::Online { ready: now };
                let description = if self.checked {
                    format!("E22 at {} bits per second over the air", self.config.air_rate_bps)
                } else {
                    "E22, settings not checked".into()
                };
                self.outputs.push_back(Output::Online(ModemIdentity {
                    kind: ModemKind::E22,
                    description,
                }));
            }
            State::Online { ready } => {
                if self.sending && now >= ready {
                    self.sending = false;
                    self.outputs.push_back(Output::Sent { accepted: true });
                }
                if let Some((frame, _)) = self.waiting.take_if(|(_, until)| *until <= now) {
                    self.deliver(frame, None);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, now: Instant, frame: &[u8]) {
        let airtime = self.timing.airtime_us(frame.len());
        let State::Online { ready } = &mut self.state else {
            return;
        };
        match (airtime, u8::try_from(frame.len())) {
            (Ok(airtime), Ok(len @ 1..)) => {
                *ready = now.after_us(self.timing.line_us(frame.len()) + airtime + SETTLE_US);
                self.sending = true;
                let mut bytes = vec![len, len ^ CHECK];
                bytes.extend(frame);
                self.outputs.push_back(Output::Write(bytes));
            }
            _ => self.outputs.push_back(Output::Sent { accepted: false }),
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Online { .. }) && !self.sending
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
            State::Entering { until }
            | State::Reading { until, .. }
            | State::Writing { until, .. }
            | State::Leaving { until } => Some(until),
            State::Online { ready } => {
                let strength = self.waiting.as_ref().map(|(_, until)| *until);
                [self.sending.then_some(ready), strength]
                    .into_iter()
                    .flatten()
                    .min()
            }
        }
    }
}

#[cfg(test)]
mod tests;
