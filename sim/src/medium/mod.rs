//! The radio medium: who hears a frame, how strong, and what becomes of it. One for the virtual modems and for the simulated world.
//!
//! ```text
//! Medium ──┬─► reach       Who is near enough to matter: places, a grid, budgets that were measured, cached lists.
//!          │     └─► path_loss, shadowing       How much weaker a frame arrives.
//!          ├─► receiver    What one station has in the air around it, and what becomes of each frame there.
//!          │     └─► sensitivity, inter_sf      What can be understood, alone and beside others.
//!          ├─► loss        What gets lost for no reason that is modelled.
//!          └─► statistics  What each station did, and why it did not hear what it did not hear.
//! ```
//! A [`Medium`] is a state machine without I/O: time is an argument, the seed decides all that is random, and every figure comes from
//! `libm`, so that all machines agree on each bit. What is drawn is drawn by who is concerned and not by who comes first: another station
//! changes nothing between those that were there.
//!
//! A frame is judged at each receiver, when it ends: was the receiver on, tuned to it and silent, was the frame strong enough, did a
//! stronger one or one of equal strength overlap with it. How strong it is was fixed when it began. [`MediumConfig`] holds the rules, with
//! the sources of their figures; `docs/simulator-physics.md` compares them with theory and with other simulators.
//!
//! What it leaves out: a collision is judged by whole frames and not by the symbols that were hit; interferers count one by one and do not
//! add up; a receiver is not held by a weak frame when a strong one comes; no terrain, no multipath, no Doppler, no clock drift.

mod air;
mod config;
mod draw;
mod grid;
mod inter_sf;
mod loss;
mod path_loss;
mod reach;
mod receiver;
mod sensitivity;
mod shadowing;
mod statistics;
#[cfg(test)]
mod tests;
mod tuning;

pub use air::{Carrier, Delivery, Medium, Miss, MissCause, Station};
pub use config::{CarrierSense, Collisions, External, MediumConfig, PATH_LOSS_DB_DEFAULT};
pub use inter_sf::InterSf;
pub use loss::{Bursts, Loss, Weather};
pub use path_loss::PathLoss;
pub use sensitivity::{Sensitivity, noise_floor_dbm, snr_db};
pub use shadowing::Shadowing;
pub use statistics::{Airing, Statistics};
pub use tuning::Tuning;
