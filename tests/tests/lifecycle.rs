//! How a node starts and stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_tests::{Daemon, RUN_ON_LOOPBACK, Random, Space, eventually, program};

/// How long a node may take to stop.
const STOP_MAX: Duration = Duration::from_secs(2);

#[test]
fn sigterm_ends_a_busy_node_in_two_seconds_and_loses_nothing() {
    let mut space = Space::new(2, "tcp://127.0.0.1:0");
    let http = space.nodes[0].http();
    let stop = AtomicBool::new(false);
    let (acknowledged, took) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (http, stop) = (http.clone(), &stop);
                scope.spawn(move || {
                    let mut random = Random(writer);
                    let mut acknowledged = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let path = format!("/notes/{writer}-{}", acknowledged.len());
                        let len = random.below(40_000) as usize;
                        let body = random.bytes(len);
                        match http.put(&path, &body, &[]) {
                            Ok((201, _)) => acknowledged.push((path, body)),
                            // The door is closing, or closed.
                            _ => break,
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        eventually(Duration::from_secs(60), || {
            let documents = space.nodes[0].status()["documents"].as_u64().unwrap();
            (documents > 100).then_some(()).ok_or(documents.to_string())
        });
        let took = space.nodes[0].terminate();
        stop.store(true, Ordering::Relaxed);
        let acknowledged: Vec<_> = writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect();
        (acknowledged, took)
    });
    println!(
        "stopped after {took:?} with {} documents written",
        acknowledged.len()
    );
    assert!(took < STOP_MAX, "{took:?}");
    assert!(acknowledged.len() > 100);
    space.nodes[0].restart();
    let http = space.nodes[0].http();
    for (path, body) in &acknowledged {
        let (status, found, _) = http.get(path).unwrap();
        assert!(status == 200 && &found == body, "{path} is lost: {status}");
    }
    space.in_step(Duration::from_secs(60));
}

#[test]
fn systemd_hears_when_the_node_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let notify = folder.path().join("notify");
    let socket = UnixDatagram::bind(&notify).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let heard = || {
        let mut datagram = [0; 64];
        let len = socket.recv(&mut datagram).expect("the node says something");
        String::from_utf8_lossy(&datagram[..len]).into_owned()
    };
    let home = folder.path().join("node");
    let mut command = Command::new(program());
    command
        .env("NOTIFY_SOCKET", &notify)
        .arg("--home")
        .arg(&home)
        .args(RUN_ON_LOOPBACK);
    let mut node = Daemon::spawn(&home, command);
    assert_eq!(heard(), "READY=1");
    node.terminate();
    assert_eq!(heard(), "STOPPING=1");
}
