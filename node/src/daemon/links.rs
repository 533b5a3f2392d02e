//! The links that are up, and the spaces that share them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cairn_transports::{FrameSender, Lane, Link, PeerKey, SendError};
use tokio::sync::{Notify, mpsc};

use super::channels::{Channel, Channels, Sorted};
use super::chunk_worker::{Expected, Job};
use super::engine_thread::{Input, Inputs, Up};
use crate::mesh::{Event, LinkId, LinkProfile, space_tag};
use crate::model::{Hash, NodeId, OwnerId};

/// So many invitations of one link are looked at in so long a time.
const POSTS_MAX: u32 = 32;
const POSTS_IN: Duration = Duration::from_secs(60);

impl Channel {
    /// The engine's name for one space's share of a link.
    fn link(self, number: u64) -> LinkId {
        LinkId(number << 8 | u64::from(self.0))
    }
}

/// There are too many spaces.
#[derive(Debug, thiserror::Error)]
#[error(
    "this node has held {} other spaces since it was started: start it again first",
    u8::MAX - 1
)]
pub struct TooManySpaces;

/// Where the frames of one space go.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) owner: OwnerId,
    pub(super) inputs: Inputs,
    /// The chunks that its engine asked for.
    pub(super) expected: Expected,
    pub(super) jobs: mpsc::Sender<Job>,
}

/// Sends the frames of one space on one link.
#[derive(Debug, Clone)]
pub(super) struct SpaceSender {
    channel: Channel,
    sender: FrameSender,
}

impl SpaceSender {
    fn on_wire(&self, frame: &[u8]) -> Bytes {
        let mut bytes = Vec::with_capacity(1 + frame.len());
        bytes.push(self.channel.0);
        bytes.extend_from_slice(frame);
        bytes.into()
    }

    pub(super) fn try_send(&self, lane: Lane, frame: &[u8]) -> Result<(), SendError> {
        self.sender.try_send(lane, self.on_wire(frame))
    }

    pub(super) async fn send(&self, lane: Lane, frame: &[u8]) -> Result<(), SendError> {
        self.sender.send(lane, self.on_wire(frame)).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// What is known of one link, for people.
#[derive(Debug, Clone)]
pub struct LinkInfo {
    /// Who is there.
    pub peer: NodeId,
    /// Where.
    pub address: String,
    /// The transport's name.
    pub transport: &'static str,
    /// This side dialled.
    pub outbound: bool,
    /// The round-trip time, once it was measured.
    pub rtt: Option<Duration>,
}

/// One link.
struct State {
    info: LinkInfo,
    peer: PeerKey,
    profile: LinkProfile,
    sender: FrameSender,
    channels: Channels,
    /// Invitations that came since a time.
    posts: (Instant, u32),
}

impl State {
    fn up(&self, number: u64, channel: Channel, seat: &Seat) {
        let up = Up {
            peer: self.peer,
            profile: self.profile,
            sender: SpaceSender {
                channel,
                sender: self.sender.clone(),
            },
        };
        let link = channel.link(number);
        let _ = seat.inputs.send(Input::LinkUp {
            link,
            up: Box::new(up),
        });
    }
}

/// A frame with where it goes.
pub(super) struct Routed {
    pub(super) seat: Seat,
    pub(super) link: LinkId,
    pub(super) frame: Bytes,
}

/// Invitations on their way from links to whoever looks at them.
pub(super) type Post = mpsc::Sender<(NodeId, Bytes)>;

/// The links that are up, the spaces that use them, and the addresses that are listened on.
#[derive(Clone)]
pub struct LinkTable {
    table: Arc<Mutex<Table>>,
    /// Is told when a link comes up.
    changed: Arc<Notify>,
    post: Post,
}

#[derive(Default)]
struct Table {
    next: u64,
    links: BTreeMap<u64, State>,
    seats: BTreeMap<Channel, Seat>,
    /// The numbers that other spaces than the user's own were given.
    numbers: BTreeMap<OwnerId, Channel>,
    listening: Vec<String>,
}

impl LinkTable {
    /// No links yet.
    pub(super) fn new(changed: Arc<Notify>, post: Post) -> Self {
        Self {
            table: Arc::default(),
            changed,
            post,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is at the other ends of the links, by their numbers.
    pub(super) fn peers(&self) -> Vec<(u64, NodeId)> {
        let table = self.lock();
        table
            .links
            .iter()
            .map(|(number, state)| (*number, state.info.peer))
            .collect()
    }

    /// Sends an invitation over a link.
    pub(super) fn post(&self, number: u64, invitation: &[u8]) {
        let table = self.lock();
        if let Some(state) = table.links.get(&number) {
            let sender = SpaceSender {
                channel: Channel::POST,
                sender: state.sender.clone(),
            };
            if let Err(error) = sender.try_send(Lane::Entries, invitation) {
                tracing::debug!(%error, "an invitation was not sent");
            }
        }
    }

    /// The links that are up.
    pub fn links(&self) -> Vec<LinkInfo> {
        let measured = |state: &State| LinkInfo {
            rtt: state.sender.rtt(),
            ..state.info.clone()
        };
        self.lock().links.values().map(measured).collect()
    }

    /// A number for a link of the user's own space, of its own kind.
    pub(super) fn reserve(&self) -> LinkId {
        Channel::HOME.link(self.lock().take_number())
    }

    /// The addresses that this node listens on, with their real ports.
    pub fn listening(&self) -> Vec<String> {
        self.lock().listening.clone()
    }

    /// Notes an address that is listened on.
    pub(super) fn listens(&self, address: String) {
        let mut table = self.lock();
        if !table.listening.contains(&address) {
            table.listening.push(address);
        }
    }

    /// Lets the user's own space have its share of all links from now on.
    pub(super) fn open_home(&self, seat: Seat) {
        self.lock().open(Channel::HOME, seat);
    }

    /// Lets another space have its share of all links, those that are up too.
    pub(super) fn open(&self, seat: Seat) -> Result<Channel, TooManySpaces> {
        let mut table = self.lock();
        // The other sides remember whose a number was: each space has its own for as long as the node runs.
        let channel = match table.numbers.get(&seat.owner) {
            Some(channel) => *channel,
            None => {
                let next = u8::try_from(table.numbers.len() + 1).map(Channel);
                let next = next.ok().filter(|next| *next != Channel::POST);
                let channel = next.ok_or(TooManySpaces)?;
                table.numbers.insert(seat.owner, channel);
                channel
            }
        };
        table.open(channel, seat);
        Ok(channel)
    }

    /// A space goes.
    pub(super) fn leave(&self, channel: Channel) {
        let mut table = self.lock();
        table.seats.remove(&channel);
        for state in table.links.values_mut() {
            state.channels.left(channel);
        }
    }

    /// Takes up a link, for all spaces. Gives its number.
    pub(super) fn up(&self, link: &Link) -> u64 {
        let mut table = self.lock();
        let number = table.take_number();
        let state = State {
            info: LinkInfo {
                peer: NodeId(link.peer.0),
                address: link.address.clone(),
                transport: link.transport,
                outbound: link.outbound,
                rtt: None,
            },
            peer: link.peer,
            profile: LinkProfile {
                // Each frame begins with its channel.
                frame_len_max: link.profile.mtu.saturating_sub(1),
                bit_rate_bps: link.profile.bit_rate_bps,
            },
            sender: link.sender.clone(),
            channels: Channels::default(),
            posts: (Instant::now(), 0),
        };
        for (channel, seat) in &table.seats {
            state.up(number, *channel, seat);
        }
        table.links.insert(number, state);
        self.changed.notify_one();
        number
    }

    /// The ways to all engines.
    pub(super) fn all_inputs(&self) -> Vec<Inputs> {
        let table = self.lock();
        table.seats.values().map(|seat| seat.inputs.clone()).collect()
    }

    /// A link is down.
    pub(super) fn down(&self, number: u64) {
        let mut table = self.lock();
        if table.links.remove(&number).is_some() {
            for (channel, seat) in &table.seats {
                seat.link_down(channel.link(number));
            }
        }
    }

    /// Says to which space a frame from a link goes. What nobody can read goes to the user's own, which complains.
    pub(super) fn route(&self, number: u64, frame: &Bytes) -> Option<Routed> {
        let mut table = self.lock();
        let Table { links, seats, .. } = &mut *table;
        let state = links.get_mut(&number)?;
        let peer = state.info.peer;
        let space_of = |tag: &Hash| {
            let named = seats.iter().find(|(_, seat)| *tag == space_tag(seat.owner, peer));
            named.map(|(channel, _)| *channel)
        };
        let (channel, frame) = match state.channels.sort(frame, space_of) {
            Sorted::To(channel, frame) => (channel, frame),
            Sorted::Unreadable => (Channel::HOME, frame.clone()),
            Sorted::Again(channel, frame) => {
                // It was closed for this space alone: for that, the link comes up anew.
                if let Some(seat) = seats.get(&channel) {
                    state.channels.reopen(channel);
                    state.up(number, channel, seat);
                }
                (channel, frame)
            }
            Sorted::Post(invitation) => {
                let (since, count) = state.posts;
                if since.elapsed() >= POSTS_IN {
                    state.posts = (Instant::now(), 0);
                } else if count >= POSTS_MAX {
                    return None;
                }
                state.posts.1 += 1;
                // With too many at once some are left out: they come again with the next link.
                let _ = self.post.try_send((peer, invitation));
                return None;
            }
            Sorted::Nowhere => return None,
        };
        Some(Routed {
            seat: seats.get(&channel)?.clone(),
            link: channel.link(number),
            frame,
        })
    }

    /// Closes a link for one space, and for all if no other uses it, or if whoever is there broke the rules.
    pub(super) fn close(&self, link: LinkId, reason: &str, for_all: bool) {
        let (number, channel) = (link.0 >> 8, Channel(link.0 as u8));
        let mut table = self.lock();
        let Some(state) = table.links.get_mut(&number) else {
            return;
        };
        if !state.channels.shut(channel) || for_all {
            state.sender.close(reason);
        } else if let Some(seat) = table.seats.get(&channel) {
            seat.link_down(link);
        }
    }
}

impl Table {
    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn open(&mut self, channel: Channel, seat: Seat) {
        for (number, state) in &mut self.links {
            state.up(*number, channel, &seat);
            let tag = space_tag(seat.owner, state.info.peer);
            if let Some(greeting) = state.channels.opened(channel, tag) {
                let (link, frame) = (channel.link(*number), greeting.into());
                let _ = seat.inputs.send(Input::Event(Event::Frame { link, frame }));
            }
        }
        self.seats.insert(channel, seat);
    }
}

impl Seat {
    fn link_down(&self, link: LinkId) {
        self.expected.link_down(link);
        let _ = self.inputs.send(Input::Event(Event::LinkDown { link }));
    }
}
