//! What each word does.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::CommandFactory;
use serde_json::Value;

use super::arguments::{Cli, RunArguments, TokenWords, Words};
use super::output::{number, progress, qr, size, table, text};
use super::secret_input::PassphraseSource;
use super::{custody, decode, fetch, follow, keys, modem, node, output, passwd, sharing};
use crate::control::{Client, ClientError, Request};
use crate::daemon::{HomeError, RunError};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The node, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Wrong usage.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The keys are locked, or the passphrase is wrong.
    #[error("{0}")]
    Denied(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let text = error.to_string();
        match error {
            HomeError::Locked { .. } | HomeError::WrongPassphrase { .. } | HomeError::OtherOwner { .. } => {
                Self::Denied(text)
            }
            HomeError::NoOwnerKey { .. } => Self::NotFound(text),
            _ => Self::Other(text),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Home(error) => error.into(),
            error => Self::of(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

impl Failure {
    pub(super) fn of(error: impl ToString) -> Self {
        Self::Other(error.to_string())
    }

    /// There was never a node in the folder.
    pub(super) fn no_node(home: &Path) -> Self {
        Self::NotFound(format!(
            "there is no node in {0}: make one with cairn --home {0} init --user NAME",
            home.display()
        ))
    }

    pub(super) fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(error) => error.exit_code(),
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Denied(_) => 4,
            Self::Other(_) => 1,
        }
    }
}

type Outcome = Result<(), Failure>;

/// Carries out a command line.
pub(super) fn run(cli: Cli) -> Outcome {
    let home = node::home(cli.home);
    let home = home.as_path();
    if cli.command.is_some() && cli.run != RunArguments::default() {
        return Err(Failure::usage(
            "options of run stand behind it: cairn run --http 127.0.0.1:7780; only --home may stand before a word",
        ));
    }
    let passphrase = PassphraseSource::new(cli.passphrase_file);
    match cli.command {
        None => node::run(home, cli.run, &passphrase),
        Some(Words::Run(arguments)) => node::run(home, *arguments, &passphrase),
        Some(Words::Init { user, json }) => node::init(home, &user, json, &passphrase),
        Some(Words::Join { code, name }) => node::join(home, &code, name),
        Some(Words::Recover { user, name, json }) => node::recover(home, &user, name, json),
        Some(Words::Owner(words)) => keys::owner(home, words, &passphrase),
        Some(Words::Key(words)) => keys::key(home, words, &passphrase),
        Some(Words::Invite {
            qr,
            expires,
            address,
            json,
        }) => invite(home, qr, &expires, address, json),
        Some(Words::Passwd { remove }) => passwd::passwd(home, remove),
        Some(Words::Token(words)) => token(home, words),
        Some(Words::Modem(words)) => modem::run(home, words, &passphrase),
        Some(Words::Put {
            file,
            path,
            content_type,
            if_match,
            json,
        }) => {
            let request = Request::Put {
                path,
                content_type,
                if_match,
            };
            put(home, &file, &request, json)
        }
        Some(Words::Get {
            path,
            file,
            version,
            of,
            json,
        }) => {
            if json && file == "-" {
                return Err(Failure::Usage(
                    "with --json the document goes to a file: name one".into(),
                ));
            }
            let name = path.clone();
            let fetched = download(home, &Request::Get { path, version, of }, &file)?;
            if json {
                let told = serde_json::json!({ "path": name, "file": file, "bytes": fetched["bytes"] });
                writeln!(io::stdout(), "{told}")?;
            }
            Ok(())
        }
        Some(Words::Fetch { path, yes, json }) => fetch::fetch(home, path, yes, json),
        Some(Words::Export { folder, file }) => {
            download(home, &Request::Export { folder }, &file).map(|_| ())
        }
        Some(Words::Import { file, folder, json }) => import(home, &file, folder, json),
        Some(Words::Ls {
            folder,
            recursive,
            of,
            json,
        }) => ask(
            home,
            &Request::List {
                folder,
                recursive,
                of,
            },
            json,
            list,
        ),
        Some(Words::Rm { path, json }) => ask(home, &Request::Remove { path }, json, |_| Ok(())),
        Some(Words::Status { json }) => ask(home, &Request::Status, json, status),
        Some(Words::Peers { json } | Words::Devices { json }) => ask(home, &Request::Peers, json, peers),
        Some(Words::Queue { json }) => ask(home, &Request::Queue, json, queue),
        Some(Words::Conflicts {
            path: Some(path),
            keep: Some(keep),
            json,
        }) => ask(home, &Request::Resolve { path, keep }, json, |_| Ok(())),
        Some(Words::Conflicts { json, .. }) => ask(home, &Request::Conflicts, json, conflicts),
        Some(Words::Revoke { node, json }) => ask(home, &Request::Revoke { node }, json, |value| {
            eprintln!(
                "{} is shut out for good. What it holds already it keeps.",
                text(value, "revoked")
            );
            let shared: Vec<&str> = value["shared"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if !shared.is_empty() {
                eprintln!(
                    "It had the keys of the folders that you share ({}). If you lost it, and did not only retire it: move what is in them to folders \
                     that you share anew.",
                    shared.join(", ")
                );
            }
            Ok(())
        }),
        Some(Words::Card {
            words,
            qr,
            address,
            json,
        }) => sharing::card(home, words, qr, address, json),
        Some(Words::Share {
            folder,
            with,
            write,
            json,
        }) => sharing::share(home, &folder, with, write, json),
        Some(Words::Unshare { folder, with, json }) => sharing::unshare(home, folder, with, json),
        Some(Words::Shares { words, json }) => sharing::shares(home, words, json),
        Some(Words::Follow(words)) => follow::run(home, words),
        Some(Words::Custody(words)) => custody::run(home, words),
        Some(Words::Decode { what }) => {
            let value = decode::decode(&what).map_err(Failure::Other)?;
            writeln!(io::stdout(), "{value:#}")?;
            Ok(())
        }
        Some(Words::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "cairn", &mut io::stdout());
            Ok(())
        }
    }
}

/// Asks for something and prints it, as JSON or for people.
pub(super) fn ask(
    home: &Path,
    request: &Request,
    json: bool,
    print: impl FnOnce(&Value) -> io::Result<()>,
) -> Outcome {
    let value = Client::connect(home)?.ask(request)?;
    if json {
        output::json(&value)?
    } else {
        print(&value)?
    }
    Ok(())
}

fn invite(home: &Path, draw: bool, expires: &str, addresses: Vec<String>, json: bool) -> Outcome {
    let request = Request::Invite {
        addresses,
        valid_s: seconds(expires)?,
    };
    let value = Client::connect(home)?.ask(&request)?;
    if json {
        output::json(&value)?;
        return Ok(());
    }
    let code = text(&value, "code");
    writeln!(io::stdout(), "{code}")?;
    if draw || io::stderr().is_terminal() && io::stdout().is_terminal() {
        qr(code);
        eprintln!(
            "On the other device: cairn join CODE, then cairn. Whoever has the code can join: keep it to yourself."
        );
    }
    Ok(())
}

fn seconds(text: &str) -> Result<u64, Failure> {
    let bad = || Failure::usage(format!("\"{text}\" is no time: write 30m, 24h or 7d"));
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(bad)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(bad()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(bad)
}

fn token(home: &Path, words: TokenWords) -> Outcome {
    match words {
        TokenWords::New {
            scope,
            name,
            expires,
            json,
        } => {
            let request = Request::TokenNew {
                scopes: scope,
                name,
                expires_s: expires.as_deref().map(seconds).transpose()?,
            };
            ask(home, &request, json, |value| {
                writeln!(io::stdout(), "{}", text(value, "token"))
            })
        }
        TokenWords::Ls { json } => ask(home, &Request::TokenList, json, |value| {
            table(&rows(value, |token| {
                let scopes: Vec<&str> = token["scopes"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                vec![
                    text(token, "id").to_owned(),
                    scopes.join(" "),
                    expiry(token),
                    match token["used_ms"].as_u64() {
                        Some(used) => format!("used {} ago", ago(used)),
                        None => "never used".into(),
                    },
                    shown(text(token, "name")),
                    shown(text(token, "origin")),
                ]
            }))
        }),
        TokenWords::Rm { token, json } => ask(home, &Request::TokenRemove { token }, json, |_| Ok(())),
    }
}

pub(super) fn rows(value: &Value, row: impl FnMut(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    value.as_array().into_iter().flatten().map(row).collect()
}

/// A file to read, and its length if it is known.
fn open(file: &str) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if file == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = File::open(file).map_err(|error| Failure::of(format!("{file}: {error}")))?;
    let metadata = opened.metadata()?;
    if metadata.is_dir() {
        return Err(Failure::of(format!(
            "{file} is a folder: tar it, and use cairn import"
        )));
    }
    Ok((Box::new(opened), Some(metadata.len())))
}

fn put(home: &Path, file: &str, request: &Request, json: bool) -> Outcome {
    let (mut body, len) = open(file)?;
    let bar = progress(len);
    let value = Client::connect(home)?.upload(request, &mut body, &mut |sent| bar.set_position(sent))?;
    bar.finish_and_clear();
    if json {
        output::json(&value)?;
    } else if number(&value, "siblings_replaced") > 0 {
        eprintln!(
            "This replaced {} concurrent versions as well.",
            number(&value, "siblings_replaced")
        );
    }
    Ok(())
}

fn import(home: &Path, file: &str, folder: String, json: bool) -> Outcome {
    let (mut body, len) = open(file)?;
    let bar = progress(len);
    let request = Request::Import { folder };
    let value = Client::connect(home)?.upload(&request, &mut body, &mut |sent| bar.set_position(sent))?;
    bar.finish_and_clear();
    if json {
        output::json(&value)?;
    } else {
        eprintln!(
            "{} documents stored, {}.",
            number(&value, "documents"),
            size(number(&value, "bytes"))
        );
    }
    for refusal in value["refusals"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        eprintln!("Left out: {refusal}");
    }
    match number(&value, "refused") {
        0 => Ok(()),
        refused => Err(Failure::of(format!(
            "{refused} names in the archive are no paths: import into a folder such as /private/imported/"
        ))),
    }
}

/// Fetches a body into a file. A file is written beside its place and moved there when it is whole.
fn download(home: &Path, request: &Request, file: &str) -> Result<Value, Failure> {
    let client = Client::connect(home)?;
    let bar = RefCell::new(progress(None));
    let mut begin = |value: &Value| {
        if let Some(len) = value["bytes"].as_u64() {
            bar.replace(progress(Some(len)));
        }
        if number(value, "versions") > 1 {
            eprintln!(
                "This document has {} concurrent versions: cairn conflicts shows them.",
                number(value, "versions")
            );
        }
    };
    if file == "-" {
        let mut out = io::stdout().lock();
        return Ok(client.download(request, &mut begin, &mut out, &mut |_| {})?);
    }
    let part = format!("{file}.part");
    let mut out = File::create(&part).map_err(|error| Failure::of(format!("{file}: {error}")))?;
    let result = client.download(request, &mut begin, &mut out, &mut |received| {
        bar.borrow().set_position(received);
    });
    bar.borrow().finish_and_clear();
    match result {
        Ok(value) => {
            std::fs::rename(&part, file)?;
            Ok(value)
        }
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            Err(error.into())
        }
    }
}

fn list(value: &Value) -> io::Result<()> {
    table(&rows(value, |item| {
        let conflict = (item["conflict"] == true).then_some("conflict");
        let away = (item["here"] == false).then_some("not here");
        let marks: Vec<&str> = conflict.into_iter().chain(away).collect();
        vec![
            size(number(item, "bytes")),
            text(item, "name").to_owned(),
            marks.join(", "),
        ]
    }))
}

fn status(value: &Value) -> io::Result<()> {
    let listen: Vec<&str> = value["listen"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let line = |name: &str, text: String| vec![name.to_owned(), text];
    let mut lines = vec![
        line("node", text(value, "node").to_owned()),
        line("user", text(value, "user").to_owned()),
        line("storage", text(value, "storage_root").to_owned()),
        line("listens on", listen.join(" ")),
        line(
            "documents",
            format!("{}, {}", number(value, "documents"), size(number(value, "bytes"))),
        ),
        line(
            "waiting",
            format!("{} changes for other nodes", number(value, "pending")),
        ),
    ];
    if number(value, "incomplete") > 0 {
        lines.push(line(
            "incomplete",
            format!(
                "{} documents whose bytes are not here yet{}",
                number(value, "incomplete"),
                match number(value, "requested") {
                    0 => String::new(),
                    requested => format!(", {requested} of them asked for"),
                }
            ),
        ));
    }
    if value["radio"].is_object() {
        lines.push(line("radio", radio(&value["radio"])));
    }
    if let Some(from) = unset_clock(&value["clock"]) {
        lines.push(line("clock", from.into()));
    }
    if value["twin"] == true {
        lines.push(line(
            "WARNING",
            "another process uses this device's key: only one of them may".into(),
        ));
    }
    table(&lines)?;
    peers(&value["peers"])
}

/// Where the time is from, if this computer's clock is not set.
fn unset_clock(clock: &Value) -> Option<&'static str> {
    match (clock["set"].as_bool()?, clock["from"].as_str()?) {
        (true, _) => None,
        (_, "members") => Some("not set on this computer: time is from the other devices"),
        (_, "changes") => Some("not set on this computer: time is from the dates of others' changes"),
        (_, "store") => Some("not set on this computer: time is from the last change that it knows"),
        _ => Some("not set on this computer, and no other device was heard: set it"),
    }
}

fn radio(value: &Value) -> String {
    let what = format!(
        "{} on {}, {:.3} MHz",
        text(value, "modem"),
        text(value, "port"),
        number(value, "frequency_hz") as f64 / 1e6
    );
    let state = match value["problem"].as_str() {
        _ if value["online"] == true => match (&value["window_used_ms"], &value["window_allowed_ms"]) {
            (used, Value::Number(allowed)) => format!(
                "{:.1} of {:.1} s of airtime used",
                used.as_f64().unwrap_or(0.0) / 1000.0,
                allowed.as_f64().unwrap_or(0.0) / 1000.0
            ),
            _ => format!("{:.1} s on air", number(value, "airtime_ms") as f64 / 1000.0),
        },
        Some(problem) => format!("off: {problem}"),
        None => "starting".into(),
    };
    format!("{what}, {state}")
}

fn peers(value: &Value) -> io::Result<()> {
    table(&rows(value, |peer| {
        let state = match peer {
            _ if peer["revoked"] == true => "revoked",
            _ if peer["link"].is_null() => "away",
            _ if peer["in_step"] == true => "in step",
            _ => "catching up",
        };
        let rtt = match (peer["rtt_ms"].as_f64(), peer["rssi_dbm"].as_i64()) {
            (Some(rtt), _) => format!("{rtt:.1} ms"),
            (None, Some(rssi)) if peer["transport"] == "lora" => format!("{rssi} dBm"),
            _ => String::new(),
        };
        let free = peer["free_bytes"]
            .as_u64()
            .map_or(String::new(), |free| format!("{} free", size(free)));
        let node = text(peer, "node");
        vec![
            node.get(..16).unwrap_or(node).to_owned(),
            match peer["custodian"] == true {
                true => format!("{} (keeps copies)", text(peer, "name")),
                false => text(peer, "name").to_owned(),
            },
            state.to_owned(),
            if state == "away" {
                last_seen(peer)
            } else {
                text(peer, "link").to_owned()
            },
            rtt,
            free,
        ]
    }))
}

/// How long ago an absent device was linked or heard of.
fn last_seen(peer: &Value) -> String {
    match number(peer, "seen_ms") {
        0 => "never seen".into(),
        seen => format!("seen {} ago", ago(seen)),
    }
}

/// When a token ends.
fn expiry(token: &Value) -> String {
    let Some(expires) = token["expires_ms"].as_u64() else {
        return "for ever".into();
    };
    let expires = UNIX_EPOCH + Duration::from_millis(expires);
    match expires.duration_since(SystemTime::now()) {
        Ok(left) => format!("for {}", span(left)),
        Err(_) => "expired".into(),
    }
}

/// The time since then.
fn ago(unix_ms: u64) -> String {
    let then = UNIX_EPOCH + Duration::from_millis(unix_ms);
    span(SystemTime::now().duration_since(then).unwrap_or_default())
}

fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "min"),
        7_200..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit}")
}

/// A text that an app chose: no control character of it reaches the terminal.
fn shown(text: &str) -> String {
    text.chars()
        .map(|character| match character.is_control() {
            true => char::REPLACEMENT_CHARACTER,
            false => character,
        })
        .collect()
}

fn queue(value: &Value) -> io::Result<()> {
    for peer in value.as_array().into_iter().flatten() {
        let mut out = io::stdout();
        writeln!(
            out,
            "{} changes for {} ({})",
            number(peer, "pending"),
            text(peer, "name"),
            if peer["linked"] == true { "linked" } else { "away" }
        )?;
        if let Some(reason) = peer["refused"].as_str() {
            writeln!(out, "  last refusal: {reason}")?;
        }
        for change in peer["changes"].as_array().into_iter().flatten() {
            writeln!(out, "  {} {}", text(change, "operation"), text(change, "path"))?;
        }
    }
    Ok(())
}

fn conflicts(value: &Value) -> io::Result<()> {
    let mut out = io::stdout();
    for conflict in value.as_array().into_iter().flatten() {
        writeln!(out, "{}", text(conflict, "path"))?;
        for (index, version) in conflict["versions"].as_array().into_iter().flatten().enumerate() {
            let what = match version["bytes"].as_u64() {
                Some(bytes) => size(bytes),
                None => "deleted".into(),
            };
            let node = text(version, "node");
            writeln!(
                out,
                "  {}  {what}  by {}  {}",
                index + 1,
                node.get(..8).unwrap_or(node),
                text(version, "version")
            )?;
        }
    }
    if value.as_array().is_some_and(|conflicts| !conflicts.is_empty()) {
        eprintln!(
            "Read a version with cairn get PATH --version N; keep one with cairn conflicts PATH --keep N."
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("24h").unwrap(), 86_400);
        assert_eq!(seconds("7d").unwrap(), 604_800);
        for bad in ["", "h", "24", "1w", "-1h", "é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
