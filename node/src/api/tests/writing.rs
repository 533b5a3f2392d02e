//! PUT and DELETE.

use super::client::raw;
use super::house::{ALL, House, NOTES};
use super::long_body;

#[tokio::test]
async fn a_document_is_made_replaced_and_deleted() {
    let house = House::open().await;
    let made = house
        .send(
            "PUT",
            "/notes/a",
            &[NOTES, ("Content-Type", "image/jpeg; charset=binary")],
            Some(b"one"),
        )
        .await
        .is(201);
    let read = house.get("/notes/a", &[]).await.is(200);
    assert_eq!((read.text(), read.etag()), ("one", made.etag()));
    assert_eq!(read.header("Content-Type"), Some("image/jpeg; charset=binary"));
    let replaced = house.put("/notes/a", b"two").await.is(200);
    assert_ne!(replaced.etag(), made.etag());
    let deleted = house.send("DELETE", "/notes/a", &[NOTES], None).await.is(200);
    assert_eq!(deleted.etag(), replaced.etag());
    house.get("/notes/a", &[]).await.refuses(404);
    house
        .send("DELETE", "/notes/a", &[NOTES], None)
        .await
        .refuses(404);
    house.close().await;
}

#[tokio::test]
async fn conditions_guard_changes() {
    let house = House::open().await;
    let put = async |condition: (&str, &str), body: &[u8]| {
        house.send("PUT", "/notes/a", &[ALL, condition], Some(body)).await
    };
    put(("If-Match", "\"x\""), b"0").await.refuses(412);
    put(("If-Match", "*"), b"0").await.refuses(412);
    let first = put(("If-None-Match", "*"), b"1").await.is(201).etag();
    assert_eq!(put(("If-None-Match", "*"), b"0").await.refuses(412).etag(), first);
    let second = put(("If-Match", &format!("\"x\", {first}")), b"2")
        .await
        .is(200)
        .etag();
    for (stale, len) in [
        (first.clone(), 1),
        (format!("W/{second}"), 1),
        (first.clone(), 100_000),
    ] {
        let before = house.state();
        assert_eq!(
            put(("If-Match", &stale), &long_body(len))
                .await
                .refuses(412)
                .etag(),
            second
        );
        assert_eq!(house.state(), before);
    }
    let delete = async |tag: &str| {
        house
            .send("DELETE", "/notes/a", &[ALL, ("If-Match", tag)], None)
            .await
    };
    delete(&first).await.refuses(412);
    assert_eq!(house.get("/notes/a", &[]).await.text(), "2");
    delete(&second).await.is(200);
    delete(&second).await.refuses(412);
    house
        .send("PUT", "/notes/a", &[ALL, ("If-Match", "abc")], Some(b"0"))
        .await
        .refuses(400);
}

#[tokio::test]
async fn odd_names_go_in_and_out() {
    let house = House::open().await;
    let names = [
        ("%25", "%"),
        ("%2520", "%20"),
        ("a%23b", "a#b"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("a%3Fb", "a?b"),
        ("%C3%BC%E2%82%AC", "ü€"),
        ("%22%5C%0A", "\"\\\n"),
        ("...", "..."),
    ];
    for (encoded, name) in names {
        house
            .put(&format!("/notes/{encoded}"), name.as_bytes())
            .await
            .is(201);
    }
    for (encoded, name) in names {
        assert_eq!(house.get(&format!("/notes/{encoded}"), &[]).await.text(), name);
    }
    let listed = house.get("/notes/", &[]).await.json();
    for (_, name) in names {
        assert_eq!(listed["items"][name]["Content-Length"], name.len(), "{name}");
    }
    assert_eq!(listed["items"].as_object().unwrap().len(), names.len());
}

#[tokio::test]
async fn a_body_may_come_in_chunks_or_be_empty() {
    let house = House::open().await;
    let head =
        "PUT /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer all\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    raw(house.address, chunked.into_bytes(), false).await.is(201);
    let read = house.get("/notes/a", &[]).await.is(200);
    assert_eq!(read.text(), "abcde");
    assert_eq!(read.header("Content-Type"), Some("application/octet-stream"));
    // Longer than what is kept in memory, in pieces of many lengths: nobody knows the length before the end.
    let body = long_body(300_000);
    let mut request = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    let (mut rest, mut len) = (&body[..], 1);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(len));
        request.extend(format!("{:x}\r\n", piece.len()).bytes());
        request.extend(piece);
        request.extend(b"\r\n");
        (rest, len) = (after, len * 3);
    }
    request.extend(b"0\r\n\r\n");
    raw(house.address, request, false).await.is(200);
    assert!(house.get("/notes/a", &[]).await.is(200).body == body);
    house.put("/notes/a", b"").await.is(200);
    let empty = house.get("/notes/a", &[]).await.is(200);
    assert_eq!(empty.header("Content-Length"), Some("0"));
    house.get("/notes/a", &[("Range", "bytes=0-")]).await.refuses(416);
}

#[tokio::test]
async fn a_client_may_ask_before_it_sends() {
    let house = House::open().await;
    let put = async |token: &str, len: usize| {
        let head = format!(
            "PUT /storage/ada/notes/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n\
             Authorization: Bearer {token}\r\nContent-Length: {len}\r\n\r\n"
        );
        let mut request = head.into_bytes();
        if token == "all" {
            request.extend(long_body(len));
        }
        raw(house.address, request, false).await
    };
    // Nothing of the body is sent, and the refusal comes all the same.
    put("nobody", 1000).await.refuses(401);
    put("all", 1000).await.is(201);
    put("all", 100_000).await.is(200);
}
