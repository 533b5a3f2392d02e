//! What must hold, read from the disks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use cairn::model::{Clock, DocumentPath, Dot, Entry, Hash};
use cairn::space::records::{self, Record};
use cairn::space::{Document, View};
use cairn::store::{MemoryStore, ReadTransaction, Store, StoreError, Table, WriteTransaction};

use crate::world::Acknowledged;
use crate::{Node, World};

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

/// Live entries on a disk, by dot.
pub(crate) fn live(store: &MemoryStore) -> BTreeMap<Dot, Entry> {
    let mut live = BTreeMap::new();
    if let Ok(read) = store.read() {
        let _ = read.scan(Table::Entries, &[], &mut |_, value| {
            if let Ok(entry) = Entry::decode_trusted(value) {
                live.insert(entry.dot(), entry);
            }
            ControlFlow::Continue(())
        });
    }
    live
}

pub(crate) fn document(store: &MemoryStore, path: &DocumentPath) -> Document {
    store
        .read()
        .ok()
        .and_then(|read| View(&read).document(path).ok())
        .unwrap_or_default()
}

/// The newest entry for `path` that this node made itself.
pub(crate) fn last_own_entry(node: &Node, path: &DocumentPath) -> Option<Acknowledged> {
    node.live()
        .into_values()
        .filter(|entry| entry.change().path == *path && entry.dot().writer.node == node.key.node_id())
        .max_by_key(|entry| entry.change().time)
        .map(|entry| Acknowledged { entry })
}

/// The chunks that live entries on a disk list.
pub(crate) fn listed_chunks(node: &Node) -> BTreeSet<Hash> {
    let mut listed = BTreeSet::new();
    if let Ok(read) = node.store.read() {
        let _ = read.scan(Table::Chunks, &[], &mut |key, _| {
            listed.extend(<[u8; 32]>::try_from(key).ok().map(Hash));
            ControlFlow::Continue(())
        });
    }
    listed
}

/// What a disk says that its node holds.
pub fn clock(node: &Node) -> Clock {
    node.store
        .read()
        .ok()
        .and_then(|read| records::load(&read, Record::Clock).ok().flatten())
        .unwrap_or_default()
}

pub(crate) fn copy(store: &MemoryStore) -> Result<MemoryStore, StoreError> {
    let copy = MemoryStore::new();
    let read = store.read()?;
    let mut write = copy.write()?;
    for table in Table::ALL {
        let mut rows = Vec::new();
        read.scan(table, &[], &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        for (key, value) in rows {
            write.put(table, &key, &value)?;
        }
    }
    write.commit()?;
    Ok(copy)
}

/// What two converged nodes have in common, byte for byte.
fn state(node: &Node) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    if let Ok(read) = node.store.read() {
        for table in [
            Table::Entries,
            Table::Heads,
            Table::Folders,
            Table::Inline,
            Table::Pending,
            Table::Chunks,
        ] {
            let _ = read.scan(table, &[], &mut |key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            });
        }
        rows.push((
            Table::Meta,
            b"clock".to_vec(),
            format!("{:?}", clock(node)).into_bytes(),
        ));
    }
    rows
}

/// Convergence (invariant 2): all nodes hold byte-equal state, and every payload is there and whole.
pub fn converged(world: &World) -> Result<(), Broken> {
    let Some((first, others)) = world.nodes.split_first() else {
        return Ok(());
    };
    let expected = state(first);
    for (index, node) in others.iter().enumerate() {
        let found = state(node);
        if let Some(differs) = expected
            .iter()
            .find(|row| !found.contains(row))
            .map(|row| ("node 0 alone", row))
            .or_else(|| {
                found
                    .iter()
                    .find(|row| !expected.contains(row))
                    .map(|row| ("only there", row))
            })
        {
            let (table, key, value) = differs.1;
            let other = found
                .iter()
                .find(|row| row.0 == *table && row.1 == *key)
                .map(|row| &row.2);
            let entry = Entry::decode_trusted(value).map(|entry| {
                format!(
                    "{} of {} ({:?})",
                    entry.dot(),
                    entry.change().path.as_str(),
                    entry.content().map(|_| "PUT")
                )
            });
            return Err(Broken(format!(
                "node {} differs from node 0 ({}): {table:?} {} {:?}, not {other:?}",
                index + 1,
                differs.0,
                entry.unwrap_or_else(|_| String::from_utf8_lossy(key).into_owned()),
                value,
            )));
        }
    }
    for (index, node) in world.nodes.iter().enumerate() {
        let Ok(read) = node.store.read() else {
            return Err(Broken("a store cannot be read".into()));
        };
        let mut lacking = listed_chunks(node);
        lacking.retain(|hash| node.chunks.get(hash).is_none_or(|bytes| Hash::of(bytes) != *hash));
        // A payload may have been on one disk alone, and that disk replaced by an older copy.
        let gone =
            |hash: &Hash| world.restored && world.nodes.iter().all(|node| !node.chunks.contains_key(hash));
        if !lacking.iter().all(gone) {
            return Err(Broken(format!("node {index} lacks chunks {lacking:?}")));
        }
        let pending = View(&read).pending(None, 1).unwrap_or_default();
        if !pending.is_empty() && lacking.is_empty() {
            return Err(Broken(format!("node {index} waits for payloads that are here")));
        }
    }
    Ok(())
}

/// No acknowledged write is lost (invariant 1): each is live, or a write that has seen it replaced it.
pub fn nothing_lost(world: &World) -> Result<(), Broken> {
    for (index, node) in world.nodes.iter().enumerate() {
        let live = node.live();
        for Acknowledged { entry } in &world.acknowledged {
            let dot = entry.dot();
            let replaced =
                world.acknowledged.iter().any(|other| {
                    other.entry.change().path == entry.change().path && other.entry.supersedes(dot)
                }) || live
                    .values()
                    .any(|other| other.change().path == entry.change().path && other.supersedes(dot));
            let collected = entry.content().is_none();
            if !live.contains_key(&dot) && !replaced && !collected {
                return Err(Broken(format!(
                    "node {index} lost {dot} of {}",
                    entry.change().path.as_str()
                )));
            }
        }
    }
    Ok(())
}

/// No dot names two changes.
pub fn dots_are_unique(world: &World) -> Result<(), Broken> {
    let mut seen: BTreeMap<Dot, &Entry> = BTreeMap::new();
    for Acknowledged { entry } in &world.acknowledged {
        if let Some(other) = seen.insert(entry.dot(), entry)
            && other != entry
        {
            return Err(Broken(format!("{} names two changes", entry.dot())));
        }
    }
    Ok(())
}
