//! What a fuzzer feeds with messages by radio.

use super::entries::{self, node_ref};
use super::message::RadioMessage;
use super::squeeze::{squeeze, squeeze_as, unsqueeze};
use crate::mesh::oracle::Sealed;
use crate::model::{Entry, Hash, KeyPair};
use crate::seal::{Body, EpochKey, Keyring, Place, SealedBody};
use crate::space::Payloads;

/// Longest bytes that are squeezed in one form.
const PLAIN_LEN_MAX: usize = 16 * 1024;

/// Holds the radio's messages against their laws, and says whether something valid came out. The first byte of the input chooses: 0, the
/// rest is a message; 1, it is squeezed behind its first byte; 2, it is a batch of entries; 3, of which the part behind 65 bytes is
/// squeezed; 4, it is squeezed in a form of its choice, and damaged; 5, it is a message of which the part behind 13 bytes is squeezed.
pub fn radio_message(input: &[u8]) -> bool {
    let Some((mode, rest)) = input.split_first() else {
        return false;
    };
    match (*mode, rest.split_first()) {
        (0, _) => message(rest),
        (1, Some((kind, body))) => message(&[&[*kind], squeeze(body).as_slice()].concat()),
        (2, _) => batch(rest),
        (3, _) if rest.len() > 65 => batch(&[&rest[..65], squeeze(&rest[65..]).as_slice()].concat()),
        (4, _) => squeezed(rest),
        (5, _) if rest.len() > 13 => message(&[&rest[..13], squeeze(&rest[13..]).as_slice()].concat()),
        _ => false,
    }
}

fn message(bytes: &[u8]) -> bool {
    let Ok(message) = RadioMessage::decode(bytes) else {
        return false;
    };
    assert_eq!(RadioMessage::decode(&message.encode()), Ok(message));
    true
}

fn batch(bytes: &[u8]) -> bool {
    let key = KeyPair::from_seed(&[1; 32]);
    let (sender, space) = (key.node_id(), key.owner_id());
    let resolve = |wanted| (node_ref(sender) == wanted).then_some(sender);
    let ring = Keyring::of_first(EpochKey::first(&key));
    let seal = |dot, body: &Body, _| {
        let name = ring.name(&body.path)?;
        let SealedBody { seal, bytes } = ring.first()?.seal(&Place { space, name, dot }, body).ok()?;
        let hash = Hash::of(&bytes);
        Some((name, Sealed { seal, hash, bytes }))
    };
    let decoded = entries::decode(bytes, sender, space, Payloads::Real, &resolve, &seal);
    let Ok(carried) = decoded.map(|decoded| decoded.entries) else {
        return false;
    };
    for carried in &carried {
        // Nobody signed it: it may be read, but never counts.
        assert!(Entry::decode(&carried.entry).is_err());
    }
    !carried.is_empty()
}

/// The form, how often the bytes are repeated (random ones are too short to gain), where they are damaged and how, the kind of a message,
/// and the bytes.
fn squeezed(input: &[u8]) -> bool {
    let Some((&[form, repeats, at, damage, kind], bytes)) = input.split_first_chunk() else {
        return false;
    };
    let mut plain = bytes.repeat(1 + usize::from(repeats));
    plain.truncate(PLAIN_LEN_MAX);
    let Some(mut squeezed) = squeeze_as(form, &plain).filter(|_| !plain.is_empty()) else {
        return false;
    };
    assert_eq!(unsqueeze(&squeezed, plain.len()).as_ref(), Ok(&plain));
    assert!(unsqueeze(&squeezed, plain.len() - 1).is_err());
    assert!(squeeze(&plain).len() <= 1 + plain.len());
    let at = usize::from(at) * squeezed.len() / 256;
    squeezed[at] ^= damage;
    if let Ok(unpacked) = unsqueeze(&squeezed, plain.len()) {
        assert!(unpacked.len() <= plain.len());
    }
    message(&[&[kind], squeezed.as_slice()].concat())
}
