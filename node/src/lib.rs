//! A storage node for people who cannot count on a server, or on a network.
//!
//! [`model`] is where everything stands on: identities, paths, dots and vector clocks, as plain data.

pub mod model;
