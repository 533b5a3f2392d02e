//! What waits to be sent: the most urgent lane first, and within a lane in the order in which it came.

use super::outgoing::Outgoing;
use super::seal::KeyName;
use crate::Lane;

/// Most jobs that wait.
pub(super) const QUEUE_LEN_MAX: usize = 64;

/// Names a message among its owner's: a new one of the same slot takes the place of one that waits.
pub type Slot = u64;

/// How a job travels.
pub(super) enum Load {
    /// In one frame.
    Single(Vec<u8>),
    /// In fragments.
    Object(Box<Outgoing>),
}

/// A message that waits or is on its way.
pub(super) struct Job {
    pub(super) slot: Slot,
    pub(super) lane: Lane,
    /// The key that it is sealed with; `None`: the current one.
    pub(super) under: Option<KeyName>,
    /// So many frames of it may still go.
    pub(super) frames_left: u32,
    pub(super) load: Load,
}

/// All jobs.
#[derive(Default)]
pub(super) struct Queue {
    jobs: Vec<Job>,
}

impl Queue {
    /// Takes a job in. One of the same slot that waits and was not begun is replaced, in its place.
    pub(super) fn put(&mut self, job: Job) -> bool {
        if let Some(old) = self.jobs.iter_mut().find(|old| old.slot == job.slot) {
            *old = job;
            return true;
        }
        if self.jobs.len() >= QUEUE_LEN_MAX {
            return false;
        }
        let at = self.jobs.partition_point(|other| other.lane <= job.lane);
        self.jobs.insert(at, job);
        true
    }

    /// Takes it in before all others of its lane.
    pub(super) fn put_first(&mut self, job: Job) {
        // A newer one of the same slot came meanwhile.
        if self.jobs.iter().any(|other| other.slot == job.slot) {
            return;
        }
        let at = self.jobs.partition_point(|other| other.lane < job.lane);
        self.jobs.insert(at, job);
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.slot == slot)?;
        Some(self.jobs.remove(at))
    }

    /// Drops those that were to be sealed with the current key.
    pub(super) fn drop_current(&mut self) {
        self.jobs.retain(|job| job.under.is_some());
    }

    pub(super) fn first(&self) -> Option<&Job> {
        self.jobs.first()
    }

    pub(super) fn take_first(&mut self) -> Option<Job> {
        (!self.jobs.is_empty()).then(|| self.jobs.remove(0))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.jobs.iter_mut()
    }

    /// Whether anything of a lane other than control waits, for those who have the current key.
    pub(super) fn has_data(&self) -> bool {
        let is_data = |job: &Job| job.lane > Lane::Control && job.under.is_none();
        self.jobs.iter().any(is_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(slot: Slot, lane: Lane) -> Job {
        Job {
            slot,
            lane,
            under: None,
            frames_left: u32::MAX,
            load: Load::Single(vec![slot as u8]),
        }
    }

    fn slots(queue: &mut Queue) -> Vec<Slot> {
        std::iter::from_fn(|| queue.take_first())
            .map(|job| job.slot)
            .collect()
    }

    #[test]
    fn urgent_ones_go_first_and_later_ones_wait() {
        let mut queue = Queue::default();
        for (slot, lane) in [
            (1, Lane::Bulk),
            (2, Lane::Entries),
            (3, Lane::Control),
            (4, Lane::Entries),
        ] {
            assert!(queue.put(job(slot, lane)));
        }
        queue.put_first(job(5, Lane::Entries));
        assert!(queue.has_data());
        assert_eq!(slots(&mut queue), [3, 5, 2, 4, 1]);
        assert!(!queue.has_data());
    }

    #[test]
    fn a_slot_holds_one_message() {
        let mut queue = Queue::default();
        queue.put(job(1, Lane::Control));
        queue.put(job(2, Lane::Control));
        queue.put(job(1, Lane::Control));
        queue.put_first(job(2, Lane::Control));
        assert_eq!(slots(&mut queue), [1, 2]);
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut queue = Queue::default();
        let taken = (0..1000).filter(|slot| queue.put(job(*slot, Lane::Bulk))).count();
        assert_eq!(taken, QUEUE_LEN_MAX);
    }
}
