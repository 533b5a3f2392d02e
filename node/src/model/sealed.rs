//! What a sealed change shows to those who lack its key.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::DocumentPath;
use super::access::Area;
use super::bytes32::fixed_bytes;

fixed_bytes! {
    /// Stands for a document's path: a keyed hash of it, the same in every epoch of a space.
    BlindName, 16
}

fixed_bytes! {
    /// Names the key of an epoch: a hash of it, from which nothing follows.
    EpochId, 8
}

fixed_bytes! {
    /// A keyed hash of one change's body, and of its name. The key under which the body is sealed follows from it.
    BodyTag, 16
}

/// With what a body is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(EpochId, BodyTag)", into = "(EpochId, BodyTag)")]
pub struct Seal {
    /// Whose key.
    pub epoch: EpochId,
    /// The body's tag.
    pub tag: BodyTag,
}

impl From<(EpochId, BodyTag)> for Seal {
    fn from((epoch, tag): (EpochId, BodyTag)) -> Self {
        Self { epoch, tag }
    }
}

impl From<Seal> for (EpochId, BodyTag) {
    fn from(seal: Seal) -> Self {
        (seal.epoch, seal.tag)
    }
}

/// Which document a change is of: the path itself in `public/`, elsewhere what stands for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentName {
    /// A public document's path.
    Clear(DocumentPath),
    /// What stands for the path of a private or shared document.
    Sealed(BlindName),
}

impl DocumentName {
    /// The path, if it is no secret.
    pub fn path(&self) -> Option<&DocumentPath> {
        match self {
            Self::Clear(path) => Some(path),
            Self::Sealed(_) => None,
        }
    }

    /// Where the document lies, as far as the name tells.
    pub fn area(&self) -> Area<'_> {
        self.path().map_or(Area::WHOLE, Area::of_document)
    }
}

impl fmt::Display for DocumentName {
    /// The path, or `sealed:` and 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear(path) => write!(f, "{path}"),
            Self::Sealed(name) => write!(f, "sealed:{name}"),
        }
    }
}

/// A text, or a byte string.
impl Serialize for DocumentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Clear(path) => path.serialize(serializer),
            Self::Sealed(name) => serializer.serialize_bytes(name.as_bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for DocumentName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl serde::de::Visitor<'_> for NameVisitor {
    type Value = DocumentName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, or 16 bytes that stand for one")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        DocumentPath::parse(text)
            .map(DocumentName::Clear)
            .map_err(E::custom)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let name = bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))?;
        Ok(DocumentName::Sealed(BlindName(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::codec;

    #[test]
    fn a_name_is_a_text_or_bytes() {
        let clear = DocumentName::Clear(DocumentPath::parse("/public/a/b").unwrap());
        let sealed = DocumentName::Sealed(BlindName([7; 16]));
        for (name, first) in [(&clear, 0x6b), (&sealed, 0x50)] {
            let bytes = codec::encode(name);
            assert_eq!(bytes[0], first);
            assert_eq!(&codec::decode::<DocumentName>(&bytes, 64).unwrap(), name);
        }
        assert!(codec::decode::<DocumentName>(&codec::encode(&"nowhere"), 64).is_err());
        let short = codec::encode(&serde_bytes::Bytes::new(&[7; 15]));
        assert!(codec::decode::<DocumentName>(&short, 64).is_err());
        assert_eq!(sealed.to_string(), format!("sealed:{}", "07".repeat(16)));
    }
}
