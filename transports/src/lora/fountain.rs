//! Repair symbols: any that comes makes up for any that got lost.
//!
//! RaptorQ (RFC 6330), by the crate of that name. A block of k symbols is known again from k different ones of its source and repair
//! symbols in 99 of 100 cases, from k + 1 in all but one of 10,000. So one transmission serves receivers that lack different things.

use raptorq::{
    EncodingPacket, ObjectTransmissionInformation, PayloadId, SourceBlockDecoder, SourceBlockEncoder,
};

fn information(block_len: usize, symbol_len: usize) -> ObjectTransmissionInformation {
    ObjectTransmissionInformation::new(block_len as u64, symbol_len as u16, 1, 1, 1)
}

/// A block's bytes, with zeros up to a whole symbol.
fn padded(block: &[u8], symbol_len: usize) -> Vec<u8> {
    let mut bytes = block.to_vec();
    bytes.resize(block.len().next_multiple_of(symbol_len), 0);
    bytes
}

/// Makes repair symbols of one block.
pub(super) struct RepairSource {
    encoder: SourceBlockEncoder,
    symbols: u32,
}

impl RepairSource {
    pub(super) fn new(block: &[u8], symbol_len: usize) -> Self {
        let bytes = padded(block, symbol_len);
        Self {
            symbols: (bytes.len() / symbol_len) as u32,
            encoder: SourceBlockEncoder::new(0, &information(bytes.len(), symbol_len), &bytes),
        }
    }

    /// The repair symbol of this number; numbers begin behind those of the source symbols.
    pub(super) fn symbol(&self, number: u8) -> Vec<u8> {
        let start = u32::from(number).saturating_sub(self.symbols);
        self.encoder
            .repair_packets(start, 1)
            .pop()
            .map(|packet| packet.data().to_vec())
            .unwrap_or_default()
    }
}

/// Puts a block of `block_len` bytes together from any of its symbols, each with its number. `None`: these do not suffice.
pub(super) fn decode<'a>(
    block_len: usize,
    symbol_len: usize,
    symbols: impl Iterator<Item = (u8, &'a Vec<u8>)>,
) -> Option<Vec<u8>> {
    let padded_len = block_len.next_multiple_of(symbol_len);
    let mut decoder = SourceBlockDecoder::new(0, &information(padded_len, symbol_len), padded_len as u64);
    let packets: Vec<EncodingPacket> = symbols
        .map(|(number, bytes)| {
            let id = PayloadId::new(0, u32::from(number));
            EncodingPacket::new(id, padded(bytes, symbol_len))
        })
        .collect();
    let mut block = decoder.decode(packets)?;
    block.truncate(block_len);
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

        #[test]
        fn a_block_comes_back_from_any_symbols(
            len in 1_usize..3000, symbol_len in 40_usize..60, lost in proptest::collection::btree_set(0_u8..64, 0..20),
        ) {
            let block: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
            let source = len.div_ceil(symbol_len);
            let repair = RepairSource::new(&block, symbol_len);
            let mut symbols: Vec<(u8, Vec<u8>)> = block
                .chunks(symbol_len)
                .enumerate()
                .map(|(number, bytes)| (number as u8, bytes.to_vec()))
                .filter(|(number, _)| !lost.contains(number))
                .collect();
            // Two more than needed: never enough to be sure, and it fails once in a million cases.
            for number in source..source + (source - symbols.len()) + 2 {
                symbols.push((number as u8, repair.symbol(number as u8)));
            }
            let decoded = decode(len, symbol_len, symbols.iter().map(|(number, bytes)| (*number, bytes)));
            proptest::prop_assert_eq!(decoded, Some(block));
        }
    }

    #[test]
    fn too_few_symbols_give_nothing() {
        let block = vec![5; 1000];
        let symbols: Vec<(u8, Vec<u8>)> = block
            .chunks(100)
            .enumerate()
            .skip(1)
            .map(|(number, bytes)| (number as u8, bytes.to_vec()))
            .collect();
        assert_eq!(
            decode(1000, 100, symbols.iter().map(|(number, bytes)| (*number, bytes))),
            None
        );
    }
}
