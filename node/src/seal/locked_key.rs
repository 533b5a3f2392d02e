//! A key file locked by a passphrase: Argon2id (RFC 9106) makes a key of the passphrase, XChaCha20-Poly1305 seals the
//! 32 secret bytes under it.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use super::Passphrase;
use crate::model::codec::{self, CodecError};

/// Bytes of a salt: fresh for every passphrase that is set.
pub const SALT_LEN: usize = 16;
/// Bytes of a nonce: fresh for every file that is written.
pub const NONCE_LEN: usize = 24;
/// Most bytes of an encoded locked key.
pub const LOCKED_KEY_LEN_MAX: usize = 256;

const VERSION: u8 = 1;
const CONTEXT: &str = "cairn 1 locked key";
/// The 32 secret bytes and the tag.
const SEALED_LEN: usize = 48;

/// What one guess of a passphrase costs (Argon2id's parameters). Stored beside the salt, so that a later version may ask
/// for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32)", into = "(u32, u32, u32)")]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes, which could be filled side by side.
    pub lanes: u32,
}

impl Cost {
    /// For new locks: the memory and passes that RFC 9106 recommends where memory is scarce. A Raspberry Pi with 512 MiB has
    /// them to spare once at its start, before anything else runs. One lane, because there is one thread.
    pub const DEFAULT: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };
    /// For signing in, beside all that a node does: what OWASP's password storage cheat sheet recommends at least.
    pub const SIGN_IN: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// The least that Argon2 knows: for tests of the form, where nothing is protected.
    pub const LEAST: Self = Self {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    /// The most that a file may ask for.
    const MOST: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 64,
        lanes: 16,
    };

    fn is_sensible(self) -> bool {
        let least = Self::LEAST.memory_kib.saturating_mul(self.lanes);
        (1..=Self::MOST.lanes).contains(&self.lanes)
            && (1..=Self::MOST.passes).contains(&self.passes)
            && (least..=Self::MOST.memory_kib).contains(&self.memory_kib)
    }
}

impl From<(u32, u32, u32)> for Cost {
    fn from((memory_kib, passes, lanes): (u32, u32, u32)) -> Self {
        Self {
            memory_kib,
            passes,
            lanes,
        }
    }
}

impl From<Cost> for (u32, u32, u32) {
    fn from(cost: Cost) -> Self {
        (cost.memory_kib, cost.passes, cost.lanes)
    }
}

/// Why a locked key does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockedKeyError {
    /// Not a locked key at all.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A version that this program does not know.
    #[error("a locked key of version {0}: update this program")]
    UnknownVersion(u8),
    /// More memory or time than any lock of ours takes.
    #[error("a locked key that asks for too much memory or time")]
    Cost,
    /// This machine has not the memory.
    #[error("there is not enough memory to unlock the keys")]
    NoMemory,
    /// Another passphrase, or a file that was changed or belongs elsewhere: these cannot be told apart.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
}

/// A secret key of 32 bytes, sealed under a passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedKey {
    cost: Cost,
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
    sealed: [u8; SEALED_LEN],
}

/// `[version, [memory in KiB, passes, lanes], salt, nonce, sealed]`
type Wire = (
    u8,
    Cost,
    ByteArray<SALT_LEN>,
    ByteArray<NONCE_LEN>,
    ByteArray<SEALED_LEN>,
);

impl LockedKey {
    /// The file's bytes. They never begin as a file with hexadecimal digits does.
    pub fn encode(&self) -> Vec<u8> {
        let wire: Wire = (
            VERSION,
            self.cost,
            ByteArray::new(self.salt),
            ByteArray::new(self.nonce),
            ByteArray::new(self.sealed),
        );
        codec::encode(&wire)
    }

    /// Reads a file's bytes; nothing is opened by that.
    pub fn decode(bytes: &[u8]) -> Result<Self, LockedKeyError> {
        // `[version, …]`: an array's head, then the version.
        if let [0x80..=0x97, version @ 0..=0x17, ..] = bytes
            && *version != VERSION
        {
            return Err(LockedKeyError::UnknownVersion(*version));
        }
        let (_, cost, salt, nonce, sealed): Wire = codec::decode(bytes, LOCKED_KEY_LEN_MAX)?;
        if !cost.is_sensible() {
            return Err(LockedKeyError::Cost);
        }
        Ok(Self {
            cost,
            salt: salt.into_array(),
            nonce: nonce.into_array(),
            sealed: sealed.into_array(),
        })
    }

    /// What opening it costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Says whether these bytes are meant as a locked key, whether or not they are whole.
    pub fn is_meant(bytes: &[u8]) -> bool {
        matches!(bytes, [0x80..=0x9f, ..])
    }

    /// Makes the key that opens this of a passphrase: takes as long as its cost says.
    pub fn derive(&self, passphrase: &Passphrase) -> Result<PassphraseKey, LockedKeyError> {
        PassphraseKey::derive(passphrase, self.cost, self.salt)
    }
}

/// What a passphrase became: opens and makes locked keys of one salt, without taking its time again.
#[derive(Clone)]
pub struct PassphraseKey {
    cost: Cost,
    salt: [u8; SALT_LEN],
    key: Zeroizing<[u8; 32]>,
}

impl PassphraseKey {
    /// Makes a key of a passphrase. `salt` must be random when the passphrase is set.
    pub fn derive(passphrase: &Passphrase, cost: Cost, salt: [u8; SALT_LEN]) -> Result<Self, LockedKeyError> {
        if !cost.is_sensible() {
            return Err(LockedKeyError::Cost);
        }
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32));
        let params = params.map_err(|_| LockedKeyError::Cost)?;
        let mut memory = Zeroizing::new(Vec::new());
        let blocks = params.block_count();
        let reserved = memory.try_reserve_exact(blocks);
        reserved.map_err(|_| LockedKeyError::NoMemory)?;
        memory.resize(blocks, Block::new());
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(passphrase.as_bytes(), &salt, &mut key[..], &mut memory[..])
            .map_err(|_| LockedKeyError::Cost)?;
        Ok(Self { cost, salt, key })
    }

    /// Stands for the key where it only has to be recognised.
    pub(super) fn hash(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, &self.key[..])
    }

    /// Says whether `locked` was made with the same cost and salt, so that this key is the one to try.
    pub fn fits(&self, locked: &LockedKey) -> bool {
        self.cost == locked.cost && self.salt == locked.salt
    }

    /// Seals the secret of the file `name`. `nonce` must be random, and used once.
    pub fn lock(&self, name: &str, secret: &[u8; 32], nonce: [u8; NONCE_LEN]) -> LockedKey {
        let payload = Payload {
            msg: secret,
            aad: &self.associated(name),
        };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).ok();
        let Some(sealed) = sealed.and_then(|sealed| sealed.try_into().ok()) else {
            unreachable!("32 bytes are never too long to seal");
        };
        LockedKey {
            cost: self.cost,
            salt: self.salt,
            nonce,
            sealed,
        }
    }

    /// Opens the locked key of the file `name`. A key that does not [fit](Self::fits) opens nothing.
    pub fn open(&self, name: &str, locked: &LockedKey) -> Result<Zeroizing<[u8; 32]>, LockedKeyError> {
        if !self.fits(locked) {
            return Err(LockedKeyError::WrongPassphrase);
        }
        let payload = Payload {
            msg: &locked.sealed,
            aad: &self.associated(name),
        };
        let opened = self.cipher().decrypt(&XNonce::from(locked.nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| LockedKeyError::WrongPassphrase)?);
        let secret = <[u8; 32]>::try_from(&opened[..]).map_err(|_| LockedKeyError::WrongPassphrase)?;
        Ok(Zeroizing::new(secret))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }

    fn associated(&self, name: &str) -> Vec<u8> {
        codec::encode(&(CONTEXT, VERSION, name, self.cost, ByteArray::new(self.salt)))
    }
}

impl std::fmt::Debug for PassphraseKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassphraseKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::from_line(Zeroizing::new(text.to_owned())).unwrap()
    }

    fn key(text: &str) -> PassphraseKey {
        PassphraseKey::derive(&passphrase(text), Cost::LEAST, [3; SALT_LEN]).unwrap()
    }

    #[test]
    fn a_locked_key_opens_with_its_passphrase_for_its_file_alone() {
        let locked = key("horse").lock("device.key", &[7; 32], [9; NONCE_LEN]);
        let read = LockedKey::decode(&locked.encode()).unwrap();
        assert_eq!(read, locked);
        assert!(LockedKey::is_meant(&locked.encode()));
        let again = read.derive(&passphrase("horse")).unwrap();
        assert!(again.fits(&read));
        assert_eq!(*again.open("device.key", &read).unwrap(), [7; 32]);
        let wrong = Err(LockedKeyError::WrongPassphrase);
        assert_eq!(key("house").open("device.key", &read), wrong);
        assert_eq!(again.open("owner.key", &read), wrong);
    }

    #[test]
    fn the_default_cost_opens_what_it_locked() {
        let key = PassphraseKey::derive(&passphrase("horse"), Cost::DEFAULT, [1; SALT_LEN]).unwrap();
        let locked = key.lock("device.key", &[7; 32], [2; NONCE_LEN]);
        assert!(!key.fits(&LockedKey {
            salt: [2; SALT_LEN],
            ..locked.clone()
        }));
        assert_eq!(*key.open("device.key", &locked).unwrap(), [7; 32]);
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory_or_time() {
        let locked = key("horse").lock("device.key", &[7; 32], [9; NONCE_LEN]);
        for cost in [
            (u32::MAX, 1, 1),
            (8, u32::MAX, 1),
            (1024, 1, 17),
            (8, 1, 2),
            (8, 0, 1),
            (8, 1, 0),
        ] {
            let cost = Cost::from(cost);
            let greedy = LockedKey {
                cost,
                ..locked.clone()
            };
            assert_eq!(LockedKey::decode(&greedy.encode()), Err(LockedKeyError::Cost));
            let derived = PassphraseKey::derive(&passphrase("horse"), cost, [3; SALT_LEN]);
            assert_eq!(derived.map(|_| ()), Err(LockedKeyError::Cost));
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut bytes = key("horse").lock("device.key", &[7; 32], [9; NONCE_LEN]).encode();
        bytes[1] = 2;
        assert_eq!(LockedKey::decode(&bytes), Err(LockedKeyError::UnknownVersion(2)));
    }

    #[test]
    fn debug_never_shows_secrets() {
        let key = key("horse");
        let shown = format!("{key:?} {:?}", key.lock("device.key", &[7; 32], [9; NONCE_LEN]));
        assert!(!shown.contains("horse") && !shown.contains("7, 7, 7"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", &key.key[..4])), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_locked_key_in_its_one_form_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(locked) = LockedKey::decode(&bytes) {
                prop_assert_eq!(locked.encode(), bytes);
            }
        }

        #[test]
        fn a_file_that_was_changed_does_not_open(at: prop::sample::Index, bit in 0u8..8, secret: [u8; 32], nonce: [u8; 24]) {
            let key = key("horse");
            let locked = key.lock("device.key", &secret, nonce);
            let mut bytes = locked.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(changed) = LockedKey::decode(&bytes) {
                // The right passphrase with what the file says now, as far as a test can pay for it.
                if changed.cost.memory_kib <= 64 && changed.cost.passes <= 4 {
                    let opened = changed.derive(&passphrase("horse")).and_then(|key| key.open("device.key", &changed));
                    prop_assert!(opened.is_err());
                }
                prop_assert!(key.open("device.key", &changed).is_err());
            }
        }
    }
}
