//! The one door to CBOR.
//!
//! `ciborium` accepts trailing bytes, non-minimal integers and duplicate keys. Whatever is signed or hashed must
//! have one form only, so [`decode`] bounds the length first, demands that every byte was read, and then encodes the
//! value again and compares: a value that is not in its canonical form is refused.

use serde::{Serialize, de::DeserializeOwned};

/// Why bytes are not the value they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// More bytes than the kind of value may have.
    #[error("{len} bytes are more than the {len_max} allowed here")]
    TooLong {
        /// Bytes that came.
        len: usize,
        /// Bytes allowed.
        len_max: usize,
    },
    /// Not CBOR, or not of the expected form.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Well-formed, but not in the one form that this value has (trailing bytes, long integers, doubled keys).
    #[error("not in canonical form")]
    NotCanonical,
}

/// Encodes a value in its canonical form.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail, and no type of the model has a serializer that does.
    if let Err(error) = ciborium::into_writer(value, &mut bytes) {
        unreachable!("a model value did not serialize: {error}");
    }
    bytes
}

/// Decodes a value of at most `len_max` bytes.
///
/// Allocates in proportion to the input alone, whatever lengths it declares.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], len_max: usize) -> Result<T, CodecError> {
    let value = decode_own(bytes, len_max)?;
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Decodes a value that this node encoded itself, out of its own store: that it is in canonical form is taken for
/// granted, which saves half of the time.
pub fn decode_own<T: DeserializeOwned>(bytes: &[u8], len_max: usize) -> Result<T, CodecError> {
    if bytes.len() > len_max {
        return Err(CodecError::TooLong {
            len: bytes.len(),
            len_max,
        });
    }
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| CodecError::Malformed(error.to_string()))?;
    if !rest.is_empty() {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(decode::<u8>(&[1, 1], 16), Err(CodecError::NotCanonical));
    }

    #[test]
    fn long_integers_are_refused() {
        assert_eq!(decode::<u8>(&[0x18, 1], 16), Err(CodecError::NotCanonical));
        assert_eq!(decode::<u8>(&[1], 16), Ok(1));
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        let bomb = [0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(matches!(
            decode::<serde_bytes::ByteBuf>(&bomb, 64),
            Err(CodecError::Malformed(_))
        ));
    }

    #[test]
    fn the_length_is_bounded_before_anything_is_read() {
        assert_eq!(
            decode::<u8>(&[0; 17], 16),
            Err(CodecError::TooLong { len: 17, len_max: 16 })
        );
    }
}
