//! A node for the tests of doors: a real engine on real files, with no links.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use super::engine_thread::{self, Input, Inputs, Outside, Up};
use super::{Node, SystemClock};
use crate::mesh::{Action, Config, Engine, EngineError, Keys, LinkId, PayloadPolicy};
use crate::model::{Capabilities, Grant, KeyPair, Membership, WallTime};
use crate::seal::{EpochKey, Keyring};
use crate::service::{Documents, SharedKeys};
use crate::space::chunk_record;
use crate::space::records::OwnWriter;
use crate::store::{ChunkFiles, FolderDisk, RedbStore, Store};

/// A running node of the user `ada`. Its files go when it is dropped.
pub(crate) struct TestNode {
    pub(crate) node: Node,
    inputs: Inputs,
    engine: Option<JoinHandle<Result<(), EngineError>>>,
    files: tempfile::TempDir,
}

/// Removes chunks that nobody lists. What is meant for links goes nowhere.
struct NoLinks {
    store: RedbStore,
    chunks: ChunkFiles,
}

impl Outside for NoLinks {
    fn carry_out(&mut self, action: Action) {
        if let Action::Release(released) = action {
            for hash in released {
                let is_listed = || {
                    chunk_record(&self.store.read().unwrap(), &hash)
                        .unwrap()
                        .is_some()
                };
                self.chunks.remove_unless(&hash, is_listed).unwrap();
            }
        }
    }

    fn link_up(&mut self, _link: LinkId, _up: Up) {}

    fn committed(&mut self, _own: OwnWriter) {}
}

impl TestNode {
    pub(crate) fn start(quota_bytes: Option<u64>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let store = RedbStore::open(&files.path().join("store.redb")).unwrap();
        let chunks = ChunkFiles::open(Arc::new(FolderDisk::open(files.path()).unwrap())).unwrap();
        let (owner, key) = (KeyPair::from_seed(&[1; 32]), KeyPair::from_seed(&[2; 32]));
        let space = owner.owner_id();
        let mut membership = Membership::new(space);
        let grant = Grant::issue(
            space,
            key.node_id(),
            Capabilities::ALL,
            WallTime(1),
            None,
            "test",
            &owner,
        );
        membership.add_grant(grant).unwrap();
        let keyring = Keyring::of_first(EpochKey::first(&owner));
        let config = Config {
            key: Keys {
                device: key.clone(),
                owner: None,
                space: keyring.clone(),
            },
            owner: space,
            membership,
            continues: false,
            quota_bytes,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Config::TOMBSTONE_AGE_MIN,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: false,
        };
        let engine = Engine::new(config, store.clone(), [3; 32]).unwrap();
        let (sender, receiver) = channel();
        let (inputs, clock) = (Inputs::new(sender), SystemClock::start());
        let mut outside = NoLinks {
            store: store.clone(),
            chunks: chunks.clone(),
        };
        let engine =
            std::thread::spawn(move || engine_thread::run(engine, clock, &receiver, &mut outside, None));
        let node = Node::new(
            inputs.clone(),
            clock,
            store.clone(),
            Documents::new(store, chunks, SharedKeys::new(keyring)),
            key.node_id(),
            space,
            "ada".to_owned(),
        );
        Self {
            node,
            inputs,
            engine: Some(engine),
            files,
        }
    }

    /// Where the chunk files are.
    pub(crate) fn files(&self) -> &std::path::Path {
        self.files.path()
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        let _ = self.inputs.send(Input::Stop);
        if let Some(engine) = self.engine.take() {
            let ended = engine.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}
