//! Who is who: devices, users and their signing keys.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::bytes32::fixed_bytes;
use super::verified;

fixed_bytes! {
    /// A device: its Ed25519 public key.
    NodeId, 32
}

fixed_bytes! {
    /// A user: an Ed25519 public key. One owner has one space.
    OwnerId, 32
}

fixed_bytes! {
    /// An Ed25519 signature (RFC 8032).
    Signature, 64
}

/// A signature does not belong to the key and the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// An Ed25519 key pair. The secret half is zeroised when dropped and is never printed.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// Makes the pair that a 32-byte secret seed determines.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The secret seed, for the key file.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half's bytes.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half as a device's name.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.public())
    }

    /// The public half as a user's name.
    pub fn owner_id(&self) -> OwnerId {
        OwnerId(self.public())
    }

    /// The secret half for agreeing on keys with whoever knows the public one (X25519, RFC 7748).
    pub(crate) fn agreement_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_scalar_bytes())
    }

    /// What to agree on keys with, given somebody's public half; `None` if it is none.
    pub(crate) fn agreement_key(public: &[u8; 32]) -> Option<[u8; 32]> {
        let key = VerifyingKey::from_bytes(public)
            .ok()
            .filter(|key| !key.is_weak())?;
        Some(key.to_montgomery().to_bytes())
    }

    /// Signs `message` under `context`, a constant that keeps signatures of different kinds apart.
    pub fn sign(&self, context: &str, message: &[u8]) -> Signature {
        Signature(self.0.sign(&signed_bytes(context, message)).to_bytes())
    }
}

/// Who signs for a device: its key, or what stands in for it where the key is not known.
pub trait Sign {
    /// The device.
    fn node_id(&self) -> NodeId;

    /// As [`KeyPair::sign`].
    fn sign(&self, context: &str, message: &[u8]) -> Signature;
}

impl Sign for KeyPair {
    fn node_id(&self) -> NodeId {
        self.node_id()
    }

    fn sign(&self, context: &str, message: &[u8]) -> Signature {
        self.sign(context, message)
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.node_id().short())
    }
}

/// Checks a signature that [`KeyPair::sign`] made, strictly: small-order keys and malleable forms are refused.
pub fn verify(
    public: &[u8; 32],
    context: &str,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    let signed = signed_bytes(context, message);
    let recalled = verified::recall(public, &signed, signature);
    if let Some((_, true)) = recalled {
        return Ok(());
    }
    let key = VerifyingKey::from_bytes(public).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(&signed, &signature).map_err(|_| BadSignature)?;
    if let Some((name, _)) = recalled {
        verified::remember(name);
    }
    Ok(())
}

/// What is really signed: the context, a zero byte (no context holds one), the message.
fn signed_bytes(context: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(context.len() + 1 + message.len());
    bytes.extend_from_slice(context.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(message);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_binds_key_context_and_message() {
        let pair = KeyPair::from_seed(&[7; 32]);
        let signature = pair.sign("entry", b"hello");
        assert_eq!(verify(&pair.public(), "entry", b"hello", &signature), Ok(()));
        assert_eq!(
            verify(&pair.public(), "grant", b"hello", &signature),
            Err(BadSignature)
        );
        assert_eq!(
            verify(&pair.public(), "entry", b"hellp", &signature),
            Err(BadSignature)
        );
        let other = KeyPair::from_seed(&[8; 32]);
        assert_eq!(
            verify(&other.public(), "entry", b"hello", &signature),
            Err(BadSignature)
        );
    }

    #[test]
    fn ids_print_and_parse() {
        let id = KeyPair::from_seed(&[7; 32]).node_id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("xyz".parse::<NodeId>().is_err());
        assert!("00".parse::<NodeId>().is_err());
    }

    #[test]
    fn debug_never_shows_the_secret() {
        let pair = KeyPair::from_seed(&[7; 32]);
        assert!(!format!("{pair:?}").contains(&data_encoding::HEXLOWER.encode(&[7; 32])));
    }
}
