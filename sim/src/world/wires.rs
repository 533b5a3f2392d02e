//! Wired links: what TCP and libp2p are to the nodes.

use std::collections::BTreeMap;

use super::{Faults, NodeIndex};
use crate::random::Generator;
use cairn::mesh::LinkId;

/// Parts in a million.
pub type Ppm = u32;

/// A share, 0 to 1, in millionths.
pub(crate) fn ppm(share: f64) -> Ppm {
    (share.clamp(0.0, 1.0) * 1e6) as Ppm
}

/// What one direction of a link does to frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireQuality {
    /// Time on the way, in microseconds.
    pub latency_us: u64,
    /// Most extra time on the way, so that frames overtake one another, in microseconds.
    pub jitter_us: u64,
    /// Bits per second; `None`: as many as come.
    pub bandwidth_bps: Option<u64>,
    /// Frames that get lost.
    pub loss: Ppm,
    /// Frames that come twice.
    pub duplication: Ppm,
    /// Frames in which a bit is flipped on the way.
    pub corruption: Ppm,
    /// No frame overtakes another.
    pub in_order: bool,
}

impl Default for WireQuality {
    fn default() -> Self {
        Self {
            latency_us: 500,
            jitter_us: 0,
            bandwidth_bps: None,
            loss: 0,
            duplication: 0,
            corruption: 0,
            in_order: false,
        }
    }
}

/// Whether something of this probability happens.
pub(crate) fn happens(rng: &mut Generator, share: Ppm) -> bool {
    share > 0 && rng.below(1_000_000) < u64::from(share)
}

/// One end of a link.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) node: NodeIndex,
    pub(crate) other: LinkId,
    /// `None`: as the world's [`Faults`] say.
    quality: Option<WireQuality>,
    /// What was sent from here is on the wire until then.
    busy_until_us: u64,
    /// When the last frame from here arrives.
    last_arrival_us: u64,
    pub(crate) since_us: u64,
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    ends: BTreeMap<LinkId, End>,
    of: BTreeMap<NodeIndex, BTreeMap<NodeIndex, LinkId>>,
    /// For each node that has links, the first node of its part of the mesh; unknown after links came or went.
    parts: Option<BTreeMap<NodeIndex, NodeIndex>>,
}

impl Wires {
    pub(crate) fn join(
        &mut self,
        now_us: u64,
        (a, at_a): (NodeIndex, LinkId),
        (b, at_b): (NodeIndex, LinkId),
        quality: Option<(WireQuality, WireQuality)>,
    ) {
        let (there, back) = quality.unzip();
        let end = |node, other, quality| End {
            node,
            other,
            quality,
            busy_until_us: 0,
            last_arrival_us: 0,
            since_us: now_us,
        };
        self.ends.insert(at_a, end(a, at_b, there));
        self.ends.insert(at_b, end(b, at_a, back));
        self.parts = None;
        self.of.entry(a).or_default().insert(b, at_a);
        self.of.entry(b).or_default().insert(a, at_b);
    }

    pub(crate) fn end(&self, link: LinkId) -> Option<&End> {
        self.ends.get(&link)
    }

    /// The end at `a` of the link to `b`.
    pub(crate) fn between(&self, a: NodeIndex, b: NodeIndex) -> Option<LinkId> {
        self.of.get(&a)?.get(&b).copied()
    }

    /// The neighbours of a node, each with the end of the link at this node.
    pub(crate) fn neighbours(&self, node: NodeIndex) -> impl Iterator<Item = (NodeIndex, LinkId)> + '_ {
        let of = self.of.get(&node).into_iter().flatten();
        of.map(|(other, link)| (*other, *link))
    }

    pub(crate) fn remove(&mut self, link: LinkId) -> Option<End> {
        let end = self.ends.remove(&link)?;
        self.parts = None;
        let at = self.of.get_mut(&end.node);
        if let Some(others) = at {
            others.retain(|_, own| *own != link);
        }
        Some(end)
    }

    /// When copies of a frame that is sent now arrive. Links are authenticated: what is damaged on its way never does.
    pub(crate) fn arrivals(
        &mut self,
        now_us: u64,
        link: LinkId,
        len: usize,
        faults: Faults,
        rng: &mut Generator,
    ) -> Vec<u64> {
        let Some(end) = self.ends.get_mut(&link) else {
            return Vec::new();
        };
        let quality = end.quality.unwrap_or_else(|| faults.quality());
        let sent_us = match quality.bandwidth_bps {
            None | Some(0) => now_us,
            Some(bps) => {
                let takes = (len as u64 + 40) * 8 * 1_000_000 / bps;
                end.busy_until_us = end.busy_until_us.max(now_us) + takes;
                end.busy_until_us
            }
        };
        let copies = if happens(rng, quality.loss) {
            0
        } else {
            1 + usize::from(happens(rng, quality.duplication))
        };
        let mut arrival = |rng: &mut Generator| {
            let jitter_us = match quality.jitter_us {
                0 => 0,
                most => rng.below(most + 1),
            };
            let mut at_us = sent_us + quality.latency_us + jitter_us;
            if quality.in_order {
                at_us = at_us.max(end.last_arrival_us);
                end.last_arrival_us = at_us;
            }
            (!happens(rng, quality.corruption)).then_some(at_us)
        };
        (0..copies).filter_map(|_| arrival(rng)).collect()
    }

    /// Links that are up: both nodes, and since when.
    pub(crate) fn all(&self) -> impl Iterator<Item = (NodeIndex, NodeIndex, u64)> + '_ {
        let ends = self.ends.iter();
        let once = ends.filter(|(link, end)| **link < end.other);
        once.filter_map(|(_, end)| Some((end.node, self.ends.get(&end.other)?.node, end.since_us)))
    }

    /// The part of the mesh in which a node is: two nodes of one part reach each other over links, the others do not.
    pub(crate) fn part_of(&mut self, node: NodeIndex) -> Option<NodeIndex> {
        if self.parts.is_none() {
            let mut parts = BTreeMap::new();
            for first in self.of.keys() {
                let mut next = vec![*first];
                while let Some(at) = next.pop() {
                    if parts.contains_key(&at) {
                        continue;
                    }
                    parts.insert(at, *first);
                    next.extend(self.neighbours(at).map(|(other, _)| other));
                }
            }
            self.parts = Some(parts);
        }
        self.parts.as_ref()?.get(&node).copied()
    }
}
