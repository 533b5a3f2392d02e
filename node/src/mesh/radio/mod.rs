//! The engine on radio links: few bytes, many listeners.
//!
//! ```text
//! beacon     a digest of what is held; who is in step spends nothing beyond it (trickle)
//! history    whoever announces a state that this node was in needs no further words: what it lacks is known
//! summary    otherwise: what is held, as a difference from a state that both know
//! entries    what somebody lacks, once for all who lack it; the smallest and freshest first
//! want       a payload that did not come with its entry
//! custody    acknowledgements of nodes that are not heard, when somebody asks for them
//! doubt      deletions of which even the tombstones are gone
//! talk       who is a member, for those who lack some of the statements, or the current key
//! ```
//! What a node is told by its radio's station ([`Event::RadioMessage`](super::Event)) was sealed by a member of the space, if with the current
//! key; with an earlier one, by somebody who was a member once, and then only statements of membership count ([`talk`]). Entries and statements are
//! signed by themselves and checked as on every other link; beacons and summaries count for what they are, a neighbour's word on what to send it.
//!
//! **Nothing is sent that the neighbours are known to have.** What a neighbour lacks follows from its latest beacon, less what was sent, by
//! anybody, since: a neighbour in range of two senders will have heard either. Its next beacon shows whether it did. Whoever has written
//! something sends it at once; others wait for a moment, so that the one who speaks first spares the rest.
//!
//! **When may a dot be taken into the clock that was not sent?** When it is superseded. A summary tells which dots of the difference have
//! no live entry any more; a receiver that holds all others of the sender's clock takes these into its own. That is the end of a session
//! on other links ([`super::Changes`]), told in one message. Where tombstones were collected, the live set is compared first.

mod custody;
mod doubt;
mod entries;
mod fuzzing;
mod hear;
mod history;
mod message;
mod neighbours;
mod overheard;
mod policy;
mod price;
mod redact;
mod refused;
mod speak;
mod squeeze;
mod summary;
mod talk;
mod trickle;
mod wire;

pub(super) use neighbours::Radios;
pub(super) use refused::Obstacle;

#[doc(hidden)]
pub use fuzzing::radio_message;
pub use message::{radio_carried_chunk, radio_chunk, radio_message_name};
pub use overheard::Overheard;
pub use policy::PayloadPolicy;
pub(crate) use redact::redact as redact_radio_message;
