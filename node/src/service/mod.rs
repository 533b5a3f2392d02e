//! What users ask for, over store and mesh.
//!
//! [`Upload`] takes a document's bytes to the disk before the engine makes an entry of it; [`Documents`] reads
//! documents and folders from a snapshot, and never waits for the engine; [`tokens`] says which program may do what.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod documents;
mod keys;
pub mod tokens;
mod upload;

pub use documents::{Body, Documents, Found, Lookup, ReadError};
pub use keys::SharedKeys;
pub use upload::{Upload, UploadError, Uploaded};
