//! What a user's devices have to know of cards and shared folders: private documents of the node's own, in step like all others.
//!
//! ```text
//! /private/.cairn/users/<owner id>                     a card
//! /private/.cairn/shares/<space>/own                   a folder that the user shares: the key of its space
//! /private/.cairn/shares/<space>/with/<owner id>       with whom
//! /private/.cairn/shares/<space>/admission             a folder that another user shares with this one
//! ```
//! They are for no token and in no archive; the recovery phrase brings them back with the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteArray;
use zeroize::Zeroizing;

use super::card::Card;
use super::share_invitation::{Admission, is_shareable};
use super::{Node, NodeError};
use crate::mesh::{Command, CommandError, Delete, Precondition};
use crate::model::access::INTERNAL;
use crate::model::{Capabilities, DocumentName, DocumentPath, FolderPath, KeyPair, NodeId, OwnerId, codec};
use crate::service::{Body, Lookup, ReadError, UploadError};
use crate::space::{FolderVersion, View};
use crate::store::Store as _;

const RECORD_LEN_MAX: usize = 16 * 1024;
const VERSION: u8 = 1;
const CONTENT_TYPE: &str = "application/cbor";

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareRecordError {
    /// A path that is none.
    #[error("{0} is no place for a record")]
    Path(String),
    /// Reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Taking in.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The engine.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A folder that this node's user shares.
#[derive(Clone)]
pub(super) struct OwnShare {
    /// The owner key of its space.
    pub(super) key: KeyPair,
    pub(super) folder: FolderPath,
    /// The device that brings what lay there before into it; another one might have older versions.
    pub(super) mover: NodeId,
}

/// A user with whom a folder is shared.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) user: String,
    /// That user's key for this folder.
    pub(super) key: NodeId,
    pub(super) writes: bool,
    /// The user's devices that the invitation is for.
    pub(super) devices: Vec<NodeId>,
    /// Sealed to these devices, for them alone.
    pub(super) invitation: String,
}

type OwnWire = (u8, ByteArray<32>, String, NodeId);
type GuestWire = (u8, String, NodeId, bool, Vec<NodeId>, String);

/// What is known of one shared folder.
#[derive(Clone, Default)]
pub(super) struct ShareRecord {
    pub(super) own: Option<OwnShare>,
    /// The movers of all concurrent versions of that record: several, if devices of the user shared the folder apart from one another.
    pub(super) sharers: BTreeSet<NodeId>,
    pub(super) guests: BTreeMap<OwnerId, Guest>,
    pub(super) admission: Option<Admission>,
}

impl ShareRecord {
    /// Where the folder lies.
    pub(super) fn folder(&self) -> Option<&FolderPath> {
        let own = self.own.as_ref().map(|own| &own.folder);
        own.or(self.admission.as_ref().map(|admission| &admission.folder))
    }

    /// Says whether this user may write there.
    pub(super) fn writes(&self) -> bool {
        self.own.is_some() || self.admission.as_ref().is_some_and(Admission::writes)
    }
}

/// Shared folders, by their spaces.
pub(super) type ShareMap = BTreeMap<OwnerId, ShareRecord>;
/// The names under which cards are kept, and the cards, by their users.
pub(super) type CardMap = BTreeMap<OwnerId, (String, Card)>;
/// A record: the version that counts, and those that are concurrent with it.
struct Versions {
    body: Zeroizing<Vec<u8>>,
    others: Vec<Zeroizing<Vec<u8>>>,
}

/// Records, by what follows the root in their paths.
type Bodies = BTreeMap<String, Versions>;

/// The records of a user, in the user's own space.
#[derive(Clone)]
pub(super) struct ShareRecords {
    home: Node,
}

fn root() -> Result<FolderPath, ShareRecordError> {
    FolderPath::parse(INTERNAL).map_err(|_| ShareRecordError::Path(INTERNAL.into()))
}

impl ShareRecords {
    pub(super) fn new(home: Node) -> Self {
        Self { home }
    }

    /// Changes with every record.
    pub(super) fn version(&self) -> Result<FolderVersion, ShareRecordError> {
        Ok(self.home.documents().folder(&root()?)?.version)
    }

    /// All that are here. Blocks.
    fn bodies(&self) -> Result<Bodies, ShareRecordError> {
        let documents = self.home.documents();
        let mut paths = Vec::new();
        documents.walk(&root()?, &mut |path, _| {
            paths.push(path.clone());
            ControlFlow::Continue(())
        })?;
        let mut bodies = BTreeMap::new();
        for path in paths {
            let Lookup::Found(found) = documents.document(&path)? else {
                continue;
            };
            let Some(body) = read_whole(found.body)? else {
                continue;
            };
            let mut others = Vec::new();
            for head in found.heads.iter().filter(|head| head.dot != found.dot) {
                if let Lookup::Found(other) = documents.sibling(&path, head.dot)? {
                    others.extend(read_whole(other.body)?);
                }
            }
            let name = path.as_str()[INTERNAL.len()..].to_owned();
            bodies.insert(name, Versions { body, others });
        }
        Ok(bodies)
    }

    /// Says whether a share was left: its admission was deleted, which is not the same as that it cannot be read now.
    pub(super) fn was_left(&self, space: OwnerId) -> Result<bool, ShareRecordError> {
        let path = path(&format!("shares/{space}/admission"))?;
        let Some(name) = self.home.documents().keys().get().name(&path) else {
            return Ok(false);
        };
        let read = self.home.store().read().map_err(ReadError::from)?;
        let document = View(&read)
            .named(&DocumentName::Sealed(name))
            .map_err(ReadError::from)?;
        let heads = document.heads();
        Ok(!heads.is_empty() && heads.iter().all(|head| head.content.is_none()))
    }

    /// The shared folders, and the cards of other users. Blocks.
    pub(super) fn all(&self) -> Result<(ShareMap, CardMap), ShareRecordError> {
        let bodies = self.bodies()?;
        Ok((shares(&bodies), cards(&bodies)))
    }

    pub(super) async fn put_card(&self, called: &str, card: &Card) -> Result<(), ShareRecordError> {
        let body = codec::encode(&(VERSION, called.to_owned(), card.encode()));
        self.put(&format!("users/{}", card.owner), body.into()).await
    }

    pub(super) async fn remove_card(&self, owner: OwnerId) -> Result<(), ShareRecordError> {
        self.remove(&format!("users/{owner}")).await
    }

    pub(super) async fn put_own(&self, own: &OwnShare) -> Result<(), ShareRecordError> {
        let wire: OwnWire = (
            VERSION,
            ByteArray::new(*own.key.seed()),
            own.folder.as_str().to_owned(),
            own.mover,
        );
        let body = Zeroizing::new(codec::encode(&wire));
        self.put(&format!("shares/{}/own", own.key.owner_id()), body)
            .await
    }

    pub(super) async fn put_guest(
        &self,
        space: OwnerId,
        owner: OwnerId,
        guest: &Guest,
    ) -> Result<(), ShareRecordError> {
        let wire: GuestWire = (
            VERSION,
            guest.user.clone(),
            guest.key,
            guest.writes,
            guest.devices.clone(),
            guest.invitation.clone(),
        );
        let body = codec::encode(&wire);
        self.put(&format!("shares/{space}/with/{owner}"), body.into())
            .await
    }

    pub(super) async fn remove_guest(&self, space: OwnerId, owner: OwnerId) -> Result<(), ShareRecordError> {
        self.remove(&format!("shares/{space}/with/{owner}")).await
    }

    pub(super) async fn put_admission(&self, admission: &Admission) -> Result<(), ShareRecordError> {
        let name = format!("shares/{}/admission", admission.space);
        self.put(&name, admission.encode()).await
    }

    pub(super) async fn remove_admission(&self, space: OwnerId) -> Result<(), ShareRecordError> {
        self.remove(&format!("shares/{space}/admission")).await
    }

    async fn put(&self, name: &str, body: Zeroizing<Vec<u8>>) -> Result<(), ShareRecordError> {
        let path = path(name)?;
        let (home, at) = (self.home.clone(), path.clone());
        let uploaded = tokio::task::spawn_blocking(move || -> Result<_, ShareRecordError> {
            let upload = home.documents().upload(&at, RECORD_LEN_MAX as u64);
            let mut upload = upload.ok_or(NodeError::Refused(CommandError::NoKey))?;
            upload.write(&body)?;
            Ok(upload.finish(CONTENT_TYPE.into())?)
        });
        let uploaded = uploaded.await.map_err(|_| NodeError::Stopped)??;
        let (put, pins) = uploaded.put_at(path, Precondition::default(), true);
        let stored = self.home.command(Command::Put(put)).await;
        drop(pins);
        stored?;
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), ShareRecordError> {
        let delete = Delete {
            path: path(name)?,
            precondition: Precondition::default(),
        };
        match self.home.command(Command::Delete(delete)).await {
            Ok(_) | Err(NodeError::Refused(CommandError::NotFound(_))) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn cards(bodies: &Bodies) -> CardMap {
    let mut cards = BTreeMap::new();
    for (name, Versions { body, .. }) in bodies {
        if let Some(owner) = name.strip_prefix("users/")
            && let Some((_, called, text)) = read::<(u8, String, String)>(body)
            && let Ok(card) = Card::decode(&text)
            && card.owner.to_string() == owner
        {
            cards.insert(card.owner, (called, card));
        }
    }
    cards
}

fn shares(bodies: &Bodies) -> ShareMap {
    let mut shares = ShareMap::new();
    for (name, Versions { body, others }) in bodies {
        let items: Vec<&str> = name.split('/').collect();
        let ["shares", space, rest @ ..] = &items[..] else {
            continue;
        };
        let Ok(space) = space.parse::<OwnerId>() else {
            continue;
        };
        match rest {
            ["own"] => {
                let own = |body: &Zeroizing<Vec<u8>>| {
                    let (_, seed, folder, mover) = read::<OwnWire>(body)?;
                    let key = KeyPair::from_seed(&seed);
                    let folder = FolderPath::parse(&folder).ok()?;
                    let fits = key.owner_id() == space && is_shareable(&folder);
                    fits.then_some(OwnShare { key, folder, mover })
                };
                let record = shares.entry(space).or_default();
                record.own = own(body);
                let versions = record.own.clone().into_iter();
                let versions = versions.chain(others.iter().filter_map(own));
                record.sharers = versions.map(|own| own.mover).collect();
            }
            ["admission"] => {
                let admission = Admission::decode(body).filter(|admission| admission.space == space);
                shares.entry(space).or_default().admission = admission;
            }
            ["with", owner] => {
                if let Ok(owner) = owner.parse()
                    && let Some((_, user, key, writes, devices, invitation)) = read::<GuestWire>(body)
                {
                    let guest = Guest {
                        user,
                        key,
                        writes,
                        devices,
                        invitation,
                    };
                    shares.entry(space).or_default().guests.insert(owner, guest);
                }
            }
            _ => {}
        }
    }
    shares.retain(|_, share| share.folder().is_some());
    shares
}

fn path(name: &str) -> Result<DocumentPath, ShareRecordError> {
    let path = format!("{INTERNAL}{name}");
    DocumentPath::parse(&path).map_err(|_| ShareRecordError::Path(path))
}

/// What a record says, unless it is longer than any.
fn read_whole(body: Option<Body>) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
    let body = body.filter(|body| body.len() <= RECORD_LEN_MAX as u64);
    body.map(|body| Ok(Zeroizing::new(body.read_at(0)?))).transpose()
}

fn read<T: Serialize + DeserializeOwned>(body: &[u8]) -> Option<T> {
    codec::decode(body, RECORD_LEN_MAX).ok()
}

/// What a user's key for a shared folder may do.
pub(super) const fn user_capabilities(writes: bool) -> Capabilities {
    if writes {
        Capabilities::GUEST_WRITES
    } else {
        Capabilities::GUEST_READS
    }
}
