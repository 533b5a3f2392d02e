//! Grants, revocations, key epochs, and the membership they make.

use cairn::model::{
    CHAIN_LEN_MAX, Capabilities, EARLIER_MAX, EpochId, EpochKeys, GRANT_LEN_MAX, GRANT_NAME_LEN_MAX, Grant,
    KEPT_MAX, KEY_EPOCH_LEN_MAX, KeyBox, KeyEpoch, KeyPair, Membership, NodeId, REVOCATION_LEN_MAX,
    Revocation, StatementId, WallTime, codec,
};

use super::choices::{Choices, KEYS, key};

/// More than any frame: the round trip is the law here, the frame's bound is checked with messages.
const MEMBERSHIP_LEN_MAX: usize = 1 << 24;

/// The known key pair of a node.
pub(super) fn pair(node: NodeId) -> Option<&'static KeyPair> {
    (0..KEYS).map(key).find(|pair| pair.node_id() == node)
}

/// Laws of grants: one encoding, within its bound, and no change to it is accepted.
pub(super) fn grant_bytes(bytes: &[u8]) -> bool {
    if let Ok(grant) = Grant::decode(bytes) {
        assert_eq!(grant.encode(), bytes, "a grant has one encoding");
        assert!(bytes.len() <= GRANT_LEN_MAX && grant.name.len() <= GRANT_NAME_LEN_MAX);
        return true;
    }
    let revocation = Revocation::decode(bytes);
    if let Ok(revocation) = &revocation {
        assert_eq!(revocation.encode(), bytes, "a revocation has one encoding");
        assert!(bytes.len() <= REVOCATION_LEN_MAX && revocation.kept.len() <= KEPT_MAX);
    }
    let key_epoch = KeyEpoch::decode(bytes);
    if let Ok(key_epoch) = &key_epoch {
        assert_eq!(key_epoch.encode(), bytes, "a key epoch has one encoding");
        assert!(bytes.len() <= KEY_EPOCH_LEN_MAX && key_epoch.keys().earlier.len() <= EARLIER_MAX);
    }
    revocation.is_ok() || key_epoch.is_ok()
}

/// Builds a grant, revocation or key epoch, which must be read again whole, and must not when it was changed.
pub(super) fn statement(choices: &mut Choices) -> bool {
    let mut bytes = match choices.below(3) {
        0 => revocation(choices, Vec::new()).encode(),
        1 => key_epoch(choices).encode(),
        _ => grant(choices).encode(),
    };
    assert!(grant_bytes(&bytes), "a grant that was issued can be read");
    if choices.damage(&mut bytes) {
        assert!(!grant_bytes(&bytes), "a grant that was changed is refused");
        return false;
    }
    true
}

/// A grant and a revocation whose bytes under the signature are the input's own, signed by the first key.
pub(super) fn signed(body: &[u8], context: &str) -> Vec<u8> {
    let signature = key(0).sign(context, body);
    [&[0x82], body, &[0x58, 0x40], signature.as_bytes().as_slice()].concat()
}

fn wall(choices: &mut Choices) -> WallTime {
    WallTime(choices.number())
}

fn capabilities(choices: &mut Choices) -> Capabilities {
    match choices.byte() {
        0..=99 => Capabilities::ALL,
        100..=149 => Capabilities::INVITE,
        // Any set of the five bits; below 24, CBOR's integers are one byte.
        other => codec::decode(&[other % 24], 1).unwrap_or(Capabilities::READ),
    }
}

fn grant(choices: &mut Choices) -> Grant {
    Grant::issue(
        key(0).owner_id(),
        choices.key().node_id(),
        capabilities(choices),
        wall(choices),
        choices.option(wall),
        &choices.text(),
        choices.key(),
    )
}

/// A revocation that keeps some of `known`.
fn revocation(choices: &mut Choices, mut known: Vec<StatementId>) -> Revocation {
    known.retain(|_| choices.flag());
    Revocation::issue(
        key(0).owner_id(),
        choices.key().node_id(),
        wall(choices),
        known,
        choices.key(),
    )
}

/// A statement about one of a few epochs, whose boxes hold nothing.
fn key_epoch(choices: &mut Choices) -> KeyEpoch {
    let epoch = |choices: &mut Choices| EpochId([choices.byte() % 5; 8]);
    let empty = KeyBox {
        ephemeral: [9; 32],
        sealed: [9; KeyBox::SEALED_LEN],
    };
    let keys = EpochKeys {
        space: key(0).owner_id(),
        epoch: epoch(choices),
        earlier: (0..choices.below(3)).map(|_| epoch(choices)).collect(),
        handed_on: vec![choices.byte(); 40],
        boxes: (0..choices.below(3))
            .map(|_| (choices.key().node_id(), empty.clone()))
            .collect(),
        shut_out: (0..choices.below(3)).map(|_| choices.key().node_id()).collect(),
        issued: wall(choices),
    };
    KeyEpoch::sign(keys, choices.key())
}

/// The membership of the first key's space, of whatever grants it takes.
pub(super) fn membership(choices: &mut Choices) -> Membership {
    let mut membership = Membership::new(key(0).owner_id());
    for _ in 0..choices.below(40) {
        let what = choices.byte();
        if what >= 240 {
            let _ = membership.add_key_epoch(key_epoch(choices));
        } else if what < 208 {
            let grant = quick_grant(choices);
            if membership.add_grant(grant.clone()).is_ok() {
                assert_eq!(membership.add_grant(grant), Ok(false), "a grant is known by now");
            }
        } else {
            let known = membership.grants().into_iter().map(Grant::id);
            let known = known
                .chain(membership.revocations().map(Revocation::id))
                .collect();
            let _ = membership.add_revocation(revocation(choices, known));
        }
    }
    membership
}

/// A grant of few choices, so that long chains are short inputs.
fn quick_grant(choices: &mut Choices) -> Grant {
    let (issuer, subject) = (choices.key(), choices.key());
    let capabilities = capabilities(choices);
    let time = choices.byte();
    let (issued, expires) = (WallTime(u64::from(time / 16)), WallTime(u64::from(time % 16)));
    let expires = (!time.is_multiple_of(16)).then_some(expires);
    Grant::issue(
        key(0).owner_id(),
        subject.node_id(),
        capabilities,
        issued,
        expires,
        "",
        issuer,
    )
}

/// Laws of memberships: what was taken in can be sent and read again; nobody can do more than was ever granted, and
/// who was revoked can do nothing.
pub(super) fn check(membership: &Membership) {
    let bytes = codec::encode(membership);
    let read = codec::decode::<Membership>(&bytes, MEMBERSHIP_LEN_MAX);
    assert_eq!(
        read.as_ref(),
        Ok(membership),
        "a membership can be read by others"
    );
    let now = WallTime(8);
    for grant in membership.grants() {
        let ever = membership.capabilities_ever(grant.subject);
        assert!(grant.capabilities.is_invite() || ever.is_some_and(|ever| ever.includes(grant.capabilities)));
        if let Some(today) = membership.capabilities(grant.subject, now) {
            assert!(ever.is_some_and(|ever| ever.includes(today)) && !today.is_invite());
            assert!(!membership.is_revoked(grant.subject));
        }
        let chain = membership.chain_to(grant);
        assert!(chain.len() < CHAIN_LEN_MAX);
        let mut issuer = membership.space().0;
        for link in chain.iter().chain([&grant]) {
            assert_eq!(link.issuer, issuer, "a chain leads from the owner to the grant");
            issuer = link.subject.0;
        }
    }
    for holder in membership.holders(now) {
        let own = membership.capabilities(holder, now).expect("a member");
        assert!(own.includes(Capabilities::HOLD));
    }
    check_epochs(membership, now);
    for revocation in membership.revocations() {
        if membership.is_revoked(revocation.subject) {
            assert_eq!(membership.capabilities(revocation.subject, now), None);
        }
        if revocation.issuer == membership.space().0 {
            assert!(
                membership.is_revoked(revocation.subject),
                "the owner has the last word"
            );
        }
    }
}

/// Laws of epochs: whoever knows all keys seals under a latest one, which was not begun by somebody who is shut out, and that nobody of
/// those has whom its trusted statements shut out; whoever reads and has no key is known to have none.
fn check_epochs(membership: &Membership, now: WallTime) {
    let known = membership
        .key_epochs()
        .map(|statement| statement.keys().epoch)
        .collect();
    let latest = membership.latest_epochs(&known);
    let current = membership.current_epoch(&known);
    assert_eq!(current.is_none(), latest.is_empty());
    let shut_out = membership.shut_out();
    assert!(shut_out.is_sorted());
    for epoch in latest {
        let mut about = membership
            .key_epochs()
            .filter(|statement| statement.keys().epoch == epoch);
        assert!(about.any(|statement| !membership.is_revoked(statement.issuer())));
        assert!(!shut_out.is_empty() || !membership.must_end(epoch));
        for node in membership.readers_without(epoch, now) {
            assert!(membership.readers(now).contains(&node));
            let mut about = membership
                .key_epochs()
                .filter(|statement| statement.keys().epoch == epoch);
            assert!(about.all(|statement| statement.key_box(node).is_none()));
        }
    }
    for node in membership.readers(now) {
        assert!(
            node.0 == membership.space().0 || !shut_out.contains(&node),
            "nobody is in and out"
        );
    }
}
