//! Tickets: what lets a browser load one document by its address.
//!
//! A browser saves what it loads by itself, however long it is, but sends no session along. So the page asks for a ticket and
//! puts it into the address, as programs put their tokens: it is good for one document, for reading, and not for long, since
//! addresses are kept in many places.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::daemon::{HomeError, random_seed};
use crate::model::DocumentPath;
use crate::service::tokens;

/// How long a download may take to begin.
const TICKET: Duration = Duration::from_secs(60);
/// Tickets at one time. The oldest makes room.
const TICKETS_MAX: usize = 256;

struct Ticket {
    id: blake3::Hash,
    path: DocumentPath,
    until: Instant,
}

/// The tickets that are good now. They end with the process.
pub(super) struct Tickets(Mutex<Vec<Ticket>>);

fn id(text: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("cairn 1 download ticket");
    hasher.update(text.as_bytes());
    hasher.finalize()
}

impl Tickets {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Makes one for a document.
    pub(super) fn issue(&self, path: DocumentPath, now: Instant) -> Result<String, HomeError> {
        let text = tokens::text(&*random_seed()?);
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|ticket| ticket.until > now);
        if tickets.len() >= TICKETS_MAX {
            tickets.remove(0);
        }
        tickets.push(Ticket {
            id: id(&text),
            path,
            until: now + TICKET,
        });
        Ok(text)
    }

    /// Says whether this is a ticket for the document at `path`.
    pub(super) fn opens(&self, text: &str, path: &DocumentPath, now: Instant) -> bool {
        let id = id(text);
        let tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets
            .iter()
            .any(|ticket| ticket.id == id && ticket.path == *path && ticket.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_for_one_document_and_not_for_long() {
        let path = |text: &str| DocumentPath::parse(text).unwrap();
        let (tickets, start) = (Tickets::new(), Instant::now());
        let text = tickets.issue(path("/private/notes/a"), start).unwrap();
        assert!(tickets.opens(&text, &path("/private/notes/a"), start));
        assert!(!tickets.opens(&text, &path("/private/notes/b"), start));
        assert!(!tickets.opens("other", &path("/private/notes/a"), start));
        assert!(!tickets.opens(&text, &path("/private/notes/a"), start + TICKET));
        for _ in 0..TICKETS_MAX {
            tickets.issue(path("/private/notes/b"), start).unwrap();
        }
        assert!(!tickets.opens(&text, &path("/private/notes/a"), start));
    }
}
