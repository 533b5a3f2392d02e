//! Many seeds, each with a mix of faults of its own: what must hold, holds, or the shortest scenario that breaks it is printed.
//!
//! ```text
//! draw       what a seed draws
//! mix        that as parts, and as a scenario's text
//! examine    one run of it, and which law was broken
//! shrink     fewer parts, as long as the same law is broken
//! ```

mod draw;
mod examine;
mod mix;
mod shrink;

pub use examine::{Examined, Figures, examine};
pub use mix::Mix;
pub use shrink::{Shrunk, shrink};
