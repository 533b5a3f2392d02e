//! Codes that people copy: invites, custody codes, cards, invitations to shared folders.

use cairn::daemon::{Admission, Card, CustodyCode, Invite};
use cairn::model::{Capabilities, FolderPath, Grant, KeyPair, Membership, WallTime};
use cairn::seal::EpochKey;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::choices::{Choices, key};

/// Longest code that is read, in characters behind its first six.
const CODE_LEN_MAX: usize = 8192;

/// Laws: a code has one form, but for white space around it; a code that was changed is refused; whatever invite the
/// space of its issuer takes in can be read, and accepted until it runs out, and then its device is a member. Custody codes likewise, which make
/// their node one that holds and no more; and cards, which are signed by whom they name; and invitations, which open for the devices on a card alone.
pub fn invite(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 4 {
        0 => std::str::from_utf8(choices.rest())
            .is_ok_and(|text| read(text) | read_custody(text) | read_card(text) | read_invitation(text)),
        1 => {
            let bytes = choices.rest();
            read(&code(bytes))
                | read_custody(&checked("cairnhold1", "cairn 1 custody", bytes))
                | read_card(&checked("cairncard1", "cairn 1 card", bytes))
                | read_invitation(&checked("cairnshare1", "cairn 1 share", bytes))
        }
        _ => issued(&mut choices),
    }
}

/// The code of these bytes, with the check that belongs to them.
pub(super) fn code(bytes: &[u8]) -> String {
    checked("cairn1", "cairn 1 invite", bytes)
}

fn checked(prefix: &str, context: &str, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(bytes);
    let mut check = [0; 4];
    hasher.finalize_xof().fill(&mut check);
    format!("{prefix}{}", BASE64URL_NOPAD.encode(&[bytes, &check].concat()))
}

fn read_card(text: &str) -> bool {
    let Ok(card) = Card::decode(text) else {
        return false;
    };
    assert_eq!(card.encode(), text.trim(), "a card has one form");
    assert!(card.devices.len() <= 32 && card.addresses.len() <= 8);
    true
}

/// Nobody can make one for these devices without their keys being known: they are.
fn read_invitation(text: &str) -> bool {
    (0..4).any(|device| Admission::open(text, key(device)).is_ok())
}

fn read_custody(text: &str) -> bool {
    let Ok(code) = CustodyCode::decode(text) else {
        return false;
    };
    assert_eq!(code.encode(), text.trim(), "a custody code has one form");
    assert!(code.addresses.len() <= 8 && code.addresses.iter().all(|address| address.len() <= 256));
    let node = code.node().expect("it is for a node");
    if let Ok(membership) = code.membership(node, WallTime(0)) {
        let own = membership.capabilities(node, WallTime(0));
        assert!(own.is_some_and(|own| own.includes(Capabilities::HOLD)));
    }
    true
}

fn read(text: &str) -> bool {
    let Ok(invite) = Invite::decode(text) else {
        return false;
    };
    let code = invite.encode();
    assert_eq!(code, text.trim(), "an invite has one code");
    assert!(code.len() <= 6 + CODE_LEN_MAX);
    assert!((1..=64).contains(&invite.user.len()) && !invite.user.contains(['/', '\0', '%']));
    assert!(invite.addresses.len() <= 8 && invite.addresses.iter().all(|address| address.len() <= 256));
    let device = KeyPair::from_seed(&[99; 32]).node_id();
    if let Ok(joined) = invite.accept(device, "new", WallTime(0)) {
        assert_eq!(
            joined.capabilities(device, WallTime(u64::MAX)),
            Some(Capabilities::ALL)
        );
    }
    assert!(
        invite.accept(device, "new", invite.expires).is_err(),
        "an invite runs out"
    );
    true
}

/// Signs a card, and seals an invitation to it.
fn shared(space: &Membership, signer: &KeyPair) {
    let now = WallTime(1);
    let card = Card::sign("ada", space, Vec::new(), signer, now);
    let may = signer.public() == space.space().0
        || space
            .capabilities_ever(signer.node_id())
            .is_some_and(|own| own.includes(Capabilities::WRITE));
    assert_eq!(
        read_card(&card.encode()),
        may,
        "a card is signed by whom it names"
    );
    if !may {
        return;
    }
    let share = KeyPair::from_seed(&[97; 32]);
    let user = KeyPair::from_seed(&[96; 32]);
    let capabilities = Capabilities::GUEST_READS;
    let grant = Grant::issue(
        share.owner_id(),
        user.node_id(),
        capabilities,
        now,
        None,
        "ada",
        &share,
    );
    let admission = Admission {
        space: share.owner_id(),
        folder: FolderPath::parse("/shared/photos/").expect("a folder"),
        key: user,
        grant,
        first: EpochKey::first(&share),
        current: None,
        addresses: Vec::new(),
        from: space.space(),
        from_user: "ada".into(),
    };
    let code = admission.seal_to(&card, signer, space).expect("it is short");
    for device in (0..12).map(key) {
        let opened = Admission::open(&code, device);
        assert_eq!(
            opened.is_ok(),
            card.devices.contains(&device.node_id()),
            "for the devices on the card alone"
        );
        assert!(
            opened.is_ok_and(|opened| !opened.writes() && opened.space == share.owner_id())
                || !card.devices.contains(&device.node_id())
        );
    }
}

/// Lets a stranger hold a space.
fn custodian(space: &Membership, issuer: &KeyPair) {
    let node = KeyPair::from_seed(&[98; 32]).node_id();
    let now = WallTime(1);
    let (code, grant) = CustodyCode::issue("ada", issuer, space, node, "friend", Vec::new(), now);
    if space.clone().add_grant(grant).is_err() {
        return;
    }
    let text = code.encode();
    assert!(read_custody(&text), "a code that was issued can be read");
    let read = CustodyCode::decode(&text).expect("read above");
    let known = read
        .membership(node, now)
        .expect("what the space takes in makes a custodian");
    assert_eq!(known.capabilities(node, now), Some(Capabilities::HOLD));
}

/// Issues an invite in a space of some devices, each admitted by one before it.
fn issued(choices: &mut Choices) -> bool {
    let owner = key(0);
    let mut space = Membership::new(owner.owner_id());
    for step in 1..=choices.below(10) {
        let shape = choices.byte();
        let issuer = if shape < 192 {
            key(step - 1)
        } else {
            key(usize::from(shape) % step)
        };
        let capabilities = if shape % 8 == 7 {
            Capabilities::ADMIT
        } else {
            Capabilities::ALL
        };
        let expires = (shape % 16 == 5).then_some(WallTime(5));
        let grant = Grant::issue(
            owner.owner_id(),
            key(step).node_id(),
            capabilities,
            WallTime(1),
            expires,
            &choices.text(),
            issuer,
        );
        let _ = space.add_grant(grant);
    }
    let issuer = choices.key();
    custodian(&space, issuer);
    shared(&space, issuer);
    let user = ["ada", "a", "Ada.Lovelace-1815_x"][choices.below(3)];
    let expires = WallTime(u64::from(choices.byte()) + 2);
    let addresses = choices.list(12, Choices::text);
    let seed = Zeroizing::new([choices.byte(); 32]);
    let (invite, grant) = Invite::issue(user, issuer, &space, seed, addresses, WallTime(1), expires);
    if space.add_grant(grant).is_err() {
        return false;
    }
    let mut code = invite.encode();
    assert!(read(&code), "a code that was issued can be read");
    let device = KeyPair::from_seed(&[99; 32]).node_id();
    let joined = Invite::decode(&code)
        .expect("read above")
        .accept(device, "new", WallTime(1))
        .expect("an invite that its own space takes in can be accepted");
    super::membership::check(&joined);
    for grant in joined.grants() {
        space
            .add_grant(grant.clone())
            .expect("the others take the newcomer in");
    }
    let mut bytes = std::mem::take(&mut code).into_bytes();
    if choices.damage(&mut bytes)
        && let Ok(text) = std::str::from_utf8(&bytes)
        && text.trim() != invite.encode()
    {
        assert!(
            Invite::decode(text).is_err(),
            "a code that was changed is refused"
        );
    }
    true
}
