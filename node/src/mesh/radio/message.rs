//! What nodes say to one another by radio.
//!
//! The first byte of a message is its kind. Who said it, and that it is of this space, is known from the frame.

use super::custody::{ASKED_MAX, TOLD_MAX};
use super::entries::NodeRef;
use super::squeeze::{squeeze, unsqueeze};
use super::summary::{Digest, Runs, Summary};
use super::wire::{Damaged, Reader, Result, put_number};
use crate::model::{CHUNK_LEN_MAX, Hash, HybridTime, Signature};

const BEACON: u8 = 1;
const ENTRIES: u8 = 2;
const ENTRIES_AND_SUMMARY: u8 = 3;
const SUMMARY: u8 = 4;
const WANT: u8 = 5;
const CHUNK: u8 = 6;
const STATEMENT_LIST: u8 = 7;
const STATEMENTS: u8 = 8;
// 9 and 10 are calls of `cairn modem test`, which no engine sees.
const ASK: u8 = 11;
const ACKNOWLEDGEMENTS: u8 = 12;
const LIVE_QUESTION: u8 = 13;
const LIVING: u8 = 14;

const FLAG_COMPLETE: u8 = 1;
const FLAG_CALLS: u8 = 2;

/// Most nodes that a beacon calls.
pub(super) const CALLED_MAX: usize = 8;

/// Most statements in a message.
const STATEMENTS_MAX: usize = 2048;
/// Most bytes of statements, unpacked.
const STATEMENTS_LEN_MAX: usize = 1024 * 1024;
/// Most chunks asked for at once.
const WANTED_MAX: usize = 16;
/// Most bytes of a live set, unpacked.
const LIVING_LEN_MAX: usize = 1024 * 1024;

/// The first bytes of a chunk's hash, in a request.
pub(super) type ChunkRef = [u8; 8];

/// Stands for a membership.
pub(super) type MembershipDigest = [u8; 3];

/// Stands for a grant or a revocation.
pub(super) type StatementRef = [u8; 4];

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RadioMessage {
    /// `kind, flags, clock (6), membership (3), [clock of what is complete (6)], [called (1) …]`: 11 bytes in a node that lacks no
    /// payload.
    Beacon(Beacon),
    /// `kind, [summary], entries`: see [`super::entries`]. The summary tells what the receiver holds after them.
    Entries {
        summary: Option<Summary>,
        entries: Vec<u8>,
    },
    /// `kind, summary`: what the sender holds, for those who hold something else.
    Summary(Summary),
    /// `kind, who is asked (4), (8) …`
    Want { of: NodeRef, chunks: Vec<ChunkRef> },
    /// `kind, squeezed bytes`
    Chunk(Vec<u8>),
    /// `kind, (4) …`: all statements of membership that the sender knows.
    StatementList(Vec<StatementRef>),
    /// `kind, squeezed: (0 grant, 1 revocation or 2 key epoch, length, bytes) …`
    Statements {
        grants: Vec<Vec<u8>>,
        revocations: Vec<Vec<u8>>,
        key_epochs: Vec<Vec<u8>>,
    },
    /// `kind, (4) …`: nodes whose acknowledgements the sender lacks.
    Ask(Vec<NodeRef>),
    /// `kind, base (6), (node (4), time (8), lacks, signature (64)) …`: see [`super::custody`].
    Acknowledgements { base: Digest, told: Vec<Told> },
    /// `kind, who is asked (4), its state (6), live set of the sender (6)`: see [`super::doubt`].
    LiveQuestion {
        of: NodeRef,
        clock: Digest,
        live: Digest,
    },
    /// `kind, state (6), live set (6), [squeezed runs]`: without runs, it is the one that was asked about.
    Living {
        clock: Digest,
        live: Digest,
        runs: Option<Runs>,
    },
}

/// An acknowledgement on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) node: NodeRef,
    pub(super) time: HybridTime,
    /// What its clock lacks of the base.
    pub(super) lacks: Runs,
    pub(super) signature: Signature,
}

impl Told {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.node);
        out.extend(self.time.0.to_be_bytes());
        self.lacks.encode(out);
        out.extend(self.signature.0);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            node: reader.array()?,
            time: HybridTime(u64::from_be_bytes(reader.array()?)),
            lacks: Runs::decode(reader)?,
            signature: Signature(reader.array()?),
        })
    }

    /// How many bytes it takes.
    pub(super) fn len(&self) -> usize {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.len()
    }
}

/// What a node says of itself now and then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beacon {
    /// Of all that it holds.
    pub(super) clock: Digest,
    /// Of what it holds with payloads; the same when nothing is lacking.
    pub(super) complete: Digest,
    /// Of the grants and revocations that it knows.
    pub(super) membership: MembershipDigest,
    /// The first bytes of the ids of nodes that should hold the same by now, and have not said so.
    pub(super) calls: Vec<u8>,
}

impl RadioMessage {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Beacon(beacon) => {
                let complete = beacon.complete == beacon.clock;
                let mut flags = 0;
                if complete {
                    flags |= FLAG_COMPLETE;
                }
                if !beacon.calls.is_empty() {
                    flags |= FLAG_CALLS;
                }
                let mut out = vec![BEACON, flags];
                out.extend(beacon.clock.0);
                out.extend(beacon.membership);
                if !complete {
                    out.extend(beacon.complete.0);
                }
                out.extend(beacon.calls.iter().take(CALLED_MAX));
                out
            }
            Self::Entries { summary, entries } => {
                let mut out = vec![ENTRIES];
                if let Some(summary) = summary {
                    out[0] = ENTRIES_AND_SUMMARY;
                    summary.encode(&mut out);
                }
                out.extend(entries);
                out
            }
            Self::Summary(summary) => {
                let mut out = vec![SUMMARY];
                summary.encode(&mut out);
                out
            }
            Self::Want { of, chunks } => {
                let mut out = vec![WANT];
                out.extend(of);
                out.extend(chunks.iter().flatten());
                out
            }
            Self::Chunk(bytes) => {
                let mut out = vec![CHUNK];
                out.extend(squeeze(bytes));
                out
            }
            Self::StatementList(list) => {
                let mut out = vec![STATEMENT_LIST];
                out.extend(list.iter().flatten());
                out
            }
            Self::Statements {
                grants,
                revocations,
                key_epochs,
            } => {
                let mut plain = Vec::new();
                for (kind, statements) in [(0, grants), (1, revocations), (2, key_epochs)] {
                    for statement in statements {
                        plain.push(kind);
                        put_number(&mut plain, statement.len() as u64);
                        plain.extend(statement);
                    }
                }
                let mut out = vec![STATEMENTS];
                out.extend(squeeze(&plain));
                out
            }
            Self::Ask(nodes) => {
                let mut out = vec![ASK];
                out.extend(nodes.iter().flatten());
                out
            }
            Self::Acknowledgements { base, told } => {
                let mut out = vec![ACKNOWLEDGEMENTS];
                out.extend(base.0);
                for one in told {
                    one.encode(&mut out);
                }
                out
            }
            Self::LiveQuestion { of, clock, live } => {
                let mut out = vec![LIVE_QUESTION];
                out.extend(of);
                out.extend(clock.0);
                out.extend(live.0);
                out
            }
            Self::Living { clock, live, runs } => {
                let mut out = vec![LIVING];
                out.extend(clock.0);
                out.extend(live.0);
                if let Some(runs) = runs {
                    let mut plain = Vec::new();
                    runs.encode(&mut plain);
                    out.extend(squeeze(&plain));
                }
                out
            }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let message = match reader.byte()? {
            BEACON => {
                let flags = reader.byte()?;
                let clock = Digest(reader.array()?);
                let membership = reader.array()?;
                let complete = if flags & FLAG_COMPLETE != 0 {
                    clock
                } else {
                    Digest(reader.array()?)
                };
                // Without the flag: what later versions add.
                let rest = reader.rest();
                let calls = if flags & FLAG_CALLS != 0 {
                    rest.to_vec()
                } else {
                    Vec::new()
                };
                if calls.len() > CALLED_MAX {
                    return Err(Damaged);
                }
                Self::Beacon(Beacon {
                    clock,
                    complete,
                    membership,
                    calls,
                })
            }
            ENTRIES => Self::Entries {
                summary: None,
                entries: reader.rest().to_vec(),
            },
            ENTRIES_AND_SUMMARY => Self::Entries {
                summary: Some(Summary::decode(&mut reader)?),
                entries: reader.rest().to_vec(),
            },
            SUMMARY => Self::Summary(Summary::decode(&mut reader)?),
            WANT => {
                let of = reader.array()?;
                let (chunks, rest) = reader.rest().as_chunks();
                if !rest.is_empty() || chunks.is_empty() || chunks.len() > WANTED_MAX {
                    return Err(Damaged);
                }
                let chunks = chunks.to_vec();
                Self::Want { of, chunks }
            }
            CHUNK => Self::Chunk(unsqueeze(reader.rest(), CHUNK_LEN_MAX as usize)?),
            STATEMENT_LIST => {
                let (list, rest) = reader.rest().as_chunks();
                if !rest.is_empty() || list.len() > STATEMENTS_MAX {
                    return Err(Damaged);
                }
                Self::StatementList(list.to_vec())
            }
            STATEMENTS => Self::read_statements(reader.rest())?,
            ASK => {
                let (nodes, rest) = reader.rest().as_chunks();
                if !rest.is_empty() || nodes.is_empty() || nodes.len() > ASKED_MAX {
                    return Err(Damaged);
                }
                Self::Ask(nodes.to_vec())
            }
            ACKNOWLEDGEMENTS => {
                let base = Digest(reader.array()?);
                let mut told = Vec::new();
                while !reader.is_empty() {
                    if told.len() >= TOLD_MAX {
                        return Err(Damaged);
                    }
                    told.push(Told::decode(&mut reader)?);
                }
                Self::Acknowledgements { base, told }
            }
            LIVE_QUESTION => Self::LiveQuestion {
                of: reader.array()?,
                clock: Digest(reader.array()?),
                live: Digest(reader.array()?),
            },
            LIVING => {
                let (clock, live) = (Digest(reader.array()?), Digest(reader.array()?));
                let runs = match reader.rest() {
                    [] => None,
                    squeezed => {
                        let plain = unsqueeze(squeezed, LIVING_LEN_MAX)?;
                        let mut reader = Reader::new(&plain);
                        let runs = Runs::decode(&mut reader)?;
                        reader.done()?;
                        Some(runs)
                    }
                };
                Self::Living { clock, live, runs }
            }
            _ => return Err(Damaged),
        };
        reader.done()?;
        Ok(message)
    }

    fn read_statements(squeezed: &[u8]) -> Result<Self> {
        let plain = unsqueeze(squeezed, STATEMENTS_LEN_MAX)?;
        let mut reader = Reader::new(&plain);
        let (mut grants, mut revocations, mut key_epochs) = (Vec::new(), Vec::new(), Vec::new());
        while !reader.is_empty() {
            let kind = reader.byte()?;
            let len = reader.count(1)?;
            let statement = reader.bytes(len)?.to_vec();
            match kind {
                0 => grants.push(statement),
                1 => revocations.push(statement),
                2 => key_epochs.push(statement),
                _ => return Err(Damaged),
            }
            if grants.len() + revocations.len() + key_epochs.len() > STATEMENTS_MAX {
                return Err(Damaged);
            }
        }
        Ok(Self::Statements {
            grants,
            revocations,
            key_epochs,
        })
    }
}

/// What kind of message by radio this is, in a word or two.
pub fn radio_message_name(message: &[u8]) -> &'static str {
    match message.first() {
        Some(&BEACON) => "beacon",
        Some(&ENTRIES | &ENTRIES_AND_SUMMARY) => "entries",
        Some(&SUMMARY) => "summary",
        Some(&WANT) => "want",
        Some(&CHUNK) => "chunk",
        Some(&STATEMENT_LIST) => "statement list",
        Some(&STATEMENTS) => "statements",
        Some(&ASK) => "ask",
        Some(&ACKNOWLEDGEMENTS) => "acknowledgements",
        Some(&LIVE_QUESTION) => "live question",
        Some(&LIVING) => "living",
        _ => "unreadable message",
    }
}

/// A chunk as it goes by radio.
pub fn radio_chunk(bytes: &[u8]) -> Vec<u8> {
    RadioMessage::Chunk(bytes.to_vec()).encode()
}

/// The chunk in a message by radio, with its hash; `None` for other messages, and for those that cannot be read.
pub fn radio_carried_chunk(message: &[u8]) -> Option<(Hash, Vec<u8>)> {
    if message.first() != Some(&CHUNK) {
        return None;
    }
    match RadioMessage::decode(message) {
        Ok(RadioMessage::Chunk(bytes)) => Some((Hash::of(&bytes), bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, Dot, Incarnation, NodeId, Sequence, Writer};
    use proptest::prelude::*;

    fn messages() -> Vec<RadioMessage> {
        let summary = Summary {
            digest: Digest([1; 6]),
            base: None,
            adds: Runs::default(),
            dead: Runs::default(),
            collected: false,
            writers: Vec::new(),
        };
        vec![
            RadioMessage::Beacon(Beacon {
                clock: Digest([1; 6]),
                complete: Digest([1; 6]),
                membership: [3; 3],
                calls: Vec::new(),
            }),
            RadioMessage::Beacon(Beacon {
                clock: Digest([1; 6]),
                complete: Digest([2; 6]),
                membership: [3; 3],
                calls: vec![4, 5],
            }),
            RadioMessage::Entries {
                summary: None,
                entries: vec![1, 2],
            },
            RadioMessage::Entries {
                summary: Some(summary.clone()),
                entries: vec![1, 2],
            },
            RadioMessage::Summary(summary),
            RadioMessage::Want {
                of: [7; 4],
                chunks: vec![[8; 8], [9; 8]],
            },
            RadioMessage::Chunk(vec![5; 300]),
            RadioMessage::StatementList(vec![[1; 4], [2; 4]]),
            RadioMessage::Statements {
                grants: vec![vec![1; 30], vec![2; 10]],
                revocations: vec![vec![3; 5]],
                key_epochs: vec![vec![4; 20]],
            },
            RadioMessage::Ask(vec![[1; 4], [2; 4]]),
            RadioMessage::Acknowledgements {
                base: Digest([1; 6]),
                told: vec![told(0), told(3)],
            },
            RadioMessage::LiveQuestion {
                of: [7; 4],
                clock: Digest([1; 6]),
                live: Digest([2; 6]),
            },
            RadioMessage::Living {
                clock: Digest([1; 6]),
                live: Digest([2; 6]),
                runs: None,
            },
            RadioMessage::Living {
                clock: Digest([1; 6]),
                live: Digest([2; 6]),
                runs: Some(told(40).lacks),
            },
        ]
    }

    /// Of a node that lacks every second of so many changes.
    fn told(lacks: u64) -> Told {
        let writer = Writer {
            node: NodeId([1; 32]),
            incarnation: Incarnation(1),
        };
        let dots = (1..=lacks).map(|number| Dot {
            writer,
            sequence: Sequence(2 * number),
        });
        Told {
            node: [5; 4],
            time: HybridTime(6),
            lacks: Runs::of(dots.collect::<Clock>().ranges()),
            signature: Signature([7; 64]),
        }
    }

    #[test]
    fn three_acknowledgements_fit_in_a_frame() {
        assert_eq!(told(0).len(), 77);
        let message = RadioMessage::Acknowledgements {
            base: Digest([1; 6]),
            told: vec![told(0), told(0), told(0)],
        };
        assert!(message.encode().len() <= 242);
        assert_eq!(RadioMessage::Ask(vec![[1; 4]]).encode().len(), 5);
    }

    #[test]
    fn messages_come_back() {
        for message in messages() {
            assert_eq!(RadioMessage::decode(&message.encode()), Ok(message));
        }
        assert_eq!(messages()[0].encode().len(), 11);
    }

    #[test]
    fn chunks_are_found() {
        let (hash, bytes) = radio_carried_chunk(&radio_chunk(b"chunk")).unwrap();
        assert_eq!((hash, bytes.as_slice()), (Hash::of(b"chunk"), &b"chunk"[..]));
        assert_eq!(radio_carried_chunk(&messages()[0].encode()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, kind in 0_u8..16) {
            let _ = RadioMessage::decode(&bytes);
            let mut with_kind = vec![kind];
            with_kind.extend(bytes);
            let _ = RadioMessage::decode(&with_kind);
        }
    }
}
