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

/// A user behind a router could not have reached the other one behind a router of its own.
#[cfg(feature = "wan")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_meet_through_a_relay() {
    use cairn_transports::{Libp2pConfig, Libp2pTransport};

    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let at = format!("/ip4/127.0.0.1/tcp/{}", free.port());
    let quiet = Libp2pConfig {
        mdns: false,
        ..Libp2pConfig::default()
    };
    let config = Libp2pConfig {
        listen: vec![at.clone()],
        external: vec![at.clone()],
        relay_for_others: true,
        ..quiet.clone()
    };
    let mut relay = Node::start_libp2p(config, 1);
    relay.listening_address().await;
    let relay_address = at + &Libp2pTransport::peer_suffix(relay.key).unwrap();
    let mut hidden = Node::start_libp2p(
        Libp2pConfig {
            relays: vec![relay_address],
            ..quiet.clone()
        },
        2,
    );
    let address = hidden.listening_address().await;
    assert!(address.contains("/p2p-circuit"), "{address}");
    let mut other = Node::start_libp2p(quiet, 3);
    other.transport.dial(&address).unwrap();
    let (hidden_key, other_key) = (hidden.key, other.key);
    let to = |peer| {
        move |event| match event {
            TransportEvent::LinkUp(link) if link.peer == peer => Some(link),
            _ => None,
        }
    };
    let (a, mut b) = tokio::join!(
        other.event("a link through the relay", to(hidden_key)),
        hidden.event("a link through the relay", to(other_key)),
    );
    a.sender
        .send(Lane::Bulk, Bytes::from(vec![7; 1 << 20]))
        .await
        .unwrap();
    assert_eq!(
        within("a frame", b.receiver.recv()).await,
        Some(Bytes::from(vec![7; 1 << 20]))
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

/// A user would have waited for a peer that this program has no means to find.
#[tokio::test]
async fn an_address_that_names_only_a_peer_is_refused_without_the_means_to_look_it_up() {
    use cairn_transports::{AddressError, Libp2pTransport};

    let node = Node::start(Kind::Libp2p, 1, &[], Options::default());
    let other = cairn_transports::Identity::new([2; 32]).peer_key();
    let bare = Libp2pTransport::peer_suffix(other).unwrap();
    let kept = node.transport.dial(&bare);
    if cfg!(feature = "wan") {
        assert_eq!(kept, Ok(()));
    } else {
        assert!(
            kept.as_ref()
                .is_err_and(|error| error.to_string().contains("--features wan")),
            "{kept:?}"
        );
        assert_eq!(
            kept,
            Err(AddressError::NeedsWan {
                address: bare.clone()
            })
        );
    }
    let nobody = node.transport.dial("/p2p/nobody");
    assert!(
        matches!(nobody, Err(AddressError::Malformed { .. })),
        "{nobody:?}"
    );
    assert_eq!(
        node.transport.dial(&format!("/ip4/127.0.0.1/tcp/1{bare}")),
        Ok(())
    );
}
