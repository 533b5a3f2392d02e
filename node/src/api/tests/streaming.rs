//! Large bodies, and connections that break off.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{ALL, House};
use super::long_body;
use crate::api::HttpConfig;
use crate::model::DocumentPath;
use crate::service::Lookup;

async fn eventually(what: &str, check: impl Fn() -> bool) {
    for _ in 0..1000 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

#[tokio::test]
async fn twenty_mebibytes_go_in_and_out() {
    let house = House::open().await;
    let body = long_body(20 << 20);
    house.put("/notes/large", &body).await.is(201);
    let read = house.get("/notes/large", &[]).await.is(200);
    assert!(read.body == body);
    house.send("DELETE", "/notes/large", &[ALL], None).await.is(200);
    eventually("its chunks go with it", || house.state().chunks == 0).await;
}

#[tokio::test]
async fn many_at_one_time() {
    let house = House::open().await;
    let put = async |index: usize| {
        let body = long_body(300_000 + index);
        house.put(&format!("/notes/{index}"), &body).await.is(201);
        assert!(house.get(&format!("/notes/{index}"), &[]).await.body == body);
    };
    tokio::join!(
        put(0),
        put(1),
        put(2),
        put(3),
        put(4),
        put(5),
        put(6),
        put(7),
        put(8),
        put(9),
        put(10),
        put(11)
    );
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let house = House::open().await;
    let before = house.state();
    for (sent, announced) in [(100, 1000), (5 << 20, 20 << 20)] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let head = format!(
            "PUT /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer all\r\nContent-Length: {announced}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&long_body(sent)).await.unwrap();
        if sent > 1000 {
            eventually("some of it is on disk", || house.state().chunks > 0).await;
        }
        drop(stream);
        eventually("nothing stays", || house.state() == before).await;
    }
    house.get("/notes/a", &[]).await.refuses(404);
}

#[tokio::test]
async fn a_reader_gets_the_version_it_began_with() {
    let house = House::open().await;
    let body = long_body(20 << 20);
    house.put("/notes/a", &body).await.is(201);
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let request = "GET /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer all\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = vec![0; 1000];
    stream.read_exact(&mut read).await.unwrap();
    house.put("/notes/a", b"short").await.is(200);
    stream.read_to_end(&mut read).await.unwrap();
    assert!(read.ends_with(&body));
}

#[tokio::test]
async fn damage_is_never_sent() {
    let house = House::open().await;
    let body = long_body(5 << 20);
    house.put("/public/notes/a", &body).await.is(201);
    let whole = house.get("/public/notes/a", &[]).await.is(200);
    assert!(whole.body == body);
    // The chunk of the last bytes: what comes before it can still be sent.
    let last = house.chunk_files().into_iter().find(|file| {
        let bytes = std::fs::read(file).unwrap();
        body.ends_with(&bytes)
    });
    let last = last.unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&last, bytes).unwrap();
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let request = "GET /storage/ada/public/notes/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer all\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read).await;
    let head = read.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(read.len() - head < body.len(), "cut off");
    assert!(body.starts_with(&read[head..]));
    // The node knows of it now.
    let path = DocumentPath::parse("/public/notes/a").unwrap();
    eventually("it is missed", || {
        let found = house.node.node.documents().document(&path).unwrap();
        matches!(found, Lookup::Found(found) if found.body.is_none())
    })
    .await;
    assert!(!last.exists(), "set aside");
    house.get("/public/notes/a", &[]).await.refuses(503);
}

/// A flood of connections waits outside and takes no memory; who came before goes on, and who waits is served in turn.
#[tokio::test]
async fn connections_at_one_time_are_bounded() {
    let config = HttpConfig {
        connections_max: 2,
        ..HttpConfig::default()
    };
    let house = House::with(None, config).await;
    let get = b"GET /storage/ada/notes/ HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer all\r\n\r\n";
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        stream.write_all(get).await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        taken.push(stream);
    }
    let mut waiting = TcpStream::connect(house.address).await.unwrap();
    waiting.write_all(get).await.unwrap();
    let mut answer = [0; 12];
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.read_exact(&mut answer)).await;
    assert!(early.is_err(), "a third was let in");
    taken.pop();
    tokio::time::timeout(Duration::from_secs(10), waiting.read_exact(&mut answer))
        .await
        .expect("the third is let in when another has gone")
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn the_door_closes_in_time() {
    let house = House::open().await;
    house.put("/notes/a", b"x").await.is(201);
    // One that asks nothing, and one that never ends its request.
    let _idle = TcpStream::connect(house.address).await.unwrap();
    let mut slow = TcpStream::connect(house.address).await.unwrap();
    slow.write_all(b"PUT /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer all\r\nContent-Length: 9\r\n\r\nx")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::timeout(Duration::from_secs(4), house.close())
        .await
        .unwrap();
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let house = House::open().await;
    let put = "PUT /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n";
    let get = "GET /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer all\r\n";
    let requests = format!(
        "{put}\r\nno{put}Authorization: Bearer all\r\n\r\nhi{get}\r\n{get}If-None-Match: *\r\n\r\n{get}Connection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).await.unwrap();
    let statuses: Vec<_> = read
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses, ["401", "201", "200", "304", "200"]);
}
