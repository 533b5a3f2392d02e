//! A watch over private and shared documents: no byte of them may be readable on air, or reach a node that is not one of their owner's.
//!
//! Watched are pieces of 16 bytes that are found nowhere by chance: the beginning of a body of noise, and the end of a path.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cairn::model::{Category, DocumentPath};
use cairn::store::{ReadTransaction, Store, Table};

use super::{NodeIndex, World};
use crate::laws::Broken;

const PIECE_LEN: usize = 16;

/// Pieces of private documents, and the first of them that was seen where it must not be.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Whose a piece is; `None` if documents of two spaces have it.
    spaces: BTreeMap<[u8; PIECE_LEN], Option<usize>>,
    /// First two bytes of pieces, so that most places need no look into the map.
    starts: Vec<u64>,
    leaked: Option<String>,
}

const fn start(bytes: &[u8; PIECE_LEN]) -> (usize, u64) {
    let start = bytes[0] as usize * 256 + bytes[1] as usize;
    (start / 64, 1 << (start % 64))
}

impl Secrets {
    /// From now on a document's pieces are watched, unless it is public.
    pub(super) fn keep(&mut self, space: usize, path: &DocumentPath, body: &[u8]) {
        if path.category() == Category::Public {
            return;
        }
        let noise = body.first_chunk().filter(|piece| !piece.is_ascii());
        let name = path.as_str().as_bytes().last_chunk();
        for piece in [noise, name].into_iter().flatten() {
            let whose = self.spaces.entry(*piece).or_insert(Some(space));
            if *whose != Some(space) {
                *whose = None;
            }
            self.starts.resize(1024, 0);
            let (word, bit) = start(piece);
            self.starts[word] |= bit;
        }
    }

    /// The space of a piece that is in these bytes and belongs to another one than `space`.
    fn find(&self, space: Option<usize>, bytes: &[u8]) -> Option<usize> {
        let mut pieces = bytes.windows(PIECE_LEN).filter_map(|window| window.first_chunk());
        pieces.find_map(|piece: &[u8; PIECE_LEN]| {
            let (word, bit) = start(piece);
            if self.starts.get(word).is_none_or(|starts| starts & bit == 0) {
                return None;
            }
            let whose = self.spaces.get(piece).copied().flatten();
            whose.filter(|whose| Some(*whose) != space)
        })
    }

    /// Looks at bytes that come to a node of this space; `None`: to anybody.
    pub(super) fn watch(&mut self, space: Option<usize>, bytes: &[u8], where_: impl FnOnce() -> String) {
        if self.leaked.is_none()
            && let Some(whose) = self.find(space, bytes)
        {
            self.leaked = Some(format!(
                "a document of space {whose} could be read in what {}",
                where_()
            ));
        }
    }
}

impl World {
    /// From now on watches over private and shared documents.
    pub fn watch_secrets(&mut self) {
        self.secrets = Some(Secrets::default());
    }

    /// Looks at a frame on its way to a node, as its sender's engine made it.
    pub(super) fn watch_wire(&mut self, to: NodeIndex, frame: &[u8]) {
        let reads = self.nodes[to].reads();
        let all_read = self.spaces.len() < 2 && reads.is_some();
        if !all_read && let Some(secrets) = &mut self.secrets {
            secrets.watch(reads, frame, || format!("was sent to node {to}"));
        }
    }

    /// No private byte was seen on air, on a wire to another space, or is on the disk of a node of another space.
    pub(crate) fn private_bytes_stay(&self) -> Result<(), Broken> {
        let Some(secrets) = &self.secrets else {
            return Ok(());
        };
        if let Some(leaked) = &secrets.leaked {
            return Err(Broken(leaked.clone()));
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let reads = node.reads();
            if self.spaces.len() < 2 && reads.is_some() {
                continue;
            }
            let mut found = node
                .chunks
                .values()
                .any(|bytes| secrets.find(reads, bytes).is_some());
            if let Ok(read) = node.store.read() {
                for table in Table::ALL {
                    let _ = read.scan(table, &[], &mut |key, value| {
                        found |= secrets.find(reads, key).is_some() || secrets.find(reads, value).is_some();
                        ControlFlow::Continue(())
                    });
                }
            }
            if found {
                return Err(Broken(format!(
                    "node {index} has a document on its disk that it may not read"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_wherever_they_are() {
        let mut secrets = Secrets::default();
        let path: DocumentPath = "/private/notes/alder/17".parse().unwrap();
        let body: Vec<u8> = (150..250).collect();
        secrets.keep(1, &path, &body);
        let around = |bytes: &[u8]| [b"before", bytes, b"after"].concat();
        assert_eq!(secrets.find(Some(0), &around(&body[..20])), Some(1));
        assert_eq!(secrets.find(None, &around(b"/private/notes/alder/17")), Some(1));
        assert_eq!(
            secrets.find(Some(1), &around(&body)),
            None,
            "its own space may have it"
        );
        assert_eq!(secrets.find(None, &around(&body[1..16])), None);
        secrets.keep(0, &path, b"text, which others may write as well");
        assert_eq!(
            secrets.find(None, b"/private/notes/alder/17"),
            None,
            "both have such a path"
        );
        secrets.watch(None, &body, || "a test sent".into());
        assert!(secrets.leaked.is_some());
    }
}
