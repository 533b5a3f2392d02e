//! LoRaSim's experiments (Bor et al., MSWiM 2016): many sensors, one sink, and the share of their frames that it gets.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use cairn_sim::medium::{Collisions, PathLoss};
use cairn_transports::lora::{Instant, Modulation, airtime_us};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::star::{Star, exponential, modulation, share};

/// How many sensors there are in each row.
pub(crate) const NODES: [usize; 6] = [10, 50, 100, 200, 500, 1000];

const FRAME_LEN: usize = 20;
const PERIOD_US: f64 = 1e9;
const DAY_US: u64 = 86_400_000_000;

/// One column of LoRaSim's results.
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    pub(crate) modulation: Modulation,
    /// Of the disc around the sink. LoRaSim takes e to the power where 10 is meant; these are its figures.
    pub(crate) radius_m: f64,
    pub(crate) has_capture: bool,
    /// What LoRaSim 0.2.1 gave for each of [`NODES`], the mean of three runs.
    pub(crate) lorasim: [f64; 6],
}

/// All that were measured.
pub(crate) fn experiments() -> [Experiment; 5] {
    let [slow, fair, mut fast] = [
        modulation(12, 125_000, 8),
        modulation(12, 125_000, 5),
        modulation(6, 500_000, 5),
    ];
    fast.explicit_header = false;
    let experiment = |name, modulation, radius_m, has_capture, lorasim| Experiment {
        name,
        modulation,
        radius_m,
        has_capture,
        lorasim,
    };
    [
        experiment(
            "exp0: SF12/125 4/8, simple",
            slow,
            99.0,
            false,
            [0.9658, 0.8455, 0.7124, 0.5109, 0.1838, 0.0335],
        ),
        experiment(
            "exp0: SF12/125 4/8, capture",
            slow,
            99.0,
            true,
            [0.9690, 0.8727, 0.7600, 0.5930, 0.2824, 0.1099],
        ),
        experiment(
            "exp4: SF12/125 4/5, simple",
            fair,
            99.0,
            false,
            [0.9729, 0.8782, 0.7736, 0.5936, 0.2702, 0.0715],
        ),
        experiment(
            "exp4: SF12/125 4/5, capture",
            fair,
            99.0,
            true,
            [0.9813, 0.9022, 0.8148, 0.6621, 0.3740, 0.1642],
        ),
        experiment(
            "exp2: SF6/500 4/5, simple",
            fast,
            37.4,
            false,
            [1.0, 0.9992, 0.9989, 0.9972, 0.9932, 0.9867],
        ),
    ]
}

impl Experiment {
    /// Without capture: e^(-2NT/(P+T)).
    pub(crate) fn theory(&self, nodes: usize) -> Option<f64> {
        let airtime_us = airtime_us(&self.modulation, FRAME_LEN).ok()? as f64;
        let load = nodes as f64 * airtime_us / (PERIOD_US + airtime_us);
        (!self.has_capture).then(|| libm::exp(-2.0 * load))
    }

    /// The share of frames that the sink gets, of so many simulated days together.
    pub(crate) fn rate(&self, nodes: usize, days: u64) -> f64 {
        let (received, sent) = (0..days)
            .map(|seed| self.run(nodes, seed))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        received as f64 / sent as f64
    }

    fn run(&self, nodes: usize, seed: u64) -> (u64, u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let losses: Vec<f32> = (0..nodes)
            // The root makes places on a disc even.
            .map(|_| PathLoss::LORASIM.loss_db(self.radius_m * share(&mut rng).sqrt()) as f32)
            .collect();
        let collisions = if self.has_capture {
            Collisions::Capture { threshold_db: 6.0 }
        } else {
            Collisions::Destroy
        };
        let mut star = Star::new(self.modulation, collisions, &losses, FRAME_LEN, seed);
        let mut waiting: BinaryHeap<Reverse<(u64, usize)>> = (0..nodes)
            .map(|node| Reverse((exponential(&mut rng, PERIOD_US) as u64, node)))
            .collect();
        let (mut received, mut sent) = (0, 0);
        while let Some(Reverse((at, node))) = waiting.pop().filter(|next| next.0.0 < DAY_US) {
            received += star.receive(Instant(at));
            let end = star.send(Instant(at), node);
            sent += 1;
            waiting.push(Reverse((end.0 + exponential(&mut rng, PERIOD_US) as u64, node)));
        }
        received += star.receive(Instant(u64::MAX));
        (received, sent)
    }
}
