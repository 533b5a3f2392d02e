//! One radio channel: what is on air, who hears it, and the stations of the nodes that have one.

use std::collections::{BTreeMap, BTreeSet};

use cairn::mesh::{Event, LinkId, Overheard, RadioProfile};
use cairn::model::NodeId;
use cairn_transports::PeerKey;
use cairn_transports::lora::modem::{ReceivedFrame, Timing};
use cairn_transports::lora::{
    AirtimeError, Budget, CodingRate, DwellTiming, Instant, MESSAGE_OVERHEAD, Modulation, SendersRecord,
    SpaceKey, SpreadingFactor, Station, StationConfig, StationCounts, SubBand, airtime_us,
};

use crate::NodeIndex;

/// The modem of every simulated radio: an RNode's frames at some spreading factor and 125 kHz.
#[derive(Debug, Clone, Copy)]
pub struct SimModem {
    modulation: Modulation,
}

impl SimModem {
    /// 125 kHz, 4/5. `None` if there is no such spreading factor.
    pub fn new(spreading_factor: u8) -> Option<Self> {
        let modulation = Modulation {
            preamble_symbols: 18,
            ..Modulation::new(
                SpreadingFactor::new(spreading_factor)?,
                125_000,
                CodingRate::new(5)?,
            )
        };
        Some(Self { modulation })
    }

    /// What the engine is told of a radio with this modem.
    pub fn profile(&self, band: &SubBand) -> RadioProfile {
        let frame_len_max = DwellTiming::new(Box::new(*self), band).frame_len_max();
        RadioProfile {
            frame_len_max: frame_len_max.saturating_sub(MESSAGE_OVERHEAD),
            frame_airtime_us: self.airtime_us(frame_len_max).unwrap_or(0),
            share_permille: (band.share() * 1000.0) as u32,
            window_us: band.longest_window().as_micros() as u64,
        }
    }
}

impl Timing for SimModem {
    fn frame_len_max(&self) -> usize {
        254
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        airtime_us(&self.modulation, frame_len + 1)
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        frame_len + 1
    }
}

/// A node's radio.
pub(crate) struct Radio {
    pub(crate) link: LinkId,
    pub(crate) station: Station,
    pub(crate) overheard: Overheard,
    /// A frame that the modem holds back while it hears another.
    pub(crate) waiting: Option<Vec<u8>>,
}

/// A frame on its way.
pub(crate) struct OnAir {
    pub(crate) from: NodeIndex,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) frame: Vec<u8>,
}

/// The channel.
#[derive(Default)]
pub(crate) struct Air {
    pub(crate) radios: BTreeMap<NodeIndex, Radio>,
    pub(crate) on_air: BTreeMap<u64, OnAir>,
    pub(crate) next: u64,
    /// Pairs that do not hear one another.
    pub(crate) apart: BTreeSet<(NodeIndex, NodeIndex)>,
    /// Lost frames, in thousandths, at each receiver.
    pub(crate) loss: u64,
    /// Sums of radios that were taken down.
    pub(crate) past: StationCounts,
}

impl Air {
    pub(crate) fn hears(&self, from: NodeIndex, to: NodeIndex) -> bool {
        from != to && !self.apart.contains(&(from.min(to), from.max(to)))
    }

    /// Whether a modem would hold a frame back.
    pub(crate) fn is_busy(&self, at: NodeIndex) -> bool {
        self.on_air
            .values()
            .any(|frame| frame.from == at || self.hears(frame.from, at))
    }

    /// Those whose modems can tell this frame from all others.
    pub(crate) fn receivers(&self, done: &OnAir) -> Vec<NodeIndex> {
        let clear = |to: &NodeIndex| {
            let overlaps = self.on_air.values().any(|other| {
                other.start < done.end
                    && other.end > done.start
                    && (other.from == *to || self.hears(other.from, *to))
            });
            self.hears(done.from, *to) && !overlaps
        };
        self.radios.keys().copied().filter(clear).collect()
    }
}

/// What a station is made of.
pub(crate) fn station(
    node: NodeId,
    modem: SimModem,
    band: &'static SubBand,
    generation: u64,
    senders: SendersRecord,
    now: Instant,
    seed: [u8; 32],
) -> Station {
    let mut station = Station::new(StationConfig {
        node: PeerKey(node.0),
        keys: vec![SpaceKey::new(0, [7; 32])],
        timing: Box::new(modem),
        band,
        budget: Budget::new(band),
        generation,
        senders,
        boot: [0; 16],
        boot_offset_us: 0,
        seed,
    });
    station.modem_up(now);
    station
}

/// A frame as a modem hands it on.
pub(crate) fn received(frame: &[u8]) -> ReceivedFrame {
    ReceivedFrame {
        bytes: frame.to_vec(),
        rssi_dbm: Some(-100),
        snr_db: Some(5.0),
    }
}

/// A message for the engine.
pub(crate) fn message(radio: LinkId, from: PeerKey, message: Vec<u8>) -> Event {
    Event::RadioMessage {
        radio,
        from: NodeId(from.0),
        message,
    }
}
