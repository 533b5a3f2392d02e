//! Running scenarios.

use std::io::IsTerminal;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cairn::model::remember_verified;
use cairn_sim::recording::Recording;
use cairn_sim::report;
use cairn_sim::run::{Progress, RunError, RunOptions, run};
use cairn_sim::scenario::Scenario;
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Result;
use super::seeds::{VERIFIED_MAX, cores, range, side_by_side};

/// Happenings that are kept for playing a run back.
const HAPPENINGS_MAX: usize = 400_000;
/// The scenario cannot be read.
const WRONG_USAGE: u8 = 2;

#[derive(Debug, Parser)]
pub(crate) struct Run {
    /// The scenario's file.
    scenario: PathBuf,
    /// What makes everything random, instead of the scenario's own seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Run with each of these seeds, as in 0..20, side by side on all cores; a line for each.
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "seed")]
    seeds: Option<Range<u64>>,
    /// Write tables, plots and a page that plays the run back into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print a JSON object; with several seeds one for each line.
    #[arg(long)]
    json: bool,
    /// Do not compare all nodes' states at the end, byte for byte: large worlds take long for that.
    #[arg(long)]
    no_compare: bool,
    /// At most so many runs at a time. One run has one thread.
    #[arg(long, default_value_t = cores())]
    threads: usize,
}

impl Run {
    pub(crate) fn carry_out(self) -> Result<ExitCode> {
        let scenario = match Scenario::load(&self.scenario) {
            Ok(scenario) => scenario,
            Err(error) => {
                eprintln!("{error}");
                return Ok(ExitCode::from(WRONG_USAGE));
            }
        };
        match &self.seeds {
            Some(seeds) => self.run_many(&scenario, seeds.clone()),
            None => self.run_one(&scenario, self.seed.unwrap_or(scenario.seed)),
        }
    }

    fn options(&self, scenario: &Scenario, seed: u64) -> RunOptions {
        RunOptions {
            happenings_max: if self.out.is_some() { HAPPENINGS_MAX } else { 0 },
            compares_states: !self.no_compare,
            watches: !self.no_compare && scenario.nodes.len() <= RunOptions::WATCHED_NODES_MAX,
            ..RunOptions::new(seed)
        }
    }

    fn run_one(&self, scenario: &Scenario, seed: u64) -> Result<ExitCode> {
        remember_verified(VERIFIED_MAX);
        let bar = bar();
        let recording = run(scenario, self.options(scenario, seed), &mut |progress| {
            show(&bar, progress)
        })?;
        bar.finish_and_clear();
        if let Some(folder) = &self.out {
            write(&recording, folder)?;
        }
        let summary = report::summary(&recording);
        if self.json {
            println!("{}", serde_json::to_string(&summary)?);
        } else {
            println!("{summary}");
        }
        Ok(verdict(&recording))
    }

    fn run_many(&self, scenario: &Scenario, seeds: Range<u64>) -> Result<ExitCode> {
        let one = |seed| {
            remember_verified(VERIFIED_MAX);
            run(scenario, self.options(scenario, seed), &mut |_| {})
        };
        let mut failed: Option<RunError> = None;
        let mut code = ExitCode::SUCCESS;
        let mut trouble: Result<()> = Ok(());
        side_by_side(seeds, self.threads, one, |seed, result| {
            let recording = match result {
                Ok(recording) => recording,
                Err(error) => {
                    failed = Some(error);
                    return false;
                }
            };
            trouble = self.tell(seed, &recording);
            if !recording.broken.is_empty() {
                code = ExitCode::FAILURE;
            }
            trouble.is_ok()
        });
        trouble?;
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(code),
        }
    }

    fn tell(&self, seed: u64, recording: &Recording) -> Result<()> {
        if let Some(folder) = &self.out {
            write(recording, &folder.join(format!("seed-{seed}")))?;
        }
        let summary = report::summary(recording);
        if self.json {
            println!("{}", serde_json::to_string(&summary)?);
            return Ok(());
        }
        let converged = recording.converged_at_us.map_or_else(
            || "not converged".to_owned(),
            |at_us| format!("converged at {} s", at_us / 1_000_000),
        );
        println!("seed {seed}  {}  {converged}", &recording.trace_hash[..16]);
        for broken in &recording.broken {
            println!("  broken: {broken}");
        }
        Ok(())
    }
}

fn write(recording: &Recording, folder: &Path) -> Result<()> {
    let written = report::write(recording, folder)?;
    eprintln!("{} files in {}", written.len(), folder.display());
    Ok(())
}

fn verdict(recording: &Recording) -> ExitCode {
    if recording.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(1), target);
    // The template is ours, and right.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}  {elapsed} real, {eta} to go") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.end_us);
    bar.set_position(progress.at_us);
    let seconds = progress.at_us / 1_000_000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    bar.set_message(format!(
        "{hours}:{minutes:02} simulated, {} of {} arrived",
        progress.there, progress.due
    ));
}
