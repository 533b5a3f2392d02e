//! `card`, `share`, `unshare`, `shares`: what is shared with other users.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::arguments::{CardWords, SharesWords};
use super::commands::{Failure, ask, rows};
use super::output::{self, number, qr, size, table, text};
use crate::control::{Client, Request};

/// `card`
pub(super) fn card(
    home: &Path,
    words: Option<CardWords>,
    draw: bool,
    addresses: Vec<String>,
    json: bool,
) -> Result<(), Failure> {
    match words {
        None => ask(home, &Request::Card { addresses }, json, |value| {
            let code = text(value, "code");
            writeln!(io::stdout(), "{code}")?;
            if draw || io::stderr().is_terminal() && io::stdout().is_terminal() {
                qr(code);
                eprintln!("There is no secret in it. On the other user's node: cairn card add CARD");
            }
            Ok(())
        }),
        Some(CardWords::Add { card, name, json }) => {
            ask(home, &Request::CardAdd { card, name }, json, |value| {
                eprintln!(
                    "This is \"{}\" from now on: cairn share FOLDER --with {0} shares with that user, who may share with you.",
                    text(value, "name")
                );
                Ok(())
            })
        }
        Some(CardWords::Ls { json }) => ask(home, &Request::CardList, json, |value| {
            table(&rows(value, |card| {
                vec![
                    text(card, "name").to_owned(),
                    text(card, "owner").to_owned(),
                    format!("{} devices", number(card, "devices")),
                ]
            }))
        }),
        Some(CardWords::Rm { whose, json }) => ask(home, &Request::CardRemove { whose }, json, |_| Ok(())),
    }
}

/// `share`
pub(super) fn share(
    home: &Path,
    folder: &str,
    with: Vec<String>,
    write: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let mut all = Vec::new();
    for with in with {
        let request = Request::Share {
            folder: folder.to_owned(),
            with,
            write,
        };
        let value = Client::connect(home)?.ask(&request)?;
        if !as_json {
            writeln!(io::stdout(), "{}", text(&value, "code"))?;
            eprintln!(
                "{} is shared with \"{}\", who may {}. As soon as one of that user's devices is linked, it comes there by itself if your \
                 card is there; or else: cairn shares accept CODE. Nobody else can use the code.",
                text(&value, "folder"),
                text(&value, "with"),
                if write { "read and write" } else { "read" }
            );
        }
        all.push(value);
    }
    if as_json {
        output::json(&json!(all))?;
    }
    Ok(())
}

/// `unshare`
pub(super) fn unshare(home: &Path, folder: String, with: Option<String>, json: bool) -> Result<(), Failure> {
    ask(home, &Request::Unshare { folder, with }, json, |value| {
        let folder = text(value, "folder");
        if value["left"] == true {
            eprintln!("{folder} is not here any more. Whoever shares it keeps it.");
            return Ok(());
        }
        let gone: Vec<&str> = value["gone"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        match gone.is_empty() {
            true => eprintln!("{folder} was shared with nobody."),
            false => eprintln!(
                "{folder} is not shared with {} any more. What they have they may keep; what is written from now on they cannot read.",
                gone.join(", ")
            ),
        }
        Ok(())
    })
}

/// `shares`
pub(super) fn shares(home: &Path, words: Option<SharesWords>, json: bool) -> Result<(), Failure> {
    match words {
        Some(SharesWords::Accept { code, json }) => {
            ask(home, &Request::ShareAccept { code }, json, |value| {
                eprintln!(
                    "{} is shared by \"{}\": the first link to somebody who has it brings what is there.",
                    text(value, "folder"),
                    text(value, "from")
                );
                Ok(())
            })
        }
        None => ask(home, &Request::ShareList, json, list),
    }
}

fn list(value: &Value) -> io::Result<()> {
    table(&rows(value, |share| {
        let with: Vec<String> = share["with"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|guest| {
                let write = if guest["write"] == true { "" } else { ", reads" };
                let joined = if number(guest, "devices") > 0 {
                    ""
                } else {
                    ", not there yet"
                };
                format!("{}{write}{joined}", text(guest, "user"))
            })
            .collect();
        let whose = match share["from"].as_str() {
            Some(from) if share["write"] == true => format!("from {from}"),
            Some(from) => format!("from {from}, to read"),
            None => format!(
                "with {}",
                if with.is_empty() {
                    "nobody".into()
                } else {
                    with.join("; ")
                }
            ),
        };
        let state = match (share["problem"].as_str(), share["mounted"] == true) {
            (Some(problem), _) => problem.to_owned(),
            (None, false) => "something else lies there: move it elsewhere".to_owned(),
            (None, true) => format!(
                "{} documents, {}{}{}",
                number(share, "documents"),
                size(number(share, "bytes")),
                if share["ended"] == true {
                    ", shared no longer"
                } else {
                    ""
                },
                match number(share, "hidden") {
                    0 => String::new(),
                    hidden => format!(", over {hidden} of your own"),
                }
            ),
        };
        vec![text(share, "folder").to_owned(), whose, state]
    }))
}
