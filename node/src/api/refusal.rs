//! What is answered when a request is not carried out: a status, and one sentence that says what to do next.

use hyper::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::body::ReplyBody;
use super::conditions::BadTags;
use super::sign_in::Denied;
use super::url::UrlError;
use crate::control::{ErrorKind, Failure};
use crate::daemon::NodeError;
use crate::mesh::CommandError;
use crate::model::ETag;
use crate::service::{ReadError, UploadError};
use crate::store::ChunkError;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0}.")]
    Url(#[from] UrlError),
    #[error("{0}.")]
    Tags(#[from] BadTags),
    #[error("{0}.")]
    BadRequest(&'static str),
    #[error("This needs an access token: send it as \"Authorization: Bearer <token>\".")]
    NoToken,
    #[error(
        "This access token is not known here, or was removed: ask the owner of the storage for a new one."
    )]
    UnknownToken,
    #[error("This access token has ended: let the app connect again.")]
    ExpiredToken,
    #[error("This access token does not cover that: ask the owner of the storage for a wider scope.")]
    Scope,
    #[error("There is no such user here: check the name in the address.")]
    UnknownUser,
    #[error("There is no such document.")]
    NoDocument,
    #[error("This version of the document is not there any more: it was replaced, or the conflict resolved.")]
    NoVersion,
    #[error("There is nothing at this address: storage lies below /storage/<user>/.")]
    NoPage,
    #[error("Only GET, HEAD, PUT, DELETE and OPTIONS are understood here.")]
    Method,
    #[error("The document is another version than the one asked for: read it again.")]
    Changed(ETag),
    #[error("The document has {0} bytes, and none of them lies in the range: ask for less.")]
    Range(u64),
    #[error("The document's bytes have not arrived on this node yet: try again later.")]
    NotHereYet,
    #[error("The document was replaced again and again while it was read: try again.")]
    Restless,
    #[error(
        "The document is longer than the {0} bytes allowed here: send a smaller one, or raise the limit."
    )]
    TooLong(u64),
    #[error("The body stopped coming: send the request again.")]
    Stalled,
    #[error("The body ended too early: send the request again.")]
    Interrupted,
    #[error("Too many large requests at one time: try again.")]
    Busy,
    #[error(
        "There is {0} already, and no document and folder have the same name: choose another, or delete that first."
    )]
    Clash(String),
    #[error("{0}.")]
    Node(NodeError),
    #[error("The node cannot read what it stores: see its log.")]
    Read(#[from] ReadError),
    #[error("{0}.")]
    Upload(#[from] UploadError),
    #[error("{}.", .0.message.trim_end_matches('.'))]
    Desk(Failure),
    #[error("The sign-in has ended: sign in again.")]
    SignedOut,
    #[error("{0}")]
    Denied(Denied),
    #[error(
        "This node has no passphrase yet: set one on the machine where it runs, with the command cairn passwd."
    )]
    NoPassphrase,
    #[error("This comes from another page than the node's own: open the node's page itself.")]
    Foreign,
    #[error("Something in the node broke: see its log.")]
    Broken,
}

impl From<NodeError> for Refusal {
    fn from(error: NodeError) -> Self {
        match error {
            // Shown as the address has it.
            NodeError::Refused(CommandError::Clash(path)) => {
                Self::Clash(path.strip_prefix("/private").unwrap_or(&path).to_owned())
            }
            other => Self::Node(other),
        }
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        NodeError::from(error).into()
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Url(error) if error.is_too_long() => StatusCode::URI_TOO_LONG,
            Self::Url(_) | Self::Tags(_) | Self::BadRequest(_) | Self::Interrupted => StatusCode::BAD_REQUEST,
            Self::NoToken | Self::UnknownToken | Self::ExpiredToken | Self::SignedOut => {
                StatusCode::UNAUTHORIZED
            }
            Self::Scope | Self::NoPassphrase | Self::Foreign | Self::Denied(Denied::Wrong) => {
                StatusCode::FORBIDDEN
            }
            Self::Denied(Denied::TooMany(_)) => StatusCode::TOO_MANY_REQUESTS,
            Self::Denied(Denied::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Desk(failure) => match failure.kind {
                ErrorKind::Usage => StatusCode::BAD_REQUEST,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Denied => StatusCode::FORBIDDEN,
                ErrorKind::Conflict => StatusCode::CONFLICT,
                ErrorKind::Full => StatusCode::INSUFFICIENT_STORAGE,
                ErrorKind::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::UnknownUser | Self::NoDocument | Self::NoVersion | Self::NoPage => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Clash(_) => StatusCode::CONFLICT,
            Self::Changed(_) => StatusCode::PRECONDITION_FAILED,
            Self::Range(_) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::NotHereYet | Self::Restless | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Node(NodeError::Refused(error)) => match error {
                CommandError::NotFound(_) => StatusCode::NOT_FOUND,
                CommandError::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
                CommandError::Clash(_) => StatusCode::CONFLICT,
                CommandError::OverQuota { .. } | CommandError::DiskFull { .. } => {
                    StatusCode::INSUFFICIENT_STORAGE
                }
                CommandError::Revoked(_) | CommandError::NoKey | CommandError::HoldsOnly => {
                    StatusCode::FORBIDDEN
                }
                CommandError::NoSuchSibling(_) | CommandError::Invalid(_) => StatusCode::BAD_REQUEST,
            },
            Self::Node(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Read(error) if error.lost_chunk().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upload(UploadError::Chunk(ChunkError::Full)) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Upload(UploadError::TooLong { .. } | UploadError::TooManyChunks(_)) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Read(_) | Self::Upload(_) | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer.
    pub(super) fn into_answer(self) -> Response<ReplyBody> {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            match &self {
                Self::Read(error) => tracing::error!(%error, "a request failed"),
                other => tracing::error!(error = %other, "a request failed"),
            }
        }
        let sentence = match &self {
            Self::Read(error) if error.lost_chunk().is_some() => Self::NotHereYet.to_string(),
            other => capitalised(&other.to_string()),
        };
        let mut answer = Response::new(ReplyBody::from(sentence + "\n"));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        match &self {
            // RFC 6750, section 3: never the name of the scheme alone, and no error where no token was sent.
            Self::NoToken => {
                headers.insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static(r#"Bearer realm="cairn""#),
                );
            }
            Self::UnknownToken | Self::ExpiredToken | Self::SignedOut => {
                let challenge = HeaderValue::from_static(r#"Bearer realm="cairn", error="invalid_token""#);
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Scope => {
                let challenge =
                    HeaderValue::from_static(r#"Bearer realm="cairn", error="insufficient_scope""#);
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT, DELETE, OPTIONS"));
            }
            Self::Range(len) => {
                headers.extend(
                    HeaderValue::try_from(format!("bytes */{len}")).map(|range| (CONTENT_RANGE, range)),
                );
            }
            Self::Changed(etag)
            | Self::Node(NodeError::Refused(CommandError::PreconditionFailed { current: Some(etag) })) => {
                headers.insert(ETAG, etag_value(*etag));
            }
            Self::Denied(Denied::TooMany(seconds)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            _ => {}
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        answer
    }
}

/// An entity tag as headers carry it.
pub(super) fn etag_value(etag: ETag) -> HeaderValue {
    // Hexadecimal digits and quotes are always a header's value.
    HeaderValue::try_from(format!("\"{etag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
