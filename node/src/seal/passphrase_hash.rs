//! A passphrase as it is kept where it only has to be recognised.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::Passphrase;
use super::locked_key::{Cost, LockedKeyError, PassphraseKey, SALT_LEN};

const CONTEXT: &str = "cairn 1 passphrase hash";

/// The hash of a passphrase: Argon2id (RFC 9106), with what has to be known to compute it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassphraseHash {
    cost: Cost,
    salt: ByteArray<SALT_LEN>,
    hash: ByteArray<32>,
}

impl PassphraseHash {
    /// Hashes a passphrase: takes as long as `cost` says. `salt` must be random when the passphrase is set.
    pub fn of(passphrase: &Passphrase, cost: Cost, salt: [u8; SALT_LEN]) -> Result<Self, LockedKeyError> {
        let key = PassphraseKey::derive(passphrase, cost, salt)?;
        let salt = ByteArray::new(salt);
        // Not the key itself: a lock with the same salt would lie open.
        let hash = ByteArray::new(key.hash(CONTEXT));
        Ok(Self { cost, salt, hash })
    }

    /// Says whether this is the passphrase: takes as long as its cost says. Fails if that is more than any hash of ours asks for.
    pub fn check(&self, passphrase: &Passphrase) -> Result<bool, LockedKeyError> {
        let found = Self::of(passphrase, self.cost, self.salt.into_array())?;
        // Hashes of this type compare in constant time.
        Ok(blake3::Hash::from_bytes(*found.hash) == blake3::Hash::from_bytes(*self.hash))
    }

    /// What a guess costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Names this hash: another passphrase has another name, and so has the same one set again.
    pub fn stamp(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("cairn 1 passphrase stamp");
        hasher.update(&*self.salt);
        hasher.update(&*self.hash);
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::from_line(Zeroizing::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_passphrase_is_known_again_and_no_other() {
        let hash = PassphraseHash::of(&passphrase("correct horse"), Cost::LEAST, [1; 16]).unwrap();
        assert!(hash.check(&passphrase("correct horse")).unwrap());
        assert!(!hash.check(&passphrase("correct horse ")).unwrap());
        let other = PassphraseHash::of(&passphrase("correct horse"), Cost::LEAST, [2; 16]).unwrap();
        assert_ne!((hash.stamp(), hash.hash), (other.stamp(), other.hash));
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_an_error_and_no_work() {
        for (memory_kib, passes) in [(u32::MAX, 2), (19_456, u32::MAX), (0, 0)] {
            let hash = PassphraseHash {
                cost: Cost::from((memory_kib, passes, 1)),
                salt: ByteArray::new([0; 16]),
                hash: ByteArray::new([0; 32]),
            };
            assert_eq!(hash.check(&passphrase("x")), Err(LockedKeyError::Cost));
        }
    }
}
