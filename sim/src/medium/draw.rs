//! Numbers that look random, each by its own key.
//!
//! Nothing is taken from a stream: a number depends on the seed, on what it is for and on who is concerned, and on nothing that was drawn
//! before. The function is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), once for each word of the key.

/// No normal number is further from the middle, in standard deviations: what is out of reach is so for certain.
pub(super) const SIGMAS_MAX: f64 = 3.0;

/// What a number is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Concern {
    /// Of a pair of stations.
    Shadowing = 1,
    /// Of a pair and a direction.
    Asymmetry = 2,
    /// Of a sender's frame.
    Frame = 3,
    /// Of a frame and a receiver.
    Fading = 4,
    /// Of a receiver, one after the other.
    Loss = 5,
    /// Of a receiver and a span of time.
    External = 6,
}

/// 64 bits for this key.
pub(super) fn draw(seed: u64, concern: Concern, one: u64, other: u64) -> u64 {
    let keyed = mix(seed.wrapping_add(concern as u64));
    mix(mix(keyed ^ one) ^ other)
}

/// A number from 0 up to, but not including, 1.
pub(super) fn share(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number from the normal distribution, cut at [`SIGMAS_MAX`] (Box and Muller 1958).
pub(super) fn normal(bits: u64) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - share(bits))).sqrt();
    let angle = std::f64::consts::TAU * share(mix(bits));
    (radius * libm::cos(angle)).clamp(-SIGMAS_MAX, SIGMAS_MAX)
}

fn mix(bits: u64) -> u64 {
    let mut bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_splitmix64() {
        // From the reference implementation, seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn shares_are_even_and_normal_numbers_normal() {
        let count = 20_000;
        let bits = |index| draw(7, Concern::Fading, 3, index);
        let mean = (0..count).map(|index| share(bits(index))).sum::<f64>() / count as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let normals: Vec<f64> = (0..count).map(|index| normal(bits(index))).collect();
        let mean = normals.iter().sum::<f64>() / count as f64;
        let variance = normals.iter().map(|number| number * number).sum::<f64>() / count as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 0.973).abs() < 0.03, "{variance}");
        assert!(normals.iter().all(|number| number.abs() <= SIGMAS_MAX));
    }
}
