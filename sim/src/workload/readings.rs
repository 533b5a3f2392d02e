//! Readings of sensors.

use cairn::model::DocumentPath;

use super::content::{Content, Piece};
use super::operation::{Operation, OperationKind};
use crate::random::{Generator, Seeds};
use crate::scenario::{Body, Scenario, Workload, WorkloadKind};

/// One sensor.
pub(super) struct ReadingStream {
    workload: usize,
    node: usize,
    path: DocumentPath,
    generator: Generator,
    next_us: u64,
    until_us: u64,
    interval_us: u64,
    jitter: f64,
    len: u64,
    body: Body,
    /// What was written so far, if readings are appended.
    written: Option<Vec<Piece>>,
}

impl ReadingStream {
    /// The sensors of a workload; none if it is of another kind.
    pub(super) fn all(scenario: &Scenario, index: usize, workload: &Workload, seeds: &Seeds) -> Vec<Self> {
        let WorkloadKind::Readings {
            interval_us,
            jitter,
            len,
            body,
            append,
            category,
        } = workload.kind
        else {
            return Vec::new();
        };
        let sensor = |node: &usize| {
            let name = &scenario.nodes[*node].name;
            let mut generator = seeds.generator("workload", format!("{}/{name}", workload.name));
            let ending = body.ending();
            let path = format!("/{}/{}/{name}{ending}", category.name(), workload.name);
            Some(Self {
                workload: index,
                node: *node,
                path: DocumentPath::parse(&path).ok()?,
                next_us: workload.from_us.saturating_add(generator.below(interval_us)),
                generator,
                until_us: workload.until_us,
                interval_us,
                jitter,
                len,
                body,
                written: append.then(Vec::new),
            })
        };
        workload.writers.iter().filter_map(sensor).collect()
    }

    pub(super) fn next_us(&self) -> Option<u64> {
        (self.next_us < self.until_us).then_some(self.next_us)
    }

    pub(super) fn draw(&mut self) -> Option<Operation> {
        let at_us = self.next_us()?;
        let piece = Piece {
            seed: self.generator.next_u64(),
            body: self.body,
            len: self.len,
        };
        let kind = match &mut self.written {
            None => OperationKind::Put(Content::Made(vec![piece])),
            Some(written) => {
                written.push(piece);
                OperationKind::Append {
                    whole: Content::Made(written.clone()),
                    appended_len: piece.len,
                }
            }
        };
        let share = 1.0 + self.generator.range(-self.jitter, self.jitter);
        self.next_us = at_us.saturating_add((self.interval_us as f64 * share).max(1.0) as u64);
        Some(Operation {
            at_us,
            node: self.node,
            workload: self.workload,
            path: self.path.clone(),
            kind,
        })
    }
}
