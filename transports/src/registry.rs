//! The links of one transport that are up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::link::PeerKey;
use crate::stream::LinkCore;

/// Which links are up. Clones share one register.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    links: Mutex<Links>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Links {
    next: u64,
    up: BTreeMap<u64, LinkCore>,
}

/// Keeps a link in the register until dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Registry,
    number: u64,
}

impl Registry {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.inner.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, core: LinkCore) -> Registered {
        let mut links = self.links();
        let number = links.next;
        links.next += 1;
        links.up.insert(number, core);
        Registered {
            registry: self.clone(),
            number,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.links().up.len()
    }

    /// Closes every link, or every link to one peer, and tells the peers why.
    pub(crate) fn close(&self, peer: Option<PeerKey>, reason: &str) {
        let links = self.links();
        for core in links
            .up
            .values()
            .filter(|core| peer.is_none_or(|peer| core.peer == peer))
        {
            core.sender().close(reason);
        }
    }

    /// Whether a link to `peer` is up.
    pub(crate) fn has(&self, peer: PeerKey) -> bool {
        self.links().up.values().any(|core| core.peer == peer)
    }

    /// Waits until no link to `peer` is up.
    pub(crate) async fn gone(&self, peer: PeerKey) {
        self.until(|registry| !registry.has(peer)).await;
    }

    /// Waits until no link is up.
    pub(crate) async fn empty(&self) {
        self.until(|registry| registry.len() == 0).await;
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changed = self.inner.changed.subscribe();
        while !condition(self) {
            // Fails only without a sender, and `self` holds it.
            let _ = changed.changed().await;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.links().up.remove(&self.number);
        self.registry.inner.changed.send_replace(());
    }
}
