//! Entries in as few bytes as they can be known again from.
//!
//! ```text
//! count                                number
//! signatures                           64 bytes each: noise, so they stand apart from what is compressed
//! squeezed ([`super::squeeze`]):
//!   writers                            number of writers; for each: 0, or 1 and 4 bytes of the node id; 8 bytes incarnation
//!   for each entry:
//!     flags                            bits 0-1: 0 DELETE, 1 inline, 2 chunk, 3 manifest; bit 2: a context follows;
//!                                      bit 3: the hybrid time's counter follows; bit 4: the content type is written out;
//!                                      bit 6: it stays sealed; bit 7: it is sealed with the key that the frame is of
//!     writer                           number, if there are several
//!     sequence                         signed number, less the entry's before of that writer
//!     time                             signed number: milliseconds after the entry before; after the writer's beginning for the first
//!     [counter]                        number
//!     path                             number of bytes shared with the path before; number of bytes that follow; bytes.
//!                                      The category is one byte of 1 to 3
//!     or name                          16 bytes, if it stays sealed
//!     [context]                        number of dots; for each: writer, sequence
//!     [content type]                   one byte of the table, or length and text
//!     or seal                          epoch (8 bytes), tag (16)
//!     inline                           length, content: the hash is computed from it
//!     chunk                            length, hash
//!     manifest                         length, hash, length of what lies beside, that
//! ```
//! The frame is of the space's current epoch, and whoever has that key has the first epoch's as well. So a small document that is sealed with one
//! of the two travels opened, in fewer bytes, and compressed with its neighbours; who hears it seals it again, which gives the same, or its signature
//! is wrong. What is sealed with another one stays sealed: not everybody may have that key yet.
//!
//! Bit 5 of the flags stands in recordings alone, which hold no contents: of an inline document, length and hash follow.
//! See [`super::redact`].
//!
//! The space is that of the key that the frame was sealed with. What comes out is the signed form bit by bit, or its signature is wrong.

use super::squeeze::{plainly, squeeze, unsqueeze};
use super::wire::{Damaged, Reader, Result, put_number, put_signed};
use crate::mesh::CarriedEntry;
use crate::mesh::local::sealed_operation;
use crate::mesh::oracle::{OpenedBody, Sealed};
use crate::model::{
    Attachment, BlindName, BodyTag, Category, Change, Content, Context, DocumentName, DocumentPath, Dot,
    Entry, EpochId, Hash, HybridTime, Incarnation, Manifest, NodeId, Operation, OwnerId, Payload, Seal,
    Sequence, Signature, Writer,
};
use crate::seal::{Body, Contents};
use crate::space::Payloads;

/// Most bytes of a batch, unpacked.
pub(super) const BATCH_LEN_MAX: usize = 2 * 1024 * 1024;
/// Most entries in a batch.
const ENTRIES_MAX: usize = 4096;

const DELETE: u8 = 0;
pub(super) const INLINE: u8 = 1;
const CHUNK: u8 = 2;
pub(super) const MANIFEST: u8 = 3;
const HAS_CONTEXT: u8 = 4;
const HAS_COUNTER: u8 = 8;
const OWN_TYPE: u8 = 16;
pub(super) const HASHED: u8 = 32;
/// What stays sealed.
pub(super) const SEALED: u8 = 64;

/// Content types that take one byte. Part of the format: only ever longer.
const TYPES: [&str; 24] = [
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/octet-stream",
    "text/plain",
    "text/plain; charset=utf-8",
    "text/plain;charset=utf-8",
    "text/markdown",
    "text/html",
    "text/html; charset=utf-8",
    "text/csv",
    "text/calendar",
    "text/vcard",
    "application/cbor",
    "application/geo+json",
    "application/gpx+xml",
    "application/pdf",
    "application/xml",
    "application/ld+json",
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/svg+xml",
    "audio/ogg",
];

/// It travels opened, and is sealed with the key that the frame is of.
const OF_FRAME: u8 = 128;

/// Which key a body is sealed with that travels opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SealedWith {
    /// The first epoch's.
    First,
    /// That of the epoch that the frame is of, which is another.
    OfFrame,
}

/// The first bytes of a node id: enough to tell the members of a space apart, and a wrong guess fails at the signature.
pub(super) type NodeRef = [u8; 4];

pub(super) const fn node_ref(node: NodeId) -> NodeRef {
    let [a, b, c, d, ..] = node.0;
    [a, b, c, d]
}

/// An entry with what travels beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) entry: Entry,
    pub(super) attachment: Option<Vec<u8>>,
    /// What its small sealed body says, if it may travel so, and what it is sealed with.
    pub(super) opened: Option<(OpenedBody, SealedWith)>,
}

/// What is said of a PUT.
struct Told<'a> {
    /// None of what stays sealed.
    content_type: Option<&'a str>,
    len: u64,
    hash: Hash,
    payload: Payload,
    seal: Option<Seal>,
    /// Contents, or what lies beside.
    bytes: &'a [u8],
}

impl Packed {
    /// The path that is said, if one is.
    fn path(&self) -> Option<&DocumentPath> {
        let opened = self.opened.as_ref().map(|(opened, _)| &opened.opened.path);
        self.entry.change().name.path().or(opened)
    }

    fn told(&self) -> Option<Told<'_>> {
        let content = self.entry.content()?;
        if let Some((OpenedBody { body, opened, hash }, _)) = &self.opened
            && let Contents::Inline(bytes) = &body.contents
        {
            return Some(Told {
                content_type: Some(&body.content_type),
                len: opened.len,
                hash: hash.unwrap_or(content.hash),
                payload: Payload::Inline,
                seal: None,
                bytes,
            });
        }
        Some(Told {
            content_type: content.seal.is_none().then_some(content.content_type.as_str()),
            len: content.len,
            hash: content.hash,
            payload: content.payload,
            seal: content.seal,
            bytes: self.attachment.as_deref().unwrap_or_default(),
        })
    }
}

#[derive(Default)]
pub(super) struct Writers(Vec<Writer>);

impl Writers {
    fn index(&mut self, writer: Writer) -> u64 {
        let at = self.0.iter().position(|own| *own == writer).unwrap_or_else(|| {
            self.0.push(writer);
            self.0.len() - 1
        });
        at as u64
    }

    fn encode(&self, sender: NodeId) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.0.len() as u64);
        for writer in &self.0 {
            if writer.node == sender {
                out.push(0);
            } else {
                out.push(1);
                out.extend(node_ref(writer.node));
            }
            out.extend(writer.incarnation.0.to_be_bytes());
        }
        out
    }

    pub(super) fn decode(
        reader: &mut Reader<'_>,
        sender: NodeId,
        resolve: &dyn Fn(NodeRef) -> Option<NodeId>,
    ) -> Result<Vec<Option<Writer>>> {
        let count = reader.count(9)?;
        let mut writers = Vec::with_capacity(count);
        for _ in 0..count {
            let node = match reader.byte()? {
                0 => Some(sender),
                1 => resolve(reader.array()?),
                _ => return Err(Damaged),
            };
            let incarnation = Incarnation(u64::from_be_bytes(reader.array()?));
            writers.push(node.map(|node| Writer { node, incarnation }));
        }
        Ok(writers)
    }
}

/// The time that a first entry's is measured from: when its writer began.
fn beginning(writer: &Writer) -> u64 {
    (writer.incarnation.0 >> 30).saturating_mul(1000)
}

fn shorten_path(path: &DocumentPath) -> Vec<u8> {
    let category = path.category();
    let mut short = vec![match category {
        Category::Public => 1,
        Category::Private => 2,
        Category::Shared => 3,
    }];
    // "/", the name, "/".
    short.extend(&path.as_str().as_bytes()[category.name().len() + 2..]);
    short
}

fn lengthen_path(short: &[u8]) -> Result<DocumentPath> {
    let (category, rest) = short.split_first().ok_or(Damaged)?;
    let name = match category {
        1 => Category::Public,
        2 => Category::Private,
        3 => Category::Shared,
        _ => return Err(Damaged),
    }
    .name();
    let rest = std::str::from_utf8(rest).map_err(|_| Damaged)?;
    DocumentPath::parse(&format!("/{name}/{rest}")).map_err(|_| Damaged)
}

/// What the next entry is told by the one before.
#[derive(Default)]
pub(super) struct Before {
    path: Vec<u8>,
    time_ms: Option<u64>,
    sequences: Vec<u64>,
    /// Bytes of placeholders.
    placeholders_len: usize,
}

impl Before {
    fn sequence(&mut self, writer: u64) -> Result<&mut u64> {
        let writer = usize::try_from(writer).map_err(|_| Damaged)?;
        if self.sequences.len() <= writer {
            self.sequences.resize(writer + 1, 0);
        }
        self.sequences.get_mut(writer).ok_or(Damaged)
    }
}

/// Encodes entries for a frame of `sender`.
pub(super) fn encode(entries: &[Packed], sender: NodeId, payloads: Payloads) -> Vec<u8> {
    let mut writers = Writers::default();
    for packed in entries {
        let change = packed.entry.change();
        writers.index(change.dot.writer);
        for dot in change.context.dots() {
            writers.index(dot.writer);
        }
    }
    let mut plain = writers.encode(sender);
    let mut before = Before::default();
    for packed in entries {
        put_entry(&mut plain, &mut writers, &mut before, packed, payloads);
    }
    let mut out = Vec::new();
    put_number(&mut out, entries.len() as u64);
    for packed in entries {
        out.extend(packed.entry.signature().0);
    }
    out.extend(match payloads {
        Payloads::Real => squeeze(&plain),
        Payloads::Placeholders => plainly(&plain),
    });
    out
}

fn put_entry(
    out: &mut Vec<u8>,
    writers: &mut Writers,
    before: &mut Before,
    packed: &Packed,
    payloads: Payloads,
) {
    let change = packed.entry.change();
    let content = packed.told();
    let own_type = content.as_ref().and_then(|told| told.content_type);
    let known_type = own_type.and_then(|own| TYPES.iter().position(|name| *name == own));
    let counter = change.time.0 & 0xffff;
    let mut flags = match content.as_ref().map(|told| told.payload) {
        None => DELETE,
        Some(Payload::Inline) => INLINE,
        Some(Payload::Chunk) => CHUNK,
        Some(Payload::Manifest(_)) => MANIFEST,
    };
    if !change.context.is_empty() {
        flags |= HAS_CONTEXT;
    }
    if counter != 0 {
        flags |= HAS_COUNTER;
    }
    if own_type.is_some() && known_type.is_none() {
        flags |= OWN_TYPE;
    }
    let is_small = |told: &Told<'_>| told.payload == Payload::Inline && told.len > 0;
    let is_hashed = payloads == Payloads::Placeholders && content.as_ref().is_some_and(is_small);
    if is_hashed {
        flags |= HASHED;
    }
    if packed.path().is_none() {
        flags |= SEALED;
    }
    if matches!(packed.opened, Some((_, SealedWith::OfFrame))) {
        flags |= OF_FRAME;
    }
    out.push(flags);
    let writer = writers.index(change.dot.writer);
    if writers.0.len() > 1 {
        put_number(out, writer);
    }
    if let Ok(last) = before.sequence(writer) {
        put_signed(out, change.dot.sequence.0.wrapping_sub(*last).cast_signed());
        *last = change.dot.sequence.0;
    }
    let time_ms = change.time.0 >> 16;
    let reference = before.time_ms.unwrap_or_else(|| beginning(&change.dot.writer));
    put_signed(out, time_ms.wrapping_sub(reference).cast_signed());
    before.time_ms = Some(time_ms);
    if counter != 0 {
        put_number(out, counter);
    }
    match (packed.path(), &change.name) {
        (None, DocumentName::Sealed(name)) => out.extend(name.0),
        (None, DocumentName::Clear(path)) | (Some(path), _) => put_path(out, before, path),
    }
    if !change.context.is_empty() {
        put_number(out, change.context.len() as u64);
        for dot in change.context.dots() {
            put_number(out, writers.index(dot.writer));
            put_number(out, dot.sequence.0);
        }
    }
    let Some(told) = content else {
        return;
    };
    match (known_type, told.content_type) {
        (Some(at), _) => out.push(at as u8),
        (None, Some(content_type)) => {
            put_number(out, content_type.len() as u64);
            out.extend(content_type.as_bytes());
        }
        (None, None) => {
            if let Some(seal) = told.seal {
                out.extend(seal.epoch.0);
                out.extend(seal.tag.0);
            }
        }
    }
    put_number(out, told.len);
    match told.payload {
        Payload::Inline if is_hashed => out.extend(told.hash.0),
        Payload::Inline => out.extend(told.bytes),
        Payload::Chunk => out.extend(told.hash.0),
        Payload::Manifest(_) => {
            out.extend(told.hash.0);
            put_number(out, told.bytes.len() as u64);
            out.extend(told.bytes);
        }
    }
}

fn put_path(out: &mut Vec<u8>, before: &mut Before, path: &DocumentPath) {
    let path = shorten_path(path);
    let shared = path.iter().zip(&before.path).take_while(|(a, b)| a == b).count();
    put_number(out, shared as u64);
    put_number(out, (path.len() - shared) as u64);
    out.extend(&path[shared..]);
    before.path = path;
}

/// A batch that came.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) entries: Vec<CarriedEntry>,
    /// So many more were by writers who are not known here, or need a key that is not.
    pub(super) of_unknown: usize,
}

/// What stands for a document, and its body, sealed for the change of this name.
pub(super) type SealAgain<'a> = dyn Fn(Dot, &Body, SealedWith) -> Option<(BlindName, Sealed)> + 'a;

/// Reads what [`encode`] wrote. Entries of writers whom `resolve` does not know, and those that `seal` can't seal, are left out.
pub(super) fn decode(
    bytes: &[u8],
    sender: NodeId,
    space: OwnerId,
    payloads: Payloads,
    resolve: &dyn Fn(NodeRef) -> Option<NodeId>,
    seal: &SealAgain<'_>,
) -> Result<Decoded> {
    let (signatures, squeezed) = read_signatures(bytes)?;
    let plain = unsqueeze(squeezed, plain_len_max(payloads))?;
    let mut reader = Reader::new(&plain);
    let writers = Writers::decode(&mut reader, sender, resolve)?;
    let mut before = Before::default();
    let mut entries = Vec::with_capacity(signatures.len());
    let count = signatures.len();
    for signature in signatures {
        let read = read_entry(&mut reader, &writers, &mut before, payloads)?;
        if let Some((change, attachment)) = read.and_then(|read| read.change(space, seal)) {
            entries.push(CarriedEntry {
                entry: Entry::encode_parts(change, signature),
                attachment,
            });
        }
    }
    reader.done()?;
    Ok(Decoded {
        of_unknown: count - entries.len(),
        entries,
    })
}

/// Most bytes of a batch, unpacked: a hash may be longer than what it stands for.
pub(super) const fn plain_len_max(payloads: Payloads) -> usize {
    match payloads {
        Payloads::Real => BATCH_LEN_MAX,
        Payloads::Placeholders => BATCH_LEN_MAX + ENTRIES_MAX * Hash::LEN,
    }
}

/// The signatures, and what stands behind them.
pub(super) fn read_signatures(bytes: &[u8]) -> Result<(Vec<Signature>, &[u8])> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(64)?;
    if count == 0 || count > ENTRIES_MAX {
        return Err(Damaged);
    }
    let mut signatures = Vec::with_capacity(count);
    for _ in 0..count {
        signatures.push(Signature(reader.array()?));
    }
    Ok((signatures, reader.rest()))
}

fn writer_at(writers: &[Option<Writer>], at: u64) -> Result<Option<Writer>> {
    let at = usize::try_from(at).map_err(|_| Damaged)?;
    writers.get(at).copied().ok_or(Damaged)
}

/// An entry that was read.
pub(super) struct Read {
    dot: Dot,
    context: Context,
    time: HybridTime,
    /// The path, unless it stays sealed.
    place: std::result::Result<DocumentPath, BlindName>,
    operation: Operation,
    with: SealedWith,
    /// Contents, or what lies beside.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Read {
    /// The change, with what travels beside it. What travelled opened is sealed again.
    fn change(self, space: OwnerId, seal: &SealAgain<'_>) -> Option<(Change, Option<Vec<u8>>)> {
        let (name, operation, bytes) = match (self.place, self.operation) {
            (Err(name), operation) => (DocumentName::Sealed(name), operation, self.bytes),
            (Ok(path), Operation::Put(content)) if path.category() != Category::Public => {
                let body = Body {
                    path,
                    content_type: content.content_type,
                    contents: Contents::Inline(self.bytes?),
                };
                let (name, sealed) = seal(self.dot, &body, self.with)?;
                let (operation, bytes) = sealed_operation(sealed, None);
                (DocumentName::Sealed(name), operation, bytes)
            }
            (Ok(path), operation) => (DocumentName::Clear(path), operation, self.bytes),
        };
        let change = Change {
            space,
            dot: self.dot,
            name,
            context: self.context,
            time: self.time,
            operation,
        };
        Some((change, bytes))
    }
}

pub(super) fn read_entry(
    reader: &mut Reader<'_>,
    writers: &[Option<Writer>],
    before: &mut Before,
    payloads: Payloads,
) -> Result<Option<Read>> {
    let flags = reader.byte()?;
    let index = if writers.len() > 1 { reader.number()? } else { 0 };
    let writer = writer_at(writers, index)?;
    let last = before.sequence(index)?;
    *last = last.wrapping_add(reader.signed()?.cast_unsigned());
    let sequence = Sequence(*last);
    let reference = match (before.time_ms, writer) {
        (Some(time), _) => time,
        (None, Some(writer)) => beginning(&writer),
        // The times that follow cannot be known either.
        (None, None) => return Err(Damaged),
    };
    let time_ms = reference.wrapping_add(reader.signed()?.cast_unsigned());
    before.time_ms = Some(time_ms);
    let counter = if flags & HAS_COUNTER != 0 {
        reader.number()?
    } else {
        0
    };
    if counter > 0xffff || time_ms >> 48 != 0 {
        return Err(Damaged);
    }
    let place = if flags & SEALED != 0 {
        Err(BlindName(reader.array()?))
    } else {
        Ok(read_path(reader, before)?)
    };
    let mut context = Context::new();
    let mut known = writer.is_some();
    if flags & HAS_CONTEXT != 0 {
        for _ in 0..reader.count(2)? {
            let writer = writer_at(writers, reader.number()?)?;
            let sequence = Sequence(reader.number()?);
            match writer {
                Some(writer) => context.insert(Dot { writer, sequence }),
                None => known = false,
            }
        }
    }
    // A batch that was heard has none; it means nothing there, as all flags that are not known.
    let flags = if payloads == Payloads::Real {
        flags & !HASHED
    } else {
        flags
    };
    let (operation, bytes) = read_operation(reader, before, flags)?;
    let Some(writer) = writer.filter(|_| known) else {
        return Ok(None);
    };
    Ok(Some(Read {
        dot: Dot { writer, sequence },
        context,
        time: HybridTime(time_ms << 16 | counter),
        place,
        operation,
        with: if flags & OF_FRAME != 0 {
            SealedWith::OfFrame
        } else {
            SealedWith::First
        },
        bytes,
    }))
}

fn read_path(reader: &mut Reader<'_>, before: &mut Before) -> Result<DocumentPath> {
    let shared = usize::try_from(reader.number()?).map_err(|_| Damaged)?;
    let len = reader.count(1)?;
    let mut short = before.path.get(..shared).ok_or(Damaged)?.to_vec();
    short.extend(reader.bytes(len)?);
    let path = lengthen_path(&short)?;
    before.path = short;
    Ok(path)
}

fn read_operation(
    reader: &mut Reader<'_>,
    before: &mut Before,
    flags: u8,
) -> Result<(Operation, Option<Vec<u8>>)> {
    if flags & 3 == DELETE {
        return Ok((Operation::Delete, None));
    }
    let (content_type, seal) = if flags & SEALED != 0 {
        let seal = Seal {
            epoch: EpochId(reader.array()?),
            tag: BodyTag(reader.array()?),
        };
        ("", Some(seal))
    } else if flags & OWN_TYPE != 0 {
        let len = reader.count(1)?;
        (
            std::str::from_utf8(reader.bytes(len)?).map_err(|_| Damaged)?,
            None,
        )
    } else {
        let known = TYPES.get(usize::from(reader.byte()?));
        (known.copied().ok_or(Damaged)?, None)
    };
    let len = reader.number()?;
    let (hash, payload, attachment) = match flags & 3 {
        INLINE if flags & HASHED != 0 => {
            let len = usize::try_from(len).map_err(|_| Damaged)?;
            before.placeholders_len = before.placeholders_len.saturating_add(len);
            if before.placeholders_len > BATCH_LEN_MAX {
                return Err(Damaged);
            }
            (Hash(reader.array()?), Payload::Inline, Some(vec![0; len]))
        }
        INLINE => {
            let content = reader.bytes(usize::try_from(len).map_err(|_| Damaged)?)?;
            (Hash::of(content), Payload::Inline, Some(content.to_vec()))
        }
        CHUNK => (Hash(reader.array()?), Payload::Chunk, None),
        _ => {
            let hash = Hash(reader.array()?);
            let len = reader.count(1)?;
            let bytes = reader.bytes(len)?;
            // Which of the parts is the manifest depends on the seal alone.
            let beside = Content {
                content_type: String::new(),
                hash,
                len: 0,
                payload: Payload::Manifest(hash),
                seal,
            };
            let parts = Attachment::split(Some(&beside), Some(bytes)).ok_or(Damaged)?;
            let manifest = Manifest::decode(parts.manifest.unwrap_or_default()).map_err(|_| Damaged)?;
            (hash, Payload::Manifest(manifest.hash()), Some(bytes.to_vec()))
        }
    };
    let content = Content {
        content_type: content_type.to_owned(),
        hash,
        len,
        payload,
        seal,
    };
    Ok((Operation::Put(content), attachment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyPair, WallTime};
    use crate::seal::{EpochKey, Keyring, Place, SealedBody};
    use crate::space::Opened;
    use proptest::prelude::*;

    const SPACE: OwnerId = OwnerId([3; 32]);

    fn ring() -> Keyring {
        Keyring::of_first(EpochKey::first(&key(7)))
    }

    fn seal_again(dot: Dot, body: &Body, with: SealedWith) -> Option<(BlindName, Sealed)> {
        let name = ring().name(&body.path)?;
        let place = Place {
            space: SPACE,
            name,
            dot,
        };
        let key = match with {
            SealedWith::First => ring().first()?.clone(),
            SealedWith::OfFrame => EpochKey::first(&key(8)),
        };
        let SealedBody { seal, bytes } = key.seal(&place, body).ok()?;
        let hash = Hash::of(&bytes);
        Some((name, Sealed { seal, hash, bytes }))
    }

    fn key(number: u8) -> KeyPair {
        KeyPair::from_seed(&[number; 32])
    }

    fn writer(number: u8) -> Writer {
        Writer {
            node: key(number).node_id(),
            incarnation: Incarnation::new(WallTime(1_790_000_000_000), u32::from(number) * 77),
        }
    }

    fn packed(
        number: u8,
        sequence: u64,
        path: &str,
        content: Option<(&str, Vec<u8>)>,
        seen: &[Dot],
    ) -> Packed {
        let mut context = Context::new();
        for dot in seen {
            context.insert(*dot);
        }
        let operation = match &content {
            None => Operation::Delete,
            Some((content_type, bytes)) => Operation::Put(Content {
                content_type: (*content_type).into(),
                hash: Hash::of(bytes),
                len: bytes.len() as u64,
                payload: Payload::Inline,
                seal: None,
            }),
        };
        let change = Change {
            space: SPACE,
            dot: Dot {
                writer: writer(number),
                sequence: Sequence(sequence),
            },
            name: DocumentName::Clear(DocumentPath::parse(path).unwrap()),
            context,
            time: HybridTime((1_790_000_123_456 + sequence * 1000) << 16 | (sequence % 3)),
            operation,
        };
        let bytes = content.map(|(_, bytes)| bytes);
        if path.starts_with("/public/") {
            return Packed {
                entry: Entry::sign(change, &key(number)).unwrap(),
                attachment: bytes,
                opened: None,
            };
        }
        sealed(change, bytes, &key(number))
    }

    /// The same change sealed, and opened for the radio.
    fn sealed(mut change: Change, bytes: Option<Vec<u8>>, key: &KeyPair) -> Packed {
        let path = change.name.path().unwrap().clone();
        change.name = DocumentName::Sealed(ring().name(&path).unwrap());
        let Operation::Put(content) = change.operation.clone() else {
            return Packed {
                entry: Entry::sign(change, key).unwrap(),
                attachment: None,
                opened: None,
            };
        };
        let body = Body {
            path: path.clone(),
            content_type: content.content_type.clone(),
            contents: Contents::Inline(bytes.unwrap()),
        };
        let with = if change.dot.sequence.0.is_multiple_of(2) {
            SealedWith::OfFrame
        } else {
            SealedWith::First
        };
        let (_, sealed) = seal_again(change.dot, &body, with).unwrap();
        let attachment;
        (change.operation, attachment) = sealed_operation(sealed, None);
        let opened = Opened {
            path,
            content_type: content.content_type,
            len: content.len,
        };
        Packed {
            entry: Entry::sign(change, key).unwrap(),
            attachment,
            opened: Some((
                OpenedBody {
                    body,
                    opened,
                    hash: None,
                },
                with,
            )),
        }
    }

    fn unpack(bytes: &[u8], sender: u8) -> Result<Vec<CarriedEntry>> {
        let members: Vec<NodeId> = (1..5).map(|number| key(number).node_id()).collect();
        let resolve = |wanted| {
            let mut members = members.iter();
            members.find(|member| node_ref(**member) == wanted).copied()
        };
        let sender = key(sender).node_id();
        decode(bytes, sender, SPACE, Payloads::Real, &resolve, &seal_again).map(|decoded| decoded.entries)
    }

    fn carried(packed: &[Packed]) -> Vec<CarriedEntry> {
        packed
            .iter()
            .map(|packed| CarriedEntry {
                entry: packed.entry.encode(),
                attachment: packed.attachment.clone(),
            })
            .collect()
    }

    #[test]
    fn entries_come_back_with_valid_signatures() {
        let first = packed(
            1,
            5,
            "/private/sensors/attic/temp.json",
            Some(("application/json", vec![7; 64])),
            &[],
        );
        let batch = vec![
            packed(
                1,
                6,
                "/private/sensors/attic/hum.json",
                Some(("x/y", vec![8; 30])),
                &[first.entry.dot()],
            ),
            packed(2, 900, "/public/sensors/a", None, &[first.entry.dot()]),
            first,
        ];
        for sender in [1, 2, 3] {
            let bytes = encode(&batch, key(sender).node_id(), Payloads::Real);
            let back = unpack(&bytes, sender).unwrap();
            assert_eq!(back, carried(&batch));
            for carried in back {
                Entry::decode(&carried.entry).unwrap();
            }
        }
        // Another sender than the one who encoded: the writer is another, and no signature fits.
        let bytes = encode(&batch[..1], key(1).node_id(), Payloads::Real);
        let back = unpack(&bytes, 4).unwrap();
        assert!(Entry::decode(&back[0].entry).is_err());
    }

    #[test]
    fn a_sensors_reading_fits_the_smallest_radio() {
        let reading = blake3::hash(b"reading");
        let bytes: Vec<u8> = reading
            .as_bytes()
            .iter()
            .chain(reading.as_bytes())
            .copied()
            .collect();
        let one = packed(
            1,
            300,
            "/private/sensors/attic/temperature",
            Some(("application/octet-stream", bytes)),
            &[],
        );
        let len = encode(&[one], key(1).node_id(), Payloads::Real).len();
        // 192 bytes of a RYLR less 12 of the frame, and the message's kind.
        assert!(len < 192 - 12, "{len}");
    }

    #[test]
    fn chunks_and_manifests_keep_their_hashes() {
        let manifest = Manifest::new(vec![crate::model::ChunkRef {
            hash: Hash([9; 32]),
            len: 1000,
        }])
        .unwrap();
        let content = |payload| {
            Operation::Put(Content {
                content_type: "image/jpeg".into(),
                hash: Hash([4; 32]),
                len: 1000,
                payload,
                seal: None,
            })
        };
        for (payload, attachment) in [
            (Payload::Chunk, None),
            (Payload::Manifest(manifest.hash()), Some(manifest.encode())),
        ] {
            let mut change = packed(1, 1, "/public/a/b", None, &[]).entry.change().clone();
            change.operation = content(payload);
            let packed = [Packed {
                entry: Entry::sign(change, &key(1)).unwrap(),
                attachment,
                opened: None,
            }];
            let bytes = encode(&packed, key(1).node_id(), Payloads::Real);
            assert_eq!(unpack(&bytes, 1), Ok(carried(&packed)));
        }
    }

    /// As from a node that lacks the key itself.
    #[test]
    fn what_stays_sealed_comes_back() {
        let manifest = Manifest::new(vec![crate::model::ChunkRef {
            hash: Hash([9; 32]),
            len: 1000,
        }])
        .unwrap();
        let text = Some(("text/plain", b"some text".to_vec()));
        let mut small = packed(1, 1, "/private/notes/a", text, &[]);
        let opened_len = encode(&[small.clone()], key(1).node_id(), Payloads::Real).len();
        small.opened = None;
        let mut large = small.clone();
        let mut change = large.entry.change().clone();
        if let Operation::Put(content) = &mut change.operation {
            content.payload = Payload::Manifest(manifest.hash());
            content.len += 1000;
        }
        let body = large.attachment.take().unwrap();
        large.attachment = Some(Attachment::join(&body, &manifest.encode()));
        large.entry = Entry::sign(change, &key(1)).unwrap();
        let gone = packed(1, 3, "/shared/notes/a", None, &[small.entry.dot()]);
        let batch = [small.clone(), packed(1, 2, "/public/a/b", None, &[]), large, gone];
        let bytes = encode(&batch, key(1).node_id(), Payloads::Real);
        assert_eq!(unpack(&bytes, 1), Ok(carried(&batch)));
        let sealed_len = encode(&[small], key(1).node_id(), Payloads::Real).len();
        assert!(sealed_len > opened_len + 30, "{opened_len} and {sealed_len}");
    }

    #[test]
    fn entries_of_unknown_writers_are_left_out() {
        let known = packed(1, 1, "/public/a/b", None, &[]);
        let unknown = packed(9, 1, "/public/a/c", None, &[]);
        let bytes = encode(&[known.clone(), unknown], key(1).node_id(), Payloads::Real);
        assert_eq!(unpack(&bytes, 1), Ok(carried(&[known])));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        #[test]
        fn batches_come_back(
            entries in proptest::collection::vec((1_u8..4, 1_u64..1 << 40, "/(public|private|shared)/m(/[a-z]{1,4}){1,3}",
                proptest::option::of(("[a-z/]{0,12}", proptest::collection::vec(any::<u8>(), 0..200)))), 1..12),
        ) {
            let batch: Vec<Packed> = entries
                .iter()
                .map(|(number, sequence, path, content)| {
                    let content = content.as_ref().map(|(name, bytes)| (name.as_str(), bytes.clone()));
                    packed(*number, *sequence, path, content, &[])
                })
                .collect();
            let bytes = encode(&batch, key(2).node_id(), Payloads::Real);
            prop_assert_eq!(unpack(&bytes, 2), Ok(carried(&batch)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), plain in any::<bool>()) {
            if plain && bytes.len() > 66 {
                bytes[0] = 1;
                bytes[65] = 0;
            }
            let _ = unpack(&bytes, 1);
        }
    }
}
