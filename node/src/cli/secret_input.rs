//! Secrets that a person types, or a file holds: passphrases and recovery phrases.
//!
//! They are read byte by byte, so that no buffer keeps a copy and whatever follows them on standard input is left there.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::commands::Failure;
use super::terminal::read_hidden;
use crate::daemon::{Home, HomeError};
use crate::seal::{PASSPHRASE_LEN_MAX, PHRASE_WORDS, Passphrase, RecoveryPhrase};

/// The credential that systemd may hand over (`LoadCredential=cairn-passphrase:…`).
const CREDENTIAL: &str = "cairn-passphrase";
/// Most bytes of a typed phrase.
const PHRASE_LEN_MAX: usize = 4096;

/// Where the passphrase comes from that unlocks the keys.
pub(super) struct PassphraseSource(Option<PathBuf>);

impl PassphraseSource {
    /// The file that was named, if any: else a credential of systemd's, else whoever sits at the terminal.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self(file)
    }

    /// The passphrase of a folder's keys; `None` if they are not locked.
    pub(super) fn existing(&self, home: &Path) -> Result<Option<Passphrase>, Failure> {
        if Home::key_states(home)?.iter().all(|(_, locked)| !locked) {
            if self.0.is_some() {
                eprintln!(
                    "cairn: the keys in {} are not locked: no passphrase is needed",
                    home.display()
                );
            }
            return Ok(None);
        }
        if let Some(passphrase) = self.told()? {
            return Ok(Some(passphrase));
        }
        if !io::stdin().is_terminal() {
            let path = home.to_owned();
            return Err(HomeError::Locked { path }.into());
        }
        typed("Passphrase: ").map(Some)
    }

    /// A passphrase that is set now: typed twice.
    pub(super) fn chosen(&self) -> Result<Passphrase, Failure> {
        if let Some(passphrase) = self.told()? {
            return Ok(passphrase);
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "no passphrase: run this at a terminal, or name a file that holds one with --passphrase-file",
            ));
        }
        typed_twice()
    }

    fn told(&self) -> Result<Option<Passphrase>, Failure> {
        let credential = || {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
            let file = PathBuf::from(folder).join(CREDENTIAL);
            file.exists().then_some(file)
        };
        let Some(file) = self.0.clone().or_else(credential) else {
            return Ok(None);
        };
        let line = if file.as_os_str() == "-" {
            line(Stdin, PASSPHRASE_LEN_MAX + 2)?
        } else {
            let opened =
                File::open(&file).map_err(|error| Failure::of(format!("{}: {error}", file.display())))?;
            line(opened, PASSPHRASE_LEN_MAX + 2)?
        };
        Passphrase::from_line(line).map(Some).map_err(Failure::usage)
    }
}

/// A recovery phrase from standard input; from a terminal as soon as all words have come.
pub(super) fn phrase() -> Result<RecoveryPhrase, Failure> {
    let at_terminal = io::stdin().is_terminal();
    if at_terminal {
        eprintln!("Type the {PHRASE_WORDS} words of the recovery phrase, in as many lines as you like:");
    }
    let mut text = Zeroizing::new(String::with_capacity(PHRASE_LEN_MAX));
    while text.len() < PHRASE_LEN_MAX / 2 {
        let line = line(Stdin, PHRASE_LEN_MAX / 2)?;
        let complete =
            at_terminal && text.split_whitespace().count() + line.split_whitespace().count() >= PHRASE_WORDS;
        text.push_str(&line);
        if line.is_empty() || complete {
            break;
        }
    }
    RecoveryPhrase::parse(&text).map_err(Failure::usage)
}

/// A new passphrase for signing in: typed twice, or a line of standard input.
pub(super) fn sign_in_passphrase() -> Result<Passphrase, Failure> {
    if io::stdin().is_terminal() {
        return typed_twice();
    }
    Passphrase::from_line(line(Stdin, PASSPHRASE_LEN_MAX + 2)?).map_err(Failure::usage)
}

fn typed_twice() -> Result<Passphrase, Failure> {
    // One that is none is refused before it has to be typed again.
    let chosen = typed("New passphrase: ")?;
    if typed("The same again: ")? != chosen {
        return Err(Failure::of(
            "these two passphrases differ: nothing was changed, try again",
        ));
    }
    Ok(chosen)
}

/// A line that is typed and not shown.
fn typed(prompt: &str) -> Result<Passphrase, Failure> {
    Passphrase::from_line(read_hidden(io::stdin(), prompt)?).map_err(Failure::usage)
}

/// Standard input without the buffer that the whole process shares.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(io::stdin().as_fd(), bytes)?)
    }
}

/// The next line with its end, or what there is of it before the input ends; of at most `len_max` bytes.
fn line(mut from: impl Read, len_max: usize) -> Result<Zeroizing<String>, Failure> {
    // Never grows: a vector that moves leaves its bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len_max));
    let mut byte = Zeroizing::new([0]);
    while bytes.last() != Some(&b'\n') {
        match from.read(&mut byte[..]) {
            Ok(0) => break,
            Ok(_) if bytes.len() == len_max => return Err(Failure::usage("this line is too long")),
            Ok(_) => bytes.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage("this is no text in UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_one_by_one_and_bounded() {
        let mut input = &b"first\nsecond"[..];
        assert_eq!(line(&mut input, 8).unwrap().as_str(), "first\n");
        assert_eq!(line(&mut input, 8).unwrap().as_str(), "second");
        assert_eq!(line(&mut input, 8).unwrap().as_str(), "");
        assert!(line(&b"123456789"[..], 8).is_err());
        assert!(line(&b"\xff\n"[..], 8).is_err());
    }
}
