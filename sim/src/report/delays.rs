//! How long writes took to arrive.

use std::collections::BTreeMap;

use crate::recording::Recording;

/// The delays of all deliveries that were due: one for each acknowledged write and each other node of its space.
#[derive(Debug, Default)]
pub(super) struct Delays {
    /// Deliveries that were due.
    pub(super) due: u64,
    /// Delays of those that came, ascending, in microseconds.
    pub(super) came_us: Vec<u64>,
}

impl Delays {
    pub(super) fn of(recording: &Recording) -> Self {
        let mut delays = Self::default();
        let others = others(recording);
        for write in &recording.writes {
            let Some(since) = write.acknowledged_us else {
                continue;
            };
            delays.due += others.get(write.node).copied().unwrap_or(0);
            delays.came_us.extend(
                write
                    .arrivals
                    .iter()
                    .map(|(_, at_us)| at_us.saturating_sub(since)),
            );
        }
        delays.came_us.sort_unstable();
        delays
    }

    /// The delay within which this share of all that was due had come. `None`: so much never came.
    ///
    /// What never came counts as later than all that did, or a run that stopped halfway would look fast.
    pub(super) fn quantile_us(&self, share: f64) -> Option<u64> {
        let rank = (share * self.due as f64).ceil().max(1.0) as usize;
        self.came_us.get(rank - 1).copied()
    }
}

/// For each node, how many others are to have what is written there.
pub(super) fn others(recording: &Recording) -> Vec<u64> {
    let mut sizes = BTreeMap::<&str, u64>::new();
    for node in &recording.nodes {
        *sizes.entry(&node.space).or_default() += 1;
    }
    recording
        .nodes
        .iter()
        .map(|node| sizes[node.space.as_str()] - 1)
        .collect()
}

/// The delays of what came to each node, ascending, in microseconds.
pub(super) fn by_node(recording: &Recording) -> Vec<Vec<u64>> {
    let mut nodes = vec![Vec::new(); recording.nodes.len()];
    for write in &recording.writes {
        let Some(since) = write.acknowledged_us else {
            continue;
        };
        for (node, at_us) in &write.arrivals {
            if let Some(delays) = nodes.get_mut(*node) {
                delays.push(at_us.saturating_sub(since));
            }
        }
    }
    for delays in &mut nodes {
        delays.sort_unstable();
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_counts_as_slowest() {
        let delays = Delays {
            due: 10,
            came_us: (1..=9).collect(),
        };
        assert_eq!(delays.quantile_us(0.5), Some(5));
        assert_eq!(delays.quantile_us(0.9), Some(9));
        assert_eq!(delays.quantile_us(1.0), None);
        assert_eq!(Delays::default().quantile_us(0.5), None);
    }
}
