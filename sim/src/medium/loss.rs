//! Frames that get lost for no reason that is modelled.

use super::draw::{Concern, draw, share};

/// How frames get lost at each receiver, one receiver not knowing of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each with the same probability, 0 to 1.
    Uniform(f64),
    /// Many at once, and then none for a while.
    Bursts(Bursts),
    /// Good and bad times, however many frames come in them.
    Weather(Weather),
}

/// The chain of Gilbert and Elliott: a receiver is in a good or in a bad state, and each frame may change it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bursts {
    /// The probability, at each frame, that a good state ends, 0 to 1.
    pub worsens: f64,
    /// The probability, at each frame, that a bad state ends, 0 to 1.
    pub recovers: f64,
    /// The share of frames that get lost in a good state.
    pub good_loss: f64,
    /// The share of frames that get lost in a bad state.
    pub bad_loss: f64,
}

/// Good and bad times in turns, their lengths drawn from exponential distributions, for each receiver by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weather {
    /// Mean length of a good time, in microseconds.
    pub good_us: u64,
    /// Mean length of a bad time, in microseconds.
    pub bad_us: u64,
    /// The share of frames that get lost in a good time.
    pub good_loss: f64,
    /// The share of frames that get lost in a bad time.
    pub bad_loss: f64,
}

impl Bursts {
    /// Loses this share of all frames (0 to 1) in bursts of this mean length in frames, at least 1, and none between them.
    pub fn new(share: f64, burst_frames: f64) -> Self {
        let share = share.clamp(0.0, 1.0);
        let recovers = 1.0 / burst_frames.max(1.0);
        // In balance as many bursts begin as end: (1 - share) * worsens = share * recovers.
        let (worsens, recovers) = if share >= 1.0 {
            (1.0, 0.0)
        } else {
            let worsens = share * recovers / (1.0 - share);
            // A share so great that even the shortest pause between two bursts is too long: longer bursts instead.
            (worsens.min(1.0), recovers / worsens.max(1.0))
        };
        Self {
            worsens,
            recovers,
            good_loss: 0.0,
            bad_loss: 1.0,
        }
    }
}

impl From<f64> for Loss {
    fn from(share: f64) -> Self {
        Self::Uniform(share)
    }
}

/// A receiver's luck.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Luck {
    is_bad: bool,
    drawn: u64,
    /// When the weather changes.
    changes_us: u64,
}

impl Luck {
    /// Whether a frame that ends now gets lost.
    pub(super) fn loses(&mut self, now_us: u64, loss: Loss, seed: u64, receiver: u32) -> bool {
        let is_first = self.drawn == 0;
        let mut next = || {
            self.drawn += 1;
            share(draw(seed, Concern::Loss, u64::from(receiver), self.drawn))
        };
        match loss {
            Loss::Uniform(share) => share > 0.0 && next() < share,
            Loss::Bursts(bursts) => {
                let changes = if self.is_bad {
                    bursts.recovers
                } else {
                    bursts.worsens
                };
                let (change, lost) = (next(), next());
                self.is_bad ^= change < changes;
                lost < if self.is_bad {
                    bursts.bad_loss
                } else {
                    bursts.good_loss
                }
            }
            Loss::Weather(weather) => {
                if is_first {
                    self.changes_us = lasts_us(weather.good_us, next());
                }
                while self.changes_us <= now_us {
                    self.is_bad = !self.is_bad;
                    let mean_us = if self.is_bad {
                        weather.bad_us
                    } else {
                        weather.good_us
                    };
                    self.changes_us = self.changes_us.saturating_add(lasts_us(mean_us, next()));
                }
                next()
                    < if self.is_bad {
                        weather.bad_loss
                    } else {
                        weather.good_loss
                    }
            }
        }
    }
}

/// A length from an exponential distribution with this mean, by a share of 0 to 1.
fn lasts_us(mean_us: u64, share: f64) -> u64 {
    ((-libm::log(1.0 - share) * mean_us as f64) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share that is lost, and the mean length of the bursts.
    fn measure(loss: Loss) -> (f64, f64) {
        let mut luck = Luck::default();
        let fates: Vec<bool> = (0..50_000)
            .map(|frame| luck.loses(frame * 1_000_000, loss, 5, 9))
            .collect();
        let lost = fates.iter().filter(|lost| **lost).count() as f64;
        let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        (lost / fates.len() as f64, lost / bursts.max(1) as f64)
    }

    #[test]
    fn bursts_lose_the_share_that_was_asked_for_in_the_length_that_was_asked_for() {
        for (share, frames) in [(0.1, 5.0), (0.3, 10.0), (0.6, 8.0)] {
            let (lost, length) = measure(Loss::Bursts(Bursts::new(share, frames)));
            assert!((lost - share).abs() < 0.02, "{share} {frames}: {lost}");
            assert!((length / frames - 1.0).abs() < 0.1, "{share} {frames}: {length}");
        }
        let (lost, length) = measure(Loss::Uniform(0.3));
        assert!(
            (lost - 0.3).abs() < 0.01 && (length - 1.43).abs() < 0.05,
            "{lost} {length}"
        );
    }

    #[test]
    fn weather_changes_with_time_and_not_with_frames() {
        // A frame a second.
        let weather = |good_s: u64, bad_s: u64| {
            Loss::Weather(Weather {
                good_us: good_s * 1_000_000,
                bad_us: bad_s * 1_000_000,
                good_loss: 0.0,
                bad_loss: 1.0,
            })
        };
        let (lost, length) = measure(weather(80, 20));
        assert!(
            (lost - 0.2).abs() < 0.03 && (length - 20.0).abs() < 3.0,
            "{lost} {length}"
        );
        // Rare frames find either.
        let mut luck = Luck::default();
        let fates = (0..1000)
            .filter(|frame| luck.loses(frame * 3_600_000_000, weather(80, 20), 5, 9))
            .count();
        assert!((150..250).contains(&fates), "{fates}");
    }

    #[test]
    fn the_ends_of_the_scale() {
        assert_eq!(measure(Loss::Bursts(Bursts::new(0.0, 5.0))).0, 0.0);
        assert_eq!(measure(Loss::Bursts(Bursts::new(1.0, 5.0))).0, 1.0);
        let (lost, _) = measure(Loss::Bursts(Bursts::new(0.9, 1.0)));
        assert!((lost - 0.9).abs() < 0.02, "{lost}");
        assert_eq!(measure(Loss::Uniform(0.0)).0, 0.0);
        assert_eq!(measure(Loss::Uniform(1.0)).0, 1.0);
    }
}
