//! Where nodes stand on a map, also when the scenario does not say it.

use crate::recording::Recording;

/// Less than this between all nodes, and a map of them would be one dot.
const LEAST_M: f64 = 1.0;
/// The ring's radius where there are no places.
const RING_M: f64 = 100.0;

/// A map's extent and where each node is at the beginning.
pub(super) struct Layout {
    /// East and north of each node, in metres.
    pub(super) nodes: Vec<(f64, f64)>,
    /// The places are the scenario's; otherwise the nodes stand on a ring.
    pub(super) real: bool,
    least_m: (f64, f64),
    most_m: (f64, f64),
}

impl Layout {
    /// `None`: there are no nodes.
    pub(super) fn of(recording: &Recording) -> Option<Self> {
        if recording.nodes.is_empty() {
            return None;
        }
        let places = recording
            .nodes
            .iter()
            .flat_map(|node| &node.places)
            .map(|place| (place.x_m, place.y_m));
        let (least_m, most_m) = extent(places);
        let real = recording.nodes.iter().all(|node| !node.places.is_empty())
            && (most_m.0 - least_m.0).max(most_m.1 - least_m.1) >= LEAST_M;
        let nodes: Vec<(f64, f64)> = if real {
            let firsts = recording.nodes.iter().filter_map(|node| node.places.first());
            firsts.map(|place| (place.x_m, place.y_m)).collect()
        } else {
            let count = recording.nodes.len();
            (0..count).map(|index| on_ring(index, count)).collect()
        };
        let (least_m, most_m) = if real {
            (least_m, most_m)
        } else {
            extent(nodes.iter().copied())
        };
        Some(Self {
            nodes,
            real,
            least_m,
            most_m,
        })
    }

    pub(super) fn width_m(&self) -> f64 {
        (self.most_m.0 - self.least_m.0).max(LEAST_M)
    }

    pub(super) fn height_m(&self) -> f64 {
        (self.most_m.1 - self.least_m.1).max(LEAST_M)
    }

    pub(super) fn middle_m(&self) -> (f64, f64) {
        (
            (self.least_m.0 + self.most_m.0) / 2.0,
            (self.least_m.1 + self.most_m.1) / 2.0,
        )
    }

    /// A round length of about a fifth of the map, in metres.
    pub(super) fn scale_bar_m(&self) -> f64 {
        let most = self.width_m().max(self.height_m()) / 4.0;
        let mut length = 1.0;
        for factor in [2.0, 2.5, 2.0].iter().cycle().take(30) {
            if length * factor > most {
                break;
            }
            length *= factor;
        }
        length
    }
}

fn on_ring(index: usize, count: usize) -> (f64, f64) {
    let angle = std::f64::consts::TAU * index as f64 / count.max(1) as f64;
    (RING_M * angle.sin(), RING_M * angle.cos())
}

fn extent(places: impl Iterator<Item = (f64, f64)>) -> ((f64, f64), (f64, f64)) {
    let mut extent = ((0.0, 0.0), (0.0, 0.0));
    for (index, (x, y)) in places.enumerate() {
        if index == 0 {
            extent = ((x, y), (x, y));
        }
        let (least, most) = &mut extent;
        *least = (least.0.min(x), least.1.min(y));
        *most = (most.0.max(x), most.1.max(y));
    }
    extent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{NodeRecord, Place};

    #[test]
    fn nodes_without_places_stand_on_a_ring() {
        let mut recording = Recording {
            nodes: vec![NodeRecord::default(); 4],
            ..Recording::default()
        };
        let ring = Layout::of(&recording).unwrap();
        assert!(!ring.real);
        assert!((ring.width_m() - 2.0 * RING_M).abs() < 1e-6);
        for (index, node) in recording.nodes.iter_mut().enumerate() {
            node.places = vec![Place {
                at_us: 0,
                x_m: 1_000.0 * index as f64,
                y_m: 5.0,
            }];
        }
        let map = Layout::of(&recording).unwrap();
        assert!(map.real);
        assert_eq!((map.width_m(), map.scale_bar_m()), (3_000.0, 500.0));
        assert!(Layout::of(&Recording::default()).is_none());
    }
}
