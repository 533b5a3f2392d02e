//! The dialogue with an RNode, byte by byte.

use super::*;

fn config() -> RnodeConfig {
    RnodeConfig {
        frequency_hz: 868_100_000,
        bandwidth_hz: 125_000,
        spreading_factor: SpreadingFactor::new(8).unwrap(),
        coding_rate: CodingRate::new(5).unwrap(),
        tx_power_dbm: 14,
    }
}

fn outputs(driver: &mut RnodeDriver) -> Vec<Output> {
    std::iter::from_fn(|| driver.poll_output()).collect()
}

/// What firmware 1.86 on an ESP32 says to the first question.
const HELLO: [u8; 14] = [
    0xc0, 0x08, 0x46, 0xc0, 0x50, 0x01, 0x56, 0xc0, 0x48, 0x80, 0xc0, 0x49, 0x81, 0xc0,
];

/// Its answers to the parameters; "on" is answered twice.
fn parameters() -> Vec<u8> {
    let mut bytes = kiss::encode(FREQUENCY, &868_100_000_u32.to_be_bytes());
    bytes.extend(kiss::encode(BANDWIDTH, &125_000_u32.to_be_bytes()));
    bytes.extend(kiss::encode(TX_POWER, &[14]));
    bytes.extend(kiss::encode(SPREADING_FACTOR, &[8]));
    bytes.extend(kiss::encode(CODING_RATE, &[5]));
    bytes.extend(kiss::encode(RADIO_STATE, &[1]));
    bytes.extend(kiss::encode(RADIO_STATE, &[1]));
    bytes
}

fn online() -> RnodeDriver {
    let mut driver = RnodeDriver::new(config());
    driver.start(Instant(0));
    driver.handle_bytes(Instant(10_000), &HELLO);
    driver.handle_bytes(Instant(20_000), &parameters());
    outputs(&mut driver);
    assert!(driver.is_ready());
    driver
}

fn failure(driver: &mut RnodeDriver) -> Option<ModemError> {
    outputs(driver).into_iter().find_map(|output| match output {
        Output::Failed(error) => Some(error),
        _ => None,
    })
}

#[test]
fn it_asks_sets_reads_back_and_is_online() {
    let mut driver = RnodeDriver::new(config());
    driver.start(Instant(0));
    let question = vec![
        0xc0, 0x08, 0x73, 0xc0, 0x50, 0x00, 0xc0, 0x48, 0x00, 0xc0, 0x49, 0x00, 0xc0,
    ];
    assert_eq!(
        outputs(&mut driver),
        [Output::SetSpeed(115_200), Output::Write(question)]
    );
    // Noise of a boot loader first, and the answer byte by byte.
    driver.handle_bytes(Instant(1), b"ets Jul 29 2019\r\n");
    for byte in HELLO {
        assert!(!driver.is_ready());
        driver.handle_bytes(Instant(10_000), &[byte]);
    }
    let settings = vec![
        0xc0, 0x01, 0x33, 0xbe, 0x27, 0xa0, 0xc0, // 868,100,000
        0xc0, 0x02, 0x00, 0x01, 0xe8, 0x48, 0xc0, // 125,000
        0xc0, 0x03, 0x0e, 0xc0, 0xc0, 0x04, 0x08, 0xc0, 0xc0, 0x05, 0x05, 0xc0, 0xc0, 0x06, 0x01, 0xc0,
    ];
    assert_eq!(outputs(&mut driver), [Output::Write(settings)]);
    driver.handle_bytes(Instant(20_000), &parameters());
    let identity = ModemIdentity {
        kind: ModemKind::Rnode,
        description: "RNode, firmware 1.86, ESP32".into(),
    };
    assert_eq!(outputs(&mut driver), [Output::Online(identity)]);
    assert!(driver.is_ready());
}

#[test]
fn a_board_that_starts_slowly_is_asked_again() {
    let mut driver = RnodeDriver::new(config());
    driver.start(Instant(0));
    outputs(&mut driver);
    let mut asked = 0;
    while let Some(due) = driver.poll_timeout().filter(|due| *due < Instant(2_000_000)) {
        driver.handle_timeout(due);
        asked += outputs(&mut driver).len();
    }
    assert_eq!(asked, 3);
    driver.handle_bytes(Instant(2_100_000), &HELLO);
    driver.handle_bytes(Instant(2_200_000), &parameters());
    assert!(driver.is_ready());
}

#[test]
fn silence_and_old_firmware_are_told() {
    let mut driver = RnodeDriver::new(config());
    driver.start(Instant(0));
    while let Some(due) = driver.poll_timeout() {
        driver.handle_timeout(due);
    }
    let silent = ModemError::Silent {
        kind: ModemKind::Rnode,
    };
    assert_eq!(failure(&mut driver), Some(silent));
    let mut driver = RnodeDriver::new(config());
    driver.start(Instant(0));
    let mut hello = HELLO;
    hello[6] = 51;
    driver.handle_bytes(Instant(1), &hello);
    let old = ModemError::OldFirmware {
        found: "1.51".into(),
        needed: "1.52".into(),
    };
    assert_eq!(failure(&mut driver), Some(old));
}

#[test]
fn every_parameter_is_checked() {
    let good = parameters();
    // Which byte to change: in the frequency, bandwidth, power, spreading factor, coding rate.
    for (at, bit, fine) in [
        (5, 0x20, true),
        (4, 0x20, false),
        (12, 1, false),
        (16, 1, true),
        (16, 0x10, false),
        (20, 1, false),
        (24, 1, false),
    ] {
        let mut driver = RnodeDriver::new(config());
        driver.start(Instant(0));
        driver.handle_bytes(Instant(1), &HELLO);
        let mut changed = good.clone();
        changed[at] ^= bit;
        if at == 16 && bit == 1 {
            // Less power than asked for is no fault.
            changed[16] = 13;
        }
        driver.handle_bytes(Instant(2), &changed);
        assert_eq!(driver.is_ready(), fine, "byte {at}");
        assert_eq!(
            matches!(failure(&mut driver), Some(ModemError::Parameter { .. })),
            !fine,
            "byte {at}"
        );
    }
}

#[test]
fn frames_come_with_their_strength() {
    let mut driver = online();
    let mut bytes = kiss::encode(STAT_RSSI, &[57]);
    bytes.extend(kiss::encode(STAT_SNR, &[0xf6]));
    bytes.extend(kiss::encode(DATA, &[1, 0xc0, 0xdb, 2]));
    // Statistics in between, and a frame without them.
    bytes.extend(kiss::encode(0x25, &[0; 11]));
    bytes.extend(kiss::encode(DATA, &[3]));
    for piece in bytes.chunks(3) {
        driver.handle_bytes(Instant(30_000), piece);
    }
    let first = ReceivedFrame {
        bytes: vec![1, 0xc0, 0xdb, 2],
        rssi_dbm: Some(-100),
        snr_db: Some(-2.5),
    };
    let second = ReceivedFrame {
        bytes: vec![3],
        rssi_dbm: None,
        snr_db: None,
    };
    assert_eq!(
        outputs(&mut driver),
        [Output::Received(first), Output::Received(second)]
    );
}

#[test]
fn the_next_frame_waits_for_the_air_time_of_the_one_before() {
    let mut driver = online();
    let now = Instant(1_000_000);
    driver.send(now, &[7; 100]);
    assert_eq!(
        outputs(&mut driver),
        [Output::Write(kiss::encode(DATA, &[7; 100]))]
    );
    assert!(!driver.is_ready());
    // 101 bytes at SF8 with a preamble of 18 symbols.
    let airtime = RnodeTiming::new(&config()).airtime_us(100).unwrap();
    assert_eq!(airtime, 328_192);
    let due = driver.poll_timeout().unwrap();
    assert!(due > now.after_us(airtime) && due < now.after_us(airtime + 500_000));
    driver.handle_timeout(due);
    assert_eq!(outputs(&mut driver), [Output::Sent { accepted: true }]);
    assert!(driver.is_ready());
    driver.send(due, &[7; 255]);
    assert_eq!(outputs(&mut driver), [Output::Sent { accepted: false }]);
}

#[test]
fn errors_are_borne_or_told() {
    for (code, fatal) in [
        (1, true),
        (2, true),
        (3, true),
        (4, false),
        (5, false),
        (6, false),
        (9, true),
    ] {
        let mut driver = online();
        driver.handle_bytes(Instant(30_000), &kiss::encode(ERROR, &[code]));
        let said = outputs(&mut driver);
        let failed = matches!(said.as_slice(), [Output::Failed(ModemError::Hardware(_))]);
        let noticed = matches!(said.as_slice(), [Output::Notice(_)]);
        assert_eq!((failed, noticed), (fatal, !fatal), "error {code}");
    }
}

#[test]
fn a_reset_in_the_middle_of_work_is_told() {
    let mut driver = online();
    driver.handle_bytes(Instant(30_000), &kiss::encode(RESET, &[0xf8]));
    assert_eq!(failure(&mut driver), Some(ModemError::Reset));
    // Nothing follows.
    driver.handle_bytes(Instant(40_000), &HELLO);
    assert_eq!((outputs(&mut driver), driver.poll_timeout()), (vec![], None));
}

#[test]
fn a_modem_that_stops_answering_is_asked_and_then_given_up() {
    let mut driver = online();
    let due = driver.poll_timeout().unwrap();
    driver.handle_timeout(due);
    assert_eq!(
        outputs(&mut driver),
        [Output::Write(vec![0xc0, 0x0f, 0x00, 0xc0])]
    );
    driver.handle_bytes(due.after_us(1000), &kiss::encode(READY, &[1]));
    let mut asked = 0;
    while let Some(due) = driver.poll_timeout() {
        driver.handle_timeout(due);
        asked += 1;
    }
    assert_eq!(asked, 4);
    assert_eq!(failure(&mut driver), Some(ModemError::Stalled));
}

#[test]
fn a_half_frame_is_dropped_after_a_pause() {
    let mut driver = online();
    driver.handle_bytes(Instant(100_000), &[0xc0, 0x00, 1, 2]);
    driver.handle_bytes(Instant(300_000), &kiss::encode(DATA, &[3]));
    let frame = ReceivedFrame {
        bytes: vec![3],
        rssi_dbm: None,
        snr_db: None,
    };
    assert_eq!(outputs(&mut driver), [Output::Received(frame)]);
}

#[test]
fn it_says_goodbye() {
    let mut driver = online();
    driver.stop(Instant(50_000));
    assert_eq!(
        outputs(&mut driver),
        [Output::Write(vec![
            0xc0, 0x06, 0x00, 0xc0, 0xc0, 0x0a, 0xff, 0xc0
        ])]
    );
}

#[test]
fn settings_that_no_rnode_has_are_refused() {
    let low = RnodeConfig {
        frequency_hz: 1,
        ..config()
    };
    assert!(low.check().unwrap_err().to_string().contains("137 MHz"));
    let strong = RnodeConfig {
        tx_power_dbm: 38,
        ..config()
    };
    assert!(strong.check().is_err() && config().check().is_ok());
}

#[test]
fn the_preamble_is_as_long_as_the_firmwares() {
    let preamble = |factor, bandwidth_hz| {
        let config = RnodeConfig {
            spreading_factor: SpreadingFactor::new(factor).unwrap(),
            bandwidth_hz,
            ..config()
        };
        config.modulation().preamble_symbols
    };
    // 18 symbols of 2.048 ms are 36 ms; of 1.024 ms they would be 18.
    assert_eq!((preamble(8, 125_000), preamble(7, 125_000)), (18, 24));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_borne(pieces in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..40), 0..40), start_online: bool) {
        let mut driver = if start_online { online() } else { RnodeDriver::new(config()) };
        let mut now = Instant(1_000_000);
        if !start_online {
            driver.start(now);
        }
        for piece in pieces {
            now = now.after_us(50_000);
            driver.handle_bytes(now, &piece);
            driver.handle_timeout(now);
            if driver.is_ready() {
                driver.send(now, &[1]);
            }
            proptest::prop_assert!(outputs(&mut driver).len() < 100);
        }
    }
}
