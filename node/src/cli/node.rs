//! `run`, `init`, `join` and `recover`: what makes a folder a node, and starts it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use super::arguments::RunArguments;
use super::commands::Failure;
use super::secret_input::{self, PassphraseSource};
use super::{keys, modem, output};
use crate::api::TlsFiles;
use crate::daemon::{
    ConfigError, ConfigFile, Home, HomeError, Invite, LoraFile, RecordSettings, Settings, SpaceFile,
    SystemClock, parse_size, run_until_stopped,
};
use crate::mesh::PayloadPolicy;
use crate::seal::{Passphrase, RecoveryPhrase};

/// The name under which a new folder's user is known, when nobody says.
const USER: &str = "me";
/// Longest document, when nobody says.
const DOCUMENT_LEN_MAX: u64 = 10 << 30;
/// Longest recording, when nobody says.
const RECORD_LEN_MAX: u64 = 1 << 30;

/// The node's folder: as told, or in the XDG data folder.
pub(super) fn home(told: Option<PathBuf>) -> PathBuf {
    told.or_else(|| std::env::var_os("XDG_DATA_HOME").map(|data| PathBuf::from(data).join("cairn")))
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/share/cairn")))
        .unwrap_or_else(|| PathBuf::from("cairn-data"))
}

/// The name of this device.
fn device_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "device".into() } else { name }
}

/// Documents, keys and tokens are for the user who runs the node: nobody else on the machine may read what it writes.
fn keep_private() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

/// What is logged at `level`: all that the node says; of the libraries below it, what they warn of.
fn log_filter(key: &str, level: &str) -> Result<EnvFilter, ConfigError> {
    let bad = || ConfigError::BadLevel {
        key: key.to_owned(),
        value: level.to_owned(),
    };
    if !["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Err(bad());
    }
    let below = if level == "error" { "error" } else { "warn" };
    EnvFilter::try_new(format!("{below},cairn={level},cairn_transports={level}")).map_err(|_| bad())
}

/// Runs the node until it is told to stop.
pub(super) fn run(
    home: &Path,
    arguments: RunArguments,
    passphrase: &PassphraseSource,
) -> Result<(), Failure> {
    keep_private();
    Home::create(home)?;
    let file = ConfigFile::load(home).map_err(Failure::of)?;
    let in_file = |key: &str| format!("{}: {key}", home.join("cairn.toml").display());
    let filter = match (&arguments.log, &file.log) {
        (Some(level), _) => log_filter("--log", level),
        (None, Some(level)) => log_filter(&in_file("log"), level),
        (None, None) => log_filter("--log", "info"),
    };
    let filter = filter.map_err(Failure::usage)?;
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();

    let quota = match (&arguments.quota, &file.quota) {
        (Some(size), _) => Some(parse_size("--quota", size)),
        (None, Some(size)) => Some(parse_size(&in_file("quota"), size)),
        (None, None) => None,
    };
    let quota_bytes = quota.transpose().map_err(Failure::usage)?;
    let document_len_max = match file.document_size_max.as_deref() {
        Some(size) => parse_size(&in_file("document_size_max"), size).map_err(Failure::usage)?,
        None => DOCUMENT_LEN_MAX,
    };
    let chosen_http = arguments.http.or(file.http);
    let listen = if arguments.listen.is_empty() {
        file.listen
    } else {
        Some(arguments.listen)
    };
    let both = |mut file: Vec<String>, told: Vec<String>| {
        file.extend(told);
        file
    };
    let radio_payloads = file
        .lora
        .as_ref()
        .map(LoraFile::payloads)
        .transpose()
        .map_err(Failure::usage)?;
    let in_file = file
        .lora
        .map(LoraFile::settings)
        .transpose()
        .map_err(Failure::usage)?;
    let lora = match (arguments.lora.port, in_file) {
        (Some(port), in_file) => Some(modem::settings(port, arguments.lora.radio, in_file)),
        (None, in_file) => in_file,
    };
    let lora = lora.map(|lora| modem::with_region(home, lora)).transpose()?;
    let record_max = arguments.record_max.as_deref();
    let len_max = record_max.map_or(Ok(RECORD_LEN_MAX), |size| parse_size("--record-max", size));
    let len_max = len_max.map_err(Failure::usage)?;
    let record = arguments.record.map(|file| RecordSettings { file, len_max });
    if let Some(record) = &record {
        eprintln!(
            "Recording to {}: paths, types and lengths of documents, and names of devices, will stand in it in the clear; \
             contents, keys and tokens will not.",
            record.file.display()
        );
    }
    let tls = match (
        arguments.tls_certificate.or(file.tls_certificate),
        arguments.tls_key.or(file.tls_key),
    ) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        _ => {
            return Err(Failure::usage(
                "cairn.toml: tls_certificate and tls_key belong together: name both, or neither",
            ));
        }
    };
    let user = arguments.user.or(file.user).unwrap_or_else(|| USER.into());
    let passphrase = passphrase.existing(home)?;
    begin(home, &user, passphrase.clone())?;
    let settings = Settings {
        home: home.to_owned(),
        passphrase,
        user,
        name: device_name(),
        listen: listen.unwrap_or_else(Settings::default_listen),
        external: both(file.external, arguments.external),
        relays: both(file.relays, arguments.relay),
        relay_for_others: arguments.relay_for_others || file.relay_for_others,
        peers: both(file.peers, arguments.peer),
        mdns: !arguments.no_mdns && file.mdns.unwrap_or(true),
        quota_bytes,
        document_len_max,
        http: chosen_http.unwrap_or(Settings::DEFAULT_HTTP),
        http_any_port: chosen_http.is_none(),
        public_url: arguments.public_url.or(file.public_url),
        tls,
        lora,
        radio_payloads: radio_payloads.unwrap_or(PayloadPolicy::DEFAULT),
        record,
    };
    run_until_stopped(&settings)?;
    Ok(())
}

/// Makes keys and a space in a new folder, and shows the recovery phrase to whoever looks on. Where nobody does, standard
/// error ends in a log, and the phrase must not.
fn begin(home: &Path, user: &str, passphrase: Option<Passphrase>) -> Result<(), Failure> {
    let folder = Home::open_with(home, passphrase)?;
    if folder.space()?.is_some() {
        return Ok(());
    }
    folder.begin_space(user, &device_name(), SystemClock::start().now().wall)?;
    let Some(owner) = folder.owner_key()? else {
        return Ok(());
    };
    if std::io::stderr().is_terminal() {
        keys::show_new(home, &RecoveryPhrase::of(&owner));
    } else {
        eprintln!(
            "Write the recovery phrase down, on paper: cairn --home {} owner phrase prints it.",
            home.display()
        );
    }
    Ok(())
}

/// Makes keys and configuration.
pub(super) fn init(
    home: &Path,
    user: &str,
    json: bool,
    passphrase: &PassphraseSource,
) -> Result<(), Failure> {
    keep_private();
    let folder = Home::open_with(home, passphrase.existing(home)?)?;
    ConfigFile::load(home).map_err(Failure::of)?;
    let is_new = folder.space()?.is_none();
    let space = folder.begin_space(user, &device_name(), SystemClock::start().now().wall)?;
    if space.user != user {
        return Err(Failure::of(format!(
            "{} is a node of \"{}\" already",
            home.display(),
            space.user
        )));
    }
    let node = folder.device_key()?.node_id();
    let owner = if is_new { folder.owner_key()? } else { None };
    let phrase = owner.map(|owner| RecoveryPhrase::of(&owner));
    if json {
        let mut told = json!({ "node": node.to_string(), "owner": space.owner.to_string() });
        told["phrase"] = phrase
            .as_ref()
            .map_or(Value::Null, |phrase| json!(keys::line(phrase).as_str()));
        output::json(&told)?;
    } else {
        println!("{node}");
        if let Some(phrase) = &phrase {
            keys::show_new(home, phrase);
        }
    }
    eprintln!(
        "A node for \"{user}\" is in {}. Start it with cairn --home {0} run",
        home.display()
    );
    Ok(())
}

/// Makes a new folder one of an owner's nodes by an invite.
pub(super) fn join(home: &Path, code: &str, name: Option<String>) -> Result<(), Failure> {
    let invite = Invite::decode(code).map_err(Failure::usage)?;
    keep_private();
    let folder = new_folder(home, "join CODE")?;
    if folder.owner_key()?.is_some() {
        // What another owner's beginning left here when it was cut off.
        return Err(HomeError::Exists {
            path: home.to_owned(),
            word: "join CODE",
        }
        .into());
    }
    let device = folder.device_key()?.node_id();
    let name = name.unwrap_or_else(device_name);
    let membership = invite
        .accept(device, &name, SystemClock::start().now().wall)
        .map_err(Failure::of)?;
    let space = SpaceFile {
        owner: invite.owner,
        user: invite.user.clone(),
        membership,
        addresses: invite.addresses.clone(),
    };
    if let Some(key) = &invite.space_key {
        folder.set_space_key(key)?;
    }
    if let Some(key) = &invite.epoch_key {
        folder.set_epoch_key(key)?;
    }
    folder.set_space(&space)?;
    println!("{device}");
    eprintln!(
        "This is a node of \"{}\" now. Start it with cairn --home {} run: the first link to another node brings the files.",
        invite.user,
        home.display()
    );
    Ok(())
}

/// Makes a new folder one of an owner's nodes by the recovery phrase.
pub(super) fn recover(home: &Path, user: &str, name: Option<String>, json: bool) -> Result<(), Failure> {
    keep_private();
    // Before a person types 24 words in vain.
    let folder = new_folder(home, "recover --user NAME")?;
    let phrase = secret_input::phrase()?;
    let name = name.unwrap_or_else(device_name);
    let space = folder.recover(&phrase, user, &name, SystemClock::start().now().wall)?;
    let node = folder.device_key()?.node_id();
    if json {
        output::json(&json!({ "node": node.to_string(), "owner": space.owner.to_string() }))?;
    } else {
        println!("{node}");
    }
    eprintln!(
        "This is a node of \"{user}\" now, and the owner's key is on it. Start it with cairn --home {0} run --peer ADDRESS, \
         where another node is: that link brings the files. On the LAN it finds the others by itself.\n\
         A device that was lost: cairn --home {0} revoke NAME. Then take the owner's key off this device, with the node \
         stopped: cairn --home {0} owner forget",
        home.display()
    );
    Ok(())
}

/// The folder, if it is no node yet.
fn new_folder(home: &Path, word: &'static str) -> Result<Home, Failure> {
    let folder = Home::open(home)?;
    if folder.space()?.is_some() {
        return Err(HomeError::Exists {
            path: home.to_owned(),
            word,
        }
        .into());
    }
    ConfigFile::load(home).map_err(Failure::of)?;
    Ok(folder)
}
