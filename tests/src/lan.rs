//! A LAN of this machine's own: network namespaces, each with a cable to one switch.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::{Daemon, program};

/// Namespaces joined by veth pairs to a bridge in one more namespace; nothing leads out of them. Gone when dropped.
pub struct Lan {
    name: String,
    hosts: usize,
}

impl Lan {
    /// A switch without hosts; `Err` says what this machine lacks.
    pub fn new(name: &str) -> Result<Self, String> {
        let lan = Self {
            name: format!("cairn-{}-{name}", std::process::id()),
            hosts: 0,
        };
        ip(&["netns", "add", &lan.switch()])?;
        let switch = lan.switch();
        ip(&["-n", &switch, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "bridge", "up"])?;
        Ok(lan)
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    fn host(&self, number: usize) -> String {
        format!("{}-{number}", self.name)
    }

    /// Plugs in one more host, `10.77.0.NUMBER`, and gives its number, from 1.
    pub fn plug_in(&mut self) -> Result<usize, String> {
        let number = self.hosts + 1;
        let (host, switch) = (self.host(number), self.switch());
        let port = format!("port{number}");
        ip(&["netns", "add", &host])?;
        self.hosts = number;
        ip(&["-n", &host, "link", "set", "lo", "up"])?;
        ip(&[
            "-n", &host, "link", "add", "lan0", "type", "veth", "peer", "name", &port, "netns", &switch,
        ])?;
        let address = format!("10.77.0.{number}/24");
        ip(&["-n", &host, "addr", "add", &address, "dev", "lan0"])?;
        ip(&["-n", &host, "link", "set", "lan0", "up"])?;
        ip(&["-n", &switch, "link", "set", &port, "master", "bridge", "up"])?;
        Ok(number)
    }

    /// Starts a node on a host, with the defaults of `cairn run`: it listens everywhere and looks for its like.
    pub fn start(&self, number: usize, home: &Path) -> Daemon {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.host(number)])
            .arg(program())
            .arg("--home")
            .arg(home)
            .arg("run");
        Daemon::spawn(home, command)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for number in 1..=self.hosts {
            let _ = ip(&["netns", "del", &self.host(number)]);
        }
        let _ = ip(&["netns", "del", &self.switch()]);
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(args)
        .output()
        .map_err(|error| format!("the program ip (of iproute2): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", args.join(" "), said.trim()))
}

/// Says that a test did not run, and why, where the test harness cannot swallow it.
pub fn skipped(test: &str, lacking: &str) {
    let _ = writeln!(
        std::io::stderr(),
        "\n*** SKIPPED {test}: this machine lacks {lacking}\n"
    );
}
