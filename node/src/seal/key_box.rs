//! A secret for one device or owner: whoever holds the Ed25519 key that names them opens it, and nobody else.
//!
//! ```text
//! shared    = X25519(ephemeral secret, the recipient's key in its Montgomery form)
//! key       = BLAKE3, in a context of its own, over shared, ephemeral public key and recipient
//! sealed    = ChaCha20-Poly1305(key, nonce 0, associated data, secret)
//! ```
//! The ephemeral key is made for one box alone, so its key seals once.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use zeroize::Zeroizing;

use super::NotSealed;
use crate::model::{KeyBox, KeyPair};

const CONTEXT: &str = "cairn 1 key box";

impl KeyBox {
    /// Seals `secret` for `recipient`, an Ed25519 public key. `ephemeral` must be random, and used once. `associated` says what the secret
    /// is for. Fails if the recipient's is no key.
    pub fn seal(
        recipient: &[u8; 32],
        associated: &[u8],
        secret: &[u8; 32],
        ephemeral: &Zeroizing<[u8; 32]>,
    ) -> Result<Self, NotSealed> {
        let key = KeyPair::agreement_key(recipient).ok_or(NotSealed)?;
        let ephemeral = x25519_dalek::StaticSecret::from(**ephemeral);
        let public = x25519_dalek::PublicKey::from(&ephemeral).to_bytes();
        let shared = ephemeral.diffie_hellman(&key.into());
        let payload = Payload {
            msg: secret,
            aad: associated,
        };
        let cipher = cipher(&shared, &public, recipient)?;
        let sealed = cipher
            .encrypt(&Nonce::default(), payload)
            .map_err(|_| NotSealed)?;
        Ok(Self {
            ephemeral: public,
            sealed: sealed.try_into().map_err(|_| NotSealed)?,
        })
    }

    /// Opens a box that was made for this key and use.
    pub fn open(&self, recipient: &KeyPair, associated: &[u8]) -> Result<Zeroizing<[u8; 32]>, NotSealed> {
        let own = x25519_dalek::StaticSecret::from(*recipient.agreement_secret());
        let shared = own.diffie_hellman(&self.ephemeral.into());
        let payload = Payload {
            msg: &self.sealed,
            aad: associated,
        };
        let cipher = cipher(&shared, &self.ephemeral, &recipient.public())?;
        let opened = cipher
            .decrypt(&Nonce::default(), payload)
            .map_err(|_| NotSealed)?;
        let opened = Zeroizing::new(opened);
        let secret = <[u8; 32]>::try_from(&opened[..]).map_err(|_| NotSealed)?;
        Ok(Zeroizing::new(secret))
    }
}

/// Fails where the other side chose a key with which the secret would be known to all.
fn cipher(
    shared: &x25519_dalek::SharedSecret,
    ephemeral: &[u8; 32],
    recipient: &[u8; 32],
) -> Result<ChaCha20Poly1305, NotSealed> {
    if !shared.was_contributory() {
        return Err(NotSealed);
    }
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(shared.as_bytes());
    hasher.update(ephemeral);
    hasher.update(recipient);
    let key = Zeroizing::new(*hasher.finalize().as_bytes());
    Ok(ChaCha20Poly1305::new(&Key::from(*key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(recipient: &KeyPair) -> KeyBox {
        let ephemeral = Zeroizing::new([5; 32]);
        KeyBox::seal(&recipient.public(), b"use", &[9; 32], &ephemeral).unwrap()
    }

    #[test]
    fn its_recipient_opens_it_and_nobody_else() {
        let (ada, ben) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let own = sealed(&ada);
        assert_eq!(*own.open(&ada, b"use").unwrap(), [9; 32]);
        assert_eq!(own.open(&ben, b"use"), Err(NotSealed));
        assert_eq!(own.open(&ada, b"another use"), Err(NotSealed));
        for at in 0..32 + KeyBox::SEALED_LEN {
            let mut changed = own.clone();
            match at {
                0..32 => changed.ephemeral[at] ^= 1,
                at => changed.sealed[at - 32] ^= 1,
            }
            assert_eq!(changed.open(&ada, b"use"), Err(NotSealed), "byte {at}");
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let ephemeral = Zeroizing::new([5; 32]);
        // The neutral element, of small order; and no point at all.
        for bad in [
            {
                let mut one = [0; 32];
                one[0] = 1;
                one
            },
            [2; 32],
        ] {
            assert_eq!(KeyBox::seal(&bad, b"", &[9; 32], &ephemeral), Err(NotSealed));
        }
        let ada = KeyPair::from_seed(&[1; 32]);
        let zeros = KeyBox {
            ephemeral: [0; 32],
            ..sealed(&ada)
        };
        assert_eq!(zeros.open(&ada, b"use"), Err(NotSealed));
    }

    #[test]
    fn a_box_travels() {
        use crate::model::codec;
        let own = sealed(&KeyPair::from_seed(&[1; 32]));
        assert_eq!(codec::decode::<KeyBox>(&codec::encode(&own), 128).unwrap(), own);
    }
}
