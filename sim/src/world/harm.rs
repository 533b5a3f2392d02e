//! What weather, age and people do to nodes, beside cutting their power.

use cairn::mesh::{EngineError, Event};
use cairn::model::Hash;
use cairn_transports::lora::Instant;

use super::trace::Kind;
use super::wires::happens;
use super::{DISK_FREE, Described, NodeIndex, Ppm, World};
use crate::Node;
use crate::random::Generator;

/// What happens to frames on their way to a node, on wires and on air, beside what their links do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Impairment {
    /// Frames that get lost.
    pub loss: Ppm,
    /// Frames in which a bit is flipped: lost where the link or the frame's seal tells.
    pub corruption: Ppm,
    /// Frames that come twice.
    pub duplication: Ppm,
}

impl Impairment {
    /// When copies of a frame come out of a link that would do so then. Links are authenticated: what was damaged never does.
    pub(super) fn of(&self, arrivals: Vec<u64>, rng: &mut Generator) -> Vec<u64> {
        let mut changed = Vec::with_capacity(arrivals.len());
        for at_us in arrivals {
            if happens(rng, self.loss) || happens(rng, self.corruption) {
                continue;
            }
            changed.push(at_us);
            if happens(rng, self.duplication) {
                changed.push(at_us + 1000);
            }
        }
        changed
    }
}

impl World {
    /// Sets what happens to frames on their way to a node.
    pub fn impair(&mut self, node: NodeIndex, impairment: Impairment) {
        if impairment == Impairment::default() {
            self.impaired.remove(&node);
        } else {
            self.impaired.insert(node, impairment);
        }
    }

    /// Fills a node's disk, or makes room on it again.
    pub fn fill_disk(&mut self, node: NodeIndex, full: bool) -> Result<(), EngineError> {
        self.trace
            .record(self.now_us, Kind::Fault, node, &[2, u8::from(full)]);
        self.handle(
            node,
            Event::StorageFree {
                bytes: if full { 4096 } else { DISK_FREE },
            },
        )
    }

    /// Turns a bit over in some of a node's chunk files. Says how many were hit.
    pub fn rot(&mut self, node: NodeIndex, files: usize) -> usize {
        let mut hit = 0;
        for _ in 0..files {
            let chunks = &mut self.nodes[node].chunks;
            let place = self.disks_rng.index(chunks.len());
            let Some((_, bytes)) = chunks
                .iter_mut()
                .nth(place)
                .filter(|(_, bytes)| !bytes.is_empty())
            else {
                continue;
            };
            let bit = self.disks_rng.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            hit += 1;
        }
        // What nobody else holds is gone with it.
        self.restored |= hit > 0;
        self.trace.record(self.now_us, Kind::Fault, node, &[3, hit as u8]);
        hit
    }

    /// Cuts a node's power while it writes chunk files: they stay behind, half written.
    pub fn tear(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let torn: Vec<(Hash, Vec<u8>)> = std::mem::take(&mut self.nodes[node].unsynced)
            .into_iter()
            .collect();
        for (hash, mut bytes) in torn {
            let kept = self.disks_rng.index(bytes.len() + 1);
            bytes.truncate(kept);
            self.nodes[node].chunks.entry(hash).or_insert(bytes);
        }
        self.crash(node)
    }

    /// A second device with the same key and a copy of the disk as it is now comes up beside a node. Says which.
    pub fn clone_node(&mut self, node: NodeIndex, name: &str) -> Result<NodeIndex, EngineError> {
        let disk = self.backup(node)?;
        let clone = self.nodes.len();
        let original = &self.nodes[node];
        self.nodes
            .push(Node::new(original.key.clone(), original.space, original.role));
        self.put_disk(clone, &disk)?;
        if let Some(chronicle) = &mut self.chronicle {
            let space = self.nodes[node].space;
            chronicle.joined(Described {
                name: name.to_owned(),
                space: (String::new(), space),
                has_radio: self.antennas.contains_key(&node),
            });
        }
        self.leave_out(clone);
        // The copy of the disk has the record of used airtime as well.
        if let Some(antenna) = self.antennas.get(&node) {
            let (modem, ledger, beside) = (antenna.modem, antenna.ledger.clone(), antenna.place);
            self.add_antenna(clone, modem, ledger);
            let now = Instant(self.now_us);
            if let Some((medium, place)) = self.medium(clone)
                && let Some((x_m, y_m)) = medium.place_of(beside)
            {
                medium.place(now, place, x_m, y_m);
            }
        }
        self.start(clone)?;
        Ok(clone)
    }

    /// A node is taken away for good; what only it had is no longer expected.
    pub fn retire(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        self.crash(node)?;
        self.leave_out(node);
        let old = &self.nodes[node];
        let empty = Node::new(old.key.clone(), old.space, old.role);
        self.nodes[node].store = empty.store;
        self.nodes[node].chunks.clear();
        self.forget_what_is_nowhere();
        Ok(())
    }
}
