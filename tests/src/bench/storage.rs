//! Anything that speaks remoteStorage, to be measured.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Connection;
use crate::{Daemon, cairn};

/// A storage root with a token for everything.
#[derive(Debug, Clone)]
pub struct Storage {
    /// Whose it is.
    pub name: &'static str,
    /// Where it answers.
    pub address: SocketAddr,
    /// What goes before each path.
    prefix: String,
    token: Option<String>,
}

impl Storage {
    /// The storage at `prefix` of the server at `address`.
    pub fn new(name: &'static str, address: SocketAddr, prefix: &str, token: Option<&str>) -> Self {
        Self {
            name,
            address,
            prefix: prefix.to_owned(),
            token: token.map(str::to_owned),
        }
    }

    /// The storage of a running node.
    pub fn of(daemon: &Daemon) -> Self {
        let root = daemon.status["storage_root"].as_str().unwrap();
        let (address, path) = root.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let token = cairn(&daemon.home, &["token", "new", "--scope", "*:rw"]);
        Self::new(
            "cairn",
            address.parse().unwrap(),
            &format!("/{path}"),
            Some(token.trim()),
        )
    }

    /// Writes the head of a request; `more` are header lines, each with its line end.
    pub fn head(&self, buffer: &mut Vec<u8>, method: &str, path: &str, more: &str) {
        // Writing to a vector never fails.
        let _ = write!(
            buffer,
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\n",
            self.prefix, self.address
        );
        if let Some(token) = &self.token {
            let _ = write!(buffer, "Authorization: Bearer {token}\r\n");
        }
        let _ = write!(buffer, "{more}\r\n");
    }

    /// Writes a PUT.
    pub fn put(&self, buffer: &mut Vec<u8>, path: &str, body: &[u8]) {
        let len = body.len();
        let more = format!("Content-Type: application/octet-stream\r\nContent-Length: {len}\r\n");
        self.head(buffer, "PUT", path, &more);
        buffer.extend_from_slice(body);
    }

    /// Stores documents over several connections at once. Each must be accepted.
    pub fn fill(&self, documents: &[(String, Vec<u8>)], connections: usize) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let mut connection = Connection::open(self.address).unwrap();
                    let mut buffer = Vec::new();
                    while let Some((path, body)) = documents.get(next.fetch_add(1, Ordering::Relaxed)) {
                        buffer.clear();
                        self.put(&mut buffer, path, body);
                        let answer = connection.exchange(&buffer).unwrap();
                        assert!(
                            matches!(answer.status, 200 | 201),
                            "{}: PUT {path}: {}",
                            self.name,
                            answer.header
                        );
                    }
                });
            }
        });
    }
}
