//! The files of a report, written and read again.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::recording::{Happening, Recording};

/// Why a report could not be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder or a file in it cannot be written.
    #[error("cannot write {}: {source}. Choose a folder that you may write to.", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The recording cannot be read.
    #[error("cannot read {}: {source}. Name a recording.json that `cairn-sim run --out` wrote.", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a recording.
    #[error("{} is not a recording: {source}. Name a recording.json that `cairn-sim run --out` wrote.", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// It is one in form, but speaks of nodes or writes that it does not have.
    #[error("{} does not hold together: {what}. Run the scenario again to get another.", path.display())]
    Inconsistent {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Reads a recording that [`write`](super::write) wrote as `recording.json`.
///
/// Numbers with a fraction may differ in their last bit from what was written; times and counts are the same.
pub fn read(path: &Path) -> Result<Recording, ReportError> {
    let failed = |source| ReportError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let recording = serde_json::from_reader(BufReader::new(file)).map_err(|source| ReportError::Parse {
        path: path.to_owned(),
        source,
    })?;
    match inconsistency(&recording) {
        None => Ok(recording),
        Some(what) => Err(ReportError::Inconsistent {
            path: path.to_owned(),
            what,
        }),
    }
}

/// The first index that leads nowhere, in words.
fn inconsistency(recording: &Recording) -> Option<String> {
    let (nodes, writes) = (recording.nodes.len(), recording.writes.len());
    let mut node = recording
        .links
        .iter()
        .flat_map(|link| [link.a, link.b])
        .chain(recording.heard.iter().flat_map(|heard| [heard.from, heard.to]))
        .chain(recording.writes.iter().flat_map(|write| {
            let arrivals = write.arrivals.iter().map(|(node, _)| *node);
            arrivals
                .chain(write.came_from.iter().flatten().copied())
                .chain([write.node])
        }))
        .chain(recording.happenings.iter().flat_map(|happening| match happening {
            Happening::Frame { from, to, missed, .. } => {
                let missed = missed.iter().map(|missed| missed.node);
                to.iter().copied().chain(missed).chain([*from]).collect()
            }
            Happening::Wired { from, to, .. } => vec![*from, *to],
            Happening::Arrival { node, .. } => vec![*node],
            Happening::Fault { node, .. } => node.iter().copied().collect(),
            Happening::Write { .. } => Vec::new(),
        }));
    if let Some(index) = node.find(|index| *index >= nodes) {
        return Some(format!("it speaks of node {index} and has {nodes} nodes"));
    }
    let mut write = recording
        .happenings
        .iter()
        .filter_map(|happening| match happening {
            Happening::Write { write, .. } | Happening::Arrival { write, .. } => Some(*write),
            _ => None,
        });
    let index = write.find(|index| *index >= writes)?;
    Some(format!("it speaks of write {index} and has {writes} writes"))
}

/// A folder that a report goes to.
pub(super) struct Folder {
    path: PathBuf,
    written: Vec<PathBuf>,
}

impl Folder {
    pub(super) fn create(path: &Path) -> Result<Self, ReportError> {
        fs::create_dir_all(path).map_err(|source| ReportError::Write {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            written: Vec::new(),
        })
    }

    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<(), ReportError> {
        self.with(name, |file| file.write_all(text.as_bytes()))
    }

    pub(super) fn json(&mut self, name: &str, value: &impl Serialize) -> Result<(), ReportError> {
        self.with(name, |file| {
            serde_json::to_writer(&mut *file, value)?;
            file.write_all(b"\n")
        })
    }

    fn with(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), ReportError> {
        let path = self.path.join(name);
        let written = File::create(&path).and_then(|file| {
            let mut file = BufWriter::new(file);
            fill(&mut file)?;
            file.flush()
        });
        written.map_err(|source| ReportError::Write {
            path: path.clone(),
            source,
        })?;
        self.written.push(path);
        Ok(())
    }

    pub(super) fn written(self) -> Vec<PathBuf> {
        self.written
    }
}
