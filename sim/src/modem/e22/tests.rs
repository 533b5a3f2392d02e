//! What the host sees of an E22, byte for byte.

use cairn_transports::lora::modem::ModemKind;

use super::super::bench::Bench;
use super::super::{Quirk, Touch};
use crate::medium::Station;

/// For comparing with what is empty.
const NOTHING: [u8; 0] = [];

fn bench(count: usize, quirks: &[Quirk]) -> Bench {
    let mut bench = Bench::new(ModemKind::E22, count, quirks);
    bench.speed = 9600;
    bench
}

fn lines(bench: &mut Bench, modem: usize, m0: bool, m1: bool) {
    bench.ether.touch(bench.now, modem, Touch::Lines { m0, m1 });
}

#[test]
fn registers_are_written_and_read_in_configuration_mode() {
    let mut bench = bench(1, &[Quirk::E22Wired]);
    lines(&mut bench, 0, false, true);
    assert_eq!(bench.ask(0, &[0xc0, 5, 1, 9]), [0xc1, 5, 1, 9]);
    let set = [0xc0, 0, 4, 0x12, 0x34, 0, 0x61];
    assert_eq!(bench.ask(0, &set), [0xc1, 0, 4, 0x12, 0x34, 0, 0x61]);
    assert_eq!(
        bench.ask(0, &[0xc1, 0, 9]),
        [0xc1, 0, 9, 0x12, 0x34, 0, 0x61, 0, 9, 3, 0, 0]
    );
    assert_eq!(bench.ask(0, b"AT\r\n"), [0xff, 0xff, 0xff]);
    assert_eq!(bench.ask(0, &[0xc1, 0x80, 7]).len(), 10);
    bench.speed = 115_200;
    assert_eq!(bench.ask(0, &[0xc1, 0, 1]), NOTHING, "always 9600 baud");
}

#[test]
fn configuration_is_always_at_9600_baud_and_data_at_the_modules_speed() {
    let mut bench = bench(2, &[]);
    for modem in [0, 1] {
        // 115200 baud, 2.4 kbit/s.
        assert_eq!(bench.ask(modem, &[0xc0, 3, 1, 0xe2]), [0xc1, 3, 1, 0xe2]);
    }
    bench.write(0, b"at the wrong speed");
    bench.wait_ms(5000);
    assert_eq!(bench.read(1), NOTHING);
    bench.speed = 115_200;
    bench.write(0, b"at the right one");
    bench.wait_ms(5000);
    assert_eq!(bench.read(1), b"at the right one");
    bench.speed = 9600;
    assert_eq!(bench.ask(0, &[0xc1, 3, 1]), [0xc1, 3, 1, 0xe2]);
}

#[test]
fn without_mode_lines_a_lone_command_is_one_and_another_is_data() {
    let mut bench = bench(2, &[]);
    assert_eq!(bench.ask(0, &[0xc1, 5, 1]), [0xc1, 5, 1, 0x12]);
    bench.write(0, &[1, 2, 3]);
    bench.wait_ms(8);
    // Sooner than 20 ms after other bytes.
    assert_eq!(bench.ask(0, &[0xc1, 5, 1]), NOTHING);
    bench.wait_ms(5000);
    assert_eq!(bench.read(1), [1, 2, 3, 0xc1, 5, 1]);
    bench.write(0, &[0xc1, 5, 1, 0]);
    bench.wait_ms(5000);
    assert_eq!(bench.read(1), [0xc1, 5, 1, 0], "no command of this length");
}

#[test]
fn bytes_go_on_air_when_the_line_pauses() {
    let mut bench = bench(2, &[]);
    bench.write(0, b"one ");
    bench.wait_ms(6);
    bench.write(0, b"packet");
    bench.wait_ms(30);
    bench.write(0, b"another");
    bench.wait_ms(5000);
    let sent = bench.ether.medium().statistics(Station(0));
    // Three bytes of header each.
    let lens: Vec<usize> = sent.airings.iter().map(|airing| airing.bytes).collect();
    assert_eq!(lens, [13, 10]);
    assert_eq!(bench.read(1), b"one packetanother");
}

#[test]
fn a_long_message_is_cut_and_comes_out_with_gaps() {
    let mut bench = bench(2, &[]);
    let message: Vec<u8> = (0..250).map(|number| number as u8).collect();
    bench.write(0, &message);
    let mut pieces = Vec::new();
    for _ in 0..400 {
        bench.wait_ms(10);
        let piece = bench.read(1);
        if !piece.is_empty() {
            pieces.push((bench.now, piece));
        }
    }
    assert_eq!(pieces.len(), 2);
    assert_eq!((&pieces[0].1[..], &pieces[1].1[..]), message.split_at(240));
    let smaller = [0xc0, 4, 1, 0xc0];
    assert_eq!(bench.ask(0, &smaller), [0xc1, 4, 1, 0xc0]);
    bench.write(0, &message[..100]);
    bench.wait_ms(8000);
    let sent = bench.ether.medium().statistics(Station(0));
    let lens: Vec<usize> = sent.airings.iter().skip(2).map(|airing| airing.bytes).collect();
    assert_eq!(lens, [35, 35, 35, 7]);
}

#[test]
fn the_buffer_holds_1000_bytes() {
    let mut bench = bench(2, &[]);
    // 115200 baud and the slowest air rate: nothing leaves in time.
    for modem in [0, 1] {
        bench.ask(modem, &[0xc0, 3, 1, 0xe0]);
    }
    bench.speed = 115_200;
    bench.write(0, &[7; 1600]);
    bench.wait_ms(120_000);
    let sent = bench.ether.medium().statistics(Station(0));
    let bytes: usize = sent.airings.iter().map(|airing| airing.bytes - 3).sum();
    // The first packet leaves the buffer when it goes on air.
    assert_eq!(bytes, 1240);
}

#[test]
fn the_strength_is_a_byte_behind_each_packet() {
    for (quirks, expected) in [(&[][..], 256 - 68), (&[Quirk::E22HalvedRssi], 136)] {
        let mut bench = bench(2, quirks);
        bench.ask(1, &[0xc0, 6, 1, 0x83]);
        bench.write(0, b"x");
        bench.wait_ms(2000);
        // 22 dBm, 90 dB away.
        assert_eq!(bench.read(1), [b'x', expected as u8]);
    }
}

#[test]
fn ambient_noise_is_told_in_transmission_mode_where_it_is_enabled() {
    let mut bench = bench(2, &[]);
    let query = [0xc0, 0xc1, 0xc2, 0xc3, 0, 2];
    bench.write(0, &query);
    bench.wait_ms(2000);
    assert_eq!(bench.read(1), query, "data, as long as it is not enabled");
    bench.ask(1, &[0xc0, 4, 1, 0x20]);
    // -111 dBm of noise at 500 kHz; the last packet came with -68 dBm.
    assert_eq!(bench.ask(1, &query), [0xc1, 0, 2, 145, 188]);
}

#[test]
fn fixed_addressing_strips_three_bytes() {
    let mut bench = bench(3, &[]);
    for (modem, address) in [(0, 1), (1, 2), (2, 3)] {
        bench.ask(modem, &[0xc0, 0, 2, 0, address]);
        bench.ask(modem, &[0xc0, 6, 1, 0x43]);
    }
    // Number 2 listens on another channel.
    bench.ask(2, &[0xc0, 5, 1, 0x20]);
    let mut sent = |bytes: &[u8]| {
        bench.write(0, bytes);
        bench.wait_ms(2000);
        [bench.read(1), bench.read(2)]
    };
    assert_eq!(sent(&[0, 2, 0x12, b'a']), [b"a".to_vec(), vec![]]);
    assert_eq!(sent(&[0, 3, 0x12, b'b']), [NOTHING; 2], "not where it listens");
    assert_eq!(sent(&[0, 3, 0x20, b'c']), [vec![], b"c".to_vec()]);
    assert_eq!(sent(&[0xff, 0xff, 0x12, b'd']), [b"d".to_vec(), vec![]]);
    assert_eq!(sent(&[0, 2]), [NOTHING; 2], "no whole address");
}

#[test]
fn address_network_channel_rate_and_key_must_match() {
    let others: [&[u8]; 5] = [
        &[0xc0, 0, 2, 0, 9],
        &[0xc0, 2, 1, 1],
        &[0xc0, 5, 1, 0x13],
        &[0xc0, 3, 1, 0x63],
        &[0xc0, 7, 2, 1, 2],
    ];
    for other in others {
        let mut bench = bench(2, &[]);
        assert_eq!(bench.ask(1, other)[0], 0xc1);
        bench.write(0, b"x");
        bench.wait_ms(2000);
        assert_eq!(bench.read(1), NOTHING, "{other:02x?}");
    }
    let mut bench = bench(2, &[]);
    bench.ask(1, &[0xc0, 0, 2, 0xff, 0xff]);
    bench.write(0, b"x");
    bench.wait_ms(2000);
    assert_eq!(bench.read(1), b"x", "FFFF hears all");
}

#[test]
fn sleep_and_configuration_hear_nothing() {
    for (m0, m1, expected) in [
        (false, false, &b"x"[..]),
        (true, false, b"x"),
        (false, true, b""),
        (true, true, b""),
    ] {
        let mut bench = bench(2, &[Quirk::E22Wired]);
        lines(&mut bench, 1, m0, m1);
        bench.write(0, b"x");
        bench.wait_ms(2000);
        assert_eq!(bench.read(1), expected, "M0 {m0} M1 {m1}");
    }
}

#[test]
fn listening_before_talk_waits_for_the_other() {
    let mut bench = bench(3, &[]);
    bench.ask(1, &[0xc0, 6, 1, 0x13]);
    bench.write(0, &[1; 200]);
    bench.wait_ms(300);
    bench.write(1, &[2; 20]);
    bench.wait_ms(5000);
    assert_eq!(bench.read(2), [[1; 200].as_slice(), &[2; 20]].concat());
    // Without it both are lost.
    bench.ask(1, &[0xc0, 6, 1, 0x03]);
    bench.write(0, &[1; 200]);
    bench.wait_ms(300);
    bench.write(1, &[2; 20]);
    bench.wait_ms(5000);
    assert_eq!(bench.read(2), NOTHING);
}

#[test]
fn a_command_goes_over_the_air_and_its_answer_comes_back() {
    let mut bench = bench(2, &[]);
    bench.write(0, &[0xcf, 0xcf, 0xc1, 5, 1]);
    bench.wait_ms(5000);
    assert_eq!(bench.read(0), [0xcf, 0xcf, 0xc1, 5, 1, 0x12]);
    assert_eq!(bench.read(1), NOTHING);
}
