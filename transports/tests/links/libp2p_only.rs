//! What only libp2p has: gossip, and one frame link however many connections.

use std::time::Duration;

use bytes::Bytes;
use cairn_transports::{Lane, TransportEvent};

use crate::harness::{Family, Kind, Node, Options, pair, within};

fn announcement(event: TransportEvent) -> Option<(cairn_transports::PeerKey, Bytes)> {
    if let TransportEvent::Announcement { peer, bytes } = event {
        Some((peer, bytes))
    } else {
        None
    }
}

/// A user would not have heard of the free space on a node two hops away, or would have heard it in the name of the wrong node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announcements_reach_nodes_that_are_not_neighbours() {
    let mut pair = pair(Kind::Libp2p, Family::V4, Options::default()).await;
    let mut third = Node::start(Kind::Libp2p, 3, &[], Options::default());
    third.transport.dial(&pair.address).unwrap();
    let _links = tokio::join!(third.link(), pair.listener.link());
    // Said before anybody may have listened, and so again until it was heard: gossip promises nothing.
    let text = Bytes::from_static(b"four gigabytes are free");
    let mut heard = None;
    for _ in 0..30 {
        pair.dialler.transport.announce(text.clone());
        if let Ok(event) = tokio::time::timeout(
            Duration::from_secs(1),
            third.event("an announcement", announcement),
        )
        .await
        {
            heard = Some(event);
            break;
        }
    }
    assert_eq!(heard, Some((pair.dialler.key, text)));
}

/// A user would have seen every file sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_have_one_link() {
    let (mut one, one_address) = Node::listening(Kind::Libp2p, Family::V4, 1).await;
    let (mut two, two_address) = Node::listening(Kind::Libp2p, Family::V4, 2).await;
    one.transport.dial(&two_address).unwrap();
    two.transport.dial(&one_address).unwrap();
    let (mut a, b) = tokio::join!(one.link(), two.link());
    assert!(
        tokio::time::timeout(Duration::from_secs(2), one.link())
            .await
            .is_err(),
        "a second link"
    );
    b.sender
        .send(Lane::Control, Bytes::from_static(b"hello"))
        .await
        .unwrap();
    assert_eq!(
        within("a frame", a.receiver.recv()).await.as_deref(),
        Some(b"hello".as_slice())
    );
}

/// A user would have seen a node that talks to itself, as one of its own peers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dials_itself_forgets_the_address() {
    let (mut node, address) = Node::listening(Kind::Libp2p, Family::V4, 1).await;
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
