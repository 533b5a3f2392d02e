//! How much of what was due was there, over time.

use super::super::quantity::{duration, plural, share};
use super::chart::{Area, share_axis, sheet, time_axis, time_share};
use super::svg::{Anchor, Svg};
use crate::recording::{Happening, Recording, Sample};

const HEIGHT: f64 = 420.0;
const AREA: Area = Area {
    left: 72.0,
    top: 84.0,
    right: 780.0,
    bottom: 360.0,
};
/// More points than a plot has pixels would only make it heavy.
const POINTS_MAX: usize = 700;
/// More faults than this would be a wall.
const FAULTS_MAX: usize = 60;

pub(super) fn plot(recording: &Recording) -> Option<String> {
    let last = recording.samples.last()?;
    let duration_us = recording.duration_us;
    let due = plural(last.due, "delivery");
    let found = match recording.converged_at_us {
        Some(at_us) => format!("All {due} were made after {}.", duration(at_us)),
        None => format!("{} of {due} were made when the run ended.", share(there(last))),
    };
    let mut svg = sheet(recording, HEIGHT, "What was due and what was there", &found);
    share_axis(&mut svg, AREA);
    time_axis(&mut svg, AREA, duration_us);
    faults(&mut svg, recording);

    let step = recording.samples.len().div_ceil(POINTS_MAX);
    // As it was last seen, so it stayed.
    let end = Sample {
        at_us: duration_us.max(last.at_us),
        ..*last
    };
    let samples: Vec<&Sample> = recording
        .samples
        .iter()
        .step_by(step)
        .chain([last, &end])
        .collect();
    let points = |of: &dyn Fn(&Sample) -> f64| -> Vec<(f64, f64)> {
        samples
            .iter()
            .map(|sample| AREA.at(time_share(sample.at_us, duration_us), of(sample)))
            .collect()
    };
    let up = |sample: &Sample| sample.up as f64 / recording.nodes.len().max(1) as f64;
    let there_points = points(&there);
    let mut area = there_points.clone();
    if let (Some(first), Some(end)) = (there_points.first(), there_points.last()) {
        area.extend([(end.0, AREA.bottom), (first.0, AREA.bottom)]);
    }
    svg.path("area", &area);
    svg.path("second", &points(&up));
    svg.path("line", &there_points);

    // Labels stand at the lines' ends, and apart from each other: the upper one where it belongs.
    let mut labels = [
        (AREA.at(1.0, there(last)).1, "main-text", "there of due"),
        (AREA.at(1.0, up(last)).1, "other-text", "nodes up"),
    ];
    labels.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
    labels[1].0 = labels[1].0.max(labels[0].0 + 20.0);
    for (y, class, words) in labels {
        svg.text(class, Anchor::Start, (AREA.right + 8.0, y + 4.0), words);
    }
    if let Some(at_us) = recording.converged_at_us {
        let (x, y) = AREA.at(time_share(at_us, duration_us), 1.0);
        svg.line("mark", (x, y), (x, AREA.bottom));
        let (anchor, dx) = if x > AREA.right - 170.0 {
            (Anchor::End, -6.0)
        } else {
            (Anchor::Start, 6.0)
        };
        svg.text(
            "halo",
            anchor,
            (x + dx, AREA.bottom - 12.0),
            &format!("all in step: {}", duration(at_us)),
        );
    }
    Some(svg.finish())
}

/// What was there of what was due, 0 to 1. Nothing due: all is there.
fn there(sample: &Sample) -> f64 {
    if sample.due == 0 {
        1.0
    } else {
        sample.there as f64 / sample.due as f64
    }
}

/// A thin line for each fault; its words are its tip.
fn faults(svg: &mut Svg, recording: &Recording) {
    let faults = recording
        .happenings
        .iter()
        .filter_map(|happening| match happening {
            Happening::Fault {
                at_us, what_happened, ..
            } => Some((*at_us, what_happened)),
            _ => None,
        });
    for (at_us, what_happened) in faults.take(FAULTS_MAX) {
        let (x, top) = AREA.at(time_share(at_us, recording.duration_us), 1.0);
        let tip = format!("{}: {what_happened}", duration(at_us));
        svg.link("event", (x, top), (x, AREA.bottom), 1.0, &tip);
    }
}
