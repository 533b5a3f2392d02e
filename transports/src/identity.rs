//! The device's secret, as the transports need it.

use std::fmt;

use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use crate::link::PeerKey;

/// The seed of the device's Ed25519 key pair. Zeroised when dropped; never shown.
#[derive(Clone)]
pub struct Identity {
    seed: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// Takes the 32-byte Ed25519 seed (RFC 8032's private key).
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
        }
    }

    /// Returns the public half, by which peers know this device.
    #[must_use]
    pub fn peer_key(&self) -> PeerKey {
        PeerKey(self.signing_key().verifying_key().to_bytes())
    }

    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }

    /// The X25519 secret whose public half is the Montgomery form of [`Identity::peer_key`].
    #[cfg(feature = "tcp")]
    pub(crate) fn x25519_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing_key().to_scalar_bytes())
    }

    #[cfg(feature = "libp2p")]
    pub(crate) fn seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_public_key_only() {
        let shown = format!("{:?}", Identity::new([7; 32]));
        assert!(!shown.contains("07070707"), "{shown}");
        assert!(shown.starts_with("Identity(ea4a6c63"), "{shown}");
    }
}
