//! Valid structures as inputs: where the corpora begin, and proof that the wire has not moved away from them.

use cairn::daemon::Invite;
use cairn::mesh::{Acknowledgement, Config, FollowChunk, Hello, Keys, Message, SyncRequest};
use cairn::model::{
    Capabilities, Change, ChunkRef, Clock, Content, Context, DocumentName, DocumentPath, Dot, Entry, Grant,
    Hash, HybridTime, Incarnation, Manifest, Membership, Operation, Payload, Revocation, Sequence, WallTime,
    Writer, codec,
};
use cairn::record::{ActionKind, Answer, Done, Given, GivenCommand, Head, Mark, Record, Row};
use cairn::seal::{Cost, Keyring, LockedKey, Passphrase, PassphraseKey, RecoveryPhrase};
use cairn_transports::framing::{close, frame_head, ping};
use zeroize::Zeroizing;

use super::choices::key;

/// Inputs by their target and name. Each of them is valid: its target says so.
pub fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let raw = |mode: u8, bytes: &[u8]| [&[mode], bytes].concat();
    let entry = entry().encode();
    let signed_part = entry[1..entry.len() - 66].to_vec();
    let grant = grant().encode();
    let kept = vec![Grant::decode(&grant).map(|grant| grant.id()).expect("a grant")];
    let revocation =
        Revocation::issue(key(0).owner_id(), key(1).node_id(), WallTime(9), kept, key(0)).encode();
    let records = [&frame_head(3)[..], b"abc", &ping(7), &close("bye")].concat();
    let mut all = vec![
        ("clock", "clock", raw(0, &codec::encode(&clock()))),
        ("clock", "context", raw(0, &codec::encode(&context()))),
        ("clock", "built-clocks", raw(2, &[7; 64])),
        ("clock", "built-contexts", raw(3, &[7; 64])),
        ("entry", "entry", raw(0, &entry)),
        ("entry", "signed-part", raw(1, &signed_part)),
        ("entry", "built", built_entry()),
        ("entry", "manifest", raw(3, &manifest().encode())),
        ("frame", "records", [&[0, 0], &records[..]].concat()),
        ("frame", "built", raw(1, &[0, 0, 3, 0, 2, 5, 6])),
        ("handshake", "sealed", raw(1, &[2, 0, 0, 0, 9, 1, 1, 1])),
        ("handshake", "talk", raw(2, &[0, 1, 3, 20])),
        ("invite", "code", raw(0, invite_code().as_bytes())),
        ("invite", "bytes", raw(1, &invite_bytes())),
        ("invite", "built", raw(2, &[2, 0, 0, 0, 0, 0])),
        ("keys", "locked", raw(0, &locked_key().encode())),
        ("keys", "built", raw(1, &[7; 90])),
        ("keys", "phrase", raw(2, phrase().as_bytes())),
        ("message", "grant", raw(3, &grant)),
        (
            "message",
            "grant-body",
            raw(4, &[&[0], &grant[1..grant.len() - 66]].concat()),
        ),
        ("message", "revocation", raw(3, &revocation)),
        (
            "message",
            "revocation-body",
            raw(4, &[&[1], &revocation[1..revocation.len() - 66]].concat()),
        ),
        (
            "message",
            "built-membership",
            raw(6, &[3, 0, 0, 1, 0, 0, 0, 1, 2]),
        ),
        ("path", "document", raw(0, b"/public/notes/a")),
        ("path", "folder", raw(0, b"/private/notes/")),
        ("path", "address", raw(1, b"/public/m/%25%C3%BC+")),
        ("path", "encoded", raw(2, &codec::encode(&path()))),
        (
            "app_request",
            "implicit",
            b"redirect_uri=https%3A%2F%2Fapp.example%2Fx%3Fy&scope=notes%3Arw+photos:r&client_id=Editor&response_type=token&state=s%23"
                .to_vec(),
        ),
        (
            "app_request",
            "code",
            b"redirect_uri=http://[::1]:8000&scope=*:r&client_id=a&response_type=code&code_challenge_method=S256&\
              code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
                .to_vec(),
        ),
    ];
    all.extend(radio());
    all.extend(recording());
    for (name, message) in messages() {
        all.push(("message", name, raw(0, &message.encode())));
    }
    all
}

fn locked_key() -> LockedKey {
    let passphrase = Passphrase::from_line(Zeroizing::new("correct horse".to_owned())).expect("a passphrase");
    let by = PassphraseKey::derive(&passphrase, Cost::LEAST, [1; 16]).expect("a sensible cost");
    by.lock("device.key", &[2; 32], [3; 24])
}

fn phrase() -> String {
    let words: Vec<_> = RecoveryPhrase::of(key(0)).words().collect();
    words.join(" ")
}

/// Pieces as a port says them: length, pause in hundredths of a second, bytes.
fn pieces(pieces: &[(u8, &[u8])]) -> Vec<u8> {
    pieces
        .iter()
        .flat_map(|(pause, bytes)| [&[bytes.len() as u8, *pause], *bytes].concat())
        .collect()
}

fn radio() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let hello: &[u8] = &[
        0xc0, 0x08, 0x46, 0xc0, 0x50, 0x01, 0x56, 0xc0, 0x48, 0x80, 0xc0, 0x49, 0x81, 0xc0,
    ];
    let parameters: &[u8] = &[
        0xc0, 0x01, 0x33, 0xbe, 0x27, 0xa0, 0xc0, 0x02, 0x00, 0x01, 0xe8, 0x48, 0xc0, 0x03, 0x0e, 0xc0, 0x04,
        0x08, 0xc0, 0x05, 0x05, 0xc0, 0x06, 0x01, 0xc0,
    ];
    let frame: &[u8] = &[
        0xc0, 0x23, 0x39, 0xc0, 0x24, 0xf6, 0xc0, 0x00, 1, 0xdb, 0xdc, 2, 0xc0,
    ];
    let registers: &[u8] = &[0xc1, 0x00, 0x07, 0xff, 0xff, 0x00, 0x62, 0x02, 0x12, 0x93];
    let packet: &[u8] = &[3, 3 ^ 0x55, 1, 2, 3, 0x9c];
    let lines: Vec<(u8, &[u8])> = [
        "+OK",
        "+VER=RYLR998_V1.2.2",
        "+OK",
        "+OK",
        "+OK",
        "+OK",
        "+OK",
        "+OK",
        "+ADDRESS=0",
        "+NETWORKID=6",
        "+BAND=868500000",
        "+PARAMETER=8,7,1,12",
        "+CRFOP=14",
        "+RCV=50,5,0rr91,-99,40",
    ]
    .iter()
    .flat_map(|line| [(1, line.as_bytes()), (0, b"\r\n".as_slice())])
    .collect();
    let reading: &[u8] = br#"{"temperature":21.5,"time":"2026-11-24T08:00:00Z"}"#;
    // The sender's incarnation; then a document: flags, sequence, time, path, type, content.
    let batch = [
        [1, 0, 0, 0, 0, 1, 0, 0, 0, 2].as_slice(),
        &[1, 2, 0, 0, 10],
        b"\x01m/reading",
        &[1, 2],
        b"{}",
    ]
    .concat();
    vec![
        (
            "kiss",
            "online",
            pieces(&[(1, hello), (2, parameters), (3, frame)]),
        ),
        (
            "e22",
            "online",
            pieces(&[(10, registers), (10, b""), (10, packet)]),
        ),
        ("rylr", "online", pieces(&lines)),
        // Answers when the probe asks for this kind of modem, after it asked for those before.
        ("kiss", "probed", pieces(&[(140, hello)])),
        ("e22", "probed", pieces(&[(3, b"noise"), (7, registers)])),
        (
            "rylr",
            "probed",
            pieces(&[(80, b"+ERR=2\r\n+OK\r\n"), (1, b"+VER=RYLR896\r\n")]),
        ),
        ("radio_frame", "message", vec![1, 0b0010_1000, 5, 0, 0, 1, 2, 3]),
        (
            "radio_frame",
            "introduction",
            [&[2, 2, 5, 0, 0], [3; 44].as_slice()].concat(),
        ),
        ("radio_frame", "fragment", vec![1, 0b0100_1101, 5, 1, 2, 9, 9]),
        (
            "radio_frame",
            "status",
            vec![1, 0b1000_1000, 5, 0, 0, 1, 0, 5, 0, 2, 0xa0],
        ),
        ("fragments", "carried", vec![30, 0b0101_0000, 0xff, 1]),
        (
            "radio_message",
            "beacon",
            vec![0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2],
        ),
        (
            "radio_message",
            "want",
            [&[0, 5, 1, 1, 1, 1], [7; 8].as_slice()].concat(),
        ),
        ("radio_message", "statements", vec![1, 8, 0, 2, 9, 9]),
        (
            "radio_message",
            "batch",
            [&[3, 1], [7; 64].as_slice(), &batch].concat(),
        ),
        // A chunk in each of the forms, undamaged.
        ("radio_message", "plain", [&[4, 0, 0, 0, 0, 6], reading].concat()),
        ("radio_message", "zstd", [&[4, 1, 9, 0, 0, 6], reading].concat()),
        ("radio_message", "bzip2", [&[4, 2, 99, 0, 0, 6], reading].concat()),
        ("radio_message", "ask", vec![0, 11, 1, 1, 1, 1, 2, 2, 2, 2]),
        (
            "radio_message",
            "acknowledgements",
            [
                &[0, 12, 1, 1, 1, 1, 1, 1, 5, 5, 5, 5],
                [6; 8].as_slice(),
                &[0],
                &[7; 64],
            ]
            .concat(),
        ),
        (
            "radio_message",
            "live-question",
            [&[0, 13], [1; 16].as_slice()].concat(),
        ),
        (
            "radio_message",
            "living",
            [&[5, 14], [1; 12].as_slice(), &[1, 9, 9, 9, 9, 1, 0, 5]].concat(),
        ),
        (
            "radio_message",
            "summary",
            [
                &[0, 4],
                [1; 6].as_slice(),
                &[6, 1],
                &[2; 12],
                &[1, 9, 9, 9, 9, 1, 0, 5, 0],
            ]
            .concat(),
        ),
    ]
}

fn recording() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let content = entry().content().cloned().expect("a PUT");
    let put = GivenCommand::Put(
        path(),
        content,
        Some(vec![0_u8; 5].into()),
        vec![(true, None)],
        false,
    );
    let records = [
        Record::Given(1_000, 1_790_000_000_000, Given::Timer),
        Record::Done(Done {
            answers: vec![Answer::Length(70), Answer::Complaint("malformed".to_owned())],
            marks: vec![Mark(ActionKind::Send, 7)],
            due_us: Some(2_000),
            state: 0,
        }),
        Record::End("the node was stopped".to_owned()),
    ];
    let mut writer = cairn::record::Writer::new(vec![0]).expect("memory takes it");
    for record in &records {
        writer.write(record).expect("memory takes it");
    }
    let one = |record: Record| [&[1], codec::encode(&record).as_slice()].concat();
    let config = Config {
        key: Keys {
            device: key(0).clone(),
            owner: None,
            space: Keyring::new(),
        },
        owner: key(0).owner_id(),
        membership: Membership::new(key(0).owner_id()),
        continues: true,
        quota_bytes: None,
        announce_interval: Config::ANNOUNCE_INTERVAL,
        tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
        radio_payloads: cairn::mesh::PayloadPolicy::DEFAULT,
        follows: false,
    };
    let mut head = Head::new(&config, &[3; 32]);
    head.program = "0.1.0".to_owned();
    let row = Row {
        table: "entries".to_owned(),
        key: vec![1],
        value: entry().encode(),
    };
    let twin = Message::Twin.encode().into();
    vec![
        ("recording", "file", writer.into_inner()),
        ("recording", "head", one(Record::Head(Box::new(head)))),
        ("recording", "rows", one(Record::Rows(vec![row]))),
        (
            "recording",
            "put",
            one(Record::Given(5, 6, Given::Command(1, put))),
        ),
        (
            "recording",
            "frame",
            one(Record::Given(5, 6, Given::Frame(2, twin))),
        ),
    ]
}

fn path() -> DocumentPath {
    DocumentPath::parse("/public/notes/a").expect("a path")
}

fn dot(sequence: u64) -> Dot {
    Dot {
        writer: Writer {
            node: key(0).node_id(),
            incarnation: Incarnation(9),
        },
        sequence: Sequence(sequence),
    }
}

fn clock() -> Clock {
    [1, 2, 5].into_iter().map(dot).collect()
}

fn context() -> Context {
    let mut context = Context::new();
    context.insert(dot(2));
    context
}

/// Choices that make a change which can be signed.
fn built_entry() -> Vec<u8> {
    let inputs = (0..=u8::MAX).map(|byte| [&[2], &[byte; 200][..]].concat());
    let mut good = inputs.filter(|input| super::entry::entry(input));
    good.next().expect("some of them do")
}

fn entry() -> Entry {
    let content = Content {
        content_type: "text/plain".to_owned(),
        hash: Hash::of(b"hello"),
        len: 5,
        payload: Payload::Inline,
        seal: None,
    };
    let change = Change {
        space: key(0).owner_id(),
        dot: dot(3),
        name: DocumentName::Clear(path()),
        context: context(),
        time: HybridTime(77),
        operation: Operation::Put(content),
    };
    Entry::sign(change, key(0)).expect("every bound is kept")
}

fn manifest() -> Manifest {
    let chunk = |len| ChunkRef {
        hash: Hash([len as u8; 32]),
        len,
    };
    Manifest::new(vec![chunk(70_000), chunk(5)]).expect("every bound is kept")
}

fn grant() -> Grant {
    Grant::issue(
        key(0).owner_id(),
        key(1).node_id(),
        Capabilities::ALL,
        WallTime(5),
        None,
        "laptop",
        key(0),
    )
}

fn messages() -> [(&'static str, Message); 7] {
    let mut membership = Membership::new(key(0).owner_id());
    membership.add_grant(grant()).expect("by the owner");
    [
        (
            "hello",
            Message::Hello(Hello {
                instance: 7,
                tag: Hash([1; 32]),
                again: true,
            }),
        ),
        ("membership", Message::Membership(membership)),
        (
            "sync-request",
            Message::SyncRequest(SyncRequest {
                session: 1,
                clock: clock(),
                live: true,
            }),
        ),
        (
            "acknowledgement",
            Message::Acknowledgement(Acknowledgement::sign(
                key(0).owner_id(),
                HybridTime(9),
                clock(),
                key(0),
            )),
        ),
        ("twin", Message::Twin),
        (
            "follow-request",
            Message::FollowRequest(SyncRequest {
                session: 2,
                clock: clock(),
                live: false,
            }),
        ),
        (
            "follow-chunk",
            Message::FollowChunk(FollowChunk {
                dot: dot(3),
                chunk: Hash([2; 32]),
            }),
        ),
    ]
}

fn invite_code() -> String {
    let space = Membership::new(key(0).owner_id());
    let addresses = vec!["tcp://192.168.1.5:7781".to_owned()];
    let seed = Zeroizing::new([5; 32]);
    let (invite, _) = Invite::issue("ada", key(0), &space, seed, addresses, WallTime(1), WallTime(9));
    invite.encode()
}

/// What the code holds, without the check behind it.
fn invite_bytes() -> Vec<u8> {
    let code = invite_code();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(&code.as_bytes()[6..]);
    let mut bytes = bytes.expect("made above");
    bytes.truncate(bytes.len() - 4);
    bytes
}
