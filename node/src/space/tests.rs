//! Any order of the same entries leaves the same space.

use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::model::{
    Category, Change, Clock, Content, Context, DocumentName, DocumentPath, Dot, Entry, FolderPath, Hash,
    HybridTime, Incarnation, KeyPair, Operation, OwnerId, Payload, Sequence, WallTime, Writer,
};
use crate::seal::{Body, Contents, EpochKey, Keyring, Place};
use crate::store::{MemoryStore, ReadTransaction, Store, Table, WriteTransaction};

/// A writer that sees some of what was written before, and writes.
#[derive(Debug, Clone)]
struct Step {
    writer: u8,
    document: u8,
    delete: bool,
    /// Which heads it has seen, as bits.
    seen: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (0..3u8, 0..3u8, prop::bool::weighted(0.2), any::<u8>()).prop_map(|(writer, document, delete, seen)| {
        Step {
            writer,
            document,
            delete,
            seen,
        }
    })
}

fn path(document: u8) -> DocumentPath {
    DocumentPath::parse(["/public/a/x", "/public/a/b/y", "/private/a/z"][usize::from(document)]).unwrap()
}

const SPACE: OwnerId = OwnerId([9; 32]);

fn ring() -> Keyring {
    Keyring::of_first(EpochKey::first(&KeyPair::from_seed(&[8; 32])))
}

fn name(path: &DocumentPath) -> DocumentName {
    match path.category() {
        Category::Public => DocumentName::Clear(path.clone()),
        _ => DocumentName::Sealed(ring().name(path).unwrap()),
    }
}

/// An entry, with what lies beside it.
fn put(
    path: &DocumentPath,
    dot: Dot,
    context: Context,
    time: u64,
    body: Option<&[u8]>,
    key: &KeyPair,
) -> (Entry, Option<Vec<u8>>) {
    let (operation, beside) = match (body, name(path)) {
        (None, _) => (Operation::Delete, None),
        (Some(body), DocumentName::Clear(_)) => {
            let content = Content {
                content_type: "text/plain".into(),
                hash: Hash::of(body),
                len: body.len() as u64,
                payload: Payload::Inline,
                seal: None,
            };
            (Operation::Put(content), Some(body.to_vec()))
        }
        (Some(body), DocumentName::Sealed(name)) => {
            let body = Body {
                path: path.clone(),
                content_type: "text/plain".into(),
                contents: Contents::Inline(body.to_vec()),
            };
            let place = Place {
                space: SPACE,
                name,
                dot,
            };
            let sealed = ring().current().unwrap().seal(&place, &body).unwrap();
            let content = Content {
                content_type: String::new(),
                hash: Hash::of(&sealed.bytes),
                len: sealed.bytes.len() as u64,
                payload: Payload::Inline,
                seal: Some(sealed.seal),
            };
            (Operation::Put(content), Some(sealed.bytes))
        }
    };
    let change = Change {
        space: SPACE,
        dot,
        name: name(path),
        context,
        time: HybridTime::at(WallTime(time)),
        operation,
    };
    (Entry::sign(change, key).unwrap(), beside)
}

fn open(entry: &Entry, beside: Option<&[u8]>) -> Option<Opened> {
    ring().open(entry, beside).map(|body| Opened::of(&body))
}

fn take(tx: &mut impl WriteTransaction, entry: &Entry, beside: Option<&[u8]>) -> Applied {
    let manifest = attach(entry, beside).unwrap();
    let opened = open(entry, beside);
    apply(tx, entry, beside, manifest.as_ref(), false, opened.as_ref()).unwrap()
}

/// Entries as honest writers make them: a writer has always seen its own earlier changes.
fn history(steps: &[Step]) -> Vec<(Entry, Option<Vec<u8>>)> {
    let mut entries: Vec<(Entry, Option<Vec<u8>>)> = Vec::new();
    let mut sequences = [0u64; 3];
    for (at, step) in steps.iter().enumerate() {
        let key = KeyPair::from_seed(&[step.writer; 32]);
        let writer = Writer {
            node: key.node_id(),
            incarnation: Incarnation(1),
        };
        let mut context = Context::new();
        for (bit, (seen, _)) in entries
            .iter()
            .filter(|(entry, _)| entry.change().name == name(&path(step.document)))
            .enumerate()
        {
            if seen.dot().writer == writer || (bit < 8 && step.seen & (1 << bit) != 0) {
                context.merge(&seen.change().context);
                context.insert(seen.dot());
            }
        }
        let sequence = &mut sequences[usize::from(step.writer)];
        *sequence += 1;
        let dot = Dot {
            writer,
            sequence: Sequence(*sequence),
        };
        let body = (!step.delete).then(|| vec![b'x'; at]);
        entries.push(put(
            &path(step.document),
            dot,
            context,
            at as u64,
            body.as_deref(),
            &key,
        ));
    }
    entries
}

fn state(entries: &[&(Entry, Option<Vec<u8>>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = MemoryStore::new();
    let mut tx = store.write().unwrap();
    for (entry, body) in entries {
        take(&mut tx, entry, body.as_deref());
    }
    tx.commit().unwrap();
    let read = store.read().unwrap();
    let mut all = Vec::new();
    for table in [
        Table::Entries,
        Table::Heads,
        Table::Folders,
        Table::Inline,
        Table::Chunks,
    ] {
        read.scan(table, &[], &mut |key, value| {
            all.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    all
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        (steps, order) in prop::collection::vec(step(), 1..14).prop_flat_map(|steps| {
            let indices: Vec<usize> = (0..steps.len()).chain(0..steps.len() / 2).collect();
            (Just(steps), Just(indices).prop_shuffle())
        }),
    ) {
        let entries = history(&steps);
        let straight: Vec<_> = entries.iter().collect();
        let shuffled: Vec<_> = order.iter().map(|index| &entries[*index]).collect();
        prop_assert_eq!(state(&straight), state(&shuffled));
    }

    #[test]
    fn a_folder_is_the_sum_of_what_it_lists(steps in prop::collection::vec(step(), 1..14)) {
        let store = MemoryStore::new();
        let mut tx = store.write().unwrap();
        for (entry, body) in history(&steps) {
            take(&mut tx, &entry, body.as_deref());
        }
        let view = View(&tx);
        let mut documents = 0;
        let mut bytes = 0;
        view.walk(&FolderPath::root(), &mut |_, document| {
            if let Some(stored) = document.stored() {
                documents += 1;
                bytes += stored.content.len;
            }
            ControlFlow::Continue(())
        }).unwrap();
        let root = view.folder(&FolderPath::root()).unwrap();
        prop_assert_eq!((root.documents, root.bytes), (documents, bytes));
        let mut listed = Vec::new();
        view.list(&FolderPath::parse("/public/a/").unwrap(), &mut |item| {
            listed.push(match item {
                FolderItem::Document { name, .. } => name,
                FolderItem::Folder { name, .. } => format!("{name}/"),
            });
            ControlFlow::Continue(())
        }).unwrap();
        let there = |document: u8| view.document(&path(document)).unwrap().stored().is_some();
        let expected: Vec<_> = [("x", 0), ("b/", 1)].into_iter().filter(|(_, d)| there(*d)).map(|(n, _)| n.to_owned()).collect();
        prop_assert_eq!(listed, expected);
    }
}

fn single(sequence: u64) -> (KeyPair, Dot) {
    let key = KeyPair::from_seed(&[1; 32]);
    let writer = Writer {
        node: key.node_id(),
        incarnation: Incarnation(1),
    };
    (
        key,
        Dot {
            writer,
            sequence: Sequence(sequence),
        },
    )
}

#[test]
fn what_the_other_lacks_is_found_in_batches() {
    let store = MemoryStore::new();
    let mut tx = store.write().unwrap();
    let mut own = Clock::new();
    let mut context = Context::new();
    for sequence in 1..=6 {
        let (key, dot) = single(sequence);
        // 1 to 3 are versions of one document, 4 to 6 documents of their own.
        let path = DocumentPath::parse(&format!("/public/m/{}", sequence.max(3))).unwrap();
        let (entry, beside) = put(
            &path,
            dot,
            if sequence <= 3 {
                context.clone()
            } else {
                Context::new()
            },
            sequence,
            Some(b"b"),
            &key,
        );
        context.insert(dot);
        take(&mut tx, &entry, beside.as_deref());
        own.insert(dot);
    }
    let mut session = Clock::new();
    let mut batches = Vec::new();
    while session != own {
        let mut batch = Vec::new();
        let scanned = View(&tx)
            .missing(&own, &session, &mut |missing| {
                if batch.len() == 2 {
                    return ControlFlow::Break(());
                }
                batch.push(missing.dot.sequence.0);
                ControlFlow::Continue(())
            })
            .unwrap();
        session.merge(&scanned);
        batches.push(batch);
    }
    assert_eq!(batches, [vec![3, 4], vec![5, 6]]);
}

/// As at a custodian, or before the key has come.
#[test]
fn what_cannot_be_read_is_opened_when_the_key_comes() {
    let [key] = [1].map(|seed| KeyPair::from_seed(&[seed; 32]));
    let steps = |sealed: bool| {
        let store = MemoryStore::new();
        let mut tx = store.write().unwrap();
        let mut seen = Context::new();
        for (at, text) in [(1, Some(&b"one"[..])), (2, Some(b"two")), (3, None)] {
            let path = path(if at == 3 { 0 } else { 2 });
            let (entry, beside) = put(&path, single(at).1, seen.clone(), at, text, &key);
            let manifest = attach(&entry, beside.as_deref()).unwrap();
            let opened = (!sealed).then(|| open(&entry, beside.as_deref())).flatten();
            let beside = beside.as_deref();
            apply(&mut tx, &entry, beside, manifest.as_ref(), false, opened.as_ref()).unwrap();
            if at == 1 {
                seen.insert(entry.dot());
            }
        }
        tx.commit().unwrap();
        store
    };
    let (blind, seeing) = (steps(true), steps(false));
    let read = blind.read().unwrap();
    let view = View(&read);
    assert!(view.document(&path(2)).unwrap().stored().is_none());
    assert_eq!(view.folder(&FolderPath::root()).unwrap().documents, 0);
    assert_eq!(view.everything().unwrap().documents, 1);
    assert_eq!(view.named(&name(&path(2))).unwrap().heads().len(), 1);
    drop(read);
    let mut tx = blind.write().unwrap();
    assert_eq!(open_sealed(&mut tx, &open).unwrap(), 1);
    assert_eq!(open_sealed(&mut tx, &open).unwrap(), 0);
    tx.commit().unwrap();
    let rows = |store: &MemoryStore| {
        let mut rows = Vec::new();
        let read = store.read().unwrap();
        for table in Table::ALL {
            let _ = read.scan(table, &[], &mut |key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            });
        }
        rows
    };
    assert_eq!(rows(&blind), rows(&seeing));
    let read = seeing.read().unwrap();
    let document = View(&read).document(&path(2)).unwrap();
    assert_eq!(document.stored().unwrap().content.len, 3);
    assert_eq!(document.opened_path(), Some(&path(2)));
}

#[test]
fn chunks_are_released_with_the_last_entry_that_lists_them() {
    let store = MemoryStore::new();
    let mut tx = store.write().unwrap();
    let (key, first) = single(1);
    let (_, second) = single(2);
    let hash = Hash::of(b"chunk");
    let entry = |dot, context, path: &str| {
        let change = Change {
            space: OwnerId([9; 32]),
            dot,
            name: name(&DocumentPath::parse(path).unwrap()),
            context,
            time: HybridTime::default(),
            operation: Operation::Put(Content {
                content_type: String::new(),
                hash,
                len: 5,
                payload: Payload::Chunk,
                seal: None,
            }),
        };
        Entry::sign(change, &key).unwrap()
    };
    let one = take(&mut tx, &entry(first, Context::new(), "/public/m/a"), None);
    assert!(one.pending && View(&tx).is_pending(first).unwrap());
    assert!(mark_present(&mut tx, &hash, true).unwrap());
    let two = take(&mut tx, &entry(second, Context::new(), "/public/m/b"), None);
    assert!(!two.pending, "another document brought the chunk");

    let (_, third) = single(3);
    let mut seen = Context::new();
    seen.insert(first);
    let three = take(&mut tx, &entry(third, seen.clone(), "/public/m/a"), None);
    assert_eq!(
        (three.pending, three.released),
        (false, vec![]),
        "the new version lists it too"
    );

    let tombstone = |sequence, seen: Dot, path: &str| {
        let mut context = Context::new();
        context.insert(seen);
        put(
            &DocumentPath::parse(path).unwrap(),
            single(sequence).1,
            context,
            9,
            None,
            &key,
        )
        .0
    };
    let four = take(&mut tx, &tombstone(4, third, "/public/m/a"), None);
    assert_eq!(four.released, vec![]);
    let five = take(&mut tx, &tombstone(5, second, "/public/m/b"), None);
    assert_eq!(five.released, vec![hash]);
    assert!(collect_tombstone(&mut tx, single(5).1).unwrap());
    assert!(!collect_tombstone(&mut tx, single(5).1).unwrap());
}
