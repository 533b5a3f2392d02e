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

/// Reads the input as pieces to seal, and as changes to the sealed stream; says whether the stream came through.
///
/// What opens is always a beginning of what was sealed, and all of it when nothing was changed.
#[cfg(feature = "tcp")]
pub fn sealed(input: &[u8]) -> bool {
    use crate::pipe::{Opener as _, Sealer as _};
    let Some((&[pieces, flipped, high, low, cut], mut rest)) = input.split_first_chunk() else {
        return false;
    };
    let Some((mut sealer, mut opener)) = sealed_stream() else {
        return false;
    };
    let (mut said, mut wire) = (Vec::new(), bytes::BytesMut::new());
    for piece in 0..pieces % 8 {
        // Long pieces take several messages; their bytes need not stand in the input.
        let len = usize::from(rest.split_off_first().copied().unwrap_or(0)) * 700;
        let plain: Vec<u8> = (0..len).map(|at| at as u8 ^ piece).collect();
        let sealing = sealer.seal(&plain, &mut wire).and_then(|()| {
            if rest.split_off_first().is_some_and(|byte| byte % 2 == 1) {
                sealer.flush(&mut wire)?;
            }
            Ok(())
        });
        assert_eq!(sealing, Ok(()));
        said.extend(plain);
    }
    assert_eq!(sealer.flush(&mut wire), Ok(()));
    let at = usize::from(u16::from_be_bytes([high, low])) * 4;
    let changed = flipped != 0 && at < wire.len();
    if changed {
        wire[at] ^= flipped;
    }
    let (mut have, mut heard) = (bytes::BytesMut::new(), Vec::new());
    let len = (usize::from(cut) + 1) * 300;
    while !wire.is_empty() {
        have.extend_from_slice(&wire.split_to(len.min(wire.len())));
        loop {
            match opener.open(&mut have) {
                Ok(Some(plain)) => heard.extend_from_slice(plain),
                Ok(None) => break,
                Err(error) => {
                    assert!(changed, "{error}");
                    assert!(said.starts_with(&heard));
                    return false;
                }
            }
        }
    }
    assert!(said.starts_with(&heard));
    assert!(changed || (heard.len() == said.len() && have.is_empty()));
    !changed
}

/// What one side seals with and the other opens with, after a handshake.
#[cfg(feature = "tcp")]
fn sealed_stream() -> Option<(impl crate::pipe::Sealer, impl crate::pipe::Opener)> {
    use crate::{Handshake, HandshakeKeys, Identity};
    let side =
        |seed, outbound| Handshake::new(&HandshakeKeys::new(&Identity::new([seed; 32])), outbound).ok();
    let (mut dialler, mut listener) = (side(1, true)?, side(2, false)?);
    listener.input(&dialler.output().ok()??).ok()?;
    dialler.input(&listener.output().ok()??).ok()?;
    listener.input(&dialler.output().ok()??).ok()?;
    let ((_, sealer, _), (_, _, opener)) = (dialler.finish()?, listener.finish()?);
    Some((sealer, opener))
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
            #[cfg(feature = "tcp")]
            super::sealed(&input);
        }
    }
}
