//! Tracks as GPX files: what phones and bicycle computers record.

use roxmltree::{Document, Node};
use toml::value::{Datetime, Offset};

use super::TrackError;
use crate::scenario::Point;

/// Mean radius of the earth, in metres.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Points of a GPX file: degrees, at times.
#[derive(Debug, Clone, PartialEq)]
pub struct GpxTrack {
    /// Microseconds since the first point, latitude, longitude.
    points: Vec<(u64, f64, f64)>,
}

impl GpxTrack {
    /// Latitude and longitude of the first point, in degrees.
    pub fn origin(&self) -> (f64, f64) {
        self.points
            .first()
            .map_or((0.0, 0.0), |(_, latitude, longitude)| (*latitude, *longitude))
    }

    /// The track on a plane that touches the earth at a latitude and a longitude, in degrees: within 0.1 % up to some 100 km.
    pub fn points(&self, (latitude, longitude): (f64, f64)) -> Vec<(u64, Point)> {
        let scale = libm::cos(latitude.to_radians()) * EARTH_RADIUS_M;
        let project = |(at_us, north, east): &(u64, f64, f64)| {
            let place = Point {
                x_m: (east - longitude).to_radians() * scale,
                y_m: (north - latitude).to_radians() * EARTH_RADIUS_M,
            };
            (*at_us, place)
        };
        self.points.iter().map(project).collect()
    }
}

/// Reads the track points of a GPX file, all tracks and segments one after the other. Each must have a time.
pub fn read_gpx(text: &str) -> Result<GpxTrack, TrackError> {
    let document = Document::parse(text).map_err(|error| TrackError::Xml(error.to_string()))?;
    let mut points: Vec<(u64, f64, f64)> = Vec::new();
    let mut start = None;
    for node in document
        .descendants()
        .filter(|node| node.tag_name().name() == "trkpt")
    {
        let wrong = |what: String| TrackError::Line {
            line: document.text_pos_at(node.range().start).row as usize,
            what,
        };
        let latitude = degrees(&node, "lat", 90.0).map_err(wrong)?;
        let longitude = degrees(&node, "lon", 180.0).map_err(wrong)?;
        let time = node
            .children()
            .find(|child| child.tag_name().name() == "time")
            .and_then(|time| time.text())
            .ok_or_else(|| wrong("a point has no time, so that nobody knows how fast it goes".into()))?;
        let at_us = unix_us(time.trim())
            .ok_or_else(|| wrong(format!("\"{time}\" is no time such as 2026-05-01T08:00:00Z")))?;
        let since_us = at_us - *start.get_or_insert(at_us);
        let last_us = points.last().map_or(0, |(last_us, _, _)| *last_us);
        let since_us = u64::try_from(since_us)
            .ok()
            .filter(|since_us| *since_us >= last_us)
            .ok_or_else(|| wrong("a point's time is before that of the one above".into()))?;
        points.push((since_us, latitude, longitude));
    }
    if points.is_empty() {
        return Err(TrackError::Empty);
    }
    Ok(GpxTrack { points })
}

fn degrees(node: &Node<'_, '_>, name: &str, max: f64) -> Result<f64, String> {
    let text = node
        .attribute(name)
        .ok_or_else(|| format!("a point has no `{name}`"))?;
    match text.trim().parse::<f64>() {
        Ok(degrees) if (-max..=max).contains(&degrees) => Ok(degrees),
        _ => Err(format!("\"{text}\" is not from -{max} to {max} degrees")),
    }
}

/// Microseconds since 1970. Without an offset it is UTC.
fn unix_us(text: &str) -> Option<i64> {
    let moment: Datetime = text.parse().ok()?;
    let (date, time) = (moment.date?, moment.time?);
    let offset_min = match moment.offset {
        Some(Offset::Custom { minutes }) => i64::from(minutes),
        _ => 0,
    };
    let day = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let minutes = (day * 24 + i64::from(time.hour)) * 60 + i64::from(time.minute) - offset_min;
    let seconds = minutes * 60 + i64::from(time.second.unwrap_or(0));
    Some(seconds * 1_000_000 + i64::from(time.nanosecond.unwrap_or(0)) / 1000)
}

/// In the Gregorian calendar, whose years are made to begin in March so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let before_month = (153 * month_from_march + 2) / 5;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + before_month + day
        - 1
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpx(points: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<gpx xmlns=\"http://www.topografix.com/GPX/1/1\"><trk><trkseg>\n{points}\n</trkseg></trk></gpx>"
        )
    }

    fn point(latitude: &str, longitude: &str, time: &str) -> String {
        format!("<trkpt lat=\"{latitude}\" lon=\"{longitude}\"><ele>7</ele><time>{time}</time></trkpt>\n")
    }

    #[test]
    fn days_are_counted_as_calendars_do() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        assert_eq!(days_since_1970(2026, 1, 1), 20_454);
        assert_eq!(
            unix_us("2026-01-01T01:00:00.5+01:00"),
            Some(1_767_225_600_500_000)
        );
        assert_eq!(unix_us("2026-01-01"), None);
    }

    #[test]
    fn a_degree_is_111_km() {
        let text = gpx(&[
            point("60", "10", "2026-05-01T08:00:00Z"),
            point("60.01", "10", "2026-05-01T08:10:00Z"),
            point("60.01", "10.01", "2026-05-01T10:20:00+02:00"),
        ]
        .concat());
        let track = read_gpx(&text).unwrap();
        assert_eq!(track.origin(), (60.0, 10.0));
        let points = track.points(track.origin());
        let at: Vec<u64> = points.iter().map(|(at_us, _)| *at_us / 60_000_000).collect();
        assert_eq!(at, [0, 10, 20]);
        assert!((points[1].1.y_m - 1112.0).abs() < 1.0 && points[1].1.x_m == 0.0);
        // At 60 degrees north, half as far.
        assert!((points[2].1.x_m - 556.0).abs() < 1.0, "{:?}", points[2]);
        let elsewhere = track.points((60.01, 10.01));
        assert!((elsewhere[2].1.x_m).abs() < 1e-6 && (elsewhere[2].1.y_m).abs() < 1e-6);
    }

    #[test]
    fn errors_name_the_line() {
        let message = |points: &str| read_gpx(&gpx(points)).unwrap_err().to_string();
        assert_eq!(
            message("<trkpt lat=\"91\" lon=\"0\"/>"),
            "line 3: \"91\" is not from -90 to 90 degrees"
        );
        assert_eq!(message("\n<trkpt lat=\"9\"/>"), "line 4: a point has no `lon`");
        assert!(message("<trkpt lat=\"9\" lon=\"9\"/>").starts_with("line 3: a point has no time"));
        assert!(message(&point("1", "1", "noon")).contains("\"noon\" is no time"));
        let back = [
            point("1", "1", "2026-05-01T08:00:00Z"),
            point("1", "1", "2026-05-01T07:00:00Z"),
        ]
        .concat();
        assert_eq!(
            message(&back),
            "line 4: a point's time is before that of the one above"
        );
        assert_eq!(message(""), "it has no points");
        assert!(
            read_gpx("<gpx>")
                .unwrap_err()
                .to_string()
                .starts_with("it is no XML: ")
        );
    }
}
