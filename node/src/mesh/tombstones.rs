//! When a tombstone may go.

use std::time::Duration;

use super::engine::{Engine, Result};
use crate::model::{Clock, Dot, Instant, Now, Sequence};
use crate::space::collect_tombstone;
use crate::store::Store;

/// How often tombstones are looked through.
const INTERVAL: Duration = Duration::from_secs(60);
/// A tombstone goes after this time even if some holder never came back; if it does, it is told the live set.
const AGE_MAX: Duration = Duration::from_secs(180 * 24 * 3600);
/// Tombstones looked at in one go.
const BATCH: usize = 10_000;

impl<S: Store> Engine<S> {
    pub(super) fn tombstones_timeout(&self) -> Option<Instant> {
        // Nothing is ever due in a node that is alone and quiet.
        (self.next_tombstones > Instant(0)).then_some(self.next_tombstones)
    }

    /// Forgets the tombstones that every holder has on its disk: nobody is left who could bring back what they
    /// deleted, but for a disk that is restored from an old copy, and that is told the live set.
    pub(super) fn collect_when_due(&mut self, now: Now) -> Result<()> {
        if self.next_tombstones == Instant(0) {
            self.next_tombstones = now.instant.after(INTERVAL);
        }
        if now.instant < self.next_tombstones {
            return Ok(());
        }
        self.next_tombstones = now.instant.after(INTERVAL);
        let tombstones = self.view(|view| view.tombstones(None, BATCH))?;
        if tombstones.is_empty() {
            return Ok(());
        }
        let holders: Vec<_> = self
            .membership
            .holders(now.wall)
            .into_iter()
            .filter(|node| *node != self.node)
            .collect();
        let none = Clock::new();
        let clocks: Vec<&Clock> = holders
            .iter()
            .map(|node| self.peers.get(node).map_or(&none, |record| &record.acknowledged))
            .collect();
        let mut due: Vec<Dot> = Vec::new();
        for dot in tombstones {
            let age_ms = self
                .view(|view| view.entry(dot))?
                .map_or(0, |entry| now.wall.0.saturating_sub(entry.change().time.wall().0));
            let age = Duration::from_millis(age_ms);
            let everywhere = clocks.iter().all(|clock| clock.contains(dot));
            if everywhere && age >= self.config.tombstone_age_min || age >= AGE_MAX {
                due.push(dot);
            }
        }
        for dot in due {
            if collect_tombstone(self.tx()?, dot)? {
                self.collected.insert_range(dot.writer, Sequence(1), dot.sequence);
                self.changed.collected = true;
            }
        }
        Ok(())
    }
}
