//! What this node's own user does.

use super::command::{Command, CommandError, CommandResult, Condition, Delete, Put, Reply, Resolve, TagSet};
use super::engine::{Engine, Result};
use super::oracle::Sealed;
use super::{Action, LinkStatus, PeerStatus, Report, RequestId, Status, clock_digest};
use crate::model::access::{self, Area, Asker, Deed};
use crate::model::{
    Attachment, BlindName, Capabilities, Change, Clock, Content, Context, DocumentName, DocumentPath, Dot,
    Entry, Hash, Manifest, Now, Operation, OwnerId, Payload, Sequence, WallTime, Writer,
};
use crate::seal::{Body, Contents, Place};
use crate::space::{self, Document};
use crate::store::Store;

/// Bytes of the disk that are left to the database: a commit that finds no room would end the node.
pub(super) const DISK_RESERVE: u64 = 32 * 1024 * 1024;
/// Writers in a document's context beyond which the oldest incarnations are forgotten.
const CONTEXT_WRITERS_KEPT: usize = 256;

/// What a change stores.
pub(super) enum What {
    /// As it is: in `public/`, or nothing.
    Clear(Operation, Option<Vec<u8>>),
    /// To be sealed, with the manifest of its chunks, which are.
    Secret(Body, Option<Vec<u8>>),
    /// What this entry stored, with what lies beside it.
    Again(Box<Entry>, Option<Vec<u8>>),
}

/// What is to be sealed of a document that a user stores. `None`: its parts do not fit together.
fn body(put: Put) -> Option<(Body, Option<Vec<u8>>)> {
    let (contents, manifest) = match put.content.payload {
        Payload::Inline => (Contents::Inline(put.attachment?), None),
        Payload::Manifest(_) => (Contents::Chunks(put.chunk_keys), Some(put.attachment?)),
        Payload::Chunk => return None,
    };
    let body = Body {
        path: put.path,
        content_type: put.content.content_type,
        contents,
    };
    Some((body, manifest))
}

fn place(space: OwnerId, name: BlindName, dot: Dot) -> Place {
    Place { space, name, dot }
}

/// What a change says of a body that was sealed, and what travels beside it.
pub(super) fn sealed_operation(sealed: Sealed, manifest: Option<Vec<u8>>) -> (Operation, Option<Vec<u8>>) {
    let mut content = Content {
        content_type: String::new(),
        hash: sealed.hash,
        len: sealed.bytes.len() as u64,
        payload: Payload::Inline,
        seal: Some(sealed.seal),
    };
    let Some(manifest) = manifest else {
        return (Operation::Put(content), Some(sealed.bytes));
    };
    content.payload = Payload::Manifest(Hash::of(&manifest));
    let chunks = Manifest::decode(&manifest).map_or(0, |manifest| manifest.total_len());
    content.len = content.len.saturating_add(chunks);
    let attachment = Attachment::join(&sealed.bytes, &manifest);
    (Operation::Put(content), Some(attachment))
}

impl<S: Store> Engine<S> {
    pub(super) fn command(&mut self, now: Now, request: RequestId, command: Command) -> Result<()> {
        let result = match command {
            Command::Put(put) => self.put(now, put)?,
            Command::Delete(delete) => self.delete(now, &delete)?,
            Command::Resolve(resolve) => self.resolve(now, resolve)?,
            Command::Admit(grant) => match self.membership.add_grant(grant) {
                Ok(grown) => {
                    if grown {
                        self.membership_grew(now, None)?;
                    }
                    Ok(Reply::Done)
                }
                Err(error) => Err(CommandError::Invalid(error.to_string())),
            },
            Command::Revoke(revocation) => {
                let subject = revocation.subject;
                match self.membership.add_revocation(revocation) {
                    Ok(grown) => {
                        if grown {
                            self.report(Report::MemberRevoked(subject));
                            self.membership_grew(now, None)?;
                            self.begin_epoch_when_due(now)?;
                        }
                        Ok(Reply::Done)
                    }
                    Err(error) => Err(CommandError::Invalid(error.to_string())),
                }
            }
            Command::Fetch { path, begin } => self.fetch_on_request(&path, begin)?,
            Command::Status => Ok(Reply::Status(Box::new(self.status(now)?))),
            Command::SetQuota(quota_bytes) => {
                self.config.quota_bytes = quota_bytes;
                Ok(Reply::Done)
            }
            Command::Flush => Ok(Reply::Done),
        };
        let action = Action::Reply { request, result };
        if self.needs_commit() {
            self.after_commit(action);
        } else {
            self.actions.push_back(action);
        }
        Ok(())
    }

    fn put(&mut self, now: Now, put: Put) -> Result<CommandResult> {
        let Some(name) = self.config.key.name(&put.path) else {
            return Ok(Err(CommandError::NoKey));
        };
        let document = self.view(|view| view.named(&name))?;
        let current = document.etag();
        if !put.precondition.holds(current) {
            return Ok(Err(CommandError::PreconditionFailed { current }));
        }
        if let Some(clash) = self.clash(&put.path)? {
            return Ok(Err(CommandError::Clash(clash)));
        }
        if let Some(quota_bytes) = self.config.quota_bytes {
            let used = self.view(|view| view.everything())?.bytes;
            let old = document.stored().map_or(0, |stored| stored.content.len);
            if used.saturating_sub(old).saturating_add(put.content.len) > quota_bytes {
                return Ok(Err(CommandError::OverQuota { quota_bytes }));
            }
        }
        // Chunks are on the disk already.
        let more = if put.content.payload == Payload::Inline {
            put.content.len
        } else {
            0
        };
        if !self.disk_takes(more) {
            let free_bytes = self.storage_free.unwrap_or(0);
            return Ok(Err(CommandError::DiskFull { free_bytes }));
        }
        // Who named the version, siblings and all, has seen them; who writes blindly replaces what readers see.
        let all = put.resolve || put.precondition.names_version();
        let heads = document.heads().iter().map(|head| head.dot);
        let seen: Vec<Dot> = heads.take(if all { usize::MAX } else { 1 }).collect();
        let path = put.path.clone();
        let what = match name {
            DocumentName::Clear(_) => What::Clear(Operation::Put(put.content), put.attachment),
            DocumentName::Sealed(_) => match body(put) {
                Some((body, manifest)) => What::Secret(body, manifest),
                None => return Ok(Err(CommandError::misfit())),
            },
        };
        let written = self.write(now, &document, &seen, &name, what, true)?;
        Ok(match written {
            Ok(_) => {
                let after = self.view(|view| view.named(&name))?;
                match after.etag() {
                    Some(etag) => Ok(Reply::Stored {
                        etag,
                        created: current.is_none(),
                        siblings_replaced: if all { document.siblings().count() } else { 0 },
                    }),
                    None => Err(CommandError::NotFound(path)),
                }
            }
            Err(error) => Err(error),
        })
    }

    fn delete(&mut self, now: Now, delete: &Delete) -> Result<CommandResult> {
        let Some(name) = self.config.key.name(&delete.path) else {
            return Ok(Err(CommandError::NoKey));
        };
        let document = self.view(|view| view.named(&name))?;
        let current = document.etag();
        let Some(etag) = current else {
            let conditional = delete
                .precondition
                .0
                .iter()
                .any(|condition| matches!(condition, Condition::IfMatch(TagSet::Tags(_) | TagSet::Any)));
            return Ok(Err(if conditional {
                CommandError::PreconditionFailed { current }
            } else {
                CommandError::NotFound(delete.path.clone())
            }));
        };
        if !delete.precondition.holds(current) {
            return Ok(Err(CommandError::PreconditionFailed { current }));
        }
        let heads: Vec<Dot> = document.heads().iter().map(|head| head.dot).collect();
        let what = What::Clear(Operation::Delete, None);
        let written = self.write(now, &document, &heads, &name, what, true)?;
        Ok(written.map(|_| Reply::Deleted { etag }))
    }

    fn resolve(&mut self, now: Now, resolve: Resolve) -> Result<CommandResult> {
        let Some(name) = self.config.key.name(&resolve.path) else {
            return Ok(Err(CommandError::NoKey));
        };
        let document = self.view(|view| view.named(&name))?;
        let is_sibling = document.heads().iter().any(|head| head.dot == resolve.keep);
        let Some(kept) = self.view(|view| view.entry(resolve.keep))?.filter(|_| is_sibling) else {
            return Ok(Err(CommandError::NoSuchSibling(resolve.keep)));
        };
        let what = self.again(kept)?;
        let mut heads: Vec<Dot> = document.heads().iter().map(|head| head.dot).collect();
        if let Some(of) = &resolve.of {
            heads.retain(|head| *head == resolve.keep || of.contains(head));
        }
        // The sibling that stays may lack chunks yet.
        let here = !self.pending.contains(&resolve.keep);
        let written = self.write(now, &document, &heads, &name, what, here)?;
        Ok(written.map(|_| Reply::Done))
    }

    /// What a change stored, for another change of the same document.
    pub(super) fn again(&self, entry: Entry) -> Result<What> {
        let attachment = self.view(|view| view.attachment(entry.dot()))?;
        Ok(match entry.content() {
            Some(content) if content.seal.is_some() => What::Again(Box::new(entry), attachment),
            content => What::Clear(
                content.cloned().map_or(Operation::Delete, Operation::Put),
                attachment,
            ),
        })
    }

    /// Makes an entry that replaces the heads `seen` of `document`.
    pub(super) fn write(
        &mut self,
        now: Now,
        document: &Document,
        seen: &[Dot],
        name: &DocumentName,
        what: What,
        chunks_here: bool,
    ) -> Result<std::result::Result<Dot, CommandError>> {
        let ever = self.membership.capabilities_ever(self.node);
        let still = self.membership.granted_still(self.node);
        if self.membership.is_revoked(self.node) || ever.is_some() && still.is_none() {
            return Ok(Err(CommandError::Revoked(self.node)));
        }
        if self.config.follows
            || still.is_some_and(|own| !access::may(Asker::Key(own), Deed::Write, name.area()))
        {
            return Ok(Err(CommandError::HoldsOnly));
        }
        if matches!(what, What::Secret(..) | What::Again(..)) {
            self.begin_epoch_when_due(now)?;
        }
        let writer = self.writer(now.wall);
        let mut context = Context::new();
        // A writer has always seen its own changes: a sibling of its own making would be superseded unnoticed.
        let heads = document.heads().iter();
        for head in heads.filter(|head| seen.contains(&head.dot) || head.dot.writer == writer) {
            // With all that it had replaced: it never reaches those who get this change alone.
            if let Some(entry) = self.view(|view| view.entry(head.dot))? {
                context.merge(&entry.change().context);
            }
            context.insert(head.dot);
        }
        context.shorten(CONTEXT_WRITERS_KEPT);
        let dot = Dot {
            writer,
            sequence: Sequence(self.own.last.0 + 1),
        };
        let Some((operation, attachment)) = self.sealed_as_it_must(dot, name, what) else {
            return Ok(Err(CommandError::NoKey));
        };
        let attachment = attachment.as_deref();
        let change = Change {
            space: self.config.owner,
            dot,
            name: name.clone(),
            context,
            time: self.clock_of_writes.tick(now.wall),
            operation,
        };
        let entry = match Entry::sign(change, &self.config.key) {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(CommandError::Invalid(error.to_string()))),
        };
        let Ok(manifest) = self.config.key.payloads().attach(&entry, attachment) else {
            return Ok(Err(CommandError::misfit()));
        };
        let opened = self.config.key.open(&entry, attachment).map(|body| body.opened);
        let applied = space::apply(
            self.tx()?,
            &entry,
            attachment,
            manifest.as_ref(),
            chunks_here,
            opened.as_ref(),
        )?;
        self.own.last = dot.sequence;
        self.held.insert(dot);
        self.changed.own = true;
        self.changed.held = true;
        for gone in &applied.replaced {
            self.pending.remove(gone);
            self.fetcher.forget(*gone);
        }
        if applied.pending {
            self.pending.insert(dot);
            self.fetcher.wake(now);
        }
        self.release(applied.released);
        self.fresh.push(dot);
        Ok(Ok(dot))
    }

    /// What a change says and what travels beside it. `None`: it has to be sealed, and cannot be.
    fn sealed_as_it_must(
        &self,
        dot: Dot,
        name: &DocumentName,
        what: What,
    ) -> Option<(Operation, Option<Vec<u8>>)> {
        let (sealed, manifest) = match (what, name) {
            (What::Clear(operation, attachment), _) => return Some((operation, attachment)),
            (_, DocumentName::Clear(_)) => return None,
            (What::Secret(body, manifest), DocumentName::Sealed(name)) => {
                let place = place(self.config.owner, *name, dot);
                (self.config.key.seal(&place, &body)?, manifest)
            }
            (What::Again(entry, attachment), DocumentName::Sealed(name)) => {
                let place = place(self.config.owner, *name, dot);
                let attachment = attachment.as_deref();
                let parts = Attachment::split(entry.content(), attachment)?;
                let manifest = parts.manifest.map(<[u8]>::to_vec);
                (self.config.key.reseal(&entry, attachment, &place)?, manifest)
            }
        };
        Some(sealed_operation(sealed, manifest))
    }

    /// What stands in the way of a document at `path`.
    fn clash(&self, path: &DocumentPath) -> Result<Option<String>> {
        self.view(|view| {
            if !view.folder(&path.as_folder())?.is_empty() {
                return Ok(Some(path.as_folder().as_str().to_owned()));
            }
            for folder in path.ancestors() {
                if let Some(above) = folder.as_document()
                    && view.document(&above)?.stored().is_some()
                {
                    return Ok(Some(above.as_str().to_owned()));
                }
            }
            Ok(None)
        })
    }

    /// What may still be stored here.
    pub(super) fn free_bytes(&self) -> Result<u64> {
        let by_quota = match self.config.quota_bytes {
            Some(quota) => quota.saturating_sub(self.view(|view| view.everything())?.bytes),
            None => u64::MAX,
        };
        let by_disk = self.storage_free.unwrap_or(u64::MAX >> 1);
        Ok(by_quota.min(by_disk.saturating_sub(DISK_RESERVE)))
    }

    /// Says whether `len` bytes more would eat into what the database needs, and counts them if not.
    pub(super) fn disk_takes(&mut self, len: u64) -> bool {
        let Some(free) = &mut self.storage_free else {
            return true;
        };
        let takes = *free >= DISK_RESERVE.saturating_add(len);
        if takes {
            *free -= len;
        }
        takes
    }

    fn status(&self, now: Now) -> Result<Status> {
        let root = self.view(|view| view.everything())?;
        let linked: Vec<_> = self
            .links
            .granted()
            .into_iter()
            .filter_map(|id| self.links.get(id))
            .collect();
        let complete = self.complete();
        let own: Clock = self.own_ranges();
        let mut peers = Vec::new();
        let mut nodes: Vec<_> = self.membership.grants().into_iter().collect();
        nodes.sort_by_key(|grant| grant.subject);
        nodes.dedup_by_key(|grant| grant.subject);
        let mut all_have = complete.clone();
        let by_radio = self.radios.heard();
        for grant in nodes {
            let node = grant.subject;
            // By all its grants together: whoever keeps a space may be let in to read it as well.
            let ever = self.membership.capabilities_ever(node);
            let Some(ever) = ever.filter(|ever| node != self.node && ever.includes(Capabilities::HOLD))
            else {
                continue;
            };
            let revoked = self.membership.is_revoked(node);
            let heard = self.announced.get(&node);
            let record = self.peers.get(&node).cloned().unwrap_or_default();
            let by_radio = by_radio.iter().filter(|heard| heard.node == node);
            let by_radio = by_radio
                .map(|heard| heard.heard)
                .max()
                .map_or(WallTime(0), |heard| {
                    let ago_us = now.instant.0.saturating_sub(heard.0);
                    WallTime(now.wall.0.saturating_sub(ago_us / 1000))
                });
            let lacking = self.held.missing_in(&record.acknowledged);
            let pending = self.count_live(&lacking)?;
            if !revoked {
                all_have = all_have.intersection(&record.acknowledged);
            }
            peers.push(PeerStatus {
                node,
                name: grant.name.clone(),
                holds: true,
                reads: access::may(Asker::Key(ever), Deed::Read, Area::WHOLE),
                revoked,
                linked: linked.iter().any(|link| link.peer == node),
                pending,
                pending_own: self.count_live(&own.missing_in(&record.acknowledged))?,
                in_step: self.pending.is_empty()
                    && record.acknowledged.includes(&self.held)
                    && self.held.includes(&record.acknowledged),
                seen: heard
                    .map_or(record.seen, |heard| heard.time.min(now.wall).max(record.seen))
                    .max(by_radio),
                free_bytes: heard.map(|heard| heard.free_bytes),
                last_refusal: self.refusals.get(&node).cloned(),
            });
        }
        let pending = self.count_live(&own.missing_in(&all_have))?;
        Ok(Status {
            node: self.node,
            owner: self.config.owner,
            documents: root.documents,
            bytes: root.bytes,
            free_bytes: self.free_bytes()?,
            pending,
            incomplete: self
                .pending
                .iter()
                .take(Status::INCOMPLETE_MAX)
                .copied()
                .collect(),
            requested: self.requested.len(),
            clock_digest: clock_digest(&self.held),
            links: self
                .links
                .iter()
                .map(|(link, state)| LinkStatus {
                    link,
                    peer: state.peer,
                    granted: state.granted,
                })
                .collect(),
            heard: by_radio,
            peers,
            twin: self.twin,
            time_source: self.wall.source(),
            time: now.wall,
        })
    }

    /// The dots of this node, of all its incarnations.
    fn own_ranges(&self) -> Clock {
        let mut own = Clock::new();
        for (writer, first, last) in self.held.ranges().filter(|(writer, ..)| writer.node == self.node) {
            own.insert_range(writer, first, last);
        }
        own
    }

    fn count_live(&self, ranges: &[(Writer, Sequence, Sequence)]) -> Result<u64> {
        let mut count = 0;
        for (writer, first, last) in ranges {
            count += self
                .view(|view| view.live_of(*writer, *first, *last, usize::MAX))?
                .len() as u64;
        }
        Ok(count)
    }
}
