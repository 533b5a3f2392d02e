//! One device, two names: its Ed25519 key, and the peer id that libp2p makes of it.

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey, ed25519};
use libp2p::multihash::Multihash;

use crate::identity::Identity;
use crate::link::PeerKey;

/// The code of the multihash that holds its input itself: short keys are not hashed.
const IDENTITY_HASH: u64 = 0;

/// Returns libp2p's form of the device's key pair. Fails only if the library takes no 32-byte seed any more.
pub(super) fn keypair(identity: &Identity) -> Option<Keypair> {
    let secret = ed25519::SecretKey::try_from_bytes(identity.seed().as_mut_slice()).ok()?;
    Some(ed25519::Keypair::from(secret).into())
}

/// Reads the key out of a peer id. `None`: the peer's key is not Ed25519, so it is no Cairn node.
pub(super) fn peer_key(peer: &PeerId) -> Option<PeerKey> {
    let hash: &Multihash<64> = peer.as_ref();
    if hash.code() != IDENTITY_HASH {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest())
        .ok()?
        .try_into_ed25519()
        .ok()?;
    Some(PeerKey(key.to_bytes()))
}

/// Returns the peer id of a device. `None`: the bytes are no Ed25519 key.
pub(super) fn peer_id(peer: PeerKey) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&peer.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_one_key_under_both_names() {
        let identity = Identity::new([9; 32]);
        let id = keypair(&identity).unwrap().public().to_peer_id();
        assert_eq!(peer_key(&id), Some(identity.peer_key()));
        assert_eq!(peer_id(identity.peer_key()), Some(id));
    }

    #[test]
    fn peers_with_other_kinds_of_keys_have_no_name_here() {
        assert_eq!(peer_key(&PeerId::random()), None);
    }
}
