//! The scenarios that come with the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cairn_transports::lora::Region;

use crate::mobility::{Walker, distance_m, places};
use crate::random::Seeds;
use crate::scenario::{Scenario, WorkloadKind};
use crate::workload::Operations;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn load(name: &str) -> Scenario {
    Scenario::load(&folder().join(format!("{name}.toml"))).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn all_of_them_are_right() {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let scenario = load(&stem);
        assert_eq!(scenario.name, stem, "a scenario has its file's name");
        assert!(scenario.about.len() > 40, "{stem} says what it shows");
        let seeds = Seeds::new(scenario.seed);
        let first: Vec<_> = Operations::new(&scenario, &seeds).take(1000).collect();
        assert!(!first.is_empty(), "{stem}: somebody writes");
        assert!(
            scenario
                .strikes(&seeds)
                .iter()
                .all(|strike| strike.at_us <= scenario.duration_us)
        );
        assert!(
            scenario.radio.is_some() || !scenario.wires(&seeds).is_empty(),
            "{stem}: they can meet"
        );
        names.insert(stem);
    }
    let expected = [
        "courier-on-a-bicycle",
        "flood-of-bad-peers",
        "lan-of-200",
        "split-and-heal",
        "thousand-sensors",
        "three-modems",
        "two-hills",
        "village-of-40",
    ];
    assert!(expected.iter().all(|name| names.contains(*name)), "{names:?}");
}

#[test]
fn the_lan_is_as_large_as_it_says() {
    let scenario = load("lan-of-200");
    let seeds = Seeds::new(scenario.seed);
    assert_eq!((scenario.nodes.len(), scenario.spaces.len()), (200, 1));
    assert!((590..=600).contains(&scenario.wires(&seeds).len()));
    let mut documents = BTreeSet::new();
    documents.extend(Operations::new(&scenario, &seeds).map(|operation| operation.path));
    assert_eq!(documents.len(), 10_000);
}

/// A frame of 186 bytes takes 0.55 s at SF8. A channel that is taken for more than a tenth of the time by readings alone has no room for
/// announcements, repair and answers.
#[test]
fn a_thousand_sensors_leave_room_on_the_channel() {
    let scenario = load("thousand-sensors");
    assert_eq!((scenario.nodes.len(), scenario.spaces.len()), (1000, 50));
    let WorkloadKind::Readings { interval_us, .. } = scenario.workloads[0].kind else {
        panic!("sensors read");
    };
    let places = places(&scenario, &Seeds::new(scenario.seed));
    let near = |node: usize| {
        places
            .iter()
            .filter(|place| distance_m(**place, places[node]) < 2000.0)
            .count()
    };
    let crowd = (0..1000).map(near).max().unwrap();
    let load = crowd as f64 * 0.55e6 / interval_us as f64;
    assert!(
        load < 0.1,
        "{crowd} sensors within 2 km take {load} of the channel"
    );
}

#[test]
fn the_courier_alone_joins_the_islands() {
    let scenario = load("courier-on-a-bicycle");
    let seeds = Seeds::new(scenario.seed);
    let places = places(&scenario, &seeds);
    let of = |name: &str| {
        scenario
            .groups
            .iter()
            .find(|group| group.name == name)
            .unwrap()
            .nodes
            .clone()
    };
    for west in of("west") {
        for east in of("east") {
            assert!(distance_m(places[west], places[east]) > 5000.0);
        }
    }
    let courier = of("courier").start;
    let mut walker = Walker::new(&scenario, courier, places[courier], &seeds);
    let mut visits = [0, 0];
    for minute in 0..scenario.duration_us / 60_000_000 {
        let place = walker.place(minute * 60_000_000);
        for (visits, island) in visits.iter_mut().zip(["west", "east"]) {
            *visits += i32::from(of(island).any(|node| distance_m(places[node], place) < 300.0));
        }
    }
    assert!(visits[0] > 30 && visits[1] > 30, "{visits:?}");
}

#[test]
fn europeans_send_where_they_may_send_longest() {
    for name in [
        "two-hills",
        "village-of-40",
        "thousand-sensors",
        "courier-on-a-bicycle",
        "three-modems",
    ] {
        let radio = load(name).radio.unwrap();
        assert_eq!((radio.region, radio.band.share()), (Region::Eu868, 0.1), "{name}");
    }
}
