//! LoRa: how frames travel over a modem on a serial port, within the law.
//!
//! ```text
//! region ──► budget       What may be sent where, and what was: charged before each frame, kept over restarts.
//! modulation ► airtime    How long a frame takes.
//! modem                   Bytes of a serial port in, frames out: a state machine for each kind of modem.
//! ```
//! Everything here is a state machine that is given time and bytes and gives back what is to be done; only the port itself does I/O.

mod airtime;
mod budget;
mod dwell;
mod fountain;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod incoming;
mod layout;
#[cfg(feature = "lora")]
mod lines;
pub mod modem;
mod modulation;
mod outgoing;
#[cfg(feature = "lora")]
mod port;
#[cfg(feature = "lora")]
mod ports;
mod queue;
#[cfg(feature = "lora")]
mod radio;
mod region;
mod seal;
mod senders;
mod station;
mod time;

pub use airtime::{AirtimeError, LORA_PAYLOAD_LEN_MAX, airtime_us};
pub use budget::{Budget, BudgetRecord, DamagedRecord, GUARD_US, Turn};
pub use dwell::DwellTiming;
pub use frame::{INTRODUCTION_LEN, MESSAGE_OVERHEAD, ObjectId};
pub use incoming::REASSEMBLY_BYTES_MAX;
pub use layout::OBJECT_LEN_MAX;
#[cfg(feature = "lora")]
pub use lines::{BadModeLines, ModeLines};
pub use modulation::{CodingRate, LowDataRate, Modulation, SpreadingFactor};
#[cfg(feature = "lora")]
pub use ports::{probe_port, serial_ports};
pub use queue::Slot;
#[cfg(feature = "lora")]
pub use radio::{Radio, RadioCommand, RadioConfig, RadioEvent, RecordSink, SendersSink};
pub use region::{AirtimeLimit, Region, RegionError, SubBand};
pub use seal::{KeyName, SpaceKey, TAG_LEN};
pub use senders::{DamagedSenders, SendersRecord};
pub use station::{Broadcast, Ending, Interest, Station, StationConfig, StationCounts, StationOutput};
pub use time::Instant;
