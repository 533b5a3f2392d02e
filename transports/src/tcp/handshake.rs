//! Who is there: the Noise handshake that begins every TCP link. No I/O.
//!
//! `Noise_XX_25519_ChaChaPoly_BLAKE2s`, three messages, each behind its length (u16, big-endian):
//!
//! ```text
//! dialler  → e                          32 bytes
//! listener → e, ee, s, es, [its key]   128 bytes
//! dialler  → s, se, [its key]           96 bytes
//! ```
//! A device has one key pair, Ed25519, and people know it by the public half. Noise wants X25519 keys; the two curves are the same one in
//! other coordinates, so a device's X25519 key is the Montgomery form of its Ed25519 key, and the secret half is the same number.
//! Each side sends its Ed25519 key in its handshake payload, and the other side checks that its Montgomery form *is* the static key
//! that Noise has just proven the possession of. A signature would prove the same thing again: whoever holds the X25519 secret holds the
//! scalar of the Ed25519 key. (The form forgets a sign, so that the holder of a key could also introduce itself by that key's negative: a
//! second name for itself, never the name of somebody else.) Keys of small or mixed order and other spellings of a key are refused, so
//! that they are no further names. That Ed25519 and X25519 may share a key is shown by Thormarker, "On using the same key pair for Ed25519
//! and an X25519 based KEM", 2021.
//!
//! Every message has one length, so garbage is told by its first two bytes and nothing is allocated for it.

use ed25519_dalek::VerifyingKey;
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::noise::{self, NoiseOpener, NoiseSealer};
use crate::identity::Identity;
use crate::link::PeerKey;

const PATTERN: &str = "Noise_XX_25519_ChaChaPoly_BLAKE2s";
/// Both sides mix this into their transcript: another version, or another protocol with the same pattern, fails at the second message.
const PROLOGUE: &[u8] = b"cairn tcp 1";
const MESSAGE_LENS: [usize; 3] = [32, 128, 96];
const LENGTH_LEN: usize = 2;
const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer does not speak this protocol at all.
    #[error("not a Cairn node: its handshake begins with something else")]
    NotCairn,
    /// The peer's message does not prove what it must: another version, or an attack.
    #[error("the peer could not prove its key; does it run another version?")]
    Unproven,
    /// The peer introduced itself by a key that is not the one it proved, or by one that is no proper key.
    #[error("the peer introduced itself by a key that is not its own")]
    WrongKey,
    /// The cipher library refused to work.
    #[error("the cipher refuses to work: {0}")]
    Cipher(String),
}

/// What a device brings to its handshakes.
#[derive(Clone, Debug)]
pub struct HandshakeKeys {
    own: PeerKey,
    secret: Zeroizing<[u8; 32]>,
}

impl HandshakeKeys {
    /// Derives the X25519 secret from the device's identity.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        Self {
            own: identity.peer_key(),
            secret: identity.x25519_secret(),
        }
    }

    /// Returns the device's own public key.
    #[must_use]
    pub fn own(&self) -> PeerKey {
        self.own
    }
}

/// One side of a handshake.
///
/// Send what [`Handshake::output`] returns, feed what comes to [`Handshake::input`], until [`Handshake::is_finished`]; then
/// `finish`, which only this crate can call. After an error it must be dropped, and the connection with it.
pub struct Handshake {
    noise: HandshakeState,
    own: PeerKey,
    outbound: bool,
    /// How many of the three messages were written or read.
    step: usize,
    peer: Option<PeerKey>,
}

impl Handshake {
    /// Begins a handshake; `outbound` on the side that dialled.
    pub fn new(keys: &HandshakeKeys, outbound: bool) -> Result<Self, HandshakeError> {
        let cipher = |error: snow::Error| HandshakeError::Cipher(error.to_string());
        let parameters = PATTERN.parse().map_err(cipher)?;
        let builder = Builder::new(parameters);
        let builder = builder
            .local_private_key(keys.secret.as_slice())
            .and_then(|b| b.prologue(PROLOGUE))
            .map_err(cipher)?;
        let noise = if outbound {
            builder.build_initiator()
        } else {
            builder.build_responder()
        }
        .map_err(cipher)?;
        Ok(Self {
            noise,
            own: keys.own,
            outbound,
            step: 0,
            peer: None,
        })
    }

    /// Returns the bytes to send now, if it is this side's turn.
    pub fn output(&mut self) -> Result<Option<Vec<u8>>, HandshakeError> {
        if self.is_finished() || !self.noise.is_my_turn() {
            return Ok(None);
        }
        let payload: &[u8] = if self.step == 0 { &[] } else { &self.own.0 };
        let len = MESSAGE_LENS[self.step];
        // The library wants room for a tag even in the message that has none.
        let mut message = vec![0; LENGTH_LEN + len + TAG_LEN];
        let written = self.noise.write_message(payload, &mut message[LENGTH_LEN..]);
        let written = written.map_err(|error| HandshakeError::Cipher(error.to_string()))?;
        assert_eq!(written, len, "the pattern fixes the length of each message");
        message.truncate(LENGTH_LEN + len);
        message[..LENGTH_LEN].copy_from_slice(&(len as u16).to_be_bytes());
        self.step += 1;
        Ok(Some(message))
    }

    /// Takes the peer's next message off the front of `input`; returns how many bytes it took, 0 if the message is not complete.
    pub fn input(&mut self, input: &[u8]) -> Result<usize, HandshakeError> {
        if self.is_finished() || self.noise.is_my_turn() {
            return Ok(0);
        }
        let expected = MESSAGE_LENS[self.step];
        let length = (expected as u16).to_be_bytes();
        let seen = input.len().min(LENGTH_LEN);
        if input[..seen] != length[..seen] {
            return Err(HandshakeError::NotCairn);
        }
        let Some(message) = input.get(LENGTH_LEN..LENGTH_LEN + expected) else {
            return Ok(0);
        };
        let mut payload = [0; MESSAGE_LENS[1]];
        let read = self
            .noise
            .read_message(message, &mut payload)
            .map_err(|_| HandshakeError::Unproven)?;
        if self.step > 0 {
            self.peer = Some(self.introduced(&payload[..read])?);
        }
        self.step += 1;
        Ok(LENGTH_LEN + expected)
    }

    /// Checks the key by which the peer introduces itself against the one that it proved.
    fn introduced(&self, payload: &[u8]) -> Result<PeerKey, HandshakeError> {
        let bytes = <[u8; KEY_LEN]>::try_from(payload).map_err(|_| HandshakeError::WrongKey)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| HandshakeError::WrongKey)?;
        let point = key.to_edwards();
        let proper =
            !point.is_small_order() && point.is_torsion_free() && point.compress().to_bytes() == bytes;
        let proven = self.noise.get_remote_static() == Some(key.to_montgomery().as_bytes().as_slice());
        if proper && proven {
            Ok(PeerKey(bytes))
        } else {
            Err(HandshakeError::WrongKey)
        }
    }

    /// Whether both sides know each other.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.step == MESSAGE_LENS.len()
    }

    /// How many bytes may be read from the socket without taking any that belong to the stream after the handshake.
    pub(super) fn wanted(&self, have: usize) -> usize {
        if self.is_finished() || self.noise.is_my_turn() {
            0
        } else {
            (LENGTH_LEN + MESSAGE_LENS[self.step]).saturating_sub(have)
        }
    }

    /// Returns the peer and the two halves of the sealed stream. `None` before the handshake is finished.
    pub(crate) fn finish(self) -> Option<(PeerKey, NoiseSealer, NoiseOpener)> {
        let peer = self.peer?;
        let state = self.noise.into_stateless_transport_mode().ok()?;
        let (sealer, opener) = noise::split(state);
        Some((peer, sealer, opener))
    }
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake")
            .field("outbound", &self.outbound)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::{Opener, PipeError, Sealer};
    use bytes::BytesMut;
    use proptest::prelude::*;

    fn keys(seed: u8) -> HandshakeKeys {
        HandshakeKeys::new(&Identity::new([seed; 32]))
    }

    /// Lets two sides talk until neither has anything to say, handing bytes over in pieces of `piece`.
    fn talk(a: &mut Handshake, b: &mut Handshake, piece: usize) -> Result<(), HandshakeError> {
        for turn in 0..3 {
            let (from, to) = if turn % 2 == 0 {
                (&mut *a, &mut *b)
            } else {
                (&mut *b, &mut *a)
            };
            let message = from.output()?.unwrap();
            let mut have = Vec::new();
            for part in message.chunks(piece) {
                assert!(to.wanted(have.len()) >= part.len());
                have.extend_from_slice(part);
                let taken = to.input(&have)?;
                have.drain(..taken);
            }
            assert!(have.is_empty());
        }
        Ok(())
    }

    fn pair() -> ((NoiseSealer, NoiseOpener), (NoiseSealer, NoiseOpener)) {
        let (mut a, mut b) = (
            Handshake::new(&keys(1), true).unwrap(),
            Handshake::new(&keys(2), false).unwrap(),
        );
        talk(&mut a, &mut b, 1000).unwrap();
        let ((_, sa, oa), (_, sb, ob)) = (a.finish().unwrap(), b.finish().unwrap());
        ((sa, oa), (sb, ob))
    }

    #[test]
    fn each_side_learns_the_key_of_the_other_whatever_the_pieces() {
        for piece in [1, 7, 1000] {
            let (mut a, mut b) = (
                Handshake::new(&keys(1), true).unwrap(),
                Handshake::new(&keys(2), false).unwrap(),
            );
            talk(&mut a, &mut b, piece).unwrap();
            assert_eq!(a.finish().unwrap().0, keys(2).own());
            assert_eq!(b.finish().unwrap().0, keys(1).own());
        }
    }

    #[test]
    fn nobody_can_introduce_itself_by_the_key_of_another_device() {
        let mut thief = keys(1);
        thief.own = keys(3).own();
        let (mut a, mut b) = (
            Handshake::new(&thief, true).unwrap(),
            Handshake::new(&keys(2), false).unwrap(),
        );
        assert_eq!(talk(&mut a, &mut b, 1000), Err(HandshakeError::WrongKey));
        let (mut a, mut b) = (
            Handshake::new(&keys(2), true).unwrap(),
            Handshake::new(&thief, false).unwrap(),
        );
        assert_eq!(talk(&mut a, &mut b, 1000), Err(HandshakeError::WrongKey));
    }

    #[test]
    fn keys_that_are_no_proper_keys_are_refused() {
        // The neutral element (small order), y = 2 (not on the curve), and y = p + 1, another spelling of the neutral element.
        let mut not_reduced = [0xff; 32];
        (not_reduced[0], not_reduced[31]) = (0xee, 0x7f);
        for (first, rest) in [(1, [0; 32]), (2, [0; 32]), (0xee, not_reduced)] {
            let mut thief = keys(1);
            thief.own.0 = rest;
            thief.own.0[0] = first;
            let (mut a, mut b) = (
                Handshake::new(&thief, true).unwrap(),
                Handshake::new(&keys(2), false).unwrap(),
            );
            assert_eq!(talk(&mut a, &mut b, 1000), Err(HandshakeError::WrongKey));
        }
    }

    #[test]
    fn a_stranger_is_told_by_the_first_byte() {
        let mut handshake = Handshake::new(&keys(2), false).unwrap();
        assert_eq!(handshake.input(b"G"), Err(HandshakeError::NotCairn));
    }

    #[test]
    fn a_changed_message_is_refused() {
        let (mut a, mut b) = (
            Handshake::new(&keys(1), true).unwrap(),
            Handshake::new(&keys(2), false).unwrap(),
        );
        b.input(&a.output().unwrap().unwrap()).unwrap();
        let mut message = b.output().unwrap().unwrap();
        message[60] ^= 1;
        assert_eq!(a.input(&message), Err(HandshakeError::Unproven));
    }

    #[test]
    fn a_message_that_is_repeated_or_changed_or_empty_is_forged() {
        let ((mut sealer, _), (_, mut opener)) = pair();
        let mut out = BytesMut::new();
        sealer.seal(b"hello", &mut out).unwrap();
        sealer.flush(&mut out).unwrap();
        let mut twice = BytesMut::from([out.as_ref(), &out].concat().as_slice());
        assert_eq!(opener.open(&mut twice), Ok(Some(b"hello".as_slice())));
        assert_eq!(opener.open(&mut twice), Err(PipeError::Forged));
        assert_eq!(
            opener.open(&mut BytesMut::from([0, 3, 1].as_slice())),
            Err(PipeError::WrongLength(3))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_sealed_stream_survives_any_split(
            pieces in proptest::collection::vec((0_usize..150_000, any::<bool>()), 0..5),
            cuts in proptest::collection::vec(1_usize..90_000, 1..10),
        ) {
            let ((mut sealer, _), (_, mut opener)) = pair();
            let (mut out, mut said) = (BytesMut::new(), Vec::new());
            for (len, flush) in pieces {
                let plain: Vec<u8> = (0..len).map(|at| at as u8).collect();
                sealer.seal(&plain, &mut out).unwrap();
                if flush {
                    sealer.flush(&mut out).unwrap();
                }
                said.extend(plain);
            }
            sealer.flush(&mut out).unwrap();
            let (mut input, mut heard) = (BytesMut::new(), Vec::new());
            for cut in cuts.iter().cycle() {
                if out.is_empty() {
                    break;
                }
                input.extend_from_slice(&out.split_to((*cut).min(out.len())));
                while let Some(plain) = opener.open(&mut input).unwrap() {
                    heard.extend_from_slice(plain);
                }
            }
            prop_assert!(input.is_empty());
            prop_assert_eq!(heard, said);
        }

        #[test]
        fn garbage_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..400), valid_start in any::<bool>()) {
            let mut handshake = Handshake::new(&keys(2), false).unwrap();
            let start: &[u8] = if valid_start { &[0, 32] } else { &[] };
            let _ = handshake.input(&[start, &garbage].concat());
            let ((_, mut opener), _) = pair();
            let _ = opener.open(&mut BytesMut::from(garbage.as_slice()));
        }
    }
}
