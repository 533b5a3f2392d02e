//! States that this node was in: whoever announces one of them needs no further words to say what it lacks.

use std::collections::VecDeque;

use super::summary::Digest;
use crate::model::Clock;

/// Most states that are kept.
const STATES_MAX: usize = 64;

/// A state of a space on this node's disk.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) digest: Digest,
    pub(super) clock: Clock,
    /// Some neighbour was in this state, too: differences can be told from it.
    pub(super) shared: bool,
}

/// The last states, the latest at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct History(VecDeque<State>);

impl History {
    /// Notes the state that was just made durable. Says whether it is another than before.
    pub(super) fn note(&mut self, clock: &Clock) -> bool {
        if self.0.back().is_some_and(|last| last.clock == *clock) {
            return false;
        }
        if self.0.len() >= STATES_MAX {
            // What a neighbour knows is worth more than what none ever saw.
            let at = self.0.iter().position(|state| !state.shared).unwrap_or(0);
            self.0.remove(at);
        }
        self.0.push_back(State {
            digest: Digest::of(clock),
            clock: clock.clone(),
            shared: false,
        });
        true
    }

    /// The state on the disk.
    pub(super) fn current(&self) -> Option<&State> {
        self.0.back()
    }

    /// The state of this digest; it is shared from now on.
    pub(super) fn shared(&mut self, digest: Digest) -> Option<&State> {
        let state = self.0.iter_mut().rev().find(|state| state.digest == digest)?;
        state.shared = true;
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dot, Incarnation, NodeId, Sequence, Writer};

    fn clock(last: u64) -> Clock {
        let mut clock = Clock::new();
        clock.insert(Dot {
            writer: Writer {
                node: NodeId([1; 32]),
                incarnation: Incarnation(1),
            },
            sequence: Sequence(last),
        });
        clock
    }

    #[test]
    fn shared_states_outlive_others() {
        let mut history = History::default();
        for last in 1..=1000 {
            assert!(history.note(&clock(last)));
            assert!(!history.note(&clock(last)));
            if last == 7 {
                assert!(history.shared(Digest::of(&clock(7))).is_some());
            }
        }
        assert_eq!(history.0.len(), STATES_MAX);
        assert!(history.shared(Digest::of(&clock(7))).is_some());
        assert_eq!(history.current().map(|state| &state.clock), Some(&clock(1000)));
        assert!(history.shared(Digest::of(&clock(8))).is_none());
    }
}
