//! Frames are encrypted and authenticated under keys that the members of a space share.
//!
//! A [`SpaceKey`] is what members know and nobody else; when one of them is shut out, the others get another. Of it every sender has a
//! frame key of its own for each *generation*, which it draws anew whenever its radio starts: so a counter that begins at 0 never meets the
//! same key twice, whatever a restored disk remembers.
//! Frames are sealed by AES-256 in CCM with a tag of 8 bytes (RFC 3610; the length of RFC 6655's `CCM_8`): a radio that hears ten frames
//! a second would have to be lied to for 10^10 years until one forgery is to be expected. Who sent a frame is known as far as members do
//! not pose as one another; what changes a space is signed as well.

use std::fmt;

use aes::Aes256;
use ccm::Ccm;
use ccm::aead::{Aead, KeyInit, Payload};
use ccm::consts::{U8, U13};
use zeroize::Zeroizing;

use crate::PeerKey;

/// Bytes that a frame grows by when it is sealed.
pub const TAG_LEN: usize = 8;
/// Length of a nonce, in bytes.
pub(super) const NONCE_LEN: usize = 13;

const INTRODUCTION: &str = "cairn 1 radio introduction";
const HINT: &str = "cairn 1 radio hint";
const SENDER: &str = "cairn 1 radio sender";
const TAG: &str = "cairn 1 radio key tag";

/// What its members call a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(pub [u8; 8]);

/// The secret of a space, as far as radio frames go.
#[derive(Clone)]
pub struct SpaceKey {
    name: KeyName,
    secret: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for SpaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpaceKey({:?})", self.name)
    }
}

impl SpaceKey {
    /// The key of this name.
    pub fn new(name: KeyName, secret: &[u8; 32]) -> Self {
        Self {
            name,
            secret: Zeroizing::new(*secret),
        }
    }

    pub(super) const fn name(&self) -> KeyName {
        self.name
    }

    /// Two bits that frames carry in the clear: most of those that are sealed with another key of the space are told apart by them.
    pub(super) const fn epoch(&self) -> u8 {
        self.name.0[0] & 3
    }

    fn derive(&self, context: &str, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&*self.secret);
        for part in parts {
            hasher.update(part);
        }
        Zeroizing::new(*hasher.finalize().as_bytes())
    }

    /// A byte that stands for `peer` in the clear, and tells nothing to those who do not know the key.
    pub(super) fn hint(&self, peer: PeerKey) -> u8 {
        self.derive(HINT, &[&peer.0])[0]
    }

    /// Stands for the key in records on the disk.
    pub(super) fn tag(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = *self.derive(TAG, &[]);
        [a, b, c, d]
    }

    /// For introductions: all members use it, each with a random nonce.
    pub(super) fn introduction_key(&self) -> FrameKey {
        FrameKey::new(&self.derive(INTRODUCTION, &[]))
    }

    /// What `peer` seals its frames with in a generation.
    pub(super) fn sender_key(&self, peer: PeerKey, generation: u64) -> FrameKey {
        FrameKey::new(&self.derive(SENDER, &[&peer.0, &generation.to_be_bytes()]))
    }
}

/// A key of one sender, ready for use.
#[derive(Clone)]
pub(super) struct FrameKey(Box<Ccm<Aes256, U8, U13>>);

impl fmt::Debug for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameKey")
    }
}

impl FrameKey {
    fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(Ccm::new(key.into())))
    }

    /// Appends `body` sealed to `header`, which is authenticated with it. A nonce is used for one header and body only.
    pub(super) fn seal(&self, nonce: &[u8; NONCE_LEN], header: Vec<u8>, body: &[u8]) -> Vec<u8> {
        let payload = Payload {
            msg: body,
            aad: &header,
        };
        let mut frame = header.clone();
        // Fails only beyond the 64 KiB that the nonce's length allows; frames have 255 bytes.
        let sealed = self.0.encrypt(nonce.into(), payload).unwrap_or_default();
        frame.extend(sealed);
        frame
    }

    /// The body, if `sealed` was sealed with this key, nonce and header.
    pub(super) fn open(&self, nonce: &[u8; NONCE_LEN], header: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload {
            msg: sealed,
            aad: header,
        };
        self.0.decrypt(nonce.into(), payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: PeerKey = PeerKey([1; 32]);

    fn space(secret: u8) -> SpaceKey {
        SpaceKey::new(KeyName([0; 8]), &[secret; 32])
    }

    #[test]
    fn only_the_same_key_nonce_and_header_open() {
        let own = space(9);
        let key = own.sender_key(ADA, 5);
        let sealed = key.seal(&[3; 13], vec![1, 2], b"body");
        assert_eq!(sealed.len(), 2 + 4 + TAG_LEN);
        assert_eq!(
            key.open(&[3; 13], &sealed[..2], &sealed[2..]).as_deref(),
            Some(&b"body"[..])
        );
        assert_eq!(key.open(&[4; 13], &sealed[..2], &sealed[2..]), None);
        assert_eq!(key.open(&[3; 13], &[1, 3], &sealed[2..]), None);
        for other in [
            own.sender_key(ADA, 6),
            own.sender_key(PeerKey([2; 32]), 5),
            space(8).sender_key(ADA, 5),
            own.introduction_key(),
        ] {
            assert_eq!(other.open(&[3; 13], &sealed[..2], &sealed[2..]), None);
        }
        let mut damaged = sealed.clone();
        for at in 2..damaged.len() {
            damaged[at] ^= 1;
            assert_eq!(key.open(&[3; 13], &damaged[..2], &damaged[2..]), None);
            damaged[at] ^= 1;
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let name = KeyName([6; 8]);
        assert_eq!(
            format!("{:?}", SpaceKey::new(name, &[9; 32])),
            format!("SpaceKey({name:?})")
        );
    }
}
