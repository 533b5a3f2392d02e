//! Over whom a write came, hop by hop.

use std::collections::BTreeSet;

use crate::recording::{Happening, Recording, WriteRecord};

/// From one node that had it to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) since_us: u64,
    pub(super) until_us: Option<u64>,
    pub(super) guessed: bool,
}

/// When a write was on this node's disk. `None`: never.
pub(super) fn arrival(write: &WriteRecord, node: usize) -> Option<u64> {
    if write.node == node {
        return Some(write.acknowledged_us.unwrap_or(write.at_us));
    }
    write
        .arrivals
        .iter()
        .find(|(to, _)| *to == node)
        .map(|(_, at_us)| *at_us)
}

/// The steps from the writer to `node`. If it never came, the last step goes from whoever was most in touch.
pub(super) fn chain(recording: &Recording, write: &WriteRecord, node: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut seen = BTreeSet::new();
    let mut to = node;
    while to != write.node && seen.insert(to) {
        let until_us = arrival(write, to);
        let told = until_us
            .and_then(|_| told(write, to))
            .filter(|from| !seen.contains(from));
        let from = told.unwrap_or_else(|| likeliest(recording, write, to, &seen));
        steps.push(Step {
            from,
            to,
            since_us: arrival(write, from).unwrap_or(write.at_us),
            until_us,
            guessed: told.is_none(),
        });
        to = from;
    }
    steps.reverse();
    steps
}

/// Whom the recording names.
fn told(write: &WriteRecord, to: usize) -> Option<usize> {
    let index = write.arrivals.iter().position(|(node, _)| *node == to)?;
    let from = write.came_from.get(index).copied().flatten()?;
    (from != to && arrival(write, from).is_some()).then_some(from)
}

/// Who had it before, and was the last one to be heard; failing that, who was heard most in the whole run; failing that,
/// who was wired to it; or the writer.
fn likeliest(recording: &Recording, write: &WriteRecord, to: usize, seen: &BTreeSet<usize>) -> usize {
    let until_us = arrival(write, to);
    let end_us = until_us.unwrap_or(recording.duration_us);
    let had = |from: usize, at_us: u64| {
        !seen.contains(&from)
            && arrival(write, from).is_some_and(|since_us| since_us <= at_us && since_us <= end_us)
    };
    let mut last = None;
    for happening in &recording.happenings {
        let (from, at_us) = match happening {
            Happening::Frame {
                at_us,
                airtime_us,
                from,
                to: heard,
                ..
            } if heard.contains(&to) => {
                if at_us.saturating_add(*airtime_us) > end_us {
                    continue;
                }
                (*from, *at_us)
            }
            Happening::Wired {
                at_us,
                from,
                to: receiver,
                lost: false,
                ..
            } if *receiver == to => (*from, *at_us),
            _ => continue,
        };
        if at_us <= end_us && had(from, at_us) {
            last = Some(from);
        }
    }
    let heard = || {
        let heard = recording
            .heard
            .iter()
            .filter(|heard| heard.to == to && had(heard.from, end_us));
        heard.max_by_key(|heard| heard.frames).map(|heard| heard.from)
    };
    let wired = || {
        let ends = recording.links.iter().filter_map(|link| match to {
            _ if link.from_us > end_us => None,
            to if to == link.a => Some(link.b),
            to if to == link.b => Some(link.a),
            _ => None,
        });
        ends.filter(|other| had(*other, end_us))
            .max_by_key(|other| std::cmp::Reverse(arrival(write, *other)))
    };
    last.or_else(heard).or_else(wired).unwrap_or(write.node)
}
