//! Settings of a modem, and those that it cannot have.

use super::{
    Driver, E22_BANDWIDTH_HZ, E22Config, E22Driver, E22Timing, ModemKind, RnodeConfig, RnodeDriver,
    RnodeTiming, RylrConfig, RylrDriver, RylrTiming, Timing,
};

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

/// How a modem is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModemSettings {
    /// An RNode.
    Rnode(RnodeConfig),
    /// An E22.
    E22(E22Config),
    /// A RYLR896 or RYLR998.
    Rylr(RylrConfig),
}

impl ModemSettings {
    /// Which kind of modem it is.
    pub const fn kind(&self) -> ModemKind {
        match self {
            Self::Rnode(_) => ModemKind::Rnode,
            Self::E22(_) => ModemKind::E22,
            Self::Rylr(_) => ModemKind::Rylr,
        }
    }

    /// Says what this modem cannot do.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Rnode(config) => config.check(),
            Self::E22(config) => config.check(),
            Self::Rylr(config) => config.check(),
        }
    }

    /// The channel's middle and width, in Hz.
    pub const fn channel_hz(&self) -> (u32, u32) {
        match self {
            Self::Rnode(config) => (config.frequency_hz, config.bandwidth_hz),
            Self::E22(config) => (config.frequency_hz, E22_BANDWIDTH_HZ),
            Self::Rylr(config) => (config.frequency_hz, config.bandwidth_hz),
        }
    }

    /// Speaks with it on a port that is about to be opened.
    pub fn driver(&self) -> Box<dyn Driver> {
        match self {
            Self::Rnode(config) => Box::new(RnodeDriver::new(*config)),
            Self::E22(config) => Box::new(E22Driver::new(*config)),
            Self::Rylr(config) => Box::new(RylrDriver::new(*config)),
        }
    }

    /// How long its frames are and take.
    pub fn timing(&self) -> Box<dyn Timing> {
        match self {
            Self::Rnode(config) => Box::new(RnodeTiming::new(config)),
            Self::E22(config) => Box::new(E22Timing::new(config)),
            Self::Rylr(config) => Box::new(RylrTiming::new(config)),
        }
    }
}
