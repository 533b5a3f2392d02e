//! `owner` and `key`: the owner's key and its recovery phrase, and the lock on the key files.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use zeroize::Zeroizing;

use super::arguments::{KeyWords, OwnerWords};
use super::commands::Failure;
use super::output::{self, table};
use super::secret_input::{self, PassphraseSource};
use crate::daemon::{Home, SystemClock};
use crate::seal::RecoveryPhrase;

/// Words in a line, where a person writes them down.
const WORDS_PER_LINE: usize = 6;

/// A phrase on one line.
pub(super) fn line(phrase: &RecoveryPhrase) -> Zeroizing<String> {
    Zeroizing::new(phrase.words().collect::<Vec<_>>().join(" "))
}

/// A phrase in lines for paper.
fn lines(phrase: &RecoveryPhrase) -> Zeroizing<String> {
    let words: Vec<&str> = phrase.words().collect();
    let lines: Vec<String> = words
        .chunks(WORDS_PER_LINE)
        .map(|line| format!("  {}\n", line.join(" ")))
        .collect();
    Zeroizing::new(lines.concat())
}

/// Shows the phrase of a new owner, on standard error.
pub(super) fn show_new(home: &Path, phrase: &RecoveryPhrase) {
    eprint!(
        "The recovery phrase:\n\n{}\n\
         Write these words down, on paper, and keep them apart from your devices. When devices are lost, they make a new \
         one yours, and any node that is left brings the documents back to it; whoever has them is you. They are not \
         shown again by themselves: while the owner's key is on this device, cairn --home {} owner phrase prints them.\n",
        lines(phrase).as_str(),
        home.display()
    );
}

/// The owner's key.
pub(super) fn owner(home: &Path, words: OwnerWords, passphrase: &PassphraseSource) -> Result<(), Failure> {
    match words {
        OwnerWords::Phrase { json } => {
            let phrase = Home::recovery_phrase(home, passphrase.existing(home)?)?;
            if json {
                output::json(&json!({ "phrase": line(&phrase).as_str() }))?;
            } else {
                io::stdout().write_all(lines(&phrase).as_bytes())?;
            }
        }
        OwnerWords::Forget => {
            let folder = open(home, passphrase)?;
            // Before a person types 24 words in vain.
            if folder.owner_key()?.is_none() {
                Home::recovery_phrase(home, None)?;
            }
            folder.forget_owner_key(&secret_input::phrase()?, SystemClock::start().now().wall)?;
            eprintln!(
                "The owner's key is not on this device any more: the recovery phrase is all that is left of it. The device \
                 goes on by its own key."
            );
        }
        OwnerWords::Restore => {
            let folder = open(home, passphrase)?;
            folder.restore_owner_key(&secret_input::phrase()?)?;
            eprintln!("The owner's key is on this device again.");
        }
    }
    Ok(())
}

/// The lock on the key files.
pub(super) fn key(home: &Path, words: KeyWords, passphrase: &PassphraseSource) -> Result<(), Failure> {
    let states = Home::key_states(home)?;
    if states.is_empty() {
        return Err(Failure::no_node(home));
    }
    let all_locked = states.iter().all(|(_, locked)| *locked);
    let some_locked = states.iter().any(|(_, locked)| *locked);
    match words {
        KeyWords::Status { json } => {
            if json {
                let keys: Vec<_> = states
                    .iter()
                    .map(|(file, locked)| json!({ "file": file, "locked": locked }))
                    .collect();
                output::json(&json!({ "locked": all_locked, "keys": keys }))?;
            } else {
                let state = |locked| if locked { "locked" } else { "in the clear" };
                let rows: Vec<Vec<String>> = states
                    .iter()
                    .map(|(file, locked)| vec![(*file).to_owned(), state(*locked).to_owned()])
                    .collect();
                table(&rows)?;
            }
        }
        KeyWords::Lock if all_locked => {
            return Err(Failure::of(
                "the keys are locked already: for another passphrase, unlock them first with cairn key unlock",
            ));
        }
        KeyWords::Lock => {
            // The lock on the folder first: a person may take long to choose.
            let running = Home::open(home)?;
            let passphrase = if some_locked {
                passphrase.existing(home)?
            } else {
                Some(passphrase.chosen()?)
            };
            drop(running);
            Home::open_with(home, passphrase)?.lock_keys()?;
            eprintln!(
                "The keys are locked: every start needs the passphrase now. Nobody can replace it if it is lost."
            );
        }
        KeyWords::Unlock => {
            Home::open_with(home, passphrase.existing(home)?)?.unlock_keys()?;
            eprintln!("The keys are in the clear.");
        }
    }
    Ok(())
}

fn open(home: &Path, passphrase: &PassphraseSource) -> Result<Home, Failure> {
    if Home::key_states(home)?.is_empty() {
        return Err(Failure::no_node(home));
    }
    Ok(Home::open_with(home, passphrase.existing(home)?)?)
}
