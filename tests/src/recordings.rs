//! Recordings as a run could have left them, made up: for tests of reports, pages and explanations.
//!
//! Who is near enough hears, nearly always; who has something that a neighbour lacks says it, one write a frame. No
//! protocol, but nodes, traffic, faults and delays of the right kinds and numbers, the same for every call.

use std::collections::BTreeMap;

use cairn_sim::recording::{
    Happening, HeardRecord, LinkRecord, Missed, MissedWhy, NodeRecord, Place, RadioRecord, Recording, Sample,
    Traffic, WriteRecord,
};

use crate::Random;

const S: u64 = 1_000_000;
const MIN: u64 = 60 * S;
const HOUR: u64 = 60 * MIN;
const STEP: u64 = 10 * S;
const HAPPENINGS_MAX: usize = 80_000;

/// Forty radios in a village for a day: six of them wired to each other, three that crash, a split at noon.
pub fn village() -> Recording {
    let mut random = Random(40);
    let mut made = Made::new(
        "village-of-40",
        "Forty radios in a village, six houses with a cable, three crashes.",
        24 * HOUR,
    );
    let names = [
        "mill", "school", "bakery", "church", "bridge", "forge", "well", "barn", "inn", "orchard",
    ];
    for index in 0..40 {
        let (ring, angle) = (300.0 + 340.0 * f64::from(index % 4), f64::from(index) * 2.4);
        let jitter = random.below(200) as f64;
        let name = names[index as usize % names.len()];
        let name = if index < 10 {
            name.to_owned()
        } else {
            format!("{name}-{}", index / 10 + 1)
        };
        made.node(
            &name,
            "commons",
            &[(
                0,
                ring * angle.cos() + jitter,
                ring * angle.sin() * 0.7 + jitter / 2.0,
            )],
        );
    }
    for (a, b) in [(0, 4), (4, 8), (8, 12), (12, 16), (16, 0)] {
        made.wire(a, b, 0, 24 * HOUR);
    }
    for (node, from, until) in [
        (7, 3 * HOUR, 4 * HOUR),
        (21, 6 * HOUR, 11 * HOUR),
        (33, 15 * HOUR, 15 * HOUR + 20 * MIN),
    ] {
        made.crash(node, from, until);
    }
    for index in 0..60 {
        let at_us = (index + 1) * 20 * MIN + random.below(600) * S;
        let path = format!("/shared/board/{:02}", index % 45);
        made.write(random.below(40) as usize, at_us, &path, 200 + random.below(1_500));
    }
    made.run(&mut random, 620.0, 24)
}

/// Two islands that never hear each other, and a courier who rides between them: six hours.
pub fn courier() -> Recording {
    let mut random = Random(2);
    let mut made = Made::new(
        "courier",
        "Two islands that never hear one another, and a bicycle.",
        6 * HOUR,
    );
    for (island, x, y) in [("north", 0.0, 4_000.0), ("south", 5_000.0, 0.0)] {
        for index in 0..6 {
            let angle = f64::from(index) * 1.05;
            made.node(
                &format!("{island}-{}", index + 1),
                "islands",
                &[(0, x + 350.0 * angle.cos(), y + 350.0 * angle.sin())],
            );
        }
    }
    let ride = [
        (0, 0.0, 3_900.0),
        (40 * MIN, 0.0, 3_900.0),
        (90 * MIN, 5_000.0, 100.0),
        (150 * MIN, 5_000.0, 100.0),
        (200 * MIN, 0.0, 3_900.0),
        (240 * MIN, 0.0, 3_900.0),
        (290 * MIN, 5_000.0, 100.0),
    ];
    made.node("bicycle", "islands", &ride);
    made.crash(8, 80 * MIN, 100 * MIN);
    made.write(1, 5 * MIN, "/shared/letters/to the south", 900);
    made.write(9, 30 * MIN, "/shared/letters/to the north", 700);
    made.write(3, 100 * MIN, "/shared/letters/a second, \"late\" one", 400);
    made.write(10, 340 * MIN, "/shared/letters/too late", 400);
    made.run(&mut random, 700.0, 4)
}

/// A thousand sensors on a plain for six hours.
pub fn thousand() -> Recording {
    let mut random = Random(1_000);
    let mut made = Made::new(
        "thousand-sensors",
        "A thousand sensors that keep each other's readings.",
        6 * HOUR,
    );
    for index in 0..1_000 {
        let (x, y) = (random.below(9_000) as f64, random.below(6_000) as f64);
        made.node(&format!("sensor-{index:04}"), "field", &[(0, x, y)]);
    }
    for _ in 0..60 {
        let from = random.below(300) * MIN;
        made.crash(
            random.below(1_000) as usize,
            from,
            from + random.below(60) * MIN + MIN,
        );
    }
    for index in 0..40 {
        made.write(
            random.below(1_000) as usize,
            index * 6 * MIN,
            &format!("/shared/readings/{index}"),
            64,
        );
    }
    made.run(&mut random, 520.0, 12)
}

/// A recording in the making.
struct Made {
    recording: Recording,
    kinds: BTreeMap<&'static str, Traffic>,
    heard: BTreeMap<(usize, usize), (u64, f64)>,
}

impl Made {
    fn new(scenario: &str, about: &str, duration_us: u64) -> Self {
        let recording = Recording {
            scenario: scenario.to_owned(),
            about: about.to_owned(),
            seed: 7,
            trace_hash: "5e1f0c".repeat(10) + "5e1f",
            duration_us,
            ..Recording::default()
        };
        Self {
            recording,
            kinds: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    fn node(&mut self, name: &str, space: &str, places: &[(u64, f64, f64)]) {
        let hours = self.recording.duration_us.div_ceil(HOUR) as usize;
        self.recording.nodes.push(NodeRecord {
            name: name.to_owned(),
            space: space.to_owned(),
            places: places
                .iter()
                .map(|(at_us, x_m, y_m)| Place {
                    at_us: *at_us,
                    x_m: rounded(*x_m, 0.5),
                    y_m: rounded(*y_m, 0.5),
                })
                .collect(),
            up: vec![(0, self.recording.duration_us)],
            radio: Some(RadioRecord {
                airtime_by_hour_us: vec![0; hours],
                airtime_allowed_share: 0.1,
                ..RadioRecord::default()
            }),
            ..NodeRecord::default()
        });
    }

    fn wire(&mut self, a: usize, b: usize, from_us: u64, until_us: u64) {
        self.recording.links.push(LinkRecord {
            a,
            b,
            from_us,
            until_us,
        });
    }

    fn crash(&mut self, node: usize, from_us: u64, until_us: u64) {
        let name = self.recording.nodes[node].name.clone();
        let up = &mut self.recording.nodes[node].up;
        let Some(last) = up.last_mut().filter(|last| last.0 < from_us) else {
            return;
        };
        let end_us = std::mem::replace(&mut last.1, from_us);
        up.push((until_us, end_us));
        for (at_us, what) in [(from_us, "crashed"), (until_us, "started again")] {
            let what_happened = format!("{name} {what}");
            self.recording.happenings.push(Happening::Fault {
                at_us,
                node: Some(node),
                what_happened,
            });
        }
    }

    fn write(&mut self, node: usize, at_us: u64, path: &str, len: u64) {
        let count = self.recording.writes.len() + 1;
        self.recording.writes.push(WriteRecord {
            path: path.to_owned(),
            node,
            at_us,
            acknowledged_us: Some(at_us + 8_000),
            dot: format!("n{node}:{count}"),
            len: Some(len),
            ..WriteRecord::default()
        });
    }

    fn up(&self, node: usize, at_us: u64) -> bool {
        self.recording.nodes[node]
            .up
            .iter()
            .any(|(from, until)| (*from..*until).contains(&at_us))
    }

    /// Plays it: in each step, one of `turns` of the radios may speak.
    fn run(mut self, random: &mut Random, reach_m: f64, turns: u64) -> Recording {
        let nodes = self.recording.nodes.len();
        let mut has = vec![vec![false; self.recording.writes.len()]; nodes];
        let mut next = 0;
        let mut due = 0;
        let mut there = 0;
        self.recording.writes.sort_by_key(|write| write.at_us);
        for step in 0..self.recording.duration_us / STEP {
            let now_us = step * STEP;
            while self
                .recording
                .writes
                .get(next)
                .is_some_and(|write| write.at_us < now_us)
            {
                has[self.recording.writes[next].node][next] = true;
                self.recording.happenings.push(Happening::Write {
                    at_us: self.recording.writes[next].at_us,
                    write: next,
                });
                due += nodes as u64 - 1;
                next += 1;
            }
            let places: Vec<(f64, f64)> = self
                .recording
                .nodes
                .iter()
                .map(|node| node.place_at(now_us).unwrap())
                .collect();
            for from in 0..nodes {
                if !self.up(from, now_us) || random.below(turns) != 0 {
                    continue;
                }
                let at_us = now_us + random.below(STEP - 2 * S);
                let near: Vec<(usize, f64)> = (0..nodes)
                    .map(|to| {
                        (
                            to,
                            (places[to].0 - places[from].0).hypot(places[to].1 - places[from].1),
                        )
                    })
                    .filter(|(to, distance)| *to != from && *distance < reach_m && self.up(*to, at_us))
                    .collect();
                let lacked =
                    (0..next).find(|write| has[from][*write] && near.iter().any(|(to, _)| !has[*to][*write]));
                if lacked.is_none() && random.below(6) != 0 {
                    continue;
                }
                there += self.frame(random, (from, at_us), &near, reach_m, lacked, &mut has);
            }
            if step % 12 == 0 {
                for link in self.recording.links.clone() {
                    let at_us = now_us + random.below(S);
                    if self.up(link.a, at_us) && self.up(link.b, at_us) {
                        there += self.wired(random, link, at_us, next, &mut has);
                    }
                }
            }
            if step % 18 == 0 {
                let up = (0..nodes).filter(|node| self.up(*node, now_us)).count() as u64;
                self.recording.samples.push(Sample {
                    at_us: now_us,
                    due,
                    there,
                    up,
                });
                if due == there && next == self.recording.writes.len() {
                    self.recording.converged_at_us.get_or_insert(now_us);
                }
            }
        }
        self.finish(&has)
    }

    fn frame(
        &mut self,
        random: &mut Random,
        (from, at_us): (usize, u64),
        near: &[(usize, f64)],
        reach_m: f64,
        write: Option<usize>,
        has: &mut [Vec<bool>],
    ) -> u64 {
        let (kind, len) = match write {
            Some(write) => (
                "change",
                40 + self.recording.writes[write].len.unwrap_or(0).min(180),
            ),
            None => ("summary", 48),
        };
        let airtime_us = 60_000 + len * 3_100;
        let (mut to, mut missed, mut arrived) = (Vec::new(), Vec::new(), 0);
        for (node, distance) in near {
            let radio = self.recording.nodes[*node].radio.as_mut().unwrap();
            if random.below(100) < 4 + (distance / reach_m * 20.0) as u64 {
                let why =
                    [MissedWhy::Collided, MissedWhy::Sending, MissedWhy::Chance][random.below(3) as usize];
                match why {
                    MissedWhy::Collided => radio.frames_collided += 1,
                    MissedWhy::Sending => radio.frames_missed += 1,
                    MissedWhy::Chance => radio.frames_lost += 1,
                }
                missed.push(Missed { node: *node, why });
                continue;
            }
            radio.frames_heard += 1;
            to.push(*node);
            let heard = self.heard.entry((from, *node)).or_default();
            *heard = (heard.0 + 1, rounded(-70.0 - distance / reach_m * 50.0, 0.5));
            if let Some(write) = write.filter(|write| !has[*node][*write]) {
                has[*node][write] = true;
                arrived += 1;
                self.arrival(write, *node, from, at_us + airtime_us + 20_000);
            }
        }
        let radio = self.recording.nodes[from].radio.as_mut().unwrap();
        radio.sent = add(radio.sent, len, airtime_us);
        radio.airtime_by_hour_us[(at_us / HOUR) as usize] += airtime_us;
        let total = self.kinds.entry(kind).or_default();
        *total = add(*total, len, airtime_us);
        let queued_us = random.below(4 * S);
        let held_by_law_us = if random.below(5) == 0 { queued_us / 2 } else { 0 };
        let kind = kind.to_owned();
        self.recording.happenings.push(Happening::Frame {
            at_us,
            airtime_us,
            from,
            to,
            missed,
            kind,
            len,
            queued_us,
            held_by_law_us,
        });
        arrived
    }

    fn wired(
        &mut self,
        random: &mut Random,
        link: LinkRecord,
        at_us: u64,
        known: usize,
        has: &mut [Vec<bool>],
    ) -> u64 {
        let mut arrived = 0;
        for (from, to) in [(link.a, link.b), (link.b, link.a)] {
            let lost = random.below(50) == 0;
            let lacked = (0..known).find(|write| has[from][*write] && !has[to][*write]);
            let kind = if lacked.is_some() { "transfer" } else { "ping" };
            let len = if lacked.is_some() { 1_400 } else { 64 };
            let node = &mut self.recording.nodes[from];
            node.wired = add(node.wired, len, 0);
            let total = self.kinds.entry(kind).or_default();
            *total = add(*total, len, 0);
            self.recording.happenings.push(Happening::Wired {
                at_us,
                from,
                to,
                kind: kind.to_owned(),
                len,
                lost,
            });
            if let Some(write) = lacked.filter(|_| !lost) {
                has[to][write] = true;
                arrived += 1;
                self.arrival(write, to, from, at_us + 30_000);
            }
        }
        arrived
    }

    fn arrival(&mut self, write: usize, node: usize, from: usize, at_us: u64) {
        let record = &mut self.recording.writes[write];
        record.arrivals.push((node, at_us));
        record.came_from.push(Some(from));
        self.recording
            .happenings
            .push(Happening::Arrival { at_us, write, node });
    }

    fn finish(mut self, has: &[Vec<bool>]) -> Recording {
        let duration_us = self.recording.duration_us;
        for (node, has) in self.recording.nodes.iter_mut().zip(has) {
            node.lacking = has.iter().filter(|has| !**has).count() as u64;
            let radio = node.radio.as_mut().unwrap();
            let most = radio.airtime_by_hour_us.iter().max().copied().unwrap_or(0);
            radio.airtime_max_share = rounded(most as f64 / HOUR as f64, 1.0 / 65_536.0);
            let energy_j = 0.4 * radio.sent.airtime_us as f64 / 1e6 + 0.036 * duration_us as f64 / 1e6;
            radio.energy_j = rounded(energy_j, 0.5);
        }
        for write in &mut self.recording.writes {
            // Frames of one step overtake each other.
            let mut both: Vec<_> = write
                .arrivals
                .iter()
                .copied()
                .zip(write.came_from.iter().copied())
                .collect();
            both.sort_by_key(|((_, at_us), _)| *at_us);
            (write.arrivals, write.came_from) = both.into_iter().unzip();
        }
        let heard = self
            .heard
            .into_iter()
            .map(|((from, to), (frames, rssi_mean_dbm))| HeardRecord {
                from,
                to,
                frames,
                rssi_mean_dbm,
            });
        self.recording.heard = heard.collect();
        self.recording.messages = self
            .kinds
            .into_iter()
            .map(|(kind, traffic)| (kind.to_owned(), traffic))
            .collect();
        let happenings = &mut self.recording.happenings;
        happenings.sort_by_key(Happening::at_us);
        self.recording.events_handled = happenings.len() as u64 * 3;
        self.recording.happenings_left_out = happenings.len().saturating_sub(HAPPENINGS_MAX) as u64;
        happenings.truncate(HAPPENINGS_MAX);
        self.recording
    }
}

fn add(traffic: Traffic, len: u64, airtime_us: u64) -> Traffic {
    Traffic {
        frames: traffic.frames + 1,
        bytes: traffic.bytes + len,
        airtime_us: traffic.airtime_us + airtime_us,
    }
}

/// To a power of two: a number that is the same after it was text.
fn rounded(number: f64, step: f64) -> f64 {
    (number / step).round() * step
}
