//! The protocol: one node of the mesh as a state machine that touches nothing outside of itself and its store.
//!
//! What happens on a link, in order: both sides say [`Hello`]; who shows the space's tag gets grants and revocations;
//! granted nodes exchange announcements and acknowledgements; whoever sees that the other holds more **pulls**: it
//! sends its clock, and gets batches of entries until nothing is left. The answering side keeps no state for it.
//! Entries that a node makes itself are also pushed at once. Chunks of large documents are asked for by hash, several
//! in flight, when their entry is there.
//!
//! Why a lost, doubled or reordered frame does no harm: entries are idempotent ([`space::apply`](crate::space::apply));
//! an asker takes the dots that were *not* sent because they are superseded into its clock only at the end of a
//! session in which it accepted everything; until then it would only ask again. Timers ask again when answers stay
//! away.
//!
//! The order of work in a node: `handle` changes the open transaction, `commit` makes it durable, and whatever
//! promises durability (a reply to the user, a push, an acknowledgement to a peer) leaves only after it. Many events
//! share one commit.
//!
//! Time comes in with every event. Which wall clock counts when a computer's own was never set is decided in `wall`; what was
//! written while it was ahead is dated anew in `redate`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod acknowledgement;
mod announcement;
mod answer;
mod command;
mod custody;
mod engine;
mod epochs;
mod fetch;
mod io;
mod json;
mod link;
mod local;
mod message;
mod oracle;
mod pull;
mod radio;
mod redate;
mod request;
mod status;
mod tombstones;
mod wall;

pub use acknowledgement::Acknowledgement;
pub use announcement::{ANNOUNCED_SPACES_MAX, Announced, Announcement, clock_digest, space_tag};
pub use command::{
    Command, CommandError, CommandResult, Condition, Delete, Precondition, Price, Put, RadioPrice, Reply,
    Resolve, TagSet,
};
pub use engine::{Config, Engine, EngineError};
pub use io::{Action, Broadcast, Event, Lane, LinkId, LinkProfile, RadioProfile, Report, RequestId};
pub use json::{entry_json, grant_json};
pub use message::{
    BATCH_ENTRIES_MAX, CarriedEntry, Changes, ErrorCode, FRAME_LEN_MAX, FollowChunk, Hello, LiveSet, Message,
    MessageError, REASON_LEN_MAX, StorageError, StorageRequest, StorageResponse, SyncRequest, carried_chunk,
    chunk_frame,
};
pub use oracle::{Answer, Keys, ReplayedKeys};
#[doc(hidden)]
pub use radio::radio_message;
pub(crate) use radio::redact_radio_message;
pub use radio::{Overheard, PayloadPolicy, radio_carried_chunk, radio_chunk, radio_message_name};
pub use status::{HeardStatus, LinkStatus, PeerStatus, Status, TimeSource};
