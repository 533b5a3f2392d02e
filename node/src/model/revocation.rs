//! Revocations: who is shut out of a space, and what of theirs goes on to hold.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::codec;
use super::grant::GrantError;
use super::{BadSignature, Hash, KeyPair, NodeId, OwnerId, Signature, WallTime, verify};

/// Most statements that one revocation keeps.
pub const KEPT_MAX: usize = 512;
/// Most bytes of one encoded revocation.
pub const REVOCATION_LEN_MAX: usize = 10 * 1024;

const VERSION: u8 = 1;
const CONTEXT: &str = "cairn 1 revocation";

/// Names a grant or revocation: the first 16 bytes of BLAKE3 of its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Bytes16", into = "Bytes16")]
pub struct StatementId([u8; 16]);

impl StatementId {
    /// Its first bytes: enough to tell what somebody else lacks.
    pub(crate) const fn short(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }
}

/// As a CBOR byte string.
type Bytes16 = serde_bytes::ByteArray<16>;

impl From<Bytes16> for StatementId {
    fn from(bytes: Bytes16) -> Self {
        Self(bytes.into_array())
    }
}

impl From<StatementId> for Bytes16 {
    fn from(id: StatementId) -> Self {
        Self::new(id.0)
    }
}

impl StatementId {
    pub(super) fn of(encoded: &[u8]) -> Self {
        let hash = Hash::of(encoded);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.0[..16]);
        Self(id)
    }
}

impl std::fmt::Display for StatementId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// A signed statement that a key belongs to a space no longer. It cannot be taken back: a device that returns makes
/// itself a new key.
///
/// It also voids every grant and revocation that its subject signed, but for those that it names: so a lost device
/// admits nobody any more, whatever date it writes on the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Whose space.
    pub space: OwnerId,
    /// The key that is shut out.
    pub subject: NodeId,
    /// When.
    pub revoked: WallTime,
    /// What the subject signed, as far as the issuer knew: this goes on to hold. Ascending.
    pub kept: Vec<StatementId>,
    /// The key that signed.
    pub issuer: [u8; 32],
    signature: Signature,
}

type Wire = (u8, OwnerId, NodeId, WallTime, Vec<StatementId>, NodeId);

impl Revocation {
    /// Revokes `subject`, signed by `issuer`. Of `kept`, the first [`KEPT_MAX`] count.
    pub fn issue(
        space: OwnerId,
        subject: NodeId,
        revoked: WallTime,
        mut kept: Vec<StatementId>,
        issuer: &KeyPair,
    ) -> Self {
        kept.truncate(KEPT_MAX);
        kept.sort_unstable();
        let mut revocation = Self {
            space,
            subject,
            revoked,
            kept,
            issuer: issuer.public(),
            signature: Signature([0; 64]),
        };
        revocation.signature = issuer.sign(CONTEXT, &codec::encode(&revocation.to_wire()));
        revocation
    }

    fn to_wire(&self) -> Wire {
        (
            VERSION,
            self.space,
            self.subject,
            self.revoked,
            self.kept.clone(),
            NodeId(self.issuer),
        )
    }

    /// The revocation's name, for revocations that keep it.
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.encode())
    }

    /// `[[version, space, subject, revoked, [kept, …], issuer], signature]`
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(&(self.to_wire(), self.signature))
    }

    /// Reads a revocation and verifies its signature; whether its issuer may revoke is [`Membership`]'s to say.
    ///
    /// [`Membership`]: super::Membership
    pub fn decode(bytes: &[u8]) -> Result<Self, GrantError> {
        let (wire, signature): (Wire, Signature) = codec::decode(bytes, REVOCATION_LEN_MAX)?;
        let (version, space, subject, revoked, kept, issuer) = wire.clone();
        if version != VERSION {
            return Err(GrantError::UnknownVersion(version));
        }
        if kept.len() > KEPT_MAX || !kept.is_sorted() {
            return Err(GrantError::BadSignature(BadSignature));
        }
        verify(&issuer.0, CONTEXT, &codec::encode(&wire), &signature)?;
        Ok(Self {
            space,
            subject,
            revoked,
            kept,
            issuer: issuer.0,
            signature,
        })
    }
}
