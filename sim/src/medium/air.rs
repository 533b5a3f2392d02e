//! The medium itself: what is on air, and when it comes to its end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use cairn_transports::lora::{AirtimeError, Instant, Modulation, airtime_us};

use super::config::{MediumConfig, PATH_LOSS_DB_DEFAULT};
use super::draw::{Concern, SIGMAS_MAX, draw, normal};
use super::grid::Place;
use super::loss::Loss;
use super::reach::{Reach, Way};
use super::receiver::{Audible, Fate, Receiver, Tuned};
use super::sensitivity::{snr_db, thermal_dbm};
use super::statistics::Statistics;
use super::tuning::Tuning;

/// A radio in a medium, by its place in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station(pub usize);

impl Station {
    fn number(self) -> u32 {
        self.0 as u32
    }
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Who hears it.
    pub to: Station,
    /// Who sent it.
    pub from: Station,
    /// What was sent; all that hear it share it.
    pub frame: Arc<[u8]>,
    /// How strong.
    pub rssi_dbm: f32,
    /// How far above the noise.
    pub snr_db: f32,
}

/// Why a frame that was strong enough did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissCause {
    /// The receiver was sending itself.
    Sending,
    /// Another frame, or a signal from elsewhere, drowned it.
    Drowned,
    /// By chance.
    Chance,
}

/// A frame that did not arrive where it was strong enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    /// Who did not hear it.
    pub to: Station,
    /// Who sent it.
    pub from: Station,
    /// Why.
    pub cause: MissCause,
}

/// What a radio senses of its channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carrier {
    /// Somebody is heard sending.
    pub is_busy: bool,
    /// The strongest signal on the channel, at least the noise.
    pub rssi_dbm: f32,
}

#[derive(Debug)]
struct Transmission {
    from: u32,
    tuning: Tuning,
    frame: Arc<[u8]>,
    start: Instant,
    /// Who was in reach when it was sent.
    ways: Arc<[Way]>,
}

/// One shared medium.
///
/// [`send`](Self::send) puts a frame on air; at [`poll_timeout`](Self::poll_timeout) or later, [`poll_delivery`](Self::poll_delivery) says who
/// heard it. `now` never goes backwards. The same seed and the same calls give the same deliveries. A station that the medium did not make
/// is the caller's mistake, and panics.
///
/// Sending and the end of a frame cost a step for each station in the sender's reach; everything else is cheaper.
#[derive(Debug)]
pub struct Medium {
    config: MediumConfig,
    seed: u64,
    loss: Loss,
    /// The best antenna of all, in dB.
    gain_max_db: f32,
    stations: Vec<Receiver>,
    reach: Reach,
    on_air: BTreeMap<u64, Transmission>,
    /// The ends of what is on air; of those that were cut off too, but never first.
    ends: BinaryHeap<Reverse<(Instant, u64)>>,
    sent: u64,
    deliveries: VecDeque<Delivery>,
    misses: VecDeque<Miss>,
    /// The last time that was told.
    now: Instant,
}

impl Medium {
    /// An empty medium with these rules. `seed` decides all that is random.
    pub fn new(config: MediumConfig, seed: u64) -> Self {
        Self {
            seed,
            loss: Loss::Uniform(0.0),
            gain_max_db: 0.0,
            stations: Vec::new(),
            reach: Reach::new(&config, seed),
            on_air: BTreeMap::new(),
            ends: BinaryHeap::new(),
            sent: 0,
            deliveries: VecDeque::new(),
            misses: VecDeque::new(),
            now: Instant(0),
            config,
        }
    }

    /// Another station, with its radio off and without a place. It hears nothing of what is on air already.
    pub fn add_station(&mut self) -> Station {
        let station = Station(self.stations.len());
        self.stations.push(Receiver::default());
        self.reach.add();
        station
    }

    /// How many stations there are.
    pub fn station_count(&self) -> usize {
        self.stations.len()
    }

    /// Puts a station somewhere, in metres: from the next frame on, distance decides how strong it is heard by the others that have a
    /// place.
    pub fn place(&mut self, now: Instant, station: Station, x_m: f32, y_m: f32) {
        self.pass(now);
        let place = Place {
            x_m: f64::from(x_m),
            y_m: f64::from(y_m),
        };
        self.reach.place(station.number(), place);
    }

    /// Where a station was put.
    pub fn place_of(&self, station: Station) -> Option<(f32, f32)> {
        let place = self.reach.place_of(station.number())?;
        Some((place.x_m as f32, place.y_m as f32))
    }

    /// Gives a station an antenna that is so much better than one without gain, in dB. It counts for sending and for receiving.
    pub fn set_antenna_gain(&mut self, station: Station, gain_db: f32) {
        self.stations[station.0].gain_db = gain_db;
        self.gain_max_db = self.gain_max_db.max(gain_db);
    }

    /// A measured budget, whatever the places say: how much weaker `to` hears what `from` sends, in dB; `None`: not at all.
    pub fn set_path_loss(&mut self, from: Station, to: Station, loss_db: Option<f32>) {
        self.reach.set_budget(from.number(), to.number(), Some(loss_db));
    }

    /// Takes a budget away: the places decide again.
    pub fn forget_path_loss(&mut self, from: Station, to: Station) {
        self.reach.set_budget(from.number(), to.number(), None);
    }

    /// How much weaker `to` hears what `from` sends, in dB, antennas not counted; `None`: not at all.
    pub fn path_loss_db(&self, from: Station, to: Station) -> Option<f32> {
        self.reach.loss_db(from.number(), to.number())
    }

    /// Whether two stations hear each other, well or not at all.
    pub fn set_reach(&mut self, one: Station, other: Station, is_heard: bool) {
        let loss_db = is_heard.then_some(PATH_LOSS_DB_DEFAULT);
        self.set_path_loss(one, other, loss_db);
        self.set_path_loss(other, one, loss_db);
    }

    /// How frames get lost on the way to each receiver for no reason: a share of 0 to 1, or in bursts.
    pub fn set_loss(&mut self, loss: impl Into<Loss>) {
        self.loss = loss.into();
    }

    /// The weakest frame that is understood, in dBm.
    pub fn sensitivity_dbm(&self, modulation: &Modulation) -> f32 {
        (self.config.sensitivity).dbm(modulation, self.config.noise_figure_db)
    }

    /// Tunes a station's receiver; `None` turns it off. A frame that is on air now is not understood any more.
    pub fn listen(&mut self, now: Instant, station: Station, tuning: Option<Tuning>) {
        self.pass(now);
        let tuned = tuning.map(|tuning| Tuned {
            tuning,
            noise_dbm: self.noise_dbm(tuning.modulation.bandwidth_hz),
            sensitivity_dbm: self.sensitivity_dbm(&tuning.modulation),
        });
        let receiver = &mut self.stations[station.0];
        if receiver.tuned.map(|tuned| tuned.tuning) != tuning {
            receiver.tuned = tuned;
            receiver.since = now;
        }
    }

    /// Puts a frame on air, right after the station's last one if that is not over. Returns when it ends.
    pub fn send(
        &mut self,
        now: Instant,
        station: Station,
        frame: impl Into<Arc<[u8]>>,
        tuning: &Tuning,
        power_dbm: i8,
    ) -> Result<Instant, AirtimeError> {
        self.pass(now);
        let frame = frame.into();
        let airtime_us = airtime_us(&tuning.modulation, frame.len())?;
        let start = self.sending_until(station).unwrap_or(now).max(now);
        let end = start.after_us(airtime_us);
        let number = self.sent;
        self.sent += 1;
        let sender = &mut self.stations[station.0];
        (sender.statistics).record_sent(start, airtime_us, &frame, self.config.airings_max);
        sender.sending.push_back((number, end));
        let power_dbm = f32::from(power_dbm) + sender.gain_db;
        let floor_dbm = self.floor_dbm(&tuning.modulation);
        let fading_max_db = (SIGMAS_MAX * self.config.fading_db.max(0.0)) as f32;
        let loss_max_db = power_dbm + self.gain_max_db + fading_max_db - floor_dbm;
        let ways = self.reach.ways(station.number(), loss_max_db);
        let own = Audible {
            frame: number,
            start,
            end,
            rssi_dbm: power_dbm,
            signal: tuning.signal(),
            preamble_symbols: tuning.modulation.preamble_symbols,
            is_own: true,
            is_over: false,
        };
        let of_sender = self.stations[station.0].statistics.frames_sent;
        let key = draw(self.seed, Concern::Frame, station.0 as u64, of_sender);
        self.stations[station.0].expect(now, own);
        for way in ways.iter().filter(|way| way.to != station.number()) {
            let receiver = &mut self.stations[way.to as usize];
            let mut rssi_dbm = power_dbm + receiver.gain_db - way.loss_db;
            if fading_max_db > 0.0 {
                let fade = normal(draw(key, Concern::Fading, 0, u64::from(way.to)));
                rssi_dbm += (fade * self.config.fading_db) as f32;
            }
            if rssi_dbm >= floor_dbm {
                let heard = Audible {
                    rssi_dbm,
                    is_own: false,
                    ..own
                };
                receiver.expect(now, heard);
            }
        }
        self.ends.push(Reverse((end, number)));
        self.on_air.insert(
            number,
            Transmission {
                from: station.number(),
                tuning: *tuning,
                frame,
                start,
                ways,
            },
        );
        Ok(end)
    }

    /// When the station's last frame ends, while it is on air.
    pub fn sending_until(&self, station: Station) -> Option<Instant> {
        self.stations[station.0].sending.back().map(|(_, end)| *end)
    }

    /// The station has no power any more: what it was sending breaks off, and it hears nothing.
    pub fn cut(&mut self, now: Instant, station: Station) {
        for (number, end) in std::mem::take(&mut self.stations[station.0].sending) {
            let Some(cut) = self.on_air.remove(&number) else {
                continue;
            };
            let broken_off = now.max(cut.start).min(end);
            let missing_us = end.us_since(broken_off);
            self.stations[station.0].statistics.record_cut(missing_us);
            let others = cut.ways.iter().map(|way| way.to);
            for place in others.chain([cut.from]) {
                let receiver = &mut self.stations[place as usize];
                receiver.pass(now);
                receiver.break_off(number, broken_off);
            }
        }
        self.forget_ends();
        self.listen(now, station, None);
    }

    /// What a station senses of the channel that it is tuned to. Its own frames do not count.
    pub fn carrier(&mut self, now: Instant, station: Station) -> Carrier {
        self.stations[station.0].pass(now);
        let receiver = &self.stations[station.0];
        let noise_dbm = match &receiver.tuned {
            Some(tuned) => tuned.noise_dbm,
            None => self.noise_dbm(125_000),
        };
        let sensed = receiver.sense(now, &self.config, self.seed, station.number());
        Carrier {
            is_busy: sensed.busy_until.is_some(),
            rssi_dbm: sensed.strongest_dbm.map_or(noise_dbm, |dbm| dbm.max(noise_dbm)),
        }
    }

    /// Whether a station should hold a frame back: it hears somebody, or is sending itself.
    pub fn is_busy(&mut self, now: Instant, station: Station) -> bool {
        self.busy_until(now, station).is_some()
    }

    /// When all that a station hears now, and what it sends itself, will be over. `None`: the channel is free. By then another may have
    /// begun: look again.
    pub fn busy_until(&mut self, now: Instant, station: Station) -> Option<Instant> {
        self.stations[station.0].pass(now);
        let receiver = &self.stations[station.0];
        let sensed = receiver.sense(now, &self.config, self.seed, station.number());
        let own = self.sending_until(station).filter(|end| *end > now);
        sensed.busy_until.max(own)
    }

    /// The next frame that arrived until now: in the order in which they ended, and then of the stations.
    pub fn poll_delivery(&mut self, now: Instant) -> Option<Delivery> {
        self.pass(now);
        while self.deliveries.is_empty() {
            let Reverse((_, number)) = *self.ends.peek().filter(|next| next.0.0 <= now)?;
            if let Some(ended) = self.on_air.remove(&number) {
                self.end(number, &ended);
            }
            self.forget_ends();
        }
        self.deliveries.pop_front()
    }

    /// The next frame that did not arrive where it was strong enough, if the rules say that these are told: call it after each delivery.
    pub fn poll_miss(&mut self) -> Option<Miss> {
        self.misses.pop_front()
    }

    /// When a frame will arrive.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.deliveries.is_empty() {
            self.ends.peek().map(|next| next.0.0)
        } else {
            Some(Instant(0))
        }
    }

    /// What a station did until now.
    pub fn statistics(&self, station: Station) -> &Statistics {
        &self.stations[station.0].statistics
    }

    fn pass(&mut self, now: Instant) {
        debug_assert!(
            now >= self.now,
            "time goes backwards: {now:?} after {:?}",
            self.now
        );
        self.now = now;
    }

    fn noise_dbm(&self, bandwidth_hz: u32) -> f32 {
        thermal_dbm(bandwidth_hz) + self.config.noise_figure_db
    }

    /// What is weaker than this is understood by nobody, disturbs nobody and is noticed by nobody.
    fn floor_dbm(&self, modulation: &Modulation) -> f32 {
        let rule = &self.config.carrier;
        let threshold_db = self.config.collisions.threshold_db().unwrap_or(0.0);
        let disturbs_dbm = self.sensitivity_dbm(modulation) - threshold_db.max(rule.margin_db).max(0.0);
        disturbs_dbm.min(self.noise_dbm(modulation.bandwidth_hz) + rule.above_noise_db)
    }

    fn end(&mut self, number: u64, ended: &Transmission) {
        let sender = &mut self.stations[ended.from as usize];
        sender.sending.retain(|(own, _)| *own != number);
        sender.pass(self.now);
        sender.end(number);
        sender.forget_old();
        for way in ended.ways.iter() {
            let receiver = &mut self.stations[way.to as usize];
            receiver.pass(self.now);
            let Some(heard) = receiver.end(number).filter(|heard| !heard.is_own) else {
                continue;
            };
            if receiver.understands(&ended.tuning, &heard) {
                let fate = receiver.judge(&heard, &self.config, self.seed, way.to);
                let statistics = &mut receiver.statistics;
                let cause = match fate {
                    Fate::Missed => {
                        statistics.frames_missed += 1;
                        MissCause::Sending
                    }
                    Fate::Collided => {
                        statistics.frames_collided += 1;
                        MissCause::Drowned
                    }
                    Fate::Jammed => {
                        statistics.frames_jammed += 1;
                        MissCause::Drowned
                    }
                    Fate::Clear if receiver.luck.loses(self.now.0, self.loss, self.seed, way.to) => {
                        statistics.frames_lost += 1;
                        MissCause::Chance
                    }
                    Fate::Clear => {
                        statistics.record_received(ended.frame.len());
                        let noise_dbm = receiver.tuned.map_or(0.0, |tuned| tuned.noise_dbm);
                        self.deliveries.push_back(Delivery {
                            to: Station(way.to as usize),
                            from: Station(ended.from as usize),
                            frame: ended.frame.clone(),
                            rssi_dbm: heard.rssi_dbm,
                            snr_db: snr_db(heard.rssi_dbm, noise_dbm),
                        });
                        receiver.forget_old();
                        continue;
                    }
                };
                if self.config.tells_misses {
                    self.misses.push_back(Miss {
                        to: Station(way.to as usize),
                        from: Station(ended.from as usize),
                        cause,
                    });
                }
            }
            receiver.forget_old();
        }
    }

    /// Keeps what was cut off from being the next end.
    fn forget_ends(&mut self) {
        while let Some(Reverse((_, number))) = self.ends.peek() {
            if self.on_air.contains_key(number) {
                break;
            }
            self.ends.pop();
        }
    }
}
