//! What every transport must do.

use std::time::Duration;

use bytes::Bytes;
use cairn_transports::{
    FRAME_LEN_MAX, INBOX_BYTES_MAX, KeepAlive, LANE_BYTES_MAX, Lane, SendError, TransportEvent,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{DEADLINE, Family, Kind, Node, Options, pair, socket_address, within};

/// A frame that shows where it was cut or mixed up.
fn frame(len: usize, salt: usize) -> Bytes {
    (0..len).map(|at| (at * 31 + at / 251 + salt) as u8).collect()
}

/// A user would have seen a link named after the wrong device, or one that cannot be told from another.
async fn both_ends_know_who_is_there(kind: Kind, family: Family) {
    let pair = pair(kind, family, Options::default()).await;
    assert_eq!(
        (pair.out.peer, pair.into.peer),
        (pair.listener.key, pair.dialler.key)
    );
    assert!(pair.out.outbound && !pair.into.outbound);
    assert_eq!(pair.out.address, pair.address);
    assert_eq!(pair.out.profile.mtu, FRAME_LEN_MAX);
}

/// A user would have seen a file that differs, or a sync that never ends.
async fn frames_arrive_intact_and_in_order(kind: Kind, family: Family) {
    let mut pair = pair(kind, family, Options::default()).await;
    let sizes = [
        0,
        1,
        2,
        100,
        65_514,
        65_515,
        65_519,
        65_520,
        200_000,
        FRAME_LEN_MAX - 1,
        FRAME_LEN_MAX,
        0,
        7,
    ];
    let sender = pair.out.sender.clone();
    let sending = tokio::spawn(async move {
        for (salt, len) in sizes.into_iter().enumerate() {
            sender.send(Lane::Bulk, frame(len, salt)).await.unwrap();
        }
    });
    for (salt, len) in sizes.into_iter().enumerate() {
        let received = within("a frame", pair.into.receiver.recv()).await.unwrap();
        assert!(
            received == frame(len, salt),
            "frame {salt} of {len} bytes came as {} others",
            received.len()
        );
    }
    sending.await.unwrap();
    pair.into.sender.send(Lane::Entries, frame(3, 0)).await.unwrap();
    assert_eq!(
        within("the other way", pair.out.receiver.recv()).await,
        Some(frame(3, 0))
    );
    let long = Bytes::from(vec![0; FRAME_LEN_MAX + 1]);
    assert_eq!(
        pair.out.sender.try_send(Lane::Control, long.clone()),
        Err(SendError::TooLong)
    );
    assert_eq!(
        pair.out.sender.send(Lane::Control, long).await,
        Err(SendError::TooLong)
    );
}

/// A user would have waited for a file to be through before a one-line note came.
async fn urgent_frames_overtake(kind: Kind, family: Family) {
    let mut pair = pair(kind, family, Options::default()).await;
    // Until the peer's inbox, the network and the lane are full.
    let sender = pair.out.sender.clone();
    let (mut queued, bulk) = (0, frame(FRAME_LEN_MAX, 0));
    let fill = async {
        while tokio::time::timeout(Duration::from_secs(1), sender.send(Lane::Bulk, bulk.clone()))
            .await
            .is_ok()
        {
            queued += 1;
        }
    };
    within("a full link", fill).await;
    sender.try_send(Lane::Small, frame(3, 0)).unwrap();
    sender.try_send(Lane::Entries, frame(2, 0)).unwrap();
    sender.try_send(Lane::Control, frame(1, 0)).unwrap();
    let mut order = Vec::new();
    for _ in 0..queued + 3 {
        order.push(within("a frame", pair.into.receiver.recv()).await.unwrap().len());
    }
    let urgent: Vec<usize> = order.iter().copied().filter(|len| *len < 4).collect();
    assert_eq!(urgent, [1, 2, 3], "the more urgent first: {order:?}");
    assert_eq!(
        order.last(),
        Some(&FRAME_LEN_MAX),
        "urgent frames overtake what waits: {order:?}"
    );
}

/// How much a connection's two ends may hold in this kernel, in bytes, as far as it says so: some are set to tens of mebibytes.
fn kernel_bytes_max() -> usize {
    let longest = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
        text.split_whitespace().nth(2)?.parse::<usize>().ok()
    };
    ["tcp_rmem", "tcp_wmem"].into_iter().filter_map(longest).sum()
}

/// A user would have seen the node's memory grow until the system killed it.
async fn a_slow_reader_holds_the_sender_back(kind: Kind, family: Family) {
    let mut pair = pair(kind, family, Options::default()).await;
    let sender = pair.out.sender.clone();
    let mut queued: usize = 0;
    let fill = async {
        while tokio::time::timeout(
            Duration::from_secs(1),
            sender.send(Lane::Bulk, frame(64 * 1024, 0)),
        )
        .await
        .is_ok()
        {
            queued += 64 * 1024;
        }
    };
    within("the sender to be held back", fill).await;
    assert_eq!(
        sender.try_send(Lane::Bulk, frame(64 * 1024, 0)),
        Err(SendError::Full)
    );
    // The two queues, what the multiplexer holds, and what the kernel may.
    let bound = LANE_BYTES_MAX + INBOX_BYTES_MAX + 16 * 1024 * 1024 + kernel_bytes_max();
    assert!(
        (LANE_BYTES_MAX..bound).contains(&queued),
        "{queued} bytes were taken"
    );
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send(Lane::Bulk, frame(9, 9)).await }
    });
    for _ in 0..queued / (64 * 1024) {
        within("a frame", pair.into.receiver.recv()).await.unwrap();
    }
    assert_eq!(within("room", waiting).await.unwrap(), Ok(()));
    assert_eq!(
        within("the last frame", pair.into.receiver.recv()).await,
        Some(frame(9, 9))
    );
}

/// A user would have seen a peer listed as connected that is long gone, or no word why it went.
async fn both_ends_learn_why_a_link_closed(kind: Kind, family: Family) {
    let mut pair = pair(kind, family, Options::default()).await;
    pair.out.sender.try_send(Lane::Control, frame(5, 5)).unwrap();
    pair.out.sender.close("a better link is up");
    assert_eq!(
        within("what was said before", pair.into.receiver.recv()).await,
        Some(frame(5, 5))
    );
    assert_eq!(within("the end", pair.into.receiver.recv()).await, None);
    let reason = pair.into.receiver.close_reason().unwrap();
    assert!(reason.contains("a better link is up"), "{reason}");
    assert!(pair.into.sender.is_closed() && pair.out.sender.is_closed());
    assert_eq!(within("the own end", pair.out.receiver.recv()).await, None);
    assert_eq!(
        pair.out.receiver.close_reason().as_deref(),
        Some("a better link is up")
    );
    assert_eq!(
        pair.into.sender.send(Lane::Bulk, Bytes::new()).await,
        Err(SendError::Closed)
    );
}

/// A user would have had to restart a node because its neighbour was restarted.
async fn a_link_comes_back_after_the_listener_restarts(kind: Kind, family: Family) {
    let mut pair = pair(kind, family, Options::default()).await;
    within("the shutdown", pair.listener.transport.shutdown()).await;
    assert_eq!(within("the end", pair.out.receiver.recv()).await, None);
    drop(pair.listener);
    let mut listener = Node::start(kind, 1, &[pair.address.clone()], Options::default());
    let (mut out, into) = tokio::join!(pair.dialler.link(), listener.link());
    assert_eq!(out.peer, listener.key);
    into.sender.send(Lane::Control, frame(4, 0)).await.unwrap();
    assert_eq!(within("a frame", out.receiver.recv()).await, Some(frame(4, 0)));
}

/// A user would have lost all links because of one port scanner.
async fn garbage_harms_nobody_else(kind: Kind, family: Family) {
    let mut pair = pair(kind, family, Options::default()).await;
    if kind.is_datagrams() {
        // Datagrams that are no QUIC are dropped without a word: their sender's address proves nothing.
        let stranger = std::net::UdpSocket::bind((socket_address(&pair.address).ip(), 0)).unwrap();
        for len in [1, 20, 1200] {
            stranger
                .send_to(&frame(len, 0), socket_address(&pair.address))
                .unwrap();
        }
    } else {
        let mut stranger = TcpStream::connect(socket_address(&pair.address)).await.unwrap();
        let _ = stranger
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\r\n\r\n")
            .await;
        let mut answer = Vec::new();
        let _ = within("being hung up on", stranger.read_to_end(&mut answer)).await;
        let refused = |event| {
            if let TransportEvent::LinkRefused { reason, .. } = event {
                Some(reason)
            } else {
                None
            }
        };
        let reason = pair.listener.event("the refusal", refused).await;
        assert!(!reason.is_empty());
    }
    pair.out.sender.send(Lane::Control, frame(8, 0)).await.unwrap();
    assert_eq!(
        within("a frame", pair.into.receiver.recv()).await,
        Some(frame(8, 0))
    );
}

/// A user would have seen a peer as connected for hours after its cable was pulled.
async fn the_round_trip_is_measured(kind: Kind, family: Family) {
    let pair = pair(kind, family, Options::default()).await;
    let measured = async {
        while pair.out.sender.rtt().is_none() || pair.into.sender.rtt().is_none() {
            tokio::task::yield_now().await;
        }
    };
    within("a round-trip time", measured).await;
    assert!(pair.out.sender.rtt().unwrap() < DEADLINE);
}

/// Silent nodes with a short keep-alive must not lose each other, and a refused peer must stay away.
async fn a_quiet_link_stays_and_a_penalised_peer_goes(kind: Kind, family: Family) {
    let keep_alive = KeepAlive {
        ping_every: Duration::from_millis(100),
        dead_after: Duration::from_millis(1500),
    };
    let mut pair = pair(kind, family, Options { keep_alive }).await;
    let outcome = tokio::time::timeout(2 * keep_alive.dead_after, pair.out.receiver.recv()).await;
    assert!(
        outcome.is_err(),
        "a quiet link went down: {:?}",
        pair.out.receiver.close_reason()
    );
    pair.listener
        .transport
        .penalise(pair.dialler.key, Duration::from_secs(600));
    assert_eq!(within("the end", pair.out.receiver.recv()).await, None);
    let back = tokio::time::timeout(Duration::from_secs(2), pair.listener.link()).await;
    assert!(back.is_err(), "a penalised peer came back");
}

macro_rules! conformance {
    ($($test:ident),* $(,)?) => {
        conformance!(@kind tcp, Kind::Tcp, $($test),*);
        #[cfg(feature = "libp2p")]
        conformance!(@kind libp2p, Kind::Libp2p, $($test),*);
        #[cfg(feature = "quic")]
        conformance!(@kind quic, Kind::Quic, $($test),*);
    };
    (@kind $kind:ident, $value:expr, $($test:ident),*) => {
        mod $kind {
            mod v4 {
                use crate::harness::{Family, Kind};
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::super::$test($value, Family::V4).await;
                })*
            }
            mod v6 {
                use crate::harness::{Family, Kind, available};
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if available(Family::V6) {
                        super::super::$test($value, Family::V6).await;
                    }
                })*
            }
        }
    };
}

conformance!(
    both_ends_know_who_is_there,
    frames_arrive_intact_and_in_order,
    urgent_frames_overtake,
    a_slow_reader_holds_the_sender_back,
    both_ends_learn_why_a_link_closed,
    a_link_comes_back_after_the_listener_restarts,
    garbage_harms_nobody_else,
    the_round_trip_is_measured,
    a_quiet_link_stays_and_a_penalised_peer_goes,
);
