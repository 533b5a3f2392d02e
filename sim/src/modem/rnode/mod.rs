//! A virtual RNode: a board with the firmware of that name, version 1.86, spoken to in KISS.
//!
//! ```text
//! kiss ──► mod ──► settings, board       What the host says is answered at once; what it sets is clamped.
//!           ├────► channel_access, load  Packets wait in a queue for a free channel and a random number of slots.
//!           └────► split                 On air, a packet is one frame or two, each behind a byte of header.
//! ```
//! Deviations of real firmware from what one would expect are kept: "on" is answered twice, a full queue drops in silence, and READY comes
//! only when asked for.

mod board;
pub(crate) mod channel_access;
mod kiss;
pub(crate) mod load;
mod settings;
mod split;
#[cfg(test)]
mod tests;
mod transmitter;

use std::collections::BTreeSet;

use cairn_transports::lora::{Instant, airtime_us};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::emulator::{Emulator, Touch};
use super::quirk::Quirk;
use super::radio::Radio;
use super::uart::{Uart, earlier};
use crate::medium::Delivery;
use crate::medium::noise_floor_dbm;
use board::Board;
use channel_access::{DIFS_SLOTS, WINDOW_SLOTS, band, slot_us};
use kiss::{Decoder, Said, code};
use load::{LONG_US, Load, SHORT_US};
use settings::Settings;
use split::Joiner;
use transmitter::Transmitter;

pub use kiss::PACKET_LEN_MAX;

/// The line's speed is fixed.
const SPEED: u32 = 115_200;
/// How long it takes to boot, in microseconds. Hosts wait for 2 s.
const BOOT_US: u64 = 1_000_000;
/// How often the channel's load is told, in microseconds.
const STATS_US: u64 = 1_000_000;
/// Added to RSSI in dBm to make a byte.
const RSSI_OFFSET: f32 = 157.0;

const DETECT_REQUEST: u8 = 0x73;
const DETECT_ANSWER: u8 = 0x46;
const RESET_BYTE: u8 = 0xf8;
const ERROR_RADIO: u8 = 0x01;
/// No display, no interference.
const NONE: u8 = 0xff;
/// Bytes of EEPROM, all of them empty.
const ROM_LEN: usize = 168;

/// A virtual RNode.
#[derive(Debug)]
pub struct Rnode {
    quirks: BTreeSet<Quirk>,
    board: Board,
    rng: ChaCha8Rng,
    uart: Uart,
    decoder: Decoder,
    settings: Settings,
    is_on: bool,
    booted_at: Option<Instant>,
    stats_at: Option<Instant>,
    transmitter: Transmitter,
    joiner: Joiner,
    channel: Load,
    packets_received: u32,
}

impl Rnode {
    /// A board without power. `seed` decides what it draws.
    pub fn new(quirks: &BTreeSet<Quirk>, seed: u64) -> Self {
        let board = Board::new(quirks);
        Self {
            quirks: quirks.clone(),
            board,
            rng: ChaCha8Rng::seed_from_u64(seed),
            uart: Uart::default(),
            decoder: Decoder::default(),
            settings: Settings::new(),
            is_on: false,
            booted_at: None,
            stats_at: None,
            transmitter: Transmitter::new(board.packets_max, board.bytes_max),
            joiner: Joiner::default(),
            channel: Load::default(),
            packets_received: 0,
        }
    }

    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }

    fn say(&mut self, now: Instant, command: u8, payload: &[u8]) {
        self.uart.write(now, SPEED, kiss::frame(command, payload));
    }

    fn handle_said(&mut self, now: Instant, radio: &mut Radio<'_>, said: Said) {
        match said {
            Said::Packet(packet) => {
                self.transmitter.enqueue(packet);
                self.seek_channel(now);
            }
            Said::Number(code::FREQUENCY, asked) => {
                if asked != 0 {
                    let has_steps = self.has(Quirk::RnodeFrequencyStep);
                    self.settings.set_frequency(asked, has_steps);
                }
                self.say(now, code::FREQUENCY, &self.settings.frequency_hz.to_be_bytes());
            }
            Said::Number(_, asked) => {
                if asked != 0 {
                    self.settings.set_bandwidth(asked);
                }
                self.say(now, code::BANDWIDTH, &self.settings.bandwidth_hz.to_be_bytes());
            }
            Said::Pair(command @ (code::ST_ALOCK | code::LT_ALOCK), limit) => {
                let limit = Some(u16::from_be_bytes(limit)).filter(|limit| *limit < 10_000);
                let limit = limit.unwrap_or(0);
                if command == code::ST_ALOCK {
                    self.settings.short_limit = limit;
                } else {
                    self.settings.long_limit = limit;
                }
                self.say(now, command, &limit.to_be_bytes());
            }
            // Writing to the EEPROM: no driver may.
            Said::Pair(..) => {}
            Said::Byte(code::RADIO_STATE, value) => self.handle_radio_state(now, radio, value),
            Said::Byte(code::RESET, RESET_BYTE) => self.boot(now, radio),
            Said::Byte(command, value) => self.handle_byte(now, command, value),
        }
        self.tune(now, radio);
    }

    fn handle_byte(&mut self, now: Instant, command: u8, value: u8) {
        let is_set = value != NONE;
        match command {
            code::TXPOWER => {
                if is_set {
                    self.settings.power_dbm = value.min(self.board.power_dbm_max);
                }
                self.say(now, command, &[self.settings.power_dbm]);
            }
            code::SF => {
                if is_set {
                    self.settings.spreading_factor = value.clamp(5, 12);
                }
                self.say(now, command, &[self.settings.spreading_factor]);
            }
            code::CR => {
                if is_set {
                    self.settings.coding_rate = value.clamp(5, 8);
                }
                self.say(now, command, &[self.settings.coding_rate]);
            }
            code::RADIO_LOCK => self.say(now, command, &[u8::from(self.settings.is_locked())]),
            code::DETECT if value == DETECT_REQUEST => self.say(now, command, &[DETECT_ANSWER]),
            code::IMPLICIT => {
                self.settings.implicit_len = value;
                self.say(now, command, &[value]);
            }
            code::PROMISC => {
                self.settings.is_promiscuous = value != 0;
                self.say(now, command, &[value]);
            }
            code::READY => self.say_ready(now),
            code::STAT_RX => self.say(now, command, &self.packets_received.to_be_bytes()),
            code::STAT_TX => self.say(now, command, &self.transmitter.packets_sent.to_be_bytes()),
            code::RANDOM => {
                let drawn = self.rng.next_u32().to_le_bytes()[0];
                self.say(now, command, &[drawn]);
            }
            code::FB_EXT => self.say(now, command, &[NONE]),
            code::BOARD => self.say(now, command, &[self.board.board]),
            code::PLATFORM => self.say(now, command, &[self.board.platform]),
            code::MCU => self.say(now, command, &[self.board.mcu]),
            code::FW_VERSION => self.say(now, command, &self.board.firmware.clone()),
            code::ROM_READ => self.say(now, command, &[NONE; ROM_LEN]),
            // LEAVE, BLINK, BT_CTRL and what it does not know: no answer.
            _ => {}
        }
    }

    fn handle_radio_state(&mut self, now: Instant, radio: &mut Radio<'_>, value: u8) {
        if value == 0 {
            self.turn_off(now, radio);
        } else if value == 1 {
            if !self.is_on && !self.settings.is_locked() {
                if self.has(Quirk::RnodeNoRadio) {
                    self.say(now, code::ERROR, &[ERROR_RADIO]);
                } else {
                    self.is_on = true;
                    self.stats_at = Some(now.after_us(STATS_US));
                    self.seek_channel(now);
                }
            }
            // Once when the radio is started, once when the command is done.
            self.say(now, code::RADIO_STATE, &[u8::from(self.is_on)]);
        }
        self.say(now, code::RADIO_STATE, &[u8::from(self.is_on)]);
    }

    fn turn_off(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.is_on = false;
        self.stats_at = None;
        self.transmitter.stop();
        self.joiner = Joiner::default();
        radio.cut(now);
    }

    fn boot(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.turn_off(now, radio);
        self.settings = Settings::new();
        self.decoder = Decoder::default();
        self.uart.clear();
        self.transmitter = Transmitter::new(self.board.packets_max, self.board.bytes_max);
        self.channel = Load::default();
        self.packets_received = 0;
        self.booted_at = Some(now.after_us(BOOT_US));
    }

    fn tune(&self, now: Instant, radio: &mut Radio<'_>) {
        let tuning = if self.is_on { self.settings.tuning() } else { None };
        radio.listen(now, tuning);
    }

    fn seek_channel(&mut self, now: Instant) {
        if self.is_on {
            self.transmitter.seek_channel(now, slot_us(&self.settings));
        }
    }

    fn say_ready(&mut self, now: Instant) {
        let has_room = !self.transmitter.is_full();
        self.say(now, code::READY, &[u8::from(has_room)]);
    }

    fn say_stats(&mut self, now: Instant, radio: &mut Radio<'_>) {
        let shares = [
            self.transmitter.own.share(now, SHORT_US),
            self.transmitter.own.share(now, LONG_US),
            self.channel.share(now, SHORT_US),
            self.channel.share(now, LONG_US),
        ];
        if self.has(Quirk::RnodeMoreStats) {
            self.say(now, code::STAT_BAT, &[3, 100]);
            self.say(now, code::STAT_TEMP, &[145]);
            let band = band(shares[0]);
            let window = [band, (band - 1) * WINDOW_SLOTS, band * WINDOW_SLOTS - 1];
            self.say(now, code::STAT_CSMA, &window.map(|number| number as u8));
        }
        if self.has(Quirk::RnodeNoStats) {
            return;
        }
        let mut load = shares.map(u16::to_be_bytes).concat();
        load.push(rssi_byte(radio.carrier(now).rssi_dbm));
        load.push(rssi_byte(noise_floor_dbm(self.settings.bandwidth_hz)));
        load.push(NONE);
        self.say(now, code::STAT_CHTM, &load);
        let (symbol_us, slot_us) = (self.settings.symbol_us(), slot_us(&self.settings));
        let preamble = self.settings.preamble_symbols();
        let physical = [
            symbol_us,
            1_000_000 / symbol_us.max(1),
            preamble,
            preamble * symbol_us / 1000,
            slot_us / 1000,
            u64::from(DIFS_SLOTS) * slot_us / 1000,
        ];
        let physical = physical.map(|number| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
        self.say(now, code::STAT_PHYPRM, &physical.concat());
    }
}

fn rssi_byte(rssi_dbm: f32) -> u8 {
    (rssi_dbm + RSSI_OFFSET).round().clamp(0.0, 255.0) as u8
}

impl Emulator for Rnode {
    fn start(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.uart.delay_us = if self.has(Quirk::SlowAnswers) {
            super::SLOW_ANSWER_US
        } else {
            0
        };
        self.boot(now, radio);
    }

    fn stop(&mut self, now: Instant, radio: &mut Radio<'_>) {
        self.boot(now, radio);
        self.booted_at = None;
    }

    fn handle_host(&mut self, now: Instant, radio: &mut Radio<'_>, bytes: &[u8], _speed: u32) {
        for byte in bytes {
            if self.booted_at.is_some() {
                return;
            }
            if let Some(said) = self.decoder.push(*byte) {
                self.handle_said(now, radio, said);
            }
        }
    }

    fn handle_frame(&mut self, now: Instant, _radio: &mut Radio<'_>, delivery: &Delivery) {
        if let Some(tuning) = self.settings.tuning()
            && let Ok(airtime_us) = airtime_us(&tuning.modulation, delivery.frame.len())
        {
            self.channel.record(now, airtime_us);
        }
        let packet = if self.settings.is_promiscuous {
            Some(delivery.frame.to_vec())
        } else {
            self.joiner.push(&delivery.frame)
        };
        if let Some(packet) = packet {
            self.packets_received = self.packets_received.wrapping_add(1);
            self.say(now, code::STAT_RSSI, &[rssi_byte(delivery.rssi_dbm)]);
            let snr = (delivery.snr_db * 4.0).clamp(-128.0, 127.0) as i8;
            self.say(now, code::STAT_SNR, &[snr.cast_unsigned()]);
            self.say(now, code::DATA, &packet);
        }
    }

    fn handle_touch(&mut self, now: Instant, radio: &mut Radio<'_>, touch: Touch) {
        match touch {
            Touch::Reset => self.boot(now, radio),
            Touch::Opened if self.has(Quirk::RnodeResetOnOpen) => self.boot(now, radio),
            Touch::Error(number) => self.say(now, code::ERROR, &[number]),
            Touch::Opened | Touch::Lines { .. } => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant, radio: &mut Radio<'_>) {
        if self.booted_at.is_some_and(|at| at <= now) {
            self.booted_at = None;
            self.say(now, code::RESET, &[RESET_BYTE]);
        }
        if self.stats_at.is_some_and(|at| at <= now) {
            self.stats_at = Some(now.after_us(STATS_US));
            self.say_stats(now, radio);
        }
        if self.is_on
            && let Some(tuning) = self.settings.tuning()
        {
            let done = self
                .transmitter
                .handle_timeout(now, radio, &self.settings, &tuning, &mut self.rng);
            for (end, airtime_us) in done.airings {
                self.channel.record(end, airtime_us);
            }
            if self.has(Quirk::RnodeSpontaneousReady) {
                for _ in 0..done.packets {
                    self.say_ready(now);
                }
            }
        }
    }

    fn poll_host(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.uart.poll(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.booted_at, self.stats_at, self.transmitter.poll_timeout()]
            .into_iter()
            .fold(self.uart.poll_timeout(), earlier)
    }
}
