//! Recordings: what an engine was given, and the marks of what it did, so that it can be run again elsewhere.
//!
//! ```text
//! head       who: ids, membership, settings, the seed of what is random
//! rows       the store's tables as they were at the start
//! given      a time, and an event or a commit          ┐ for each step; a step that was begun
//! done       the marks of the actions that came out    ┘ and not done is where the node died
//! end        why it ends, if the recorder had the time to say so
//! ```
//! The engine has no other inputs, so a recording is all that it takes to repeat what a node in the field did: the
//! crate `cairn-sim` replays it. [`Tape`] makes records, [`Writer`] and [`Reader`] put them into a file and get them
//! out of it.
//!
//! **What is not in it.** The device's key and the space's other keys never come near it, nor do access tokens. Contents
//! of documents are replaced: of a small document, which travels and is stored with its entry, as many zeros stay; large
//! ones never pass the engine. What a peer sent that cannot be read is left out, for it may hold parts of contents.
//! **What is**: everything that entries say, in the clear: paths, content types, lengths, times, hashes of contents (who
//! guesses a content can see that the guess is right); names, ids and grants of devices.
//!
//! Without contents and keys some things cannot be computed again. The engine has noted them as [`Answer`]s, which
//! stand in the records and are given back to it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod file;
mod input;
mod mark;
mod records;
mod redact;
mod tape;

pub use crate::mesh::Answer;
pub use file::{RECORD_LEN_MAX, ReadError, Reader, Writer};
pub use input::{Given, GivenCommand};
pub use mark::{ActionKind, Mark};
pub use records::{Done, Head, Record, Row};
pub use tape::{Tape, dump, state};
