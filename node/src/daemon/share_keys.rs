//! The keys of shared folders follow from what all devices of a user know: two that share the same folder apart from one another make the same
//! space, and give another user the same key for it.
//!
//! ```text
//! owner key of the folder's space = Ed25519 of BLAKE3, in a context of its own, over the current epoch's key of the user's own space, and the folder
//! another user's key for it       = Ed25519 of BLAKE3, in a context of its own, over the former's seed, the other user's id, and a number
//! ```
//! The number is the first whose key was not taken back: so a key that was is never given again. The epoch is the current one, since who was shut out
//! must not know the keys of what is shared afterwards.

use crate::model::{FolderPath, KeyPair, Membership, NodeId, OwnerId};
use crate::seal::EpochKey;

const SHARE: &str = "cairn 1 shared folder";
const GUEST: &str = "cairn 1 guest of a shared folder";
/// So many keys of one user may have been taken back: more than a space has revocations.
const TAKEN_BACK_MAX: u32 = 2048;

fn derive(context: &str, parts: &[&[u8]]) -> KeyPair {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    KeyPair::from_seed(hasher.finalize().as_bytes())
}

/// The owner key of a folder that is shared from now on.
pub(super) fn share_key(epoch: &EpochKey, folder: &FolderPath) -> KeyPair {
    derive(SHARE, &[&epoch.secret()[..], folder.as_str().as_bytes()])
}

fn guest_key(share: &KeyPair, guest: OwnerId, number: u32) -> KeyPair {
    derive(GUEST, &[&share.seed()[..], &guest.0, &number.to_be_bytes()])
}

/// The key that a user gets for a folder, if none of those before counts.
pub(super) fn next_guest_key(share: &KeyPair, guest: OwnerId, membership: &Membership) -> KeyPair {
    let keys = (0..TAKEN_BACK_MAX).map(|number| guest_key(share, guest, number));
    let mut free = keys.filter(|key| !membership.is_revoked(key.node_id()));
    free.next()
        .unwrap_or_else(|| guest_key(share, guest, TAKEN_BACK_MAX))
}

/// The keys of a user for a folder that count: `noted`, and what another device gave out that did not know of it.
pub(super) fn guest_keys(
    share: &KeyPair,
    guest: OwnerId,
    noted: NodeId,
    membership: &Membership,
) -> Vec<NodeId> {
    let next = next_guest_key(share, guest, membership).node_id();
    let mut keys = vec![noted];
    if next != noted && membership.granted_still(next).is_some() {
        keys.push(next);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Capabilities, Grant, Revocation, WallTime};

    #[test]
    fn devices_that_share_apart_make_the_same_keys() {
        let folder = |path: &str| FolderPath::parse(path).unwrap();
        let epoch = EpochKey::first(&KeyPair::from_seed(&[1; 32]));
        let photos = share_key(&epoch, &folder("/shared/photos/"));
        assert_eq!(
            photos.node_id(),
            share_key(&epoch, &folder("/shared/photos/")).node_id()
        );
        assert_ne!(
            photos.node_id(),
            share_key(&epoch, &folder("/shared/photo/")).node_id()
        );
        let later = EpochKey::first(&KeyPair::from_seed(&[2; 32]));
        assert_ne!(
            photos.node_id(),
            share_key(&later, &folder("/shared/photos/")).node_id()
        );
    }

    #[test]
    fn a_key_that_was_taken_back_is_not_given_again() {
        let share = KeyPair::from_seed(&[1; 32]);
        let [ben, carl] = [OwnerId([2; 32]), OwnerId([3; 32])];
        let mut membership = Membership::new(share.owner_id());
        let first = next_guest_key(&share, ben, &membership).node_id();
        assert_ne!(first, next_guest_key(&share, carl, &membership).node_id());
        let grant = |key: NodeId| {
            let own = Capabilities::GUEST_READS;
            Grant::issue(share.owner_id(), key, own, WallTime(1), None, "ben", &share)
        };
        membership.add_grant(grant(first)).unwrap();
        assert_eq!(guest_keys(&share, ben, first, &membership), [first]);
        // A record from before keys followed from anything; another device gave the key that follows.
        let noted = NodeId([9; 32]);
        assert_eq!(guest_keys(&share, ben, noted, &membership), [noted, first]);
        let back = Revocation::issue(share.owner_id(), first, WallTime(2), Vec::new(), &share);
        membership.add_revocation(back).unwrap();
        let second = next_guest_key(&share, ben, &membership).node_id();
        assert_ne!(first, second);
        assert_eq!(guest_keys(&share, ben, noted, &membership), [noted]);
    }
}
