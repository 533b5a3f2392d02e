//! KISS, as the firmware reads and writes it.

pub(super) const FEND: u8 = 0xc0;
const FESC: u8 = 0xdb;
const TFEND: u8 = 0xdc;
const TFESC: u8 = 0xdd;

/// The longest packet, in bytes.
pub const PACKET_LEN_MAX: usize = 508;

/// Command codes.
pub(super) mod code {
    pub(in super::super) const DATA: u8 = 0x00;
    pub(in super::super) const FREQUENCY: u8 = 0x01;
    pub(in super::super) const BANDWIDTH: u8 = 0x02;
    pub(in super::super) const TXPOWER: u8 = 0x03;
    pub(in super::super) const SF: u8 = 0x04;
    pub(in super::super) const CR: u8 = 0x05;
    pub(in super::super) const RADIO_STATE: u8 = 0x06;
    pub(in super::super) const RADIO_LOCK: u8 = 0x07;
    pub(in super::super) const DETECT: u8 = 0x08;
    pub(in super::super) const IMPLICIT: u8 = 0x09;
    pub(in super::super) const ST_ALOCK: u8 = 0x0b;
    pub(in super::super) const LT_ALOCK: u8 = 0x0c;
    pub(in super::super) const PROMISC: u8 = 0x0e;
    pub(in super::super) const READY: u8 = 0x0f;
    pub(in super::super) const STAT_RX: u8 = 0x21;
    pub(in super::super) const STAT_TX: u8 = 0x22;
    pub(in super::super) const STAT_RSSI: u8 = 0x23;
    pub(in super::super) const STAT_SNR: u8 = 0x24;
    pub(in super::super) const STAT_CHTM: u8 = 0x25;
    pub(in super::super) const STAT_PHYPRM: u8 = 0x26;
    pub(in super::super) const STAT_BAT: u8 = 0x27;
    pub(in super::super) const STAT_CSMA: u8 = 0x28;
    pub(in super::super) const STAT_TEMP: u8 = 0x29;
    pub(in super::super) const RANDOM: u8 = 0x40;
    pub(in super::super) const FB_EXT: u8 = 0x41;
    pub(in super::super) const BOARD: u8 = 0x47;
    pub(in super::super) const PLATFORM: u8 = 0x48;
    pub(in super::super) const MCU: u8 = 0x49;
    pub(in super::super) const FW_VERSION: u8 = 0x50;
    pub(in super::super) const ROM_READ: u8 = 0x51;
    pub(in super::super) const ROM_WRITE: u8 = 0x52;
    pub(in super::super) const RESET: u8 = 0x55;
    pub(in super::super) const ERROR: u8 = 0x90;
}

/// Something the host said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A packet for the air.
    Packet(Vec<u8>),
    /// A command with four bytes.
    Number(u8, u32),
    /// A command with two bytes.
    Pair(u8, [u8; 2]),
    /// A command with one byte. Comes once for each byte that follows the command.
    Byte(u8, u8),
}

/// Reads the host's bytes.
///
/// Oddities that are the firmware's own: the FEND that ends a data frame opens no other; escapes are undone only where a command has more
/// than one byte; a payload byte after the longest packet is dropped.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    in_frame: bool,
    command: Option<u8>,
    payload: Vec<u8>,
    is_escaped: bool,
}

impl Decoder {
    /// Takes one byte.
    pub(super) fn push(&mut self, byte: u8) -> Option<Said> {
        if byte == FEND {
            let ends_packet = self.in_frame && self.command == Some(code::DATA);
            self.in_frame = !ends_packet;
            self.command = None;
            self.is_escaped = false;
            let packet = std::mem::take(&mut self.payload);
            return (ends_packet && !packet.is_empty()).then_some(Said::Packet(packet));
        }
        if !self.in_frame {
            return None;
        }
        let Some(command) = self.command else {
            self.command = Some(byte);
            return None;
        };
        let len_max = match command {
            code::DATA => PACKET_LEN_MAX,
            code::FREQUENCY | code::BANDWIDTH => 4,
            code::ST_ALOCK | code::LT_ALOCK | code::ROM_WRITE => 2,
            _ => return Some(Said::Byte(command, byte)),
        };
        let byte = self.unescape(byte)?;
        if self.payload.len() == len_max {
            return None;
        }
        self.payload.push(byte);
        match (command, self.payload.as_slice()) {
            (code::DATA, _) => None,
            (_, &[a, b, c, d]) => Some(Said::Number(command, u32::from_be_bytes([a, b, c, d]))),
            (_, &[a, b]) if len_max == 2 => Some(Said::Pair(command, [a, b])),
            _ => None,
        }
    }

    fn unescape(&mut self, byte: u8) -> Option<u8> {
        if byte == FESC {
            self.is_escaped = true;
            return None;
        }
        if std::mem::take(&mut self.is_escaped) {
            return Some(match byte {
                TFEND => FEND,
                TFESC => FESC,
                other => other,
            });
        }
        Some(byte)
    }
}

/// A frame for the host.
pub(super) fn frame(command: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![FEND, command];
    for byte in payload {
        match *byte {
            FEND => bytes.extend([FESC, TFEND]),
            FESC => bytes.extend([FESC, TFESC]),
            other => bytes.push(other),
        }
    }
    bytes.push(FEND);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Said> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.push(*byte)).collect()
    }

    #[test]
    fn one_fend_may_end_a_command_and_begin_the_next_but_not_after_data() {
        let detect = [0xc0, 0x08, 0x73, 0xc0, 0x50, 0x00, 0xc0, 0x48, 0x00, 0xc0];
        assert_eq!(
            decode(&detect),
            [Said::Byte(8, 0x73), Said::Byte(0x50, 0), Said::Byte(0x48, 0)]
        );
        let lost = [0xc0, 0x00, 7, 8, 0xc0, 0x08, 0x73, 0xc0];
        assert_eq!(decode(&lost), [Said::Packet(vec![7, 8])]);
    }

    #[test]
    fn escapes_are_undone_only_in_what_has_more_than_one_byte() {
        let escaped = [0xc0, 0x00, 0xdb, 0xdc, 0xdb, 0xdd, 0xc0];
        assert_eq!(decode(&escaped), [Said::Packet(vec![0xc0, 0xdb])]);
        let number = [0xc0, 0x01, 0x33, 0xdb, 0xdc, 0xdb, 0xdd, 0x20, 0xc0];
        assert_eq!(decode(&number), [Said::Number(1, 0x33c0_db20)]);
        assert_eq!(decode(&[0xc0, 0x03, 0xdb, 0xc0]), [Said::Byte(3, 0xdb)]);
        assert_eq!(
            decode(&[0xc0, 0x0b, 0x01, 0x02, 0xc0]),
            [Said::Pair(0x0b, [1, 2])]
        );
        assert_eq!(
            frame(0, &[0xc0, 0xdb, 1]),
            [0xc0, 0, 0xdb, 0xdc, 0xdb, 0xdd, 1, 0xc0]
        );
    }

    #[test]
    fn a_packet_that_is_too_long_is_cut() {
        let mut bytes = vec![0xc0, 0x00];
        bytes.extend([9; PACKET_LEN_MAX + 1]);
        bytes.push(0xc0);
        assert_eq!(decode(&bytes), [Said::Packet(vec![9; PACKET_LEN_MAX])]);
    }

    #[test]
    fn an_empty_packet_is_none() {
        assert_eq!(decode(&[0xc0, 0x00, 0xc0]), []);
    }
}
