//! The tables `[[nodes]]`.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use super::radio::{OVERRIDES, Radio};
use crate::mobility;
use crate::scenario::keys::NODES_MAX;
use crate::scenario::names::Names;
use crate::scenario::node::{ClockError, DutyCycle, Group, Member, Movement};
use crate::scenario::place::{Area, Placement, Point, Track};
use crate::scenario::reader::Reader;

/// Reads all of them into the context. Returns the names of the spaces.
pub(super) fn read(
    scenario: &Reader<'_, '_>,
    radio: Option<&Radio>,
    context: &mut Context<'_>,
) -> Vec<String> {
    let mut is_complete = true;
    let mut taken = BTreeSet::new();
    let mut spaces = Spaces::default();
    for reader in scenario.tables("nodes") {
        is_complete &= read_group(&reader, radio, context, &mut taken, &mut spaces);
    }
    context.names = Names::new(&context.groups, &context.nodes, is_complete);
    spaces.names
}

/// Names of spaces, in the order in which they come.
#[derive(Default)]
struct Spaces {
    names: Vec<String>,
    indices: BTreeMap<String, usize>,
}

impl Spaces {
    fn index(&mut self, name: String) -> usize {
        if let Some(index) = self.indices.get(&name) {
            return *index;
        }
        self.names.push(name.clone());
        self.indices.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }
}

/// Says whether it is known which nodes these are.
fn read_group(
    reader: &Reader<'_, '_>,
    radio: Option<&Radio>,
    context: &mut Context<'_>,
    taken: &mut BTreeSet<String>,
    spaces: &mut Spaces,
) -> bool {
    let name = reader.name("name");
    let read_count = reader.integer("count");
    let is_known = name.is_some() && read_count.is_some() == reader.has("count");
    let mut count = read_count.map_or(1, |count| count as usize);
    let first = context.nodes.len();
    if first + count > NODES_MAX {
        reader.reject(
            "count",
            format!("with these there are {} nodes", first + count),
            format!("up to {NODES_MAX} nodes in all"),
        );
        count = 1;
    }
    let group = Group {
        nodes: first..first + count,
        placement: placement(reader, count),
        movement: reader
            .table("movement")
            .and_then(|reader| movement(&reader, context))
            .unwrap_or(Movement::Stand),
        radio: group_radio(reader, radio),
        wired: reader.flag("wired").unwrap_or(true),
        clock: reader
            .table("clock")
            .map(|reader| clock(&reader))
            .unwrap_or_default(),
        duty: reader.table("duty").and_then(|reader| duty(&reader)),
        disk_bytes: reader.size("disk").unwrap_or(1 << 40),
        starts_us: context.within_duration(reader, "starts").unwrap_or(0),
        name: name.clone().unwrap_or_default(),
    };
    let space = reader.name("space").unwrap_or("main".into());
    let space_count = reader.integer("spaces").map_or(1, |count| count as usize);
    if space_count > count {
        let what = format!("there are {space_count} spaces for {count} nodes");
        reader.reject("spaces", what, format!("a whole number from 1 to {count}"));
    }
    let space_count = space_count.min(count);
    let mut clash = None;
    let mut claim = |name: &str| {
        if !taken.insert(name.to_owned()) {
            clash.get_or_insert(name.to_owned());
        }
    };
    claim(&group.name);
    for place in 0..count {
        let node = match count {
            1 => group.name.clone(),
            _ => format!("{}-{}", group.name, place + 1),
        };
        if count > 1 {
            claim(&node);
        }
        let space = match space_count {
            1 => space.clone(),
            // The first nodes are in the first space, and all spaces have as many, or one more.
            _ => format!("{space}-{}", place * space_count / count + 1),
        };
        context.nodes.push(Member {
            name: node,
            group: context.groups.len(),
            space: spaces.index(space),
        });
    }
    if let (Some(clash), Some(_)) = (clash, name) {
        let what = format!("there is another node or group `{clash}`");
        reader.reject("name", what, "a name of its own for each");
    }
    context.groups.push(group);
    is_known
}

fn group_radio(reader: &Reader<'_, '_>, radio: Option<&Radio>) -> Option<crate::scenario::NodeRadio> {
    let wanted = reader.flag("radio");
    let has_one = match (wanted, radio) {
        (Some(true), None) => {
            let what = "the scenario has no [radio] that says how it is set";
            reader.reject("radio", what, "false, or a table [radio]");
            false
        }
        (wanted, radio) => wanted.unwrap_or(radio.is_some()),
    };
    if !has_one {
        for key in OVERRIDES.into_iter().filter(|key| reader.has(key)) {
            reader.reject(
                key,
                "these nodes have no radio",
                "it goes with radio = true and a table [radio]",
            );
        }
        return None;
    }
    radio.map(|radio| radio.of_group(reader))
}

const PLACEMENTS: [&str; 6] = ["place", "places", "area", "grid", "line", "ring"];

fn placement(reader: &Reader<'_, '_>, count: usize) -> Placement {
    let given: Vec<&str> = PLACEMENTS.into_iter().filter(|key| reader.has(key)).collect();
    if let [_, second, ..] = given[..] {
        let what = format!("`{}` says already where they are", given[0]);
        reader.reject(second, what, "one of place, places, area, grid, line, ring");
    }
    if reader.has("cluster_radius_m") && !reader.has("area") {
        reader.reject(
            "cluster_radius_m",
            "it says nothing without `area`",
            "it goes with `area`",
        );
    }
    let here = Placement::At(vec![Point::default(); count]);
    let read = match given.first().copied() {
        Some("place") => reader
            .point("place")
            .map(|place| Placement::At(vec![place; count])),
        Some("places") => reader.points("places").and_then(|places| {
            if places.len() != count {
                let what = format!("there are {} places for {count} nodes", places.len());
                reader.reject("places", what, format!("{count} places, or another count"));
                return None;
            }
            Some(Placement::At(places))
        }),
        Some("area") => {
            reader
                .table("area")
                .and_then(|reader| area(&reader))
                .map(|area| Placement::Scattered {
                    area,
                    cluster_radius_m: reader.number("cluster_radius_m"),
                })
        }
        Some("grid") => reader.table("grid").and_then(|reader| {
            Some(Placement::Grid {
                spacing_m: reader.number("spacing_m")?,
                corner: reader.point("corner").unwrap_or_default(),
                columns: reader
                    .integer("columns")
                    .map_or_else(|| count.isqrt().max(1), |columns| columns as usize),
            })
        }),
        Some("line") => reader.table("line").and_then(|reader| {
            Some(Placement::Line {
                to: reader.point("to")?,
                from: reader.point("from").unwrap_or_default(),
            })
        }),
        Some("ring") => reader.table("ring").and_then(|reader| {
            Some(Placement::Ring {
                radius_m: reader.number("radius_m")?,
                centre: reader.point("centre").unwrap_or_default(),
            })
        }),
        _ => None,
    };
    read.unwrap_or(here)
}

fn area(reader: &Reader<'_, '_>) -> Option<Area> {
    const RECTANGLE: [&str; 3] = ["corner", "width_m", "height_m"];
    let is_circle = reader.has("radius_m") || reader.has("centre");
    if is_circle && RECTANGLE.iter().any(|key| reader.has(key)) {
        reader.reject_table(
            "this is half a rectangle and half a circle",
            "corner, width_m and height_m, or centre and radius_m",
        );
        return None;
    }
    let side = |key| {
        let side = reader.number(key);
        if !reader.has(key) {
            reader.reject(
                key,
                "the area must have it",
                "corner, width_m and height_m, or centre and radius_m",
            );
        }
        side
    };
    if is_circle {
        return Some(Area::Circle {
            radius_m: side("radius_m")?,
            centre: reader.point("centre").unwrap_or_default(),
        });
    }
    let (width_m, height_m) = (side("width_m"), side("height_m"));
    Some(Area::Rectangle {
        corner: reader.point("corner").unwrap_or_default(),
        width_m: width_m?,
        height_m: height_m?,
    })
}

fn movement(reader: &Reader<'_, '_>, context: &Context<'_>) -> Option<Movement> {
    match reader.kind()? {
        "waypoints" => {
            let area = reader.table("area").and_then(|reader| area(&reader));
            let speed_m_s = reader.number_range("speed_m_s");
            let pause_us = reader.duration_range("pause").unwrap_or((0, 0));
            Some(Movement::Waypoints {
                area: area?,
                speed_m_s: speed_m_s?,
                pause_us,
            })
        }
        "rounds" => {
            let stops = reader.points("stops");
            let speed_m_s = reader.number("speed_m_s");
            let pause_us = reader.duration("pause").unwrap_or(0);
            let stops = stops?;
            if stops.iter().all(|stop| Some(stop) == stops.first()) {
                reader.reject(
                    "stops",
                    "these are not two places",
                    "two or more, not all the same",
                );
                return None;
            }
            Some(Movement::Rounds {
                stops,
                speed_m_s: speed_m_s?,
                pause_us,
            })
        }
        "track" => {
            let starts_us = reader.duration("starts").unwrap_or(0);
            track(reader, starts_us, context).map(Movement::Track)
        }
        _ => Some(Movement::Stand),
    }
}

fn track(reader: &Reader<'_, '_>, starts_us: u64, context: &Context<'_>) -> Option<Track> {
    let file = reader.text("file")?;
    let allowed = "a CSV file with lines `time,x,y`, or a GPX file with times";
    let text = match context.files.read(&file) {
        Ok(text) => text,
        Err(error) => {
            reader.reject("file", format!("it cannot be read: {error}"), allowed);
            return None;
        }
    };
    let is_gpx = file.to_ascii_lowercase().ends_with(".gpx");
    let points = if is_gpx {
        mobility::read_gpx(&text).map(|track| {
            let origin = context.origin.get().unwrap_or(track.origin());
            context.origin.set(Some(origin));
            track.points(origin)
        })
    } else {
        mobility::read_csv(&text)
    };
    match points {
        Ok(points) => Some(Track {
            points: points
                .into_iter()
                .map(|(at_us, point)| (at_us.saturating_add(starts_us), point))
                .collect(),
        }),
        Err(error) => {
            reader.reject("file", error.to_string(), allowed);
            None
        }
    }
}

fn clock(reader: &Reader<'_, '_>) -> ClockError {
    ClockError {
        ahead_ms: reader.signed_duration_ms("ahead").unwrap_or(0),
        spread_ms: reader.duration("spread").unwrap_or(0) / 1000,
        drift_ppm: reader.number("drift_ppm").unwrap_or(0.0),
        unset: reader.flag("unset").unwrap_or(false),
    }
}

fn duty(reader: &Reader<'_, '_>) -> Option<DutyCycle> {
    let (up, down) = (reader.duration("up"), reader.duration("down"));
    Some(DutyCycle {
        up_us: up?,
        down_us: down?,
    })
}
