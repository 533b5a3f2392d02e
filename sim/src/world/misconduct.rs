//! Nodes that do not keep to the protocol: what they do beside, or instead of, what their engines say.

use std::collections::{BTreeSet, VecDeque};

use cairn::mesh::{EngineError, LinkId};
use cairn_transports::Lane;
use cairn_transports::lora::{Broadcast, Instant};

use super::wires::happens;
use super::{NodeIndex, Planned, Ppm, World};

/// Frames of others that a node keeps to send them again.
const KEPT_MAX: usize = 64;

/// What a node of bad conduct does when its time comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// Sends a change on with its last bytes, the signature's, altered.
    BadSignature,
    /// Sends frames again that it once received.
    Replay,
    /// Sends its own announcement or beacon again, though nothing is new.
    Flood,
}

/// A node of bad conduct.
#[derive(Debug, Default)]
pub(crate) struct Conduct {
    /// Frames that it received, by wire.
    wired: VecDeque<Vec<u8>>,
    /// Messages that it received by radio.
    heard: VecDeque<Vec<u8>>,
    /// Its own last announcement.
    announcement: Option<Vec<u8>>,
    beacon: Option<Vec<u8>>,
    /// Share of its frames that it keeps to itself, and towards whom.
    silence: Option<(Ppm, BTreeSet<NodeIndex>)>,
}

fn keep(kept: &mut VecDeque<Vec<u8>>, bytes: &[u8]) {
    if kept.len() >= KEPT_MAX {
        kept.pop_front();
    }
    kept.push_back(bytes.to_vec());
}

impl World {
    /// From now on a node is watched for what it could misuse.
    pub fn corrupt_node(&mut self, node: NodeIndex) {
        self.conduct.entry(node).or_default();
        self.leave_out(node);
    }

    /// A node keeps a share of its frames to itself, towards these.
    pub fn silence(&mut self, node: NodeIndex, share: Ppm, towards: impl IntoIterator<Item = NodeIndex>) {
        self.corrupt_node(node);
        if let Some(conduct) = self.conduct.get_mut(&node) {
            conduct.silence = (share > 0).then(|| (share, towards.into_iter().collect()));
        }
    }

    /// Whether a frame is not sent, though the engine said so.
    pub(super) fn keeps_silent(&mut self, from: NodeIndex, to: NodeIndex) -> bool {
        let silence = self
            .conduct
            .get(&from)
            .and_then(|conduct| conduct.silence.as_ref());
        match silence {
            Some((share, towards)) if towards.contains(&to) => happens(&mut self.wires_rng, *share),
            _ => false,
        }
    }

    pub(super) fn keep_for_misuse(&mut self, node: NodeIndex, frame: &[u8]) {
        if let Some(conduct) = self.conduct.get_mut(&node) {
            keep(&mut conduct.wired, frame);
        }
    }

    pub(super) fn keep_announcement(&mut self, node: NodeIndex, frame: &[u8]) {
        if let Some(conduct) = self.conduct.get_mut(&node) {
            conduct.announcement = Some(frame.to_vec());
        }
    }

    pub(super) fn keep_heard(&mut self, node: NodeIndex, message: &[u8]) {
        if let Some(conduct) = self.conduct.get_mut(&node) {
            keep(&mut conduct.heard, message);
        }
    }

    pub(super) fn keep_beacon(&mut self, node: NodeIndex, message: &[u8]) {
        // docs/radio.md: a beacon's first byte.
        if let Some(conduct) = self
            .conduct
            .get_mut(&node)
            .filter(|_| message.first() == Some(&1))
        {
            conduct.beacon = Some(message.to_vec());
        }
    }

    /// A node does something that it should not, towards all its neighbours.
    pub fn misbehave(&mut self, node: NodeIndex, misdeed: Misdeed) -> Result<(), EngineError> {
        let links: Vec<(NodeIndex, LinkId)> = self.wires.neighbours(node).collect();
        for (to, own) in links {
            let Some(frame) = self.bad_frame(node, misdeed) else {
                break;
            };
            let Some(link) = self.wires.end(own).map(|end| end.other) else {
                continue;
            };
            let arrivals =
                self.wires
                    .arrivals(self.now_us, own, frame.len(), self.faults, &mut self.wires_rng);
            for at_us in arrivals {
                let frame = frame.clone();
                self.plan(at_us, Planned::Deliver { to, link, frame });
            }
        }
        let Some(bytes) = self.bad_message(node, misdeed) else {
            return Ok(());
        };
        let now = Instant(self.now_us);
        let slot = (1 << 61) + self.wires_rng.below(8);
        let Some(radio) = self.radio(node) else {
            return Ok(());
        };
        let name = [bytes.len() as u8, bytes[0], 0xbd, 0xbd];
        radio.station.broadcast(
            now,
            Broadcast {
                slot,
                lane: Lane::Control,
                under: None,
                name,
                bytes,
                audience: 1,
            },
        );
        self.station_outputs(node)
    }

    fn bad_frame(&mut self, node: NodeIndex, misdeed: Misdeed) -> Option<Vec<u8>> {
        let conduct = self.conduct.get(&node)?;
        match misdeed {
            Misdeed::Flood => conduct.announcement.clone(),
            Misdeed::Replay => conduct
                .wired
                .get(self.wires_rng.index(conduct.wired.len()))
                .cloned(),
            Misdeed::BadSignature => {
                // docs/wire.md: changes are of kind 5.
                let changes: Vec<&Vec<u8>> = conduct
                    .wired
                    .iter()
                    .filter(|frame| frame.get(2) == Some(&5))
                    .collect();
                let mut frame = (*changes.get(self.wires_rng.index(changes.len()))?).clone();
                let place = frame.len()
                    - 1
                    - self
                        .wires_rng
                        .index(frame.len().min(200).saturating_sub(8).max(1));
                frame[place] ^= 1;
                Some(frame)
            }
        }
    }

    fn bad_message(&mut self, node: NodeIndex, misdeed: Misdeed) -> Option<Vec<u8>> {
        let conduct = self.conduct.get(&node)?;
        let message = match misdeed {
            Misdeed::Flood => conduct.beacon.clone()?,
            Misdeed::Replay => conduct
                .heard
                .get(self.wires_rng.index(conduct.heard.len()))?
                .clone(),
            Misdeed::BadSignature => {
                let entries: Vec<&Vec<u8>> = conduct
                    .heard
                    .iter()
                    .filter(|message| matches!(message.first(), Some(2 | 3)))
                    .collect();
                let mut message = (*entries.get(self.wires_rng.index(entries.len()))?).clone();
                let place = message.len() / 2 + self.wires_rng.index((message.len() / 2).max(1));
                *message.get_mut(place)? ^= 1;
                message
            }
        };
        (!message.is_empty()).then_some(message)
    }
}
