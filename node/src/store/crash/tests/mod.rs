//! Random workloads, and a power cut wherever it may hurt.
//!
//! `CAIRN_CRASH_WORKLOADS=1000 cargo test store::crash` runs more of them; a failure names the seed, and
//! `CAIRN_CRASH_SEED` runs that one alone.

mod faults;
mod model;
mod workload;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use super::{CrashImage, CrashRecorder, Loss};
use crate::store::{ChunkFiles, RedbStore};
use model::Promises;
use workload::Workload;

/// Workloads of an ordinary test run.
const WORKLOADS: u64 = 200;
/// Torn images for each sync boundary of a workload.
const TORN: u64 = 2;
/// Torn images for each sync boundary of a recovery.
const TORN_AGAIN: u64 = 1;

/// A disk with an empty store: a store gets its name when it is complete, so that no crash finds it half made.
fn new_disk() -> CrashRecorder {
    static MADE: OnceLock<CrashRecorder> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let recorder = CrashRecorder::new();
        drop(RedbStore::open_backend(recorder.database()).unwrap());
        recorder
    });
    made.crash(usize::MAX, Loss::Nothing).recorder
}

/// Opens an image, which may not fail whatever was lost.
fn open(image: &CrashRecorder, context: &str) -> (RedbStore, ChunkFiles) {
    let store = RedbStore::open_backend(image.database())
        .unwrap_or_else(|error| panic!("the tables cannot be opened ({error}), {context}"));
    let files = ChunkFiles::open(image.disk())
        .unwrap_or_else(|error| panic!("the chunks cannot be opened ({error}), {context}"));
    (store, files)
}

/// Runs one workload and looks at its crashes, and at crashes of the recovery from each. Returns how many it saw.
fn survives(seed: u64) -> usize {
    let recorder = new_disk();
    let mut promises = Promises::default();
    Workload::new(seed).run(&recorder, &mut promises);
    let mut seen = 0;
    let killed = [recorder.crash(usize::MAX, Loss::Nothing)];
    for (number, image) in recorder.images(TORN, seed).chain(killed).enumerate() {
        let context = describe(seed, &[&image]);
        let (store, files) = open(&image.recorder, &context);
        let mut later = promises.check(image.position, &store, &files, &context);
        seen += 1;
        // Every other recovery is crashed, and before every other of those crashes the node goes on and fetches again
        // what it misses. Three images belong to a boundary, so that all kinds get their turn; the time is better spent
        // on more workloads.
        if number % 2 == 1 {
            continue;
        }
        if number % 4 == 0 {
            later.write_again(&image.recorder, &store, &files, &promises);
        }
        drop((store, files));
        for again in image.recorder.images(TORN_AGAIN, seed) {
            let context = describe(seed, &[&image, &again]);
            let (store, files) = open(&again.recorder, &context);
            later.check(again.position, &store, &files, &context);
            seen += 1;
        }
    }
    seen
}

fn describe(seed: u64, images: &[&CrashImage]) -> String {
    let crashes: Vec<String> = images
        .iter()
        .map(|image| format!("{} ({:?})", image.position, image.loss))
        .collect();
    format!(
        "workload CAIRN_CRASH_SEED={seed}, power cut after operation {}",
        crashes.join(", then ")
    )
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn nothing_acknowledged_is_lost() {
    if let Some(seed) = number("CAIRN_CRASH_SEED") {
        survives(seed);
        return;
    }
    let workloads = number("CAIRN_CRASH_WORKLOADS").unwrap_or(WORKLOADS);
    let next = AtomicU64::new(0);
    let seen = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= workloads {
                        break;
                    }
                    seen.fetch_add(survives(seed), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{workloads} workloads, {} crashes", seen.into_inner());
}
