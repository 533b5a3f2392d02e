//! Single values of a scenario: what they are, or what is wrong with them in words.

use toml::Spanned;
use toml::de::DeValue;

use super::keys::PLACE_MAX_M;
use super::place::Point;
use super::problem::hint;
use super::quantity::{BadQuantity, Duration, Size};

/// What a value is, in words.
pub(super) fn type_in_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn in_words(problem: &BadQuantity, text: &str, units: &str) -> String {
    match problem {
        BadQuantity::Form => format!("\"{text}\" cannot be read"),
        BadQuantity::NoUnit => format!("\"{text}\" has no unit"),
        BadQuantity::Unit(unit) => format!("there is no unit \"{unit}\", only {units}"),
        BadQuantity::TooLarge => format!("\"{text}\" is too large"),
    }
}

const TIME_UNITS: &str = "us, ms, s, m, h, d, w and y";
const SIZE_UNITS: &str = "B, KB, MB, GB, TB, KiB, MiB, GiB and TiB";

fn duration_us(text: &str) -> Result<u64, String> {
    Duration::parse(text)
        .map(|length| length.0)
        .map_err(|problem| in_words(&problem, text, TIME_UNITS))
}

fn ordering(is_small: bool) -> &'static str {
    if is_small { "small" } else { "large" }
}

/// A value with the reason why it does not do.
pub(super) type Read<T> = Result<T, String>;

pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Read<&'v str> {
    value
        .as_str()
        .ok_or_else(|| format!("this is {}, not a text", type_in_words(value)))
}

pub(super) fn number(value: &DeValue<'_>) -> Read<f64> {
    let number = match value {
        DeValue::Integer(_) => return integer(value).map(|number| number as f64),
        DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        _ => return Err(format!("this is {}, not a number", type_in_words(value))),
    };
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| "this is no number that one can reckon with".into())
}

pub(super) fn integer(value: &DeValue<'_>) -> Read<i64> {
    let DeValue::Integer(number) = value else {
        return Err(format!("this is {}, not a whole number", type_in_words(value)));
    };
    i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| format!("{number} is too large"))
}

pub(super) fn list<'v, 'i>(value: &'v DeValue<'i>) -> Read<&'v [Spanned<DeValue<'i>>]> {
    match value {
        DeValue::Array(items) => Ok(items),
        _ => Err(format!("this is {}, not a list", type_in_words(value))),
    }
}

pub(super) fn in_range<T: PartialOrd + std::fmt::Display>(found: T, min: T, max: T) -> Read<T> {
    if found < min || found > max {
        return Err(format!("{found} is too {}", ordering(found < min)));
    }
    Ok(found)
}

pub(super) fn pair<T: PartialOrd>(
    value: &DeValue<'_>,
    mut read: impl FnMut(&DeValue<'_>) -> Read<T>,
) -> Read<(T, T)> {
    let [low, high] = list(value)? else {
        return Err("this is not a list of two".into());
    };
    let (low, high) = (read(low.get_ref())?, read(high.get_ref())?);
    if low > high {
        return Err("the first is the larger one".into());
    }
    Ok((low, high))
}

pub(super) fn point(value: &DeValue<'_>) -> Read<Point> {
    let [x, y] = list(value)? else {
        return Err("this is not a list of two".into());
    };
    let read = |value: &Spanned<DeValue<'_>>| in_range(number(value.get_ref())?, -PLACE_MAX_M, PLACE_MAX_M);
    Ok(Point {
        x_m: read(x)?,
        y_m: read(y)?,
    })
}

pub(super) fn duration(value: &DeValue<'_>, min: u64, max: u64) -> Read<u64> {
    if matches!(value, DeValue::Integer(_) | DeValue::Float(_)) {
        return Err("this is a number with no unit".into());
    }
    let text = text(value)?;
    let found = duration_us(text)?;
    if found < min || found > max {
        return Err(format!(
            "\"{text}\" is too {}",
            if found < min { "short" } else { "long" }
        ));
    }
    Ok(found)
}

pub(super) fn word<'w>(value: &DeValue<'_>, words: &[&'w str]) -> Read<&'w str> {
    let text = text(value)?;
    words
        .iter()
        .find(|word| **word == text)
        .copied()
        .ok_or_else(|| format!("there is no \"{text}\"{}", hint(text, words.iter().copied())))
}

pub(super) fn is_name(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !text.is_empty() && text.len() <= 64 && text.chars().all(fits)
}

/// Either way, in milliseconds; `max` is in microseconds.
pub(super) fn signed_duration_ms(value: &DeValue<'_>, max: u64) -> Read<i64> {
    let text = text(value)?;
    let found = Duration::parse_signed(text).map_err(|problem| in_words(&problem, text, TIME_UNITS))?;
    if found.unsigned_abs() > max {
        return Err(format!("\"{text}\" is too long"));
    }
    Ok(found / 1000)
}

/// In bytes.
pub(super) fn size(value: &DeValue<'_>, min: u64, max: u64) -> Read<u64> {
    if matches!(value, DeValue::Integer(_) | DeValue::Float(_)) {
        return Err("this is a number with no unit".into());
    }
    let text = text(value)?;
    let found = Size::parse(text)
        .map_err(|problem| in_words(&problem, text, SIZE_UNITS))?
        .0;
    if found < min || found > max {
        return Err(format!("\"{text}\" is too {}", ordering(found < min)));
    }
    Ok(found)
}

/// Latitude and longitude, in degrees.
pub(super) fn position(value: &DeValue<'_>) -> Read<(f64, f64)> {
    let [latitude, longitude] = list(value)? else {
        return Err("this is not a list of two".into());
    };
    Ok((
        in_range(number(latitude.get_ref())?, -90.0, 90.0)?,
        in_range(number(longitude.get_ref())?, -180.0, 180.0)?,
    ))
}
