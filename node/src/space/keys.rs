//! The keys of the tables.
//!
//! A child's key is its parent folder's path, NUL, its name. NUL stands in no name, so the children of one folder lie
//! together, in the byte order of their names, with no deeper ones between. A sealed document's key is a byte that begins no path, and what
//! stands for its path.

use crate::model::{
    BlindName, DocumentName, DocumentPath, Dot, FolderPath, Incarnation, NodeId, Sequence, Writer,
};

/// Bytes of a dot's key.
const DOT_LEN: usize = 48;

/// Node, incarnation, sequence; numbers big-endian, so that the order is the dots' own.
pub(super) fn dot(dot: Dot) -> [u8; DOT_LEN] {
    let mut key = [0; DOT_LEN];
    key[..32].copy_from_slice(&dot.writer.node.0);
    key[32..40].copy_from_slice(&dot.writer.incarnation.0.to_be_bytes());
    key[40..].copy_from_slice(&dot.sequence.0.to_be_bytes());
    key
}

/// The dot of a key; `None` when it is none.
pub(super) fn parse_dot(key: &[u8]) -> Option<Dot> {
    let (node, rest) = key.split_first_chunk::<32>()?;
    let (incarnation, rest) = rest.split_first_chunk::<8>()?;
    let sequence = <[u8; 8]>::try_from(rest).ok()?;
    Some(Dot {
        writer: Writer {
            node: NodeId(*node),
            incarnation: Incarnation(u64::from_be_bytes(*incarnation)),
        },
        sequence: Sequence(u64::from_be_bytes(sequence)),
    })
}

/// Where sealed documents' keys begin.
pub(super) const SEALED: u8 = 1;

/// Where a document's record is.
pub(super) fn name(name: &DocumentName) -> Vec<u8> {
    match name {
        DocumentName::Clear(path) => document(path),
        DocumentName::Sealed(name) => [&[SEALED], &name.0[..]].concat(),
    }
}

/// What stands for a path, in a sealed document's key.
pub(super) fn parse_sealed(key: &[u8]) -> Option<BlindName> {
    let (&SEALED, name) = key.split_first()? else {
        return None;
    };
    name.try_into().ok().map(BlindName)
}

/// A document among its folder's children.
pub(super) fn document(path: &DocumentPath) -> Vec<u8> {
    child(path.parent().as_str(), path.name())
}

/// A folder among its parent's children. The root is its own parent's only child.
pub(super) fn folder(path: &FolderPath) -> Vec<u8> {
    child(path.parent().as_ref().map_or("", FolderPath::as_str), path.name())
}

/// Where the children of `path` begin.
pub(super) fn children(path: &FolderPath) -> Vec<u8> {
    child(path.as_str(), "")
}

fn child(parent: &str, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(parent.len() + 1 + name.len());
    key.extend_from_slice(parent.as_bytes());
    key.push(0);
    key.extend_from_slice(name.as_bytes());
    key
}
