//! What stands on a disk.

use std::path::{Path, PathBuf};

/// The files and folders below `folder` that have `piece` in them, or in their names.
pub fn files_with(folder: &Path, piece: &[u8]) -> Vec<PathBuf> {
    let has = |bytes: &[u8]| bytes.windows(piece.len()).any(|window| window == piece);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let path = entry.path();
        let is_folder = path.is_dir();
        if is_folder {
            found.extend(files_with(&path, piece));
        }
        // What went away meanwhile is not there.
        let named = has(entry.file_name().as_encoded_bytes());
        if named || !is_folder && has(&std::fs::read(&path).unwrap_or_default()) {
            found.push(path);
        }
    }
    found
}
