//! What is kept of senders over a restart, so that no recording of theirs counts as new.
//!
//! ```text
//! version 1 (1)   own generation (8)   for each sender: key (4), node (32), generation (8), counter (4)   checksum (8)
//! ```
//! The station itself is among the senders under a key under which it had to exceed a generation. Integers are big-endian. The checksum
//! finds damage, not forgery: whoever writes to the disk has the key as well.

use super::{KEYS_MAX, SENDERS_MAX};
use crate::PeerKey;

const VERSION: u8 = 1;
const HEARD_LEN: usize = 4 + 32 + 8 + 4;
/// For each key the station itself, too.
const HEARD_MAX: usize = KEYS_MAX * (SENDERS_MAX + 1);

/// A sender, and what counts as heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lora) struct Heard {
    /// Stands for the key of the space.
    pub(in crate::lora) key: [u8; 4],
    pub(in crate::lora) node: [u8; 32],
    /// The highest that was heard.
    pub(in crate::lora) generation: u64,
    /// All counters of that generation up to here may have been heard.
    pub(in crate::lora) counter: u32,
}

/// Who was heard, and how far each had come at most; with the generation of the station itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendersRecord {
    /// The station's own, in this run.
    pub(in crate::lora) generation: u64,
    pub(in crate::lora) heard: Vec<Heard>,
}

/// A record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of senders is damaged: recordings of their frames may count as new once")]
pub struct DamagedSenders;

impl SendersRecord {
    /// The generation that is noted of a node under a key.
    pub(in crate::lora) fn generation_of(&self, key: [u8; 4], node: PeerKey) -> Option<u64> {
        let heard = self
            .heard
            .iter()
            .find(|heard| (heard.key, heard.node) == (key, node.0));
        heard.map(|heard| heard.generation)
    }

    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.generation.to_be_bytes());
        for heard in &self.heard {
            bytes.extend(heard.key);
            bytes.extend(heard.node);
            bytes.extend(heard.generation.to_be_bytes());
            bytes.extend(heard.counter.to_be_bytes());
        }
        let check = blake3::hash(&bytes);
        bytes.extend(&check.as_bytes()[..8]);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DamagedSenders> {
        let (body, check) = bytes.split_last_chunk::<8>().ok_or(DamagedSenders)?;
        if blake3::hash(body).as_bytes()[..8] != check[..] {
            return Err(DamagedSenders);
        }
        let (&version, body) = body.split_first().ok_or(DamagedSenders)?;
        let (generation, body) = body.split_first_chunk::<8>().ok_or(DamagedSenders)?;
        let (heard, rest) = body.as_chunks::<HEARD_LEN>();
        if version != VERSION || !rest.is_empty() || heard.len() > HEARD_MAX {
            return Err(DamagedSenders);
        }
        let heard = heard.iter().map(|bytes| read(bytes).ok_or(DamagedSenders));
        Ok(Self {
            generation: u64::from_be_bytes(*generation),
            heard: heard.collect::<Result<_, _>>()?,
        })
    }
}

fn read(bytes: &[u8; HEARD_LEN]) -> Option<Heard> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (node, rest) = rest.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    Some(Heard {
        key: *key,
        node: *node,
        generation: u64::from_be_bytes(*generation),
        counter: u32::from_be_bytes(rest.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_back_and_damage_is_found(
            generation: u64,
            heard in proptest::collection::vec(any::<([u8; 4], [u8; 32], u64, u32)>(), 0..20),
            at: proptest::sample::Index,
            bit in 0_u8..8,
        ) {
            let heard = heard
                .into_iter()
                .map(|(key, node, generation, counter)| Heard { key, node, generation, counter })
                .collect();
            let record = SendersRecord { generation, heard };
            let mut bytes = record.encode();
            prop_assert_eq!(SendersRecord::decode(&bytes), Ok(record));
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(SendersRecord::decode(&bytes), Err(DamagedSenders));
            bytes.truncate(at);
            prop_assert_eq!(SendersRecord::decode(&bytes), Err(DamagedSenders));
        }
    }
}
