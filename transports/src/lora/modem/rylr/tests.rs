//! The dialogue with a RYLR, line by line.

use super::*;

fn config() -> RylrConfig {
    RylrConfig {
        address: 7,
        ..RylrConfig::new(
            868_500_000,
            SpreadingFactor::new(9).unwrap(),
            CodingRate::new(5).unwrap(),
        )
    }
}

fn outputs(driver: &mut RylrDriver) -> Vec<Output> {
    std::iter::from_fn(|| driver.poll_output()).collect()
}

fn written(driver: &mut RylrDriver) -> String {
    outputs(driver)
        .into_iter()
        .filter_map(|output| match output {
            Output::Write(bytes) => Some(String::from_utf8(bytes).unwrap()),
            _ => None,
        })
        .collect()
}

/// Commands and answers up to the end of the dialogue, as the guides have them.
const DIALOGUE: [(&str, &str); 13] = [
    ("AT", "+OK"),
    ("AT+VER?", "+VER=RYLR998_V1.2.2"),
    ("AT+MODE=0", "+OK"),
    ("AT+ADDRESS=7", "+OK"),
    ("AT+NETWORKID=6", "+OK"),
    ("AT+BAND=868500000", "+OK"),
    ("AT+PARAMETER=9,7,1,12", "+OK"),
    ("AT+CRFOP=14", "+OK"),
    ("AT+ADDRESS?", "+ADDRESS=7"),
    ("AT+NETWORKID?", "+NETWORK=6"),
    ("AT+BAND?", "+BAND=868500000"),
    ("AT+PARAMETER?", "+PARAMETER=9,7,1,12"),
    ("AT+CRFOP?", "+CRFOP=14"),
];

fn online() -> RylrDriver {
    let mut driver = RylrDriver::new(config());
    driver.start(Instant(0));
    for (_, answer) in DIALOGUE {
        driver.handle_bytes(Instant(1000), format!("{answer}\r\n").as_bytes());
    }
    outputs(&mut driver);
    assert!(driver.is_ready());
    driver
}

#[test]
fn it_says_one_command_at_a_time_and_reads_everything_back() {
    let mut driver = RylrDriver::new(config());
    driver.start(Instant(0));
    for (command, answer) in DIALOGUE {
        assert_eq!(written(&mut driver), format!("{command}\r\n"));
        assert!(!driver.is_ready());
        // A packet, an echo and a piece come in between.
        driver.handle_bytes(Instant(10), b"+RCV=50,5,HELLO,-99,40\r\n");
        driver.handle_bytes(Instant(10), format!("{command}\r\n").as_bytes());
        let (first, second) = answer.split_at(2);
        driver.handle_bytes(Instant(20), first.as_bytes());
        assert_eq!(written(&mut driver), "");
        driver.handle_bytes(Instant(30), format!("{second}\r\n").as_bytes());
    }
    let identity = ModemIdentity {
        kind: ModemKind::Rylr,
        description: "RYLR998_V1.2.2".into(),
    };
    assert_eq!(outputs(&mut driver), [Output::Online(identity)]);
}

#[test]
fn the_older_model_gets_its_shorter_preamble() {
    let mut driver = RylrDriver::new(config());
    driver.start(Instant(0));
    for answer in ["+OK", "+VER=RYLR896_V1.2.2", "+OK", "+OK", "+OK", "+OK"] {
        driver.handle_bytes(Instant(10), format!("{answer}\r\n").as_bytes());
    }
    assert!(written(&mut driver).ends_with("AT+PARAMETER=9,7,1,7\r\n"));
}

#[test]
fn a_value_that_reads_back_differently_is_told() {
    let mut driver = RylrDriver::new(config());
    driver.start(Instant(0));
    for (_, answer) in &DIALOGUE[..12] {
        driver.handle_bytes(Instant(10), format!("{answer}\r\n").as_bytes());
    }
    driver.handle_bytes(Instant(10), b"+CRFOP=22\r\n");
    let said = outputs(&mut driver);
    let error = ModemError::Parameter {
        parameter: "CRFOP",
        asked: "14".into(),
        found: "22".into(),
    };
    assert_eq!(said.last(), Some(&Output::Failed(error)));
}

#[test]
fn every_error_in_the_dialogue_is_explained() {
    for code in [1, 2, 3, 4, 5, 10, 13, 14, 15, 17, 18, 20] {
        let mut driver = RylrDriver::new(config());
        driver.start(Instant(0));
        driver.handle_bytes(Instant(10), format!("+ERR={code}\r\n").as_bytes());
        let said = outputs(&mut driver);
        assert!(
            matches!(said.last(), Some(Output::Failed(ModemError::Hardware(why))) if why.contains("(AT, error")),
            "{code}: {said:?}"
        );
    }
}

#[test]
fn silence_is_asked_again_and_told() {
    let mut driver = RylrDriver::new(config());
    driver.start(Instant(0));
    while let Some(due) = driver.poll_timeout() {
        driver.handle_timeout(due);
    }
    let said = outputs(&mut driver);
    let asked = said
        .iter()
        .filter(|output| matches!(output, Output::Write(_)))
        .count();
    assert_eq!(asked, 3);
    let silent = ModemError::Silent {
        kind: ModemKind::Rylr,
    };
    assert_eq!(said.last(), Some(&Output::Failed(silent)));
}

#[test]
fn packets_are_read_by_their_length() {
    let mut driver = online();
    let frame = [0, 1, 2, 0xff, 13, 10, 44];
    let text = base85::encode(&frame);
    let mut bytes = b"noise\r\n".to_vec();
    bytes.extend(format!("+RCV=50,{},", text.len()).bytes());
    bytes.extend(&text);
    bytes.extend(b",-99,40\r\n");
    // Of another program: text with commas and line ends.
    bytes.extend(b"+RCV=3,6,a,\r\nb,-50,11\r\n");
    bytes.extend(format!("+RCV=50,{},", text.len()).bytes());
    bytes.extend(&text);
    bytes.extend(b",-100,-3\r\n");
    for piece in bytes.chunks(5) {
        driver.handle_bytes(Instant(2000), piece);
    }
    let received = |rssi, snr| {
        Output::Received(ReceivedFrame {
            bytes: frame.to_vec(),
            rssi_dbm: Some(rssi),
            snr_db: Some(snr),
        })
    };
    assert_eq!(outputs(&mut driver), [received(-99, 40.0), received(-100, -3.0)]);
}

#[test]
fn a_packet_is_out_when_it_was_answered_and_its_time_is_over() {
    let now = Instant(1_000_000);
    // `+OK` at once, and `+OK` when it is out.
    for answered_after in [1000, 3_000_000] {
        let mut driver = online();
        driver.send(now, &[7; 192]);
        let said = written(&mut driver);
        assert!(
            said.starts_with("AT+SEND=0,240,") && said.len() == 14 + 240 + 2,
            "{said}"
        );
        assert!(!driver.is_ready());
        driver.handle_bytes(now.after_us(answered_after), b"+OK\r\n");
        let airtime = RylrTiming::new(&config()).airtime_us(192).unwrap();
        if answered_after < airtime {
            assert!(!driver.is_ready());
            let due = driver.poll_timeout().unwrap();
            assert!(due >= now.after_us(airtime));
            driver.handle_timeout(due);
        }
        assert_eq!(outputs(&mut driver), [Output::Sent { accepted: true }]);
        assert!(driver.is_ready());
    }
}

#[test]
fn a_packet_that_was_not_taken_is_told() {
    let mut driver = online();
    let now = Instant(1_000_000);
    driver.send(now, &[7; 10]);
    driver.handle_bytes(now, b"+ERR=17\r\n");
    assert!(!driver.is_ready());
    let due = driver.poll_timeout().unwrap();
    driver.handle_timeout(due);
    assert_eq!(
        outputs(&mut driver).last(),
        Some(&Output::Sent { accepted: false })
    );
    // And one that nobody answers.
    driver.send(due, &[7; 10]);
    while !driver.is_ready() {
        let due = driver.poll_timeout().unwrap();
        driver.handle_timeout(due);
    }
    assert_eq!(
        outputs(&mut driver).last(),
        Some(&Output::Sent { accepted: false })
    );
}

#[test]
fn a_reset_and_a_stall_are_told() {
    let mut driver = online();
    driver.handle_bytes(Instant(5000), b"+READY\r\n");
    assert_eq!(outputs(&mut driver), [Output::Failed(ModemError::Reset)]);
    let mut driver = online();
    while let Some(due) = driver.poll_timeout() {
        driver.handle_timeout(due);
    }
    let said = outputs(&mut driver);
    assert_eq!(
        (said.len(), said.last()),
        (4, Some(&Output::Failed(ModemError::Stalled)))
    );
}

#[test]
fn airtime_is_that_of_the_text_and_eight_bytes_more() {
    let timing = RylrTiming::new(&config());
    let modulation = config().modulation();
    assert_eq!(timing.airtime_us(192), airtime_us(&modulation, 248));
    assert_eq!((timing.bytes_on_air(192), timing.bytes_on_air(10)), (248, 13 + 8));
}

#[test]
fn settings_that_no_rylr_has_are_refused() {
    assert!(config().check().is_ok());
    for bad in [
        RylrConfig {
            frequency_hz: 433_000_000,
            ..config()
        },
        RylrConfig {
            bandwidth_hz: 62_500,
            ..config()
        },
        RylrConfig {
            network: 2,
            ..config()
        },
        RylrConfig {
            tx_power_dbm: 23,
            ..config()
        },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_borne(pieces in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..100), 0..30), lines: bool) {
        let mut driver = online();
        let mut now = Instant(1_000_000);
        for mut piece in pieces {
            now = now.after_us(50_000);
            if lines {
                piece.splice(0..0, *b"+RCV=1,20,");
            }
            driver.handle_bytes(now, &piece);
            driver.handle_timeout(now);
            outputs(&mut driver);
            proptest::prop_assert!(driver.line.len() <= 2 * LINE_LEN_MAX);
        }
    }
}
