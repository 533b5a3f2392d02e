//! A memory of signatures that were found to be good: for a simulator, in whose process many nodes check the same ones.
//!
//! Checking is a function of its arguments alone, so remembering what it said changes nothing but the time that it takes. Each thread has
//! a memory of its own, which is off until [`remember_verified`] is called; the daemon never calls it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Signature;

/// Stands for a key, a context, a message and a signature.
type Name = [u8; 32];

/// Good signatures in two halves: when the newer one is full, the older one is forgotten.
#[derive(Debug)]
struct Memory {
    half_max: usize,
    newer: BTreeSet<Name>,
    older: BTreeSet<Name>,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// From now on this thread remembers signatures that it found to be good, about so many of the latest.
pub fn remember_verified(signatures_max: usize) {
    MEMORY.with_borrow_mut(|memory| {
        *memory = Some(Memory {
            half_max: signatures_max.div_ceil(2),
            newer: BTreeSet::new(),
            older: BTreeSet::new(),
        });
    });
}

/// The name of what would be checked, if this thread remembers, and whether it was found to be good.
pub(super) fn recall(public: &[u8; 32], signed: &[u8], signature: &Signature) -> Option<(Name, bool)> {
    MEMORY.with_borrow(|memory| {
        let memory = memory.as_ref()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(public).update(&signature.0).update(signed);
        let name = *hasher.finalize().as_bytes();
        Some((name, memory.newer.contains(&name) || memory.older.contains(&name)))
    })
}

/// It was found to be good.
pub(super) fn remember(name: Name) {
    MEMORY.with_borrow_mut(|memory| {
        if let Some(memory) = memory {
            memory.newer.insert(name);
            if memory.newer.len() >= memory.half_max {
                memory.older = std::mem::take(&mut memory.newer);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::super::KeyPair;
    use super::super::identity::verify;
    use super::*;

    #[test]
    fn what_is_remembered_is_what_would_be_found() {
        remember_verified(4);
        let pair = KeyPair::from_seed(&[7; 32]);
        let other = KeyPair::from_seed(&[8; 32]);
        for round in 0..20_u8 {
            let signature = pair.sign("entry", &[round]);
            for _ in 0..2 {
                assert!(verify(&pair.public(), "entry", &[round], &signature).is_ok());
                assert!(verify(&pair.public(), "entry", &[round, 1], &signature).is_err());
                assert!(verify(&pair.public(), "grant", &[round], &signature).is_err());
                assert!(verify(&other.public(), "entry", &[round], &signature).is_err());
            }
            let kept = MEMORY.with_borrow(|memory| {
                let memory = memory.as_ref().unwrap();
                memory.newer.len() + memory.older.len()
            });
            assert!(kept <= 4);
        }
    }
}
