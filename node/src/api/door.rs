//! From a request to its answer.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, EXPECT, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Version};
use tokio::sync::Semaphore;

use super::body::ReplyBody;
use super::cors::Cors;
use super::oauth::{self, OAuth};
use super::page::{self, Page};
use super::refusal::Refusal;
use super::serve::HttpConfig;
use super::sign_in::SignIn;
use super::url::{Item, Target, decode, query_value};
use super::usage::Usage;
use super::{access, delete, document, folder, put, upload, webfinger};
use crate::daemon::Node;
use crate::model::access::{Asker, may};

/// Large folders that are listed at one time.
const LISTINGS_MAX: usize = 2;
/// In the query of a GET or HEAD: which of a document's concurrent versions, as `Cairn-Version` and `cairn conflicts` name them.
const VERSION: &str = "version";
const WELCOME: &str = "This is a Cairn node: remoteStorage for programs on this network and on the web.\n\
    It answers below /storage/<user>/, and to WebFinger at /.well-known/webfinger.\n";

/// What all requests share.
pub(super) struct Door {
    pub(super) node: Node,
    pub(super) config: HttpConfig,
    /// One permit for each large upload at one time.
    pub(super) uploads: Arc<Semaphore>,
    /// Who is the owner.
    pub(super) sign_in: SignIn,
    /// How apps are let in.
    pub(super) oauth: OAuth,
    /// What the owner sees and does in a browser.
    pub(super) page: Page,
    /// When tokens were used.
    pub(super) usage: Usage,
    listings: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(node: Node, config: HttpConfig) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(config.uploads_max)),
            listings: Arc::new(Semaphore::new(LISTINGS_MAX)),
            sign_in: SignIn::new(config.passphrase.clone()),
            oauth: OAuth::new(),
            page: Page::new(),
            usage: Usage::new(),
            node,
            config,
        }
    }

    /// Answers a request, whatever it is.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<ReplyBody> {
        let (request, mut body) = request.into_parts();
        let cors = Cors::read(&request.headers);
        let mut answer = match self.route(&request, &mut body, peer).await {
            Ok(answer) => answer,
            Err(refusal) => {
                // Who waits for leave to send the body must not be given it now.
                if !request.headers.contains_key(EXPECT) {
                    upload::drain(&mut body).await;
                }
                refusal.into_answer()
            }
        };
        let (path, headers) = (request.uri.path(), answer.headers_mut());
        // What comes from here is what it says it is: a browser must not guess that a text is a page.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if path.starts_with(oauth::BELOW) {
            oauth::harden(headers);
        }
        if path.starts_with(page::BELOW) {
            page::harden(headers);
        }
        // The node's own pages are for the owner's eyes, not for other pages'.
        let is_own_page = path.starts_with(oauth::BELOW) || path.starts_with(page::BELOW);
        if !is_own_page || path == oauth::TOKEN_ENDPOINT {
            cors.apply(headers);
        }
        answer
    }

    async fn route(
        &self,
        request: &Parts,
        body: &mut Incoming,
        peer: IpAddr,
    ) -> Result<Response<ReplyBody>, Refusal> {
        // RFC 9112, section 3.2: two programs on the way must not take one request for two different ones.
        if request.version == Version::HTTP_11 && request.headers.get_all(HOST).iter().count() != 1 {
            return Err(Refusal::BadRequest("Say in one Host header which host you mean"));
        }
        let path = request.uri.path();
        if path.starts_with(page::BELOW) {
            return page::answer(self, request, body, peer).await;
        }
        if request.method == Method::OPTIONS {
            return Ok(Cors::preflight(path == oauth::TOKEN_ENDPOINT));
        }
        if path.starts_with(oauth::BELOW) {
            return oauth::answer(self, request, body, peer).await;
        }
        if let Some(below) = path.strip_prefix("/storage/") {
            let (user, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
            let user = decode(user)?;
            if user != self.node.user() {
                return self.followed(request, &user, &Target::parse(rest)?).await;
            }
            return self.storage(request, &Target::parse(rest)?, body).await;
        }
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        match path {
            "/" | "/node" if reads && self.config.desk.is_some() => Ok(page::lead_there()),
            "/" if reads => Ok(welcome()),
            "/.well-known/webfinger" if reads => webfinger::get(
                self.node.user(),
                self.config.public_url.as_deref(),
                self.config.scheme(),
                request,
            ),
            _ => Err(Refusal::NoPage),
        }
    }

    /// Answers with what is here of another user: what is public, to be read by all who know what it is called.
    async fn followed(
        &self,
        request: &Parts,
        user: &str,
        target: &Target,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let is_head = request.method == Method::HEAD;
        let reads = is_head || request.method == Method::GET;
        let desk = self.config.desk.as_ref().ok_or(Refusal::UnknownUser)?;
        let node = desk.followed(user).await.ok_or(Refusal::UnknownUser)?;
        match &target.item {
            Item::Document(path) if may(Asker::Anyone, target.deed(reads), target.area()) => {
                document::get(&node, path, None, &request.headers, is_head).await
            }
            // As of somebody who is not followed: whom one follows is nobody's business.
            _ => Err(Refusal::UnknownUser),
        }
    }

    async fn storage(
        &self,
        request: &Parts,
        target: &Target,
        body: &mut Incoming,
    ) -> Result<Response<ReplyBody>, Refusal> {
        let method = &request.method;
        if ![Method::GET, Method::HEAD, Method::PUT, Method::DELETE].contains(method) {
            return Err(Refusal::Method);
        }
        access::check(self, request, target)?;
        let is_head = *method == Method::HEAD;
        let reads = *method == Method::GET || is_head;
        match &target.item {
            Item::Document(path) if reads => {
                let version = query_value(request.uri.query(), VERSION);
                document::get(
                    &self.node.at(path.as_str()),
                    path,
                    version.as_deref(),
                    &request.headers,
                    is_head,
                )
                .await
            }
            Item::Root | Item::Folder(_) if reads => {
                folder::get(
                    &self.node,
                    &self.listings,
                    &target.item,
                    &request.headers,
                    is_head,
                )
                .await
            }
            Item::Nowhere if *method != Method::PUT => Err(Refusal::NoDocument),
            Item::Nowhere => Err(Refusal::BadRequest(
                "A document lies in a module: store it at /storage/<user>/<module>/<name>",
            )),
            Item::Root | Item::Folder(_) => Err(Refusal::BadRequest(
                "Folders come and go with their documents: store or delete a document, whose address has no \"/\" at its end",
            )),
            Item::Document(path) if *method == Method::PUT => {
                put::put(self, path.clone(), request, body).await
            }
            Item::Document(path) => {
                let node = self.node.at(path.as_str());
                delete::delete(&node, path.clone(), &request.headers).await
            }
        }
    }
}

fn welcome() -> Response<ReplyBody> {
    let mut answer = Response::new(ReplyBody::from(WELCOME.to_owned()));
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}
