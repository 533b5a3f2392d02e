//! What a fuzzer feeds with what came over a serial port or the air. Each function holds its parser against its laws, and says whether
//! something valid came out.

use super::frame::{Frame, Head, Introduction, Place};
use super::incoming::{Incoming, REASSEMBLY_BYTES_MAX, Taken};
use super::layout::OBJECT_LEN_MAX;
use super::modem::{
    Driver, E22Config, E22Driver, ModemKind, Output, Probe, ProbeOutput, RnodeConfig, RnodeDriver,
    RylrConfig, RylrDriver,
};
use super::outgoing::{Next, Outgoing};
use super::seal::NONCE_LEN;
use super::{CodingRate, Instant, KeyName, SpaceKey, SpreadingFactor};
use crate::PeerKey;

/// Most outputs of a driver for one piece of input.
const OUTPUTS_MAX: usize = 2000;
/// Most bytes of what a probe says of a modem.
const DESCRIPTION_LEN_MAX: usize = 256;

/// Feeds a probe with pieces as [`drive`] does, and gives what it found. It ends, whatever comes, and does nothing after its end.
fn probe(mut input: &[u8]) -> Option<ModemKind> {
    let (mut probe, mut now) = (Probe::default(), Instant(0));
    probe.start(now);
    while let Some((&[len, pause], rest)) = input.split_first_chunk() {
        let until = now.after_us(u64::from(pause) * 10_000);
        while let Some(due) = probe.poll_timeout().filter(|due| *due <= until) {
            now = now.max(due);
            probe.handle_timeout(now);
        }
        now = until;
        let (piece, rest) = rest.split_at(usize::from(len).min(rest.len()));
        probe.handle_bytes(now, piece);
        input = rest;
    }
    for _ in 0..OUTPUTS_MAX {
        let Some(due) = probe.poll_timeout() else { break };
        now = now.max(due);
        probe.handle_timeout(now);
    }
    let mut end = None;
    while let Some(output) = probe.poll_output() {
        assert!(end.is_none(), "a probe does something after its end");
        if let ProbeOutput::Done(found) = output {
            end = Some(found);
        }
    }
    assert!(end.is_some(), "a probe has an end");
    let found = end.flatten()?;
    assert!(found.description.len() <= DESCRIPTION_LEN_MAX);
    Some(found.kind)
}

/// Feeds a driver with pieces: each has a byte for its length, a byte for the pause before it in hundredths of a second, and its bytes.
/// Says whether the modem went on air.
fn drive(mut driver: impl Driver, mut input: &[u8]) -> bool {
    let mut now = Instant(0);
    let mut online = false;
    driver.start(now);
    loop {
        let mut count = 0;
        while let Some(output) = driver.poll_output() {
            count += 1;
            assert!(
                count <= OUTPUTS_MAX,
                "a piece of input makes thousands of outputs"
            );
            match output {
                Output::Online(_) => online = true,
                Output::Received(frame) => {
                    assert!(online && !frame.bytes.is_empty() && frame.bytes.len() <= 508)
                }
                _ => {}
            }
        }
        if driver.is_ready() {
            assert!(online, "ready before it was online");
            driver.send(now, &[7; 20]);
        }
        let Some((&[len, pause], rest)) = input.split_first_chunk() else {
            return online;
        };
        let until = now.after_us(u64::from(pause) * 10_000);
        while let Some(due) = driver.poll_timeout().filter(|due| *due <= until) {
            now = now.max(due);
            driver.handle_timeout(now);
            while driver.poll_output().is_some_and(|output| {
                online |= matches!(output, Output::Online(_));
                true
            }) {}
            assert!(
                driver.poll_timeout().is_none_or(|next| next > due),
                "a timer that does not go on"
            );
        }
        now = until;
        let (piece, rest) = rest.split_at(usize::from(len).min(rest.len()));
        driver.handle_bytes(now, piece);
        input = rest;
    }
}

fn radio() -> Option<(SpreadingFactor, CodingRate)> {
    SpreadingFactor::new(8).zip(CodingRate::new(5))
}

/// What an RNode says: KISS.
pub fn kiss(input: &[u8]) -> bool {
    let Some((spreading_factor, coding_rate)) = radio() else {
        return false;
    };
    let found = probe(input);
    let config = RnodeConfig {
        frequency_hz: 868_100_000,
        bandwidth_hz: 125_000,
        spreading_factor,
        coding_rate,
        tx_power_dbm: 14,
    };
    drive(RnodeDriver::new(config), input) || found == Some(ModemKind::Rnode)
}

/// What an E22 says: registers, then packets.
pub fn e22(input: &[u8]) -> bool {
    let found = probe(input);
    drive(E22Driver::new(E22Config::new(868_125_000)), input) || found == Some(ModemKind::E22)
}

/// What a RYLR says: lines.
pub fn rylr(input: &[u8]) -> bool {
    let Some((spreading_factor, coding_rate)) = radio() else {
        return false;
    };
    let found = probe(input);
    let config = RylrConfig::new(868_500_000, spreading_factor, coding_rate);
    drive(RylrDriver::new(config), input) || found == Some(ModemKind::Rylr)
}

/// A frame from the air. The first byte chooses: 0, taken as it is, and nothing opens; 2, an introduction; else a frame, sealed by a member
/// with whatever it says, and what opens is sealed again to the same bytes.
pub fn radio_frame(input: &[u8]) -> bool {
    let space = SpaceKey::new(KeyName([1; 8]), &[9; 32]);
    let peer = PeerKey([1; 32]);
    let key = space.sender_key(peer, 5);
    let Some((&[mode, first, counter, block, symbol], body)) = input.split_first_chunk() else {
        return false;
    };
    if mode == 0 {
        assert_eq!(Frame::open(&key, u32::from(counter), body), None);
        return false;
    }
    if mode == 2 {
        return introduction(&space, first, counter, body);
    }
    let sealed = Frame::seal_raw(&key, first, 3, u32::from(counter), block, symbol, body);
    let Some(frame) = Frame::open(&key, u32::from(counter), &sealed) else {
        return false;
    };
    assert_eq!(frame.seal(&key, first >> 3 & 3, 3, u32::from(counter)), sealed);
    true
}

fn introduction(space: &SpaceKey, first: u8, nonce: u8, body: &[u8]) -> bool {
    let (key, nonce) = (space.introduction_key(), [nonce; NONCE_LEN]);
    // The kind is that of introductions.
    let first = first & 0x1f;
    let sealed = key.seal(&nonce, [&[first], nonce.as_slice()].concat(), body);
    let Some(introduction) = Introduction::open(&key, &sealed) else {
        return false;
    };
    assert_eq!(introduction.seal(&key, first >> 3, nonce), sealed);
    true
}

/// Fragments. The first byte chooses: 0, whatever a member may send, within the bound of memory; else an object that is sent with the
/// losses that the input says, and comes through.
pub fn fragments(input: &[u8]) -> bool {
    match input.split_first() {
        Some((0, rest)) => hostile(rest),
        Some((mode, rest)) => carried(usize::from(*mode), rest),
        None => false,
    }
}

fn hostile(mut input: &[u8]) -> bool {
    let mut incoming = Incoming::default();
    let mut now = Instant(0);
    let mut complete = false;
    while let Some((&[what, transfer, block, symbol, len], rest)) = input.split_first_chunk() {
        input = rest;
        now = now.after_us(u64::from(what) * 100_000);
        let from = PeerKey([what >> 6; 32]);
        let head = Head {
            object: [transfer & 3; 4],
            len: (u32::from(len) * u32::from(len) * 17).clamp(1, OBJECT_LEN_MAX as u32),
            symbol_len: symbol.max(1),
        };
        let transfer = u32::from(transfer >> 4);
        let taken = if what & 1 == 0 {
            incoming.poll(now, from, transfer, block, head)
        } else {
            let place = Place {
                transfer,
                block: (what & 2 != 0).then_some(block),
                symbol: symbol & 15,
            };
            let head = (what & 4 != 0).then_some(head);
            incoming.fragment(now, from, place, head, vec![len; usize::from(symbol)], 1_000_000)
        };
        if let Taken::Complete(object) = taken {
            assert!(!object.is_empty() && object.len() <= OBJECT_LEN_MAX);
            complete = true;
        }
        assert!(incoming.bytes() <= REASSEMBLY_BYTES_MAX);
        if incoming.timeout().is_some_and(|due| due <= now)
            && let Some((key, block)) = incoming.due(now)
        {
            let _ = incoming.status(key, block, 1);
        }
    }
    complete
}

fn carried(len: usize, losses: &[u8]) -> bool {
    let object: Vec<u8> = (0..len * 40).map(|at| (at * 31 % 251) as u8).collect();
    let Some(mut outgoing) = Outgoing::new([1; 4], object.clone(), 60, 1 + losses.len() % 3) else {
        return false;
    };
    let mut losses = losses
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let (mut incoming, mut got) = (Incoming::default(), None);
    let (from, to) = (PeerKey([1; 32]), PeerKey([2; 32]));
    loop {
        let mut block = 0;
        while let Some((frame, _)) = outgoing.next(7) {
            let (of, lost) = match &frame {
                Frame::Fragment { place, .. } => (place.block.unwrap_or(0), losses.next() == Some(true)),
                Frame::Poll { block, .. } => (*block, false),
                _ => (0, false),
            };
            block = of;
            if lost {
                continue;
            }
            let taken = match frame {
                Frame::Fragment {
                    place, head, symbol, ..
                } => incoming.fragment(Instant(0), from, place, head, symbol, 1000),
                Frame::Poll {
                    transfer,
                    block,
                    head,
                    ..
                } => incoming.poll(Instant(0), from, u32::from(transfer), block, head),
                _ => Taken::Nothing,
            };
            if let Taken::Complete(object) = taken {
                got = Some(object);
            }
        }
        if let Some(status) = incoming.status((from, 7), block, 1) {
            outgoing.answered(to, status);
        }
        match outgoing.conclude() {
            Next::More => {}
            // All was lost: the receiver knows of nothing.
            _ if got.is_none() && incoming.status((from, 7), 0, 1).is_none() => return false,
            _ => break,
        }
    }
    assert_eq!(got, Some(object));
    true
}

#[cfg(test)]
mod tests {
    use super::ModemKind;
    use proptest::prelude::*;

    /// Where the probe comes to each of the modems.
    #[test]
    fn a_probe_is_led_to_every_modem() {
        let piece = |pause: u8, bytes: &[u8]| [&[bytes.len() as u8, pause], bytes].concat();
        let e22 = piece(10, &[0xc1, 0, 7, 0xff, 0xff, 0, 0x62, 0, 18, 0x80]);
        let rylr = [piece(80, b"+OK\r\n"), piece(1, b"+VER=RYLR998\r\n")].concat();
        let rnode = piece(140, &[0xc0, 0x08, 0x46, 0xc0, 0x50, 1, 74, 0xc0]);
        assert_eq!(super::probe(&e22), Some(ModemKind::E22));
        assert_eq!(super::probe(&rylr), Some(ModemKind::Rylr));
        assert_eq!(super::probe(&rnode), Some(ModemKind::Rnode));
        assert_eq!(super::probe(&[rnode, rylr, e22].concat()), Some(ModemKind::Rnode));
        assert_eq!(super::probe(&[]), None);
    }

    proptest! {
        #[test]
        fn every_law_holds(input in proptest::collection::vec(any::<u8>(), 0..600), mode in 0_u8..4) {
            super::kiss(&input);
            super::e22(&input);
            super::rylr(&input);
            let mut with_mode = vec![mode];
            with_mode.extend(&input);
            super::radio_frame(&with_mode);
            super::fragments(&with_mode);
        }
    }
}
