//! The node as a process: lends the engine a thread, sockets, a clock and randomness.
//!
//! [`Node`] is what doors and the control socket hold: commands go to the engine thread, reads go straight to a
//! snapshot of the store. Large payloads never pass the engine: workers stream them between links, uploads and chunk
//! files.

mod clock;
mod engine_thread;
mod node;

pub use clock::SystemClock;
pub use node::{Node, NodeError};
