//! Nodes that have nothing but a radio keep in step.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use cairn::mesh::{Command, Price, Reply, Status};
use cairn::model::DocumentPath;
use cairn::space::View;
use cairn::store::Store;
use cairn_sim::{BodySizes, SimModem, World, laws};
use cairn_transports::lora::Region;

fn path(name: &str) -> DocumentPath {
    DocumentPath::parse(&format!("/private/notes/{name}")).unwrap()
}

/// Nodes with radios at SF8 where nothing is limited.
fn world(seed: u64, count: usize) -> World {
    world_apart(seed, count, &[])
}

/// Likewise; some never hear one another.
fn world_apart(seed: u64, count: usize, apart: &[(usize, usize)]) -> World {
    let mut world = World::new(seed, count).unwrap();
    let band = Region::In865.sub_band(866_000_000, 125_000).unwrap();
    world.radios(SimModem::new(8).unwrap(), band).unwrap();
    for (a, b) in apart {
        world.set_apart(*a, *b, true);
    }
    world.run(Duration::from_secs(120)).unwrap();
    world
}

fn status(world: &mut World, node: usize) -> Status {
    let request = world.command(node, &path("any"), Command::Status).unwrap();
    if world.reply(request).is_none() {
        // It waits for a commit.
        world.run(Duration::from_millis(20)).unwrap();
    }
    match world.reply(request) {
        Some(Ok(Reply::Status(status))) => (**status).clone(),
        other => panic!("{other:?}"),
    }
}

fn all_in_step(world: &mut World, node: usize) -> bool {
    status(world, node).peers.iter().all(|peer| peer.in_step)
}

/// Runs until every node knows that all others hold what it holds, and says how long that took, in seconds.
fn until_all_know(world: &mut World, limit_s: u64) -> u64 {
    for second in (0..limit_s).step_by(10) {
        let all = (0..world.nodes.len()).all(|node| all_in_step(world, node));
        if all {
            return second;
        }
        world.run(Duration::from_secs(10)).unwrap();
    }
    panic!("not all know after {limit_s} s");
}

fn put(world: &mut World, node: usize, name: &str, body: &[u8]) {
    put_at(world, node, &path(name), body);
}

fn put_at(world: &mut World, node: usize, path: &DocumentPath, body: &[u8]) {
    let within = Duration::from_millis(50);
    assert!(world.store(node, path, body, within).unwrap(), "{path}");
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
    let mut waited_ms = 0;
    while laws::converged(&world).is_err() && waited_ms < 5000 {
        world.run(Duration::from_millis(10)).unwrap();
        waited_ms += 10;
    }
    // Receivers say so within the next seconds.
    assert_eq!(laws::converged(&world), Ok(()));
    assert_eq!(world.on_air().frames_sent - before, 1, "after {waited_ms} ms");
}

/// Bytes on air from a write to when its writer knows that all others have it. Of a public document: the payload is as long as it is.
fn price(seed: u64, receivers: usize, loss_permille: u64, body: &[u8]) -> u64 {
    price_in("public", seed, receivers, loss_permille, body)
}

/// Likewise, of a document in some category.
fn price_in(category: &str, seed: u64, receivers: usize, loss_permille: u64, body: &[u8]) -> u64 {
    let mut world = world(seed, 1 + receivers);
    world.body_sizes = BodySizes::REAL;
    world.run(Duration::from_secs(7200)).unwrap();
    world.set_air_loss(loss_permille);
    let before = world.on_air().bytes_sent;
    let path = DocumentPath::parse(&format!("/{category}/notes/payload")).unwrap();
    put_at(&mut world, 0, &path, body);
    for _ in 0..7200 {
        if all_in_step(&mut world, 0) {
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
        for category in ["public", "private"] {
            let price = price_in(category, seed, 1, 0, &noise(1024));
            assert!(price <= 1300, "seed {seed}, {category}: {price}");
        }
    }
    for receivers in [1, 5] {
        let prices: Vec<u64> = (0..20)
            .map(|seed| price(seed, receivers, 0, &noise(10_240)))
            .collect();
        let mean = prices.iter().sum::<u64>() / 20;
        assert!(mean * 100 <= 10_240 * 110, "{receivers} receivers: {prices:?}");
        // Who says when that it has everything is chance.
        let all = prices.iter().all(|price| price * 100 <= 10_240 * 112);
        assert!(all, "{receivers} receivers: {prices:?}");
    }
}

/// Padding to a length that tells little is what it costs: 10,240 bytes become 10,752.
#[test]
fn sealed_payloads_cost_little_more_than_their_padding() {
    let prices: Vec<u64> = (0..20)
        .map(|seed| price_in("private", seed, 1, 0, &noise(10_240)))
        .collect();
    let mean = prices.iter().sum::<u64>() / 20;
    assert!(mean * 100 <= 10_752 * 111, "{prices:?}");
}

#[test]
fn long_payloads_cost_five_receivers_little_more_than_themselves() {
    let prices: Vec<u64> = (0..10).map(|seed| price(seed, 5, 0, &noise(102_400))).collect();
    let mean = prices.iter().sum::<u64>() / 10;
    assert!(mean * 100 <= 102_400 * 109, "{prices:?}");
    assert!(
        prices.iter().all(|price| *price <= 102_400 * 11 / 10),
        "{prices:?}"
    );
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
fn the_ends_of_a_chain_begin_at_the_same_time() {
    // As after a power cut. Their answers to the one between them met again and again, and it knew neither of them for minutes.
    let took = |seed: u64| {
        let mut world = World::new(seed, 3).unwrap();
        let band = Region::In865.sub_band(866_000_000, 125_000).unwrap();
        world.radios(SimModem::new(7).unwrap(), band).unwrap();
        world.set_apart(0, 2, true);
        world.set_air_loss(100);
        put(&mut world, 0, "a", b"from one end");
        put(&mut world, 2, "c", b"from the other end");
        until_in_step(&mut world, 600)
    };
    let mut took: Vec<(u64, u64)> = (0..400).map(|seed| (took(seed), seed)).collect();
    took.sort_unstable();
    println!(
        "half are in step after {} s; the slowest, with their seeds: {:?}",
        took[200].0,
        &took[390..]
    );
    assert!(took[200].0 <= 60 && took[399].0 <= 300, "{took:?}");
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

#[test]
fn the_ends_of_a_chain_know_of_one_another() {
    for seed in 0..20 {
        let mut world = world_apart(seed, 3, &[(0, 2)]);
        world.set_air_loss(if seed % 2 == 0 { 0 } else { 100 });
        put(&mut world, 0, "a", &[1; 40]);
        put(&mut world, 2, "b", &[2; 300]);
        until_in_step(&mut world, 3600);
        let before = world.on_air();
        until_all_know(&mut world, 8 * 3600);
        let spent = world.on_air().bytes_sent - before.bytes_sent;
        assert!(spent < 2_500, "seed {seed}: {spent} bytes");
        // A tombstone goes once all have it: each end learns that by the one between them alone.
        world.delete(0, &path("b")).unwrap();
        until_in_step(&mut world, 3600);
        until_all_know(&mut world, 8 * 3600);
        world.run(Duration::from_secs(120)).unwrap();
        for node in &world.nodes {
            let read = node.store.read().unwrap();
            assert!(
                View(&read).tombstones(None, 10).unwrap().is_empty(),
                "seed {seed}"
            );
        }
        // When all know all, beacons alone are left.
        world.run(Duration::from_secs(4 * 3600)).unwrap();
        let before = world.on_air();
        world.run(Duration::from_secs(3600)).unwrap();
        let hour = world.on_air();
        assert!(hour.bytes_sent - before.bytes_sent < 400, "seed {seed}");
        assert!(hour.frames_sent - before.frames_sent <= 15, "seed {seed}");
    }
}

#[test]
fn word_comes_over_several_nodes() {
    for seed in 0..5 {
        let apart = [(0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 4)];
        let mut world = world_apart(seed, 5, &apart);
        world.set_air_loss(50);
        put(&mut world, 0, "a", &[1; 40]);
        until_in_step(&mut world, 3600);
        until_all_know(&mut world, 24 * 3600);
    }
}

#[test]
fn neighbours_tell_nothing_beyond_beacons() {
    for seed in 0..10 {
        let mut world = world(seed, 2);
        put(&mut world, 0, "a", &[1; 40]);
        world.run(Duration::from_secs(3 * 3600)).unwrap();
        let before = world.on_air().bytes_sent;
        world.run(Duration::from_secs(10 * 3600)).unwrap();
        let spent = world.on_air().bytes_sent - before;
        assert!(spent < 10 * 200, "seed {seed}: {spent} in ten hours");
    }
}

#[test]
fn a_node_that_is_away_for_good_costs_little() {
    let mut world = world(1, 3);
    world.crash(2).unwrap();
    // It is reckoned with as a neighbour for some hours.
    world.run(Duration::from_secs(5 * 3600)).unwrap();
    put(&mut world, 0, "a", &[1; 40]);
    world.run(Duration::from_secs(3600)).unwrap();
    let before = world.on_air();
    world.run(Duration::from_secs(24 * 3600)).unwrap();
    let day = world.on_air();
    // Beacons of two nodes, and a handful of questions.
    assert!(day.bytes_sent - before.bytes_sent < 200 * 24 + 600);
}

#[test]
fn deletions_that_were_missed_are_made_up_for() {
    for seed in 0..40 {
        let mut world = world_apart(seed, 3, if seed % 2 == 0 { &[] } else { &[(0, 2)] });
        world.set_air_loss(if seed % 4 < 2 { 0 } else { 100 });
        // The disk of a node that had nothing, and of one that had all.
        let empty = world.backup(2).unwrap();
        for (number, node) in [(0, 0), (1, 1), (2, 2), (3, 0)] {
            put(&mut world, node, &format!("d{number}"), &[number as u8; 30]);
        }
        until_in_step(&mut world, 3600);
        let full = world.backup(2).unwrap();
        for number in [0, 2] {
            world.delete(number / 2, &path(&format!("d{number}"))).unwrap();
        }
        put(&mut world, 1, "d1", &[9; 30]);
        until_in_step(&mut world, 3600);
        until_all_know(&mut world, 8 * 3600);
        world.run(Duration::from_secs(120)).unwrap();
        let read = world.nodes[0].store.read().unwrap();
        assert!(
            View(&read).tombstones(None, 10).unwrap().is_empty(),
            "seed {seed}"
        );
        drop(read);
        world
            .restore(2, if seed % 8 < 4 { &full } else { &empty })
            .unwrap();
        world.start(2).unwrap();
        if seed % 3 == 0 {
            put(&mut world, 2, "own", &[3; 30]);
        }
        until_in_step(&mut world, 3600);
        for node in 0..3 {
            assert_eq!(world.etag(node, &path("d0")), None, "seed {seed}, node {node}");
        }
    }
}

#[test]
fn of_one_whose_every_change_is_gone_others_learn_as_well() {
    for seed in 0..10 {
        let mut world = world(seed, 3);
        let empty = world.backup(2).unwrap();
        put(&mut world, 0, "gone", &[1; 30]);
        put(&mut world, 1, "stays", &[1; 30]);
        until_in_step(&mut world, 3600);
        world.delete(0, &path("gone")).unwrap();
        until_in_step(&mut world, 3600);
        until_all_know(&mut world, 3600);
        world.run(Duration::from_secs(120)).unwrap();
        world.restore(2, &empty).unwrap();
        world.start(2).unwrap();
        until_in_step(&mut world, 3600);
        until_all_know(&mut world, 3600);
    }
}

fn price_of(world: &mut World, node: usize, name: &str, begin: bool) -> Price {
    let fetch = Command::Fetch {
        path: path(name),
        begin,
    };
    let request = world.command(node, &path(name), fetch).unwrap();
    world.run(Duration::from_millis(50)).unwrap();
    match world.reply(request) {
        Some(Ok(Reply::Price(price))) => (**price).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_long_payload_comes_when_somebody_asks_for_it() {
    let mut world = world(1, 3);
    world.body_sizes = BodySizes::REAL;
    let body = noise(150_000);
    put(&mut world, 0, "long", &body);
    put(&mut world, 0, "short", &noise(9_000));
    world.run(Duration::from_secs(4 * 3600)).unwrap();
    let short = price_of(&mut world, 1, "short", false);
    assert_eq!((short.lacking, short.unasked, short.requested), (0, true, false));
    let long = price_of(&mut world, 1, "long", false);
    assert_eq!((long.len, long.chunks), (150_000, 1));
    // With its padding.
    assert!((150_000..155_000).contains(&long.lacking), "{long:?}");
    assert!(!long.unasked && !long.requested && long.linked.is_empty());
    let told = long.radios[0].clone();
    assert_eq!(told.ask.first(), Some(&world.nodes[0].key.node_id()));
    assert_eq!(told.airtime, told.expected);
    // Being told the price fetches nothing.
    world.run(Duration::from_secs(3600)).unwrap();
    assert_eq!(status(&mut world, 1).incomplete.len(), 1);
    let before = world.on_air();
    assert!(price_of(&mut world, 1, "long", true).requested);
    let mut took = 0;
    while !status(&mut world, 1).incomplete.is_empty() {
        world.run(Duration::from_secs(10)).unwrap();
        took += 10;
        assert!(took < 7200, "it did not come");
    }
    let airtime_us = world.on_air().airtime_us - before.airtime_us;
    let promised_us = told.airtime.as_micros() as u64;
    assert!(
        airtime_us * 10 < promised_us * 12 && airtime_us * 12 > promised_us * 10,
        "{airtime_us} us instead of {promised_us}"
    );
    assert_eq!(price_of(&mut world, 1, "long", false).lacking, 0);
    assert_eq!(status(&mut world, 1).requested, 0);
}

#[test]
fn a_request_outlives_a_restart() {
    let mut world = world(2, 2);
    world.body_sizes = BodySizes::REAL;
    put(&mut world, 0, "long", &noise(140_000));
    world.run(Duration::from_secs(600)).unwrap();
    assert!(price_of(&mut world, 1, "long", true).requested);
    world.run(Duration::from_secs(30)).unwrap();
    world.crash(1).unwrap();
    world.start(1).unwrap();
    assert_eq!(status(&mut world, 1).requested, 1);
    world.run(Duration::from_secs(7200)).unwrap();
    assert_eq!(status(&mut world, 1).incomplete.len(), 0);
    assert_eq!(status(&mut world, 1).requested, 0);
}
