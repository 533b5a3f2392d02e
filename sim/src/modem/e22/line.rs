//! Bytes from the host, at the pace of the wire, and the pauses between them.

use std::collections::VecDeque;

use cairn_transports::lora::Instant;

use super::super::uart::bytes_us;

/// A pause of so many byte times ends a burst.
const PAUSE_BYTES: usize = 3;
/// The module's buffer, in bytes.
pub(super) const BUFFER_BYTES_MAX: usize = 1000;

/// What happens on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A byte has come, at this speed, so long after the one before it, in microseconds.
    Byte { byte: u8, speed: u32, silence_us: u64 },
    /// Nothing comes for three byte times.
    Pause,
}

/// A wire: a host that writes many bytes at once still has them arrive one after the other.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// When each byte has arrived, and its speed.
    bytes: VecDeque<(Instant, u8, u32)>,
    free_at: Instant,
    last_at: Option<Instant>,
    pause_at: Option<Instant>,
}

impl Line {
    pub(super) fn push(&mut self, now: Instant, bytes: &[u8], speed: u32) {
        for byte in bytes {
            self.free_at = self.free_at.max(now).after_us(bytes_us(speed, 1));
            self.bytes.push_back((self.free_at, *byte, speed));
        }
    }

    /// What has happened until now, oldest first.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Event> {
        let next_at = self.bytes.front().map(|(at, ..)| *at);
        if let Some(pause_at) = self.pause_at
            && pause_at <= now
            && next_at.is_none_or(|at| at > pause_at)
        {
            self.pause_at = None;
            return Some(Event::Pause);
        }
        let (at, byte, speed) = self.bytes.pop_front_if(|(at, ..)| *at <= now)?;
        let silence_us = self.last_at.map_or(u64::MAX, |last| at.us_since(last));
        self.last_at = Some(at);
        self.pause_at = Some(at.after_us(bytes_us(speed, PAUSE_BYTES)));
        Some(Event::Byte {
            byte,
            speed,
            silence_us,
        })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let next_at = self.bytes.front().map(|(at, ..)| *at);
        next_at.into_iter().chain(self.pause_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_one_by_one_and_three_byte_times_are_a_pause() {
        let mut line = Line::default();
        line.push(Instant(0), &[1, 2], 10_000);
        assert_eq!(line.poll(Instant(999)), None);
        let byte = |byte, silence_us| {
            Some(Event::Byte {
                byte,
                speed: 10_000,
                silence_us,
            })
        };
        assert_eq!(line.poll(Instant(1000)), byte(1, u64::MAX));
        assert_eq!(line.poll(Instant(2000)), byte(2, 1000));
        // The third comes before the pause is long enough.
        line.push(Instant(3900), &[3], 10_000);
        assert_eq!(line.poll(Instant(4900)), byte(3, 2900));
        assert_eq!(line.poll_timeout(), Some(Instant(7900)));
        assert_eq!(line.poll(Instant(7900)), Some(Event::Pause));
        assert_eq!(line.poll_timeout(), None);
    }

    #[test]
    fn a_late_look_sees_the_same() {
        let mut line = Line::default();
        line.push(Instant(0), &[1], 10_000);
        line.push(Instant(5000), &[2], 10_000);
        let seen: Vec<_> = std::iter::from_fn(|| line.poll(Instant(100_000))).collect();
        assert_eq!(seen.len(), 4);
        assert_eq!((seen[1], seen[3]), (Event::Pause, Event::Pause));
    }
}
