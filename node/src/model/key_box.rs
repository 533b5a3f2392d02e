//! A secret for the holder of one key: its form. [`seal`](crate::seal) makes and opens it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

/// A secret of 32 bytes, sealed to whoever holds an Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct KeyBox {
    /// The public half of an agreement made for this box alone.
    pub ephemeral: [u8; 32],
    /// The secret and its tag.
    pub sealed: [u8; Self::SEALED_LEN],
}

impl KeyBox {
    /// Bytes of a sealed secret.
    pub const SEALED_LEN: usize = 48;
}

/// `[ephemeral, sealed]`
type Wire = (ByteArray<32>, ByteArray<{ KeyBox::SEALED_LEN }>);

impl From<Wire> for KeyBox {
    fn from((ephemeral, sealed): Wire) -> Self {
        Self {
            ephemeral: ephemeral.into_array(),
            sealed: sealed.into_array(),
        }
    }
}

impl From<KeyBox> for Wire {
    fn from(own: KeyBox) -> Self {
        (ByteArray::new(own.ephemeral), ByteArray::new(own.sealed))
    }
}
