//! Custody codes: one line of text with which another owner's node learns that it may keep copies of a space.
//!
//! The code names the space and holds the grants that lead from its owner to that one node. There is no secret in it: nobody else can use
//! it, and the node that does gets no key.

use serde_bytes::ByteBuf;

use super::code_text::{BadCode, CODE_LEN_MAX, CodeKind};
use super::home::check_user;
use super::invite::{ADDRESS_LEN_MAX, ADDRESSES_MAX, GRANTS_MAX};
use crate::model::access::{Area, Deed};
use crate::model::{
    Capabilities, GRANT_LEN_MAX, Grant, KeyPair, Membership, NodeId, OwnerId, WallTime, codec,
};

/// What every code begins with.
const PREFIX: &str = "cairnhold1";
const KIND: CodeKind = CodeKind {
    prefix: PREFIX,
    context: "cairn 1 custody",
    version: VERSION,
    version_at: 1,
};
const VERSION: u8 = 1;

/// Why a code makes no custodian.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyCodeError {
    /// Not a code at all.
    #[error(
        "this is no custody code: it begins with \"{PREFIX}\", and the owner's cairn custody add NODE prints one"
    )]
    NotACode,
    /// A character got lost or changed.
    #[error("the custody code was not copied whole: copy the line again")]
    Damaged,
    /// A version that this program does not know.
    #[error("this custody code is of version {0}: update this program")]
    UnknownVersion(u8),
    /// The user's name is none.
    #[error("this custody code is for a user whose name is none: ask for another one")]
    BadUser,
    /// The grants in it lead nowhere.
    #[error("this custody code is not signed by the owner that it names")]
    NotGranted,
    /// It was made for another node.
    #[error("this custody code is for another node than this one, which is {0}: ask for one with that id")]
    OtherNode(NodeId),
}

impl From<BadCode> for CustodyCodeError {
    fn from(bad: BadCode) -> Self {
        match bad {
            BadCode::Other => Self::NotACode,
            BadCode::Damaged => Self::Damaged,
            BadCode::Version(version) => Self::UnknownVersion(version),
        }
    }
}

/// What a custodian is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodyCode {
    /// Whose space.
    pub owner: OwnerId,
    /// The owner's name, for people.
    pub user: String,
    /// From the owner's to the custodian's own.
    grants: Vec<Grant>,
    /// Where the owner's node may be found.
    pub addresses: Vec<String>,
}

/// `[version, owner, user, [grant, …], [address, …]]`
type Wire = (u8, OwnerId, String, Vec<ByteBuf>, Vec<String>);

impl CustodyCode {
    /// Lets `node` keep what there is in the space, sealed. `issuer` is the owner's key, or that of a device whose grants are in
    /// `membership` and may admit. The grant must be taken into the space's membership: it is returned as well.
    pub fn issue(
        user: &str,
        issuer: &KeyPair,
        membership: &Membership,
        node: NodeId,
        name: &str,
        mut addresses: Vec<String>,
        now: WallTime,
    ) -> (Self, Grant) {
        let owner = membership.space();
        let grant = Grant::issue(owner, node, Capabilities::HOLD, now, None, name, issuer);
        let mut grants: Vec<Grant> = membership.chain_to(&grant).into_iter().cloned().collect();
        grants.push(grant.clone());
        addresses.retain(|address| address.len() <= ADDRESS_LEN_MAX);
        addresses.truncate(ADDRESSES_MAX);
        let code = Self {
            owner,
            user: user.to_owned(),
            grants,
            addresses,
        };
        (code, grant)
    }

    /// Says whether a text means to be a code.
    pub(super) fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The node that it is for.
    pub fn node(&self) -> Option<NodeId> {
        self.grants.last().map(|grant| grant.subject)
    }

    /// The line of text.
    pub fn encode(&self) -> String {
        let grants = self.grants.iter().map(|grant| ByteBuf::from(grant.encode()));
        let wire: Wire = (
            VERSION,
            self.owner,
            self.user.clone(),
            grants.collect(),
            self.addresses.clone(),
        );
        KIND.write(codec::encode(&wire))
    }

    /// Reads a code.
    pub fn decode(code: &str) -> Result<Self, CustodyCodeError> {
        let bytes = KIND.read(code)?;
        let (_, owner, user, grants, addresses): Wire =
            codec::decode(&bytes, CODE_LEN_MAX).map_err(|_| CustodyCodeError::Damaged)?;
        check_user(&user).map_err(|_| CustodyCodeError::BadUser)?;
        let fits = (1..=GRANTS_MAX).contains(&grants.len())
            && addresses.len() <= ADDRESSES_MAX
            && addresses.iter().all(|address| address.len() <= ADDRESS_LEN_MAX)
            && grants.iter().all(|grant| grant.len() <= GRANT_LEN_MAX);
        if !fits {
            return Err(CustodyCodeError::Damaged);
        }
        let grants = grants
            .iter()
            .map(|grant| Grant::decode(grant))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CustodyCodeError::NotGranted)?;
        Ok(Self {
            owner,
            user,
            grants,
            addresses,
        })
    }

    /// The grants, if they make `node` one that may hold the space.
    pub fn membership(&self, node: NodeId, now: WallTime) -> Result<Membership, CustodyCodeError> {
        if self.node() != Some(node) {
            return Err(CustodyCodeError::OtherNode(node));
        }
        let mut membership = Membership::new(self.owner);
        for grant in &self.grants {
            membership
                .add_grant(grant.clone())
                .map_err(|_| CustodyCodeError::NotGranted)?;
        }
        match membership.may(node, Deed::Keep, Area::WHOLE, now) {
            true => Ok(membership),
            false => Err(CustodyCodeError::NotGranted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: WallTime = WallTime(5);

    fn issued(issuer: &KeyPair, membership: &Membership, node: NodeId) -> CustodyCode {
        CustodyCode::issue(
            "ada",
            issuer,
            membership,
            node,
            "Ben's",
            vec!["tcp://10.0.0.1:7781".into()],
            NOW,
        )
        .0
    }

    #[test]
    fn a_code_makes_its_node_one_that_holds_and_no_more() {
        let [owner, device, ben] = [1, 2, 3].map(|seed| KeyPair::from_seed(&[seed; 32]));
        let mut space = Membership::new(owner.owner_id());
        let all = Capabilities::ALL;
        let grant = Grant::issue(space.space(), device.node_id(), all, NOW, None, "laptop", &owner);
        space.add_grant(grant).unwrap();
        for issuer in [&owner, &device] {
            let code = issued(issuer, &space, ben.node_id());
            let read = CustodyCode::decode(&format!(" {}\n", code.encode())).unwrap();
            assert_eq!(read, code);
            let membership = read.membership(ben.node_id(), NOW).unwrap();
            assert_eq!(
                membership.capabilities(ben.node_id(), NOW),
                Some(Capabilities::HOLD)
            );
            let other = read.membership(device.node_id(), NOW).err();
            assert_eq!(other, Some(CustodyCodeError::OtherNode(device.node_id())));
        }
        // Ben makes one for himself.
        let forged = issued(&ben, &space, ben.node_id());
        let forged = CustodyCode::decode(&forged.encode()).unwrap();
        let refused = forged.membership(ben.node_id(), NOW).err();
        assert_eq!(refused, Some(CustodyCodeError::NotGranted));
    }

    #[test]
    fn a_mistyped_code_says_so() {
        let owner = KeyPair::from_seed(&[1; 32]);
        let space = Membership::new(owner.owner_id());
        let mut code = issued(&owner, &space, NodeId([3; 32])).encode();
        code.pop();
        assert_eq!(CustodyCode::decode(&code).err(), Some(CustodyCodeError::Damaged));
        assert_eq!(
            CustodyCode::decode("cairn1abc").err(),
            Some(CustodyCodeError::NotACode)
        );
        let mut named = issued(&owner, &space, NodeId([3; 32]));
        named.user = "../x".into();
        assert_eq!(
            CustodyCode::decode(&named.encode()).err(),
            Some(CustodyCodeError::BadUser)
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
            let _ = CustodyCode::decode(&text);
            let _ = CustodyCode::decode(&KIND.write(bytes));
        }
    }
}
