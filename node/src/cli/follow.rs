//! `follow`: other users' public documents.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::arguments::FollowWords;
use super::commands::{Failure, ask, rows};
use super::output::{number, size, table, text};
use crate::control::Request;
use crate::daemon::parse_size;

/// Carries out one of the words.
pub(super) fn run(home: &Path, words: FollowWords) -> Result<(), Failure> {
    match words {
        FollowWords::Add { whom, quota, json } => {
            let quota = quota.map(|size| parse_size("--quota", &size));
            let request = Request::FollowAdd {
                whom,
                quota_bytes: quota.transpose().map_err(Failure::usage)?,
            };
            ask(home, &request, json, |value| {
                let user = text(value, "user");
                eprintln!(
                    "The public documents of \"{user}\" are kept here from now on: cairn ls --of \"{user}\" /public/ lists them."
                );
                Ok(())
            })
        }
        FollowWords::Ls { json } => ask(home, &Request::FollowList, json, list),
        FollowWords::Rm { whom, json } => ask(home, &Request::FollowRemove { whom }, json, |value| {
            eprintln!("What was here of \"{}\" is removed.", text(value, "user"));
            Ok(())
        }),
    }
}

fn list(value: &Value) -> io::Result<()> {
    table(&rows(value, |followed| {
        let state = match followed["problem"].as_str() {
            Some(problem) => problem.to_owned(),
            None => format!(
                "{} documents, {}",
                number(followed, "documents"),
                size(number(followed, "bytes"))
            ),
        };
        let linked = match number(followed, "linked") {
            0 => "no link",
            _ => "linked",
        };
        let columns = [text(followed, "user"), text(followed, "owner"), &state, linked];
        columns.map(str::to_owned).to_vec()
    }))
}
