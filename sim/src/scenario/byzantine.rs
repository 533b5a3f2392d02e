//! Nodes that lie.

/// Nodes that do not keep to the protocol, beside running it as all others do.
#[derive(Debug, Clone, PartialEq)]
pub struct Byzantine {
    /// Who.
    pub nodes: Vec<usize>,
    /// What they do.
    pub conduct: Conduct,
    /// From when.
    pub from_us: u64,
    /// Until when.
    pub until_us: u64,
}

/// What such a node does.
#[derive(Debug, Clone, PartialEq)]
pub enum Conduct {
    /// Sends changes with signatures that are not right.
    BadSignatures {
        /// So many an hour, to each neighbour.
        per_hour: f64,
    },
    /// Sends frames again that it once received.
    Replay {
        /// So many an hour, to each neighbour.
        per_hour: f64,
    },
    /// Dates its changes and announcements so many milliseconds ahead (behind, if negative).
    LyingClock {
        /// In milliseconds.
        ahead_ms: i64,
    },
    /// Announces itself far more often than it should.
    Flood {
        /// So many an hour, to each neighbour.
        per_hour: f64,
    },
    /// Receives, and keeps silent.
    Silence {
        /// Share of its frames that it does not send.
        share: f64,
        /// Towards whom.
        towards: Vec<usize>,
    },
}
