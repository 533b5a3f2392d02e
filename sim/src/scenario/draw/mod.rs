//! What is drawn of a scenario once, before a run begins: links, when faults strike and whom, clocks, when sleepers wake.
//!
//! Each is drawn by the names of the nodes that it concerns, so that a further node leaves the others' as they were.

mod clock;
mod fault;
mod link;

pub use clock::NodeClock;
pub use fault::Strike;
pub use link::Link;
