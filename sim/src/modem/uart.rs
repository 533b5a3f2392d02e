//! The pace of a serial line: a pty moves any number of bytes at once, a wire does not.

use std::collections::VecDeque;

use cairn_transports::lora::Instant;

/// Start bit, eight data bits, stop bit.
const BITS_PER_BYTE: u64 = 10;

/// How long `len` bytes take at this speed, in microseconds.
pub(super) fn bytes_us(speed: u32, len: usize) -> u64 {
    (len as u64 * BITS_PER_BYTE * 1_000_000).div_ceil(u64::from(speed.max(1)))
}

/// What a modem says to its host: each piece comes out when its last byte would.
#[derive(Debug, Default)]
pub(super) struct Uart {
    free_at: Instant,
    pieces: VecDeque<(Instant, Vec<u8>)>,
    /// Added to each piece, in microseconds.
    pub(super) delay_us: u64,
}

impl Uart {
    /// Bytes for the host, at this speed.
    pub(super) fn write(&mut self, now: Instant, speed: u32, bytes: Vec<u8>) {
        self.free_at = self.free_at.max(now).after_us(bytes_us(speed, bytes.len()));
        self.pieces
            .push_back((self.free_at.after_us(self.delay_us), bytes));
    }

    /// Forgets what was not yet said.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.free_at = Instant(0);
    }

    /// What has come out until now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.pieces.pop_front().map(|(_, bytes)| bytes)
    }

    /// When the next piece comes out.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pieces.front().map(|(at, _)| *at)
    }
}

/// The earlier of two times to come back at.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_at_the_speed_of_the_line() {
        let mut uart = Uart::default();
        uart.write(Instant(0), 9600, vec![1; 96]);
        uart.write(Instant(0), 9600, vec![2; 48]);
        assert_eq!(uart.poll_timeout(), Some(Instant(100_000)));
        assert_eq!(uart.poll(Instant(99_999)), None);
        assert_eq!(uart.poll(Instant(100_000)), Some(vec![1; 96]));
        assert_eq!(uart.poll(Instant(149_999)), None);
        assert_eq!(uart.poll(Instant(150_000)), Some(vec![2; 48]));
        assert_eq!(uart.poll_timeout(), None);
    }
}
