//! Going through all chunk files, one subdirectory at a time.

use std::io;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::files::CHUNKS_DIR;
use super::{ChunkDisk, ChunkError};
use crate::model::Hash;

/// The hashes of all chunk files: what the scan for orphans goes through at start.
///
/// Holds the names of one subdirectory. Names that are no hash are skipped. A subdirectory that cannot be read gives one
/// error, and the next follows.
#[derive(Debug)]
pub struct Hashes {
    disk: Arc<dyn ChunkDisk>,
    subdirectories: std::ops::RangeInclusive<u8>,
    prefix: u8,
    names: std::vec::IntoIter<String>,
}

impl Hashes {
    pub(super) fn new(disk: Arc<dyn ChunkDisk>) -> Self {
        Self {
            disk,
            subdirectories: 0..=u8::MAX,
            prefix: 0,
            names: Vec::new().into_iter(),
        }
    }
}

impl Iterator for Hashes {
    type Item = Result<Hash, ChunkError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            for name in self.names.by_ref() {
                if let Ok(rest) = HEXLOWER.decode(name.as_bytes())
                    && let Ok(rest) = <[u8; 31]>::try_from(rest)
                {
                    let mut hash = [self.prefix; 32];
                    hash[1..].copy_from_slice(&rest);
                    return Some(Ok(Hash(hash)));
                }
            }
            self.prefix = self.subdirectories.next()?;
            match self.disk.list(&format!("{CHUNKS_DIR}/{:02x}", self.prefix)) {
                Ok(names) => self.names = names.into_iter(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}
