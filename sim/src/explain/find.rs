//! Documents and nodes by their names.

use thiserror::Error;

use super::chain::arrival;
use crate::recording::Recording;

/// Less alike than this, and a name is no suggestion.
const ALIKE: f64 = 0.75;
const SUGGESTIONS_MAX: usize = 3;

/// Why there is nothing to explain.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExplainError {
    /// No node is called that.
    #[error("No node is called {name}.{hint}")]
    UnknownNode {
        /// What was asked for.
        name: String,
        /// What was probably meant, as a sentence with a space in front, or where names are to be found.
        hint: String,
    },
    /// Nobody wrote that.
    #[error("Nobody wrote {document} in this run.{hint}")]
    UnknownDocument {
        /// What was asked for.
        document: String,
        /// What was probably meant, as a sentence with a space in front, or where names are to be found.
        hint: String,
    },
    /// The node keeps another space's data.
    #[error(
        "{node} keeps {its_space}, and {document} was written in {space}: it is not to go there. Name a node of {space}, such as {other}."
    )]
    OtherSpace {
        /// What was asked for.
        document: String,
        /// Its space.
        space: String,
        /// The node that was asked about.
        node: String,
        /// What that node keeps.
        its_space: String,
        /// One that would do.
        other: String,
    },
    /// The node wrote it itself.
    #[error("{node} wrote {document} itself: it did not have to get there. Name another node.")]
    Writer {
        /// What was asked for.
        document: String,
        /// The node.
        node: String,
    },
}

/// The node of this name.
pub(super) fn node(recording: &Recording, name: &str) -> Result<usize, ExplainError> {
    recording
        .nodes
        .iter()
        .position(|node| node.name == name)
        .ok_or_else(|| ExplainError::UnknownNode {
            name: name.to_owned(),
            hint: hint(
                name,
                recording.nodes.iter().map(|node| node.name.as_str()),
                "nodes.csv",
            ),
        })
}

/// The writes to this path, or the one with this dot; at least one.
pub(super) fn writes(recording: &Recording, document: &str) -> Result<Vec<usize>, ExplainError> {
    let all = || recording.writes.iter().enumerate();
    let of = |same: &dyn Fn(usize) -> bool| {
        (0..recording.writes.len())
            .filter(|index| same(*index))
            .collect::<Vec<_>>()
    };
    let mut found = of(&|index| recording.writes[index].path == document);
    if found.is_empty() {
        found = of(&|index| recording.writes[index].dot == document);
    }
    if found.is_empty() {
        let names = all().flat_map(|(_, write)| [write.path.as_str(), write.dot.as_str()]);
        return Err(ExplainError::UnknownDocument {
            document: document.to_owned(),
            hint: hint(document, names, "writes.csv"),
        });
    }
    Ok(found)
}

/// Of these writes the one that took longest to this node.
pub(super) fn slowest(recording: &Recording, writes: &[usize], node: usize) -> Result<usize, ExplainError> {
    let document = |write: usize| recording.writes[write].path.clone();
    let elsewhere = writes
        .iter()
        .copied()
        .filter(|write| recording.writes[*write].node != node);
    let delay = |write: &usize| {
        let record = &recording.writes[*write];
        arrival(record, node).map_or(u64::MAX, |at_us| at_us.saturating_sub(record.at_us))
    };
    let (Some(write), Some(asked)) = (elsewhere.max_by_key(delay), recording.nodes.get(node)) else {
        return Err(ExplainError::Writer {
            document: writes.first().copied().map(document).unwrap_or_default(),
            node: super::name(recording, node),
        });
    };
    let writer = recording.writes[write].node;
    let space = recording.nodes.get(writer).map_or("", |writer| &writer.space);
    if asked.space != space {
        let same = recording
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, other)| other.space == space);
        let other = same
            .map(|(index, _)| index)
            .find(|other| *other != writer)
            .unwrap_or(writer);
        return Err(ExplainError::OtherSpace {
            document: document(write),
            space: space.to_owned(),
            node: asked.name.clone(),
            its_space: asked.space.clone(),
            other: super::name(recording, other),
        });
    }
    Ok(write)
}

/// What was probably meant.
fn hint<'a>(name: &str, names: impl Iterator<Item = &'a str>, table: &str) -> String {
    let mut alike: Vec<(f64, &str)> = names
        .map(|other| {
            (
                strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase()),
                other,
            )
        })
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then(a_name.cmp(b_name)));
    alike.dedup();
    alike.truncate(SUGGESTIONS_MAX);
    let names: Vec<&str> = alike.into_iter().map(|(_, name)| name).collect();
    match names.split_last() {
        None => format!(" {table} of the report lists them."),
        Some((only, [])) => format!(" Did you mean {only}?"),
        Some((last, others)) => format!(" Did you mean {} or {last}?", others.join(", ")),
    }
}
