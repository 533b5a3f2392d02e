//! Files that a scenario names: tracks, traces and folders of documents.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest file that is read.
const FILE_LEN_MAX: u64 = 64 << 20;
/// Most files of a folder.
const FILES_MAX: usize = 100_000;
/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 32;

/// Where the files are that a scenario names.
pub trait Files {
    /// The whole of a text file.
    fn read(&self, path: &str) -> io::Result<String>;

    /// All files of a folder and of those in it: the names from the folder on with `/` between, where each is, and how long, by name.
    fn list(&self, folder: &str) -> io::Result<Vec<(String, PathBuf, u64)>>;
}

/// Files beside the scenario's own: paths are relative to its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesBeside(pub PathBuf);

/// No files at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &str) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &str) -> io::Result<Vec<(String, PathBuf, u64)>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

impl Files for FilesBeside {
    fn read(&self, path: &str) -> io::Result<String> {
        let path = self.0.join(path);
        let about = fs::metadata(&path)?;
        if !about.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        if about.len() > FILE_LEN_MAX {
            return Err(io::Error::other("it is longer than 64 MiB"));
        }
        fs::read_to_string(path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, PathBuf, u64)>> {
        let mut files = Vec::new();
        walk(&self.0.join(folder), "", DEPTH_MAX, &mut files)?;
        files.sort();
        Ok(files)
    }
}

fn walk(folder: &Path, above: &str, depth: usize, files: &mut Vec<(String, PathBuf, u64)>) -> io::Result<()> {
    if depth == 0 {
        return Err(io::Error::other("its folders are too deep"));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| io::Error::other(format!("the name {name:?} is no UTF-8")))?;
        // A link may lead anywhere, and round in a circle.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{above}{name}/"), depth - 1, files)?;
        } else if kind.is_file() {
            if files.len() >= FILES_MAX {
                return Err(io::Error::other("it has more than 100,000 files"));
            }
            files.push((format!("{above}{name}"), entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(())
}
