//! Who is signed in at the node's page.
//!
//! A session is 32 random bytes that the page keeps and sends with every request, in a header that no other page can make a
//! browser send. The node keeps their hash, in memory alone.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::daemon::{HomeError, random_seed};
use crate::service::tokens;

/// A session that nobody uses ends after this.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(15 * 60);
/// Every session ends after this.
const AGE_MAX: Duration = Duration::from_secs(12 * 3600);
/// Sessions at one time. The one that was unused for longest makes room.
const SESSIONS_MAX: usize = 32;

struct Session {
    id: blake3::Hash,
    opened: Instant,
    used: Instant,
    /// The passphrase that opened it; another one closes it.
    stamp: [u8; 32],
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= IDLE_MAX || now.duration_since(self.opened) >= AGE_MAX
    }
}

/// Says whether a request is somebody's doing, or the page's own, which must not keep a session open for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Use {
    /// Somebody did something.
    Person,
    /// The page looks whether anything is new.
    Page,
}

/// The sessions that are open. They end with the process.
pub(super) struct Sessions(Mutex<Vec<Session>>);

fn id(text: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 page session");
    hasher.update(text.as_bytes());
    hasher.finalize()
}

impl Sessions {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Opens one for who knows the passphrase with this stamp; gives what the page has to send.
    pub(super) fn open(&self, stamp: [u8; 32], now: Instant) -> Result<Zeroizing<String>, HomeError> {
        let text = Zeroizing::new(tokens::text(&*random_seed()?));
        self.with(now, |sessions| {
            if sessions.len() >= SESSIONS_MAX
                && let Some(oldest) = (0..sessions.len()).min_by_key(|index| sessions[*index].used)
            {
                sessions.remove(oldest);
            }
            sessions.push(Session {
                id: id(&text),
                opened: now,
                used: now,
                stamp,
            });
        });
        Ok(text)
    }

    /// The stamp of the passphrase by which this session was opened; `None` if it is none, or over.
    pub(super) fn stamp(&self, text: &str, by: Use, now: Instant) -> Option<[u8; 32]> {
        let id = id(text);
        self.with(now, |sessions| {
            // Hashes of this type compare in constant time.
            let session = sessions.iter_mut().find(|session| session.id == id)?;
            if by == Use::Person {
                session.used = now;
            }
            Some(session.stamp)
        })
    }

    /// Ends one.
    pub(super) fn close(&self, text: &str) {
        let id = id(text);
        self.with(Instant::now(), |sessions| {
            sessions.retain(|session| session.id != id)
        });
    }

    fn with<T>(&self, now: Instant, work: impl FnOnce(&mut Vec<Session>) -> T) -> T {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| !session.is_over(now));
        work(&mut sessions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_session_ends_when_nobody_uses_it() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        let text = sessions.open([1; 32], start).unwrap();
        assert_eq!(sessions.stamp("other", Use::Person, start), None);
        for minutes in [10, 20, 30] {
            let now = start + minutes * MINUTE;
            assert_eq!(sessions.stamp(&text, Use::Person, now), Some([1; 32]));
        }
        // What the page does by itself keeps it no longer.
        assert!(sessions.stamp(&text, Use::Page, start + 44 * MINUTE).is_some());
        assert!(sessions.stamp(&text, Use::Page, start + 45 * MINUTE).is_none());
    }

    #[test]
    fn a_session_ends_after_half_a_day_and_when_it_is_closed() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        let text = sessions.open([1; 32], start).unwrap();
        for minutes in (0..720).step_by(10) {
            assert!(
                sessions
                    .stamp(&text, Use::Person, start + minutes * MINUTE)
                    .is_some()
            );
        }
        assert!(sessions.stamp(&text, Use::Person, start + AGE_MAX).is_none());
        let text = sessions.open([1; 32], start).unwrap();
        sessions.close(&text);
        assert!(sessions.stamp(&text, Use::Person, start).is_none());
    }

    #[test]
    fn the_longest_unused_makes_room() {
        let (sessions, start) = (Sessions::new(), Instant::now());
        let (first, second) = (
            sessions.open([1; 32], start).unwrap(),
            sessions.open([1; 32], start).unwrap(),
        );
        let later = start + MINUTE;
        assert!(sessions.stamp(&first, Use::Person, later).is_some());
        for _ in 0..SESSIONS_MAX - 1 {
            sessions.open([1; 32], later).unwrap();
        }
        assert!(sessions.stamp(&first, Use::Person, later).is_some());
        assert!(sessions.stamp(&second, Use::Person, later).is_none());
    }
}
