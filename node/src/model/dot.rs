//! Dots: the name of one change.
//!
//! A dot is (writer, sequence), and a writer is (node, **incarnation**). A node that may have been restored from an
//! older copy of its disk, or cloned, takes a new incarnation before it writes again, so that no dot ever names two
//! different changes.

use serde::{Deserialize, Serialize};

use super::identity::NodeId;
use super::time::WallTime;

/// One life of a node's disk: the second it began (34 bits) and a random part (30 bits), so that two clones of one
/// disk do not share one, and the older of two can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// A new life that begins at `wall`, told from others of the same second by `random`.
    pub fn new(wall: WallTime, random: u32) -> Self {
        Self((wall.0 / 1000) << 30 | u64::from(random >> 2))
    }
}

/// The place of a change among all of its writer, from 1 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The greatest that is ever used: far beyond any disk's life, and one more still fits its number.
    pub const MAX: Self = Self(u64::MAX >> 1);
}

/// A node in one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(NodeId, Incarnation)", into = "(NodeId, Incarnation)")]
pub struct Writer {
    /// The device.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

impl From<(NodeId, Incarnation)> for Writer {
    fn from((node, incarnation): (NodeId, Incarnation)) -> Self {
        Self { node, incarnation }
    }
}

impl From<Writer> for (NodeId, Incarnation) {
    fn from(writer: Writer) -> Self {
        (writer.node, writer.incarnation)
    }
}

/// The name of one change, unique in its space for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(Writer, Sequence)", into = "(Writer, Sequence)")]
pub struct Dot {
    /// Who made the change.
    pub writer: Writer,
    /// Its place among that writer's changes.
    pub sequence: Sequence,
}

impl From<(Writer, Sequence)> for Dot {
    fn from((writer, sequence): (Writer, Sequence)) -> Self {
        Self { writer, sequence }
    }
}

impl From<Dot> for (Writer, Sequence) {
    fn from(dot: Dot) -> Self {
        (dot.writer, dot.sequence)
    }
}

impl std::fmt::Display for Dot {
    /// `<node, 8 digits>.<incarnation, 16 digits>:<sequence>`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{:016x}:{}",
            self.writer.node.short(),
            self.writer.incarnation.0,
            self.sequence.0
        )
    }
}
