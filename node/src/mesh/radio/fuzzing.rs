//! What a fuzzer feeds with messages by radio.

use super::entries::{self, node_ref};
use super::message::RadioMessage;
use super::squeeze::squeeze;
use crate::model::{Entry, KeyPair};

/// Holds the radio's messages against their laws, and says whether something valid came out. The first byte of the input chooses: 0, the
/// rest is a message; 1, it is squeezed behind its first byte; 2, it is a batch of entries; 3, of which the part behind 65 bytes is
/// squeezed; 5, it is a message of which the part behind 13 bytes is squeezed.
pub fn radio_message(input: &[u8]) -> bool {
    let Some((mode, rest)) = input.split_first() else {
        return false;
    };
    match (*mode, rest.split_first()) {
        (0, _) => message(rest),
        (1, Some((kind, body))) => message(&[&[*kind], squeeze(body).as_slice()].concat()),
        (2, _) => batch(rest),
        (3, _) if rest.len() > 65 => batch(&[&rest[..65], squeeze(&rest[65..]).as_slice()].concat()),
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
    let Ok(carried) = entries::decode(bytes, sender, space, &resolve) else {
        return false;
    };
    for carried in &carried {
        // Nobody signed it: it may be read, but never counts.
        assert!(Entry::decode(&carried.entry).is_err());
    }
    !carried.is_empty()
}
