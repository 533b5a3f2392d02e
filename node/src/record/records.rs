//! The parts of a recording.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Answer, Given, Mark};
use crate::mesh::{Config, PayloadPolicy, ReplayedKeys};
use crate::model::{Instant, Membership, OwnerId};
use crate::store::Table;

/// One part of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The first part.
    Head(Box<Head>),
    /// Values of the store.
    Rows(Vec<Row>),
    /// The engine is about to get this: time since the node's start in microseconds, UTC in milliseconds, what.
    Given(u64, u64, Given),
    /// It has dealt with it.
    Done(Done),
    /// The last part: why the recording ends, for people.
    End(String),
}

/// Whose recording it is, and how the engine was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The program's version.
    pub program: String,
    /// What is public of the node's keys.
    pub keys: ReplayedKeys,
    /// Whose space.
    pub owner: OwnerId,
    /// See [`Config::membership`].
    pub membership: Membership,
    /// See [`Config::continues`].
    pub continues: bool,
    /// See [`Config::quota_bytes`].
    pub quota_bytes: Option<u64>,
    /// See [`Config::announce_interval`]; in microseconds.
    pub announce_interval_us: u64,
    /// See [`Config::tombstone_age_min`]; in microseconds.
    pub tombstone_age_min_us: u64,
    /// See [`Config::radio_payloads`]: public, private, shared, in bytes.
    pub radio_payloads: (u64, u64, u64),
    /// What made everything random. No key depends on it.
    pub seed: ByteBuf,
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Head {
    /// The head of a recording of an engine that is started with these.
    pub fn new(config: &Config, seed: &[u8; 32]) -> Self {
        Self {
            program: env!("CARGO_PKG_VERSION").into(),
            keys: config.key.public(),
            owner: config.owner,
            membership: config.membership.clone(),
            continues: config.continues,
            quota_bytes: config.quota_bytes,
            announce_interval_us: micros(config.announce_interval),
            tombstone_age_min_us: micros(config.tombstone_age_min),
            radio_payloads: {
                let payloads = config.radio_payloads;
                (payloads.public, payloads.private, payloads.shared)
            },
            seed: ByteBuf::from(*seed),
        }
    }

    /// What the engine was started with: the configuration, for [`Engine::replay`](crate::mesh::Engine::replay), and
    /// the seed.
    pub fn start(self) -> (Config<ReplayedKeys>, [u8; 32]) {
        let config = Config {
            key: self.keys,
            owner: self.owner,
            membership: self.membership,
            continues: self.continues,
            quota_bytes: self.quota_bytes,
            announce_interval: Duration::from_micros(self.announce_interval_us),
            tombstone_age_min: Duration::from_micros(self.tombstone_age_min_us),
            follows: false,
            radio_payloads: PayloadPolicy {
                public: self.radio_payloads.0,
                private: self.radio_payloads.1,
                shared: self.radio_payloads.2,
            },
        };
        let mut seed = [0; 32];
        for (to, from) in seed.iter_mut().zip(self.seed) {
            *to = from;
        }
        (config, seed)
    }
}

/// One value of the store: table, key, value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(String, ByteBuf, ByteBuf)", into = "(String, ByteBuf, ByteBuf)")]
pub struct Row {
    /// The table's name.
    pub table: String,
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
}

impl Row {
    /// The table; `None` for one that an engine does not read.
    pub fn table(&self) -> Option<Table> {
        Table::ALL
            .into_iter()
            .filter(|table| *table != Table::Tokens)
            .find(|table| table.name() == self.table)
    }
}

impl From<(String, ByteBuf, ByteBuf)> for Row {
    fn from((table, key, value): (String, ByteBuf, ByteBuf)) -> Self {
        let (key, value) = (key.into_vec(), value.into_vec());
        Self { table, key, value }
    }
}

impl From<Row> for (String, ByteBuf, ByteBuf) {
    fn from(row: Row) -> Self {
        (row.table, row.key.into(), row.value.into())
    }
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    from = "(Vec<Answer>, Vec<Mark>, Option<u64>, u64)",
    into = "(Vec<Answer>, Vec<Mark>, Option<u64>, u64)"
)]
pub struct Done {
    /// What the engine noted meanwhile.
    pub answers: Vec<Answer>,
    /// The actions that came out, in order.
    pub marks: Vec<Mark>,
    /// When the engine wants to be called again, in microseconds since its start.
    pub due_us: Option<u64>,
    /// After a commit a mark of what the node holds and how far it has written; else 0.
    pub state: u64,
}

impl Done {
    /// When the engine wants to be called again.
    pub fn due(&self) -> Option<Instant> {
        self.due_us.map(Instant)
    }
}

impl From<(Vec<Answer>, Vec<Mark>, Option<u64>, u64)> for Done {
    fn from((answers, marks, due_us, state): (Vec<Answer>, Vec<Mark>, Option<u64>, u64)) -> Self {
        Self {
            answers,
            marks,
            due_us,
            state,
        }
    }
}

impl From<Done> for (Vec<Answer>, Vec<Mark>, Option<u64>, u64) {
    fn from(done: Done) -> Self {
        (done.answers, done.marks, done.due_us, done.state)
    }
}
