//! A small HTTP client, which takes nothing for granted.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let value = found.next()?.1.as_str();
        assert!(found.next().is_none(), "{name} comes twice");
        Some(value)
    }

    /// All headers, sorted, but for the time at which the answer was given.
    pub(super) fn headers_without_date(&self) -> Vec<(String, String)> {
        let undated = self
            .headers
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("Date"));
        let mut headers: Vec<_> = undated.cloned().collect();
        headers.sort();
        headers
    }

    pub(super) fn etag(&self) -> String {
        self.header("ETag").expect("an entity tag").to_owned()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that this refuses, and says so in a sentence.
    #[track_caller]
    pub(super) fn refuses(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("Content-Type"), Some("text/plain; charset=utf-8"));
        let text = self.text();
        assert!(
            text.ends_with(".\n") && text.starts_with(char::is_uppercase),
            "{text}"
        );
        self
    }

    #[track_caller]
    pub(super) fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{self:?} {:?}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    fn parse(bytes: &[u8], is_head: bool) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if status == 100 {
            return Self::parse(&bytes[end + 4..], is_head);
        }
        let answer = Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        };
        // Every answer lets pages of other origins in, but those of the node's own pages, which nobody may frame either.
        let exposed = answer.header("Access-Control-Expose-Headers");
        match answer.header("X-Frame-Options") {
            None => {
                assert!(
                    answer.header("Access-Control-Allow-Origin").is_some(),
                    "{answer:?}"
                );
                assert!(exposed.unwrap().contains("ETag"));
            }
            // Where apps change their codes for tokens, they are let in all the same.
            Some(_) => {
                let is_open = answer.header("Access-Control-Allow-Origin").is_some();
                assert_eq!(is_open, exposed.is_some(), "{answer:?}");
            }
        }
        assert!(answer.header("Transfer-Encoding").is_none());
        match answer.header("Content-Length") {
            Some(_) if is_head || status == 304 => assert!(answer.body.is_empty()),
            Some(len) => assert_eq!(len, answer.body.len().to_string()),
            None => assert!(answer.body.is_empty()),
        }
        answer
    }
}

/// Sends bytes as they are and reads until the other side closes.
pub(super) async fn raw(address: SocketAddr, request: Vec<u8>, is_head: bool) -> Answer {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        // The door may have answered and gone before everything is sent.
        let _ = write.write_all(&request).await;
        write
    });
    let mut bytes = Vec::new();
    let _ = read.read_to_end(&mut bytes).await;
    drop(writing.await);
    Answer::parse(&bytes, is_head)
}

pub(super) async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: node.test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut request = (head + "\r\n").into_bytes();
    request.extend_from_slice(body.unwrap_or_default());
    raw(address, request, method == "HEAD").await
}
