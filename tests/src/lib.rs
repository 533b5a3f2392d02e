//! The harness of the whole-system tests: the real binary, in folders and processes of its own.
//!
//! [`Daemon`] is one running node; [`cairn()`] runs a command against a folder; [`eventually`] waits for a condition
//! with a deadline; [`Lan`] is a network of namespaces. Everything listens on loopback, and nothing uses mDNS, unless a test made a network namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

pub mod bench;
mod browser;
mod daemon;
mod disk;
pub mod fuzzing;
mod http;
mod lan;
mod pair;
mod process;
mod proxy;
pub mod recordings;
mod web_site;

pub use browser::Browser;
pub use daemon::{Daemon, RUN_ON_LOOPBACK, Space};
pub use disk::files_with;
pub use http::{Http, percent_encode};
pub use lan::{Lan, skipped};
pub use pair::Pair;
pub use process::{cairn, cairn_fails, cairn_given, memory_kib, program, simulator};
pub use proxy::Proxy;
pub use web_site::WebSite;

use std::time::{Duration, Instant};

/// Waits until `check` succeeds; panics with its last complaint when `deadline` has passed.
pub fn eventually<T>(deadline: Duration, mut check: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match check() {
            Ok(value) => return value,
            Err(complaint) if start.elapsed() > deadline => {
                panic!("not within {deadline:?}: {complaint}");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A generator for test data (SplitMix64): the same seed gives the same bytes.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// `len` bytes that do not compress.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.draw().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}
