//! Many senders around one sink: the senders do not hear one another.

use cairn_sim::medium::{Collisions, InterSf, Medium, MediumConfig, Station, Tuning};
use cairn_transports::lora::{CodingRate, Instant, Modulation, SpreadingFactor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// A medium with a sink, and how its senders are tuned.
pub(crate) struct Star {
    pub(crate) medium: Medium,
    pub(crate) tuning: Tuning,
    pub(crate) frame_len: usize,
}

impl Star {
    /// A sink, and a sender for each of these losses in dB. Frames of one spreading factor destroy each other or capture.
    pub(crate) fn new(
        modulation: Modulation,
        collisions: Collisions,
        losses_db: &[f32],
        frame_len: usize,
        seed: u64,
    ) -> Self {
        let config = MediumConfig {
            collisions,
            inter_sf: InterSf::None,
            // What has no budget is out of reach.
            unplaced_loss_db: f32::INFINITY,
            airings_max: 0,
            ..MediumConfig::default()
        };
        let mut medium = Medium::new(config, seed);
        let tuning = Tuning {
            frequency_hz: 868_100_000,
            network: 0x34,
            modulation,
        };
        let sink = medium.add_station();
        medium.listen(Instant(0), sink, Some(tuning));
        for loss_db in losses_db {
            let sender = medium.add_station();
            medium.set_path_loss(sender, sink, Some(*loss_db));
        }
        Self {
            medium,
            tuning,
            frame_len,
        }
    }

    /// The sender of this number sends. Returns when that ends.
    pub(crate) fn send(&mut self, now: Instant, sender: usize) -> Instant {
        let frame = vec![0; self.frame_len];
        (self.medium)
            .send(now, Station(sender + 1), frame, &self.tuning, 14)
            .expect("the frame is short")
    }

    /// Lets frames arrive. Returns how many did.
    pub(crate) fn receive(&mut self, now: Instant) -> u64 {
        std::iter::from_fn(|| self.medium.poll_delivery(now)).count() as u64
    }
}

/// The usual frame of a spreading factor, bandwidth and coding rate that exist.
pub(crate) fn modulation(factor: u8, bandwidth_hz: u32, rate: u8) -> Modulation {
    Modulation::new(
        SpreadingFactor::new(factor).expect("5 to 12"),
        bandwidth_hz,
        CodingRate::new(rate).expect("5 to 8"),
    )
}

/// From 0 up to, but not including, 1.
pub(crate) fn share(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// How long until the next of events that come by chance.
pub(crate) fn exponential(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    -mean * libm::log(1.0 - share(rng))
}
