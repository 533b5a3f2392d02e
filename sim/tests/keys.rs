//! Keys that change when somebody may read no more, over partitions that delay the news.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use cairn::mesh::{Command, Precondition};
use cairn::model::{
    Capabilities, DocumentPath, Entry, EpochId, Grant, KeyPair, Membership, NodeId, Revocation, WallTime,
};
use cairn::seal::{Contents, EpochKey};
use cairn::space::View;
use cairn::store::Store;
use cairn_sim::{Newcomer, Role, World, laws, owner_key};

const A_WHILE: Duration = Duration::from_secs(90);

/// The owner of the first space of every world.
fn owner() -> KeyPair {
    owner_key(0)
}

fn path(name: &str) -> DocumentPath {
    format!("/private/notes/{name}").parse().unwrap()
}

/// Nodes with a link between any two of `linked`.
fn world(seed: u64, count: usize, linked: &[usize]) -> World {
    let mut world = World::new(seed, count).unwrap();
    world.link_all(linked).unwrap();
    world.run(A_WHILE).unwrap();
    world
}

fn put(world: &mut World, node: usize, name: &str) {
    let request = world
        .put(node, &path(name), name.as_bytes(), Precondition::default())
        .unwrap();
    world.run(Duration::from_secs(1)).unwrap();
    assert!(matches!(world.reply(request), Some(Ok(_))), "{name}");
}

fn id(world: &World, node: usize) -> NodeId {
    world.nodes[node].key.node_id()
}

fn membership(world: &World, node: usize) -> Membership {
    world.nodes[node].engine.as_ref().unwrap().membership().clone()
}

/// `by` revokes `subject`, with the owner's key.
fn revoke(world: &mut World, by: usize, subject: usize) {
    world.revoke(by, subject).unwrap();
    world.run(Duration::from_secs(1)).unwrap();
}

/// What a node reads.
fn text(world: &World, node: usize, name: &str) -> Option<String> {
    let node = &world.nodes[node];
    let (entry, beside) = stored(node.store.clone(), name)?;
    match node.keyring.open(&entry, beside.as_deref())?.contents {
        Contents::Inline(bytes) => String::from_utf8(bytes).ok(),
        Contents::Chunks(_) => None,
    }
}

/// The version of a document that its readers see.
fn stored(store: impl Store, name: &str) -> Option<(Entry, Option<Vec<u8>>)> {
    let read = store.read().unwrap();
    let view = View(&read);
    let dot = view.document(&path(name)).unwrap().stored()?.head.dot;
    let entry = view.entry(dot).unwrap()?;
    Some((entry, view.attachment(dot).unwrap()))
}

fn epoch_of(world: &World, node: usize, name: &str) -> EpochId {
    let (entry, _) = stored(world.nodes[node].store.clone(), name).unwrap();
    entry.content().unwrap().seal.unwrap().epoch
}

fn current(world: &World, node: usize) -> EpochId {
    world.nodes[node].keyring.current().map(EpochKey::id).unwrap()
}

#[test]
fn what_is_written_after_a_revocation_is_for_those_who_remain() {
    let mut world = world(1, 4, &[0, 1, 2, 3]);
    put(&mut world, 3, "before");
    world.run(A_WHILE).unwrap();
    let first = current(&world, 0);
    revoke(&mut world, 0, 3);
    world.run(A_WHILE).unwrap();
    put(&mut world, 0, "by zero");
    put(&mut world, 1, "by one");
    world.run(A_WHILE).unwrap();
    for node in 0..3 {
        for name in ["before", "by zero", "by one"] {
            assert_eq!(text(&world, node, name).as_deref(), Some(name), "at {node}");
        }
        assert_eq!(current(&world, node), current(&world, 0));
    }
    assert_ne!(current(&world, 0), first);
    // Somebody shows the thief all that there is: statements, change and sealed body.
    let thief = &world.nodes[3];
    let mut keys = thief.keyring.clone();
    assert!(keys.learn(&membership(&world, 0), &[&thief.key]).is_empty());
    for name in ["by zero", "by one"] {
        let (entry, beside) = stored(world.nodes[0].store.clone(), name).unwrap();
        assert!(keys.open(&entry, beside.as_deref()).is_none());
    }
    let (entry, beside) = stored(world.nodes[0].store.clone(), "before").unwrap();
    assert!(
        keys.open(&entry, beside.as_deref()).is_some(),
        "what it could read it has read"
    );
}

#[test]
fn two_sides_that_change_keys_apart_read_each_other_later() {
    for seed in 0..20 {
        let mut world = world(seed, 5, &[0, 1, 4]);
        world.link_all(&[2, 3]).unwrap();
        world.run(A_WHILE).unwrap();
        revoke(&mut world, 0, 4);
        revoke(&mut world, 2, 4);
        put(&mut world, 1, "of one side");
        put(&mut world, 3, "of the other");
        assert_ne!(current(&world, 1), current(&world, 3), "seed {seed}");
        world.link(1, 2).unwrap();
        world.run(A_WHILE).unwrap();
        for node in 0..4 {
            for name in ["of one side", "of the other"] {
                assert_eq!(
                    text(&world, node, name).as_deref(),
                    Some(name),
                    "seed {seed}, node {node}"
                );
            }
            assert_eq!(
                current(&world, node),
                current(&world, 0),
                "seed {seed}, node {node}"
            );
        }
        world.leave_out(4);
        assert_eq!(laws::converged(&world), Ok(()), "seed {seed}");
    }
}

#[test]
fn whoever_hears_of_it_late_changes_keys_late_and_reads_everything() {
    let mut world = world(3, 4, &[0, 1, 3]);
    let first = current(&world, 2);
    revoke(&mut world, 0, 3);
    put(&mut world, 0, "under the new key");
    // Not in touch, it can't know.
    put(&mut world, 2, "under the old key");
    assert_eq!(epoch_of(&world, 2, "under the old key"), first);
    world.link(1, 2).unwrap();
    world.run(A_WHILE).unwrap();
    put(&mut world, 2, "now it knows");
    assert_eq!(epoch_of(&world, 2, "now it knows"), current(&world, 0));
    assert_eq!(
        text(&world, 2, "under the new key").as_deref(),
        Some("under the new key")
    );
}

#[test]
fn one_of_them_gives_the_key_to_a_device_that_comes_later() {
    let mut world = world(4, 5, &[0, 1, 2, 3]);
    revoke(&mut world, 0, 3);
    world.run(A_WHILE).unwrap();
    let newcomer = KeyPair::from_seed(&[77; 32]);
    let owner = owner();
    let grant = Grant::issue(
        owner.owner_id(),
        newcomer.node_id(),
        Capabilities::ALL,
        WallTime(3),
        None,
        "new",
        &owner,
    );
    world.command(1, &path("none"), Command::Admit(grant)).unwrap();
    world.run(A_WHILE).unwrap();
    let membership = membership(&world, 2);
    let given = membership
        .key_epochs()
        .filter(|statement| statement.key_box(newcomer.node_id()).is_some());
    assert_eq!(given.count(), 1);
    let mut keys = cairn::seal::Keyring::new();
    keys.learn(&membership, &[&newcomer]);
    assert_eq!(keys.ids().len(), 2, "the one before, too");
    assert_eq!(keys.current().map(EpochKey::id), Some(current(&world, 0)));
    // The phrase alone does as well.
    let mut keys = cairn::seal::Keyring::new();
    keys.learn(&membership, &[&owner]);
    assert_eq!(keys.ids().len(), 2);
}

#[test]
fn keys_outlive_a_crash() {
    let mut world = world(5, 3, &[0, 1, 2]);
    revoke(&mut world, 0, 2);
    put(&mut world, 0, "a");
    world.run(A_WHILE).unwrap();
    for node in 0..2 {
        world.crash(node).unwrap();
        world.start(node).unwrap();
    }
    world.link_all(&[0, 1]).unwrap();
    put(&mut world, 1, "b");
    world.run(A_WHILE).unwrap();
    for node in 0..2 {
        assert_eq!(text(&world, node, "a").as_deref(), Some("a"));
        assert_eq!(text(&world, node, "b").as_deref(), Some("b"));
        assert_ne!(current(&world, node), current(&world, 2));
    }
}

#[test]
fn a_revoked_device_begins_no_epoch_that_others_follow() {
    let mut world = world(6, 4, &[0, 1]);
    world.link_all(&[2, 3]).unwrap();
    world.run(A_WHILE).unwrap();
    revoke(&mut world, 0, 3);
    // The thief turns the tables where the news has not come yet, by the right that it had.
    let known = membership(&world, 2);
    let thief = world.nodes[3].key.clone();
    let revocation = Revocation::issue(known.space(), id(&world, 1), WallTime(2), Vec::new(), &thief);
    world
        .command(3, &path("none"), Command::Revoke(revocation))
        .unwrap();
    world.run(A_WHILE).unwrap();
    put(&mut world, 2, "deceived");
    world.link(0, 2).unwrap();
    world.run(A_WHILE).unwrap();
    put(&mut world, 2, "undeceived");
    world.run(A_WHILE).unwrap();
    let thief = &world.nodes[3];
    let mut keys = thief.keyring.clone();
    keys.learn(&membership(&world, 0), &[&thief.key]);
    let (entry, beside) = stored(world.nodes[2].store.clone(), "undeceived").unwrap();
    assert!(keys.open(&entry, beside.as_deref()).is_none());
    for node in 0..3 {
        assert_eq!(
            text(&world, node, "undeceived").as_deref(),
            Some("undeceived"),
            "at {node}"
        );
        assert_eq!(
            text(&world, node, "deceived").as_deref(),
            Some("deceived"),
            "at {node}"
        );
    }
}

/// A user's key in a shared folder, two of whose devices it lets in. One of them, and a device of the owner's, are away when it is taken back.
#[test]
fn a_user_s_key_that_is_taken_back_takes_its_devices_along() {
    for seed in 30..40 {
        let newcomers: Vec<Newcomer> = (0..4)
            .map(|index| Newcomer {
                name: format!("node {index}"),
                space: 0,
                // Of another user: what they are is up to that user's key.
                role: if index >= 2 { Role::Custodian } else { Role::Member },
            })
            .collect();
        let mut world = World::of(seed, &newcomers);
        for guest in [2, 3] {
            // The invitation told them the key of the first epoch.
            world.nodes[guest].role = Role::Member;
        }
        world.start_all().unwrap();
        world.link_all(&[0, 1, 2, 3]).unwrap();
        world.run(A_WHILE).unwrap();
        let user = KeyPair::from_seed(&[77; 32]);
        let space = owner().owner_id();
        let none = path("none");
        let admit = |world: &mut World, at: usize, subject, capabilities, issuer: &KeyPair| {
            let grant = Grant::issue(space, subject, capabilities, WallTime(1), None, "guest", issuer);
            let request = world.command(at, &none, Command::Admit(grant)).unwrap();
            world.run(Duration::from_secs(1)).unwrap();
            assert!(matches!(world.reply(request), Some(Ok(_))));
        };
        admit(
            &mut world,
            0,
            user.node_id(),
            Capabilities::GUEST_WRITES,
            &owner(),
        );
        let reads = Capabilities::READ
            .union(Capabilities::WRITE)
            .union(Capabilities::HOLD);
        for guest in [2, 3] {
            let device = id(&world, guest);
            admit(&mut world, guest, device, reads, &user);
        }
        world.run(A_WHILE).unwrap();
        put(&mut world, 3, "by a guest");
        world.run(A_WHILE).unwrap();
        for node in 0..4 {
            assert_eq!(
                text(&world, node, "by a guest").as_deref(),
                Some("by a guest"),
                "at {node}"
            );
        }

        // The news comes to 1 and 3 later.
        for (a, b) in [(0, 1), (0, 3), (2, 1), (2, 3)] {
            world.cut(a, b).unwrap();
        }
        let before = current(&world, 0);
        let revocation = Revocation::issue(space, user.node_id(), WallTime(2), Vec::new(), &owner());
        world.command(0, &none, Command::Revoke(revocation)).unwrap();
        world.run(Duration::from_secs(1)).unwrap();
        put(&mut world, 0, "after");
        put(&mut world, 3, "not knowing of it");
        assert_ne!(current(&world, 0), before, "seed {seed}");
        world.link_all(&[0, 1, 2, 3]).unwrap();
        world.run(A_WHILE).unwrap();
        put(&mut world, 1, "after by another");
        world.run(A_WHILE).unwrap();
        for node in [0, 1] {
            for name in ["by a guest", "not knowing of it", "after", "after by another"] {
                assert_eq!(
                    text(&world, node, name).as_deref(),
                    Some(name),
                    "seed {seed} at {node}"
                );
            }
        }
        for guest in [2, 3] {
            // They still hold it sealed, by the grants that custodians have, and so have all there is to try.
            for name in ["after", "after by another"] {
                assert_eq!(text(&world, guest, name), None, "seed {seed} at {guest}");
            }
            let request = world
                .put(guest, &path("too late"), b"too late", Precondition::default())
                .unwrap();
            world.run(Duration::from_secs(1)).unwrap();
            assert!(
                matches!(world.reply(request), Some(Err(_))),
                "seed {seed} at {guest}"
            );
            // A device that the user's key lets in now is none.
            let later = Grant::issue(space, NodeId([9; 32]), reads, WallTime(1), None, "later", &user);
            world.command(guest, &none, Command::Admit(later)).unwrap();
            world.run(A_WHILE).unwrap();
            assert_eq!(
                membership(&world, 0).capabilities(NodeId([9; 32]), WallTime(3)),
                None
            );
        }
    }
}
