//! Nodes whose clocks are wrong.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::time::Duration;

use cairn::mesh::{Command, Reply, Status, TimeSource};
use cairn::model::{DocumentPath, Dot, Entry, WallTime};
use cairn_sim::{SimModem, World, laws};
use cairn_transports::lora::Region;

/// The simulated world begins with the year 2026.
const BEGINNING_MS: u64 = 1_767_225_600_000;
const YEAR_MS: i64 = 365 * 24 * 3_600_000;
const MINUTE: Duration = Duration::from_secs(60);

fn path(name: &str) -> DocumentPath {
    DocumentPath::parse(&format!("/shared/notes/{name}")).unwrap()
}

fn put(world: &mut World, node: usize, name: &str, body: &[u8]) {
    let within = Duration::from_millis(50);
    assert!(world.store(node, &path(name), body, within).unwrap(), "{name}");
}

fn status(world: &mut World, node: usize) -> Status {
    let request = world.command(node, &path("any"), Command::Status).unwrap();
    world.run(Duration::from_millis(50)).unwrap();
    match world.reply(request) {
        Some(Ok(Reply::Status(status))) => (**status).clone(),
        other => panic!("{other:?}"),
    }
}

/// Starts a node again as one whose clock has no battery.
fn wake_in_1970(world: &mut World, node: usize) {
    world.crash(node).unwrap();
    let now = i64::try_from(world.true_ms()).unwrap();
    world.set_clock(node, -now);
    world.start(node).unwrap();
}

/// Own live entries that are dated more than a quarter of an hour ahead.
fn ahead(world: &World, node: usize) -> BTreeMap<Dot, Entry> {
    let mut live = world.nodes[node].live();
    let latest = WallTime(world.true_ms() + 15 * 60_000);
    live.retain(|_, entry| entry.change().time.wall() > latest);
    live
}

fn by_radio(count: usize) -> World {
    let mut world = World::new(1, count).unwrap();
    let band = Region::In865.sub_band(866_000_000, 125_000).unwrap();
    world.radios(SimModem::new(8).unwrap(), band).unwrap();
    world
}

#[test]
fn a_node_without_a_clock_takes_the_time_from_those_who_speak() {
    let mut world = World::new(1, 3).unwrap();
    wake_in_1970(&mut world, 2);
    assert_eq!(status(&mut world, 2).time_source, TimeSource::Nothing);
    put(&mut world, 0, "a", b"of today");
    for other in [0, 1] {
        world.link(other, 2).unwrap();
    }
    world.run(2 * MINUTE).unwrap();
    let told = status(&mut world, 2);
    assert_eq!(told.time_source, TimeSource::Members);
    assert!(told.time.0.abs_diff(world.true_ms()) < 10_000, "{told:?}");
    put(&mut world, 2, "b", b"of today, too");
    world.run(MINUTE).unwrap();
    assert_eq!(laws::converged(&world), Ok(()));
    let dates: Vec<u64> = (world.nodes[0].live().values())
        .map(|entry| entry.change().time.wall().0)
        .collect();
    assert!(dates.iter().all(|date| *date >= BEGINNING_MS), "{dates:?}");
    world.set_clock(2, 0);
    assert_eq!(status(&mut world, 2).time_source, TimeSource::System);
}

#[test]
fn one_liar_of_three_moves_no_node_without_a_clock() {
    let mut world = World::new(1, 4).unwrap();
    world.set_clock(0, YEAR_MS);
    put(&mut world, 0, "a", b"of next year");
    wake_in_1970(&mut world, 3);
    // The liar is heard first.
    world.link(0, 3).unwrap();
    world.run(MINUTE).unwrap();
    for honest in [1, 2] {
        world.link(honest, 3).unwrap();
    }
    world.run(2 * MINUTE).unwrap();
    let told = status(&mut world, 3);
    assert!(told.time.0.abs_diff(world.true_ms()) < 10_000, "{told:?}");
}

#[test]
fn by_radio_dates_tell_the_time() {
    let mut world = by_radio(2);
    world.run(2 * MINUTE).unwrap();
    wake_in_1970(&mut world, 1);
    // Too long for one frame: a station gives it once.
    put(&mut world, 0, "a", &[b'.'; 45]);
    put(&mut world, 0, "b", &(0..=255).collect::<Vec<u8>>()[..40]);
    put(&mut world, 0, "c", &(0..=255).rev().collect::<Vec<u8>>()[..45]);
    world.run(5 * MINUTE).unwrap();
    assert!(laws::converged(&world).is_err(), "nobody else says so yet");
    world.run(25 * MINUTE).unwrap();
    assert_eq!(status(&mut world, 1).time_source, TimeSource::Changes);
    assert_eq!(laws::converged(&world), Ok(()));
}

#[test]
fn what_was_refused_by_radio_comes_when_there_is_room() {
    let mut world = by_radio(2);
    world.run(2 * MINUTE).unwrap();
    world.fill_disk(1, true).unwrap();
    for name in ["a", "b", "c", "d"] {
        put(&mut world, 0, name, &[name.as_bytes()[0]; 49]);
    }
    world.run(180 * MINUTE).unwrap();
    assert!(world.nodes[1].live().is_empty());
    world.fill_disk(1, false).unwrap();
    world.run(5 * MINUTE).unwrap();
    assert_eq!(laws::converged(&world), Ok(()));
}

/// A node writes with a clock that is a year ahead, which is then set right.
fn was_ahead(world: &mut World, documents: usize) {
    world.set_clock(0, YEAR_MS);
    for number in 0..documents {
        put(
            world,
            0,
            &format!("{number}"),
            format!("body {number}").as_bytes(),
        );
    }
    world.delete(0, &path("0")).unwrap();
    world.run(MINUTE).unwrap();
    assert_eq!(ahead(world, 0).len(), documents);
    world.set_clock(0, 0);
}

#[test]
fn what_was_written_ahead_is_dated_anew_even_if_the_power_fails_meanwhile() {
    let mut world = World::new(1, 2).unwrap();
    was_ahead(&mut world, 300);
    let mut crashes = 0;
    for _ in 0..4 {
        status(&mut world, 0);
        // It begins after two minutes.
        world.run(2 * MINUTE - Duration::from_millis(100)).unwrap();
        let before = ahead(&world, 0).len();
        for _ in 0..1500 {
            world.run(Duration::from_micros(500)).unwrap();
            let left = ahead(&world, 0).len();
            if left < before {
                crashes += usize::from(left > 0);
                world.crash(0).unwrap();
                world.start(0).unwrap();
                break;
            }
        }
    }
    assert!(crashes >= 2, "{crashes}");
    world.link(0, 1).unwrap();
    world.run(5 * MINUTE).unwrap();
    assert_eq!(ahead(&world, 0), BTreeMap::new());
    put(&mut world, 0, "later", b"of now");
    world.run(2 * MINUTE).unwrap();
    assert_eq!(ahead(&world, 0), BTreeMap::new());
    assert_eq!(laws::converged(&world), Ok(()));
    assert_eq!(laws::nothing_lost(&world), Ok(()));
    assert_eq!(status(&mut world, 1).documents, 300);
}

#[test]
fn siblings_stay_siblings_when_they_are_dated_anew() {
    let mut world = World::new(1, 2).unwrap();
    for node in [0, 1] {
        world.set_clock(node, YEAR_MS);
        put(&mut world, node, "a", format!("of {node}").as_bytes());
    }
    world.link(0, 1).unwrap();
    world.run(MINUTE).unwrap();
    for node in [0, 1] {
        world.set_clock(node, 0);
    }
    world.run(10 * MINUTE).unwrap();
    assert_eq!(laws::converged(&world), Ok(()));
    assert_eq!(world.nodes[0].live().len(), 2);
    assert_eq!(ahead(&world, 0), BTreeMap::new());
}

#[test]
fn a_clock_that_is_behind_dates_nothing_anew() {
    for wired in [true, false] {
        let mut world = if wired {
            World::new(1, 2).unwrap()
        } else {
            by_radio(2)
        };
        if wired {
            world.link(0, 1).unwrap();
        }
        world.run(2 * MINUTE).unwrap();
        for node in [0, 1] {
            put(&mut world, node, &format!("{node}"), b"of today");
        }
        world.run(10 * MINUTE).unwrap();
        let before: Vec<Dot> = world.nodes[0].live().into_keys().collect();
        world.set_clock(0, -14 * 24 * 3_600_000);
        world.run(60 * MINUTE).unwrap();
        assert_eq!(
            world.nodes[0].live().into_keys().collect::<Vec<_>>(),
            before,
            "wired: {wired}"
        );
    }
}
