//! Packets of up to 508 bytes in frames of up to 255.

use super::kiss::PACKET_LEN_MAX;

/// The longest frame's share of a packet, in bytes: 255 without the header.
const PART_LEN_MAX: usize = 254;

/// The packet goes in two frames.
const SPLIT: u8 = 0x01;

/// A packet as it goes on air: one frame or two, each with the header. `sequence`: only the upper four bits count.
pub(super) fn split(packet: &[u8], sequence: u8) -> Vec<Vec<u8>> {
    let is_split = packet.len() > PART_LEN_MAX;
    let header = sequence & 0xf0 | if is_split { SPLIT } else { 0 };
    packet
        .chunks(PART_LEN_MAX)
        .map(|part| [&[header], part].concat())
        .collect()
}

/// Joins frames to packets: the second half belongs to the first when the sequence is the same. Anything else on air discards a half.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    half: Option<(u8, Vec<u8>)>,
}

impl Joiner {
    /// Takes a frame; gives a packet when one is whole.
    pub(super) fn push(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let (&header, part) = frame.split_first()?;
        if header & SPLIT == 0 {
            self.half = None;
            return Some(part.to_vec());
        }
        let sequence = header >> 4;
        match self.half.take() {
            Some((expected, mut packet)) if expected == sequence => {
                packet.extend_from_slice(part);
                packet.truncate(PACKET_LEN_MAX);
                Some(packet)
            }
            _ => {
                self.half = Some((sequence, part.to_vec()));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_up_to_254_bytes_take_one_frame() {
        assert_eq!(split(&[1, 2, 3], 0xab), [vec![0xa0, 1, 2, 3]]);
        assert_eq!(split(&[7; 254], 0).len(), 1);
        let two = split(&[7; 255], 0x5f);
        assert_eq!([two[0].len(), two[1].len()], [255, 2]);
        assert_eq!([two[0][0], two[1][0]], [0x51, 0x51]);
        let longest = split(&[7; 508], 0);
        assert_eq!([longest[0].len(), longest[1].len()], [255, 255]);
    }

    #[test]
    fn a_half_is_discarded_by_anything_else() {
        let packet: Vec<u8> = (0..400).map(|number| number as u8).collect();
        let frames = split(&packet, 0x30);
        let mut joiner = Joiner::default();
        assert_eq!(joiner.push(&frames[0]), None);
        assert_eq!(joiner.push(&frames[1]), Some(packet));
        assert_eq!(joiner.push(&frames[0]), None);
        assert_eq!(joiner.push(&[0x30, 1]), Some(vec![1]));
        assert_eq!(joiner.push(&frames[1]), None, "its half is gone");
        assert_eq!(joiner.push(&split(&[1; 300], 0x40)[1]), None, "another sequence");
    }
}
