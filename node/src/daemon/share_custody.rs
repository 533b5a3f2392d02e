//! Copies of shared folders at custodians: whoever keeps a user's own space keeps the folders that this user shares as well.
//!
//! What is shared leaves the user's own space, and would leave with it the nodes that keep that. So each device of the user grants the custodians
//! of the own space the same in the space of every folder that the user shares, and takes it back there when it is taken back here. All devices sign alike, so
//! however many of them do it, it is one statement.

use super::custody_code::CustodyCode;
use super::share_records::OwnShare;
use crate::model::access::{Area, Deed};
use crate::model::{Capabilities, Grant, KeyPair, Membership, NodeId, Revocation, WallTime};

/// What each device signs for itself, again at every start: dated alike, it is one statement.
pub(super) const SIGNED_AT: WallTime = WallTime(0);

/// What has to be said in the space of a shared folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Statements {
    /// Each behind the one that lets its issuer issue it.
    pub(super) grants: Vec<Grant>,
    pub(super) revocations: Vec<Revocation>,
}

fn is_custodian(space: &Membership, node: NodeId, now: WallTime) -> bool {
    space.may(node, Deed::Keep, Area::WHOLE, now) && !space.may(node, Deed::Read, Area::WHOLE, now)
}

/// Those who keep the user's own space and do not read it, with their names.
fn custodians(home: &Membership, now: WallTime) -> Vec<(NodeId, &str)> {
    let mut found: Vec<(NodeId, &str)> = home
        .grants()
        .into_iter()
        .filter(|grant| is_custodian(home, grant.subject, now))
        .map(|grant| (grant.subject, grant.name.as_str()))
        .collect();
    found.sort_unstable();
    found.dedup_by_key(|(node, _)| *node);
    found
}

/// The key by which one node keeps a shared folder: when it keeps it no more, the key is revoked, and not the node, which may be, or become, a guest.
fn key_for(own: &OwnShare, node: NodeId) -> KeyPair {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 key of a share's custodian");
    hasher.update(&own.key.seed()[..]);
    hasher.update(&node.0);
    KeyPair::from_seed(hasher.finalize().as_bytes())
}

/// The grant of that key, and by it that of the node.
fn grants_for(own: &OwnShare, key: &KeyPair, node: NodeId, name: &str) -> [Grant; 2] {
    let space = own.key.owner_id();
    let issue = |subject, capabilities, issuer| {
        Grant::issue(space, subject, capabilities, SIGNED_AT, None, name, issuer)
    };
    [
        issue(key.node_id(), Capabilities::CUSTODY_KEY, &own.key),
        issue(node, Capabilities::HOLD, key),
    ]
}

/// What is lacking in `share`, the members of a folder that the user shares, for those to keep it who keep `home`, and nobody else.
pub(super) fn lacking(home: &Membership, own: &OwnShare, share: &Membership, now: WallTime) -> Statements {
    let mut statements = Statements::default();
    for (node, name) in custodians(home, now) {
        // A guest, or a node that a guest let in, may go; this stays.
        let key = key_for(own, node);
        let holds = share
            .grants()
            .into_iter()
            .any(|grant| grant.subject == node && grant.issuer == key.public());
        if !holds && !share.is_revoked(node) {
            statements.grants.extend(grants_for(own, &key, node, name));
        }
    }
    for grant in share.grants() {
        let node = grant.subject;
        if home.is_revoked(node) {
            let key = key_for(own, node);
            let id = key.node_id();
            if grant.issuer == key.public() && !share.is_revoked(id) {
                let space = own.key.owner_id();
                let revocation = Revocation::issue(space, id, SIGNED_AT, Vec::new(), &own.key);
                statements.revocations.push(revocation);
            }
        }
    }
    statements
}

/// The codes with which those who keep `home` begin to keep a shared folder.
pub(super) fn codes(
    home: &Membership,
    own: &OwnShare,
    user: &str,
    share: &Membership,
    now: WallTime,
) -> Vec<(NodeId, String)> {
    let mut codes = Vec::new();
    for (node, name) in custodians(home, now) {
        if is_custodian(share, node, now) {
            let key = key_for(own, node);
            let (code, _) = CustodyCode::issue(user, &key, share, node, name, Vec::new(), SIGNED_AT);
            codes.push((node, code.encode()));
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FolderPath;

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

        // The guest reads it by a right that may be taken back: it is let in twice.
        let take = |statements: &Statements, share: &mut Membership| {
            for grant in &statements.grants {
                share.add_grant(grant.clone()).unwrap();
            }
            for revocation in &statements.revocations {
                share.add_revocation(revocation.clone()).unwrap();
            }
        };
        let statements = lacking(&home, &own, &share, NOW);
        assert_eq!((statements.grants.len(), statements.revocations.len()), (4, 0));
        take(&statements, &mut share);
        assert_eq!(lacking(&home, &own, &share, NOW), Statements::default());
        assert_eq!(
            share.capabilities(friend.node_id(), NOW),
            Some(Capabilities::HOLD)
        );

        // A node that a guest let in to hold it is no custodian of the user's.
        let (guest_key, stray) = (key(7), key(8));
        share
            .add_grant(granted(&own.key, &guest_key, Capabilities::GUEST_READS))
            .unwrap();
        let by_guest = Grant::issue(
            own.key.owner_id(),
            stray.node_id(),
            Capabilities::HOLD,
            NOW,
            None,
            "x",
            &guest_key,
        );
        share.add_grant(by_guest).unwrap();
        let codes = codes(&home, &own, "ada", &share, NOW);
        let [(node, code)] = &codes[..] else {
            panic!("{codes:?}");
        };
        assert_eq!(*node, friend.node_id());
        let told = CustodyCode::decode(code).unwrap().membership(*node, NOW).unwrap();
        assert_eq!(told.space(), own.key.owner_id());

        for gone in [&friend, &guest] {
            let revocation = Revocation::issue(owner.owner_id(), gone.node_id(), NOW, Vec::new(), &owner);
            home.add_revocation(revocation).unwrap();
        }
        let statements = lacking(&home, &own, &share, NOW);
        assert_eq!((statements.grants.len(), statements.revocations.len()), (0, 2));
        take(&statements, &mut share);
        assert_eq!(lacking(&home, &own, &share, NOW), Statements::default());
        assert_eq!(super::codes(&home, &own, "ada", &share, NOW), Vec::new());
        // Whoever reads it as a guest still does, and who kept it may become one.
        assert_eq!(share.capabilities(guest.node_id(), NOW), Some(reads));
        assert_eq!(share.capabilities(friend.node_id(), NOW), None);
        share.add_grant(granted(&own.key, &friend, reads)).unwrap();
        assert_eq!(share.capabilities(friend.node_id(), NOW), Some(reads));
    }
}
