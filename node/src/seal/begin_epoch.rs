//! Beginning an epoch, and handing its key to those who may read.
//!
//! ```text
//! next key  = BLAKE3, in a context of its own, over the device's secret, the key before, and 32 random bytes
//! handed on = nonce (24), XChaCha20-Poly1305(key that follows from this epoch's, nonce, [space, epoch], earlier keys)
//! nonce     = beginning of a keyed hash of the earlier keys
//! half      = BLAKE3, in a context of its own, over the epoch's key, the device's secret, random bytes and recipient
//! ```
//! So a recording of what was random tells nothing: the device's secret is in each.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::epoch::EpochKey;
use super::{Keyring, NotSealed};
use crate::model::{
    EARLIER_MAX, EpochId, EpochKeys, KeyBox, KeyEpoch, KeyPair, NodeId, OwnerId, WallTime, codec,
};

const NEXT: &str = "cairn 1 next epoch";
const HALF: &str = "cairn 1 half of a key box";
const HAND_ON: &str = "cairn 1 earlier epochs";
const HAND_ON_NONCE: &str = "cairn 1 nonce of earlier epochs";
const NONCE_LEN: usize = 24;
const SECRET_LEN: usize = 32;

/// For whom a statement about an epoch is made, and by whom.
#[derive(Debug)]
pub struct Handing<'a> {
    /// Whose space.
    pub space: OwnerId,
    /// Those who get the key: devices, and the owner.
    pub readers: Vec<NodeId>,
    /// Those who may not read any more.
    pub shut_out: Vec<NodeId>,
    /// When.
    pub issued: WallTime,
    /// The device that signs.
    pub device: &'a KeyPair,
    /// Fresh random bytes.
    pub random: Zeroizing<[u8; 32]>,
}

/// What sealed keys of an epoch are bound to.
fn associated(space: OwnerId, epoch: EpochId) -> Vec<u8> {
    codec::encode(&(space, epoch))
}

impl EpochKey {
    /// The key of the next epoch: as long as one of what it follows from is secret, so is it.
    fn next(&self, handing: &Handing<'_>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(NEXT);
        hasher.update(&handing.device.seed()[..]);
        hasher.update(&self.secret()[..]);
        hasher.update(&handing.random[..]);
        Self::new(Zeroizing::new(*hasher.finalize().as_bytes()))
    }

    fn handing_on(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(blake3::derive_key(HAND_ON, &self.secret()[..]));
        XChaCha20Poly1305::new(&Key::from(*key))
    }

    /// Seals the keys of earlier epochs with this one's.
    fn hand_on(&self, space: OwnerId, earlier: &[&Self]) -> Result<Vec<u8>, NotSealed> {
        let mut secrets = Zeroizing::new(Vec::with_capacity(earlier.len() * SECRET_LEN));
        for key in earlier {
            secrets.extend_from_slice(&key.secret()[..]);
        }
        let mut nonce = [0; NONCE_LEN];
        let key = Zeroizing::new(blake3::derive_key(HAND_ON_NONCE, &self.secret()[..]));
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(&secrets).finalize_xof().fill(&mut nonce);
        let associated = associated(space, self.id());
        let payload = Payload {
            msg: &secrets,
            aad: &associated,
        };
        let sealed = self.handing_on().encrypt(&XNonce::from(nonce), payload);
        Ok([&nonce[..], &sealed.map_err(|_| NotSealed)?].concat())
    }

    /// The keys of earlier epochs that a statement about this one hands on: those whose names they bear.
    pub(super) fn handed_on(&self, statement: &KeyEpoch) -> Vec<Self> {
        let keys = statement.keys();
        let opened = || {
            let (nonce, sealed) = keys.handed_on.split_first_chunk::<NONCE_LEN>()?;
            let associated = associated(keys.space, self.id());
            let payload = Payload {
                msg: sealed,
                aad: &associated,
            };
            let opened = self.handing_on().decrypt(&XNonce::from(*nonce), payload);
            opened.ok().map(Zeroizing::new)
        };
        let opened = opened().unwrap_or_default();
        let (secrets, _) = opened.as_chunks::<SECRET_LEN>();
        let earlier = secrets.iter().map(|secret| Self::new(Zeroizing::new(*secret)));
        let named = earlier.zip(&keys.earlier).filter(|(key, id)| key.id() == **id);
        named.map(|(key, _)| key).collect()
    }

    /// The key that a statement gives to the holder of `own`, if it is the one that it names.
    pub(super) fn given(statement: &KeyEpoch, own: &KeyPair) -> Option<Self> {
        let keys = statement.keys();
        let given = statement.key_box(own.node_id())?;
        let secret = given.open(own, &associated(keys.space, keys.epoch)).ok()?;
        Some(Self::new(secret)).filter(|key| key.id() == keys.epoch)
    }
}

impl Keyring {
    /// A statement that begins the next epoch, in the place of `earlier`, whose keys are handed on.
    pub fn begin_epoch(&self, handing: &Handing<'_>, earlier: &[EpochId]) -> Result<KeyEpoch, NotSealed> {
        let current = self.current().ok_or(NotSealed)?;
        let keys = earlier.iter().filter_map(|epoch| self.get(*epoch));
        let earlier: Vec<&EpochKey> = keys.take(EARLIER_MAX).collect();
        hand_out(&current.next(handing), &earlier, handing)
    }

    /// A statement that gives the key of `epoch`, which another statement began, to more readers.
    pub fn hand_out(&self, epoch: EpochId, handing: &Handing<'_>) -> Result<KeyEpoch, NotSealed> {
        hand_out(self.get(epoch).ok_or(NotSealed)?, &[], handing)
    }
}

fn hand_out(epoch: &EpochKey, earlier: &[&EpochKey], handing: &Handing<'_>) -> Result<KeyEpoch, NotSealed> {
    let space = handing.space;
    let associated = associated(space, epoch.id());
    let mut boxes = Vec::with_capacity(handing.readers.len());
    for reader in &handing.readers {
        let mut hasher = blake3::Hasher::new_derive_key(HALF);
        hasher.update(&epoch.secret()[..]);
        hasher.update(&handing.device.seed()[..]);
        hasher.update(&handing.random[..]);
        hasher.update(&reader.0);
        let half = Zeroizing::new(*hasher.finalize().as_bytes());
        // Somebody whose key is none can't be given any.
        if let Ok(own) = KeyBox::seal(&reader.0, &associated, epoch.secret(), &half) {
            boxes.push((*reader, own));
        }
    }
    let keys = EpochKeys {
        space,
        epoch: epoch.id(),
        earlier: earlier.iter().map(|key| key.id()).collect(),
        handed_on: epoch.hand_on(space, earlier)?,
        boxes,
        shut_out: handing.shut_out.clone(),
        issued: handing.issued,
    };
    Ok(KeyEpoch::sign(keys, handing.device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Capabilities, Grant, Membership, Revocation};

    const NOW: WallTime = WallTime(1_000);

    fn key(seed: u8) -> KeyPair {
        KeyPair::from_seed(&[seed; 32])
    }

    /// The owner is 1, its devices are 2 to 4.
    fn space() -> (Membership, Keyring) {
        let owner = key(1);
        let mut membership = Membership::new(owner.owner_id());
        for device in 2..=4 {
            admit(&mut membership, device);
        }
        (membership, Keyring::of_first(EpochKey::first(&owner)))
    }

    fn admit(membership: &mut Membership, device: u8) {
        let owner = key(1);
        let grant = Grant::issue(
            owner.owner_id(),
            key(device).node_id(),
            Capabilities::ALL,
            NOW,
            None,
            "device",
            &owner,
        );
        membership.add_grant(grant).unwrap();
    }

    fn revoke(membership: &mut Membership, device: u8) {
        let kept = membership.statements_of(key(device).node_id());
        let owner = key(1);
        let revocation = Revocation::issue(owner.owner_id(), key(device).node_id(), NOW, kept, &owner);
        membership.add_revocation(revocation).unwrap();
    }

    fn handing<'a>(membership: &Membership, device: &'a KeyPair, random: u8) -> Handing<'a> {
        Handing {
            space: membership.space(),
            readers: membership.readers(NOW),
            shut_out: membership.shut_out(),
            issued: NOW,
            device,
            random: Zeroizing::new([random; 32]),
        }
    }

    /// Device `by` begins an epoch in the place of the latest, and learns of it.
    fn begin(membership: &mut Membership, ring: &mut Keyring, by: u8) -> EpochId {
        let device = key(by);
        let latest = membership.epochs_to_hand_on(&ring.ids());
        let statement = ring
            .begin_epoch(&handing(membership, &device, by), &latest)
            .unwrap();
        let epoch = statement.keys().epoch;
        membership.add_key_epoch(statement).unwrap();
        assert_eq!(ring.learn(membership, &[&device]), [epoch]);
        epoch
    }

    #[test]
    fn whoever_is_shut_out_is_given_no_key() {
        let (mut membership, first) = space();
        let mut rings = [2, 3, 4].map(|_| first.clone());
        assert!(!membership.must_end(first.current().unwrap().id()));
        revoke(&mut membership, 4);
        assert!(membership.must_end(first.current().unwrap().id()));
        let epoch = begin(&mut membership, &mut rings[0], 2);
        assert!(!membership.must_end(epoch));
        assert_eq!(rings[1].learn(&membership, &[&key(3)]), [epoch]);
        assert_eq!(rings[1].current().unwrap().id(), epoch);
        assert_eq!(rings[2].learn(&membership, &[&key(4)]), []);
        assert!(rings[2].get(epoch).is_none());
    }

    #[test]
    fn the_owners_phrase_opens_every_epoch() {
        let (mut membership, first) = space();
        let mut ring = first.clone();
        revoke(&mut membership, 4);
        let second = begin(&mut membership, &mut ring, 2);
        revoke(&mut membership, 3);
        let third = begin(&mut membership, &mut ring, 2);
        let mut owners = Keyring::of_first(EpochKey::first(&key(1)));
        owners.learn(&membership, &[&key(1)]);
        let all = [second, third, first.current().unwrap().id()];
        assert_eq!(owners.ids(), all.into_iter().collect());
        assert_eq!(owners.current().unwrap().id(), third);
    }

    #[test]
    fn whoever_comes_later_is_handed_all_that_was_before() {
        let (mut membership, first) = space();
        let mut ring = first.clone();
        revoke(&mut membership, 4);
        let second = begin(&mut membership, &mut ring, 2);
        revoke(&mut membership, 3);
        let third = begin(&mut membership, &mut ring, 2);
        admit(&mut membership, 5);
        assert_eq!(membership.readers_without(third, NOW), [key(5).node_id()]);
        let device = key(2);
        let statement = ring.hand_out(
            third,
            &Handing {
                readers: vec![key(5).node_id()],
                shut_out: Vec::new(),
                ..handing(&membership, &device, 9)
            },
        );
        membership.add_key_epoch(statement.unwrap()).unwrap();
        assert!(membership.readers_without(third, NOW).is_empty());
        assert!(!membership.must_end(third));
        // It knows no key at all but the last one's, and through it all others.
        let mut newcomer = Keyring::new();
        newcomer.learn(&membership, &[&key(5)]);
        let all = [second, third, first.current().unwrap().id()];
        assert_eq!(newcomer.ids(), all.into_iter().collect());
    }

    #[test]
    fn a_key_that_an_invite_told_is_used_until_a_statement_says_otherwise() {
        let (mut membership, first) = space();
        let mut ring = first.clone();
        let mut alone = membership.clone();
        revoke(&mut membership, 4);
        let second = begin(&mut membership, &mut ring, 2);
        let mut newcomer = first.with_told(ring.get(second).unwrap().clone());
        newcomer.learn(&alone, &[&key(5)]);
        assert_eq!(newcomer.current().unwrap().id(), second);
        revoke(&mut membership, 3);
        let third = begin(&mut membership, &mut ring, 2);
        alone.merge(&membership);
        assert_eq!(
            newcomer.learn(&alone, &[&key(3)]),
            [],
            "it is not for a revoked one"
        );
        newcomer.learn(&alone, &[&key(1)]);
        assert_eq!(newcomer.current().unwrap().id(), third);
    }

    #[test]
    fn two_that_begin_at_once_stand_side_by_side_until_the_next() {
        let (mut here, first) = space();
        let mut there = here.clone();
        let (mut ada, mut ben) = (first.clone(), first);
        revoke(&mut here, 4);
        revoke(&mut there, 4);
        let by_ada = begin(&mut here, &mut ada, 2);
        let by_ben = begin(&mut there, &mut ben, 3);
        here.merge(&there);
        there.merge(&here);
        assert_eq!(here.digest(), there.digest());
        ada.learn(&here, &[&key(2)]);
        ben.learn(&there, &[&key(3)]);
        assert_eq!(ada.ids(), ben.ids());
        assert_eq!(ada.current().unwrap().id(), ben.current().unwrap().id());
        assert_eq!(here.latest_epochs(&ada.ids()).len(), 2);
        assert!(!here.must_end(by_ada) && !here.must_end(by_ben));
        revoke(&mut here, 3);
        assert!(here.must_end(by_ada) && here.must_end(by_ben));
        let next = begin(&mut here, &mut ada, 2);
        assert_eq!(here.latest_epochs(&ada.ids()), [next]);
    }

    #[test]
    fn what_a_revoked_device_says_of_epochs_is_not_followed() {
        let (mut membership, first) = space();
        let (mut ada, mut thief) = (first.clone(), first.clone());
        // It makes an epoch of its own, which all are given, dated as it likes.
        let mut of_thief = membership.clone();
        revoke(&mut membership, 4);
        let evil = begin(&mut of_thief, &mut thief, 4);
        membership.merge(&of_thief);
        ada.learn(&membership, &[&key(2)]);
        assert_eq!(ada.current().unwrap().id(), first.current().unwrap().id());
        assert!(membership.must_end(evil), "its issuer knows its key");
        let epoch = begin(&mut membership, &mut ada, 2);
        assert_eq!(ada.current().unwrap().id(), epoch);
        // A device that has not heard of the revocation follows it, and ends it as soon as it has.
        assert!(membership.must_end(evil) && !membership.must_end(epoch));
    }

    #[test]
    fn strangers_begin_nothing_and_what_was_changed_opens_nothing() {
        let (mut membership, first) = space();
        let stranger = key(9);
        let handing = handing(&membership, &stranger, 1);
        let statement = first.begin_epoch(&handing, &[]).unwrap();
        assert_eq!(
            membership.add_key_epoch(statement.clone()),
            Err(crate::model::GrantError::NotAdmitted)
        );
        // The box of one epoch given out as another's.
        let mut keys = statement.keys().clone();
        keys.epoch = EpochId([7; 8]);
        let forged = KeyEpoch::sign(keys, &key(2));
        membership.add_key_epoch(forged).unwrap();
        let mut ring = first.clone();
        assert_eq!(ring.learn(&membership, &[&key(2)]), []);
    }
}
