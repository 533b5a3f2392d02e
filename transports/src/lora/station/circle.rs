//! Those who share one key, as a station hears them and speaks to them.

use super::super::Instant;
use super::super::frame::Frame;
use super::super::incoming::{Incoming, REASSEMBLY_BYTES_MAX};
use super::super::seal::{FrameKey, KeyName, SpaceKey};
use super::super::senders::{Heard, Senders, SendersRecord};
use super::NEIGHBOUR_US;
use super::introductions::above;
use crate::PeerKey;
use rand_chacha::ChaCha8Rng;

/// What unfinished objects under all keys but the current one take together, in bytes: some who have them may have been shut out.
const EARLIER_BYTES_MAX: usize = REASSEMBLY_BYTES_MAX / 4;

/// A key, who speaks under it, and what comes from them.
pub(super) struct Circle {
    pub(super) senders: Senders,
    pub(super) incoming: Incoming,
    own_key: FrameKey,
    own_hint: u8,
    /// The station's own: each circle has one, since somebody may have it raised there who was shut out of others.
    generation: u64,
    /// When this station said there who it is.
    pub(super) introduced: Option<Instant>,
    /// When it learned of somebody, or of a start of somebody, or was told a generation to exceed, last.
    pub(super) learned: Option<Instant>,
}

impl Circle {
    /// Knows who was heard before under this key. The station's own generation is this one, or above what it was there before.
    pub(super) fn new(
        key: SpaceKey,
        node: PeerKey,
        generation: u64,
        record: &SendersRecord,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let generation = match record.generation_of(key.tag(), node) {
            Some(last) if last >= generation => above(last, rng),
            _ => generation,
        };
        Self {
            own_key: key.sender_key(node, generation),
            own_hint: key.hint(node),
            generation,
            senders: Senders::new(key, node, record),
            incoming: Incoming::default(),
            introduced: None,
            learned: None,
        }
    }

    pub(super) fn name(&self) -> KeyName {
        self.senders.key().name()
    }

    pub(super) const fn own_hint(&self) -> u8 {
        self.own_hint
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// The station's own frames are of a generation above `last` from now on.
    pub(super) fn begin_generation(&mut self, node: PeerKey, last: u64, rng: &mut ChaCha8Rng) {
        self.generation = above(last, rng);
        self.own_key = self.senders.key().sender_key(node, self.generation);
    }

    /// What must be known of it after a restart: the station's own generation, if it is not the one of all circles, and who was heard.
    pub(super) fn record(&self, node: PeerKey, generation: u64) -> impl Iterator<Item = Heard> + '_ {
        let own = (self.generation != generation).then(|| Heard {
            key: self.senders.key().tag(),
            node: node.0,
            generation: self.generation,
            counter: 0,
        });
        own.into_iter().chain(self.senders.record())
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
