//! Messages by radio without the contents of documents, for recordings.
//!
//! A batch of entries carries small contents, and their hashes are computed from them. Here each content becomes its
//! hash; who reads the batch with [`Payloads::Placeholders`] gets the same entries, whose signatures still fit.

use super::entries::{self, Before, HASHED, INLINE, MANIFEST, SEALED, Writers};
use super::message::RadioMessage;
use super::squeeze::{plainly, unsqueeze};
use super::wire::{Reader, Result};
use crate::model::{Attachment, Hash, NodeId};
use crate::space::Payloads;

/// The message with each small content replaced by its hash. Of what cannot be read nothing stays but that it cannot.
///
/// `written_with`: what stands in for contents in the message. Idempotent: a message by an engine that is replayed
/// comes out as it is.
pub(crate) fn redact(message: &[u8], written_with: Payloads) -> Vec<u8> {
    match RadioMessage::decode(message) {
        Ok(RadioMessage::Entries { summary, entries }) => {
            let entries = redact_entries(&entries, written_with).unwrap_or_default();
            RadioMessage::Entries { summary, entries }.encode()
        }
        // Nobody looks into a chunk that comes to the engine.
        Ok(RadioMessage::Chunk(_)) => RadioMessage::Chunk(Vec::new()).encode(),
        Ok(_) => message.to_vec(),
        Err(_) => Vec::new(),
    }
}

/// What an engine makes of the batch does not depend on it being this or the one that was given.
fn redact_entries(bytes: &[u8], written_with: Payloads) -> Result<Vec<u8>> {
    let (signatures, squeezed) = entries::read_signatures(bytes)?;
    let plain = unsqueeze(squeezed, entries::plain_len_max(written_with))?;
    let mut reader = Reader::new(&plain);
    // Whoever is not known at the real place is left out there, from either form.
    let anybody = NodeId([0; 32]);
    let writers = Writers::decode(&mut reader, anybody, &|_| Some(anybody))?;
    let mut before = Before::default();
    let mut redacted = plain[..plain.len() - reader.len()].to_vec();
    for _ in &signatures {
        let start = plain.len() - reader.len();
        let read = entries::read_entry(&mut reader, &writers, &mut before, written_with)?;
        let content = read.and_then(|read| read.bytes);
        let entry = &plain[start..plain.len() - reader.len()];
        let flags = entry.first().copied().unwrap_or_default();
        let is_hashed = written_with == Payloads::Placeholders && flags & HASHED != 0;
        match content {
            // The content is the last part of its entry.
            Some(content) if flags & 3 == INLINE && !is_hashed && !content.is_empty() => {
                redacted.push(flags | HASHED);
                redacted.extend(&entry[1..entry.len() - content.len()]);
                redacted.extend(Hash::of(&content).0);
            }
            // Nor does a sealed body stay.
            Some(content) if flags & (3 | SEALED) == MANIFEST | SEALED => {
                redacted.push(flags & !HASHED);
                redacted.extend(&entry[1..entry.len() - content.len()]);
                redacted.extend(Attachment::blank_joined(&content).unwrap_or(content));
            }
            _ if is_hashed => redacted.extend(entry),
            // On the air the flag means nothing.
            _ => {
                redacted.push(flags & !HASHED);
                redacted.extend(entry.get(1..).unwrap_or_default());
            }
        }
    }
    reader.done()?;
    Ok([&bytes[..bytes.len() - squeezed.len()], &plainly(&redacted)].concat())
}

#[cfg(test)]
mod tests {
    use super::super::entries::{Packed, decode, encode, node_ref};
    use super::*;
    use crate::model::{
        Change, Content, Context, DocumentName, DocumentPath, Dot, Entry, HybridTime, Incarnation, KeyPair,
        Operation, Payload, Sequence, WallTime, Writer,
    };
    use proptest::prelude::*;

    fn key() -> KeyPair {
        KeyPair::from_seed(&[1; 32])
    }

    fn packed(sequence: u64, content: Option<&[u8]>) -> Packed {
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
            node: key().node_id(),
            incarnation: Incarnation::new(WallTime(1_790_000_000_000), 7),
        };
        let change = Change {
            space: key().owner_id(),
            dot: Dot {
                writer,
                sequence: Sequence(sequence),
            },
            name: DocumentName::Clear(DocumentPath::parse(&format!("/public/notes/{sequence}")).unwrap()),
            context: Context::new(),
            time: HybridTime((1_790_000_123_456 + sequence) << 16),
            operation,
        };
        Packed {
            entry: Entry::sign(change, &key()).unwrap(),
            attachment: content.map(<[u8]>::to_vec),
            opened: None,
        }
    }

    fn message(entries: Vec<u8>) -> Vec<u8> {
        let summary = None;
        RadioMessage::Entries { summary, entries }.encode()
    }

    #[test]
    fn entries_lose_their_contents_and_keep_their_signatures() {
        let secret = b"a secret that takes more room than its hash does, and compresses";
        let batch = [
            packed(1, Some(secret)),
            packed(2, None),
            packed(3, Some(b"")),
            packed(4, Some(b"x")),
        ];
        let sender = key().node_id();
        let heard = message(encode(&batch, sender, Payloads::Real));
        let redacted = redact(&heard, Payloads::Real);
        assert!(!redacted.windows(8).any(|part| part == &secret[..8]));
        let resolve = |wanted| (node_ref(sender) == wanted).then_some(sender);
        let placeholders = Payloads::Placeholders;
        let back = decode(
            &redacted[1..],
            sender,
            key().owner_id(),
            placeholders,
            &resolve,
            &|_, _, _| None,
        )
        .unwrap()
        .entries;
        for (carried, packed) in back.iter().zip(&batch) {
            assert_eq!(carried.entry, packed.entry.encode());
            let attachment = carried.attachment.as_deref();
            placeholders.attach(&packed.entry, attachment).unwrap();
            assert_eq!(
                attachment.map(<[u8]>::len),
                packed.attachment.as_ref().map(Vec::len)
            );
        }
        assert_eq!(back.len(), batch.len());
        // What a replay sends of placeholders is what the recorded engine's message is redacted to.
        let zeros = batch.map(|mut packed| {
            if let Some(content) = &mut packed.attachment {
                content.fill(0);
            }
            packed
        });
        let replayed = message(encode(&zeros, sender, placeholders));
        assert_eq!(replayed, redacted);
        assert_eq!(redact(&replayed, placeholders), redacted);
    }

    #[test]
    fn damaged_messages_stay_damaged() {
        let mut entries = encode(&[packed(1, Some(b"secret"))], key().node_id(), Payloads::Real);
        entries.push(0);
        let redacted = redact(&message(entries), Payloads::Real);
        assert_eq!(redacted, message(Vec::new()));
        assert_eq!(redact(b"\x63secret", Payloads::Real), b"");
    }

    #[test]
    fn placeholders_are_bounded() {
        // One entry that claims a content of a terabyte.
        let mut bytes = encode(
            &[packed(1, Some(&[7; 40]))],
            key().node_id(),
            Payloads::Placeholders,
        );
        let at = bytes.len() - 33;
        assert_eq!(bytes[at], 40);
        bytes.splice(at..=at, [0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
        assert!(redact_entries(&bytes, Payloads::Placeholders).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_redacted(bytes: Vec<u8>, kind in 0_u8..10, placeholders: bool) {
            let payloads = if placeholders { Payloads::Placeholders } else { Payloads::Real };
            let message = [&[kind], bytes.as_slice()].concat();
            let once = redact(&message, payloads);
            prop_assert_eq!(redact(&once, Payloads::Placeholders), once);
        }
    }
}
