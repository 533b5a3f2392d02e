//! One suite for every store: the simulator's disk must behave as the real one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

fn rows(read: &impl ReadTransaction, table: Table, from: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    read.scan(table, from, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    rows
}

fn an_uncommitted_change_leaves_nothing<S: Store>(store: &S) {
    let mut write = store.write().unwrap();
    write.put(Table::Meta, b"a", b"1").unwrap();
    assert_eq!(write.get(Table::Meta, b"a").unwrap().unwrap(), b"1");
    drop(write);
    assert_eq!(store.read().unwrap().get(Table::Meta, b"a").unwrap(), None);
}

fn a_reader_keeps_its_state<S: Store>(store: &S) {
    let before = store.read().unwrap();
    let mut write = store.write().unwrap();
    write.put(Table::Meta, b"a", b"1").unwrap();
    write.commit().unwrap();
    assert_eq!(before.get(Table::Meta, b"a").unwrap(), None);
    assert_eq!(
        store.read().unwrap().get(Table::Meta, b"a").unwrap().unwrap(),
        b"1"
    );
    let mut write = store.write().unwrap();
    assert!(write.delete(Table::Meta, b"a").unwrap());
    assert!(!write.delete(Table::Meta, b"a").unwrap());
    write.commit().unwrap();
}

fn a_scan_stops_when_told_and_stays_in_its_table<S: Store>(store: &S) {
    let mut write = store.write().unwrap();
    for table in [Table::Heads, Table::Folders, Table::Inline] {
        for key in [b"a", b"b", b"c"] {
            write.put(table, key, table.name().as_bytes()).unwrap();
        }
    }
    write.commit().unwrap();
    let read = store.read().unwrap();
    assert_eq!(rows(&read, Table::Folders, b"b").len(), 2);
    let mut seen = 0;
    read.scan(Table::Folders, b"", &mut |_, value| {
        assert_eq!(value, b"folders");
        seen += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(seen, 1);
}

fn long_keys_are_refused<S: Store>(store: &S) {
    let mut write = store.write().unwrap();
    let key = vec![0; KEY_LEN_MAX + 1];
    assert!(matches!(
        write.put(Table::Meta, &key, b""),
        Err(StoreError::KeyTooLong)
    ));
}

fn basics<S: Store>(make: impl Fn() -> S) {
    an_uncommitted_change_leaves_nothing(&make());
    a_reader_keeps_its_state(&make());
    a_scan_stops_when_told_and_stays_in_its_table(&make());
    long_keys_are_refused(&make());
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Delete(u8),
    Commit,
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..12, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        2 => (0u8..12).prop_map(Step::Delete),
        1 => Just(Step::Commit),
        1 => Just(Step::Drop),
    ];
    prop::collection::vec(step, 1..40)
}

/// Any sequence of changes leaves what a plain map would hold, in the transaction and after it.
fn follows_a_map<S: Store>(store: &S, steps: &[Step]) {
    let mut committed = BTreeMap::new();
    let mut current = BTreeMap::new();
    let mut write = store.write().unwrap();
    for step in steps {
        match step {
            Step::Put(key, value) => {
                write.put(Table::Entries, &[*key], &[*value]).unwrap();
                current.insert(vec![*key], vec![*value]);
            }
            Step::Delete(key) => {
                let was = write.delete(Table::Entries, &[*key]).unwrap();
                assert_eq!(was, current.remove([*key].as_slice()).is_some());
            }
            Step::Commit => {
                write.commit().unwrap();
                committed = current.clone();
                write = store.write().unwrap();
            }
            Step::Drop => {
                drop(write);
                current = committed.clone();
                write = store.write().unwrap();
            }
        }
        assert_eq!(
            rows(&write, Table::Entries, b""),
            current.clone().into_iter().collect::<Vec<_>>()
        );
    }
    drop(write);
    assert_eq!(
        rows(&store.read().unwrap(), Table::Entries, b""),
        committed.into_iter().collect::<Vec<_>>()
    );
}

fn redb_in_memory() -> RedbStore {
    RedbStore::open_backend(::redb::backends::InMemoryBackend::new()).unwrap()
}

#[test]
fn memory() {
    basics(MemoryStore::new);
}

#[test]
fn redb() {
    basics(redb_in_memory);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn memory_follows_a_map(steps in steps()) {
        follows_a_map(&MemoryStore::new(), &steps);
    }

    #[test]
    fn redb_follows_a_map(steps in steps()) {
        follows_a_map(&redb_in_memory(), &steps);
    }
}

#[test]
fn a_file_is_opened_once_and_keeps_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path).unwrap();
    assert!(matches!(RedbStore::open(&path), Err(StoreError::InUse)));
    let mut write = store.write().unwrap();
    write.put(Table::Meta, b"a", b"1").unwrap();
    write.commit().unwrap();
    drop(store);
    let store = RedbStore::open(&path).unwrap();
    assert_eq!(
        store.read().unwrap().get(Table::Meta, b"a").unwrap().unwrap(),
        b"1"
    );
}

/// A power cut during the first start left half a file, which redb refuses: the node could never be started again.
#[test]
fn a_file_whose_making_was_interrupted_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let new = folder.path().join("store.redb.new");
    std::fs::write(&new, vec![0; 8192]).unwrap();
    let store = RedbStore::open(&path).unwrap();
    let mut write = store.write().unwrap();
    write.put(Table::Meta, b"a", b"1").unwrap();
    write.commit().unwrap();
    assert!(path.exists() && !new.exists());
    drop(store);
    // A file that once was complete is never made anew, whatever it holds.
    std::fs::write(&path, vec![0; 8192]).unwrap();
    assert!(matches!(RedbStore::open(&path), Err(StoreError::Database(_))));
    assert_eq!(std::fs::read(&path).unwrap(), vec![0; 8192]);
}

/// A flipped bit on the card: the value is named, and not served.
#[test]
fn a_corrupted_value_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let value = b"a value that can be found in the file again";
    let store = RedbStore::open(&path).unwrap();
    let mut write = store.write().unwrap();
    write.put(Table::Meta, b"a", value).unwrap();
    write.commit().unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - value.len())
        .filter(|at| &bytes[*at..*at + value.len()] == value)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&path, bytes).unwrap();
    let store = RedbStore::open(&path).unwrap();
    let error = store.read().unwrap().get(Table::Meta, b"a").unwrap_err();
    assert!(
        matches!(error, StoreError::Corrupted { table: "meta", .. }),
        "{error}"
    );
}

/// A whole page that went bad: whatever redb makes of it, an error comes out or what was stored, and no panic.
#[test]
fn a_damaged_page_is_an_error() {
    const PAGE: usize = 4096;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path).unwrap();
    let mut write = store.write().unwrap();
    let key = |index: u32| index.to_be_bytes();
    for index in 0..500 {
        write.put(Table::Meta, &key(index), &[7; 100]).unwrap();
    }
    write.commit().unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    let used =
        (0..whole.len() / PAGE).filter(|page| whole[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0));
    let mut found = 0;
    for page in used {
        let mut bytes = whole.clone();
        bytes[page * PAGE..][..PAGE].fill(0xee);
        std::fs::write(&path, bytes).unwrap();
        let Ok(store) = RedbStore::open(&path) else {
            found += 1;
            continue;
        };
        let Ok(read) = store.read() else {
            found += 1;
            continue;
        };
        let got: Result<Vec<_>, _> = (0..500).map(|index| read.get(Table::Meta, &key(index))).collect();
        match got {
            Ok(values) => assert!(values.iter().flatten().all(|value| *value == [7; 100])),
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                found += 1;
            }
        }
        let scanned = read.scan(Table::Meta, &[], &mut |_, _| ControlFlow::Continue(()));
        assert!(scanned.is_ok() || scanned.is_err_and(|error| error.is_damage()));
    }
    assert!(found > 5, "only {found} damaged pages were found");
}
