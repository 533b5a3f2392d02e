//! Invites: one line of text with which another device becomes one of an owner's nodes.
//!
//! The code holds a one-time key and the grants that lead from the owner to it. The joining device signs its own
//! grant with that key, so `join` needs no link, and every node of the space can check the newcomer by itself.

use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::code_text::{BadCode, CODE_LEN_MAX, CodeKind};
use super::home::check_user;
use crate::model::{
    Capabilities, GRANT_LEN_MAX, Grant, KeyPair, Membership, NodeId, OwnerId, WallTime, codec,
};
use crate::seal::EpochKey;

/// What every code begins with.
const PREFIX: &str = "cairn1";
const KIND: CodeKind = CodeKind {
    prefix: PREFIX,
    context: "cairn 1 invite",
    version: VERSION,
    version_at: 1,
};
/// Most addresses in one code.
pub(super) const ADDRESSES_MAX: usize = 8;
/// Longest address, in bytes.
pub(super) const ADDRESS_LEN_MAX: usize = 256;
/// Most grants in one code: the longest chain.
pub(super) const GRANTS_MAX: usize = 8;

/// Why a code lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// Not a code at all.
    #[error("this is no invite code: it begins with \"{PREFIX}\", and cairn invite prints one")]
    NotACode,
    /// A character got lost or changed.
    #[error("the invite code was not copied whole: copy the line again")]
    Damaged,
    /// A version that this program does not know.
    #[error("this invite is of version {0}: update this program")]
    UnknownVersion(u8),
    /// Too late.
    #[error("this invite has run out: ask for a new one with cairn invite")]
    Expired,
    /// The user's name would not fit in an address.
    #[error("this invite is for a user whose name is none: ask for another one")]
    BadUser,
    /// The grants in it do not lead to its key.
    #[error("this invite is not signed by its owner")]
    NotGranted,
}

impl From<BadCode> for InviteError {
    fn from(bad: BadCode) -> Self {
        match bad {
            BadCode::Other => Self::NotACode,
            BadCode::Damaged => Self::Damaged,
            BadCode::Version(version) => Self::UnknownVersion(version),
        }
    }
}

/// An invite.
pub struct Invite {
    /// Whose space.
    pub owner: OwnerId,
    /// The user's name in addresses.
    pub user: String,
    /// The one-time key's seed.
    seed: Zeroizing<[u8; 32]>,
    /// From the owner's to the one-time key's own.
    grants: Vec<Grant>,
    /// Where the inviting node may be found.
    pub addresses: Vec<String>,
    /// Until when it may be used.
    pub expires: WallTime,
    /// The key of the space's first epoch, if the inviting node knows it.
    pub space_key: Option<Zeroizing<[u8; 32]>>,
    /// That of the epoch in which the invite was made, if it is another one.
    pub epoch_key: Option<Zeroizing<[u8; 32]>>,
}

/// `[version, owner, user, seed, [grant, …], [address, …], expires, [space key, [epoch key]]]`: the last list may be shorter.
type Wire = (
    u8,
    OwnerId,
    String,
    ByteBuf,
    Vec<ByteBuf>,
    Vec<String>,
    WallTime,
    Vec<ByteBuf>,
);

const VERSION: u8 = 3;

impl Invite {
    /// Makes an invite. `issuer` is the owner's key, or that of a device whose grants are in `membership` and may
    /// admit. The one-time key's grant must be taken into the space's membership: it is returned as well.
    pub fn issue(
        user: &str,
        issuer: &KeyPair,
        membership: &Membership,
        seed: Zeroizing<[u8; 32]>,
        mut addresses: Vec<String>,
        now: WallTime,
        expires: WallTime,
    ) -> (Self, Grant) {
        let owner = membership.space();
        let key = KeyPair::from_seed(&seed);
        let grant = Grant::issue(
            owner,
            key.node_id(),
            Capabilities::INVITE,
            now,
            Some(expires),
            "invite",
            issuer,
        );
        let mut grants: Vec<Grant> = membership.chain_to(&grant).into_iter().cloned().collect();
        grants.push(grant.clone());
        addresses.retain(|address| address.len() <= ADDRESS_LEN_MAX);
        addresses.truncate(ADDRESSES_MAX);
        let invite = Self {
            owner,
            user: user.to_owned(),
            seed,
            grants,
            addresses,
            expires,
            space_key: None,
            epoch_key: None,
        };
        (invite, grant)
    }

    /// Tells the key of the first epoch, and that of the current one.
    pub fn tell(&mut self, first: Option<&EpochKey>, current: Option<&EpochKey>) {
        self.space_key = first.map(|key| key.secret().clone());
        let is_other = |key: &&EpochKey| first.is_some_and(|first| first.id() != key.id());
        self.epoch_key = current.filter(is_other).map(|key| key.secret().clone());
    }

    /// The line of text.
    pub fn encode(&self) -> String {
        let wire: Wire = (
            VERSION,
            self.owner,
            self.user.clone(),
            ByteBuf::from(self.seed.to_vec()),
            self.grants
                .iter()
                .map(|grant| ByteBuf::from(grant.encode()))
                .collect(),
            self.addresses.clone(),
            self.expires,
            [&self.space_key, &self.epoch_key]
                .into_iter()
                .flatten()
                .map(|key| ByteBuf::from(key.to_vec()))
                .collect(),
        );
        KIND.write(codec::encode(&wire))
    }

    /// Reads a code.
    pub fn decode(code: &str) -> Result<Self, InviteError> {
        let bytes = KIND.read(code)?;
        let (_, owner, user, seed, grants, addresses, expires, keys): Wire =
            codec::decode(&bytes, CODE_LEN_MAX).map_err(|_| InviteError::Damaged)?;
        check_user(&user).map_err(|_| InviteError::BadUser)?;
        let secret = |bytes: &ByteBuf| {
            let secret = <[u8; 32]>::try_from(&bytes[..]);
            secret.map(Zeroizing::new).map_err(|_| InviteError::Damaged)
        };
        let seed = secret(&seed)?;
        let fits = keys.len() <= 2
            && grants.len() <= GRANTS_MAX
            && addresses.len() <= ADDRESSES_MAX
            && addresses.iter().all(|address| address.len() <= ADDRESS_LEN_MAX)
            && grants.iter().all(|grant| grant.len() <= GRANT_LEN_MAX);
        if !fits {
            return Err(InviteError::Damaged);
        }
        let mut keys = keys.iter().map(secret);
        let (space_key, epoch_key) = (keys.next().transpose()?, keys.next().transpose()?);
        let grants = grants
            .iter()
            .map(|grant| Grant::decode(grant))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| InviteError::NotGranted)?;
        Ok(Self {
            owner,
            user,
            seed,
            grants,
            addresses,
            expires,
            space_key,
            epoch_key,
        })
    }

    /// Makes `device` one of the owner's nodes: signs its grant with the one-time key.
    pub fn accept(&self, device: NodeId, name: &str, now: WallTime) -> Result<Membership, InviteError> {
        if now >= self.expires {
            return Err(InviteError::Expired);
        }
        let mut membership = Membership::new(self.owner);
        let key = KeyPair::from_seed(&self.seed);
        let own = Grant::issue(self.owner, device, Capabilities::ALL, now, None, name, &key);
        for grant in self.grants.iter().chain([&own]) {
            membership
                .add_grant(grant.clone())
                .map_err(|_| InviteError::NotGranted)?;
        }
        Ok(membership)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_MS: u64 = 3_600_000;

    fn invite(issuer: &KeyPair, membership: &Membership) -> (Invite, Grant) {
        let addresses = vec!["tcp://192.168.1.5:7781".to_owned()];
        let seed = Zeroizing::new([5; 32]);
        Invite::issue(
            "ada",
            issuer,
            membership,
            seed,
            addresses,
            WallTime(1),
            WallTime(HOUR_MS),
        )
    }

    #[test]
    fn a_device_joins_and_invites_the_next() {
        let owner = KeyPair::from_seed(&[1; 32]);
        let mut space = Membership::new(owner.owner_id());
        let (first, grant) = invite(&owner, &space);
        space.add_grant(grant).unwrap();
        let code = first.encode();
        assert!(code.len() < 1200, "{} characters are a large QR code", code.len());
        let read = Invite::decode(&format!(" {code}\n")).unwrap();
        assert_eq!((read.user.as_str(), &read.addresses), ("ada", &first.addresses));

        let second = KeyPair::from_seed(&[2; 32]);
        let joined = read.accept(second.node_id(), "phone", WallTime(2)).unwrap();
        assert!(joined.capabilities(second.node_id(), WallTime(3)).is_some());
        // Every other node can check the newcomer by the grants that it brings.
        for grant in joined.grants() {
            space.add_grant(grant.clone()).unwrap();
        }
        let (next, _) = invite(&second, &joined);
        let third = Invite::decode(&next.encode())
            .unwrap()
            .accept(NodeId([3; 32]), "pi", WallTime(4))
            .unwrap();
        assert!(third.capabilities(NodeId([3; 32]), WallTime(5)).is_some());
    }

    #[test]
    fn a_code_that_ran_out_or_was_mistyped_says_so() {
        let owner = KeyPair::from_seed(&[1; 32]);
        let (invite, _) = invite(&owner, &Membership::new(owner.owner_id()));
        let late = invite.accept(NodeId([3; 32]), "pi", WallTime(HOUR_MS));
        assert_eq!(late.err(), Some(InviteError::Expired));
        let code = invite.encode();
        let mut typo = code.clone();
        let last = typo.pop();
        typo.push(if last == Some('A') { 'B' } else { 'A' });
        assert_eq!(Invite::decode(&typo).err(), Some(InviteError::Damaged));
        assert_eq!(Invite::decode("hello").err(), Some(InviteError::NotACode));
    }

    /// Whoever makes a code chooses what stands in it: a user named "../x" would have become part of an address.
    #[test]
    fn a_user_that_fits_in_no_address_is_refused() {
        let owner = KeyPair::from_seed(&[1; 32]);
        let (mut invite, _) = invite(&owner, &Membership::new(owner.owner_id()));
        for user in ["", "../x", "a/b", &"a".repeat(65)] {
            user.clone_into(&mut invite.user);
            assert_eq!(Invite::decode(&invite.encode()).err(), Some(InviteError::BadUser));
        }
    }

    /// A device had two grants that admit, and the code was made of the one that gives less than an invite does: it
    /// was refused as not signed by its owner.
    #[test]
    fn an_invite_carries_the_grants_that_allow_it() {
        let [owner, admitter, device] = [1, 2, 3].map(|seed| KeyPair::from_seed(&[seed; 32]));
        let mut space = Membership::new(owner.owner_id());
        let issue = |subject: &KeyPair, capabilities, issuer: &KeyPair| {
            let subject = subject.node_id();
            Grant::issue(
                owner.owner_id(),
                subject,
                capabilities,
                WallTime(1),
                None,
                "",
                issuer,
            )
        };
        for grant in [
            issue(&admitter, Capabilities::ALL, &owner),
            issue(&device, Capabilities::ADMIT, &owner),
            issue(&device, Capabilities::ALL, &admitter),
        ] {
            space.add_grant(grant).unwrap();
        }
        let (invite, grant) = invite(&device, &space);
        space.add_grant(grant).unwrap();
        let read = Invite::decode(&invite.encode()).unwrap();
        assert!(read.accept(NodeId([9; 32]), "pi", WallTime(2)).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,60}") {
            let _ = Invite::decode(&text);
            let _ = Invite::decode(&KIND.write(bytes));
        }
    }
}
