//! Entries and manifests.

use cairn::mesh::entry_json;
use cairn::model::{
    CHUNK_LEN_MAX, CONTENT_TYPE_LEN_MAX, CONTEXT_WRITERS_MAX, ChunkRef, DOCUMENT_LEN_MAX, DocumentName,
    ENTRY_LEN_MAX, ETag, Entry, MANIFEST_CHUNKS_MAX, MANIFEST_LEN_MAX, Manifest, Sequence,
};

use super::choices::Choices;
use super::{build, membership};

/// What an entry's signature is made under; its wire form, so that it stands here a second time.
pub(super) const SIGNATURE_CONTEXT: &str = "cairn 1 entry";

/// Laws: an entry and a manifest have one encoding each, within their bounds; no change to a signed entry is
/// accepted; a trusted reader reads what a careful one reads; an offset in a manifest leads to the chunk that holds it.
pub fn entry(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 5 {
        0 => read(choices.rest()),
        // The input is the signed part, and the first key signs it.
        1 => read(&membership::signed(choices.rest(), SIGNATURE_CONTEXT)),
        2 => signed(&mut choices),
        3 => read_manifest(choices.rest()),
        _ => manifest(&mut choices),
    }
}

fn read(bytes: &[u8]) -> bool {
    let trusted = Entry::decode_trusted(bytes);
    if let Ok(entry) = &trusted {
        assert_eq!(entry.encode(), bytes, "an entry has one encoding");
    }
    let Ok(entry) = Entry::decode(bytes) else {
        return false;
    };
    assert_eq!(trusted.as_ref(), Ok(&entry), "both readers read the same");
    assert!(bytes.len() <= ENTRY_LEN_MAX);
    check(&entry);
    true
}

fn check(entry: &Entry) {
    let change = entry.change();
    assert!((Sequence(1)..=Sequence::MAX).contains(&entry.dot().sequence));
    assert!(!entry.supersedes(entry.dot()), "a change has not seen itself");
    assert!(change.context.len() <= CONTEXT_WRITERS_MAX);
    if let Some(content) = entry.content() {
        assert!(content.len <= DOCUMENT_LEN_MAX && content.content_type.len() <= CONTENT_TYPE_LEN_MAX);
    }
    assert_eq!(entry.etag().to_string().parse::<ETag>(), Ok(entry.etag()));
    let json = entry_json(entry);
    match &change.name {
        DocumentName::Clear(path) => assert_eq!(json["path"], path.as_str()),
        DocumentName::Sealed(name) => assert_eq!(json["name"], name.to_string()),
    }
    assert_eq!(json["sequence"], change.dot.sequence.0);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json.to_string()).expect("JSON"),
        json
    );
}

/// Signs a change: what the signer lets through, every reader does, and nothing else.
fn signed(choices: &mut Choices) -> bool {
    let change = build::change(choices);
    let key = membership::pair(change.dot.writer.node).expect("made with a known key");
    let stranger = choices.key();
    let sealed = Entry::sign(change.clone(), stranger);
    assert!(sealed.is_err() || stranger.node_id() == key.node_id());
    let Ok(entry) = Entry::sign(change, key) else {
        return false;
    };
    let mut bytes = entry.encode();
    assert_eq!(Entry::decode(&bytes).as_ref(), Ok(&entry));
    check(&entry);
    if choices.damage(&mut bytes) {
        assert!(
            Entry::decode(&bytes).is_err(),
            "an entry that was changed is refused"
        );
        return false;
    }
    true
}

fn read_manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = Manifest::decode(bytes) else {
        return false;
    };
    assert_eq!(manifest.encode(), bytes, "a manifest has one encoding");
    check_manifest(&manifest);
    true
}

fn manifest(choices: &mut Choices) -> bool {
    let chunks: Vec<ChunkRef> = choices.list(255, |choices| ChunkRef {
        hash: build::hash(choices),
        // Up to a little more than a chunk may have.
        len: u32::from_be_bytes([0, choices.byte() % 17, choices.byte(), choices.byte()]),
    });
    let within = !chunks.is_empty()
        && chunks
            .iter()
            .all(|chunk| (1..=CHUNK_LEN_MAX).contains(&chunk.len));
    let manifest = Manifest::new(chunks);
    assert_eq!(manifest.is_ok(), within);
    let Ok(manifest) = manifest else {
        return false;
    };
    check_manifest(&manifest);
    let mut bytes = manifest.encode();
    assert_eq!(Manifest::decode(&bytes).as_ref(), Ok(&manifest));
    if choices.damage(&mut bytes)
        && let Ok(other) = Manifest::decode(&bytes)
    {
        assert_ne!(other.hash(), manifest.hash());
        check_manifest(&other);
    }
    true
}

fn check_manifest(manifest: &Manifest) {
    let chunks = manifest.chunks();
    assert!((1..=MANIFEST_CHUNKS_MAX).contains(&chunks.len()));
    assert!(manifest.encode().len() <= MANIFEST_LEN_MAX);
    let mut start = 0;
    for (index, chunk) in chunks.iter().enumerate() {
        assert!((1..=CHUNK_LEN_MAX).contains(&chunk.len));
        assert_eq!(manifest.chunk_at(start), Some((index, 0)));
        start += u64::from(chunk.len);
        assert_eq!(manifest.chunk_at(start - 1), Some((index, chunk.len - 1)));
    }
    assert_eq!(start, manifest.total_len());
    assert_eq!(manifest.chunk_at(start), None);
}
