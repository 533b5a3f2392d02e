//! The queue of events: the only source of order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events by time; those of one time in the order in which they were planned.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Reverse<Planned<T>>>,
    planned: u64,
}

#[derive(Debug)]
struct Planned<T> {
    at_us: u64,
    number: u64,
    event: T,
}

impl<T> Planned<T> {
    const fn key(&self) -> (u64, u64) {
        (self.at_us, self.number)
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Planned<T> {}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Plans an event.
    pub(crate) fn plan(&mut self, at_us: u64, event: T) {
        self.planned += 1;
        let number = self.planned;
        self.heap.push(Reverse(Planned { at_us, number, event }));
    }

    /// The next event, if it comes by then, and its time.
    pub(crate) fn pop_until(&mut self, until_us: u64) -> Option<(u64, T)> {
        if self.heap.peek()?.0.at_us > until_us {
            return None;
        }
        let Reverse(planned) = self.heap.pop()?;
        Some((planned.at_us, planned.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_as_planned() {
        let mut queue = Queue::default();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b')] {
            queue.plan(at, event);
        }
        let order: Vec<(u64, char)> = std::iter::from_fn(|| queue.pop_until(4)).collect();
        assert_eq!(order, [(1, 'a'), (3, 'b')]);
        let rest: String = std::iter::from_fn(|| queue.pop_until(9).map(|(_, event)| event)).collect();
        assert_eq!(rest, "cd");
    }
}
