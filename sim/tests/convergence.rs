//! Five nodes, random writes, deletes, partitions, loss, duplication, reordering, crashes and restored disks: every
//! seed ends with equal state and nothing lost.
//!
//! `CAIRN_SEEDS=A..B` chooses the seeds; a failure names its seed.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn::mesh::{Condition, Precondition, TagSet};
use cairn::model::DocumentPath;
use cairn_sim::{Backup, Faults, World, laws};

const NODES: u64 = 5;

fn path(world: &mut World) -> DocumentPath {
    let name = ["a", "b", "dir/c", "dir/d", "dir/deep/e", "f"][world.random(6) as usize];
    let category = ["public", "private", "shared"][world.random(3) as usize];
    DocumentPath::parse(&format!("/{category}/m/{name}")).unwrap()
}

fn body(world: &mut World, step: u64) -> Vec<u8> {
    let len = [0, 10, 70, 90, 250, 900][world.random(6) as usize];
    // Now and then equal content, so that documents share chunks.
    let fill = if world.random(4) == 0 {
        b'x'
    } else {
        b'a' + (step % 26) as u8
    };
    (0..len).map(|at| fill.wrapping_add((at / 100) as u8)).collect()
}

fn step(world: &mut World, backups: &mut BTreeMap<usize, Backup>, at: u64) {
    let node = world.random(NODES) as usize;
    let other = world.random(NODES) as usize;
    match world.random(100) {
        0..35 => {
            let path = path(world);
            let body = body(world, at);
            let precondition = match (world.random(3), world.etag(node, &path)) {
                (0, Some(tag)) => Precondition(vec![Condition::IfMatch(TagSet::Tags(vec![tag]))]),
                (1, None) => Precondition(vec![Condition::IfNoneMatch(TagSet::Any)]),
                _ => Precondition::default(),
            };
            world.put(node, &path, &body, precondition).unwrap();
        }
        35..45 => {
            let path = path(world);
            world.delete(node, &path).unwrap();
        }
        45..65 => world.link(node, other).unwrap(),
        65..75 => world.cut(node, other).unwrap(),
        75..82 => world.crash(node).unwrap(),
        82..90 if world.nodes[node].engine.is_none() => world.start(node).unwrap(),
        90..94 => {
            world.faults = Faults {
                loss: world.random(300) as u32,
                duplication: world.random(200) as u32,
                jitter: Duration::from_micros(world.random(80_000)),
            };
        }
        94..97 => {
            backups.insert(node, world.backup(node).unwrap());
        }
        _ => {
            if let Some(backup) = backups.get(&node) {
                world.restore(node, backup).unwrap();
                world.start(node).unwrap();
            }
        }
    }
    let pause = Duration::from_micros(world.random(300_000));
    world.run(pause).unwrap();
}

fn settle(world: &mut World) {
    for node in 0..NODES as usize {
        if world.nodes[node].engine.is_none() {
            world.start(node).unwrap();
        }
    }
    world.faults = Faults::default();
    // A line and one more: not everyone is linked to everyone.
    for node in 0..NODES as usize - 1 {
        world.link(node, node + 1).unwrap();
    }
    world.run(Duration::from_secs(400)).unwrap();
}

fn one(seed: u64) -> Result<(), laws::Broken> {
    let mut world = World::new(seed, NODES as usize).unwrap();
    let mut backups = BTreeMap::new();
    for at in 0..60 {
        step(&mut world, &mut backups, at);
    }
    settle(&mut world);
    laws::converged(&world)?;
    laws::nothing_lost(&world)?;
    laws::dots_are_unique(&world)
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("CAIRN_SEEDS") else {
        return 0..1000;
    };
    let (from, to) = text.split_once("..").expect("CAIRN_SEEDS is A..B");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn every_seed_converges() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Err(broken) = one(seed) {
                        panic!(
                            "seed {seed}: {}\nrepeat: CAIRN_SEEDS={seed}..{} cargo test -p cairn-sim",
                            broken.0,
                            seed + 1
                        );
                    }
                }
            });
        }
    });
}
