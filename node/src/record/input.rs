//! What an engine is given, as a recording has it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::redact;
use crate::mesh::{
    Command, Condition, Delete, Event, LinkId, LinkProfile, Precondition, Put, RadioProfile, RequestId,
    Resolve, TagSet,
};
use crate::model::{Content, DocumentPath, Dot, ETag, EpochId, Grant, Hash, NodeId, Revocation};
use crate::space::Payloads;

/// An event without contents of documents, or a commit. Links and requests go by their numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Given {
    /// [`Engine::commit`](crate::mesh::Engine::commit) is called.
    Commit,
    /// [`Event::LinkUp`]: link, peer, longest frame, bits per second.
    LinkUp(u64, NodeId, u64, Option<u64>),
    /// [`Event::LinkDown`]
    LinkDown(u64),
    /// [`Event::Frame`]
    Frame(u64, ByteBuf),
    /// [`Event::RadioUp`]: radio, longest frame, its time on air in microseconds, the share of time in thousandths, and the
    /// window that it is of in microseconds.
    RadioUp(u64, u64, u64, u32, u64),
    /// [`Event::RadioDown`]
    RadioDown(u64),
    /// [`Event::RadioMessage`]
    RadioMessage(u64, NodeId, EpochId, ByteBuf),
    /// [`Event::RadioIntroduced`]
    RadioIntroduced(u64, Option<NodeId>, EpochId),
    /// [`Event::RadioReady`]
    RadioReady(u64),
    /// [`Event::Announced`]
    Announced(NodeId, ByteBuf),
    /// [`Event::StorageFree`]
    StorageFree(u64),
    /// [`Event::ChunkReceived`]
    ChunkReceived(u64, Hash),
    /// [`Event::ChunkStored`]
    ChunkStored(Hash),
    /// [`Event::ChunkFailed`]
    ChunkFailed(Hash),
    /// [`Event::ChunkLost`]
    ChunkLost(Hash),
    /// [`Event::Command`]
    Command(u64, GivenCommand),
    /// [`Event::Timer`]
    Timer,
}

/// All tags that are named; `None`: any version that exists.
type Tags = Option<Vec<ETag>>;

/// A command without contents of documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum GivenCommand {
    /// [`Command::Put`]: path, content, attachment, conditions (true: `If-Match`), resolve.
    Put(DocumentPath, Content, Option<ByteBuf>, Vec<(bool, Tags)>, bool),
    /// [`Command::Delete`]: path, conditions.
    Delete(DocumentPath, Vec<(bool, Tags)>),
    /// [`Command::Resolve`]
    Resolve(DocumentPath, Dot, Option<Vec<Dot>>),
    /// [`Command::Admit`]
    Admit(ByteBuf),
    /// [`Command::Revoke`]
    Revoke(ByteBuf),
    /// [`Command::Fetch`]: path, begin.
    Fetch(DocumentPath, bool),
    /// [`Command::Status`]
    Status,
    /// [`Command::Flush`]
    Flush,
    /// [`Command::SetQuota`]
    SetQuota(Option<u64>),
}

fn conditions(precondition: &Precondition) -> Vec<(bool, Tags)> {
    let tags = |set: &TagSet| match set {
        TagSet::Any => None,
        TagSet::Tags(tags) => Some(tags.clone()),
    };
    let one = |condition: &Condition| match condition {
        Condition::IfMatch(set) => (true, tags(set)),
        Condition::IfNoneMatch(set) => (false, tags(set)),
    };
    precondition.0.iter().map(one).collect()
}

fn precondition(conditions: Vec<(bool, Tags)>) -> Precondition {
    let one = |(is_match, tags): (bool, Tags)| {
        let set = tags.map_or(TagSet::Any, TagSet::Tags);
        if is_match {
            Condition::IfMatch(set)
        } else {
            Condition::IfNoneMatch(set)
        }
    };
    Precondition(conditions.into_iter().map(one).collect())
}

impl GivenCommand {
    fn of(command: &Command) -> Self {
        match command {
            Command::Put(put) => {
                let attachment = put.attachment.clone().map(|mut bytes| {
                    redact::attachment(Some(&put.content), &mut bytes);
                    ByteBuf::from(bytes)
                });
                let conditions = conditions(&put.precondition);
                Self::Put(
                    put.path.clone(),
                    put.content.clone(),
                    attachment,
                    conditions,
                    put.resolve,
                )
            }
            Command::Delete(delete) => Self::Delete(delete.path.clone(), conditions(&delete.precondition)),
            Command::Resolve(resolve) => {
                Self::Resolve(resolve.path.clone(), resolve.keep, resolve.of.clone())
            }
            Command::Admit(grant) => Self::Admit(grant.encode().into()),
            Command::Revoke(revocation) => Self::Revoke(revocation.encode().into()),
            Command::Fetch { path, begin } => Self::Fetch(path.clone(), *begin),
            Command::Status => Self::Status,
            Command::Flush => Self::Flush,
            Command::SetQuota(quota_bytes) => Self::SetQuota(*quota_bytes),
        }
    }

    fn command(self) -> Option<Command> {
        Some(match self {
            Self::Put(path, content, attachment, conditions, resolve) => Command::Put(Put {
                path,
                content,
                attachment: attachment.map(ByteBuf::into_vec),
                chunk_keys: Vec::new(),
                precondition: precondition(conditions),
                resolve,
            }),
            Self::Delete(path, conditions) => Command::Delete(Delete {
                path,
                precondition: precondition(conditions),
            }),
            Self::Resolve(path, keep, of) => Command::Resolve(Resolve { path, keep, of }),
            Self::Admit(grant) => Command::Admit(Grant::decode(&grant).ok()?),
            Self::Revoke(revocation) => Command::Revoke(Revocation::decode(&revocation).ok()?),
            Self::Fetch(path, begin) => Command::Fetch { path, begin },
            Self::Status => Command::Status,
            Self::Flush => Command::Flush,
            Self::SetQuota(quota_bytes) => Command::SetQuota(quota_bytes),
        })
    }
}

impl Given {
    /// What an event is without contents.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::LinkUp { link, peer, profile } => {
                Self::LinkUp(link.0, *peer, profile.frame_len_max as u64, profile.bit_rate_bps)
            }
            Event::LinkDown { link } => Self::LinkDown(link.0),
            Event::Frame { link, frame } => Self::Frame(link.0, redact::frame(frame).into()),
            Event::RadioUp { radio, profile } => Self::RadioUp(
                radio.0,
                profile.frame_len_max as u64,
                profile.frame_airtime_us,
                profile.share_permille,
                profile.window_us,
            ),
            Event::RadioDown { radio } => Self::RadioDown(radio.0),
            Event::RadioMessage {
                radio,
                from,
                under,
                message,
            } => {
                let message = redact::radio_message(message, Payloads::Real);
                Self::RadioMessage(radio.0, *from, *under, message.into())
            }
            Event::RadioIntroduced { radio, from, under } => Self::RadioIntroduced(radio.0, *from, *under),
            Event::RadioReady { radio } => Self::RadioReady(radio.0),
            Event::Announced { author, frame } => Self::Announced(*author, redact::frame(frame).into()),
            Event::StorageFree { bytes } => Self::StorageFree(*bytes),
            Event::ChunkReceived { link, chunk } => Self::ChunkReceived(link.0, *chunk),
            Event::ChunkStored { chunk } => Self::ChunkStored(*chunk),
            Event::ChunkFailed { chunk } => Self::ChunkFailed(*chunk),
            Event::ChunkLost { chunk } => Self::ChunkLost(*chunk),
            Event::Command { request, command } => Self::Command(request.0, GivenCommand::of(command)),
            Event::Timer => Self::Timer,
        }
    }

    /// The event, for an engine that replays; `None` for a commit, and for what cannot be an event.
    pub fn event(self) -> Option<Event> {
        let len = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
        Some(match self {
            Self::Commit => return None,
            Self::LinkUp(link, peer, frame_len_max, bit_rate_bps) => Event::LinkUp {
                link: LinkId(link),
                peer,
                profile: LinkProfile {
                    frame_len_max: len(frame_len_max),
                    bit_rate_bps,
                },
            },
            Self::LinkDown(link) => Event::LinkDown { link: LinkId(link) },
            Self::Frame(link, frame) => Event::Frame {
                link: LinkId(link),
                frame: frame.into_vec(),
            },
            Self::RadioUp(radio, frame_len_max, frame_airtime_us, share_permille, window_us) => {
                Event::RadioUp {
                    radio: LinkId(radio),
                    profile: RadioProfile {
                        frame_len_max: len(frame_len_max),
                        frame_airtime_us,
                        share_permille,
                        window_us,
                    },
                }
            }
            Self::RadioDown(radio) => Event::RadioDown { radio: LinkId(radio) },
            Self::RadioMessage(radio, from, under, message) => Event::RadioMessage {
                radio: LinkId(radio),
                from,
                under,
                message: message.into_vec(),
            },
            Self::RadioIntroduced(radio, from, under) => Event::RadioIntroduced {
                radio: LinkId(radio),
                from,
                under,
            },
            Self::RadioReady(radio) => Event::RadioReady { radio: LinkId(radio) },
            Self::Announced(author, frame) => Event::Announced {
                author,
                frame: frame.into_vec(),
            },
            Self::StorageFree(bytes) => Event::StorageFree { bytes },
            Self::ChunkReceived(link, chunk) => Event::ChunkReceived {
                link: LinkId(link),
                chunk,
            },
            Self::ChunkStored(chunk) => Event::ChunkStored { chunk },
            Self::ChunkFailed(chunk) => Event::ChunkFailed { chunk },
            Self::ChunkLost(chunk) => Event::ChunkLost { chunk },
            Self::Command(request, command) => Event::Command {
                request: RequestId(request),
                command: Box::new(command.command()?),
            },
            Self::Timer => Event::Timer,
        })
    }
}
