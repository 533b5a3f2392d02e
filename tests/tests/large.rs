//! A 1 GiB document over a link that is cut five times, in little memory and with little sent twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use cairn_tests::{Daemon, Proxy, Random, cairn, eventually, memory_kib};

const LEN: u64 = 1 << 30;
const DEADLINE: Duration = Duration::from_secs(300);
const MEMORY_MAX_KIB: u64 = 64 * 1024;

fn random_file(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut random = Random(7);
    for _ in 0..LEN >> 20 {
        file.write_all(&random.bytes(1 << 20)).unwrap();
    }
}

fn same(a: &Path, b: &Path) -> bool {
    let (mut a, mut b) = (File::open(a).unwrap(), File::open(b).unwrap());
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let len = a.read(&mut left).unwrap();
        if len == 0 {
            return b.read(&mut right).unwrap() == 0;
        }
        if b.read_exact(&mut right[..len]).is_err() || left[..len] != right[..len] {
            return false;
        }
    }
}

#[test]
fn a_gibibyte_resumes_after_five_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let (original, copy) = (folder.path().join("original"), folder.path().join("copy"));
    random_file(&original);
    let a = Daemon::start(&folder.path().join("a"), &[]);
    let proxy = Proxy::to(a.socket());
    let code = cairn(
        &a.home,
        &["invite", "--address", &format!("tcp://{}", proxy.address)],
    );
    cairn(&a.home, &["put", original.to_str().unwrap(), "/private/big/file"]);
    let home = folder.path().join("b");
    cairn(&home, &["join", code.trim()]);
    let b = Daemon::start(&home, &[]);
    for cut in 1..=5 {
        eventually(DEADLINE, || {
            let there = proxy.bytes();
            (there > cut * LEN / 7)
                .then_some(())
                .ok_or_else(|| format!("{there} bytes went through"))
        });
        proxy.cut(true);
    }
    eventually(DEADLINE, || {
        let status = b.status();
        (status["documents"] == 1 && status["incomplete"] == 0)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
    let (bytes, peak_a, peak_b) = (
        proxy.bytes(),
        memory_kib(a.pid(), "VmHWM"),
        memory_kib(b.pid(), "VmHWM"),
    );
    println!(
        "{:.2} % over the document's length went through; peaks {} and {} MiB",
        (bytes as f64 / LEN as f64 - 1.0) * 100.0,
        peak_a / 1024,
        peak_b / 1024
    );
    cairn(&b.home, &["get", "/private/big/file", copy.to_str().unwrap()]);
    assert!(same(&original, &copy), "the copy differs");
    assert!(bytes < LEN + LEN / 50, "{bytes} bytes went through for {LEN}");
    assert!(
        peak_a < MEMORY_MAX_KIB,
        "the sender's memory peaked at {peak_a} KiB"
    );
    assert!(
        peak_b < MEMORY_MAX_KIB,
        "the receiver's memory peaked at {peak_b} KiB"
    );
}
