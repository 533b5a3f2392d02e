//! Documents of all sizes, new ones, changes and deletes.

use std::collections::VecDeque;

use cairn::model::{Category, DocumentPath};

use super::content::{Content, Piece};
use super::operation::{Operation, OperationKind};
use super::sizes::draw_len;
use crate::random::{Generator, Seeds};
use crate::scenario::{Body, Rate, Scenario, Sizes, Workload, WorkloadKind};

const HOUR_US: f64 = 3.6e9;

/// When operations come.
enum Pace {
    /// Mean time between two, in microseconds.
    Mean(f64),
    /// So many are left until the end.
    Left(u64),
}

/// A writer, as a stream knows it.
struct Writer {
    node: usize,
    name: String,
    /// Other nodes of its space, which may write the same at the same time.
    others: Vec<usize>,
    /// How many documents it made.
    made: u64,
}

/// Writers that are drawn together: one, or all of a workload that share a rate.
pub(super) struct DocumentStream {
    workload: usize,
    name: String,
    generator: Generator,
    pace: Pace,
    next_us: Option<u64>,
    until_us: u64,
    writers: Vec<Writer>,
    /// Documents that are there: who made them, and which of theirs.
    live: Vec<(usize, u64)>,
    sizes: Sizes,
    body: Body,
    changes: f64,
    deletes: f64,
    conflicts: f64,
    categories: Vec<Category>,
}

impl DocumentStream {
    /// The streams of a workload; none if it is of another kind.
    pub(super) fn all(scenario: &Scenario, index: usize, workload: &Workload, seeds: &Seeds) -> Vec<Self> {
        let WorkloadKind::Documents { rate, conflicts, .. } = &workload.kind else {
            return Vec::new();
        };
        let mut spaces: Vec<Vec<usize>> = vec![Vec::new(); scenario.spaces.len()];
        if *conflicts > 0.0 {
            for (node, member) in scenario.nodes.iter().enumerate() {
                spaces[member.space].push(node);
            }
        }
        let writer = |node: &usize| Writer {
            node: *node,
            name: scenario.nodes[*node].name.clone(),
            others: spaces[scenario.nodes[*node].space]
                .iter()
                .copied()
                .filter(|other| other != node)
                .collect(),
            made: 0,
        };
        let writers = workload.writers.iter().map(writer);
        let pace = match rate {
            Rate::EachPerHour(per_hour) => {
                return writers
                    .filter_map(|writer| {
                        let key = format!("{}/{}", workload.name, writer.name);
                        let pace = Pace::Mean(HOUR_US / per_hour);
                        Self::new(index, workload, vec![writer], pace, seeds, &key)
                    })
                    .collect();
            }
            Rate::AllPerHour(per_hour) => Pace::Mean(HOUR_US / per_hour),
            Rate::Count(count) => Pace::Left(*count),
        };
        let of_all = Self::new(index, workload, writers.collect(), pace, seeds, &workload.name);
        of_all.into_iter().collect()
    }

    fn new(
        index: usize,
        workload: &Workload,
        writers: Vec<Writer>,
        pace: Pace,
        seeds: &Seeds,
        key: &str,
    ) -> Option<Self> {
        let WorkloadKind::Documents {
            sizes,
            body,
            changes,
            deletes,
            conflicts,
            categories,
            ..
        } = &workload.kind
        else {
            return None;
        };
        if writers.is_empty() || categories.is_empty() {
            return None;
        }
        let mut stream = Self {
            workload: index,
            name: workload.name.clone(),
            generator: seeds.generator("workload", key),
            pace,
            next_us: None,
            until_us: workload.until_us,
            writers,
            live: Vec::new(),
            sizes: *sizes,
            body: *body,
            changes: *changes,
            deletes: *deletes,
            conflicts: *conflicts,
            categories: categories.clone(),
        };
        stream.next_us = stream.after(workload.from_us);
        Some(stream)
    }

    pub(super) fn next_us(&self) -> Option<u64> {
        self.next_us
    }

    /// When the next operation comes after one at this time.
    fn after(&mut self, at_us: u64) -> Option<u64> {
        let wait_us = match &mut self.pace {
            Pace::Mean(mean_us) => self.generator.exponential(*mean_us),
            Pace::Left(0) => return None,
            Pace::Left(left) => {
                // The first of so many that are spread evenly over what is left of the time.
                let share = 1.0 - libm::pow(1.0 - self.generator.share(), 1.0 / *left as f64);
                *left -= 1;
                share * (self.until_us - at_us) as f64
            }
        };
        let next_us = at_us.saturating_add(wait_us as u64);
        match self.pace {
            // Rounding must not lose one at the very end.
            Pace::Left(_) => Some(next_us.min(self.until_us - 1)),
            Pace::Mean(_) => Some(next_us).filter(|next_us| *next_us < self.until_us),
        }
    }

    /// The next operation, and the conflicting one if there is one.
    pub(super) fn draw(&mut self, into: &mut VecDeque<Operation>) {
        let Some(at_us) = self.next_us else {
            return;
        };
        let what = self.generator.share();
        let (writer, number, deletes) = if !self.live.is_empty() && what < self.changes + self.deletes {
            let place = self.generator.index(self.live.len());
            let deletes = what < self.deletes;
            let (writer, number) = if deletes {
                self.live.swap_remove(place)
            } else {
                self.live[place]
            };
            (writer, number, deletes)
        } else {
            let writer = self.generator.index(self.writers.len());
            let number = self.writers[writer].made;
            self.writers[writer].made += 1;
            self.live.push((writer, number));
            (writer, number, false)
        };
        let kind = match deletes {
            true => OperationKind::Delete,
            false => self.put(),
        };
        if let Some(path) = self.path(writer, number) {
            let node = self.writers[writer].node;
            let workload = self.workload;
            let operation = |node, path, kind| Operation {
                at_us,
                node,
                workload,
                path,
                kind,
            };
            into.push_back(operation(node, path.clone(), kind));
            let other_count = self.writers[writer].others.len();
            if self.conflicts > 0.0 && other_count > 0 && self.generator.chance(self.conflicts) {
                let other = self.writers[writer].others[self.generator.index(other_count)];
                into.push_back(operation(other, path, self.put()));
            }
        }
        self.next_us = self.after(at_us);
    }

    fn put(&mut self) -> OperationKind {
        let len = draw_len(&self.sizes, &mut self.generator);
        let piece = Piece {
            seed: self.generator.next_u64(),
            body: self.body,
            len,
        };
        OperationKind::Put(Content::Made(vec![piece]))
    }

    /// Such as `/private/notes/house-3/17.json`. Names in a scenario can stand in a path, so there always is one.
    fn path(&self, writer: usize, number: u64) -> Option<DocumentPath> {
        let category = self.categories[(number % self.categories.len() as u64) as usize].name();
        let ending = self.body.ending();
        let (workload, writer) = (&self.name, &self.writers[writer].name);
        DocumentPath::parse(&format!("/{category}/{workload}/{writer}/{number}{ending}")).ok()
    }
}
