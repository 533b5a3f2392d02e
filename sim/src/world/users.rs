//! What users ask of nodes.

use std::time::Duration;

use cairn::mesh::{Command, CommandResult, Delete, EngineError, Event, Precondition, Put, RequestId};
use cairn::model::{DocumentPath, ETag, Revocation, WallTime};

use super::{NodeIndex, World};
use crate::laws;
use crate::node::owner_key;

impl World {
    /// A user stores a document. Gives the request, whose reply [`Self::reply`] has once it is there.
    pub fn put(
        &mut self,
        node: NodeIndex,
        path: &DocumentPath,
        body: &[u8],
        precondition: Precondition,
    ) -> Result<RequestId, EngineError> {
        if !self.is_up(node) {
            return Ok(RequestId(u64::MAX));
        }
        let request = RequestId(self.next_request);
        if let Some(secrets) = &mut self.secrets {
            secrets.keep(self.nodes[node].space, path, body);
        }
        let stored = self.nodes[node].store_body(request, path, body, self.body_sizes);
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.asked(self.now_us, request, node, path, Some(body.len() as u64));
        }
        let put = Put {
            path: path.clone(),
            content: stored.content,
            attachment: stored.attachment,
            chunk_keys: stored.chunk_keys,
            precondition,
            resolve: false,
        };
        self.command(node, path, Command::Put(put))
    }

    /// A user stores a document, and has the answer `within` that time. Says whether it was acknowledged.
    pub fn store(
        &mut self,
        node: NodeIndex,
        path: &DocumentPath,
        body: &[u8],
        within: Duration,
    ) -> Result<bool, EngineError> {
        let request = self.put(node, path, body, Precondition::default())?;
        self.run(within)?;
        Ok(self.reply(request).is_some_and(Result::is_ok))
    }

    /// A user deletes a document.
    pub fn delete(&mut self, node: NodeIndex, path: &DocumentPath) -> Result<RequestId, EngineError> {
        if let Some(chronicle) = self
            .chronicle
            .as_mut()
            .filter(|_| self.nodes[node].engine.is_some())
        {
            chronicle.asked(self.now_us, RequestId(self.next_request), node, path, None);
        }
        let delete = Delete {
            path: path.clone(),
            precondition: Precondition::default(),
        };
        self.command(node, path, Command::Delete(delete))
    }

    /// A user asks a node for something that concerns `path`.
    pub fn command(
        &mut self,
        node: NodeIndex,
        path: &DocumentPath,
        command: Command,
    ) -> Result<RequestId, EngineError> {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(request, (node, path.clone()));
        let command = Box::new(command);
        self.handle(node, Event::Command { request, command })?;
        Ok(request)
    }

    /// A node shuts another one out of its space, with the owner's key; what that one said of others stands.
    pub fn revoke(&mut self, by: NodeIndex, other: NodeIndex) -> Result<(), EngineError> {
        let (owner, subject) = (owner_key(self.nodes[by].space), self.nodes[other].key.node_id());
        let Some(engine) = &self.nodes[by].engine else {
            return Ok(());
        };
        let kept = engine.membership().statements_of(subject);
        let revocation = Revocation::issue(owner.owner_id(), subject, WallTime(2), kept, &owner);
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let command = Box::new(Command::Revoke(revocation));
        self.handle(by, Event::Command { request, command })
    }

    /// How a request ended, if it did.
    pub fn reply(&self, request: RequestId) -> Option<&CommandResult> {
        self.replies.get(&request)
    }

    /// Forgets how requests ended: a long run has many of them.
    pub fn forget_replies(&mut self) {
        let replies = &mut self.replies;
        self.requests.retain(|request, _| !replies.contains_key(request));
        replies.clear();
    }

    /// The document's tag at a node.
    pub fn etag(&self, node: NodeIndex, path: &DocumentPath) -> Option<ETag> {
        laws::document(&self.nodes[node].store, path).etag()
    }
}
