//! Announcements that reach a node over others.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use cairn::mesh::{Command, PeerStatus, Reply};
use cairn::model::DocumentPath;
use cairn_sim::{DISK_FREE, World};

fn peers(world: &mut World, node: usize) -> Vec<PeerStatus> {
    let path: DocumentPath = "/private/notes/a".parse().unwrap();
    let request = world.command(node, &path, Command::Status).unwrap();
    world.run(Duration::from_secs(1)).unwrap();
    match world.reply(request) {
        Some(Ok(Reply::Status(status))) => status.peers.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_that_is_not_a_neighbour_is_heard_of() {
    let mut world = World::new(1, 3).unwrap();
    let far = world.nodes[0].key.node_id();
    let find = |peers: Vec<PeerStatus>| peers.into_iter().find(|peer| peer.node == far).unwrap();
    world.link(0, 1).unwrap();
    world.link(1, 2).unwrap();
    world.run(Duration::from_secs(40)).unwrap();
    let heard = find(peers(&mut world, 2));
    assert!(!heard.linked);
    assert!(heard.free_bytes.is_some_and(|free| free > 0 && free < DISK_FREE));
    assert!(heard.seen.0 > 0);

    world.cut(0, 1).unwrap();
    world.run(Duration::from_secs(300)).unwrap();
    let later = find(peers(&mut world, 2));
    assert_eq!(later.seen, heard.seen, "nothing came from it since");
}
