//! A node's radio: the station of the program, behind a model of its modem.
//!
//! The modem is an RNode: a frame takes its time over the serial line, waits for a quiet channel and for a random time after it, and goes
//! out together with whatever else waits. The driver does not know when: it says that a frame is out when its time should be over.

use std::collections::VecDeque;

use cairn::mesh::{LinkId, Overheard, RadioProfile};
use cairn_transports::PeerKey;
use cairn_transports::lora::modem::{RnodeConfig, RnodeTiming, Timing};
use cairn_transports::lora::{
    AirtimeError, Budget, BudgetRecord, CodingRate, DwellTiming, Instant, MESSAGE_OVERHEAD, Modulation,
    SendersRecord, SpaceKey, SpreadingFactor, Station, StationConfig, StationCounts, SubBand,
};

use super::duty::DutyWatch;
use super::planted::Understated;
use crate::medium::{Station as Place, Tuning};
use crate::modem::rnode::channel_access::{ChannelAccess, slot_of_symbols_us};
use crate::modem::rnode::load::Load;

/// Bits of a byte on the serial line, with start and stop, for each of which it takes this long, in microseconds.
const SERIAL_BYTE_US: u64 = 10 * 1_000_000 / 115_200;
/// What the host and the firmware add to a packet's way to the radio, in microseconds.
const HANDLING_US: u64 = 5_000;
/// How long the driver holds a frame to be on its way, beside its airtime and half the longest wait for the channel.
const HAND_OVER_US: u64 = 60_000;
/// The modem of every simulated radio: an RNode with these settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimModem {
    config: RnodeConfig,
}

impl SimModem {
    /// An RNode that is set so.
    pub const fn rnode(config: RnodeConfig) -> Self {
        Self { config }
    }

    /// 866 MHz, 125 kHz, 4/5, 14 dBm. `None` if there is no such spreading factor.
    pub fn new(spreading_factor: u8) -> Option<Self> {
        Some(Self::rnode(RnodeConfig {
            frequency_hz: 866_000_000,
            bandwidth_hz: 125_000,
            spreading_factor: SpreadingFactor::new(spreading_factor)?,
            coding_rate: CodingRate::new(5)?,
            tx_power_dbm: 14,
        }))
    }

    /// What the engine is told of a radio with this modem.
    pub fn profile(&self, band: &SubBand) -> RadioProfile {
        let dwell = DwellTiming::new(Box::new(RnodeTiming::new(&self.config)), band);
        let frame_len_max = dwell.frame_len_max();
        RadioProfile {
            frame_len_max: frame_len_max.saturating_sub(MESSAGE_OVERHEAD),
            frame_airtime_us: dwell.airtime_us(frame_len_max).unwrap_or(0),
            share_permille: (band.share() * 1000.0) as u32,
            window_us: band.longest_window().as_micros() as u64,
        }
    }

    /// The channel's middle, in Hz.
    pub const fn frequency_hz(&self) -> u32 {
        self.config.frequency_hz
    }

    /// How its frames are modulated.
    pub fn modulation(&self) -> Modulation {
        self.config.modulation()
    }

    /// How it sends and listens.
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            frequency_hz: self.config.frequency_hz,
            network: 0x12,
            modulation: self.config.modulation(),
        }
    }

    pub(crate) fn power_dbm(&self) -> i8 {
        self.config.tx_power_dbm.min(127).cast_signed()
    }

    /// One slot of waiting for the channel, in microseconds.
    pub(crate) fn slot_us(&self) -> u64 {
        let modulation = self.config.modulation();
        // What is fast has a short preamble as well.
        let is_fast = modulation.symbol_us() * u64::from(modulation.preamble_symbols) < 24_000;
        slot_of_symbols_us(modulation.symbol_us(), is_fast)
    }

    /// How long a frame is on its way to the radio.
    pub(crate) const fn serial_us(len: usize) -> u64 {
        HANDLING_US + (len as u64 + 4) * SERIAL_BYTE_US
    }

    /// After which time the driver holds a frame to be out.
    pub(crate) fn until_sent_us(&self, len: usize) -> Result<u64, AirtimeError> {
        let timing = RnodeTiming::new(&self.config);
        Ok(timing.airtime_us(len)? + HAND_OVER_US + timing.access_delay_us() / 2)
    }
}

/// What a node's disk knows of used airtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum AirtimeLedger {
    /// The radio was never used.
    #[default]
    Fresh,
    /// The record that was made durable last.
    Record(Vec<u8>),
    /// There was one, and it is lost.
    Lost,
}

/// What belongs to a node's place on the air, and outlives its process.
#[derive(Debug)]
pub(crate) struct Antenna {
    pub(crate) modem: SimModem,
    pub(crate) place: Place,
    pub(crate) duty: DutyWatch,
    pub(crate) ledger: AirtimeLedger,
    /// Sums of stations that were taken down.
    pub(crate) past: StationCounts,
    /// Time on air of frames that it received, in microseconds.
    pub(crate) receiving_us: u64,
    /// Unplugged by a fault: frames are neither sent nor heard.
    pub(crate) unplugged: bool,
}

/// The radio of a node that is up.
pub(crate) struct Radio {
    /// Names this life of it.
    pub(crate) link: LinkId,
    pub(crate) station: Station,
    pub(crate) overheard: Overheard,
    /// When the station will be asked again.
    pub(crate) timer_at: Option<u64>,
    /// Packets that the modem holds.
    pub(crate) queue: VecDeque<Packet>,
    /// It waits for the channel.
    pub(crate) is_trying: bool,
    /// How it gets the channel: as in the virtual modem.
    pub(crate) access: ChannelAccess,
    /// Its own time on air.
    pub(crate) own: Load,
    /// Messages that were given to the station last: to tell what frames carry.
    given: VecDeque<Given>,
}

/// A message that was given to the station.
#[derive(Debug, Clone, Copy)]
struct Given {
    /// Length of a frame that carries it whole.
    frame_len: usize,
    /// Its first byte: what it is.
    kind: u8,
    at_us: u64,
}

/// A frame on its way to the modem, or in it.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) frame: Vec<u8>,
    /// The first byte of the message in it, as far as that can be told.
    pub(crate) message: Option<u8>,
    /// Since when its message waited.
    pub(crate) since_us: u64,
    /// Since when the station held it back; as long as the law did, if that alone was why.
    pub(crate) held_by_law_us: u64,
}

/// Lengths of messages that are remembered.
const GIVEN_MAX: usize = 16;

impl Radio {
    /// A radio whose modem is up.
    #[expect(clippy::too_many_arguments, reason = "what a station is made of")]
    pub(crate) fn start(
        link: LinkId,
        node: PeerKey,
        keys: Vec<SpaceKey>,
        modem: SimModem,
        band: &'static SubBand,
        generation: u64,
        ledger: &AirtimeLedger,
        senders: SendersRecord,
        leaks: bool,
        now: Instant,
        seed: [u8; 32],
    ) -> Self {
        // Each start is another boot of the machine: what was used before it is known by the record alone.
        let mut boot = [0; 16];
        boot[..8].copy_from_slice(&generation.to_le_bytes());
        let budget = match ledger {
            AirtimeLedger::Fresh => Budget::new(band),
            AirtimeLedger::Record(bytes) => match BudgetRecord::decode(bytes) {
                Ok(record) => Budget::restore(band, &record, boot, 0, now),
                Err(_) => Budget::exhausted(band, now),
            },
            AirtimeLedger::Lost => Budget::exhausted(band, now),
        };
        let mut station = Station::new(StationConfig {
            node,
            keys,
            timing: match RnodeTiming::new(&modem.config) {
                honest if leaks => Box::new(Understated(honest)),
                honest => Box::new(honest),
            },
            band,
            budget,
            generation,
            senders,
            boot,
            boot_offset_us: -i64::try_from(now.0).unwrap_or(0),
            seed,
        });
        station.modem_up(now);
        Self {
            link,
            station,
            overheard: Overheard::default(),
            timer_at: None,
            queue: VecDeque::new(),
            is_trying: false,
            access: ChannelAccess::default(),
            own: Load::default(),
            given: VecDeque::new(),
        }
    }

    /// A message goes to the station.
    pub(crate) fn note_given(&mut self, now_us: u64, message: &[u8]) {
        self.given.push_front(Given {
            frame_len: message.len() + MESSAGE_OVERHEAD,
            kind: message.first().copied().unwrap_or(0),
            at_us: now_us,
        });
        self.given.truncate(GIVEN_MAX);
    }

    /// A frame comes from the station.
    pub(crate) fn packet(&mut self, now: Instant, frame: Vec<u8>) -> Packet {
        let given = self
            .given
            .iter()
            .find(|given| given.frame_len == frame.len())
            .copied();
        let since_us = given.map_or(now.0, |given| given.at_us);
        // Nearly all airtime is used up: then that is why it waited.
        let is_law = self
            .station
            .airtime_used_us(now)
            .is_some_and(|(used, allowed)| used > allowed / 10 * 9);
        Packet {
            frame,
            message: given.map(|given| given.kind),
            since_us,
            held_by_law_us: if is_law { now.0 - since_us } else { 0 },
        }
    }
}
