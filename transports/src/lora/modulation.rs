//! How a LoRa frame is modulated.

/// Chirps of 2^SF samples: each step up doubles the time of a symbol and reaches some 2.5 dB further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpreadingFactor(u8);

impl SpreadingFactor {
    /// 5 to 12; `None` for another number.
    pub const fn new(factor: u8) -> Option<Self> {
        if factor >= 5 && factor <= 12 {
            Some(Self(factor))
        } else {
            None
        }
    }

    /// The number, 5 to 12.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Forward error correction: four bits are sent as five to eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodingRate(u8);

impl CodingRate {
    /// The denominator of 4/5 to 4/8; `None` for another number.
    pub const fn new(denominator: u8) -> Option<Self> {
        if denominator >= 5 && denominator <= 8 {
            Some(Self(denominator))
        } else {
            None
        }
    }

    /// The denominator, 5 to 8.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// When a modem takes two bits off each symbol so that slow symbols survive a drift of the clock (LDRO, "DE" in the formula).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LowDataRate {
    /// As Semtech advises: on when a symbol takes more than 16 ms.
    Auto,
    /// As RNode's firmware does it: on when a symbol takes 17 ms or more, so that 16.384 ms (SF11 at 125 kHz) goes without.
    Rnode,
    /// On or off, whatever the symbol takes.
    Fixed(bool),
}

/// The radio parameters that decide how long a frame takes and who can hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Modulation {
    /// SF.
    pub spreading_factor: SpreadingFactor,
    /// Bandwidth in Hz.
    pub bandwidth_hz: u32,
    /// CR.
    pub coding_rate: CodingRate,
    /// Programmed preamble length, in symbols; the modem adds 4.25 (6.25 at SF5 and SF6).
    pub preamble_symbols: u16,
    /// The low-data-rate optimisation.
    pub low_data_rate: LowDataRate,
    /// The frame says how long it is. Without it both sides must know.
    pub explicit_header: bool,
    /// Two bytes of checksum behind the payload.
    pub crc: bool,
}

impl Modulation {
    /// The usual frame: explicit header, checksum, a preamble of 8 symbols, low-data-rate optimisation where it is advised.
    pub const fn new(spreading_factor: SpreadingFactor, bandwidth_hz: u32, coding_rate: CodingRate) -> Self {
        Self {
            spreading_factor,
            bandwidth_hz,
            coding_rate,
            preamble_symbols: 8,
            low_data_rate: LowDataRate::Auto,
            explicit_header: true,
            crc: true,
        }
    }

    /// How long a symbol takes, in microseconds, rounded down. 0 when the bandwidth is 0.
    pub fn symbol_us(&self) -> u64 {
        (1_000_000_u64 << self.spreading_factor.get())
            .checked_div(u64::from(self.bandwidth_hz))
            .unwrap_or(0)
    }

    /// Whether the low-data-rate optimisation is on.
    pub fn is_low_data_rate(&self) -> bool {
        match self.low_data_rate {
            LowDataRate::Auto => self.symbol_us() > 16_000,
            LowDataRate::Rnode => self.symbol_us() >= 17_000,
            LowDataRate::Fixed(on) => on,
        }
    }
}
