//! Other users' nodes hold a space without reading it, in the midst of all that can happen to it.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use cairn::mesh::{Command, CommandError, Precondition, Reply};
use cairn::model::{Capabilities, DocumentPath, Grant, KeyPair, Revocation, WallTime};
use cairn_sim::medium::{Medium, MediumConfig};
use cairn_sim::{Newcomer, Role, SimModem, World, laws, owner_key};
use cairn_transports::lora::Region;

/// The devices of one owner, who has a radio on each.
const DEVICES: usize = 3;
/// Two custodians, and a node of another space.
const NODES: usize = 6;
const ALL: [usize; NODES] = [0, 1, 2, 3, 4, 5];

/// The owner of the first space of every world.
fn owner() -> KeyPair {
    owner_key(0)
}

fn world(seed: u64) -> World {
    let newcomers: Vec<Newcomer> = (0..NODES)
        .map(|index| Newcomer {
            name: format!("node {index}"),
            space: usize::from(index == NODES - 1),
            role: match (DEVICES..NODES - 1).contains(&index) {
                true => Role::Custodian,
                false => Role::Member,
            },
        })
        .collect();
    let mut world = World::of(seed, &newcomers);
    world.watch_secrets();
    world.start_all().unwrap();
    world
}

/// A path, and a body of noise of up to 600 bytes, so that every form of a body occurs.
fn document(world: &mut World, number: u64) -> (DocumentPath, Vec<u8>) {
    let category = ["private", "shared"][world.random(2) as usize];
    let mark: String = (0..16)
        .map(|_| char::from(b'a' + world.random(26) as u8))
        .collect();
    let path = format!("/{category}/notes/{}/{mark}-{number:06}", world.random(9));
    let len = world.random(600);
    let body = (0..len).map(|_| world.random(256) as u8).collect();
    (path.parse().unwrap(), body)
}

fn holds(world: &World) {
    assert_eq!(laws::at_any_time(world), None);
}

/// A thousand documents with marks in paths and bodies, written here and there, some of them over radio alone, while links come and go and
/// a custodian loses its power: all end in every place where they belong, and no mark is seen where it does not.
#[test]
fn a_thousand_marked_documents_are_read_by_their_owner_s_nodes_alone() {
    for seed in 0..2 {
        let mut world = world(seed);
        let band = Region::In865.sub_band(866_000_000, 250_000).unwrap();
        let devices = [0, 1, 2, NODES - 1];
        let modems: Vec<_> = devices.map(|node| (node, SimModem::new(7).unwrap())).to_vec();
        let medium = Medium::new(MediumConfig::default(), seed);
        world.radios_of(&modems, medium, band).unwrap();
        let mut stored = 0;
        for number in 0..1_000 {
            match world.random(40) {
                0 => world.link_all(&ALL).unwrap(),
                1 => {
                    let (a, b) = (
                        world.random(NODES as u64) as usize,
                        world.random(NODES as u64) as usize,
                    );
                    if a != b && world.is_linked(a, b) {
                        world.cut(a, b).unwrap();
                    }
                }
                2 => {
                    world.crash(DEVICES).unwrap();
                    world.run(Duration::from_secs(1)).unwrap();
                    world.start(DEVICES).unwrap();
                }
                _ => {}
            }
            let (path, body) = document(&mut world, number);
            let device = world.random(DEVICES as u64) as usize;
            let request = world.put(device, &path, &body, Precondition::default()).unwrap();
            world.run(Duration::from_millis(500)).unwrap();
            stored += u64::from(matches!(world.reply(request), Some(Ok(Reply::Stored { .. }))));
        }
        assert_eq!(stored, 1_000, "seed {seed}");
        holds(&world);
        world.link_all(&ALL).unwrap();
        world.run(Duration::from_secs(300)).unwrap();
        holds(&world);
        assert_eq!(laws::converged(&world), Ok(()), "seed {seed}");
        assert_eq!(laws::nothing_lost(&world), Ok(()), "seed {seed}");
        assert!(world.on_air().frames_sent > 0, "the radios spoke");
    }
}

/// The watch does see what is readable: a custodian that is given the owner's keys has the marks on its disk.
#[test]
fn a_node_that_reads_what_it_should_not_is_found_out() {
    let mut world = world(3);
    world.link_all(&ALL).unwrap();
    world.run(Duration::from_secs(60)).unwrap();
    let (path, _) = document(&mut world, 1);
    world.put(0, &path, &[200; 64], Precondition::default()).unwrap();
    world.run(Duration::from_secs(60)).unwrap();
    holds(&world);
    let keyring = world.nodes[0].keyring.clone();
    let sealed = world.nodes[DEVICES].keyring.clone();
    assert!(sealed.current().is_none() && keyring.current().is_some());
    world.nodes[DEVICES].store = world.nodes[0].store.clone();
    assert!(laws::at_any_time(&world).is_some());
}

#[test]
fn a_custodian_writes_nothing_and_hands_nobody_in() {
    let mut world = world(4);
    world.link_all(&ALL).unwrap();
    world.run(Duration::from_secs(60)).unwrap();
    let public: DocumentPath = "/public/notes/a".parse().unwrap();
    let request = world
        .put(DEVICES, &public, b"mine", Precondition::default())
        .unwrap();
    world.run(Duration::from_secs(1)).unwrap();
    assert_eq!(world.reply(request), Some(&Err(CommandError::HoldsOnly)));
    // It signs a grant for the stranger all the same.
    let (custodian, stranger) = (
        world.nodes[DEVICES].key.clone(),
        world.nodes[NODES - 1].key.node_id(),
    );
    let grant = Grant::issue(
        owner().owner_id(),
        stranger,
        Capabilities::HOLD,
        WallTime(2),
        None,
        "",
        &custodian,
    );
    let request = world.command(DEVICES, &public, Command::Admit(grant)).unwrap();
    world.run(Duration::from_secs(1)).unwrap();
    assert!(matches!(
        world.reply(request),
        Some(Err(CommandError::Invalid(_)))
    ));
    // And the custodians' leaving changes no key.
    let before = world.nodes[0].keyring.current().unwrap().id();
    let engine = world.nodes[0].engine.as_ref().unwrap();
    let kept = engine.membership().statements_of(custodian.node_id());
    let left = Revocation::issue(
        owner().owner_id(),
        custodian.node_id(),
        WallTime(3),
        kept,
        &custodian,
    );
    world.command(DEVICES, &public, Command::Revoke(left)).unwrap();
    world.run(Duration::from_secs(60)).unwrap();
    let engine = world.nodes[0].engine.as_ref().unwrap();
    assert!(engine.membership().is_revoked(custodian.node_id()));
    assert_eq!(world.nodes[0].keyring.current().unwrap().id(), before);
    holds(&world);
}

/// Custodians that meet one another alone pass on what they cannot read: over them it reaches a device that was never linked to the writer.
#[test]
fn custodians_pass_on_what_they_cannot_read() {
    for seed in 10..20 {
        let mut world = world(seed);
        let [writer, reader, first, second] = [0, 1, DEVICES, DEVICES + 1];
        world.leave_out(2);
        world.link(writer, first).unwrap();
        world.run(Duration::from_secs(40)).unwrap();
        let mut documents = Vec::new();
        for number in 0..20 {
            let (path, body) = document(&mut world, number);
            world.put(writer, &path, &body, Precondition::default()).unwrap();
            documents.push(path);
        }
        world.run(Duration::from_secs(60)).unwrap();
        for (a, b) in [(writer, first), (first, second), (second, reader)]
            .windows(2)
            .map(|two| (two[0], two[1]))
        {
            world.cut(a.0, a.1).unwrap();
            world.link(b.0, b.1).unwrap();
            world.run(Duration::from_secs(60)).unwrap();
        }
        for path in &documents {
            assert!(world.etag(reader, path).is_some(), "seed {seed}: {path}");
        }
        holds(&world);
        assert_eq!(laws::converged(&world), Ok(()), "seed {seed}");
    }
}
