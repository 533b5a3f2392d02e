//! Rebuilding a disk from a part of its journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::journal::{Contents, FileId, Operation};
use super::recorder::Loss;
use crate::store::chunks::parent;

/// Bytes that a disk writes whole or not at all.
const SECTOR_LEN: usize = 512;

/// The disk after a power cut that follows the last of `operations`.
pub(super) fn rebuild(start: &Contents, operations: &[Operation], loss: Loss) -> Contents {
    let mut contents = start.clone();
    let mut fate = Fate::new(loss);
    for (operation, durable) in operations.iter().zip(durable(operations)) {
        if durable {
            contents.apply(operation);
        } else {
            fate.befall(&mut contents, operation);
        }
    }
    drop_unreachable(&mut contents);
    contents
}

/// Says of each operation whether a later sync covers it.
fn durable(operations: &[Operation]) -> Vec<bool> {
    let mut all = false;
    let mut database = false;
    let mut files: BTreeSet<FileId> = BTreeSet::new();
    let mut dirs: BTreeSet<&str> = BTreeSet::new();
    let mut durable = vec![false; operations.len()];
    for (operation, durable) in operations.iter().zip(&mut durable).rev() {
        *durable = all
            || match operation {
                Operation::DatabaseWrite { .. } | Operation::DatabaseLen(_) => database,
                Operation::FileWrite { file, .. } => files.contains(file),
                Operation::MakeDir(path) | Operation::Name { path, .. } | Operation::Unname(path) => {
                    dirs.contains(parent(path))
                }
                Operation::DatabaseSync => {
                    database = true;
                    true
                }
                Operation::FileSync(file) => {
                    files.insert(*file);
                    true
                }
                Operation::DirSync(path) => {
                    dirs.insert(path);
                    true
                }
                Operation::SyncAll => {
                    all = true;
                    true
                }
            };
    }
    durable
}

/// Drops names whose directory was lost, and files without a name.
fn drop_unreachable(contents: &mut Contents) {
    // Ascending order: a directory comes before those in it.
    let mut reachable = BTreeSet::from([String::new()]);
    for path in &contents.dirs {
        if reachable.contains(parent(path)) {
            reachable.insert(path.clone());
        }
    }
    contents.dirs = reachable;
    contents
        .names
        .retain(|path, _| contents.dirs.contains(parent(path)));
    let named: BTreeSet<FileId> = contents.names.values().copied().collect();
    contents.files.retain(|file, _| named.contains(file));
}

/// Decides what becomes of operations that no sync covers.
struct Fate {
    random: ChaCha8Rng,
    /// Of 256 operations, how many are lost.
    lost: u32,
    /// Of 256 writes that are not lost, how many arrive in part.
    torn: u32,
}

impl Fate {
    fn new(loss: Loss) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(match loss {
            Loss::Torn(seed) => seed,
            Loss::Everything | Loss::Nothing => 0,
        });
        // The shares differ between images: some lose little and some nearly all.
        let shares = [16, 128, 240];
        let (lost, torn) = match loss {
            Loss::Everything => (256, 0),
            Loss::Nothing => (0, 0),
            Loss::Torn(_) => (
                shares[below(&mut random, shares.len())],
                shares[below(&mut random, shares.len())],
            ),
        };
        Self { random, lost, torn }
    }

    fn befall(&mut self, contents: &mut Contents, operation: &Operation) {
        let random = &mut self.random;
        if random.next_u32() % 256 < self.lost {
            return;
        }
        let in_part = random.next_u32() % 256 < self.torn;
        match operation {
            Operation::DatabaseWrite { offset, bytes } if in_part => {
                tear_database(contents, *offset, bytes, random);
            }
            Operation::FileWrite { file, bytes } if in_part => {
                contents.files.insert(*file, torn_file(bytes, random));
            }
            _ => contents.apply(operation),
        }
    }
}

fn below(random: &mut ChaCha8Rng, bound: usize) -> usize {
    random.next_u32() as usize % bound
}

/// Writes some of the sectors that the bytes touch. Sectors are places on the disk, not in the write.
fn tear_database(contents: &mut Contents, offset: usize, bytes: &[u8], random: &mut ChaCha8Rng) {
    let mut start = 0;
    while start < bytes.len() {
        let in_sector = SECTOR_LEN - (offset + start) % SECTOR_LEN;
        let end = bytes.len().min(start + in_sector);
        if random.next_u32().is_multiple_of(2) {
            contents.apply(&Operation::DatabaseWrite {
                offset: offset + start,
                bytes: bytes[start..end].into(),
            });
        }
        start = end;
    }
}

/// A file of which the power cut kept the length, or a part, or something else in its place.
fn torn_file(bytes: &[u8], random: &mut ChaCha8Rng) -> Arc<[u8]> {
    let mut torn = bytes.to_vec();
    match random.next_u32() % 4 {
        0 => torn.clear(),
        1 => torn.truncate(below(random, bytes.len() + 1)),
        _ => {
            for sector in torn.chunks_mut(SECTOR_LEN) {
                match random.next_u32() % 3 {
                    0 => sector.fill(0),
                    1 => random.fill_bytes(sector),
                    _ => {}
                }
            }
        }
    }
    torn.into()
}
