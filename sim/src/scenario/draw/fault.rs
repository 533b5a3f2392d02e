//! When faults strike, and whom.

use crate::random::Seeds;
use crate::scenario::{Fault, Scenario, When};

/// A fault that strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// When.
    pub at_us: u64,
    /// When it is over. `None`: never, or it is over at once.
    pub until_us: Option<u64>,
    /// The index in [`Scenario::faults`].
    pub fault: usize,
    /// Whom, ascending. Empty for a split.
    pub nodes: Vec<usize>,
}

impl Scenario {
    /// All faults that strike, by time; at the same time, in the order of the scenario.
    pub fn strikes(&self, seeds: &Seeds) -> Vec<Strike> {
        let mut strikes: Vec<Strike> = Vec::new();
        for (index, fault) in self.faults.iter().enumerate() {
            let key = self.fault_key(index);
            for (number, at_us) in times(&fault.when, seeds, &key).into_iter().enumerate() {
                strikes.push(Strike {
                    at_us,
                    until_us: fault
                        .lasting_us
                        .map(|lasting_us| at_us.saturating_add(lasting_us)),
                    fault: index,
                    nodes: self.struck(fault, seeds, &format!("{key} {number}")),
                });
            }
        }
        strikes.sort_by_key(|strike| strike.at_us);
        strikes
    }

    /// Its kind and how many of that kind stand before it: faults of another kind change nothing.
    fn fault_key(&self, index: usize) -> String {
        let kind = std::mem::discriminant(&self.faults[index].kind);
        let before = self.faults[..index].iter();
        let number = before
            .filter(|fault| std::mem::discriminant(&fault.kind) == kind)
            .count();
        format!("{} {number}", self.faults[index].kind.name())
    }

    fn struck(&self, fault: &Fault, seeds: &Seeds, concern: &str) -> Vec<usize> {
        let mut nodes = fault.nodes.clone();
        if let Some(pick) = fault.pick {
            // Each node draws a lot (rendezvous hashing), so that a further one changes one choice at most.
            nodes.sort_by_cached_key(|node| seeds.bytes(concern, &self.nodes[*node].name));
            nodes.truncate(pick);
        }
        nodes.sort_unstable();
        nodes
    }
}

fn times(when: &When, seeds: &Seeds, key: &str) -> Vec<u64> {
    match *when {
        When::At(at_us) => vec![at_us],
        When::Every {
            interval_us,
            from_us,
            until_us,
        } => {
            let first_us = from_us.saturating_add(interval_us);
            let step = usize::try_from(interval_us.max(1)).unwrap_or(usize::MAX);
            (first_us..until_us).step_by(step).collect()
        }
        When::Between {
            from_us,
            until_us,
            times,
        } => {
            let mut generator = seeds.generator("fault", key);
            let draw = |_| generator.between(from_us, until_us.saturating_sub(1).max(from_us));
            let mut drawn: Vec<u64> = (0..times).map(draw).collect();
            drawn.sort_unstable();
            drawn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::NoFiles;

    const HOUR_US: u64 = 3_600_000_000;

    fn strikes(count: usize, faults: &str) -> Vec<Strike> {
        let text =
            format!("name = \"t\"\nduration = \"10h\"\n[[nodes]]\nname = \"n\"\ncount = {count}\n{faults}");
        let scenario =
            Scenario::parse(&text, "t.toml", &NoFiles).unwrap_or_else(|problems| panic!("{problems}"));
        scenario.strikes(&Seeds::new(1))
    }

    #[test]
    fn faults_strike_when_they_should() {
        let all = strikes(
            3,
            "[[faults]]\nkind = \"crash\"\nevery = \"4h\"\nfor = \"5m\"\npick = 1\n\
             [[faults]]\nkind = \"restart\"\nat = \"8h\"\nnodes = [\"n-3\", \"n-1\"]\n\
             [[faults]]\nkind = \"disk-full\"\ntimes = 5\nfrom = \"1h\"\nuntil = \"2h\"\n",
        );
        let crashes: Vec<&Strike> = all.iter().filter(|strike| strike.fault == 0).collect();
        assert_eq!(
            crashes
                .iter()
                .map(|strike| strike.at_us / HOUR_US)
                .collect::<Vec<_>>(),
            [4, 8]
        );
        assert!(crashes.iter().all(|strike| strike.nodes.len() == 1));
        assert_eq!(crashes[0].until_us, Some(4 * HOUR_US + 300_000_000));
        let restart = all.iter().find(|strike| strike.fault == 1).unwrap();
        assert_eq!(
            (restart.at_us, restart.until_us, &restart.nodes[..]),
            (8 * HOUR_US, None, &[0, 2][..])
        );
        let full: Vec<&Strike> = all.iter().filter(|strike| strike.fault == 2).collect();
        assert_eq!(full.len(), 5);
        assert!(
            full.iter()
                .all(|strike| (HOUR_US..2 * HOUR_US).contains(&strike.at_us) && strike.nodes.len() == 3)
        );
        assert!(all.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
    }

    #[test]
    fn other_faults_and_nodes_change_nothing() {
        let crash = "[[faults]]\nkind = \"crash\"\ntimes = 30\npick = 1\n";
        let alone = strikes(10, crash);
        let mut with_others = strikes(10, &format!("[[faults]]\nkind = \"restart\"\ntimes = 9\n{crash}"));
        with_others.retain(|strike| strike.fault == 1);
        assert!(
            alone
                .iter()
                .zip(&with_others)
                .all(|(a, b)| a.at_us == b.at_us && a.nodes == b.nodes)
        );
        let larger = strikes(11, crash);
        let other = |(a, b): &(&Strike, &Strike)| a.nodes != b.nodes;
        let changed: Vec<(&Strike, &Strike)> = alone.iter().zip(&larger).filter(other).collect();
        assert!(changed.len() < 10 && changed.iter().all(|(_, strike)| strike.nodes == [10]));
    }
}
