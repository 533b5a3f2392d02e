//! Taking contents out of what an engine is given and does.

use crate::mesh::{self, CarriedEntry, Message};
use crate::model::{Attachment, Content, Entry, Hash, Manifest, Payload};
use crate::space::Payloads;

/// What a replay refuses as well: no content, no placeholder and no manifest.
const REFUSED: u8 = 0xff;

/// A frame that came in, without contents. One that cannot be read becomes an empty one: what the decoder said of it is
/// noted by the engine.
pub(super) fn frame(frame: &[u8]) -> Vec<u8> {
    match Message::decode(frame) {
        Ok(Message::Changes(mut changes)) => {
            changes.entries.iter_mut().for_each(carried);
            Message::Changes(changes).encode()
        }
        // Chunks never come this far, but those that nobody asked for.
        Ok(Message::StorageResponse(mut response)) => {
            response.bytes.fill(0);
            Message::StorageResponse(response).encode()
        }
        Ok(_) => frame.to_vec(),
        Err(_) => Vec::new(),
    }
}

/// A frame that an engine sends, whose contents are good, or placeholders.
pub(super) fn own_frame(frame: &[u8]) -> Vec<u8> {
    match Message::decode(frame) {
        Ok(Message::Changes(mut changes)) => {
            for carried in &mut changes.entries {
                let entry = Entry::decode_trusted(&carried.entry).ok();
                let content = entry.as_ref().and_then(Entry::content);
                if let (Some(content), Some(bytes)) = (content, &mut carried.attachment) {
                    blank(content, bytes);
                }
            }
            Message::Changes(changes).encode()
        }
        _ => frame.to_vec(),
    }
}

/// A message by radio without contents.
pub(super) fn radio_message(message: &[u8], written_with: Payloads) -> Vec<u8> {
    mesh::redact_radio_message(message, written_with)
}

fn carried(carried: &mut CarriedEntry) {
    let entry = Entry::decode_trusted(&carried.entry);
    if let Some(bytes) = &mut carried.attachment {
        attachment(entry.as_ref().ok().and_then(Entry::content), bytes);
    }
    if entry.is_err() {
        carried.entry.clear();
    }
}

/// What stands beside an entry with `content`: a small content or a sealed body becomes zeros if it is the right one, and something that
/// is refused if it is not. Manifests list hashes: they stay.
pub(super) fn attachment(content: Option<&Content>, bytes: &mut Vec<u8>) {
    let is_right = content.is_some_and(|content| is_right(content, bytes));
    match content.filter(|_| is_right) {
        Some(content) => blank(content, bytes),
        None => bytes.fill(REFUSED),
    }
}

fn is_right(content: &Content, bytes: &[u8]) -> bool {
    let Some(parts) = Attachment::split(Some(content), Some(bytes)) else {
        return false;
    };
    let is_long = content.payload == Payload::Inline && bytes.len() as u64 != content.len;
    !is_long
        && parts.body.is_none_or(|body| Hash::of(body) == content.hash)
        && parts
            .manifest
            .is_none_or(|manifest| Manifest::decode(manifest).is_ok())
}

fn blank(content: &Content, bytes: &mut Vec<u8>) {
    match (content.payload, content.seal) {
        (Payload::Inline, _) => bytes.fill(0),
        (_, Some(_)) => {
            if let Some(blank) = Attachment::blank_joined(bytes) {
                *bytes = blank;
            }
        }
        _ => {}
    }
}

/// A value that is stored beside the live entry whose encoding is `entry`.
pub(super) fn stored(entry: Option<&[u8]>, value: &mut Vec<u8>) {
    let entry = entry.and_then(|entry| Entry::decode_trusted(entry).ok());
    match entry.as_ref().and_then(Entry::content) {
        Some(content) if is_right(content, value) => blank(content, value),
        _ => value.fill(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{Changes, StorageResponse};
    use crate::model::{
        Change, Clock, Context, DocumentName, DocumentPath, Dot, HybridTime, Incarnation, KeyPair, Operation,
        Sequence, Writer,
    };
    use proptest::prelude::*;

    fn entry(content: Option<&[u8]>) -> Entry {
        let key = KeyPair::from_seed(&[1; 32]);
        let operation = content.map_or(Operation::Delete, |content| {
            Operation::Put(Content {
                content_type: "text/plain".into(),
                hash: Hash::of(content),
                len: content.len() as u64,
                payload: Payload::Inline,
                seal: None,
            })
        });
        let writer = Writer {
            node: key.node_id(),
            incarnation: Incarnation(9),
        };
        let change = Change {
            space: key.owner_id(),
            dot: Dot {
                writer,
                sequence: Sequence(1),
            },
            name: DocumentName::Clear(DocumentPath::parse("/public/a/b").unwrap()),
            context: Context::new(),
            time: HybridTime(7),
            operation,
        };
        Entry::sign(change, &key).unwrap()
    }

    fn changes(carried: &[(&Entry, Option<&[u8]>)]) -> Vec<u8> {
        let entries = carried.iter().map(|(entry, attachment)| CarriedEntry {
            entry: entry.encode(),
            attachment: attachment.map(<[u8]>::to_vec),
        });
        let changes = Changes {
            session: None,
            entries: entries.collect(),
            scanned: Clock::new(),
            done: None,
            live: None,
        };
        Message::Changes(changes).encode()
    }

    #[test]
    fn good_contents_are_taken_again_and_bad_ones_refused() {
        let (good, empty, gone) = (entry(Some(b"secret")), entry(Some(b"")), entry(None));
        let sent = changes(&[
            (&good, Some(b"secret")),
            (&good, Some(b"SECRET")),
            (&good, None),
            (&empty, Some(b"")),
            (&gone, None),
            (&gone, Some(b"secret")),
        ]);
        let redacted = frame(&sent);
        assert_eq!(redacted.len(), sent.len());
        let Ok(Message::Changes(changes)) = Message::decode(&redacted) else {
            panic!("it was readable before");
        };
        let taken: Vec<bool> = changes
            .entries
            .iter()
            .map(|carried| {
                let entry = Entry::decode(&carried.entry).unwrap();
                let attachment = carried.attachment.as_deref();
                Payloads::Placeholders.attach(&entry, attachment).is_ok()
            })
            .collect();
        assert_eq!(taken, [true, false, false, true, true, false]);
        assert!(
            !redacted
                .windows(6)
                .any(|part| part.eq_ignore_ascii_case(b"secret"))
        );
    }

    #[test]
    fn an_engine_and_its_replay_send_the_same() {
        let good = entry(Some(b"secret"));
        let real = own_frame(&changes(&[(&good, Some(b"secret"))]));
        assert_eq!(real, own_frame(&changes(&[(&good, Some(&[0; 6]))])));
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let bytes = b"secret".to_vec();
        let chunk = Hash::of(&bytes);
        let response = Message::StorageResponse(StorageResponse { chunk, bytes }).encode();
        assert!(!frame(&response).windows(6).any(|part| part == b"secret"));
        assert_eq!(frame(&response[..response.len() - 1]), b"");
    }

    proptest! {
        #[test]
        fn any_frame_is_redacted(mut bytes: Vec<u8>, kind in 0_u8..12) {
            bytes.splice(0..0, [0x83, 1, kind]);
            let once = frame(&bytes);
            prop_assert_eq!(frame(&once).len(), once.len());
        }
    }
}
