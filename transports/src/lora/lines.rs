//! The lines M0 and M1 of an E22, on a GPIO chip.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gpiocdev::Request;
use gpiocdev::line::{Offset, Value};

/// Where M0 and M1 are wired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeLines {
    /// The GPIO chip, such as `/dev/gpiochip0`; `None`: the one with the board's own pins.
    pub chip: Option<PathBuf>,
    /// The number of the line that M0 is wired to.
    pub m0: u32,
    /// The number of the line that M1 is wired to.
    pub m1: u32,
}

/// Not `M0,M1`, with a chip in front or without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no two lines: write the numbers of M0 and M1, such as 22,27, or /dev/gpiochip0:22,27")]
pub struct BadModeLines(String);

impl ModeLines {
    /// As Waveshare's HAT has them on a Raspberry Pi: BCM 22 and 27.
    pub const WAVESHARE: Self = Self {
        chip: None,
        m0: 22,
        m1: 27,
    };

    /// Those of a HAT, if this is a Raspberry Pi and the port one on its header.
    pub fn of_hat(port: &str) -> Option<Self> {
        let model = fs::read("/proc/device-tree/model").ok()?;
        let port = fs::canonicalize(port).ok()?;
        let name = port.file_name()?.to_str()?;
        let on_header = name.starts_with("ttyS") || name.starts_with("ttyAMA");
        (model.starts_with(b"Raspberry Pi") && on_header).then_some(Self::WAVESHARE)
    }

    fn chip(&self) -> io::Result<PathBuf> {
        if let Some(chip) = &self.chip {
            return Ok(chip.clone());
        }
        let named = |path: &Path| {
            let chip = gpiocdev::chip::Chip::from_path(path).ok()?;
            Some(chip.info().ok()?.label)
        };
        let mut chips = gpiocdev::chip::chips().map_err(io::Error::other)?;
        chips.sort();
        let own = chips
            .iter()
            .find(|chip| named(chip).is_some_and(|label| label.starts_with("pinctrl-")));
        own.or(chips.first())
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no GPIO chip"))
    }

    /// Takes the lines, both low, until the result is dropped.
    pub(super) fn open(&self) -> io::Result<OpenLines> {
        let chip = self.chip()?;
        let lines: [Offset; 2] = [self.m0, self.m1];
        let request = Request::builder()
            .on_chip(&chip)
            .with_consumer("cairn")
            .with_lines(&lines)
            .as_output(Value::Inactive)
            .request()
            .map_err(|error| {
                io::Error::other(format!("cannot drive M0 and M1 on {}: {error}", chip.display()))
            })?;
        Ok(OpenLines {
            request,
            m0: self.m0,
            m1: self.m1,
        })
    }
}

impl fmt::Display for ModeLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(chip) = &self.chip {
            write!(f, "{}:", chip.display())?;
        }
        write!(f, "{},{}", self.m0, self.m1)
    }
}

impl FromStr for ModeLines {
    type Err = BadModeLines;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadModeLines(text.to_owned());
        let (chip, numbers) = match text.rsplit_once(':') {
            Some((chip, numbers)) => (Some(PathBuf::from(chip)), numbers),
            None => (None, text),
        };
        let (m0, m1) = numbers.split_once(',').ok_or_else(bad)?;
        let number = |text: &str| text.trim().parse().map_err(|_| bad());
        let (m0, m1) = (number(m0)?, number(m1)?);
        if m0 == m1 {
            return Err(bad());
        }
        Ok(Self { chip, m0, m1 })
    }
}

/// Lines that this process drives.
#[derive(Debug)]
pub(super) struct OpenLines {
    request: Request,
    m0: Offset,
    m1: Offset,
}

impl OpenLines {
    pub(super) fn set(&self, m0: bool, m1: bool) -> io::Result<()> {
        let value = |high: bool| if high { Value::Active } else { Value::Inactive };
        self.request
            .set_value(self.m0, value(m0))
            .and_then(|()| self.request.set_value(self.m1, value(m1)))
            .map(|_| ())
            .map_err(|error| io::Error::other(format!("cannot set M0 and M1: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_by_number() {
        assert_eq!("22,27".parse(), Ok(ModeLines::WAVESHARE));
        let other: ModeLines = "/dev/gpiochip4:5,6".parse().unwrap();
        assert_eq!(other.to_string(), "/dev/gpiochip4:5,6");
        for bad in ["", "22", "22,22", "a,b", "22,27,3"] {
            assert!(bad.parse::<ModeLines>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_chip_that_is_not_there_is_an_error() {
        let lines: ModeLines = "/dev/no-such-chip:1,2".parse().unwrap();
        assert!(
            lines
                .open()
                .unwrap_err()
                .to_string()
                .contains("/dev/no-such-chip")
        );
    }
}
