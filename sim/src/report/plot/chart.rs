//! The frame around a plot: title, paper, axes.

use super::super::quantity::share;
use super::axis;
use super::svg::{Anchor, Svg, shortened};
use crate::recording::Recording;

/// How wide a plot is, with its margins.
pub(super) const WIDTH: f64 = 880.0;
const TITLE_LEN_MAX: usize = 122;

/// A rectangle to draw in.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    /// The place at these shares of width and height; 0, 0 is bottom left.
    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let x = self.left + x.clamp(0.0, 1.0) * (self.right - self.left);
        let y = self.bottom - y.clamp(0.0, 1.0) * (self.bottom - self.top);
        (x, y)
    }
}

/// A sheet with its title; the line below it says what came out, and from which run.
pub(super) fn sheet(recording: &Recording, height: f64, title: &str, found: &str) -> Svg {
    let run = format!("{}, seed {}", recording.scenario, recording.seed);
    let mut svg = Svg::new(WIDTH, height, &format!("{title}: {run}"), found);
    svg.text("title", Anchor::Start, (24.0, 34.0), title);
    svg.text(
        "small soft",
        Anchor::End,
        (WIDTH - 24.0, 33.0),
        &shortened(&run, 60),
    );
    svg.text(
        "soft",
        Anchor::Start,
        (24.0, 56.0),
        &shortened(found, TITLE_LEN_MAX),
    );
    svg
}

/// Marks along the bottom of an area, as shares of its width, with a grid and what the axis shows.
pub(super) fn bottom_axis(svg: &mut Svg, area: Area, ticks: &[(f64, String)], shows: &str) {
    for (x, label) in ticks {
        let (x, y) = area.at(*x, 0.0);
        svg.line("grid", (x, area.top), (x, y));
        svg.text("small soft", Anchor::Middle, (x, y + 17.0), label);
    }
    svg.line("axis", (area.left, area.bottom), (area.right, area.bottom));
    let middle = (area.left + area.right) / 2.0;
    svg.text("small soft", Anchor::Middle, (middle, area.bottom + 36.0), shows);
}

/// The time of the run along the bottom.
pub(super) fn time_axis(svg: &mut Svg, area: Area, duration_us: u64) {
    let ticks = axis::times(duration_us, 9);
    let ticks = ticks
        .into_iter()
        .map(|(at_us, label)| (time_share(at_us, duration_us), label));
    let ticks: Vec<_> = ticks
        .map(|(x, label)| (x, if x == 0.0 { "0".to_owned() } else { label }))
        .collect();
    bottom_axis(svg, area, &ticks, "time since the run began");
}

/// Shares of a hundred up the left side.
pub(super) fn share_axis(svg: &mut Svg, area: Area) {
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (x, y) = area.at(0.0, tick);
        svg.line("grid", (x, y), (area.right, y));
        svg.text("small soft", Anchor::End, (x - 8.0, y + 4.0), &share(tick));
    }
}

/// Where in the run a time lies, 0 to 1.
pub(super) fn time_share(at_us: u64, duration_us: u64) -> f64 {
    at_us as f64 / duration_us.max(1) as f64
}
