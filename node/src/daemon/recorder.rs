//! Writes down what the engine is given, for a replay elsewhere, and never harms the node.
//!
//! The engine's thread makes the records; a thread of its own compresses and writes them. When the disk is full, fails
//! or is too slow, or the file has reached its length, the recording ends with a line in the log, and the node goes on.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;

use crate::mesh::{Action, Config, Engine, Event};
use crate::model::{Now, codec};
use crate::record::{Head, Record, Tape, Writer, dump};
use crate::store::{Store, StoreError};

/// Bytes that may wait for the disk.
const WAITING_LEN_MAX: usize = 32 * 1024 * 1024;

/// Where to record to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSettings {
    /// The file: not there yet, or empty.
    pub file: PathBuf,
    /// Bytes after which the recording ends.
    pub len_max: u64,
}

/// Why a recording cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// There is something in the file.
    #[error("{path} is not empty: name another file for --record, or delete it")]
    NotEmpty {
        /// The file.
        path: PathBuf,
    },
    /// The disk.
    #[error("cannot record to {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// What the store holds cannot be written down.
    #[error("cannot record what the database holds: {0}")]
    Store(#[from] StoreError),
}

/// A recording that has not begun.
pub(super) struct RecordFile {
    writer: Writer<BufWriter<File>>,
    settings: RecordSettings,
}

/// A recording.
pub(super) struct Recorder {
    tape: Tape,
    records: Option<Sender<Vec<u8>>>,
    waiting: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

fn open(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.len() > 0 {
        return Ok(None);
    }
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(Some(file))
}

impl RecordFile {
    /// Opens the file, for its user alone.
    pub(super) fn open(settings: &RecordSettings) -> Result<Self, RecordError> {
        let path = &settings.file;
        let failed = |error| RecordError::Io {
            path: path.clone(),
            error,
        };
        let file = open(path).map_err(failed)?;
        let file = file.ok_or_else(|| RecordError::NotEmpty { path: path.clone() })?;
        Ok(Self {
            writer: Writer::new(BufWriter::new(file)).map_err(failed)?,
            settings: settings.clone(),
        })
    }

    /// Writes how the engine is started and what its store holds. The engine must not have changed anything yet.
    pub(super) fn begin(
        mut self,
        config: &Config,
        seed: &[u8; 32],
        store: &impl Store,
    ) -> Result<Recorder, RecordError> {
        let path = self.settings.file.clone();
        let mut written = self
            .writer
            .write(&Record::Head(Box::new(Head::new(config, seed))));
        if written.is_ok() {
            dump(store, &mut |record| {
                written = self.writer.write(&record);
                if written.is_ok() && self.writer.written() <= self.settings.len_max {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        }
        let failed = |error| RecordError::Io {
            path: path.clone(),
            error,
        };
        written.map_err(failed)?;
        tracing::info!(file = %path.display(), "recording what this node does");
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = waiting.clone();
        let thread = std::thread::Builder::new().name("recorder".into());
        let thread = thread.spawn(move || match self.run(&receiver, &taken) {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the recording ends here"),
        });
        Ok(Recorder {
            tape: Tape::default(),
            records: Some(sender),
            waiting,
            thread: Some(thread.map_err(failed)?),
        })
    }

    /// Writes records until none can come any more, or the file is as long as it may be.
    fn run(mut self, records: &Receiver<Vec<u8>>, waiting: &AtomicUsize) -> io::Result<()> {
        loop {
            let record = match records.try_recv() {
                Ok(record) => record,
                Err(TryRecvError::Disconnected) => return self.writer.flush(),
                Err(TryRecvError::Empty) => {
                    // What a process had handed to the system outlives it.
                    self.writer.flush()?;
                    match records.recv() {
                        Ok(record) => record,
                        Err(_) => return Ok(()),
                    }
                }
            };
            self.writer.write_encoded(&record)?;
            waiting.fetch_sub(record.len(), Ordering::Relaxed);
            if self.writer.written() > self.settings.len_max {
                let reason = "it had reached the length that --record-max allows";
                self.writer.write(&Record::End(reason.into()))?;
                self.writer.flush()?;
                return Err(io::Error::other(reason));
            }
        }
    }
}

impl Recorder {
    /// Says whether it still goes on.
    pub(super) const fn is_running(&self) -> bool {
        self.records.is_some()
    }

    /// The engine is about to handle an event.
    pub(super) fn event(&mut self, now: Now, event: &Event) {
        let record = self.tape.event(now, event);
        self.write(&record);
    }

    /// The engine is about to commit.
    pub(super) fn commit(&mut self, now: Now) {
        let record = self.tape.commit(now);
        self.write(&record);
    }

    /// An action came out.
    pub(super) fn action(&mut self, action: &Action) {
        self.tape.action(action);
    }

    /// All actions are taken.
    pub(super) fn done<S: Store>(&mut self, engine: &Engine<S>) {
        let record = self.tape.done(engine);
        self.write(&record);
    }

    /// The last record.
    pub(super) fn end(&mut self, reason: String) {
        self.write(&Record::End(reason));
    }

    fn write(&mut self, record: &Record) {
        let Some(records) = &self.records else {
            return;
        };
        let record = codec::encode(record);
        let len = record.len();
        if self.waiting.fetch_add(len, Ordering::Relaxed) + len > WAITING_LEN_MAX {
            tracing::warn!("the recording ends here: its disk is too slow");
            self.records = None;
            // Writing out what waits may take long: the engine does not wait for it.
            self.thread = None;
        } else if records.send(record).is_err() {
            // Its thread has said why.
            self.records = None;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.records = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::{Engine, Keys, PayloadPolicy};
    use crate::model::{KeyPair, Membership};
    use crate::record::Reader;
    use crate::seal::{EpochKey, Keyring};
    use crate::store::MemoryStore;

    fn settings(folder: &Path, len_max: u64) -> RecordSettings {
        RecordSettings {
            file: folder.join("recording"),
            len_max,
        }
    }

    fn begin(file: RecordFile) -> (Engine<MemoryStore>, Recorder) {
        let key = KeyPair::from_seed(&[1; 32]);
        let config = Config {
            owner: key.owner_id(),
            membership: Membership::new(key.owner_id()),
            key: Keys {
                owner: None,
                space: Keyring::of_first(EpochKey::first(&key)),
                device: key,
            },
            continues: false,
            quota_bytes: None,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: false,
        };
        let store = MemoryStore::new();
        let recorder = file.begin(&config, &[2; 32], &store).unwrap();
        let mut engine = Engine::new(config, store, [2; 32]).unwrap();
        engine.note_answers();
        (engine, recorder)
    }

    fn read(settings: &RecordSettings) -> Vec<Record> {
        let mut reader = Reader::new(File::open(&settings.file).unwrap()).unwrap();
        std::iter::from_fn(|| reader.read().unwrap()).collect()
    }

    #[test]
    fn a_file_with_something_in_it_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 1 << 20);
        std::fs::write(&settings.file, "mine").unwrap();
        let error = RecordFile::open(&settings).err().unwrap();
        assert!(matches!(error, RecordError::NotEmpty { .. }), "{error}");
        assert_eq!(std::fs::read(&settings.file).unwrap(), b"mine");
        std::fs::write(&settings.file, "").unwrap();
        RecordFile::open(&settings).unwrap();
        let mode = std::fs::metadata(&settings.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn all_is_written_when_the_recorder_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 1 << 20);
        let (mut engine, mut recorder) = begin(RecordFile::open(&settings).unwrap());
        for _ in 0..100 {
            recorder.event(Now::default(), &Event::Timer);
            engine.handle(Now::default(), Event::Timer).unwrap();
            recorder.done(&engine);
        }
        recorder.end("enough".into());
        drop(recorder);
        let records = read(&settings);
        assert_eq!(records.len(), 1 + 200 + 1);
        assert_eq!(records.last(), Some(&Record::End("enough".into())));
    }

    #[test]
    fn it_ends_at_its_length_and_on_a_full_disk() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), 2000);
        let (engine, mut recorder) = begin(RecordFile::open(&settings).unwrap());
        while recorder.is_running() {
            recorder.event(Now::default(), &Event::Timer);
            recorder.done(&engine);
        }
        drop(recorder);
        let records = read(&settings);
        assert!(matches!(records.last(), Some(Record::End(reason)) if reason.contains("--record-max")));
        assert!(std::fs::metadata(&settings.file).unwrap().len() < 2200);

        let full = RecordSettings {
            file: "/dev/full".into(),
            len_max: 1 << 20,
        };
        let file = OpenOptions::new().write(true).open(&full.file).unwrap();
        let file = RecordFile {
            writer: Writer::new(BufWriter::new(file)).unwrap(),
            settings: full,
        };
        let (_, mut recorder) = begin(file);
        while recorder.is_running() {
            recorder.event(Now::default(), &Event::Timer);
        }
    }
}
