//! The keys that a node has of a space.

use std::collections::BTreeMap;

use super::body::{Body, Place};
use super::epoch::{EpochKey, NameKey};
use crate::model::{Attachment, BlindName, DocumentName, DocumentPath, Entry, EpochId};

/// All epochs' keys that are known here. A custodian's is empty.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    epochs: BTreeMap<EpochId, EpochKey>,
    first: Option<EpochId>,
    names: Option<NameKey>,
    current: Option<EpochId>,
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
            current: Some(id),
            epochs: BTreeMap::from([(id, key)]),
        }
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
