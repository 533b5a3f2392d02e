//! Valid parts of the model, made from choices.

use cairn::model::{
    BlindName, BodyTag, Category, Change, Clock, Content, Context, DocumentName, DocumentPath, Dot, Entry,
    EpochId, Hash, HybridTime, Incarnation, Operation, Payload, Seal, Sequence, Writer,
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

/// What stands for a document in changes: a path, or a name for one.
fn name(choices: &mut Choices) -> DocumentName {
    if choices.flag() {
        DocumentName::Sealed(BlindName(array(choices)))
    } else {
        DocumentName::Clear(path(choices))
    }
}

fn seal(choices: &mut Choices) -> Seal {
    Seal {
        epoch: EpochId(array(choices)),
        tag: BodyTag(array(choices)),
    }
}

fn array<const LEN: usize>(choices: &mut Choices) -> [u8; LEN] {
    let mut array = [0; LEN];
    for (to, from) in array.iter_mut().zip(hash(choices).0) {
        *to = from;
    }
    array
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
            seal: choices.flag().then(|| seal(choices)),
        })
    };
    let mut change = Change {
        space: choices.key().owner_id(),
        dot: dot(choices),
        name: name(choices),
        context: context(choices),
        time: HybridTime(choices.number()),
        operation,
    };
    if choices.below(8) != 3 {
        seal_as_it_must(&mut change, seal(choices));
    }
    change
}

/// What a change says of a sealed document is sealed, and a path in the clear is public.
fn seal_as_it_must(change: &mut Change, seal: Seal) {
    if let DocumentName::Clear(path) = &mut change.name
        && path.category() != Category::Public
    {
        *path = DocumentPath::parse("/public/notes/a").expect("a short path");
    }
    let is_sealed = change.name.path().is_none();
    if let Operation::Put(content) = &mut change.operation {
        content.seal = is_sealed.then_some(seal);
        if is_sealed {
            content.content_type.clear();
        }
        if is_sealed && content.payload == Payload::Chunk {
            content.payload = Payload::Inline;
        }
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
            name: DocumentName::Sealed(BlindName([0; 16])),
            context: Context::new(),
            operation: Operation::Delete,
            ..given
        };
        Entry::sign(simple, key).expect("every bound is kept")
    })
}
