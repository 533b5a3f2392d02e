//! The recording side.

use std::ops::ControlFlow;

use super::mark::digest;
use super::{Done, Given, Mark, Record, Row, redact};
use crate::mesh::{Action, Engine, Event};
use crate::model::Now;
use crate::space::Payloads;
use crate::store::{ReadTransaction, Store, StoreError, Table};

/// Bytes of rows in one record.
const ROWS_LEN: usize = 64 * 1024;

/// Gives the rows of a store that an engine reads, without contents of documents. Take them before the engine makes its
/// first change. `each` says whether to go on.
pub fn dump(store: &impl Store, each: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), StoreError> {
    let read = store.read()?;
    for table in Table::ALL {
        if table == Table::Tokens {
            continue;
        }
        let (mut rows, mut len) = (Vec::new(), 0);
        let mut flow = ControlFlow::Continue(());
        let mut failed = None;
        read.scan(table, &[], &mut |key, value| {
            let mut value = value.to_vec();
            if table == Table::Inline {
                match read.get(Table::Entries, key) {
                    Ok(entry) => redact::stored(entry.as_deref(), &mut value),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
            }
            len += key.len() + value.len();
            rows.push(Row {
                table: table.name().into(),
                key: key.to_vec(),
                value,
            });
            if len >= ROWS_LEN {
                len = 0;
                flow = each(Record::Rows(std::mem::take(&mut rows)));
            }
            flow
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if flow.is_continue() && !rows.is_empty() {
            flow = each(Record::Rows(rows));
        }
        if flow.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// Makes the records of an engine's steps. The engine must [note its answers](Engine::note_answers) from the start.
///
/// For each step: [`event`](Self::event) or [`commit`](Self::commit) before the engine is called, [`action`](Self::action)
/// for each action that comes out, [`done`](Self::done) when none is left.
#[derive(Debug, Default)]
pub struct Tape {
    marks: Vec<Mark>,
    is_commit: bool,
}

impl Tape {
    /// The engine is about to handle an event.
    pub fn event(&mut self, now: Now, event: &Event) -> Record {
        self.is_commit = false;
        Record::Given(now.instant.0, now.wall.0, Given::of(event))
    }

    /// The engine is about to commit.
    pub fn commit(&mut self, now: Now) -> Record {
        self.is_commit = true;
        Record::Given(now.instant.0, now.wall.0, Given::Commit)
    }

    /// An action came out.
    pub fn action(&mut self, action: &Action) {
        self.marks.push(Mark::of(action, Payloads::Real));
    }

    /// All actions are taken.
    pub fn done<S: Store>(&mut self, engine: &Engine<S>) -> Record {
        Record::Done(Done {
            answers: engine.noted_answers(),
            marks: std::mem::take(&mut self.marks),
            due_us: engine.poll_timeout().map(|due| due.0),
            state: if self.is_commit { state(engine) } else { 0 },
        })
    }
}

/// A mark of what an engine holds, and of how far it has written. For [`Done::state`], after a commit.
pub fn state<S: Store>(engine: &Engine<S>) -> u64 {
    digest(&(engine.own_writer(), engine.clock()))
}
