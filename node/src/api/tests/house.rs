//! A node with its door open.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::client::{Answer, request};
use crate::api::{HttpConfig, serve};
use crate::control::{Desk, ErrorKind, Extras, Failure};
use crate::daemon::{Custody, Shares, SignInFile, TestNode};
use crate::mesh::Command;
use crate::model::{FolderPath, NodeId, WallTime};
use crate::seal::Passphrase;
use crate::service::tokens::{self, Token};
use crate::store::{Store, WriteTransaction};

pub(super) const ALL: (&str, &str) = ("Authorization", "Bearer all");
pub(super) const NOTES: (&str, &str) = ("Authorization", "Bearer notes");
pub(super) const READER: (&str, &str) = ("Authorization", "Bearer reader");
pub(super) const DOCUMENT_LEN_MAX: u64 = 64 * 1024 * 1024;

pub(super) struct House {
    pub(super) address: SocketAddr,
    pub(super) node: TestNode,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// A process of which nothing else is known.
struct Alone;

impl Extras for Alone {
    fn surroundings(&self) -> Value {
        json!({})
    }

    fn invite(&self, _: Vec<String>, _: u64) -> Result<(Command, String), Failure> {
        Err(Failure::new(ErrorKind::Failed, "nobody can join here"))
    }

    fn revoke(&self, _: NodeId) -> Result<Command, Failure> {
        Err(Failure::new(ErrorKind::Failed, "nobody is here"))
    }

    fn custody_code(&self, _: NodeId, _: &str, _: Vec<String>) -> Result<(Command, String), Failure> {
        Err(Failure::new(ErrorKind::Failed, "nobody keeps this"))
    }

    fn custody(&self) -> Option<Custody> {
        None
    }

    fn shares(&self) -> Option<Shares> {
        None
    }

    fn addresses(&self, told: Vec<String>) -> Vec<String> {
        told
    }

    fn document_len_max(&self) -> u64 {
        DOCUMENT_LEN_MAX
    }
}

/// Everything that a request could change.
#[derive(Debug, PartialEq)]
pub(super) struct State {
    etag: String,
    documents: u64,
    bytes: u64,
    pub(super) chunks: usize,
}

impl House {
    pub(super) async fn open() -> Self {
        Self::with(None, HttpConfig::default()).await
    }

    pub(super) async fn with(quota_bytes: Option<u64>, config: HttpConfig) -> Self {
        Self::of(TestNode::start(quota_bytes), config).await
    }

    /// One with the node's page, which asks for this passphrase.
    pub(super) async fn with_page(passphrase: &str) -> Self {
        let node = TestNode::start(None);
        let file = SignInFile::of(node.files());
        let passphrase = Passphrase::from_line(Zeroizing::new(passphrase.to_owned())).unwrap();
        file.set(&passphrase).unwrap();
        let config = HttpConfig {
            passphrase: Some(file),
            desk: Some(Desk::new(node.node.clone(), Arc::new(Alone))),
            ..HttpConfig::default()
        };
        Self::of(node, config).await
    }

    async fn of(node: TestNode, config: HttpConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let config = HttpConfig {
            document_len_max: config.document_len_max.min(DOCUMENT_LEN_MAX),
            ..config
        };
        let serving = tokio::spawn(serve(node.node.clone(), listener, config, async {
            let _ = stopped.await;
        }));
        let house = Self {
            address,
            node,
            stop,
            serving,
        };
        for (text, scope) in [("all", "*:rw"), ("notes", "notes:rw"), ("reader", "notes:r")] {
            house.admit(text, &[scope], None);
        }
        house
    }

    /// Keeps a token whose text is `text`.
    pub(super) fn admit(&self, text: &str, scopes: &[&str], expires: Option<WallTime>) {
        let scopes = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        let mut token = Token::new(scopes, text.to_owned(), WallTime(1));
        token.expires = expires;
        let mut tx = self.node.node.store().write().unwrap();
        tokens::store(&mut tx, &tokens::id(text), &token).unwrap();
        tx.commit().unwrap();
    }

    /// Closes the door, and waits for it.
    pub(super) async fn close(self) {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
    }

    pub(super) async fn send(
        &self,
        method: &str,
        below: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let target = format!("/storage/ada{below}");
        request(self.address, method, &target, headers, body).await
    }

    pub(super) async fn get(&self, below: &str, headers: &[(&str, &str)]) -> Answer {
        let mut with_token = vec![ALL];
        with_token.extend_from_slice(headers);
        self.send("GET", below, &with_token, None).await
    }

    pub(super) async fn put(&self, below: &str, body: &[u8]) -> Answer {
        self.send("PUT", below, &[ALL, ("Content-Type", "text/plain")], Some(body))
            .await
    }

    pub(super) fn state(&self) -> State {
        let documents = self.node.node.documents();
        let root = documents.folder(&FolderPath::root()).unwrap();
        State {
            etag: root.etag().to_string(),
            documents: root.documents,
            bytes: root.bytes,
            chunks: documents.chunks().list().count(),
        }
    }

    pub(super) fn chunk_files(&self) -> Vec<std::path::PathBuf> {
        let entries = |path: std::path::PathBuf| {
            let entries = std::fs::read_dir(path).unwrap();
            entries.map(|entry| entry.unwrap().path())
        };
        entries(self.node.files().join("chunks"))
            .flat_map(entries)
            .collect()
    }
}
