//! `passwd`: the passphrase for signing in at the HTTP door.

use std::path::Path;

use super::commands::Failure;
use super::secret_input::sign_in_passphrase;
use crate::daemon::SignInFile;

/// Sets or removes the passphrase of the node in `home`, running or not.
pub(super) fn passwd(home: &Path, remove: bool) -> Result<(), Failure> {
    if !home.join("space.cbor").exists() {
        return Err(Failure::no_node(home));
    }
    let file = SignInFile::of(home);
    if remove {
        let message = match file.remove().map_err(Failure::of)? {
            true => {
                "The passphrase is forgotten: nobody can sign in any more, and no app connect. Apps that are in stay: cairn token ls."
            }
            false => "There was no passphrase.",
        };
        eprintln!("{message}");
        return Ok(());
    }
    file.set(&sign_in_passphrase()?).map_err(Failure::of)?;
    eprintln!("The passphrase is set: the node asks for it at its page, and when an app wants to connect.");
    Ok(())
}
