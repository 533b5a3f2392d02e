//! The table of commands, byte for byte, and what goes on air.

use cairn_transports::lora::modem::ModemKind;

use super::super::bench::Bench;
use super::super::{Quirk, Touch};
use super::kiss::{FEND, frame};
use crate::medium::Station;

/// For comparing with what is empty.
const NOTHING: [u8; 0] = [];

fn bench(count: usize, quirks: &[Quirk]) -> Bench {
    Bench::new(ModemKind::Rnode, count, quirks)
}

/// A command and what follows it.
type Words = (u8, &'static [u8]);

/// SF8 at 125 kHz, 14 dBm, radio on.
const SET_UP: [Words; 6] = [
    (0x01, &[0x33, 0xbe, 0x27, 0xa0]),
    (0x02, &[0x00, 0x01, 0xe8, 0x48]),
    (0x03, &[14]),
    (0x04, &[8]),
    (0x05, &[5]),
    (0x06, &[1]),
];

fn said(commands: &[(u8, &[u8])]) -> Vec<u8> {
    commands
        .iter()
        .flat_map(|(command, payload)| frame(*command, payload))
        .collect()
}

fn set_up(count: usize, quirks: &[Quirk]) -> Bench {
    let mut bench = bench(count, quirks);
    for modem in 0..count {
        bench.ask(modem, &said(&SET_UP));
    }
    bench
}

/// Frames from the modem, without what it says each second.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let frames = bytes
        .split(|byte| *byte == FEND)
        .filter(|frame| !frame.is_empty());
    frames
        .filter(|frame| ![0x25, 0x26].contains(&frame[0]))
        .map(<[u8]>::to_vec)
        .collect()
}

/// The bytes that could not be said as they are, such as a random header.
fn without_escapes(frame: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut bytes = frame.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            0xdb if bytes.next() == Some(&0xdc) => 0xc0,
            byte => *byte,
        });
    }
    plain
}

#[test]
fn each_question_has_its_answer() {
    let asked: [(u8, &[u8], &[Words]); 30] = [
        (0x08, &[0x73], &[(0x08, &[0x46])]),
        (0x08, &[0x00], &[]),
        (0x50, &[0], &[(0x50, &[1, 86])]),
        (0x48, &[0], &[(0x48, &[0x80])]),
        (0x49, &[0], &[(0x49, &[0x81])]),
        (0x47, &[0], &[(0x47, &[0x35])]),
        (0x01, &[0, 0, 0, 0], &[(0x01, &[0, 0, 0, 0])]),
        (0x07, &[0], &[(0x07, &[1])]),
        (0x06, &[1], &[(0x06, &[0]), (0x06, &[0])]),
        (
            0x01,
            &[0x33, 0xbe, 0x27, 0xa0],
            &[(0x01, &[0x33, 0xbe, 0x27, 0xa0])],
        ),
        (0x02, &[0, 1, 0xe8, 0x48], &[(0x02, &[0, 1, 0xe8, 0x48])]),
        (0x02, &[0, 0, 0, 0], &[(0x02, &[0, 1, 0xe8, 0x48])]),
        (0x03, &[0xff], &[(0x03, &[0xff])]),
        (0x03, &[37], &[(0x03, &[22])]),
        (0x03, &[7], &[(0x03, &[7])]),
        (0x04, &[13], &[(0x04, &[12])]),
        (0x04, &[4], &[(0x04, &[5])]),
        (0x04, &[0xff], &[(0x04, &[5])]),
        (0x05, &[9], &[(0x05, &[8])]),
        (0x05, &[0xff], &[(0x05, &[8])]),
        (0x07, &[0], &[(0x07, &[0])]),
        (0x0b, &[0x03, 0xe8], &[(0x0b, &[0x03, 0xe8])]),
        (0x0c, &[0x27, 0x10], &[(0x0c, &[0, 0])]),
        (0x0e, &[0], &[(0x0e, &[0])]),
        (0x09, &[0], &[(0x09, &[0])]),
        (0x0f, &[0], &[(0x0f, &[1])]),
        (0x21, &[0], &[(0x21, &[0, 0, 0, 0])]),
        (0x22, &[0], &[(0x22, &[0, 0, 0, 0])]),
        (0x41, &[0], &[(0x41, &[0xff])]),
        (0x0a, &[0xff], &[]),
    ];
    let mut bench = bench(1, &[]);
    for (command, payload, expected) in asked {
        let answer = bench.ask(0, &frame(command, payload));
        assert_eq!(answer, said(expected), "command {command:02x} {payload:02x?}");
    }
    assert_eq!(
        bench.ask(0, &frame(0x06, &[1])),
        said(&[(0x06, &[1]), (0x06, &[1])])
    );
    assert_eq!(bench.ask(0, &frame(0x06, &[0xff])), said(&[(0x06, &[1])]));
    assert_eq!(bench.ask(0, &frame(0x06, &[0])), said(&[(0x06, &[0])]));
    assert_eq!(bench.ask(0, &frame(0x40, &[0])).len(), 4, "a random byte");
    assert_eq!(
        bench.ask(0, &frame(0x51, &[0])).len(),
        171,
        "the EEPROM, all of it ff"
    );
    for silent in [0x30, 0x46, 0x52, 0x99] {
        assert_eq!(
            bench.ask(0, &frame(silent, &[1])),
            NOTHING,
            "command {silent:02x}"
        );
    }
}

#[test]
fn the_burst_of_a_real_host_is_answered_in_time() {
    let mut bench = bench(1, &[]);
    let detect = [
        0xc0, 0x08, 0x73, 0xc0, 0x50, 0x00, 0xc0, 0x48, 0x00, 0xc0, 0x49, 0x00, 0xc0,
    ];
    assert_eq!(
        bench.ask(0, &detect),
        said(&[(8, &[0x46]), (0x50, &[1, 86]), (0x48, &[0x80]), (0x49, &[0x81])])
    );
    let answer = bench.ask(0, &said(&SET_UP));
    let mut expected = SET_UP.to_vec();
    expected.push((0x06, &[1]));
    assert_eq!(answer, said(&expected));
}

#[test]
fn a_packet_arrives_behind_its_strength() {
    let mut bench = set_up(3, &[]);
    bench.write(0, &frame(0, &[1, 0xc0, 0xdb, 2]));
    bench.wait_ms(1000);
    let heard = frames(&bench.read(1));
    // -76 dBm, 12 dB.
    assert_eq!(
        heard,
        [
            vec![0x23, 81],
            vec![0x24, 48],
            vec![0, 1, 0xdb, 0xdc, 0xdb, 0xdd, 2]
        ]
    );
    assert_eq!(frames(&bench.read(2)), heard);
    assert_eq!(frames(&bench.read(0)), Vec::<Vec<u8>>::new(), "nothing unasked");
    assert_eq!(bench.ether.medium().statistics(Station(0)).bytes_sent, 5);
    assert_eq!(
        frames(&bench.ask(1, &frame(0x21, &[0]))),
        [vec![0x21, 0, 0, 0, 1]]
    );
    assert_eq!(
        frames(&bench.ask(0, &frame(0x22, &[0]))),
        [vec![0x22, 0, 0, 0, 1]]
    );
}

#[test]
fn a_long_packet_takes_two_frames_and_arrives_as_one() {
    let mut bench = set_up(2, &[]);
    bench.write(0, &frame(0, &[7; 508]));
    bench.wait_ms(3000);
    let heard = frames(&bench.read(1));
    assert_eq!(heard.last().map(Vec::len), Some(509));
    let sent = bench.ether.medium().statistics(Station(0));
    assert_eq!((sent.frames_sent, sent.bytes_sent), (2, 510));
    // Back to back, 255 bytes behind 18 symbols of preamble each.
    assert_eq!(sent.airings[0].airtime_us, 727_552);
    assert_eq!(sent.airings[1].start_us, sent.airings[0].start_us + 727_552);
}

#[test]
fn two_that_want_to_send_at_once_take_turns() {
    let mut bench = set_up(3, &[]);
    for turn in 0..20 {
        bench.write(0, &frame(0, &[turn; 40]));
        bench.write(1, &frame(0, &[turn; 40]));
        bench.wait_ms(3000);
    }
    let statistics = bench.ether.medium().statistics(Station(2));
    assert!(statistics.frames_received >= 34, "{statistics:?}");
}

#[test]
fn the_whole_queue_goes_at_once_when_slow_and_one_by_one_when_fast() {
    for (factor, is_burst) in [(8, true), (5, false)] {
        let mut bench = set_up(2, &[]);
        bench.ask(0, &frame(4, &[factor]));
        for number in 0..3 {
            bench.write(0, &frame(0, &[number]));
        }
        bench.wait_ms(5000);
        let airings = &bench.ether.medium().statistics(Station(0)).airings;
        assert_eq!(airings.len(), 3);
        let is_back_to_back = airings[1].start_us == airings[0].start_us + airings[0].airtime_us;
        assert_eq!(is_back_to_back, is_burst, "SF{factor}");
    }
}

#[test]
fn a_full_queue_drops_in_silence() {
    for (quirks, packets, expected) in [
        (&[][..], 300, 200),
        (&[Quirk::RnodeAvr], 300, 24),
        (&[Quirk::RnodeNrf52], 300, 200),
    ] {
        // The radio is off: everything waits.
        let mut bench = bench(1, quirks);
        for _ in 0..packets {
            bench.write(0, &frame(0, &[1]));
        }
        assert_eq!(bench.ask(0, &frame(0x0f, &[0])), frame(0x0f, &[0]), "full");
        bench.ask(0, &said(&SET_UP));
        bench.wait_ms(60_000);
        assert_eq!(bench.ether.medium().statistics(Station(0)).frames_sent, expected);
    }
    let mut bench = bench(1, &[]);
    for _ in 0..20 {
        bench.write(0, &frame(0, &[1; 500]));
    }
    bench.ask(0, &said(&SET_UP));
    bench.wait_ms(60_000);
    assert_eq!(
        bench.ether.medium().statistics(Station(0)).frames_sent,
        24,
        "12 packets of 500"
    );
}

#[test]
fn ready_comes_only_when_asked_for_unless_it_is_an_odd_one() {
    for (quirks, expected) in [
        (&[][..], vec![]),
        (&[Quirk::RnodeSpontaneousReady], vec![vec![0x0f, 1]]),
    ] {
        let mut bench = set_up(1, quirks);
        bench.write(0, &frame(0, &[1]));
        bench.wait_ms(2000);
        assert_eq!(frames(&bench.read(0)), expected);
    }
}

#[test]
fn load_and_physical_parameters_come_each_second_while_on() {
    let mut bench = set_up(1, &[]);
    bench.wait_ms(3000);
    let told = bench.read(0);
    let load = [0, 0, 0, 0, 0, 0, 0, 0, 40, 40, 0xff];
    let physical = [8, 0, 1, 232, 0, 18, 0, 36, 0, 24, 0, 49];
    let second = [frame(0x25, &load), frame(0x26, &physical)].concat();
    assert_eq!(told, second.repeat(3));
    bench.ask(0, &frame(6, &[0]));
    bench.wait_ms(3000);
    assert_eq!(bench.read(0), NOTHING);
    let mut quiet = set_up(1, &[Quirk::RnodeNoStats]);
    quiet.wait_ms(3000);
    assert_eq!(quiet.read(0), NOTHING);
}

#[test]
fn a_limit_of_airtime_holds_packets_back() {
    let mut bench = set_up(2, &[]);
    // 5 % of 15 s are 750 ms.
    bench.ask(0, &frame(0x0b, &500_u16.to_be_bytes()));
    for _ in 0..10 {
        bench.write(0, &frame(0, &[1; 200]));
        bench.wait_ms(1500);
    }
    bench.wait_ms(300_000);
    let statistics = bench.ether.medium().statistics(Station(0));
    assert!(
        statistics.frames_sent >= 9,
        "they are only held: {}",
        statistics.frames_sent
    );
    let longest = statistics
        .airings
        .iter()
        .map(|airing| airing.start_us)
        .max()
        .unwrap();
    assert!(longest > 20_000_000, "held back");
}

#[test]
fn promiscuous_hears_frames_as_they_are() {
    let mut bench = set_up(2, &[]);
    bench.ask(1, &frame(0x0e, &[1]));
    bench.write(0, &frame(0, &[5, 6]));
    bench.wait_ms(1000);
    let heard = without_escapes(&frames(&bench.read(1))[2]);
    assert_eq!(heard.len(), 4);
    assert_eq!(heard[1] & 0x0f, 0, "the header: not split");
    assert_eq!(heard[2..], [5, 6]);
}

#[test]
fn a_reset_forgets_everything_and_says_so() {
    let mut bench = set_up(1, &[]);
    bench.write(0, &frame(0x55, &[0xf8]));
    bench.wait_ms(500);
    assert_eq!(bench.ask(0, &frame(8, &[0x73])), NOTHING, "it is booting");
    bench.wait_ms(400);
    assert_eq!(bench.read(0), frame(0x55, &[0xf8]));
    assert_eq!(bench.ask(0, &frame(6, &[0xff])), frame(6, &[0]));
    assert_eq!(bench.ask(0, &frame(7, &[0])), frame(7, &[1]));
}

#[test]
fn quirks_show() {
    let mut old = bench(1, &[Quirk::RnodeOldFirmware, Quirk::RnodeNrf52]);
    assert_eq!(old.ask(0, &frame(0x50, &[0])), frame(0x50, &[1, 51]));
    assert_eq!(old.ask(0, &frame(0x48, &[0])), frame(0x48, &[0x70]));
    assert_eq!(old.ask(0, &frame(0x49, &[0])), frame(0x49, &[0x71]));
    let mut weak = bench(1, &[Quirk::RnodeSx127x, Quirk::RnodeAvr]);
    assert_eq!(weak.ask(0, &frame(3, &[22])), frame(3, &[17]));
    assert_eq!(weak.ask(0, &frame(0x48, &[0])), frame(0x48, &[0x90]));
    let mut broken = bench(1, &[Quirk::RnodeNoRadio]);
    broken.ask(0, &said(&SET_UP[..5]));
    assert_eq!(
        broken.ask(0, &frame(6, &[1])),
        said(&[(0x90, &[1]), (6, &[0]), (6, &[0])])
    );
    let mut slow = bench(1, &[Quirk::SlowAnswers]);
    assert_eq!(slow.ask(0, &frame(8, &[0x73])), NOTHING);
    slow.wait_ms(300);
    assert_eq!(slow.read(0), frame(8, &[0x46]));
    let mut talkative = set_up(1, &[Quirk::RnodeMoreStats]);
    talkative.wait_ms(1000);
    let more = said(&[(0x27, &[3, 100]), (0x29, &[145]), (0x28, &[1, 0, 14])]);
    assert!(talkative.read(0).starts_with(&more));
    let mut chopped = bench(1, &[Quirk::Chopped]);
    assert_eq!(chopped.ask(0, &frame(0x50, &[0])), frame(0x50, &[1, 86]));
}

#[test]
fn errors_and_boots_come_on_demand() {
    let mut bench = set_up(1, &[Quirk::RnodeResetOnOpen]);
    for number in [1, 2, 3, 4, 5, 6] {
        bench.ether.touch(bench.now, 0, Touch::Error(number));
        bench.wait_ms(1);
        assert_eq!(frames(&bench.read(0)), [vec![0x90, number]]);
    }
    bench.ether.touch(bench.now, 0, Touch::Opened);
    bench.wait_ms(1100);
    assert_eq!(bench.read(0), frame(0x55, &[0xf8]));
}

#[test]
fn one_that_hangs_says_nothing_until_it_is_reset() {
    let mut bench = set_up(1, &[]);
    bench.ether.silence(0);
    assert_eq!(bench.ask(0, &frame(8, &[0x73])), NOTHING);
    bench.ether.touch(bench.now, 0, Touch::Reset);
    bench.wait_ms(1100);
    assert_eq!(bench.read(0), frame(0x55, &[0xf8]));
    assert_eq!(bench.ask(0, &frame(8, &[0x73])), frame(8, &[0x46]));
    bench.ether.say_garbage(bench.now, 0);
    assert_eq!(bench.read(0).len(), 64);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let mut bench = set_up(3, &[Quirk::Chopped]);
        bench.ether.medium_mut().set_loss(0.3);
        for turn in 0..10 {
            bench.write(usize::from(turn % 3), &frame(0, &[turn; 300]));
            bench.wait_ms(700);
        }
        bench.wait_ms(20_000);
        [0, 1, 2].map(|modem| bench.read(modem))
    };
    assert_eq!(run(), run());
}
