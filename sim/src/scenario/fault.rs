//! What breaks, and when.

/// A fault, once or again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// When.
    pub when: When,
    /// How long it lasts. `None`: until the end, or it is over at once.
    pub lasting_us: Option<u64>,
    /// Whom it may strike. Empty for a split.
    pub nodes: Vec<usize>,
    /// So many of them are drawn each time. `None`: it strikes all.
    pub pick: Option<usize>,
}

/// When faults strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Once.
    At(u64),
    /// At even intervals: first after one of them.
    Every {
        /// Between two.
        interval_us: u64,
        /// Not before.
        from_us: u64,
        /// Not at or after.
        until_us: u64,
    },
    /// At times that are drawn evenly.
    Between {
        /// Not before.
        from_us: u64,
        /// Not at or after.
        until_us: u64,
        /// How often.
        times: usize,
    },
}

/// What breaks.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// The power is cut; what was not committed is gone. Lasts until the node starts again.
    Crash {
        /// The disk is gone, too: the node comes back with its key and nothing else.
        disk_lost: bool,
        /// The last write was torn in the middle.
        torn_write: bool,
    },
    /// The node is stopped and started at once.
    Restart,
    /// The disk has room for nothing.
    DiskFull,
    /// The clock is set forward, or back if negative; set right when the fault is over.
    ClockJump {
        /// By so many milliseconds.
        by_ms: i64,
    },
    /// The node is started again with its clock in 1970.
    ClockUnset,
    /// All wired links of the node are down.
    LinkDown,
    /// Nobody hears anybody of another side. Nodes on no side are not cut off from any.
    Split {
        /// At least two, with no node in common.
        sides: Vec<Vec<usize>>,
        /// Wired links are cut.
        wired: bool,
        /// Radios do not hear one another.
        radio: bool,
    },
    /// More frames get lost on the way to the node, on whatever link.
    Loss {
        /// Share of frames.
        share: f64,
    },
    /// Bits of frames to the node are turned over on their way, on whatever link.
    Corrupt {
        /// Share of frames.
        share: f64,
    },
    /// Frames arrive at the node twice, on whatever link.
    Duplicate {
        /// Share of frames.
        share: f64,
    },
    /// The radio is pulled out.
    RadioUnplugged,
    /// The record of used airtime is gone when the node is started again, which it is.
    AirtimeLedgerLost,
    /// Chunk files rot.
    BitRot {
        /// How many of each node's.
        chunks: usize,
    },
    /// The node is started on a copy of its disk that was made before.
    ImageRestored {
        /// How long before.
        age_us: u64,
    },
    /// A second device with the same key and a copy of the disk is started beside the node; the fault's end takes it away.
    Cloned,
}

impl FaultKind {
    /// Its name in scenarios.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Restart => "restart",
            Self::DiskFull => "disk-full",
            Self::ClockJump { .. } => "clock-jump",
            Self::ClockUnset => "clock-unset",
            Self::LinkDown => "link-down",
            Self::Split { .. } => "split",
            Self::Loss { .. } => "loss",
            Self::Corrupt { .. } => "corrupt",
            Self::Duplicate { .. } => "duplicate",
            Self::RadioUnplugged => "radio-unplugged",
            Self::AirtimeLedgerLost => "airtime-ledger-lost",
            Self::BitRot { .. } => "bit-rot",
            Self::ImageRestored { .. } => "image-restored",
            Self::Cloned => "cloned",
        }
    }
}
