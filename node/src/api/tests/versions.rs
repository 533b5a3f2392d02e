//! Versions: of documents, of all the folders above them, and what caches are told.

use std::collections::BTreeMap;

use super::client::Answer;
use super::house::{ALL, House};
use super::long_body;

/// The folders above a document, the nearest last.
fn above(path: &str) -> Vec<String> {
    let ends = path.match_indices('/').map(|(at, _)| path[..=at].to_owned());
    ends.collect()
}

async fn tags(house: &House, folders: &[String]) -> Vec<String> {
    let mut tags = Vec::new();
    for folder in folders {
        tags.push(house.get(folder, &[]).await.is(200).etag());
    }
    tags
}

/// Clients look at the top alone and walk down where a tag is another: a change that does not reach the top is never
/// seen by anybody.
#[tokio::test]
async fn a_change_gives_every_folder_above_a_new_version() {
    let house = House::open().await;
    for scope in ["", "/public", "/shared"] {
        house.put(&format!("{scope}/notes/a/b/stays"), b"1").await.is(201);
        house.put(&format!("{scope}/notes/beside/x"), b"1").await.is(201);
        let beside = [format!("{scope}/notes/beside/")];
        let untouched = tags(&house, &beside).await;
        let path = format!("{scope}/notes/a/b/changes");
        let folders = above(&path);
        let changes = [
            ("PUT", Some(&b"made"[..]), 201),
            ("PUT", Some(b"replaced"), 200),
            // The folder keeps another document: it must change all the same.
            ("DELETE", None, 200),
            ("PUT", Some(b"made again"), 201),
        ];
        for (method, body, status) in changes {
            let before = tags(&house, &folders).await;
            house.send(method, &path, &[ALL], body).await.is(status);
            let after = tags(&house, &folders).await;
            for (folder, (before, after)) in folders.iter().zip(before.iter().zip(&after)) {
                assert_ne!(before, after, "{folder} after a {method} of {path}");
            }
            // Each folder lists the one below as that folder says of itself.
            for (step, tag) in folders.windows(2).zip(&after[1..]) {
                let name = step[1].strip_prefix(step[0].as_str()).unwrap();
                let listed = house.get(&step[0], &[]).await.json();
                assert_eq!(listed["items"][name]["ETag"], tag.trim_matches('"'), "{step:?}");
            }
        }
        assert_eq!(tags(&house, &beside).await, untouched);
    }
}

/// A folder is there as long as something lies below, and with its last document all those go that it was alone in.
#[tokio::test]
async fn folders_come_and_go_with_their_documents() {
    let house = House::open().await;
    let names = async |folder: &str| {
        let listed = house.get(folder, &[]).await.is(200).json();
        let items = listed["items"].as_object().unwrap();
        items.keys().cloned().collect::<Vec<_>>()
    };
    for scope in ["/", "/public/"] {
        let root = names("/").await;
        house.put(&format!("{scope}notes/a/b/c"), b"1").await.is(201);
        house.put(&format!("{scope}notes/a/d"), b"1").await.is(201);
        assert_eq!(names(&format!("{scope}notes/")).await, ["a/"]);
        assert_eq!(names(&format!("{scope}notes/a/")).await, ["b/", "d"]);
        let gone = async |path: &str| {
            let path = format!("{scope}{path}");
            house.send("DELETE", &path, &[ALL], None).await.is(200);
            house.get(&path, &[]).await.refuses(404);
        };
        gone("notes/a/b/c").await;
        assert_eq!(names(&format!("{scope}notes/a/")).await, ["d"]);
        assert!(names(&format!("{scope}notes/a/b/")).await.is_empty());
        gone("notes/a/d").await;
        assert!(names(&format!("{scope}notes/")).await.is_empty());
        assert_eq!(names("/").await, root, "nothing of it is left in the root folder");
    }
}

/// A client that reads a folder's new tag and then finds the old listing behind it keeps that for good.
#[tokio::test]
async fn no_listing_is_ahead_of_the_folder_that_it_lists() {
    const WRITES: u64 = 60;
    let house = House::open().await;
    let listed = |answer: &Answer, name: &str, key: &str| answer.json()["items"][name][key].clone();
    house.put("/notes/a/n", b"").await.is(201);
    let writing = async {
        // Which version of the folder holds which length of the document: nobody else writes.
        let mut order = BTreeMap::from([(house.get("/notes/a/", &[]).await.etag(), 0)]);
        for len in 1..=WRITES {
            let body = vec![b'x'; usize::try_from(len).unwrap()];
            house.put("/notes/a/n", &body).await.is(200);
            order.insert(house.get("/notes/a/", &[]).await.etag(), len);
        }
        order
    };
    let reading = async {
        let mut seen = Vec::new();
        for _ in 0..WRITES {
            let parent = house.get("/notes/", &[]).await;
            let promised = listed(&parent, "a/", "ETag").as_str().unwrap().to_owned();
            let child = house.get("/notes/a/", &[]).await;
            let len = listed(&child, "n", "Content-Length").as_u64().unwrap();
            seen.push((format!("\"{promised}\""), child.etag(), len));
        }
        seen
    };
    let (order, seen) = tokio::join!(writing, reading);
    assert_eq!(order.len() as u64, WRITES + 1, "every write is a version");
    for (promised, found, len) in seen {
        assert!(order[&promised] <= order[&found], "the parent was ahead");
        assert_eq!(
            order[&found], len,
            "a folder's tag is of the listing that it comes with"
        );
    }
}

/// Whatever is done to a document, the answer says which version that is about; and no tag is a weak one.
#[tokio::test]
async fn every_answer_names_its_version_strongly() {
    let house = House::open().await;
    let strong = |answer: Answer| {
        let tag = answer.etag();
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        assert!(
            inner.is_some_and(|inner| !inner.is_empty() && !inner.contains('"')),
            "{tag}"
        );
        tag
    };
    let one = strong(house.put("/notes/a", b"one").await.is(201));
    let two = strong(house.put("/notes/a", b"two").await.is(200));
    assert_ne!(one, two);
    for method in ["GET", "HEAD"] {
        assert_eq!(
            strong(house.send(method, "/notes/a", &[ALL], None).await.is(200)),
            two
        );
        strong(house.send(method, "/notes/", &[ALL], None).await.is(200));
        strong(house.send(method, "/notes/none/", &[ALL], None).await.is(200));
    }
    let part = house.get("/notes/a", &[("Range", "bytes=1-")]).await.is(206);
    assert_eq!(strong(part), two);
    assert_eq!(
        strong(house.send("DELETE", "/notes/a", &[ALL], None).await.is(200)),
        two
    );
    for method in ["GET", "HEAD", "DELETE"] {
        let absent = house.send(method, "/notes/a", &[ALL], None).await.is(404);
        assert_eq!(absent.header("ETag"), None, "{method}");
    }
}

/// Who asks by HEAD whether a GET is worth while must be told the same.
#[tokio::test]
async fn head_is_get_without_the_body() {
    let house = House::open().await;
    for below in ["/notes/short", "/public/notes/short"] {
        house.put(below, b"x").await.is(201);
    }
    house.put("/notes/long", &long_body(100_000)).await.is(201);
    for below in [
        "/notes/short",
        "/notes/long",
        "/public/notes/short",
        "/notes/",
        "/notes/none/",
        "/",
        "/notes/none",
    ] {
        let [get, head] = [
            house.send("GET", below, &[ALL], None).await,
            house.send("HEAD", below, &[ALL], None).await,
        ];
        assert_eq!(get.status, head.status, "{below}");
        let (mut as_get, as_head) = (get.headers_without_date(), head.headers_without_date());
        if below.ends_with('/') {
            // How long a listing is, is known when it is written. No length is right where a wrong one is not.
            as_get.retain(|(name, _)| name != "content-length");
        }
        assert_eq!(as_get, as_head, "{below}");
        assert!(head.body.is_empty() && !get.body.is_empty());
    }
}

/// Without this a browser shows an app what it had yesterday.
#[tokio::test]
async fn caches_ask_every_time() {
    let house = House::open().await;
    for below in ["/notes/a", "/public/notes/a", "/shared/notes/a"] {
        house.put(below, &long_body(100_000)).await.is(201);
    }
    for (below, told) in [
        ("/notes/a", "no-cache"),
        ("/notes/", "no-cache"),
        ("/notes/none/", "no-cache"),
        ("/", "no-cache"),
        ("/shared/notes/a", "no-cache"),
        ("/shared/notes/", "no-cache"),
        ("/public/notes/a", "no-cache, public"),
        ("/public/notes/", "no-cache, public"),
        ("/public/notes/none/", "no-cache, public"),
        ("/public/", "no-cache, public"),
    ] {
        let whole = house.get(below, &[]).await.is(200);
        assert_eq!(whole.header("Cache-Control"), Some(told), "{below}");
        let same = house
            .get(below, &[("If-None-Match", &whole.etag())])
            .await
            .is(304);
        assert_eq!(same.header("Cache-Control"), Some(told), "{below}");
        if !below.ends_with('/') {
            let part = house.get(below, &[("Range", "bytes=5-9")]).await.is(206);
            assert_eq!(part.header("Cache-Control"), Some(told), "{below}");
        }
    }
}

/// The bytes of a version are always the same, whatever the client could take instead.
#[tokio::test]
async fn one_version_has_one_form() {
    let house = House::open().await;
    let text = "line\n".repeat(5000);
    house.put("/notes/a", text.as_bytes()).await.is(201);
    for accepted in [
        ("Accept-Encoding", "gzip, br, zstd"),
        ("Accept", "text/html"),
        ("Accept-Language", "de"),
        ("Accept-Charset", "utf-16"),
        ("TE", "gzip"),
    ] {
        let answer = house.get("/notes/a", &[accepted]).await.is(200);
        assert!(answer.body == text.as_bytes(), "{accepted:?}");
        assert_eq!(answer.header("Content-Encoding"), None);
        assert_eq!(answer.header("Content-Type"), Some("text/plain"));
        assert_eq!(answer.header("Content-Length"), Some("25000"));
    }
}
