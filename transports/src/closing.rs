//! Whether a link is down, and why: said once, heard by everybody who holds a part of it.

use std::sync::Arc;

use tokio::sync::watch;

/// How a link ended.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) reason: Arc<str>,
    /// Whether the peer is still to be told: this side wants to stop, and nothing is broken.
    pub(crate) polite: bool,
}

/// The end of one link. Clones speak of the same link.
#[derive(Clone, Debug)]
pub(crate) struct Closing {
    closed: Arc<watch::Sender<Option<Closed>>>,
}

impl Closing {
    pub(crate) fn new() -> Self {
        Self {
            closed: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Ends the link and lets the peer know. Only the first reason counts.
    pub(crate) fn close_politely(&self, reason: &str) {
        self.set(reason, true);
    }

    /// Ends the link as one that is of no more use. Only the first reason counts.
    pub(crate) fn break_off(&self, reason: &str) {
        self.set(reason, false);
    }

    fn set(&self, reason: &str, polite: bool) {
        self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some(Closed {
                    reason: reason.into(),
                    polite,
                });
            }
            first
        });
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.borrow().is_some()
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.closed
            .borrow()
            .as_ref()
            .map(|closed| closed.reason.to_string())
    }

    /// Waits for the end.
    pub(crate) async fn closed(&self) -> Closed {
        let mut receiver = self.closed.subscribe();
        loop {
            if let Some(closed) = receiver.borrow_and_update().clone() {
                return closed;
            }
            if receiver.changed().await.is_err() {
                // `self` holds a sender, so this cannot be; waiting for ever is the honest answer to it.
                std::future::pending::<()>().await;
            }
        }
    }
}
