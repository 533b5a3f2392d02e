//! The air between virtual modems: who hears whom, how strong, and what gets lost.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use cairn_transports::lora::{AirtimeError, Instant, Modulation, airtime_us};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::propagation::{noise_floor_dbm, path_loss_db, sensitivity_dbm, snr_db};
use super::statistics::Statistics;

/// Between stations that were given no place: a strong signal, -76 dBm at 14 dBm.
pub const PATH_LOSS_DB_DEFAULT: f32 = 90.0;

/// A frame survives another when it is so much stronger, in dB (LoRaSim, Meshtasticator).
const CAPTURE_DB: f32 = 6.0;

/// A channel counts as taken when so much more than noise is on it, in dB.
const CARRIER_DB: f32 = 11.0;

/// So many symbols must have been on air before a modem notices them (channel activity detection listens to two at least).
const DETECTION_SYMBOLS: u64 = 2;

/// A modem in a medium, by its place in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Station(pub usize);

/// Where and how a radio sends or listens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tuning {
    /// Middle of the channel.
    pub frequency_hz: u32,
    /// Sync word, network id, encryption key: whatever else must be the same at both ends.
    pub network: u64,
    /// Bandwidth, spreading factor and the rest.
    pub modulation: Modulation,
}

impl Tuning {
    /// Whether a receiver that is tuned so understands what is sent so. The coding rate is said in the explicit header.
    pub fn understands(&self, sent: &Self) -> bool {
        let (ours, theirs) = (&self.modulation, &sent.modulation);
        // A receiver finds a preamble that is off by up to a quarter of the bandwidth.
        self.frequency_hz.abs_diff(sent.frequency_hz) <= ours.bandwidth_hz / 4
            && self.network == sent.network
            && self.is_like(sent)
            && ours.is_low_data_rate() == theirs.is_low_data_rate()
            && ours.explicit_header == theirs.explicit_header
            && (ours.explicit_header || ours.coding_rate == theirs.coding_rate)
    }

    /// Whether two signals disturb each other: chirps of another slope pass through.
    fn disturbs(&self, other: &Self) -> bool {
        self.overlaps(other) && self.is_like(other)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let widths = self.modulation.bandwidth_hz / 2 + other.modulation.bandwidth_hz / 2;
        self.frequency_hz.abs_diff(other.frequency_hz) < widths
    }

    fn is_like(&self, other: &Self) -> bool {
        self.modulation.spreading_factor == other.modulation.spreading_factor
            && self.modulation.bandwidth_hz == other.modulation.bandwidth_hz
    }
}

/// A frame that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Who hears it.
    pub to: Station,
    /// Who sent it.
    pub from: Station,
    /// What was sent.
    pub frame: Vec<u8>,
    /// How strong.
    pub rssi_dbm: f32,
    /// How far above the noise.
    pub snr_db: f32,
}

/// What a radio senses of its channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carrier {
    /// Somebody is heard sending.
    pub is_busy: bool,
    /// All power on the channel, at least the noise.
    pub rssi_dbm: f32,
}

#[derive(Debug)]
struct Transmission {
    from: Station,
    tuning: Tuning,
    power_dbm: f32,
    frame: Vec<u8>,
    start: Instant,
    end: Instant,
    /// Its end was seen, or it was cut off: it only disturbs others now.
    is_over: bool,
}

impl Transmission {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

#[derive(Debug, Default)]
struct Listener {
    tuning: Option<Tuning>,
    since: Instant,
    place: Option<(f32, f32)>,
    statistics: Statistics,
}

/// One shared medium.
///
/// [`send`](Self::send) puts a frame on air; at [`poll_timeout`](Self::poll_timeout) or later, [`poll_delivery`](Self::poll_delivery) says who
/// heard it. `now` never goes backwards. The same seed and the same calls give the same losses.
///
/// What it leaves out: frames of different spreading factors do not disturb each other, a collision is judged by the whole frame and not
/// by the symbols that were hit, and nothing fades.
#[derive(Debug)]
pub struct Medium {
    stations: Vec<Listener>,
    /// Loss between two stations, by sender and receiver. `None`: out of reach.
    path_loss_db: Vec<Vec<Option<f32>>>,
    on_air: Vec<Transmission>,
    deliveries: VecDeque<Delivery>,
    /// Share of frames that get lost, 0 to 1.
    loss: f64,
    rng: ChaCha8Rng,
}

impl Medium {
    /// An empty medium. `seed` decides which frames get lost.
    pub fn new(seed: u64) -> Self {
        Self {
            stations: Vec::new(),
            path_loss_db: Vec::new(),
            on_air: Vec::new(),
            deliveries: VecDeque::new(),
            loss: 0.0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Another station, with its radio off, near to all others.
    pub fn add_station(&mut self) -> Station {
        let station = Station(self.stations.len());
        self.stations.push(Listener::default());
        for losses in &mut self.path_loss_db {
            losses.push(Some(PATH_LOSS_DB_DEFAULT));
        }
        self.path_loss_db
            .push(vec![Some(PATH_LOSS_DB_DEFAULT); self.stations.len()]);
        station
    }

    /// How many stations there are.
    pub fn station_count(&self) -> usize {
        self.stations.len()
    }

    /// Puts a station somewhere, in metres: from now on distance decides how strong it is heard by the others that have a place.
    pub fn place(&mut self, station: Station, x_m: f32, y_m: f32) {
        self.stations[station.0].place = Some((x_m, y_m));
        for other in 0..self.stations.len() {
            if let Some((other_x_m, other_y_m)) = self.stations[other].place
                && other != station.0
            {
                let loss_db = path_loss_db((x_m - other_x_m).hypot(y_m - other_y_m));
                self.path_loss_db[station.0][other] = Some(loss_db);
                self.path_loss_db[other][station.0] = Some(loss_db);
            }
        }
    }

    /// How much weaker `to` hears what `from` sends, in dB; `None`: not at all.
    pub fn set_path_loss(&mut self, from: Station, to: Station, loss_db: Option<f32>) {
        self.path_loss_db[from.0][to.0] = loss_db;
    }

    /// Whether two stations hear each other, well or not at all.
    pub fn set_reach(&mut self, one: Station, other: Station, is_heard: bool) {
        let loss_db = is_heard.then_some(PATH_LOSS_DB_DEFAULT);
        self.set_path_loss(one, other, loss_db);
        self.set_path_loss(other, one, loss_db);
    }

    /// The share of frames that get lost on the way to each receiver, 0 to 1.
    pub fn set_loss(&mut self, share: f64) {
        self.loss = share.clamp(0.0, 1.0);
    }

    /// Tunes a station's receiver; `None` turns it off. A frame that is on air now is not understood any more.
    pub fn listen(&mut self, now: Instant, station: Station, tuning: Option<Tuning>) {
        let listener = &mut self.stations[station.0];
        if listener.tuning != tuning {
            listener.tuning = tuning;
            listener.since = now;
        }
    }

    /// Puts a frame on air, right after the station's last one if that is not over. Returns when it ends.
    pub fn send(
        &mut self,
        now: Instant,
        station: Station,
        frame: Vec<u8>,
        tuning: &Tuning,
        power_dbm: i8,
    ) -> Result<Instant, AirtimeError> {
        let airtime_us = airtime_us(&tuning.modulation, frame.len())?;
        let start = self.sending_until(station).unwrap_or(now).max(now);
        let end = start.after_us(airtime_us);
        self.stations[station.0]
            .statistics
            .record_sent(start, airtime_us, frame.len());
        self.on_air.push(Transmission {
            from: station,
            tuning: *tuning,
            power_dbm: f32::from(power_dbm),
            frame,
            start,
            end,
            is_over: false,
        });
        Ok(end)
    }

    /// When the station's last frame ends, while it is on air.
    pub fn sending_until(&self, station: Station) -> Option<Instant> {
        self.on_air
            .iter()
            .filter(|sent| sent.from == station && !sent.is_over)
            .map(|sent| sent.end)
            .max()
    }

    /// The station has no power any more: what it was sending breaks off, and it hears nothing.
    pub fn cut(&mut self, now: Instant, station: Station) {
        for sent in &mut self.on_air {
            if sent.from == station && !sent.is_over {
                let missing_us = sent.end.us_since(now.max(sent.start));
                self.stations[station.0].statistics.record_cut(missing_us);
                sent.end = now.max(sent.start);
                sent.is_over = true;
            }
        }
        self.listen(now, station, None);
    }

    /// What a station senses of the channel that it is tuned to.
    pub fn carrier(&self, now: Instant, station: Station) -> Carrier {
        let Some(tuning) = self.stations[station.0].tuning else {
            return Carrier {
                is_busy: false,
                rssi_dbm: noise_floor_dbm(125_000),
            };
        };
        let noise_dbm = noise_floor_dbm(tuning.modulation.bandwidth_hz);
        let mut carrier = Carrier {
            is_busy: false,
            rssi_dbm: noise_dbm,
        };
        for sent in &self.on_air {
            let noticed_at = sent
                .start
                .after_us(DETECTION_SYMBOLS * sent.tuning.modulation.symbol_us());
            let Some(rssi_dbm) = self.rssi_dbm(sent, station) else {
                continue;
            };
            if sent.from == station || noticed_at > now || sent.end <= now || !tuning.overlaps(&sent.tuning) {
                continue;
            }
            carrier.rssi_dbm = carrier.rssi_dbm.max(rssi_dbm);
            carrier.is_busy |= rssi_dbm > noise_dbm + CARRIER_DB
                || tuning.is_like(&sent.tuning) && rssi_dbm >= sensitivity_dbm(&tuning.modulation);
        }
        carrier
    }

    /// The next frame that arrived until now.
    pub fn poll_delivery(&mut self, now: Instant) -> Option<Delivery> {
        while self.deliveries.is_empty() {
            let next = self.next_end().filter(|(end, _)| *end <= now);
            let (_, index) = next?;
            self.on_air[index].is_over = true;
            self.deliver(index);
            self.forget_old();
        }
        self.deliveries.pop_front()
    }

    /// When a frame will arrive.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.deliveries.is_empty() {
            self.next_end().map(|(end, _)| end)
        } else {
            Some(Instant(0))
        }
    }

    /// What a station did until now.
    pub fn statistics(&self, station: Station) -> &Statistics {
        &self.stations[station.0].statistics
    }

    fn next_end(&self) -> Option<(Instant, usize)> {
        let ends = self.on_air.iter().enumerate();
        ends.filter(|(_, sent)| !sent.is_over)
            .map(|(index, sent)| (sent.end, index))
            .min()
    }

    fn rssi_dbm(&self, sent: &Transmission, to: Station) -> Option<f32> {
        Some(sent.power_dbm - self.path_loss_db[sent.from.0][to.0]?)
    }

    fn deliver(&mut self, index: usize) {
        for to in (0..self.stations.len()).map(Station) {
            let sent = &self.on_air[index];
            let listener = &self.stations[to.0];
            let (Some(tuning), Some(rssi_dbm)) = (listener.tuning, self.rssi_dbm(sent, to)) else {
                continue;
            };
            if to == sent.from
                || listener.since > sent.start
                || !tuning.understands(&sent.tuning)
                || rssi_dbm < sensitivity_dbm(&tuning.modulation)
            {
                continue;
            }
            let was_sending = (self.on_air.iter()).any(|other| other.from == to && other.overlaps(sent));
            let is_drowned = self.on_air.iter().enumerate().any(|(place, other)| {
                place != index
                    && other.overlaps(sent)
                    && other.tuning.disturbs(&sent.tuning)
                    && (self.rssi_dbm(other, to)).is_some_and(|theirs_dbm| rssi_dbm < theirs_dbm + CAPTURE_DB)
            });
            let delivery = Delivery {
                to,
                from: sent.from,
                frame: sent.frame.clone(),
                rssi_dbm,
                snr_db: snr_db(rssi_dbm, tuning.modulation.bandwidth_hz),
            };
            let statistics = &mut self.stations[to.0].statistics;
            if was_sending {
                statistics.frames_missed += 1;
            } else if is_drowned {
                statistics.frames_collided += 1;
            } else if draw_share(&mut self.rng) < self.loss {
                statistics.frames_lost += 1;
            } else {
                statistics.record_received(delivery.frame.len());
                self.deliveries.push_back(delivery);
            }
        }
    }

    /// What ended before anything that is on air now began can disturb nothing.
    fn forget_old(&mut self) {
        let running = self.on_air.iter().filter(|sent| !sent.is_over);
        let oldest = running.map(|sent| sent.start).min();
        self.on_air
            .retain(|sent| !sent.is_over || oldest.is_some_and(|start| sent.end > start));
    }
}

/// A number from 0 up to, but not including, 1.
fn draw_share(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
