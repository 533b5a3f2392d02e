//! One node: an engine and the disk below it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn::mesh::{Config, Engine, EngineError, LinkId, PayloadPolicy, RequestId};
use cairn::model::{
    Capabilities, ChunkRef, Content, Dot, Entry, Grant, Hash, KeyPair, Manifest, Membership, OwnerId,
    Payload, WallTime,
};
use cairn::space::chunk_record;
use cairn::space::records::OwnWriter;
use cairn::store::{MemoryStore, Store, StoreError};
use cairn_transports::lora::SendersRecord;

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

/// A node with its disk. The engine is gone while the node is down.
pub struct Node {
    /// The device's key.
    pub key: KeyPair,
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
    pub(crate) commit_planned: bool,
    owner: OwnerId,
    membership: Membership,
}

impl Node {
    /// One of the owner's nodes, with its grant. Not started yet.
    pub(crate) fn new(index: u8, owner: &KeyPair) -> Self {
        let key = KeyPair::from_seed(&[index + 1; 32]);
        let mut membership = Membership::new(owner.owner_id());
        let grant = Grant::issue(
            owner.owner_id(),
            key.node_id(),
            Capabilities::ALL,
            WallTime(1),
            None,
            &format!("node {index}"),
            owner,
        );
        // The owner's own signature always counts.
        let _ = membership.add_grant(grant);
        Self {
            key,
            store: MemoryStore::new(),
            chunks: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            pins: Vec::new(),
            expected: BTreeSet::new(),
            engine: None,
            register: None,
            senders: SendersRecord::default(),
            commit_planned: false,
            owner: owner.owner_id(),
            membership,
        }
    }

    /// Starts the engine on what the disk holds.
    pub(crate) fn start(&mut self, seed: [u8; 32], tombstone_age_min: Duration) -> Result<(), EngineError> {
        let on_disk = Engine::own_writer_on_disk(&self.store)?;
        let config = Config {
            key: self.key.clone(),
            owner: self.owner,
            membership: self.membership.clone(),
            continues: self.register == Some(on_disk),
            quota_bytes: None,
            announce_interval: Config::ANNOUNCE_INTERVAL,
            tombstone_age_min,
            radio_payloads: PayloadPolicy::DEFAULT,
        };
        self.engine = Some(Engine::new(config, self.store.clone(), seed)?);
        self.commit_planned = false;
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
        self.chunks.get(hash).or_else(|| self.unsynced.get(hash))
    }

    /// Stores a body's chunks, as the daemon does before it gives a PUT to the engine. Small bodies stay inline;
    /// longer ones are cut every 100 bytes.
    pub(crate) fn store_body(
        &mut self,
        request: RequestId,
        body: &[u8],
        sizes: BodySizes,
    ) -> (Content, Option<Vec<u8>>) {
        let content = |payload| Content {
            content_type: "text/plain".into(),
            hash: Hash::of(body),
            len: body.len() as u64,
            payload,
        };
        match body.len() {
            len if len < sizes.inline => (content(Payload::Inline), Some(body.to_vec())),
            len if len <= sizes.chunk => {
                self.keep(request, body);
                (content(Payload::Chunk), None)
            }
            _ => {
                let mut chunks = Vec::new();
                for chunk in body.chunks(sizes.chunk) {
                    self.keep(request, chunk);
                    chunks.push(ChunkRef {
                        hash: Hash::of(chunk),
                        len: chunk.len() as u32,
                    });
                }
                match Manifest::new(chunks) {
                    Ok(manifest) => (
                        content(Payload::Manifest(manifest.hash())),
                        Some(manifest.encode()),
                    ),
                    Err(error) => unreachable!("a short body has few chunks: {error}"),
                }
            }
        }
    }

    fn keep(&mut self, request: RequestId, chunk: &[u8]) {
        let hash = Hash::of(chunk);
        self.pins.push((request, hash));
        self.chunks.insert(hash, chunk.to_vec());
    }

    /// Live entries, by dot.
    pub fn live(&self) -> BTreeMap<Dot, Entry> {
        crate::laws::live(&self.store)
    }
}
