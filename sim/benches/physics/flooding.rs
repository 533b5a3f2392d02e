//! Meshtasticator's discrete-event simulation: flooding with carrier sense, as its nodes do it.
//!
//! Written from what its model does, and only as much of the protocol as its figures need. Each node makes a message every 100 s, everybody
//! who hears one says it once more, up to three hops; whoever hears his own message said again knows that it is on its way, and else says it
//! again, up to three times. Before a frame goes, a node waits a random number of slots, and again while the channel is taken.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cairn_sim::medium::{CarrierSense, External, Medium, MediumConfig, PathLoss, Station, Tuning};
use cairn_transports::lora::{Instant, Modulation, airtime_us};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::star::{exponential, modulation, share};

/// It spends 1,312.8 ms on a frame of 56 bytes: it counts the coding rate 4/8 as if there were a 4/12. This one of 4/8 takes 1,280 ms.
const FRAME_LEN: usize = 84;
const SIDE_M: f64 = 7_500.0;
const PERIOD_US: f64 = 1e8;
const END_US: u64 = 200_000_000;
const POWER_DBM: i8 = 30;
const HOPS: u8 = 3;
const TRIES: u8 = 3;
/// 8.5 symbols and 7.6 ms.
const SLOT_US: u64 = 77_232;
const PROCESSING_US: u64 = 4_500_000;
/// What it takes for the noise when a strength decides how long to wait.
const NOISE_DBM: f32 = -119.25;

/// What a run gave, as shares.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// Of nodes that got a message.
    pub(crate) reach: f64,
    /// Of frames strong enough that were destroyed by others.
    pub(crate) collided: f64,
    /// The same, of all frames that were made: those too that still waited for the channel at the end.
    pub(crate) collided_of_made: f64,
    /// Of the time that a node sends.
    pub(crate) airtime: f64,
}

#[derive(Clone, Copy)]
struct Packet {
    message: u32,
    origin: u16,
    hops: u8,
}

enum Event {
    Make(usize),
    Try(usize),
    Sent(usize),
    Retry(usize),
}

#[derive(Default)]
struct Node {
    queue: VecDeque<Packet>,
    /// The fewest hops left with which each message was heard, and how strong it was the last time.
    heard: BTreeMap<u32, (u8, f32)>,
    /// Messages that it queued or said.
    said: BTreeSet<u32>,
    /// Its own message: how often it may still be said again, and whether somebody was heard saying it.
    own: (u32, u8, bool),
}

struct Flood {
    medium: Medium,
    tuning: Tuning,
    airtime_us: u64,
    nodes: Vec<Node>,
    events: BTreeMap<(u64, u64), Event>,
    planned: u64,
    messages: u32,
    useful: u64,
    rng: ChaCha8Rng,
}

/// One run of 200 simulated seconds.
pub(crate) fn run(count: usize, seed: u64) -> Outcome {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let modulation = Modulation {
        preamble_symbols: 16,
        ..modulation(11, 250_000, 8)
    };
    let config = MediumConfig {
        path_loss: PathLoss::Macro3gpp {
            frequency_mhz: 908.75,
            height_m: 1.0,
            is_metropolitan: false,
        },
        carrier: CarrierSense {
            // It knows at once of what it will understand.
            symbols: 0,
            margin_db: 3.0,
            above_noise_db: f32::INFINITY,
        },
        external: Some(External {
            // Set to 5 %, but it rolls one die of ten. It takes the channel and destroys nothing.
            share: 0.1,
            span_us: SLOT_US,
            rssi_dbm: -200.0,
        }),
        ..MediumConfig::default()
    };
    let mut medium = Medium::new(config, seed);
    let tuning = Tuning {
        frequency_hz: 908_750_000,
        network: 0x2b,
        modulation,
    };
    for (x_m, y_m) in places(count, &config.path_loss, &mut rng) {
        let station = medium.add_station();
        medium.listen(Instant(0), station, Some(tuning));
        medium.place(Instant(0), station, x_m as f32, y_m as f32);
    }
    let mut flood = Flood {
        medium,
        tuning,
        airtime_us: airtime_us(&modulation, FRAME_LEN).expect("the frame is short"),
        nodes: (0..count).map(|_| Node::default()).collect(),
        events: BTreeMap::new(),
        planned: 0,
        messages: 0,
        useful: 0,
        rng,
    };
    (0..count).for_each(|node| flood.plan_message(0, node));
    flood.run_to_end();
    flood.outcome()
}

/// Anywhere in the square, but where at least one that is there already can be heard.
fn places(count: usize, path_loss: &PathLoss, rng: &mut ChaCha8Rng) -> Vec<(f64, f64)> {
    let mut places: Vec<(f64, f64)> = Vec::new();
    while places.len() < count {
        let new = (SIDE_M * share(rng), SIDE_M * share(rng));
        let distances = places.iter().map(|old| {
            let (x_m, y_m) = (old.0 - new.0, old.1 - new.1);
            (x_m * x_m + y_m * y_m).sqrt()
        });
        let nearest_m = distances.fold(f64::INFINITY, f64::min);
        let is_heard = f64::from(POWER_DBM) - path_loss.loss_db(nearest_m) >= -131.5;
        if places.is_empty() || nearest_m >= 10.0 && is_heard {
            places.push(new);
        }
    }
    places
}

impl Flood {
    fn run_to_end(&mut self) {
        loop {
            let event = self.events.keys().next().map_or(u64::MAX, |(at, _)| *at);
            let arrival = self.medium.poll_timeout().map_or(u64::MAX, |at| at.0);
            if event.min(arrival) > END_US {
                return;
            }
            if arrival <= event {
                while let Some(delivery) = self.medium.poll_delivery(Instant(arrival)) {
                    self.hear(arrival, delivery.to.0, &delivery.frame, delivery.rssi_dbm);
                }
            } else if let Some(((at, _), event)) = self.events.pop_first() {
                self.handle(at, &event);
            }
        }
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.events.insert((at, self.planned), event);
        self.planned += 1;
    }

    fn plan_message(&mut self, now: u64, node: usize) {
        let at = now + exponential(&mut self.rng, PERIOD_US) as u64;
        // A message near the end could not get around in time.
        if at + u64::from(HOPS) * self.airtime_us < END_US {
            self.plan(at, Event::Make(node));
        }
    }

    fn handle(&mut self, now: u64, event: &Event) {
        match *event {
            Event::Make(node) => {
                self.messages += 1;
                self.nodes[node].own = (self.messages, TRIES, false);
                self.say_own(now, node);
            }
            Event::Retry(node) => match self.nodes[node].own {
                (_, _, true) | (_, 0, _) => self.plan_message(now, node),
                (message, tries, _) => {
                    self.nodes[node].own = (message, tries - 1, false);
                    self.say_own(now, node);
                }
            },
            Event::Try(node) => self.try_to_send(now, node),
            Event::Sent(node) => self.next(now, node),
        }
    }

    fn say_own(&mut self, now: u64, node: usize) {
        let message = self.nodes[node].own.0;
        let packet = Packet {
            message,
            origin: node as u16,
            hops: HOPS,
        };
        self.queue(now, node, packet);
        let slots = (1 << self.window(now, node)) + (1 << 5);
        let pause_us = 2 * self.airtime_us + slots * SLOT_US + PROCESSING_US;
        self.plan(now + pause_us, Event::Retry(node));
    }

    fn queue(&mut self, now: u64, node: usize, packet: Packet) {
        self.nodes[node].said.insert(packet.message);
        self.nodes[node].queue.push_back(packet);
        if self.nodes[node].queue.len() == 1 {
            self.wait(now, node);
        }
    }

    /// The first of the queue is done with.
    fn next(&mut self, now: u64, node: usize) {
        self.nodes[node].queue.pop_front();
        if !self.nodes[node].queue.is_empty() {
            self.wait(now, node);
        }
    }

    fn wait(&mut self, now: u64, node: usize) {
        let Some(packet) = self.nodes[node].queue.front() else {
            return;
        };
        let heard = self.nodes[node].heard.get(&packet.message);
        let window = match heard {
            // Who is far from the sender goes first.
            Some((_, rssi_dbm)) => ((rssi_dbm - NOISE_DBM).clamp(-20.0, 15.0) + 20.0) * 6.0 / 35.0 + 2.0,
            None => self.window(now, node) as f32,
        };
        let slots = self.rng.next_u64() % (1 << window as u32);
        self.plan(now + slots * SLOT_US, Event::Try(node));
    }

    /// The power of two of slots to choose from, by how much is on the channel.
    fn window(&self, now: u64, node: usize) -> u32 {
        let statistics = self.medium.statistics(Station(node));
        let heard = statistics.frames_received + statistics.frames_collided;
        let busy_us = statistics.airtime_us + heard * self.airtime_us;
        (busy_us as f64 / now.max(1) as f64 * 6.0) as u32 + 2
    }

    fn try_to_send(&mut self, now: u64, node: usize) {
        if self.medium.is_busy(Instant(now), Station(node)) {
            return self.wait(now, node);
        }
        let Some(packet) = self.nodes[node].queue.front().copied() else {
            return;
        };
        let heard = self.nodes[node].heard.get(&packet.message);
        if heard.is_some_and(|(hops, _)| *hops <= packet.hops) {
            // Another has said it meanwhile.
            self.nodes[node].said.remove(&packet.message);
            return self.next(now, node);
        }
        let mut frame = vec![0; FRAME_LEN];
        frame[..4].copy_from_slice(&packet.message.to_be_bytes());
        frame[4..6].copy_from_slice(&packet.origin.to_be_bytes());
        frame[6] = packet.hops;
        let sent = (self.medium).send(Instant(now), Station(node), frame, &self.tuning, POWER_DBM);
        self.plan(sent.expect("the frame is short").0, Event::Sent(node));
    }

    fn hear(&mut self, now: u64, node: usize, frame: &[u8], rssi_dbm: f32) {
        let number = |range: std::ops::Range<usize>| {
            frame[range]
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let packet = Packet {
            message: number(0..4),
            origin: number(4..6) as u16,
            hops: frame[6],
        };
        let hearer = &mut self.nodes[node];
        let is_own = packet.origin == node as u16;
        let fewest = hearer.heard.get(&packet.message).map(|(hops, _)| *hops);
        let hops = fewest.unwrap_or(packet.hops).min(packet.hops);
        hearer.heard.insert(packet.message, (hops, rssi_dbm));
        if is_own {
            hearer.own.2 |= hearer.own.0 == packet.message;
            return;
        }
        self.useful += u64::from(fewest.is_none());
        if !hearer.said.contains(&packet.message) && packet.hops > 0 {
            let hops = packet.hops - 1;
            self.queue(now, node, Packet { hops, ..packet });
        }
    }

    /// How many could understand a node.
    fn neighbours(&self, node: usize) -> u64 {
        let needed_dbm = self.medium.sensitivity_dbm(&self.tuning.modulation);
        let losses = (0..self.nodes.len())
            .filter(|other| *other != node)
            .filter_map(|other| self.medium.path_loss_db(Station(node), Station(other)));
        losses
            .filter(|loss_db| f32::from(POWER_DBM) - loss_db >= needed_dbm)
            .count() as u64
    }

    fn outcome(&self) -> Outcome {
        let count = self.nodes.len() as f64;
        let all = (0..self.nodes.len()).map(|node| self.medium.statistics(Station(node)));
        let waiting = (self.nodes.iter().enumerate())
            .map(|(node, one)| one.queue.len() as u64 * self.neighbours(node))
            .sum::<u64>();
        let (mut received, mut collided, mut airtime_us) = (0, 0, 0);
        for statistics in all {
            received += statistics.frames_received;
            collided += statistics.frames_collided;
            airtime_us += statistics.airtime_us;
        }
        Outcome {
            reach: self.useful as f64 / (f64::from(self.messages) * (count - 1.0)),
            collided: collided as f64 / (received + collided) as f64,
            collided_of_made: collided as f64 / (received + collided + waiting) as f64,
            airtime: airtime_us as f64 / count / END_US as f64,
        }
    }
}
