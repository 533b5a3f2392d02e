//! KISS: frames on a serial line between bytes that occur nowhere else (Chepponis and Karn 1987), as RNode speaks it.
//!
//! A frame is `C0 command payload C0`. Within the payload `C0` is written `DB DC` and `DB` is written `DB DD`. One `C0` may end a frame and
//! begin the next.

use super::super::LORA_PAYLOAD_LEN_MAX;

/// Begins and ends a frame.
pub(super) const FEND: u8 = 0xc0;
const FESC: u8 = 0xdb;
const TFEND: u8 = 0xdc;
const TFESC: u8 = 0xdd;

/// The longest payload that an RNode sends: two LoRa frames, less their headers.
const PAYLOAD_LEN_MAX: usize = 2 * (LORA_PAYLOAD_LEN_MAX - 1);

/// A command with its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KissFrame {
    pub(super) command: u8,
    pub(super) payload: Vec<u8>,
}

/// Wraps a payload.
pub(super) fn encode(command: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![FEND, command];
    for byte in payload {
        match *byte {
            FEND => out.extend([FESC, TFEND]),
            FESC => out.extend([FESC, TFESC]),
            byte => out.push(byte),
        }
    }
    out.push(FEND);
    out
}

/// Finds frames in a stream.
#[derive(Debug, Default)]
pub(super) struct KissDecoder {
    /// The command and payload so far; `None` outside of frames.
    frame: Option<(Option<u8>, Vec<u8>)>,
    escaped: bool,
}

impl KissDecoder {
    /// Takes one byte; gives a frame when it ends.
    pub(super) fn push(&mut self, byte: u8) -> Option<KissFrame> {
        if byte == FEND {
            self.escaped = false;
            let ended = self.frame.replace((None, Vec::new()))?;
            let command = ended.0?;
            return Some(KissFrame {
                command,
                payload: ended.1,
            });
        }
        let (command, payload) = self.frame.as_mut()?;
        if command.is_none() {
            *command = Some(byte);
            return None;
        }
        let byte = match (std::mem::take(&mut self.escaped), byte) {
            (true, TFEND) => FEND,
            (true, TFESC) => FESC,
            (false, FESC) => {
                self.escaped = true;
                return None;
            }
            (_, byte) => byte,
        };
        if payload.len() >= PAYLOAD_LEN_MAX {
            // No RNode sends this: noise, or the beginning was lost.
            self.frame = None;
        } else {
            payload.push(byte);
        }
        None
    }

    /// Forgets a frame of which the end did not come.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether a frame has begun.
    pub(super) fn is_within(&self) -> bool {
        self.frame.as_ref().is_some_and(|(command, _)| command.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Vec<KissFrame> {
        let mut decoder = KissDecoder::default();
        bytes.iter().filter_map(|byte| decoder.push(*byte)).collect()
    }

    fn frame(command: u8, payload: &[u8]) -> KissFrame {
        KissFrame {
            command,
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn special_bytes_are_escaped() {
        assert_eq!(
            encode(0, &[1, 0xc0, 0xdb, 2]),
            [0xc0, 0, 1, 0xdb, 0xdc, 0xdb, 0xdd, 2, 0xc0]
        );
    }

    #[test]
    fn one_byte_may_end_a_frame_and_begin_the_next() {
        let bytes = [0xc0, 0x08, 0x73, 0xc0, 0x50, 0x00, 0xc0, 0x48, 0x00, 0xc0];
        let frames = [frame(8, &[0x73]), frame(0x50, &[0]), frame(0x48, &[0])];
        assert_eq!(decode(&bytes), frames);
    }

    #[test]
    fn what_comes_before_the_first_frame_is_noise() {
        assert_eq!(decode(&[1, 2, 3, 0xc0, 0xc0, 0xc0, 7, 9, 0xc0]), [frame(7, &[9])]);
    }

    #[test]
    fn a_frame_without_an_end_is_not_kept() {
        let mut decoder = KissDecoder::default();
        let mut noise = vec![0xc0, 0];
        noise.extend(vec![5; 100_000]);
        assert!(noise.iter().all(|byte| decoder.push(*byte).is_none()));
        assert!(!decoder.is_within());
        let next = encode(1, &[2]);
        assert_eq!(next.iter().filter_map(|byte| decoder.push(*byte)).count(), 1);
    }

    proptest! {
        #[test]
        fn everything_comes_back(frames in proptest::collection::vec((any::<u8>().prop_filter("FEND", |command| *command != FEND), proptest::collection::vec(any::<u8>(), 0..508)), 0..5)) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(command, payload)| encode(*command, payload)).collect();
            let expected: Vec<KissFrame> = frames.iter().map(|(command, payload)| frame(*command, payload)).collect();
            prop_assert_eq!(decode(&bytes), expected);
        }
    }
}
