//! Which nodes are linked.

use std::collections::BTreeSet;

use crate::random::Seeds;
use crate::scenario::{LinkGroup, Member, Scenario, Topology, Wire};

/// A wired link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// One end.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// What it is like.
    pub wire: Wire,
}

impl Scenario {
    /// All wired links, in the order of their groups. Two nodes may have links of several groups.
    pub fn wires(&self, seeds: &Seeds) -> Vec<Link> {
        let of_group = |group: &LinkGroup| {
            let wire = group.wire;
            let pairs = group.pairs(&self.nodes, seeds);
            pairs.into_iter().map(move |(a, b)| Link { a, b, wire })
        };
        self.links.iter().flat_map(of_group).collect()
    }
}

impl LinkGroup {
    /// Pairs of ends, each once.
    fn pairs(&self, nodes: &[Member], seeds: &Seeds) -> Vec<(usize, usize)> {
        let a = &self.a;
        let next = || a.windows(2).map(|pair| (pair[0], pair[1]));
        let pairs: Vec<(usize, usize)> = match self.topology {
            Topology::Mesh if self.b.is_empty() => (a.iter().enumerate())
                .flat_map(|(place, one)| a[place + 1..].iter().map(|other| (*one, *other)))
                .collect(),
            Topology::Mesh => (a.iter())
                .flat_map(|one| self.b.iter().map(|other| (*one, *other)))
                .collect(),
            Topology::Line => next().collect(),
            Topology::Ring => next().chain(a.last().copied().zip(a.first().copied())).collect(),
            Topology::Star => a.iter().skip(1).map(|other| (a[0], *other)).collect(),
            Topology::Random { degree } if self.b.is_empty() => rings(a, degree, nodes, seeds),
            Topology::Random { degree } => nearest(a, &self.b, degree, nodes, seeds),
        };
        let mut seen = BTreeSet::new();
        pairs
            .into_iter()
            .filter(|(one, other)| one != other && seen.insert((*one.min(other), *one.max(other))))
            .collect()
    }
}

/// Rings through all nodes, each in an order of its own: every ring gives every node two links, and keeps the whole connected. Of
/// the last one every other link is left out if the degree is odd. A further node only goes between two others of each ring.
fn rings(a: &[usize], degree: usize, nodes: &[Member], seeds: &Seeds) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for ring in 0..degree.div_ceil(2) {
        let concern = format!("ring {ring}");
        let mut order = a.to_vec();
        order.sort_by_cached_key(|node| seeds.bytes(&concern, &nodes[*node].name));
        let is_half = degree % 2 == 1 && ring == degree / 2;
        let round = order.iter().zip(order.iter().cycle().skip(1));
        // A first ring is whole, or the nodes would not be connected.
        let step = if is_half && ring > 0 { 2 } else { 1 };
        pairs.extend(round.step_by(step).map(|(one, other)| (*one, *other)));
    }
    pairs
}

/// Each of `a` with those of `b` that come first in an order of its own (rendezvous hashing).
fn nearest(a: &[usize], b: &[usize], degree: usize, nodes: &[Member], seeds: &Seeds) -> Vec<(usize, usize)> {
    let of_one = |one: &usize| {
        let concern = format!("link {}", nodes[*one].name);
        let mut order: Vec<usize> = b.iter().copied().filter(|other| other != one).collect();
        order.sort_by_cached_key(|other| seeds.bytes(&concern, &nodes[*other].name));
        order.truncate(degree);
        let one = *one;
        order.into_iter().map(move |other| (one, other))
    };
    a.iter().flat_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::NoFiles;

    fn pairs(count: usize, links: &str) -> Vec<(usize, usize)> {
        let text = format!(
            "name = \"t\"\nduration = \"1h\"\n[[nodes]]\nname = \"n\"\ncount = {count}\n[[nodes]]\nname = \"m\"\ncount = 3\n\
             [[links]]\n{links}"
        );
        let scenario =
            Scenario::parse(&text, "t.toml", &NoFiles).unwrap_or_else(|problems| panic!("{problems}"));
        let wires = scenario.wires(&Seeds::new(1));
        wires.iter().map(|link| (link.a, link.b)).collect()
    }

    #[test]
    fn shapes_are_as_drawn() {
        assert_eq!(pairs(3, "from = \"n\"\n"), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(
            pairs(2, "from = \"n\"\nto = \"m-1..2\"\n"),
            [(0, 2), (0, 3), (1, 2), (1, 3)]
        );
        assert_eq!(pairs(3, "from = \"n\"\nshape = \"line\"\n"), [(0, 1), (1, 2)]);
        assert_eq!(
            pairs(3, "from = \"n\"\nshape = \"ring\"\n"),
            [(0, 1), (1, 2), (2, 0)]
        );
        assert_eq!(pairs(3, "from = \"n\"\nshape = \"star\"\n"), [(0, 1), (0, 2)]);
        // A ring of two is one link, and no node is linked with itself.
        assert_eq!(pairs(2, "from = \"n\"\nshape = \"ring\"\n"), [(0, 1)]);
        assert_eq!(pairs(2, "from = \"n\"\nto = \"n\"\n"), [(0, 1)]);
    }

    fn is_connected(count: usize, pairs: &[(usize, usize)]) -> bool {
        let mut reached = BTreeSet::from([0]);
        for _ in 0..count {
            for (a, b) in pairs {
                if reached.contains(a) || reached.contains(b) {
                    reached.extend([*a, *b]);
                }
            }
        }
        reached.len() == count
    }

    #[test]
    fn a_random_graph_is_connected_and_even() {
        for degree in [1, 2, 5, 6] {
            let pairs = pairs(
                200,
                &format!("from = \"n\"\nshape = \"random\"\ndegree = {degree}\n"),
            );
            let mut degrees = vec![0_usize; 200];
            for (a, b) in &pairs {
                degrees[*a] += 1;
                degrees[*b] += 1;
            }
            let mean = degrees.iter().sum::<usize>() as f64 / 200.0;
            // A connected graph has two links for each node at least.
            assert!((mean - f64::from(degree.max(2))).abs() < 0.2, "{degree}: {mean}");
            assert!(is_connected(200, &pairs), "{degree}");
        }
        let between = pairs(20, "from = \"n\"\nto = \"m\"\nshape = \"random\"\ndegree = 2\n");
        assert_eq!(between.len(), 40);
    }

    #[test]
    fn another_node_changes_few_links() {
        let of = |count| -> BTreeSet<(usize, usize)> {
            let links = "from = \"n\"\nshape = \"random\"\ndegree = 6\n";
            pairs(count, links)
                .into_iter()
                .map(|(a, b)| (a.min(b), a.max(b)))
                .collect()
        };
        let (few, many) = (of(100), of(101));
        assert!(
            few.difference(&many).count() <= 3,
            "one link of each ring is opened"
        );
    }
}
