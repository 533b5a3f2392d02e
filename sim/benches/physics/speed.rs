//! How fast the medium is, on this machine.

use std::time::Instant as WallInstant;

use cairn_sim::medium::{Medium, MediumConfig, PathLoss, Station, Tuning};
use cairn_transports::lora::Instant;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::star::{exponential, modulation, share};

/// What was measured in one world.
pub(crate) struct Speed {
    /// Time to find out who reaches whom.
    pub(crate) listing_s: f64,
    /// How many each one reaches.
    pub(crate) reach: f64,
    pub(crate) frames_per_s: f64,
    /// Frames at receivers that could understand them if they were alone.
    pub(crate) judged_per_s: f64,
    /// Those that arrived.
    pub(crate) deliveries_per_s: f64,
}

/// So many stations in a square, sending so many frames a second at SF9. Without a side they have no places, and all hear all.
pub(crate) fn measure(count: usize, side_m: Option<f64>, rate: f64, frames: usize) -> Speed {
    let config = MediumConfig {
        path_loss: PathLoss::Macro3gpp {
            frequency_mhz: 868.0,
            height_m: 1.0,
            is_metropolitan: false,
        },
        airings_max: 0,
        ..MediumConfig::default()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut medium = Medium::new(config, 1);
    let tuning = Tuning {
        frequency_hz: 869_525_000,
        network: 0x12,
        modulation: modulation(9, 125_000, 5),
    };
    for _ in 0..count {
        let station = medium.add_station();
        medium.listen(Instant(0), station, Some(tuning));
        if let Some(side_m) = side_m {
            let (x_m, y_m) = (side_m * share(&mut rng), side_m * share(&mut rng));
            medium.place(Instant(0), station, x_m as f32, y_m as f32);
        }
    }
    let mut now = 0.0;
    let mut at = |gap_us: f64| {
        now += gap_us;
        Instant(now as u64)
    };
    let send = |medium: &mut Medium, now, sender| {
        let sent = medium.send(now, Station(sender), vec![0; 60], &tuning, 27);
        sent.expect("the frame is short");
        std::iter::from_fn(|| medium.poll_delivery(now)).count()
    };
    let begun = WallInstant::now();
    for sender in 0..count {
        send(&mut medium, at(1e6), sender);
    }
    let listing_s = begun.elapsed().as_secs_f64();
    let reach = judged(&medium) as f64 / count as f64;
    let (begun, judged_before) = (WallInstant::now(), judged(&medium));
    let mut deliveries = 0;
    for frame in 0..frames {
        let gap_us = exponential(&mut rng, 1e6 / rate);
        deliveries += send(&mut medium, at(gap_us), frame * 7919 % count);
    }
    let elapsed_s = begun.elapsed().as_secs_f64();
    Speed {
        listing_s,
        reach,
        frames_per_s: frames as f64 / elapsed_s,
        judged_per_s: (judged(&medium) - judged_before) as f64 / elapsed_s,
        deliveries_per_s: deliveries as f64 / elapsed_s,
    }
}

fn judged(medium: &Medium) -> u64 {
    let all = (0..medium.station_count()).map(|station| medium.statistics(Station(station)));
    all.map(|one| one.frames_received + one.frames_collided + one.frames_missed)
        .sum()
}
