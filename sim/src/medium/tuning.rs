//! Where and how a radio sends or listens.

use cairn_transports::lora::{Modulation, SpreadingFactor};

/// Where and how a radio sends or listens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Middle of the channel.
    pub frequency_hz: u32,
    /// Sync word, network id, encryption key: whatever else must be the same at both ends.
    pub network: u64,
    /// Bandwidth, spreading factor and the rest.
    pub modulation: Modulation,
}

impl Tuning {
    /// Whether a receiver that is tuned so understands what is sent so. The coding rate is said in the explicit header.
    pub fn understands(&self, sent: &Self) -> bool {
        let (ours, theirs) = (&self.modulation, &sent.modulation);
        // A receiver finds a preamble that is off by up to a quarter of the bandwidth.
        self.frequency_hz.abs_diff(sent.frequency_hz) <= ours.bandwidth_hz / 4
            && self.network == sent.network
            && self.signal().is_like(sent.signal())
            && ours.is_low_data_rate() == theirs.is_low_data_rate()
            && ours.explicit_header == theirs.explicit_header
            && (ours.explicit_header || ours.coding_rate == theirs.coding_rate)
    }

    pub(super) fn signal(&self) -> Signal {
        Signal {
            frequency_hz: self.frequency_hz,
            bandwidth_hz: self.modulation.bandwidth_hz,
            spreading_factor: self.modulation.spreading_factor,
        }
    }
}

/// What a frame is to those that do not understand it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal {
    frequency_hz: u32,
    bandwidth_hz: u32,
    pub(super) spreading_factor: SpreadingFactor,
}

impl Signal {
    /// Whether two signals share a part of the spectrum.
    pub(super) fn overlaps(self, other: Self) -> bool {
        let widths = self.bandwidth_hz / 2 + other.bandwidth_hz / 2;
        self.frequency_hz.abs_diff(other.frequency_hz) < widths
    }

    /// Whether the chirps have the same slope.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.spreading_factor == other.spreading_factor && self.bandwidth_hz == other.bandwidth_hz
    }

    /// How long a symbol takes, in microseconds. 0 when the bandwidth is 0.
    pub(super) fn symbol_us(self) -> u64 {
        (1_000_000_u64 << self.spreading_factor.get())
            .checked_div(u64::from(self.bandwidth_hz))
            .unwrap_or(0)
    }

    pub(super) fn has_bandwidth_of(self, other: Self) -> bool {
        self.bandwidth_hz == other.bandwidth_hz
    }
}
