//! How an object is cut into blocks and symbols.
//!
//! An object is cut into symbols of one length, of which only the last may be shorter; the symbols are shared out to as few blocks of at
//! most [`BLOCK_SYMBOLS_MAX`] as will do, the first ones longer by a symbol where it does not come out even (as in RFC 6330, 4.4.1.2).
//! Each block is repaired by itself.

use std::ops::Range;

use super::frame::{FRAGMENT_OVERHEAD, Head, ObjectId};

/// Most symbols of a block: a status's bitmap stays at 8 bytes, and a byte names any symbol and many repair symbols.
pub(super) const BLOCK_SYMBOLS_MAX: usize = 64;
/// The longest object, in bytes: a chunk of 1 MiB with its envelope.
pub const OBJECT_LEN_MAX: usize = 1024 * 1024 + 4096;

/// The cuts of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    len: usize,
    symbol_len: usize,
    symbols: usize,
    blocks: usize,
}

impl Layout {
    /// Cuts an object of `len` bytes for frames of at most `frame_len_max`; `None` if it is empty or cannot be carried.
    pub(super) fn new(len: usize, frame_len_max: usize) -> Option<Self> {
        let symbol_len = frame_len_max.checked_sub(FRAGMENT_OVERHEAD)?.min(255);
        if len > 0 && len <= symbol_len * BLOCK_SYMBOLS_MAX {
            return Self::with_symbols(len, symbol_len);
        }
        // One byte goes to the number of the block.
        Self::with_symbols(len, symbol_len.checked_sub(1)?)
    }

    /// The cuts that a head tells of; `None` if nobody makes such.
    pub(super) fn of(head: &Head) -> Option<Self> {
        Self::with_symbols(usize::try_from(head.len).ok()?, usize::from(head.symbol_len))
    }

    fn with_symbols(len: usize, symbol_len: usize) -> Option<Self> {
        if len == 0 || len > OBJECT_LEN_MAX || symbol_len == 0 {
            return None;
        }
        let symbols = len.div_ceil(symbol_len);
        let blocks = symbols.div_ceil(BLOCK_SYMBOLS_MAX);
        (blocks <= 256).then_some(Self {
            len,
            symbol_len,
            symbols,
            blocks,
        })
    }

    pub(super) fn head(&self, object: ObjectId) -> Head {
        Head {
            object,
            len: self.len as u32,
            symbol_len: self.symbol_len as u8,
        }
    }

    pub(super) const fn object_len(&self) -> usize {
        self.len
    }

    pub(super) const fn symbol_len(&self) -> usize {
        self.symbol_len
    }

    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Symbols of a block.
    pub(super) const fn symbols_of(&self, block: usize) -> usize {
        self.symbols / self.blocks + if block < self.symbols % self.blocks { 1 } else { 0 }
    }

    /// Where a block's bytes are in the object.
    pub(super) fn range_of(&self, block: usize) -> Range<usize> {
        let longer = self.symbols % self.blocks;
        let first = block * (self.symbols / self.blocks) + block.min(longer);
        let from = first * self.symbol_len;
        let to = (first + self.symbols_of(block)) * self.symbol_len;
        from.min(self.len)..to.min(self.len)
    }

    /// The length of a source symbol as it goes on air.
    pub(super) fn len_of(&self, block: usize, symbol: usize) -> usize {
        let range = self.range_of(block);
        range
            .len()
            .saturating_sub(symbol * self.symbol_len)
            .min(self.symbol_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_kilobytes_are_one_block_and_a_hundred_are_seven() {
        let ten = Layout::new(10_240, 254).unwrap();
        assert_eq!((ten.blocks(), ten.symbol_len(), ten.symbols_of(0)), (1, 241, 43));
        assert_eq!(ten.len_of(0, 42), 10_240 - 42 * 241);
        let hundred = Layout::new(102_400, 254).unwrap();
        assert_eq!((hundred.blocks(), hundred.symbol_len()), (7, 240));
    }

    proptest::proptest! {
        #[test]
        fn blocks_make_up_the_object(len in 0_usize..OBJECT_LEN_MAX + 10, frame in 0_usize..300) {
            let Some(layout) = Layout::new(len, frame) else {
                proptest::prop_assert!(len == 0 || len > OBJECT_LEN_MAX || frame < 80);
                return Ok(());
            };
            let mut at = 0;
            for block in 0..layout.blocks() {
                let range = layout.range_of(block);
                proptest::prop_assert_eq!(range.start, at);
                at = range.end;
                let symbols = layout.symbols_of(block);
                proptest::prop_assert!(symbols > 0 && symbols <= BLOCK_SYMBOLS_MAX);
                let sum: usize = (0..symbols).map(|symbol| layout.len_of(block, symbol)).sum();
                proptest::prop_assert_eq!(sum, range.len());
            }
            proptest::prop_assert_eq!(at, len);
            proptest::prop_assert_eq!(Layout::of(&layout.head([0; 4])), Some(layout));
        }
    }
}
