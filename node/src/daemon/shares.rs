//! Shared folders: each a space of its own, which lies at one place in the space of every user who has it.
//!
//! What there is to share stands in [records](super::share_records) among the user's own documents. This module does what they say: runs an
//! engine for each shared folder, mounts it, moves there what lay in the folder before, and brings invitations to the devices that they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinHandle;

use super::card::{Card, CardError};
use super::home::{HomeError, random_seed};
use super::hosted::{Host, HostError, Hosted, Plan};
use super::node::Mount;
use super::run::RunError;
use super::share_invitation::{self, Admission, InvitationError};
use super::share_records::{Guest, OwnShare, ShareRecord, ShareRecordError, ShareRecords, user_capabilities};
use super::stray::{self, StrayError};
use super::{Node, NodeError, transports};
use crate::mesh::{Command, EngineError, Keys};
use crate::model::{
    Capabilities, Category, FolderPath, Grant, KeyPair, Membership, NodeId, OwnerId, Revocation, WallTime,
};
use crate::seal::{EpochKey, Keyring};
use crate::service::{Lookup, ReadError};
use crate::space::{FolderVersion, records};
use crate::store::Store as _;

/// Invitations that came and wait to be looked at.
pub(super) const POST_MAX: usize = 16;
/// Grants that a device signs for itself, again at every start: dated alike, they are one.
const SIGNED_AT: WallTime = WallTime(0);

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
    home: Node,
    records: ShareRecords,
    /// The device's name, for other members.
    name: String,
    found_damaged: AtomicBool,
    state: Mutex<State>,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    version: Option<FolderVersion>,
    records: BTreeMap<OwnerId, ShareRecord>,
    cards: BTreeMap<OwnerId, (String, Card)>,
    running: BTreeMap<OwnerId, Running>,
    mounted: BTreeSet<OwnerId>,
    /// Invitations that were sent: on which link, to which space and user.
    sent: BTreeSet<(u64, OwnerId, OwnerId)>,
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
    /// Whoever shares it took it from this user: what is here is what there was.
    pub ended: bool,
    /// The space's node, while it runs.
    pub node: Option<Node>,
}

impl Shares {
    /// The shared folders of `home`, none of which runs yet.
    pub(super) fn new(host: Arc<Host>, home: Node, name: String, found_damaged: bool) -> Self {
        Self(Arc::new(Inner {
            records: ShareRecords::new(home.clone()),
            host,
            home,
            name,
            found_damaged: AtomicBool::new(found_damaged),
            state: Mutex::default(),
            task: std::sync::Mutex::new(None),
        }))
    }

    /// Starts what the records say, and follows them from now on: `changed` tells that they may differ, or that a link came up.
    pub(super) async fn start(&self, changed: Arc<Notify>, mut post: mpsc::Receiver<(NodeId, Bytes)>) {
        self.follow().await;
        self.0.found_damaged.store(false, Ordering::Relaxed);
        let shares = self.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = changed.notified() => {}
                    Some((peer, code)) = post.recv() => shares.received(peer, &code).await,
                }
                shares.follow().await;
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
        self.0.home.mount(Vec::new());
        let running = std::mem::take(&mut self.0.state.lock().await.running);
        for (space, running) in running {
            if let Err(error) = self.0.host.stop(running.hosted).await {
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
        Ok((called, card))
    }

    /// The cards of other users, with the names under which they are kept.
    pub async fn cards(&self) -> Result<Vec<(String, Card)>> {
        self.reconcile().await?;
        Ok(self.0.state.lock().await.cards.values().cloned().collect())
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
        let is_whole = folder.parent() == Some(FolderPath::root());
        if folder.category() != Some(Category::Shared) || is_whole {
            return Err(ShareError::NotShareable(folder.to_string()));
        }
        let (called, card) = match Card::decode(with) {
            Ok(_) => self.add_card(with, None).await?,
            Err(_) => {
                self.reconcile().await?;
                find(&self.0.state.lock().await.cards, with)?.clone()
            }
        };
        let (own, guest) = {
            let state = self.0.state.lock().await;
            match state.at(folder) {
                Some((_, record)) => match &record.own {
                    Some(own) => (own.clone(), record.guests.get(&card.owner).cloned()),
                    None => return Err(ShareError::NotYours(folder.clone())),
                },
                None => {
                    if let Some(other) = state.overlapping(folder) {
                        return Err(ShareError::Nested(other));
                    }
                    let key = KeyPair::from_seed(&*random_seed()?);
                    let folder = folder.clone();
                    (OwnShare { key, folder }, None)
                }
            }
        };
        if let Some(guest) = guest {
            if guest.writes == writes {
                return Ok((called, guest.invitation));
            }
            // The old key counts no more; the user gets another.
            self.revoke(&own, guest.key).await?;
        }
        let space = own.key.owner_id();
        self.0.records.put_own(&own).await?;
        self.reconcile().await?;
        let node = self.node(space).await?;
        let key = KeyPair::from_seed(&*random_seed()?);
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
            self.revoke(own, guest.key).await?;
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

    /// Takes back a user's key, and with it all that it signed.
    async fn revoke(&self, own: &OwnShare, key: NodeId) -> Result<()> {
        let space = own.key.owner_id();
        let now = self.0.host.clock.now().wall;
        let revocation = Revocation::issue(space, key, now, Vec::new(), &own.key);
        self.node(space)
            .await?
            .command(Command::Revoke(revocation))
            .await?;
        Ok(())
    }

    async fn node(&self, space: OwnerId) -> Result<Node> {
        let state = self.0.state.lock().await;
        let running = state.running.get(&space);
        running
            .map(|running| running.hosted.node.clone())
            .ok_or_else(|| ShareError::NotShared(space.to_string()))
    }

    /// Lets a folder in that another user shares, by the invitation.
    pub async fn accept(&self, code: &str) -> Result<(FolderPath, String)> {
        let admission = share_invitation::open(code, &self.0.host.device)?;
        if !self.0.home.documents().folder(&admission.folder)?.is_empty() {
            return Err(ShareError::InTheWay(admission.folder));
        }
        self.0.records.put_admission(&admission).await?;
        self.reconcile().await?;
        Ok((admission.folder, admission.from_user))
    }

    /// An invitation came over a link. Only users whose cards are here may send any.
    async fn received(&self, peer: NodeId, code: &[u8]) {
        let opened = std::str::from_utf8(code)
            .map_err(|_| InvitationError::NotAnInvitation)
            .and_then(|code| share_invitation::open(code, &self.0.host.device));
        let admission = match opened {
            Ok(admission) => admission,
            Err(error) => {
                tracing::debug!(%peer, %error, "an invitation was left out");
                return;
            }
        };
        let is_known = {
            let state = self.0.state.lock().await;
            let there = state
                .records
                .get(&admission.space)
                .and_then(|record| record.admission.as_ref());
            if there.is_some_and(|there| there.key.node_id() == admission.key.node_id()) {
                return;
            }
            state.cards.contains_key(&admission.from)
        };
        let (user, folder) = (&admission.from_user, &admission.folder);
        if !is_known {
            tracing::info!(
                %user, owner = %admission.from, %folder,
                "a user whose card is not here wants to share a folder: cairn card add CODE lets that user"
            );
            return;
        }
        match self.0.records.put_admission(&admission).await {
            Ok(()) => tracing::info!(%user, %folder, "a folder is shared with this user"),
            Err(error) => tracing::warn!(%user, %folder, %error, "a shared folder could not be let in"),
        }
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
                writes: guest.writes,
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
                ended: membership.as_ref().is_some_and(|membership| {
                    membership.granted_still(self.0.host.device.node_id()).is_none()
                }),
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
            let read = tokio::task::spawn_blocking(move || {
                Ok::<_, ShareRecordError>((records.shares()?, records.cards()?))
            });
            let (shares, cards) = read.await.map_err(|_| NodeError::Stopped)??;
            inner.run(&mut state, &shares).await?;
            state.records = shares;
            state.cards = cards;
            state.version = Some(version);
        }
        inner.mount(&mut state).await?;
        inner.deliver(&mut state);
        Ok(())
    }
}

/// The card of a user, by name or owner id.
fn find<'a>(cards: &'a BTreeMap<OwnerId, (String, Card)>, whose: &str) -> Result<&'a (String, Card)> {
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

    /// Starts the engines of shares that are new, or whose key is another now, and ends those of shares that are gone.
    async fn run(&self, state: &mut State, shares: &BTreeMap<OwnerId, ShareRecord>) -> Result<()> {
        let gone: Vec<OwnerId> = state
            .running
            .keys()
            .filter(|space| !shares.contains_key(space))
            .copied()
            .collect();
        for space in gone {
            if let Some(running) = state.running.remove(&space) {
                state.mounted.remove(&space);
                self.host.resign(&running.hosted.node).await?;
                self.host.stop(running.hosted).await?;
                if let Err(error) = self.host.remove(space) {
                    tracing::warn!(%space, %error, "the files of a folder that was shared cannot be removed now");
                }
            }
        }
        for (space, record) in shares {
            let Some((key, keys, membership, user)) = self.membership_of(record) else {
                continue;
            };
            if state.running.get(space).is_some_and(|running| running.key == key) {
                continue;
            }
            if let Some(running) = state.running.remove(space) {
                self.host.stop(running.hosted).await?;
            }
            let hosted = self.host.start(Plan {
                owner: *space,
                user,
                keys,
                membership,
                quota_bytes: None,
                found_damaged: self.found_damaged.load(Ordering::Relaxed),
                committed: Some(self.host.changed.clone()),
            })?;
            state.running.insert(*space, Running { hosted, key });
            let addresses = record.admission.iter().flat_map(|admission| &admission.addresses);
            for address in addresses {
                if let Err(error) = transports::dial(&self.host.transports, address) {
                    tracing::debug!(%error, "this address of a shared folder is left out");
                }
            }
        }
        Ok(())
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
        let mut mounted = BTreeSet::new();
        for (space, record) in &state.records {
            let (Some(folder), Some(running)) = (record.folder(), state.running.get(space)) else {
                continue;
            };
            let taken = mounts.iter().any(|mount| overlap(&mount.folder, folder));
            let held = !self.home.documents().folder(folder)?.is_empty();
            let document = folder
                .as_document()
                .map(|path| self.home.documents().document(&path))
                .transpose()?;
            let in_the_way = matches!(document, Some(Lookup::Found(_)));
            if taken || in_the_way || held && record.own.is_none() {
                if state.mounted.contains(space) || state.version.is_none() {
                    tracing::warn!(%folder, "something else lies where a shared folder would: move it elsewhere");
                }
                continue;
            }
            let copied = match held {
                true => stray::copy(&self.home, &running.hosted.node, folder).await?,
                false => Vec::new(),
            };
            mounts.push(Mount {
                folder: folder.clone(),
                node: running.hosted.node.clone(),
            });
            mounted.insert(*space);
            if !copied.is_empty() {
                self.home.mount(mounts.clone());
                stray::remove(&self.home, copied).await?;
            }
        }
        if mounted != state.mounted || mounts.len() != self.home.mounts().len() {
            self.home.mount(mounts);
            state.mounted = mounted;
        } else if !mounts.is_empty() {
            // An engine may have been started anew.
            self.home.mount(mounts);
        }
        Ok(())
    }

    /// Sends invitations to the devices that they are for, until the user has the folder.
    fn deliver(&self, state: &mut State) {
        let links = self.host.links.peers();
        state
            .sent
            .retain(|(link, ..)| links.iter().any(|(number, _)| number == link));
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
                    .filter(|link| !state.sent.contains(&(*link, *space, *owner)))
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
                    state.sent.insert((link, *space, *owner));
                    if !joined {
                        self.host.links.post(link, guest.invitation.as_bytes());
                    }
                }
            }
        }
    }
}

/// Walks a folder of one space alone.
pub(super) fn documents_below(
    node: &Node,
    folder: &FolderPath,
) -> std::result::Result<Vec<crate::model::DocumentPath>, ReadError> {
    let mut paths = Vec::new();
    node.documents().walk(folder, &mut |path, document| {
        if document.stored().is_some() {
            paths.push(path.clone());
        }
        ControlFlow::Continue(())
    })?;
    Ok(paths)
}
