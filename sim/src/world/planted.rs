//! Bugs that a world has on purpose, so that tests can see whether they would be found.

use cairn::mesh::EngineError;
use cairn_transports::lora::AirtimeError;
use cairn_transports::lora::modem::{RnodeTiming, Timing};

use super::{NodeIndex, World};
use crate::laws;

/// A bug below the engine. Those within it are planted with the feature `planted` of the crate `cairn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// A commit returns before the disk has it: a crash takes the last minutes.
    SkippedSync,
    /// A station takes its frames for shorter than they are.
    DutyCycleLeak,
}

/// What is older than this is on the disk even so, in microseconds.
const UNSYNCED_US: u64 = 10 * 60 * 1_000_000;

impl World {
    /// With a skipped sync planted, remembers the disk as a crash would leave it.
    pub(super) fn skip_sync(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        if self.planted != Some(Planted::SkippedSync) {
            return Ok(());
        }
        let now_us = self.now_us;
        let state = &mut self.nodes[node];
        if state
            .synced
            .as_ref()
            .is_none_or(|(since_us, _)| since_us + UNSYNCED_US < now_us)
        {
            state.synced = Some((now_us, laws::copy(&state.store)?));
        }
        Ok(())
    }

    /// With a skipped sync planted, puts the disk back to what was really on it.
    pub(super) fn forget_unsynced(&mut self, node: NodeIndex) {
        if let Some((_, disk)) = self.nodes[node].synced.take() {
            self.nodes[node].store = disk;
        }
    }
}

/// A modem of which the station believes that its frames are half as long as they are.
#[derive(Debug)]
pub(super) struct Understated(pub(super) RnodeTiming);

impl Timing for Understated {
    fn frame_len_max(&self) -> usize {
        self.0.frame_len_max()
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        Ok(self.0.airtime_us(frame_len)? / 2)
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        self.0.bytes_on_air(frame_len)
    }

    fn access_delay_us(&self) -> u64 {
        self.0.access_delay_us()
    }

    fn backlog_us(&self) -> u64 {
        self.0.backlog_us()
    }
}
