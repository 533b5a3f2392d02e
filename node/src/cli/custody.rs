//! `custody`: copies on other users' nodes, and of other users here.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::arguments::CustodyWords;
use super::commands::{Failure, ask, rows};
use super::output::{number, size, table, text};
use crate::control::Request;
use crate::daemon::parse_size;

/// Carries out one of the words.
pub(super) fn run(home: &Path, words: CustodyWords) -> Result<(), Failure> {
    match words {
        CustodyWords::Add {
            node,
            name,
            address,
            json,
        } => {
            let request = Request::CustodyAdd {
                node,
                name,
                addresses: address,
            };
            ask(home, &request, json, |value| {
                writeln!(io::stdout(), "{}", text(value, "code"))?;
                eprintln!(
                    "On that node: cairn custody accept CODE. Nobody else can use the code. The node learns how many documents there \
                     are and when they change, not what private and shared ones are."
                );
                Ok(())
            })
        }
        CustodyWords::Accept { code, quota, json } => {
            let request = Request::CustodyAccept {
                code,
                quota_bytes: quota_bytes(quota)?,
            };
            ask(home, &request, json, |value| {
                eprintln!(
                    "The documents of \"{}\" are kept here from now on; cairn custody ls shows how many.",
                    text(value, "user")
                );
                Ok(())
            })
        }
        CustodyWords::Ls { json } => ask(home, &Request::CustodyList, json, list),
        CustodyWords::Remove { node, json } => ask(home, &Request::Revoke { node }, json, |value| {
            eprintln!(
                "{} gets nothing more. What it has it may keep; without your keys it cannot read private and shared documents.",
                text(value, "revoked")
            );
            Ok(())
        }),
        CustodyWords::Drop { whose, json } => ask(home, &Request::CustodyDrop { whose }, json, |value| {
            eprintln!("What was kept here for \"{}\" is removed.", text(value, "user"));
            Ok(())
        }),
    }
}

/// How much of another user's documents may be here, as it was typed.
pub(super) fn quota_bytes(typed: Option<String>) -> Result<Option<u64>, Failure> {
    let size = typed.map(|size| parse_size("--quota", &size));
    size.transpose().map_err(Failure::usage)
}

/// What is here of another user, or why nothing is.
pub(super) fn holding(kept: &Value) -> String {
    match kept["problem"].as_str() {
        Some(problem) => problem.to_owned(),
        None => format!(
            "{} documents, {}",
            number(kept, "documents"),
            size(number(kept, "bytes"))
        ),
    }
}

fn list(value: &Value) -> io::Result<()> {
    let custodians = rows(&value["custodians"], |custodian| {
        let state = if custodian["in_step"] == true {
            "has everything".to_owned()
        } else {
            format!("lacks {} documents", number(custodian, "pending"))
        };
        vec![
            "keeps yours".to_owned(),
            text(custodian, "name").to_owned(),
            text(custodian, "node").to_owned(),
            state,
        ]
    });
    let kept = rows(&value["kept"], |kept| {
        let what = match kept["share_of"].is_null() {
            true => "kept here",
            false => "kept here, shared folder",
        };
        vec![
            what.to_owned(),
            text(kept, "user").to_owned(),
            text(kept, "owner").to_owned(),
            holding(kept),
        ]
    });
    table(&[custodians, kept].concat())
}
