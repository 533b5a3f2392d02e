//! The machine that figures come from.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Samples, milliseconds};

/// Prints what the figures depend on: processors, kernel, disk, and what else runs.
pub fn describe_machine(folder: &Path) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("processor of unknown make", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let filesystem = Command::new("stat").args(["-f", "-c", "%T"]).arg(folder).output();
    let filesystem = filesystem.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let syncs = synced_writes(folder, 1024, Duration::from_secs(1));
    let load = read("/proc/loadavg");
    println!(
        "{cores} cores ({model}), Linux {}, {filesystem}; 1 KiB written and synced: {} ms (p99 {} ms); load before: {}",
        kernel.trim(),
        milliseconds(syncs.median()),
        milliseconds(syncs.percentile(0.99)),
        load.split_whitespace().next().unwrap_or("unknown"),
    );
}

/// Writes `len` bytes over and over into one file, with an `fdatasync` after each: what no durable write can beat that
/// does not share its sync with others.
pub fn synced_writes(folder: &Path, len: usize, duration: Duration) -> Samples {
    let path = folder.join("synced-writes");
    let mut file = File::create(&path).unwrap();
    let body = vec![0x5a; len];
    file.write_all(&body).unwrap();
    file.sync_all().unwrap();
    let begin = Instant::now();
    let mut durations = Vec::new();
    while begin.elapsed() < duration {
        let start = Instant::now();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&body).unwrap();
        file.sync_data().unwrap();
        durations.push(start.elapsed());
    }
    let elapsed = begin.elapsed();
    let _ = fs::remove_file(&path);
    Samples::new(durations, elapsed, 0)
}
