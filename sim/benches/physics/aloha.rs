//! Pure ALOHA (Abramson 1970): whoever has a frame sends it.

use cairn_sim::medium::Collisions;
use cairn_transports::lora::{Instant, airtime_us};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::star::{Star, exponential, modulation};

/// Offered loads, in frames for each airtime.
pub(crate) const LOADS: [f64; 10] = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.25, 1.5];

/// So many that none is still sending when its turn comes again: arrivals are those of a population without end.
const SENDERS: usize = 500;
const FRAME_LEN: usize = 20;

/// What was measured at one load.
pub(crate) struct Throughput {
    /// Frames that arrived for each airtime, the mean of the runs.
    pub(crate) mean: f64,
    /// Standard error of the mean, from the spread of the runs.
    pub(crate) error: f64,
}

/// S = G · e^(-2G).
pub(crate) fn theory(load: f64) -> f64 {
    load * libm::exp(-2.0 * load)
}

/// Runs so many times with so many frames.
pub(crate) fn measure(load: f64, runs: u64, frames: u64) -> Throughput {
    let all: Vec<f64> = (0..runs).map(|seed| run(load, frames, seed)).collect();
    let mean = all.iter().sum::<f64>() / runs as f64;
    let square = all.iter().map(|one| (one - mean) * (one - mean)).sum::<f64>();
    Throughput {
        mean,
        error: (square / (runs - 1) as f64 / runs as f64).sqrt(),
    }
}

fn run(load: f64, frames: u64, seed: u64) -> f64 {
    let modulation = modulation(7, 125_000, 5);
    let airtime_us = airtime_us(&modulation, FRAME_LEN).expect("the frame is short") as f64;
    let losses = [100.0; SENDERS];
    let mut star = Star::new(modulation, Collisions::Destroy, &losses, FRAME_LEN, seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut at_us, mut received) = (0.0, 0);
    for frame in 0..frames {
        at_us += exponential(&mut rng, airtime_us / load);
        let now = Instant(at_us as u64);
        received += star.receive(now);
        star.send(now, frame as usize % SENDERS);
    }
    received += star.receive(Instant(u64::MAX));
    received as f64 * airtime_us / at_us
}
