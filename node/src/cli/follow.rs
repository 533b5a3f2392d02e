//! `follow`: other users' public documents.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::arguments::FollowWords;
use super::commands::{Failure, ask, rows};
use super::custody::{holding, quota_bytes};
use super::output::{number, table, text};
use crate::control::Request;

/// Carries out one of the words.
pub(super) fn run(home: &Path, words: FollowWords) -> Result<(), Failure> {
    match words {
        FollowWords::Add { whom, quota, json } => {
            let request = Request::FollowAdd {
                whom,
                quota_bytes: quota_bytes(quota)?,
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
        let linked = match number(followed, "linked") {
            0 => "no link",
            _ => "linked",
        };
        let columns = [
            text(followed, "user"),
            text(followed, "owner"),
            &holding(followed),
            linked,
        ];
        columns.map(str::to_owned).to_vec()
    }))
}
