//! Single values beside the documents: the clock, the membership, what each peer acknowledged.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::SpaceError;
use crate::model::{Clock, Hash, HybridTime, Incarnation, Membership, NodeId, Sequence, WallTime, codec};
use crate::store::{ReadTransaction, Table, WriteTransaction};

/// Most bytes of one value.
const VALUE_LEN_MAX: usize = 64 * 1024 * 1024;

/// The node's own writing: which incarnation, how far, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    from = "(Option<Incarnation>, Sequence, HybridTime)",
    into = "(Option<Incarnation>, Sequence, HybridTime)"
)]
pub struct OwnWriter {
    /// `None` before the first write.
    pub incarnation: Option<Incarnation>,
    /// The last sequence that was used.
    pub last: Sequence,
    /// The last timestamp given or seen.
    pub time: HybridTime,
}

impl From<(Option<Incarnation>, Sequence, HybridTime)> for OwnWriter {
    fn from((incarnation, last, time): (Option<Incarnation>, Sequence, HybridTime)) -> Self {
        Self {
            incarnation,
            last,
            time,
        }
    }
}

impl From<OwnWriter> for (Option<Incarnation>, Sequence, HybridTime) {
    fn from(own: OwnWriter) -> Self {
        (own.incarnation, own.last, own.time)
    }
}

/// What is remembered of another node of the space.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "(Clock, WallTime)", into = "(Clock, WallTime)")]
pub struct PeerRecord {
    /// What it said it holds, payloads included, on its disk.
    pub acknowledged: Clock,
    /// When it was last linked.
    pub seen: WallTime,
}

impl From<(Clock, WallTime)> for PeerRecord {
    fn from((acknowledged, seen): (Clock, WallTime)) -> Self {
        Self { acknowledged, seen }
    }
}

impl From<PeerRecord> for (Clock, WallTime) {
    fn from(record: PeerRecord) -> Self {
        (record.acknowledged, record.seen)
    }
}

/// The names of the single values.
#[derive(Debug, Clone, Copy)]
pub enum Record {
    /// [`Clock`]: the dots that this node holds or knows to be superseded.
    Clock,
    /// [`Membership`].
    Membership,
    /// [`OwnWriter`].
    OwnWriter,
    /// [`Clock`]: for each writer everything up to its last collected tombstone.
    Collected,
    /// A list of dots whose payloads a user asked for.
    Requested,
    /// Whether own changes are being dated anew.
    Redate,
}

impl Record {
    fn key(self) -> &'static [u8] {
        match self {
            Self::Clock => b"clock",
            Self::Membership => b"membership",
            Self::OwnWriter => b"own writer",
            Self::Collected => b"collected",
            Self::Requested => b"requested",
            Self::Redate => b"redate",
        }
    }
}

/// Loads a value; `None` when it was never stored.
pub fn load<V: Serialize + DeserializeOwned>(
    tx: &(impl ReadTransaction + ?Sized),
    record: Record,
) -> Result<Option<V>, SpaceError> {
    decode(Table::Meta, tx.get(Table::Meta, record.key())?)
}

/// Stores a value.
pub fn store<V: Serialize>(
    tx: &mut impl WriteTransaction,
    record: Record,
    value: &V,
) -> Result<(), SpaceError> {
    Ok(tx.put(Table::Meta, record.key(), &codec::encode(value))?)
}

/// Loads the membership of a space.
pub fn membership(tx: &(impl ReadTransaction + ?Sized)) -> Result<Option<Membership>, SpaceError> {
    load(tx, Record::Membership)
}

/// Changes with the membership; read without checking its signatures anew.
pub fn membership_digest(tx: &(impl ReadTransaction + ?Sized)) -> Result<Option<Hash>, SpaceError> {
    let bytes = tx.get(Table::Meta, Record::Membership.key())?;
    Ok(bytes.map(|bytes| Hash::of(&bytes)))
}

/// What is remembered of `node`.
pub fn peer(tx: &(impl ReadTransaction + ?Sized), node: NodeId) -> Result<Option<PeerRecord>, SpaceError> {
    decode(Table::Peers, tx.get(Table::Peers, &node.0)?)
}

/// Remembers `record` of `node`.
pub fn store_peer(
    tx: &mut impl WriteTransaction,
    node: NodeId,
    record: &PeerRecord,
) -> Result<(), SpaceError> {
    Ok(tx.put(Table::Peers, &node.0, &codec::encode(record))?)
}

fn decode<V: Serialize + DeserializeOwned>(
    table: Table,
    bytes: Option<Vec<u8>>,
) -> Result<Option<V>, SpaceError> {
    bytes
        .map(|bytes| codec::decode_own(&bytes, VALUE_LEN_MAX))
        .transpose()
        .map_err(|error| SpaceError::Unreadable {
            table: table.name(),
            reason: error.to_string(),
        })
}
