//! What only TCP can show: sockets that a test can hold in its hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cairn_transports::{KeepAlive, Lane, TransportEvent};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::harness::{Family, Kind, Node, Options, socket_address, within};

/// A wire between two nodes that can be cut without either of them hearing of it, or have a byte changed on it.
struct Wire {
    address: String,
    cut: Arc<Notify>,
    disturb: Arc<Notify>,
}

async fn wire(to: &str) -> Wire {
    let to = socket_address(to);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let (cut, disturb) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (is_cut, is_disturbed) = (cut.clone(), disturb.clone());
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(to).await.unwrap();
        let ((mut near_read, mut near_write), (mut far_read, mut far_write)) =
            (near.into_split(), far.into_split());
        tokio::select! {
            _ = copy(&mut far_read, &mut near_write) => return,
            () = is_cut.notified() => {}
            () = async {
                tokio::select! {
                    _ = copy(&mut near_read, &mut far_write) => {}
                    () = is_disturbed.notified() => {}
                }
                let _ = far_write.write_all(&[0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]).await;
                let _ = copy(&mut near_read, &mut far_write).await;
            } => return,
        }
        // Both sockets stay open, and nothing passes any more.
        std::future::pending::<()>().await;
    });
    Wire {
        address,
        cut,
        disturb,
    }
}

/// A user would have seen a peer as connected for hours after its cable was pulled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_noticed_on_both_sides() {
    let keep_alive = KeepAlive {
        ping_every: Duration::from_millis(100),
        dead_after: Duration::from_millis(700),
    };
    let options = Options { keep_alive };
    let (mut listener, address) = Node::listening_with(Kind::Tcp, Family::V4, 1, options).await;
    let wire = wire(&address).await;
    let mut dialler = Node::start(Kind::Tcp, 2, &[], options);
    dialler.transport.dial(&wire.address).unwrap();
    let (mut out, mut into) = tokio::join!(dialler.link(), listener.link());
    wire.cut.notify_one();
    for link in [&mut out, &mut into] {
        assert_eq!(
            within("the silence to be noticed", link.receiver.recv()).await,
            None
        );
        assert_eq!(
            link.receiver.close_reason().as_deref(),
            Some("the peer has fallen silent")
        );
    }
}

/// A user would have synchronised what somebody on the way had made up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_message_ends_the_link_and_is_told() {
    let (mut listener, address) = Node::listening(Kind::Tcp, Family::V4, 1).await;
    let wire = wire(&address).await;
    let mut dialler = Node::start(Kind::Tcp, 2, &[], Options::default());
    dialler.transport.dial(&wire.address).unwrap();
    let (out, mut into) = tokio::join!(dialler.link(), listener.link());
    out.sender
        .send(Lane::Control, Bytes::from_static(b"true"))
        .await
        .unwrap();
    assert_eq!(
        within("a frame", into.receiver.recv()).await.as_deref(),
        Some(b"true".as_slice())
    );
    wire.disturb.notify_one();
    assert_eq!(within("the end", into.receiver.recv()).await, None);
    let reason = into.receiver.close_reason().unwrap();
    assert!(reason.contains("garbage"), "{reason}");
    let refused = |event| matches!(event, TransportEvent::LinkRefused { .. }).then_some(());
    listener.event("the refusal", refused).await;
}

/// A user would have seen a node that talks to itself, as one of its own peers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dials_itself_forgets_the_address() {
    let (mut node, address) = Node::listening(Kind::Tcp, Family::V4, 1).await;
    node.transport.dial(&address).unwrap();
    let failed = |event| match event {
        TransportEvent::DialFailed {
            address, retry_in, ..
        } => Some((address, retry_in)),
        TransportEvent::LinkUp(link) => panic!("a link to {:?}", link.peer),
        _ => None,
    };
    assert_eq!(node.event("the failure", failed).await, (address, None));
}

/// A user behind a stranger who opens connections and says nothing could not have connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_strangers_do_not_lock_others_out() {
    let (mut listener, address) = Node::listening(Kind::Tcp, Family::V4, 1).await;
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(TcpStream::connect(socket_address(&address)).await.unwrap());
    }
    let mut dialler = Node::start(Kind::Tcp, 2, &[], Options::default());
    dialler.transport.dial(&address).unwrap();
    let (out, into) = tokio::join!(dialler.link(), listener.link());
    assert_eq!((out.peer, into.peer), (listener.key, dialler.key));
    let hung_up = async {
        for stranger in &mut strangers {
            let _ = stranger.read_to_end(&mut Vec::new()).await;
        }
    };
    within("the strangers to be hung up on", hung_up).await;
}

/// A user would have had to wait a minute for a neighbour that is there: a forgotten address is not dialled, a kept one is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_dialled_until_it_is_forgotten() {
    let mut dialler = Node::start(Kind::Tcp, 2, &[], Options::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    dialler.transport.dial(&address).unwrap();
    for _ in 0..2 {
        drop(within("a connection", listener.accept()).await.unwrap());
        let failed = |event| {
            if let TransportEvent::DialFailed { retry_in, .. } = event {
                Some(retry_in)
            } else {
                None
            }
        };
        assert!(dialler.event("the failure", failed).await.is_some());
    }
    dialler.transport.forget(&address);
    assert!(
        tokio::time::timeout(Duration::from_secs(2), listener.accept())
            .await
            .is_err()
    );
    assert!(dialler.transport.dial("/ip4/127.0.0.1/tcp/1").is_err());
}
