//! Many nodes in one process: the very engine that the daemon runs, on a virtual clock, with disks that forget what
//! was not committed and links that lose, double and reorder frames.
//!
//! [`World`] holds the nodes and the queue of events; the same seed gives the same run. [`Node`] is one engine with
//! its disk. [`laws`] says what must hold in the end.
//!
//! [`modem`] is apart from them: virtual modems on ptys, for the real program.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod air;
pub mod laws;
pub mod modem;
mod node;
pub mod recording;
mod world;

pub use air::SimModem;
pub use node::{BodySizes, Node};
pub use world::{Acknowledged, Backup, DISK_FREE, Faults, NodeIndex, World};
