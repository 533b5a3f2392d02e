//! Keys of radio frames: who has been shut out understands nothing more, and who may read finds the others again, over nothing but radio.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use cairn::model::{DocumentPath, EpochId};
use cairn::seal::EpochKey;
use cairn_sim::{SimModem, World, laws};
use cairn_transports::lora::Region;

fn path(name: &str) -> DocumentPath {
    name.parse().unwrap()
}

/// Nodes with radios at SF8 where nothing is limited.
fn world(seed: u64, count: usize) -> World {
    let mut world = World::new(seed, count).unwrap();
    let band = Region::In865.sub_band(866_000_000, 125_000).unwrap();
    world.radios(SimModem::new(8).unwrap(), band).unwrap();
    world.run(Duration::from_secs(120)).unwrap();
    world
}

/// No radio on one side hears one on the other, or they do again.
fn part(world: &mut World, one: &[usize], other: &[usize], apart: bool) {
    for a in one {
        for b in other {
            world.set_apart(*a, *b, apart);
        }
    }
}

fn put(world: &mut World, node: usize, name: &str, body: &[u8]) {
    let within = Duration::from_millis(50);
    assert!(world.store(node, &path(name), body, within).unwrap(), "{name}");
}

/// `by` revokes `subject`, with the owner's key. The subject counts for nothing from now on.
fn revoke(world: &mut World, by: usize, subject: usize) {
    world.leave_out(subject);
    world.revoke(by, subject).unwrap();
    world.run(Duration::from_secs(1)).unwrap();
}

fn current(world: &World, node: usize) -> EpochId {
    world.nodes[node].keyring.current().map(EpochKey::id).unwrap()
}

/// Runs until these have one key, and says how long that took, in seconds.
fn until_one_key(world: &mut World, nodes: &[usize], limit_s: u64) -> u64 {
    for second in (0..limit_s).step_by(5) {
        if nodes
            .iter()
            .all(|node| current(world, *node) == current(world, nodes[0]))
        {
            return second;
        }
        world.run(Duration::from_secs(5)).unwrap();
    }
    let keys: Vec<EpochId> = nodes.iter().map(|node| current(world, *node)).collect();
    panic!("no common key after {limit_s} s: {keys:?}");
}

/// Runs until all nodes that count hold the same, and says how long that took, in seconds.
fn until_in_step(world: &mut World, limit_s: u64) -> u64 {
    for second in (0..limit_s).step_by(5) {
        if laws::converged(world).is_ok() {
            return second;
        }
        world.run(Duration::from_secs(5)).unwrap();
    }
    panic!("not in step after {limit_s} s: {:?}", laws::converged(world));
}

fn clock(world: &World, node: usize) -> cairn::model::Clock {
    world.nodes[node].engine.as_ref().unwrap().clock().clone()
}

#[test]
fn who_was_shut_out_hears_nothing_of_what_follows() {
    for seed in 0..10 {
        let mut world = world(seed, 4);
        world.set_air_loss(100);
        put(&mut world, 3, "/public/notes/before", b"as long as it may");
        until_in_step(&mut world, 3600);
        let first = current(&world, 0);
        let knew = clock(&world, 3);
        revoke(&mut world, 0, 3);
        let waited = until_one_key(&mut world, &[0, 1, 2], 1800);
        assert_ne!(current(&world, 0), first);
        // Whether it hears of that or not: it has no key of what follows.
        world.run(Duration::from_secs(600 * seed)).unwrap();
        assert_eq!(current(&world, 3), first);
        for (node, name) in [
            (0, "/public/notes/a"),
            (1, "/private/notes/b"),
            (2, "/shared/notes/c"),
        ] {
            put(&mut world, node, name, name.as_bytes());
        }
        let in_step = until_in_step(&mut world, 3600);
        world.run(Duration::from_secs(3600)).unwrap();
        assert_eq!(clock(&world, 3), knew, "seed {seed}");
        println!("seed {seed}: one key after {waited} s, in step {in_step} s after the last write");
    }
}

#[test]
fn who_was_away_while_keys_changed_is_told() {
    for seed in 0..10 {
        let mut world = world(seed, 5);
        world.set_air_loss(100);
        world.set_unplugged(2, true).unwrap();
        revoke(&mut world, 0, 3);
        until_one_key(&mut world, &[0, 1], 1800);
        revoke(&mut world, 1, 4);
        until_one_key(&mut world, &[0, 1], 1800);
        put(&mut world, 0, "/private/notes/meanwhile", b"of those who stayed");
        put(&mut world, 2, "/private/notes/alone", b"of the one who was away");
        world.run(Duration::from_secs(7200)).unwrap();
        world.set_unplugged(2, false).unwrap();
        let waited = until_one_key(&mut world, &[0, 1, 2], 7200);
        let in_step = until_in_step(&mut world, 7200);
        println!("seed {seed}: one key after {waited} s, in step {in_step} s later");
    }
}

#[test]
fn two_sides_that_changed_keys_apart_find_one_another() {
    for seed in 0..10 {
        let mut world = world(seed, 5);
        part(&mut world, &[0, 1], &[2, 3], true);
        world.set_air_loss(100);
        revoke(&mut world, 0, 4);
        revoke(&mut world, 2, 4);
        // The one who is shut out is heard by all, and hands on what he hears.
        world.set_unplugged(4, true).unwrap();
        until_one_key(&mut world, &[0, 1], 1800);
        until_one_key(&mut world, &[2, 3], 1800);
        put(&mut world, 1, "/private/notes/one", b"of one side");
        put(&mut world, 3, "/private/notes/other", b"of the other");
        world.run(Duration::from_secs(7200)).unwrap();
        assert_ne!(current(&world, 0), current(&world, 2), "seed {seed}");
        part(&mut world, &[0, 1], &[2, 3], false);
        let waited = until_one_key(&mut world, &[0, 1, 2, 3], 7200);
        let in_step = until_in_step(&mut world, 7200);
        println!("seed {seed}: one key after {waited} s, in step {in_step} s later");
    }
}

#[test]
fn news_of_a_new_key_goes_over_several_nodes() {
    for seed in 0..10 {
        let mut world = world(seed, 5);
        // A chain of four; the one who is to be shut out hears them all.
        for (a, b) in [(0, 2), (0, 3), (1, 3)] {
            world.set_apart(a, b, true);
        }
        world.set_air_loss(100);
        put(&mut world, 3, "/private/notes/first", b"from one end");
        until_in_step(&mut world, 3600);
        revoke(&mut world, 0, 4);
        let waited = until_one_key(&mut world, &[0, 1, 2, 3], 3600);
        put(&mut world, 0, "/private/notes/second", b"from the other");
        let in_step = until_in_step(&mut world, 3600);
        println!("seed {seed}: one key after {waited} s, in step {in_step} s later");
    }
}

/// Bytes on air from a write to when its writer knows that the other one has it.
fn price(world: &mut World, name: &str) -> u64 {
    world.run(Duration::from_secs(7200)).unwrap();
    let before = world.on_air().bytes_sent;
    put(world, 0, name, b"23.4 degrees");
    let written = clock(world, 0);
    for _ in 0..600 {
        if clock(world, 1) == written {
            return world.on_air().bytes_sent - before;
        }
        world.run(Duration::from_millis(100)).unwrap();
    }
    panic!("{name} did not arrive");
}

#[test]
fn small_documents_cost_no_more_under_the_next_key() {
    let mut world = world(1, 3);
    let before = price(&mut world, "/private/notes/a");
    revoke(&mut world, 0, 2);
    world.set_unplugged(2, true).unwrap();
    until_one_key(&mut world, &[0, 1], 1800);
    let after = price(&mut world, "/private/notes/b");
    // The numbers in it are other ones.
    assert!(after.abs_diff(before) <= 6, "{before} and {after}");
}
