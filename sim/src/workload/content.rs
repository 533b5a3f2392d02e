//! Bodies of documents, made when they are needed.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::random::Seeds;
use crate::scenario::Body;

/// What a document holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Made up, one piece after the other.
    Made(Vec<Piece>),
    /// A real file.
    File {
        /// Where it is.
        source: PathBuf,
        /// In bytes, when the scenario was read.
        len: u64,
    },
}

/// A part of a body that is made of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The same seed, form and length make the same bytes.
    pub seed: u64,
    /// What it looks like.
    pub body: Body,
    /// In bytes.
    pub len: u64,
}

impl Content {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Made(pieces) => pieces.iter().map(|piece| piece.len).sum(),
            Self::File { len, .. } => *len,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes. Fails only for a real file that cannot be read any more.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Made(pieces) => Ok(pieces.iter().flat_map(Piece::bytes).collect()),
            Self::File { source, .. } => fs::read(source),
        }
    }
}

/// Words of which texts are made, the frequent ones first.
const WORDS: [&str; 48] = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "water",
    "for",
    "on",
    "we",
    "at",
    "with",
    "was",
    "that",
    "river",
    "from",
    "bridge",
    "will",
    "be",
    "by",
    "morning",
    "village",
    "are",
    "two",
    "road",
    "have",
    "not",
    "this",
    "mill",
    "market",
    "hill",
    "rain",
    "until",
    "tomorrow",
    "seven",
    "north",
    "meeting",
    "bring",
    "school",
    "generator",
    "closed",
    "barley",
    "please",
    "well",
    "medicine",
    "snow",
    "thanks",
];

impl Piece {
    /// The bytes, exactly as many as it says.
    pub fn bytes(&self) -> Vec<u8> {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        let mut generator = Seeds::new(self.seed).generator("body", "");
        let mut bytes = Vec::with_capacity(len);
        match self.body {
            Body::Random => {
                bytes.resize(len, 0);
                generator.fill(&mut bytes);
            }
            Body::Text => {
                while bytes.len() < len {
                    // The smaller of three draws: a few words come often, most seldom.
                    let place = (0..3).map(|_| generator.index(WORDS.len())).min().unwrap_or(0);
                    bytes.extend_from_slice(WORDS[place].as_bytes());
                    bytes.push(if generator.below(12) == 0 { b'\n' } else { b' ' });
                }
                bytes.truncate(len);
            }
            Body::Json => {
                bytes.push(b'[');
                let mut time_s = 1_767_225_600 + generator.below(86_400);
                loop {
                    let record = format!(
                        "{}{{\"sensor\":\"s{}\",\"time\":{time_s},\"temperature\":{}.{},\"ok\":true}}",
                        if bytes.len() > 1 { "," } else { "" },
                        generator.below(10),
                        generator.between(10, 30),
                        generator.below(10),
                    );
                    if bytes.len() + record.len() + 1 > len {
                        break;
                    }
                    bytes.extend_from_slice(record.as_bytes());
                    time_s += generator.between(50, 70);
                }
                pad_json(&mut bytes, len, generator.next_u64());
            }
        }
        bytes
    }
}

/// Ends a JSON list so that the whole has `len` bytes: with a number where no record has room.
fn pad_json(bytes: &mut Vec<u8>, len: usize, number: u64) {
    let left = len.saturating_sub(bytes.len() + 1);
    let comma = usize::from(bytes.len() > 1);
    if left > comma {
        // One digit at least, and no zero in front.
        let digits: String = format!("9{number:020}").chars().take(left - comma).collect();
        bytes.extend_from_slice(&b","[..comma]);
        bytes.extend_from_slice(digits.as_bytes());
    }
    // Blanks may stand anywhere.
    bytes.resize(len.saturating_sub(1).max(bytes.len().min(len)), b' ');
    bytes.push(b']');
    // A list needs two bytes; a single one is a digit.
    if len < 2 {
        bytes.clear();
        bytes.resize(len, b'7');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(body: Body, len: u64) -> Piece {
        Piece { seed: 9, body, len }
    }

    #[test]
    fn bodies_have_their_length_and_form() {
        for len in (0..200).chain([1000, 10_240]) {
            for body in [Body::Random, Body::Text, Body::Json] {
                let bytes = piece(body, len).bytes();
                assert_eq!(bytes.len() as u64, len, "{body:?}");
                if body == Body::Json && len > 0 {
                    let parsed = serde_json::from_slice::<serde_json::Value>(&bytes);
                    assert!(parsed.is_ok(), "{len}: {:?}", String::from_utf8_lossy(&bytes));
                }
                assert!(body == Body::Random || std::str::from_utf8(&bytes).is_ok());
            }
        }
        assert_eq!(piece(Body::Text, 500).bytes(), piece(Body::Text, 500).bytes());
        let other = Piece {
            seed: 8,
            ..piece(Body::Json, 40)
        };
        assert_ne!(piece(Body::Json, 40).bytes(), other.bytes());
    }

    #[test]
    fn they_compress_as_such_things_do() {
        let packed = |body| {
            let bytes = piece(body, 10_240).bytes();
            zstd::bulk::compress(&bytes, 3).unwrap().len()
        };
        assert!(packed(Body::Random) > 10_240);
        assert!(
            (1000..3500).contains(&packed(Body::Json)),
            "{}",
            packed(Body::Json)
        );
        assert!(
            (2500..5500).contains(&packed(Body::Text)),
            "{}",
            packed(Body::Text)
        );
    }
}
