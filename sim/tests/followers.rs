//! Nodes without a grant follow a space: they have what is public in it, and nothing else, whatever happens to the links.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use cairn::mesh::{CommandError, Precondition, Reply};
use cairn::model::DocumentPath;
use cairn_sim::{Newcomer, Role, World, laws};

/// Two devices of the owner.
const DEVICES: usize = 2;
/// A custodian.
const CUSTODIAN: usize = 2;
/// And two followers.
const FOLLOWERS: [usize; 2] = [3, 4];
const NODES: usize = 5;
const ALL: [usize; NODES] = [0, 1, 2, 3, 4];

fn world(seed: u64) -> World {
    let newcomers: Vec<Newcomer> = (0..NODES)
        .map(|index| Newcomer {
            name: format!("node {index}"),
            space: 0,
            role: match index {
                CUSTODIAN => Role::Custodian,
                _ if index < DEVICES => Role::Member,
                _ => Role::Follower,
            },
        })
        .collect();
    let mut world = World::of(seed, &newcomers);
    world.watch_secrets();
    world.start_all().unwrap();
    world
}

fn path(text: &str) -> DocumentPath {
    text.parse().unwrap()
}

/// Documents of all categories and lengths, written and deleted here and there, while links come and go, frames get lost and a follower loses its power.
#[test]
fn followers_have_what_is_public_and_nothing_else() {
    for seed in 0..10 {
        let mut world = world(seed);
        world.faults.loss = 50;
        world.faults.duplication = 50;
        for number in 0..200 {
            match world.random(12) {
                0 => world.link_all(&ALL).unwrap(),
                1 | 2 => {
                    let a = world.random(NODES as u64) as usize;
                    let b = world.random(NODES as u64) as usize;
                    if a != b && world.is_linked(a, b) {
                        world.cut(a, b).unwrap();
                    }
                }
                3 => {
                    world.crash(FOLLOWERS[0]).unwrap();
                    world.run(Duration::from_secs(1)).unwrap();
                    world.start(FOLLOWERS[0]).unwrap();
                }
                _ => {}
            }
            let category = ["private", "shared", "public", "public"][world.random(4) as usize];
            let mark: String = (0..16)
                .map(|_| char::from(b'a' + world.random(26) as u8))
                .collect();
            let text = match category {
                // Some are written again and again.
                "public" => format!("/public/notes/{}", world.random(20)),
                _ => format!("/{category}/notes/{mark}-{number:06}"),
            };
            let device = world.random(DEVICES as u64) as usize;
            if category == "public" && world.random(4) == 0 {
                world.delete(device, &path(&text)).unwrap();
            } else {
                let body: Vec<u8> = (0..world.random(3_000))
                    .map(|_| world.random(256) as u8)
                    .collect();
                world
                    .put(device, &path(&text), &body, Precondition::default())
                    .unwrap();
            }
            world.run(Duration::from_millis(700)).unwrap();
        }
        assert_eq!(laws::at_any_time(&world), None, "seed {seed}");
        world.faults = Default::default();
        world.link_all(&ALL).unwrap();
        world.run(Duration::from_secs(300)).unwrap();
        assert_eq!(laws::at_any_time(&world), None, "seed {seed}");
        assert_eq!(laws::converged(&world), Ok(()), "seed {seed}");
        assert_eq!(laws::nothing_lost(&world), Ok(()), "seed {seed}");
        for follower in FOLLOWERS {
            assert!(!world.nodes[follower].live().is_empty(), "seed {seed}");
        }
    }
}

/// What is stored while a link is up comes at once, not with the next announcement.
#[test]
fn news_are_pushed() {
    let mut world = world(1);
    world.link(0, FOLLOWERS[0]).unwrap();
    world.run(Duration::from_secs(5)).unwrap();
    world
        .put(0, &path("/public/notes/a"), b"new", Precondition::default())
        .unwrap();
    world
        .put(0, &path("/private/notes/a"), b"mine", Precondition::default())
        .unwrap();
    world.run(Duration::from_secs(2)).unwrap();
    assert_eq!(world.nodes[FOLLOWERS[0]].live().len(), 1);
}

/// A follower writes nothing, is waited for by nobody, and takes nothing from another follower.
#[test]
fn a_follower_only_reads() {
    let mut world = world(2);
    let [first, second] = FOLLOWERS;
    world.link(0, first).unwrap();
    world.link(first, second).unwrap();
    world.run(Duration::from_secs(5)).unwrap();
    let request = world
        .put(
            first,
            &path("/public/notes/b"),
            b"by a follower",
            Precondition::default(),
        )
        .unwrap();
    world
        .put(
            0,
            &path("/public/notes/a"),
            b"by the owner",
            Precondition::default(),
        )
        .unwrap();
    world.run(Duration::from_secs(120)).unwrap();
    assert!(matches!(world.reply(request), Some(Err(CommandError::HoldsOnly))));
    assert_eq!(world.nodes[first].live().len(), 1);
    assert_eq!(world.nodes[second].live().len(), 0, "a follower hands nothing on");
    let of_owner = world.nodes[0].engine.as_ref().unwrap();
    assert!(
        of_owner
            .membership()
            .grants()
            .iter()
            .all(|grant| grant.subject != world.nodes[first].key.node_id())
    );
    assert!(world.nodes[0].live().len() == 1);
    // It is not forgotten what replies look like.
    let request = world
        .put(0, &path("/public/notes/a"), b"again", Precondition::default())
        .unwrap();
    world.run(Duration::from_secs(2)).unwrap();
    assert!(matches!(world.reply(request), Some(Ok(Reply::Stored { .. }))));
}
