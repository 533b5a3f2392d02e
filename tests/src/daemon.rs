//! Running nodes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::process::runtime_folder;
use crate::{Http, cairn, eventually, program};

/// How long a node may take until it is ready, on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);

/// One running node. Killed when dropped.
pub struct Daemon {
    /// Its folder.
    pub home: PathBuf,
    child: Child,
    /// What `status --json` said when it was ready.
    pub status: Value,
}

/// Starts a node on loopback, on ports of the system's choice, with no mDNS.
pub const RUN_ON_LOOPBACK: [&str; 6] = [
    "run",
    "--no-mdns",
    "--http",
    "127.0.0.1:0",
    "--listen",
    "tcp://127.0.0.1:0",
];

impl Daemon {
    /// Starts a node on loopback, on ports of the system's choice, with no mDNS.
    pub fn start(home: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program());
        let listens = args.contains(&"--listen");
        command
            .arg("--home")
            .arg(home)
            .args(["run", "--no-mdns", "--http", "127.0.0.1:0"]);
        if !listens {
            command.args(["--listen", "tcp://127.0.0.1:0"]);
        }
        command.args(args);
        Self::spawn(home, command)
    }

    /// Makes `home` a folder of the same owner's, by an invite with these arguments.
    pub fn invite(&self, home: &Path, args: &[&str]) {
        let code = cairn(&self.home, &[&["invite"][..], args].concat());
        cairn(home, &["join", code.trim()]);
    }

    /// Starts a node by a command of its own.
    pub fn spawn(home: &Path, mut command: Command) -> Self {
        std::fs::create_dir_all(home).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("log"))
            .unwrap();
        let mut child = command
            .env("XDG_RUNTIME_DIR", runtime_folder(home))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().unwrap();
        let (tell, ready) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.starts_with("ready") {
                    let _ = tell.send(());
                }
            }
        });
        if ready.recv_timeout(READY_MAX).is_err() {
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "not ready; its log:\n{}",
                std::fs::read_to_string(home.join("log")).unwrap_or_default()
            );
        }
        let mut daemon = Self {
            home: home.to_owned(),
            child,
            status: Value::Null,
        };
        daemon.status = eventually(READY_MAX, || {
            let status = daemon.status();
            (!addresses(&status).is_empty())
                .then(|| status.clone())
                .ok_or_else(|| status.to_string())
        });
        daemon
    }

    /// Starts the node again on its old HTTP and TCP addresses.
    pub fn restart(&mut self) {
        let http = self.status["http"].as_str().unwrap().to_owned();
        let listen = addresses(&self.status);
        let mut command = Command::new(program());
        command
            .arg("--home")
            .arg(&self.home)
            .args(["run", "--no-mdns", "--http", &http]);
        for address in &listen {
            command.args(["--listen", address]);
        }
        let home = self.home.clone();
        *self = Self::spawn(&home, command);
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `status --json`, now.
    pub fn status(&self) -> Value {
        serde_json::from_str(&cairn(&self.home, &["status", "--json"])).expect("status is JSON")
    }

    /// The addresses that the node listens on.
    pub fn listen(&self) -> Vec<String> {
        addresses(&self.status())
    }

    /// The TCP address that the node listens on.
    pub fn socket(&self) -> SocketAddr {
        let listen = self.listen();
        let tcp = listen.iter().find_map(|address| address.strip_prefix("tcp://"));
        tcp.expect("listens on TCP").parse().expect("an address")
    }

    /// What the node logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("log")).unwrap_or_default()
    }

    /// A client of the HTTP door, with a token for everything.
    pub fn http(&self) -> Http {
        let token = cairn(&self.home, &["token", "new", "--scope", "*:rw"]);
        Http::new(self.status["storage_root"].as_str().unwrap(), token.trim())
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to end, and gives how long it took.
    pub fn terminate(&mut self) -> Duration {
        let start = std::time::Instant::now();
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        eventually(Duration::from_secs(20), || match self.child.try_wait() {
            Ok(Some(status)) if status.success() => Ok(()),
            Ok(Some(status)) => panic!("ended with {status}:\n{}", self.log()),
            Ok(None) => Err("still running".into()),
            Err(error) => panic!("{error}"),
        });
        start.elapsed()
    }
}

fn addresses(status: &Value) -> Vec<String> {
    let listen = status["listen"].as_array().into_iter().flatten();
    listen
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}", self.home.display(), self.log());
        }
    }
}

/// Nodes of one owner, in folders below one.
pub struct Space {
    /// The nodes.
    pub nodes: Vec<Daemon>,
    _folder: tempfile::TempDir,
}

impl Space {
    /// `count` nodes, each joined by an invite of the first and running.
    pub fn new(count: usize, listen: &str) -> Self {
        Self::with(count, |_| vec!["--listen".to_owned(), listen.to_owned()])
    }

    /// As [`Self::new`], with arguments for each node.
    pub fn with(count: usize, args: impl Fn(usize) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut nodes: Vec<Daemon> = Vec::new();
        for index in 0..count {
            let home = folder.path().join(format!("node{index}"));
            if let Some(first) = nodes.first() {
                first.invite(&home, &[]);
            }
            let args = args(index);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            nodes.push(Daemon::start(&home, &args));
        }
        Self {
            nodes,
            _folder: folder,
        }
    }

    /// Waits until all nodes show the same clock and wait for nothing.
    pub fn in_step(&self, deadline: Duration) {
        eventually(deadline, || {
            let all: Vec<Value> = self.nodes.iter().map(Daemon::status).collect();
            let first = &all[0];
            let same = |key: &str| all.iter().all(|status| status[key] == first[key]);
            let idle = all
                .iter()
                .all(|status| status["pending"] == 0 && status["incomplete"] == 0);
            if same("clock_digest") && same("documents") && same("bytes") && idle {
                return Ok(());
            }
            Err(all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        });
    }

    /// Where a file of this test may lie.
    pub fn scratch(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self._folder.path().join(name.as_ref())
    }
}
