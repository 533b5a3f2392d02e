//! `run`, `init` and `join`: what needs no running node.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use tracing_subscriber::EnvFilter;

use super::arguments::RunArguments;
use super::commands::Failure;
use crate::daemon::{
    ConfigFile, Home, Invite, Settings, SpaceFile, SystemClock, parse_size, run_until_stopped,
};

/// The name under which a new folder's user is known, when nobody says.
const USER: &str = "me";
/// Longest document, when nobody says.
const DOCUMENT_LEN_MAX: u64 = 10 << 30;

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

/// Runs the node until it is told to stop.
pub(super) fn run(home: &Path, arguments: RunArguments) -> Result<(), Failure> {
    std::fs::create_dir_all(home)
        .map_err(|error| Failure::of(format!("cannot use {}: {error}", home.display())))?;
    let file = ConfigFile::load(home).map_err(Failure::of)?;
    let level = arguments.log.or(file.log).unwrap_or_else(|| "info".into());
    let filter = EnvFilter::try_new(&level).map_err(|error| {
        Failure::usage(format!(
            "\"{level}\" is no log level ({error}): use info or debug"
        ))
    })?;
    let colours = std::io::stderr().is_terminal();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .try_init();

    let quota = arguments.quota.or(file.quota);
    let quota_bytes = quota
        .as_deref()
        .map(parse_size)
        .transpose()
        .map_err(Failure::usage)?;
    let document_len_max = match file.document_size_max.as_deref() {
        Some(size) => parse_size(size).map_err(Failure::of)?,
        None => DOCUMENT_LEN_MAX,
    };
    let chosen_http = arguments.http.or(file.http);
    let listen = if arguments.listen.is_empty() {
        file.listen
    } else {
        Some(arguments.listen)
    };
    let mut peers = file.peers;
    peers.extend(arguments.peer);
    let settings = Settings {
        home: home.to_owned(),
        user: arguments.user.or(file.user).unwrap_or_else(|| USER.into()),
        name: device_name(),
        listen: listen.unwrap_or_else(Settings::default_listen),
        peers,
        mdns: !arguments.no_mdns && file.mdns.unwrap_or(true),
        quota_bytes,
        document_len_max,
        http: chosen_http.unwrap_or(Settings::DEFAULT_HTTP),
        http_any_port: chosen_http.is_none(),
    };
    run_until_stopped(&settings).map_err(Failure::of)
}

/// Makes keys and configuration.
pub(super) fn init(home: &Path, user: &str) -> Result<(), Failure> {
    let folder = Home::open(home).map_err(Failure::of)?;
    ConfigFile::load(home).map_err(Failure::of)?;
    let space = folder
        .begin_space(user, &device_name(), SystemClock::start().now().wall)
        .map_err(Failure::of)?;
    if space.user != user {
        return Err(Failure::of(format!(
            "{} is a node of \"{}\" already",
            home.display(),
            space.user
        )));
    }
    println!("{}", folder.device_key().map_err(Failure::of)?.node_id());
    eprintln!(
        "A node for \"{user}\" is in {}. Start it with cairn --home {0} run",
        home.display()
    );
    Ok(())
}

/// Makes a new folder one of an owner's nodes.
pub(super) fn join(home: &Path, code: &str, name: Option<String>) -> Result<(), Failure> {
    let invite = Invite::decode(code).map_err(Failure::usage)?;
    let folder = Home::open(home).map_err(Failure::of)?;
    if folder.space().map_err(Failure::of)?.is_some() {
        return Err(Failure::of(format!(
            "{} is a node already: join with a new folder, cairn --home NEW join CODE",
            home.display()
        )));
    }
    ConfigFile::load(home).map_err(Failure::of)?;
    let device = folder.device_key().map_err(Failure::of)?.node_id();
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
    folder.set_space(&space).map_err(Failure::of)?;
    println!("{device}");
    eprintln!(
        "This is a node of \"{}\" now. Start it with cairn --home {} run: the first link to another node brings the files.",
        invite.user,
        home.display()
    );
    Ok(())
}
