//! Two whole nodes in one process, over TCP on loopback.

use std::path::Path;
use std::time::{Duration, Instant};

use super::home::{Home, SpaceFile};
use super::run::{Running, Settings, start};
use crate::mesh::{Command, PayloadPolicy, Precondition, Reply};
use crate::model::{Capabilities, DocumentPath, Grant, WallTime};
use crate::service::Lookup;

fn settings(home: &Path, peers: Vec<String>) -> Settings {
    Settings {
        home: home.to_owned(),
        passphrase: None,
        user: "ada".into(),
        name: "test".into(),
        listen: vec!["tcp://127.0.0.1:0".into()],
        external: Vec::new(),
        relays: Vec::new(),
        relay_for_others: false,
        peers,
        mdns: false,
        quota_bytes: None,
        document_len_max: u64::MAX,
        http: ([127, 0, 0, 1], 0).into(),
        http_any_port: true,
        public_url: None,
        tls: None,
        lora: None,
        radio_payloads: PayloadPolicy::DEFAULT,
        record: None,
    }
}

/// Makes `joining` a member of the space of `first`, as an invite does.
fn join(first: &Path, joining: &Path) {
    let (first, joining) = (Home::open(first).unwrap(), Home::open(joining).unwrap());
    let space = first.begin_space("ada", "first", WallTime(1)).unwrap();
    let owner = first.owner_key().unwrap().unwrap();
    let node = joining.device_key().unwrap().node_id();
    let mut membership = space.membership.clone();
    membership
        .add_grant(Grant::issue(
            space.owner,
            node,
            Capabilities::ALL,
            WallTime(1),
            None,
            "second",
            &owner,
        ))
        .unwrap();
    joining.set_space(&SpaceFile { membership, ..space }).unwrap();
    let key = first.space_key().unwrap().unwrap();
    joining.set_space_key(key.secret()).unwrap();
}

async fn put(running: &Running, path: &DocumentPath, body: &[u8]) {
    let mut upload = running.node.documents().upload(path, u64::MAX).unwrap();
    upload.write(body).unwrap();
    let uploaded = upload.finish("text/plain".into()).unwrap();
    let (put, _pins) = uploaded.put_at(path.clone(), Precondition::default(), false);
    let reply = running.node.command(Command::Put(put)).await.unwrap();
    assert!(matches!(reply, Reply::Stored { .. }));
}

fn body(running: &Running, path: &DocumentPath) -> Option<Vec<u8>> {
    let Lookup::Found(found) = running.node.documents().document(path).unwrap() else {
        return None;
    };
    let body = found.body?;
    let mut bytes = Vec::new();
    while bytes.len() < body.len() as usize {
        bytes.extend(body.read_at(bytes.len() as u64).unwrap());
    }
    Some(bytes)
}

async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !check() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_every_size_reach_the_other_node() {
    let folder = tempfile::tempdir().unwrap();
    let (home_a, home_b) = (folder.path().join("a"), folder.path().join("b"));
    join(&home_a, &home_b);
    let a = start(&settings(&home_a, Vec::new()), false).await.unwrap();
    eventually("listening", || !a.links.listening().is_empty()).await;
    let b = start(&settings(&home_b, a.links.listening()), false)
        .await
        .unwrap();
    let mut written = Vec::new();
    for (index, len) in [0, 1, 8192, 8193, 100_000, 262_144, 262_145, 3_000_000]
        .into_iter()
        .enumerate()
    {
        let path = DocumentPath::parse(&format!("/private/m/{index}")).unwrap();
        let content: Vec<u8> = (0..len)
            .map(|at: usize| (at * 7 + at / 251 + index) as u8)
            .collect();
        put(if index % 2 == 0 { &a } else { &b }, &path, &content).await;
        written.push((path, content));
    }
    for (path, content) in &written {
        for node in [&a, &b] {
            eventually(path.as_str(), || body(node, path).as_ref() == Some(content)).await;
        }
    }
    let (status_a, status_b) = (a.node.status().await.unwrap(), b.node.status().await.unwrap());
    assert_eq!(status_a.documents, 8);
    assert_eq!(status_a.clock_digest, status_b.clock_digest);
    b.stop().await.unwrap();
    a.stop().await.unwrap();
}
