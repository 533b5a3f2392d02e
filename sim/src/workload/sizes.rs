//! Lengths of documents.

use crate::random::Generator;
use crate::scenario::Sizes;

/// Draws a length, in bytes.
pub(super) fn draw_len(sizes: &Sizes, generator: &mut Generator) -> u64 {
    match *sizes {
        Sizes::Fixed(len) => len,
        Sizes::Uniform { min, max } => generator.between(min, max),
        Sizes::LogNormal { median, sigma, max } => {
            let len = median as f64 * libm::exp(sigma * generator.normal());
            (len.round() as u64).min(max)
        }
        Sizes::Pareto { min, alpha, max } => {
            let len = min as f64 * libm::pow(1.0 - generator.share(), -1.0 / alpha);
            (len.round() as u64).min(max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seeds;

    fn drawn(sizes: Sizes) -> Vec<u64> {
        let mut generator = Seeds::new(1).generator("sizes", "");
        let mut lengths: Vec<u64> = (0..10_001).map(|_| draw_len(&sizes, &mut generator)).collect();
        lengths.sort_unstable();
        lengths
    }

    #[test]
    fn lengths_are_distributed_as_asked_for() {
        assert!(drawn(Sizes::Fixed(7)).iter().all(|len| *len == 7));
        let uniform = drawn(Sizes::Uniform { min: 10, max: 20 });
        assert_eq!((uniform[0], uniform[10_000]), (10, 20));
        assert_eq!(uniform[5000], 15);
        let log_normal = drawn(Sizes::LogNormal {
            median: 2000,
            sigma: 1.0,
            max: 50_000,
        });
        assert!((1900..2100).contains(&log_normal[5000]));
        // One standard deviation above the median.
        assert!((5000..5900).contains(&log_normal[8413]), "{}", log_normal[8413]);
        assert_eq!(log_normal[10_000], 50_000);
        let pareto = drawn(Sizes::Pareto {
            min: 100,
            alpha: 1.0,
            max: 1 << 20,
        });
        assert!(
            pareto[0] >= 100 && (190..210).contains(&pareto[5000]) && (900..1100).contains(&pareto[9000])
        );
    }
}
