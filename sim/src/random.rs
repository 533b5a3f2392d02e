//! The one place where random generators are made: each by the name of what it is for.
//!
//! A generator is keyed by BLAKE3 of the seed, a concern such as `mobility`, and a key such as a node's name. So another node,
//! or another concern, never changes what the others draw.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// All generators of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    seed: u64,
}

impl Seeds {
    /// The generators of a run with this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 32 bytes that are always the same for the same seed, concern and key, and have nothing to do with any others'.
    pub fn bytes(&self, concern: &str, key: impl AsRef<[u8]>) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("cairn-sim 2026-11 random generators");
        hasher.update(&self.seed.to_le_bytes());
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update(&(concern.len() as u64).to_le_bytes());
        hasher.update(concern.as_bytes());
        hasher.update(key.as_ref());
        *hasher.finalize().as_bytes()
    }

    /// A generator for a concern and a key.
    pub fn generator(&self, concern: &str, key: impl AsRef<[u8]>) -> Generator {
        Generator(ChaCha8Rng::from_seed(self.bytes(concern, key)))
    }
}

/// A source of random numbers that are the same on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator(ChaCha8Rng);

impl Generator {
    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A whole number below `bound`, each equally often; 0 when the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The upper half of a product (Lemire 2019); what is left of a bias is below 2^-64 times the bound.
        let product = u128::from(self.next_u64()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// An index below `len`; 0 when it is 0.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// From `low` up to and with `high`, each equally often.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// From 0 to 1, without 1: a multiple of 2^-53.
    pub fn share(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` to `high`.
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// True so often.
    pub fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// From an exponential distribution with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -libm::log(1.0 - self.share()) * mean
    }

    /// From a normal distribution with mean 0 and standard deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.share()));
        radius * libm::cos(core::f64::consts::TAU * self.share())
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// In an order drawn by chance (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// So many of them, in an order drawn by chance; all, if there are not so many.
    pub fn pick<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut picked = items.to_vec();
        let count = count.min(picked.len());
        for place in 0..count {
            let other = place + self.index(picked.len() - place);
            picked.swap(place, other);
        }
        picked.truncate(count);
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_depends_on_its_own_name_alone() {
        let seeds = Seeds::new(7);
        let alone = seeds.generator("mobility", "hill").next_u64();
        for node in 0..100 {
            for concern in ["mobility", "workload"] {
                let mut other = seeds.generator(concern, format!("node-{node}"));
                assert_ne!(other.next_u64(), alone);
            }
        }
        assert_eq!(seeds.generator("mobility", "hill").next_u64(), alone);
        assert_ne!(Seeds::new(8).generator("mobility", "hill").next_u64(), alone);
        assert_ne!(seeds.bytes("ab", "c"), seeds.bytes("a", "bc"));
    }

    #[test]
    fn numbers_are_the_same_on_every_machine() {
        let mut generator = Seeds::new(1).generator("golden", "");
        let drawn = (
            generator.next_u64(),
            generator.below(1000),
            generator.exponential(1000.0).to_bits(),
            generator.normal().to_bits(),
        );
        let expected = (
            9394870512228858719,
            632,
            4639523036674791603,
            13835260690972504491,
        );
        assert_eq!(drawn, expected);
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut generator = Seeds::new(1).generator("moments", "");
        let count = 20_000;
        let mean = |draw: &mut dyn FnMut() -> f64| (0..count).map(|_| draw()).sum::<f64>() / f64::from(count);
        assert!((mean(&mut || generator.exponential(10.0)) - 10.0).abs() < 0.3);
        assert!(mean(&mut || generator.normal()).abs() < 0.03);
        assert!((mean(&mut || generator.normal().powi(2)) - 1.0).abs() < 0.04);
        assert!((mean(&mut || generator.range(-1.0, 3.0)) - 1.0).abs() < 0.03);
        assert!((mean(&mut || generator.below(3) as f64) - 1.0).abs() < 0.02);
        assert!((mean(&mut || generator.between(2, 4) as f64) - 3.0).abs() < 0.02);
        assert!((mean(&mut || f64::from(generator.chance(0.3))) - 0.3).abs() < 0.02);
    }

    #[test]
    fn picking_takes_each_once() {
        let mut generator = Seeds::new(1).generator("pick", "");
        let items: Vec<usize> = (0..10).collect();
        let mut picked = generator.pick(&items, 4);
        picked.sort_unstable();
        picked.dedup();
        assert_eq!(picked.len(), 4);
        assert_eq!(generator.pick(&items, 99).len(), 10);
        let mut shuffled = items.clone();
        generator.shuffle(&mut shuffled);
        assert_ne!(shuffled, items);
        shuffled.sort_unstable();
        assert_eq!(shuffled, items);
    }
}
