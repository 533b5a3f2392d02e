//! A node from the field, run again: the real engine on what `cairn run --record` wrote.
//!
//! An engine does nothing but what follows from its start, its store and what it is given, in order. So a recording
//! repeats what happened to the last action, on any machine, as often as one likes: with a debugger, with more logging,
//! or with code in which a fault is thought to be mended. [`Replay`] goes through it step by step and compares each
//! step's actions with the marks that the node left; the first [`Difference`] is where this engine and that one part.
//!
//! Contents of documents and keys are not in a recording ([`cairn::record`]): small contents are zeros here, and
//! signatures are those that the node made.

mod words;

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cairn::mesh::{Action, Engine, EngineError};
use cairn::model::{Instant, NodeId, Now, OwnerId, WallTime};
use cairn::record::{self, Done, Given, Mark, ReadError, Reader, Record};
use cairn::space::Payloads;
use cairn::store::{MemoryStore, Store, StoreError, WriteTransaction};

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// Not a recording, or one that ends before its first step.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It ends before the node had begun.
    #[error("it ends before the first step: the node was stopped while it wrote down what its store held")]
    NoSteps,
    /// Records in an order in which no node writes them.
    #[error("the record before byte {at} does not belong there: {reason}")]
    OutOfOrder {
        /// Where the next record would begin.
        at: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// What the store held cannot be stored.
    #[error("the node's store cannot be made again: {0}")]
    Store(#[from] StoreError),
    /// The engine does not start on it.
    #[error("the engine does not start on what the node's store held: {0}")]
    Start(EngineError),
}

/// How a recording ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The node ended it, and says why.
    Told(String),
    /// The file ends behind a whole step: the node was killed, or the machine lost power.
    Cut,
    /// Nothing behind this byte can be read.
    Unreadable {
        /// Where.
        at: u64,
        /// In words.
        reason: String,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(reason) => write!(f, "the recording ends: {reason}"),
            Self::Cut => {
                f.write_str("the recording ends without a reason: the node was killed, or lost power")
            }
            Self::Unreadable { at, reason } => {
                write!(f, "the recording cannot be read from byte {at} on: {reason}")
            }
        }
    }
}

/// Where a replay and what was recorded part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// An action is another one, or there is one more on either side.
    Action {
        /// Its place among the step's actions, from 0.
        at: usize,
        /// What the node did.
        recorded: Option<Mark>,
        /// What the engine does here.
        replayed: Option<Mark>,
    },
    /// The actions are the same, but it wants to be called again at another time; in microseconds.
    Due {
        /// By the node.
        recorded_us: Option<u64>,
        /// Here.
        replayed_us: Option<u64>,
    },
    /// The actions are the same, but it holds something else after a commit.
    State,
    /// The actions are the same, but it signs or packs something else.
    Answers,
    /// The engine fails here, and the node's did not.
    Failed(String),
    /// The engine panics here. The node's may have done so too, if the recording ends with this step.
    Panicked(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |mark: &Option<Mark>| mark.map_or("nothing", |mark| mark.0.name());
        match self {
            Self::Action {
                at,
                recorded,
                replayed,
            } => {
                write!(
                    f,
                    "action {at}: the node did {}, here it is {}",
                    kind(recorded),
                    kind(replayed)
                )?;
                let same = recorded.zip(*replayed).is_some_and(|(a, b)| a.0 == b.0);
                f.write_str(if same { " of something else" } else { "" })
            }
            Self::Due {
                recorded_us,
                replayed_us,
            } => {
                let at = |us: &Option<u64>| us.map_or("never".into(), words::seconds);
                write!(
                    f,
                    "the node wanted to be called again at {}, here it is {}",
                    at(recorded_us),
                    at(replayed_us)
                )
            }
            Self::State => f.write_str("after the commit it holds something else than the node did"),
            Self::Answers => f.write_str("it signs or packs something else than the node did"),
            Self::Failed(reason) => write!(f, "the engine fails here: {reason}"),
            Self::Panicked(reason) => write!(f, "the engine panics here: {reason}"),
        }
    }
}

/// One step: what the engine was given, and what it did.
#[derive(Debug)]
pub struct Step {
    /// The first is 1.
    pub number: u64,
    /// When, by the node's clocks.
    pub now: Now,
    /// What it was given.
    pub given: Given,
    /// What the node did; `None` in the last step, when it did not come to writing that down.
    pub recorded: Option<Done>,
    /// What the engine does here.
    pub actions: Vec<Action>,
    /// Where the two part.
    pub difference: Option<Difference>,
}

/// A recording that is gone through.
pub struct Replay<R> {
    reader: Reader<R>,
    program: String,
    node: NodeId,
    owner: OwnerId,
    engine: Engine<MemoryStore>,
    number: u64,
    last: Now,
    /// Read already, not dealt with yet.
    next: Option<Record>,
    ending: Option<Ending>,
}

impl<R: Read> Replay<R> {
    /// Reads up to the first step, and starts the engine.
    pub fn new(input: R) -> Result<Self, ReplayError> {
        let mut reader = Reader::new(input)?;
        let head = match reader.read()? {
            Some(Record::Head(head)) => head,
            Some(_) => return Err(out_of_order(&reader, "a recording begins with its head")),
            None => return Err(ReplayError::NoSteps),
        };
        let store = MemoryStore::new();
        let mut tx = store.write()?;
        let next = loop {
            match reader.read()? {
                Some(Record::Rows(rows)) => {
                    for row in rows {
                        let Some(table) = row.table() else {
                            return Err(out_of_order(&reader, "it is of a table that no engine reads"));
                        };
                        tx.put(table, &row.key, &row.value)?;
                    }
                }
                Some(record @ (Record::Given(..) | Record::End(_))) => break record,
                Some(_) => return Err(out_of_order(&reader, "no step has begun")),
                None => return Err(ReplayError::NoSteps),
            }
        };
        tx.commit()?;
        let (program, node, owner) = (head.program.clone(), head.keys.device, head.owner);
        let (config, seed) = head.start();
        let engine = Engine::replay(config, store, seed).map_err(ReplayError::Start)?;
        Ok(Self {
            reader,
            program,
            node,
            owner,
            engine,
            number: 0,
            last: Now::default(),
            next: Some(next),
            ending: None,
        })
    }

    /// Whose recording it is: the device.
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Whose space the node holds.
    pub const fn owner(&self) -> OwnerId {
        self.owner
    }

    /// The version of the program that recorded it.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The engine, as it is after the last step.
    pub const fn engine(&self) -> &Engine<MemoryStore> {
        &self.engine
    }

    /// How the recording ends, once [`step`](Self::step) has given `None`.
    pub const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Steps that were done.
    pub const fn steps(&self) -> u64 {
        self.number
    }

    /// When the last step was, by the node's clocks.
    pub const fn last(&self) -> Now {
        self.last
    }

    fn record(&mut self) -> Option<Record> {
        if let Some(next) = self.next.take() {
            return Some(next);
        }
        let reason = match self.reader.read() {
            Ok(Some(Record::End(reason))) => {
                self.ending = Some(Ending::Told(reason));
                return None;
            }
            Ok(Some(record)) => return Some(record),
            Ok(None) => {
                self.ending = Some(Ending::Cut);
                return None;
            }
            Err(error) => error.to_string(),
        };
        let at = self.reader.position();
        self.ending = Some(Ending::Unreadable { at, reason });
        None
    }

    /// Takes the next step; `None` at the end. A step with a difference is the last of any use: what follows is told of
    /// another engine.
    pub fn step(&mut self) -> Result<Option<Step>, ReplayError> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let (instant, wall, given) = match self.record() {
            Some(Record::Given(instant, wall, given)) => (Instant(instant), WallTime(wall), given),
            Some(Record::End(reason)) => {
                self.ending = Some(Ending::Told(reason));
                return Ok(None);
            }
            Some(_) => return Err(out_of_order(&self.reader, "no step has begun")),
            None => return Ok(None),
        };
        if instant < self.last.instant {
            return Err(out_of_order(
                &self.reader,
                "it is of an earlier time than the one before",
            ));
        }
        if matches!(given, Given::LinkUp(_, peer, ..) if peer == self.node) {
            return Err(out_of_order(&self.reader, "no node has a link to itself"));
        }
        let recorded = match self.record() {
            Some(Record::Done(done)) => Some(done),
            Some(_) => return Err(out_of_order(&self.reader, "a step has begun that is not done")),
            None => None,
        };
        let now = Now { instant, wall };
        self.number += 1;
        self.last = now;
        self.engine.expect(
            recorded
                .as_ref()
                .map(|done| done.answers.clone())
                .unwrap_or_default(),
        );
        let handled = self.give(now, given.clone())?;
        let mut actions = Vec::new();
        while let Some(action) = self.engine.poll_action() {
            actions.push(action);
        }
        let difference = match (handled, &recorded) {
            (Err(difference), _) => Some(difference),
            (Ok(()), Some(recorded)) => self.compare(&given, recorded, &actions),
            (Ok(()), None) => None,
        };
        if matches!(difference, Some(Difference::Failed(_) | Difference::Panicked(_))) {
            self.ending.get_or_insert(Ending::Cut);
        }
        Ok(Some(Step {
            number: self.number,
            now,
            given,
            recorded,
            actions,
            difference,
        }))
    }

    /// Has the engine do it. A panic of its own is what somebody may be looking for.
    fn give(&mut self, now: Now, given: Given) -> Result<Result<(), Difference>, ReplayError> {
        let engine = &mut self.engine;
        let result = if given == Given::Commit {
            catch_unwind(AssertUnwindSafe(|| engine.commit(now)))
        } else {
            let Some(event) = given.event() else {
                return Err(out_of_order(
                    &self.reader,
                    "a grant or revocation in it cannot be read",
                ));
            };
            catch_unwind(AssertUnwindSafe(|| engine.handle(now, event)))
        };
        Ok(match result {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Difference::Failed(error.to_string())),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Err(Difference::Panicked(text.unwrap_or("no text").to_owned()))
            }
        })
    }

    fn compare(&self, given: &Given, recorded: &Done, actions: &[Action]) -> Option<Difference> {
        let marks: Vec<Mark> = actions
            .iter()
            .map(|action| Mark::of(action, Payloads::Placeholders))
            .collect();
        let parted =
            (0..recorded.marks.len().max(marks.len())).find(|at| recorded.marks.get(*at) != marks.get(*at));
        if let Some(at) = parted {
            return Some(Difference::Action {
                at,
                recorded: recorded.marks.get(at).copied(),
                replayed: marks.get(at).copied(),
            });
        }
        if !self.engine.has_met_expectations() {
            return Some(Difference::Answers);
        }
        let due = self.engine.poll_timeout();
        if due != recorded.due() {
            return Some(Difference::Due {
                recorded_us: recorded.due_us,
                replayed_us: due.map(|due| due.0),
            });
        }
        (*given == Given::Commit && record::state(&self.engine) != recorded.state)
            .then_some(Difference::State)
    }
}

fn out_of_order<R: Read>(reader: &Reader<R>, reason: &'static str) -> ReplayError {
    ReplayError::OutOfOrder {
        at: reader.position(),
        reason,
    }
}
