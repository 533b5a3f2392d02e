//! Hills and houses, as dice: what path loss by distance does not know of a pair of stations.

use super::draw::{Concern, SIGMAS_MAX, draw, normal};

/// Log-normal shadowing: a number of dB for each pair of stations, drawn once, from a normal distribution that is cut at three sigmas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shadowing {
    /// Standard deviation of what both directions have in common, in dB: 0 on a plain, 7 to 8 in a town.
    pub sigma_db: f64,
    /// Standard deviation of what each direction has on its own, in dB: noise and antennas that differ. 0: links are symmetric.
    pub asymmetry_db: f64,
}

impl Shadowing {
    /// What is added to the path loss on the way from one station to another.
    pub(super) fn loss_db(&self, seed: u64, from: u32, to: u32) -> f64 {
        let mut loss_db = 0.0;
        if self.sigma_db > 0.0 {
            let pair = (u64::from(from.min(to)), u64::from(from.max(to)));
            loss_db += self.sigma_db * normal(draw(seed, Concern::Shadowing, pair.0, pair.1));
        }
        if self.asymmetry_db > 0.0 {
            let bits = draw(seed, Concern::Asymmetry, u64::from(from), u64::from(to));
            loss_db += self.asymmetry_db * normal(bits);
        }
        loss_db
    }

    /// The most that it can take off a path loss.
    pub(super) fn gain_max_db(&self) -> f64 {
        SIGMAS_MAX * (self.sigma_db.max(0.0) + self.asymmetry_db.max(0.0))
    }
}
