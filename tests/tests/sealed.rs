//! Private documents are sealed wherever they lie.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use cairn_tests::{Random, Space};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// Says whether some file below `folder` has `piece` in it.
fn is_on_disk(folder: &Path, piece: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, piece);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(piece.len()).any(|window| window == piece)
    })
}

#[test]
fn contents_are_on_no_disk_in_the_clear_and_every_device_reads_them() {
    let mut space = Space::new(2, "tcp://127.0.0.1:0");
    let short = b"a short text that nobody else may read".to_vec();
    let long = Random(7).bytes(700_000);
    let open = b"a text that everybody may read, as it is".to_vec();
    let http = space.nodes[0].http();
    for (path, body) in [
        ("/notes/short", &short),
        ("/notes/long", &long),
        ("/public/notes/open", &open),
    ] {
        http.store(path, body);
    }
    space.in_step(DEADLINE);
    let other = space.nodes[1].http();
    for (path, body) in [
        ("/notes/short", &short),
        ("/notes/long", &long),
        ("/public/notes/open", &open),
    ] {
        let (status, found, _) = other.get(path).unwrap();
        assert_eq!(status, 200);
        assert!(found == *body, "{path}");
    }
    for node in &mut space.nodes {
        node.terminate();
        assert!(
            is_on_disk(&node.home, &open),
            "it is looked for in the right place"
        );
        assert!(!is_on_disk(&node.home, &short));
        for start in (0..long.len() - 64).step_by(100_000) {
            assert!(!is_on_disk(&node.home, &long[start..start + 64]));
        }
    }
}
