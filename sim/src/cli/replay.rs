//! `cairn-sim replay`.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use cairn_sim::replay::{Difference, Replay, Step};
use clap::Args;
use serde_json::json;

/// How a recording is gone through.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// What cairn run --record FILE wrote.
    file: PathBuf,
    /// Print steps from this one on; the first is 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    /// Print so many steps, and stop behind them.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Print JSON: one object a line for each step that is printed, and one for the whole.
    #[arg(long)]
    json: bool,
}

impl ReplayArguments {
    fn prints(&self, step: u64) -> bool {
        let from = self.from.unwrap_or(1);
        (self.from.is_some() || self.steps.is_some())
            && step >= from
            && self.steps.is_none_or(|steps| step - from < steps)
    }

    fn stops_after(&self, step: u64) -> bool {
        self.steps
            .is_some_and(|steps| step >= self.from.unwrap_or(1).saturating_add(steps - 1))
    }
}

/// Replays a recording. Fails where the engine does not do what the node did.
pub(crate) fn replay(arguments: &ReplayArguments) -> Result<ExitCode, Box<dyn Error>> {
    let name = arguments.file.display();
    let file = File::open(&arguments.file).map_err(|error| format!("{name}: {error}"))?;
    let mut replay = Replay::new(BufReader::new(file)).map_err(|error| format!("{name}: {error}"))?;
    let mut output = io::stdout().lock();
    let mut difference = None;
    let mut unfinished = false;
    let mut stopped = false;
    let mut first = None;
    while let Some(step) = replay.step().map_err(|error| format!("{name}: {error}"))? {
        let parts = step.difference.is_some();
        first.get_or_insert(step.now);
        unfinished = step.recorded.is_none();
        // The step that matters is always shown.
        if parts || unfinished || arguments.prints(step.number) {
            print(&mut output, &step, arguments.json)?;
        }
        difference = step.difference;
        stopped = arguments.stops_after(step.number);
        if parts || stopped {
            break;
        }
    }
    let took_us = first.map_or(0, |first| replay.last().instant.since(first.instant).as_micros());
    let ending = replay.ending().map(ToString::to_string);
    if arguments.json {
        let whole = json!({
            "node": replay.node().to_string(),
            "owner": replay.owner().to_string(),
            "program": replay.program(),
            "steps": replay.steps(),
            "recorded_us": u64::try_from(took_us).unwrap_or(u64::MAX),
            "same": difference.is_none(),
            "difference": difference.as_ref().map(ToString::to_string),
            "difference_at": difference.as_ref().map(|_| replay.steps()),
            "stopped": stopped,
            "unfinished_step": unfinished,
            "ending": ending,
        });
        writeln!(output, "{whole}")?;
    } else {
        let steps = replay.steps();
        let minutes = took_us / 60_000_000;
        writeln!(
            output,
            "node {}, recorded by cairn {}: {steps} steps in {} h {} min",
            replay.node().short(),
            replay.program(),
            minutes / 60,
            minutes % 60
        )?;
        match &difference {
            None => writeln!(output, "the engine did what the node did, in every step")?,
            Some(Difference::Panicked(_) | Difference::Failed(_)) if unfinished => {
                writeln!(
                    output,
                    "the engine ends in step {steps}, where the recording ends"
                )?;
            }
            Some(difference) => writeln!(output, "step {steps} differs: {difference}")?,
        }
        if unfinished && difference.is_none() {
            writeln!(
                output,
                "the node died in step {steps}, or did not come to writing down what it did"
            )?;
        }
        if let Some(ending) = ending {
            writeln!(output, "{ending}")?;
        }
    }
    Ok(match difference {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

fn print(output: &mut impl Write, step: &Step, json: bool) -> io::Result<()> {
    if json {
        writeln!(output, "{}", step.to_json())
    } else {
        writeln!(output, "{step}")
    }
}
