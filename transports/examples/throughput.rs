//! How fast one TCP link streams on this machine: `cargo run --release -p cairn-transports --example throughput [MEBIBYTES]`.
//!
//! Both ends run in this process, so that two cores seal and open at once; the figure is of one link in one direction.
#![allow(clippy::expect_used)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use cairn_transports::{Identity, Lane, Link, TcpConfig, TcpTransport, Transport as _, TransportEvent};
use tokio::sync::mpsc;

const FRAME_LEN: usize = 1 << 20;

async fn link(events: &mut mpsc::Receiver<TransportEvent>) -> Link {
    loop {
        if let TransportEvent::LinkUp(link) = events.recv().await.expect("the transport is up") {
            return link;
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let frames: usize = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(4096);
    let ((sender, mut events), (other_sender, mut other_events)) = (mpsc::channel(8), mpsc::channel(8));
    let config = TcpConfig {
        listen: vec![([127, 0, 0, 1], 0).into()],
        ..TcpConfig::default()
    };
    let _listener = TcpTransport::start(config, Identity::new([1; 32]), sender);
    let Some(TransportEvent::Listening { address }) = events.recv().await else {
        panic!("cannot listen")
    };
    let dialler = TcpTransport::start(TcpConfig::default(), Identity::new([2; 32]), other_sender);
    dialler.dial(&address).expect("an address that was told");
    let (out, mut into) = tokio::join!(link(&mut other_events), link(&mut events));
    let started = Instant::now();
    let frame = Bytes::from(vec![7; FRAME_LEN]);
    let sender = out.sender.clone();
    tokio::spawn(async move {
        for _ in 0..frames {
            sender
                .send(Lane::Bulk, frame.clone())
                .await
                .expect("the link is up");
        }
    });
    for _ in 0..frames {
        into.receiver.recv().await.expect("the link is up");
    }
    let elapsed: Duration = started.elapsed();
    let rate = (frames * FRAME_LEN) as f64 / 1e6 / elapsed.as_secs_f64();
    println!("{frames} MiB in {:.2} s: {rate:.0} MB/s", elapsed.as_secs_f64());
}
