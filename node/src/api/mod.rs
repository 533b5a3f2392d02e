//! The HTTP door: remoteStorage (draft-dejong-remotestorage-26) over HTTP/1.1.
//!
//! [`serve`] takes connections; each request goes through `door`, which finds what its address means (`url`), whether
//! its token allows that (`access`), and who answers: `document` and `folder` read, `put` and `delete` change; apps get
//! tokens by the pages of `oauth`, and the owner has a `page` of their own, both for the passphrase that `sign_in` checks. What
//! is refused is refused in one sentence that says what to do next (`refusal`). Connections are plain or under TLS (`tls`). Every answer comes from this node and
//! never waits for a peer: programs give up after 30 seconds.
//!
//! | address below `/storage/<user>` | path |
//! | --- | --- |
//! | `/m/…` | `/private/m/…` |
//! | `/public/m/…` | `/public/m/…` |
//! | `/shared/m/…` | `/shared/m/…` |
//!
//! So private modules named `public` or `shared` cannot be reached from here, nor can a document that lies in no
//! module. The root folder lists the private modules, and `public/` and `shared/` when something is in them.
//!
//! Nothing here holds a whole large document: bodies pass piece by piece, and the number of connections, large uploads
//! and large listings at one time is bounded. Who sends nothing or takes nothing for long is given up (`patience`).

mod access;
mod body;
mod conditions;
mod cors;
mod delete;
mod document;
mod door;
mod folder;
#[doc(hidden)]
pub mod fuzzing;
mod oauth;
mod page;
mod patience;
mod put;
mod range;
mod refusal;
mod serve;
mod sign_in;
#[cfg(test)]
mod tests;
mod tls;
mod upload;
mod url;
mod usage;
mod webfinger;

pub use serve::{HttpConfig, serve};
pub use tls::{Tls, TlsError, TlsFiles};
