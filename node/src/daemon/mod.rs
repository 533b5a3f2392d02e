//! The node as a process: lends the engine a thread, sockets, a clock and randomness.
//!
//! [`Node`] is what doors and the control socket hold: commands go to the engine thread, reads go straight to a
//! snapshot of the store. Large payloads never pass the engine: workers stream them between links, uploads and chunk
//! files.

mod addresses;
mod card;
mod channels;
mod chunk_worker;
mod clock;
mod code_text;
mod config;
mod custody;
mod custody_code;
mod doors;
mod engine_thread;
mod hands;
mod home;
mod hosted;
mod invite;
mod key_files;
mod links;
mod modem_call;
mod modem_test;
mod node;
mod radio;
mod radio_table;
mod reader;
mod recorder;
mod register;
mod repair;
mod run;
mod share_custody;
mod share_invitation;
mod share_keys;
mod share_records;
mod shares;
mod sign_in;
mod space_engine;
mod stray;
#[cfg(test)]
mod test_node;
#[cfg(test)]
mod tests;
mod transports;
mod whole_file;

pub use card::{Card, CardError};
pub use clock::SystemClock;
pub use config::{ConfigError, ConfigFile, LoraFile, parse_size};
pub use custody::{Custody, CustodyError, KeptSpace};
pub use custody_code::{CustodyCode, CustodyCodeError};
pub use doors::run_until_stopped;
use home::random_bytes;
pub use home::{Home, HomeError, SpaceFile, random_seed};
pub use hosted::HostError;
pub use invite::{Invite, InviteError};
pub use links::{LinkInfo, LinkTable, TooManySpaces};
pub use modem_test::{ModemTestEvent, test_modem};
pub use node::{IssueError, Mount, Node, NodeError};
pub use radio::{LoraError, LoraSettings};
pub use radio_table::{RadioInfo, RadioTable, Signal};
pub use recorder::{RecordError, RecordSettings};
pub use register::Register;
pub use run::{RunError, Running, Settings, start};
pub use share_invitation::{Admission, InvitationError};
pub use share_records::ShareRecordError;
pub use shares::{GuestInfo, ShareError, ShareInfo, Shares};
pub use sign_in::{SignInError, SignInFile};
pub use stray::StrayError;
#[cfg(test)]
pub(crate) use test_node::TestNode;
pub use transports::TransportsError;
