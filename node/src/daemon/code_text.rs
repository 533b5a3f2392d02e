//! Codes: bytes as one line of text that people copy, with a checksum against what gets lost on the way.

use data_encoding::BASE64URL_NOPAD;

/// Longest code, in characters.
pub(super) const CODE_LEN_MAX: usize = 8192;
const CHECK_LEN: usize = 4;

/// What codes of one kind begin with, and the context of their checksum.
pub(super) struct CodeKind {
    pub(super) prefix: &'static str,
    pub(super) context: &'static str,
    /// The version that is read.
    pub(super) version: u8,
    /// Where it stands in the bytes: behind the heads of the arrays around it.
    pub(super) version_at: usize,
}

/// Why a text is no code of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadCode {
    /// Something else.
    Other,
    /// A character got lost or changed.
    Damaged,
    /// Of a version that is not read.
    Version(u8),
}

impl CodeKind {
    fn check(&self, bytes: &[u8]) -> [u8; CHECK_LEN] {
        let mut hasher = blake3::Hasher::new_derive_key(self.context);
        hasher.update(bytes);
        let mut check = [0; CHECK_LEN];
        hasher.finalize_xof().fill(&mut check);
        check
    }

    /// The line of text.
    pub(super) fn write(&self, mut bytes: Vec<u8>) -> String {
        let check = self.check(&bytes);
        bytes.extend_from_slice(&check);
        format!("{}{}", self.prefix, BASE64URL_NOPAD.encode(&bytes))
    }

    /// The bytes in a line of text.
    pub(super) fn read(&self, code: &str) -> Result<Vec<u8>, BadCode> {
        let text = code.trim().strip_prefix(self.prefix).ok_or(BadCode::Other)?;
        if text.len() > CODE_LEN_MAX {
            return Err(BadCode::Damaged);
        }
        let mut bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| BadCode::Damaged)?;
        let (body, sum) = bytes.split_last_chunk::<CHECK_LEN>().ok_or(BadCode::Damaged)?;
        if self.check(body) != *sum {
            return Err(BadCode::Damaged);
        }
        bytes.truncate(bytes.len() - CHECK_LEN);
        match bytes.get(self.version_at) {
            Some(version) if *version != self.version => Err(BadCode::Version(*version)),
            _ => Ok(bytes),
        }
    }
}
