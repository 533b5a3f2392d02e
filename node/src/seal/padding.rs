//! Lengths that tell little: PADMÉ (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019).
//!
//! Of a length the highest bits stay, as many as its exponent has digits, and the others are rounded up: documents of up to `n` bytes have
//! O(log log n) lengths, and none grows by more than 12 %. Behind the bytes stands one that is 0x80, and zeros up to that length (ISO/IEC
//! 7816-4), so that the length itself takes no room.

const MARK: u8 = 0x80;

/// So many bytes `len` bytes take when they are padded, mark included.
pub(super) fn padded_len(len: usize) -> usize {
    padme(len + 1)
}

fn padme(len: usize) -> usize {
    let exponent = len.checked_ilog2().unwrap_or(0);
    let digits = exponent.checked_ilog2().map_or(0, |digits| digits + 1);
    let mask = (1_usize << exponent.saturating_sub(digits)) - 1;
    len.checked_add(mask).map_or(len, |up| up & !mask)
}

/// Pads.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    let len = padded_len(bytes.len());
    bytes.push(MARK);
    bytes.resize(len, 0);
}

/// Takes the padding off. `false`: it is not padded as it must.
pub(super) fn unpad(bytes: &mut Vec<u8>) -> bool {
    let padded = bytes.len();
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    bytes.truncate(padded - zeros);
    bytes.pop() == Some(MARK) && padded_len(bytes.len()) == padded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn lengths_are_those_of_the_paper() {
        // Section 4.3: 9 bytes become 10; table 1's shape.
        for (len, padded) in [
            (0, 0),
            (1, 1),
            (7, 7),
            (8, 8),
            (9, 10),
            (17, 18),
            (1000, 1024),
            (1 << 20, 1 << 20),
        ] {
            assert_eq!(padme(len), padded, "{len}");
        }
    }

    #[test]
    fn few_lengths_are_left() {
        let lens: BTreeSet<usize> = (0..1 << 20).map(padme).collect();
        assert!(lens.len() < 400, "{}", lens.len());
    }

    proptest! {
        #[test]
        fn padding_costs_an_eighth_at_most(len in 9_usize..1 << 40) {
            let padded = padme(len);
            prop_assert!(padded >= len && (padded - len) as f64 <= 0.12 * len as f64);
            prop_assert_eq!(padme(padded), padded);
        }

        #[test]
        fn what_was_padded_comes_back(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(MARK), any::<u8>()], 0..300)) {
            let mut padded = bytes.clone();
            pad(&mut padded);
            prop_assert_eq!(padded.len(), padded_len(bytes.len()));
            prop_assert!(unpad(&mut padded));
            prop_assert_eq!(&padded, &bytes);
            // Longer than it must be: another form of the same would have another tag.
            pad(&mut padded);
            padded.push(0);
            let canonical = padded_len(bytes.len()) == padded.len();
            prop_assert_eq!(unpad(&mut padded), canonical);
        }
    }
}
