//! Pins: which chunks somebody is about to need.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::Shared;
use crate::model::Hash;

/// Keeps a chunk from being removed for as long as it lives, whether the chunk is here yet or not.
///
/// Whoever writes chunks holds their pins until the entry that lists them is committed; whoever reads a document holds
/// them until the last byte is sent. In memory only: after a crash nothing is pinned.
#[derive(Debug)]
#[must_use = "the chunk may be removed as soon as the pin is dropped"]
pub struct Pin {
    pub(super) shared: Arc<Shared>,
    pub(super) hash: Hash,
}

impl Pin {
    /// The pinned chunk.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.state().pins.release(&self.hash);
    }
}

/// How many pins each chunk has.
#[derive(Debug, Default)]
pub(super) struct Pins(BTreeMap<Hash, usize>);

impl Pins {
    pub(super) fn take(&mut self, hash: Hash) {
        *self.0.entry(hash).or_default() += 1;
    }

    fn release(&mut self, hash: &Hash) {
        if let Some(count) = self.0.get_mut(hash) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(hash);
            }
        }
    }

    pub(super) fn holds(&self, hash: &Hash) -> bool {
        self.0.contains_key(hash)
    }
}
