//! The dialogue with an E22, byte by byte.

use super::*;

fn config() -> E22Config {
    E22Config::new(868_125_000)
}

/// Address FFFF, network 0, 9600 8N1 and 2.4k, 13 dBm, channel 18, RSSI byte, listening, wake bits as found.
const WANTED: [u8; 7] = [0xff, 0xff, 0x00, 0x62, 0x02, 0x12, 0x93];
/// As it comes from the factory.
const FACTORY: [u8; 7] = [0x00, 0x00, 0x00, 0x62, 0x00, 0x12, 0x03];

fn outputs(driver: &mut E22Driver) -> Vec<Output> {
    std::iter::from_fn(|| driver.poll_output()).collect()
}

fn timeout(driver: &mut E22Driver) -> Instant {
    let due = driver.poll_timeout().unwrap();
    driver.handle_timeout(due);
    due
}

fn answer(registers: [u8; 7]) -> Vec<u8> {
    [&[0xc1, 0x00, 0x07][..], &registers].concat()
}

fn asked() -> (E22Driver, Instant) {
    let mut driver = E22Driver::new(config());
    driver.start(Instant(0));
    assert_eq!(
        outputs(&mut driver),
        [Output::SetMode { m0: false, m1: true }, Output::SetSpeed(9600)]
    );
    let now = timeout(&mut driver);
    assert_eq!(outputs(&mut driver), [Output::Write(vec![0xc1, 0x00, 0x07])]);
    (driver, now)
}

fn online() -> (E22Driver, Instant) {
    let (mut driver, now) = asked();
    driver.handle_bytes(now, &answer(WANTED));
    let now = timeout(&mut driver);
    outputs(&mut driver);
    assert!(driver.is_ready());
    (driver, now)
}

#[test]
fn registers_that_differ_are_written_until_power_off_and_read_back() {
    let (mut driver, now) = asked();
    // Noise first, and the answer cut.
    driver.handle_bytes(now, &[0x00, 0xc1, 0x55]);
    let bytes = answer(FACTORY);
    driver.handle_bytes(now, &bytes[..4]);
    assert_eq!(outputs(&mut driver), []);
    driver.handle_bytes(now, &bytes[4..]);
    let write = [&[0xc2, 0x00, 0x07][..], &WANTED].concat();
    assert_eq!(outputs(&mut driver), [Output::Write(write)]);
    driver.handle_bytes(now, &answer(WANTED));
    assert_eq!(
        outputs(&mut driver),
        [Output::SetMode { m0: false, m1: false }, Output::SetSpeed(9600)]
    );
    timeout(&mut driver);
    assert!(
        matches!(outputs(&mut driver).as_slice(), [Output::Online(identity)] if identity.kind == ModemKind::E22)
    );
}

#[test]
fn registers_that_are_right_are_left_alone() {
    let (mut driver, now) = asked();
    driver.handle_bytes(now, &answer(WANTED));
    assert!(
        !outputs(&mut driver)
            .iter()
            .any(|output| matches!(output, Output::Write(_)))
    );
}

#[test]
fn a_module_that_keeps_other_values_is_told() {
    let (mut driver, now) = asked();
    driver.handle_bytes(now, &answer(FACTORY));
    driver.handle_bytes(now, &answer(FACTORY));
    let said = outputs(&mut driver);
    assert!(
        matches!(said.last(), Some(Output::Failed(ModemError::Parameter { .. }))),
        "{said:?}"
    );
}

#[test]
fn a_command_that_is_not_understood_is_told() {
    let (mut driver, now) = asked();
    driver.handle_bytes(now, &[0xff, 0xff, 0xff]);
    assert!(matches!(
        outputs(&mut driver).as_slice(),
        [Output::Failed(ModemError::Hardware(_))]
    ));
}

#[test]
fn a_module_that_cannot_be_configured_is_used_as_it_is() {
    let (mut driver, _) = asked();
    let mut said = Vec::new();
    while !driver.is_ready() {
        timeout(&mut driver);
        said.extend(outputs(&mut driver));
    }
    let writes = said
        .iter()
        .filter(|output| matches!(output, Output::Write(_)))
        .count();
    assert_eq!(writes, 2);
    assert!(said.iter().any(|output| matches!(output, Output::Notice(_))));
}

#[test]
fn every_setting_has_its_bits() {
    let strong = E22Config {
        frequency_hz: 410_125_000,
        air_rate_bps: 62_500,
        tx_power_dbm: 30,
        address: 0x1234,
        network: 9,
        speed_bps: 115_200,
        listen_first: false,
        rssi: false,
    };
    assert_eq!(strong.registers(0x0b), [0x12, 0x34, 9, 0xe7, 0, 0, 0x0b]);
    for (power, bits) in [(22, 0), (21, 1), (17, 1), (13, 2), (10, 3)] {
        let config = E22Config {
            tx_power_dbm: power,
            ..config()
        };
        assert_eq!(config.registers(0)[4], bits, "{power} dBm");
    }
}

#[test]
fn settings_that_no_e22_has_are_refused() {
    assert!(config().check().is_ok());
    for bad in [
        E22Config::new(868_100_000),
        E22Config::new(400_000_000),
        E22Config {
            air_rate_bps: 1000,
            ..config()
        },
        E22Config {
            speed_bps: 1,
            ..config()
        },
        E22Config {
            tx_power_dbm: 5,
            ..config()
        },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn frames_are_found_whatever_is_cut_or_lost() {
    let (mut driver, now) = online();
    // The end of a packet whose beginning was lost, then two packets, each with its strength.
    let mut bytes = vec![9, 9, 9];
    for frame in [&[1_u8, 2, 3][..], &[7; 238]] {
        let len = frame.len() as u8;
        bytes.extend([len, len ^ 0x55]);
        bytes.extend(frame);
        bytes.push(0x9c);
    }
    for piece in bytes.chunks(7) {
        driver.handle_bytes(now, piece);
    }
    let received = |bytes: &[u8]| {
        Output::Received(ReceivedFrame {
            bytes: bytes.to_vec(),
            rssi_dbm: Some(-100),
            snr_db: None,
        })
    };
    assert_eq!(outputs(&mut driver), [received(&[1, 2, 3]), received(&[7; 238])]);
}

#[test]
fn a_strength_that_does_not_come_is_not_waited_for() {
    let (mut driver, now) = online();
    driver.handle_bytes(now, &[1, 0x54, 42]);
    assert_eq!(outputs(&mut driver), []);
    timeout(&mut driver);
    assert!(matches!(outputs(&mut driver).as_slice(), [Output::Received(frame)] if frame.rssi_dbm.is_none()));
}

#[test]
fn a_piece_is_dropped_after_a_pause() {
    let (mut driver, now) = online();
    driver.handle_bytes(now, &[5, 0x50, 1, 2]);
    let later = now.after_us(HALF_FRAME_US + 1);
    driver.handle_bytes(later, &[1, 0x54, 42, 0x80]);
    assert!(matches!(outputs(&mut driver).as_slice(), [Output::Received(frame)] if frame.bytes == [42]));
}

#[test]
fn the_next_frame_waits_for_line_and_air() {
    let (mut driver, now) = online();
    driver.send(now, &[0xc1; 98]);
    let mut written = vec![98, 98 ^ 0x55];
    written.extend([0xc1; 98]);
    assert_eq!(outputs(&mut driver), [Output::Write(written)]);
    assert!(!driver.is_ready());
    // 100 bytes at 2,400: 0.75 s on air, 0.104 s on the line.
    let due = timeout(&mut driver);
    assert_eq!(due.us_since(now), 750_000 + 104_166 + SETTLE_US);
    assert_eq!(outputs(&mut driver), [Output::Sent { accepted: true }]);
    driver.send(due, &[0; 239]);
    assert_eq!(outputs(&mut driver), [Output::Sent { accepted: false }]);
}

#[test]
fn no_packet_looks_like_a_command() {
    for len in 1..=238_u8 {
        let head = [len, len ^ CHECK];
        assert!(head != [0xc0, 0xc1] && head != [0xcf, 0xcf]);
    }
}

#[test]
fn the_manuals_example_takes_its_time() {
    let timing = E22Timing::new(&E22Config {
        air_rate_bps: 1200,
        ..config()
    });
    assert_eq!(timing.airtime_us(98), Ok(1_500_000));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_borne(pieces in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..300), 0..30), configured: bool) {
        let (mut driver, mut now) = if configured { online() } else { asked() };
        for piece in pieces {
            now = now.after_us(30_000);
            driver.handle_bytes(now, &piece);
            driver.handle_timeout(now);
            outputs(&mut driver);
            proptest::prop_assert!(driver.line.len() <= 600);
        }
    }
}
