//! Wired links: whatever carries frames between two nodes and is no radio.

/// Links that were described together.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkGroup {
    /// Which pairs are linked.
    pub topology: Topology,
    /// The nodes at one side, in the order given.
    pub a: Vec<usize>,
    /// The nodes at the other side; empty: links are within `a`.
    pub b: Vec<usize>,
    /// What each of the links is like.
    pub wire: Wire,
}

/// Which pairs are linked. A pair is linked once, and no node with itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// Each of `a` with each of `b`; within `a`, each with each.
    Mesh,
    /// Each of `a` with the next, and the last with the first.
    Ring,
    /// Each of `a` with the next.
    Line,
    /// The first of `a` with all others.
    Star,
    /// Drawn, and connected: each node has so many links on average. Between `a` and `b`: each of `a` has so many.
    Random {
        /// Links of a node.
        degree: usize,
    },
}

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wire {
    /// From `a` to `b`.
    pub there: Way,
    /// From `b` to `a`.
    pub back: Way,
    /// Who can open it.
    pub dialling: Dialling,
    /// How long a node waits before it dials again, after a link broke or a peer was not there.
    pub redial_us: u64,
    /// Goes down and comes back by itself.
    pub flaps: Option<Flaps>,
}

/// What happens to frames in one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Way {
    /// How long a frame takes at least.
    pub latency_us: u64,
    /// And at most so much longer, drawn evenly.
    pub jitter_us: u64,
    /// Bits a second; frames wait for one another. `None`: no bound.
    pub bandwidth_bps: Option<u64>,
    /// Share of frames that get lost.
    pub loss: f64,
    /// Share of frames that come twice.
    pub duplicate: f64,
    /// Frames may overtake one another, by the jitter. Otherwise they arrive in order.
    pub reorder: bool,
}

/// Who can reach whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialling {
    /// Both can dial.
    #[default]
    Either,
    /// Only `a` can, as from behind a NAT: once the link broke, it comes back when `a` dials again.
    OnlyA,
}

/// A link that goes down and comes back. Both times are drawn from exponential distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaps {
    /// Mean time up.
    pub up_us: u64,
    /// Mean time down.
    pub down_us: u64,
}
