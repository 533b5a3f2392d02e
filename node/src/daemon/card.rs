//! Cards: one line of text by which users know one another, to share with them.
//!
//! A card names a user and the user's devices, signed by one of them or by the user's own key. There is no secret in it. What is shared
//! with the user is sealed to these devices; others get it from them.

use serde_bytes::ByteBuf;

use super::code_text::{BadCode, CODE_LEN_MAX, CodeKind};
use super::home::check_user;
use super::invite::{ADDRESS_LEN_MAX, ADDRESSES_MAX, GRANTS_MAX};
use crate::model::access::{self, Area, Asker, Deed};
use crate::model::{
    Capabilities, GRANT_LEN_MAX, Grant, KeyPair, Membership, NodeId, OwnerId, Signature, WallTime, codec,
    verify,
};

/// What every card begins with.
const PREFIX: &str = "cairncard1";
const KIND: CodeKind = CodeKind {
    prefix: PREFIX,
    context: "cairn 1 card",
    version: VERSION,
    version_at: 2,
};
const SIGNED: &str = "cairn 1 card of a user";
const VERSION: u8 = 1;
/// Most devices on a card. One is enough: others of the user get what is shared from it.
const DEVICES_MAX: usize = 32;

/// Why a text is no card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// Not a card at all.
    #[error("this is no card: it begins with \"{PREFIX}\", and cairn card prints one")]
    NotACard,
    /// A character got lost or changed.
    #[error("the card was not copied whole: copy the line again")]
    Damaged,
    /// A version that this program does not know.
    #[error("this card is of version {0}: update this program")]
    UnknownVersion(u8),
    /// The user's name is none.
    #[error("this card is of a user whose name is none: ask for another one")]
    BadUser,
    /// Nobody who may signed it.
    #[error("this card is not signed by the user that it names")]
    NotSigned,
}

impl From<BadCode> for CardError {
    fn from(bad: BadCode) -> Self {
        match bad {
            BadCode::Other => Self::NotACard,
            BadCode::Damaged => Self::Damaged,
            BadCode::Version(version) => Self::UnknownVersion(version),
        }
    }
}

/// Who a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The user's key.
    pub owner: OwnerId,
    /// The name that the user gave.
    pub user: String,
    /// The user's devices, when the card was made.
    pub devices: Vec<NodeId>,
    /// Where they may be found.
    pub addresses: Vec<String>,
    signer: Signer,
    signature: Signature,
}

/// Who signed, and why that one may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    key: [u8; 32],
    /// From the owner's key to the signer's; empty if it is the owner's.
    grants: Vec<Grant>,
}

/// `[key, [grant, …]]`
pub(super) type SignerWire = (NodeId, Vec<ByteBuf>);

impl Signer {
    /// `key`, with what `membership` says of it.
    pub(super) fn new(key: &KeyPair, membership: &Membership) -> Self {
        let own = membership
            .grants()
            .into_iter()
            .find(|grant| grant.subject == key.node_id() && grant.capabilities.includes(Capabilities::WRITE));
        let chain = own.filter(|_| key.public() != membership.space().0).map(|own| {
            let above = membership.chain_to(own).into_iter();
            above.chain([own]).cloned().collect()
        });
        Self {
            key: key.public(),
            grants: chain.unwrap_or_default(),
        }
    }

    /// Says whether the grants make the key one that speaks for `owner`.
    pub(super) fn speaks_for(&self, owner: OwnerId) -> bool {
        if self.key == owner.0 {
            return true;
        }
        let mut membership = Membership::new(owner);
        let known = self
            .grants
            .iter()
            .all(|grant| membership.add_grant(grant.clone()).is_ok());
        let own = membership.capabilities_ever(NodeId(self.key));
        known && own.is_some_and(|own| access::may(Asker::Key(own), Deed::Write, Area::WHOLE))
    }

    pub(super) fn verify(&self, context: &str, message: &[u8], signature: &Signature) -> bool {
        verify(&self.key, context, message, signature).is_ok()
    }

    pub(super) fn to_wire(&self) -> SignerWire {
        let grants = self.grants.iter().map(|grant| ByteBuf::from(grant.encode()));
        (NodeId(self.key), grants.collect())
    }

    pub(super) fn of_wire((key, grants): &SignerWire) -> Option<Self> {
        let fits = grants.len() <= GRANTS_MAX && grants.iter().all(|grant| grant.len() <= GRANT_LEN_MAX);
        let grants = grants
            .iter()
            .map(|grant| Grant::decode(grant))
            .collect::<Result<Vec<_>, _>>();
        grants
            .ok()
            .filter(|_| fits)
            .map(|grants| Self { key: key.0, grants })
    }
}

/// `[version, owner, user, [device, …], [address, …], signer]`
type Signed = (u8, OwnerId, String, Vec<NodeId>, Vec<String>, SignerWire);

impl Card {
    /// The card of the user whose space `membership` is of. `key` is the owner's, or a device's.
    pub fn sign(
        user: &str,
        membership: &Membership,
        mut addresses: Vec<String>,
        key: &KeyPair,
        now: WallTime,
    ) -> Self {
        addresses.retain(|address| address.len() <= ADDRESS_LEN_MAX);
        addresses.truncate(ADDRESSES_MAX);
        let reads = |node: &NodeId| membership.may(*node, Deed::Read, Area::WHOLE, now);
        let mut card = Self {
            owner: membership.space(),
            user: user.to_owned(),
            devices: membership
                .holders(now)
                .into_iter()
                .filter(reads)
                .take(DEVICES_MAX)
                .collect(),
            addresses,
            signer: Signer::new(key, membership),
            signature: Signature([0; 64]),
        };
        card.signature = key.sign(SIGNED, &codec::encode(&card.signed()));
        card
    }

    fn signed(&self) -> Signed {
        (
            VERSION,
            self.owner,
            self.user.clone(),
            self.devices.clone(),
            self.addresses.clone(),
            self.signer.to_wire(),
        )
    }

    /// The line of text.
    pub fn encode(&self) -> String {
        KIND.write(codec::encode(&(self.signed(), self.signature)))
    }

    /// Reads a card and verifies it.
    pub fn decode(code: &str) -> Result<Self, CardError> {
        let bytes = KIND.read(code)?;
        let (signed, signature): (Signed, Signature) =
            codec::decode(&bytes, CODE_LEN_MAX).map_err(|_| CardError::Damaged)?;
        let encoded = codec::encode(&signed);
        let (_, owner, user, devices, addresses, signer) = signed;
        check_user(&user).map_err(|_| CardError::BadUser)?;
        let fits = devices.len() <= DEVICES_MAX
            && addresses.len() <= ADDRESSES_MAX
            && addresses.iter().all(|address| address.len() <= ADDRESS_LEN_MAX);
        if !fits {
            return Err(CardError::Damaged);
        }
        let signer = Signer::of_wire(&signer).ok_or(CardError::NotSigned)?;
        if !signer.speaks_for(owner) || !signer.verify(SIGNED, &encoded, &signature) {
            return Err(CardError::NotSigned);
        }
        Ok(Self {
            owner,
            user,
            devices,
            addresses,
            signer,
            signature,
        })
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
        space
            .add_grant(Grant::issue(
                space.space(),
                device.node_id(),
                all,
                NOW,
                None,
                "laptop",
                owner,
            ))
            .unwrap();
        space
    }

    #[test]
    fn a_card_is_signed_by_its_user_or_one_of_the_user_s_devices() {
        let [owner, device, other] = [1, 2, 3].map(|seed| KeyPair::from_seed(&[seed; 32]));
        let space = space(&owner, &device);
        for key in [&owner, &device] {
            let card = Card::sign("ada", &space, vec!["tcp://10.0.0.1:7781".into()], key, NOW);
            let read = Card::decode(&format!(" {}\n", card.encode())).unwrap();
            assert_eq!(read, card);
            assert_eq!(read.devices, [device.node_id()]);
        }
        let forged = Card::sign("ada", &space, Vec::new(), &other, NOW);
        assert_eq!(Card::decode(&forged.encode()), Err(CardError::NotSigned));
        let mut changed = Card::sign("ada", &space, Vec::new(), &device, NOW);
        changed.devices.push(other.node_id());
        assert_eq!(Card::decode(&changed.encode()), Err(CardError::NotSigned));
        changed.user = "../x".into();
        assert_eq!(Card::decode(&changed.encode()), Err(CardError::BadUser));
    }

    proptest! {
        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
            let _ = Card::decode(&text);
            let _ = Card::decode(&KIND.write(bytes));
        }
    }
}
