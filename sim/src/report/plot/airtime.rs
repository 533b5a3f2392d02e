//! How much of what the law allows each radio used.

use super::super::quantity::{duration, plural, share};
use super::axis;
use super::chart::{Area, WIDTH, bottom_axis, sheet};
use super::svg::{Anchor, shortened};
use crate::recording::{NodeRecord, RadioRecord, Recording};

/// More bars than this cannot be read; what is left out is said.
const BARS_MAX: usize = 40;
const ROW: f64 = 20.0;

pub(super) fn plot(recording: &Recording) -> Option<String> {
    let mut radios: Vec<(&NodeRecord, &RadioRecord)> = recording
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.radio.as_ref()?)))
        .collect();
    radios.sort_by(|(_, a), (_, b)| b.airtime_max_share.total_cmp(&a.airtime_max_share));
    let most = radios.first()?.1.airtime_max_share;
    let (shown, rest) = radios.split_at(radios.len().min(BARS_MAX));

    let over = |radio: &RadioRecord| radio.airtime_max_share > radio.airtime_allowed_share;
    let broke = radios.iter().filter(|(_, radio)| over(radio)).count() as u64;
    let found = match (broke, rest.first()) {
        (0, None) => "No radio used more than it may in any window of the law.".to_owned(),
        (0, Some((_, next))) => format!(
            "No radio used more than it may. The {} that are not shown used at most {}.",
            plural(rest.len() as u64, "radio"),
            share(next.airtime_max_share)
        ),
        (broke, _) => format!("{} used MORE than allowed.", plural(broke, "radio")),
    };
    let area = Area {
        left: 150.0,
        top: 92.0,
        right: WIDTH - 110.0,
        bottom: 92.0 + ROW * shown.len() as f64,
    };
    let mut svg = sheet(
        recording,
        area.bottom + 56.0,
        "Airtime in the busiest window, by radio",
        &found,
    );

    // A limit of all the time is none, and would make every bar a hair.
    let limits = shown
        .iter()
        .map(|(_, radio)| radio.airtime_allowed_share)
        .filter(|limit| *limit < 1.0);
    let ticks = axis::numbers(limits.fold(most, f64::max).max(1e-6), 6.0);
    let end = ticks.last().copied().unwrap_or(1.0);
    let labelled: Vec<_> = ticks.iter().map(|tick| (tick / end, share(*tick))).collect();
    bottom_axis(
        &mut svg,
        area,
        &labelled,
        "largest share of any window of the law spent on air",
    );

    for (row, (node, radio)) in shown.iter().enumerate() {
        let top = area.top + ROW * row as f64;
        let (used, allowed) = (radio.airtime_max_share, radio.airtime_allowed_share);
        let (x, _) = area.at(used / end, 0.0);
        let all = duration(radio.sent.airtime_us);
        let name = &node.name;
        let tip = format!(
            "{name}: {} of {} allowed; {all} on air in the whole run",
            share(used),
            share(allowed)
        );
        let class = if over(radio) { "over" } else { "bar" };
        svg.rect(class, (area.left, top + 3.0), (x - area.left, ROW - 6.0), &tip);
        svg.text(
            "small",
            Anchor::End,
            (area.left - 8.0, top + 14.0),
            &shortened(name, 20),
        );
        // Behind the limit's line, if it would stand on it.
        let limit_x = area.at(allowed / end, 0.0).0;
        let label_x = if allowed < 1.0 && x < limit_x && x + 46.0 > limit_x {
            limit_x + 6.0
        } else {
            x + 6.0
        };
        svg.text("small soft", Anchor::Start, (label_x, top + 14.0), &share(used));
        if allowed < 1.0 {
            svg.line("limit", (limit_x, top), (limit_x, top + ROW));
            let first = row == 0 || shown[row - 1].1.airtime_allowed_share != allowed;
            if row == 0 {
                svg.text(
                    "small limit-text",
                    Anchor::Middle,
                    (limit_x, top - 6.0),
                    &format!("allowed {}", share(allowed)),
                );
            } else if first {
                svg.text(
                    "small limit-text",
                    Anchor::Start,
                    (limit_x + 52.0, top + 14.0),
                    &format!("allowed {}", share(allowed)),
                );
            }
        }
    }
    Some(svg.finish())
}
