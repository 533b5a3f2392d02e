//! Valid parts of the model, made from choices.

use cairn::model::{
    Change, Clock, Content, Context, DocumentPath, Dot, Entry, Hash, HybridTime, Incarnation, Operation,
    Payload, Sequence, Writer,
};

use super::choices::Choices;

pub(super) fn hash(choices: &mut Choices) -> Hash {
    Hash([choices.byte(); 32])
}

pub(super) fn writer(choices: &mut Choices) -> Writer {
    Writer {
        node: choices.key().node_id(),
        incarnation: Incarnation(choices.number()),
    }
}

pub(super) fn dot(choices: &mut Choices) -> Dot {
    Dot {
        writer: writer(choices),
        sequence: Sequence(choices.number()),
    }
}

/// A clock of a few writers, with ranges put in and cut out.
pub(super) fn clock(choices: &mut Choices) -> Clock {
    let writers = [writer(choices), writer(choices)];
    let mut clock = Clock::new();
    for _ in 0..choices.below(32) {
        let writer = writers[choices.below(2)];
        let first = Sequence(choices.number());
        let last = Sequence(first.0.saturating_add(choices.number()));
        if choices.flag() {
            clock.remove_range(writer, first, last);
        } else {
            clock.insert_range(writer, first, last);
        }
    }
    clock
}

pub(super) fn context(choices: &mut Choices) -> Context {
    let mut context = Context::new();
    for _ in 0..choices.below(8) {
        let mut dot = dot(choices);
        dot.sequence = dot.sequence.clamp(Sequence(1), Sequence::MAX);
        context.insert(dot);
    }
    context
}

/// A path of a document; its names come from the input where they may stand in a path.
pub(super) fn path(choices: &mut Choices) -> DocumentPath {
    let category = ["public", "private", "shared"][choices.below(3)];
    let mut names = vec![category.to_owned()];
    names.extend(choices.list(66, Choices::text));
    names.retain(|name| cairn::model::check_name(name).is_ok());
    let given = DocumentPath::parse(&format!("/{}", names.join("/")));
    given.unwrap_or_else(|_| DocumentPath::parse(&format!("/{category}/notes/a")).expect("a short path"))
}

pub(super) fn payload(choices: &mut Choices) -> Payload {
    match choices.below(3) {
        0 => Payload::Inline,
        1 => Payload::Chunk,
        _ => Payload::Manifest(hash(choices)),
    }
}

/// A change by one of the known keys, whose bounds may be broken.
pub(super) fn change(choices: &mut Choices) -> Change {
    let operation = if choices.flag() {
        Operation::Delete
    } else {
        Operation::Put(Content {
            content_type: String::from_utf8_lossy(&choices.blob()).into_owned(),
            hash: hash(choices),
            len: choices.number(),
            payload: payload(choices),
        })
    };
    Change {
        space: choices.key().owner_id(),
        dot: dot(choices),
        path: path(choices),
        context: context(choices),
        time: HybridTime(choices.number()),
        operation,
    }
}

/// An entry by one of the known keys; the simplest one where the choices break a bound.
pub(super) fn entry(choices: &mut Choices) -> Entry {
    let given = change(choices);
    let key = super::membership::pair(given.dot.writer.node).expect("made with a known key");
    Entry::sign(given.clone(), key).unwrap_or_else(|_| {
        let dot = Dot {
            sequence: Sequence(1),
            ..given.dot
        };
        let simple = Change {
            dot,
            context: Context::new(),
            operation: Operation::Delete,
            ..given
        };
        Entry::sign(simple, key).expect("every bound is kept")
    })
}
