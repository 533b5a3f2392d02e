//! Tokens and scopes (RFC 6750; section 9 of the draft).

use super::client::Answer;
use super::house::{ALL, House, NOTES, READER};
use crate::model::WallTime;

const READ: [&str; 2] = ["GET", "HEAD"];
const WRITE: [&str; 2] = ["PUT", "DELETE"];

async fn send(house: &House, method: &str, below: &str, token: &str) -> Answer {
    let token = format!("Bearer {token}");
    let body = (method == "PUT").then_some(&b"x"[..]);
    house
        .send(method, below, &[("Authorization", &token)], body)
        .await
}

/// A client learns from the challenge whether to ask for a token, for a new one, or for a wider one.
#[tokio::test]
async fn a_challenge_says_what_is_wrong_with_the_token() {
    let house = House::open().await;
    house.put("/notes/a", b"x").await.is(201);
    house.admit("ended", &["*:rw"], Some(WallTime(2)));
    for (headers, method, status, challenge) in [
        // Who sends no token is told of no error.
        (&[][..], "GET", 401, "Bearer realm=\"cairn\""),
        (
            &[("Authorization", "Basic YTpi")],
            "GET",
            401,
            "Bearer realm=\"cairn\"",
        ),
        (
            &[("Authorization", "Bearer unknown")],
            "GET",
            401,
            "Bearer realm=\"cairn\", error=\"invalid_token\"",
        ),
        (
            &[("Authorization", "Bearer ended")],
            "PUT",
            401,
            "Bearer realm=\"cairn\", error=\"invalid_token\"",
        ),
        (
            &[READER],
            "PUT",
            403,
            "Bearer realm=\"cairn\", error=\"insufficient_scope\"",
        ),
    ] {
        let refused = house
            .send(method, "/notes/a", headers, Some(b"y"))
            .await
            .refuses(status);
        assert_eq!(refused.header("WWW-Authenticate"), Some(challenge), "{headers:?}");
    }
    // Other refusals are none of the token's business.
    let absent = house.get("/notes/none", &[]).await.refuses(404);
    assert_eq!(absent.header("WWW-Authenticate"), None);
}

/// The access of a token is the sum of its scopes.
#[tokio::test]
async fn scopes_add_up() {
    let house = House::open().await;
    house.admit("both", &["notes:r", "photos:rw"], None);
    for module in ["notes", "photos", "other"] {
        house.put(&format!("/{module}/a"), b"x").await.is(201);
        house.put(&format!("/public/{module}/a"), b"x").await.is(201);
    }
    for prefix in ["", "/public"] {
        send(&house, "GET", &format!("{prefix}/notes/"), "both")
            .await
            .is(200);
        send(&house, "PUT", &format!("{prefix}/notes/a"), "both")
            .await
            .is(403);
        send(&house, "GET", &format!("{prefix}/photos/"), "both")
            .await
            .is(200);
        send(&house, "PUT", &format!("{prefix}/photos/a"), "both")
            .await
            .is(200);
        send(&house, "GET", &format!("{prefix}/other/"), "both")
            .await
            .is(403);
        send(&house, "PUT", &format!("{prefix}/other/a"), "both")
            .await
            .is(403);
    }
}

/// `*` opens everything at its level, the root folder as well, and nothing beyond its level.
#[tokio::test]
async fn a_scope_for_everything_opens_everything_at_its_level() {
    let house = House::open().await;
    house.admit("look", &["*:r"], None);
    house.put("/notes/a", b"x").await.is(201);
    let folders = ["/", "/notes/", "/public/", "/public/notes/", "/shared/"];
    for method in READ {
        for below in folders {
            send(&house, method, below, "look").await.is(200);
            send(&house, method, below, "all").await.is(200);
        }
        send(&house, method, "/notes/a", "look").await.is(200);
    }
    for method in WRITE {
        for below in ["/notes/a", "/public/notes/a", "/shared/notes/a"] {
            send(&house, method, below, "look").await.is(403);
        }
    }
    send(&house, "DELETE", "/notes/a", "all").await.is(200);
}

/// Modules are told apart by their whole name: neither a beginning of it, nor another spelling, nor a way around.
#[tokio::test]
async fn a_module_is_its_whole_name() {
    let house = House::open().await;
    for below in [
        "/note/",
        "/notes2/",
        "/Notes/",
        "/other/notes/",
        "/public/other/notes/",
        "/notes%20/",
        "/",
    ] {
        house.send("GET", below, &[NOTES], None).await.refuses(403);
    }
    // The very module, differently encoded.
    house.send("GET", "/%6eotes/", &[NOTES], None).await.is(200);
    house
        .send("GET", "/p%75blic/notes/", &[NOTES], None)
        .await
        .is(200);
    house
        .send("GET", "/notes/../other/", &[NOTES], None)
        .await
        .refuses(400);
    house
        .send("GET", "/notes/%2e%2e/other/", &[NOTES], None)
        .await
        .refuses(400);
}

/// Public documents are for everybody, and so for those as well whose token has ended meanwhile.
#[tokio::test]
async fn a_public_document_needs_no_token_and_minds_none() {
    let house = House::open().await;
    house.put("/public/notes/a/b", b"for all").await.is(201);
    house.admit("photos", &["photos:rw"], None);
    let wrong = [
        None,
        Some("Bearer unknown"),
        Some("Bearer photos"),
        Some("Basic YTpi"),
    ];
    for method in READ {
        for token in wrong {
            let headers: Vec<_> = token.iter().map(|token| ("Authorization", *token)).collect();
            house
                .send(method, "/public/notes/a/b", &headers, None)
                .await
                .is(200);
            house
                .send(method, "/public/notes/none", &headers, None)
                .await
                .is(404);
        }
    }
    for token in wrong {
        let headers: Vec<_> = token.iter().map(|token| ("Authorization", *token)).collect();
        for method in WRITE {
            let refused = house
                .send(method, "/public/notes/a/b", &headers, Some(b"x"))
                .await;
            assert!(
                [401, 403].contains(&refused.status),
                "{method} {token:?}: {refused:?}"
            );
        }
    }
    assert_eq!(house.get("/public/notes/a/b", &[]).await.text(), "for all");
}

/// Whoever has no token learns nothing about a public folder, not even whether it is there.
#[tokio::test]
async fn refusals_do_not_tell_what_is_there() {
    let house = House::open().await;
    for below in ["/public/notes/a", "/notes/a"] {
        house.put(below, b"x").await.is(201);
    }
    house.admit("photos", &["photos:rw"], None);
    for token in [&[][..], &[("Authorization", "Bearer photos")]] {
        for (there, not_there) in [
            ("/public/notes/", "/public/nothing/"),
            ("/public/notes/", "/public/notes/nothing/"),
            ("/notes/", "/nothing/"),
            ("/notes/a", "/notes/none"),
        ] {
            for method in ["GET", "HEAD"] {
                let one = house.send(method, there, token, None).await;
                let other = house.send(method, not_there, token, None).await;
                assert!([401, 403].contains(&one.status), "{one:?}");
                assert_eq!(one.status, other.status);
                assert_eq!(one.headers_without_date(), other.headers_without_date());
                assert_eq!(one.body, other.body);
            }
        }
    }
}

/// A page that shows an image of a document cannot send headers; all other requests can.
#[tokio::test]
async fn a_token_in_the_address_is_for_get_alone() {
    let house = House::open().await;
    house.put("/notes/a", b"x").await.is(201);
    let ask = async |method: &str, below: &str| {
        let body = (method == "PUT").then_some(&b"y"[..]);
        house.send(method, below, &[], body).await
    };
    ask("GET", "/notes/a?access_token=reader").await.is(200);
    ask("GET", "/notes/?x=y&access_token=reader").await.is(200);
    ask("GET", "/photos/?access_token=reader").await.refuses(403);
    ask("GET", "/notes/a?access_token=unknown").await.refuses(401);
    ask("GET", "/notes/a?access_token=").await.refuses(401);
    for method in WRITE {
        ask(method, "/notes/a?access_token=all").await.refuses(401);
    }
    // The header goes first.
    house
        .send("GET", "/notes/a?access_token=unknown", &[ALL], None)
        .await
        .is(200);
}
