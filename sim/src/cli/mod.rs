//! What the simulator is asked on its command line. Results go to standard output, everything else to standard error.

mod check;
mod explain;
mod modems;
mod replay;
mod run;
mod seeds;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Many Cairn nodes in one process, on a virtual clock; and virtual hardware for the real program.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run a scenario, and say what came of it.
    ///
    /// Exit code 1: a law or something that the scenario expects was broken. 2: the scenario cannot be read.
    Run(run::Run),
    /// Look whether all invariants hold, over many seeds with a mix of faults each.
    ///
    /// Exit code 1: one is broken. Then a short scenario that breaks it is printed and written to a file; the last line names the seed,
    /// the invariant and the command that repeats it.
    Check(check::Check),
    /// Say why a document took so long to reach a node, from what `run --out` wrote.
    Explain(explain::Explain),
    /// All keys that a scenario may have, with what they take.
    Keys,
    /// Run a node from the field again, from what `cairn run --record FILE` wrote, and say whether it does the same.
    ///
    /// Without options it goes through the whole recording and prints a summary; the first step that differs is shown. Exit code 1 if
    /// there is one. With `--from` or `--steps` the steps are printed: what the engine was given, and what it did.
    Replay(replay::ReplayArguments),
    /// Virtual LoRa modems on ptys, joined by a virtual radio medium.
    ///
    /// Prints the path of each modem's port on a line of its own, then `ready`. They stay until standard input says `quit` or a signal
    /// comes. Lines on standard input do things to them, and each is answered with a line: unplug N, plug N, reset N, silent N, garbage N,
    /// error N CODE, lines N M0 M1, loss SHARE, reach A B on|off, place N X Y (metres), stats (JSON), airings N (JSON).
    Modems(modems::Modems),
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

impl Arguments {
    pub(crate) fn carry_out(self) -> Result<ExitCode> {
        match self.what {
            What::Run(run) => run.carry_out(),
            What::Check(check) => check.carry_out(),
            What::Explain(explain) => explain.carry_out(),
            What::Keys => {
                print!("{}", cairn_sim::scenario::reference());
                Ok(ExitCode::SUCCESS)
            }
            What::Replay(replay) => replay::replay(&replay),
            What::Modems(modems) => modems::run(modems).map(|()| ExitCode::SUCCESS),
        }
    }
}
