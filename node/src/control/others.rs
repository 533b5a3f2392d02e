//! What is asked about other users: who keeps what, cards, shared folders.

use serde_json::{Value, json};

use super::server::{Desk, Outcome, failed, folder};
use super::{ErrorKind, Failure, Request};
use crate::daemon::{
    Card, Custody, CustodyError, HostError, KeptSpace, NodeError, ShareError, ShareInfo, Shares,
};
use crate::mesh::Command;
use crate::model::NodeId;
use crate::model::access::Deed;

impl From<CustodyError> for Failure {
    fn from(error: CustodyError) -> Self {
        let kind = match &error {
            CustodyError::Code(_) | CustodyError::Ambiguous(_) => ErrorKind::Usage,
            CustodyError::OwnSpace
            | CustodyError::Followed(_)
            | CustodyError::KeptAlready(_)
            | CustodyError::Host(HostError::Taken(_)) => ErrorKind::Conflict,
            CustodyError::NotKept(_) => ErrorKind::NotFound,
            _ => ErrorKind::Failed,
        };
        Self::new(kind, error)
    }
}

impl From<ShareError> for Failure {
    fn from(error: ShareError) -> Self {
        let kind = match &error {
            ShareError::NotShareable(_)
            | ShareError::Ambiguous(_)
            | ShareError::Card(_)
            | ShareError::Invitation(_) => ErrorKind::Usage,
            ShareError::NotShared(_) | ShareError::UnknownUser(_) | ShareError::NotAGuest { .. } => {
                ErrorKind::NotFound
            }
            ShareError::NotYours(_) => ErrorKind::Denied,
            ShareError::Nested(_)
            | ShareError::OwnCard
            | ShareError::InTheWay(_)
            | ShareError::Taken(_)
            | ShareError::AlreadyHere => ErrorKind::Conflict,
            _ => ErrorKind::Failed,
        };
        match error {
            ShareError::Node(NodeError::Refused(refused)) => refused.into(),
            error => Self::new(kind, error),
        }
    }
}

/// One object with what both say.
fn merged(mut told: Value, more: Value) -> Value {
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    told
}

fn card_json(called: &str, card: &Card) -> Value {
    json!({
        "owner": card.owner.to_string(),
        "name": called,
        "user": card.user,
        "devices": card.devices.len(),
        "addresses": card.addresses,
    })
}

/// Whose space it is.
fn owner_json(space: &KeptSpace) -> Value {
    json!({ "owner": space.owner.to_string(), "user": space.user })
}

impl Desk {
    /// Answers what is asked about other users.
    pub(super) async fn others(&self, request: Request) -> Outcome {
        match request {
            Request::CustodyAdd {
                node,
                name,
                addresses,
            } => {
                let node: NodeId = node.parse().map_err(|_| {
                    Failure::new(
                        ErrorKind::Usage,
                        "name the whole id of the other user's node: there, cairn status shows it",
                    )
                })?;
                self.node.command(Command::Flush).await?;
                let (command, code) = self.extras.custody_code(node, &name, addresses)?;
                self.node.command(command).await?;
                Ok(json!({ "node": node.to_string(), "code": code }))
            }
            Request::CustodyAccept { code, quota_bytes } => {
                let kept = self.custody()?.accept(&code, quota_bytes).await?;
                Ok(owner_json(&kept))
            }
            Request::CustodyDrop { whose } => {
                let dropped = self.custody()?.drop_space(&whose, false).await?;
                Ok(owner_json(&dropped))
            }
            Request::FollowAdd { whom, quota_bytes } => {
                let (called, card) = self.shares()?.card_of(&whom).await?;
                let followed = self.custody()?.follow(&card, called, quota_bytes).await?;
                Ok(owner_json(&followed))
            }
            Request::FollowList => Ok(self.kept(true).await?.into()),
            Request::FollowRemove { whom } => {
                let gone = self.custody()?.drop_space(&whom, true).await?;
                Ok(owner_json(&gone))
            }
            Request::CustodyList => self.custody_list().await,
            Request::Card { addresses } => {
                // The space of a new folder is on disk with the first commit.
                self.node.command(Command::Flush).await?;
                let addresses = self.extras.addresses(addresses);
                let card = self.shares()?.card(addresses)?;
                Ok(json!({ "code": card.encode(), "user": card.user, "owner": card.owner.to_string() }))
            }
            Request::CardAdd { card, name } => {
                let (called, card) = self.shares()?.add_card(&card, name).await?;
                Ok(card_json(&called, &card))
            }
            Request::CardList => {
                let cards = self.shares()?.cards().await?;
                Ok(cards
                    .iter()
                    .map(|(called, card)| card_json(called, card))
                    .collect())
            }
            Request::CardRemove { whose } => {
                let owner = self.shares()?.remove_card(&whose).await?;
                Ok(json!({ "owner": owner.to_string() }))
            }
            Request::Share {
                folder: path,
                with,
                write,
            } => {
                self.node.command(Command::Flush).await?;
                let folder = folder(&path, Deed::Write)?;
                let addresses = self.extras.addresses(Vec::new());
                let (user, code) = self.shares()?.share(&folder, &with, write, addresses).await?;
                Ok(json!({ "folder": folder.as_str(), "with": user, "write": write, "code": code }))
            }
            Request::Unshare { folder: path, with } => {
                let folder = folder(&path, Deed::Write)?;
                let gone = self.shares()?.unshare(&folder, with.as_deref()).await?;
                Ok(
                    json!({ "folder": folder.as_str(), "left": gone.is_none(), "gone": gone.unwrap_or_default() }),
                )
            }
            Request::ShareAccept { code } => {
                let (folder, user) = self.shares()?.accept(&code).await?;
                Ok(json!({ "folder": folder.as_str(), "from": user }))
            }
            Request::ShareList => {
                let mut told = Vec::new();
                for share in self.shares()?.all().await? {
                    told.push(share_json(share).await);
                }
                Ok(told.into())
            }
            _ => Err(failed("this is asked of another part of the node")),
        }
    }

    fn shares(&self) -> Result<Shares, Failure> {
        self.extras
            .shares()
            .ok_or_else(|| failed("this node shares nothing"))
    }

    pub(super) fn custody(&self) -> Result<Custody, Failure> {
        self.extras
            .custody()
            .ok_or_else(|| failed("this node keeps nothing for others"))
    }

    /// Who keeps this space, and whose spaces are kept here.
    async fn custody_list(&self) -> Outcome {
        let status = self.node.status().await?;
        let custodians = status.peers.iter().filter(|peer| !peer.reads && !peer.revoked);
        let custodians: Vec<Value> = custodians
            .map(|peer| {
                json!({
                    "node": peer.node.to_string(),
                    "name": peer.name,
                    "linked": peer.linked,
                    "in_step": peer.in_step,
                    "pending": peer.pending,
                    "seen_ms": peer.seen.0,
                })
            })
            .collect();
        Ok(json!({ "custodians": custodians, "kept": self.kept(false).await? }))
    }

    /// The spaces of others that are kept here, or followed.
    async fn kept(&self, follows: bool) -> Result<Vec<Value>, Failure> {
        let mut kept = Vec::new();
        let spaces = self.custody()?.spaces().await;
        for (space, node) in spaces.into_iter().filter(|(space, _)| space.follows == follows) {
            let told = json!({
                "owner": space.owner.to_string(),
                "user": space.user,
                "share_of": space.share_of.map(|user| user.to_string()),
                "quota_bytes": space.quota_bytes,
            });
            kept.push(match node.status().await {
                Ok(status) => merged(
                    told,
                    json!({
                        "documents": status.documents,
                        "bytes": status.bytes,
                        "free_bytes": status.free_bytes,
                        "incomplete": status.incomplete.len(),
                        "linked": status.peers.iter().filter(|peer| peer.linked).count(),
                        "clock_digest": status.clock_digest.to_string(),
                    }),
                ),
                Err(error) => merged(told, json!({ "problem": error.to_string() })),
            });
        }
        Ok(kept)
    }
}

async fn share_json(share: ShareInfo) -> Value {
    let guests = share.guests.iter().map(|guest| {
        json!({
            "owner": guest.owner.to_string(),
            "user": guest.user,
            "write": guest.writes,
            "devices": guest.devices,
        })
    });
    let told = json!({
        "space": share.space.to_string(),
        "folder": share.folder.as_str(),
        "mine": share.from.is_none(),
        "from": share.from.as_ref().map(|(_, user)| user),
        "from_owner": share.from.as_ref().map(|(owner, _)| owner.to_string()),
        "write": share.writes,
        "with": guests.collect::<Vec<_>>(),
        "mounted": share.mounted,
        "ended": share.ended,
        "hidden": share.hidden,
    });
    let Some(node) = share.node else {
        let problem = share.problem.unwrap_or_else(|| "it does not run".into());
        return merged(told, json!({ "problem": problem }));
    };
    match node.status().await {
        Ok(status) => merged(
            told,
            json!({
                "documents": status.documents,
                "bytes": status.bytes,
                "pending": status.pending,
                "incomplete": status.incomplete.len(),
                "linked": status.peers.iter().filter(|peer| peer.linked).count(),
                "clock_digest": status.clock_digest.to_string(),
            }),
        ),
        Err(error) => merged(told, json!({ "problem": error.to_string() })),
    }
}
