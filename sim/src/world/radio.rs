//! Radios: between engine and station, and between station and air.

use std::collections::{BTreeMap, BTreeSet};

use cairn::mesh::{Broadcast, EngineError, Event, Lane, LinkId, radio_carried_chunk, radio_chunk};
use cairn::model::{EpochId, Hash, NodeId};
use cairn_transports::PeerKey;
use cairn_transports::lora::modem::ReceivedFrame;
use cairn_transports::lora::{Instant, Interest, KeyName, StationCounts, StationOutput, SubBand, airtime_us};

use super::antenna::{AirtimeLedger, Antenna, Packet, Radio, SimModem};
use super::chronicle::Aired;
use super::duty::DutyWatch;
use super::trace::Kind;
use super::wires::happens;
use super::{NodeIndex, Planned, Planted, World, kind};
use crate::medium::{Delivery, Medium, MediumConfig, MissCause, Station as AirPlace};
use crate::modem::rnode::channel_access::band;
use crate::modem::rnode::load::SHORT_US;
use crate::random::Generator;
use crate::recording::MissedWhy;

/// One channel that all radios share.
pub(super) struct Air {
    pub(super) medium: Medium,
    band: &'static SubBand,
    /// Whose antenna a place of the medium is.
    nodes: Vec<NodeIndex>,
    radios: BTreeMap<NodeIndex, Radio>,
    /// Modems hold frames back while they hear others.
    pub(super) listens: bool,
    rng: Generator,
    /// When the medium will be asked again.
    timer_at: Option<u64>,
}

fn add(sum: &mut StationCounts, more: StationCounts) {
    sum.frames_sent += more.frames_sent;
    sum.bytes_sent += more.bytes_sent;
    sum.airtime_us += more.airtime_us;
    sum.frames_heard += more.frames_heard;
    sum.frames_foreign += more.frames_foreign;
}

impl World {
    /// Gives every node a radio on one channel, from now on.
    pub fn radios(&mut self, modem: SimModem, band: &'static SubBand) -> Result<(), EngineError> {
        let seed = self.seeds.generator("medium", "").next_u64();
        let all: Vec<(NodeIndex, SimModem)> = (0..self.nodes.len()).map(|node| (node, modem)).collect();
        self.radios_of(&all, Medium::new(MediumConfig::default(), seed), band)
    }

    /// Gives these nodes radios in this medium, which has no stations yet.
    pub fn radios_of(
        &mut self,
        modems: &[(NodeIndex, SimModem)],
        medium: Medium,
        band: &'static SubBand,
    ) -> Result<(), EngineError> {
        self.air = Some(Air {
            medium,
            band,
            nodes: Vec::new(),
            radios: BTreeMap::new(),
            listens: true,
            rng: self.seeds.generator("modems", ""),
            timer_at: None,
        });
        for (node, modem) in modems {
            self.add_antenna(*node, *modem, AirtimeLedger::Fresh);
            self.radio_up(*node)?;
        }
        Ok(())
    }

    /// Lets modems hold frames back while they hear others, or not.
    pub fn set_listen_before_talk(&mut self, listens: bool) {
        if let Some(air) = &mut self.air {
            air.listens = listens;
        }
    }

    pub(super) fn add_antenna(&mut self, node: NodeIndex, modem: SimModem, ledger: AirtimeLedger) {
        let Some(air) = &mut self.air else {
            return;
        };
        air.nodes.push(node);
        let antenna = Antenna {
            modem,
            place: air.medium.add_station(),
            duty: DutyWatch::new(air.band),
            ledger,
            past: StationCounts::default(),
            receiving_us: 0,
            unplugged: false,
        };
        self.antennas.insert(node, antenna);
    }

    /// The medium, and the place in it of a node's antenna.
    pub fn medium(&mut self, node: NodeIndex) -> Option<(&mut Medium, AirPlace)> {
        let place = self.antennas.get(&node)?.place;
        Some((&mut self.air.as_mut()?.medium, place))
    }

    /// Lets two nodes' radios not hear one another, or hear one another again.
    pub fn set_apart(&mut self, a: NodeIndex, b: NodeIndex, apart: bool) {
        for (from, to) in [(a, b), (b, a)] {
            let measured = self.measured.get(&(from, to)).copied();
            let (Some(air), Some(from), Some(to)) =
                (&mut self.air, self.antennas.get(&from), self.antennas.get(&to))
            else {
                return;
            };
            match (apart, measured) {
                (true, _) => air.medium.set_path_loss(from.place, to.place, None),
                (false, Some(loss_db)) => air.medium.set_path_loss(from.place, to.place, loss_db),
                (false, None) => air.medium.forget_path_loss(from.place, to.place),
            }
        }
    }

    /// How much weaker a node hears another was measured: that counts instead of what distance says. In dB; `None`: not at all.
    pub fn measure(&mut self, from: NodeIndex, to: NodeIndex, loss_db: Option<f32>) {
        self.measured.insert((from, to), loss_db);
        if let (Some(air), Some(from), Some(to)) =
            (&mut self.air, self.antennas.get(&from), self.antennas.get(&to))
        {
            air.medium.set_path_loss(from.place, to.place, loss_db);
        }
    }

    /// How many frames on air each receiver loses, in thousandths.
    pub fn set_air_loss(&mut self, permille: u64) {
        if let Some(air) = &mut self.air {
            air.medium.set_loss(permille as f64 / 1000.0);
        }
    }

    /// A node's radio is pulled out, or put in again.
    pub fn set_unplugged(&mut self, node: NodeIndex, unplugged: bool) -> Result<(), EngineError> {
        let Some(antenna) = self
            .antennas
            .get_mut(&node)
            .filter(|antenna| antenna.unplugged != unplugged)
        else {
            return Ok(());
        };
        antenna.unplugged = unplugged;
        self.trace
            .record(self.now_us, Kind::Fault, node, &[u8::from(unplugged)]);
        if unplugged {
            if let Some(radio) = self.radio_down(node) {
                self.handle(node, Event::RadioDown { radio })?;
            }
            return Ok(());
        }
        self.radio_up(node)
    }

    /// A node's record of used airtime is gone.
    pub fn lose_ledger(&mut self, node: NodeIndex) {
        if let Some(antenna) = self.antennas.get_mut(&node)
            && antenna.ledger != AirtimeLedger::Fresh
        {
            antenna.ledger = AirtimeLedger::Lost;
        }
    }

    /// Bytes on air, frames and airtime of all radios together.
    pub fn on_air(&self) -> StationCounts {
        let mut sum = StationCounts::default();
        for node in self.antennas.keys() {
            add(&mut sum, self.on_air_of(*node));
        }
        sum
    }

    /// Time on air of the frames that a node's radio received, in microseconds.
    pub fn receiving_us(&self, node: NodeIndex) -> u64 {
        self.antennas.get(&node).map_or(0, |antenna| antenna.receiving_us)
    }

    /// Bytes on air, frames and airtime of one node's radio.
    pub fn on_air_of(&self, node: NodeIndex) -> StationCounts {
        let mut sum = self
            .antennas
            .get(&node)
            .map(|antenna| antenna.past)
            .unwrap_or_default();
        if let Some(radio) = self.radio_of(node) {
            add(&mut sum, radio.station.counts());
        }
        sum
    }

    /// The greatest shares of any window of the law that a node's radio was on air: of the window, and of what is allowed in it.
    pub fn duty(&self, node: NodeIndex) -> Option<(f64, f64)> {
        let watch = &self.antennas.get(&node)?.duty;
        Some((watch.most_share(), watch.most_of_allowed()))
    }

    pub(super) fn radio_up(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        if !self.is_up(node) {
            return Ok(());
        }
        if let Some(radio) = self.radio_down(node) {
            self.handle(node, Event::RadioDown { radio })?;
        }
        let (Some(air), Some(antenna)) = (&mut self.air, self.antennas.get(&node)) else {
            return Ok(());
        };
        if antenna.unplugged {
            return Ok(());
        }
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.lives += 1;
        let seed = self.seeds.bytes("station", format!("{node} {}", self.lives));
        let random = self
            .seeds
            .generator("generation", format!("{node} {}", self.lives))
            .below(1 << 32);
        let now = Instant(self.now_us);
        let radio = Radio::start(
            link,
            PeerKey(self.nodes[node].key.node_id().0),
            self.nodes[node].frame_keys(),
            antenna.modem,
            air.band,
            self.lives << 32 | random,
            &antenna.ledger,
            self.nodes[node].senders.clone(),
            self.planted == Some(Planted::DutyCycleLeak),
            now,
            seed,
        );
        air.medium
            .listen(now, antenna.place, Some(antenna.modem.tuning()));
        air.radios.insert(node, radio);
        let profile = antenna.modem.profile(air.band);
        self.handle(node, Event::RadioUp { radio: link, profile })?;
        self.station_outputs(node)
    }

    /// Takes a radio down, and says which it was.
    pub(super) fn radio_down(&mut self, node: NodeIndex) -> Option<LinkId> {
        let (air, antenna) = (self.air.as_mut()?, self.antennas.get_mut(&node)?);
        let radio = air.radios.remove(&node)?;
        add(&mut antenna.past, radio.station.counts());
        air.medium.cut(Instant(self.now_us), antenna.place);
        Some(radio.link)
    }

    pub(super) fn radio(&mut self, node: NodeIndex) -> Option<&mut Radio> {
        self.air.as_mut()?.radios.get_mut(&node)
    }

    pub(super) fn radio_of(&self, node: NodeIndex) -> Option<&Radio> {
        self.air.as_ref()?.radios.get(&node)
    }

    /// The radio of a node, if it is still the same one.
    fn same_radio(&mut self, node: NodeIndex, link: LinkId) -> Option<&mut Radio> {
        self.radio(node).filter(|radio| radio.link == link)
    }

    pub(super) fn is_radio(&self, node: NodeIndex, link: LinkId) -> bool {
        self.radio_of(node).is_some_and(|radio| radio.link == link)
    }

    pub(super) fn overheard(&mut self, node: NodeIndex, link: LinkId, chunk: &Hash) -> Option<Vec<u8>> {
        self.same_radio(node, link)?.overheard.take(chunk)
    }

    pub(super) fn broadcast_chunk(
        &mut self,
        node: NodeIndex,
        radio: LinkId,
        chunk: Hash,
        bytes: &[u8],
    ) -> Result<(), EngineError> {
        let name = [chunk.0[0], chunk.0[1], chunk.0[2], chunk.0[3]];
        self.broadcast(
            node,
            Broadcast {
                radio,
                slot: u64::from(u32::from_be_bytes(name)) | 1 << 63,
                lane: Lane::Bulk,
                under: None,
                name,
                message: radio_chunk(bytes),
            },
        )
    }

    pub(super) fn broadcast(&mut self, node: NodeIndex, broadcast: Broadcast) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        let lane = match broadcast.lane {
            Lane::Control => cairn_transports::Lane::Control,
            Lane::Entries => cairn_transports::Lane::Entries,
            Lane::Small => cairn_transports::Lane::Small,
            Lane::Bulk => cairn_transports::Lane::Bulk,
        };
        self.keep_beacon(node, &broadcast.message);
        if let Some(radio) = self.same_radio(node, broadcast.radio) {
            radio.note_given(now.0, &broadcast.message);
            let message = cairn_transports::lora::Broadcast {
                slot: broadcast.slot,
                lane,
                under: broadcast.under.map(|epoch| KeyName(epoch.0)),
                name: broadcast.name,
                bytes: broadcast.message,
                audience: 1,
            };
            radio.station.broadcast(now, message);
            return self.station_outputs(node);
        }
        Ok(())
    }

    pub(super) fn withdraw(&mut self, node: NodeIndex, slot: u64) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        match self.radio(node) {
            Some(radio) => {
                radio.station.cancel(now, slot);
                self.station_outputs(node)
            }
            None => Ok(()),
        }
    }

    pub(super) fn forget_object(&mut self, node: NodeIndex, name: [u8; 4]) {
        if let Some(radio) = self.radio(node) {
            radio.station.forget(name);
        }
    }

    pub(super) fn listen_for(
        &mut self,
        node: NodeIndex,
        senders: BTreeSet<NodeId>,
        objects: BTreeSet<[u8; 4]>,
    ) {
        if let Some(radio) = self.radio(node) {
            radio.station.set_interest(Interest {
                senders: senders.into_iter().map(|sender| PeerKey(sender.0)).collect(),
                objects,
            });
        }
    }

    /// A node's keys are others now.
    pub(super) fn keys_changed(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        let keys = self.nodes[node].frame_keys();
        match self.radio(node) {
            Some(radio) => {
                radio.station.set_keys(now, keys);
                self.station_outputs(node)
            }
            None => Ok(()),
        }
    }

    pub(super) fn station_due(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        let Some(radio) = self.radio(node).filter(|radio| radio.timer_at == Some(now.0)) else {
            return Ok(());
        };
        radio.timer_at = None;
        if radio.station.poll_timeout().is_some_and(|due| due <= now) {
            radio.station.handle_timeout(now);
        }
        self.station_outputs(node)
    }

    pub(super) fn station_outputs(&mut self, node: NodeIndex) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        while let Some(radio) = self.radio(node) {
            let link = radio.link;
            let Some(output) = radio.station.poll_output() else {
                break;
            };
            match output {
                StationOutput::Transmit(frame) => self.transmit(node, link, frame),
                StationOutput::Record(record) => {
                    radio.station.recorded(now);
                    if let Some(antenna) = self.antennas.get_mut(&node) {
                        antenna.ledger = AirtimeLedger::Record(record.encode());
                    }
                }
                StationOutput::Senders(record) => {
                    radio.station.senders_recorded();
                    self.nodes[node].senders = record;
                }
                StationOutput::Ready => self.handle(node, Event::RadioReady { radio: link })?,
                StationOutput::Message { from, under, bytes } => {
                    self.radio_message(node, link, from, EpochId(under.0), bytes)?
                }
                StationOutput::Introduced { from, under } => {
                    let event = Event::RadioIntroduced {
                        radio: link,
                        from: from.map(|from| NodeId(from.0)),
                        under: EpochId(under.0),
                    };
                    self.handle(node, event)?
                }
                StationOutput::Heard { .. } | StationOutput::Ended { .. } => {}
            }
        }
        let now_us = self.now_us;
        let Some(radio) = self.radio(node) else {
            return Ok(());
        };
        if let Some(due) = radio.station.poll_timeout() {
            let due_us = due.0.max(now_us + 1);
            if radio.timer_at.is_none_or(|planned| due_us < planned) {
                radio.timer_at = Some(due_us);
                self.plan(due_us, Planned::Station { node });
            }
        }
        Ok(())
    }

    fn radio_message(
        &mut self,
        node: NodeIndex,
        radio: LinkId,
        from: PeerKey,
        under: EpochId,
        message: Vec<u8>,
    ) -> Result<(), EngineError> {
        self.trace.record(self.now_us, Kind::Message, node, &message);
        self.keep_heard(node, &message);
        let is_current = (self.nodes[node].keyring.current()).is_some_and(|epoch| epoch.id() == under);
        match radio_carried_chunk(&message) {
            Some(_) if !is_current => Ok(()),
            Some((chunk, bytes)) if self.nodes[node].expected.contains(&(radio, chunk)) => {
                self.take_chunk(node, radio, chunk, bytes)
            }
            Some((chunk, bytes)) => {
                if let Some(radio) = self.radio(node) {
                    radio.overheard.keep(chunk, bytes);
                }
                Ok(())
            }
            None => {
                let event = Event::RadioMessage {
                    radio,
                    from: NodeId(from.0),
                    under,
                    message,
                };
                self.handle(node, event)
            }
        }
    }

    /// The driver gives a frame to the modem.
    fn transmit(&mut self, node: NodeIndex, radio: LinkId, frame: Vec<u8>) {
        let now = Instant(self.now_us);
        let Some(antenna) = self.antennas.get(&node) else {
            return;
        };
        let at_modem_us = now.0 + SimModem::serial_us(frame.len());
        // The station gives no frame that is too long.
        let sent_us = now.0 + antenna.modem.until_sent_us(frame.len()).unwrap_or(0);
        if let Some(packet) = self.radio(node).map(|state| state.packet(now, frame)) {
            let packet = Box::new(packet);
            self.plan(at_modem_us, Planned::AtModem { node, radio, packet });
            self.plan(sent_us, Planned::Sent { node, radio });
        }
    }

    pub(super) fn frame_sent(&mut self, node: NodeIndex, link: LinkId) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        match self.same_radio(node, link) {
            Some(radio) => {
                radio.station.sent(now, true);
                self.station_outputs(node)
            }
            None => Ok(()),
        }
    }

    pub(super) fn at_modem(&mut self, node: NodeIndex, link: LinkId, packet: Packet) {
        let now = Instant(self.now_us);
        let (Some(air), Some(antenna)) = (&mut self.air, self.antennas.get(&node)) else {
            return;
        };
        let Some(radio) = air.radios.get_mut(&node).filter(|radio| radio.link == link) else {
            return;
        };
        radio.queue.push_back(packet);
        if radio.is_trying {
            return;
        }
        radio.is_trying = true;
        let mut at = now;
        if air.listens {
            // While it sends it does not wait for the channel.
            let from = air
                .medium
                .sending_until(antenna.place)
                .map_or(now, |end| end.max(now));
            radio.access.begin(from, antenna.modem.slot_us());
            at = radio.access.poll_timeout().unwrap_or(now);
        }
        self.plan(at.0, Planned::Channel { node, radio: link });
    }

    /// A slot of the wait for the channel is over. When the channel is had, all that waits is sent.
    pub(super) fn try_channel(&mut self, node: NodeIndex, link: LinkId) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        let Some(antenna) = self.antennas.get_mut(&node) else {
            return Ok(());
        };
        let Some(air) = &mut self.air else {
            return Ok(());
        };
        let Some(radio) = air.radios.get_mut(&node).filter(|radio| radio.link == link) else {
            return Ok(());
        };
        if air.listens {
            let busy_until = air.medium.busy_until(now, antenna.place);
            let (slot_us, band) = (antenna.modem.slot_us(), band(radio.own.share(now, SHORT_US)));
            let draw = |bound| air.rng.index(bound as usize) as u32;
            if !(radio.access).end_slot(now, slot_us, busy_until.is_some(), band, draw) {
                if let Some(until) = busy_until {
                    radio.access.pass_busy(until, slot_us);
                }
                if let Some(at) = radio.access.poll_timeout() {
                    self.plan(at.0, Planned::Channel { node, radio: link });
                }
                return Ok(());
            }
        }
        radio.is_trying = false;
        let tuning = antenna.modem.tuning();
        for packet in std::mem::take(&mut radio.queue) {
            // The modem's own header comes before it.
            let mut frame = Vec::with_capacity(packet.frame.len() + 1);
            frame.push(0);
            frame.extend_from_slice(&packet.frame);
            let len = frame.len();
            let airtime_us = airtime_us(&tuning.modulation, len).unwrap_or(0);
            self.trace.record(self.now_us, Kind::OnAir, node, &packet.frame);
            if let Some(secrets) = &mut self.secrets {
                secrets.watch(None, &packet.frame, || format!("node {node} sent on air"));
            }
            let sent = air
                .medium
                .send(now, antenna.place, frame, &tuning, antenna.modem.power_dbm());
            let Ok(end) = sent else {
                continue;
            };
            let at_us = end.0 - airtime_us;
            antenna.duty.sent(at_us, end.0);
            radio.own.record(end, airtime_us);
            if let Some(chronicle) = &mut self.chronicle {
                let aired = Aired {
                    at_us,
                    airtime_us,
                    kind: kind::on_air(&packet.frame, packet.message),
                    len,
                    queued_us: at_us - packet.since_us,
                    held_by_law_us: packet.held_by_law_us,
                };
                chronicle.on_air(node, &aired);
            }
        }
        self.plan_air();
        Ok(())
    }

    fn plan_air(&mut self) {
        let Some(air) = &mut self.air else {
            return;
        };
        if let Some(due) = air.medium.poll_timeout() {
            let due_us = due.0.max(self.now_us);
            if air.timer_at.is_none_or(|planned| due_us < planned) {
                air.timer_at = Some(due_us);
                self.queue.plan(due_us, Planned::Air);
            }
        }
    }

    /// Something on air ended: whoever heard it gets it.
    pub(super) fn air_ends(&mut self) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        if let Some(air) = self.air.as_mut().filter(|air| air.timer_at == Some(now.0)) {
            air.timer_at = None;
        }
        while let Some(delivery) = self.air.as_mut().and_then(|air| air.medium.poll_delivery(now)) {
            self.heard(delivery)?;
        }
        self.note_misses();
        self.plan_air();
        Ok(())
    }

    fn note_misses(&mut self) {
        let Some(air) = &mut self.air else {
            return;
        };
        while let Some(miss) = air.medium.poll_miss() {
            let (from, to) = (air.nodes[miss.from.0], air.nodes[miss.to.0]);
            let why = match miss.cause {
                MissCause::Sending => MissedWhy::Sending,
                MissCause::Drowned => MissedWhy::Collided,
                MissCause::Chance => MissedWhy::Chance,
            };
            if let Some(chronicle) = &mut self.chronicle {
                chronicle.missed(self.now_us, from, to, why);
            }
        }
    }

    fn heard(&mut self, delivery: Delivery) -> Result<(), EngineError> {
        let now = Instant(self.now_us);
        let Some(air) = &mut self.air else {
            return Ok(());
        };
        let (from, to) = (air.nodes[delivery.from.0], air.nodes[delivery.to.0]);
        let rssi_dbm = delivery.rssi_dbm.round() as i16;
        if let Some(antenna) = self.antennas.get_mut(&to) {
            let modulation = antenna.modem.tuning().modulation;
            antenna.receiving_us += airtime_us(&modulation, delivery.frame.len()).unwrap_or(0);
        }
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.heard(self.now_us, from, to, rssi_dbm);
            if self.nodes[from].space == self.nodes[to].space {
                chronicle.came(from, to);
            }
        }
        let Some(radio) = air.radios.get_mut(&to) else {
            return Ok(());
        };
        let mut bytes = delivery.frame[1..].to_vec();
        if let Some(impairment) = self.impaired.get(&to) {
            // A modem drops what fails its checksum, and nothing comes twice.
            if happens(&mut air.rng, impairment.loss) {
                return Ok(());
            }
            if happens(&mut air.rng, impairment.corruption) {
                let bit = air.rng.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
        self.trace
            .record(self.now_us, Kind::Heard, to, &rssi_dbm.to_le_bytes());
        let received = ReceivedFrame {
            bytes,
            rssi_dbm: Some(rssi_dbm),
            snr_db: Some((delivery.snr_db * 4.0).round() / 4.0),
        };
        radio.station.received(now, &received);
        self.station_outputs(to)
    }
}
