//! Shared folders: each a space of its own, which lies at one place in the space of every user who has it.
//!
//! What there is to share stands in [records](super::share_records) among the user's own documents. This module does what they say: runs an
//! engine for each shared folder, mounts it, moves there what lay in the folder before, and brings invitations to the devices that they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinHandle;

use super::card::{Card, CardError};
use super::custody_code::CustodyCode;
use super::home::HomeError;
use super::hosted::{Host, HostError, Hosted, Plan};
use super::node::Mount;
use super::run::RunError;
use super::share_custody::{self, SIGNED_AT, Statements};
use super::share_invitation::{Admission, InvitationError, is_shareable};
use super::share_keys::{guest_keys, next_guest_key, share_key};
use super::share_records::{
    CardMap, Guest, OwnShare, ShareMap, ShareRecord, ShareRecordError, ShareRecords, user_capabilities,
};
use super::stray::{self, StrayError};
use super::{Custody, Node, NodeError, transports};
use crate::mesh::{Command, EngineError, Keys, PeerStatus};
use crate::model::access::{self, Area, Asker, Deed};
use crate::model::{
    Capabilities, FolderPath, Grant, Hash, Membership, NodeId, OwnerId, Revocation, WallTime,
};
use crate::seal::{EpochKey, Keyring};
use crate::service::{Lookup, ReadError};
use crate::space::{FolderVersion, records};
use crate::store::Store as _;

/// Invitations that came and wait to be looked at.
pub(super) const POST_MAX: usize = 16;
/// Folders that all other users may share with this one, and one of them.
const ADMITTED_MAX: usize = 64;
const ADMITTED_FROM_ONE_MAX: usize = 16;
/// Invitations from users whose cards are not here that are kept until one is.
const UNKNOWN_MAX: usize = 8;
/// A code that a linked custodian did not take up is sent again after this: its user may not have said yet that it is one.
const CODE_AGAIN: Duration = Duration::from_secs(20);
/// In the folder of a share's space: it was mounted, and stays so whatever comes to lie in its place.
const MOUNTED: &str = "mounted";

/// Why something is not shared, or not any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// A folder that cannot be shared.
    #[error("{0} cannot be shared: name a folder below /shared/, such as /shared/photos/garden/")]
    NotShareable(String),
    /// It lies in a shared folder, or one lies in it.
    #[error("{0} is shared already, and one shared folder cannot lie in another")]
    Nested(FolderPath),
    /// There is no such share.
    #[error("{0} is no shared folder: cairn shares lists them")]
    NotShared(String),
    /// Shared by somebody else.
    #[error("{0} is shared by another user, who alone says with whom")]
    NotYours(FolderPath),
    /// A user whose card is not here.
    #[error("no card of \"{0}\" is here: have that user print one with cairn card, then cairn card add CODE")]
    UnknownUser(String),
    /// Several users of one name.
    #[error("more than one user is called \"{0}\": name the owner id that cairn card ls shows")]
    Ambiguous(String),
    /// The user's own.
    #[error("this is the card of this node's own user")]
    OwnCard,
    /// Not among those who have it.
    #[error("{folder} is not shared with \"{user}\"")]
    NotAGuest {
        /// The folder.
        folder: FolderPath,
        /// As it was named.
        user: String,
    },
    /// Documents lie where the folder would be.
    #[error("{0} holds documents of your own: move them elsewhere first, then say this again")]
    InTheWay(FolderPath),
    /// Another shared folder lies there, or around it, or in it.
    #[error("{0} is the place of another shared folder: leave that one first")]
    Taken(FolderPath),
    /// Too many.
    #[error("too many folders are shared with this user already: leave some first")]
    TooMany,
    /// An invitation to something that is here already, by somebody else or in another way.
    #[error("this invitation is to a space that is here already: whoever sent it may not give it")]
    AlreadyHere,
    /// The space is not written yet.
    #[error("the node has just been made: try again")]
    TooEarly,
    /// A card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// An invitation.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// The records.
    #[error(transparent)]
    Record(#[from] ShareRecordError),
    /// Its space.
    #[error(transparent)]
    Host(#[from] HostError),
    /// An engine.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Reading.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Moving what lay there.
    #[error(transparent)]
    Stray(#[from] StrayError),
    /// Random bytes.
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl From<EngineError> for ShareError {
    fn from(error: EngineError) -> Self {
        HostError::from(error).into()
    }
}

impl From<RunError> for ShareError {
    fn from(error: RunError) -> Self {
        HostError::from(error).into()
    }
}

type Result<T> = std::result::Result<T, ShareError>;

/// The shared folders of a node. Clones are the same.
#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    host: Arc<Host>,
    /// The spaces of others that are kept here: theirs may be shared folders.
    custody: Custody,
    home: Node,
    records: ShareRecords,
    /// The device's name, for other members.
    name: String,
    /// Databases were found damaged when they were last open.
    found_damaged: bool,
    /// Held while something is shared or unshared.
    sharing: Mutex<()>,
    state: Mutex<State>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// Of the members of the user's own space, and of those of a shared folder.
type Digests = [Option<Hash>; 2];

#[derive(Default)]
struct State {
    version: Option<FolderVersion>,
    records: ShareMap,
    cards: CardMap,
    running: BTreeMap<OwnerId, Running>,
    mounted: BTreeSet<OwnerId>,
    /// Spaces whose databases were opened since the node started.
    opened: BTreeSet<OwnerId>,
    /// Why spaces do not run.
    problems: BTreeMap<OwnerId, String>,
    /// Invitations that were sent: on which link, with which user's key.
    sent: BTreeSet<(u64, NodeId)>,
    /// The codes for those who keep each folder that the user shares, as long as the user's own space and that of the folder know the same members.
    entrusted: BTreeMap<OwnerId, (Digests, Vec<(NodeId, String)>)>,
    /// Codes that were sent to custodians: on which link, for which space, and when.
    codes: BTreeMap<(u64, OwnerId), Instant>,
    /// A custodian that is linked has not taken a code up.
    waiting: bool,
    /// Invitations from users whose cards are not here.
    unknown: Vec<Admission>,
}

struct Running {
    hosted: Hosted,
    /// By which key this device is a member.
    key: NodeId,
}

/// A user with whom a folder is shared, for people.
#[derive(Debug, Clone)]
pub struct GuestInfo {
    /// The user's key.
    pub owner: OwnerId,
    /// The name on the user's card.
    pub user: String,
    /// May write.
    pub writes: bool,
    /// Devices of that user that have the folder.
    pub devices: usize,
}

/// A shared folder, for people.
#[derive(Clone)]
pub struct ShareInfo {
    /// Its space.
    pub space: OwnerId,
    /// Where it lies.
    pub folder: FolderPath,
    /// Who shares it; `None`: this user.
    pub from: Option<(OwnerId, String)>,
    /// This user may write there.
    pub writes: bool,
    /// With whom it is shared, if this user does.
    pub guests: Vec<GuestInfo>,
    /// It is there; else something lies in its place.
    pub mounted: bool,
    /// Documents of the user's own that lie below it, and are not seen while it is there: another device stored them.
    pub hidden: u64,
    /// Whoever shares it took it from this user: what is here is what there was.
    pub ended: bool,
    /// Why it does not run.
    pub problem: Option<String>,
    /// The space's node, while it runs.
    pub node: Option<Node>,
}

impl Shares {
    /// The shared folders of `home`, none of which runs yet.
    pub(super) fn new(
        host: Arc<Host>,
        custody: Custody,
        home: Node,
        name: String,
        found_damaged: bool,
    ) -> Self {
        Self(Arc::new(Inner {
            records: ShareRecords::new(home.clone()),
            host,
            custody,
            home,
            name,
            found_damaged,
            sharing: Mutex::default(),
            state: Mutex::default(),
            task: std::sync::Mutex::new(None),
        }))
    }

    /// Starts what the records say, and follows them from now on: `changed` tells that they may differ, or that a link came up.
    pub(super) async fn start(&self, changed: Arc<Notify>, mut post: mpsc::Receiver<(NodeId, Bytes)>) {
        self.follow().await;
        let shares = self.clone();
        let task = tokio::spawn(async move {
            loop {
                let waiting = shares.0.state.lock().await.waiting;
                let is_news = tokio::select! {
                    () = changed.notified() => true,
                    () = tokio::time::sleep(CODE_AGAIN), if waiting => true,
                    Some((peer, code)) = post.recv() => shares.received(peer, &code).await,
                };
                if is_news {
                    shares.follow().await;
                }
            }
        });
        *self
            .0
            .task
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(task);
    }

    async fn follow(&self) {
        if let Err(error) = self.reconcile().await {
            tracing::error!(%error, "shared folders are not as they should be");
        }
    }

    /// Has the engines commit what they hold, and waits for them.
    pub(super) async fn stop(&self) {
        let task = self
            .0
            .task
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
        let running = std::mem::take(&mut self.0.state.lock().await.running);
        for (space, running) in running {
            if let Err(error) = self.0.host.end(running.hosted).await {
                tracing::warn!(%space, %error, "a shared folder was not closed well");
            }
        }
    }

    /// This user's card.
    pub fn card(&self, addresses: Vec<String>) -> Result<Card> {
        let membership = self.0.membership(&self.0.home)?.ok_or(ShareError::TooEarly)?;
        let owner = self.0.host.home.owner_key()?;
        let key = owner.as_ref().unwrap_or(&self.0.host.device);
        let now = self.0.host.clock.now().wall;
        Ok(Card::sign(self.0.home.user(), &membership, addresses, key, now))
    }

    /// Keeps another user's card, under a name of one's own choice if one is given.
    pub async fn add_card(&self, code: &str, called: Option<String>) -> Result<(String, Card)> {
        let card = Card::decode(code)?;
        if card.owner == self.0.home.owner() {
            return Err(ShareError::OwnCard);
        }
        let called = called.unwrap_or_else(|| card.user.clone());
        self.0.records.put_card(&called, &card).await?;
        self.reconcile().await?;
        let waiting = {
            let mut state = self.0.state.lock().await;
            let (waiting, others) = std::mem::take(&mut state.unknown)
                .into_iter()
                .partition(|admission| admission.from == card.owner);
            state.unknown = others;
            waiting
        };
        let waiting: Vec<Admission> = waiting;
        for admission in &waiting {
            if let Err(error) = self.admit(admission).await {
                tracing::warn!(folder = %admission.folder, %error, "a folder that this user shares is not let in");
            }
        }
        Ok((called, card))
    }

    /// The cards of other users, with the names under which they are kept.
    pub async fn cards(&self) -> Result<Vec<(String, Card)>> {
        self.reconcile().await?;
        Ok(self.0.state.lock().await.cards.values().cloned().collect())
    }

    /// The card of the user that `whom` names: a name, an owner's id, or a card. With what the user is called here.
    pub async fn card_of(&self, whom: &str) -> Result<(String, Card)> {
        match Card::decode(whom) {
            Ok(card) => Ok((card.user.clone(), card)),
            Err(_) => {
                self.reconcile().await?;
                Ok(find(&self.0.state.lock().await.cards, whom)?.clone())
            }
        }
    }

    /// Forgets a user's card. What is shared stays.
    pub async fn remove_card(&self, whose: &str) -> Result<OwnerId> {
        self.reconcile().await?;
        let owner = find(&self.0.state.lock().await.cards, whose)?.1.owner;
        self.0.records.remove_card(owner).await?;
        Ok(owner)
    }

    /// Shares a folder with a user, by the name of a card that is here, or by the card itself. Gives the user's name and the invitation, which goes
    /// to the user's devices by itself when one of them is linked.
    pub async fn share(
        &self,
        folder: &FolderPath,
        with: &str,
        writes: bool,
        addresses: Vec<String>,
    ) -> Result<(String, String)> {
        if !is_shareable(folder) {
            return Err(ShareError::NotShareable(folder.to_string()));
        }
        let _one_at_a_time = self.0.sharing.lock().await;
        let (called, card) = match Card::decode(with) {
            Ok(_) => self.add_card(with, None).await?,
            Err(_) => self.card_of(with).await?,
        };
        let (own, is_new, guest) = {
            let state = self.0.state.lock().await;
            match state.at(folder) {
                Some((_, record)) => match &record.own {
                    Some(own) => (own.clone(), false, record.guests.get(&card.owner).cloned()),
                    None => return Err(ShareError::NotYours(folder.clone())),
                },
                None => {
                    if let Some(other) = state.overlapping(folder) {
                        return Err(ShareError::Nested(other));
                    }
                    let epochs = self.0.home.documents().keys().get();
                    let own = OwnShare {
                        key: share_key(epochs.current().ok_or(ShareError::TooEarly)?, folder),
                        folder: folder.clone(),
                        mover: self.0.host.device.node_id(),
                    };
                    (own, true, None)
                }
            }
        };
        let space = own.key.owner_id();
        if is_new {
            self.0.records.put_own(&own).await?;
        }
        self.reconcile().await?;
        let node = self.node(space).await?;
        let mut members = self.members(space, &node)?;
        if let Some(guest) = guest {
            // Its grant may be on its way here.
            let granted = members.granted_still(guest.key).map_or(guest.writes, may_write);
            let stands = !members.is_revoked(guest.key) && granted == writes;
            if stands && guest.devices == card.devices {
                return Ok((called, guest.invitation));
            }
            // The old key counts no more; the user gets another.
            self.take_back(&own, card.owner, guest.key).await?;
            members = self.members(space, &node)?;
        }
        let key = next_guest_key(&own.key, card.owner, &members);
        let now = self.0.host.clock.now().wall;
        let capabilities = user_capabilities(writes);
        let grant = Grant::issue(
            space,
            key.node_id(),
            capabilities,
            now,
            None,
            &card.user,
            &own.key,
        );
        node.command(Command::Admit(grant.clone())).await?;
        let first = EpochKey::first(&own.key);
        let current = node
            .documents()
            .keys()
            .get()
            .current()
            .filter(|current| current.id() != first.id())
            .cloned();
        let key_id = key.node_id();
        let admission = Admission {
            space,
            folder: own.folder.clone(),
            key,
            grant,
            first,
            current,
            addresses,
            from: self.0.home.owner(),
            from_user: self.0.home.user().to_owned(),
        };
        let membership = self.0.membership(&self.0.home)?.ok_or(ShareError::TooEarly)?;
        let invitation = admission.seal_to(&card, &self.0.host.device, &membership)?;
        let guest = Guest {
            user: called.clone(),
            key: key_id,
            writes,
            devices: card.devices.clone(),
            invitation: invitation.clone(),
        };
        self.0.records.put_guest(space, card.owner, &guest).await?;
        for address in &card.addresses {
            if let Err(error) = transports::dial(&self.0.host.transports, address) {
                tracing::debug!(%error, "this address on the card is left out");
            }
        }
        self.reconcile().await?;
        Ok((called, invitation))
    }

    /// Takes a folder from a user with whom it is shared, or from all; of a folder that another user shares: leaves it. Gives who has it no
    /// more; `None`: this user.
    pub async fn unshare(&self, folder: &FolderPath, with: Option<&str>) -> Result<Option<Vec<String>>> {
        let _one_at_a_time = self.0.sharing.lock().await;
        self.reconcile().await?;
        let found = {
            let state = self.0.state.lock().await;
            state.at(folder).map(|(space, record)| (space, record.clone()))
        };
        let (space, record) = found.ok_or_else(|| ShareError::NotShared(folder.to_string()))?;
        let Some(own) = &record.own else {
            if with.is_some() {
                return Err(ShareError::NotYours(folder.clone()));
            }
            self.0.records.remove_admission(space).await?;
            self.reconcile().await?;
            return Ok(None);
        };
        let fits = |owner: &OwnerId, guest: &Guest| {
            with.is_none_or(|with| guest.user == with || owner.to_string() == with)
        };
        let mut gone = Vec::new();
        for (owner, guest) in record.guests.iter().filter(|(owner, guest)| fits(owner, guest)) {
            self.take_back(own, *owner, guest.key).await?;
            self.0.records.remove_guest(space, *owner).await?;
            gone.push(guest.user.clone());
        }
        if let Some(user) = with.filter(|_| gone.is_empty()) {
            return Err(ShareError::NotAGuest {
                folder: folder.clone(),
                user: user.to_owned(),
            });
        }
        Ok(Some(gone))
    }

    /// The members of a share; nobody yet, of one that was just made.
    fn members(&self, space: OwnerId, node: &Node) -> Result<Membership> {
        let members = self.0.membership(node)?;
        Ok(members.unwrap_or_else(|| Membership::new(space)))
    }

    /// Takes back a user's keys, and with them all that they signed.
    async fn take_back(&self, own: &OwnShare, guest: OwnerId, noted: NodeId) -> Result<()> {
        let space = own.key.owner_id();
        let node = self.node(space).await?;
        let members = self.members(space, &node)?;
        for key in guest_keys(&own.key, guest, noted, &members) {
            let now = self.0.host.clock.now().wall;
            let revocation = Revocation::issue(space, key, now, Vec::new(), &own.key);
            node.command(Command::Revoke(revocation)).await?;
        }
        Ok(())
    }

    async fn node(&self, space: OwnerId) -> Result<Node> {
        let state = self.0.state.lock().await;
        let running = state.running.get(&space);
        running
            .map(|running| running.hosted.node.clone())
            .ok_or_else(|| ShareError::NotShared(space.to_string()))
    }

    /// Shuts a device of this user out of the folders that the user shares. Gives those in which it was.
    pub async fn shut_out(&self, device: NodeId) -> Result<Vec<FolderPath>> {
        let _one_at_a_time = self.0.sharing.lock().await;
        self.reconcile().await?;
        let own: Vec<OwnShare> = {
            let state = self.0.state.lock().await;
            state
                .records
                .values()
                .filter_map(|record| record.own.clone())
                .collect()
        };
        let mut shut = Vec::new();
        for own in own {
            let node = self.node(own.key.owner_id()).await?;
            let membership = self.0.membership(&node)?;
            let Some(membership) =
                membership.filter(|membership| membership.capabilities_ever(device).is_some())
            else {
                continue;
            };
            let now = self.0.host.clock.now().wall;
            let kept = membership.statements_of(device);
            let revocation = Revocation::issue(own.key.owner_id(), device, now, kept, &own.key);
            node.command(Command::Revoke(revocation)).await?;
            shut.push(own.folder);
        }
        shut.sort_unstable();
        Ok(shut)
    }

    /// Lets a folder in that another user shares, by the invitation.
    pub async fn accept(&self, code: &str) -> Result<(FolderPath, String)> {
        let admission = Admission::open(code, &self.0.host.device)?;
        self.reconcile().await?;
        if !self.0.home.documents().folder(&admission.folder)?.is_empty() {
            return Err(ShareError::InTheWay(admission.folder));
        }
        self.admit(&admission).await?;
        self.reconcile().await?;
        Ok((admission.folder, admission.from_user))
    }

    /// Notes a folder that another user shares, unless what is here speaks against it.
    async fn admit(&self, admission: &Admission) -> Result<()> {
        let is_kept = self.0.custody.keeps_share(admission.space, admission.from).await;
        {
            let state = self.0.state.lock().await;
            match state.records.get(&admission.space) {
                Some(record) => {
                    // A new key for what is here: from the same user, for the same place.
                    let fits = record.own.is_none()
                        && record.admission.as_ref().is_some_and(|there| {
                            there.from == admission.from && there.folder == admission.folder
                        });
                    if !fits {
                        return Err(ShareError::AlreadyHere);
                    }
                }
                None => {
                    if !is_kept && self.0.host.has(admission.space) {
                        return Err(ShareError::AlreadyHere);
                    }
                    if let Some(other) = state.overlapping(&admission.folder) {
                        return Err(ShareError::Taken(other));
                    }
                    let admitted = state
                        .records
                        .values()
                        .filter_map(|record| record.admission.as_ref());
                    let from_one = admitted
                        .clone()
                        .filter(|there| there.from == admission.from)
                        .count();
                    if admitted.count() >= ADMITTED_MAX || from_one >= ADMITTED_FROM_ONE_MAX {
                        return Err(ShareError::TooMany);
                    }
                }
            }
        }
        Ok(self.0.records.put_admission(admission).await?)
    }

    /// A code came over a link: an invitation, which only users whose cards are here may send, or one for a custodian. Says whether
    /// an invitation was taken in.
    async fn received(&self, peer: NodeId, code: &[u8]) -> bool {
        let code = std::str::from_utf8(code);
        if let Ok(code) = code
            && CustodyCode::is_one(code)
        {
            self.0.custody.take_share(peer, code).await;
            return false;
        }
        let opened = code
            .map_err(|_| InvitationError::NotAnInvitation)
            .and_then(|code| Admission::open(code, &self.0.host.device));
        let admission = match opened {
            Ok(admission) => admission,
            Err(error) => {
                tracing::debug!(%peer, %error, "an invitation was left out");
                return false;
            }
        };
        let (user, folder) = (admission.from_user.clone(), admission.folder.clone());
        {
            let mut state = self.0.state.lock().await;
            let record = state.records.get(&admission.space);
            let there = record.and_then(|record| record.admission.as_ref());
            if there.is_some_and(|there| there.key.node_id() == admission.key.node_id()) {
                return false;
            }
            if !state.cards.contains_key(&admission.from) {
                let is_waiting = state
                    .unknown
                    .iter()
                    .any(|there| there.key.node_id() == admission.key.node_id());
                if !is_waiting && state.unknown.len() < UNKNOWN_MAX {
                    tracing::info!(
                        %user, owner = %admission.from, %folder,
                        "a user whose card is not here wants to share a folder: cairn card add CARD lets that user"
                    );
                    state.unknown.push(admission);
                }
                return false;
            }
        }
        match self.admit(&admission).await {
            Ok(()) => tracing::info!(%user, %folder, "a folder is shared with this user"),
            Err(error) => tracing::warn!(%user, %folder, %error, "a shared folder is not let in"),
        }
        true
    }

    /// All shared folders.
    pub async fn all(&self) -> Result<Vec<ShareInfo>> {
        self.reconcile().await?;
        let state = self.0.state.lock().await;
        let mut all = Vec::new();
        for (space, record) in &state.records {
            let Some(folder) = record.folder() else {
                continue;
            };
            let node = state
                .running
                .get(space)
                .map(|running| running.hosted.node.clone());
            let membership = node
                .as_ref()
                .map(|node| self.0.membership(node))
                .transpose()?
                .flatten();
            let now = self.0.host.clock.now().wall;
            let devices = |key: NodeId| {
                membership.as_ref().map_or(0, |membership| {
                    let signed = membership
                        .grants()
                        .into_iter()
                        .filter(|grant| grant.issuer == key.0);
                    let mut subjects: Vec<NodeId> = signed.map(|grant| grant.subject).collect();
                    subjects.dedup();
                    subjects.retain(|device| membership.capabilities(*device, now).is_some());
                    subjects.len()
                })
            };
            let guests = record.guests.iter().map(|(owner, guest)| GuestInfo {
                owner: *owner,
                user: guest.user.clone(),
                // Another device may have given more.
                writes: (membership.as_ref())
                    .and_then(|membership| membership.granted_still(guest.key))
                    .map_or(guest.writes, may_write),
                devices: devices(guest.key),
            });
            all.push(ShareInfo {
                space: *space,
                folder: folder.clone(),
                from: record
                    .admission
                    .as_ref()
                    .filter(|_| record.own.is_none())
                    .map(|admission| (admission.from, admission.from_user.clone())),
                writes: record.writes(),
                guests: guests.collect(),
                mounted: state.mounted.contains(space),
                hidden: match record.own {
                    Some(_) => 0,
                    None => self.0.home.documents().folder(folder)?.documents,
                },
                ended: membership
                    .as_ref()
                    .is_some_and(|membership| has_ended(membership, self.0.host.device.node_id())),
                problem: state.problems.get(space).cloned(),
                node,
            });
        }
        Ok(all)
    }

    /// Makes everything as the records say.
    async fn reconcile(&self) -> Result<()> {
        let inner = &self.0;
        let mut state = inner.state.lock().await;
        let version = inner.records.version()?;
        if state.version != Some(version) {
            let records = inner.records.clone();
            let read = tokio::task::spawn_blocking(move || records.all());
            let (mut shares, cards) = read.await.map_err(|_| NodeError::Stopped)??;
            for (space, record) in &state.records {
                // What cannot be read now, as before a new key comes, is not gone.
                let is_known = state.running.contains_key(space) && !shares.contains_key(space);
                if is_known && !inner.records.was_left(*space).unwrap_or(false) {
                    shares.insert(*space, record.clone());
                }
            }
            inner.run(&mut state, &shares).await;
            state.records = shares;
            state.cards = cards;
            state.version = Some(version);
        }
        inner.finish_leaving(&mut state).await;
        inner.mount(&mut state).await?;
        inner.agree(&state).await?;
        inner.entrust(&mut state).await;
        inner.deliver(&mut state);
        Ok(())
    }
}

/// The card of a user, by name or owner id.
fn find<'a>(cards: &'a CardMap, whose: &str) -> Result<&'a (String, Card)> {
    let mut fitting = cards
        .iter()
        .filter(|(owner, (called, _))| called == whose || owner.to_string() == whose);
    let found = fitting
        .next()
        .ok_or_else(|| ShareError::UnknownUser(whose.to_owned()))?;
    match fitting.next() {
        Some(_) => Err(ShareError::Ambiguous(whose.to_owned())),
        None => Ok(found.1),
    }
}

/// Says whether a device may read a shared folder no more, however long it could. It may still be one of those who keep it.
fn has_ended(membership: &Membership, device: NodeId) -> bool {
    let still = membership.granted_still(device);
    !still.is_some_and(|own| access::may(Asker::Key(own), Deed::Read, Area::WHOLE))
}

fn may_write(own: Capabilities) -> bool {
    access::may(Asker::Key(own), Deed::Write, Area::WHOLE)
}

fn overlap(a: &FolderPath, b: &FolderPath) -> bool {
    a.as_str().starts_with(b.as_str()) || b.as_str().starts_with(a.as_str())
}

impl State {
    /// The shared folder at a path: the one that lies there, or the first that wants to.
    fn at(&self, folder: &FolderPath) -> Option<(OwnerId, &ShareRecord)> {
        let mut fitting: Vec<_> = self
            .records
            .iter()
            .filter(|(_, record)| record.folder() == Some(folder))
            .collect();
        fitting.sort_by_key(|(space, _)| !self.mounted.contains(space));
        fitting.first().map(|(space, record)| (**space, *record))
    }

    fn overlapping(&self, folder: &FolderPath) -> Option<FolderPath> {
        let mut folders = self.records.values().filter_map(ShareRecord::folder);
        folders.find(|other| overlap(other, folder)).cloned()
    }
}

impl Inner {
    fn membership(&self, node: &Node) -> Result<Option<Membership>> {
        let read = node.store().read().map_err(RunError::from)?;
        Ok(records::membership(&read).map_err(EngineError::from)?)
    }

    /// Starts the engines of shares that are new, or whose key is another now. One that fails keeps none of the others back.
    async fn run(&self, state: &mut State, shares: &ShareMap) {
        for (space, record) in shares {
            let Some((key, keys, membership, user)) = self.membership_of(record) else {
                continue;
            };
            if state.running.get(space).is_some_and(|running| running.key == key) {
                continue;
            }
            self.home.close_mount(*space);
            if let Some(running) = state.running.remove(space)
                && let Err(error) = self.host.stop(running.hosted).await
            {
                tracing::warn!(%space, %error, "a shared folder was not closed well");
            }
            let from = record.admission.as_ref().map(|admission| admission.from);
            // It was kept sealed for that user, and is read from now on.
            if let Some(from) = from
                && self.custody.keeps_share(*space, from).await
                && let Err(error) = self.custody.hand_over(*space).await
            {
                tracing::error!(%space, %error, "a shared folder that was kept is not let in");
                state.problems.insert(*space, error.to_string());
                continue;
            }
            let plan = Plan {
                owner: *space,
                user,
                keys,
                membership,
                follows: false,
                quota_bytes: self.host.quota_bytes,
                found_damaged: self.found_damaged && !state.opened.contains(space),
                committed: Some(self.host.changed.clone()),
            };
            match self.host.start(plan) {
                Ok(hosted) => {
                    state.opened.insert(*space);
                    state.problems.remove(space);
                    state.running.insert(*space, Running { hosted, key });
                }
                Err(error) => {
                    tracing::error!(folder = ?record.folder().map(FolderPath::as_str), %error, "a shared folder cannot be opened");
                    state.problems.insert(*space, error.to_string());
                }
            }
            let addresses = record.admission.iter().flat_map(|admission| &admission.addresses);
            for address in addresses {
                if let Err(error) = transports::dial(&self.host.transports, address) {
                    tracing::debug!(%error, "this address of a shared folder is left out");
                }
            }
        }
    }

    /// Ends the engines of shares that the user left, once whoever shares them has all that was written here, and removes what is here of them.
    async fn finish_leaving(&self, state: &mut State) {
        let gone: Vec<OwnerId> = state
            .running
            .keys()
            .filter(|space| !state.records.contains_key(space))
            .copied()
            .collect();
        for space in gone {
            let Some(node) = state
                .running
                .get(&space)
                .map(|running| running.hosted.node.clone())
            else {
                continue;
            };
            state.mounted.remove(&space);
            let ended = self.membership(&node).is_ok_and(|membership| {
                membership.is_some_and(|membership| has_ended(&membership, node.id()))
            });
            // Those who only keep it may be away for long, and get from the others what was written here.
            let has_all = |peer: &PeerStatus| !peer.reads || peer.revoked || peer.pending_own == 0;
            let status = node.status().await;
            let is_done = ended || status.is_ok_and(|status| status.peers.iter().all(has_all));
            drop(node);
            if !is_done {
                continue;
            }
            self.home.close_mount(space);
            if let Some(running) = state.running.remove(&space)
                && let Err(error) = self.host.stop(running.hosted).await
            {
                tracing::warn!(%space, %error, "a folder that was shared was not closed well");
            }
            if let Err(error) = self.host.remove(space) {
                tracing::warn!(%space, %error, "the files of a folder that was shared cannot be removed now");
            }
        }
    }

    /// By which key this device is a member of a share, what keys it has there, and the grants that make it one.
    fn membership_of(&self, record: &ShareRecord) -> Option<(NodeId, Keys, Membership, String)> {
        let device = self.host.device.clone();
        if let Some(own) = &record.own {
            let space = own.key.owner_id();
            let all = Capabilities::ALL;
            let grant = Grant::issue(
                space,
                device.node_id(),
                all,
                SIGNED_AT,
                None,
                &self.name,
                &own.key,
            );
            let mut membership = Membership::new(space);
            membership.add_grant(grant).ok()?;
            let keys = Keys {
                device,
                owner: Some(own.key.clone()),
                space: Keyring::of_first(EpochKey::first(&own.key)),
            };
            return Some((own.key.node_id(), keys, membership, self.home.user().to_owned()));
        }
        let admission = record.admission.as_ref()?;
        let membership = admission.membership(device.node_id(), &self.name, SIGNED_AT)?;
        let first = Keyring::of_first(admission.first.clone());
        let keys = Keys {
            device,
            owner: None,
            space: match &admission.current {
                Some(current) => first.with_told(current.clone()),
                None => first,
            },
        };
        Some((
            admission.key.node_id(),
            keys,
            membership,
            admission.from_user.clone(),
        ))
    }

    /// Lets each share lie in its folder, unless another one does, or documents that its user did not mean to share. What lay in a folder of
    /// one's own before goes into the share.
    async fn mount(&self, state: &mut State) -> Result<()> {
        let mut mounts: Vec<Mount> = Vec::new();
        let mut closed: Vec<FolderPath> = Vec::new();
        let mut mounted = BTreeSet::new();
        let mut strays = Vec::new();
        let was_mounted = |state: &State, space: &OwnerId| {
            state.mounted.contains(space) || self.host.folder(*space).join(MOUNTED).exists()
        };
        // Whoever sends invitations chooses a space's name: what is the user's own, and what was there before, comes first.
        let mut order: Vec<(bool, bool, OwnerId)> = state
            .records
            .iter()
            .map(|(space, record)| (record.own.is_none(), !was_mounted(state, space), *space))
            .collect();
        order.sort_unstable();
        for (is_guest, is_new, space) in order {
            let Some(record) = state.records.get(&space) else {
                continue;
            };
            let Some(folder) = record.folder() else {
                continue;
            };
            let is_taken = mounts
                .iter()
                .map(|mount| &mount.folder)
                .chain(&closed)
                .any(|other| overlap(other, folder));
            let held = !self.home.documents().folder(folder)?.is_empty();
            let document = folder
                .as_document()
                .map(|path| self.home.documents().document(&path))
                .transpose()?;
            let in_the_way = matches!(document, Some(Lookup::Found(_))) || held && is_guest;
            if is_taken || is_new && in_the_way {
                continue;
            }
            let Some(running) = state.running.get(&space) else {
                closed.push(folder.clone());
                continue;
            };
            let node = running.hosted.node.clone();
            if held && self.moves(record) {
                let copied = stray::copy(&self.home, &node, folder).await?;
                strays.push((node.clone(), copied));
            }
            if is_new && let Err(error) = std::fs::write(self.host.folder(space).join(MOUNTED), []) {
                tracing::debug!(%error, "that a folder is mounted is not noted");
            }
            mounts.push(Mount {
                folder: folder.clone(),
                node,
            });
            mounted.insert(space);
        }
        self.home.mount(mounts, closed);
        state.mounted = mounted;
        for (node, copied) in strays {
            stray::settle(&self.home, &node, copied).await;
        }
        Ok(())
    }

    /// Says whether it is up to this device to bring what lies in the folder of a share into it: to the one that shared it, and to any if that
    /// one is gone.
    fn moves(&self, record: &ShareRecord) -> bool {
        let Some(own) = &record.own else {
            return false;
        };
        let now = self.host.clock.now().wall;
        let is_there = |membership: Membership| membership.capabilities(own.mover, now).is_some();
        own.mover == self.host.device.node_id()
            || !self.membership(&self.home).ok().flatten().is_some_and(is_there)
    }

    /// Where devices of this user shared a folder apart from one another, each brought there what it had: what says the same becomes one again. One of
    /// them does it, until it has all that the others brought.
    async fn agree(&self, state: &State) -> Result<()> {
        for (space, record) in &state.records {
            let (Some(own), Some(running)) = (&record.own, state.running.get(space)) else {
                continue;
            };
            if record.sharers.len() < 2 || own.mover != self.host.device.node_id() {
                continue;
            }
            let node = &running.hosted.node;
            stray::agree(node).await?;
            let peers = node.status().await?.peers;
            let has_come = |sharer: &NodeId| {
                let peer = peers.iter().find(|peer| peer.node == *sharer);
                *sharer == own.mover || peer.is_some_and(|peer| peer.in_step || peer.revoked)
            };
            if record.sharers.iter().all(has_come) {
                self.records.put_own(own).await?;
            }
        }
        Ok(())
    }

    /// Has those who keep the user's own space keep what the user shares: says so in its space, and sends them the code with which they begin, on each
    /// new link to one of them.
    async fn entrust(&self, state: &mut State) {
        state.waiting = false;
        if state.records.values().all(|record| record.own.is_none()) {
            return;
        }
        let now = self.host.clock.now().wall;
        let links = self.host.links.peers();
        state
            .codes
            .retain(|(link, _), _| links.iter().any(|(number, _)| number == link));
        for (space, record) in &state.records {
            let (Some(own), Some(running)) = (&record.own, state.running.get(space)) else {
                continue;
            };
            let node = &running.hosted.node;
            let digests = [&self.home, node].map(|node| self.membership_digest(node));
            if state
                .entrusted
                .get(space)
                .is_none_or(|(seen, _)| *seen != digests)
            {
                // One that fails keeps none of the others back.
                let codes = self.entrust_one(own, node, now).await.unwrap_or_else(|error| {
                    tracing::warn!(%space, %error, "a shared folder is not handed to those who keep copies");
                    Vec::new()
                });
                state.entrusted.insert(*space, (digests, codes));
            }
            let codes = state.entrusted.get(space).map_or(&[][..], |(_, codes)| codes);
            let mut near = Vec::new();
            for (custodian, code) in codes {
                let to_it = links.iter().filter(|(_, peer)| peer == custodian);
                near.extend(to_it.map(|(link, _)| (*link, *custodian, code)));
            }
            if near.is_empty() {
                continue;
            }
            // Who has begun speaks of this space on its link.
            let peers = node
                .status()
                .await
                .map_or_else(|_| Vec::new(), |status| status.peers);
            near.retain(|(_, custodian, _)| !peers.iter().any(|peer| peer.node == *custodian && peer.linked));
            for (link, _, code) in near {
                state.waiting = true;
                let sent = state.codes.get(&(link, *space));
                if sent.is_none_or(|sent| sent.elapsed() >= CODE_AGAIN) {
                    state.codes.insert((link, *space), Instant::now());
                    self.host.links.post(link, code.as_bytes());
                }
            }
        }
    }

    /// Stands for what a space knows of its members.
    fn membership_digest(&self, node: &Node) -> Option<Hash> {
        let read = node.store().read().ok()?;
        records::membership_digest(&read).ok().flatten()
    }

    async fn entrust_one(&self, own: &OwnShare, node: &Node, now: WallTime) -> Result<Vec<(NodeId, String)>> {
        let (Some(home), Some(mut share)) = (self.membership(&self.home)?, self.membership(node)?) else {
            return Ok(Vec::new());
        };
        let Statements { grants, revocations } = share_custody::lacking(&home, own, &share, now);
        for grant in grants {
            let _ = share.add_grant(grant.clone());
            node.command(Command::Admit(grant)).await?;
        }
        for revocation in revocations {
            let _ = share.add_revocation(revocation.clone());
            node.command(Command::Revoke(revocation)).await?;
        }
        Ok(share_custody::codes(&home, own, self.home.user(), &share, now))
    }

    /// Sends invitations to the devices that they are for, until the user has the folder.
    fn deliver(&self, state: &mut State) {
        let links = self.host.links.peers();
        state
            .sent
            .retain(|(link, _)| links.iter().any(|(number, _)| number == link));
        for (space, record) in &state.records {
            let Some(running) = state.running.get(space) else {
                continue;
            };
            for (owner, guest) in &record.guests {
                let Some((_, card)) = state.cards.get(owner) else {
                    continue;
                };
                let near = links.iter().filter(|(_, peer)| card.devices.contains(peer));
                let near: Vec<u64> = near
                    .map(|(link, _)| *link)
                    .filter(|link| !state.sent.contains(&(*link, guest.key)))
                    .collect();
                if near.is_empty() {
                    continue;
                }
                let joined = self.membership(&running.hosted.node).is_ok_and(|membership| {
                    membership.is_some_and(|membership| {
                        membership
                            .grants()
                            .into_iter()
                            .any(|grant| grant.issuer == guest.key.0)
                    })
                });
                for link in near {
                    state.sent.insert((link, guest.key));
                    if !joined {
                        self.host.links.post(link, guest.invitation.as_bytes());
                    }
                }
            }
        }
    }
}
