//! Plots as SVG: no script, no font, nothing from outside; colours follow the reader's light or dark mode.
//!
//! [`svg`] knows elements, [`theme`] colours, [`axis`] where ticks go, [`chart`] the frame around a plot. Each plot is
//! a file of its own and says in its title what it shows and in its `<desc>` what came out.

mod airtime;
mod axis;
mod chart;
mod convergence;
mod delay;
mod labels;
mod map;
mod messages;
mod svg;
mod theme;

use crate::recording::Recording;

/// All plots that this recording has something for, with their files' names.
pub(super) fn all(recording: &Recording) -> Vec<(&'static str, String)> {
    let plots = [
        ("convergence.svg", convergence::plot(recording)),
        ("airtime.svg", airtime::plot(recording)),
        ("messages.svg", messages::plot(recording)),
        ("delay.svg", delay::plot(recording)),
        ("map.svg", map::plot(recording)),
    ];
    plots
        .into_iter()
        .filter_map(|(name, plot)| Some((name, plot?)))
        .collect()
}
