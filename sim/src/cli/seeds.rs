//! Seeds as they are given, and runs of many of them side by side.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Signatures that are remembered as good, for each thread.
pub(crate) const VERIFIED_MAX: usize = 1 << 18;

/// Reads `A..B`: from A up to, but not including, B.
pub(crate) fn range(text: &str) -> Result<Range<u64>, String> {
    let bounds = text.split_once("..");
    let parsed = bounds.and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    parsed
        .filter(|seeds| !seeds.is_empty())
        .ok_or_else(|| "give two numbers, the first below the second, as in 0..100".into())
}

/// Does `one` for each seed, so many at a time, and hands results on in the order of the seeds. Stops when `each` says so.
pub(crate) fn side_by_side<T: Send>(
    seeds: Range<u64>,
    threads: usize,
    one: impl Fn(u64) -> T + Sync,
    mut each: impl FnMut(u64, T) -> bool,
) {
    let next = AtomicU64::new(seeds.start);
    let (results, incoming) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (next, results, one) = (&next, results.clone(), &one);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || results.send((seed, one(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        let mut early = BTreeMap::new();
        let mut due = seeds.start;
        while let Ok((seed, result)) = incoming.recv() {
            early.insert(seed, result);
            while let Some(result) = early.remove(&due) {
                if !each(due, result) {
                    next.store(seeds.end, Ordering::Relaxed);
                    return;
                }
                due += 1;
            }
        }
    });
}

/// As many threads as the machine has cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
