//! What is asked for and what comes back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The state of the node.
    Status,
    /// Stores a document; its body follows.
    Put {
        /// Where.
        path: String,
        /// Its media type.
        content_type: String,
        /// Only if the current version has this tag.
        if_match: Option<String>,
    },
    /// Reads a document; its body follows the answer.
    Get {
        /// Which.
        path: String,
        /// Which of its concurrent versions; the winner when absent.
        version: Option<String>,
        /// Of which other user: a name, or an owner's id.
        #[serde(default)]
        of: Option<String>,
    },
    /// Tells what fetching a document's bytes takes.
    Fetch {
        /// Which.
        path: String,
        /// Fetch them.
        begin: bool,
    },
    /// Lists a folder.
    List {
        /// Which.
        folder: String,
        /// With everything below.
        recursive: bool,
        /// Of which other user: a name, or an owner's id.
        #[serde(default)]
        of: Option<String>,
    },
    /// Deletes a document.
    Remove {
        /// Which.
        path: String,
    },
    /// The other nodes of the space.
    Peers,
    /// What waits for other nodes.
    Queue,
    /// Documents with concurrent versions.
    Conflicts,
    /// Makes one version the only one.
    Resolve {
        /// Which document.
        path: String,
        /// The version that stays: its dot, or its number in the list, from 1.
        keep: String,
    },
    /// Makes an access token.
    TokenNew {
        /// What it may do.
        scopes: Vec<String>,
        /// Which program it is for.
        name: String,
        /// How long it is good for, in seconds; until it is removed when absent.
        #[serde(default)]
        expires_s: Option<u64>,
    },
    /// The access tokens.
    TokenList,
    /// Forgets an access token.
    TokenRemove {
        /// Its name in the list, or the token itself.
        token: String,
    },
    /// Makes an invite for another device.
    Invite {
        /// Addresses to name instead of this node's own.
        addresses: Vec<String>,
        /// How long it may be used, in seconds.
        valid_s: u64,
    },
    /// Shuts a device out.
    Revoke {
        /// Its id, or the beginning of it.
        node: String,
    },
    /// Prints this user's card.
    Card {
        /// Addresses to name instead of this node's own.
        addresses: Vec<String>,
    },
    /// Keeps another user's card.
    CardAdd {
        /// The card.
        card: String,
        /// A name of one's own choice.
        name: Option<String>,
    },
    /// The cards of other users.
    CardList,
    /// Forgets a card.
    CardRemove {
        /// The user's name, or the owner's id.
        whose: String,
    },
    /// Shares a folder.
    Share {
        /// Which.
        folder: String,
        /// With whom: a name, an owner's id, or a card.
        with: String,
        /// The user may write there.
        write: bool,
    },
    /// Takes a folder from a user, or leaves one that another user shares.
    Unshare {
        /// Which.
        folder: String,
        /// From whom; from all when absent.
        with: Option<String>,
    },
    /// The shared folders.
    ShareList,
    /// Lets a folder in that another user shares.
    ShareAccept {
        /// The invitation.
        code: String,
    },
    /// Lets another user's node keep the space, sealed: makes a code for it.
    CustodyAdd {
        /// Its id.
        node: String,
        /// A name for it, for people.
        name: String,
        /// Addresses to name instead of this node's own.
        addresses: Vec<String>,
    },
    /// Keeps another user's space.
    CustodyAccept {
        /// The code that the other user's node made.
        code: String,
        /// Bytes that its documents may take.
        quota_bytes: Option<u64>,
    },
    /// Follows the public documents of another user.
    FollowAdd {
        /// Whom: a name, an owner's id, or a card.
        whom: String,
        /// Bytes that the documents may take.
        quota_bytes: Option<u64>,
    },
    /// Whose public documents are followed.
    FollowList,
    /// Follows a user no longer, and removes what is here.
    FollowRemove {
        /// The user's name, or the owner's id.
        whom: String,
    },
    /// Who keeps this space, and whose spaces are kept here.
    CustodyList,
    /// Removes what is kept of another user's space.
    CustodyDrop {
        /// The user's name, or the owner's id.
        whose: String,
    },
    /// Writes an archive; it follows the answer.
    Export {
        /// Of which folder.
        folder: String,
    },
    /// Reads an archive, which follows.
    Import {
        /// Into which folder.
        folder: String,
    },
}

/// What kind of failure it was: each kind is an exit code of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Anything else.
    Failed,
    /// The request makes no sense.
    Usage,
    /// What was asked for is not there.
    NotFound,
    /// Not allowed.
    Denied,
    /// Something else is in the way, or was changed meanwhile.
    Conflict,
    /// No room.
    Full,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind.
    pub kind: ErrorKind,
    /// A sentence for people.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: ErrorKind, message: impl ToString) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }

    /// The same, of the next of many documents, when some were stored before it.
    pub fn after(self, documents: u64) -> Self {
        Self {
            message: format!("{} ({documents} documents were stored before it)", self.message),
            ..self
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done; this is the result.
    Done(Value),
    /// It was not.
    Failed(Failure),
}
