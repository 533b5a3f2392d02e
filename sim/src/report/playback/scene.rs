//! What can be seen of a run, boiled down: bounded, in columns, times in whole milliseconds.
//!
//! A page must open in a moment, whatever was simulated. So what there is much of is thinned evenly and the page says
//! so; what decides (who was up, who was in step) is never thinned, only rounded to [`marks`] of time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::layout::Layout;
use crate::recording::{Happening, NodeRecord, Recording};

/// Frames on the radio that a page holds.
const FRAMES_MAX: usize = 40_000;
/// Frames on wires.
const WIRED_MAX: usize = 30_000;
/// Writes and arrivals for the list.
const EVENTS_MAX: usize = 20_000;
/// Faults.
const FAULTS_MAX: usize = 2_000;
/// Points of the chart.
const SAMPLES_MAX: usize = 1_000;
/// Wired links.
const LINKS_MAX: usize = 20_000;
/// Radio links.
const HEARD_MAX: usize = 6_000;
/// Marks of all nodes together.
const MARKS_MAX: usize = 400_000;

/// The shares from nothing to almost all, as letters; `=` is all.
const LEVELS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyzABCDEF";

/// The scene as JSON.
pub(super) fn scene(recording: &Recording) -> Value {
    let layout = Layout::of(recording);
    let real = layout.as_ref().is_some_and(|layout| layout.real);
    let marks = marks(recording);
    let nodes: Vec<Value> = recording
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            let places = match &layout {
                Some(layout) if !real => vec![json!([
                    0,
                    tenth(layout.nodes[index].0),
                    tenth(layout.nodes[index].1)
                ])],
                _ => node
                    .places
                    .iter()
                    .map(|at| json!([ms(at.at_us), tenth(at.x_m), tenth(at.y_m)]))
                    .collect(),
            };
            json!({
                "name": node.name,
                "space": node.space,
                "places": places,
                "up": node.up.iter().map(|(from, until)| [ms(*from), ms(*until)]).collect::<Vec<_>>(),
                "marks": marks.of_nodes[index],
                "lacking": node.lacking,
                "wired": [node.wired.frames, node.wired.bytes],
                "radio": radio(node),
            })
        })
        .collect();
    let samples = thin(recording.samples.iter(), SAMPLES_MAX).0;
    let links = thin(recording.links.iter(), LINKS_MAX);
    let mut heard: Vec<_> = recording.heard.iter().collect();
    heard.sort_by_key(|heard| std::cmp::Reverse(heard.frames));
    heard.truncate(HEARD_MAX);
    let mut kinds = Kinds::default();
    let (frames, frames_step) = frames(recording, &mut kinds);
    let (wired, wired_step) = wired(recording, &mut kinds);
    let (events, events_step) = events(recording);
    json!({
        "scenario": recording.scenario,
        "about": recording.about,
        "seed": recording.seed,
        "trace_hash": recording.trace_hash,
        "duration": ms(recording.duration_us),
        "converged_at": recording.converged_at_us.map(ms),
        "broken": recording.broken,
        "real_places": real,
        "marks": { "count": marks.count, "slice": marks.slice_us as f64 / 1e3, "levels": String::from_utf8_lossy(LEVELS) },
        "nodes": nodes,
        "samples": samples.iter().map(|at| json!([ms(at.at_us), at.due, at.there, at.up])).collect::<Vec<_>>(),
        "links": links.0.iter().map(|link| json!([link.a, link.b, ms(link.from_us), ms(link.until_us)])).collect::<Vec<_>>(),
        "heard": heard.iter().map(|heard| json!([heard.from, heard.to, heard.frames])).collect::<Vec<_>>(),
        "frames": frames,
        "wired": wired,
        "events": events,
        "kinds": kinds.names,
        "thinned": {
            "frames": frames_step,
            "wired": wired_step,
            "events": events_step,
            "links": links.1,
            "left_out": recording.happenings_left_out,
        },
    })
}

/// For each node, how much of what it should have it had, at even times.
struct Marks {
    count: usize,
    slice_us: u64,
    of_nodes: Vec<String>,
}

/// What a node lacks changes by whole deliveries: counted in each slice of time, then summed up.
fn marks(recording: &Recording) -> Marks {
    let nodes = recording.nodes.len();
    let count = (MARKS_MAX / nodes.max(1)).clamp(40, 1_200);
    let slice_us = recording.duration_us.max(1).div_ceil(count as u64);
    let slice = |at_us: u64| ((at_us / slice_us) as usize).min(count - 1);
    // Written in each space, and at each node, by slice: a node's own writes are not due to it.
    let mut due = BTreeMap::<&str, Vec<u32>>::new();
    let mut own = vec![BTreeMap::<usize, u32>::new(); nodes];
    let mut there = vec![BTreeMap::<usize, u32>::new(); nodes];
    for write in &recording.writes {
        let (Some(writer), Some(at_us)) = (recording.nodes.get(write.node), write.acknowledged_us) else {
            continue;
        };
        due.entry(&writer.space).or_insert_with(|| vec![0; count])[slice(at_us)] += 1;
        *own[write.node].entry(slice(at_us)).or_default() += 1;
        for (node, arrived_us) in &write.arrivals {
            if let Some(there) = there.get_mut(*node) {
                // A page must not show that it came before it was due.
                *there.entry(slice((*arrived_us).max(at_us))).or_default() += 1;
            }
        }
    }
    let none = vec![0; count];
    let of_nodes = recording.nodes.iter().enumerate().map(|(index, node)| {
        let due = due.get(node.space.as_str()).unwrap_or(&none);
        let (mut all, mut have) = (0_u64, 0_u64);
        let marks = (0..count).map(|slice| {
            let own = own[index].get(&slice).copied().unwrap_or(0);
            all += u64::from(due[slice].saturating_sub(own));
            have += u64::from(there[index].get(&slice).copied().unwrap_or(0));
            mark(have, all)
        });
        marks.collect()
    });
    Marks {
        count,
        slice_us,
        of_nodes: of_nodes.collect(),
    }
}

fn mark(have: u64, all: u64) -> char {
    if have >= all {
        return '=';
    }
    char::from(LEVELS[(have * LEVELS.len() as u64 / all) as usize])
}

fn radio(node: &NodeRecord) -> Value {
    let Some(radio) = &node.radio else {
        return Value::Null;
    };
    json!({
        "sent": radio.sent.frames,
        "airtime": ms(radio.sent.airtime_us),
        "share": radio.airtime_max_share,
        "allowed": radio.airtime_allowed_share,
        "heard": radio.frames_heard,
        "collided": radio.frames_collided,
        "missed": radio.frames_missed,
        "lost": radio.frames_lost,
        "energy": radio.energy_j,
    })
}

/// Kinds of messages, as numbers.
#[derive(Default)]
struct Kinds<'a> {
    names: Vec<&'a str>,
    numbers: BTreeMap<&'a str, usize>,
}

impl<'a> Kinds<'a> {
    fn number(&mut self, kind: &'a str) -> usize {
        *self.numbers.entry(kind).or_insert_with(|| {
            self.names.push(kind);
            self.names.len() - 1
        })
    }
}

fn frames<'a>(recording: &'a Recording, kinds: &mut Kinds<'a>) -> (Value, usize) {
    let all = recording
        .happenings
        .iter()
        .filter(|happening| matches!(happening, Happening::Frame { .. }));
    let (kept, step) = thin(all, FRAMES_MAX);
    let mut frames = Vec::with_capacity(kept.len());
    for happening in kept {
        if let Happening::Frame {
            at_us,
            airtime_us,
            from,
            to,
            missed,
            kind,
            len,
            ..
        } = happening
        {
            let missed: Vec<usize> = missed.iter().map(|missed| missed.node).collect();
            frames.push(json!([
                ms(*at_us),
                ms(*airtime_us),
                from,
                to,
                missed,
                kinds.number(kind),
                len
            ]));
        }
    }
    (Value::Array(frames), step)
}

fn wired<'a>(recording: &'a Recording, kinds: &mut Kinds<'a>) -> (Value, usize) {
    let all = recording
        .happenings
        .iter()
        .filter(|happening| matches!(happening, Happening::Wired { .. }));
    let (kept, step) = thin(all, WIRED_MAX);
    let mut frames = Vec::with_capacity(kept.len());
    for happening in kept {
        if let Happening::Wired {
            at_us,
            from,
            to,
            kind,
            lost,
            ..
        } = happening
        {
            frames.push(json!([ms(*at_us), from, to, kinds.number(kind), u8::from(*lost)]));
        }
    }
    (Value::Array(frames), step)
}

/// Faults, writes and arrivals, in order. They are made of the writes, which are all there; happenings may be cut short.
fn events(recording: &Recording) -> (Value, usize) {
    let mut all = Vec::new();
    for (index, write) in recording.writes.iter().enumerate() {
        all.push((write.at_us, "w", write.node, index));
        all.extend(
            write
                .arrivals
                .iter()
                .map(|(node, at_us)| (*at_us, "a", *node, index)),
        );
    }
    all.sort_unstable();
    let (kept, step) = thin(all.into_iter(), EVENTS_MAX);
    let faults = recording
        .happenings
        .iter()
        .filter_map(|happening| match happening {
            Happening::Fault {
                at_us,
                node,
                what_happened,
            } => Some((ms(*at_us), node, what_happened)),
            _ => None,
        });
    let faults: Vec<Value> = thin(faults, FAULTS_MAX)
        .0
        .into_iter()
        .map(|fault| json!(fault))
        .collect();
    // Only paths that are spoken of travel with the page.
    let mut paths = Kinds::default();
    let events: Vec<Value> = kept
        .into_iter()
        .map(|(at_us, what, node, write)| {
            json!([ms(at_us), what, node, paths.number(&recording.writes[write].path)])
        })
        .collect();
    (
        json!({ "writes": events, "faults": faults, "paths": paths.names }),
        step,
    )
}

/// Every n-th, so that at most `most` are left; and n.
fn thin<T>(all: impl Iterator<Item = T>, most: usize) -> (Vec<T>, usize) {
    let all: Vec<T> = all.collect();
    let step = all.len().div_ceil(most).max(1);
    (all.into_iter().step_by(step).collect(), step)
}

fn ms(us: u64) -> u64 {
    us / 1_000
}

/// Metres, to ten centimetres.
fn tenth(metres: f64) -> f64 {
    (metres * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Sample, WriteRecord};

    #[test]
    fn marks_count_deliveries_and_only_what_is_due() {
        let node = |space: &str| NodeRecord {
            space: space.to_owned(),
            ..NodeRecord::default()
        };
        let write = |node, at_us, arrivals: &[(usize, u64)]| WriteRecord {
            node,
            at_us,
            acknowledged_us: Some(at_us),
            arrivals: arrivals.to_vec(),
            ..WriteRecord::default()
        };
        let recording = Recording {
            duration_us: 1_200,
            nodes: vec![node("a"), node("a"), node("b")],
            writes: vec![write(0, 100, &[(1, 500)]), write(0, 200, &[])],
            ..Recording::default()
        };
        let marks = marks(&recording).of_nodes;
        let at = |node: usize, us: usize| marks[node].as_bytes()[us] as char;
        assert_eq!((at(1, 99), at(1, 100), at(1, 499)), ('=', 'a', 'a'));
        // One of two.
        assert_eq!(
            (at(1, 500), at(1, 1_199)),
            (char::from(LEVELS[16]), char::from(LEVELS[16]))
        );
        assert!(
            marks[0].bytes().chain(marks[2].bytes()).all(|mark| mark == b'='),
            "nothing is due to them"
        );
    }

    #[test]
    fn much_is_thinned_and_said() {
        let frame = |at_us| Happening::Wired {
            at_us,
            from: 0,
            to: 0,
            kind: "k".to_owned(),
            len: 1,
            lost: false,
        };
        let recording = Recording {
            nodes: vec![NodeRecord::default()],
            samples: vec![Sample::default(); 5_000],
            happenings: (0..100_000).map(frame).collect(),
            ..Recording::default()
        };
        let scene = scene(&recording);
        assert_eq!(scene["thinned"]["wired"], 4);
        assert_eq!(scene["wired"].as_array().unwrap().len(), 25_000);
        assert!(scene["samples"].as_array().unwrap().len() <= SAMPLES_MAX);
    }
}
