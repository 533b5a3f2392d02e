//! Durations and sizes as people write them: `90s`, `1h 30m`, `2d`; `200 B`, `4 KiB`.

use std::fmt;

/// A second.
pub(super) const SECOND_US: u64 = 1_000_000;
/// A minute.
pub(super) const MINUTE_US: u64 = 60 * SECOND_US;
/// An hour.
pub(super) const HOUR_US: u64 = 60 * MINUTE_US;
/// A day.
pub(super) const DAY_US: u64 = 24 * HOUR_US;

/// Longest first; a year has 365 days.
const DURATIONS: [(&str, u64); 8] = [
    ("y", 365 * DAY_US),
    ("w", 7 * DAY_US),
    ("d", DAY_US),
    ("h", HOUR_US),
    ("m", MINUTE_US),
    ("s", SECOND_US),
    ("ms", 1000),
    ("us", 1),
];
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

/// Microseconds, written as people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duration(pub(super) u64);

/// Bytes, written as people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

/// What is neither a duration nor a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BadQuantity {
    /// Cannot be read.
    Form,
    /// A number with no unit.
    NoUnit,
    /// A word that is no unit.
    Unit(String),
    /// Too large for any use.
    TooLarge,
}

/// Reads numbers with units, one after the other, and adds them up.
fn read(text: &str, units: &[(&str, u64)]) -> Result<u64, BadQuantity> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(BadQuantity::Form);
    }
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_len);
        let after = after.trim_start();
        let unit_len = after
            .find(|letter: char| !letter.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        rest = after.trim_start();
        if number.is_empty() {
            return Err(BadQuantity::Form);
        }
        if unit.is_empty() {
            return Err(if rest.is_empty() {
                BadQuantity::NoUnit
            } else {
                BadQuantity::Form
            });
        }
        let scale = units
            .iter()
            .find(|(name, _)| *name == unit)
            .or_else(|| units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)))
            .map(|(_, scale)| *scale)
            .ok_or_else(|| BadQuantity::Unit(unit.to_owned()))?;
        let amount = scaled(number, scale)?;
        sum = sum.checked_add(amount).ok_or(BadQuantity::TooLarge)?;
    }
    Ok(sum)
}

/// A decimal number times `scale`, in whole numbers throughout.
fn scaled(number: &str, scale: u64) -> Result<u64, BadQuantity> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || part.is_empty() || part.contains('.') || part.len() > 9 {
        return Err(BadQuantity::Form);
    }
    let whole: u128 = whole.parse().map_err(|_| BadQuantity::TooLarge)?;
    let part_scale = 10_u128.pow(part.len() as u32);
    let part: u128 = part.parse().map_err(|_| BadQuantity::Form)?;
    whole
        .checked_mul(u128::from(scale))
        .map(|whole| whole + part * u128::from(scale) / part_scale)
        .and_then(|sum| u64::try_from(sum).ok())
        .ok_or(BadQuantity::TooLarge)
}

impl Duration {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, BadQuantity> {
        read(text, &DURATIONS).map(Self)
    }

    /// Reads one that may begin with a minus: microseconds.
    pub(super) fn parse_signed(text: &str) -> Result<i64, BadQuantity> {
        let (text, sign) = match text.trim().strip_prefix('-') {
            Some(text) => (text, -1),
            None => (text, 1),
        };
        let length = Self::parse(text)?.0;
        i64::try_from(length)
            .map(|length| sign * length)
            .map_err(|_| BadQuantity::TooLarge)
    }
}

impl Size {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, BadQuantity> {
        read(text, &SIZES).map(Self)
    }
}

fn write(f: &mut fmt::Formatter<'_>, amount: u64, units: &[(&str, u64)], space: &str) -> fmt::Result {
    let whole = units
        .iter()
        .find(|(_, scale)| amount >= *scale && amount.is_multiple_of(*scale));
    let (unit, scale) = whole.or(units.last()).copied().unwrap_or(("", 1));
    write!(f, "{}{space}{unit}", amount / scale)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing is nothing in any unit; weeks are less used than days.
        match self.0 {
            0 => f.write_str("0s"),
            amount => write(f, amount, &[&DURATIONS[..1], &DURATIONS[2..]].concat(), ""),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SIZES, " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let read = |text| Duration::parse(text).map(|duration| duration.0);
        assert_eq!(read("90s"), Ok(90 * SECOND_US));
        assert_eq!(read("1h 30m"), read("90m"));
        assert_eq!(read("1.5h"), read("1h30m"));
        assert_eq!(read(" 250 ms "), Ok(250_000));
        assert_eq!(read("2D"), Ok(2 * DAY_US));
        assert_eq!(read("90"), Err(BadQuantity::NoUnit));
        assert_eq!(read("90 fortnights"), Err(BadQuantity::Unit("fortnights".into())));
        assert_eq!(read("99999999999999999999y"), Err(BadQuantity::TooLarge));
        for bad in [
            "", "s", "1.h", "1..5h", "-1s", "1h-2m", ".5h", "1,5h", "4 4 s", "é",
        ] {
            assert_eq!(read(bad), Err(BadQuantity::Form), "{bad}");
        }
        assert_eq!(Duration::parse_signed("-2y"), Ok(-2 * 365 * DAY_US as i64));
        assert!(Duration::parse_signed("--2y").is_err());
    }

    #[test]
    fn sizes_too() {
        let read = |text| Size::parse(text).map(|size| size.0);
        assert_eq!(read("1 KiB"), Ok(1024));
        assert_eq!(read("1kb"), Ok(1000));
        assert_eq!(read("0.5MiB"), Ok(512 * 1024));
        assert_eq!(read("64"), Err(BadQuantity::NoUnit));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for amount in [
            0,
            1,
            999,
            1000,
            90 * SECOND_US,
            36 * HOUR_US,
            730 * DAY_US,
            u64::MAX,
        ] {
            assert_eq!(
                Duration::parse(&Duration(amount).to_string()),
                Ok(Duration(amount))
            );
            assert_eq!(Size::parse(&Size(amount).to_string()), Ok(Size(amount)));
        }
        assert_eq!(Duration(36 * HOUR_US).to_string(), "36h");
        assert_eq!(Size(4096).to_string(), "4 KiB");
    }
}
