//! An input as a list of choices: how bytes of a fuzzer become a valid structure.

use std::sync::LazyLock;

use cairn::model::KeyPair;

/// How many key pairs the structures are signed with: more than the longest chain of grants has steps.
pub(super) const KEYS: usize = 12;

static PAIRS: LazyLock<Vec<KeyPair>> = LazyLock::new(|| {
    (1..=KEYS as u8)
        .map(|seed| KeyPair::from_seed(&[seed; 32]))
        .collect()
});

/// One of the known key pairs.
pub(super) fn key(index: usize) -> &'static KeyPair {
    &PAIRS[index % KEYS]
}

/// The bytes of an input, taken one choice after another; zeros when they are used up.
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that no choice was made of yet.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *byte
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `bound`, which is at most 256.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    pub(super) fn array<const LEN: usize>(&mut self) -> [u8; LEN] {
        std::array::from_fn(|_| self.byte())
    }

    /// Any number; small ones, and those at the upper end, come easily.
    pub(super) fn number(&mut self) -> u64 {
        match self.byte() % 5 {
            0 => u64::from(self.byte()),
            1 => u64::from(u16::from_be_bytes(self.array())),
            2 => u64::from_be_bytes(self.array()),
            3 => (u64::MAX >> 1) - u64::from(self.byte()),
            _ => u64::MAX - u64::from(self.byte()),
        }
    }

    /// At most 255 bytes of the input itself.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    /// At most 255 bytes of the input itself, or of one repeated byte a length up to 64 KiB.
    pub(super) fn blob(&mut self) -> Vec<u8> {
        if self.byte() < 224 {
            return self.bytes().to_vec();
        }
        let len = usize::from(u16::from_be_bytes(self.array()));
        vec![self.byte(); len]
    }

    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub(super) fn option<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    /// Up to `len_max` of what `make` makes, as long as there are choices left.
    pub(super) fn list<T>(&mut self, len_max: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = usize::from(self.byte()) % (len_max + 1);
        let mut list = Vec::new();
        while list.len() < len && !self.is_empty() {
            list.push(make(self));
        }
        list
    }

    pub(super) fn key(&mut self) -> &'static KeyPair {
        key(usize::from(self.byte()))
    }

    /// Changes up to four places of `bytes`, or cuts them off. Says whether they differ now.
    pub(super) fn damage(&mut self, bytes: &mut Vec<u8>) -> bool {
        let whole = bytes.clone();
        for _ in 0..self.below(5) {
            let at = usize::from(u16::from_be_bytes(self.array())) % bytes.len().max(1);
            match self.byte() {
                bit @ 0..=127 => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
                128..=159 => bytes.truncate(at),
                160..=191 => bytes.insert(at.min(bytes.len()), self.byte()),
                192..=223 => drop(bytes.drain(at.min(bytes.len())..(at + 1).min(bytes.len()))),
                _ => {
                    let again = bytes[at.min(bytes.len())..].to_vec();
                    bytes.extend(again);
                }
            }
        }
        *bytes != whole
    }
}
