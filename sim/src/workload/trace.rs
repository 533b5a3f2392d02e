//! What was recorded elsewhere: lines of `time,node,put|append|delete,path,size`.

use std::collections::BTreeMap;

use cairn::model::DocumentPath;

use super::content::{Content, Piece};
use super::operation::{Operation, OperationKind};
use crate::random::Seeds;
use crate::scenario::{Body, TracedOperation, TracedWrite, Workload};

/// Latest time, in seconds: ten years.
const TIME_MAX_S: f64 = 3660.0 * 86_400.0;
/// Longest body, in bytes.
const LEN_MAX: u64 = 64 << 20;

/// What is wrong with a trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TraceError {
    /// From 1.
    pub line: usize,
    /// In words.
    pub what: String,
}

/// Reads a trace. Times are seconds after `from_us` and ascend; `resolve` says which node a name is of. Empty lines, lines that begin with
/// `#` and a first line of column names are passed over. A path may hold commas; a DELETE needs no size.
pub fn read_trace(
    text: &str,
    from_us: u64,
    resolve: impl Fn(&str) -> Option<usize>,
) -> Result<Vec<TracedOperation>, TraceError> {
    let mut operations: Vec<TracedOperation> = Vec::new();
    let mut is_first = true;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let may_head_columns = std::mem::take(&mut is_first);
        if may_head_columns
            && trimmed
                .split(',')
                .all(|field| field.trim().parse::<f64>().is_err())
        {
            continue;
        }
        let operation = read_line(trimmed, from_us, &resolve).map_err(|what| TraceError {
            line: index + 1,
            what,
        })?;
        if operations.last().is_some_and(|last| last.at_us > operation.at_us) {
            return Err(TraceError {
                line: index + 1,
                what: "its time is before that of the line above".into(),
            });
        }
        operations.push(operation);
    }
    Ok(operations)
}

fn read_line(
    line: &str,
    from_us: u64,
    resolve: impl Fn(&str) -> Option<usize>,
) -> Result<TracedOperation, String> {
    let mut fields = line.splitn(4, ',').map(str::trim);
    let (Some(time), Some(node), Some(what), Some(rest)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("time,node,put|append|delete,path,size are wanted".into());
    };
    let at_us = match time.parse::<f64>() {
        Ok(seconds) if (0.0..=TIME_MAX_S).contains(&seconds) => {
            from_us.saturating_add((seconds * 1e6).round() as u64)
        }
        _ => return Err(format!("\"{time}\" is no time in seconds")),
    };
    let node = resolve(node).ok_or_else(|| format!("there is no node `{node}`"))?;
    let (path, size) = match rest.rsplit_once(',') {
        Some((path, size)) => (path.trim(), size.trim()),
        None => (rest, ""),
    };
    let path =
        DocumentPath::parse(path).map_err(|error| format!("\"{path}\" is no path of a document: {error}"))?;
    let len = || match size.parse::<u64>() {
        Ok(len) if len <= LEN_MAX => Ok(len),
        _ => Err(format!("\"{size}\" is no size from 0 to {LEN_MAX} bytes")),
    };
    let write = match what {
        "put" => TracedWrite::Put(len()?),
        "append" => TracedWrite::Append(len()?),
        "delete" => TracedWrite::Delete,
        _ => return Err(format!("\"{what}\" is none of put, append, delete")),
    };
    Ok(TracedOperation {
        at_us,
        node,
        path,
        write,
    })
}

/// A trace that is followed.
pub(super) struct TraceStream {
    workload: usize,
    until_us: u64,
    operations: Vec<TracedOperation>,
    /// What documents hold: those to which something may be appended.
    bodies: BTreeMap<DocumentPath, Vec<Piece>>,
    key: String,
    seeds: Seeds,
    /// How many were done.
    done: usize,
}

impl TraceStream {
    pub(super) fn new(
        index: usize,
        workload: &Workload,
        operations: &[TracedOperation],
        seeds: &Seeds,
    ) -> Self {
        Self {
            workload: index,
            until_us: workload.until_us,
            operations: operations.to_vec(),
            bodies: BTreeMap::new(),
            key: workload.name.clone(),
            seeds: *seeds,
            done: 0,
        }
    }

    pub(super) fn next_us(&self) -> Option<u64> {
        let next = self.operations.get(self.done)?;
        (next.at_us < self.until_us).then_some(next.at_us)
    }

    pub(super) fn draw(&mut self) -> Option<Operation> {
        let traced = self.operations.get(self.done)?.clone();
        self.done += 1;
        let piece = |len| Piece {
            seed: self
                .seeds
                .generator("workload", format!("{}/{}", self.key, self.done))
                .next_u64(),
            body: Body::Random,
            len,
        };
        let kind = match traced.write {
            TracedWrite::Put(len) => {
                let pieces = vec![piece(len)];
                self.bodies.insert(traced.path.clone(), pieces.clone());
                OperationKind::Put(Content::Made(pieces))
            }
            TracedWrite::Append(len) => {
                let pieces = self.bodies.entry(traced.path.clone()).or_default();
                pieces.push(piece(len));
                OperationKind::Append {
                    whole: Content::Made(pieces.clone()),
                    appended_len: len,
                }
            }
            TracedWrite::Delete => {
                self.bodies.remove(&traced.path);
                OperationKind::Delete
            }
        };
        Some(Operation {
            at_us: traced.at_us,
            node: traced.node,
            workload: self.workload,
            path: traced.path,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_line() {
        let message = |text: &str| {
            let resolve = |name: &str| (name == "a").then_some(0);
            read_trace(text, 0, resolve).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(
            message("time,node\n1,a,put"),
            "line 2: time,node,put|append|delete,path,size are wanted"
        );
        assert_eq!(
            message("soon,a,put,/public/x/y,1\nsoon,a,put,/public/x/y,1"),
            "line 1: \"soon\" is no time in seconds"
        );
        assert_eq!(
            message("# x\n\n1,b,put,/public/x/y,1"),
            "line 3: there is no node `b`"
        );
        assert_eq!(
            message("1,a,move,/public/x/y,1"),
            "line 1: \"move\" is none of put, append, delete"
        );
        assert_eq!(
            message("1,a,put,/public/x/y,-1"),
            "line 1: \"-1\" is no size from 0 to 67108864 bytes"
        );
        assert!(message("1,a,put,/x,1").starts_with("line 1: \"/x\" is no path of a document: "));
        assert_eq!(
            message("2,a,delete,/public/x/y,\n1,a,delete,/public/x/y,"),
            "line 2: its time is before that of the line above"
        );
    }

    #[test]
    fn a_path_may_hold_commas() {
        let operations = read_trace("0,a,put,/public/x/y, z,12", 5, |_| Some(3)).unwrap();
        assert_eq!(operations[0].path.as_str(), "/public/x/y, z");
        assert_eq!((operations[0].at_us, operations[0].node), (5, 3));
        assert_eq!(operations[0].write, TracedWrite::Put(12));
    }
}
