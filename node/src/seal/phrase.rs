//! The recovery phrase: the owner's key as 24 words for paper (BIP-39, the English list).
//!
//! The words are the 32 bytes of the key's seed and 8 bits of checksum, nothing else: no passphrase and no further
//! derivation stand between them, so the phrase of a key can be written down at any time, and follows from it.

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize as _, Zeroizing};

use crate::model::KeyPair;

/// Words of a phrase: 256 bits and a checksum.
pub const PHRASE_WORDS: usize = 24;
/// Longest text that is read as a phrase, in bytes: the words have at most eight letters, and may be set in lines.
const TEXT_LEN_MAX: usize = 2048;

/// An owner's key, as words. Zeroised when dropped, and never printed by accident.
#[derive(Clone)]
pub struct RecoveryPhrase(Mnemonic);

/// Why words are no recovery phrase. The words themselves are not in it: errors end in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhraseError {
    /// Far too much text.
    #[error("this is no recovery phrase: it has {PHRASE_WORDS} words, and nothing else stands with them")]
    TooLong,
    /// A word that no phrase has.
    #[error("word {position} of the recovery phrase is not in the list of words: look at its letters again")]
    UnknownWord {
        /// Which word, from 1.
        position: usize,
    },
    /// Too few or too many words.
    #[error("a recovery phrase has {PHRASE_WORDS} words, and these are {words}: one is missing or doubled")]
    WordCount {
        /// How many came.
        words: usize,
    },
    /// The last word holds a checksum over all.
    #[error(
        "words 1 to {PHRASE_WORDS} of the recovery phrase are all in the list of words, but do not belong together: one is \
         another word, or two changed places"
    )]
    Checksum,
}

impl RecoveryPhrase {
    /// The phrase of an owner's key.
    pub fn of(owner: &KeyPair) -> Self {
        match Mnemonic::from_entropy_in(Language::English, &owner.seed()[..]) {
            Ok(words) => Self(words),
            Err(error) => unreachable!("32 bytes always have a phrase: {error}"),
        }
    }

    /// Reads a phrase: words in capital or small letters, with any white space between them.
    pub fn parse(text: &str) -> Result<Self, PhraseError> {
        if text.len() > TEXT_LEN_MAX {
            return Err(PhraseError::TooLong);
        }
        let text = Zeroizing::new(text.to_ascii_lowercase());
        let mut words = 0;
        for word in text.split_whitespace() {
            words += 1;
            if Language::English.find_word(word).is_none() {
                return Err(PhraseError::UnknownWord { position: words });
            }
        }
        if words != PHRASE_WORDS {
            return Err(PhraseError::WordCount { words });
        }
        let parsed = Mnemonic::parse_in_normalized(Language::English, &text);
        parsed.map(Self).map_err(|_| PhraseError::Checksum)
    }

    /// The owner's key.
    pub fn owner_key(&self) -> KeyPair {
        let (mut entropy, _) = self.0.to_entropy_array();
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&entropy[..32]);
        entropy.zeroize();
        KeyPair::from_seed(&seed)
    }

    /// The words, in their order.
    pub fn words(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.words()
    }
}

impl std::fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryPhrase(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(phrase: &RecoveryPhrase) -> String {
        phrase.words().collect::<Vec<_>>().join(" ")
    }

    fn of(seed: u8) -> String {
        text(&RecoveryPhrase::of(&KeyPair::from_seed(&[seed; 32])))
    }

    #[test]
    fn the_words_are_those_of_the_standard() {
        // The standard's own vectors for 256 bits of zeros and of 0x7f.
        assert_eq!(of(0), format!("{} art", ["abandon"; 23].join(" ")));
        let winner = "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
                      legal winner thank year wave sausage worth title";
        assert_eq!(of(0x7f), winner);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_position() {
        let whole = of(7);
        let words: Vec<&str> = whole.split(' ').collect();
        let error = |words: &[&str]| RecoveryPhrase::parse(&words.join(" ")).unwrap_err();
        let mut wrong = words.clone();
        wrong[4] = "xyzzy";
        assert_eq!(error(&wrong), PhraseError::UnknownWord { position: 5 });
        assert!(error(&wrong).to_string().contains("word 5"));
        assert!(!error(&wrong).to_string().contains("xyzzy"));
        assert_eq!(error(&words[..23]), PhraseError::WordCount { words: 23 });
        assert_eq!(error(&[]), PhraseError::WordCount { words: 0 });
        let twelve = [&["abandon"; 11][..], &["about"]].concat();
        assert_eq!(error(&twelve), PhraseError::WordCount { words: 12 });
        assert_eq!(error(&["abandon"; 24]), PhraseError::Checksum);
        assert_eq!(
            RecoveryPhrase::parse(&"a".repeat(3000)).unwrap_err(),
            PhraseError::TooLong
        );
    }

    #[test]
    fn debug_never_shows_it() {
        let phrase = RecoveryPhrase::of(&KeyPair::from_seed(&[0; 32]));
        assert!(!format!("{phrase:?}").contains("abandon"));
    }

    proptest! {
        #[test]
        fn a_key_comes_back_from_its_words(seed: [u8; 32], capitals: bool, between in "[ \t\n]{1,3}") {
            let key = KeyPair::from_seed(&seed);
            let mut written = text(&RecoveryPhrase::of(&key)).replace(' ', &between);
            if capitals {
                written.make_ascii_uppercase();
            }
            let read = RecoveryPhrase::parse(&format!("\n{written}\n")).unwrap();
            prop_assert_eq!(&read.owner_key().seed()[..], &seed[..]);
        }

        #[test]
        fn any_text_is_a_phrase_or_an_error(text: String) {
            if let Ok(phrase) = RecoveryPhrase::parse(&text) {
                prop_assert_eq!(super::tests::text(&phrase).split(' ').count(), PHRASE_WORDS);
            }
        }
    }
}
