//! RNode: a board with the firmware of that name, over KISS at 115,200 bits per second.
//!
//! The driver asks who is there, sets the radio, reads every parameter back and only then is online. One packet is given at a time: the
//! firmware says that it has room for more long before the packet is out, and drops what is too much without a word, so the next one
//! waits for the air time of the one before. Packets stay within one LoRa frame: of a longer one, a lost frame would cost both halves.

use std::collections::VecDeque;

use super::super::{
    AirtimeError, CodingRate, Instant, LORA_PAYLOAD_LEN_MAX, LowDataRate, Modulation, SpreadingFactor,
    airtime_us,
};
use super::config::ConfigError;
use super::kiss::{self, KissDecoder, KissFrame};
use super::{Driver, ModemError, ModemIdentity, ModemKind, Output, ReceivedFrame, Timing};

pub(super) const DATA: u8 = 0x00;
const FREQUENCY: u8 = 0x01;
const BANDWIDTH: u8 = 0x02;
const TX_POWER: u8 = 0x03;
const SPREADING_FACTOR: u8 = 0x04;
const CODING_RATE: u8 = 0x05;
const RADIO_STATE: u8 = 0x06;
pub(super) const DETECT: u8 = 0x08;
const LEAVE: u8 = 0x0a;
const READY: u8 = 0x0f;
const STAT_RSSI: u8 = 0x23;
const STAT_SNR: u8 = 0x24;
const PLATFORM: u8 = 0x48;
const MCU: u8 = 0x49;
pub(super) const FW_VERSION: u8 = 0x50;
const RESET: u8 = 0x55;
const ERROR: u8 = 0x90;

pub(super) const DETECT_QUESTION: u8 = 0x73;
pub(super) const DETECT_ANSWER: u8 = 0x46;
const RESET_DONE: u8 = 0xf8;

/// The line's speed, in bits per second.
pub const RNODE_SPEED_BPS: u32 = 115_200;
/// The oldest firmware that speaks as the driver expects.
const FIRMWARE_MIN: (u8, u8) = (1, 52);
/// A board that was reset by the opening of its port needs up to so long.
const BOOT_US: u64 = 6_000_000;
/// Between two questions to a board that may still be starting.
const DETECT_EVERY_US: u64 = 500_000;
/// Answers come within 200 ms; a slow USB bridge may take longer.
const ANSWER_US: u64 = 1_500_000;
/// A frame of which no more comes for so long is dropped.
const HALF_FRAME_US: u64 = 100_000;
/// A modem that says nothing is asked, so that one that is gone is noticed.
const ASK_EVERY_US: u64 = 5_000_000;
const STALLED_US: u64 = 16_000_000;
/// How long the line and the firmware hold a packet before it can begin.
const HAND_OVER_US: u64 = 60_000;

/// Who is there, and with which firmware: one write, as RNode's own host programs do it.
pub(super) fn detect() -> Vec<u8> {
    vec![
        kiss::FEND,
        DETECT,
        DETECT_QUESTION,
        kiss::FEND,
        FW_VERSION,
        0,
        kiss::FEND,
        PLATFORM,
        0,
        kiss::FEND,
        MCU,
        0,
        kiss::FEND,
    ]
}

/// How an RNode's radio is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RnodeConfig {
    /// In Hz.
    pub frequency_hz: u32,
    /// In Hz.
    pub bandwidth_hz: u32,
    /// 5 to 12.
    pub spreading_factor: SpreadingFactor,
    /// 4/5 to 4/8.
    pub coding_rate: CodingRate,
    /// In dBm, at the modem.
    pub tx_power_dbm: u8,
}

impl RnodeConfig {
    /// Says what no RNode can do.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(137_000_000..=3_000_000_000).contains(&self.frequency_hz) {
            return Err(ConfigError::new(
                "the frequency",
                self.frequency_hz,
                "137 MHz to 3 GHz",
            ));
        }
        if !(7_800..=1_625_000).contains(&self.bandwidth_hz) {
            return Err(ConfigError::new(
                "the bandwidth",
                self.bandwidth_hz,
                "7,800 to 1,625,000 Hz",
            ));
        }
        if self.tx_power_dbm > 37 {
            return Err(ConfigError::new("the power", self.tx_power_dbm, "0 to 37 dBm"));
        }
        Ok(())
    }

    /// How its frames are modulated.
    pub fn modulation(&self) -> Modulation {
        let plain = Modulation::new(self.spreading_factor, self.bandwidth_hz, self.coding_rate);
        // The preamble has 18 symbols and lasts 24 ms at least, 6 ms above 30 kbit/s.
        let symbol_us = plain.symbol_us().max(1);
        let bit_rate = u64::from(self.spreading_factor.get()) * 1_000_000 / symbol_us * 4
            / u64::from(self.coding_rate.get());
        let least_us = if bit_rate > 30_000 { 6_000 } else { 24_000 };
        Modulation {
            preamble_symbols: u16::try_from(least_us / symbol_us + 1)
                .unwrap_or(u16::MAX)
                .max(18),
            low_data_rate: LowDataRate::Rnode,
            ..plain
        }
    }
}

/// A slot of waiting for the channel, in microseconds.
fn slot_us(modulation: &Modulation) -> u64 {
    (12 * modulation.symbol_us()).clamp(24_000, 100_000)
}

/// Frames of an RNode: one byte of header on air.
#[derive(Clone, Copy, Debug)]
pub struct RnodeTiming(Modulation);

impl RnodeTiming {
    /// Of a radio that is set so.
    pub fn new(config: &RnodeConfig) -> Self {
        Self(config.modulation())
    }
}

impl Timing for RnodeTiming {
    fn frame_len_max(&self) -> usize {
        LORA_PAYLOAD_LEN_MAX - 1
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        airtime_us(&self.0, frame_len + 1)
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        frame_len + 1
    }

    fn access_delay_us(&self) -> u64 {
        // Two slots, and up to 15 more, of 12 symbols each within 24 to 100 ms.
        17 * slot_us(&self.0)
    }

    fn backlog_us(&self) -> u64 {
        // Who sends most waits for two slots, and up to 60 more; meanwhile it is given the next frames.
        62 * slot_us(&self.0) + 4 * self.airtime_us(self.frame_len_max()).unwrap_or(0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The port is not open.
    Closed,
    /// Who is there?
    Detecting {
        until: Instant,
        again: Instant,
    },
    /// The parameters are written and come back.
    Configuring {
        until: Instant,
    },
    /// Frames may go, from `ready` on.
    Online {
        ready: Instant,
    },
    Failed,
}

/// What the modem said of itself since the port was opened.
#[derive(Debug, Default, Clone, Copy)]
struct Reported {
    detected: bool,
    firmware: Option<(u8, u8)>,
    platform: Option<u8>,
    frequency: Option<u32>,
    bandwidth: Option<u32>,
    tx_power: Option<u8>,
    spreading_factor: Option<u8>,
    coding_rate: Option<u8>,
    state: Option<u8>,
}

/// Speaks with one RNode.
#[derive(Debug)]
pub struct RnodeDriver {
    config: RnodeConfig,
    timing: RnodeTiming,
    state: State,
    decoder: KissDecoder,
    heard: Instant,
    asked: Instant,
    reported: Reported,
    rssi_dbm: Option<i16>,
    snr_db: Option<f32>,
    /// A packet is with the modem: reported as sent when its time is over.
    sending: bool,
    outputs: VecDeque<Output>,
}

impl RnodeDriver {
    /// A driver for a port that is not open yet.
    pub fn new(config: RnodeConfig) -> Self {
        Self {
            config,
            timing: RnodeTiming::new(&config),
            state: State::Closed,
            decoder: KissDecoder::default(),
            heard: Instant(0),
            asked: Instant(0),
            reported: Reported::default(),
            rssi_dbm: None,
            snr_db: None,
            sending: false,
            outputs: VecDeque::new(),
        }
    }

    fn write(&mut self, bytes: Vec<u8>) {
        self.outputs.push_back(Output::Write(bytes));
    }

    fn fail(&mut self, error: ModemError) {
        self.state = State::Failed;
        self.outputs.push_back(Output::Failed(error));
    }

    fn notice(&mut self, text: impl Into<String>) {
        self.outputs.push_back(Output::Notice(text.into()));
    }

    fn detect(&mut self) {
        self.write(detect());
    }

    fn configure(&mut self, now: Instant) {
        let config = self.config;
        let mut bytes = kiss::encode(FREQUENCY, &config.frequency_hz.to_be_bytes());
        bytes.extend(kiss::encode(BANDWIDTH, &config.bandwidth_hz.to_be_bytes()));
        bytes.extend(kiss::encode(TX_POWER, &[config.tx_power_dbm]));
        bytes.extend(kiss::encode(SPREADING_FACTOR, &[config.spreading_factor.get()]));
        bytes.extend(kiss::encode(CODING_RATE, &[config.coding_rate.get()]));
        bytes.extend(kiss::encode(RADIO_STATE, &[1]));
        self.write(bytes);
        self.state = State::Configuring {
            until: now.after_us(ANSWER_US),
        };
    }

    /// Goes on when everything that was asked for has been answered.
    fn advance(&mut self, now: Instant) {
        match self.state {
            State::Detecting { .. } => {
                let (Some(firmware), true) = (self.reported.firmware, self.reported.detected) else {
                    return;
                };
                if firmware < FIRMWARE_MIN {
                    let named = |(major, minor): (u8, u8)| format!("{major}.{minor}");
                    self.fail(ModemError::OldFirmware {
                        found: named(firmware),
                        needed: named(FIRMWARE_MIN),
                    });
                    return;
                }
                self.configure(now);
            }
            State::Configuring { .. } => self.check_configured(now),
            _ => {}
        }
    }

    fn check_configured(&mut self, now: Instant) {
        let (config, reported) = (self.config, self.reported);
        let complete = (
            reported.frequency,
            reported.bandwidth,
            reported.tx_power,
            reported.spreading_factor,
            reported.coding_rate,
            reported.state,
        );
        let (Some(frequency), Some(bandwidth), Some(power), Some(factor), Some(rate), Some(state)) = complete
        else {
            return;
        };
        let differs = |parameter, asked: u64, found: u64| ModemError::Parameter {
            parameter,
            asked: asked.to_string(),
            found: found.to_string(),
        };
        let asked_factor = config.spreading_factor.get();
        let asked_rate = config.coding_rate.get();
        if frequency.abs_diff(config.frequency_hz) > 100 {
            self.fail(differs(
                "the frequency",
                config.frequency_hz.into(),
                frequency.into(),
            ));
        } else if bandwidth != config.bandwidth_hz {
            self.fail(differs(
                "the bandwidth",
                config.bandwidth_hz.into(),
                bandwidth.into(),
            ));
        } else if factor != asked_factor {
            self.fail(differs(
                "the spreading factor",
                asked_factor.into(),
                factor.into(),
            ));
        } else if rate != asked_rate {
            self.fail(differs("the coding rate", asked_rate.into(), rate.into()));
        } else if power > config.tx_power_dbm {
            // Less is lawful; more is not.
            self.fail(differs("the power", config.tx_power_dbm.into(), power.into()));
        } else if state == 1 {
            if power < config.tx_power_dbm {
                self.notice(format!(
                    "the modem sends with {power} dBm: {} dBm is more than it can",
                    config.tx_power_dbm
                ));
            }
            self.state = State::Online { ready: now };
            self.heard = now;
            self.asked = now;
            let (major, minor) = reported.firmware.unwrap_or_default();
            let platform = match reported.platform {
                Some(0x90) => "AVR",
                Some(0x80) => "ESP32",
                Some(0x70) => "nRF52",
                _ => "unknown platform",
            };
            self.outputs.push_back(Output::Online(ModemIdentity {
                kind: ModemKind::Rnode,
                description: format!("RNode, firmware {major}.{minor}, {platform}"),
            }));
        }
    }

    fn frame(&mut self, now: Instant, frame: KissFrame) {
        let KissFrame { command, payload } = frame;
        let byte = payload.first().copied();
        let word = <[u8; 4]>::try_from(payload.as_slice())
            .ok()
            .map(u32::from_be_bytes);
        let online = matches!(self.state, State::Online { .. });
        match command {
            DATA if online && !payload.is_empty() => {
                let (rssi_dbm, snr_db) = (self.rssi_dbm.take(), self.snr_db.take());
                self.outputs.push_back(Output::Received(ReceivedFrame {
                    bytes: payload,
                    rssi_dbm,
                    snr_db,
                }));
            }
            STAT_RSSI => self.rssi_dbm = byte.map(|byte| i16::from(byte) - 157),
            STAT_SNR => self.snr_db = byte.map(|byte| f32::from(byte.cast_signed()) * 0.25),
            DETECT => self.reported.detected |= byte == Some(DETECT_ANSWER),
            FW_VERSION => {
                self.reported.firmware = payload.first_chunk().map(|&[major, minor]| (major, minor))
            }
            PLATFORM => self.reported.platform = byte,
            FREQUENCY => self.reported.frequency = word,
            BANDWIDTH => self.reported.bandwidth = word,
            TX_POWER => self.reported.tx_power = byte,
            SPREADING_FACTOR => self.reported.spreading_factor = byte,
            CODING_RATE => self.reported.coding_rate = byte,
            RADIO_STATE if online && byte == Some(0) => {
                self.fail(ModemError::Hardware("the radio was switched off".into()));
            }
            RADIO_STATE => self.reported.state = byte,
            RESET if online && byte == Some(RESET_DONE) => self.fail(ModemError::Reset),
            ERROR => self.error(now, byte.unwrap_or(0)),
            // Statistics that nobody asked for, answers that nobody waits for, and what later firmware may say.
            _ => {}
        }
        self.advance(now);
    }

    fn error(&mut self, now: Instant, code: u8) {
        match code {
            0x01 => self.fail(ModemError::Hardware("the radio could not be started".into())),
            0x02 => self.fail(ModemError::Hardware("sending failed".into())),
            0x03 => self.fail(ModemError::Hardware("the settings memory is locked".into())),
            0x04 => {
                // The packet is lost as one on air may be; the next one waits.
                self.notice("the modem's queue is full");
                if let State::Online { ready } = &mut self.state {
                    *ready = (*ready).max(now.after_us(1_000_000));
                }
            }
            0x05 => self.notice("the modem is short of memory"),
            0x06 => self.notice("the modem's radio took too long"),
            other => self.fail(ModemError::Hardware(format!("error {other:#04x}"))),
        }
    }
}

impl Driver for RnodeDriver {
    fn start(&mut self, now: Instant) {
        self.heard = now;
        self.outputs.push_back(Output::SetSpeed(RNODE_SPEED_BPS));
        self.detect();
        self.state = State::Detecting {
            until: now.after_us(BOOT_US),
            again: now.after_us(DETECT_EVERY_US),
        };
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        if self.decoder.is_within() && now.us_since(self.heard) > HALF_FRAME_US {
            self.decoder.reset();
        }
        for byte in bytes {
            if let Some(frame) = self.decoder.push(*byte)
                && self.state != State::Failed
            {
                self.frame(now, frame);
            }
        }
        self.heard = now;
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Detecting { until, .. } if now >= until => self.fail(ModemError::Silent {
                kind: ModemKind::Rnode,
            }),
            State::Detecting { until, again } if now >= again => {
                self.detect();
                self.state = State::Detecting {
                    until,
                    again: now.after_us(DETECT_EVERY_US),
                };
            }
            State::Configuring { until } if now >= until => self.fail(ModemError::Stalled),
            State::Online { ready } => {
                if self.sending && now >= ready {
                    self.sending = false;
                    self.outputs.push_back(Output::Sent { accepted: true });
                }
                if now.us_since(self.heard) >= STALLED_US {
                    self.fail(ModemError::Stalled);
                } else if now.us_since(self.heard.max(self.asked)) >= ASK_EVERY_US {
                    self.asked = now;
                    self.write(kiss::encode(READY, &[0]));
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
        match airtime {
            Ok(airtime) if !frame.is_empty() && frame.len() < LORA_PAYLOAD_LEN_MAX => {
                *ready = now.after_us(airtime + HAND_OVER_US + self.timing.access_delay_us() / 2);
                self.sending = true;
                self.write(kiss::encode(DATA, frame));
            }
            _ => self.outputs.push_back(Output::Sent { accepted: false }),
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Online { .. }) && !self.sending
    }

    fn stop(&mut self, _now: Instant) {
        if self.reported.detected && self.state != State::Failed {
            let mut bytes = kiss::encode(RADIO_STATE, &[0]);
            bytes.extend(kiss::encode(LEAVE, &[0xff]));
            self.write(bytes);
        }
        self.state = State::Closed;
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Closed | State::Failed => None,
            State::Detecting { until, again } => Some(until.min(again)),
            State::Configuring { until } => Some(until),
            State::Online { ready } => {
                let ask = self.heard.max(self.asked).after_us(ASK_EVERY_US);
                let stalled = self.heard.after_us(STALLED_US);
                let watch = ask.min(stalled);
                Some(if self.sending { ready.min(watch) } else { watch })
            }
        }
    }
}

#[cfg(test)]
mod tests;
