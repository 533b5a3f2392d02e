//! Why a document took so long to reach a node, as far as a recording tells.
//!
//! `chain` finds over whom it came, hop by hop, backwards from the node that asks. `wait` cuts the time of each hop
//! into stretches and gives each a cause: a node was down, nobody was in reach, airtime was used up, frames were lost.
//! `find` knows documents and nodes by their names, and what was probably meant by a name that is nobody's. `text`
//! says it all to a person.
//!
//! A recording holds what was on the air, not what each node was thinking. Where two nodes were in touch and yet nothing
//! came, the explanation says just that; and a hop whose sender was not recorded is marked as a guess.

mod chain;
mod find;
#[cfg(test)]
mod tests;
mod text;
mod wait;

use serde::Serialize;

pub use find::ExplainError;
pub use wait::{Cause, Frames, Wait};

use crate::recording::Recording;

/// How one write came to one node, or did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Where was written.
    pub path: String,
    /// The dot of the change, as text.
    pub dot: String,
    /// Bytes of the body; none for a DELETE.
    pub len: Option<u64>,
    /// Where the user wrote.
    pub writer: String,
    /// When the user asked.
    pub written_us: u64,
    /// When the writer answered that it is on disk. `None`: it never did.
    pub acknowledged_us: Option<u64>,
    /// Whom it was to reach.
    pub node: String,
    /// When it did. `None`: never.
    pub arrived_us: Option<u64>,
    /// Another write replaced it before it reached all: what arrived may be that one.
    pub replaced: bool,
    /// The hops over which it came, from the writer on. Of a write that never arrived, the last one is still waiting.
    pub hops: Vec<Hop>,
    /// Dots of other writes to the same path.
    pub others: Vec<String>,
    /// Happenings that the recording left out: some frames are missing here.
    pub left_out: u64,
}

/// A step from one node to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hop {
    /// Who had it.
    pub from: String,
    /// Who got it.
    pub to: String,
    /// Since when the first had it.
    pub since_us: u64,
    /// When the second had it. `None`: never.
    pub until_us: Option<u64>,
    /// The recording does not say from whom it came; this is the likeliest.
    pub guessed: bool,
    /// What the time went into, longest first. The parts add up to the whole.
    pub waits: Vec<Wait>,
    /// Frames of the first, as the second got them.
    pub there: Frames,
    /// Frames of the second, as the first got them.
    pub back: Frames,
    /// How far apart they were at the beginning and at the end, in metres. `None`: they have no places.
    pub distance_m: Option<(f64, f64)>,
}

/// Explains why a document took so long to reach a node, or never did.
///
/// `document` is a path, or the dot of one write. If a path was written more than once, the write that took longest to
/// this node is explained; one that never came takes longest of all.
pub fn explain(recording: &Recording, document: &str, node: &str) -> Result<Explanation, ExplainError> {
    let node = find::node(recording, node)?;
    let writes = find::writes(recording, document)?;
    let write = find::slowest(recording, &writes, node)?;
    let record = &recording.writes[write];
    let steps = chain::chain(recording, record, node);
    let others = writes.iter().filter(|other| **other != write);
    Ok(Explanation {
        path: record.path.clone(),
        dot: record.dot.clone(),
        len: record.len,
        writer: name(recording, record.node),
        written_us: record.at_us,
        acknowledged_us: record.acknowledged_us,
        node: name(recording, node),
        arrived_us: chain::arrival(record, node),
        replaced: record.replaced,
        hops: steps.into_iter().map(|step| hop(recording, step)).collect(),
        others: others.map(|other| recording.writes[*other].dot.clone()).collect(),
        left_out: recording.happenings_left_out,
    })
}

fn hop(recording: &Recording, step: chain::Step) -> Hop {
    let until_us = step.until_us.unwrap_or(recording.duration_us).max(step.since_us);
    let seen = wait::Between::new(recording, step.from, step.to, step.since_us, until_us);
    let distance_m = |at_us| {
        let (from, to) = (recording.nodes.get(step.from)?, recording.nodes.get(step.to)?);
        let ((ax, ay), (bx, by)) = (from.place_at(at_us)?, to.place_at(at_us)?);
        Some((ax - bx).hypot(ay - by))
    };
    Hop {
        from: name(recording, step.from),
        to: name(recording, step.to),
        since_us: step.since_us,
        until_us: step.until_us,
        guessed: step.guessed,
        waits: seen.waits(),
        there: seen.there,
        back: seen.back,
        distance_m: distance_m(step.since_us).zip(distance_m(until_us)),
    }
}

fn name(recording: &Recording, node: usize) -> String {
    recording
        .nodes
        .get(node)
        .map_or_else(|| format!("node {node}"), |node| node.name.clone())
}
