//! Runs of three or four nodes, made by hand: each has one reason to be slow.

use super::*;
use crate::recording::{
    Happening, LinkRecord, Missed, MissedWhy, NodeRecord, Place, RadioRecord, WriteRecord,
};

const S: u64 = 1_000_000;
const END: u64 = 10_000 * S;

/// Radios called a, b, c and d, all up, in one space, with one write of a: `/shared/m/x`, acknowledged at 1 s.
fn radios() -> Recording {
    let node = |name: &str| NodeRecord {
        name: name.to_owned(),
        space: "home".to_owned(),
        up: vec![(0, END)],
        radio: Some(RadioRecord::default()),
        ..NodeRecord::default()
    };
    Recording {
        duration_us: END,
        nodes: ["a", "b", "c", "d"].map(node).to_vec(),
        writes: vec![WriteRecord {
            path: "/shared/m/x".to_owned(),
            at_us: 0,
            acknowledged_us: Some(S),
            dot: "a:1".to_owned(),
            len: Some(100),
            ..WriteRecord::default()
        }],
        ..Recording::default()
    }
}

/// A frame of one second.
fn frame(at_s: u64, from: usize, to: &[usize]) -> Happening {
    missed_frame(at_s, from, to, &[])
}

fn missed_frame(at_s: u64, from: usize, to: &[usize], missed: &[(usize, MissedWhy)]) -> Happening {
    Happening::Frame {
        at_us: at_s * S,
        airtime_us: S,
        from,
        to: to.to_vec(),
        missed: missed
            .iter()
            .map(|(node, why)| Missed {
                node: *node,
                why: *why,
            })
            .collect(),
        kind: "change".to_owned(),
        len: 50,
        queued_us: 0,
        held_by_law_us: 0,
    }
}

fn waits(hop: &Hop) -> Vec<(Cause, u64)> {
    hop.waits.iter().map(|wait| (wait.cause, wait.us / S)).collect()
}

#[test]
fn the_chain_is_what_the_recording_names_and_each_hop_has_its_cause() {
    let mut recording = radios();
    recording.writes[0].arrivals = vec![(1, 101 * S), (2, 301 * S), (3, 302 * S)];
    recording.writes[0].came_from = vec![Some(0), Some(1), Some(2)];
    // b is lost twice in collisions; c is down for long; d hears c at once.
    recording.nodes[2].up = vec![(0, 50 * S), (290 * S, END)];
    recording.happenings = vec![
        missed_frame(11, 0, &[], &[(1, MissedWhy::Collided)]),
        missed_frame(50, 0, &[], &[(1, MissedWhy::Collided)]),
        frame(100, 0, &[1]),
        frame(300, 1, &[2]),
        frame(301, 2, &[3]),
    ];
    let told = explain(&recording, "/shared/m/x", "d").unwrap();
    let hops: Vec<(&str, &str)> = told
        .hops
        .iter()
        .map(|hop| (hop.from.as_str(), hop.to.as_str()))
        .collect();
    assert_eq!(hops, [("a", "b"), ("b", "c"), ("c", "d")]);
    assert!(told.hops.iter().all(|hop| !hop.guessed));
    // From the first loss until the frame that came: 11 s to 100 s. Before it, ten seconds of silence.
    assert_eq!(
        waits(&told.hops[0]),
        [(Cause::Collided, 89), (Cause::Silent, 10), (Cause::OnAir, 1)]
    );
    assert_eq!((told.hops[0].there.collided, told.hops[0].there.heard), (2, 1));
    assert_eq!(
        waits(&told.hops[1]),
        [(Cause::ReceiverDown, 189), (Cause::Silent, 10), (Cause::OnAir, 1)]
    );
    for hop in &told.hops {
        let sum: u64 = hop.waits.iter().map(|wait| wait.us).sum();
        assert_eq!(
            Some(hop.since_us + sum),
            hop.until_us,
            "the parts add up: {hop:?}"
        );
    }
    let text = told.to_string();
    assert!(text.contains("took 5 min 2 s from a to d, over 3 hops"), "{text}");
    assert!(text.contains("after a frame was lost in a collision"), "{text}");
    assert!(text.contains("c was down") && !text.contains('~'), "{text}");
}

#[test]
fn without_names_the_last_one_heard_that_had_it_is_taken() {
    let mut recording = radios();
    recording.writes[0].arrivals = vec![(1, 20 * S), (2, 40 * S)];
    // d never had it; what it sent cannot have brought it.
    recording.happenings = vec![
        frame(15, 0, &[1]),
        frame(30, 0, &[1, 2]),
        frame(35, 1, &[0, 2]),
        frame(37, 3, &[2]),
    ];
    let told = explain(&recording, "a:1", "c").unwrap();
    assert_eq!(
        told.hops.last().map(|hop| (hop.from.as_str(), hop.guessed)),
        Some(("b", true))
    );
    assert!(told.to_string().contains("b -> c ~"), "{told}");
}

#[test]
fn airtime_and_queue_are_told_apart() {
    let mut recording = radios();
    recording.writes[0].arrivals = vec![(1, 101 * S)];
    recording.writes[0].came_from = vec![Some(0)];
    let mut held = frame(100, 0, &[1]);
    if let Happening::Frame {
        queued_us,
        held_by_law_us,
        ..
    } = &mut held
    {
        (*queued_us, *held_by_law_us) = (90 * S, 70 * S);
    }
    recording.happenings = vec![held];
    let told = explain(&recording, "/shared/m/x", "b").unwrap();
    let expected = [
        (Cause::AirtimeUsedUp, 70),
        (Cause::Queued, 20),
        (Cause::Silent, 9),
        (Cause::OnAir, 1),
    ];
    assert_eq!(waits(&told.hops[0]), expected);
}

#[test]
fn who_never_came_near_is_out_of_reach_and_it_says_how_far_it_got() {
    let mut recording = radios();
    recording.writes[0].arrivals = vec![(1, 10 * S)];
    recording.writes[0].came_from = vec![Some(0)];
    for (node, x_m) in recording.nodes.iter_mut().zip([0.0, 100.0, 9_000.0, 9_100.0]) {
        node.places = vec![Place {
            at_us: 0,
            x_m,
            y_m: 0.0,
        }];
    }
    recording.happenings = (1..90).map(|minute| frame(minute * 100, 1, &[0])).collect();
    recording.heard = vec![crate::recording::HeardRecord {
        from: 1,
        to: 2,
        ..Default::default()
    }];
    let told = explain(&recording, "/shared/m/x", "c").unwrap();
    assert_eq!((told.arrived_us, told.hops.len()), (None, 2));
    let last = &told.hops[1];
    assert_eq!((last.from.as_str(), last.until_us), ("b", None));
    assert_eq!(last.waits[0].cause, Cause::OutOfReach);
    assert_eq!(last.distance_m, Some((8_900.0, 8_900.0)));
    let text = told.to_string();
    assert!(
        text.contains("never got from a to c. It came as far as b, over 1 hop."),
        "{text}"
    );
    assert!(text.contains("8.9 km apart"), "{text}");
}

#[test]
fn wires_have_links_or_none() {
    let mut recording = radios();
    for node in &mut recording.nodes {
        node.radio = None;
    }
    recording.links = vec![LinkRecord {
        a: 1,
        b: 0,
        from_us: 60 * S,
        until_us: END,
    }];
    recording.happenings = vec![Happening::Wired {
        at_us: 61 * S,
        from: 0,
        to: 1,
        kind: "x".to_owned(),
        len: 9,
        lost: false,
    }];
    recording.writes[0].arrivals = vec![(1, 61 * S)];
    let told = explain(&recording, "/shared/m/x", "b").unwrap();
    assert_eq!(waits(&told.hops[0]), [(Cause::NoLink, 59), (Cause::InTouch, 1)]);
}

#[test]
fn of_several_writes_the_slowest_is_explained_and_a_dot_names_one() {
    let mut recording = radios();
    recording.writes[0].arrivals = vec![(1, 2 * S)];
    let second = WriteRecord {
        dot: "a:2".to_owned(),
        at_us: 5 * S,
        arrivals: vec![(1, 500 * S)],
        ..recording.writes[0].clone()
    };
    recording.writes.push(second);
    let told = explain(&recording, "/shared/m/x", "b").unwrap();
    assert_eq!(
        (told.dot.as_str(), told.others.as_slice()),
        ("a:2", ["a:1".to_owned()].as_slice())
    );
    assert_eq!(explain(&recording, "a:1", "b").unwrap().arrived_us, Some(2 * S));
}

#[test]
fn what_is_misspelt_is_suggested() {
    let mut recording = radios();
    recording.nodes[1].name = "barn-2".to_owned();
    recording.nodes[2].name = "barn-3".to_owned();
    recording.nodes[3].space = "club".to_owned();
    let message = |document, node| explain(&recording, document, node).unwrap_err().to_string();
    assert_eq!(
        message("/shared/m/x", "Barn2"),
        "No node is called Barn2. Did you mean barn-2 or barn-3?"
    );
    assert_eq!(
        message("/shared/m/X", "barn-2"),
        "Nobody wrote /shared/m/X in this run. Did you mean /shared/m/x?"
    );
    assert_eq!(
        message("q", "barn-2"),
        "Nobody wrote q in this run. writes.csv of the report lists them."
    );
    assert_eq!(
        message("a:1", "a"),
        "a wrote /shared/m/x itself: it did not have to get there. Name another node."
    );
    let other_space = message("a:1", "d");
    assert!(
        other_space.contains("d keeps club") && other_space.ends_with("such as barn-2."),
        "{other_space}"
    );
}

/// Indices that lead nowhere come from files that somebody wrote by hand: they are no reason to panic.
#[test]
fn a_recording_that_names_itself_in_circles_comes_to_an_end() {
    let mut recording = radios();
    recording.writes[0].arrivals = vec![(1, 20 * S), (2, 20 * S), (99, 3)];
    recording.writes[0].came_from = vec![Some(2), Some(1), Some(77)];
    recording.happenings = vec![frame(3, 99, &[1, 98]), frame(3, 1, &[98])];
    recording.links = vec![LinkRecord {
        a: 97,
        b: 1,
        from_us: 0,
        until_us: 9,
    }];
    let told = explain(&recording, "/shared/m/x", "c").unwrap();
    assert!(told.hops.len() <= 4, "{told}");
}
