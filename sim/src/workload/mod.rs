//! What users do, in order of time: an iterator of [`Operation`]s, made of a scenario and the run's
//! [`Seeds`](crate::random::Seeds).
//!
//! Operations are drawn when they are asked for. Each workload, and each writer of it, has a generator of its own name: a further
//! writer changes nothing of what the others do, unless all writers share one rate.

mod content;
mod documents;
mod operation;
mod readings;
mod sizes;
mod trace;

pub use content::{Content, Piece};
pub use operation::{Operation, OperationKind, Operations};
pub use trace::{TraceError, read_trace};
