//! Which serial ports there are, and what is at them.

use std::io;
use std::time::Duration;

use tokio::time::{Instant as Clock, sleep_until};

use super::lines::ModeLines;
use super::modem::{ModemIdentity, Probe, ProbeOutput};
use super::port::Port;
use super::{Instant, modem::RNODE_SPEED_BPS};

/// The serial ports of this machine, by name.
pub fn serial_ports() -> io::Result<Vec<String>> {
    let mut ports: Vec<String> = serialport::available_ports()?
        .into_iter()
        .map(|port| port.port_name)
        .collect();
    ports.sort();
    Ok(ports)
}

/// Asks what modem is at a port: `None` if nothing there answers as one. Takes up to some seven seconds.
///
/// A module of the kind E22 whose mode lines are not wired takes the questions for a message: it may send some ten bytes.
pub async fn probe_port(path: &str, lines: Option<&ModeLines>) -> io::Result<Option<ModemIdentity>> {
    let mut port = Port::open(path, RNODE_SPEED_BPS)?;
    let lines = match lines {
        Some(lines) => Some(lines.open()?),
        None => None,
    };
    let started = Clock::now();
    let now = || Instant(0).after(started.elapsed());
    let mut probe = Probe::default();
    probe.start(now());
    loop {
        while let Some(output) = probe.poll_output() {
            match output {
                ProbeOutput::Write(bytes) => port.write(&bytes).await?,
                ProbeOutput::SetSpeed(speed_bps) => port.set_speed(speed_bps).await?,
                ProbeOutput::SetMode { m0, m1 } => {
                    if let Some(lines) = &lines {
                        lines.set(m0, m1)?;
                    }
                }
                ProbeOutput::Done(found) => return Ok(found),
            }
        }
        let Some(due) = probe.poll_timeout() else {
            return Ok(None);
        };
        let due = started + Duration::from_micros(due.0);
        tokio::select! {
            bytes = port.read() => probe.handle_bytes(now(), bytes?),
            () = sleep_until(due) => probe.handle_timeout(now()),
        }
    }
}
