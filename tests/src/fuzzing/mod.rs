//! What a fuzzer feeds with foreign bytes: one function for each kind of parser, to hold against its laws.
//!
//! A function panics when a law is broken, and otherwise says whether something valid came out of the bytes. Random
//! bytes are hardly ever a signed entry or a sealed stream, so the first byte of an input chooses a mode: the rest is
//! either taken as it is, or is a list of choices (`choices`) from which a valid structure is built, perhaps
//! damaged, and read again.
//!
//! `tests/fuzz` has a target of the same name for each, and its corpus is replayed by `tests/tests/corpora.rs`. How
//! to run them: `docs/fuzzing.md`.

mod app_request;
mod build;
mod choices;
mod clock;
mod entry;
mod frame;
mod handshake;
mod invite;
mod keys;
mod membership;
mod message;
mod path;
mod radio;
mod recording;
mod seeds;

pub use app_request::app_request;
pub use clock::clock;
pub use entry::entry;
pub use frame::frame;
pub use handshake::handshake;
pub use invite::invite;
pub use keys::keys;
pub use message::message;
pub use path::path;
pub use radio::{e22, fragments, kiss, radio_frame, radio_message, rylr};
pub use recording::recording;
pub use seeds::seeds;

/// The body of a fuzz target: takes any bytes, and says whether something valid came out of them.
pub type Body = fn(&[u8]) -> bool;

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Body); 16] = [
    ("app_request", app_request),
    ("clock", clock),
    ("e22", e22),
    ("entry", entry),
    ("fragments", fragments),
    ("frame", frame),
    ("handshake", handshake),
    ("invite", invite),
    ("keys", keys),
    ("kiss", kiss),
    ("message", message),
    ("path", path),
    ("radio_frame", radio_frame),
    ("radio_message", radio_message),
    ("recording", recording),
    ("rylr", rylr),
];
