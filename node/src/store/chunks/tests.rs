use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use super::*;
use crate::model::{CHUNK_LEN_MAX, Hash};

/// Counts syncs, and fails them when told to.
#[derive(Debug)]
struct Watched {
    below: Box<dyn ChunkDisk>,
    syncs: AtomicUsize,
    syncs_of_all: AtomicUsize,
    failing: AtomicBool,
}

impl Watched {
    fn new(below: impl ChunkDisk) -> Arc<Self> {
        Arc::new(Self {
            below: Box::new(below),
            syncs: AtomicUsize::new(0),
            syncs_of_all: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
        })
    }

    fn sync(&self, count: &AtomicUsize) -> io::Result<()> {
        count.fetch_add(1, Ordering::SeqCst);
        match self.failing.load(Ordering::SeqCst) {
            true => Err(io::Error::other("no such sector")),
            false => Ok(()),
        }
    }
}

impl ChunkDisk for Watched {
    fn make_dir(&self, path: &str) -> io::Result<()> {
        self.below.make_dir(path)
    }
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.below.write(path, bytes)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.below.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.below.remove(path)
    }
    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.sync(&self.syncs)?;
        self.below.sync_file(path)
    }
    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.sync(&self.syncs)?;
        self.below.sync_dir(path)
    }
    fn sync_all(&self) -> io::Result<()> {
        self.sync(&self.syncs_of_all)?;
        self.below.sync_all()
    }
    fn read(&self, path: &str, len_max: usize) -> io::Result<Vec<u8>> {
        self.below.read(path, len_max)
    }
    fn len(&self, path: &str) -> io::Result<u64> {
        self.below.len(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.below.list(path)
    }
}

fn chunk(number: u32) -> (Hash, Vec<u8>) {
    let bytes = number.to_le_bytes().repeat(100);
    (Hash::of(&bytes), bytes)
}

fn on_both(test: impl Fn(Arc<Watched>)) {
    test(Watched::new(MemoryDisk::new()));
    let folder = tempfile::tempdir().unwrap();
    test(Watched::new(FolderDisk::open(folder.path()).unwrap()));
}

#[test]
fn chunks_are_kept() {
    on_both(|disk| {
        let files = ChunkFiles::open(disk.clone()).unwrap();
        let mut hashes = Vec::new();
        for number in 0..40 {
            let (hash, bytes) = chunk(number);
            assert!(matches!(files.read(&hash), Err(ChunkError::Missing { .. })));
            assert!(!files.contains(&hash).unwrap());
            let _ = files.write(hash, &bytes).unwrap();
            let _ = files.write(hash, &bytes).unwrap();
            hashes.push(hash);
        }
        files.sync().unwrap();
        disk.write("tmp/9", b"half").unwrap();
        drop(files);
        let files = ChunkFiles::open(disk.clone()).unwrap();
        assert!(disk.list("tmp").unwrap().is_empty());
        for number in 0..40 {
            let (hash, bytes) = chunk(number);
            assert_eq!(files.len(&hash).unwrap(), 400);
            assert_eq!(files.read(&hash).unwrap(), bytes);
        }
        disk.write("chunks/00/README", b"not ours").unwrap_or_default();
        hashes.sort();
        let listed: Vec<Hash> = files.list().map(Result::unwrap).collect();
        assert_eq!(listed, hashes);
    });
}

#[test]
fn bytes_that_are_not_the_chunk_are_refused() {
    let files = ChunkFiles::open(Arc::new(MemoryDisk::new())).unwrap();
    let (hash, _) = chunk(1);
    assert!(matches!(
        files.write(hash, b"else"),
        Err(ChunkError::HashMismatch { .. })
    ));
    assert!(matches!(
        files.write(hash, &vec![0; CHUNK_LEN_MAX as usize + 1]),
        Err(ChunkError::TooLong { .. })
    ));
    assert!(!files.contains(&hash).unwrap());
}

#[test]
fn pinned_and_referenced_chunks_stay() {
    let files = ChunkFiles::open(Arc::new(MemoryDisk::new())).unwrap();
    let (hash, bytes) = chunk(1);
    let first = files.write(hash, &bytes).unwrap();
    let second = files.pin(hash);
    assert!(!files.remove_unless(&hash, || false).unwrap());
    drop(first);
    assert!(!files.remove_unless(&hash, || false).unwrap());
    drop(second);
    assert!(!files.remove_unless(&hash, || true).unwrap());
    assert!(files.contains(&hash).unwrap());
    assert!(files.remove_unless(&hash, || false).unwrap());
    assert!(!files.remove_unless(&hash, || false).unwrap());
    assert!(!files.contains(&hash).unwrap());
    files.sync().unwrap();
}

#[test]
fn damage_is_found_repaired_and_kept_for_inspection() {
    on_both(|disk| {
        let files = ChunkFiles::open(disk.clone()).unwrap();
        for number in 0..20 {
            let (hash, bytes) = chunk(number);
            let _ = files.write(hash, &bytes).unwrap();
            assert!(!files.set_aside(&hash).unwrap());
            let mut damaged = bytes.clone();
            damaged[7] ^= 1;
            disk.write(&files::place(&hash), &damaged).unwrap();
            assert!(matches!(files.read(&hash), Err(ChunkError::Corrupt { .. })));
            if number % 2 == 0 {
                assert!(files.set_aside(&hash).unwrap());
                assert!(!files.contains(&hash).unwrap());
            }
            // The length is right: a writer that looked no further would leave the damage in place.
            let _ = files.write(hash, &bytes).unwrap();
            assert_eq!(files.read(&hash).unwrap(), bytes);
        }
        for _ in 0..2 {
            for number in 0..10 {
                let (hash, bytes) = chunk(number);
                disk.write(&files::place(&hash), b"").unwrap();
                assert!(files.set_aside(&hash).unwrap());
                let _ = files.write(hash, &bytes).unwrap();
            }
        }
        let kept = disk.list("corrupt").unwrap();
        assert_eq!(kept.len(), files::CORRUPT_FILES_MAX);
        assert!(kept.last().unwrap().ends_with(&chunk(9).0.to_string()));
        files.sync().unwrap();
    });
}

#[test]
fn few_files_are_synced_singly_and_many_at_once() {
    let disk = Watched::new(MemoryDisk::new());
    let files = ChunkFiles::open(disk.clone()).unwrap();
    let of_all = disk.syncs_of_all.load(Ordering::SeqCst);
    let (hash, bytes) = chunk(0);
    let _ = files.write(hash, &bytes).unwrap();
    files.sync().unwrap();
    files.sync().unwrap();
    // The file, its directory, and the directory above, which got a new name.
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 3);
    for number in 0..40 {
        let (hash, bytes) = chunk(number);
        let _ = files.write(hash, &bytes).unwrap();
    }
    files.sync().unwrap();
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 3);
    assert_eq!(disk.syncs_of_all.load(Ordering::SeqCst), of_all + 1);
}

#[test]
fn callers_at_the_same_time_share_a_barrier() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Watched::new(FolderDisk::open(folder.path()).unwrap());
    let files = ChunkFiles::open(disk.clone()).unwrap();
    let start = Barrier::new(32);
    thread::scope(|scope| {
        for number in 0..32 {
            let (files, start) = (&files, &start);
            scope.spawn(move || {
                let (hash, bytes) = chunk(number);
                let _ = files.write(hash, &bytes).unwrap();
                start.wait();
                files.sync().unwrap();
            });
        }
    });
    // All had written when the first barrier began.
    assert_eq!(disk.syncs_of_all.load(Ordering::SeqCst), 2);
    assert_eq!(disk.syncs.load(Ordering::SeqCst), 0);
}

/// A sync that failed once would succeed the second time, because the kernel has given up the pages: nothing may be
/// acknowledged by it.
#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_the_next_start() {
    on_both(|disk| {
        let files = ChunkFiles::open(disk.clone()).unwrap();
        let (early, bytes) = chunk(1);
        let _ = files.write(early, &bytes).unwrap();
        files.sync().unwrap();
        let (late, bytes) = chunk(2);
        let _ = files.write(late, &bytes).unwrap();
        disk.failing.store(true, Ordering::SeqCst);
        assert!(matches!(files.sync(), Err(ChunkError::Disk(_))));
        disk.failing.store(false, Ordering::SeqCst);
        assert!(matches!(files.sync(), Err(ChunkError::Broken)));
        assert!(matches!(files.write(late, &bytes), Err(ChunkError::Broken)));
        files.read(&early).unwrap();
        drop(files);
        let files = ChunkFiles::open(disk.clone()).unwrap();
        assert!(!files.contains(&late).unwrap());
        let _ = files.write(late, &bytes).unwrap();
        files.sync().unwrap();
    });
}
