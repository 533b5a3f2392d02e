//! When tokens were last used.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::daemon::Node;
use crate::model::{Hash, WallTime};
use crate::service::tokens::{self, Token};
use crate::space::SpaceError;
use crate::store::{Store as _, WriteTransaction as _};

/// How far behind the written time may be, in milliseconds: a request for a document must not cost a write to an SD card.
const BEHIND_MAX_MS: u64 = 15 * 60 * 1000;

/// Writes down, now and then, that tokens are used.
pub(super) struct Usage {
    /// When each was last written down, by this process.
    written: Mutex<BTreeMap<Hash, WallTime>>,
}

/// Says whether `then` is so far from now that it has to be written anew. Clocks go backwards as well.
fn is_behind(then: Option<WallTime>, now: WallTime) -> bool {
    then.is_none_or(|then| then.0.abs_diff(now.0) >= BEHIND_MAX_MS)
}

impl Usage {
    pub(super) const fn new() -> Self {
        Self {
            written: Mutex::new(BTreeMap::new()),
        }
    }

    /// A token was used.
    pub(super) fn note(&self, node: &Node, id: Hash, token: &Token, now: WallTime) {
        if !is_behind(token.used, now) {
            return;
        }
        // Many requests come at once: one of them writes.
        {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_behind(written.get(&id).copied(), now) {
                return;
            }
            written.insert(id, now);
        }
        let node = node.clone();
        tokio::task::spawn_blocking(move || {
            let write = || -> Result<(), SpaceError> {
                let mut write = node.store().write()?;
                match tokens::set_used(&mut write, &id, now)? {
                    true => Ok(write.commit()?),
                    false => Ok(()),
                }
            };
            if let Err(error) = write() {
                tracing::debug!(%error, "the use of a token is not written down");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_written_down_now_and_then() {
        let now = WallTime(10 * BEHIND_MAX_MS);
        assert!(is_behind(None, now));
        assert!(!is_behind(Some(WallTime(now.0 - BEHIND_MAX_MS + 1)), now));
        assert!(is_behind(Some(WallTime(now.0 - BEHIND_MAX_MS)), now));
        assert!(is_behind(Some(WallTime(now.0 + BEHIND_MAX_MS)), now));
    }
}
