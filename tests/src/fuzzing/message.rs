//! Messages, and the grants and revocations that they carry.

use cairn::mesh::{
    Acknowledgement, Announced, Announcement, BATCH_ENTRIES_MAX, CarriedEntry, Changes, ErrorCode,
    FollowChunk, Hello, LiveSet, Message, REASON_LEN_MAX, StorageError, StorageRequest, StorageResponse,
    SyncRequest, carried_chunk, chunk_frame,
};
use cairn::model::{CHUNK_LEN_MAX, HybridTime, WallTime};

use super::choices::Choices;
use super::{build, membership};

/// Laws: a message has one frame, within its bounds; its JSON form is one object that says what it is and survives
/// its text; the short way to a chunk finds what the long way finds; no change to what is signed is accepted; grants,
/// revocations and memberships that were issued can be read, and give nobody more than was granted.
pub fn message(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 7 {
        0 => read(choices.rest()),
        1 => {
            let body = choices.rest();
            read(&[&[0x83, 1], body].concat())
        }
        2 => built(&mut choices),
        3 => membership::grant_bytes(choices.rest()),
        4 => {
            let context = ["cairn 1 device grant", "cairn 1 revocation"][choices.below(2)];
            membership::grant_bytes(&membership::signed(choices.rest(), context))
        }
        5 => membership::statement(&mut choices),
        _ => {
            membership::check(&membership::membership(&mut choices));
            true
        }
    }
}

fn read(frame: &[u8]) -> bool {
    let Ok(message) = Message::decode(frame) else {
        // The short way is for bulk that the long way never sees: it must not find more.
        assert_eq!(
            carried_chunk(frame).map(|(hash, bytes)| chunk_frame(&hash, bytes) == frame),
            None
        );
        return false;
    };
    assert_eq!(message.encode(), frame, "a message has one frame");
    check(&message, frame);
    true
}

fn check(message: &Message, frame: &[u8]) {
    let json = message.to_json();
    assert_eq!(json["type"], message.name());
    let again: serde_json::Value = serde_json::from_str(&json.to_string()).expect("JSON");
    assert_eq!(again, json, "the JSON form survives its text");
    let carried = carried_chunk(frame);
    match message {
        Message::StorageResponse(response) => {
            assert_eq!(carried, Some((response.chunk, &response.bytes[..])));
            assert_eq!(chunk_frame(&response.chunk, &response.bytes), frame);
            assert!(response.bytes.len() <= CHUNK_LEN_MAX as usize);
        }
        _ => assert_eq!(carried, None, "no other message carries a chunk"),
    }
    match message {
        Message::Changes(changes) => assert!(changes.entries.len() <= BATCH_ENTRIES_MAX),
        Message::StorageError(error) => assert!(error.reason.len() <= REASON_LEN_MAX),
        Message::Membership(space) => membership::check(space),
        _ => {}
    }
}

/// Builds a message and reads it again, whole or damaged.
fn built(choices: &mut Choices) -> bool {
    let message = any(choices);
    let mut frame = message.encode();
    assert_eq!(Message::decode(&frame).as_ref(), Ok(&message));
    assert!(is_signed(&message), "what was signed is valid");
    check(&message, &frame);
    if !choices.damage(&mut frame) {
        return true;
    }
    let valid = read(&frame);
    if let Ok(other) = Message::decode(&frame) {
        let same_kind = other.kind() == message.kind();
        let has_signature = matches!(other, Message::StorageNode(_) | Message::Acknowledgement(_));
        assert!(
            !(same_kind && has_signature && is_signed(&other)),
            "a statement that was changed is refused"
        );
    }
    valid
}

fn is_signed(message: &Message) -> bool {
    match message {
        Message::StorageNode(announcement) => announcement.verified().is_ok(),
        Message::Acknowledgement(acknowledgement) => acknowledgement.verify().is_ok(),
        _ => true,
    }
}

fn any(choices: &mut Choices) -> Message {
    match choices.byte() % 10 {
        0 => Message::Hello(Hello {
            instance: choices.number(),
            tag: build::hash(choices),
            again: choices.flag(),
        }),
        1 => Message::Membership(membership::membership(choices)),
        2 => Message::StorageNode(announcement(choices)),
        3 => {
            let request = SyncRequest {
                session: choices.number(),
                clock: build::clock(choices),
                live: choices.flag(),
            };
            match choices.flag() {
                true => Message::FollowRequest(request),
                false => Message::SyncRequest(request),
            }
        }
        4 => Message::Changes(Changes {
            session: choices.option(Choices::number),
            entries: choices.list(6, |choices| CarriedEntry {
                entry: choices
                    .option(build::entry)
                    .map_or(Vec::new(), |entry| entry.encode()),
                attachment: choices.option(Choices::blob),
            }),
            scanned: build::clock(choices),
            done: choices.option(build::clock),
            live: choices.option(|choices| LiveSet {
                clock: build::clock(choices),
                dots: build::clock(choices),
            }),
        }),
        5 => Message::Acknowledgement(Acknowledgement::sign(
            choices.key().owner_id(),
            HybridTime(choices.number()),
            build::clock(choices),
            choices.key(),
        )),
        6 => {
            let chunk = build::hash(choices);
            match choices.flag() {
                true => Message::FollowChunk(FollowChunk {
                    dot: build::dot(choices),
                    chunk,
                }),
                false => Message::StorageRequest(StorageRequest { chunk }),
            }
        }
        7 => Message::StorageResponse(StorageResponse {
            chunk: build::hash(choices),
            bytes: choices.blob(),
        }),
        8 => Message::StorageError(StorageError {
            code: ErrorCode::try_from(choices.byte() % 5 + 1).expect("one of five"),
            chunk: choices.option(build::hash),
            reason: choices.text().chars().take(REASON_LEN_MAX / 4).collect(),
        }),
        _ => Message::Twin,
    }
}

fn announcement(choices: &mut Choices) -> Announcement {
    let key = choices.key();
    let announced = Announced {
        node: key.node_id(),
        free_bytes: choices.number(),
        time: WallTime(choices.number()),
        spaces: choices.list(64, |choices| (build::hash(choices), build::hash(choices))),
        acknowledgements: build::hash(choices),
        membership: build::hash(choices),
    };
    Announcement::sign(announced, key)
}
