//! One node's way through time.

use super::distance_m;
use super::placement::{between, point_in};
use crate::random::{Generator, Seeds};
use crate::scenario::{Movement, Point, Scenario, Track};

/// A straight part of a way, or a stay at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// When it begins.
    pub from_us: u64,
    /// When it ends; `u64::MAX`: never.
    pub until_us: u64,
    /// Where it begins.
    pub from: Point,
    /// Where it ends.
    pub to: Point,
}

impl Leg {
    fn stay(from_us: u64, until_us: u64, place: Point) -> Self {
        Self {
            from_us,
            until_us,
            from: place,
            to: place,
        }
    }

    /// Whether one moves on it.
    pub fn is_moving(&self) -> bool {
        self.from != self.to
    }

    fn place(&self, at_us: u64) -> Point {
        if !self.is_moving() {
            return self.from;
        }
        let length_us = (self.until_us - self.from_us).max(1);
        let gone_us = at_us.clamp(self.from_us, self.until_us) - self.from_us;
        between(self.from, self.to, gone_us as f64 / length_us as f64)
    }
}

/// Places are looked at anew after so many metres on the way,
const STEP_M: f64 = 10.0;
/// but not more often than this.
const STEP_US_MIN: u64 = 1_000_000;

/// A node's way. It is asked for times that never go back.
#[derive(Debug, Clone)]
pub struct Walker {
    movement: Movement,
    generator: Generator,
    leg: Leg,
    /// How many legs were before this one.
    legs: usize,
}

impl Walker {
    /// The way of a node that is at a place in the beginning. Rounds and tracks begin where they do.
    pub fn new(scenario: &Scenario, node: usize, place: Point, seeds: &Seeds) -> Self {
        let movement = scenario.group(node).movement.clone();
        let mut generator = seeds.generator("mobility", &scenario.nodes[node].name);
        let leg = match &movement {
            Movement::Stand => Leg::stay(0, u64::MAX, place),
            // The first thing is a pause, so that a group does not set out at once.
            Movement::Waypoints { pause_us, .. } => Leg::stay(0, generator.between(0, pause_us.1), place),
            Movement::Rounds { stops, pause_us, .. } => {
                Leg::stay(0, *pause_us, stops.first().copied().unwrap_or(place))
            }
            Movement::Track(Track { points }) => match points.first() {
                Some((at_us, first)) => Leg::stay(0, *at_us, *first),
                None => Leg::stay(0, u64::MAX, place),
            },
        };
        Self {
            movement,
            generator,
            leg,
            legs: 0,
        }
    }

    /// Where the node is.
    pub fn place(&mut self, at_us: u64) -> Point {
        self.leg(at_us).place(at_us)
    }

    /// The part of the way that the node is on.
    pub fn leg(&mut self, at_us: u64) -> Leg {
        while self.leg.until_us <= at_us && self.leg.until_us != u64::MAX {
            self.leg = self.next();
            self.legs += 1;
        }
        self.leg
    }

    /// When its place should be looked at again: some metres further on, or when it sets out. `None`: it stays for ever.
    pub fn next_update_us(&mut self, at_us: u64) -> Option<u64> {
        let leg = self.leg(at_us);
        if !leg.is_moving() {
            return (leg.until_us != u64::MAX).then_some(leg.until_us);
        }
        let length_us = leg.until_us - leg.from_us;
        let step_us = STEP_M / distance_m(leg.from, leg.to).max(f64::MIN_POSITIVE) * length_us as f64;
        let step_us = (step_us as u64).max(STEP_US_MIN);
        Some(leg.until_us.min(at_us.saturating_add(step_us)))
    }

    /// What comes after the present leg.
    fn next(&mut self) -> Leg {
        let (now_us, here, was_moving) = (self.leg.until_us, self.leg.to, self.leg.is_moving());
        match &self.movement {
            Movement::Stand => Leg::stay(now_us, u64::MAX, here),
            Movement::Waypoints { pause_us, .. } if was_moving && pause_us.1 > 0 => {
                let pause_us = self.generator.between(pause_us.0, pause_us.1);
                Leg::stay(now_us, now_us.saturating_add(pause_us), here)
            }
            Movement::Waypoints { area, speed_m_s, .. } => {
                let to = point_in(area, &mut self.generator);
                let speed_m_s = self.generator.range(speed_m_s.0, speed_m_s.1);
                way(now_us, here, to, speed_m_s)
            }
            Movement::Rounds {
                stops,
                speed_m_s,
                pause_us,
            } => {
                // A pause and a way in turns, and the first leg was a pause.
                if self.legs % 2 == 1 {
                    return Leg::stay(now_us, now_us.saturating_add(*pause_us), here);
                }
                let next = (self.legs / 2 + 1) % stops.len().max(1);
                way(now_us, here, stops.get(next).copied().unwrap_or(here), *speed_m_s)
            }
            Movement::Track(Track { points }) => {
                let next = self.legs + 1;
                match points.get(next) {
                    Some((until_us, to)) => Leg {
                        from_us: now_us,
                        until_us: *until_us,
                        from: here,
                        to: *to,
                    },
                    None => Leg::stay(now_us, u64::MAX, here),
                }
            }
        }
    }
}

/// From a place to another at a speed. It takes a second at least, so that time goes on wherever one goes to.
fn way(from_us: u64, from: Point, to: Point, speed_m_s: f64) -> Leg {
    let length_us = (distance_m(from, to) / speed_m_s * 1e6) as u64;
    Leg {
        from_us,
        until_us: from_us.saturating_add(length_us.max(STEP_US_MIN)),
        from,
        to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Area, NoFiles};

    const MINUTE_US: u64 = 60_000_000;

    fn walkers(nodes: &str) -> Vec<Walker> {
        let text = format!("name = \"t\"\nduration = \"1h\"\n{nodes}");
        let scenario =
            Scenario::parse(&text, "t.toml", &NoFiles).unwrap_or_else(|problems| panic!("{problems}"));
        let seeds = Seeds::new(1);
        let places = crate::mobility::places(&scenario, &seeds);
        let walker = |node| Walker::new(&scenario, node, places[node], &seeds);
        (0..scenario.nodes.len()).map(walker).collect()
    }

    fn point(x_m: f64, y_m: f64) -> Point {
        Point { x_m, y_m }
    }

    #[test]
    fn a_courier_makes_rounds() {
        let mut courier = walkers(
            "[[nodes]]\nname = \"courier\"\n[nodes.movement]\nkind = \"rounds\"\nstops = [[0, 0], [1200, 0]]\n\
             speed_m_s = 4\npause = \"10m\"\n",
        )
        .remove(0);
        assert_eq!(courier.place(9 * MINUTE_US), point(0.0, 0.0));
        assert_eq!(courier.next_update_us(9 * MINUTE_US), Some(10 * MINUTE_US));
        // 1,200 m take five minutes.
        assert_eq!(courier.place(12 * MINUTE_US + 30_000_000), point(600.0, 0.0));
        assert_eq!(
            courier.next_update_us(13 * MINUTE_US),
            Some(13 * MINUTE_US + 2_500_000)
        );
        assert_eq!(courier.place(20 * MINUTE_US), point(1200.0, 0.0));
        assert_eq!(courier.place(30 * MINUTE_US), point(0.0, 0.0));
        assert_eq!(courier.place(45 * MINUTE_US), point(1200.0, 0.0));
    }

    #[test]
    fn a_track_is_followed_and_then_left_alone() {
        let points = vec![
            (MINUTE_US, point(0.0, 0.0)),
            (2 * MINUTE_US, point(60.0, 0.0)),
            (2 * MINUTE_US, point(0.0, 5.0)),
            (3 * MINUTE_US, point(0.0, 5.0)),
        ];
        let mut walker = walkers("[[nodes]]\nname = \"a\"\n").remove(0);
        walker.movement = Movement::Track(Track {
            points: points.into(),
        });
        walker.leg = Leg::stay(0, MINUTE_US, point(0.0, 0.0));
        assert_eq!(walker.place(0), point(0.0, 0.0));
        assert_eq!(walker.place(MINUTE_US + 30_000_000), point(30.0, 0.0));
        assert_eq!(walker.place(2 * MINUTE_US), point(0.0, 5.0));
        assert_eq!(walker.next_update_us(2 * MINUTE_US + 1), Some(3 * MINUTE_US));
        assert_eq!(walker.place(99 * MINUTE_US), point(0.0, 5.0));
        assert_eq!(walker.next_update_us(99 * MINUTE_US), None);
    }

    #[test]
    fn who_stands_needs_no_update() {
        let mut walker = walkers("[[nodes]]\nname = \"a\"\nplace = [3, 4]\n").remove(0);
        assert_eq!(
            (walker.place(7), walker.next_update_us(7)),
            (point(3.0, 4.0), None)
        );
    }

    const WALKERS: &str = "area = { width_m = 500, height_m = 500 }\n[nodes.movement]\nkind = \"waypoints\"\n\
                           area = { width_m = 500, height_m = 500 }\nspeed_m_s = [0.5, 2]\npause = [\"0s\", \"1m\"]\n";

    #[test]
    fn waypoints_stay_in_their_area_at_their_speed() {
        let area = Area::Rectangle {
            corner: Point::default(),
            width_m: 500.0,
            height_m: 500.0,
        };
        let Area::Rectangle { width_m, .. } = area else {
            unreachable!()
        };
        let mut walker = walkers(&format!("[[nodes]]\nname = \"a\"\n{WALKERS}")).remove(0);
        let (mut at_us, mut last) = (0, walker.place(0));
        let mut gone_m = 0.0;
        for _ in 0..2000 {
            let next_us = walker.next_update_us(at_us).unwrap();
            assert!(next_us > at_us);
            let place = walker.place(next_us);
            let step_m = distance_m(last, place);
            gone_m += step_m;
            let seconds = (next_us - at_us) as f64 / 1e6;
            assert!(
                step_m <= 2.0 * seconds + 1e-6 && step_m <= STEP_M + 2.0,
                "{step_m} m in {seconds} s"
            );
            assert!((0.0..=width_m).contains(&place.x_m) && (0.0..=width_m).contains(&place.y_m));
            (at_us, last) = (next_us, place);
        }
        assert!(gone_m > 5_000.0, "{gone_m}");
    }

    #[test]
    fn another_walker_changes_nobodys_way() {
        let ways = |count: usize| -> Vec<Vec<Point>> {
            let text = format!("[[nodes]]\nname = \"w\"\ncount = {count}\n{WALKERS}");
            let way = |mut walker: Walker| (0..50).map(|minute| walker.place(minute * MINUTE_US)).collect();
            walkers(&text).into_iter().map(way).collect()
        };
        let (few, many) = (ways(2), ways(3));
        assert_eq!(few[..2], many[..2]);
        assert_ne!(many[0], many[2]);
    }
}
