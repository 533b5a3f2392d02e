//! A storage node for people who cannot count on a server, or on a network.
//!
//! ```text
//! api, cli ──► service ──► mesh ──► space ──► store      A request becomes an entry through [`service`]; [`mesh`]
//!                 ▲          ▲                           signs it, and decides what each neighbour lacks; [`space`]
//!                 └─ daemon ─┘                           knows documents and folders; [`store`] puts it on disk.
//! ```
//!
//! [`model`] is what all stand on: identities, paths, entries, dots and vector clocks, as plain data, and [`model::access`],
//! which decides who may do what. [`record`] notes
//! what the engine is given, so that it can be done again. [`seal`] knows what is encrypted and under which key. The rooms from `model` to `service` touch no socket, clock or
//! random device: `daemon` lends them these, and the simulator (the crate `cairn-sim`) runs the very same code on a
//! virtual clock. Start with [`mesh::Engine`] for the protocol, [`store::Store`] for durability, [`space::apply`] for
//! how changes merge.
//!
//! Without the feature `daemon` (on by default) the crate builds without tokio: the rooms named above alone.

#[cfg(feature = "daemon")]
pub mod api;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod control;
#[cfg(feature = "daemon")]
pub mod daemon;
pub mod mesh;
pub mod model;
#[cfg(feature = "planted")]
pub mod planted;
pub mod record;
pub mod seal;
pub mod service;
pub mod space;
pub mod store;
