//! A foreign host speaks with the virtual RNodes: what Reticulum gets along with, a driver of ours was tested against rightly.
//!
//! Reticulum is not part of Cairn. The test takes the Python of a virtual environment that has `rns` installed, from the environment
//! variable `CAIRN_TEST_RNS_PYTHON`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cairn_sim::modem::{self, Fleet, FleetConfig};
use cairn_tests::{eventually, skipped};
use cairn_transports::lora::modem::ModemKind;

/// Says which Python has Reticulum.
const PYTHON: &str = "CAIRN_TEST_RNS_PYTHON";
/// The handshake takes some 3 s, an announce some 1.
const DEADLINE: Duration = Duration::from_secs(60);

fn python() -> Result<OsString, String> {
    let python = std::env::var_os(PYTHON)
        .filter(|python| !python.is_empty())
        .ok_or_else(|| format!("a Python that has rns 1.5.7 installed, named by {PYTHON}"))?;
    let tried = Command::new(&python)
        .args(["-c", "import RNS"])
        .output()
        .map_err(|error| format!("a Python that starts, named by {PYTHON} ({error})"))?;
    if tried.status.success() {
        return Ok(python);
    }
    let complaint = String::from_utf8_lossy(&tried.stderr).into_owned();
    Err(format!(
        "a Python that can import RNS, named by {PYTHON}:\n{complaint}"
    ))
}

fn write_config(folder: &Path, port: &Path) {
    std::fs::create_dir(folder).unwrap();
    let config = format!(
        "[reticulum]
enable_transport = No
share_instance = No
panic_on_interface_error = No

[logging]
loglevel = 4

[interfaces]
[[Virtual RNode]]
type = RNodeInterface
enabled = Yes
port = {}
frequency = 868100000
bandwidth = 125000
txpower = 7
spreadingfactor = 8
codingrate = 5
",
        port.display()
    );
    std::fs::write(folder.join("config"), config).unwrap();
}

/// A Reticulum instance with one RNode.
struct Instance {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Instance {
    fn start(python: &OsString, script: &str, folder: &Path) -> Self {
        let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reticulum")).join(script);
        let mut child = Command::new(python)
            // No compiled files beside the sources.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(script)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            seen: Vec::new(),
        }
    }

    /// The rest of the next line that begins so. Other lines are its log.
    fn wait_for(&mut self, start: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = (self.lines.recv_timeout(left))
                .unwrap_or_else(|error| panic!("no {start:?}: {error}; {:#?}", self.seen));
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim().to_owned();
            }
            self.seen.push(line);
        }
    }

    fn announce(&mut self, word: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{word}").unwrap();
        self.wait_for("announced")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_announce_of_reticulum_crosses_two_virtual_rnodes() {
    let python = match python() {
        Ok(python) => python,
        Err(lacking) => return skipped("an_announce_of_reticulum_crosses_two_virtual_rnodes", &lacking),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut config = FleetConfig::new(ModemKind::Rnode, 2);
    config.links = Some(folder.path().to_owned());
    let fleet = Fleet::start(config).unwrap();
    let [announcing, listening] = ["announcing", "listening"].map(|name| folder.path().join(name));
    write_config(&announcing, &fleet.paths()[0]);
    write_config(&listening, &fleet.paths()[1]);

    let mut listening = Instance::start(&python, "listen.py", &listening);
    let mut announcing = Instance::start(&python, "announce.py", &announcing);
    listening.wait_for("online");
    announcing.wait_for("online");

    let hash = announcing.announce("first");
    assert_eq!(listening.wait_for("heard"), format!("{hash} first"));
    let statistics = fleet.statistics().unwrap();
    assert_eq!(statistics[0].frames_sent, 1);
    // The announce of 167 bytes, the word, and one byte of header.
    assert_eq!(statistics[0].bytes_sent, 173);

    // More than a frame holds: 417 bytes go in two, with a byte of header each.
    let long = "x".repeat(250);
    announcing.announce(&long);
    assert_eq!(listening.wait_for("heard"), format!("{hash} {long}"));
    let statistics = fleet.statistics().unwrap();
    assert_eq!(
        (statistics[0].frames_sent, statistics[0].bytes_sent),
        (3, 173 + 419)
    );

    // Out of reach: it is sent and nobody hears it. Back again, the next one arrives, and no more than that.
    fleet.command(modem::Command::Reach(0, 1, false)).unwrap();
    announcing.announce("second");
    eventually(DEADLINE, || match fleet.statistics().unwrap()[0].frames_sent {
        4 => Ok(()),
        other => Err(format!("{other} frames")),
    });
    // Until the frame is over.
    std::thread::sleep(Duration::from_secs(1));
    fleet.command(modem::Command::Reach(0, 1, true)).unwrap();
    announcing.announce("third");
    assert_eq!(listening.wait_for("heard"), format!("{hash} third"));
    assert_eq!(fleet.statistics().unwrap()[1].frames_received, 4);
}
