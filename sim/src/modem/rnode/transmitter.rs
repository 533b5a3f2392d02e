//! The queue of packets, and how it goes on air.

use std::collections::VecDeque;

use cairn_transports::lora::Instant;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::super::radio::Radio;
use super::super::uart::earlier;
use super::channel_access::{ChannelAccess, band, slot_us};
use super::load::{LONG_US, Load, SHORT_US};
use super::settings::Settings;
use super::split::split;
use crate::medium::Tuning;

/// Above so many bits per second, one packet is sent at a time; below, the whole queue.
const BURST_BITS_PER_S_MAX: u64 = 14_000;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Packets that are sent.
    pub(super) packets: usize,
    /// Ends and lengths of the frames that went on air.
    pub(super) airings: Vec<(Instant, u64)>,
}

/// Packets that wait, and those that have the channel.
#[derive(Debug)]
pub(super) struct Transmitter {
    packets_max: usize,
    bytes_max: usize,
    queue: VecDeque<Vec<u8>>,
    bytes_queued: usize,
    /// Frames of the packets that go on air one after the other, and whether each is the last of its packet.
    burst: VecDeque<(Vec<u8>, bool)>,
    /// The end of the frame that is on air, and whether it is the last of its packet.
    sending: Option<(Instant, bool)>,
    access: ChannelAccess,
    /// Own time on air.
    pub(super) own: Load,
    pub(super) packets_sent: u32,
}

impl Transmitter {
    pub(super) fn new(packets_max: usize, bytes_max: usize) -> Self {
        Self {
            packets_max,
            bytes_max,
            queue: VecDeque::new(),
            bytes_queued: 0,
            burst: VecDeque::new(),
            sending: None,
            access: ChannelAccess::default(),
            own: Load::default(),
            packets_sent: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= self.packets_max || self.bytes_queued >= self.bytes_max
    }

    /// Takes a packet, or drops it without a word.
    pub(super) fn enqueue(&mut self, packet: Vec<u8>) {
        if self.queue.len() < self.packets_max && self.bytes_queued + packet.len() <= self.bytes_max {
            self.bytes_queued += packet.len();
            self.queue.push_back(packet);
        }
    }

    /// Begins to wait for the channel if there is something to send.
    pub(super) fn seek_channel(&mut self, now: Instant, slot_us: u64) {
        if !self.queue.is_empty() && self.sending.is_none() {
            self.access.begin(now, slot_us);
        }
    }

    /// The radio is off: what has the channel is lost, what waits goes on waiting.
    pub(super) fn stop(&mut self) {
        self.access.abandon();
        self.burst.clear();
        self.sending = None;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        earlier(self.access.poll_timeout(), self.sending.map(|(end, _)| end))
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        radio: &mut Radio<'_>,
        settings: &Settings,
        tuning: &Tuning,
        rng: &mut ChaCha8Rng,
    ) -> Done {
        let mut done = Done::default();
        if let Some((end, is_last)) = self.sending
            && end <= now
        {
            self.sending = None;
            if is_last {
                done.packets += 1;
                self.packets_sent = self.packets_sent.wrapping_add(1);
            }
        }
        if self.access.poll_timeout().is_some_and(|at| at <= now) {
            let band = band(self.own.share(now, SHORT_US));
            let is_busy = radio.carrier(now).is_busy || self.is_over_limit(now, settings);
            if (self.access).end_slot(now, slot_us(settings), is_busy, band, |bound| {
                rng.next_u32() % bound
            }) {
                self.take_channel(settings, rng);
            }
        }
        self.send_next(now, radio, settings, tuning, &mut done);
        self.seek_channel(now, slot_us(settings));
        done
    }

    fn is_over_limit(&self, now: Instant, settings: &Settings) -> bool {
        let is_over = |limit: u16, window_us| limit != 0 && self.own.share(now, window_us) >= limit;
        is_over(settings.short_limit, SHORT_US) || is_over(settings.long_limit, LONG_US)
    }

    fn take_channel(&mut self, settings: &Settings, rng: &mut ChaCha8Rng) {
        let at_once = if settings.bits_per_s() > BURST_BITS_PER_S_MAX {
            1
        } else {
            self.queue.len()
        };
        for packet in self.queue.drain(..at_once.min(self.queue.len())) {
            self.bytes_queued -= packet.len();
            let frames = if settings.is_promiscuous {
                vec![packet[..packet.len().min(255)].to_vec()]
            } else {
                split(&packet, rng.next_u32().to_le_bytes()[0])
            };
            let count = frames.len();
            let frames = frames.into_iter().enumerate();
            self.burst
                .extend(frames.map(|(place, frame)| (frame, place + 1 == count)));
        }
    }

    fn send_next(
        &mut self,
        now: Instant,
        radio: &mut Radio<'_>,
        settings: &Settings,
        tuning: &Tuning,
        done: &mut Done,
    ) {
        if self.sending.is_some() {
            return;
        }
        let Some((frame, is_last)) = self.burst.pop_front() else {
            return;
        };
        let power_dbm = i8::try_from(settings.power_dbm).unwrap_or(i8::MAX);
        if let Ok(end) = radio.send(now, frame, tuning, power_dbm) {
            self.sending = Some((end, is_last));
            self.own.record(end, end.us_since(now));
            done.airings.push((end, end.us_since(now)));
        }
    }
}
