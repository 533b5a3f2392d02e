//! `passwd`: the passphrase for signing in at the HTTP door.

use std::io::{self, IsTerminal};
use std::path::Path;

use zeroize::Zeroizing;

use super::commands::Failure;
use super::terminal;
use crate::daemon::{Passphrase, PassphraseError, PassphraseFile};

/// A longer line is no passphrase. Two more than allowed, for the end of the line.
const LINE_LEN_MAX: usize = 1026;

/// Sets or removes the passphrase of the node in `home`, running or not.
pub(super) fn passwd(home: &Path, remove: bool) -> Result<(), Failure> {
    if !home.join("space.cbor").exists() {
        return Err(Failure::of(format!(
            "there is no node in {0}: make one with cairn --home {0} init --user NAME",
            home.display()
        )));
    }
    let file = PassphraseFile::of(home);
    if remove {
        let message = match file.remove().map_err(Failure::of)? {
            true => {
                "The passphrase is forgotten: no app can connect any more. Those that are stay: cairn token ls."
            }
            false => "There was no passphrase.",
        };
        eprintln!("{message}");
        return Ok(());
    }
    let stdin = io::stdin();
    let typed = match stdin.is_terminal() {
        true => {
            let first = terminal::read_hidden(&stdin, "Passphrase: ")?;
            // Said before it has to be typed again.
            Passphrase::new(first.clone()).map_err(refused)?;
            let second = terminal::read_hidden(&stdin, "Once more: ")?;
            if *first != *second {
                return Err(Failure::of(
                    "the two are not the same: nothing was changed, try again",
                ));
            }
            first
        }
        false => read_line(|| terminal::next_byte(&stdin))?,
    };
    file.set(&Passphrase::new(typed).map_err(refused)?)
        .map_err(Failure::of)?;
    eprintln!("The passphrase is set: the node asks for it when an app wants to connect.");
    Ok(())
}

fn refused(error: PassphraseError) -> Failure {
    Failure::usage(error)
}

/// The first line, without its end.
fn read_line(mut next: impl FnMut() -> Result<Option<u8>, Failure>) -> Result<Zeroizing<String>, Failure> {
    // As long as it can become: a buffer that grew would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_LEN_MAX));
    while let Some(byte) = next()? {
        match byte {
            b'\n' => break,
            _ if line.len() == LINE_LEN_MAX => return Err(refused(PassphraseError::TooLong)),
            byte => line.push(byte),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let text = std::str::from_utf8(&line).map_err(|_| Failure::usage("a passphrase is UTF-8 text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_read() {
        let read = |bytes: &[u8]| {
            let mut bytes = bytes.iter().copied();
            read_line(|| Ok(bytes.next())).map(|line| line.to_string())
        };
        assert_eq!(read(b"two words\r\nmore\n").unwrap(), "two words");
        assert_eq!(read(b" kept ").unwrap(), " kept ");
        assert_eq!(read(b"").unwrap(), "");
        assert!(read(&[0xff, b'\n']).is_err());
        assert!(read(&[b'x'; 2000]).is_err());
    }
}
