//! A database that is damaged: set aside, and built anew from what can still be read of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::home::HomeError;
use super::run::RunError;
use crate::model::{Entry, Membership, WallTime};
use crate::seal::Keyring;
use crate::space::{Opened, rebuild, records};
use crate::store::{ChunkFiles, RedbStore, Store as _, StoreError};

const DATABASE: &str = "cairn.redb";
/// The database that takes a damaged one's place: complete as soon as no file is called [`DATABASE`].
const REBUILT: &str = "cairn.redb.rebuilt";
/// How the names of databases that were set aside begin.
const SET_ASIDE: &str = "cairn.redb.damaged-";

/// What opens the sealed documents of a space, by the statements of its members.
pub(super) type KeysOf<'a> = dyn Fn(Option<&Membership>) -> Result<Keyring, HomeError> + 'a;

/// The database in a space's folder.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}

/// Opens the database of the space in `folder`. One that is found damaged now, or was while it was `found_damaged`, is repaired first.
pub(super) fn open(
    folder: &Path,
    keys: &KeysOf<'_>,
    chunks: &ChunkFiles,
    found_damaged: bool,
    wall: WallTime,
) -> Result<RedbStore, RunError> {
    let database = database(folder);
    let rebuilt = folder.join(REBUILT);
    if !database.exists() && rebuilt.exists() {
        // A repair that a power cut ended between its two renames.
        rename(&rebuilt, &database)?;
    }
    match RedbStore::open(&database) {
        Ok(store) if !found_damaged => Ok(store),
        Ok(damaged) => repair(folder, keys, chunks, Some(damaged), wall),
        Err(error) if error.is_damage() => {
            tracing::error!(%error, database = %database.display(), "the database cannot be opened");
            repair(folder, keys, chunks, None, wall)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says whether a damaged database was set aside here, whose documents may need the chunk files that nothing lists.
pub(super) fn has_set_aside(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut files| {
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with(SET_ASIDE)))
    })
}

fn repair(
    folder: &Path,
    keys: &KeysOf<'_>,
    chunks: &ChunkFiles,
    damaged: Option<RedbStore>,
    wall: WallTime,
) -> Result<RedbStore, RunError> {
    let rebuilt = folder.join(REBUILT);
    match fs::remove_file(&rebuilt) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let new = RedbStore::open(&rebuilt)?;
    let set_aside = folder.join(format!("{SET_ASIDE}{}", wall.0 / 1000));
    if let Some(damaged) = damaged {
        let here = |hash: &_| chunks.contains(hash).unwrap_or(false);
        // What cannot be opened without the members' statements is opened when a peer brings these again.
        let statements = damaged
            .read()
            .ok()
            .and_then(|read| records::membership(&read).ok().flatten());
        let keyring = keys(statements.as_ref())?;
        let open =
            |entry: &Entry, beside: Option<&[u8]>| keyring.open(entry, beside).map(|body| Opened::of(&body));
        let found =
            rebuild(&damaged, &new, &here, &open).map_err(|error| RunError::Repair(error.to_string()))?;
        tracing::warn!(
            kept = found.kept,
            lost = ?found.lost,
            incomplete = found.incomplete,
            "the database was built anew: what is lost is fetched from the other nodes that hold it"
        );
    }
    drop(new);
    rename(&folder.join(DATABASE), &set_aside)?;
    rename(&rebuilt, &folder.join(DATABASE))?;
    tracing::warn!(
        file = %set_aside.display(),
        "the damaged database was set aside: remove it when all documents are back"
    );
    Ok(RedbStore::open(&folder.join(DATABASE))?)
}

fn rename(from: &Path, to: &Path) -> Result<(), RunError> {
    fs::rename(from, to).map_err(failed)?;
    let folder = to.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn failed(error: io::Error) -> RunError {
    RunError::Repair(error.to_string())
}

impl RunError {
    /// Says whether the database is damaged, so that a start with a repair may help.
    pub(super) fn is_damage(&self) -> bool {
        let store = match self {
            Self::Store(error) => Some(error),
            Self::Engine(error) => error.store(),
            _ => None,
        };
        store.is_some_and(StoreError::is_damage)
    }
}
