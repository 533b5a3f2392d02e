//! Bugs that the simulator's own tests switch on; never part of the program.
//!
//! Only with the feature `planted`, which the tests of `cairn-sim` alone ask for. A bug is switched on for the thread that asks, so that
//! worlds on other threads are not touched.

use std::cell::Cell;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A deletion that comes from a neighbour is noted as held, and not carried out.
    LostTombstone,
    /// A merged clock has no exceptions: whoever has a writer's tenth change is taken to have the nine before it.
    ClockMerge,
    /// Entries from neighbours are not checked for their signature.
    UnsignedAccepted,
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// From now on this thread's engines have this bug, or none.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this thread's engines have it.
pub(crate) fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
