//! What must hold, read from the disks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use cairn::model::{Clock, DocumentName, DocumentPath, Dot, Entry, Hash};
use cairn::space::records::{self, Record};
use cairn::space::{Document, View};
use cairn::store::{MemoryStore, ReadTransaction, Store, StoreError, Table, WriteTransaction};

use crate::world::Acknowledged;
use crate::{Node, Role, World};

/// A law that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Law {
    /// All nodes of a space end with byte-equal state, and every payload is there.
    Convergence,
    /// No acknowledged write is lost.
    NothingLost,
    /// What a user was told is deleted does not come back.
    StaysDeleted,
    /// No dot names two changes.
    DotsUnique,
    /// Nothing is held that its writer did not sign.
    Signed,
    /// No private byte reaches a node of another space, and none is readable on air.
    Private,
    /// No radio is on air for longer than the law allows.
    DutyCycle,
    /// Nothing grows beyond its bound.
    Bounded,
    /// The run itself ends well: no engine fails or panics.
    Runs,
    /// What the scenario expects.
    Expected,
}

impl Law {
    /// Its name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Convergence => "convergence",
            Self::NothingLost => "nothing-lost",
            Self::StaysDeleted => "stays-deleted",
            Self::DotsUnique => "dots-unique",
            Self::Signed => "signed",
            Self::Private => "private",
            Self::DutyCycle => "duty-cycle",
            Self::Bounded => "bounded",
            Self::Runs => "runs",
            Self::Expected => "expected",
        }
    }
}

impl std::fmt::Display for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Which law was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The law.
    pub law: Law,
    /// Who broke it, and with what.
    pub what: String,
}

impl Breach {
    /// A law's breach, if it is broken.
    pub(crate) fn of(law: Law, result: Result<(), Broken>) -> Option<Self> {
        result.err().map(|Broken(what)| Self { law, what })
    }
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.law, self.what)
    }
}

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

/// The newest entry for a document that this node made itself.
pub(crate) fn last_own_entry(node: &Node, name: &DocumentName) -> Option<Entry> {
    let read = node.store.read().ok()?;
    let view = View(&read);
    let document = view.named(name).ok()?;
    let own = document
        .heads()
        .iter()
        .filter(|head| head.dot.writer.node == node.key.node_id());
    let newest = own.max_by_key(|head| head.time)?;
    view.entry(newest.dot).ok().flatten()
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

/// What two converged nodes have in common, byte for byte, if both can read it.
const READABLE: [Table; 6] = [
    Table::Entries,
    Table::Heads,
    Table::Folders,
    Table::Inline,
    Table::Pending,
    Table::Chunks,
];
/// And if one of them cannot.
const SEALED: [Table; 4] = [Table::Entries, Table::Inline, Table::Pending, Table::Chunks];

/// What two converged nodes have in common.
fn state(node: &Node, tables: &[Table]) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    each_row(node, tables, &mut |table, key, value| {
        rows.push((table, key.to_vec(), value.to_vec()))
    });
    rows
}

/// Receives the table, key and value of a row.
type VisitRow<'a> = dyn FnMut(Table, &[u8], &[u8]) + 'a;

fn each_row(node: &Node, tables: &[Table], visit: &mut VisitRow<'_>) {
    if let Ok(read) = node.store.read() {
        for table in tables.iter().copied() {
            let _ = read.scan(table, &[], &mut |key, value| {
                visit(table, key, value);
                ControlFlow::Continue(())
            });
        }
        visit(Table::Meta, b"clock", format!("{:?}", clock(node)).as_bytes());
    }
}

/// Stands for [`state`].
fn state_hash(node: &Node, tables: &[Table]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    each_row(node, tables, &mut |table, key, value| {
        let lens = [table as u64, key.len() as u64, value.len() as u64];
        for len in lens {
            hasher.update(&len.to_le_bytes());
        }
        hasher.update(key);
        hasher.update(value);
    });
    hasher.finalize()
}

/// How a node's state differs from another's, in words.
fn difference(expected: &Node, found: &Node, tables: &[Table]) -> String {
    let (expected, found) = (state(expected, tables), state(found, tables));
    let only = |of: &[(Table, Vec<u8>, Vec<u8>)], than: &[(Table, Vec<u8>, Vec<u8>)]| {
        let than: BTreeSet<_> = than.iter().cloned().collect();
        of.iter().find(|row| !than.contains(*row)).cloned()
    };
    let (where_, (table, key, value)) = match (only(&expected, &found), only(&found, &expected)) {
        (Some(row), _) => ("lacks", row),
        (None, Some(row)) => ("has in excess", row),
        (None, None) => return "differs in the order of its rows".into(),
    };
    match Entry::decode_trusted(&value) {
        Ok(entry) => format!("{where_} {} of {}", entry.dot(), entry.change().name),
        Err(_) => format!(
            "{where_} in {table:?} the row {:?}: {value:?}",
            String::from_utf8_lossy(&key)
        ),
    }
}

/// What a follower of these nodes holds: of a follower all that lives there, and else the public part. Without deletions: when these are
/// collected a follower hears with the next change.
fn public(node: &Node) -> BTreeMap<Dot, Entry> {
    let mut live = node.live();
    let follows = node.role == Role::Follower;
    live.retain(|_, entry| entry.content().is_some() && (follows || entry.change().name.path().is_some()));
    live
}

/// Convergence (invariant 2): all nodes of a space hold byte-equal state, and every payload is there and whole. Custodians hold the same
/// sealed, followers the public part of it and nothing else.
pub fn converged(world: &World) -> Result<(), Broken> {
    // Of each space the first that reads it, and what that holds, readable and sealed.
    let mut first: BTreeMap<usize, (usize, [blake3::Hash; 2])> = BTreeMap::new();
    let (keepers, owners): (Vec<_>, Vec<_>) = world
        .nodes
        .iter()
        .enumerate()
        .partition(|(_, node)| node.role != Role::Member);
    for (index, node) in owners.into_iter().chain(keepers) {
        if world.is_left_out(index) {
            continue;
        }
        let has_keeper = world
            .nodes
            .iter()
            .any(|other| other.role == Role::Custodian && other.space == node.space);
        let tables = match node.role {
            Role::Member => &READABLE[..],
            Role::Custodian | Role::Follower => &SEALED,
        };
        let hash = state_hash(node, tables);
        let (model, [readable, sealed]) = *first.entry(node.space).or_insert_with(|| {
            let sealed = if has_keeper {
                state_hash(node, &SEALED)
            } else {
                hash
            };
            (index, [hash, sealed])
        });
        let is_right = match node.role {
            Role::Member => hash == readable,
            Role::Custodian => hash == sealed,
            Role::Follower => public(node) == public(&world.nodes[model]),
        };
        if !is_right {
            let difference = match node.role {
                Role::Follower => format!(
                    "{:?} and {:?}",
                    public(node).keys(),
                    public(&world.nodes[model]).keys()
                ),
                _ => difference(&world.nodes[model], node, tables),
            };
            return Err(Broken(format!("node {index}, beside node {model}: {difference}")));
        }
        let Ok(read) = node.store.read() else {
            return Err(Broken("a store cannot be read".into()));
        };
        let mut lacking = listed_chunks(node);
        lacking.retain(|hash| node.chunk(hash).is_none());
        // A payload may have been on one disk alone, and that disk replaced by an older copy.
        let gone = |hash: &Hash| world.restored && world.nodes.iter().all(|node| node.chunk(hash).is_none());
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
    none_of(&lost(world))
}

fn none_of(lost: &[(usize, Dot, String)]) -> Result<(), Broken> {
    match lost.first() {
        Some((index, dot, path)) => Err(Broken(format!("node {index} lost {dot} of {path}"))),
        None => Ok(()),
    }
}

/// Acknowledged writes that are neither live nor replaced on some node of their space, each with that node.
pub fn lost(world: &World) -> Vec<(usize, Dot, String)> {
    // What a node said that lies is not expected anywhere; it may replace what others wrote even so.
    let honest: BTreeSet<Dot> = (world.acknowledged.iter())
        .filter(|written| !world.is_left_out(written.node))
        .map(|written| written.entry.dot())
        .collect();
    let mut by_name: BTreeMap<(usize, &DocumentName), Vec<&Entry>> = BTreeMap::new();
    for Acknowledged { entry, node } in &world.acknowledged {
        let space = world.nodes[*node].space;
        by_name
            .entry((space, &entry.change().name))
            .or_default()
            .push(entry);
    }
    let mut lost = Vec::new();
    for (index, node) in world.nodes.iter().enumerate() {
        if world.is_left_out(index) {
            continue;
        }
        let live = node.live();
        let mut live_by_name: BTreeMap<&DocumentName, Vec<&Entry>> = BTreeMap::new();
        for entry in live.values() {
            live_by_name.entry(&entry.change().name).or_default().push(entry);
        }
        for ((_, name), entries) in by_name.iter().filter(|((space, _), _)| *space == node.space) {
            let here = live_by_name.get(name).map_or(&[][..], Vec::as_slice);
            if node.role == Role::Follower && name.path().is_none() {
                continue;
            }
            for entry in entries {
                let dot = entry.dot();
                // A deletion that is not live may have been collected.
                let is_missed =
                    honest.contains(&dot) && !live.contains_key(&dot) && entry.content().is_some();
                if is_missed && !entries.iter().chain(here).any(|other| other.supersedes(dot)) {
                    lost.push((index, dot, name.to_string()));
                }
            }
        }
    }
    lost
}

/// No dot names two changes.
pub fn dots_are_unique(world: &World) -> Result<(), Broken> {
    let mut seen: BTreeMap<Dot, &Entry> = BTreeMap::new();
    for Acknowledged { entry, .. } in &world.acknowledged {
        if let Some(other) = seen.insert(entry.dot(), entry)
            && other != entry
        {
            return Err(Broken(format!("{} names two changes", entry.dot())));
        }
    }
    Ok(())
}

/// What a user was told is deleted is gone (invariant 1): no version that a deletion had seen is live again.
pub fn deleted_stays_deleted(world: &World) -> Result<(), Broken> {
    let deletions: Vec<&Acknowledged> = (world.acknowledged.iter())
        .filter(|written| written.entry.content().is_none() && !world.is_left_out(written.node))
        .collect();
    for (index, node) in world.nodes.iter().enumerate() {
        if world.is_left_out(index) || deletions.is_empty() {
            continue;
        }
        let live = node.live();
        for Acknowledged { entry, node: writer } in &deletions {
            let name = &entry.change().name;
            let back = live.values().filter(|live| live.change().name == *name);
            if world.nodes[*writer].space == node.space
                && let Some(dot) = back.map(Entry::dot).find(|dot| entry.supersedes(*dot))
            {
                return Err(Broken(format!(
                    "node {index} holds {dot} of {name}, which {} deleted",
                    entry.dot()
                )));
            }
        }
    }
    Ok(())
}

/// Every live entry has its writer's signature (invariant 4).
pub fn all_is_signed(world: &World) -> Result<(), Broken> {
    for (index, node) in world.nodes.iter().enumerate() {
        let Ok(read) = node.store.read() else {
            return Err(Broken("a store cannot be read".into()));
        };
        let mut bad = None;
        let _ = read.scan(Table::Entries, &[], &mut |_, value| match Entry::decode(value) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                bad = Some(error.to_string());
                ControlFlow::Break(())
            }
        });
        if let Some(why) = bad.filter(|_| !world.is_left_out(index)) {
            return Err(Broken(format!(
                "node {index} holds an entry that is not good: {why}"
            )));
        }
    }
    Ok(())
}

/// No radio was on air for longer than the law allows (invariant 6).
pub fn duty_is_kept(world: &World) -> Result<(), Broken> {
    for node in 0..world.nodes.len() {
        if let Some((_, of_allowed)) = world.duty(node).filter(|(_, of_allowed)| *of_allowed > 1.0) {
            return Err(Broken(format!(
                "node {node} was on air for {of_allowed:.3} of what the law allows in a window"
            )));
        }
    }
    Ok(())
}

/// What must hold at any time, not only in the end: the first that is broken.
pub fn at_any_time(world: &World) -> Option<Breach> {
    Breach::of(Law::DotsUnique, dots_are_unique(world))
        .or_else(|| Breach::of(Law::Signed, all_is_signed(world)))
        .or_else(|| Breach::of(Law::DutyCycle, duty_is_kept(world)))
        .or_else(|| Breach::of(Law::Private, world.private_bytes_stay()))
        .or_else(|| Breach::of(Law::Bounded, world.memory_is_bounded()))
}

/// What must hold once all faults are over: the first that is broken. `lost` is what [`lost`] says.
pub fn in_the_end(world: &World, lost: &[(usize, Dot, String)]) -> Option<Breach> {
    Breach::of(Law::Convergence, converged(world))
        .or_else(|| Breach::of(Law::NothingLost, none_of(lost)))
        .or_else(|| Breach::of(Law::StaysDeleted, deleted_stays_deleted(world)))
}
