//! Chunks that came by radio before anybody here asked for them.

use std::collections::VecDeque;

use crate::model::Hash;

/// Chunks that others asked for: the entry that lists them may have been lost here, and comes later.
#[derive(Debug, Default)]
pub struct Overheard(VecDeque<(Hash, Vec<u8>)>);

impl Overheard {
    /// Most bytes that are kept.
    pub const LEN_MAX: usize = 512 * 1024;

    /// Bytes that are kept now.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Keeps a chunk; the oldest ones make room for it.
    pub fn keep(&mut self, chunk: Hash, bytes: Vec<u8>) {
        if bytes.len() > Self::LEN_MAX || self.0.iter().any(|(other, _)| *other == chunk) {
            return;
        }
        self.0.push_back((chunk, bytes));
        while self.bytes() > Self::LEN_MAX {
            self.0.pop_front();
        }
    }

    /// The chunk, if it was heard.
    pub fn take(&mut self, chunk: &Hash) -> Option<Vec<u8>> {
        let at = self.0.iter().position(|(other, _)| other == chunk)?;
        self.0.remove(at).map(|(_, bytes)| bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let mut overheard = Overheard::default();
        let chunk = |number: u8| Hash::of(&[number]);
        for number in 0..5 {
            overheard.keep(chunk(number), vec![number; Overheard::LEN_MAX / 4]);
        }
        assert_eq!(overheard.take(&chunk(0)), None);
        assert_eq!(overheard.take(&chunk(1)), Some(vec![1; Overheard::LEN_MAX / 4]));
        assert_eq!(overheard.take(&chunk(1)), None);
        overheard.keep(chunk(9), vec![0; Overheard::LEN_MAX + 1]);
        assert_eq!(overheard.take(&chunk(9)), None);
    }
}
