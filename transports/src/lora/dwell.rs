//! Frames no longer than a band allows them to be.

use super::modem::Timing;
use super::{AirtimeError, SubBand};

/// A modem's timing with the longest frame cut to what may be on air at once: 400 ms, say, where a dwell time is prescribed.
///
/// [`frame_len_max`](Timing::frame_len_max) is 0 where not even one byte may be sent.
pub struct DwellTiming {
    modem: Box<dyn Timing>,
    frame_len_max: usize,
}

impl DwellTiming {
    /// What of `modem`'s frames may go in `band`.
    pub fn new(modem: Box<dyn Timing>, band: &SubBand) -> Self {
        let airtime_us_max = band.frame_us_max().unwrap_or(u64::MAX);
        let allowed = |len: &usize| {
            modem
                .airtime_us(*len)
                .is_ok_and(|airtime| airtime <= airtime_us_max)
        };
        let frame_len_max = (1..=modem.frame_len_max()).rev().find(allowed).unwrap_or(0);
        Self { modem, frame_len_max }
    }
}

impl Timing for DwellTiming {
    fn frame_len_max(&self) -> usize {
        self.frame_len_max
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        self.modem.airtime_us(frame_len)
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        self.modem.bytes_on_air(frame_len)
    }

    fn listens(&self) -> bool {
        self.modem.listens()
    }

    fn access_delay_us(&self) -> u64 {
        self.modem.access_delay_us()
    }

    fn backlog_us(&self) -> u64 {
        self.modem.backlog_us()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::modem::{ModemSettings, RnodeConfig};
    use crate::lora::{CodingRate, Region, SpreadingFactor};

    fn frame_len_max(region: Region, factor: u8) -> usize {
        let frequency_hz = region.default_frequency_hz();
        let modem = ModemSettings::Rnode(RnodeConfig {
            frequency_hz,
            bandwidth_hz: 125_000,
            spreading_factor: SpreadingFactor::new(factor).unwrap(),
            coding_rate: CodingRate::new(5).unwrap(),
            tx_power_dbm: 14,
        });
        let band = region.sub_band(frequency_hz, 125_000).unwrap();
        let timing = DwellTiming::new(modem.timing(), band);
        let len = timing.frame_len_max();
        // Exactly as much as may be.
        if let Some(max) = band.frame_us_max().filter(|_| len > 0) {
            assert!(timing.airtime_us(len).unwrap() <= max);
            assert!(len == modem.timing().frame_len_max() || timing.airtime_us(len + 1).unwrap() > max);
        }
        len
    }

    #[test]
    fn frames_are_cut_where_a_dwell_time_is_prescribed() {
        let whole = frame_len_max(Region::Eu868, 12);
        assert!((230..whole).contains(&frame_len_max(Region::Us915, 7)));
        let (eight, nine) = (frame_len_max(Region::Us915, 8), frame_len_max(Region::Us915, 9));
        assert!((100..160).contains(&eight) && nine < eight, "{eight} {nine}");
        assert_eq!(frame_len_max(Region::Us915, 12), 0);
    }
}
