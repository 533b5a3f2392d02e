//! Plain data: who, where, when, and what was seen. No I/O, no clock, no randomness of its own.
//!
//! Foreign bytes and texts are parsed into these types, which cannot be wrong; every length has a bound. Whatever is
//! signed has exactly one encoding ([`codec`]).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod access;
mod attachment;
mod bytes32;
mod clock;
pub mod codec;
mod context;
mod dot;
mod entry;
mod etag;
mod grant;
mod hash;
mod identity;
mod key_box;
mod key_epoch;
mod key_epochs;
mod manifest;
mod membership;
mod path;
mod ranges;
mod revocation;
mod scope;
mod sealed;
mod standing;
mod time;
mod verified;

pub use attachment::Attachment;
pub use bytes32::ParseIdError;
pub use clock::{CLOCK_LEN_MAX, Causality, Clock, RANGES_MAX, WRITERS_MAX};
pub use context::{CONTEXT_WRITERS_MAX, Context};
pub use dot::{Dot, Incarnation, Sequence, Writer};
pub use entry::{
    CONTENT_TYPE_LEN_MAX, Change, Content, DOCUMENT_LEN_MAX, ENTRY_LEN_MAX, Entry, EntryError, Operation,
    Payload,
};
pub use etag::ETag;
pub use grant::{Capabilities, GRANT_LEN_MAX, GRANT_NAME_LEN_MAX, Grant, GrantError};
pub use hash::Hash;
pub use identity::{BadSignature, KeyPair, NodeId, OwnerId, Sign, Signature, verify};
pub use key_box::KeyBox;
pub use key_epoch::{EARLIER_MAX, EpochKeys, KEY_EPOCH_LEN_MAX, KeyEpoch, KeyEpochError};
pub use key_epochs::KEY_EPOCHS_MAX;
pub use manifest::{
    CHUNK_LEN_MAX, ChunkRef, MANIFEST_CHUNKS_MAX, MANIFEST_LEN_MAX, Manifest, ManifestError,
    SEALED_CHUNKS_MAX,
};
pub use membership::{CHAIN_LEN_MAX, MEMBERS_MAX, Membership};
pub use path::{
    Category, DocumentPath, FolderPath, NAME_LEN_MAX, PATH_DEPTH_MAX, PATH_LEN_MAX, PathError, check_name,
};
pub use revocation::{KEPT_MAX, REVOCATION_LEN_MAX, Revocation, StatementId};
pub use scope::{BadScope, Scope};
pub use sealed::{BlindName, BodyTag, DocumentName, EpochId, Seal};
pub use time::{HybridClock, HybridTime, Instant, Now, WallTime};
pub use verified::remember_verified;
