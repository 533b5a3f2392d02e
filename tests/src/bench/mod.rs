//! What the benchmarks share: a load generator, peers to compare with, and tables.
//!
//! A benchmark is a program of its own in `tests/benches`. It measures cairn beside a peer or a bound in the same run on
//! the same disk, and prints both with their ratio, so that a figure means something on any machine. [`Arguments`]
//! decides what runs; [`Storage`] is anything that speaks remoteStorage; [`load`] drives it; [`Samples`] says how it
//! went; [`Table`] prints it.

mod arguments;
mod armadietto;
mod connection;
mod copies;
mod load;
mod machine;
mod nginx;
mod samples;
mod storage;
mod table;
mod usage;

pub use arguments::Arguments;
pub use armadietto::Armadietto;
pub use connection::{Answer, Connection};
pub use copies::{copy_and_sync, folder_over_tcp, random_file, same_content};
pub use load::{Load, load};
pub use machine::{describe_machine, synced_writes};
pub use nginx::Nginx;
pub use samples::Samples;
pub use storage::Storage;
pub use table::{Table, milliseconds, number, ratio};
pub use usage::Usage;

/// Says that something that a comparison needs is missing, so that nobody overlooks it.
pub fn missing(what: &str, why: &str) {
    println!("\n!!! {what} IS MISSING: {why}\n!!! The comparison with it is left out.\n");
}
