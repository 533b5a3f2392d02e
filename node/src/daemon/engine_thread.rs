//! The thread that the engine runs on.
//!
//! It takes inputs one by one, carries out what the engine wants, and commits when no input waits or enough were
//! handled: so inputs that come while a commit is on its way share the next one.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SendError, Sender};
use std::time::Duration;

use cairn_transports::PeerKey;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::SystemClock;
use super::links::SpaceSender;
use super::recorder::Recorder;
use crate::mesh::{
    Action, Command, CommandResult, Engine, EngineError, Event, LinkId, LinkProfile, RequestId,
};
use crate::model::{NodeId, Now};
use crate::space::records::OwnWriter;
use crate::store::RedbStore;

/// Inputs handled at most before a commit: bounds how long the first of them waits.
const BATCH_MAX: usize = 512;
/// Sleep when the engine waits for nothing.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// Something for the engine.
pub(super) enum Input {
    Event(Event),
    /// A frame, with the share of its link's room that it takes until it is handled.
    Frame {
        link: LinkId,
        frame: Vec<u8>,
        room: OwnedSemaphorePermit,
    },
    /// An announcement that came by gossip, with its share of the room for such.
    Announced {
        author: NodeId,
        frame: Vec<u8>,
        room: OwnedSemaphorePermit,
    },
    /// A link came up: actions for it go to this sender.
    LinkUp {
        link: LinkId,
        up: Box<Up>,
    },
    Command {
        command: Box<Command>,
        reply: oneshot::Sender<CommandResult>,
    },
    /// Commit and end.
    Stop,
}

/// A link as the engine's thread needs it.
pub(super) struct Up {
    pub(super) peer: PeerKey,
    pub(super) profile: LinkProfile,
    pub(super) sender: SpaceSender,
}

/// The way to the engine thread.
#[derive(Clone)]
pub(super) struct Inputs(Sender<Input>);

impl Inputs {
    pub(super) fn new(sender: Sender<Input>) -> Self {
        Self(sender)
    }

    pub(super) fn send(&self, input: Input) -> Result<(), SendError<Input>> {
        self.0.send(input)
    }
}

/// Carries out what the engine wants done outside of its thread. Must not block for long.
pub(super) trait Outside {
    /// Does it. Replies do not come here.
    fn carry_out(&mut self, action: Action);

    /// A link came up: what follows may be for it.
    fn link_up(&mut self, link: LinkId, up: Up);

    /// A commit is on disk.
    fn committed(&mut self, own: OwnWriter);
}

/// Runs the engine until [`Input::Stop`], or until its store fails.
pub(super) fn run(
    engine: Engine<RedbStore>,
    clock: SystemClock,
    inputs: &Receiver<Input>,
    outside: &mut impl Outside,
    recorder: Option<Recorder>,
) -> Result<(), EngineError> {
    let mut engine = Recorded { engine, recorder };
    let result = run_recorded(&mut engine, clock, inputs, outside);
    engine.end(&result);
    result
}

fn run_recorded(
    engine: &mut Recorded,
    clock: SystemClock,
    inputs: &Receiver<Input>,
    outside: &mut impl Outside,
) -> Result<(), EngineError> {
    let mut replies = Replies::default();
    loop {
        let timeout = engine
            .engine
            .poll_timeout()
            .map_or(SLEEP_MAX, |due| clock.until(due).min(SLEEP_MAX));
        let first = match inputs.recv_timeout(timeout) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => Input::Event(Event::Timer),
            Err(RecvTimeoutError::Disconnected) => Input::Stop,
        };
        let mut next = Some(first);
        let mut stop = false;
        for _ in 0..BATCH_MAX {
            let Some(input) = next.take().or_else(|| inputs.try_recv().ok()) else {
                break;
            };
            let event = match input {
                Input::Event(event) => event,
                Input::Frame { link, frame, room } => {
                    engine.handle(clock.now(), Event::Frame { link, frame })?;
                    drop(room);
                    engine.carry_out(outside, &mut replies);
                    continue;
                }
                Input::Announced { author, frame, room } => {
                    drop(room);
                    Event::Announced { author, frame }
                }
                Input::LinkUp { link, up } => {
                    let (peer, profile) = (NodeId(up.peer.0), up.profile);
                    outside.link_up(link, *up);
                    Event::LinkUp { link, peer, profile }
                }
                Input::Command { command, reply } => Event::Command {
                    request: replies.expect(reply),
                    command,
                },
                Input::Stop => {
                    stop = true;
                    break;
                }
            };
            engine.handle(clock.now(), event)?;
            engine.carry_out(outside, &mut replies);
        }
        if engine.engine.needs_commit() {
            engine.commit(clock.now())?;
            outside.committed(engine.engine.own_writer());
            engine.carry_out(outside, &mut replies);
        }
        if stop {
            return Ok(());
        }
    }
}

/// The engine, with whoever writes down what it is given and does.
struct Recorded {
    engine: Engine<RedbStore>,
    recorder: Option<Recorder>,
}

impl Recorded {
    fn handle(&mut self, now: Now, event: Event) -> Result<(), EngineError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.event(now, &event);
        }
        self.engine.handle(now, event)
    }

    fn commit(&mut self, now: Now) -> Result<(), EngineError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.commit(now);
        }
        self.engine.commit(now)
    }

    fn carry_out(&mut self, outside: &mut impl Outside, replies: &mut Replies) {
        while let Some(action) = self.engine.poll_action() {
            if let Some(recorder) = &mut self.recorder {
                recorder.action(&action);
            }
            match action {
                Action::Reply { request, result } => replies.answer(request, result),
                other => outside.carry_out(other),
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.done(&self.engine);
            if !recorder.is_running() {
                self.recorder = None;
                self.engine.stop_noting();
            }
        }
    }

    fn end(&mut self, result: &Result<(), EngineError>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.end(match result {
                Ok(()) => "the node was stopped".into(),
                Err(error) => format!("the node's engine failed: {error}"),
            });
        }
    }
}

/// Who waits for an answer.
#[derive(Default)]
struct Replies {
    next: u64,
    waiting: BTreeMap<RequestId, oneshot::Sender<CommandResult>>,
}

impl Replies {
    fn expect(&mut self, reply: oneshot::Sender<CommandResult>) -> RequestId {
        let request = RequestId(self.next);
        self.next += 1;
        self.waiting.insert(request, reply);
        request
    }

    fn answer(&mut self, request: RequestId, result: CommandResult) {
        if let Some(reply) = self.waiting.remove(&request) {
            // Whoever asked may have gone away; what was done stays done.
            let _ = reply.send(result);
        }
    }
}
