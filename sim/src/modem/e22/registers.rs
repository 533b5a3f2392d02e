//! An E22's registers, and the commands that read and write them.

use std::collections::BTreeSet;

use cairn_transports::lora::{CodingRate, Modulation, SpreadingFactor};

use super::super::Quirk;
use crate::medium::Tuning;

/// Registers 00 to 08 can be written.
const LEN: usize = 9;
/// The encryption key: written, never read.
const CRYPT: usize = 7;
/// Registers 80 to 86 say what the module is.
const PRODUCT_AT: usize = 0x80;
const PRODUCT: [u8; 7] = [0x00, 0x22, 0x10, 0x16, 0x0b, 0x00, 0x00];

/// Write and keep; read; write until power goes.
const WRITE: u8 = 0xc0;
const READ: u8 = 0xc1;
const WRITE_VOLATILE: u8 = 0xc2;
/// What a malformed command is answered.
const BAD_FORMAT: [u8; 3] = [0xff; 3];

const SPEEDS: [u32; 8] = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
const SUB_PACKET_LENS: [usize; 4] = [240, 128, 64, 32];
const POWERS_DBM: [i8; 4] = [22, 17, 13, 10];
/// Spreading factor and bandwidth in kHz that give about the air rate, slowest first. The maker does not say what it really is: these
/// are settings at coding rate 4/5 whose bit rate is not above 0.3, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4 and 62.5 kbit/s, and next to it.
const AIR_RATES: [(u8, u32); 8] = [
    (12, 125),
    (12, 500),
    (11, 500),
    (10, 500),
    (9, 500),
    (8, 500),
    (6, 500),
    (5, 500),
];
/// The air rate of 2.4 kbit/s.
const AIR_RATE_2400: usize = 2;

/// Channel 0 of the two types of module. Channels are 1 MHz apart.
const BASE_400_HZ: u32 = 410_125_000;
const BASE_900_HZ: u32 = 850_125_000;

/// Address FFFF: all of them.
pub(super) const BROADCAST: u16 = 0xffff;

/// What a module is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    now: [u8; LEN],
    kept: [u8; LEN],
    has_new_air_rates: bool,
    /// The frequency of channel 0.
    base_hz: u32,
}

impl Registers {
    /// As it leaves the factory: 868.125 MHz, 9600 8N1, 2.4 kbit/s.
    pub(super) fn new(quirks: &BTreeSet<Quirk>) -> Self {
        let factory = [0x00, 0x00, 0x00, 0x62, 0x00, 0x12, 0x03, 0x00, 0x00];
        Self {
            now: factory,
            kept: factory,
            has_new_air_rates: quirks.contains(&Quirk::E22NewAirRates),
            base_hz: if quirks.contains(&Quirk::E22Band400) {
                BASE_400_HZ
            } else {
                BASE_900_HZ
            },
        }
    }

    /// Power was off: what was not kept is gone.
    pub(super) fn reload(&mut self) {
        self.now = self.kept;
    }

    pub(super) fn address(&self) -> u16 {
        u16::from_be_bytes([self.now[0], self.now[1]])
    }

    pub(super) fn speed(&self) -> u32 {
        SPEEDS[usize::from(self.now[3] >> 5)]
    }

    pub(super) fn sub_packet_len(&self) -> usize {
        SUB_PACKET_LENS[usize::from(self.now[4] >> 6)]
    }

    pub(super) fn answers_rssi(&self) -> bool {
        self.now[4] & 0x20 != 0
    }

    pub(super) fn power_dbm(&self) -> i8 {
        POWERS_DBM[usize::from(self.now[4] & 0x03)]
    }

    pub(super) fn channel(&self) -> u8 {
        self.now[5]
    }

    pub(super) fn appends_rssi(&self) -> bool {
        self.now[6] & 0x80 != 0
    }

    pub(super) fn is_fixed(&self) -> bool {
        self.now[6] & 0x40 != 0
    }

    pub(super) fn listens_before_talk(&self) -> bool {
        self.now[6] & 0x10 != 0
    }

    /// The radio on a channel.
    pub(super) fn tuning(&self, channel: u8) -> Option<Tuning> {
        let mut rate = usize::from(self.now[3] & 0x07);
        if self.has_new_air_rates {
            rate = rate.max(AIR_RATE_2400);
        }
        let (factor, khz) = AIR_RATES[rate];
        let [crypt_high, crypt_low] = [self.now[CRYPT], self.now[CRYPT + 1]];
        Some(Tuning {
            frequency_hz: self.base_hz + u32::from(channel) * 1_000_000,
            network: u64::from_be_bytes([0xe2, 0x20, 0, 0, 0, self.now[2], crypt_high, crypt_low]),
            modulation: Modulation::new(SpreadingFactor::new(factor)?, khz * 1000, CodingRate::new(5)?),
        })
    }

    /// Whether it is one whole command that reads or writes registers that there are.
    pub(super) fn is_command(burst: &[u8]) -> bool {
        let [kind, address, len, content @ ..] = burst else {
            return false;
        };
        let (address, len) = (usize::from(*address), usize::from(*len));
        let is_own = len > 0 && address + len <= LEN;
        let is_product = address >= PRODUCT_AT && len > 0 && address + len <= PRODUCT_AT + PRODUCT.len();
        match *kind {
            READ => content.is_empty() && (is_own || is_product),
            WRITE | WRITE_VOLATILE => content.len() == len && is_own,
            _ => false,
        }
    }

    /// Carries out a command and gives the answer.
    pub(super) fn execute(&mut self, burst: &[u8]) -> Vec<u8> {
        if !Self::is_command(burst) {
            return BAD_FORMAT.to_vec();
        }
        let (kind, address, len) = (burst[0], usize::from(burst[1]), usize::from(burst[2]));
        let range = address..address + len;
        let mut answer = vec![READ, burst[1], burst[2]];
        if kind == READ {
            answer.extend(range.map(|register| match register {
                PRODUCT_AT.. => PRODUCT[register - PRODUCT_AT],
                CRYPT.. => 0,
                _ => self.now[register],
            }));
            return answer;
        }
        let content = &burst[3..];
        self.now[range.clone()].copy_from_slice(content);
        if kind == WRITE {
            self.kept[range].copy_from_slice(content);
        }
        answer.extend_from_slice(content);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(commands: &[(&[u8], &[u8])]) {
        let mut registers = Registers::new(&BTreeSet::new());
        for (command, answer) in commands {
            assert_eq!(registers.execute(command), *answer, "{command:02x?}");
        }
    }

    #[test]
    fn commands_are_answered_as_in_the_manual() {
        answers(&[
            (&[0xc0, 5, 1, 9], &[0xc1, 5, 1, 9]),
            (
                &[0xc0, 0, 4, 0x12, 0x34, 0, 0x61],
                &[0xc1, 0, 4, 0x12, 0x34, 0, 0x61],
            ),
            (&[0xc1, 0, 4], &[0xc1, 0, 4, 0x12, 0x34, 0, 0x61]),
            (&[0xc2, 7, 2, 1, 2], &[0xc1, 7, 2, 1, 2]),
            (&[0xc1, 7, 2], &[0xc1, 7, 2, 0, 0]),
            (
                &[0xc1, 0x80, 7],
                &[0xc1, 0x80, 7, 0x00, 0x22, 0x10, 0x16, 0x0b, 0x00, 0x00],
            ),
        ]);
    }

    #[test]
    fn what_is_malformed_is_answered_with_three_ff() {
        let wrong: [&[u8]; 9] = [
            &[],
            &[0xc1],
            &[0xc1, 0, 0],
            &[0xc1, 5, 5],
            &[0xc1, 0, 4, 1],
            &[0xc0, 0, 2, 1],
            &[0xc0, 0x80, 1, 1],
            &[0xc3, 0, 1],
            &[0xc1, 0x80, 8],
        ];
        for command in wrong {
            answers(&[(command, &[0xff, 0xff, 0xff])]);
        }
    }

    #[test]
    fn a_volatile_write_is_lost_with_the_power() {
        let mut registers = Registers::new(&BTreeSet::new());
        registers.execute(&[0xc0, 5, 1, 0x20]);
        registers.execute(&[0xc2, 5, 1, 0x30]);
        assert_eq!(registers.channel(), 0x30);
        registers.reload();
        assert_eq!(registers.channel(), 0x20);
    }

    #[test]
    fn bits_mean_what_the_manual_says() {
        let mut registers = Registers::new(&BTreeSet::new());
        let tuning = registers.tuning(registers.channel()).unwrap();
        assert_eq!(tuning.frequency_hz, 868_125_000);
        assert_eq!(tuning.modulation.spreading_factor.get(), 11);
        assert_eq!(
            (
                registers.speed(),
                registers.sub_packet_len(),
                registers.power_dbm()
            ),
            (9600, 240, 22)
        );
        registers.execute(&[0xc0, 3, 4, 0xe7, 0xe3, 0x00, 0xd0]);
        assert_eq!(
            (
                registers.speed(),
                registers.sub_packet_len(),
                registers.power_dbm()
            ),
            (115_200, 32, 10)
        );
        assert!(registers.answers_rssi() && registers.appends_rssi());
        assert!(registers.is_fixed() && registers.listens_before_talk());
        assert_eq!(registers.tuning(0).unwrap().frequency_hz, 850_125_000);
        let other = Registers::new(&[Quirk::E22Band400].into());
        assert_eq!(other.tuning(23).unwrap().frequency_hz, 433_125_000);
    }

    #[test]
    fn newer_modules_have_no_rate_below_2400() {
        let mut registers = Registers::new(&[Quirk::E22NewAirRates].into());
        registers.execute(&[0xc0, 3, 1, 0x60]);
        assert_eq!(registers.tuning(0).unwrap().modulation.spreading_factor.get(), 11);
    }
}
