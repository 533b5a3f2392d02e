//! Power cuts: an engine on a disk that forgets, reopened at every sync boundary and at torn subsets between.
//!
//! `CAIRN_CRASH_WORKLOADS=1000` runs more; a failure names its workload, image and position.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn::mesh::{
    Action, Command, Config, Delete, Engine, Event, Keys, PayloadPolicy, Precondition, Put, Reply, RequestId,
};
use cairn::model::{
    Capabilities, DocumentPath, FolderPath, Grant, Instant, KeyPair, Membership, Now, WallTime,
};
use cairn::seal::{EpochKey, Keyring};
use cairn::service::{Documents, Lookup, SharedKeys};
use cairn::space::chunk_record;
use cairn::store::crash::{CrashRecorder, Loss};
use cairn::store::{ChunkFiles, RedbStore, Store};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const OPERATIONS: u64 = 8;
const TORN: u64 = 3;

/// What documents hold: path to body.
type State = BTreeMap<String, Vec<u8>>;

/// A node on a recorded disk.
struct Node {
    engine: Engine<RedbStore>,
    store: RedbStore,
    chunks: ChunkFiles,
    now: u64,
}

fn keyring() -> Keyring {
    Keyring::of_first(EpochKey::first(&KeyPair::from_seed(&[1; 32])))
}

impl Node {
    fn open(recorder: &CrashRecorder) -> Self {
        let store = RedbStore::open_backend(recorder.database()).expect("the database opens after a crash");
        let chunks = ChunkFiles::open(recorder.disk()).expect("the chunk files open after a crash");
        let owner = KeyPair::from_seed(&[1; 32]);
        let key = KeyPair::from_seed(&[2; 32]);
        let mut membership = Membership::new(owner.owner_id());
        let (space, node) = (owner.owner_id(), key.node_id());
        membership
            .add_grant(Grant::issue(
                space,
                node,
                Capabilities::ALL,
                WallTime(1),
                None,
                "node",
                &owner,
            ))
            .unwrap();
        let config = Config {
            key: Keys {
                device: key,
                owner: None,
                space: keyring(),
            },
            owner: space,
            membership,
            continues: false,
            quota_bytes: None,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Duration::ZERO,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: false,
        };
        let engine = Engine::new(config, store.clone(), [3; 32]).expect("the engine opens after a crash");
        Self {
            engine,
            store,
            chunks,
            now: 1_000_000,
        }
    }

    fn now(&mut self) -> Now {
        self.now += 1_000_000;
        Now {
            instant: Instant(self.now),
            wall: WallTime(1_767_225_600_000 + self.now / 1000),
        }
    }

    /// Carries out a command; what it did is on disk when this returns.
    fn command(&mut self, command: Command) -> Option<Reply> {
        let now = self.now();
        self.engine
            .handle(
                now,
                Event::Command {
                    request: RequestId(0),
                    command: Box::new(command),
                },
            )
            .unwrap();
        self.engine.commit(now).unwrap();
        let mut reply = None;
        while let Some(action) = self.engine.poll_action() {
            match action {
                Action::Reply { result, .. } => reply = result.ok(),
                Action::Release(chunks) => {
                    for chunk in chunks {
                        let read = self.store.read().unwrap();
                        let listed = chunk_record(&read, &chunk).unwrap().is_some();
                        self.chunks.remove_unless(&chunk, || listed).unwrap();
                    }
                }
                _ => {}
            }
        }
        reply
    }

    fn put(&mut self, path: &str, body: &[u8]) -> bool {
        let path = DocumentPath::parse(path).unwrap();
        let mut upload = self.documents().upload(&path, u64::MAX).unwrap();
        upload.write(body).unwrap();
        let uploaded = upload.finish("text/plain".into()).unwrap();
        let put = Put {
            path,
            content: uploaded.content,
            attachment: uploaded.attachment,
            chunk_keys: uploaded.chunk_keys,
            precondition: Precondition::default(),
            resolve: false,
        };
        let reply = self.command(Command::Put(put));
        drop(uploaded.pins);
        matches!(reply, Some(Reply::Stored { .. }))
    }

    fn delete(&mut self, path: &str) {
        let path = DocumentPath::parse(path).unwrap();
        self.command(Command::Delete(Delete {
            path,
            precondition: Precondition::default(),
        }));
    }

    fn documents(&self) -> Documents<RedbStore> {
        Documents::new(
            self.store.clone(),
            self.chunks.clone(),
            SharedKeys::new(keyring()),
        )
    }

    /// Reads everything back, as a door would.
    fn state(&self) -> State {
        let documents = self.documents();
        let mut paths = Vec::new();
        documents
            .walk(&FolderPath::root(), &mut |path, document| {
                if document.stored().is_some() {
                    paths.push(path.clone());
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        let mut state = State::new();
        for path in paths {
            let Lookup::Found(found) = documents.document(&path).unwrap() else {
                panic!("{} is listed and not there", path.as_str());
            };
            let body = found.body.expect("a local document's payload is here");
            let mut bytes = Vec::new();
            while (bytes.len() as u64) < body.len() {
                bytes.extend(
                    body.read_at(bytes.len() as u64)
                        .expect("a stored document reads back"),
                );
            }
            state.insert(path.as_str().to_owned(), bytes);
        }
        let root = documents.folder(&FolderPath::root()).unwrap();
        let bytes: u64 = state.values().map(|body| body.len() as u64).sum();
        assert_eq!(
            (root.documents, root.bytes),
            (state.len() as u64, bytes),
            "the root's sums"
        );
        state
    }
}

/// Random operations; gives the states, each with the journal's position from which on it was acknowledged.
fn work(node: &mut Node, recorder: &CrashRecorder, random: &mut ChaCha8Rng) -> Vec<(usize, State)> {
    let mut state = node.state();
    let mut states = vec![(recorder.position(), state.clone())];
    for _ in 0..OPERATIONS {
        let path = ["/public/m/a", "/private/m/b/c", "/shared/n/d"][(random.next_u32() % 3) as usize];
        if random.next_u32().is_multiple_of(4) {
            node.delete(path);
            state.remove(path);
        } else {
            let len = [0, 100, 9_000, 70_000, 300_000][(random.next_u32() % 5) as usize];
            let mut body = vec![0; len];
            random.fill_bytes(&mut body);
            assert!(node.put(path, &body));
            state.insert(path.to_owned(), body);
        }
        states.push((recorder.position(), state.clone()));
    }
    states
}

/// What may be there when the power goes at `position`: what was acknowledged by then, or the change after it.
fn allowed(states: &[(usize, State)], position: usize) -> Vec<&State> {
    let last = states
        .iter()
        .rposition(|(acknowledged, _)| *acknowledged <= position);
    match last {
        Some(last) => states[last..].iter().take(2).map(|(_, state)| state).collect(),
        None => Vec::new(),
    }
}

fn one(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let recorder = CrashRecorder::new();
    let mut node = Node::open(&recorder);
    let states = work(&mut node, &recorder, &mut random);
    let first = states[0].0;
    for image in recorder.images(TORN, seed) {
        if image.position < first {
            continue;
        }
        let (position, loss) = (image.position, image.loss);
        let allowed = allowed(&states, position);
        let check = |recorder: &CrashRecorder, when: &str| {
            let found = Node::open(recorder).state();
            assert!(
                allowed.contains(&&found),
                "workload {seed}, position {position}, {loss:?}, {when}: found {:?}",
                found
                    .iter()
                    .map(|(path, body)| (path, body.len()))
                    .collect::<Vec<_>>()
            );
        };
        check(&image.recorder, "reopened");
        // And again, with the power going at some point of that reopening.
        let boundaries = image.recorder.sync_boundaries();
        if let Some(at) = boundaries.get(random.next_u32() as usize % boundaries.len().max(1)) {
            let again = image.recorder.crash(*at, Loss::Torn(seed ^ position as u64));
            check(&again.recorder, "crashed while reopening, reopened");
        }
    }
}

#[test]
fn no_acknowledged_write_is_missing_after_a_power_cut() {
    let workloads = std::env::var("CAIRN_CRASH_WORKLOADS").map_or(200, |text| text.parse().unwrap());
    let next = Arc::new(AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= workloads {
                        return;
                    }
                    one(seed);
                }
            });
        }
    });
}
