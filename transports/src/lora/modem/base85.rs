//! Bytes as printable characters, five for four: for modems of which nobody says whether they carry any byte.
//!
//! The alphabet is that of Z85 (ZeroMQ RFC 32). One to three bytes at the end become two to four characters: as if zeros followed, of which
//! the characters are left out, as Ascii85 does it.

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Characters for so many bytes.
pub(super) const fn encoded_len(len: usize) -> usize {
    len / 4 * 5 + if len.is_multiple_of(4) { 0 } else { len % 4 + 1 }
}

/// The bytes as characters.
pub(super) fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(encoded_len(bytes.len()));
    for group in bytes.chunks(4) {
        let mut padded = [0; 4];
        padded[..group.len()].copy_from_slice(group);
        let mut number = u32::from_be_bytes(padded);
        let mut characters = [0; 5];
        for character in characters.iter_mut().rev() {
            *character = ALPHABET[(number % 85) as usize];
            number /= 85;
        }
        text.extend(&characters[..=group.len()]);
    }
    text
}

/// The bytes of a text that [`encode`] made; `None` for any other.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4 + 4);
    for group in text.chunks(5) {
        if group.len() == 1 {
            return None;
        }
        let mut number = 0_u64;
        for at in 0..5 {
            let digit = match group.get(at) {
                Some(character) => ALPHABET.iter().position(|own| own == character)?,
                None => 84,
            };
            number = number * 85 + digit as u64;
        }
        let group_bytes = u32::try_from(number).ok()?.to_be_bytes();
        bytes.extend(&group_bytes[..group.len() - 1]);
    }
    // Only one text stands for each bytes.
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc() {
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b];
        assert_eq!(encode(&bytes), b"HelloWorld");
        assert_eq!(decode(b"HelloWorld").as_deref(), Some(&bytes[..]));
        assert_eq!((encoded_len(192), encoded_len(193)), (240, 242));
    }

    proptest! {
        #[test]
        fn everything_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), encoded_len(bytes.len()));
            prop_assert_eq!(decode(&text), Some(bytes));
        }

        #[test]
        fn what_is_read_is_what_would_be_written(text in proptest::collection::vec(any::<u8>(), 0..50)) {
            if let Some(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
