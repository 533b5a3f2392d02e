//! A summary as a page for a terminal: what a planner asks, in the order in which planners ask it.

use std::fmt::{self, Display, Formatter};

use super::quantity::{bytes, count, duration, plural, share};
use super::summary::{Airtime, DelaySummary, Energy, Slow, Summary};

/// One cell of the common size 18650, 3.5 Ah at 3.6 V, in watt-hours.
const CELL_WH: f64 = 12.6;
/// Where a claim begins.
const MARGIN: usize = 12;

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let time = duration(us(self.duration_s));
        writeln!(f, "{}, seed {}: {time} simulated", self.scenario, self.seed)?;
        writeln!(f)?;
        self.outcome(f)?;
        self.delay(f)?;
        self.airtime(f)?;
        self.reception(f)?;
        self.energy(f)?;
        if self.wired_frames > 0 {
            let frames = plural(self.wired_frames, "frame");
            line(f, "wires", format!("{frames}, {}", bytes(self.wired_bytes)))?;
        }
        line(
            f,
            "trace",
            format!("{} ({})", self.trace_hash, plural(self.events, "event")),
        )?;
        slowest(f, &self.slowest)?;
        for law in &self.broken {
            writeln!(f, "\nBROKEN: {law}")?;
        }
        Ok(())
    }
}

impl Summary {
    fn outcome(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let radios = match self.radios {
            0 => "none with a radio".to_owned(),
            radios if radios == self.nodes => "all with a radio".to_owned(),
            radios => format!("{} with a radio", count(radios)),
        };
        line(f, "nodes", format!("{}, {radios}", count(self.nodes)))?;
        let lost = match self.lost {
            0 => "none lost".to_owned(),
            lost => format!("{} LOST", count(lost)),
        };
        let acknowledged = format!("{} acknowledged, {lost}", count(self.acknowledged));
        line(f, "writes", format!("{}, {acknowledged}", count(self.writes)))?;
        match self.converged_at_s {
            Some(at_s) => line(f, "in step", format!("all of them, after {}", duration(us(at_s)))),
            None => {
                let of = plural(self.delay.due, "delivery");
                let lacking = self.delay.due.saturating_sub(self.delay.came).max(self.lacking);
                line(
                    f,
                    "in step",
                    format!("NO: {} of {of} were still to come", count(lacking)),
                )
            }
        }
    }

    fn delay(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let DelaySummary {
            due,
            median_s,
            p90_s,
            p99_s,
            max_s,
            ..
        } = self.delay;
        if due == 0 {
            return line(f, "delay", "nothing had to be delivered".to_owned());
        }
        let time = |s: Option<f64>| s.map_or("never".to_owned(), |s| duration(us(s)));
        let [median, p90, p99, max] = [median_s, p90_s, p99_s, max_s].map(time);
        line(
            f,
            "delay",
            format!("half within {median} · 90 % {p90} · 99 % {p99} · all {max}"),
        )
    }

    fn airtime(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(Airtime {
            node,
            max_share,
            allowed_share,
        }) = &self.airtime
        else {
            return Ok(());
        };
        let frames = plural(self.frames, "frame");
        let sent = format!(
            "{frames}, {}, {} on air",
            bytes(self.bytes_on_air),
            duration(us(self.airtime_s))
        );
        line(f, "radio", sent)?;
        let worst = match *allowed_share {
            allowed if allowed >= 1.0 => format!("{node} with {} of its time, no limit", share(*max_share)),
            allowed => {
                let (used, allowed) = (max_share / allowed.max(1e-9), share(allowed));
                let meter = meter(used);
                format!(
                    "{meter} {node}, {} of {allowed} allowed: {} of its limit",
                    share(*max_share),
                    share(used)
                )
            }
        };
        line(f, "busiest", worst)
    }

    fn reception(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let failed = [
            (self.frames_collided, "to collisions"),
            (self.frames_missed, "while sending"),
            (self.frames_lost, "by chance"),
        ];
        let all = self.frames_heard + failed.iter().map(|(frames, _)| frames).sum::<u64>();
        if all == 0 {
            return Ok(());
        }
        let of = |frames: u64| share(frames as f64 / all as f64);
        let failed = failed
            .map(|(frames, how)| format!("{} {how}", of(frames)))
            .join(", ");
        line(
            f,
            "reception",
            format!("{} of what came in reach; lost {failed}", of(self.frames_heard)),
        )
    }

    fn energy(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(energy) = &self.energy else {
            return Ok(());
        };
        let Energy {
            mean_j,
            max_j,
            max_node,
            ..
        } = energy;
        line(
            f,
            "energy",
            format!("{mean_j:.0} J a radio, most {max_j:.0} J ({max_node})"),
        )?;
        let days = energy.days_of(CELL_WH);
        let days = if days < 10.0 {
            format!("{days:.1} days")
        } else {
            format!("{days:.0} days")
        };
        let cell = format!(
            "one 18650 cell ({CELL_WH} Wh) feeds the radio of {max_node} for {days}, its computer not counted"
        );
        line(f, "battery", cell)
    }
}

fn slowest(f: &mut Formatter<'_>, slowest: &[Slow]) -> fmt::Result {
    if slowest.is_empty() {
        return Ok(());
    }
    let width = slowest
        .iter()
        .map(|slow| slow.node.chars().count())
        .max()
        .unwrap_or(0)
        .max(4);
    writeln!(
        f,
        "\n{:width$}  {:>12}  {:>12}  {:>8}  {:>6}",
        "slowest", "90 % within", "longest", "lacking", "up"
    )?;
    for Slow {
        node,
        max_s,
        p90_s,
        lacking,
        up_share,
    } in slowest
    {
        let time = |s: &Option<f64>| s.map_or("-".to_owned(), |s| duration(us(s)));
        let (p90, max, up) = (time(p90_s), time(max_s), share(*up_share));
        writeln!(
            f,
            "{node:width$}  {p90:>12}  {max:>12}  {:>8}  {up:>6}",
            count(*lacking)
        )?;
    }
    Ok(())
}

fn line(f: &mut Formatter<'_>, what: &str, claim: String) -> fmt::Result {
    writeln!(f, "{what:MARGIN$}{claim}")
}

/// A bar of ten cells for a share that may pass one.
fn meter(used: f64) -> String {
    let full = ((used * 10.0).round() as usize).min(10);
    format!("[{}{}]", "#".repeat(full), "-".repeat(10 - full))
}

fn us(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}
