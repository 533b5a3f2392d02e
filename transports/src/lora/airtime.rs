//! How long a frame occupies the channel.

use super::Modulation;

/// The longest LoRa payload, in bytes.
pub const LORA_PAYLOAD_LEN_MAX: usize = 255;

/// Why a frame has no time on air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AirtimeError {
    /// The modem would refuse the frame.
    #[error("a LoRa frame holds at most {LORA_PAYLOAD_LEN_MAX} bytes, not {len}")]
    PayloadTooLong {
        /// As given.
        len: usize,
    },
    /// The bandwidth is 0.
    #[error("a bandwidth of 0 Hz carries nothing")]
    NoBandwidth,
}

/// Returns how long a frame occupies the channel.
///
/// `payload_len` in bytes (0..=255), result in microseconds, rounded up, preamble and header included. Formula: Semtech AN1200.13 for SF7
/// to SF12; SX1261/2 data sheet 6.1.4 for SF5 and SF6, whose preamble is two symbols longer and whose header is coded as the rest.
pub fn airtime_us(modulation: &Modulation, payload_len: usize) -> Result<u64, AirtimeError> {
    if payload_len > LORA_PAYLOAD_LEN_MAX {
        return Err(AirtimeError::PayloadTooLong { len: payload_len });
    }
    if modulation.bandwidth_hz == 0 {
        return Err(AirtimeError::NoBandwidth);
    }
    let factor = i64::from(modulation.spreading_factor.get());
    let short = factor <= 6;
    let payload_bits = 8 * payload_len as i64
        + if modulation.crc { 16 } else { 0 }
        + if modulation.explicit_header { 20 } else { 0 }
        + if short { 0 } else { 8 }
        - 4 * factor;
    let reduced = if modulation.is_low_data_rate() { 2 } else { 0 };
    let bits_per_block = (4 * (factor - reduced)).cast_unsigned();
    let blocks = payload_bits.max(0).cast_unsigned().div_ceil(bits_per_block);
    let payload_symbols = 8 + blocks * u64::from(modulation.coding_rate.get());
    // Counted in quarters: the preamble ends in a quarter of a symbol.
    let preamble_quarters = 4 * u64::from(modulation.preamble_symbols) + if short { 25 } else { 17 };
    let quarters = preamble_quarters + 4 * payload_symbols;
    Ok((quarters * (1_000_000 << modulation.spreading_factor.get()))
        .div_ceil(4 * u64::from(modulation.bandwidth_hz)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lora::{CodingRate, LowDataRate, SpreadingFactor};

    fn modulation(factor: u8, khz: u32, rate: u8, preamble: u16, low: bool) -> Modulation {
        Modulation {
            preamble_symbols: preamble,
            low_data_rate: LowDataRate::Fixed(low),
            ..Modulation::new(
                SpreadingFactor::new(factor).unwrap(),
                khz * 1000,
                CodingRate::new(rate).unwrap(),
            )
        }
    }

    /// SF, kHz, denominator of the coding rate, payload, preamble, low data rate, microseconds. Computed with Semtech's own driver for
    /// the SX126x (the formulas above, all terms).
    const VECTORS: [(u8, u32, u8, usize, u16, bool, u64); 35] = [
        (7, 125, 5, 1, 8, false, 25_856),
        (7, 125, 5, 13, 8, false, 46_336),
        (7, 125, 5, 51, 8, false, 102_656),
        (7, 125, 5, 255, 8, false, 399_616),
        (7, 125, 8, 51, 8, false, 151_808),
        (8, 125, 5, 51, 8, false, 184_832),
        (8, 125, 6, 100, 8, false, 360_960),
        (9, 125, 5, 51, 8, false, 328_704),
        (9, 125, 7, 128, 8, false, 914_432),
        (10, 125, 5, 51, 8, false, 616_448),
        (10, 125, 5, 242, 8, false, 2_172_928),
        (11, 125, 5, 20, 8, true, 741_376),
        (11, 125, 6, 51, 8, true, 1_511_424),
        (12, 125, 5, 20, 8, true, 1_318_912),
        (12, 125, 8, 20, 8, true, 1_712_128),
        (12, 125, 5, 51, 8, true, 2_465_792),
        (12, 125, 5, 255, 8, true, 9_019_392),
        (7, 250, 5, 51, 8, false, 51_328),
        (7, 250, 5, 240, 8, false, 189_568),
        (8, 250, 8, 77, 8, false, 184_576),
        (9, 250, 5, 200, 8, false, 502_272),
        (10, 250, 6, 33, 8, false, 254_976),
        (11, 250, 5, 56, 16, false, 681_984),
        (11, 250, 8, 56, 16, false, 952_320),
        (12, 250, 5, 51, 8, true, 1_232_896),
        (12, 250, 7, 255, 8, true, 6_180_864),
        (7, 500, 5, 51, 8, false, 25_664),
        (8, 500, 5, 255, 8, false, 176_768),
        (9, 500, 6, 10, 8, false, 39_168),
        (10, 500, 5, 222, 8, false, 502_272),
        (11, 500, 8, 64, 8, false, 476_160),
        (12, 500, 5, 51, 8, false, 534_528),
        (7, 125, 5, 168, 18, false, 281_856),
        (8, 125, 5, 255, 18, false, 727_552),
        (6, 500, 5, 20, 8, false, 7_968),
    ];

    #[test]
    fn every_vector_to_the_microsecond() {
        for (factor, khz, rate, len, preamble, low, expected) in VECTORS {
            let modulation = modulation(factor, khz, rate, preamble, low);
            assert_eq!(
                airtime_us(&modulation, len),
                Ok(expected),
                "SF{factor}/{khz} 4/{rate}, {len} bytes"
            );
        }
        assert_eq!(airtime_us(&modulation(5, 125, 5, 8, false), 50), Ok(32_576));
    }

    #[test]
    fn the_modem_chooses_low_data_rate_as_the_vectors_say() {
        for (factor, khz, rate, len, preamble, low, expected) in VECTORS {
            let chosen = Modulation {
                low_data_rate: LowDataRate::Auto,
                ..modulation(factor, khz, rate, preamble, low)
            };
            assert_eq!(airtime_us(&chosen, len), Ok(expected), "SF{factor}/{khz}");
        }
        let rnode = |factor, khz| {
            Modulation {
                low_data_rate: LowDataRate::Rnode,
                ..modulation(factor, khz, 5, 18, false)
            }
            .is_low_data_rate()
        };
        assert!(!rnode(11, 125) && !rnode(12, 250) && rnode(12, 125));
    }

    #[test]
    fn what_no_modem_sends_has_no_airtime() {
        let modulation = modulation(7, 125, 5, 8, false);
        assert_eq!(
            airtime_us(&modulation, 256),
            Err(AirtimeError::PayloadTooLong { len: 256 })
        );
        let none = Modulation {
            bandwidth_hz: 0,
            ..modulation
        };
        assert_eq!(airtime_us(&none, 1), Err(AirtimeError::NoBandwidth));
    }

    proptest::proptest! {
        #[test]
        fn a_longer_frame_never_takes_less(
            factor in 5_u8..=12, khz in proptest::sample::select(&[62_u32, 125, 250, 500][..]), rate in 5_u8..=8, len in 0_usize..255,
        ) {
            let modulation = modulation(factor, khz, rate, 8, false);
            proptest::prop_assert!(airtime_us(&modulation, len).unwrap() <= airtime_us(&modulation, len + 1).unwrap());
        }
    }
}
