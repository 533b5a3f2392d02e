//! The tables of a report.

use super::csv::{Cell, Table};
use super::delays::{by_node, others};
use super::summary::up_share;
use crate::recording::Recording;

/// Digits behind the point for shares: a window of an hour counts in microseconds.
const SHARE_DIGITS: usize = 6;

/// All tables, with their files' names.
pub(super) fn all(recording: &Recording) -> [(&'static str, Table); 6] {
    [
        ("nodes.csv", nodes(recording)),
        ("writes.csv", writes(recording)),
        ("arrivals.csv", arrivals(recording)),
        ("messages.csv", messages(recording)),
        ("samples.csv", samples(recording)),
        ("links.csv", links(recording)),
    ]
}

fn nodes(recording: &Recording) -> Table {
    let mut table = Table::new(&[
        "node",
        "space",
        "x_m",
        "y_m",
        "up_share",
        "frames_sent",
        "bytes_sent",
        "airtime_s",
        "airtime_max_share",
        "airtime_allowed_share",
        "frames_heard",
        "frames_collided",
        "frames_missed",
        "frames_lost",
        "energy_j",
        "wired_frames",
        "wired_bytes",
        "arrivals",
        "delay_median_s",
        "delay_max_s",
        "lacking",
    ]);
    let delays = by_node(recording);
    for (node, delays) in recording.nodes.iter().zip(&delays) {
        let place = node.places.first();
        let radio = node.radio.as_ref();
        let number = |number: Option<u64>| Cell::or_empty(number, Cell::number);
        let decimal =
            |number: Option<f64>, digits| Cell::or_empty(number, |number| Cell::decimal(number, digits));
        table.row([
            Cell::from(node.name.as_str()),
            Cell::from(node.space.as_str()),
            decimal(place.map(|place| place.x_m), 1),
            decimal(place.map(|place| place.y_m), 1),
            Cell::decimal(up_share(node, recording.duration_us), SHARE_DIGITS),
            number(radio.map(|radio| radio.sent.frames)),
            number(radio.map(|radio| radio.sent.bytes)),
            Cell::or_empty(radio.map(|radio| radio.sent.airtime_us), Cell::seconds),
            decimal(radio.map(|radio| radio.airtime_max_share), SHARE_DIGITS),
            decimal(radio.map(|radio| radio.airtime_allowed_share), SHARE_DIGITS),
            number(radio.map(|radio| radio.frames_heard)),
            number(radio.map(|radio| radio.frames_collided)),
            number(radio.map(|radio| radio.frames_missed)),
            number(radio.map(|radio| radio.frames_lost)),
            decimal(radio.map(|radio| radio.energy_j), 3),
            Cell::number(node.wired.frames),
            Cell::number(node.wired.bytes),
            Cell::number(delays.len()),
            Cell::or_empty(
                delays.get(delays.len().div_ceil(2).saturating_sub(1)).copied(),
                Cell::seconds,
            ),
            Cell::or_empty(delays.last().copied(), Cell::seconds),
            Cell::number(node.lacking),
        ]);
    }
    table
}

fn writes(recording: &Recording) -> Table {
    let mut table = Table::new(&[
        "path",
        "dot",
        "node",
        "at_s",
        "acknowledged_s",
        "bytes",
        "due",
        "arrivals",
        "last_arrival_s",
        "replaced",
        "lost",
    ]);
    let others = others(recording);
    for write in &recording.writes {
        table.row([
            Cell::from(write.path.as_str()),
            Cell::from(write.dot.as_str()),
            Cell::from(name(recording, write.node)),
            Cell::seconds(write.at_us),
            Cell::or_empty(write.acknowledged_us, Cell::seconds),
            Cell::or_empty(write.len, Cell::number),
            Cell::or_empty(others.get(write.node), Cell::number),
            Cell::number(write.arrivals.len()),
            Cell::or_empty(write.arrivals.last().map(|(_, at_us)| *at_us), Cell::seconds),
            Cell::number(write.replaced),
            Cell::number(write.lost),
        ]);
    }
    table
}

fn arrivals(recording: &Recording) -> Table {
    let mut table = Table::new(&[
        "path",
        "dot",
        "written_at",
        "arrived_at",
        "came_from",
        "at_s",
        "delay_s",
    ]);
    for write in &recording.writes {
        for (index, (node, at_us)) in write.arrivals.iter().enumerate() {
            let from = write.came_from.get(index).copied().flatten();
            let since = write.acknowledged_us;
            table.row([
                Cell::from(write.path.as_str()),
                Cell::from(write.dot.as_str()),
                Cell::from(name(recording, write.node)),
                Cell::from(name(recording, *node)),
                Cell::or_empty(from, |from| Cell::from(name(recording, from))),
                Cell::seconds(*at_us),
                Cell::or_empty(since, |since| Cell::seconds(at_us.saturating_sub(since))),
            ]);
        }
    }
    table
}

fn messages(recording: &Recording) -> Table {
    let mut table = Table::new(&["kind", "frames", "bytes", "airtime_s"]);
    for (kind, traffic) in &recording.messages {
        table.row([
            Cell::from(kind.as_str()),
            Cell::number(traffic.frames),
            Cell::number(traffic.bytes),
            Cell::seconds(traffic.airtime_us),
        ]);
    }
    table
}

fn samples(recording: &Recording) -> Table {
    let mut table = Table::new(&["at_s", "due", "there", "share", "up"]);
    for sample in &recording.samples {
        let share = (sample.due > 0).then(|| sample.there as f64 / sample.due as f64);
        table.row([
            Cell::seconds(sample.at_us),
            Cell::number(sample.due),
            Cell::number(sample.there),
            Cell::or_empty(share, |share| Cell::decimal(share, SHARE_DIGITS)),
            Cell::number(sample.up),
        ]);
    }
    table
}

/// Radio links have a count and a strength, wired ones a time.
fn links(recording: &Recording) -> Table {
    let mut table = Table::new(&[
        "medium",
        "from",
        "to",
        "frames",
        "rssi_mean_dbm",
        "from_s",
        "until_s",
    ]);
    for heard in &recording.heard {
        table.row([
            Cell::from("radio"),
            Cell::from(name(recording, heard.from)),
            Cell::from(name(recording, heard.to)),
            Cell::number(heard.frames),
            Cell::decimal(heard.rssi_mean_dbm, 1),
            Cell::EMPTY,
            Cell::EMPTY,
        ]);
    }
    for link in &recording.links {
        table.row([
            Cell::from("wired"),
            Cell::from(name(recording, link.a)),
            Cell::from(name(recording, link.b)),
            Cell::EMPTY,
            Cell::EMPTY,
            Cell::seconds(link.from_us),
            Cell::seconds(link.until_us),
        ]);
    }
    table
}

/// A node's name; empty for one that the recording does not have.
fn name(recording: &Recording, node: usize) -> &str {
    recording.nodes.get(node).map_or("", |node| &node.name)
}
