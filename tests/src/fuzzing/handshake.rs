//! The handshake of a TCP link, and the sealed stream after it.

use cairn_transports::{Handshake, HandshakeError, HandshakeKeys, Identity};

use super::choices::Choices;

/// Laws: both sides finish if and only if no byte changed on the way, whatever the pieces; a side never takes more
/// than one message, and nothing when it is its turn to speak; of a sealed stream, what opens is a beginning of what
/// was sealed, and all of it if no byte changed.
pub fn handshake(data: &[u8]) -> bool {
    let mut choices = Choices::new(data);
    match choices.byte() % 4 {
        0 => {
            cairn_transports::fuzzing::handshake(choices.rest());
            false
        }
        1 => cairn_transports::fuzzing::sealed(choices.rest()),
        _ => talk(&mut choices),
    }
}

fn side(choices: &mut Choices, outbound: bool) -> Handshake {
    let keys = HandshakeKeys::new(&Identity::new([choices.byte() % 4 + 1; 32]));
    Handshake::new(&keys, outbound).expect("the pattern is known")
}

/// Lets two sides talk over a wire that may change what is said.
fn talk(choices: &mut Choices) -> bool {
    let (mut dialler, mut listener) = (side(choices, true), side(choices, false));
    let damaged_turn = choices.below(4);
    let piece = usize::from(choices.byte()) + 1;
    let mut changed = false;
    for turn in 0..3 {
        let (from, to) = if turn % 2 == 0 {
            (&mut dialler, &mut listener)
        } else {
            (&mut listener, &mut dialler)
        };
        let Some(mut message) = from.output().expect("the cipher works") else {
            assert!(changed, "whoever got a whole message answers it");
            break;
        };
        assert_eq!(from.output(), Ok(None), "one message a turn");
        if turn == damaged_turn {
            changed |= choices.damage(&mut message);
        }
        if deliver(to, &message, piece).is_err() {
            assert!(changed, "a message that nobody changed is understood");
            break;
        }
    }
    // A byte behind the last message belongs to the stream that follows, and is nobody's concern here.
    let both = dialler.is_finished() && listener.is_finished();
    assert!(both || changed);
    both
}

/// Hands a message over in pieces, as a socket would; bytes behind it are left.
fn deliver(to: &mut Handshake, message: &[u8], piece: usize) -> Result<(), HandshakeError> {
    let mut have = Vec::new();
    for part in message.chunks(piece) {
        have.extend_from_slice(part);
        let taken = to.input(&have)?;
        assert!(taken <= have.len());
        if taken > 0 {
            assert_eq!(to.input(&have[taken..]), Ok(0), "one message a turn");
            return Ok(());
        }
    }
    Ok(())
}
