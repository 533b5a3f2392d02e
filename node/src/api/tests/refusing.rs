//! Bad input, and that it changes nothing.

use super::client::{raw, request};
use super::house::{ALL, House, NOTES, READER};
use super::long_body;
use crate::api::HttpConfig;

#[tokio::test]
async fn whoever_may_not_is_refused() {
    let house = House::open().await;
    house.put("/notes/a", b"mine").await.is(201);
    house.put("/photos/a", b"mine").await.is(201);
    let before = house.state();
    for token in [
        &[][..],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Basic all")],
    ] {
        for (method, body) in [("GET", None), ("PUT", Some(&b"x"[..])), ("DELETE", None)] {
            let answer = house.send(method, "/notes/a", token, body).await.refuses(401);
            let challenge = answer.header("WWW-Authenticate").unwrap();
            assert!(challenge.starts_with("Bearer "), "{challenge}");
        }
    }
    for (method, below, token, body) in [
        ("PUT", "/notes/a", READER, Some(&b"x"[..])),
        ("DELETE", "/notes/a", READER, None),
        ("GET", "/photos/a", NOTES, None),
        ("PUT", "/photos/a", NOTES, Some(b"x")),
        ("PUT", "/photos/a", NOTES, Some(&long_body(5_000_000))),
        ("PUT", "/public/photos/a", NOTES, Some(b"x")),
        ("GET", "/", NOTES, None),
        ("GET", "/public/", NOTES, None),
        ("GET", "/notes", NOTES, None),
        ("GET", "/nothing/", NOTES, None),
    ] {
        house.send(method, below, &[token], body).await.refuses(403);
    }
    assert_eq!(house.state(), before);
    house
        .send("GET", "/notes/a?access_token=reader", &[], None)
        .await
        .is(200);
    house
        .send("GET", "/notes/a?access_token=wrong", &[], None)
        .await
        .refuses(401);
    house
        .send("PUT", "/notes/a?access_token=all", &[], Some(b"x"))
        .await
        .refuses(401);
    request(house.address, "GET", "/storage/bob/notes/a", &[ALL], None)
        .await
        .refuses(404);
}

#[tokio::test]
async fn addresses_that_name_nothing_are_refused() {
    let house = House::open().await;
    let before = house.state();
    for below in [
        "/notes//a",
        "/notes/a%2Fb",
        "/notes/a%00",
        "/notes/%ff",
        "/notes/%zz",
        "/notes/../a",
        "/notes/%2e",
        "/notes/a/",
        "/",
        "",
        "/a",
        "/public/a",
        "/public",
    ] {
        house.put(below, b"x").await.refuses(400);
    }
    house
        .put(&format!("/notes/{}", "x".repeat(300)), b"x")
        .await
        .refuses(414);
    house
        .put(&format!("/notes{}", "/x".repeat(2000)), b"x")
        .await
        .refuses(414);
    house.send("DELETE", "/notes/", &[ALL], None).await.refuses(400);
    let patch = house
        .send("PATCH", "/notes/a", &[ALL], Some(b"x"))
        .await
        .refuses(405);
    assert!(patch.header("Allow").unwrap().contains("PUT"));
    assert_eq!(house.state(), before);
}

#[tokio::test]
async fn no_document_and_folder_have_one_name() {
    let house = House::open().await;
    house.put("/notes/a/b", b"x").await.is(201);
    house.put("/notes/c", b"x").await.is(201);
    let before = house.state();
    for len in [1, 100_000] {
        let refused = house.put("/notes/a", &long_body(len)).await.refuses(409);
        assert!(refused.text().contains(" /notes/a/ "), "{}", refused.text());
        house.put("/notes/c/d/e", &long_body(len)).await.refuses(409);
    }
    assert_eq!(house.state(), before);
}

#[tokio::test]
async fn bodies_over_the_limits_are_refused() {
    let config = HttpConfig {
        document_len_max: 200_000,
        ..HttpConfig::default()
    };
    let house = House::with(Some(250_000), config).await;
    house.put("/notes/a", &long_body(100_000)).await.is(201);
    let before = house.state();
    house.put("/notes/b", &long_body(200_001)).await.refuses(413);
    house.put("/notes/b", &long_body(5_000_000)).await.refuses(413);
    // Nobody knows the length of this one before it is over.
    let mut chunked = b"PUT /storage/ada/notes/b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
        Authorization: Bearer all\r\nTransfer-Encoding: chunked\r\n\r\n493E0\r\n"
        .to_vec();
    chunked.extend(long_body(300_000));
    chunked.extend(b"\r\n0\r\n\r\n");
    raw(house.address, chunked, false).await.refuses(413);
    house.put("/notes/b", &long_body(150_001)).await.refuses(507);
    assert_eq!(house.state(), before);
    // A refused upload of bytes that another document has leaves them alone.
    house.put("/notes/a", &long_body(160_000)).await.is(200);
    let before = house.state();
    house.put("/notes/b", &long_body(160_000)).await.refuses(507);
    assert_eq!(house.state(), before);
    assert!(house.get("/notes/a", &[]).await.body == long_body(160_000));
}

#[tokio::test]
async fn headers_that_cannot_be_kept_are_refused() {
    let house = House::open().await;
    let before = house.state();
    let long = "x".repeat(2000);
    for header in [
        ("Content-Range", "bytes 0-0/1"),
        ("Content-Type", &long),
        ("If-Match", "\"open"),
        ("If-None-Match", ""),
    ] {
        house
            .send("PUT", "/notes/a", &[ALL, header], Some(b"x"))
            .await
            .refuses(400);
    }
    assert_eq!(house.state(), before);
}
