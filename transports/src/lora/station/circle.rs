//! Those who share one key, as a station hears them and speaks to them.

use super::super::Instant;
use super::super::frame::Frame;
use super::super::incoming::{Incoming, REASSEMBLY_BYTES_MAX};
use super::super::seal::{FrameKey, KeyName, SpaceKey};
use super::super::senders::{Senders, SendersRecord};
use super::NEIGHBOUR_US;
use crate::PeerKey;

/// What unfinished objects under all keys but the current one take together, in bytes: some who have them may have been shut out.
const EARLIER_BYTES_MAX: usize = REASSEMBLY_BYTES_MAX / 4;

/// A key, who speaks under it, and what comes from them.
pub(super) struct Circle {
    pub(super) senders: Senders,
    pub(super) incoming: Incoming,
    own_key: FrameKey,
    own_hint: u8,
    /// When this station said there who it is.
    pub(super) introduced: Option<Instant>,
}

impl Circle {
    pub(super) fn new(key: SpaceKey, node: PeerKey, generation: u64, record: &SendersRecord) -> Self {
        Self {
            own_key: key.sender_key(node, generation),
            own_hint: key.hint(node),
            senders: Senders::new(key, record),
            incoming: Incoming::default(),
            introduced: None,
        }
    }

    pub(super) fn name(&self) -> KeyName {
        self.senders.key().name()
    }

    pub(super) const fn own_hint(&self) -> u8 {
        self.own_hint
    }

    /// The station's own frames are of another generation from now on.
    pub(super) fn begin_generation(&mut self, node: PeerKey, generation: u64) {
        self.own_key = self.senders.key().sender_key(node, generation);
    }

    pub(super) fn seal(&self, frame: &Frame, counter: u32) -> Vec<u8> {
        let epoch = self.senders.key().epoch();
        frame.seal(&self.own_key, epoch, self.own_hint, counter)
    }

    /// Those heard lately.
    pub(super) fn neighbours(&self, now: Instant) -> impl Iterator<Item = PeerKey> + '_ {
        self.senders
            .heard_since(Instant(now.0.saturating_sub(NEIGHBOUR_US)))
    }
}

/// Shares out the room for unfinished objects: the first circle's key is the current one.
pub(super) fn share_room(circles: &mut [Circle]) {
    let Some((current, earlier)) = circles.split_first_mut() else {
        return;
    };
    let of_earlier = EARLIER_BYTES_MAX.checked_div(earlier.len()).unwrap_or(0);
    let rest = REASSEMBLY_BYTES_MAX - of_earlier * earlier.len();
    current.incoming.set_bytes_max(rest);
    for circle in earlier {
        circle.incoming.set_bytes_max(of_earlier);
    }
}
