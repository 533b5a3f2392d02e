//! Copies of shared folders at custodians: whoever keeps a user's own space keeps the folders that this user shares as well.
//!
//! What is shared leaves the user's own space, and would leave with it the nodes that keep that. So each device of the user grants the custodians
//! of the own space the same in the space of every folder that the user shares, and takes it back there when it is taken back here. All devices sign alike, so
//! however many of them do it, it is one statement.

use super::custody_code::CustodyCode;
use super::share_records::OwnShare;
use crate::model::access::{Area, Deed};
use crate::model::{Capabilities, Grant, Membership, NodeId, Revocation, WallTime};

/// Statements that all devices sign for themselves: dated alike, they are one.
const SIGNED_AT: WallTime = WallTime(0);

/// What has to be said in the space of a shared folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statements {
    pub(super) grants: Vec<Grant>,
    pub(super) revocations: Vec<Revocation>,
}

fn is_custodian(space: &Membership, node: NodeId, now: WallTime) -> bool {
    space.may(node, Deed::Keep, Area::WHOLE, now) && !space.may(node, Deed::Read, Area::WHOLE, now)
}

/// Those who keep a space and do not read it, with their names.
fn custodians(space: &Membership, now: WallTime) -> Vec<(NodeId, &str)> {
    let mut found: Vec<(NodeId, &str)> = space
        .grants()
        .into_iter()
        .filter(|grant| is_custodian(space, grant.subject, now))
        .map(|grant| (grant.subject, grant.name.as_str()))
        .collect();
    found.sort_unstable();
    found.dedup_by_key(|(node, _)| *node);
    found
}

/// What is lacking in `share`, the members of a folder that the user shares, for those to keep it who keep `home`, and nobody else.
pub(super) fn lacking(home: &Membership, own: &OwnShare, share: &Membership, now: WallTime) -> Statements {
    let space = own.key.owner_id();
    let mut statements = Statements::default();
    for (node, name) in custodians(home, now) {
        let holds = share
            .capabilities(node, now)
            .is_some_and(|own| own.includes(Capabilities::HOLD));
        if !holds && !share.is_revoked(node) {
            let hold = Capabilities::HOLD;
            let grant = Grant::issue(space, node, hold, SIGNED_AT, None, name, &own.key);
            statements.grants.push(grant);
        }
    }
    for (node, _) in custodians(share, now) {
        // Who reads it as well is a guest, and stays one.
        if home.is_revoked(node) {
            let revocation = Revocation::issue(space, node, SIGNED_AT, Vec::new(), &own.key);
            statements.revocations.push(revocation);
        }
    }
    statements
}

/// The codes with which the custodians of a shared folder begin.
pub(super) fn codes(own: &OwnShare, user: &str, share: &Membership, now: WallTime) -> Vec<(NodeId, String)> {
    let code = |(node, name): (NodeId, &str)| {
        let (code, _) = CustodyCode::issue(user, &own.key, share, node, name, Vec::new(), SIGNED_AT);
        (node, code.encode())
    };
    custodians(share, now).into_iter().map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FolderPath, KeyPair};

    const NOW: WallTime = WallTime(10);

    fn key(seed: u8) -> KeyPair {
        KeyPair::from_seed(&[seed; 32])
    }

    fn granted(owner: &KeyPair, node: &KeyPair, capabilities: Capabilities) -> Grant {
        Grant::issue(
            owner.owner_id(),
            node.node_id(),
            capabilities,
            WallTime(1),
            None,
            "x",
            owner,
        )
    }

    #[test]
    fn custodians_of_the_space_keep_what_it_shares_until_they_keep_it_no_more() {
        let (owner, device, friend, guest) = (key(1), key(2), key(3), key(4));
        let own = OwnShare {
            key: key(9),
            folder: FolderPath::parse("/shared/a/").unwrap(),
            mover: device.node_id(),
        };
        let mut home = Membership::new(owner.owner_id());
        home.add_grant(granted(&owner, &device, Capabilities::ALL))
            .unwrap();
        let mut share = Membership::new(own.key.owner_id());
        share
            .add_grant(granted(&own.key, &device, Capabilities::ALL))
            .unwrap();
        assert_eq!(lacking(&home, &own, &share, NOW), Statements::default());
        for keeper in [&friend, &guest] {
            home.add_grant(granted(&owner, keeper, Capabilities::HOLD))
                .unwrap();
        }
        let reads = Capabilities::READ.union(Capabilities::HOLD);
        share.add_grant(granted(&own.key, &guest, reads)).unwrap();

        // The guest has all of it anyway.
        let statements = lacking(&home, &own, &share, NOW);
        let [grant] = &statements.grants[..] else {
            panic!("{statements:?}");
        };
        assert_eq!(grant.subject, friend.node_id());
        assert_eq!(grant.capabilities, Capabilities::HOLD);
        share.add_grant(grant.clone()).unwrap();
        assert_eq!(lacking(&home, &own, &share, NOW), Statements::default());
        let codes = codes(&own, "ada", &share, NOW);
        let [(node, code)] = &codes[..] else {
            panic!("{codes:?}");
        };
        let told = CustodyCode::decode(code).unwrap().membership(*node, NOW).unwrap();
        assert_eq!(told.space(), own.key.owner_id());
        assert_eq!(*node, friend.node_id());

        for gone in [&friend, &guest] {
            let revocation = Revocation::issue(owner.owner_id(), gone.node_id(), NOW, Vec::new(), &owner);
            home.add_revocation(revocation).unwrap();
        }
        let statements = lacking(&home, &own, &share, NOW);
        let [revocation] = &statements.revocations[..] else {
            panic!("{statements:?}");
        };
        assert_eq!(revocation.subject, friend.node_id());
        share.add_revocation(revocation.clone()).unwrap();
        assert_eq!(lacking(&home, &own, &share, NOW), Statements::default());
        assert_eq!(super::codes(&own, "ada", &share, NOW), Vec::new());
    }
}
