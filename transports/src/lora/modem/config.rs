//! Settings that a modem cannot have.

/// Why a modem cannot be set so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number outside of what the modem takes.
    #[error("{parameter} is {found}; this modem takes {allowed}")]
    OutOfRange {
        /// Which setting.
        parameter: &'static str,
        /// As given.
        found: String,
        /// What would do.
        allowed: &'static str,
    },
}

impl ConfigError {
    pub(super) fn new(parameter: &'static str, found: impl ToString, allowed: &'static str) -> Self {
        Self::OutOfRange {
            parameter,
            found: found.to_string(),
            allowed,
        }
    }
}
