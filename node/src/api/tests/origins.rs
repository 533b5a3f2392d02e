//! What pages of other origins are let see (CORS).

use super::client::{Answer, request};
use super::house::{ALL, House, READER};
use super::long_body;
use crate::api::HttpConfig;

const ORIGIN: (&str, &str) = ("Origin", "https://app.test");

/// A page that may not read an error takes it for a broken connection, and tries for ever.
#[tokio::test]
async fn every_status_may_be_read_by_the_page_that_asked() {
    let config = HttpConfig {
        document_len_max: 200_000,
        ..HttpConfig::default()
    };
    let house = House::with(Some(400_000), config).await;
    house.put("/notes/a/b", b"x").await.is(201);
    house.put("/notes/lost", &long_body(100_000)).await.is(201);
    for file in house.chunk_files() {
        std::fs::remove_file(file).unwrap();
    }
    let ask =
        async |status: u16, method: &str, below: &str, headers: &[(&str, &str)], body: Option<&[u8]>| {
            let mut all = vec![ORIGIN];
            all.extend_from_slice(headers);
            may_read(&house.send(method, below, &all, body).await.is(status));
        };
    let (body, long) = (Some(&b"x"[..]), "x".repeat(300));
    ask(201, "PUT", "/notes/c", &[ALL], body).await;
    ask(200, "PUT", "/notes/c", &[ALL], body).await;
    ask(200, "GET", "/notes/", &[ALL], None).await;
    ask(200, "GET", "/public/notes/", &[ALL], None).await;
    ask(206, "GET", "/notes/c", &[ALL, ("Range", "bytes=0-0")], None).await;
    ask(204, "OPTIONS", "/notes/c", &[], None).await;
    ask(304, "GET", "/notes/c", &[ALL, ("If-None-Match", "*")], None).await;
    ask(400, "PUT", "/notes/", &[ALL], body).await;
    ask(401, "GET", "/notes/c", &[], None).await;
    ask(403, "PUT", "/notes/c", &[READER], body).await;
    ask(404, "GET", "/notes/none", &[ALL], None).await;
    ask(404, "GET", "/public/notes/none", &[], None).await;
    ask(405, "PATCH", "/notes/c", &[ALL], body).await;
    ask(409, "PUT", "/notes/a", &[ALL], body).await;
    ask(412, "PUT", "/notes/c", &[ALL, ("If-None-Match", "*")], body).await;
    ask(413, "PUT", "/notes/d", &[ALL], Some(&long_body(200_001))).await;
    ask(414, "GET", &format!("/notes/{long}"), &[ALL], None).await;
    ask(416, "GET", "/notes/c", &[ALL, ("Range", "bytes=9-")], None).await;
    ask(503, "GET", "/notes/lost", &[ALL], None).await;
    for name in ["d", "e", "f"] {
        let put = house.put(&format!("/notes/{name}"), &long_body(150_000)).await;
        if put.status == 507 {
            break;
        }
    }
    ask(507, "PUT", "/notes/g", &[ALL], Some(&long_body(199_999))).await;
    for target in [
        "/",
        "/.well-known/webfinger",
        "/.well-known/webfinger?resource=acct:ada@h",
        "/else",
    ] {
        may_read(&request(house.address, "GET", target, &[ORIGIN], None).await);
    }
    let form = [ORIGIN, ("Content-Type", "application/x-www-form-urlencoded")];
    let asked = Some(&b"grant_type=authorization_code&code=x"[..]);
    may_read(
        &request(house.address, "POST", "/oauth/token", &form, asked)
            .await
            .is(400),
    );
}

#[track_caller]
fn may_read(answer: &Answer) {
    assert_eq!(
        answer.header("Access-Control-Allow-Origin"),
        Some(ORIGIN.1),
        "{answer:?}"
    );
    assert_eq!(answer.header("Vary"), Some("Origin"));
    let exposed = answer.header("Access-Control-Expose-Headers").unwrap();
    for name in [
        "ETag",
        "Content-Type",
        "Content-Length",
        "Content-Range",
        "Last-Modified",
        "Retry-After",
        "WWW-Authenticate",
    ] {
        assert!(exposed.split(", ").any(|own| own == name), "{name}: {exposed}");
    }
    // Tokens say who may do what. With cookies let through, any page could use the owner's.
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
}

/// A browser asks before it sends a token or changes anything, and it asks without the token.
#[tokio::test]
async fn preflights_are_answered_without_a_token() {
    let house = House::open().await;
    let before = house.state();
    for (below, method) in [
        ("/notes/", "GET"),
        ("/notes/a", "HEAD"),
        ("/notes/a", "PUT"),
        ("/notes/a", "DELETE"),
        ("/public/notes/a", "PUT"),
        ("/", "GET"),
    ] {
        let asked = [
            ORIGIN,
            ("Access-Control-Request-Method", method),
            (
                "Access-Control-Request-Headers",
                "authorization, content-type, if-match",
            ),
        ];
        let answer = house.send("OPTIONS", below, &asked, None).await.is(204);
        may_read(&answer);
        assert!(answer.body.is_empty());
        let has = |header: &str, name: &str| {
            let listed = answer.header(header).unwrap();
            assert!(
                listed.split(", ").any(|own| own == name),
                "{name} in {header}: {listed}"
            );
        };
        has("Access-Control-Allow-Methods", method);
        for name in [
            "Authorization",
            "Content-Type",
            "Origin",
            "If-Match",
            "If-None-Match",
            "Range",
        ] {
            has("Access-Control-Allow-Headers", name);
        }
    }
    let asked = [ORIGIN, ("Access-Control-Request-Method", "POST")];
    let answer = request(house.address, "OPTIONS", "/oauth/token", &asked, None)
        .await
        .is(204);
    may_read(&answer);
    assert!(
        answer
            .header("Access-Control-Allow-Methods")
            .unwrap()
            .contains("POST")
    );
    assert_eq!(house.state(), before);
}
