//! What a process uses.

use std::time::Duration;

use crate::memory_kib;

/// Clock ticks a second in `/proc`: 100 on every Linux that Debian builds.
const TICKS_PER_S: u64 = 100;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Processor time, in user and system mode.
    pub processor: Duration,
    /// Bytes that it caused to be written to disks.
    pub written: u64,
    /// Calls that wrote something, to disks or elsewhere.
    pub write_calls: u64,
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// Most resident memory so far, in KiB.
    pub peak_kib: u64,
}

impl Usage {
    /// Reads it of a process that lives.
    pub fn of(pid: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        let of_io = |name: &str| {
            let line = io.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().parse().unwrap()
        };
        Self {
            processor: Duration::from_millis(ticks * 1000 / TICKS_PER_S),
            written: of_io("write_bytes:"),
            write_calls: of_io("syscw:"),
            resident_kib: memory_kib(pid, "VmRSS"),
            peak_kib: memory_kib(pid, "VmHWM"),
        }
    }
}
