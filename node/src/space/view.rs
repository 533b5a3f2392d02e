//! Reading a space.

use std::ops::ControlFlow;

use super::{Document, Folder, Head, SpaceError, folder, keys};
use crate::model::{
    Attachment, BlindName, Clock, Content, DocumentName, DocumentPath, Dot, Entry, FolderPath, Hash,
    Manifest, Payload, Sequence, Writer,
};
use crate::store::{ReadTransaction, Table};

/// One state of a space, through any transaction.
pub struct View<'a, T: ?Sized>(pub &'a T);

/// One line of a folder's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderItem {
    /// A document in the folder.
    Document {
        /// Its name.
        name: String,
        /// Its heads.
        document: Document,
    },
    /// A folder below.
    Folder {
        /// Its name, without a slash.
        name: String,
        /// What lies in it.
        folder: Folder,
    },
}

/// An entry that somebody lacks, with what travels beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingEntry {
    /// Its name.
    pub dot: Dot,
    /// The encoded entry.
    pub entry: Vec<u8>,
    /// Small content or manifest.
    pub attachment: Option<Vec<u8>>,
}

impl<T: ReadTransaction + ?Sized> View<'_, T> {
    /// The document at `path`, as readers see it: see [`Document::load`].
    pub fn document(&self, path: &DocumentPath) -> Result<Document, SpaceError> {
        Document::load(self.0, path)
    }

    /// The document that `name` stands for, with all its heads.
    pub fn named(&self, name: &DocumentName) -> Result<Document, SpaceError> {
        Document::load_named(self.0, name)
    }

    /// Where the document is that `name` stands for, as far as that can be read here.
    pub fn path_of(&self, name: &DocumentName) -> Result<Option<DocumentPath>, SpaceError> {
        Ok(match name {
            DocumentName::Clear(path) => Some(path.clone()),
            DocumentName::Sealed(_) => self.named(name)?.opened_path().cloned(),
        })
    }

    /// Visits the sealed documents.
    pub fn sealed(&self, visit: &mut dyn FnMut(BlindName, &Document)) -> Result<(), SpaceError> {
        let mut result = Ok(());
        self.0.scan(Table::Heads, &[keys::SEALED], &mut |key, value| {
            let Some(name) = keys::parse_sealed(key) else {
                return ControlFlow::Break(());
            };
            match Document::decode(value) {
                Ok(document) => visit(name, &document),
                Err(error) => {
                    result = Err(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        result
    }

    /// All documents and their bytes: those in the folders, and those that are sealed and cannot be read here.
    pub fn everything(&self) -> Result<Folder, SpaceError> {
        let (root, sealed) = (self.folder(&FolderPath::root())?, folder::sealed(self.0)?);
        Ok(Folder {
            documents: root.documents + sealed.documents,
            bytes: root.bytes.saturating_add(sealed.bytes),
            ..root
        })
    }

    /// The folder at `path`.
    pub fn folder(&self, path: &FolderPath) -> Result<Folder, SpaceError> {
        Folder::load(self.0, path)
    }

    /// The live entry `dot`.
    pub fn entry(&self, dot: Dot) -> Result<Option<Entry>, SpaceError> {
        let Some(bytes) = self.0.get(Table::Entries, &keys::dot(dot))? else {
            return Ok(None);
        };
        Entry::decode_trusted(&bytes)
            .map(Some)
            .map_err(|error| SpaceError::Unreadable {
                table: Table::Entries.name(),
                reason: error.to_string(),
            })
    }

    /// What is kept beside a live entry: see [`Attachment`].
    pub fn attachment(&self, dot: Dot) -> Result<Option<Vec<u8>>, SpaceError> {
        Ok(self.0.get(Table::Inline, &keys::dot(dot))?)
    }

    /// The manifest of the live entry `dot`, whose content is `content`; `None` when it needs none.
    pub fn manifest(&self, dot: Dot, content: &Content) -> Result<Option<Manifest>, SpaceError> {
        if !matches!(content.payload, Payload::Manifest(_)) {
            return Ok(None);
        }
        let unreadable = |reason: String| SpaceError::Unreadable {
            table: Table::Inline.name(),
            reason,
        };
        let bytes = self.attachment(dot)?;
        let parts = Attachment::split(Some(content), bytes.as_deref());
        let manifest = parts.and_then(|parts| parts.manifest);
        Manifest::decode(manifest.ok_or_else(|| unreadable(format!("the manifest of {dot} is missing")))?)
            .map(Some)
            .map_err(|error| unreadable(error.to_string()))
    }

    /// Says whether chunks of the live entry `dot` are not here yet.
    pub fn is_pending(&self, dot: Dot) -> Result<bool, SpaceError> {
        Ok(self.0.get(Table::Pending, &keys::dot(dot))?.is_some())
    }

    /// Dots whose payload is not here yet, ascending, from `from` on, at most `limit`.
    pub fn pending(&self, from: Option<Dot>, limit: usize) -> Result<Vec<Dot>, SpaceError> {
        self.dots(Table::Pending, from, limit)
    }

    /// Dots of the tombstones that were not collected yet, likewise.
    pub fn tombstones(&self, from: Option<Dot>, limit: usize) -> Result<Vec<Dot>, SpaceError> {
        self.dots(Table::Tombstones, from, limit)
    }

    fn dots(&self, table: Table, from: Option<Dot>, limit: usize) -> Result<Vec<Dot>, SpaceError> {
        let mut dots = Vec::new();
        let start = from.map(|dot| keys::dot(dot).to_vec()).unwrap_or_default();
        if limit > 0 {
            self.0.scan(table, &start, &mut |key, _| {
                dots.extend(keys::parse_dot(key));
                flow(dots.len() < limit)
            })?;
        }
        Ok(dots)
    }

    /// Visits what lies directly in `folder` and is there: documents first, then folders, each in the byte order of
    /// their names.
    pub fn list(
        &self,
        folder: &FolderPath,
        visit: &mut dyn FnMut(FolderItem) -> ControlFlow<()>,
    ) -> Result<(), SpaceError> {
        let prefix = keys::children(folder);
        let name = |key: &[u8]| {
            key.strip_prefix(&prefix[..])
                .filter(|name| !name.is_empty())
                .map(|name| String::from_utf8_lossy(name).into_owned())
        };
        let mut result = Ok(());
        let mut broken = false;
        self.0.scan(Table::Heads, &prefix, &mut |key, value| {
            let Some(name) = name(key) else {
                return ControlFlow::Break(());
            };
            match Document::decode(value) {
                Ok(document) if document.stored().is_none() => ControlFlow::Continue(()),
                Ok(document) => {
                    let flow = visit(FolderItem::Document { name, document });
                    broken = flow.is_break();
                    flow
                }
                Err(error) => {
                    result = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        result?;
        if broken {
            return Ok(());
        }
        let mut result = Ok(());
        self.0.scan(Table::Folders, &prefix, &mut |key, value| {
            let Some(name) = name(key) else {
                return ControlFlow::Break(());
            };
            match Folder::decode(value) {
                Ok(folder) => visit(FolderItem::Folder { name, folder }),
                Err(error) => {
                    result = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        result
    }

    /// Visits every document below `folder`, at any depth, siblings and tombstones included.
    pub fn walk(
        &self,
        folder: &FolderPath,
        visit: &mut dyn FnMut(&DocumentPath, &Document) -> ControlFlow<()>,
    ) -> Result<(), SpaceError> {
        // Keys of one subtree begin with its path, whatever folder within they belong to.
        let prefix = folder.as_str().as_bytes();
        let mut result = Ok(());
        self.0.scan(Table::Heads, prefix, &mut |key, value| {
            if !key.starts_with(prefix) {
                return ControlFlow::Break(());
            }
            let path = String::from_utf8_lossy(key).replace('\0', "");
            match (DocumentPath::parse(&path), Document::decode(value)) {
                (Ok(path), Ok(document)) => visit(&path, &document),
                (Err(error), _) => {
                    result = Err(SpaceError::Unreadable {
                        table: Table::Heads.name(),
                        reason: error.to_string(),
                    });
                    ControlFlow::Break(())
                }
                (_, Err(error)) => {
                    result = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        result
    }

    /// The documents with concurrent siblings, in path order, at most `limit`.
    pub fn conflicts(&self, limit: usize) -> Result<Vec<(DocumentPath, Vec<Head>)>, SpaceError> {
        let mut conflicts = Vec::new();
        self.walk(&FolderPath::root(), &mut |path, document| {
            if document.is_conflicted() {
                conflicts.push((path.clone(), document.heads().to_vec()));
            }
            flow(conflicts.len() < limit)
        })?;
        Ok(conflicts)
    }

    /// Visits the live entries that `own` covers and `theirs` does not, ascending by dot. `visit` breaks off.
    ///
    /// Gives the dots that were looked through: all of them live and visited, or superseded.
    pub fn missing(
        &self,
        own: &Clock,
        theirs: &Clock,
        visit: &mut dyn FnMut(MissingEntry) -> ControlFlow<()>,
    ) -> Result<Clock, SpaceError> {
        let mut scanned = Clock::new();
        for (writer, first, last) in own.missing_in(theirs) {
            let mut end = last;
            let mut result = Ok(());
            self.0.scan(
                Table::Entries,
                &keys::dot(Dot {
                    writer,
                    sequence: first,
                }),
                &mut |key, value| {
                    let Some(dot) =
                        keys::parse_dot(key).filter(|dot| dot.writer == writer && dot.sequence <= last)
                    else {
                        return ControlFlow::Break(());
                    };
                    let attachment = match self.attachment(dot) {
                        Ok(attachment) => attachment,
                        Err(error) => {
                            result = Err(error);
                            return ControlFlow::Break(());
                        }
                    };
                    let flow = visit(MissingEntry {
                        dot,
                        entry: value.to_vec(),
                        attachment,
                    });
                    if flow.is_break() {
                        end = Sequence(dot.sequence.0 - 1);
                    }
                    flow
                },
            )?;
            result?;
            scanned.insert_range(writer, first, end);
            if end < last {
                break;
            }
        }
        Ok(scanned)
    }

    /// The live entries whose payload has the chunk in it. Looks through all: for repair alone.
    pub fn listing_chunk(&self, chunk: &Hash) -> Result<Vec<Dot>, SpaceError> {
        let mut found = Vec::new();
        let mut result = Ok(());
        self.0.scan(Table::Entries, &[], &mut |key, value| {
            let (Some(dot), Ok(entry)) = (keys::parse_dot(key), Entry::decode_trusted(value)) else {
                return ControlFlow::Continue(());
            };
            let lists = match entry.content() {
                Some(content) if content.payload == Payload::Chunk => Ok(content.hash == *chunk),
                Some(content) => self.manifest(dot, content).map(|manifest| {
                    manifest.is_some_and(|manifest| manifest.chunks().iter().any(|own| own.hash == *chunk))
                }),
                None => Ok(false),
            };
            match lists {
                Ok(true) => found.push(dot),
                Ok(false) => {}
                Err(error) => {
                    result = Err(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        result?;
        Ok(found)
    }

    /// The dots of all live entries.
    pub fn live(&self) -> Result<Clock, SpaceError> {
        let mut live = Clock::new();
        self.0.scan(Table::Entries, &[], &mut |key, _| {
            if let Some(dot) = keys::parse_dot(key) {
                live.insert(dot);
            }
            ControlFlow::Continue(())
        })?;
        Ok(live)
    }

    /// The dots of the live entries of `writer` from `first` to `last`, at most `limit`.
    pub fn live_of(
        &self,
        writer: Writer,
        first: Sequence,
        last: Sequence,
        limit: usize,
    ) -> Result<Vec<Dot>, SpaceError> {
        let mut dots = Vec::new();
        let start = keys::dot(Dot {
            writer,
            sequence: first,
        });
        if limit > 0 {
            self.0.scan(Table::Entries, &start, &mut |key, _| {
                match keys::parse_dot(key) {
                    Some(dot) if dot.writer == writer && dot.sequence <= last => dots.push(dot),
                    _ => return ControlFlow::Break(()),
                }
                flow(dots.len() < limit)
            })?;
        }
        Ok(dots)
    }
}

fn flow(go_on: bool) -> ControlFlow<()> {
    if go_on {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}
