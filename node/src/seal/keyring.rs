//! The keys that a node has of a space.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::body::{Body, Place};
use super::epoch::{EpochKey, NameKey};
use crate::model::{Attachment, BlindName, DocumentName, DocumentPath, Entry, EpochId, KeyPair, Membership};

/// All epochs' keys that are known here. A custodian's is empty.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    epochs: BTreeMap<EpochId, EpochKey>,
    first: Option<EpochId>,
    names: Option<NameKey>,
    /// An epoch whose key came otherwise than by a statement: the current one until there is a statement about it.
    told: Option<EpochId>,
    current: Option<EpochId>,
    /// All epochs, the newest first.
    newest_first: Vec<EpochId>,
}

/// The same keys, in the same use: epochs bear the names of their keys.
impl PartialEq for Keyring {
    fn eq(&self, other: &Self) -> bool {
        let keys = |own: &Self| (own.ids(), own.first, own.told, own.current);
        keys(self) == keys(other)
    }
}

impl Keyring {
    /// Of one who has no key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of one who knows the first epoch's key.
    pub fn of_first(key: EpochKey) -> Self {
        let id = key.id();
        Self {
            names: Some(key.names()),
            first: Some(id),
            told: None,
            current: Some(id),
            newest_first: vec![id],
            epochs: BTreeMap::from([(id, key)]),
        }
    }

    /// With the key of the epoch that was the current one when an invite was made.
    pub fn with_told(mut self, key: EpochKey) -> Self {
        self.told = Some(key.id());
        self.current = self.told;
        self.newest_first.insert(0, key.id());
        self.epochs.insert(key.id(), key);
        self
    }

    /// Takes from statements of a space the keys that are meant for the holders of `own`, with all that these lead to, and finds out which
    /// epoch is the current one. Gives the epochs whose keys were not known before.
    pub fn learn(&mut self, membership: &Membership, own: &[&KeyPair]) -> Vec<EpochId> {
        let mut learned = Vec::new();
        loop {
            let before = learned.len();
            for statement in membership.key_epochs() {
                let keys = statement.keys();
                if !self.epochs.contains_key(&keys.epoch)
                    && let Some(key) = own.iter().find_map(|own| EpochKey::given(statement, own))
                {
                    learned.push(key.id());
                    self.epochs.insert(key.id(), key);
                }
                if let Some(key) = self.epochs.get(&keys.epoch)
                    && keys
                        .earlier
                        .iter()
                        .any(|earlier| !self.epochs.contains_key(earlier))
                {
                    for earlier in key.handed_on(statement) {
                        let id = earlier.id();
                        if self.epochs.insert(id, earlier).is_none() {
                            learned.push(id);
                        }
                    }
                }
            }
            if learned.len() == before {
                break;
            }
        }
        let known = self.ids();
        let is_news = |told: &EpochId| {
            membership
                .key_epochs()
                .all(|statement| statement.keys().epoch != *told)
        };
        self.current = self
            .told
            .filter(is_news)
            .or_else(|| membership.current_epoch(&known))
            .or(self.first);
        self.newest_first = known.into_iter().collect();
        self.newest_first.sort_by_key(|epoch| {
            let begun = membership.epoch_begun(*epoch);
            let said_of = begun.is_some() || Some(*epoch) == self.first;
            (Some(*epoch) != self.current, !said_of, Reverse(begun), *epoch)
        });
        learned
    }

    /// All epochs whose keys are here.
    pub fn ids(&self) -> BTreeSet<EpochId> {
        self.epochs.keys().copied().collect()
    }

    /// The key of an epoch.
    pub fn get(&self, epoch: EpochId) -> Option<&EpochKey> {
        self.epochs.get(&epoch)
    }

    /// The key of the first epoch.
    pub fn first(&self) -> Option<&EpochKey> {
        self.epochs.get(&self.first?)
    }

    /// The key under which new documents are sealed.
    pub fn current(&self) -> Option<&EpochKey> {
        self.epochs.get(&self.current?)
    }

    /// All keys: the current one, then the others from the newest to the oldest, and at last those of which only such as were shut out say anything.
    pub fn newest_first(&self) -> impl Iterator<Item = &EpochKey> {
        self.newest_first
            .iter()
            .filter_map(|epoch| self.epochs.get(epoch))
    }

    /// What stands for `path`. `None`: that takes a key, and there is none here.
    pub fn name(&self, path: &DocumentPath) -> Option<BlindName> {
        Some(self.names.as_ref()?.name(path))
    }

    /// Opens the sealed body of an entry, beside which these bytes lie. `None`: there is none, its key is not here, or it is not of the document
    /// that the entry names.
    pub fn open(&self, entry: &Entry, attachment: Option<&[u8]>) -> Option<Body> {
        let change = entry.change();
        let content = entry.content()?;
        let (seal, DocumentName::Sealed(name)) = (content.seal?, &change.name) else {
            return None;
        };
        let place = Place {
            space: change.space,
            name: *name,
            dot: change.dot,
        };
        let sealed = Attachment::split(Some(content), attachment)?.body?;
        let body = self.get(seal.epoch)?.open(&place, &seal.tag, sealed).ok()?;
        (self.name(&body.path) == Some(*name)).then_some(body)
    }
}
