//! Invitations to a shared folder: sealed to the devices of one user, so that they may travel in any way.
//!
//! A shared folder is a space of its own. Whom it is shared with gets a key, made for that user alone and granted by the folder's owner key;
//! the user's devices sign grants for themselves with it. Taking the key back takes back all that it signed.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde_bytes::{ByteArray, ByteBuf};
use zeroize::Zeroizing;

use super::card::{Card, Signer, SignerWire};
use super::code_text::{BadCode, CODE_LEN_MAX, CodeKind};
use super::home::{HomeError, check_user, random_seed};
use super::invite::{ADDRESS_LEN_MAX, ADDRESSES_MAX};
use crate::model::{
    Capabilities, Category, FolderPath, GRANT_LEN_MAX, Grant, KeyBox, KeyPair, Membership, NodeId, OwnerId,
    Signature, WallTime, codec,
};
use crate::seal::EpochKey;

/// What every invitation begins with.
const PREFIX: &str = "cairnshare1";
const KIND: CodeKind = CodeKind {
    prefix: PREFIX,
    context: "cairn 1 share",
    version: VERSION,
    version_at: 2,
};
const SIGNED: &str = "cairn 1 invitation to a share";
/// What the boxes are for.
const BOXED: &[u8] = b"cairn 1 invitation to a share";
const VERSION: u8 = 1;
const DEVICES_MAX: usize = 32;

/// Why an invitation lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// Not an invitation at all.
    #[error(
        "this is no invitation to a shared folder: it begins with \"{PREFIX}\", and cairn share prints one"
    )]
    NotAnInvitation,
    /// A character got lost or changed.
    #[error("the invitation was not copied whole: copy the line again")]
    Damaged,
    /// A version that this program does not know.
    #[error("this invitation is of version {0}: update this program")]
    UnknownVersion(u8),
    /// Sealed to others.
    #[error(
        "this invitation is for other devices than this one: give whoever shares with you your card as it is now, cairn card prints it"
    )]
    NotForUs,
    /// Nobody who may signed it.
    #[error("this invitation is not signed by the user that it is from")]
    NotSigned,
    /// The sealed part, or a key, is none.
    #[error("this invitation does not lead to its folder: ask for another one")]
    NotGranted,
    /// No random bytes.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// Too many devices or too long.
    #[error("the invitation would be too long: fewer devices on the card, please")]
    TooLong,
}

impl From<BadCode> for InvitationError {
    fn from(bad: BadCode) -> Self {
        match bad {
            BadCode::Other => Self::NotAnInvitation,
            BadCode::Damaged => Self::Damaged,
            BadCode::Version(version) => Self::UnknownVersion(version),
        }
    }
}

impl From<HomeError> for InvitationError {
    fn from(error: HomeError) -> Self {
        Self::Random(error.to_string())
    }
}

/// Says whether a folder may be shared: one below `/shared/`, and no more than a module.
pub(super) fn is_shareable(folder: &FolderPath) -> bool {
    folder.category() == Some(Category::Shared) && folder.parent() != Some(FolderPath::root())
}

/// What lets a user into a shared folder.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The space of the folder.
    pub space: OwnerId,
    /// Where it lies: at the same place for everybody.
    pub folder: FolderPath,
    /// The user's key for this folder.
    pub key: KeyPair,
    /// Its grant, by the folder's owner key.
    pub grant: Grant,
    /// The key of the space's first epoch, which names its documents.
    pub first: EpochKey,
    /// That of the current one, if it is another.
    pub current: Option<EpochKey>,
    /// Where those who have it may be found.
    pub addresses: Vec<String>,
    /// Who shares it.
    pub from: OwnerId,
    /// That user's name.
    pub from_user: String,
}

/// `[version, space, folder, seed, grant, [first epoch's key, [current]], [address, …], from, user]`
type Wire = (
    u8,
    OwnerId,
    String,
    ByteArray<32>,
    ByteBuf,
    Vec<ByteArray<32>>,
    Vec<String>,
    OwnerId,
    String,
);

/// `[version, from, signer, [[device, box], …], sealed]`
type SignedWire = (u8, OwnerId, SignerWire, Vec<(NodeId, KeyBox)>, ByteBuf);

impl Admission {
    /// Says whether the user may write there.
    pub fn writes(&self) -> bool {
        self.grant.capabilities.includes(Capabilities::WRITE)
    }

    /// The bytes, secrets among them.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let keys = [Some(&self.first), self.current.as_ref()];
        let wire: Wire = (
            VERSION,
            self.space,
            self.folder.as_str().to_owned(),
            ByteArray::new(*self.key.seed()),
            ByteBuf::from(self.grant.encode()),
            keys.into_iter()
                .flatten()
                .map(|key| ByteArray::new(**key.secret()))
                .collect(),
            self.addresses.clone(),
            self.from,
            self.from_user.clone(),
        );
        Zeroizing::new(codec::encode(&wire))
    }

    /// Reads what [`Self::encode`] wrote, or somebody who pretends to.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, space, folder, seed, grant, keys, addresses, from, from_user): Wire =
            codec::decode(bytes, CODE_LEN_MAX).ok()?;
        let fits = version == VERSION
            && (1..=2).contains(&keys.len())
            && grant.len() <= GRANT_LEN_MAX
            && addresses.len() <= ADDRESSES_MAX
            && addresses.iter().all(|address| address.len() <= ADDRESS_LEN_MAX);
        check_user(&from_user).ok().filter(|()| fits)?;
        let folder = FolderPath::parse(&folder).ok().filter(is_shareable)?;
        let mut keys = keys.iter().map(|key| EpochKey::new(Zeroizing::new(**key)));
        let admission = Self {
            space,
            folder,
            key: KeyPair::from_seed(&seed),
            grant: Grant::decode(&grant).ok()?,
            first: keys.next()?,
            current: keys.next(),
            addresses,
            from,
            from_user,
        };
        admission.membership(NodeId([0; 32]), "", WallTime(0))?;
        Some(admission)
    }

    /// The grants that make `device` one that has the folder; `None`: there is no such thing.
    pub(super) fn membership(&self, device: NodeId, name: &str, now: WallTime) -> Option<Membership> {
        let mut capabilities = Capabilities::READ.union(Capabilities::HOLD);
        if self.writes() {
            capabilities = capabilities.union(Capabilities::WRITE);
        }
        let mut membership = Membership::new(self.space);
        // By the folder's owner alone, so that one revocation takes back all.
        let fits = self.grant.issuer == self.space.0 && self.grant.subject == self.key.node_id();
        membership.add_grant(self.grant.clone()).ok().filter(|_| fits)?;
        let own = Grant::issue(self.space, device, capabilities, now, None, name, &self.key);
        membership.add_grant(own).ok()?;
        Some(membership)
    }

    /// Seals this to the devices on a card, signed by `key`, whose grants are in `own`.
    pub fn seal_to(&self, card: &Card, key: &KeyPair, own: &Membership) -> Result<String, InvitationError> {
        // Made for this one sealing.
        let secret = random_seed()?;
        let mut boxes = Vec::new();
        for device in card.devices.iter().take(DEVICES_MAX) {
            if let Ok(sealed) = KeyBox::seal(&device.0, BOXED, &secret, &random_seed()?) {
                boxes.push((*device, sealed));
            }
        }
        let cipher = XChaCha20Poly1305::new(&Key::from(*secret));
        let sealed = cipher
            .encrypt(&XNonce::default(), Payload::from(&self.encode()[..]))
            .map_err(|_| InvitationError::TooLong)?;
        let signed: SignedWire = (
            VERSION,
            self.from,
            Signer::new(key, own).to_wire(),
            boxes,
            ByteBuf::from(sealed),
        );
        let signature = key.sign(SIGNED, &codec::encode(&signed));
        let code = KIND.write(codec::encode(&(signed, signature)));
        if code.len() > CODE_LEN_MAX {
            return Err(InvitationError::TooLong);
        }
        Ok(code)
    }

    /// Opens an invitation with the key of one of the devices that it is for.
    pub fn open(code: &str, device: &KeyPair) -> Result<Self, InvitationError> {
        let bytes = KIND.read(code)?;
        let (signed, signature): (SignedWire, Signature) =
            codec::decode(&bytes, CODE_LEN_MAX).map_err(|_| InvitationError::Damaged)?;
        let encoded = codec::encode(&signed);
        let (_, from, signer, boxes, sealed) = signed;
        let signer = Signer::of_wire(&signer).ok_or(InvitationError::NotSigned)?;
        if !signer.speaks_for(from) || !signer.verify(SIGNED, &encoded, &signature) {
            return Err(InvitationError::NotSigned);
        }
        let own = boxes.iter().find(|(node, _)| *node == device.node_id());
        let (_, own) = own.ok_or(InvitationError::NotForUs)?;
        let secret = own.open(device, BOXED).map_err(|_| InvitationError::NotForUs)?;
        let cipher = XChaCha20Poly1305::new(&Key::from(*secret));
        let opened = cipher
            .decrypt(&XNonce::default(), Payload::from(&sealed[..]))
            .map_err(|_| InvitationError::NotGranted)?;
        let opened = Zeroizing::new(opened);
        let admission = Self::decode(&opened).ok_or(InvitationError::NotGranted)?;
        // Nobody invites in another's name.
        (admission.from == from)
            .then_some(admission)
            .ok_or(InvitationError::NotSigned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: WallTime = WallTime(5);

    fn space(owner: &KeyPair, device: &KeyPair) -> Membership {
        let mut space = Membership::new(owner.owner_id());
        let all = Capabilities::ALL;
        let grant = Grant::issue(space.space(), device.node_id(), all, NOW, None, "laptop", owner);
        space.add_grant(grant).unwrap();
        space
    }

    fn admission(share: &KeyPair, from: &Membership, writes: bool) -> Admission {
        let key = KeyPair::from_seed(&[8; 32]);
        let capabilities = match writes {
            true => Capabilities::GUEST_WRITES,
            false => Capabilities::GUEST_READS,
        };
        let grant = Grant::issue(
            share.owner_id(),
            key.node_id(),
            capabilities,
            NOW,
            None,
            "ben",
            share,
        );
        Admission {
            space: share.owner_id(),
            folder: FolderPath::parse("/shared/photos/garden/").unwrap(),
            key,
            grant,
            first: EpochKey::first(share),
            current: None,
            addresses: vec!["tcp://10.0.0.1:7781".into()],
            from: from.space(),
            from_user: "ada".into(),
        }
    }

    #[test]
    fn it_opens_for_the_devices_on_the_card_and_for_nobody_else() {
        let [ada, ada_device, ben, ben_device, other, share] =
            [1, 2, 3, 4, 5, 6].map(|seed| KeyPair::from_seed(&[seed; 32]));
        let (from, of_ben) = (space(&ada, &ada_device), space(&ben, &ben_device));
        let card = Card::sign("ben", &of_ben, Vec::new(), &ben, NOW);
        for writes in [true, false] {
            let code = admission(&share, &from, writes)
                .seal_to(&card, &ada_device, &from)
                .unwrap();
            let opened = Admission::open(&format!(" {code}\n"), &ben_device).unwrap();
            assert_eq!(opened.writes(), writes);
            let membership = opened.membership(ben_device.node_id(), "pi", NOW).unwrap();
            let own = membership.capabilities(ben_device.node_id(), NOW).unwrap();
            assert_eq!(own.includes(Capabilities::WRITE), writes);
            assert!(own.includes(Capabilities::READ) && !own.includes(Capabilities::ADMIT));
            for stranger in [&other, &ada_device] {
                assert_eq!(
                    Admission::open(&code, stranger).err(),
                    Some(InvitationError::NotForUs)
                );
            }
        }
        // At a place that is not for others to fill.
        for folder in ["/shared/", "/private/notes/", "/public/blog/", "/"] {
            let mut elsewhere = admission(&share, &from, true);
            elsewhere.folder = FolderPath::parse(folder).unwrap();
            let elsewhere = elsewhere.seal_to(&card, &ada_device, &from).unwrap();
            assert_eq!(
                Admission::open(&elsewhere, &ben_device).err(),
                Some(InvitationError::NotGranted)
            );
        }
        // In somebody else's name, or for a space that is not the sender's to give.
        let forged = admission(&share, &from, true)
            .seal_to(&card, &other, &from)
            .unwrap();
        assert_eq!(
            Admission::open(&forged, &ben_device).err(),
            Some(InvitationError::NotSigned)
        );
        let mut stolen = admission(&share, &from, true);
        stolen.space = ada.owner_id();
        let stolen = stolen.seal_to(&card, &ada_device, &from).unwrap();
        assert_eq!(
            Admission::open(&stolen, &ben_device).err(),
            Some(InvitationError::NotGranted)
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
            let device = KeyPair::from_seed(&[4; 32]);
            let _ = Admission::open(&text, &device);
            let _ = Admission::open(&KIND.write(bytes.clone()), &device);
            let _ = Admission::decode(&bytes);
        }
    }
}
