//! How long deliveries took: which share of them had come after which time.

use super::super::delays::Delays;
use super::super::quantity::{duration, share};
use super::axis;
use super::chart::{Area, bottom_axis, share_axis, sheet};
use super::svg::Anchor;
use crate::recording::Recording;

const HEIGHT: f64 = 420.0;
const AREA: Area = Area {
    left: 72.0,
    top: 84.0,
    right: 844.0,
    bottom: 360.0,
};
const POINTS_MAX: usize = 600;
/// Faster than this is as good as at once, and a logarithm has no nought.
const LEAST_US: u64 = 1_000;

pub(super) fn plot(recording: &Recording) -> Option<String> {
    let delays = Delays::of(recording);
    let (least, most) = (*delays.came_us.first()?, *delays.came_us.last()?);
    let came = delays.came_us.len() as f64 / delays.due.max(1) as f64;
    let parts = [(0.5, "half"), (0.9, "90 %"), (0.99, "99 %"), (1.0, "all")];
    let parts = parts
        .iter()
        .filter_map(|(share, name)| Some((name, delays.quantile_us(*share)?)));
    let mut found: Vec<String> = parts
        .map(|(name, us)| format!("{name} within {}", duration(us)))
        .collect();
    if came < 1.0 {
        found.push(format!("{} never came", share(1.0 - came)));
    }
    let found = format!("Of all that was due, {}.", found.join(", "));
    let mut svg = sheet(
        recording,
        HEIGHT,
        "From acknowledgement to another node's disk",
        &found,
    );
    share_axis(&mut svg, AREA);

    let ticks = axis::decades(least.max(LEAST_US), most.max(LEAST_US));
    let (start, end) = (log(ticks.first()?.0), log(ticks.last()?.0));
    let x_of = |us: u64| (log(us.max(LEAST_US)) - start) / (end - start);
    let labelled: Vec<_> = ticks
        .iter()
        .map(|(us, label)| (x_of(*us), label.clone()))
        .collect();
    bottom_axis(&mut svg, AREA, &labelled, "delay, on a logarithmic scale");

    let step = delays.came_us.len().div_ceil(POINTS_MAX);
    let mut points = vec![AREA.at(x_of(least), 0.0)];
    // In steps: between two that came there was none.
    for (index, us) in delays.came_us.iter().enumerate().step_by(step) {
        let share = |count: usize| count as f64 / delays.due.max(1) as f64;
        points.push(AREA.at(x_of(*us), share(index)));
        points.push(AREA.at(x_of(*us), share(index + 1)));
    }
    points.push(AREA.at(x_of(most), came));
    svg.path("line", &points);
    for (share, name) in [(0.5, "half"), (0.9, "90 %"), (0.99, "99 %")] {
        let Some(us) = delays.quantile_us(share) else {
            continue;
        };
        let (x, y) = AREA.at(x_of(us), share);
        let label = format!("{name}: {}", duration(us));
        svg.circle("dot", (x, y), 5.0, &label);
        let (anchor, dx) = if x > AREA.right - 150.0 {
            (Anchor::End, -12.0)
        } else {
            (Anchor::Start, 12.0)
        };
        svg.text("halo", anchor, (x + dx, y + 16.0), &label);
    }
    Some(svg.finish())
}

fn log(us: u64) -> f64 {
    (us.max(1) as f64).log10()
}
