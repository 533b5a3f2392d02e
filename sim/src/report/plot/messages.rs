//! What the bytes were spent on.

use super::super::quantity::{bytes, duration, plural, share};
use super::axis;
use super::chart::{Area, WIDTH, bottom_axis, sheet};
use super::svg::{Anchor, shortened};
use crate::recording::{Recording, Traffic};

const ROW: f64 = 34.0;

pub(super) fn plot(recording: &Recording) -> Option<String> {
    let mut kinds: Vec<(&String, &Traffic)> = recording.messages.iter().collect();
    kinds.sort_by_key(|(_, traffic)| std::cmp::Reverse(traffic.bytes));
    let (first, most) = kinds.first()?;
    let all: u64 = kinds.iter().map(|(_, traffic)| traffic.bytes).sum();
    let on_air = kinds.iter().any(|(_, traffic)| traffic.airtime_us > 0);
    let wired = kinds.iter().any(|(_, traffic)| traffic.airtime_us == 0);

    let area = Area {
        left: 150.0,
        top: 92.0,
        right: WIDTH - 270.0,
        bottom: 92.0 + ROW * kinds.len() as f64,
    };
    let of_all = share(most.bytes as f64 / all.max(1) as f64);
    let found = format!("{} in all; {of_all} of it {first}.", bytes(all));
    let mut svg = sheet(recording, area.bottom + 56.0, "Bytes by kind of message", &found);
    let ticks = axis::numbers(most.bytes.max(1) as f64, 5.0);
    let end = ticks.last().copied().unwrap_or(1.0);
    let labelled: Vec<_> = ticks
        .iter()
        .map(|tick| (tick / end, bytes(tick.round() as u64)))
        .collect();
    bottom_axis(&mut svg, area, &labelled, "bytes sent, with all overheads");
    if on_air && wired {
        svg.rect("bar", (area.right + 30.0, 46.0), (10.0, 10.0), "radio");
        svg.text("small", Anchor::Start, (area.right + 46.0, 55.0), "on air");
        svg.rect("bar2", (area.right + 110.0, 46.0), (10.0, 10.0), "wired");
        svg.text("small", Anchor::Start, (area.right + 126.0, 55.0), "over wires");
    }
    for (row, (kind, traffic)) in kinds.iter().enumerate() {
        let top = area.top + ROW * row as f64;
        let (x, _) = area.at(traffic.bytes as f64 / end, 0.0);
        let frames = plural(traffic.frames, "frame");
        let mut label = format!("{} · {frames}", bytes(traffic.bytes));
        if traffic.airtime_us > 0 {
            label = format!("{label} · {} on air", duration(traffic.airtime_us));
        }
        let class = if traffic.airtime_us > 0 { "bar" } else { "bar2" };
        svg.rect(
            class,
            (area.left, top + 8.0),
            (x - area.left, ROW - 16.0),
            &format!("{kind}: {label}"),
        );
        svg.text(
            "",
            Anchor::End,
            (area.left - 8.0, top + 21.0),
            &shortened(kind, 18),
        );
        svg.text("small soft halo", Anchor::Start, (x + 8.0, top + 21.0), &label);
    }
    Some(svg.finish())
}
