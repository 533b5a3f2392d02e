//! What only nodes across the internet have: finding a peer by its key, and relays.
//!
//! Hole punching is not tested: on loopback there is no router whose table could be opened, every direct dial succeeds.

use std::time::Duration;

use bytes::Bytes;
use cairn_transports::{Lane, Libp2pConfig, Libp2pTransport, Link, PeerKey, TransportEvent};

use crate::harness::{Node, within};

/// Longer than a node needs to look around after it met another, and shorter than its patience with idle connections.
const A_WHILE: Duration = Duration::from_secs(4);

fn quiet() -> Libp2pConfig {
    Libp2pConfig {
        mdns: false,
        ..Libp2pConfig::default()
    }
}

/// A node that others can dial, and its address with its name.
async fn listening(seed: u8) -> (Node, String) {
    let config = Libp2pConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        ..quiet()
    };
    let mut node = Node::start_libp2p(config, seed);
    let address = node.listening_address().await + &bare(node.key);
    (node, address)
}

fn bare(peer: PeerKey) -> String {
    Libp2pTransport::peer_suffix(peer).unwrap()
}

fn to(peer: PeerKey) -> impl Fn(TransportEvent) -> Option<Link> {
    move |event| match event {
        TransportEvent::LinkUp(link) if link.peer == peer => Some(link),
        _ => None,
    }
}

/// Has two nodes meet.
async fn meet(dialler: &mut Node, listener: &mut Node, address: &str) -> (Link, Link) {
    dialler.transport.dial(address).unwrap();
    link_between(dialler, listener).await
}

async fn link_between(one: &mut Node, other: &mut Node) -> (Link, Link) {
    let (one_key, other_key) = (one.key, other.key);
    tokio::join!(
        one.event("a link", to(other_key)),
        other.event("a link", to(one_key))
    )
}

async fn say_hello(from: &Link, to: &mut Link) {
    let hello = Bytes::from_static(b"hello");
    from.sender.send(Lane::Control, hello.clone()).await.unwrap();
    assert_eq!(within("a frame", to.receiver.recv()).await, Some(hello));
}

/// A user would have had to type the new address of the laptop at home after each journey.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_found_by_its_key_alone_and_again_after_it_moved() {
    for (one, two) in [(1, 2), (2, 1)] {
        let (mut known, known_address) = listening(3).await;
        // Nobody can dial this one: so every link to it is its own doing.
        let mut seeker = Node::start_libp2p(quiet(), one);
        let _first = meet(&mut seeker, &mut known, &known_address).await;
        let (mut moving, first_address) = listening(two).await;
        seeker.transport.dial(&bare(moving.key)).unwrap();
        // It has looked in vain before there was anything to find.
        let failed = |event| match event {
            TransportEvent::DialFailed { address, .. } => Some(address),
            _ => None,
        };
        assert_eq!(seeker.event("a failure", failed).await, bare(moving.key));
        let _second = meet(&mut moving, &mut known, &known_address).await;
        let (out, mut into) = link_between(&mut seeker, &mut moving).await;
        assert_eq!(out.address, bare(moving.key));
        say_hello(&out, &mut into).await;

        within("the shutdown", moving.transport.shutdown()).await;
        drop((moving, out, into));
        let (mut moved, second_address) = listening(two).await;
        assert_ne!(first_address, second_address);
        let _third = meet(&mut moved, &mut known, &known_address).await;
        let (mut out, into) = link_between(&mut seeker, &mut moved).await;
        say_hello(&into, &mut out).await;
    }
}

/// A user would have seen the node keep links to strangers from all over the world, until there was no room for their own devices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_a_stranger_makes_no_link_but_wanting_one_later_does() {
    for (one, two) in [(1, 2), (2, 1)] {
        let (mut known, known_address) = listening(3).await;
        let (mut stranger, _) = listening(two).await;
        let _first = meet(&mut stranger, &mut known, &known_address).await;
        let mut curious = Node::start_libp2p(quiet(), one);
        let _second = meet(&mut curious, &mut known, &known_address).await;
        // It looks around, and so connects to the stranger.
        let linked = curious.event("a link to the stranger", to(stranger.key));
        assert!(tokio::time::timeout(A_WHILE, linked).await.is_err());
        curious.transport.dial(&bare(stranger.key)).unwrap();
        let out = curious
            .event("a link, now that it is wanted", to(stranger.key))
            .await;
        // Where the stranger opens the stream, it had tried before.
        let wanted = async {
            loop {
                let mut into = stranger.event("the other end", to(curious.key)).await;
                let _ = out.sender.send(Lane::Control, Bytes::from_static(b"hello")).await;
                if into.receiver.recv().await.is_some() {
                    return;
                }
            }
        };
        within("a frame", wanted).await;
    }
}

/// A user behind a router could not have been found by somebody who knows the key of the device, and nothing of its relay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_listens_through_a_relay_only_is_found_by_its_key() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("/ip4/127.0.0.1/tcp/{}", free.local_addr().unwrap().port());
    drop(free);
    let mut relay = Node::start_libp2p(
        Libp2pConfig {
            listen: vec![at.clone()],
            external: vec![at.clone()],
            relay_for_others: true,
            ..quiet()
        },
        1,
    );
    relay.listening_address().await;
    let relay_address = at + &bare(relay.key);
    let mut hidden = Node::start_libp2p(
        Libp2pConfig {
            relays: vec![relay_address.clone()],
            ..quiet()
        },
        2,
    );
    let address = hidden.listening_address().await;
    assert!(address.contains("/p2p-circuit"), "{address}");
    let mut seeker = Node::start_libp2p(quiet(), 3);
    seeker.transport.dial(&relay_address).unwrap();
    seeker.transport.dial(&bare(hidden.key)).unwrap();
    let (out, mut into) = link_between(&mut seeker, &mut hidden).await;
    assert_eq!(out.address, bare(hidden.key));
    // What comes through a relay has no host: only its name.
    assert_eq!(into.address, bare(seeker.key));
    say_hello(&out, &mut into).await;
}
