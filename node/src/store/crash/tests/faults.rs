//! The crash disk itself: it must forget whatever may be forgotten, or the other test proves nothing.

use std::collections::BTreeSet;
use std::io;

use redb::StorageBackend as _;

use super::super::{CrashRecorder, Loss};
use crate::store::ChunkDisk as _;

/// What a read of `b/name` finds in an image.
fn found(recorder: &CrashRecorder, loss: Loss) -> Option<Vec<u8>> {
    let image = recorder.crash(usize::MAX, loss);
    match image.recorder.disk().read("b/name", 10_000) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

fn renamed() -> CrashRecorder {
    let recorder = CrashRecorder::new();
    let disk = recorder.disk();
    disk.make_dir("a").unwrap();
    disk.make_dir("b").unwrap();
    disk.sync_dir("").unwrap();
    disk.write("a/name", &[7; 1500]).unwrap();
    disk.rename("a/name", "b/name").unwrap();
    recorder
}

#[test]
fn each_sync_covers_what_it_names_and_no_more() {
    let recorder = renamed();
    let disk = recorder.disk();
    assert_eq!(found(&recorder, Loss::Nothing), Some(vec![7; 1500]));
    assert_eq!(found(&recorder, Loss::Everything), None);
    disk.sync_dir("a").unwrap();
    assert_eq!(found(&recorder, Loss::Everything), None);
    disk.sync_dir("b").unwrap();
    // The classic: the name has arrived, and its bytes have not.
    assert_eq!(found(&recorder, Loss::Everything), Some(Vec::new()));
    disk.sync_file("b/name").unwrap();
    assert_eq!(found(&recorder, Loss::Everything), Some(vec![7; 1500]));
    disk.remove("b/name").unwrap();
    assert_eq!(found(&recorder, Loss::Everything), Some(vec![7; 1500]));
    assert_eq!(found(&recorder, Loss::Nothing), None);
    disk.sync_all().unwrap();
    assert_eq!(found(&recorder, Loss::Everything), None);
}

#[test]
fn a_file_in_a_directory_without_a_durable_name_is_lost() {
    let recorder = CrashRecorder::new();
    let disk = recorder.disk();
    disk.make_dir("b").unwrap();
    disk.write("b/name", b"1").unwrap();
    disk.sync_file("b/name").unwrap();
    disk.sync_dir("b").unwrap();
    assert_eq!(found(&recorder, Loss::Everything), None);
    disk.sync_dir("").unwrap();
    assert_eq!(found(&recorder, Loss::Everything), Some(b"1".to_vec()));
}

#[test]
fn torn_files_are_lost_empty_cut_damaged_or_whole() {
    let recorder = renamed();
    let mut kinds = BTreeSet::new();
    for seed in 0..300 {
        let loss = Loss::Torn(seed);
        let bytes = found(&recorder, loss);
        assert_eq!(bytes, found(&recorder, loss), "the same seed, the same image");
        kinds.insert(match bytes {
            None => "lost",
            Some(bytes) if bytes.is_empty() => "empty",
            Some(bytes) if bytes.len() < 1500 => "cut",
            Some(bytes) if bytes == [7; 1500] => "whole",
            Some(_) => "damaged",
        });
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}

#[test]
fn the_database_is_torn_at_sectors_and_reordered() {
    let recorder = CrashRecorder::new();
    let database = recorder.database();
    database.set_len(2048).unwrap();
    database.write(0, &[1; 2048]).unwrap();
    database.sync_data().unwrap();
    // The folder's syncs say nothing of the database.
    recorder.disk().sync_dir("").unwrap();
    database.write(500, &[2; 1000]).unwrap();
    database.write(1600, &[3; 8]).unwrap();
    let mut kinds = BTreeSet::new();
    for seed in 0..300 {
        let image = recorder.crash(usize::MAX, Loss::Torn(seed)).recorder.database();
        let mut bytes = vec![0; 2048];
        image.read(0, &mut bytes).unwrap();
        let sectors = [500..512, 512..1024, 1024..1500, 1600..1608].map(|places| {
            let first = bytes[places.start];
            assert!(bytes[places].iter().all(|byte| *byte == first));
            first
        });
        assert_eq!((bytes[499], bytes[1500], bytes[2047]), (1, 1, 1));
        kinds.insert(sectors);
    }
    assert_eq!(kinds.len(), 16, "{kinds:?}");
}

#[test]
fn images_cover_every_boundary_and_repeat() {
    let recorder = renamed();
    recorder.disk().sync_all().unwrap();
    recorder.disk().sync_all().unwrap();
    assert_eq!(recorder.sync_boundaries(), [3, 8, 9]);
    let places = || -> Vec<(usize, Loss)> {
        recorder
            .images(5, 1)
            .map(|image| (image.position, image.loss))
            .collect()
    };
    assert_eq!(places(), places());
    let between: BTreeSet<usize> = places()
        .iter()
        .filter(|(_, loss)| *loss != Loss::Everything)
        .map(|(position, _)| *position)
        .collect();
    assert!(
        between.iter().all(|position| *position < 9) && between.len() > 3,
        "{between:?}"
    );
}
