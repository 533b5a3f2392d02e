//! Places, in metres east and north of the scenario's origin.

use std::sync::Arc;

/// A place.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// East, in metres.
    pub x_m: f64,
    /// North, in metres.
    pub y_m: f64,
}

/// A part of the plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Area {
    /// Sides run north and east.
    Rectangle {
        /// Its south-western corner.
        corner: Point,
        /// West to east, in metres.
        width_m: f64,
        /// South to north, in metres.
        height_m: f64,
    },
    /// A disc.
    Circle {
        /// Its middle.
        centre: Point,
        /// In metres.
        radius_m: f64,
    },
}

/// Where the nodes of a group are in the beginning.
#[derive(Debug, Clone, PartialEq)]
pub enum Placement {
    /// One place for each.
    At(Vec<Point>),
    /// Scattered evenly by chance.
    Scattered {
        /// Where.
        area: Area,
        /// If given, only the middle of each space is scattered so, and the nodes of the space lie within so many metres of it.
        cluster_radius_m: Option<f64>,
    },
    /// In rows from west to east, the first row in the south.
    Grid {
        /// The first node.
        corner: Point,
        /// Nodes in a row.
        columns: usize,
        /// Between neighbours, in metres.
        spacing_m: f64,
    },
    /// Evenly from one place to another.
    Line {
        /// The first node.
        from: Point,
        /// The last.
        to: Point,
    },
    /// Evenly on a circle, the first in the east, then counter-clockwise.
    Ring {
        /// Its middle.
        centre: Point,
        /// In metres.
        radius_m: f64,
    },
}

/// A recorded way: places at times, ascending. Between two of them one goes straight at a constant speed.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Times in microseconds since the run's beginning; never empty.
    pub points: Arc<[(u64, Point)]>,
}
