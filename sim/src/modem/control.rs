//! What a test can do to virtual modems while they run.

use std::str::FromStr;

/// A command, as a line of text or as a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `unplug N`: the port goes away, and the modem loses its power.
    Unplug(usize),
    /// `plug N`: it comes back, under the same link.
    Plug(usize),
    /// `reset N`: as by its button.
    Reset(usize),
    /// `silent N`: it hangs until it is reset or unplugged.
    Silent(usize),
    /// `garbage N`: the host reads bytes that no modem said.
    Garbage(usize),
    /// `error N CODE`: the modem reports this error of its kind.
    Error(usize, u8),
    /// `lines N M0 M1`: the E22's mode lines, 0 or 1.
    Lines(usize, bool, bool),
    /// `loss SHARE`: so many frames get lost, 0 to 1.
    Loss(f64),
    /// `reach A B on|off`: whether two modems hear each other.
    Reach(usize, usize, bool),
    /// `place N X Y`: puts a modem somewhere, in metres. Distance decides between those that have a place.
    Place(usize, f32, f32),
    /// `stats`: what each modem sent and received.
    Statistics,
    /// `airings N`: each transmission of a modem.
    Airings(usize),
}

/// The line is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no command; there are unplug N, plug N, reset N, silent N, garbage N, error N CODE, lines N M0 M1, loss SHARE, reach A B on|off, place N X Y, stats, airings N and quit"
)]
pub struct UnknownCommand(pub String);

impl Command {
    /// The modems that it names.
    pub fn modems(&self) -> Vec<usize> {
        match *self {
            Self::Unplug(modem)
            | Self::Plug(modem)
            | Self::Reset(modem)
            | Self::Silent(modem)
            | Self::Garbage(modem)
            | Self::Error(modem, _)
            | Self::Lines(modem, ..)
            | Self::Place(modem, ..)
            | Self::Airings(modem) => vec![modem],
            Self::Reach(one, other, _) => vec![one, other],
            Self::Loss(_) | Self::Statistics => Vec::new(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| word.parse().ok();
        let level = |word| match word {
            "0" | "off" => Some(false),
            "1" | "on" => Some(true),
            _ => None,
        };
        Some(match *words.as_slice() {
            ["unplug", modem] => Self::Unplug(number(modem)?),
            ["plug", modem] => Self::Plug(number(modem)?),
            ["reset", modem] => Self::Reset(number(modem)?),
            ["silent", modem] => Self::Silent(number(modem)?),
            ["garbage", modem] => Self::Garbage(number(modem)?),
            ["error", modem, code] => Self::Error(number(modem)?, code.parse().ok()?),
            ["lines", modem, m0, m1] => Self::Lines(number(modem)?, level(m0)?, level(m1)?),
            ["loss", share] => Self::Loss(share.parse().ok().filter(|share| (0.0..=1.0).contains(share))?),
            ["reach", one, other, is_heard] => Self::Reach(number(one)?, number(other)?, level(is_heard)?),
            ["place", modem, x_m, y_m] => {
                let metres = |word: &str| word.parse().ok().filter(|metres: &f32| metres.is_finite());
                Self::Place(number(modem)?, metres(x_m)?, metres(y_m)?)
            }
            ["stats"] => Self::Statistics,
            ["airings", modem] => Self::Airings(number(modem)?),
            _ => return None,
        })
    }
}

impl FromStr for Command {
    type Err = UnknownCommand;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        Self::parse(line).ok_or_else(|| UnknownCommand(line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_understood() {
        let parsed = |line: &str| line.parse::<Command>();
        assert_eq!(parsed("unplug 0"), Ok(Command::Unplug(0)));
        assert_eq!(parsed("plug 1"), Ok(Command::Plug(1)));
        assert_eq!(parsed("reset 2"), Ok(Command::Reset(2)));
        assert_eq!(parsed("silent 3"), Ok(Command::Silent(3)));
        assert_eq!(parsed("garbage 4"), Ok(Command::Garbage(4)));
        assert_eq!(parsed("error 0 4"), Ok(Command::Error(0, 4)));
        assert_eq!(parsed("lines 0 0 1"), Ok(Command::Lines(0, false, true)));
        assert_eq!(parsed(" loss  0.1 "), Ok(Command::Loss(0.1)));
        assert_eq!(parsed("reach 0 2 off"), Ok(Command::Reach(0, 2, false)));
        assert_eq!(parsed("place 1 20 -3.5"), Ok(Command::Place(1, 20.0, -3.5)));
        assert_eq!(parsed("stats"), Ok(Command::Statistics));
        assert_eq!(parsed("airings 1"), Ok(Command::Airings(1)));
        for wrong in [
            "",
            "place 0 inf 0",
            "unplug",
            "unplug x",
            "loss 1.5",
            "reach 0 1",
            "lines 0 2 0",
        ] {
            assert_eq!(parsed(wrong), Err(UnknownCommand(wrong.to_owned())));
        }
    }
}
