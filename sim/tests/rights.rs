//! What a node takes from others, at the engine's own boundary: each frame is made by hand, by somebody who knows every key that such a
//! peer may know. That news of it comes late is in `keys.rs`.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::ops::ControlFlow;
use std::time::Duration;

use cairn::mesh::{
    Action, Broadcast, CarriedEntry, Changes, Command, Config, Engine, ErrorCode, Event, FollowChunk, Hello,
    Keys, LinkId, LinkProfile, Message, PayloadPolicy, Precondition, Put, RadioProfile, Reply, RequestId,
    SyncRequest, space_tag,
};
use cairn::model::{
    Capabilities, Change, Clock, Content, Context, DocumentName, Dot, Entry, EpochId, EpochKeys, Grant, Hash,
    HybridTime, Incarnation, Instant, KeyEpoch, KeyPair, Membership, NodeId, Now, Operation, Payload,
    Revocation, Sequence, Sign, WallTime, Writer, codec,
};
use cairn::seal::{EpochKey, Keyring};
use cairn::store::{MemoryStore, ReadTransaction, Store, Table};

const RADIO: LinkId = LinkId(1000);
const START_MS: u64 = 1_767_225_600_000;
/// When the grants of this space were issued.
const ISSUED: WallTime = WallTime(START_MS - 1_000_000);

fn key(seed: u8) -> KeyPair {
    KeyPair::from_seed(&[seed; 32])
}

fn owner() -> KeyPair {
    key(1)
}

fn grant(subject: &KeyPair, expires: Option<WallTime>, issuer: &KeyPair) -> Grant {
    let space = owner().owner_id();
    Grant::issue(
        space,
        subject.node_id(),
        Capabilities::ALL,
        ISSUED,
        expires,
        "device",
        issuer,
    )
}

/// The owner's space with these devices.
fn space(devices: &[&KeyPair]) -> Membership {
    let mut space = Membership::new(owner().owner_id());
    for device in devices {
        space.add_grant(grant(device, None, &owner())).unwrap();
    }
    space
}

/// The owner shuts a device out; what it said of others stands.
fn revocation(membership: &Membership, device: &KeyPair) -> Revocation {
    let (space, device) = (owner().owner_id(), device.node_id());
    let kept = membership.statements_of(device);
    Revocation::issue(space, device, WallTime(START_MS), kept, &owner())
}

/// A node whose neighbours are the test.
struct Victim {
    engine: Engine<MemoryStore>,
    store: MemoryStore,
    node: NodeId,
    now: Now,
    links: u64,
    requests: u64,
}

impl Victim {
    fn new(device: &KeyPair, membership: &Membership, seed: u8) -> Self {
        let store = MemoryStore::new();
        let config = Config {
            key: Keys {
                device: device.clone(),
                owner: None,
                space: Keyring::of_first(EpochKey::first(&owner())),
            },
            owner: owner().owner_id(),
            membership: membership.clone(),
            continues: false,
            quota_bytes: None,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: false,
        };
        Self {
            engine: Engine::new(config, store.clone(), [seed; 32]).unwrap(),
            store,
            node: device.node_id(),
            now: Now {
                instant: Instant(1),
                wall: WallTime(START_MS),
            },
            links: 0,
            requests: 0,
        }
    }

    /// A radio that is ready.
    fn radio(&mut self) {
        let profile = RadioProfile {
            frame_len_max: 238,
            frame_airtime_us: 700_000,
            share_permille: 1000,
            window_us: 0,
        };
        self.handle(Event::RadioUp {
            radio: RADIO,
            profile,
        });
        self.handle(Event::RadioReady { radio: RADIO });
    }

    /// What it does when a message comes that was sealed with the key of this epoch.
    fn hears(&mut self, from: &KeyPair, under: EpochId, message: &[u8]) -> Vec<Action> {
        let mut actions = self.handle(Event::RadioMessage {
            radio: RADIO,
            from: from.node_id(),
            under,
            message: message.to_vec(),
        });
        actions.extend(self.handle(Event::RadioReady { radio: RADIO }));
        actions
    }

    /// What it does when this happens, on disk when it does.
    fn handle(&mut self, event: Event) -> Vec<Action> {
        self.engine.handle(self.now, event).unwrap();
        let mut actions = self.actions();
        if self.engine.needs_commit() {
            self.engine.commit(self.now).unwrap();
            actions.extend(self.actions());
        }
        actions
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.engine.poll_action()).collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now.instant = Instant(self.now.instant.0 + u64::try_from(time.as_micros()).unwrap());
        self.now.wall = WallTime(self.now.wall.0 + u64::try_from(time.as_millis()).unwrap());
        self.handle(Event::Timer)
    }

    /// A link on which `peer` has greeted.
    fn link(&mut self, peer: &KeyPair) -> LinkId {
        self.links += 1;
        let link = LinkId(self.links);
        let profile = LinkProfile {
            frame_len_max: 1 << 21,
            bit_rate_bps: None,
        };
        self.handle(Event::LinkUp {
            link,
            peer: peer.node_id(),
            profile,
        });
        let hello = Hello {
            instance: 7,
            tag: space_tag(owner().owner_id(), peer.node_id()),
            again: false,
        };
        self.says(link, &Message::Hello(hello));
        link
    }

    fn says(&mut self, link: LinkId, message: &Message) -> Vec<Action> {
        self.frame(link, message.encode())
    }

    fn frame(&mut self, link: LinkId, frame: Vec<u8>) -> Vec<Action> {
        self.handle(Event::Frame { link, frame })
    }

    fn put(&mut self, name: &str, body: &[u8]) -> Entry {
        self.put_at(&format!("/private/notes/{name}"), body, Payload::Inline)
    }

    fn put_at(&mut self, path: &str, body: &[u8], payload: Payload) -> Entry {
        let actions = self.stores(path, body, payload);
        let stored = actions.iter().any(|action| {
            matches!(
                action,
                Action::Reply {
                    result: Ok(Reply::Stored { .. }),
                    ..
                }
            )
        });
        assert!(stored, "{path} is stored");
        self.entries()
            .into_iter()
            .max_by_key(|entry| entry.dot().sequence)
            .unwrap()
    }

    /// What it does when its user stores a document.
    fn stores(&mut self, path: &str, body: &[u8], payload: Payload) -> Vec<Action> {
        self.requests += 1;
        let attachment = (payload == Payload::Inline).then(|| body.to_vec());
        let put = Put {
            path: path.parse().unwrap(),
            content: Content {
                content_type: "text/plain".into(),
                hash: Hash::of(body),
                len: body.len() as u64,
                payload,
                seal: None,
            },
            attachment,
            chunk_keys: Vec::new(),
            precondition: Precondition::default(),
            resolve: false,
        };
        self.handle(Event::Command {
            request: RequestId(self.requests),
            command: Box::new(Command::Put(put)),
        })
    }

    fn entries(&self) -> Vec<Entry> {
        self.rows(Table::Entries)
            .into_iter()
            .map(|(_, value)| Entry::decode(&value).unwrap())
            .collect()
    }

    fn rows(&self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        let read = self.store.read().unwrap();
        read.scan(table, &[], &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
        rows
    }

    /// All that it holds of documents.
    fn documents(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        [Table::Entries, Table::Heads, Table::Inline, Table::Tombstones]
            .into_iter()
            .flat_map(|table| self.rows(table))
            .collect()
    }

    /// An entry as it travels.
    fn carried(&self, entry: &Entry) -> CarriedEntry {
        let read = self.store.read().unwrap();
        let attachment = cairn::space::View(&read).attachment(entry.dot()).unwrap();
        CarriedEntry {
            entry: entry.encode(),
            attachment,
        }
    }

    /// Whether it answers a peer that asks for everything.
    fn answers(&mut self, link: LinkId) -> bool {
        let request = SyncRequest {
            session: 1,
            clock: Clock::new(),
            live: false,
        };
        let actions = self.says(link, &Message::SyncRequest(request));
        let sent = messages(&actions);
        let denied = sent.iter().any(
            |message| matches!(message, Message::StorageError(error) if error.code == ErrorCode::Denied),
        );
        let answered = sent.iter().any(|message| matches!(message, Message::Changes(_)));
        assert!(answered != denied || !answered && !denied);
        answered
    }
}

fn messages(actions: &[Action]) -> Vec<Message> {
    let frames = actions.iter().filter_map(|action| match action {
        Action::Send { frame, .. } => Some(frame),
        _ => None,
    });
    frames.map(|frame| Message::decode(frame).unwrap()).collect()
}

fn broadcasts(actions: &[Action]) -> Vec<Broadcast> {
    let broadcasts = actions.iter().filter_map(|action| match action {
        Action::Broadcast(broadcast) => Some(broadcast.clone()),
        _ => None,
    });
    broadcasts.collect()
}

fn closes(actions: &[Action]) -> Option<bool> {
    actions.iter().find_map(|action| match action {
        Action::Close { penalise, .. } => Some(*penalise),
        _ => None,
    })
}

fn pushed(entries: Vec<CarriedEntry>) -> Message {
    Message::Changes(Changes {
        session: None,
        entries,
        scanned: Clock::new(),
        done: None,
        live: None,
    })
}

/// Who has no grant may have what is public, and is told of the rest only that there is some.
#[test]
fn a_stranger_may_follow_and_gets_no_more_than_that() {
    let (device, stranger) = (key(2), key(9));
    let mut victim = Victim::new(&device, &space(&[&device]), 1);
    let private = victim.put("a", b"text");
    let open = victim.put_at("/public/notes/a", b"open to all", Payload::Inline);
    let chunked = victim.put_at("/public/notes/b", &[7; 9_000], Payload::Chunk);
    let request = |clock| SyncRequest {
        session: 1,
        clock,
        live: true,
    };
    let follow = |clock| Message::FollowRequest(request(clock));

    // Before it has shown that it knows the space it is told nothing at all.
    victim.links += 1;
    let link = LinkId(victim.links);
    victim.handle(Event::LinkUp {
        link,
        peer: stranger.node_id(),
        profile: LinkProfile {
            frame_len_max: 1 << 21,
            bit_rate_bps: None,
        },
    });
    let sent = messages(&victim.says(link, &follow(Clock::new())));
    assert!(!sent.iter().any(|message| matches!(message, Message::Changes(_))));

    let link = victim.link(&stranger);
    assert!(!victim.answers(link), "what members ask for");
    let sent = messages(&victim.says(link, &follow(Clock::new())));
    let [Message::Changes(changes)] = &sent[..] else {
        panic!("{sent:?}");
    };
    let entries: Vec<Entry> = changes
        .entries
        .iter()
        .map(|carried| Entry::decode(&carried.entry).unwrap())
        .collect();
    assert_eq!(entries, [open.clone(), chunked.clone()]);
    assert!(changes.scanned.contains(private.dot()), "it need not ask again");

    // A clock in which this node has written what it has not is believed of members alone.
    let ahead = Clock::from_iter([Dot {
        sequence: Sequence(1_000),
        ..open.dot()
    }]);
    victim.says(link, &follow(ahead));
    assert_eq!(
        victim.put("b", b"more").dot().writer,
        open.dot().writer,
        "no new incarnation"
    );

    // Chunks: of public documents that list them, and no others.
    let mut asks = |dot: Dot, chunk: Hash| {
        let actions = victim.says(link, &Message::FollowChunk(FollowChunk { dot, chunk }));
        let served = actions
            .iter()
            .any(|action| matches!(action, Action::Serve { .. }));
        let refused = messages(&actions)
            .iter()
            .any(|message| matches!(message, Message::StorageError(_)));
        assert_ne!(served, refused);
        served
    };
    let chunk = chunked.content().unwrap().hash;
    assert!(asks(chunked.dot(), chunk));
    assert!(!asks(open.dot(), chunk));
    assert!(!asks(private.dot(), private.content().unwrap().hash));
    assert!(!asks(private.dot(), chunk));
    assert!(!asks(chunked.dot(), Hash::of(b"another")));

    // News are pushed: what is public of them.
    let push = |actions: Vec<Action>| {
        let mut pushed = Vec::new();
        for message in messages(&actions) {
            if let Message::Changes(changes) = message {
                pushed.extend(changes.entries);
            }
        }
        pushed.len()
    };
    assert_eq!(
        push(victim.stores("/private/notes/c", b"news", Payload::Inline)),
        0
    );
    assert_eq!(
        push(victim.stores("/public/notes/c", b"news", Payload::Inline)),
        1
    );
}

#[test]
fn a_grant_that_has_run_out_opens_nothing() {
    let (device, guest) = (key(2), key(3));
    let mut membership = space(&[&device]);
    let until = WallTime(START_MS + 100_000);
    membership
        .add_grant(grant(&guest, Some(until), &owner()))
        .unwrap();
    let mut victim = Victim::new(&device, &membership, 1);
    victim.put("a", b"text");
    let link = victim.link(&guest);
    victim.says(link, &Message::Membership(membership.clone()));
    assert!(victim.answers(link), "while it is good");
    let actions = victim.pass(Duration::from_secs(200));
    assert_eq!(closes(&actions), Some(false), "no fault, and no link any more");
    let link = victim.link(&guest);
    victim.says(link, &Message::Membership(membership));
    assert!(!victim.answers(link));
    // Nor does one that is signed by it now.
    let late = Grant::issue(
        owner().owner_id(),
        key(4).node_id(),
        Capabilities::READ,
        victim.now.wall,
        None,
        "",
        &guest,
    );
    let mut with_late = victim.engine.membership().clone();
    assert!(with_late.add_grant(late).is_err());
}

#[test]
fn a_forged_grant_lets_nobody_in() {
    let (device, stranger) = (key(2), key(9));
    let mut victim = Victim::new(&device, &space(&[&device]), 1);
    victim.put("a", b"text");
    let before = victim.engine.membership().clone();

    // Signed by the stranger itself, who has made a space of its own look like this one.
    let frame = |grants: &[Grant]| {
        let empty = Message::Membership(Membership::new(owner().owner_id())).encode();
        let grants: Vec<serde_bytes::ByteBuf> = grants
            .iter()
            .map(|grant| serde_bytes::ByteBuf::from(grant.encode()))
            .collect();
        let none: Vec<serde_bytes::ByteBuf> = Vec::new();
        let body = (owner().owner_id(), grants, none.clone(), none);
        let made = codec::encode(&(1_u8, empty[2], body));
        assert_eq!(made[..3], empty[..3]);
        made
    };
    let link = victim.link(&stranger);
    victim.frame(link, frame(&[grant(&stranger, None, &stranger)]));
    assert!(!victim.answers(link));
    assert_eq!(*victim.engine.membership(), before);

    // In the owner's name, with another's signature.
    let link = victim.link(&stranger);
    let mut bytes = frame(&[grant(&stranger, None, &owner())]);
    let last = bytes.len() - 8;
    bytes[last] ^= 1;
    assert_eq!(
        closes(&victim.frame(link, bytes)),
        Some(true),
        "it costs the sender"
    );
    assert_eq!(*victim.engine.membership(), before);
    // The same without the change would have let it in: the test looks in the right place.
    let link = victim.link(&stranger);
    victim.frame(link, frame(&[grant(&stranger, None, &owner())]));
    assert!(victim.answers(link));
}

#[test]
fn a_stolen_device_that_says_again_what_it_said_changes_nothing() {
    let (device, thief, other) = (key(2), key(3), key(4));
    let membership = space(&[&device, &thief, &other]);
    let mut stolen = Victim::new(&thief, &membership, 2);
    let old = stolen.put("old", b"what it wrote while it was good");
    let mut victim = Victim::new(&device, &membership, 1);
    let link = victim.link(&thief);
    let said = [
        Message::Membership(membership.clone()).encode(),
        pushed(vec![stolen.carried(&old)]).encode(),
    ];
    for frame in &said {
        victim.frame(link, frame.clone());
    }
    assert_eq!(victim.entries(), std::slice::from_ref(&old));
    victim.put("old", b"another text, that takes its place");

    // It is revoked, and everything goes on. Then it says all of it again.
    let revocation = revocation(&membership, &thief);
    victim.handle(Event::Command {
        request: RequestId(99),
        command: Box::new(Command::Revoke(revocation)),
    });
    victim.put("new", b"sealed under the next epoch");
    let (documents, known) = (victim.documents(), victim.engine.membership().clone());
    let link = victim.link(&thief);
    for frame in &said {
        victim.frame(link, frame.clone());
    }
    assert!(!victim.answers(link), "it gets nothing");
    assert_eq!(victim.documents(), documents);
    assert_eq!(*victim.engine.membership(), known);
    // Nor when somebody passes it on who knows of nothing.
    let link = victim.link(&other);
    for frame in &said {
        victim.frame(link, frame.clone());
    }
    assert_eq!(victim.documents(), documents);
    assert_eq!(*victim.engine.membership(), known);
    assert!(victim.answers(link), "the other one is no thief");
    // What is new it could not read, whoever gives it to it.
    let new = victim
        .entries()
        .into_iter()
        .max_by_key(|entry| entry.dot().sequence)
        .unwrap();
    let first = Keyring::of_first(EpochKey::first(&owner()));
    assert!(
        first
            .open(&new, victim.carried(&new).attachment.as_deref())
            .is_none()
    );
    assert!(
        first
            .open(&old, stolen.carried(&old).attachment.as_deref())
            .is_some()
    );
}

#[test]
fn a_private_document_in_the_clear_is_refused() {
    let (device, member) = (key(2), key(3));
    let membership = space(&[&device, &member]);
    let mut victim = Victim::new(&device, &membership, 1);
    let link = victim.link(&member);
    victim.says(link, &Message::Membership(membership));
    let body = b"for everybody?".to_vec();
    let entry = |path: &str, sequence| {
        let dot = Dot {
            writer: Writer {
                node: member.node_id(),
                incarnation: Incarnation(5),
            },
            sequence: Sequence(sequence),
        };
        let content = Content {
            content_type: "text/plain".into(),
            hash: Hash::of(&body),
            len: body.len() as u64,
            payload: Payload::Inline,
            seal: None,
        };
        let change = Change {
            space: owner().owner_id(),
            dot,
            name: DocumentName::Clear(path.parse().unwrap()),
            context: Context::new(),
            time: HybridTime(START_MS << 16),
            operation: Operation::Put(content),
        };
        let signed = (
            2_u8,
            change.space,
            change.dot,
            change.name.clone(),
            change.context.clone(),
            change.time,
            change.operation.clone(),
        );
        let signature = Sign::sign(&member, "cairn 1 entry", &codec::encode(&signed));
        (change, codec::encode(&(signed, signature)))
    };
    // By hand it is made as the program makes it.
    let (change, bytes) = entry("/public/notes/a", 1);
    assert_eq!(Entry::sign(change, &member).unwrap().encode(), bytes);
    let carried = |entry: Vec<u8>| CarriedEntry {
        entry,
        attachment: Some(body.clone()),
    };
    victim.says(link, &pushed(vec![carried(bytes)]));
    assert_eq!(victim.entries().len(), 1, "a public one is taken");
    for (sequence, path) in [(2, "/private/notes/a"), (3, "/shared/notes/a")] {
        let (change, bytes) = entry(path, sequence);
        assert!(
            Entry::sign(change, &member).is_err(),
            "the program does not make it"
        );
        victim.says(link, &pushed(vec![carried(bytes)]));
        assert_eq!(victim.entries().len(), 1, "{path}");
    }
}

/// A restored disk, or a clone of it, gives the name of a change to other contents. No key stream may be used twice by that.
#[test]
fn a_dot_that_is_used_again_uses_no_key_again() {
    let device = key(2);
    let membership = space(&[&device]);
    let body = [
        b"one text of this length, thirty-two".to_vec(),
        b"and one more, of the same length!!!".to_vec(),
    ];
    let [one, other] = [0, 1].map(|index: usize| {
        // Two lives of one disk, alike in all: key, time and luck.
        let mut life = Victim::new(&device, &membership, 1);
        let entry = life.put("a", &body[index]);
        let sealed = life.carried(&entry).attachment.unwrap();
        assert_eq!(life.node, device.node_id());
        (entry, sealed)
    });
    assert_eq!(one.0.dot(), other.0.dot(), "the same name");
    assert_eq!(one.1.len(), other.1.len());
    assert_ne!(one.0.content().unwrap().seal, other.0.content().unwrap().seal);
    // Of one key stream the two sealed bodies would differ exactly as the bodies do, somewhere.
    let differ = |a: &[u8], b: &[u8]| -> Vec<u8> { a.iter().zip(b).map(|(a, b)| a ^ b).collect() };
    let (plain, sealed) = (differ(&body[0], &body[1]), differ(&one.1, &other.1));
    assert!(!sealed.windows(8).any(|window| window == &plain[..8]));
}

/// Kinds of messages by radio: docs/radio.md.
const ENTRIES: [u8; 2] = [2, 3];
const STATEMENT_LIST: u8 = 7;
const STATEMENTS: u8 = 8;

/// By radio it has the key that frames were sealed with, and may call itself as it likes.
#[test]
fn by_radio_a_stolen_device_that_poses_as_another_changes_nothing() {
    let (device, other, thief) = (key(2), key(3), key(4));
    let members = space(&[&device, &other, &thief]);
    let mut victim = Victim::new(&device, &members, 1);
    let first = EpochKey::first(&owner()).id();
    victim.radio();

    // What the other says when it writes, and what it says from time to time.
    let mut voice = Victim::new(&other, &members, 2);
    voice.radio();
    voice.hears(&device, first, &beacon_of(&mut victim));
    let mut said = broadcasts(&voice.stores("/public/notes/b", b"to be taken", Payload::Inline));
    for _ in 0..40 {
        said.extend(broadcasts(&voice.pass(Duration::from_secs(30))));
        said.extend(broadcasts(&voice.handle(Event::RadioReady { radio: RADIO })));
    }
    assert!(said.iter().all(|said| said.under.is_none()));
    let said: Vec<Vec<u8>> = said.into_iter().map(|said| said.message).collect();
    assert!(
        said.iter().any(|message| ENTRIES.contains(&message[0])),
        "{said:?}"
    );

    // The thief is shut out: another key is the current one.
    let known = victim.engine.membership().clone();
    let revocation = revocation(&known, &thief);
    let actions = victim.handle(Event::Command {
        request: RequestId(77),
        command: Box::new(Command::Revoke(revocation)),
    });
    let current = actions.iter().find_map(|action| match action {
        Action::Keys(keyring) => keyring.current().map(EpochKey::id),
        _ => None,
    });
    let current = current.expect("the next epoch began");
    assert_ne!(current, first);

    let documents = victim.documents();
    let mut told = Vec::new();
    for message in &said {
        told.extend(broadcasts(&victim.hears(&other, first, message)));
    }
    // Lists in which nothing is known, all day long.
    for _ in 0..86_400 / 20 {
        told.extend(broadcasts(&victim.hears(&other, first, &[STATEMENT_LIST])));
        told.extend(broadcasts(&victim.pass(Duration::from_secs(20))));
    }
    assert_eq!(victim.documents(), documents);
    assert!(!known.is_revoked(other.node_id()));
    let actions = victim.handle(Event::Command {
        request: RequestId(78),
        command: Box::new(Command::Status),
    });
    let heard = actions.iter().find_map(|action| match action {
        Action::Reply {
            result: Ok(Reply::Status(status)),
            ..
        } => Some(status.heard.clone()),
        _ => None,
    });
    assert_eq!(heard, Some(Vec::new()));
    // To those who have the earlier key nothing is said but of membership, and of that little.
    let earlier: Vec<&Broadcast> = told.iter().filter(|told| told.under.is_some()).collect();
    for broadcast in &earlier {
        assert_eq!(broadcast.under, Some(first));
        assert!([STATEMENT_LIST, STATEMENTS].contains(&broadcast.message[0]));
    }
    let bytes: usize = earlier.iter().map(|broadcast| broadcast.message.len()).sum();
    assert!((1..80).contains(&earlier.len()), "{}", earlier.len());
    assert!(bytes < 80_000, "{bytes}");

    // What it signs of keys now is not taken under the key that it has; from one who is still heard it may be older.
    let claim = EpochKeys {
        space: owner().owner_id(),
        epoch: current,
        earlier: vec![],
        handed_on: vec![],
        boxes: vec![],
        shut_out: vec![device.node_id()],
        issued: WallTime(START_MS + 1),
    };
    let claim = KeyEpoch::sign(claim, &thief).encode();
    let len = claim.len();
    let plain = [&[2, (len & 0x7f | 0x80) as u8, (len >> 7) as u8][..], &claim].concat();
    let message = [&[STATEMENTS, 0][..], &plain].concat();
    let known = victim.engine.membership().key_epochs().count();
    victim.hears(&other, first, &message);
    assert_eq!(victim.engine.membership().key_epochs().count(), known);
    victim.hears(&other, current, &message);
    assert_eq!(victim.engine.membership().key_epochs().count(), known + 1);
    assert!(!victim.engine.membership().must_end(current));

    // The same is taken from one who has the current key.
    for message in &said {
        victim.hears(&other, current, message);
    }
    assert_eq!(victim.entries().len(), 1);
}

/// What a node says of its state.
fn beacon_of(node: &mut Victim) -> Vec<u8> {
    for _ in 0..60 {
        let said = broadcasts(&node.pass(Duration::from_secs(1)));
        if let Some(said) = said.into_iter().find(|said| said.message[0] == 1) {
            return said.message;
        }
    }
    panic!("no beacon within a minute");
}

/// Who shuts a device out may not be able to change keys, and nobody may write for long: by radio each frame is sealed with the key that it has.
#[test]
fn whoever_has_a_radio_changes_keys_once_somebody_is_shut_out() {
    let (device, other, thief) = (key(2), key(3), key(4));
    let members = space(&[&device, &other, &thief]);
    let mut shut = members.clone();
    shut.add_revocation(revocation(&members, &thief)).unwrap();
    for has_radio in [true, false] {
        let mut victim = Victim::new(&device, &members, 1);
        if has_radio {
            victim.radio();
        }
        let link = victim.link(&other);
        let mut actions = victim.says(link, &Message::Membership(shut.clone()));
        for _ in 0..20 {
            actions.extend(victim.pass(Duration::from_secs(60)));
        }
        assert!(victim.engine.membership().is_revoked(thief.node_id()));
        let changed = actions.iter().any(|action| matches!(action, Action::Keys(_)));
        assert_eq!(changed, has_radio);
    }
}
