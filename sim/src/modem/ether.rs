//! Virtual modems and the medium between them, as one state machine.

use std::collections::{BTreeSet, VecDeque};

use cairn_transports::lora::Instant;
use cairn_transports::lora::modem::ModemKind;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::emulator::{Emulator, Touch};
use super::quirk::Quirk;
use super::radio::Radio;
use super::uart::earlier;
use super::{E22, Rnode, Rylr};
use crate::medium::{Medium, MediumConfig, Station};

/// What waits for a host that does not read, in bytes. Above it, bytes are dropped, as a serial line does.
const UNREAD_BYTES_MAX: usize = 64 * 1024;
/// Most bytes in a piece of a chopped answer.
const PIECE_LEN_MAX: u32 = 7;
/// Most time between two pieces of a chopped answer, in microseconds.
const PIECE_GAP_US_MAX: u32 = 4_000;
/// How much garbage comes at once, in bytes.
const GARBAGE_LEN: usize = 64;

struct Modem {
    emulator: Box<dyn Emulator>,
    has_power: bool,
    /// It hangs: takes nothing from its host and says nothing.
    is_silent: bool,
    is_chopped: bool,
    unread: VecDeque<(Instant, Vec<u8>)>,
    unread_bytes: usize,
}

/// Virtual modems that share a medium.
///
/// Modems are named by their place, from 0. After each call take what they say from [`poll_host`](Self::poll_host), then come back at
/// [`poll_timeout`](Self::poll_timeout) with [`advance`](Self::advance). `now` never goes backwards. The same seed and the same calls give
/// the same bytes.
pub struct Ether {
    medium: Medium,
    modems: Vec<Modem>,
    seed: u64,
    rng: ChaCha8Rng,
}

impl Ether {
    /// No modems yet.
    pub fn new(seed: u64) -> Self {
        Self {
            medium: Medium::new(MediumConfig::default(), seed),
            modems: Vec::new(),
            seed,
            rng: ChaCha8Rng::seed_from_u64(!seed),
        }
    }

    /// Adds a modem and gives it power. Returns its number.
    pub fn add(&mut self, now: Instant, kind: ModemKind, quirks: &BTreeSet<Quirk>) -> usize {
        let station = self.medium.add_station();
        let seed = self.seed.wrapping_add(1 + station.0 as u64);
        let emulator: Box<dyn Emulator> = match kind {
            ModemKind::E22 => Box::new(E22::new(quirks)),
            ModemKind::Rylr => Box::new(Rylr::new(quirks, seed)),
            // The list of kinds may grow; a virtual modem for a new one is written with its driver.
            _ => Box::new(Rnode::new(quirks, seed)),
        };
        self.modems.push(Modem {
            emulator,
            has_power: true,
            is_silent: false,
            is_chopped: quirks.contains(&Quirk::Chopped),
            unread: VecDeque::new(),
            unread_bytes: 0,
        });
        self.with(station.0, now, |emulator, radio| emulator.start(now, radio));
        station.0
    }

    /// Each modem hears only the ones before and after it.
    pub fn make_chain(&mut self) {
        for one in 0..self.modems.len() {
            for other in 0..one {
                if one - other != 1 {
                    (self.medium).set_reach(Station(one), Station(other), false);
                }
            }
        }
    }

    /// How many modems there are.
    pub fn len(&self) -> usize {
        self.modems.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.modems.is_empty()
    }

    /// The medium, to be looked at.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// The medium, for losses and reach.
    pub fn medium_mut(&mut self) -> &mut Medium {
        &mut self.medium
    }

    /// The host of a modem wrote bytes, at this speed in bits per second (0: not known).
    pub fn handle_host(&mut self, now: Instant, modem: usize, bytes: &[u8], speed: u32) {
        self.advance(now);
        if self.modems[modem].has_power && !self.modems[modem].is_silent {
            self.with(modem, now, |emulator, radio| {
                emulator.handle_host(now, radio, bytes, speed);
            });
        }
    }

    /// Something else happens to a modem. [`Touch::Reset`] also wakes one that hangs.
    pub fn touch(&mut self, now: Instant, modem: usize, touch: Touch) {
        self.advance(now);
        if touch == Touch::Reset {
            self.modems[modem].is_silent = false;
        }
        if self.modems[modem].has_power {
            self.with(modem, now, |emulator, radio| {
                emulator.handle_touch(now, radio, touch);
            });
        }
    }

    /// Gives a modem power, or takes it away.
    pub fn set_power(&mut self, now: Instant, modem: usize, has_power: bool) {
        self.advance(now);
        let found = &mut self.modems[modem];
        if found.has_power == has_power {
            return;
        }
        found.has_power = has_power;
        found.is_silent = false;
        found.unread.clear();
        found.unread_bytes = 0;
        self.with(modem, now, |emulator, radio| {
            if has_power {
                emulator.start(now, radio);
            } else {
                emulator.stop(now, radio);
            }
        });
    }

    /// Makes a modem hang: it takes nothing from its host and says nothing, until it is reset or loses its power.
    pub fn silence(&mut self, modem: usize) {
        self.modems[modem].is_silent = true;
    }

    /// Noise on the line: the host reads bytes that the modem never said.
    pub fn say_garbage(&mut self, now: Instant, modem: usize) {
        let mut garbage = vec![0; GARBAGE_LEN];
        self.rng.fill_bytes(&mut garbage);
        self.queue(now, modem, garbage);
    }

    /// Lets everything happen that is due until `now`, each at its own time.
    pub fn advance(&mut self, now: Instant) {
        while let Some(due) = self.next_event().filter(|due| *due <= now) {
            while let Some(delivery) = self.medium.poll_delivery(due) {
                let modem = delivery.to.0;
                if self.modems[modem].has_power {
                    self.with(modem, due, |emulator, radio| {
                        emulator.handle_frame(due, radio, &delivery);
                    });
                }
            }
            for modem in 0..self.modems.len() {
                let timeout = self.modems[modem].emulator.poll_timeout();
                if timeout.is_some_and(|at| at <= due) {
                    self.with(modem, due, |emulator, radio| {
                        emulator.handle_timeout(due, radio);
                    });
                }
            }
        }
    }

    /// The next bytes that a modem's host can read.
    pub fn poll_host(&mut self, now: Instant, modem: usize) -> Option<Vec<u8>> {
        let found = &mut self.modems[modem];
        let (_, bytes) = found.unread.pop_front_if(|(at, _)| *at <= now)?;
        found.unread_bytes -= bytes.len();
        Some(bytes)
    }

    /// When something will happen.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let unread = self.modems.iter().filter_map(|modem| modem.unread.front());
        earlier(self.next_event(), unread.map(|(at, _)| *at).min())
    }

    fn next_event(&self) -> Option<Instant> {
        let timeouts = self.modems.iter().map(|modem| modem.emulator.poll_timeout());
        timeouts.fold(self.medium.poll_timeout(), earlier)
    }

    fn with(&mut self, modem: usize, now: Instant, act: impl FnOnce(&mut dyn Emulator, &mut Radio<'_>)) {
        let emulator = self.modems[modem].emulator.as_mut();
        act(emulator, &mut Radio::new(&mut self.medium, Station(modem)));
        while let Some(bytes) = self.modems[modem].emulator.poll_host(now) {
            if !self.modems[modem].is_silent {
                self.queue(now, modem, bytes);
            }
        }
    }

    fn queue(&mut self, now: Instant, modem: usize, bytes: Vec<u8>) {
        let found = &mut self.modems[modem];
        if found.unread_bytes + bytes.len() > UNREAD_BYTES_MAX {
            return;
        }
        found.unread_bytes += bytes.len();
        if !found.is_chopped {
            found.unread.push_back((now, bytes));
            return;
        }
        let mut at = found.unread.back().map_or(now, |(at, _)| (*at).max(now));
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let len = (1 + self.rng.next_u32() % PIECE_LEN_MAX) as usize;
            let (piece, others) = rest.split_at(len.min(rest.len()));
            found.unread.push_back((at, piece.to_vec()));
            at = at.after_us(u64::from(self.rng.next_u32() % PIECE_GAP_US_MAX));
            rest = others;
        }
    }
}
