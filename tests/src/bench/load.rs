//! The load generator: each connection sends its next request when it has the answer to the last.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::{Answer, Connection, Samples};

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections at one time, each with a thread.
    pub connections: usize,
    /// How long it is measured.
    pub duration: Duration,
    /// How long it runs before it is measured.
    pub warm_up: Duration,
}

/// Loads a server.
///
/// `request` writes the `n`th request of a connection into an empty buffer; `good` judges the answer. A connection that
/// breaks is opened anew, and counts as a failure.
pub fn load(
    address: SocketAddr,
    load: Load,
    request: impl Fn(usize, usize, &mut Vec<u8>) + Sync,
    good: impl Fn(usize, usize, &Answer<'_>) -> bool + Sync,
) -> Samples {
    let barrier = Barrier::new(load.connections);
    let (request, good, barrier) = (&request, &good, &barrier);
    let mut durations = Vec::new();
    let (mut failures, mut elapsed) = (0, Duration::ZERO);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections)
            .map(|index| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address);
                    let mut buffer = Vec::new();
                    let mut durations = Vec::with_capacity(1 << 16);
                    let mut failures = 0;
                    barrier.wait();
                    let begin = Instant::now() + load.warm_up;
                    let end = begin + load.duration;
                    for n in 0.. {
                        buffer.clear();
                        request(index, n, &mut buffer);
                        let start = Instant::now();
                        if start >= end {
                            break;
                        }
                        let answered = match &mut connection {
                            Ok(connection) => connection
                                .exchange(&buffer)
                                .map(|answer| (start.elapsed(), good(index, n, &answer))),
                            Err(error) => Err(std::io::Error::from(error.kind())),
                        };
                        match answered {
                            Ok((took, true)) if start >= begin => durations.push(took),
                            Ok((_, true)) => {}
                            Ok((_, false)) => failures += 1,
                            Err(_) => {
                                failures += 1;
                                std::thread::sleep(Duration::from_millis(10));
                                connection = Connection::open(address);
                            }
                        }
                    }
                    (durations, failures, begin.elapsed())
                })
            })
            .collect();
        for thread in threads {
            let (own, failed, took) = thread.join().unwrap();
            durations.extend(own);
            failures += failed;
            // Answers that come after the end are counted, so their time is, too.
            elapsed = elapsed.max(took);
        }
    });
    Samples::new(durations, elapsed, failures)
}
