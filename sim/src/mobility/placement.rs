//! Where nodes are in the beginning.

use crate::random::{Generator, Seeds};
use crate::scenario::{Area, Group, Placement, Point, Scenario};

/// The place of each node before it moves, by index.
pub fn places(scenario: &Scenario, seeds: &Seeds) -> Vec<Point> {
    scenario
        .groups
        .iter()
        .flat_map(|group| {
            group
                .nodes
                .clone()
                .map(move |node| place(scenario, group, node, seeds))
        })
        .collect()
}

fn place(scenario: &Scenario, group: &Group, node: usize, seeds: &Seeds) -> Point {
    let (number, count) = (node - group.nodes.start, group.nodes.len());
    let named = |concern| seeds.generator(concern, &scenario.nodes[node].name);
    match &group.placement {
        Placement::At(places) => places.get(number).copied().unwrap_or_default(),
        Placement::Scattered {
            area,
            cluster_radius_m: None,
        } => point_in(area, &mut named("place")),
        Placement::Scattered {
            area,
            cluster_radius_m: Some(radius_m),
        } => {
            let space = &scenario.spaces[scenario.nodes[node].space];
            let centre = point_in(
                area,
                &mut seeds.generator("cluster", format!("{}/{space}", group.name)),
            );
            let around = Area::Circle {
                centre,
                radius_m: *radius_m,
            };
            point_in(&around, &mut named("place"))
        }
        Placement::Grid {
            corner,
            columns,
            spacing_m,
        } => Point {
            x_m: corner.x_m + (number % columns) as f64 * spacing_m,
            y_m: corner.y_m + (number / columns) as f64 * spacing_m,
        },
        Placement::Line { from, to } => {
            between(*from, *to, number as f64 / count.saturating_sub(1).max(1) as f64)
        }
        Placement::Ring { centre, radius_m } => {
            let angle = core::f64::consts::TAU * number as f64 / count as f64;
            Point {
                x_m: centre.x_m + radius_m * libm::cos(angle),
                y_m: centre.y_m + radius_m * libm::sin(angle),
            }
        }
    }
}

/// On the way from one place to another, after this share of it.
pub(super) fn between(from: Point, to: Point, share: f64) -> Point {
    Point {
        x_m: from.x_m + (to.x_m - from.x_m) * share,
        y_m: from.y_m + (to.y_m - from.y_m) * share,
    }
}

/// A place in an area, each equally likely.
pub(super) fn point_in(area: &Area, generator: &mut Generator) -> Point {
    match area {
        Area::Rectangle {
            corner,
            width_m,
            height_m,
        } => Point {
            x_m: corner.x_m + width_m * generator.share(),
            y_m: corner.y_m + height_m * generator.share(),
        },
        Area::Circle { centre, radius_m } => {
            // The area within a radius grows with its square.
            let distance_m = radius_m * libm::sqrt(generator.share());
            let angle = core::f64::consts::TAU * generator.share();
            Point {
                x_m: centre.x_m + distance_m * libm::cos(angle),
                y_m: centre.y_m + distance_m * libm::sin(angle),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mobility::distance_m;
    use crate::scenario::NoFiles;

    fn scenario(nodes: &str) -> Scenario {
        let text = format!("name = \"t\"\nduration = \"1h\"\n{nodes}");
        Scenario::parse(&text, "t.toml", &NoFiles).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn placed(nodes: &str) -> Vec<Point> {
        places(&scenario(nodes), &Seeds::new(1))
    }

    fn point(x_m: f64, y_m: f64) -> Point {
        Point { x_m, y_m }
    }

    #[test]
    fn figures_are_as_drawn() {
        let grid = placed(
            "[[nodes]]\nname = \"g\"\ncount = 4\ngrid = { spacing_m = 10, columns = 3, corner = [5, 0] }\n",
        );
        assert_eq!(
            grid,
            [
                point(5.0, 0.0),
                point(15.0, 0.0),
                point(25.0, 0.0),
                point(5.0, 10.0)
            ]
        );
        let line = placed("[[nodes]]\nname = \"l\"\ncount = 3\nline = { to = [100, 50] }\n");
        assert_eq!(line, [point(0.0, 0.0), point(50.0, 25.0), point(100.0, 50.0)]);
        let ring = placed("[[nodes]]\nname = \"r\"\ncount = 4\nring = { radius_m = 10 }\n");
        assert!(
            distance_m(ring[1], point(0.0, 10.0)) < 1e-9 && distance_m(ring[2], point(-10.0, 0.0)) < 1e-9
        );
    }

    #[test]
    fn scattering_fills_the_area_and_nothing_else() {
        let disc =
            placed("[[nodes]]\nname = \"s\"\ncount = 2000\narea = { centre = [100, 0], radius_m = 50 }\n");
        let distances: Vec<f64> = disc
            .iter()
            .map(|place| distance_m(*place, point(100.0, 0.0)))
            .collect();
        assert!(distances.iter().all(|distance| *distance <= 50.0));
        // Half of the area lies within 0.71 of the radius.
        let inner = distances.iter().filter(|distance| **distance < 35.36).count();
        assert!((900..1100).contains(&inner), "{inner}");
    }

    #[test]
    fn another_node_moves_nobody() {
        let text = |count| {
            format!(
                "[[nodes]]\nname = \"s\"\ncount = {count}\narea = {{ width_m = 1000, height_m = 1000 }}\n\
                 [[nodes]]\nname = \"t\"\ncount = 5\narea = {{ width_m = 9, height_m = 9 }}\n"
            )
        };
        let (few, many) = (placed(&text(10)), placed(&text(11)));
        assert_eq!(few[..10], many[..10]);
        assert_eq!(few[10..], many[11..]);
    }

    #[test]
    fn the_nodes_of_a_space_lie_together() {
        let nodes = "[[nodes]]\nname = \"s\"\ncount = 100\nspaces = 10\ncluster_radius_m = 30\n\
                     area = { width_m = 100000, height_m = 100000 }\n";
        let (scenario, places) = (scenario(nodes), placed(nodes));
        assert_eq!(scenario.spaces.len(), 10);
        for space in 0..10 {
            let members: Vec<usize> = scenario.members(space).collect();
            assert_eq!(members.len(), 10);
            assert!(
                members
                    .iter()
                    .all(|node| distance_m(places[*node], places[members[0]]) <= 60.0)
            );
        }
        assert!(distance_m(places[0], places[99]) > 60.0);
    }
}
