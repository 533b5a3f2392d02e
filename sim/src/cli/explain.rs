//! Why something took so long.

use std::path::PathBuf;
use std::process::ExitCode;

use cairn_sim::{explain, report};
use clap::Parser;

use super::Result;

#[derive(Debug, Parser)]
pub(crate) struct Explain {
    /// The folder that `run --out` wrote, or its recording.json.
    recording: PathBuf,
    /// The document: its path, or the dot of one of its changes.
    document: String,
    /// The node that it was to reach.
    node: String,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn carry_out(self) -> Result<ExitCode> {
        let file = if self.recording.is_dir() {
            self.recording.join("recording.json")
        } else {
            self.recording
        };
        let recording = report::read(&file)?;
        let explanation = explain::explain(&recording, &self.document, &self.node)?;
        if self.json {
            println!("{}", serde_json::to_string(&explanation)?);
        } else {
            println!("{explanation}");
        }
        Ok(ExitCode::SUCCESS)
    }
}
