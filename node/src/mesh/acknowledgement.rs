//! Acknowledgements: what a node holds on its disk, payloads included, signed, so that others can pass it on to those
//! who have no link to it.

use serde::{Deserialize, Serialize};

use crate::model::{BadSignature, Clock, HybridTime, NodeId, OwnerId, Sign, Signature, codec, verify};

const CONTEXT: &str = "cairn 1 acknowledgement";

/// The signed part: `[space, node, time, clock]`.
type Signed = (OwnerId, NodeId, HybridTime, Clock);

/// Custody: `node` had everything in `clock` on its disk, payloads included, at `time`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Signed, Signature)", into = "(Signed, Signature)")]
pub struct Acknowledgement {
    /// Whose space.
    pub space: OwnerId,
    /// Who holds.
    pub node: NodeId,
    /// Since when: of two by one node the later counts, whichever comes first.
    pub time: HybridTime,
    /// Everything that the node holds in full.
    pub clock: Clock,
    signature: Signature,
}

impl From<(Signed, Signature)> for Acknowledgement {
    fn from(((space, node, time, clock), signature): (Signed, Signature)) -> Self {
        Self {
            space,
            node,
            time,
            clock,
            signature,
        }
    }
}

impl From<Acknowledgement> for (Signed, Signature) {
    fn from(own: Acknowledgement) -> Self {
        ((own.space, own.node, own.time, own.clock), own.signature)
    }
}

impl Acknowledgement {
    /// Signs what the node of `key` holds.
    pub fn sign(space: OwnerId, time: HybridTime, clock: Clock, key: &impl Sign) -> Self {
        let signed: Signed = (space, key.node_id(), time, clock);
        let signature = key.sign(CONTEXT, &codec::encode(&signed));
        (signed, signature).into()
    }

    /// By its node.
    pub(super) const fn signature(&self) -> Signature {
        self.signature
    }

    /// Checks that the node it names signed it.
    pub fn verify(&self) -> Result<(), BadSignature> {
        let signed = (&self.space, &self.node, &self.time, &self.clock);
        verify(&self.node.0, CONTEXT, &codec::encode(&signed), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyPair, WallTime};

    #[test]
    fn only_its_node_can_say_what_it_holds() {
        let key = KeyPair::from_seed(&[1; 32]);
        let time = HybridTime::at(WallTime(5));
        let good = Acknowledgement::sign(OwnerId([2; 32]), time, Clock::new(), &key);
        assert_eq!(good.verify(), Ok(()));
        let later = Acknowledgement {
            time: HybridTime(u64::MAX),
            ..good.clone()
        };
        assert_eq!(later.verify(), Err(BadSignature));
        let other = Acknowledgement {
            node: NodeId([3; 32]),
            ..good
        };
        assert_eq!(other.verify(), Err(BadSignature));
    }
}
