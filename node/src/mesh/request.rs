//! Payloads that a user asks for: what they take, and that they are wanted.

use super::command::{CommandError, CommandResult, Price, Reply};
use super::engine::{Engine, Result};
use crate::model::{Category, DocumentPath, Dot, Entry};
use crate::store::Store;

/// Most payloads that are asked for at once.
const REQUESTED_MAX: usize = 1000;

impl<S: Store> Engine<S> {
    /// Tells what the payload of the document at `path` takes; with `begin`, has it fetched whatever its length.
    pub(super) fn fetch_on_request(&mut self, path: &DocumentPath, begin: bool) -> Result<CommandResult> {
        let document = self.view(|view| view.document(path))?;
        let Some(stored) = document.stored() else {
            return Ok(Err(CommandError::NotFound(path.clone())));
        };
        let (dot, len) = (stored.head.dot, stored.content.len);
        // Sealed, it is longer.
        let entry = self.view(|view| view.entry(dot))?;
        let carried = entry
            .as_ref()
            .and_then(Entry::content)
            .map_or(len, |content| content.len);
        let pending = self.pending.contains(&dot);
        if begin && pending && !self.requested.contains(&dot) {
            if self.requested.len() >= REQUESTED_MAX {
                return Ok(Err(CommandError::Invalid(format!(
                    "{REQUESTED_MAX} documents are asked for already: wait until some have come"
                ))));
            }
            self.requested.insert(dot);
            self.changed.requested = true;
        }
        let chunks = if pending {
            self.lacking_chunks(dot, stored.content)?
        } else {
            Vec::new()
        };
        let lens: Vec<u32> = chunks.iter().map(|(_, len)| *len).collect();
        Ok(Ok(Reply::Price(Box::new(Price {
            len,
            lacking: lens.iter().map(|len| u64::from(*len)).sum(),
            chunks: lens.len(),
            unasked: self.config.radio_payloads.takes(path.category(), carried),
            requested: self.requested.contains(&dot),
            linked: self.links.granted_peers().into_iter().collect(),
            radios: self.radio_prices(dot, &lens),
        }))))
    }

    /// Forgets requests for what is here now, or is gone.
    pub(super) fn settle_requests(&mut self) {
        let before = self.requested.len();
        let pending = &self.pending;
        self.requested.retain(|dot| pending.contains(dot));
        self.changed.requested |= self.requested.len() != before;
    }

    /// The payload is to be fetched by radio: it is short enough, or somebody asked for it.
    pub(super) fn is_wanted_by_radio(&self, dot: Dot, category: Category, len: u64) -> bool {
        self.requested.contains(&dot) || self.config.radio_payloads.takes(category, len)
    }
}
