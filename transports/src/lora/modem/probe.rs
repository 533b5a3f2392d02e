//! Finding out which modem is at a port, by asking as each kind is asked.
//!
//! An E22 comes first, on its slow line: what is said to it elsewhere it would send over the air. Then a RYLR, then an RNode, whose board
//! may have been reset by the opening of the port and takes seconds to start. Nothing is set.

use std::collections::VecDeque;

use super::super::Instant;
use super::e22::{self, CONFIGURATION_SPEED_BPS};
use super::kiss::KissDecoder;
use super::rnode::{self, RNODE_SPEED_BPS};
use super::rylr::RYLR_SPEED_BPS;
use super::{ModemIdentity, ModemKind};

/// Something to be done for a probe, or what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeOutput {
    /// Write these bytes to the port.
    Write(Vec<u8>),
    /// Wait until everything was written, then set the port to this speed, in bits per second.
    SetSpeed(u32),
    /// Set the E22's lines M0 and M1, where they are wired.
    SetMode {
        /// High?
        m0: bool,
        /// High?
        m1: bool,
    },
    /// The end: this modem is there, or none that answers.
    Done(Option<ModemIdentity>),
}

/// A line settles after a change of speed or mode, as an E22 does.
const SETTLE_US: u64 = 100_000;
/// An answer comes within this.
const ANSWER_US: u64 = 600_000;
/// A board that was reset by the opening of its port needs up to so long.
const BOOT_US: u64 = 4_500_000;
const RNODE_EVERY_US: u64 = 500_000;
/// More than any answer has.
const LINE_LEN_MAX: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    E22Settles,
    E22Asked,
    RylrSettles,
    RylrAsked,
    RylrVersion,
    RnodeAsked { last: Instant },
    Done,
}

/// Asks one port.
///
/// Call [`start`](Self::start) when the port is open; then as with a [`super::Driver`], until [`ProbeOutput::Done`].
#[derive(Debug)]
pub struct Probe {
    step: Step,
    due: Instant,
    line: Vec<u8>,
    kiss: KissDecoder,
    detected: bool,
    outputs: VecDeque<ProbeOutput>,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            step: Step::Done,
            due: Instant(0),
            line: Vec::new(),
            kiss: KissDecoder::default(),
            detected: false,
            outputs: VecDeque::new(),
        }
    }
}

impl Probe {
    /// The port is open.
    pub fn start(&mut self, now: Instant) {
        self.outputs
            .push_back(ProbeOutput::SetMode { m0: false, m1: true });
        self.outputs
            .push_back(ProbeOutput::SetSpeed(CONFIGURATION_SPEED_BPS));
        self.go(now, Step::E22Settles, SETTLE_US);
    }

    fn go(&mut self, now: Instant, step: Step, for_us: u64) {
        self.line.clear();
        self.step = step;
        self.due = now.after_us(for_us);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.outputs.push_back(ProbeOutput::Write(bytes.to_vec()));
    }

    fn found(&mut self, kind: ModemKind, description: String) {
        self.step = Step::Done;
        if kind == ModemKind::E22 {
            self.outputs
                .push_back(ProbeOutput::SetMode { m0: false, m1: false });
        }
        self.outputs
            .push_back(ProbeOutput::Done(Some(ModemIdentity { kind, description })));
    }

    fn ask_rnode(&mut self, now: Instant, last: Instant) {
        self.write(&rnode::detect());
        self.step = Step::RnodeAsked { last };
        self.due = now.after_us(RNODE_EVERY_US).min(last);
    }

    /// Bytes came from the port, cut anywhere.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        for byte in bytes {
            if let Step::RnodeAsked { .. } = self.step {
                self.rnode_byte(*byte);
                continue;
            }
            if self.line.len() >= LINE_LEN_MAX {
                self.line.clear();
            }
            self.line.push(*byte);
        }
        match self.step {
            Step::E22Asked => {
                if let Some(registers) = e22::find_registers(&self.line) {
                    self.found(ModemKind::E22, e22::describe(&registers));
                }
            }
            Step::RylrAsked if self.has_line(b"+OK") || self.has_line(b"+ERR=") => {
                self.write(b"AT+VER?\r\n");
                self.go(now, Step::RylrVersion, ANSWER_US);
            }
            Step::RylrVersion => {
                if let Some(version) = self.line_after(b"+VER=") {
                    self.found(ModemKind::Rylr, version);
                }
            }
            _ => {}
        }
    }

    fn rnode_byte(&mut self, byte: u8) {
        let Some(frame) = self.kiss.push(byte) else { return };
        if frame.command == rnode::DETECT && frame.payload.first() == Some(&rnode::DETECT_ANSWER) {
            self.detected = true;
        }
        if self.detected
            && frame.command == rnode::FW_VERSION
            && let Some([major, minor]) = frame.payload.first_chunk()
        {
            self.found(ModemKind::Rnode, format!("RNode, firmware {major}.{minor}"));
        }
    }

    /// Whether a whole line that begins so came.
    fn has_line(&self, beginning: &[u8]) -> bool {
        let ended = self.line.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        self.line[..ended]
            .split(|byte| *byte == b'\n')
            .any(|line| line.starts_with(beginning))
    }

    fn line_after(&self, beginning: &[u8]) -> Option<String> {
        let ended = self.line.iter().rposition(|byte| *byte == b'\n')?;
        let rest = self.line[..ended]
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(beginning))?;
        let printable = rest.iter().filter(|byte| byte.is_ascii_graphic());
        Some(printable.map(|byte| char::from(*byte)).collect())
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.due {
            return;
        }
        match self.step {
            Step::E22Settles => {
                self.write(&e22::READ_ALL);
                self.go(now, Step::E22Asked, ANSWER_US);
            }
            Step::E22Asked => {
                self.outputs
                    .push_back(ProbeOutput::SetMode { m0: false, m1: false });
                self.outputs.push_back(ProbeOutput::SetSpeed(RYLR_SPEED_BPS));
                self.go(now, Step::RylrSettles, SETTLE_US);
            }
            Step::RylrSettles => {
                // The empty line ends what a module may have taken for the beginning of a command.
                self.write(b"\r\nAT\r\n");
                self.go(now, Step::RylrAsked, ANSWER_US);
            }
            Step::RylrAsked | Step::RylrVersion => {
                self.outputs.push_back(ProbeOutput::SetSpeed(RNODE_SPEED_BPS));
                self.ask_rnode(now, now.after_us(BOOT_US));
            }
            Step::RnodeAsked { last } if now < last => self.ask_rnode(now, last),
            Step::RnodeAsked { .. } => {
                self.step = Step::Done;
                self.outputs.push_back(ProbeOutput::Done(None));
            }
            Step::Done => {}
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<ProbeOutput> {
        self.outputs.pop_front()
    }

    /// When to come back at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.step != Step::Done).then_some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a probe against something that answers, and gives all that was written.
    fn run(answer: impl Fn(u32, &[u8]) -> Vec<u8>) -> (Option<ModemIdentity>, Vec<Vec<u8>>) {
        let mut probe = Probe::default();
        let (mut now, mut speed, mut written) = (Instant(0), 0, Vec::new());
        probe.start(now);
        loop {
            while let Some(output) = probe.poll_output() {
                match output {
                    ProbeOutput::SetSpeed(bps) => speed = bps,
                    ProbeOutput::SetMode { .. } => {}
                    ProbeOutput::Write(bytes) => {
                        for byte in answer(speed, &bytes) {
                            probe.handle_bytes(now, &[byte]);
                        }
                        written.push(bytes);
                    }
                    ProbeOutput::Done(found) => return (found, written),
                }
            }
            now = probe.poll_timeout().unwrap();
            probe.handle_timeout(now);
        }
    }

    #[test]
    fn an_e22_is_asked_first_and_known_by_its_registers() {
        let (found, written) = run(|speed, bytes| match (speed, bytes) {
            (9600, [0xc1, 0, 7]) => vec![0xc1, 0, 7, 0xff, 0xff, 0, 0x62, 0, 18, 0x80],
            _ => Vec::new(),
        });
        let found = found.unwrap();
        assert_eq!(found.kind, ModemKind::E22);
        assert_eq!(found.description, "E22, 2400 bit/s over the air, channel 18");
        assert_eq!(written, [vec![0xc1, 0, 7]]);
    }

    #[test]
    fn a_rylr_is_known_by_its_version_even_if_it_complains_first() {
        for complaint in ["", "+ERR=2\r\n"] {
            let (found, _) = run(|speed, bytes| match (speed, bytes) {
                (115_200, b"\r\nAT\r\n") => format!("{complaint}+OK\r\n").into_bytes(),
                (115_200, b"AT+VER?\r\n") => b"+VER=RYLR998_REYAX_V1.2.2\r\n".to_vec(),
                _ => Vec::new(),
            });
            let found = found.unwrap();
            assert_eq!(
                (found.kind, found.description.as_str()),
                (ModemKind::Rylr, "RYLR998_REYAX_V1.2.2")
            );
        }
    }

    #[test]
    fn an_rnode_that_was_reset_answers_late() {
        let asked = std::cell::Cell::new(0);
        let (found, _) = run(|speed, bytes| {
            if speed == 115_200 && bytes.starts_with(&[0xc0, 0x08]) {
                asked.set(asked.get() + 1);
                if asked.get() == 5 {
                    return vec![0xc0, 0x08, 0x46, 0xc0, 0xc0, 0x50, 1, 74, 0xc0];
                }
            }
            Vec::new()
        });
        let found = found.unwrap();
        assert_eq!(
            (found.kind, found.description.as_str()),
            (ModemKind::Rnode, "RNode, firmware 1.74")
        );
    }

    #[test]
    fn echoes_and_silence_are_no_modem() {
        assert_eq!(run(|_, _| Vec::new()).0, None);
        assert_eq!(run(|_, bytes| bytes.to_vec()).0, None);
        assert_eq!(run(|_, _| b"login: \r\n+OKAY".to_vec()).0, None);
    }
}
