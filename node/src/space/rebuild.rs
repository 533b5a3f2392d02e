//! A damaged store built anew: what can still be read is carried over, and what cannot is left for peers to bring.

use super::apply::chunks;
use super::records::{self, OwnWriter, Record};
use super::{Opened, SpaceError, View, apply, attach, keys, mark_pending, mark_present};
use crate::model::{Clock, Dot, Entry, Hash, HybridTime};
use crate::store::{ReadTransaction, RedbStore, Store, Table, WriteTransaction};

/// What the sealed body of an entry says, from the bytes beside it.
pub type Open<'a> = dyn Fn(&Entry, Option<&[u8]>) -> Option<Opened> + 'a;

/// What a rebuilding brought over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rebuilt {
    /// Live entries that were carried over.
    pub kept: usize,
    /// Live entries that were not, as far as they can be named: a document's path, or a change's dot.
    pub lost: Vec<String>,
    /// Parts of the old store could not be visited at all.
    pub incomplete: bool,
}

/// Fills the empty store `new` with what can be read of `old`. `chunk_here` says whether a chunk's file is on disk, `open` what a sealed
/// body says.
///
/// Only entries and what lies beside them count; heads, folders and chunk counts are derived from them again. The
/// clock loses the dots of the entries that are lost, so that every peer that holds them sends them once more.
pub fn rebuild(
    old: &RedbStore,
    new: &RedbStore,
    chunk_here: &dyn Fn(&Hash) -> bool,
    open: &Open<'_>,
) -> Result<Rebuilt, SpaceError> {
    let from = old.read()?;
    let mut into = new.write()?;
    let mut rebuilt = Rebuilt::default();
    let mut names: Vec<(Vec<u8>, bool)> = Vec::new();
    let visited = old.salvage(Table::Entries, &mut |key, value| {
        names.push((key.to_vec(), value.is_some()));
    });
    rebuilt.incomplete = visited.is_err();

    let mut carried = Clock::new();
    let mut lost: Vec<Dot> = Vec::new();
    let mut latest = HybridTime::default();
    for (key, readable) in names {
        let Some(dot) = keys::parse_dot(&key) else {
            continue;
        };
        let entry = if readable {
            damage_is_none(View(&from).entry(dot))?
        } else {
            None
        };
        let Some(entry) = entry else {
            rebuilt.lost.push(dot.to_string());
            lost.push(dot);
            continue;
        };
        if carry_over(&from, &mut into, &entry, chunk_here, open)? {
            rebuilt.kept += 1;
            carried.insert(dot);
            latest = latest.max(entry.change().time);
        } else {
            rebuilt.lost.push(entry.change().name.to_string());
            lost.push(dot);
        }
    }

    let clock = damage_is_none(records::load::<Clock>(&from, Record::Clock))?;
    let clock = match clock {
        Some(mut clock) if !rebuilt.incomplete => {
            lost.into_iter().for_each(|dot| clock.remove(dot));
            clock
        }
        _ => carried,
    };
    records::store(&mut into, Record::Clock, &clock)?;
    if let Some(membership) = damage_is_none(records::membership(&from))? {
        records::store(&mut into, Record::Membership, &membership)?;
    }
    if let Some(collected) = damage_is_none(records::load::<Clock>(&from, Record::Collected))? {
        records::store(&mut into, Record::Collected, &collected)?;
    }
    // The new file proves nothing of the old one's incarnation; of its time, it keeps what it can.
    let own: OwnWriter = damage_is_none(records::load(&from, Record::OwnWriter))?.unwrap_or_default();
    let time = own.time.max(latest);
    records::store(&mut into, Record::OwnWriter, &OwnWriter { time, ..own })?;
    for table in [Table::Peers, Table::Tokens] {
        let mut rows = Vec::new();
        let visited = old.salvage(table, &mut |key, value| {
            rows.extend(value.map(|value| (key.to_vec(), value.to_vec())));
        });
        rebuilt.incomplete |= visited.is_err();
        for (key, value) in rows {
            into.put(table, &key, &value)?;
        }
    }
    into.commit()?;
    Ok(rebuilt)
}

/// Says whether everything that belongs to the entry could be read.
fn carry_over(
    from: &impl ReadTransaction,
    into: &mut impl WriteTransaction,
    entry: &Entry,
    chunk_here: &dyn Fn(&Hash) -> bool,
    open: &Open<'_>,
) -> Result<bool, SpaceError> {
    let Some(attachment) = damage_is_none(View(from).attachment(entry.dot()).map(Some))? else {
        return Ok(false);
    };
    let Ok(manifest) = attach(entry, attachment.as_deref()) else {
        return Ok(false);
    };
    let opened = open(entry, attachment.as_deref());
    let applied = apply(
        into,
        entry,
        attachment.as_deref(),
        manifest.as_ref(),
        false,
        opened.as_ref(),
    )?;
    if applied.pending {
        let mut complete = true;
        let listed = entry.content().map(|content| chunks(content, manifest.as_ref()));
        for (hash, _) in listed.unwrap_or_default() {
            let here = chunk_here(&hash);
            mark_present(into, &hash, here)?;
            complete &= here;
        }
        mark_pending(into, entry.dot(), !complete)?;
    }
    Ok(true)
}

/// What is damaged counts as not there; any other failure is one.
fn damage_is_none<T>(result: Result<Option<T>, SpaceError>) -> Result<Option<T>, SpaceError> {
    match result {
        Err(SpaceError::Unreadable { .. }) => Ok(None),
        Err(SpaceError::Store(error)) if error.is_damage() => Ok(None),
        other => other,
    }
}
