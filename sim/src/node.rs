//! One node: an engine and the disk below it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn::mesh::{Config, Engine, EngineError, Keys, LinkId, PayloadPolicy, RequestId};
use cairn::model::{
    Capabilities, Category, ChunkRef, Clock, Content, DocumentName, DocumentPath, Dot, Entry, Grant, Hash,
    KeyPair, Manifest, Membership, Payload, WallTime,
};
use cairn::seal::{ChunkKey, EpochKey, Keyring};
use cairn::space::chunk_record;
use cairn::space::records::{self, OwnWriter};
use cairn::store::{MemoryStore, Store, StoreError};
use cairn_transports::lora::{KeyName, SendersRecord, SpaceKey};

/// How bodies are stored, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodySizes {
    /// Shorter ones stand in their entry.
    pub inline: usize,
    /// Up to here one chunk; longer ones have several, and a manifest.
    pub chunk: usize,
}

impl BodySizes {
    /// So small that every form occurs with bodies of a few hundred bytes.
    pub const SMALL: Self = Self {
        inline: 50,
        chunk: 100,
    };
    /// As the program stores them, up to 256 KiB.
    pub const REAL: Self = Self {
        inline: cairn::store::INLINE_LEN_MAX + 1,
        chunk: 256 * 1024,
    };
}

/// One owner's data, on some of the nodes.
#[derive(Debug, Clone)]
pub(crate) struct Space {
    /// Who admitted them all.
    pub(crate) membership: Membership,
    /// Seals their documents.
    pub(crate) keyring: Keyring,
}

/// A body whose chunks are on a disk.
pub(crate) struct StoredBody {
    pub(crate) content: Content,
    pub(crate) attachment: Option<Vec<u8>>,
    pub(crate) chunk_keys: Vec<ChunkKey>,
}

/// The key of the owner of a space, by the space's number.
pub fn owner_key(number: usize) -> KeyPair {
    let mut seed = [255; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    KeyPair::from_seed(&seed)
}

impl Space {
    /// The space of an owner, with a grant for each of these devices.
    pub(crate) fn new(number: usize, devices: &[(String, KeyPair, Capabilities)]) -> Self {
        let owner = owner_key(number);
        let mut membership = Membership::new(owner.owner_id());
        for (name, key, capabilities) in devices {
            let grant = Grant::issue(
                owner.owner_id(),
                key.node_id(),
                *capabilities,
                WallTime(1),
                None,
                name,
                &owner,
            );
            // The owner's own signature always counts.
            let _ = membership.add_grant(grant);
        }
        let first = EpochKey::first(&owner);
        Self {
            membership,
            keyring: Keyring::of_first(first),
        }
    }
}

impl Space {
    /// What stands for a document in changes.
    pub(crate) fn name(&self, path: &DocumentPath) -> Option<DocumentName> {
        match path.category() {
            Category::Public => Some(DocumentName::Clear(path.clone())),
            Category::Private | Category::Shared => self.keyring.name(path).map(DocumentName::Sealed),
        }
    }
}

/// What a node is in its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A device of the owner.
    Member,
    /// Another user's: it holds the space and has no key of it.
    Custodian,
    /// Another user's, with no grant: it keeps the public documents.
    Follower,
}

/// A node with its disk. The engine is gone while the node is down.
pub struct Node {
    /// The device's key.
    pub key: KeyPair,
    /// The number of its space: nodes of one space hold the same.
    pub space: usize,
    /// What it is there.
    pub role: Role,
    /// The disk: what was committed.
    pub store: MemoryStore,
    /// Chunk files that are on the disk.
    pub chunks: BTreeMap<Hash, Vec<u8>>,
    /// Chunk files that a crash would take.
    pub(crate) unsynced: BTreeMap<Hash, Vec<u8>>,
    /// Chunks of writes that were not answered yet: not to be released.
    pub(crate) pins: Vec<(RequestId, Hash)>,
    /// Chunks that were asked for, by link.
    pub(crate) expected: BTreeSet<(LinkId, Hash)>,
    /// The engine, while the node is up.
    pub engine: Option<Engine<MemoryStore>>,
    /// The register outside of the node's folder: what the last commit left.
    pub(crate) register: Option<OwnWriter>,
    /// Who was heard by radio: on the disk, beside the store.
    pub(crate) senders: SendersRecord,
    /// The keys of its space, as its engine knows them.
    pub keyring: Keyring,
    pub(crate) commit_planned: bool,
    /// With a skipped fsync planted: the disk as a crash leaves it, and since when.
    pub(crate) synced: Option<(u64, MemoryStore)>,
    /// When the engine will be asked again.
    pub(crate) timer_at: Option<u64>,
    /// Its wall clock is ahead by so much, in milliseconds.
    pub(crate) clock_ahead_ms: i64,
    /// What it was last seen to hold.
    pub(crate) seen: Clock,
    /// Of that, entries whose payload was not there yet.
    pub(crate) awaited: BTreeSet<Dot>,
}

/// The key of a device.
pub(crate) fn device_key(number: usize) -> KeyPair {
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&(number as u64 + 1).to_le_bytes());
    KeyPair::from_seed(&seed)
}

impl Node {
    /// The keys of radio frames, the newest first.
    pub(crate) fn frame_keys(&self) -> Vec<SpaceKey> {
        let key = |epoch: &EpochKey| SpaceKey::new(KeyName(epoch.id().0), &epoch.radio());
        self.keyring.newest_first().map(key).collect()
    }

    /// A device with an empty disk. Not started yet.
    pub(crate) fn new(key: KeyPair, space: usize, role: Role) -> Self {
        Self {
            key,
            space,
            role,
            store: MemoryStore::new(),
            chunks: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            pins: Vec::new(),
            expected: BTreeSet::new(),
            engine: None,
            register: None,
            senders: SendersRecord::default(),
            commit_planned: false,
            synced: None,
            timer_at: None,
            clock_ahead_ms: 0,
            keyring: Keyring::new(),
            seen: Clock::new(),
            awaited: BTreeSet::new(),
        }
    }

    /// The space whose documents it may read.
    pub(crate) fn reads(&self) -> Option<usize> {
        (self.role == Role::Member).then_some(self.space)
    }

    /// Starts the engine on what the disk holds.
    pub(crate) fn start(&mut self, space: &Space, seed: [u8; 32]) -> Result<(), EngineError> {
        let on_disk = Engine::own_writer_on_disk(&self.store)?;
        let mut key = Keys {
            device: self.key.clone(),
            owner: None,
            space: match self.role {
                Role::Member => space.keyring.clone(),
                Role::Custodian | Role::Follower => Keyring::new(),
            },
        };
        if let Ok(Some(membership)) = records::membership(&self.store.read()?) {
            key.learn(&membership);
        }
        self.keyring = key.space.clone();
        let config = Config {
            key,
            owner: space.membership.space(),
            membership: space.membership.clone(),
            continues: self.register == Some(on_disk),
            quota_bytes: None,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min: Duration::ZERO,
            radio_payloads: PayloadPolicy::DEFAULT,
            follows: self.role == Role::Follower,
        };
        self.engine = Some(Engine::new(config, self.store.clone(), seed)?);
        self.commit_planned = false;
        self.timer_at = None;
        Ok(())
    }

    /// Ends the process, as by a power cut: what was not committed is gone.
    pub(crate) fn crash(&mut self) {
        self.engine = None;
        self.unsynced.clear();
        self.expected.clear();
        self.pins.clear();
    }

    /// Removes chunk files that neither an entry lists nor a write holds.
    pub(crate) fn release(&mut self, chunks: impl IntoIterator<Item = Hash>) -> Result<(), StoreError> {
        let read = self.store.read()?;
        for chunk in chunks {
            let pinned = self.pins.iter().any(|(_, pinned)| *pinned == chunk);
            if !pinned && chunk_record(&read, &chunk).is_ok_and(|record| record.is_none()) {
                self.chunks.remove(&chunk);
            }
        }
        Ok(())
    }

    /// A chunk that can be read.
    pub(crate) fn chunk(&self, hash: &Hash) -> Option<&Vec<u8>> {
        let bytes = self.chunks.get(hash).or_else(|| self.unsynced.get(hash))?;
        // A file of which a bit rotted away is as good as none.
        (Hash::of(bytes) == *hash).then_some(bytes)
    }

    /// Stores a body's chunks, as the daemon does before it gives a PUT to the engine.
    pub(crate) fn store_body(
        &mut self,
        request: RequestId,
        path: &DocumentPath,
        body: &[u8],
        sizes: BodySizes,
    ) -> StoredBody {
        let key = self
            .keyring
            .current()
            .filter(|_| path.category() != Category::Public);
        let key = key.cloned();
        let stored = |payload, attachment, chunk_keys| StoredBody {
            content: Content {
                content_type: "text/plain".into(),
                hash: Hash::of(body),
                len: body.len() as u64,
                payload,
                seal: None,
            },
            attachment,
            chunk_keys,
        };
        if body.len() < sizes.inline {
            return stored(Payload::Inline, Some(body.to_vec()), Vec::new());
        }
        if body.len() <= sizes.chunk && key.is_none() {
            self.keep(request, body.to_vec());
            return stored(Payload::Chunk, None, Vec::new());
        }
        let (mut chunks, mut keys) = (Vec::new(), Vec::new());
        for chunk in body.chunks(sizes.chunk) {
            let chunk = match key.as_ref().and_then(|key| key.seal_chunk(chunk).ok()) {
                Some((key, sealed)) => {
                    keys.push(key);
                    sealed
                }
                None => chunk.to_vec(),
            };
            let len = chunk.len() as u32;
            let hash = self.keep(request, chunk);
            chunks.push(ChunkRef { hash, len });
        }
        match Manifest::new(chunks) {
            Ok(manifest) => stored(Payload::Manifest(manifest.hash()), Some(manifest.encode()), keys),
            Err(error) => unreachable!("a short body has few chunks: {error}"),
        }
    }

    fn keep(&mut self, request: RequestId, chunk: Vec<u8>) -> Hash {
        let hash = Hash::of(&chunk);
        self.pins.push((request, hash));
        self.chunks.insert(hash, chunk);
        hash
    }

    /// Live entries, by dot.
    pub fn live(&self) -> BTreeMap<Dot, Entry> {
        crate::laws::live(&self.store)
    }
}
