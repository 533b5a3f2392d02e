//! What was recorded is done again, step by step, without contents and keys.
#![allow(clippy::unwrap_used, clippy::panic)]

mod field;

use std::time::Duration;

use cairn::mesh::{CarriedEntry, Changes, Command, Delete, Event, LinkId, Message, Precondition, Resolve};
use cairn::model::{Category, Clock, KeyPair, codec};
use cairn::record::{Answer, Given, GivenCommand, Reader, Record, Writer};
use cairn::space::View;
use cairn::store::{MemoryStore, RedbStore, Store, Table, WriteTransaction};
use cairn_sim::replay::{Difference, Ending, Replay};
use field::{Field, RADIO, path};

/// Bytes that do not compress and occur nowhere else.
fn noise(name: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3_of(name, &mut bytes);
    bytes
}

fn blake3_of(name: &str, bytes: &mut [u8]) {
    for (number, part) in bytes.chunks_mut(32).enumerate() {
        let hash = cairn::model::Hash::of(format!("{name} {number}").as_bytes());
        part.copy_from_slice(&hash.0[..part.len()]);
    }
}

fn keys(count: usize) -> Vec<KeyPair> {
    (0..count)
        .map(|at| {
            let mut seed = [0; 32];
            blake3_of(&format!("key {at}"), &mut seed);
            KeyPair::from_seed(&seed)
        })
        .collect()
}

fn records(recording: &[u8]) -> Vec<Record> {
    let mut reader = Reader::new(recording).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

fn written(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.into_inner()
}

/// Replays all of it. Gives the number of steps and the first difference.
fn replay(recording: &[u8]) -> (u64, Option<Difference>, Option<Ending>, Clock) {
    let mut replay = Replay::new(recording).unwrap();
    while let Some(step) = replay.step().unwrap() {
        if let Some(difference) = step.difference {
            println!("{}", step.number);
            return (step.number, Some(difference), None, Clock::new());
        }
    }
    let clock = replay.engine().clock().clone();
    (replay.steps(), None, replay.ending().cloned(), clock)
}

fn is_same(recording: &[u8]) -> Clock {
    let (steps, difference, ending, clock) = replay(recording);
    assert_eq!(difference, None, "in step {steps}");
    assert_eq!(ending, Some(Ending::Told("stopped".into())));
    assert!(steps > 10, "{steps} steps");
    clock
}

/// Two nodes with a link that breaks, in stores on disk, and a peer that says what it should not.
fn linked(marker: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    let mut field = Field::new(keys(3), || {
        count += 1;
        RedbStore::open(&folder.path().join(format!("{count}.redb"))).unwrap()
    });
    let mut tx = field.nodes[0].store.write().unwrap();
    tx.put(Table::Tokens, marker, marker).unwrap();
    tx.commit().unwrap();
    let body = |name: &str, len: usize| [marker, &noise(name, len)].concat();
    for at in 0..3 {
        field.start(at);
        field.give(at, Event::StorageFree { bytes: 1 << 33 });
    }
    field.link_up(0, 1);
    field.put(0, "inline", &body("a", 30));
    field.put(0, "empty", b"");
    field.put(1, "chunk", &body("b", 1500));
    field.put(1, "manifest", &body("c", 9000));
    field.put(0, "open", &body("o", 40));
    field.put(1, "open chunk", &body("p", 1500));
    field.put(0, "open manifest", &body("q", 9000));
    field.run(Duration::from_secs(40));

    // Both write the same document while they are apart.
    field.link_down(0, 1);
    field.put(0, "conflict", &body("d", 50));
    field.put(1, "conflict", &body("e", 60));
    field.put(0, "inline", &body("f", 40));
    field.run(Duration::from_secs(1));
    field.link_up(0, 1);
    field.run(Duration::from_secs(5));
    let siblings = {
        let read = field.nodes[0].store.read().unwrap();
        View(&read).document(&path("conflict")).unwrap()
    };
    assert_eq!(siblings.heads().len(), 2);
    let (path_, keep) = (path("conflict"), siblings.heads()[1].dot);
    field.command(
        0,
        Command::Resolve(Resolve {
            path: path_,
            keep,
            of: None,
        }),
    );
    let delete = Delete {
        path: path("chunk"),
        precondition: Precondition::default(),
    };
    field.command(1, Command::Delete(delete.clone()));
    field.command(1, Command::Delete(delete));
    field.command(0, Command::Status);

    // What no node sends. Contents that are not theirs, and frames that end in the middle of one.
    field.link_up(0, 2);
    field.run(Duration::from_secs(5));
    let link = LinkId(2);
    let entry = {
        let read = field.nodes[0].store.read().unwrap();
        let dot = View(&read).document(&path("inline")).unwrap().heads()[0].dot;
        let mut entry = View(&read).entry(dot).unwrap().unwrap().encode();
        // Another sequence: the entry is new, and its signature does not fit.
        let at = entry
            .windows(2)
            .position(|pair| pair == [0x03, 0x6e])
            .unwrap_or(40);
        entry[at] ^= 1;
        entry
    };
    for attachment in [None, Some(body("g", 40))] {
        let changes = Message::Changes(Changes {
            session: None,
            entries: vec![
                CarriedEntry {
                    entry: entry.clone(),
                    attachment: attachment.clone(),
                },
                CarriedEntry {
                    entry: body("h", 70),
                    attachment,
                },
            ],
            scanned: Clock::new(),
            done: None,
            live: None,
        });
        let frame = changes.encode();
        field.give(0, Event::Frame { link, frame });
    }
    for bad in [
        vec![0x83, 1, 5, 0x85],
        [&[0x83, 1, 99][..], marker].concat(),
        body("i", 9),
    ] {
        field.give(0, Event::Frame { link, frame: bad });
    }
    field.stray_chunk(0, link, &body("j", 300));
    field.run(Duration::from_secs(40));

    // One is shut out, and keys change.
    field.revoke(0, 2);
    field.put(0, "new key", &body("m", 44));
    field.run(Duration::from_secs(40));
    field.put(1, "new key, too", &body("n", 9000));
    field.run(Duration::from_secs(40));
    assert!(field.engine(1).membership().key_epochs().next().is_some());

    // A restart: what the store holds begins the next recording.
    field.link_down(0, 1);
    field.link_down(0, 2);
    field.stop(0);
    field.start(0);
    field.put(1, "while away", &body("k", 77));
    field.link_up(0, 1);
    field.run(Duration::from_secs(40));
    field.put(0, "after", &body("l", 20));
    field.run(Duration::from_secs(5));
    assert_eq!(field.engine(0).clock(), field.engine(1).clock());
    field.finish()
}

/// Three nodes that have a radio alone.
fn by_radio(marker: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut field = Field::new(keys(3), MemoryStore::new);
    for at in 0..3 {
        field.start(at);
    }
    field.radios_up(180);
    field.run(Duration::from_secs(600));
    for at in 0..3 {
        field.put(at, "conflict", &[marker, &noise("x", at * 9)].concat());
    }
    // Several at once: how many go into one message depends on how well they compress.
    for number in 0..8 {
        let text = format!("{number}: it is as it was before. ").repeat(4 + number);
        field.put(0, &format!("text {number}"), text.as_bytes());
        field.put(0, &format!("short {number}"), &noise("w", 5 * number));
        field.put(1, &format!("noise {number}"), &noise("y", 130 + 9 * number));
        field.put(1, &format!("more {number}"), &noise("v", 150));
        field.run(Duration::from_secs(60));
    }
    field.put(2, "chunk", &[marker, &noise("z", 1200)].concat());
    field.run(Duration::from_secs(3600));
    let message = [&[2, 1][..], marker, marker].concat();
    let from = field.nodes[1].key.node_id();
    field.give(
        0,
        Event::RadioMessage {
            radio: RADIO,
            from,
            under: field.epoch(1),
            message,
        },
    );
    field.run(Duration::from_secs(3600));
    assert_eq!(field.engine(0).clock(), field.engine(1).clock());
    assert_eq!(field.engine(0).clock(), field.engine(2).clock());
    field.finish()
}

fn answers(recordings: &[(usize, Vec<u8>)], is: impl Fn(&Answer) -> bool) -> usize {
    let all = recordings.iter().flat_map(|(_, recording)| records(recording));
    let answers = all.flat_map(|record| match record {
        Record::Done(done) => done.answers,
        _ => Vec::new(),
    });
    answers.filter(is).count()
}

#[test]
fn linked_nodes_are_replayed() {
    let recordings = linked(&noise("marker", 24));
    assert_eq!(recordings.len(), 4);
    assert!(answers(&recordings, |answer| matches!(answer, Answer::Complaint(_))) > 3);
    assert!(answers(&recordings, |answer| matches!(answer, Answer::Signature(..))) > 20);
    let clocks: Vec<Clock> = recordings
        .iter()
        .map(|(_, recording)| is_same(recording))
        .collect();
    assert_eq!(clocks[1], clocks[2]);
}

#[test]
fn nodes_with_a_radio_are_replayed() {
    let recordings = by_radio(&noise("marker", 24));
    assert!(answers(&recordings, |answer| matches!(answer, Answer::Length(_))) > 3);
    let clocks: Vec<Clock> = recordings
        .iter()
        .map(|(_, recording)| is_same(recording))
        .collect();
    assert!(
        clocks
            .iter()
            .all(|clock| *clock == clocks[0] && !clock.is_empty())
    );
}

#[test]
fn no_content_key_or_token_is_in_a_recording() {
    let marker = noise("marker", 24);
    let secrets: Vec<Vec<u8>> = keys(3).iter().map(|key| key.seed().to_vec()).collect();
    let secrets = secrets.iter().map(Vec::as_slice).chain([marker.as_slice()]);
    let secrets: Vec<&[u8]> = secrets.collect();
    for (_, recording) in [linked(&marker), by_radio(&marker)].concat() {
        let unpacked: Vec<u8> = records(&recording).iter().flat_map(codec::encode).collect();
        for secret in &secrets {
            let part = &secret[4..16];
            for bytes in [&recording, &unpacked] {
                assert!(!bytes.windows(part.len()).any(|found| found == part));
            }
        }
        // Names are.
        let names = |name: &[u8]| unpacked.windows(name.len()).any(|found| found == name);
        assert!(names(b"conflict") || names(b"node 2"));
    }
}

#[test]
fn a_changed_event_is_found_in_its_step() {
    // Of a public document: what a sealed one's body says is taken from the recording.
    let is_public_put = |record: &Record| {
        matches!(record, Record::Given(_, _, Given::Command(_, GivenCommand::Put(path, ..)))
            if path.category() == Category::Public)
    };
    let mut recordings = linked(b"no secret").into_iter().map(|(_, recording)| recording);
    let recording = recordings.find(|recording| records(recording).iter().any(is_public_put));
    let recording = recording.unwrap();
    let mut all = records(&recording);
    let at = all.iter().position(is_public_put).unwrap();
    if let Record::Given(_, _, Given::Command(_, GivenCommand::Put(_, content, ..))) = &mut all[at] {
        content.content_type.push('x');
    }
    let given = all[..=at]
        .iter()
        .filter(|record| matches!(record, Record::Given(..)));
    let step = given.count() as u64;
    assert!(step > 3);
    let (found, difference, ..) = replay(&written(&all));
    assert_eq!((found, difference), (step, Some(Difference::Answers)));

    // An event that got lost: the first step that shows it is the one where the node would have answered.
    let mut all = records(&recording);
    let at = all
        .iter()
        .position(|record| matches!(record, Record::Given(_, _, Given::LinkUp(..))));
    let at = at.unwrap();
    let steps = all[..at]
        .iter()
        .filter(|record| matches!(record, Record::Given(..)))
        .count();
    all.drain(at..at + 2);
    let (found, difference, ..) = replay(&written(&all));
    assert_eq!(found, steps as u64 + 1, "{difference:?}");
}

#[test]
fn a_recording_that_ends_anywhere_is_replayed_up_to_there() {
    let (_, recording) = by_radio(b"no secret").swap_remove(0);
    let whole = replay(&recording).0;
    let mut all = records(&recording);
    // The node died in its last step.
    all.truncate(all.len() - 2);
    let (steps, difference, ending, _) = replay(&written(&all));
    assert_eq!((steps, difference, ending), (whole, None, Some(Ending::Cut)));
    for len in (0..recording.len()).step_by(recording.len() / 40) {
        let Ok(mut replay) = Replay::new(&recording[..len]) else {
            continue;
        };
        while let Some(step) = replay.step().unwrap() {
            assert_eq!(step.difference, None);
        }
        assert!(replay.steps() <= whole);
        assert!(matches!(
            replay.ending(),
            Some(Ending::Unreadable { .. } | Ending::Cut)
        ));
    }
}
