//! Wired links of a run: dialled, cut and dialled again.

use std::collections::BTreeMap;

use cairn::mesh::EngineError;

use crate::random::{Generator, Seeds};
use crate::scenario::{Flaps, Link, Scenario, Way};
use crate::world::ppm;
use crate::{WireQuality, World};

/// A link as the director sees it.
pub(super) struct Dialled {
    pub(super) link: Link,
    /// It went down by itself.
    flapped: bool,
    generator: Generator,
    /// Both of its ends have wires.
    wired: bool,
}

/// All links, and what keeps some of them down.
pub(super) struct Links {
    pub(super) all: Vec<Dialled>,
    /// How many splits lie between two sides, by pair.
    splits: BTreeMap<(usize, usize), usize>,
    /// How many faults keep a node's links down.
    down: BTreeMap<usize, usize>,
}

fn quality(way: &Way) -> WireQuality {
    WireQuality {
        latency_us: way.latency_us,
        jitter_us: way.jitter_us,
        bandwidth_bps: way.bandwidth_bps,
        loss: ppm(way.loss),
        duplication: ppm(way.duplicate),
        corruption: 0,
        in_order: !way.reorder,
    }
}

fn exponential(generator: &mut Generator, mean_us: u64) -> u64 {
    (generator.exponential(mean_us as f64) as u64).max(1)
}

impl Links {
    pub(super) fn new(scenario: &Scenario, seeds: &Seeds) -> Self {
        let all = scenario.wires(seeds).into_iter().map(|link| {
            let name = |node: usize| &scenario.nodes[node].name;
            Dialled {
                flapped: false,
                generator: seeds.generator("flaps", format!("{} {}", name(link.a), name(link.b))),
                wired: scenario.group(link.a).wired && scenario.group(link.b).wired,
                link,
            }
        });
        Self {
            all: all.collect(),
            splits: BTreeMap::new(),
            down: BTreeMap::new(),
        }
    }

    /// Tries to open a link. Says when to look at it again.
    pub(super) fn dial(&mut self, world: &mut World, index: usize) -> Result<Option<u64>, EngineError> {
        let dialled = &self.all[index];
        let Link { a, b, wire } = dialled.link;
        if !dialled.wired {
            return Ok(None);
        }
        let is_cut = self.splits.contains_key(&(a.min(b), a.max(b)))
            || self.down.contains_key(&a)
            || self.down.contains_key(&b);
        if !is_cut && !dialled.flapped {
            world.link_with(a, b, quality(&wire.there), quality(&wire.back))?;
        }
        Ok(Some(world.now_us() + wire.redial_us.max(1_000_000)))
    }

    /// A link goes down by itself, or comes back. Says when it changes again.
    pub(super) fn flap(
        &mut self,
        world: &mut World,
        index: usize,
        down: bool,
    ) -> Result<Option<u64>, EngineError> {
        let dialled = &mut self.all[index];
        let Link { a, b, wire } = dialled.link;
        let Some(Flaps { up_us, down_us }) = wire.flaps else {
            return Ok(None);
        };
        dialled.flapped = down;
        let lasts_us = exponential(&mut dialled.generator, if down { down_us } else { up_us });
        if down {
            world.cut(a, b)?;
        }
        Ok(Some(world.now_us() + lasts_us))
    }

    /// Two nodes are cut off from each other, or no longer by this split.
    pub(super) fn split(
        &mut self,
        world: &mut World,
        a: usize,
        b: usize,
        apart: bool,
    ) -> Result<(), EngineError> {
        let pair = (a.min(b), a.max(b));
        count(&mut self.splits, pair, apart);
        if apart { world.cut(a, b) } else { Ok(()) }
    }

    /// Whom a node's links lead to, whether they are up or not.
    pub(super) fn others(&self, node: usize) -> Vec<usize> {
        let others = self.all.iter().filter_map(|dialled| match dialled.link {
            Link { a, b, .. } if a == node => Some(b),
            Link { a, b, .. } if b == node => Some(a),
            _ => None,
        });
        others.collect()
    }

    /// A node's links are down, or no longer for this reason.
    pub(super) fn take_down(
        &mut self,
        world: &mut World,
        node: usize,
        down: bool,
    ) -> Result<(), EngineError> {
        count(&mut self.down, node, down);
        if !down {
            return Ok(());
        }
        for other in self.others(node) {
            world.cut(node, other)?;
        }
        Ok(())
    }
}

/// One more of something, or one less.
pub(super) fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, more: bool) {
    let count = counts.get(&key).copied().unwrap_or(0);
    match (more, count) {
        (true, _) => {
            counts.insert(key, count + 1);
        }
        (false, 0 | 1) => {
            counts.remove(&key);
        }
        (false, _) => {
            counts.insert(key, count - 1);
        }
    }
}
