//! A run in 32 bytes: the hash of all that happened, in order.

/// What kind of thing happened: the first byte of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A frame came over a wire.
    Frame = 1,
    /// A message came by radio.
    Message = 2,
    /// A frame went on air.
    OnAir = 3,
    /// A frame was heard.
    Heard = 4,
    /// A commit.
    Commit = 5,
    /// A user asked for something, and how it ended.
    Command = 6,
    /// Something broke or was mended.
    Fault = 7,
    /// A gossiped announcement came.
    Announced = 8,
}

/// The hash, as far as the run has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
}

impl Trace {
    /// Adds what happened at a node.
    pub(crate) fn record(&mut self, at_us: u64, kind: Kind, node: usize, bytes: &[u8]) {
        let mut head = [0; 25];
        head[0] = kind as u8;
        head[1..9].copy_from_slice(&at_us.to_le_bytes());
        head[9..17].copy_from_slice(&(node as u64).to_le_bytes());
        head[17..25].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(&head);
        self.hasher.update(bytes);
    }

    /// In hexadecimal.
    pub(crate) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
