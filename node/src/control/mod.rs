//! The control socket: how the command line talks to the running node.
//!
//! One Unix connection carries one [`Request`] and its [`Answer`], as JSON in frames of a bounded length; the bodies
//! of documents and archives follow as frames of bytes, ended by an empty one, so that nothing large stands in
//! memory on either side. Whoever may open the socket (its owner, by file mode) may do everything.
//!
//! [`Desk`] answers; the node's web page asks it as well.

mod archive;
mod client;
mod frame;
mod others;
mod request;
mod server;

use std::path::{Path, PathBuf};

pub use client::{Client, ClientError};
pub use frame::{BODY_FRAME_MAX, FRAME_MAX, FrameError};
pub use request::{Answer, ErrorKind, Failure, Request};
pub use server::{Desk, Extras, serve};

/// Longest path of a Unix socket, in bytes, with room for the closing NUL.
const SOCKET_PATH_MAX: usize = 100;

/// The control socket of the node in `home`: there, or in the temporary folder when that path is too long.
pub fn socket_path(home: &Path) -> PathBuf {
    let home = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let socket = home.join("control.sock");
    if socket.as_os_str().len() <= SOCKET_PATH_MAX {
        return socket;
    }
    let name = blake3::hash(home.as_os_str().as_encoded_bytes()).to_hex();
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    folder.join(format!("cairn-{}.sock", &name[..32]))
}
