//! What people get to see of a run: a summary, tables, plots and a page that plays it back.
//!
//! Everything is made of a [`Recording`] alone, so a report can be written long after the run, on another machine.
//!
//! ```text
//! Recording ──► summary        one JSON object, or a page of text       summary, text
//!           ├─► tables         CSV, for spreadsheets                    tables, csv
//!           ├─► plots          SVG, readable by day and by night        plot
//!           └─► playback.html  one page that needs nothing else         playback
//! ```
//!
//! Same recording, same bytes: nothing here asks the clock or the machine.

mod csv;
mod delays;
mod file;
mod layout;
mod playback;
mod plot;
pub(crate) mod quantity;
mod summary;
mod tables;
mod text;

use std::path::{Path, PathBuf};

pub use file::{ReportError, read};
pub use summary::{Airtime, DelaySummary, Energy, Summary, summary};

use crate::recording::Recording;

/// Writes everything that there is to be seen of a run into a folder, which it makes if need be. Returns the files.
///
/// Files of an earlier report with the same names are replaced.
pub fn write(recording: &Recording, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let mut out = file::Folder::create(folder)?;
    let summary = summary(recording);
    out.json("summary.json", &summary)?;
    out.text("summary.txt", &summary.to_string())?;
    out.json("recording.json", recording)?;
    for (name, table) in tables::all(recording) {
        out.text(name, &table.finish())?;
    }
    for (name, svg) in plot::all(recording) {
        out.text(name, &svg)?;
    }
    out.text("playback.html", &playback::page(recording))?;
    Ok(out.written())
}
