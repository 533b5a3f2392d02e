//! A storage node for people who cannot count on a server, or on a network.
//!
//! [`model`] is what everything stands on: identities, paths, entries, dots and vector clocks, as plain data.
//! [`store`] keeps it: ordered tables, changed in transactions that are on disk when they say so.

pub mod mesh;
pub mod model;
pub mod space;
pub mod store;
