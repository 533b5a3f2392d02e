//! The radio as people see it: whether it works, how much it may still say, and how well others are heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cairn_transports::lora::StationCounts;

use crate::model::NodeId;

/// How well a neighbour was heard last, as far as the modem tells.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Signal {
    /// In dBm.
    pub rssi_dbm: Option<i16>,
    /// In dB.
    pub snr_db: Option<f32>,
}

/// A radio.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RadioInfo {
    /// The serial port.
    pub port: String,
    /// What the modem says that it is, or the kind that was asked for.
    pub modem: String,
    /// The channel's middle.
    pub frequency_hz: u32,
    /// The modem can send.
    pub online: bool,
    /// Why it cannot.
    pub problem: Option<String>,
    /// Sums since the start.
    pub counts: StationCounts,
    /// Used and allowed airtime, in microseconds; `None` where nothing is limited.
    pub airtime_us: Option<(u64, u64)>,
    /// Everybody who was heard.
    pub signals: BTreeMap<NodeId, Signal>,
}

/// The node's radio, if it has one.
#[derive(Clone, Default)]
pub struct RadioTable(Arc<Mutex<Option<RadioInfo>>>);

impl RadioTable {
    /// As it is now.
    pub fn info(&self) -> Option<RadioInfo> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, info: RadioInfo) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut RadioInfo)) {
        if let Some(info) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(info);
        }
    }
}
