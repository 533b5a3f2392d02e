//! Names beside dots, so that none lies on another: a name that finds no room is left out, and is the dot's tip anyway.

use super::svg::{Anchor, Svg, shortened};

const LEN_MAX: usize = 18;
/// Of the letters of [`theme`](super::theme), about.
const LETTER: f64 = 6.4;
const HEIGHT: f64 = 12.0;

/// A rectangle: left, top, right, bottom.
type Box = (f64, f64, f64, f64);

/// Names that were put so far, and the dots that they must not cover.
pub(super) struct Labels {
    taken: Vec<Box>,
    width: f64,
    bottom: f64,
    radius: f64,
}

impl Labels {
    pub(super) fn new(width: f64, bottom: f64, dots: &[(f64, f64)], radius: f64) -> Self {
        let taken = dots
            .iter()
            .map(|(x, y)| (x - radius, y - radius, x + radius, y + radius))
            .collect();
        Self {
            taken,
            width,
            bottom,
            radius,
        }
    }

    /// Puts a name to the right of its dot, or left, above or below, where there is room.
    pub(super) fn put(&mut self, svg: &mut Svg, (x, y): (f64, f64), name: &str) {
        let name = shortened(name, LEN_MAX);
        let width = name.chars().count() as f64 * LETTER;
        let gap = self.radius + 3.0;
        for (anchor, left, middle) in [
            (Anchor::Start, x + gap, y),
            (Anchor::End, x - gap - width, y),
            (Anchor::Middle, x - width / 2.0, y - gap - HEIGHT / 2.0),
            (Anchor::Middle, x - width / 2.0, y + gap + HEIGHT / 2.0),
        ] {
            let wanted = (left, middle - HEIGHT / 2.0, left + width, middle + HEIGHT / 2.0);
            let on_paper = left > 4.0 && left + width < self.width - 4.0 && wanted.3 < self.bottom;
            if !on_paper || self.taken.iter().any(|taken| overlap(*taken, wanted)) {
                continue;
            }
            let point = match anchor {
                Anchor::Start => left,
                Anchor::Middle => x,
                Anchor::End => left + width,
            };
            svg.text("small halo", anchor, (point, middle + 4.0), &name);
            self.taken.push(wanted);
            return;
        }
    }
}

fn overlap(a: Box, b: Box) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_lies_on_another() {
        let dots = [
            (50.0, 50.0),
            (60.0, 50.0),
            (70.0, 50.0),
            (58.0, 55.0),
            (62.0, 45.0),
        ];
        let mut svg = Svg::new(200.0, 100.0, "", "");
        let mut labels = Labels::new(200.0, 100.0, &dots, 4.0);
        for dot in dots {
            labels.put(&mut svg, dot, "name");
        }
        let names = &labels.taken[dots.len()..];
        assert!(!names.is_empty());
        for (index, name) in names.iter().enumerate() {
            let others = labels
                .taken
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != dots.len() + index);
            assert!(others.into_iter().all(|(_, other)| !overlap(*name, *other)));
        }
    }
}
