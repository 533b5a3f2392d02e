//! What the host sees of a RYLR, line for line.

use cairn_transports::lora::modem::ModemKind;

use super::super::bench::Bench;
use super::super::{Quirk, Touch};
use crate::medium::Station;

fn bench(count: usize, quirks: &[Quirk]) -> Bench {
    let mut bench = Bench::new(ModemKind::Rylr, count, quirks);
    bench.speed = 115_200;
    bench
}

fn ask(bench: &mut Bench, modem: usize, line: &str) -> String {
    let answer = bench.ask(modem, format!("{line}\r\n").as_bytes());
    String::from_utf8(answer).unwrap().replace("\r\n", ";")
}

fn answers(bench: &mut Bench, lines: &[(&str, &str)]) {
    for (line, answer) in lines {
        assert_eq!(ask(bench, 0, line), *answer, "{line}");
    }
}

/// Another's line, once the frame has arrived.
fn heard(bench: &mut Bench, modem: usize) -> String {
    bench.wait_ms(10_000);
    String::from_utf8_lossy(&bench.read(modem)).replace("\r\n", ";")
}

#[test]
fn each_command_of_the_rylr998_is_answered() {
    answers(
        &mut bench(1, &[]),
        &[
            ("AT", "+OK;"),
            ("AT+ADDRESS?", "+ADDRESS=0;"),
            ("AT+ADDRESS=65535", "+OK;"),
            ("AT+ADDRESS=65536", "+ERR=4;"),
            ("AT+ADDRESS?", "+ADDRESS=65535;"),
            ("AT+NETWORKID?", "+NETWORKID=18;"),
            ("AT+NETWORKID=3", "+OK;"),
            ("AT+NETWORKID=16", "+ERR=4;"),
            ("AT+PARAMETER=9,7,1,8", "+ERR=18;"),
            ("AT+NETWORKID=18", "+OK;"),
            ("AT+PARAMETER?", "+PARAMETER=9,7,1,12;"),
            ("AT+PARAMETER=8,7,1,8", "+OK;"),
            ("AT+PARAMETER=10,7,1,8", "+ERR=4;"),
            ("AT+PARAMETER?", "+PARAMETER=8,7,1,8;"),
            ("AT+BAND?", "+BAND=915000000;"),
            ("AT+BAND=868100000", "+OK;"),
            ("AT+BAND=433000000", "+ERR=4;"),
            ("AT+BAND?", "+BAND=868100000;"),
            ("AT+MODE?", "+MODE=0;"),
            ("AT+MODE=2,1000,1000", "+OK;"),
            ("AT+MODE?", "+MODE=2,1000,1000;"),
            ("AT+MODE=2,10,1000", "+ERR=20;"),
            ("AT+MODE=0", "+OK;"),
            ("AT+CPIN?", "+CPIN=No Password!;"),
            ("AT+CPIN=eeddccbb", "+OK;"),
            ("AT+CPIN=eedd", "+ERR=4;"),
            ("AT+CPIN?", "+CPIN=EEDDCCBB;"),
            ("AT+CRFOP?", "+CRFOP=22;"),
            ("AT+CRFOP=14", "+OK;"),
            ("AT+CRFOP=23", "+ERR=4;"),
            ("AT+CRFOP?", "+CRFOP=14;"),
            ("AT+UID?", "+UID=164738323135383200100025;"),
            ("AT+VER?", "+VER=RYLR998_V1.2.2;"),
            ("AT+IPR?", "+IPR=115200;"),
            ("AT+NOTHING?", "+ERR=4;"),
            ("AT+NOTHING", "+ERR=4;"),
            ("HELLO", "+ERR=2;"),
            ("AT+FACTORY", "+FACTORY;"),
            ("AT+CRFOP?", "+CRFOP=22;"),
            ("AT+RESET", "+RESET;+READY;"),
        ],
    );
}

#[test]
fn the_rylr896_has_ranges_of_its_own() {
    answers(
        &mut bench(1, &[Quirk::Rylr896]),
        &[
            ("AT+NETWORKID?", "+NETWORKID=0;"),
            ("AT+NETWORKID=16", "+OK;"),
            ("AT+NETWORKID=18", "+ERR=4;"),
            ("AT+PARAMETER?", "+PARAMETER=12,7,1,4;"),
            ("AT+PARAMETER=12,9,4,7", "+OK;"),
            ("AT+PARAMETER=6,7,1,4", "+ERR=4;"),
            ("AT+PARAMETER=10,7,1,8", "+ERR=18;"),
            ("AT+CRFOP=15", "+OK;"),
            ("AT+CRFOP=16", "+ERR=4;"),
            ("AT+CPIN=FABC0002EEDCAA90FABC0002EEDCAA90", "+OK;"),
            ("AT+CPIN=eeddccbb", "+ERR=4;"),
            ("AT+MODE=2,1000,1000", "+ERR=4;"),
            ("AT+NOTHING", "+ERR=3;"),
            ("AT+BAND=868100000,M", "+ERR=4;"),
            ("AT+VER?", "+VER=RYLR896_V1.2.2;"),
        ],
    );
}

#[test]
fn a_reset_loses_what_the_guide_says() {
    let mut bench = bench(1, &[]);
    answers(
        &mut bench,
        &[
            ("AT+ADDRESS=7", "+OK;"),
            ("AT+NETWORKID=5", "+OK;"),
            ("AT+BAND=868100000", "+OK;"),
            ("AT+CPIN=eeddccbb", "+OK;"),
            ("AT+RESET", "+RESET;+READY;"),
            ("AT+ADDRESS?", "+ADDRESS=7;"),
            ("AT+NETWORKID?", "+NETWORKID=5;"),
            ("AT+BAND?", "+BAND=915000000;"),
            ("AT+CPIN?", "+CPIN=No Password!;"),
            ("AT+BAND=868100000,M", "+OK;"),
        ],
    );
    bench.ether.touch(bench.now, 0, Touch::Reset);
    bench.wait_ms(10);
    assert_eq!(bench.read(0), b"+READY\r\n");
    answers(&mut bench, &[("AT+BAND?", "+BAND=868100000;")]);
}

#[test]
fn a_line_must_end_in_cr_lf() {
    let mut bench = bench(1, &[]);
    assert_eq!(bench.ask(0, b"AT\n"), b"+ERR=1\r\n");
    assert_eq!(bench.ask(0, b"AT"), b"");
    bench.wait_ms(100);
    assert_eq!(bench.read(0), b"+ERR=1\r\n");
    bench.write(0, b"A");
    bench.wait_ms(50);
    assert_eq!(bench.ask(0, b"T\r\n"), b"+OK\r\n", "in two pieces");
}

#[test]
fn a_message_arrives_with_its_sender_length_and_strength() {
    let mut bench = bench(3, &[]);
    ask(&mut bench, 0, "AT+ADDRESS=50");
    ask(&mut bench, 1, "AT+ADDRESS=51");
    assert_eq!(ask(&mut bench, 0, "AT+SEND=0,5,HE,LO"), "+OK;");
    assert_eq!(heard(&mut bench, 1), "+RCV=50,5,HE,LO,-68,12;");
    assert_eq!(heard(&mut bench, 2), "+RCV=50,5,HE,LO,-68,12;");
    assert_eq!(
        bench.ether.medium().statistics(Station(0)).bytes_sent,
        13,
        "eight more than it holds"
    );
    ask(&mut bench, 0, "AT+SEND=51,1,x");
    assert_eq!(heard(&mut bench, 1), "+RCV=50,1,x,-68,12;");
    assert_eq!(heard(&mut bench, 2), "");
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let long = format!("AT+SEND=0,241,{}", "x".repeat(241));
    let longest = format!("AT+SEND=0,240,{}", "x".repeat(240));
    answers(
        &mut bench(1, &[]),
        &[
            ("AT+SEND=0,5,HELL", "+ERR=5;"),
            ("AT+SEND=0,5,HELLOO", "+ERR=5;"),
            ("AT+SEND=0,0,", "+ERR=5;"),
            ("AT+SEND=0,5", "+ERR=5;"),
            ("AT+SEND=x,1,a", "+ERR=4;"),
            (&long, "+ERR=13;"),
            (&longest, "+OK;"),
            ("AT+SEND=0,1,a", "+ERR=17;"),
            ("AT", "+OK;"),
        ],
    );
}

#[test]
fn ok_comes_when_it_is_taken_or_when_it_is_sent() {
    let mut bench = bench(1, &[Quirk::RylrOkWhenSent]);
    assert_eq!(
        ask(
            &mut bench,
            0,
            "AT+SEND=0,50,12345678901234567890123456789012345678901234567890"
        ),
        ""
    );
    bench.wait_ms(400);
    assert_eq!(bench.read(0), b"+OK\r\n");
    assert_eq!(
        ask(&mut bench, 0, "AT+SEND=0,1,a"),
        "+OK;",
        "1 byte is on air for less than 190 ms"
    );
}

#[test]
fn bytes_outside_of_ascii_do_not_survive() {
    let line = b"AT+SEND=0,4,a\x00\xffb\r\n";
    for (quirks, expected) in [
        (&[][..], "+RCV=0,4,a??b,-68,12;"),
        (&[Quirk::RylrDropsBinary], "+RCV=0,2,ab,-68,12;"),
    ] {
        let mut bench = bench(2, quirks);
        assert_eq!(bench.ask(0, line), b"+OK\r\n");
        assert_eq!(heard(&mut bench, 1), expected);
    }
    let mut raw = bench(2, &[Quirk::RylrRaw]);
    assert_eq!(raw.ask(0, b"AT+SEND=0,6,\r\n\x00,\xff\n\r\n"), b"+OK\r\n");
    raw.wait_ms(1000);
    assert_eq!(raw.read(1), b"+RCV=0,6,\r\n\x00,\xff\n,-68,12\r\n");
    let mut plain = bench(1, &[]);
    assert_eq!(
        plain.ask(0, b"AT+SEND=0,4,a\r\nb\r\n"),
        b"+ERR=5\r\n+ERR=2\r\n",
        "a line ends where CR LF is"
    );
}

#[test]
fn network_parameters_band_and_password_must_match() {
    for other in [
        "AT+NETWORKID=5",
        "AT+PARAMETER=8,7,1,12",
        "AT+BAND=868100000",
        "AT+CPIN=eeddccbb",
    ] {
        let mut bench = bench(2, &[]);
        assert_eq!(ask(&mut bench, 1, other), "+OK;");
        ask(&mut bench, 0, "AT+SEND=0,1,x");
        assert_eq!(heard(&mut bench, 1), "", "{other}");
    }
}

#[test]
fn one_that_sleeps_hears_nothing_until_a_byte_wakes_it() {
    let mut bench = bench(2, &[]);
    ask(&mut bench, 1, "AT+MODE=1");
    ask(&mut bench, 0, "AT+SEND=0,1,x");
    assert_eq!(heard(&mut bench, 1), "");
    assert_eq!(ask(&mut bench, 1, "AT+MODE?"), "+MODE=0;");
    ask(&mut bench, 0, "AT+SEND=0,1,x");
    assert_eq!(heard(&mut bench, 1), "+RCV=0,1,x,-68,12;");
}

#[test]
fn the_speed_can_be_changed_and_another_is_not_understood() {
    let mut bench = bench(1, &[]);
    answers(&mut bench, &[("AT+IPR=9600", "+IPR=9600;"), ("AT", "")]);
    bench.speed = 9600;
    answers(
        &mut bench,
        &[
            ("AT", "+OK;"),
            ("AT+IPR=12345", "+ERR=4;"),
            ("AT+IPR?", "+IPR=9600;"),
        ],
    );
}

#[test]
fn errors_on_demand_and_names_of_the_guide() {
    let mut bench = bench(1, &[Quirk::RylrNetworkName]);
    answers(&mut bench, &[("AT+NETWORKID?", "+NETWORK=18;")]);
    bench.ether.touch(bench.now, 0, Touch::Error(12));
    bench.wait_ms(2);
    assert_eq!(bench.read(0), b"+ERR=12\r\n");
}
