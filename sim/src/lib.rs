//! Many nodes in one process: the very engine that the daemon runs, on a virtual clock, with disks that forget what
//! was not committed and links that lose, double and reorder frames.
//!
//! [`World`] holds the nodes and the queue of events; the same seed gives the same run. [`Node`] is one engine with
//! its disk. [`laws`] says what must hold in the end.
//!
//! Apart from them are [`replay`], which runs a node from the field again, and [`modem`]: virtual modems on ptys, for the
//! real program.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod check;
pub mod explain;
pub mod laws;
pub mod medium;
pub mod mobility;
pub mod modem;
mod node;
pub mod random;
pub mod recording;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod workload;
mod world;

pub use node::{BodySizes, Node, Role, owner_key};
pub use world::{
    Acknowledged, Backup, Chronicle, DISK_FREE, Described, Faults, Impairment, Misdeed, Newcomer, NodeIndex,
    Planted, Ppm, SimModem, WireQuality, World,
};
