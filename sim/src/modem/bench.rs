//! A bench for the tests of single modems: an ether, and a clock that goes when it is told to.

use std::collections::BTreeSet;

use cairn_transports::lora::Instant;
use cairn_transports::lora::modem::ModemKind;

use super::ether::Ether;
use super::quirk::Quirk;

/// Modems of one kind that have booted.
pub(super) struct Bench {
    pub(super) ether: Ether,
    pub(super) now: Instant,
    /// The speed that the hosts write at.
    pub(super) speed: u32,
}

impl Bench {
    pub(super) fn new(kind: ModemKind, count: usize, quirks: &[Quirk]) -> Self {
        let quirks: BTreeSet<Quirk> = quirks.iter().copied().collect();
        let mut bench = Self {
            ether: Ether::new(1),
            now: Instant(0),
            speed: 0,
        };
        for _ in 0..count {
            bench.ether.add(bench.now, kind, &quirks);
        }
        bench.wait_ms(2_000);
        for modem in 0..count {
            bench.read(modem);
        }
        bench
    }

    pub(super) fn wait_ms(&mut self, duration_ms: u64) {
        self.now = self.now.after_us(duration_ms * 1000);
        self.ether.advance(self.now);
    }

    pub(super) fn write(&mut self, modem: usize, bytes: &[u8]) {
        self.ether.handle_host(self.now, modem, bytes, self.speed);
    }

    pub(super) fn read(&mut self, modem: usize) -> Vec<u8> {
        std::iter::from_fn(|| self.ether.poll_host(self.now, modem))
            .flatten()
            .collect()
    }

    /// What it answers in time: hosts give up after 200 ms.
    pub(super) fn ask(&mut self, modem: usize, bytes: &[u8]) -> Vec<u8> {
        self.write(modem, bytes);
        self.wait_ms(190);
        self.read(modem)
    }
}
