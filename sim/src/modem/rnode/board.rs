//! Which board a virtual RNode is.

use std::collections::BTreeSet;

use super::super::Quirk;

/// What differs from board to board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Board {
    pub(super) platform: u8,
    pub(super) mcu: u8,
    pub(super) board: u8,
    pub(super) power_dbm_max: u8,
    pub(super) firmware: [u8; 2],
    /// How much the queue holds.
    pub(super) packets_max: usize,
    pub(super) bytes_max: usize,
}

impl Board {
    pub(super) fn new(quirks: &BTreeSet<Quirk>) -> Self {
        let mut board = Self {
            platform: 0x80,
            mcu: 0x81,
            board: 0x35,
            power_dbm_max: 22,
            firmware: [1, 86],
            packets_max: 200,
            bytes_max: 6144,
        };
        if quirks.contains(&Quirk::RnodeNrf52) {
            (board.platform, board.mcu, board.board) = (0x70, 0x71, 0x51);
        }
        if quirks.contains(&Quirk::RnodeAvr) {
            (board.platform, board.mcu, board.board) = (0x90, 0x91, 0x31);
            (board.packets_max, board.bytes_max) = (24, 5120);
        }
        if quirks.contains(&Quirk::RnodeSx127x) {
            board.power_dbm_max = 17;
        }
        if quirks.contains(&Quirk::RnodeOldFirmware) {
            board.firmware = [1, 51];
        }
        board
    }
}
