//! Calls by radio that `cairn modem test` sends and any node answers: how well do we hear one another?
//!
//! They are frames of the space like all others, and cost airtime like them. No engine sees them.

use crate::model::NodeId;

use super::radio_table::Signal;

/// Kinds of messages that [`crate::mesh`] leaves to the daemon.
const CALL: u8 = 9;
const ANSWER: u8 = 10;
const UNKNOWN: i8 = i8::MIN;

/// A call, or what comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ModemCall {
    /// `9, number`
    Call {
        /// Counts from 1 on.
        number: u8,
    },
    /// `10, number, first bytes of the caller's id (4), RSSI in dBm + 60, SNR in quarters of dB`; -128 for what the modem does not tell.
    Answer {
        /// That of the call.
        number: u8,
        /// Who called.
        caller: [u8; 4],
        /// How the call was heard.
        heard: Signal,
    },
}

impl ModemCall {
    /// As it goes by radio.
    pub(super) fn encode(&self) -> Vec<u8> {
        match *self {
            Self::Call { number } => vec![CALL, number],
            Self::Answer {
                number,
                caller,
                heard,
            } => {
                let rssi = heard
                    .rssi_dbm
                    .map_or(UNKNOWN, |rssi| rssi.saturating_add(60).clamp(-127, 127) as i8);
                let snr = heard
                    .snr_db
                    .map_or(UNKNOWN, |snr| (snr * 4.0).clamp(-127.0, 127.0) as i8);
                let mut out = vec![ANSWER, number];
                out.extend(caller);
                out.extend([rssi.cast_unsigned(), snr.cast_unsigned()]);
                out
            }
        }
    }

    /// `None`: some other message.
    pub(super) fn decode(message: &[u8]) -> Option<Self> {
        match *message {
            [CALL, number] => Some(Self::Call { number }),
            [ANSWER, number, a, b, c, d, rssi, snr] => {
                let known = |value: u8| Some(value.cast_signed()).filter(|value| *value != UNKNOWN);
                Some(Self::Answer {
                    number,
                    caller: [a, b, c, d],
                    heard: Signal {
                        rssi_dbm: known(rssi).map(|rssi| i16::from(rssi) - 60),
                        snr_db: known(snr).map(|snr| f32::from(snr) / 4.0),
                    },
                })
            }
            _ => None,
        }
    }
}

/// The first bytes of a node's id, in an answer.
pub(super) fn caller(node: NodeId) -> [u8; 4] {
    [node.0[0], node.0[1], node.0[2], node.0[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn calls_come_back(number: u8, caller: [u8; 4], rssi in proptest::option::of(-180_i16..60), snr in proptest::option::of(-120_i8..120)) {
            let snr_db = snr.map(|snr| f32::from(snr) / 4.0);
            let call = ModemCall::Call { number };
            let answer = ModemCall::Answer { number, caller, heard: Signal { rssi_dbm: rssi, snr_db } };
            prop_assert_eq!(ModemCall::decode(&call.encode()), Some(call));
            prop_assert_eq!(ModemCall::decode(&answer.encode()), Some(answer));
        }

        #[test]
        fn any_bytes_are_read_or_left_alone(bytes: Vec<u8>) {
            if let Some(call) = ModemCall::decode(&bytes) {
                prop_assert_eq!(ModemCall::decode(&call.encode()), Some(call));
            }
        }
    }
}
