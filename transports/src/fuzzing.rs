//! What a fuzzer feeds with bytes from outside. Each function returns, whatever it is given.

use crate::framing::RecordDecoder;

/// Reads the input as the records of a link, in pieces of a length that its first byte chooses.
pub fn records(input: &[u8]) {
    let Some((piece, stream)) = input.split_first() else {
        return;
    };
    let mut decoder = RecordDecoder::default();
    for mut piece in stream.chunks(usize::from(*piece) + 1) {
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Reads the input as what a stranger says in a handshake: to the side that listens or to the one that dialled, as its first byte chooses.
#[cfg(feature = "tcp")]
pub fn handshake(input: &[u8]) {
    use crate::{Handshake, HandshakeKeys, Identity};
    let Some((outbound, mut rest)) = input.split_first() else {
        return;
    };
    let keys = HandshakeKeys::new(&Identity::new([1; 32]));
    let Ok(mut handshake) = Handshake::new(&keys, outbound & 1 == 1) else {
        return;
    };
    while let Ok(sent) = handshake.output() {
        match handshake.input(rest) {
            Ok(0) if sent.is_none() => return,
            Ok(taken) => rest = &rest[taken..],
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_input_is_survived(input in proptest::collection::vec(any::<u8>(), 0..600)) {
            super::records(&input);
            #[cfg(feature = "tcp")]
            super::handshake(&input);
        }
    }
}
