//! Finding the storage (WebFinger, RFC 7033), and the rules of HTTP/1.1 that hold for every request.

use serde_json::Value;

use super::client::{Answer, raw, request};
use super::house::House;

async fn find(house: &House, query: &str) -> Answer {
    let target = format!("/.well-known/webfinger?{query}");
    request(house.address, "GET", &target, &[], None).await
}

/// Clients read addresses and `null` there, and stumble over anything else.
#[tokio::test]
async fn the_properties_of_the_link_are_texts() {
    let house = House::open().await;
    let found = find(&house, "resource=acct:ada@node.test").await.is(200).json();
    assert_eq!(found["subject"], "acct:ada@node.test");
    let links = found["links"].as_array().unwrap();
    assert_eq!(links.len(), 1, "one link, so that nobody has to choose");
    let root = links[0]["href"].as_str().unwrap();
    assert!(root.starts_with("http://") && !root.ends_with('/'), "{root}");
    let properties = links[0]["properties"].as_object().unwrap();
    assert!(properties.len() >= 7, "{properties:?}");
    for (name, value) in properties {
        assert!(value.is_string() || value.is_null(), "{name}: {value}");
    }
    for of in [
        "rfc6749#section-4.2",
        "rfc6749#section-3.1",
        "rfc6749#section-3.2",
    ] {
        let endpoint = properties[&format!("http://tools.ietf.org/html/{of}")]
            .as_str()
            .unwrap();
        assert!(
            endpoint.starts_with("http://node.test/oauth/") && !endpoint.contains('#'),
            "{endpoint}"
        );
    }
}

/// Whom a request means is said by a URI: of an account, or of a host that is one person's.
#[tokio::test]
async fn a_resource_is_an_account_or_a_host_of_one_person() {
    let house = House::open().await;
    let root = |found: Answer| found.json()["links"][0]["href"].clone();
    let account = root(find(&house, "resource=acct%3Aada%40node.test").await.is(200));
    let host = root(find(&house, "resource=http%3A%2F%2Fnode.test%2F").await.is(200));
    assert_eq!(
        (&account, &host),
        (&Value::from("http://node.test/storage/ada"), &account)
    );
    // Which links are wanted need not be understood, but must not be an error.
    let rel = "resource=acct:ada@node.test&rel=http%3A%2F%2Fwebfinger.example%2Frel%2Favatar&rel=x";
    assert_eq!(root(find(&house, rel).await.is(200)), account);
    for unknown in [
        "resource=acct:bob@node.test",
        "resource=https://node.test/bob",
        "resource=mailto:ada@h",
    ] {
        find(&house, unknown).await.refuses(404);
    }
    for malformed in [
        "",
        "resource",
        "resource=",
        "resource=ada",
        "resource=%zz",
        "rel=x",
    ] {
        find(&house, malformed).await.refuses(400);
    }
}

/// Without exactly one `Host` two programs on the way may take one request for two different ones.
#[tokio::test]
async fn a_request_names_one_host() {
    let house = House::open().await;
    let get = async |version: &str, hosts: &str| {
        let request = format!(
            "GET /storage/ada/notes/ {version}\r\n{hosts}Connection: close\r\nAuthorization: Bearer all\r\n\r\n"
        );
        raw(house.address, request.into_bytes(), false).await
    };
    get("HTTP/1.1", "Host: node.test\r\n").await.is(200);
    get("HTTP/1.1", "").await.refuses(400);
    get("HTTP/1.1", "Host: a.test\r\nHost: b.test\r\n")
        .await
        .refuses(400);
    get("HTTP/1.0", "").await.is(200);
}
