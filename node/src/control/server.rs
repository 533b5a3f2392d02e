//! The node's end.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::frame::{self, BODY_FRAME_MAX, FRAME_MAX, FrameError};
use super::{Answer, ErrorKind, Failure, Request, archive};
use crate::daemon::{Custody, Node, NodeError, Shares};
use crate::mesh::{
    Command, CommandError, Condition, Delete, Precondition, Reply, Resolve, TagSet, TimeSource,
};
use crate::model::access::{self, Area, Asker, Deed, is_internal};
use crate::model::{DocumentPath, Dot, FolderPath, NodeId, Scope};
use crate::service::tokens::{self, Token};
use crate::service::{Found, Lookup, ReadError, UploadError, Uploaded};
use crate::space::{FolderItem, Head, View, records};
use crate::store::{RedbStore, Store, WriteTransaction};

/// Frames of a body that wait for the disk.
const WAITING_MAX: usize = 4;
/// Paths named in a queue, for each peer.
const QUEUE_MAX: usize = 1000;
/// Conflicts listed.
const CONFLICTS_MAX: usize = 10_000;

/// What only the process around the node knows.
pub trait Extras: Send + Sync {
    /// `http`, `storage_root`, `listen`, and for each link `node`, `address`, `transport`, `rtt_ms`.
    fn surroundings(&self) -> Value;

    /// An invite code for another device.
    fn invite(&self, addresses: Vec<String>, valid_s: u64) -> Result<(Command, String), Failure>;

    /// The command that shuts `node` out.
    fn revoke(&self, node: crate::model::NodeId) -> Result<Command, Failure>;

    /// A code with which `node`, another user's, keeps this space, sealed.
    fn custody_code(
        &self,
        node: NodeId,
        name: &str,
        addresses: Vec<String>,
    ) -> Result<(Command, String), Failure>;

    /// The spaces of others that are kept here, if there can be any.
    fn custody(&self) -> Option<Custody>;

    /// The folders that are shared, if there can be any.
    fn shares(&self) -> Option<Shares>;

    /// Where others find this node: `told`, or as it looks from here.
    fn addresses(&self, told: Vec<String>) -> Vec<String>;

    /// Longest document, in bytes.
    fn document_len_max(&self) -> u64;
}

/// Answers on the socket until the task is dropped.
pub async fn serve(desk: Desk, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    if let Err(error) = desk.run(stream).await {
                        tracing::debug!(%error, "a command went away");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket takes no connection");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}

/// Answers requests: of the command line, over the socket, and of the node's web page.
#[derive(Clone)]
pub struct Desk {
    pub(super) node: Node,
    pub(super) extras: Arc<dyn Extras>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

pub(super) type Outcome = Result<Value, Failure>;

pub(super) fn failed(error: impl ToString) -> Failure {
    Failure::new(ErrorKind::Failed, error)
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Refused(refused) => refused.into(),
            NodeError::Stopped | NodeError::Closed(_) => failed(error),
        }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let kind = match error {
            CommandError::NotFound(_) | CommandError::NoSuchSibling(_) => ErrorKind::NotFound,
            CommandError::PreconditionFailed { .. } | CommandError::Clash(_) => ErrorKind::Conflict,
            CommandError::OverQuota { .. } | CommandError::DiskFull { .. } => ErrorKind::Full,
            CommandError::Revoked(_) | CommandError::NoKey | CommandError::HoldsOnly => ErrorKind::Denied,
            CommandError::Invalid(_) => ErrorKind::Usage,
        };
        Self::new(kind, error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        failed(error)
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        let full = matches!(error, UploadError::Chunk(crate::store::ChunkError::Full));
        Self::new(if full { ErrorKind::Full } else { ErrorKind::Failed }, error)
    }
}

/// The document `path`, if the user may do that to it: whoever comes to the desk is the user.
pub(super) fn document(path: &str, deed: Deed) -> Result<DocumentPath, Failure> {
    let path = DocumentPath::parse(path)
        .map_err(|error| Failure::new(ErrorKind::Usage, format!("\"{path}\": {error}.")))?;
    match access::may(Asker::User, deed, Area::of_document(&path)) {
        true => Ok(path),
        false => Err(kept_for_itself()),
    }
}

/// Likewise the folder `path`, to which a slash is added if it has none.
pub(super) fn folder(path: &str, deed: Deed) -> Result<FolderPath, Failure> {
    let path = if path.ends_with('/') {
        path.to_owned()
    } else {
        format!("{path}/")
    };
    let path = FolderPath::parse(&path)
        .map_err(|error| Failure::new(ErrorKind::Usage, format!("\"{path}\": {error}.")))?;
    match access::may(Asker::User, deed, Area::of_folder(&path)) {
        true => Ok(path),
        false => Err(kept_for_itself()),
    }
}

fn kept_for_itself() -> Failure {
    Failure::new(ErrorKind::Denied, "what lies there the node keeps for itself")
}

impl Desk {
    /// Answers for `node`; `extras` knows what only the process does.
    pub fn new(node: Node, extras: Arc<dyn Extras>) -> Self {
        Self { node, extras }
    }

    async fn run(self, stream: UnixStream) -> Result<(), FrameError> {
        let (from, to) = stream.into_split();
        let (mut from, mut to) = (BufReader::new(from), BufWriter::new(to));
        let bytes = frame::read_async(&mut from, FRAME_MAX).await?;
        let outcome = match serde_json::from_slice(&bytes) {
            Ok(Request::Get { path, version, of }) => {
                return self.get(&path, version.as_deref(), of.as_deref(), &mut to).await;
            }
            Ok(Request::Export { folder }) => return self.export(&folder, &mut to).await,
            Ok(Request::Put {
                path,
                content_type,
                if_match,
            }) => self.put(&path, content_type, if_match, &mut from).await,
            Ok(Request::Import { folder }) => self.import(&folder, &mut from).await,
            Ok(request) => self.answer(request).await,
            Err(error) => Err(Failure::new(
                ErrorKind::Usage,
                format!("the node does not understand this ({error}): is it of another version?"),
            )),
        };
        answer(&mut to, outcome).await
    }

    /// Answers a request that has no body, and whose answer has none.
    pub async fn answer(&self, request: Request) -> Outcome {
        match request {
            Request::Status => self.status().await,
            Request::List {
                folder,
                recursive,
                of,
            } => self.list(&folder, recursive, of.as_deref()).await,
            Request::Fetch { path, begin } => self.fetch(&path, begin).await,
            Request::Remove { path } => {
                let delete = Delete {
                    path: document(&path, Deed::Write)?,
                    precondition: Precondition::default(),
                };
                let node = self.node.at(&path);
                match node.command(Command::Delete(delete)).await? {
                    Reply::Deleted { etag } => Ok(json!({ "path": path, "etag": etag.to_string() })),
                    _ => Ok(json!({ "path": path })),
                }
            }
            Request::Peers => self.peers().await,
            Request::Queue => self.queue().await,
            Request::Conflicts => {
                let conflicts = self.node.conflicts(CONFLICTS_MAX)?;
                Ok(conflicts
                    .into_iter()
                    .map(|(path, heads)| json!({ "path": path.as_str(), "versions": versions(&heads) }))
                    .collect())
            }
            Request::Resolve { path, keep } => self.resolve(&path, &keep).await,
            Request::TokenNew {
                scopes,
                name,
                expires_s,
            } => self.token_new(&scopes, name, expires_s).await,
            Request::TokenList => {
                let tokens = tokens::all(&self.node.store().read().map_err(failed)?).map_err(failed)?;
                let now = self.node.wall();
                Ok(tokens
                    .into_iter()
                    .map(|(id, token)| {
                        json!({
                            "id": id.to_string()[..16],
                            "scopes": token.scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
                            "name": token.name,
                            "origin": token.origin,
                            "created_ms": token.created.0,
                            "expires_ms": token.expires.map(|expires| expires.0),
                            "expired": token.has_expired(now),
                            "used_ms": token.used.map(|used| used.0),
                        })
                    })
                    .collect())
            }
            Request::TokenRemove { token } => self.token_remove(&token),
            Request::Invite { addresses, valid_s } => {
                // The space of a new folder is on disk with the first commit.
                self.node.command(Command::Flush).await?;
                let (command, code) = self.extras.invite(addresses, valid_s)?;
                self.node.command(command).await?;
                Ok(json!({ "code": code, "valid_s": valid_s }))
            }
            Request::Revoke { node } => self.revoke(&node).await,
            Request::CustodyAdd { .. }
            | Request::CustodyAccept { .. }
            | Request::CustodyList
            | Request::FollowAdd { .. }
            | Request::FollowList
            | Request::FollowRemove { .. }
            | Request::CustodyDrop { .. }
            | Request::Card { .. }
            | Request::CardAdd { .. }
            | Request::CardList
            | Request::CardRemove { .. }
            | Request::Share { .. }
            | Request::Unshare { .. }
            | Request::ShareList
            | Request::ShareAccept { .. } => self.others(request).await,
            Request::Put { .. } | Request::Get { .. } | Request::Export { .. } | Request::Import { .. } => {
                Err(failed("this request has a body"))
            }
        }
    }

    async fn status(&self) -> Outcome {
        let status = self.node.status().await?;
        let mut value = self.extras.surroundings();
        let links = value["links"].take();
        if let Some(object) = value.as_object_mut() {
            object.remove("links");
        }
        // Where there is no radio the value stays null.
        let heard = value["radio"]
            .as_object_mut()
            .and_then(|radio| radio.remove("heard"));
        let signals = heard.unwrap_or_default();
        let port = value["radio"]["port"].clone();
        value["node"] = json!(status.node.to_string());
        value["owner"] = json!(status.owner.to_string());
        value["user"] = json!(self.node.user());
        value["documents"] = json!(status.documents);
        value["bytes"] = json!(status.bytes);
        value["free_bytes"] = json!(status.free_bytes);
        value["pending"] = json!(status.pending);
        value["incomplete"] = json!(status.incomplete.len());
        value["requested"] = json!(status.requested);
        value["clock_digest"] = json!(status.clock_digest.to_string());
        value["twin"] = json!(status.twin);
        value["clock"] = json!({
            "set": status.time_source == TimeSource::System,
            "from": status.time_source.name(),
            "unix_ms": status.time.0,
        });
        value["peers"] = status
            .peers
            .iter()
            .map(|peer| {
                let id = peer.node.to_string();
                let link = links
                    .as_array()
                    .and_then(|links| links.iter().rev().find(|link| link["node"] == id.as_str()))
                    .filter(|_| peer.linked);
                let heard = status.heard.iter().any(|heard| heard.node == peer.node);
                let by_radio = link.is_none() && heard;
                let signal = &signals[&id];
                json!({
                    "node": id,
                    "name": peer.name,
                    "link": link.map_or_else(|| json!(by_radio.then_some(&port)), |link| link["address"].clone()),
                    "transport": link.map_or_else(|| json!(by_radio.then_some("lora")), |link| link["transport"].clone()),
                    "heard_by_radio": heard,
                    "rssi_dbm": signal["rssi_dbm"],
                    "snr_db": signal["snr_db"],
                    "rtt_ms": link.map(|link| link["rtt_ms"].clone()),
                    "in_step": peer.in_step,
                    "pending": peer.pending,
                    "custodian": !peer.reads,
                    "revoked": peer.revoked,
                    "seen_ms": peer.seen.0,
                    "free_bytes": peer.free_bytes,
                    "refused": peer.last_refusal,
                })
            })
            .collect();
        Ok(value)
    }

    /// What the bytes of a document take, and with `begin` a request for them.
    async fn fetch(&self, path: &str, begin: bool) -> Outcome {
        let command = Command::Fetch {
            path: document(path, Deed::Read)?,
            begin,
        };
        let Reply::Price(price) = self.node.at(path).command(command).await? else {
            return Err(failed("the node told no price"));
        };
        let nodes = |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let radios = price.radios.iter().map(|radio| {
            json!({
                "airtime_ms": millis(radio.airtime),
                "expected_ms": millis(radio.expected),
                "ask": nodes(&radio.ask),
            })
        });
        Ok(json!({
            "path": path,
            "bytes": price.len,
            "bytes_lacking": price.lacking,
            "chunks_lacking": price.chunks,
            "unasked": price.unasked,
            "requested": price.requested,
            "linked": nodes(&price.linked),
            "radios": radios.collect::<Vec<_>>(),
        }))
    }

    async fn peers(&self) -> Outcome {
        Ok(self.status().await?["peers"].take())
    }

    /// For each device the entries that it has not acknowledged.
    async fn queue(&self) -> Outcome {
        let status = self.node.status().await?;
        let read = self.node.store().read().map_err(failed)?;
        let view = View(&read);
        let held: crate::model::Clock = records::load(&read, records::Record::Clock)
            .map_err(failed)?
            .unwrap_or_default();
        let mut queue = Vec::new();
        for peer in status
            .peers
            .iter()
            .filter(|peer| !peer.revoked && peer.pending > 0)
        {
            let record = records::peer(&read, peer.node)
                .map_err(failed)?
                .unwrap_or_default();
            let mut changes = Vec::new();
            for (writer, first, last) in held.missing_in(&record.acknowledged) {
                let room = QUEUE_MAX - changes.len();
                for dot in view.live_of(writer, first, last, room).map_err(failed)? {
                    if let Some(entry) = view.entry(dot).map_err(failed)? {
                        let name = &entry.change().name;
                        let path = view.path_of(name).map_err(failed)?;
                        if path.as_ref().is_some_and(|path| is_internal(path.as_str())) {
                            continue;
                        }
                        changes.push(json!({
                            "path": path.map_or_else(|| name.to_string(), |path| path.to_string()),
                            "change": dot.to_string(),
                            "operation": if entry.content().is_some() { "PUT" } else { "DELETE" },
                            "bytes": entry.content().map_or(0, |content| content.len),
                        }));
                    }
                }
            }
            queue.push(json!({
                "node": peer.node.to_string(),
                "name": peer.name,
                "linked": peer.linked,
                "pending": peer.pending,
                "refused": peer.last_refusal,
                "changes": changes,
            }));
        }
        Ok(queue.into())
    }

    /// What is here of a user whose public documents are followed.
    pub(crate) async fn followed(&self, user: &str) -> Option<Node> {
        self.extras.custody()?.node_of(user, false).await.ok()
    }

    /// The node whose documents are asked for: this one, or what is here of another user's.
    async fn node_of(&self, user: Option<&str>) -> Result<Node, Failure> {
        match user {
            None => Ok(self.node.clone()),
            Some(user) => Ok(self.custody()?.node_of(user, true).await?),
        }
    }

    async fn list(&self, path: &str, recursive: bool, of: Option<&str>) -> Outcome {
        let folder = folder(path, Deed::List)?;
        let node = self.node_of(of).await?;
        let here = Here::look(&node)?;
        let mut items = Vec::new();
        if recursive {
            node.walk(&folder, &mut |path, document| {
                if let Some(stored) = document.stored() {
                    items.push(json!({
                        "name": path.as_str().strip_prefix(folder.as_str()).unwrap_or(path.as_str()),
                        "bytes": stored.content.len,
                        "content_type": stored.content.content_type,
                        "etag": document.etag().map(|tag| tag.to_string()),
                        "modified_ms": stored.head.time.wall().0,
                        "conflict": document.is_conflicted(),
                        "here": here.has(path.as_str(), stored.head.dot),
                    }));
                }
                std::ops::ControlFlow::Continue(())
            })?;
            items.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        } else {
            node.list(&folder, &mut |item| {
                items.push(match item {
                    FolderItem::Document { name, document } => {
                        let stored = document.stored();
                        json!({
                            "name": name,
                            "bytes": stored.map(|stored| stored.content.len),
                            "content_type": stored.map(|stored| stored.content.content_type.clone()),
                            "etag": document.etag().map(|tag| tag.to_string()),
                            "modified_ms": stored.map(|stored| stored.head.time.wall().0),
                            "conflict": document.is_conflicted(),
                            "here": stored.is_some_and(|stored| here.has(folder.as_str(), stored.head.dot)),
                        })
                    }
                    FolderItem::Folder { name, folder } => json!({
                        "name": format!("{name}/"),
                        "bytes": folder.bytes,
                        "documents": folder.documents,
                        "etag": folder.etag().to_string(),
                    }),
                });
                std::ops::ControlFlow::Continue(())
            })?;
        }
        // A folder is there as long as something is in it.
        if items.is_empty() && folder != FolderPath::root() {
            let missing = format!("there is no folder {}", folder.as_str());
            return Err(Failure::new(ErrorKind::NotFound, missing));
        }
        Ok(items.into())
    }

    async fn resolve(&self, path: &str, keep: &str) -> Outcome {
        let path = document(path, Deed::Write)?;
        let missing = || {
            Failure::new(
                ErrorKind::NotFound,
                format!("{} has no such version", path.as_str()),
            )
        };
        let node = self.node.at(path.as_str());
        let read = node.store().read().map_err(failed)?;
        let found = View(&read).document(&path).map_err(failed)?;
        let keep = find(found.heads(), keep).ok_or_else(missing)?;
        drop(read);
        let resolve = Resolve {
            path: path.clone(),
            keep,
            of: None,
        };
        node.command(Command::Resolve(resolve)).await?;
        Ok(json!({ "path": path.as_str(), "kept": keep.to_string() }))
    }

    async fn token_new(&self, scopes: &[String], name: String, expires_s: Option<u64>) -> Outcome {
        let usage = |error: &dyn std::fmt::Display| Failure::new(ErrorKind::Usage, error);
        if scopes.is_empty() || scopes.len() > tokens::SCOPES_MAX {
            return Err(usage(&"a token has 1 to 64 scopes: give --scope MODULE:rw"));
        }
        let scopes = scopes
            .iter()
            .map(|scope| scope.parse::<Scope>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| usage(&error))?;
        let created = self.node.status().await?.time;
        let mut token = Token::new(scopes, name, created);
        token.expires = expires_s.map(|expires_s| created.after_s(expires_s));
        let node = self.node.clone();
        let text = blocking(move || node.issue(&token).map_err(failed)).await?;
        Ok(json!({ "token": *text }))
    }

    fn token_remove(&self, given: &str) -> Outcome {
        let mut write = self.node.store().write().map_err(failed)?;
        let all = tokens::all(&write).map_err(failed)?;
        let shown = tokens::id(given);
        let mut fitting = all
            .iter()
            .filter(|(id, _)| *id == shown || given.len() >= 4 && id.to_string().starts_with(given));
        let (Some((id, _)), None) = (fitting.next(), fitting.next()) else {
            return Err(Failure::new(
                ErrorKind::NotFound,
                "no such token: cairn token ls lists them",
            ));
        };
        tokens::remove(&mut write, id).map_err(failed)?;
        write.commit().map_err(failed)?;
        Ok(json!({ "removed": id.to_string()[..16] }))
    }

    async fn revoke(&self, given: &str) -> Outcome {
        let status = self.node.status().await?;
        let mut fitting = status.peers.iter().filter(|peer| {
            given.len() >= 4 && peer.node.to_string().starts_with(given) || peer.name == given
        });
        let (Some(peer), None) = (fitting.next(), fitting.next()) else {
            return Err(Failure::new(
                ErrorKind::NotFound,
                "no such device, or more than one: cairn devices lists them with their ids",
            ));
        };
        let command = self.extras.revoke(peer.node)?;
        self.node.command(command).await?;
        // It had the keys of what the user shares.
        let shared = match self.extras.shares() {
            Some(shares) => shares.shut_out(peer.node).await?,
            None => Vec::new(),
        };
        let shared: Vec<String> = shared.iter().map(ToString::to_string).collect();
        Ok(json!({ "revoked": peer.node.to_string(), "shared": shared }))
    }

    async fn put(
        &self,
        path: &str,
        content_type: String,
        if_match: Option<String>,
        from: &mut (impl AsyncRead + Unpin),
    ) -> Outcome {
        let path = document(path, Deed::Write)?;
        let precondition = match if_match {
            None => Precondition::default(),
            Some(tag) => {
                let tag = tag.trim_matches('"').parse().map_err(|_| {
                    Failure::new(
                        ErrorKind::Conflict,
                        "no version has this tag: cairn ls --json shows tags",
                    )
                })?;
                Precondition(vec![Condition::IfMatch(TagSet::Tags(vec![tag]))])
            }
        };
        // One space for the bytes and the entry, whatever comes to lie there meanwhile.
        let node = self.node.at(path.as_str());
        let uploaded = self.receive(&node, &path, content_type, from).await?;
        store(&node, path, uploaded, precondition).await
    }

    /// Takes a body to the disk.
    async fn receive(
        &self,
        node: &Node,
        path: &DocumentPath,
        content_type: String,
        from: &mut (impl AsyncRead + Unpin),
    ) -> Result<Uploaded, Failure> {
        let (pieces, mut incoming) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let len_max = self.extras.document_len_max();
        let upload = node.documents().upload(path, len_max);
        let mut upload = upload.ok_or(CommandError::NoKey)?;
        let node = node.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let failure = loop {
                match incoming.blocking_recv() {
                    Some(piece) if piece.is_empty() => {
                        return upload.finish(content_type).map_err(Failure::from);
                    }
                    Some(piece) => {
                        if let Err(error) = upload.write(&piece) {
                            break error.into();
                        }
                    }
                    None => break failed("the body broke off: nothing was stored"),
                }
            };
            node.discard(upload.abandon());
            Err(failure)
        });
        loop {
            let Ok(piece) = frame::read_async(from, BODY_FRAME_MAX).await else {
                break;
            };
            let last = piece.is_empty();
            if pieces.send(piece).await.is_err() || last {
                break;
            }
        }
        drop(pieces);
        writing.await.map_err(failed)?
    }

    async fn get(
        &self,
        path: &str,
        version: Option<&str>,
        of: Option<&str>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), FrameError> {
        let found = self.node_of(of).await.and_then(|node| {
            let node = node.at(path);
            Ok((find_in(&node, path, version)?, node))
        });
        let (found, node) = match found {
            Ok(found) => found,
            Err(failure) => return answer(to, Err(failure)).await,
        };
        let Some(body) = found.body.clone() else {
            let failure = failed(match of {
                None => format!(
                    "the bytes of this document are not here yet: cairn fetch {path} shows what getting them takes"
                ),
                Some(_) => "the bytes of this document are not here yet: they come when a node that has them is linked".into(),
            });
            return answer(to, Err(failure)).await;
        };
        // It may be replaced while it is sent.
        let _pins = body.pin();
        answer(to, Ok(described(path, &found))).await?;
        let body = Arc::new(body);
        let mut offset = 0;
        let outcome = loop {
            let reading = body.clone();
            let piece = match tokio::task::spawn_blocking(move || reading.read_at(offset)).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(error)) => {
                    if let Some(chunk) = error.lost_chunk() {
                        node.report_lost_chunk(chunk);
                    }
                    break Err(failed(format!("{error}: it is fetched from a peer; try again")));
                }
                Err(error) => break Err(failed(error)),
            };
            if piece.is_empty() {
                break Ok(Value::Null);
            }
            offset += piece.len() as u64;
            frame::write_async(to, &piece).await?;
        };
        frame::write_async(to, &[]).await?;
        answer(to, outcome).await
    }

    async fn export(&self, path: &str, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), FrameError> {
        let folder = match folder(path, Deed::List) {
            Ok(folder) => folder,
            Err(failure) => return answer(to, Err(failure)).await,
        };
        answer(to, Ok(json!({ "folder": folder.as_str() }))).await?;
        let (pieces, mut outgoing) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let node = self.node.clone();
        let writing = tokio::task::spawn_blocking(move || archive::export(&node, &folder, pieces));
        while let Some(piece) = outgoing.recv().await {
            frame::write_async(to, &piece).await?;
        }
        frame::write_async(to, &[]).await?;
        answer(to, writing.await.unwrap_or_else(|error| Err(failed(error)))).await
    }

    async fn import(&self, path: &str, from: &mut (impl AsyncRead + Unpin)) -> Outcome {
        let folder = folder(path, Deed::Write)?;
        let (pieces, incoming) = mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let (node, len_max) = (self.node.clone(), self.extras.document_len_max());
        let runtime = tokio::runtime::Handle::current();
        let reading =
            tokio::task::spawn_blocking(move || archive::import(&node, &folder, incoming, len_max, &runtime));
        loop {
            let Ok(piece) = frame::read_async(from, BODY_FRAME_MAX).await else {
                break;
            };
            let last = piece.is_empty();
            if pieces.send(piece).await.is_err() || last {
                break;
            }
        }
        drop(pieces);
        reading.await.map_err(failed)?
    }
}

/// Which documents are here whole.
struct Here {
    home: <RedbStore as Store>::Read,
    mounts: Vec<(FolderPath, <RedbStore as Store>::Read)>,
}

impl Here {
    fn look(node: &Node) -> Result<Self, Failure> {
        let mounts = node.mounts();
        let read = mounts.iter().map(|mount| {
            let read = mount.node.store().read().map_err(failed)?;
            Ok((mount.folder.clone(), read))
        });
        Ok(Self {
            home: node.store().read().map_err(failed)?,
            mounts: read.collect::<Result<_, Failure>>()?,
        })
    }

    /// A document that came meanwhile counts as here: the next look is right.
    fn has(&self, path: &str, dot: Dot) -> bool {
        let mount = self
            .mounts
            .iter()
            .find(|(folder, _)| path.starts_with(folder.as_str()));
        let read = mount.map_or(&self.home, |(_, read)| read);
        !View(read).is_pending(dot).unwrap_or(false)
    }
}

/// Makes an entry of a document that is on disk.
pub(super) async fn store(
    node: &Node,
    path: DocumentPath,
    uploaded: Uploaded,
    precondition: Precondition,
) -> Outcome {
    let len = uploaded.content.len;
    // Whoever types a command sees what it replaced; programs name versions.
    let (put, pins) = uploaded.put_at(path.clone(), precondition, true);
    let reply = node.command(Command::Put(put)).await;
    if reply.is_err() {
        let node = node.clone();
        blocking(move || {
            node.discard(pins);
            Ok(())
        })
        .await?;
    }
    match reply? {
        Reply::Stored {
            etag,
            created,
            siblings_replaced,
        } => Ok(json!({
            "path": path.as_str(),
            "etag": etag.to_string(),
            "created": created,
            "bytes": len,
            "siblings_replaced": siblings_replaced,
        })),
        _ => Ok(Value::Null),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

async fn answer(to: &mut (impl AsyncWrite + Unpin), outcome: Outcome) -> Result<(), FrameError> {
    let answer = match outcome {
        Ok(value) => Answer::Done(value),
        Err(failure) => Answer::Failed(failure),
    };
    let bytes = serde_json::to_vec(&answer).map_err(std::io::Error::other)?;
    frame::write_async(to, &bytes).await?;
    Ok(to.flush().await?)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The version that a user names: by its number in the list, from 1, or by its dot.
fn find(heads: &[Head], named: &str) -> Option<Dot> {
    let by_number = named
        .parse::<usize>()
        .ok()
        .and_then(|number| heads.get(number.checked_sub(1)?));
    by_number
        .or_else(|| heads.iter().find(|head| head.dot.to_string() == named))
        .map(|head| head.dot)
}

fn versions(heads: &[Head]) -> Vec<Value> {
    heads
        .iter()
        .map(|head| {
            json!({
                "version": head.dot.to_string(),
                "node": head.dot.writer.node.to_string(),
                "operation": if head.content.is_some() { "PUT" } else { "DELETE" },
                "bytes": head.content.as_ref().map(|content| content.len),
                "content_type": head.content.as_ref().map(|content| content.content_type.clone()),
                "modified_ms": head.time.wall().0,
                "etag": head.etag().to_string(),
            })
        })
        .collect()
}

fn described(path: &str, found: &Found) -> Value {
    json!({
        "path": path,
        "bytes": found.len,
        "content_type": found.content_type,
        "etag": found.etag.to_string(),
        "modified_ms": found.modified.0,
        "versions": found.heads.len(),
    })
}

/// The version of a document that is asked for.
fn find_in(node: &Node, path: &str, version: Option<&str>) -> Result<Found, Failure> {
    let path = document(path, Deed::Read)?;
    let documents = node.documents();
    let lookup = match version {
        None => documents.document(&path)?,
        Some(version) => {
            let read = node.store().read().map_err(failed)?;
            let found = View(&read).document(&path).map_err(failed)?;
            match find(found.heads(), version) {
                Some(dot) => documents.sibling(&path, dot)?,
                None => Lookup::Absent,
            }
        }
    };
    match lookup {
        Lookup::Found(found) => Ok(*found),
        Lookup::Absent => Err(Failure::new(
            ErrorKind::NotFound,
            format!("there is no document at {}", path.as_str()),
        )),
    }
}
