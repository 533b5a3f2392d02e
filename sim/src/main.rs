//! The simulator's command line.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Arguments::parse().carry_out() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cairn-sim: {error}");
            ExitCode::FAILURE
        }
    }
}
