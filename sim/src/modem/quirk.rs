//! Where modems of one kind differ, or misbehave.

use std::fmt;
use std::str::FromStr;

use cairn_transports::lora::modem::ModemKind;

/// One way in which a modem is unlike the usual one of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// Bytes come to the host in pieces, cut anywhere.
    Chopped,
    /// Every answer takes 400 ms longer.
    SlowAnswers,
    /// An RNode on an AVR: its platform, MCU and board, and a short queue.
    RnodeAvr,
    /// An RNode on an nRF52.
    RnodeNrf52,
    /// An RNode with an SX127x: 17 dBm at most.
    RnodeSx127x,
    /// An RNode whose frequency is what its synthesizer can do, up to 31 Hz off.
    RnodeFrequencyStep,
    /// An RNode with firmware 1.51.
    RnodeOldFirmware,
    /// An RNode that says READY by itself after each packet.
    RnodeSpontaneousReady,
    /// An RNode that says nothing of channel load and physical parameters.
    RnodeNoStats,
    /// An RNode that also tells its battery, temperature and contention window.
    RnodeMoreStats,
    /// An RNode whose radio does not start.
    RnodeNoRadio,
    /// An RNode that boots when its port is opened, as boards do whose reset hangs on DTR.
    RnodeResetOnOpen,
    /// An E22 whose RSSI byte is half of what it is now, as in the manuals of 2018.
    E22HalvedRssi,
    /// An E22 on which the two slowest air rates are 2.4 kbit/s as well.
    E22NewAirRates,
    /// An E22-400T22S, for 410 to 493 MHz.
    E22Band400,
    /// An E22 whose lines are wired: M0 and M1 are what the control side says, not guessed from the bytes.
    E22Wired,
    /// A RYLR896 instead of a RYLR998.
    Rylr896,
    /// A RYLR that says +OK when the frame is sent, not when it is taken.
    RylrOkWhenSent,
    /// A RYLR that sends every byte as it is.
    RylrRaw,
    /// A RYLR that drops bytes outside of printable ASCII, instead of sending a question mark.
    RylrDropsBinary,
    /// A RYLR that answers +NETWORK=, as its guide says.
    RylrNetworkName,
}

/// The name is of no quirk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no quirk {0:?}; `cairn-sim modems --help` lists them")]
pub struct UnknownQuirk(pub String);

impl Quirk {
    /// Every quirk, with its name and what it does.
    pub const ALL: [(Self, &'static str, &'static str); 21] = [
        (
            Self::Chopped,
            "chopped",
            "any modem: bytes come to the host in small pieces",
        ),
        (
            Self::SlowAnswers,
            "slow-answers",
            "any modem: everything it says comes 400 ms later",
        ),
        (
            Self::RnodeAvr,
            "rnode-avr",
            "RNode: AVR platform, queue of 24 packets or 5120 bytes",
        ),
        (Self::RnodeNrf52, "rnode-nrf52", "RNode: nRF52 platform"),
        (Self::RnodeSx127x, "rnode-sx127x", "RNode: at most 17 dBm, not 22"),
        (
            Self::RnodeFrequencyStep,
            "rnode-frequency-step",
            "RNode: reports the frequency in steps of 61 Hz",
        ),
        (
            Self::RnodeOldFirmware,
            "rnode-old-firmware",
            "RNode: firmware 1.51",
        ),
        (
            Self::RnodeSpontaneousReady,
            "rnode-spontaneous-ready",
            "RNode: says READY after each packet, unasked",
        ),
        (
            Self::RnodeNoStats,
            "rnode-no-stats",
            "RNode: no STAT_CHTM and STAT_PHYPRM each second",
        ),
        (
            Self::RnodeMoreStats,
            "rnode-more-stats",
            "RNode: STAT_BAT, STAT_TEMP and STAT_CSMA each second too",
        ),
        (
            Self::RnodeNoRadio,
            "rnode-no-radio",
            "RNode: the radio does not start (error 01)",
        ),
        (
            Self::RnodeResetOnOpen,
            "rnode-reset-on-open",
            "RNode: boots when its port is opened",
        ),
        (
            Self::E22HalvedRssi,
            "e22-halved-rssi",
            "E22: RSSI bytes are -v/2 dBm",
        ),
        (
            Self::E22NewAirRates,
            "e22-new-air-rates",
            "E22: air rates 0 and 1 are 2.4 kbit/s too",
        ),
        (
            Self::E22Band400,
            "e22-400",
            "E22: an E22-400T22S, channels from 410.125 MHz",
        ),
        (
            Self::E22Wired,
            "e22-wired",
            "E22: M0 and M1 are what `lines N M0 M1` says (same as --e22-mode wired)",
        ),
        (Self::Rylr896, "rylr-896", "RYLR: a RYLR896, not a RYLR998"),
        (
            Self::RylrOkWhenSent,
            "rylr-ok-when-sent",
            "RYLR: +OK comes when the frame was sent",
        ),
        (
            Self::RylrRaw,
            "rylr-raw",
            "RYLR: carries every byte, not printable ASCII alone",
        ),
        (
            Self::RylrDropsBinary,
            "rylr-drops-binary",
            "RYLR: drops other bytes instead of sending '?'",
        ),
        (
            Self::RylrNetworkName,
            "rylr-network-name",
            "RYLR: answers +NETWORK= for +NETWORKID=",
        ),
    ];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(quirk, ..)| *quirk == self);
        found.map_or("", |(_, name, _)| name)
    }

    /// Whether modems of this kind can have it.
    pub fn is_of(self, kind: ModemKind) -> bool {
        let name = self.name();
        match ModemKind::ALL.iter().find(|other| name.starts_with(other.name())) {
            Some(other) => *other == kind,
            None => true,
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == name);
        found
            .map(|(quirk, ..)| *quirk)
            .ok_or_else(|| UnknownQuirk(name.to_owned()))
    }
}
