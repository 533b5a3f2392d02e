//! GET, HEAD and OPTIONS.

use super::client::request;
use super::house::{ALL, House, NOTES, READER};
use super::long_body;
use crate::api::HttpConfig;
use crate::model::{
    Change, Content, Context, DocumentName, DocumentPath, Dot, Entry, Hash, HybridTime, Incarnation, KeyPair,
    Operation, Payload, Sequence, WallTime, Writer,
};
use crate::service::Lookup;
use crate::store::{Store, WriteTransaction};

#[tokio::test]
async fn a_document_is_described() {
    let house = House::open().await;
    let etag = house.put("/notes/a", b"hello").await.etag();
    for method in ["GET", "HEAD"] {
        let answer = house.send(method, "/notes/a", &[READER], None).await.is(200);
        assert_eq!(answer.etag(), etag);
        assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2);
        for (name, value) in [
            ("Content-Type", "text/plain"),
            ("Content-Length", "5"),
            ("Cache-Control", "no-cache"),
            ("Accept-Ranges", "bytes"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{method} {name}");
        }
        assert!(httpdate::parse_http_date(answer.header("Last-Modified").unwrap()).is_ok());
        assert_eq!(answer.header("Cairn-Siblings"), None);
    }
    let zipped = house.get("/notes/a", &[("Accept-Encoding", "gzip")]).await;
    assert_eq!(
        (zipped.text(), zipped.header("Content-Encoding")),
        ("hello", None)
    );
}

#[tokio::test]
async fn what_did_not_change_is_not_sent() {
    let house = House::open().await;
    let document = house.put("/notes/a", b"hello").await.etag();
    let folder = house.get("/notes/", &[]).await.etag();
    for (below, etag) in [("/notes/a", &document), ("/notes/", &folder)] {
        for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let answer = house.get(below, &[("If-None-Match", &tags)]).await.is(304);
            assert_eq!(&answer.etag(), etag);
        }
        house.get(below, &[("If-None-Match", "\"x\"")]).await.is(200);
        house.get(below, &[("If-Match", etag)]).await.is(200);
        assert_eq!(
            &house
                .get(below, &[("If-Match", "\"x\"")])
                .await
                .refuses(412)
                .etag(),
            etag
        );
    }
}

#[tokio::test]
async fn parts_of_documents() {
    let house = House::open().await;
    // One in the tables, one in a chunk, one in many.
    for len in [1000, 100_000, 3_000_000] {
        let body = long_body(len);
        let etag = house.put("/notes/a", &body).await.etag();
        let whole = house.get("/notes/a", &[]).await.is(200);
        assert!(whole.body == body);
        for (range, start, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            (format!("bytes=500-{}", len - 2), 500, len - 1),
            ("bytes=900-".to_owned(), 900, len),
            ("bytes=-1".to_owned(), len - 1, len),
        ] {
            let part = house
                .get("/notes/a", &[("Range", &range), ("If-Range", &etag)])
                .await
                .is(206);
            assert!(part.body == body[start..end], "{range}");
            let expected = format!("bytes {start}-{}/{len}", end - 1);
            assert_eq!(part.header("Content-Range"), Some(expected.as_str()));
        }
        house.get("/notes/a", &[("Range", "bytes=0-1,5-6")]).await.is(200);
        house
            .get("/notes/a", &[("Range", "bytes=0-1"), ("If-Range", "\"x\"")])
            .await
            .is(200);
        let none = house
            .get("/notes/a", &[("Range", "bytes=3000000-")])
            .await
            .refuses(416);
        assert_eq!(
            none.header("Content-Range"),
            Some(format!("bytes */{len}").as_str())
        );
        let head = house
            .send("HEAD", "/notes/a", &[ALL, ("Range", "bytes=0-1")], None)
            .await
            .is(200);
        assert_eq!(head.header("Content-Length"), Some(len.to_string().as_str()));
    }
}

#[tokio::test]
async fn folders_are_listed() {
    let house = House::open().await;
    let empty = house.get("/notes/", &[]).await.is(200);
    assert_eq!(empty.header("Content-Type"), Some("application/ld+json"));
    let nothing =
        serde_json::json!({"@context": "http://remotestorage.io/spec/folder-description", "items": {}});
    assert_eq!(empty.json(), nothing);

    let etag = house.put("/notes/a", b"hello").await.etag();
    house.put("/notes/b/c", b"!").await.is(201);
    house.put("/public/notes/p", b"!").await.is(201);
    let listed = house.get("/notes/", &[]).await.is(200);
    let items = &listed.json()["items"];
    assert_eq!(items.as_object().unwrap().len(), 2);
    assert_eq!(items["a"]["ETag"], etag.trim_matches('"'));
    assert_eq!(items["a"]["Content-Type"], "text/plain");
    assert_eq!(items["a"]["Content-Length"], 5);
    assert!(httpdate::parse_http_date(items["a"]["Last-Modified"].as_str().unwrap()).is_ok());
    let below = house.get("/notes/b/", &[]).await.etag();
    assert_eq!(items["b/"], serde_json::json!({"ETag": below.trim_matches('"')}));

    let root = house.get("/", &[]).await.is(200);
    let names: Vec<_> = root.json()["items"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, ["notes/", "public/"]);
    let head = house.send("HEAD", "/", &[ALL], None).await.is(200);
    assert_eq!(head.etag(), root.etag());

    house.send("DELETE", "/notes/b/c", &[ALL], None).await.is(200);
    assert_ne!(house.get("/", &[]).await.etag(), root.etag());
    let after = house.get("/notes/", &[]).await;
    assert_ne!(after.etag(), listed.etag());
    assert!(after.json()["items"].get("b/").is_none());
    house.get("/notes", &[]).await.refuses(404);
}

#[tokio::test]
async fn large_folders_are_listed() {
    let house = House::open().await;
    for index in 0..200 {
        house.put(&format!("/notes/{index}"), b"x").await.is(201);
    }
    let items = house.get("/notes/", &[]).await.is(200).json()["items"].clone();
    assert_eq!(items.as_object().unwrap().len(), 200);
}

#[tokio::test]
async fn public_documents_are_for_all_and_public_folders_are_not() {
    let house = House::open().await;
    house.put("/public/notes/a", b"hi").await.is(201);
    for method in ["GET", "HEAD"] {
        let answer = house.send(method, "/public/notes/a", &[], None).await.is(200);
        assert_eq!(answer.header("Cache-Control"), Some("no-cache, public"));
    }
    let full = house.send("GET", "/public/notes/", &[], None).await.refuses(401);
    let empty = house
        .send("GET", "/public/nothing/", &[], None)
        .await
        .refuses(401);
    assert_eq!(full.body, empty.body);
    house.send("GET", "/public/notes/", &[NOTES], None).await.is(200);
    house
        .send("PUT", "/public/notes/a", &[], Some(b"no"))
        .await
        .refuses(401);
    house
        .send("PUT", "/shared/notes/a", &[NOTES], Some(b"yes"))
        .await
        .is(201);
    house.send("GET", "/shared/notes/a", &[], None).await.refuses(401);
}

#[tokio::test]
async fn pages_of_other_origins_are_let_in() {
    let house = House::open().await;
    let asked = [
        ("Origin", "https://app.test"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    for below in ["/notes/a", "/notes/", "//bad"] {
        let answer = house.send("OPTIONS", below, &asked, None).await.is(204);
        assert_eq!(
            answer.header("Access-Control-Allow-Origin"),
            Some("https://app.test")
        );
        assert_eq!(
            answer.header("Access-Control-Allow-Private-Network"),
            Some("true")
        );
        assert_eq!(answer.header("Access-Control-Max-Age"), Some("7200"));
        assert_eq!(answer.header("Vary"), Some("Origin"));
        for method in ["GET", "PUT", "DELETE"] {
            assert!(
                answer
                    .header("Access-Control-Allow-Methods")
                    .unwrap()
                    .contains(method)
            );
        }
        for name in [
            "Authorization",
            "Content-Type",
            "Origin",
            "If-Match",
            "If-None-Match",
        ] {
            assert!(
                answer
                    .header("Access-Control-Allow-Headers")
                    .unwrap()
                    .contains(name)
            );
        }
    }
    let refused = house
        .send("GET", "/notes/a", &asked[..1], None)
        .await
        .refuses(401);
    assert_eq!(
        refused.header("Access-Control-Allow-Origin"),
        Some("https://app.test")
    );
}

#[tokio::test]
async fn the_storage_is_found() {
    let house = House::open().await;
    let find = async |query: &str| {
        let target = format!("/.well-known/webfinger{query}");
        request(house.address, "GET", &target, &[], None).await
    };
    let found = find("?resource=acct%3Aada%40node.test").await.is(200);
    assert_eq!(found.header("Content-Type"), Some("application/jrd+json"));
    let links = found.json()["links"].clone();
    assert_eq!(links.as_array().unwrap().len(), 1);
    assert_eq!(links[0]["href"], "http://node.test/storage/ada");
    assert_eq!(
        links[0]["rel"],
        "http://tools.ietf.org/id/draft-dejong-remotestorage"
    );
    let properties = &links[0]["properties"];
    assert_eq!(
        properties["http://remotestorage.io/spec/version"],
        "draft-dejong-remotestorage-26"
    );
    let dialogue = "http://node.test/oauth/authorize";
    assert_eq!(
        properties["http://tools.ietf.org/html/rfc6749#section-4.2"],
        dialogue
    );
    assert_eq!(
        properties["http://tools.ietf.org/html/rfc6749#section-3.1"],
        dialogue
    );
    assert_eq!(
        properties["http://tools.ietf.org/html/rfc6749#section-3.2"],
        "http://node.test/oauth/token"
    );
    assert_eq!(properties["http://tools.ietf.org/html/rfc7636"], "S256");
    assert_eq!(
        properties["http://tools.ietf.org/html/rfc6750#section-2.3"],
        "true"
    );
    assert_eq!(properties["http://tools.ietf.org/html/rfc7233"], "GET");
    assert_eq!(found.header("Access-Control-Allow-Origin"), Some("*"));
    find("?resource=acct:bob@node.test").await.refuses(404);
    find("").await.refuses(400);
    assert!(
        request(house.address, "GET", "/", &[], None)
            .await
            .is(200)
            .text()
            .contains("Cairn")
    );
    request(house.address, "GET", "/else", &[], None)
        .await
        .refuses(404);

    let config = HttpConfig {
        public_url: Some("https://home.test/".to_owned()),
        ..HttpConfig::default()
    };
    let house = House::with(None, config).await;
    let target = "/.well-known/webfinger?resource=acct:ada@home.test";
    let found = request(house.address, "GET", target, &[], None).await.is(200);
    assert_eq!(found.json()["links"][0]["href"], "https://home.test/storage/ada");
}

/// Takes in a change of another device of the same owner.
fn change(house: &House, device: u8, path: &str, payload: Payload, body: &[u8]) {
    let node = &house.node.node;
    let key = KeyPair::from_seed(&[device; 32]);
    let change = Change {
        space: node.owner(),
        dot: Dot {
            writer: Writer {
                node: key.node_id(),
                incarnation: Incarnation::new(WallTime(1), 1),
            },
            sequence: Sequence(1),
        },
        name: DocumentName::Clear(DocumentPath::parse(path).unwrap()),
        context: Context::new(),
        time: HybridTime::at(WallTime(u64::from(device))),
        operation: Operation::Put(Content {
            content_type: "text/plain".to_owned(),
            hash: Hash::of(body),
            len: body.len() as u64,
            payload,
            seal: None,
        }),
    };
    let entry = Entry::sign(change, &key).unwrap();
    let attachment = (payload == Payload::Inline).then_some(body);
    let mut tx = node.store().write().unwrap();
    crate::space::apply(&mut tx, &entry, attachment, None, false, None).unwrap();
    tx.commit().unwrap();
}

#[tokio::test]
async fn concurrent_versions_are_told_of() {
    let house = House::open().await;
    change(&house, 7, "/public/notes/a", Payload::Inline, b"seven");
    change(&house, 8, "/public/notes/a", Payload::Inline, b"eight");
    let answer = house.get("/public/notes/a", &[]).await.is(200);
    assert_eq!(answer.text(), "eight");
    assert_eq!(answer.header("Cairn-Siblings"), Some("1"));
    assert!(answer.header("Cairn-Version").unwrap().ends_with(":1"));
    // Each can be read by its name.
    let path = DocumentPath::parse("/public/notes/a").unwrap();
    let Lookup::Found(found) = house.node.node.documents().document(&path).unwrap() else {
        panic!("it is there");
    };
    for (head, text) in found.heads.iter().zip(["eight", "seven"]) {
        let named = format!("/public/notes/a?version={}", head.dot);
        let version = house.get(&named, &[]).await.is(200);
        assert_eq!(version.text(), text);
        assert_eq!(version.header("Cairn-Version"), Some(&*head.dot.to_string()));
    }
    let resolving = [ALL, ("If-Match", &*answer.etag())];
    house
        .send("PUT", "/public/notes/a", &resolving, Some(b"both"))
        .await
        .is(200);
    assert_eq!(
        house.get("/public/notes/a", &[]).await.header("Cairn-Siblings"),
        None
    );
    let gone = format!("/public/notes/a?version={}", found.heads[1].dot);
    house.get(&gone, &[]).await.refuses(404);
}

#[tokio::test]
async fn a_body_that_is_not_here_yet_is_promised() {
    let house = House::open().await;
    let body = long_body(10_000);
    change(&house, 7, "/public/notes/a", Payload::Chunk, &body);
    let answer = house.get("/public/notes/a", &[]).await.refuses(503);
    assert_eq!(answer.header("Retry-After"), Some("5"));
    let head = house.send("HEAD", "/public/notes/a", &[ALL], None).await.is(200);
    assert_eq!(head.header("Content-Length"), Some("10000"));
    assert_eq!(
        house.get("/public/notes/", &[ALL]).await.json()["items"]["a"]["Content-Length"],
        10_000
    );
}
