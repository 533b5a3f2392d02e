//! What nodes do at their bounds: a full disk, too many links, a clock of many pieces.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::Duration;

use cairn::mesh::{Command, CommandError, Event, LinkId, LinkProfile, Precondition, Put, RequestId};
use cairn::model::{Content, DocumentPath, Hash, Instant, NodeId, Now, Payload, WallTime};
use cairn_sim::{DISK_FREE, World, laws};

fn path(name: &str) -> DocumentPath {
    format!("/shared/m/{name}").parse().unwrap()
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let mut world = World::new(1, 2).unwrap();
    world.link(0, 1).unwrap();
    world.run(Duration::from_secs(2)).unwrap();
    world.set_free(1, 1000).unwrap();
    let refused = world.put(1, &path("a"), b"own", Precondition::default()).unwrap();
    world
        .put(0, &path("b"), b"of the other", Precondition::default())
        .unwrap();
    world.run(Duration::from_secs(60)).unwrap();
    assert!(matches!(
        world.reply(refused),
        Some(Err(CommandError::DiskFull { free_bytes: 1000 }))
    ));
    assert_eq!(world.etag(1, &path("a")), None);
    assert_eq!(world.etag(1, &path("b")), None, "taken in without room");

    world.set_free(1, DISK_FREE).unwrap();
    world.run(Duration::from_secs(120)).unwrap();
    assert!(world.etag(1, &path("b")).is_some());
    assert_eq!(laws::converged(&world), Ok(()));
}

#[test]
fn strangers_do_not_keep_the_owners_nodes_out() {
    let mut world = World::new(1, 2).unwrap();
    let now = Now {
        instant: Instant(0),
        wall: WallTime(1_767_225_600_000),
    };
    for stranger in 0..300u32 {
        let mut peer = [0xee; 32];
        peer[..4].copy_from_slice(&stranger.to_be_bytes());
        let up = Event::LinkUp {
            link: LinkId(1_000_000 + u64::from(stranger)),
            peer: NodeId(peer),
            profile: LinkProfile {
                frame_len_max: cairn::mesh::FRAME_LEN_MAX,
                bit_rate_bps: None,
            },
        };
        let engine = world.nodes[0].engine.as_mut().unwrap();
        engine.handle(now, up).unwrap();
    }
    world
        .put(1, &path("a"), b"news", Precondition::default())
        .unwrap();
    world.link(0, 1).unwrap();
    world.run(Duration::from_secs(5)).unwrap();
    assert!(world.etag(0, &path("a")).is_some());
}

/// Every document was written twice, so a newcomer holds every second change of the writer, one range each, until the
/// end of its first sync. More ranges than a clock may have on the wire: what is said of it is shortened.
#[test]
fn a_newcomer_takes_in_a_long_history() {
    const DOCUMENTS: u32 = 90_000;
    let mut world = World::new(1, 2).unwrap();
    let now = Now {
        instant: Instant(0),
        wall: WallTime(1_767_225_600_000),
    };
    let engine = world.nodes[0].engine.as_mut().unwrap();
    for index in 0..DOCUMENTS {
        for body in [b"first", b"after"] {
            let put = Put {
                path: path(&format!("{}/{index}", index % 256)),
                content: Content {
                    content_type: "text/plain".into(),
                    hash: Hash::of(body),
                    len: body.len() as u64,
                    payload: Payload::Inline,
                    seal: None,
                },
                attachment: Some(body.to_vec()),
                chunk_keys: Vec::new(),
                precondition: Precondition::default(),
                resolve: false,
            };
            let (request, command) = (RequestId(0), Box::new(Command::Put(put)));
            engine.handle(now, Event::Command { request, command }).unwrap();
        }
    }
    engine.commit(now).unwrap();
    while engine.poll_action().is_some() {}
    world.link(0, 1).unwrap();
    world.run(Duration::from_secs(120)).unwrap();
    let clocks: Vec<_> = world.nodes.iter().map(laws::clock).collect();
    assert!(clocks[0] == clocks[1], "the clocks differ");
    assert!(world.etag(1, &path("0/0")).is_some());
}
