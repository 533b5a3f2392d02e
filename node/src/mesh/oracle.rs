//! What an engine does that cannot be done again from a recording of it.
//!
//! An engine is a function of its configuration, its seed, its store and its events, and so it can be replayed. But a
//! recording holds neither keys nor the contents of documents ([`record`](crate::record)), and some things depend on
//! these: signatures, what is sealed and opened, the length that contents have when they are packed for a radio, and what
//! a decoder says of a frame that it cannot read. The engine gets all of them from here. While it is recorded they are
//! noted; in a replay they are given back, in order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use crate::model::{
    BlindName, Category, DocumentName, DocumentPath, Entry, EpochId, Hash, KeyEpoch, KeyPair, Membership,
    NodeId, OwnerId, Seal, Sign, Signature, WallTime,
};
use crate::seal::{Body, Contents, EpochKey, Handing, Keyring, Place, SealedBody};
use crate::space::{Opened, Payloads};

/// Something that a replay cannot find out by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Of the bytes with this hash (its first eight bytes), by the device's key.
    Signature(u64, Signature),
    /// Bytes that a batch of entries has on the air.
    Length(u64),
    /// Why a frame or an entry cannot be read.
    Complaint(String),
    /// What stands for a path; `None`: no key is here.
    Name(Option<BlindName>),
    /// With what a body was sealed, the hash of the sealed body, and its length; `None`: it cannot be.
    Sealed(Option<(Seal, Hash, u64)>),
    /// What a sealed body says: path, content type, length; of small contents, the hash. `None`: it cannot be opened.
    Opened(Option<(DocumentPath, String, u64, Option<Hash>)>),
    /// Epochs whose keys became known, and the one that is the current one then.
    Learned(Vec<EpochId>, Option<EpochId>),
    /// A statement about an epoch that was made; `None`: it could not be.
    Handed(Option<ByteBuf>),
}

/// The keys of a node.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Its own.
    pub device: KeyPair,
    /// The owner's, where it is.
    pub owner: Option<KeyPair>,
    /// Those of its space.
    pub space: Keyring,
}

impl Keys {
    /// Takes from the statements of a membership all keys that are meant for this node. Gives the epochs that were not known before.
    pub fn learn(&mut self, membership: &Membership) -> Vec<EpochId> {
        let own: Vec<&KeyPair> = [&self.device].into_iter().chain(&self.owner).collect();
        self.space.learn(membership, &own)
    }

    /// What a replay knows of them.
    pub fn public(&self) -> ReplayedKeys {
        ReplayedKeys {
            device: self.device.node_id(),
            first: self.space.first().map(EpochKey::id),
            current: self.space.current().map(EpochKey::id),
            known: self.space.ids(),
        }
    }
}

/// What a replay knows of a node's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayedKeys {
    /// The device.
    pub device: NodeId,
    /// The first epoch, if its key was there.
    pub first: Option<EpochId>,
    /// The epoch that was the current one.
    pub current: Option<EpochId>,
    /// All whose keys were there.
    pub known: BTreeSet<EpochId>,
}

/// A node's keys, or what stands in for them.
#[derive(Debug)]
pub(super) enum Oracle {
    /// Nobody looks on.
    Live(Keys),
    /// Everything is noted.
    Noted(Keys, RefCell<Vec<Answer>>),
    /// Everything is given back.
    Replayed(Replayed),
}

/// Answers that were noted before.
#[derive(Debug)]
pub(super) struct Replayed {
    keys: ReplayedKeys,
    answers: RefCell<VecDeque<Answer>>,
    /// An answer was asked for that is not the next one.
    strayed: Cell<bool>,
}

impl Replayed {
    /// The next answer, if `fits` takes it.
    fn next<T>(&self, fits: impl FnOnce(Answer) -> Option<T>) -> Option<T> {
        let answer = self.answers.borrow_mut().pop_front().and_then(fits);
        if answer.is_none() {
            self.strayed.set(true);
        }
        answer
    }
}

impl Oracle {
    pub(super) fn replayed(keys: ReplayedKeys) -> Self {
        Self::Replayed(Replayed {
            keys,
            answers: RefCell::default(),
            strayed: Cell::new(false),
        })
    }

    /// Learns what the disk knows. A replay knows that already.
    pub(super) fn start(&mut self, membership: &Membership) {
        if let Self::Live(keys) | Self::Noted(keys, _) = self {
            keys.learn(membership);
        }
    }

    /// From now on everything is noted.
    pub(super) fn note(&mut self) {
        if let Self::Live(keys) = self {
            *self = Self::Noted(keys.clone(), RefCell::default());
        }
    }

    /// From now on nothing is noted any more.
    pub(super) fn stop_noting(&mut self) {
        if let Self::Noted(keys, _) = self {
            *self = Self::Live(keys.clone());
        }
    }

    /// What was noted since the last call.
    pub(super) fn noted(&self) -> Vec<Answer> {
        match self {
            Self::Noted(_, answers) => answers.take(),
            Self::Live(_) | Self::Replayed(_) => Vec::new(),
        }
    }

    /// What will be given back. What is left from before is dropped.
    pub(super) fn expect(&self, answers: Vec<Answer>) {
        if let Self::Replayed(replayed) = self {
            replayed.strayed.set(false);
            *replayed.answers.borrow_mut() = answers.into();
        }
    }

    /// Says whether exactly what was expected was asked for.
    pub(super) fn is_exhausted(&self) -> bool {
        match self {
            Self::Replayed(replayed) => !replayed.strayed.get() && replayed.answers.borrow().is_empty(),
            Self::Live(_) | Self::Noted(..) => true,
        }
    }

    /// What stands for the contents of small documents.
    pub(super) const fn payloads(&self) -> Payloads {
        match self {
            Self::Replayed(_) => Payloads::Placeholders,
            Self::Live(_) | Self::Noted(..) => Payloads::Real,
        }
    }

    /// The length of something that was packed: `len` here, which in a replay is that of placeholders.
    pub(super) fn length(&self, len: usize) -> usize {
        match self {
            Self::Live(_) => len,
            Self::Noted(_, answers) => {
                answers.borrow_mut().push(Answer::Length(len as u64));
                len
            }
            Self::Replayed(replayed) => {
                let noted = replayed.next(|answer| match answer {
                    Answer::Length(len) => usize::try_from(len).ok(),
                    _ => None,
                });
                noted.unwrap_or(len)
            }
        }
    }

    /// What a decoder says of foreign bytes that a recording may not hold.
    pub(super) fn complaint(&self, error: &dyn std::fmt::Display) -> String {
        match self {
            Self::Live(_) => error.to_string(),
            Self::Noted(_, answers) => {
                let complaint = error.to_string();
                answers.borrow_mut().push(Answer::Complaint(complaint.clone()));
                complaint
            }
            Self::Replayed(replayed) => {
                let noted = replayed.next(|answer| match answer {
                    Answer::Complaint(complaint) => Some(complaint),
                    _ => None,
                });
                noted.unwrap_or_else(|| error.to_string())
            }
        }
    }
}

/// A statement about an epoch that is to be made.
#[derive(Debug)]
pub(super) struct HandOut<'a> {
    pub(super) epoch: Epoch<'a>,
    pub(super) space: OwnerId,
    pub(super) readers: Vec<NodeId>,
    pub(super) shut_out: Vec<NodeId>,
    pub(super) issued: WallTime,
}

/// Which epoch a statement is about.
#[derive(Debug)]
pub(super) enum Epoch<'a> {
    /// A new one, in the place of these.
    Next { earlier: &'a [EpochId] },
    /// One whose key is known.
    Begun(EpochId),
}

/// A body that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) seal: Seal,
    /// Of the sealed body.
    pub(super) hash: Hash,
    /// The sealed body; in a replay, as many zeros.
    pub(super) bytes: Vec<u8>,
}

/// A body that was opened. In a replay its contents are zeros, and of chunks no keys are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenedBody {
    pub(super) body: Body,
    /// What the tables keep of it.
    pub(super) opened: Opened,
    /// Of small contents.
    pub(super) hash: Option<Hash>,
}

impl OpenedBody {
    fn of(body: Body, hash: Option<Hash>) -> Self {
        let opened = Opened::of(&body);
        Self { body, opened, hash }
    }
}

impl Oracle {
    /// What stands for `path` in changes. `None`: that takes a key, and there is none here.
    pub(super) fn name(&self, path: &DocumentPath) -> Option<DocumentName> {
        if path.category() == Category::Public {
            return Some(DocumentName::Clear(path.clone()));
        }
        let blind = match self {
            Self::Live(keys) => keys.space.name(path),
            Self::Noted(keys, answers) => {
                let blind = keys.space.name(path);
                answers.borrow_mut().push(Answer::Name(blind));
                blind
            }
            Self::Replayed(replayed) => replayed.next(|answer| match answer {
                Answer::Name(blind) => Some(blind),
                _ => None,
            })?,
        };
        blind.map(DocumentName::Sealed)
    }

    /// Seals the body of a new change. `None`: there is no key here, or the body is too long.
    pub(super) fn seal(&self, place: &Place, body: &Body) -> Option<Sealed> {
        self.sealing(|keys| keys.space.current()?.seal(place, body).ok())
    }

    /// Seals a body as its writer did, who sent it as it was. `None`: the key of that epoch is not here.
    pub(super) fn seal_again(&self, epoch: EpochId, place: &Place, body: &Body) -> Option<Sealed> {
        self.sealing(|keys| keys.space.get(epoch)?.seal(place, body).ok())
    }

    /// Seals what a sealed change stored for another change of the same document.
    pub(super) fn reseal(&self, entry: &Entry, attachment: Option<&[u8]>, place: &Place) -> Option<Sealed> {
        self.sealing(|keys| {
            let body = keys.space.open(entry, attachment)?;
            keys.space.current()?.seal(place, &body).ok()
        })
    }

    fn sealing(&self, seal: impl FnOnce(&Keys) -> Option<SealedBody>) -> Option<Sealed> {
        let live = |keys: &Keys| {
            let SealedBody { seal, bytes } = seal(keys)?;
            let hash = Hash::of(&bytes);
            Some(Sealed { seal, hash, bytes })
        };
        match self {
            Self::Live(keys) => live(keys),
            Self::Noted(keys, answers) => {
                let sealed = live(keys);
                let noted = sealed.as_ref();
                let noted = noted.map(|sealed| (sealed.seal, sealed.hash, sealed.bytes.len() as u64));
                answers.borrow_mut().push(Answer::Sealed(noted));
                sealed
            }
            Self::Replayed(replayed) => {
                let (seal, hash, len) = replayed.next(|answer| match answer {
                    Answer::Sealed(noted) => Some(noted),
                    _ => None,
                })??;
                let bytes = vec![0; usize::try_from(len).ok()?.min(ATTACHMENT_LEN_MAX)];
                Some(Sealed { seal, hash, bytes })
            }
        }
    }

    /// The first epoch, if its key is here.
    pub(super) fn first_epoch(&self) -> Option<EpochId> {
        match self {
            Self::Live(keys) | Self::Noted(keys, _) => keys.space.first().map(EpochKey::id),
            Self::Replayed(replayed) => replayed.keys.first,
        }
    }

    /// The epoch under which documents are sealed now. `None`: no key is here.
    pub(super) fn current_epoch(&self) -> Option<EpochId> {
        match self {
            Self::Live(keys) | Self::Noted(keys, _) => keys.space.current().map(EpochKey::id),
            Self::Replayed(replayed) => replayed.keys.current,
        }
    }

    /// All epochs whose keys are here.
    pub(super) fn known_epochs(&self) -> BTreeSet<EpochId> {
        match self {
            Self::Live(keys) | Self::Noted(keys, _) => keys.space.ids(),
            Self::Replayed(replayed) => replayed.keys.known.clone(),
        }
    }

    /// The keys, for others who seal and open. None, in a replay.
    pub(super) fn keyring(&self) -> Keyring {
        match self {
            Self::Live(keys) | Self::Noted(keys, _) => keys.space.clone(),
            Self::Replayed(_) => Keyring::new(),
        }
    }

    /// Takes all keys from the statements of a membership that are meant for this node. Says whether there were new ones.
    pub(super) fn learn(&mut self, membership: &Membership) -> bool {
        match self {
            Self::Live(keys) => !keys.learn(membership).is_empty(),
            Self::Noted(keys, answers) => {
                let learned = keys.learn(membership);
                let any = !learned.is_empty();
                let current = keys.space.current().map(EpochKey::id);
                answers.borrow_mut().push(Answer::Learned(learned, current));
                any
            }
            Self::Replayed(replayed) => {
                let noted = replayed.next(|answer| match answer {
                    Answer::Learned(learned, current) => Some((learned, current)),
                    _ => None,
                });
                let Some((learned, current)) = noted else {
                    return false;
                };
                replayed.keys.current = current;
                let any = !learned.is_empty();
                replayed.keys.known.extend(learned);
                any
            }
        }
    }

    /// Makes a statement about an epoch: about the next one, in the place of others, or about one that was begun, for more readers. `None`: its
    /// key is not here.
    pub(super) fn hand_out(&self, what: &HandOut<'_>, random: Zeroizing<[u8; 32]>) -> Option<KeyEpoch> {
        let live = |keys: &Keys| {
            let handing = Handing {
                space: what.space,
                readers: what.readers.clone(),
                shut_out: what.shut_out.clone(),
                issued: what.issued,
                device: &keys.device,
                random: random.clone(),
            };
            let made = match what.epoch {
                Epoch::Next { earlier } => keys.space.begin_epoch(&handing, earlier),
                Epoch::Begun(epoch) => keys.space.hand_out(epoch, &handing),
            };
            made.ok()
        };
        match self {
            Self::Live(keys) => live(keys),
            Self::Noted(keys, answers) => {
                let made = live(keys);
                let noted = made.as_ref().map(|made| ByteBuf::from(made.encode()));
                answers.borrow_mut().push(Answer::Handed(noted));
                made
            }
            Self::Replayed(replayed) => {
                let noted = replayed.next(|answer| match answer {
                    Answer::Handed(noted) => Some(noted),
                    _ => None,
                })??;
                KeyEpoch::decode(&noted).ok()
            }
        }
    }

    /// Opens the sealed body beside an entry. `None`: there is none, or its key is not here.
    pub(super) fn open(&self, entry: &Entry, attachment: Option<&[u8]>) -> Option<OpenedBody> {
        entry.content()?.seal?;
        let live = |keys: &Keys| {
            let body = keys.space.open(entry, attachment)?;
            Some(OpenedBody::of(body, None))
        };
        match self {
            Self::Live(keys) => live(keys),
            Self::Noted(keys, answers) => {
                let mut opened = live(keys);
                if let Some(opened) = &mut opened
                    && let Contents::Inline(bytes) = &opened.body.contents
                {
                    opened.hash = Some(Hash::of(bytes));
                }
                let noted = opened.as_ref().map(|body| {
                    let Opened {
                        path,
                        content_type,
                        len,
                    } = body.opened.clone();
                    (path, content_type, len, body.hash)
                });
                answers.borrow_mut().push(Answer::Opened(noted));
                opened
            }
            Self::Replayed(replayed) => {
                let (path, content_type, len, hash) = replayed.next(|answer| match answer {
                    Answer::Opened(noted) => Some(noted),
                    _ => None,
                })??;
                let zeros = usize::try_from(len).unwrap_or(0).min(ATTACHMENT_LEN_MAX);
                let contents = match hash {
                    Some(_) => Contents::Inline(vec![0; zeros]),
                    None => Contents::Chunks(Vec::new()),
                };
                let body = Body {
                    path,
                    content_type,
                    contents,
                };
                let mut opened = OpenedBody::of(body, hash);
                opened.opened.len = len;
                Some(opened)
            }
        }
    }
}

/// What lies beside an entry, at most: placeholders of a recording that says more are none.
const ATTACHMENT_LEN_MAX: usize = 2 * 1024 * 1024;

/// The beginning of a hash of what is signed.
fn name(context: &str, message: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(&[context.as_bytes(), &[0], message].concat()).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Sign for Oracle {
    fn node_id(&self) -> NodeId {
        match self {
            Self::Live(keys) | Self::Noted(keys, _) => keys.device.node_id(),
            Self::Replayed(replayed) => replayed.keys.device,
        }
    }

    /// In a replay that goes another way than what was recorded: a signature that nobody will take for one.
    fn sign(&self, context: &str, message: &[u8]) -> Signature {
        match self {
            Self::Live(keys) => keys.device.sign(context, message),
            Self::Noted(keys, answers) => {
                let signature = keys.device.sign(context, message);
                let answer = Answer::Signature(name(context, message), signature);
                answers.borrow_mut().push(answer);
                signature
            }
            Self::Replayed(replayed) => {
                let noted = replayed.next(|answer| match answer {
                    Answer::Signature(signed, signature) if signed == name(context, message) => {
                        Some(signature)
                    }
                    _ => None,
                });
                noted.unwrap_or(Signature([0; 64]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dot, Incarnation, Sequence, Writer};

    #[test]
    fn what_was_noted_is_given_back() {
        let key = KeyPair::from_seed(&[1; 32]);
        let keys = Keys {
            device: key.clone(),
            owner: None,
            space: Keyring::of_first(EpochKey::first(&key)),
        };
        let mut live = Oracle::Live(keys.clone());
        live.note();
        let signature = live.sign("context", b"message");
        assert_eq!(signature, key.sign("context", b"message"));
        live.length(70);
        live.complaint(&"bad");
        let path = DocumentPath::parse("/private/notes/a").unwrap();
        let Some(DocumentName::Sealed(blind)) = live.name(&path) else {
            panic!("it has the key");
        };
        let place = Place {
            space: key.owner_id(),
            name: blind,
            dot: Dot {
                writer: Writer {
                    node: key.node_id(),
                    incarnation: Incarnation(1),
                },
                sequence: Sequence(1),
            },
        };
        let body = Body {
            path: path.clone(),
            content_type: "text/plain".into(),
            contents: Contents::Inline(b"text".to_vec()),
        };
        let sealed = live.seal(&place, &body).unwrap();
        let noted = live.noted();
        assert_eq!(noted.len(), 5);
        assert!(live.noted().is_empty());

        let replayed = Oracle::replayed(keys.public());
        replayed.expect(noted.clone());
        assert_eq!(replayed.sign("context", b"message"), signature);
        assert!(!replayed.is_exhausted());
        assert_eq!(replayed.length(9), 70);
        assert_eq!(replayed.complaint(&"another"), "bad");
        assert_eq!(replayed.name(&path), Some(DocumentName::Sealed(blind)));
        let again = replayed.seal(&place, &body).unwrap();
        assert_eq!((again.seal, again.hash), (sealed.seal, sealed.hash));
        assert_eq!(again.bytes, vec![0; sealed.bytes.len()]);
        assert!(replayed.is_exhausted());
        replayed.length(9);
        assert!(!replayed.is_exhausted());

        // A replay that signs something else.
        replayed.expect(noted);
        assert_eq!(replayed.sign("context", b"other"), Signature([0; 64]));
        assert!(!replayed.is_exhausted());
    }
}
