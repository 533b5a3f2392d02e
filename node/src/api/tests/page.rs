//! The node's page, as a program sees it: what is answered to whom.

use serde_json::{Value, json};

use super::client::{Answer, request};
use super::house::{ALL, House};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const PASSPHRASE: &str = "correct horse";

async fn get(house: &House, target: &str) -> Answer {
    request(house.address, "GET", target, &[], None).await
}

async fn post(house: &House, name: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [&[JSON], headers].concat();
    let body = body.to_string();
    request(
        house.address,
        "POST",
        &format!("/node/{name}"),
        &headers,
        Some(body.as_bytes()),
    )
    .await
}

/// Signs in; gives the header that everything else needs.
async fn sign_in(house: &House) -> String {
    let answer = post(house, "sign-in", &[], &json!({ "passphrase": PASSPHRASE })).await;
    format!("Bearer {}", answer.is(200).json()["session"].as_str().unwrap())
}

#[tokio::test]
async fn the_page_is_there_and_nobody_else_may_use_it() {
    let house = House::with_page(PASSPHRASE).await;
    assert_eq!(get(&house, "/").await.is(302).header("Location"), Some("node/"));
    assert_eq!(
        get(&house, "/node").await.is(302).header("Location"),
        Some("node/")
    );
    for (target, media) in [
        ("/node/", "text/html; charset=utf-8"),
        ("/node/main.js", "text/javascript; charset=utf-8"),
        ("/node/hello", "application/json"),
    ] {
        let answer = get(&house, target).await.is(200);
        assert_eq!(answer.header("Content-Type"), Some(media));
        let policy = answer.header("Content-Security-Policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{part}");
        }
        for (header, value) in [
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{header}");
        }
    }
    get(&house, "/node/other").await.refuses(404);
    request(house.address, "OPTIONS", "/node/ask", &[], None)
        .await
        .refuses(404);
    house.close().await;
}

#[tokio::test]
async fn without_a_desk_there_is_no_page() {
    let house = House::open().await;
    assert_eq!(get(&house, "/").await.is(200).header("Location"), None);
    get(&house, "/node/").await.refuses(404);
    house.close().await;
}

#[tokio::test]
async fn the_passphrase_opens_a_session_and_signing_out_ends_it() {
    let house = House::with_page(PASSPHRASE).await;
    let ask = json!({ "do": "token_list" });
    for headers in [
        &[][..],
        &[ALL][..],
        &[("Authorization", "Bearer x")][..],
        &[("Cookie", "session=x")][..],
    ] {
        post(&house, "ask", headers, &ask).await.refuses(401);
    }
    let session = sign_in(&house).await;
    let own = [("Authorization", &*session)];
    let tokens = post(&house, "ask", &own, &ask).await.is(200);
    assert_eq!(tokens.json().as_array().unwrap().len(), 3);
    // What the socket answers with a body is asked for at its own address.
    let get = json!({ "do": "get", "path": "/private/notes/a", "version": null });
    post(&house, "ask", &own, &get).await.refuses(500);
    post(&house, "ask", &own, &json!({ "do": "anything" }))
        .await
        .refuses(400);
    let gone = json!({ "do": "token_remove", "token": "0123" });
    post(&house, "ask", &own, &gone).await.refuses(404);

    post(&house, "sign-out", &own, &Value::Null).await.is(200);
    post(&house, "ask", &own, &ask).await.refuses(401);
    house.send("GET", "/", &own, None).await.refuses(401);
    house.close().await;
}

#[tokio::test]
async fn another_passphrase_ends_all_sessions() {
    let house = House::with_page(PASSPHRASE).await;
    let session = sign_in(&house).await;
    let own = [("Authorization", &*session)];
    house.send("GET", "/", &own, None).await.is(200);
    std::fs::remove_file(house.node.files().join("passphrase")).unwrap();
    house.send("GET", "/", &own, None).await.refuses(401);
    let answer = post(&house, "sign-in", &[], &json!({ "passphrase": PASSPHRASE })).await;
    assert!(answer.refuses(403).text().contains("cairn passwd"));
    house.close().await;
}

#[tokio::test]
async fn requests_of_other_pages_are_refused() {
    let house = House::with_page(PASSPHRASE).await;
    let session = sign_in(&house).await;
    let ask = json!({ "do": "status" });
    let own = [("Authorization", &*session), ("Origin", "https://app.test")];
    let answer = post(&house, "ask", &own, &ask).await.is(200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
    for site in ["cross-site", "same-site", "none"] {
        let headers = [("Authorization", &*session), ("Sec-Fetch-Site", site)];
        post(&house, "ask", &headers, &ask).await.refuses(403);
    }
    for media in ["text/plain", "application/x-www-form-urlencoded"] {
        let headers = [("Authorization", &*session), ("Content-Type", media)];
        let body = Some(&b"{\"do\":\"status\"}"[..]);
        request(house.address, "POST", "/node/ask", &headers, body)
            .await
            .refuses(400);
    }
    house.close().await;
}

#[tokio::test]
async fn a_session_opens_all_documents_and_a_ticket_one() {
    let house = House::with_page(PASSPHRASE).await;
    let session = sign_in(&house).await;
    let own = [("Authorization", &*session)];
    for path in ["/notes/a", "/photos/b", "/shared/plans/c"] {
        house.send("PUT", path, &own, Some(b"text")).await.is(201);
        assert_eq!(house.send("GET", path, &own, None).await.is(200).body, b"text");
    }
    let asked = json!({ "path": "/private/notes/a" });
    post(&house, "ticket", &[], &asked).await.refuses(401);
    let ticket = post(&house, "ticket", &own, &asked).await.is(200).json();
    let ticket = ticket["ticket"].as_str().unwrap();
    let open = async |method, path| {
        let target = format!("{path}?access_token={ticket}");
        house.send(method, &target, &[], None).await
    };
    assert_eq!(open("GET", "/notes/a").await.is(200).body, b"text");
    for path in ["/photos/b", "/notes/", "/"] {
        open("GET", path).await.refuses(401);
    }
    open("DELETE", "/notes/a").await.refuses(401);
    // Neither is good in the other's place.
    let session = session.strip_prefix("Bearer ").unwrap();
    let in_query = format!("/notes/a?access_token={session}");
    house.send("GET", &in_query, &[], None).await.refuses(401);
    let bearer = format!("Bearer {ticket}");
    let as_session = [("Authorization", &*bearer)];
    house
        .send("GET", "/notes/a", &as_session, None)
        .await
        .refuses(401);
    house.send("DELETE", "/notes/a", &own, None).await.is(200);
    house.close().await;
}

#[tokio::test]
async fn a_version_is_read_by_its_name() {
    let house = House::open().await;
    house.put("/notes/a", b"text").await.is(201);
    let listed = house.get("/notes/a", &[]).await.is(200);
    assert_eq!(listed.header("Cairn-Version"), None, "there is one alone");
    house.get("/notes/a?version=0.0:1", &[]).await.refuses(404);
    house.get("/notes/b?version=0.0:1", &[]).await.refuses(404);
    house.close().await;
}

#[tokio::test]
async fn wrong_passphrases_are_soon_not_looked_at() {
    let house = House::with_page(PASSPHRASE).await;
    let wrong = json!({ "passphrase": "wrong" });
    for _ in 0..5 {
        let refused = post(&house, "sign-in", &[], &wrong).await.refuses(403);
        assert!(refused.text().contains("not the passphrase"));
    }
    let refused = post(&house, "sign-in", &[], &json!({ "passphrase": PASSPHRASE })).await;
    let wait = refused.refuses(429);
    assert!(wait.header("Retry-After").unwrap().parse::<u64>().unwrap() <= 31);
    house.close().await;
}
