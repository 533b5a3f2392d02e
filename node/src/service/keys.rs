//! The space's keys, for those who read and store documents.

use std::sync::{Arc, PoisonError, RwLock};

use crate::seal::Keyring;

/// The keys as the engine knows them now. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct SharedKeys(Arc<RwLock<Arc<Keyring>>>);

impl SharedKeys {
    /// What is known at the start.
    pub fn new(keyring: Keyring) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keyring))))
    }

    /// From now on they are these.
    pub fn set(&self, keyring: Keyring) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
    }

    /// As they are now.
    pub fn get(&self) -> Arc<Keyring> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
