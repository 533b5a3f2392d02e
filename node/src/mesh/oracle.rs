//! What an engine does that cannot be done again from a recording of it.
//!
//! An engine is a function of its configuration, its seed, its store and its events, and so it can be replayed. But a
//! recording holds neither the device's key nor the contents of documents ([`record`](crate::record)), and three
//! things depend on these: signatures, the length that contents have when they are packed for a radio, and what a
//! decoder says of a frame that it cannot read. The engine gets all three from here. While it is recorded they are
//! noted; in a replay they are given back, in order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::model::{Hash, KeyPair, NodeId, Sign, Signature};
use crate::space::Payloads;

/// Something that a replay cannot find out by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Of the bytes with this hash (its first eight bytes), by the device's key.
    Signature(u64, Signature),
    /// Bytes that a batch of entries has on the air.
    Length(u64),
    /// Why a frame or an entry cannot be read.
    Complaint(String),
}

/// The device's key, or what stands in for it.
#[derive(Debug)]
pub(super) enum Oracle {
    /// Nobody looks on.
    Live(KeyPair),
    /// Everything is noted.
    Noted(KeyPair, RefCell<Vec<Answer>>),
    /// Everything is given back.
    Replayed(Replayed),
}

/// Answers that were noted before.
#[derive(Debug)]
pub(super) struct Replayed {
    node: NodeId,
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
    pub(super) fn replayed(node: NodeId) -> Self {
        Self::Replayed(Replayed {
            node,
            answers: RefCell::default(),
            strayed: Cell::new(false),
        })
    }

    /// From now on everything is noted.
    pub(super) fn note(&mut self) {
        if let Self::Live(key) = self {
            *self = Self::Noted(key.clone(), RefCell::default());
        }
    }

    /// From now on nothing is noted any more.
    pub(super) fn stop_noting(&mut self) {
        if let Self::Noted(key, _) = self {
            *self = Self::Live(key.clone());
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

/// The beginning of a hash of what is signed.
fn name(context: &str, message: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(&[context.as_bytes(), &[0], message].concat()).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Sign for Oracle {
    fn node_id(&self) -> NodeId {
        match self {
            Self::Live(key) | Self::Noted(key, _) => key.node_id(),
            Self::Replayed(replayed) => replayed.node,
        }
    }

    /// In a replay that goes another way than what was recorded: a signature that nobody will take for one.
    fn sign(&self, context: &str, message: &[u8]) -> Signature {
        match self {
            Self::Live(key) => key.sign(context, message),
            Self::Noted(key, answers) => {
                let signature = key.sign(context, message);
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

    #[test]
    fn what_was_noted_is_given_back() {
        let key = KeyPair::from_seed(&[1; 32]);
        let mut live = Oracle::Live(key.clone());
        live.note();
        let signature = live.sign("context", b"message");
        assert_eq!(signature, key.sign("context", b"message"));
        live.length(70);
        live.complaint(&"bad");
        let noted = live.noted();
        assert_eq!(noted.len(), 3);
        assert!(live.noted().is_empty());

        let replayed = Oracle::replayed(key.node_id());
        replayed.expect(noted.clone());
        assert_eq!(replayed.sign("context", b"message"), signature);
        assert!(!replayed.is_exhausted());
        assert_eq!(replayed.length(9), 70);
        assert_eq!(replayed.complaint(&"another"), "bad");
        assert!(replayed.is_exhausted());
        replayed.length(9);
        assert!(!replayed.is_exhausted());

        // A replay that signs something else.
        replayed.expect(noted);
        assert_eq!(replayed.sign("context", b"other"), Signature([0; 64]));
        assert!(!replayed.is_exhausted());
    }
}
