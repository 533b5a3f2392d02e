//! Clocks, and when sleepers wake.

use crate::random::Seeds;
use crate::scenario::{ClockError, DutyCycle, Scenario};

/// How wrong one node's clock is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeClock {
    /// Ahead of the true time in the beginning, in microseconds; behind, if negative.
    pub ahead_us: i64,
    /// Gains so many milliardths; loses, if negative.
    pub drift_ppb: i64,
    /// Begins in 1970 at each start.
    pub unset: bool,
}

impl NodeClock {
    /// How far the clock is ahead of the true time, in microseconds, after the run went for so long.
    pub const fn ahead_at_us(&self, at_us: u64) -> i64 {
        let drift_us = at_us as i128 * self.drift_ppb as i128 / 1_000_000_000;
        self.ahead_us.saturating_add(drift_us as i64)
    }
}

impl ClockError {
    fn of(&self, node: &str, seeds: &Seeds) -> NodeClock {
        let mut generator = seeds.generator("clock", node);
        let spread_us = i64::try_from(self.spread_ms.saturating_mul(1000)).unwrap_or(i64::MAX / 4);
        let off_us = generator.between(0, 2 * spread_us.unsigned_abs()) as i64 - spread_us;
        let drift_ppb = (self.drift_ppm * 1000.0) as i64;
        NodeClock {
            ahead_us: self.ahead_ms.saturating_mul(1000).saturating_add(off_us),
            drift_ppb: generator.between(0, 2 * drift_ppb.unsigned_abs()) as i64 - drift_ppb,
            unset: self.unset,
        }
    }
}

impl DutyCycle {
    /// Whether a node is up, and until when. Its phase is [`Scenario::duty_phase_us`].
    pub const fn is_up(&self, phase_us: u64, at_us: u64) -> (bool, u64) {
        let cycle_us = self.up_us + self.down_us;
        let within_us = (at_us + phase_us) % cycle_us;
        if within_us < self.up_us {
            (true, at_us + self.up_us - within_us)
        } else {
            (false, at_us + cycle_us - within_us)
        }
    }
}

impl Scenario {
    /// A node's clock.
    pub fn clock(&self, node: usize, seeds: &Seeds) -> NodeClock {
        self.group(node).clock.of(&self.nodes[node].name, seeds)
    }

    /// How far into its cycle a sleeper is in the beginning, in microseconds; 0 for others.
    pub fn duty_phase_us(&self, node: usize, seeds: &Seeds) -> u64 {
        self.group(node).duty.map_or(0, |duty| {
            let cycle_us = duty.up_us + duty.down_us;
            seeds.generator("duty", &self.nodes[node].name).below(cycle_us)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_as_wrong_as_they_may_be() {
        let seeds = Seeds::new(1);
        let error = ClockError {
            ahead_ms: -1000,
            spread_ms: 50,
            drift_ppm: 20.0,
            unset: false,
        };
        let clocks: Vec<NodeClock> = (0..100)
            .map(|node| error.of(&format!("n-{node}"), &seeds))
            .collect();
        assert!(
            clocks
                .iter()
                .all(|clock| (-1_050_000..=-950_000).contains(&clock.ahead_us))
        );
        assert!(
            clocks
                .iter()
                .all(|clock| (-20_000..=20_000).contains(&clock.drift_ppb))
        );
        assert!(
            clocks.iter().any(|clock| clock.drift_ppb < -5000)
                && clocks.iter().any(|clock| clock.drift_ppb > 5000)
        );
        let fast = NodeClock {
            ahead_us: 5,
            drift_ppb: 20_000,
            unset: false,
        };
        // 20 ppm are 1.7 seconds a day.
        assert_eq!(fast.ahead_at_us(86_400_000_000), 1_728_005);
        assert_eq!(ClockError::default().of("n", &seeds), NodeClock::default());
    }

    #[test]
    fn sleepers_wake_in_turns() {
        let duty = DutyCycle {
            up_us: 10,
            down_us: 90,
        };
        assert_eq!(duty.is_up(0, 0), (true, 10));
        assert_eq!(duty.is_up(0, 10), (false, 100));
        assert_eq!(duty.is_up(95, 0), (false, 5));
        assert_eq!(duty.is_up(95, 5), (true, 15));
    }
}
