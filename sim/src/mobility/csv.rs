//! Tracks as lines of `time,x,y`: seconds, and metres east and north.

use super::TrackError;
use crate::scenario::Point;

/// Longest time in a track, in seconds: ten years.
const TIME_MAX_S: f64 = 3660.0 * 86_400.0;
/// Farthest place, in metres.
const PLACE_MAX_M: f64 = 1e6;

/// Reads a track: times in microseconds, ascending, and at least one. Empty lines, lines that begin with `#` and a first line of
/// column names are passed over.
pub fn read_csv(text: &str) -> Result<Vec<(u64, Point)>, TrackError> {
    let mut points: Vec<(u64, Point)> = Vec::new();
    let mut is_first = true;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let wrong = |what: String| TrackError::Line {
            line: index + 1,
            what,
        };
        let fields: Vec<&str> = trimmed.split(',').map(str::trim).collect();
        let heads_columns =
            std::mem::take(&mut is_first) && fields.iter().all(|field| field.parse::<f64>().is_err());
        if heads_columns {
            continue;
        }
        let [time, x, y] = fields[..] else {
            return Err(wrong(format!(
                "there are {} values, where time,x,y are wanted",
                fields.len()
            )));
        };
        let number = |field: &str, min: f64, max: f64| match field.parse::<f64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            Ok(_) => Err(wrong(format!("{field} is not from {min} to {max}"))),
            Err(_) => Err(wrong(format!("\"{field}\" is no number"))),
        };
        let at_us = (number(time, 0.0, TIME_MAX_S)? * 1e6).round() as u64;
        if points.last().is_some_and(|(last_us, _)| *last_us > at_us) {
            return Err(wrong("its time is before that of the line above".into()));
        }
        let place = Point {
            x_m: number(x, -PLACE_MAX_M, PLACE_MAX_M)?,
            y_m: number(y, -PLACE_MAX_M, PLACE_MAX_M)?,
        };
        points.push((at_us, place));
    }
    if points.is_empty() {
        return Err(TrackError::Empty);
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_read() {
        let points = read_csv("# a way\ntime,x,y\n\n0, 1, 2\n 90.5,-3.25,4e2\r\n").unwrap();
        let place = |x_m, y_m| Point { x_m, y_m };
        assert_eq!(points, [(0, place(1.0, 2.0)), (90_500_000, place(-3.25, 400.0))]);
    }

    #[test]
    fn errors_name_the_line() {
        let message = |text| read_csv(text).unwrap_err().to_string();
        assert_eq!(
            message("time,x,y\n0,0\n"),
            "line 2: there are 2 values, where time,x,y are wanted"
        );
        assert_eq!(message("0,0,0\n1,east,0"), "line 2: \"east\" is no number");
        assert_eq!(
            message("9,0,0\n\n1,0,0"),
            "line 3: its time is before that of the line above"
        );
        assert_eq!(message("-1,0,0"), "line 1: -1 is not from 0 to 316224000");
        assert_eq!(message("0,nan,0"), "line 1: nan is not from -1000000 to 1000000");
        assert_eq!(message("# nothing\n"), "it has no points");
    }
}
