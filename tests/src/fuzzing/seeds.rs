//! Valid structures as inputs: where the corpora begin, and proof that the wire has not moved away from them.

use cairn::daemon::Invite;
use cairn::mesh::{Acknowledgement, Hello, Message, SyncRequest};
use cairn::model::{
    Capabilities, Change, ChunkRef, Clock, Content, Context, DocumentPath, Dot, Entry, Grant, Hash,
    HybridTime, Incarnation, Manifest, Membership, Operation, Payload, Revocation, Sequence, WallTime,
    Writer, codec,
};
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
        ("entry", "built", raw(2, &[7; 60])),
        ("entry", "manifest", raw(3, &manifest().encode())),
        ("frame", "records", [&[0, 0], &records[..]].concat()),
        ("frame", "built", raw(1, &[0, 0, 3, 0, 2, 5, 6])),
        ("handshake", "sealed", raw(1, &[2, 0, 0, 0, 9, 1, 1, 1])),
        ("handshake", "talk", raw(2, &[0, 1, 3, 20])),
        ("invite", "code", raw(0, invite_code().as_bytes())),
        ("invite", "bytes", raw(1, &invite_bytes())),
        ("invite", "built", raw(2, &[2, 0, 0, 0, 0, 0])),
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
    ];
    let names = ["hello", "membership", "sync-request", "acknowledgement", "twin"];
    for (name, message) in names.into_iter().zip(messages()) {
        all.push(("message", name, raw(0, &message.encode())));
    }
    all
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

fn entry() -> Entry {
    let content = Content {
        content_type: "text/plain".to_owned(),
        hash: Hash::of(b"hello"),
        len: 5,
        payload: Payload::Inline,
    };
    let change = Change {
        space: key(0).owner_id(),
        dot: dot(3),
        path: path(),
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

fn messages() -> [Message; 5] {
    let mut membership = Membership::new(key(0).owner_id());
    membership.add_grant(grant()).expect("by the owner");
    [
        Message::Hello(Hello {
            instance: 7,
            tag: Hash([1; 32]),
            again: true,
        }),
        Message::Membership(membership),
        Message::SyncRequest(SyncRequest {
            session: 1,
            clock: clock(),
            live: true,
        }),
        Message::Acknowledgement(Acknowledgement::sign(
            key(0).owner_id(),
            HybridTime(9),
            clock(),
            key(0),
        )),
        Message::Twin,
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
