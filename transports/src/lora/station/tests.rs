//! Stations on one channel: airtime, loss, collisions, half duplex.

use std::collections::BTreeMap;

use super::super::frame::Introduction;
use super::super::incoming::REASSEMBLY_BYTES_MAX;
use super::super::senders::GENERATION_MAX;
use super::*;
use crate::lora::{AirtimeError, CodingRate, Modulation, Region, SpreadingFactor, airtime_us};

/// SF8 at 125 kHz, as an RNode sends it.
#[derive(Clone, Copy)]
struct Fast;

impl Timing for Fast {
    fn frame_len_max(&self) -> usize {
        254
    }

    fn airtime_us(&self, frame_len: usize) -> Result<u64, AirtimeError> {
        let modulation = Modulation::new(
            SpreadingFactor::new(8).unwrap(),
            125_000,
            CodingRate::new(5).unwrap(),
        );
        airtime_us(&modulation, frame_len + 1)
    }

    fn bytes_on_air(&self, frame_len: usize) -> usize {
        frame_len + 1
    }
}

struct OnAir {
    from: usize,
    start: u64,
    end: u64,
    frame: Vec<u8>,
}

/// One channel, and a clock.
struct Air {
    stations: Vec<Station>,
    now: u64,
    on_air: Vec<OnAir>,
    /// Frames that a modem holds back while it hears another.
    waiting: BTreeMap<usize, Vec<u8>>,
    loss_percent: u64,
    deaf: Vec<(usize, usize)>,
    rng: ChaCha8Rng,
    got: Vec<Vec<Vec<u8>>>,
    /// With which key what each station got was sealed.
    under: Vec<Vec<KeyName>>,
    ended: Vec<(usize, Slot, Ending)>,
    introduced: usize,
    /// On each station's disk.
    senders: Vec<SendersRecord>,
    /// Every frame that was on air.
    recorded: Vec<Vec<u8>>,
}

fn peer(at: usize) -> PeerKey {
    PeerKey([at as u8 + 1; 32])
}

fn key(number: u8) -> SpaceKey {
    SpaceKey::new(KeyName([number; 8]), &[number; 32])
}

fn open_band() -> &'static SubBand {
    Region::In865.sub_band(866_000_000, 125_000).unwrap()
}

fn station(at: usize, band: &'static SubBand, generation: u64) -> Station {
    station_after(at, band, generation, SendersRecord::default())
}

fn station_after(at: usize, band: &'static SubBand, generation: u64, senders: SendersRecord) -> Station {
    Station::new(StationConfig {
        node: peer(at),
        keys: vec![key(7)],
        timing: Box::new(Fast),
        band,
        budget: Budget::new(band),
        generation,
        senders,
        boot: [0; 16],
        boot_offset_us: 0,
        seed: [at as u8; 32],
    })
}

impl Air {
    fn new(count: usize, band: &'static SubBand, loss_percent: u64, seed: u64) -> Self {
        let mut air = Self {
            stations: (0..count).map(|at| station(at, band, 1)).collect(),
            now: 0,
            on_air: Vec::new(),
            waiting: BTreeMap::new(),
            loss_percent: 0,
            deaf: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            got: vec![Vec::new(); count],
            under: vec![Vec::new(); count],
            ended: Vec::new(),
            introduced: 0,
            senders: vec![SendersRecord::default(); count],
            recorded: Vec::new(),
        };
        for at in 0..count {
            air.stations[at].modem_up(Instant(0));
            air.outputs(at);
        }
        air.run(30_000_000);
        air.loss_percent = loss_percent;
        air
    }

    fn hears(&self, from: usize, to: usize) -> bool {
        from != to && !self.deaf.contains(&(from, to)) && !self.deaf.contains(&(to, from))
    }

    fn outputs(&mut self, at: usize) {
        while let Some(output) = self.stations[at].poll_output() {
            match output {
                StationOutput::Transmit(frame) => {
                    assert!(self.waiting.insert(at, frame).is_none(), "one frame at a time");
                }
                StationOutput::Record(_) => self.stations[at].recorded(Instant(self.now)),
                StationOutput::Senders(record) => {
                    self.senders[at] = SendersRecord::decode(&record.encode()).unwrap();
                    self.stations[at].senders_recorded();
                }
                StationOutput::Message { bytes, under, .. } => {
                    self.got[at].push(bytes);
                    self.under[at].push(under);
                }
                StationOutput::Ended { slot, ending } => self.ended.push((at, slot, ending)),
                StationOutput::Introduced { .. } => self.introduced += 1,
                StationOutput::Heard { .. } | StationOutput::Ready => {}
            }
        }
    }

    fn send(&mut self, at: usize, message: Broadcast) {
        let everybody = Interest {
            senders: (0..self.stations.len()).map(peer).collect(),
            ..Interest::default()
        };
        for station in &mut self.stations {
            station.set_interest(everybody.clone());
        }
        self.stations[at].broadcast(Instant(self.now), message);
        self.outputs(at);
    }

    /// Modems that hear nothing begin to send.
    fn begin(&mut self) {
        for (at, frame) in std::mem::take(&mut self.waiting) {
            let busy = self
                .on_air
                .iter()
                .any(|other| self.hears(other.from, at) || other.from == at);
            if busy {
                self.waiting.insert(at, frame);
            } else {
                let end = self.now + Fast.airtime_us(frame.len()).unwrap();
                self.on_air.push(OnAir {
                    from: at,
                    start: self.now,
                    end,
                    frame,
                });
            }
        }
    }

    /// Lets time pass.
    fn run(&mut self, for_us: u64) {
        let until = self.now + for_us;
        loop {
            self.begin();
            let due = self
                .stations
                .iter()
                .filter_map(Station::poll_timeout)
                .map(|due| due.0.max(self.now))
                .chain(self.on_air.iter().map(|frame| frame.end))
                .min();
            let Some(due) = due.filter(|due| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = due;
            let now = Instant(due);
            for at in 0..self.stations.len() {
                if self.stations[at].poll_timeout().is_some_and(|own| own <= now) {
                    self.stations[at].handle_timeout(now);
                    self.outputs(at);
                    // Or its host would do nothing else.
                    let again = self.stations[at].poll_timeout();
                    assert!(again.is_none_or(|again| again > now), "due again at once");
                }
            }
            if let Some(at) = self.on_air.iter().position(|frame| frame.end <= due) {
                let done = self.on_air.swap_remove(at);
                self.stations[done.from].sent(now, true);
                self.outputs(done.from);
                self.deliver(&done);
            }
        }
    }

    /// Starts a station anew, with what its disk holds.
    fn restart(&mut self, at: usize, generation: u64) {
        self.on_air.retain(|frame| frame.from != at);
        self.waiting.remove(&at);
        self.stations[at] = station_after(at, open_band(), generation, self.senders[at].clone());
        self.stations[at].modem_up(Instant(self.now));
        self.outputs(at);
    }

    /// Gives a station keys, the newest first.
    fn set_keys(&mut self, at: usize, keys: &[u8]) {
        let keys = keys.iter().map(|number| key(*number)).collect();
        self.stations[at].set_keys(Instant(self.now), keys);
        self.outputs(at);
    }

    fn play(&mut self, to: usize, frame: &[u8]) {
        let received = ReceivedFrame {
            bytes: frame.to_vec(),
            rssi_dbm: None,
            snr_db: None,
        };
        self.stations[to].received(Instant(self.now), &received);
        self.outputs(to);
    }

    fn deliver(&mut self, done: &OnAir) {
        self.recorded.push(done.frame.clone());
        for to in 0..self.stations.len() {
            let overlaps = self
                .on_air
                .iter()
                .any(|other| other.start < done.end && (other.from == to || self.hears(other.from, to)));
            let lost = self.rng.next_u64() % 100 < self.loss_percent;
            if !self.hears(done.from, to) || overlaps || lost {
                continue;
            }
            let received = ReceivedFrame {
                bytes: done.frame.clone(),
                rssi_dbm: Some(-90),
                snr_db: None,
            };
            self.stations[to].received(Instant(self.now), &received);
            self.outputs(to);
        }
    }

    fn bytes(&self) -> u64 {
        self.stations
            .iter()
            .map(|station| station.counts().bytes_sent)
            .sum()
    }
}

fn message(slot: Slot, lane: Lane, len: usize) -> Broadcast {
    let bytes: Vec<u8> = (0..len).map(|at| (at as u64 * 37 + slot) as u8).collect();
    Broadcast {
        slot,
        lane,
        under: None,
        name: [slot as u8; 4],
        bytes,
        audience: 1,
    }
}

#[test]
fn all_become_acquainted() {
    let air = Air::new(4, open_band(), 0, 1);
    assert!(air.introduced >= 12);
    for station in &air.stations {
        assert_eq!(station.neighbours(Instant(air.now)).len(), 3);
    }
}

#[test]
fn a_short_message_takes_one_frame() {
    let mut air = Air::new(3, open_band(), 0, 1);
    let before = air.bytes();
    air.send(0, message(1, Lane::Entries, 200));
    air.run(5_000_000);
    assert_eq!(air.bytes() - before, 200 + 12 + 1);
    assert_eq!((air.got[1].len(), air.got[2].len()), (1, 1));
    assert_eq!(air.ended, [(0, 1, Ending::Sent)]);
}

#[test]
fn long_messages_come_through_whatever_is_lost() {
    for seed in 0..10 {
        for (count, len, loss) in [(2, 10_240, 10), (6, 10_240, 10), (3, 60_000, 30), (2, 3_000, 20)] {
            let mut air = Air::new(count, open_band(), loss, seed);
            air.send(0, message(1, Lane::Bulk, len));
            air.run(3_600_000_000);
            for at in 1..count {
                let sent = message(1, Lane::Bulk, len).bytes;
                assert_eq!(
                    air.got[at],
                    [sent],
                    "seed {seed}, {count} stations, {len} bytes, station {at}"
                );
            }
        }
    }
}

#[test]
fn no_frame_is_longer_than_the_band_allows() {
    // 400 ms: less than the modem's longest frame takes.
    let band = Region::Us915.sub_band(914_900_000, 125_000).unwrap();
    let single = station(0, band, 1).single_len_max();
    assert!(Fast.airtime_us(254).unwrap() > 400_000);
    assert!(Fast.airtime_us(single + MESSAGE_OVERHEAD).unwrap() <= 400_000);
    let mut air = Air::new(2, band, 0, 1);
    air.send(0, message(1, Lane::Bulk, 2000));
    air.run(3_600_000_000);
    assert_eq!(air.got[1], [message(1, Lane::Bulk, 2000).bytes]);
}

#[test]
fn loss_costs_little_more_than_what_is_lost() {
    let mean = |loss| {
        let sum: u64 = (0..40)
            .map(|seed| {
                let mut air = Air::new(2, open_band(), loss, seed);
                let before = air.bytes();
                air.send(0, message(1, Lane::Bulk, 10_240));
                air.run(600_000_000);
                air.bytes() - before
            })
            .sum();
        sum as f64 / 40.0
    };
    let (clean, lossy) = (mean(0), mean(10));
    assert!(clean < 10_240.0 * 1.06, "{clean}");
    assert!(lossy / clean < 1.15, "{lossy} instead of {clean}");
}

#[test]
fn an_urgent_message_goes_between_two_fragments() {
    let mut air = Air::new(2, open_band(), 0, 3);
    air.send(0, message(1, Lane::Bulk, 60_000));
    air.run(2_000_000);
    air.send(0, message(2, Lane::Entries, 50));
    air.run(2_000_000);
    assert_eq!(air.got[1], [message(2, Lane::Entries, 50).bytes]);
    air.run(600_000_000);
    assert_eq!(air.got[1].len(), 2);
}

#[test]
fn what_is_on_its_way_is_not_begun_anew() {
    let mut air = Air::new(3, open_band(), 0, 3);
    let before = air.bytes();
    for _ in 0..4 {
        air.send(0, message(1, Lane::Bulk, 10_240));
        air.run(8_000_000);
    }
    air.run(60_000_000);
    assert_eq!((air.got[1].len(), air.got[2].len()), (1, 1));
    assert_eq!(air.ended, [(0, 1, Ending::Sent)]);
    let spent = air.bytes() - before;
    assert!(spent < 11_000, "{spent}");
}

#[test]
fn while_a_frame_is_out_the_end_of_listening_is_not_due() {
    let mut air = Air::new(2, open_band(), 0, 5);
    air.send(0, message(1, Lane::Bulk, 600));
    while air.stations[0].listening.is_none() || air.stations[0].in_flight.is_some() {
        air.run(10_000);
    }
    // An introduction goes out meanwhile, and the modem takes its time.
    let listening = air.stations[0].listening.as_ref().expect("it listens").until;
    air.stations[0].introduce = Some(Planned {
        at: Instant(air.now),
        under: key(7).name(),
        again: false,
    });
    let free = air.stations[0].hold_until.max(Instant(air.now));
    air.stations[0].handle_timeout(free);
    assert!(air.stations[0].in_flight.is_some());
    air.stations[0].handle_timeout(listening);
    let due = air.stations[0].poll_timeout();
    assert!(due.is_none_or(|due| due > listening), "{due:?}");
    air.stations[0].sent(listening, true);
    assert!(air.stations[0].poll_timeout().is_some(), "it goes on");
}

#[test]
fn a_modem_that_goes_away_loses_nothing() {
    let mut air = Air::new(2, open_band(), 0, 4);
    air.send(0, message(1, Lane::Entries, 50));
    air.send(0, message(2, Lane::Bulk, 20_000));
    // In the middle of the first frame, and again in the middle of the object.
    for pause in [50_000, 10_000_000] {
        air.run(pause);
        air.on_air.clear();
        air.waiting.clear();
        air.stations[0].modem_down(Instant(air.now));
        air.outputs(0);
        air.run(5_000_000);
        air.stations[0].modem_up(Instant(air.now));
        air.outputs(0);
    }
    air.run(600_000_000);
    assert_eq!(air.got[1].len(), 2);
}

#[test]
fn what_nobody_wants_is_not_asked_for() {
    let mut air = Air::new(2, open_band(), 40, 5);
    let before = air.stations[1].counts();
    air.send(0, message(1, Lane::Bulk, 5_000));
    air.stations[1].set_interest(Interest::default());
    air.run(600_000_000);
    assert!(air.got[1].is_empty());
    assert_eq!(air.stations[1].counts().frames_sent, before.frames_sent);
}

#[test]
fn a_station_that_starts_again_is_understood() {
    let mut air = Air::new(2, open_band(), 0, 6);
    air.stations[0] = station(0, open_band(), 2);
    air.stations[0].modem_up(Instant(air.now));
    air.outputs(0);
    air.run(30_000_000);
    air.send(0, message(1, Lane::Entries, 50));
    air.send(1, message(2, Lane::Entries, 50));
    air.run(30_000_000);
    assert_eq!((air.got[0].len(), air.got[1].len()), (1, 1));
}

#[test]
fn a_recording_from_before_a_start_is_never_delivered() {
    for seed in 0..20 {
        let mut air = Air::new(2, open_band(), 10, seed);
        for round in 0..8 {
            // Short ones, and objects of many fragments.
            let len = if round % 2 == 0 { 40 } else { 3_000 };
            air.send(0, message(10 + round, Lane::Entries, len + round as usize));
            air.run(60_000_000);
            if seed % 3 == 0 && round == 4 {
                air.restart(0, 2);
                air.run(60_000_000);
            }
        }
        let before = air.got[1].len();
        assert!(before >= 4, "seed {seed}");
        air.restart(1, 2);
        // The sender is out of reach: its own frames tell nothing of the start.
        air.deaf.push((0, 1));
        let recorded = air.recorded.clone();
        for pause in [0, 1_200_000_000] {
            air.run(pause);
            for frame in &recorded {
                air.play(1, frame);
                air.run(100_000);
            }
        }
        assert_eq!(air.got[1].len(), before, "seed {seed}");
        // And what is new comes, in one piece and in many.
        air.deaf.clear();
        air.loss_percent = 0;
        // Strangers are asked who they are once a minute.
        air.run(60_000_000);
        air.send(0, message(30, Lane::Entries, 45));
        air.run(120_000_000);
        air.send(0, message(31, Lane::Entries, 46));
        air.send(0, message(32, Lane::Bulk, 4_000));
        air.run(120_000_000);
        let got = &air.got[1][before..];
        for sent in [message(31, Lane::Entries, 46), message(32, Lane::Bulk, 4_000)] {
            assert!(
                got.contains(&sent.bytes),
                "seed {seed}: {} bytes",
                sent.bytes.len()
            );
        }
    }
}

#[test]
fn an_object_in_mid_air_survives_its_receivers_start() {
    for seed in 0..10 {
        let mut air = Air::new(3, open_band(), 0, seed);
        air.send(0, message(1, Lane::Bulk, 40_000));
        air.run(20_000_000 + seed * 3_000_000);
        air.restart(1, 2);
        let everybody = Interest {
            senders: (0..3).map(peer).collect(),
            ..Interest::default()
        };
        air.stations[1].set_interest(everybody);
        air.run(600_000_000);
        let sent = message(1, Lane::Bulk, 40_000).bytes;
        assert_eq!(air.got[1], std::slice::from_ref(&sent), "seed {seed}");
        assert_eq!(air.got[2], [sent], "seed {seed}");
    }
}

#[test]
fn a_station_without_a_clock_or_record_is_told_what_to_exceed() {
    let mut air = Air::new(3, open_band(), 0, 3);
    air.restart(0, 9 << 32);
    air.run(60_000_000);
    // The disk was put back, and the clock as well.
    air.senders[0] = SendersRecord::default();
    air.restart(0, 1 << 32);
    air.run(120_000_000);
    let own = air.senders[0].generation_of(key(7).tag(), peer(0));
    assert!(own.is_some_and(|own| own > 9 << 32), "{own:?}");
    let before = air.bytes();
    air.send(0, message(1, Lane::Entries, 50));
    air.run(30_000_000);
    assert_eq!((air.got[1].len(), air.got[2].len()), (1, 1));
    assert_eq!(air.bytes() - before, 50 + 12 + 1);
    // With its record it needs no telling.
    air.restart(0, 1 << 32);
    let before = air.recorded.len();
    air.run(120_000_000);
    let is_correction = |frame: &Vec<u8>| frame[0] >> 5 == 0 && frame[0] & 2 != 0;
    assert!(!air.recorded[before..].iter().any(is_correction));
    assert!(air.recorded[..before].iter().any(is_correction));
    air.send(0, message(2, Lane::Entries, 50));
    air.run(30_000_000);
    assert_eq!((air.got[1].len(), air.got[2].len()), (2, 2));
}

#[test]
fn a_lost_introduction_is_asked_for() {
    let mut air = Air::new(2, open_band(), 0, 7);
    air.stations[0] = station(0, open_band(), 2);
    air.stations[0].modem_up(Instant(air.now));
    air.outputs(0);
    air.loss_percent = 100;
    air.run(30_000_000);
    air.loss_percent = 0;
    air.run(60_000_000);
    // Heard, but not understood: the other asks who it is.
    air.send(0, message(1, Lane::Entries, 50));
    air.run(30_000_000);
    air.send(0, message(2, Lane::Entries, 60));
    air.run(30_000_000);
    assert_eq!(air.got[1], [message(2, Lane::Entries, 60).bytes]);
}

#[test]
fn a_day_of_bulk_keeps_to_the_duty_cycle_and_lets_urgent_ones_through() {
    let band = Region::Eu868.sub_band(868_100_000, 125_000).unwrap();
    let mut air = Air::new(2, band, 0, 8);
    let mut longest = 0;
    for hour in 0..24 {
        air.send(0, message(1, Lane::Bulk, 500_000 + hour));
        air.run(1_800_000_000);
        let (sent, got) = (air.now, air.got[1].len());
        air.send(0, message(2, Lane::Control, 20 + hour));
        while air.got[1].len() == got {
            air.run(1_000_000);
        }
        longest = longest.max(air.now - sent);
        let (used, allowed) = air.stations[0].airtime_used_us(Instant(air.now)).unwrap();
        assert!(used <= allowed);
        air.run(1_800_000_000 - (air.now - sent));
    }
    let airtime = air.stations[0].counts().airtime_us;
    assert!(
        airtime < 24 * 36_000_000 && airtime > 20 * 32_000_000,
        "{airtime}"
    );
    assert!(longest < 10_000_000, "an urgent message waited {longest} us");
}

/// Three stations; the first two have another key from now on.
fn after_a_change_of_keys() -> Air {
    let mut air = Air::new(3, open_band(), 0, 9);
    air.set_keys(0, &[8, 7]);
    air.set_keys(1, &[8, 7]);
    air.run(120_000_000);
    air
}

#[test]
fn what_is_said_with_the_next_key_is_for_those_who_have_it() {
    let mut air = after_a_change_of_keys();
    air.send(0, message(1, Lane::Entries, 40));
    air.send(0, message(2, Lane::Bulk, 10_000));
    air.run(600_000_000);
    assert_eq!(air.got[1].len(), 2);
    assert_eq!(air.under[1], [key(8).name(); 2]);
    assert_eq!(air.got[2], Vec::<Vec<u8>>::new());
    // Nobody waited for the one who hears nothing of it.
    assert!(air.ended.contains(&(0, 2, Ending::Sent)), "{:?}", air.ended);
}

#[test]
fn what_is_said_with_an_earlier_key_is_told_from_the_rest() {
    let mut air = after_a_change_of_keys();
    air.send(2, message(1, Lane::Entries, 40));
    air.run(60_000_000);
    assert_eq!(air.under[0], [key(7).name()]);
    // It is answered with the key that its sender has.
    let answer = Broadcast {
        under: Some(key(7).name()),
        ..message(2, Lane::Entries, 3_000)
    };
    air.send(0, answer.clone());
    air.run(300_000_000);
    assert_eq!(air.got[2], std::slice::from_ref(&answer.bytes));
    // With one that is not here nothing is sent.
    let unknown = Broadcast {
        under: Some(key(6).name()),
        ..answer
    };
    air.send(0, unknown);
    air.run(60_000_000);
    assert_eq!(air.ended.last(), Some(&(0, 2, Ending::Refused)));
}

#[test]
fn what_waits_when_the_key_changes_is_not_sent() {
    let mut air = Air::new(3, open_band(), 0, 9);
    air.send(0, message(1, Lane::Bulk, 20_000));
    air.run(3_000_000);
    air.set_keys(0, &[8, 7]);
    let from = air.recorded.len();
    air.run(300_000_000);
    for at in [1, 2] {
        assert_eq!(air.got[at], Vec::<Vec<u8>>::new());
    }
    let again = |frame: &&Vec<u8>| frame[0] >> 5 == 2 && frame[1] == key(8).hint(peer(0));
    assert_eq!(air.recorded[from..].iter().filter(again).count(), 0);
    // It is said again with the next one.
    air.set_keys(1, &[8, 7]);
    air.run(120_000_000);
    let before = air.bytes();
    air.send(0, message(2, Lane::Bulk, 20_000));
    air.send(0, message(1, Lane::Bulk, 20_000));
    air.run(600_000_000);
    assert_eq!(air.got[1].len(), 2);
    assert!(air.bytes() - before < 2 * 23_000, "{}", air.bytes() - before);
    let sealed_so = |frame: &&Vec<u8>| frame[..2] == [2 << 5 | key(7).epoch() << 3, key(7).hint(peer(0))];
    // The frame that was out when the key changed is the last.
    assert!(air.recorded[from..].iter().filter(sealed_so).count() <= 1);
}

#[test]
fn those_with_different_keys_find_one_another_with_a_third() {
    for (other, seed) in [(5, 1), (9, 2), (12, 3)] {
        // The keys look alike on the air, or not: those of `other` and 8 differ in their low bits or not.
        let mut air = Air::new(2, open_band(), 0, seed);
        air.set_keys(0, &[8, 7]);
        air.set_keys(1, &[other, 7]);
        air.run(60_000_000);
        let told = air.introduced;
        for slot in 0..60 {
            air.send(0, message(slot, Lane::Control, 20));
            air.run(10_000_000);
            air.send(1, message(slot, Lane::Control, 20));
            air.run(10_000_000);
        }
        assert_eq!(air.got, vec![Vec::<Vec<u8>>::new(); 2]);
        // Each told the other who it is, or was told.
        assert!(air.introduced >= told + 2, "{other}: {}", air.introduced - told);
    }
}

#[test]
fn recordings_with_an_earlier_key_count_once_after_a_change_and_a_start() {
    let mut air = Air::new(2, open_band(), 0, 5);
    air.send(1, message(1, Lane::Control, 20));
    air.run(10_000_000);
    let frames = air.recorded.clone();
    let got = air.got[0].len();
    air.set_keys(0, &[8, 7]);
    for frame in &frames {
        air.play(0, frame);
    }
    assert_eq!(air.got[0].len(), got);
    air.restart(0, 2);
    air.set_keys(0, &[8, 7]);
    for frame in &frames {
        air.play(0, frame);
    }
    assert_eq!(air.got[0].len(), got);
}

/// What somebody does who has an earlier key, and a changed program.
struct Thief {
    at: usize,
    generation: u64,
    counter: u32,
}

impl Thief {
    fn introduce(&self, again: bool, of_another: Option<u64>) -> Vec<u8> {
        let introduction = Introduction {
            node: peer(self.at).0,
            generation: of_another.unwrap_or(self.generation),
            counter: self.counter,
            again,
            of_another: of_another.is_some(),
        };
        let nonce = [self.counter as u8; 13];
        introduction.seal(&key(7).introduction_key(), key(7).epoch(), nonce)
    }

    fn say(&mut self, frame: &Frame) -> Vec<u8> {
        self.counter += 1;
        let own = key(7).sender_key(peer(self.at), self.generation);
        frame.seal(&own, key(7).epoch(), key(7).hint(peer(self.at)), self.counter)
    }
}

#[test]
fn whoever_was_shut_out_cannot_keep_a_station_busy() {
    let mut air = Air::new(2, open_band(), 0, 5);
    air.set_keys(0, &[8, 7]);
    air.set_keys(1, &[8, 7]);
    air.run(60_000_000);
    let mut thief = Thief {
        at: 3,
        generation: 3,
        counter: 0,
    };
    let hello = thief.introduce(true, None);
    air.play(0, &hello);
    let before = air.stations[0].counts().airtime_us;
    // It is told something, and asks for all of it again and again; and it asks what was heard of what it said, and who is there.
    let told = Broadcast {
        under: Some(key(7).name()),
        ..message(1, Lane::Entries, 3_000)
    };
    air.send(0, told);
    for second in 0..3_600_u32 {
        air.run(1_000_000);
        let own = &air.recorded[air.recorded.len().saturating_sub(40)..];
        let transfers: Vec<u16> = own
            .iter()
            .filter(|frame| frame[0] >> 5 == 2 && frame[1] == key(7).hint(peer(0)))
            .map(|frame| u16::from_be_bytes([frame[2], frame[3]]))
            .collect();
        for transfer in transfers.into_iter().take(1) {
            let status = Frame::Status(Status {
                sender: key(7).hint(peer(0)),
                transfer,
                block: 0,
                needed: 13,
                lacking: vec![0xff, 0xff],
            });
            let said = thief.say(&status);
            air.play(0, &said);
        }
        let head = Head {
            object: [second as u8; 4],
            len: 3_000,
            symbol_len: 241,
        };
        let poll = Frame::Poll {
            transfer: thief.counter as u16,
            block: 0,
            head,
            answer: true,
        };
        let said = thief.say(&poll);
        air.play(0, &said);
        thief.generation += 1;
        let hello = thief.introduce(true, None);
        air.play(0, &hello);
        if second % 600 == 300 {
            let slot = 10 + u64::from(second);
            air.send(0, message(slot, Lane::Bulk, 2_000));
        }
    }
    // What is for the others goes as before.
    assert_eq!(air.got[1].len(), 1 + 6);
    let spent = air.stations[0].counts().airtime_us - before;
    let own = 6 * 10 * 750_000;
    assert!(spent < own + 90_000_000, "{} s on air", spent / 1_000_000);
    // Nor does a generation that was raised under that key count under this one.
    thief.at = 0;
    let raise = thief.introduce(false, Some(GENERATION_MAX));
    air.play(0, &raise);
    air.send(0, message(1, Lane::Entries, 60));
    air.run(60_000_000);
    assert_eq!(air.got[1].len(), 1 + 7);
}

#[test]
fn room_is_shared_out_among_keys() {
    let mut air = Air::new(1, open_band(), 0, 5);
    air.set_keys(0, &[8, 7, 6]);
    let fill = |air: &mut Air, number: u8| {
        let voice = key(number).sender_key(peer(3), 9);
        let introduction = Introduction {
            node: peer(3).0,
            generation: 9,
            counter: 0,
            again: false,
            of_another: false,
        };
        let epoch = key(number).epoch();
        air.play(
            0,
            &introduction.seal(&key(number).introduction_key(), epoch, [number; 13]),
        );
        for transfer in 0..24 {
            for block in 0..12 {
                for symbol in 0..64 {
                    let place = Place {
                        transfer,
                        block: Some(block),
                        symbol,
                    };
                    let frame = Frame::Fragment {
                        place,
                        poll: false,
                        head: None,
                        symbol: vec![0; 200],
                    };
                    air.play(0, &frame.seal(&voice, epoch, key(number).hint(peer(3)), transfer));
                }
            }
        }
        air.stations[0].reassembly_bytes()
    };
    let earlier = fill(&mut air, 6);
    assert!(earlier <= REASSEMBLY_BYTES_MAX / 8, "{earlier}");
    let both = fill(&mut air, 7);
    assert!(both > earlier && both <= REASSEMBLY_BYTES_MAX / 4, "{both}");
    let all = fill(&mut air, 8);
    assert!(
        all > REASSEMBLY_BYTES_MAX / 2 && all <= REASSEMBLY_BYTES_MAX,
        "{all}"
    );
}
