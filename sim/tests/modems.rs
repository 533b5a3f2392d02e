//! Virtual modems behind real ptys, opened as serial ports are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::disallowed_methods)] // The wall clock: ptys know no other.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cairn_sim::modem::{self, Answer, Fleet, FleetConfig, FleetError, Quirk};
use cairn_transports::lora::modem::ModemKind;
use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A port, as a host has it.
struct Serial(File);

impl Serial {
    fn open(path: &Path) -> Self {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Self(File::from(open(path, flags, Mode::empty()).expect("it opens")))
    }

    fn set_speed(&self, speed: u32) {
        let mut attributes = tcgetattr(&self.0).unwrap();
        attributes.make_raw();
        attributes.set_speed(speed).unwrap();
        tcsetattr(&self.0, OptionalActions::Now, &attributes).unwrap();
    }

    fn write(&self, bytes: &[u8]) {
        (&self.0).write_all(bytes).unwrap();
    }

    /// Reads until what came contains these bytes; gives all of it.
    fn read_until(&self, expected: &[u8]) -> Vec<u8> {
        let start = Instant::now();
        let mut read = Vec::new();
        while !read.windows(expected.len()).any(|window| window == expected) {
            assert!(start.elapsed() < DEADLINE, "{expected:02x?} not in {read:02x?}");
            let mut buffer = [0; 1024];
            match (&self.0).read(&mut buffer) {
                Ok(len) if len > 0 => read.extend_from_slice(&buffer[..len]),
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        read
    }

    /// Whether the other end is gone.
    fn is_hung_up(&self) -> bool {
        match (&self.0).read(&mut [0; 64]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

const DETECT: [u8; 4] = [0xc0, 0x08, 0x73, 0xc0];
const DETECTED: [u8; 4] = [0xc0, 0x08, 0x46, 0xc0];
/// SF7 at 500 kHz, 14 dBm, radio on.
const SET_UP: [u8; 30] = [
    0xc0, 1, 0x33, 0xbe, 0x27, 0xa0, 0xc0, 2, 0, 7, 0xa1, 0x20, 0xc0, 3, 14, 0xc0, 4, 7, 0xc0, 5, 5, 0xc0, 6,
    1, 0xc0, 6, 0xff, 0xc0, 0xc0, 0xc0,
];
const IS_ON: [u8; 12] = [0xc0, 6, 1, 0xc0, 0xc0, 6, 1, 0xc0, 0xc0, 6, 1, 0xc0];

fn rnodes(count: usize) -> Fleet {
    Fleet::start(FleetConfig::new(ModemKind::Rnode, count)).unwrap()
}

#[test]
fn a_packet_goes_from_port_to_port() {
    let fleet = rnodes(2);
    let ports: Vec<Serial> = fleet.paths().iter().map(|path| Serial::open(path)).collect();
    for port in &ports {
        port.set_speed(115_200);
        port.write(&DETECT);
        port.read_until(&DETECTED);
        port.write(&SET_UP);
        port.read_until(&IS_ON);
    }
    // Every byte that a terminal would do something about.
    let special: Vec<u8> = (0..=0x1f).chain(0x7e..=0x80).chain([0xff]).collect();
    let packet = [&[0xc0, 0][..], &special, &[0xc0]].concat();
    ports[0].write(&packet);
    let heard = ports[1].read_until(&packet);
    assert!(
        heard.windows(4).any(|window| window == [0xc0, 0x23, 81, 0xc0]),
        "{heard:02x?}"
    );
    let statistics = fleet.statistics().unwrap();
    assert_eq!((statistics[0].frames_sent, statistics[1].frames_received), (1, 1));
}

#[test]
fn a_port_can_be_closed_and_opened_again() {
    let fleet = rnodes(1);
    for _ in 0..3 {
        // No host set it to raw.
        let port = Serial::open(&fleet.paths()[0]);
        port.write(&[0xc0, 0x47, 0x00, 0xc0]);
        port.read_until(&[0xc0, 0x47, 0x35, 0xc0]);
        drop(port);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_a_closed_port_says_is_lost() {
    let fleet = rnodes(1);
    let port = Serial::open(&fleet.paths()[0]);
    port.write(&SET_UP);
    port.read_until(&IS_ON);
    drop(port);
    // It tells its load each second.
    std::thread::sleep(Duration::from_millis(2300));
    let port = Serial::open(&fleet.paths()[0]);
    port.write(&DETECT);
    assert_eq!(port.read_until(&DETECTED)[..4], DETECTED);
}

#[test]
fn an_unplugged_modem_hangs_up_and_comes_back_under_its_link() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = FleetConfig::new(ModemKind::Rnode, 1);
    config.links = Some(folder.path().to_owned());
    let fleet = Fleet::start(config).unwrap();
    let link = folder.path().join("rnode0");
    assert_eq!(fleet.paths(), std::slice::from_ref(&link));
    let port = Serial::open(&link);
    port.write(&SET_UP);
    port.read_until(&IS_ON);
    fleet.command(modem::Command::Unplug(0)).unwrap();
    eventually("it hangs up", || port.is_hung_up());
    assert!(!link.exists());
    let answer = fleet.command(modem::Command::Plug(0)).unwrap();
    assert_eq!(answer, Answer::Path(link.clone()));
    let port = Serial::open(&link);
    port.read_until(&[0xc0, 0x55, 0xf8, 0xc0]);
    port.write(&[0xc0, 6, 0xff, 0xc0]);
    port.read_until(&[0xc0, 6, 0, 0xc0]);
    drop(fleet);
    eventually("it hangs up", || port.is_hung_up());
    assert!(!link.is_symlink());
}

#[test]
fn a_board_can_boot_when_its_port_is_opened() {
    let mut config = FleetConfig::new(ModemKind::Rnode, 1);
    config.modems[0].1.insert(Quirk::RnodeResetOnOpen);
    let fleet = Fleet::start(config).unwrap();
    for _ in 0..2 {
        let port = Serial::open(&fleet.paths()[0]);
        port.read_until(&[0xc0, 0x55, 0xf8, 0xc0]);
        drop(port);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_speed_of_the_port_counts() {
    let fleet = Fleet::start(FleetConfig::new(ModemKind::E22, 1)).unwrap();
    let port = Serial::open(&fleet.paths()[0]);
    port.set_speed(115_200);
    port.write(&[0xc1, 0, 4]);
    std::thread::sleep(Duration::from_millis(300));
    port.set_speed(9600);
    port.write(&[0xc1, 5, 1]);
    assert_eq!(port.read_until(&[0x12]), [0xc1, 5, 1, 0x12]);
}

#[test]
fn a_line_of_at_is_answered_and_time_can_go_faster() {
    let mut config = FleetConfig::new(ModemKind::Rylr, 2);
    config.time_scale = 20;
    config.modems[1].1.insert(Quirk::Chopped);
    let fleet = Fleet::start(config).unwrap();
    let ports: Vec<Serial> = fleet.paths().iter().map(|path| Serial::open(path)).collect();
    for port in &ports {
        port.set_speed(115_200);
    }
    ports[0].write(b"AT\r\n");
    ports[0].read_until(b"+OK\r\n");
    // Some 2 s on air.
    ports[0].write(b"AT+PARAMETER=9,7,4,12\r\n");
    ports[0].read_until(b"+OK\r\n");
    ports[1].write(b"AT+PARAMETER=9,7,4,12\r\n");
    ports[1].read_until(b"+OK\r\n");
    let start = Instant::now();
    ports[0].write(format!("AT+SEND=0,240,{}\r\n", "x".repeat(240)).as_bytes());
    ports[1].read_until(b",-68,12\r\n");
    let airtime_us = fleet.statistics().unwrap()[0].airtime_us;
    assert!(airtime_us > 1_900_000, "{airtime_us}");
    let taken = start.elapsed();
    assert!(taken.as_micros() >= u128::from(airtime_us / 20), "{taken:?}");
}

#[test]
fn a_modem_that_is_not_there_is_an_error() {
    let fleet = rnodes(1);
    let refused = fleet.command(modem::Command::Reset(1));
    assert!(matches!(refused, Err(FleetError::NoSuchModem(1))));
}

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cairn-sim"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{command}").unwrap();
        self.line()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_prints_ports_and_does_what_its_input_says() {
    let folder = tempfile::tempdir().unwrap();
    let links = folder.path().to_str().unwrap();
    let mut program = Program::start(&[
        "modems",
        "--kind",
        "e22",
        "--count",
        "3",
        "--chain",
        "--loss",
        "0.1",
        "--link",
        links,
        "--e22-mode",
        "wired",
        "--quirk",
        "chopped",
        "--quirk",
        "e22-halved-rssi",
    ]);
    for number in 0..3 {
        assert_eq!(program.line(), format!("{links}/e22{number}"));
    }
    assert_eq!(program.line(), "ready");
    assert_eq!(program.ask("lines 0 0 1"), "ok");
    let port = Serial::open(&folder.path().join("e220"));
    port.set_speed(9600);
    port.write(&[0xc1, 5, 1]);
    port.read_until(&[0xc1, 5, 1, 0x12]);
    for command in [
        "reset 0",
        "silent 0",
        "garbage 1",
        "error 0 1",
        "loss 0",
        "reach 0 2 on",
        "place 0 0 -12.5",
        "unplug 1",
    ] {
        assert_eq!(program.ask(command), "ok", "{command}");
    }
    assert_eq!(program.ask("plug 1"), format!("{links}/e221"));
    assert!(program.ask("unplug 3").starts_with("error: "));
    assert!(program.ask("sing").starts_with("error: "));
    assert_eq!(program.ask("airings 0"), "[]");
    let statistics: serde_json::Value = serde_json::from_str(&program.ask("stats")).unwrap();
    assert_eq!(statistics.as_array().unwrap().len(), 3);
    assert_eq!(statistics[0]["frames_sent"], 0);
    writeln!(program.child.stdin.as_mut().unwrap(), "quit").unwrap();
    assert!(program.child.wait().unwrap().success());
    assert!(!folder.path().join("e220").is_symlink());
}

#[test]
fn the_help_lists_every_quirk_and_a_wrong_one_is_refused() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cairn-sim"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (is_success, help) = run(&["modems", "--help"]);
    assert!(is_success);
    for (_, name, explanation) in Quirk::ALL {
        assert!(
            help.contains(name) && help.contains(explanation),
            "{name}: {help}"
        );
    }
    for wrong in [
        &["modems", "--kind", "rnode", "--quirk", "e22-halved-rssi"][..],
        &["modems", "--kind", "rnode", "--quirk", "no-such-quirk"],
        &["modems", "--kind", "no-such-modem"],
        &["modems", "--kind", "rnode", "--loss", "2"],
    ] {
        let (is_success, text) = run(wrong);
        assert!(!is_success, "{wrong:?}: {text}");
    }
}
