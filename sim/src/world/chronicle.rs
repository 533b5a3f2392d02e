//! Whoever writes down what happens in a world, for a [`Recording`].

use std::collections::{BTreeMap, VecDeque};

use cairn::mesh::RequestId;
use cairn::model::{DocumentPath, Dot, Entry};

use super::NodeIndex;
use crate::recording::{
    Happening, HeardRecord, LinkRecord, Missed, MissedWhy, NodeRecord, Place, RadioRecord, Recording, Sample,
    Traffic, WriteRecord,
};

const HOUR_US: u64 = 3_600_000_000;

/// What a chronicle knows of a node beside what it sees.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// The name of its space, and that space's number.
    pub space: (String, usize),
    /// It has a radio.
    pub has_radio: bool,
}

/// Notes of a run.
#[derive(Debug)]
pub struct Chronicle {
    recording: Recording,
    /// How many nodes hold each space.
    holders: BTreeMap<usize, u64>,
    spaces: Vec<usize>,
    up_since: Vec<Option<u64>>,
    asked: BTreeMap<RequestId, usize>,
    written: BTreeMap<Dot, usize>,
    /// By which node and write: pairs that are still to come, and those that came.
    due: u64,
    there: u64,
    last_arrival_us: u64,
    links_heard: BTreeMap<(NodeIndex, NodeIndex), (u64, i64)>,
    messages: BTreeMap<&'static str, Traffic>,
    /// Frames of each sender that may still be heard: end and place among the happenings.
    in_flight: BTreeMap<NodeIndex, VecDeque<(u64, usize)>>,
    /// From whom each node heard last.
    last_heard: BTreeMap<NodeIndex, NodeIndex>,
    happenings_max: usize,
}

/// A frame that goes on air.
#[derive(Debug, Clone, Copy)]
pub(super) struct Aired {
    pub(super) at_us: u64,
    pub(super) airtime_us: u64,
    pub(super) kind: &'static str,
    pub(super) len: usize,
    /// Since its message was there.
    pub(super) queued_us: u64,
    /// Of that, how long the law alone held it back.
    pub(super) held_by_law_us: u64,
}

fn count(traffic: &mut Traffic, bytes: usize, airtime_us: u64) {
    traffic.frames += 1;
    traffic.bytes += bytes as u64;
    traffic.airtime_us += airtime_us;
}

impl Chronicle {
    /// Empty notes of a world of these nodes, with room for so many happenings.
    pub fn new(nodes: Vec<Described>, happenings_max: usize) -> Self {
        let mut holders = BTreeMap::new();
        for node in &nodes {
            *holders.entry(node.space.1).or_default() += 1;
        }
        let record = |node: &Described| NodeRecord {
            name: node.name.clone(),
            space: node.space.0.clone(),
            radio: node.has_radio.then(RadioRecord::default),
            ..NodeRecord::default()
        };
        Self {
            recording: Recording {
                nodes: nodes.iter().map(record).collect(),
                ..Recording::default()
            },
            holders,
            spaces: nodes.iter().map(|node| node.space.1).collect(),
            up_since: vec![None; nodes.len()],
            asked: BTreeMap::new(),
            written: BTreeMap::new(),
            due: 0,
            there: 0,
            last_arrival_us: 0,
            links_heard: BTreeMap::new(),
            messages: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_heard: BTreeMap::new(),
            happenings_max,
        }
    }

    /// A node comes that was not there in the beginning; nothing is expected of it.
    pub(super) fn joined(&mut self, node: Described) {
        self.recording.nodes.push(NodeRecord {
            name: node.name,
            space: node.space.0,
            radio: node.has_radio.then(RadioRecord::default),
            ..NodeRecord::default()
        });
        self.spaces.push(usize::MAX);
        self.up_since.push(None);
    }

    /// All that was acknowledged is everywhere now.
    pub const fn is_all_there(&self) -> bool {
        self.there >= self.due
    }

    /// Pairs of an acknowledged write and a node that should have it, and how many of them are there.
    pub const fn progress(&self) -> (u64, u64) {
        (self.due, self.there)
    }

    fn happened(&mut self, happening: Happening) -> Option<usize> {
        if self.recording.happenings.len() >= self.happenings_max {
            self.recording.happenings_left_out += 1;
            return None;
        }
        self.recording.happenings.push(happening);
        Some(self.recording.happenings.len() - 1)
    }

    /// Something broke, or was mended.
    pub fn fault(&mut self, at_us: u64, node: Option<NodeIndex>, what_happened: impl Into<String>) {
        let what_happened = what_happened.into();
        self.happened(Happening::Fault {
            at_us,
            node,
            what_happened,
        });
    }

    /// A node is somewhere from now on.
    pub fn placed(&mut self, at_us: u64, node: NodeIndex, x_m: f64, y_m: f64) {
        self.recording.nodes[node].places.push(Place { at_us, x_m, y_m });
    }

    pub(super) fn started(&mut self, at_us: u64, node: NodeIndex) {
        self.up_since[node] = Some(at_us);
        if at_us > 0 {
            self.fault(at_us, Some(node), "starts");
        }
    }

    pub(super) fn stopped(&mut self, at_us: u64, node: NodeIndex) {
        if let Some(since) = self.up_since[node].take() {
            self.recording.nodes[node].up.push((since, at_us));
        }
        self.fault(at_us, Some(node), "power cut");
    }

    pub(super) fn link_was(&mut self, a: NodeIndex, b: NodeIndex, from_us: u64, until_us: u64) {
        self.recording.links.push(LinkRecord {
            a,
            b,
            from_us,
            until_us,
        });
    }

    pub(super) fn asked(
        &mut self,
        at_us: u64,
        request: RequestId,
        node: NodeIndex,
        path: &DocumentPath,
        len: Option<u64>,
    ) {
        let write = self.recording.writes.len();
        self.recording.writes.push(WriteRecord {
            path: path.as_str().to_owned(),
            node,
            at_us,
            len,
            ..WriteRecord::default()
        });
        self.asked.insert(request, write);
        self.happened(Happening::Write { at_us, write });
    }

    pub(super) fn acknowledged(&mut self, at_us: u64, request: RequestId, entry: &Entry) {
        let Some(write) = self.asked.remove(&request) else {
            return;
        };
        let record = &mut self.recording.writes[write];
        record.acknowledged_us = Some(at_us);
        record.dot = entry.dot().to_string();
        self.written.insert(entry.dot(), write);
        let holders = self.holders.get(&self.spaces[record.node]).copied().unwrap_or(1);
        self.due += holders - 1;
    }

    pub(super) fn arrived(&mut self, at_us: u64, node: NodeIndex, dot: Dot) {
        let Some(write) = self.written.get(&dot).copied() else {
            return;
        };
        let record = &mut self.recording.writes[write];
        if record.node == node || record.arrivals.iter().any(|(there, _)| *there == node) {
            return;
        }
        record.arrivals.push((node, at_us));
        record.came_from.push(self.last_heard.get(&node).copied());
        self.there += 1;
        self.last_arrival_us = at_us;
        self.happened(Happening::Arrival { at_us, write, node });
    }

    pub(super) fn wired(
        &mut self,
        at_us: u64,
        from: NodeIndex,
        to: NodeIndex,
        kind: &'static str,
        len: usize,
        lost: bool,
    ) {
        count(&mut self.recording.nodes[from].wired, len, 0);
        count(self.messages.entry(kind).or_default(), len, 0);
        if self.happenings_max > 0 {
            let (kind, len) = (kind.to_owned(), len as u64);
            self.happened(Happening::Wired {
                at_us,
                from,
                to,
                kind,
                len,
                lost,
            });
        }
    }

    /// A frame came to a node: what is new on its disk next came from there.
    pub(super) fn came(&mut self, from: NodeIndex, to: NodeIndex) {
        self.last_heard.insert(to, from);
    }

    pub(super) fn on_air(&mut self, from: NodeIndex, aired: &Aired) {
        count(
            self.messages.entry(aired.kind).or_default(),
            aired.len,
            aired.airtime_us,
        );
        if let Some(radio) = &mut self.recording.nodes[from].radio {
            count(&mut radio.sent, aired.len, aired.airtime_us);
            let hour = (aired.at_us / HOUR_US) as usize;
            if radio.airtime_by_hour_us.len() <= hour {
                radio.airtime_by_hour_us.resize(hour + 1, 0);
            }
            radio.airtime_by_hour_us[hour] += aired.airtime_us;
        }
        if self.happenings_max > 0 {
            let happening = Happening::Frame {
                at_us: aired.at_us,
                airtime_us: aired.airtime_us,
                from,
                to: Vec::new(),
                kind: aired.kind.to_owned(),
                len: aired.len as u64,
                missed: Vec::new(),
                queued_us: aired.queued_us,
                held_by_law_us: aired.held_by_law_us,
            };
            if let Some(place) = self.happened(happening) {
                let of_sender = self.in_flight.entry(from).or_default();
                of_sender.retain(|(end_us, _)| *end_us >= aired.at_us);
                of_sender.push_back((aired.at_us + aired.airtime_us, place));
            }
        }
    }

    fn ended(&mut self, at_us: u64, from: NodeIndex) -> Option<&mut Happening> {
        let of_sender = self.in_flight.get(&from)?;
        let (_, place) = *of_sender.iter().find(|(end_us, _)| *end_us == at_us)?;
        self.recording.happenings.get_mut(place)
    }

    pub(super) fn heard(&mut self, at_us: u64, from: NodeIndex, node: NodeIndex, rssi_dbm: i16) {
        let heard = self.links_heard.entry((from, node)).or_default();
        heard.0 += 1;
        heard.1 += i64::from(rssi_dbm);
        if self.happenings_max > 0
            && let Some(Happening::Frame { to, .. }) = self.ended(at_us, from)
        {
            to.push(node);
        }
    }

    pub(super) fn missed(&mut self, at_us: u64, from: NodeIndex, node: NodeIndex, why: MissedWhy) {
        if let Some(Happening::Frame { missed, .. }) = self.ended(at_us, from) {
            missed.push(Missed { node, why });
        }
    }

    /// Notes how far all has come.
    pub fn sample(&mut self, at_us: u64) {
        let (due, there) = self.progress();
        let up = self.up_since.iter().flatten().count() as u64;
        self.recording.samples.push(Sample {
            at_us,
            due,
            there,
            up,
        });
    }

    /// The notes, at the end of the run.
    pub fn finish(mut self, now_us: u64) -> Recording {
        for (node, since) in self.up_since.iter().enumerate() {
            if let Some(since) = since {
                self.recording.nodes[node].up.push((*since, now_us));
            }
        }
        let mut lacking = vec![0; self.recording.nodes.len()];
        let mut latest: BTreeMap<(usize, &str), u64> = BTreeMap::new();
        for write in &self.recording.writes {
            let latest = latest.entry((self.spaces[write.node], &write.path)).or_default();
            *latest = (*latest).max(write.at_us);
        }
        let mut replaced = Vec::new();
        for (number, write) in self.recording.writes.iter().enumerate() {
            let space = self.spaces[write.node];
            let holders = self.holders.get(&space).copied().unwrap_or(1);
            if write.acknowledged_us.is_none() || write.arrivals.len() as u64 + 1 >= holders {
                continue;
            }
            if latest
                .get(&(space, write.path.as_str()))
                .is_some_and(|latest| *latest > write.at_us)
            {
                replaced.push(number);
            }
            for node in (0..lacking.len()).filter(|node| self.spaces[*node] == space && *node != write.node) {
                if !write.arrivals.iter().any(|(there, _)| *there == node) {
                    lacking[node] += 1;
                }
            }
        }
        for number in replaced {
            self.recording.writes[number].replaced = true;
        }
        for (node, lacking) in lacking.into_iter().enumerate() {
            self.recording.nodes[node].lacking = lacking;
        }
        self.recording.converged_at_us = (self.there >= self.due).then_some(self.last_arrival_us);
        self.recording.heard = (self.links_heard.iter())
            .map(|(&(from, to), &(frames, sum))| HeardRecord {
                from,
                to,
                frames,
                rssi_mean_dbm: sum as f64 / frames as f64,
            })
            .collect();
        self.recording.messages = (self.messages.iter())
            .map(|(kind, traffic)| ((*kind).to_owned(), *traffic))
            .collect();
        self.recording.duration_us = now_us;
        self.recording
    }
}
