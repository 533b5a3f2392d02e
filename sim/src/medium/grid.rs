//! Places in squares, so that who is near can be found without asking everybody.

use std::collections::BTreeMap;

/// The side of a square, in metres.
const SQUARE_M: f64 = 500.0;

/// A place, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) x_m: f64,
    pub(super) y_m: f64,
}

impl Place {
    pub(super) fn distance_m(self, other: Self) -> f64 {
        let (x_m, y_m) = (self.x_m - other.x_m, self.y_m - other.y_m);
        // Root and product are exact to the last bit on every machine; hypot is not.
        (x_m * x_m + y_m * y_m).sqrt()
    }
}

/// Stations by the square that they are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid {
    squares: BTreeMap<(i64, i64), Vec<u32>>,
}

impl Grid {
    pub(super) fn insert(&mut self, station: u32, place: Place) {
        self.squares.entry(square(place)).or_default().push(station);
    }

    pub(super) fn remove(&mut self, station: u32, place: Place) {
        let key = square(place);
        if let Some(stations) = self.squares.get_mut(&key) {
            stations.retain(|other| *other != station);
            if stations.is_empty() {
                self.squares.remove(&key);
            }
        }
    }

    /// All stations within this distance, and some that are further away, in no order that means anything.
    pub(super) fn near(&self, place: Place, distance_m: f64) -> impl Iterator<Item = u32> {
        let distance_m = distance_m.max(0.0);
        let corner = |sign: f64| {
            square(Place {
                x_m: place.x_m + sign * distance_m,
                y_m: place.y_m + sign * distance_m,
            })
        };
        let ((left, bottom), (right, top)) = (corner(-1.0), corner(1.0));
        let columns = right.saturating_sub(left);
        // So wide a look finds less by columns than by all there is.
        let is_wide = columns > self.squares.len() as i64;
        let by_column = (left..=right)
            .take_while(move |_| !is_wide)
            .flat_map(move |x| self.squares.range((x, bottom)..=(x, top)));
        let by_square = self
            .squares
            .range((left, bottom)..=(right, top))
            .filter(move |((_, y), _)| is_wide && (bottom..=top).contains(y));
        by_column
            .chain(by_square)
            .flat_map(|(_, stations)| stations.iter().copied())
    }
}

fn square(place: Place) -> (i64, i64) {
    let side = |metres: f64| (metres / SQUARE_M).floor() as i64;
    (side(place.x_m), side(place.y_m))
}
