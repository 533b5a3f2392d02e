//! What a person types to unlock keys.

use zeroize::Zeroizing;

/// Longest passphrase, in bytes.
pub const PASSPHRASE_LEN_MAX: usize = 1024;

/// A passphrase. Zeroised when dropped, and never printed.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// Why a text is no passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Nothing, or blanks alone: they protect nothing.
    #[error("the passphrase is empty: choose one of several words")]
    Empty,
    /// Over [`PASSPHRASE_LEN_MAX`].
    #[error("a passphrase has at most {PASSPHRASE_LEN_MAX} bytes: choose a shorter one")]
    TooLong,
}

impl Passphrase {
    /// A passphrase as a line of text: one line end at its end is no part of it, everything else is.
    pub fn from_line(line: Zeroizing<String>) -> Result<Self, PassphraseError> {
        let text = line.strip_suffix('\n').unwrap_or(&line);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(PassphraseError::Empty);
        }
        if text.len() > PASSPHRASE_LEN_MAX {
            return Err(PassphraseError::TooLong);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl PartialEq for Passphrase {
    /// Compares two that a person just typed; not for guarding anything.
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Passphrase {}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Passphrase, PassphraseError> {
        Passphrase::from_line(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn one_line_end_is_no_part_of_it() {
        for text in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(of(text).unwrap().as_bytes(), b"correct horse");
        }
        assert_eq!(of(" a\n\n").unwrap().as_bytes(), b" a\n");
        for empty in ["", "\n", " \t"] {
            assert_eq!(of(empty), Err(PassphraseError::Empty));
        }
        assert_eq!(of(&"x".repeat(1025)), Err(PassphraseError::TooLong));
    }

    #[test]
    fn debug_never_shows_it() {
        assert!(!format!("{:?}", of("correct horse")).contains("horse"));
    }
}
