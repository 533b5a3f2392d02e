//! Encryption: which bytes are sealed, under which key, and how a person holds the keys.
//!
//! It decides the form of a locked key file ([`LockedKey`]), how a passphrase becomes a key ([`PassphraseKey`]) or is
//! recognised ([`PassphraseHash`]), how the owner's key is written as words ([`RecoveryPhrase`]), with which keys documents are sealed and how
//! those who may read come by them ([`Keyring`]). It leaves to others where files lie and when a person
//! is asked (`daemon`, `cli`), and what keys may do ([`model`](crate::model)).
//!
//! What holds here:
//! - No I/O: salts and nonces are arguments, so the caller answers for their being fresh.
//! - Every secret is zeroised when dropped, and `Debug` shows none of it.
//! - What was sealed for one purpose opens for no other: context and name of the file are authenticated.
//! - Whatever a file demands is bounded before memory or time is spent on it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod begin_epoch;
mod body;
mod chunk;
mod epoch;
mod key_box;
mod keyring;
mod locked_key;
mod padding;
mod passphrase;
mod passphrase_hash;
mod phrase;

pub use begin_epoch::Handing;
pub use body::{Body, Contents, NotSealed, Place, SealedBody};
pub use chunk::ChunkKey;
pub use epoch::{EpochKey, NameKey};
pub use keyring::Keyring;
pub use locked_key::{
    Cost, LOCKED_KEY_LEN_MAX, LockedKey, LockedKeyError, NONCE_LEN, PassphraseKey, SALT_LEN,
};
pub use passphrase::{PASSPHRASE_LEN_MAX, Passphrase, PassphraseError};
pub use passphrase_hash::PassphraseHash;
pub use phrase::{PHRASE_WORDS, PhraseError, RecoveryPhrase};
