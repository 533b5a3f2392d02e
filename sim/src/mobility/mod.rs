//! Where nodes are: in the beginning, and at every time after that.
//!
//! All of it is made of the scenario and the run's [`Seeds`](crate::random::Seeds), each node's with generators of its own name.
//! So a further node changes nobody else's way, and the same seed gives the same ways on every machine: what is not exact in
//! floating point comes from `libm`.

mod csv;
mod gpx;
mod placement;
mod walker;

pub use csv::read_csv;
pub use gpx::{GpxTrack, read_gpx};
pub use placement::places;
pub use walker::{Leg, Walker};

/// Why a track cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrackError {
    /// Something on a line is wrong.
    #[error("line {line}: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// In words.
        what: String,
    },
    /// Not a GPX file.
    #[error("it is no XML: {0}")]
    Xml(String),
    /// Nothing to follow.
    #[error("it has no points")]
    Empty,
}

/// The distance between two places, in metres.
pub fn distance_m(a: crate::scenario::Point, b: crate::scenario::Point) -> f64 {
    libm::hypot(b.x_m - a.x_m, b.y_m - a.y_m)
}
