//! Nodes that have nothing but a radio keep in step.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use cairn::mesh::{Command, Precondition, Reply};
use cairn::model::DocumentPath;
use cairn_sim::{BodySizes, SimModem, World, laws};
use cairn_transports::lora::Region;

fn path(name: &str) -> DocumentPath {
    DocumentPath::parse(&format!("/private/notes/{name}")).unwrap()
}

/// Nodes with radios at SF8 where nothing is limited.
fn world(seed: u64, count: u8) -> World {
    let mut world = World::new(seed, count).unwrap();
    let band = Region::In865.sub_band(866_000_000, 125_000).unwrap();
    world.radios(SimModem::new(8).unwrap(), band).unwrap();
    world.run(Duration::from_secs(120)).unwrap();
    world
}

fn put(world: &mut World, node: usize, name: &str, body: &[u8]) {
    let request = world
        .put(node, &path(name), body, Precondition::default())
        .unwrap();
    world.run(Duration::from_millis(50)).unwrap();
    assert!(world.reply(request).is_some_and(Result::is_ok), "{name}");
}

/// Runs until all nodes hold the same, and says how long that took, in seconds.
fn until_in_step(world: &mut World, limit_s: u64) -> u64 {
    for second in 0..limit_s {
        if laws::converged(world).is_ok() {
            return second;
        }
        world.run(Duration::from_secs(1)).unwrap();
    }
    panic!("not in step after {limit_s} s: {:?}", laws::converged(world));
}

#[test]
fn one_write_reaches_every_neighbour_in_one_frame() {
    let mut world = world(1, 4);
    let before = world.on_air().frames_sent;
    put(&mut world, 0, "reading", &[7; 40]);
    let took = until_in_step(&mut world, 5);
    assert_eq!(world.on_air().frames_sent - before, 1, "after {took} s");
}

/// Bytes on air from a write to when its writer knows that all others have it.
fn price(seed: u64, receivers: u8, loss_permille: u64, body: &[u8]) -> u64 {
    let mut world = world(seed, 1 + receivers);
    world.body_sizes = BodySizes::REAL;
    world.run(Duration::from_secs(7200)).unwrap();
    world.set_air_loss(loss_permille);
    let before = world.on_air().bytes_sent;
    put(&mut world, 0, "payload", body);
    for _ in 0..7200 {
        let request = world.command(0, &path("payload"), Command::Status).unwrap();
        if let Some(Ok(Reply::Status(status))) = world.reply(request)
            && status.peers.iter().all(|peer| peer.in_step)
        {
            return world.on_air().bytes_sent - before;
        }
        world.run(Duration::from_secs(1)).unwrap();
    }
    panic!("seed {seed}: not known to be everywhere after two hours");
}

/// Bytes that nothing makes shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn payloads_cost_little_more_than_themselves() {
    for seed in 0..5 {
        assert!(price(seed, 1, 0, &noise(1024)) <= 1300, "seed {seed}");
        for receivers in [1, 5] {
            let bytes = price(seed, receivers, 0, &noise(10_240));
            assert!(
                bytes * 10 <= 10_240 * 11,
                "seed {seed}, {receivers} receivers: {bytes}"
            );
        }
    }
}

#[test]
fn loss_costs_little_more_than_what_is_lost() {
    let sum = |loss| {
        (0..20)
            .map(|seed| price(seed, 1, loss, &noise(10_240)))
            .sum::<u64>()
    };
    let (clear, lossy) = (sum(0), sum(100));
    assert!(lossy * 100 <= clear * 115, "{lossy} instead of {clear}");
}

#[test]
fn nodes_keep_in_step_whatever_is_lost() {
    for seed in 0..100 {
        let mut world = world(seed, 3);
        world.set_air_loss(100);
        for round in 0..10 {
            let node = round % 3;
            let len = [20, 45, 90, 400][round % 4];
            put(
                &mut world,
                node,
                &format!("d{}", round % 6),
                &vec![round as u8; len],
            );
            world.run(Duration::from_secs(20)).unwrap();
        }
        until_in_step(&mut world, 3600);
    }
}

#[test]
fn what_two_cannot_hear_of_one_another_goes_over_the_third() {
    for seed in 0..100 {
        let mut world = world(seed, 3);
        world.set_air_loss(100);
        world.set_apart(0, 2, true);
        put(&mut world, 0, "a", &[1; 40]);
        put(&mut world, 2, "b", &[2; 300]);
        until_in_step(&mut world, 3600);
    }
}

#[test]
fn a_crash_and_a_long_absence_lose_nothing() {
    for seed in 0..100 {
        let mut world = world(seed, 3);
        world.set_air_loss(50);
        for round in 0..12 {
            put(
                &mut world,
                round % 2,
                &format!("d{}", round % 5),
                &[round as u8; 30],
            );
            if round == 3 {
                world.crash(2).unwrap();
            }
            if round % 4 == 1 {
                world.delete(0, &path("d2")).unwrap();
            }
            world.run(Duration::from_secs(7)).unwrap();
        }
        world.start(2).unwrap();
        put(&mut world, 2, "own", &[9; 500]);
        // Tombstones go when all are known to have them, which the rare beacons of a quiet channel tell.
        until_in_step(&mut world, 6 * 3600);
    }
}
