//! The command line: arguments in, an exit code out.
//!
//! [`main`] is all that the binary calls. `arguments` says which words there are; `commands` asks the running node
//! over the control socket and prints; `node` and `keys` do what needs no running node; `secret_input` reads
//! passphrases and recovery phrases; `output` knows tables, sizes and progress. Standard output carries results,
//! standard error everything else.

mod arguments;
mod commands;
mod custody;
mod decode;
mod fetch;
mod follow;
mod keys;
mod modem;
mod node;
mod output;
mod passwd;
mod secret_input;
mod sharing;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use arguments::Cli;

/// Runs the command line `arguments` and says how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; anything else is a complaint.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cairn: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
