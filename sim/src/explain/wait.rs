//! What the time of a hop went into.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::recording::{Happening, MissedWhy, NodeRecord, Recording};

/// Why nothing came for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The node that had it was down.
    SenderDown,
    /// The node that was to get it was down.
    ReceiverDown,
    /// The one sent, and the other was not in reach.
    OutOfReach,
    /// There was no link between the two.
    NoLink,
    /// Frames were ready, and the law on airtime held them back.
    AirtimeUsedUp,
    /// Frames were ready, and the channel was busy or others went first.
    Queued,
    /// A frame was lost to another on the channel, and the next was waited for.
    Collided,
    /// A frame came while the other was sending itself, and the next was waited for.
    Sending,
    /// A frame was lost by chance, and the next was waited for.
    Chance,
    /// Frames that arrived were on the air.
    OnAir,
    /// The two were in touch, and busy with other things or pausing as the protocol has it.
    InTouch,
    /// Neither of the two sent anything that the other could have heard.
    Silent,
}

/// Time that went into one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Which.
    pub cause: Cause,
    /// How long in all.
    pub us: u64,
    /// When the longest stretch of it began.
    pub longest_from_us: u64,
    /// When that ended.
    pub longest_until_us: u64,
}

/// What became of one node's frames at another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Frames {
    /// Heard whole, or delivered by wire.
    pub heard: u64,
    /// Lost to another frame on the channel.
    pub collided: u64,
    /// Came while the receiver was sending.
    pub sending: u64,
    /// Lost by chance.
    pub chance: u64,
    /// Sent while the receiver was not in reach, or down.
    pub out_of_reach: u64,
}

/// What happened between two nodes during a hop.
pub(super) struct Between {
    causes: Timeline,
    /// Frames of the first, as the second got them.
    pub(super) there: Frames,
    /// Frames of the second, as the first got them.
    pub(super) back: Frames,
}

/// A frame from one of the two, as it concerned the other.
struct Seen {
    at_us: u64,
    until_us: u64,
    queued_us: u64,
    held_by_law_us: u64,
    fate: Fate,
}

#[derive(Clone, Copy)]
enum Fate {
    Heard,
    Missed(MissedWhy),
    OutOfReach,
}

impl Between {
    /// Looks at what went between `from` and `to` in a stretch of time.
    pub(super) fn new(recording: &Recording, from: usize, to: usize, since_us: u64, until_us: u64) -> Self {
        let radio = [from, to].iter().all(|node| {
            recording
                .nodes
                .get(*node)
                .is_some_and(|node| node.radio.is_some())
        });
        let quiet = if radio { Cause::Silent } else { Cause::NoLink };
        let mut between = Self {
            causes: Timeline::new(since_us, until_us, quiet),
            there: Frames::default(),
            back: Frames::default(),
        };
        // What is painted later lies on top: the stronger cause comes last.
        for link in &recording.links {
            if (link.a, link.b) == (from, to) || (link.a, link.b) == (to, from) {
                between.causes.paint(link.from_us, link.until_us, Cause::InTouch);
            }
        }
        between.frames(recording, from, to);
        for (node, cause) in [(from, Cause::SenderDown), (to, Cause::ReceiverDown)] {
            if let Some(node) = recording.nodes.get(node) {
                for (from_us, until_us) in down(node, until_us) {
                    between.causes.paint(from_us, until_us, cause);
                }
            }
        }
        between
    }

    fn frames(&mut self, recording: &Recording, from: usize, to: usize) {
        let (since_us, until_us) = (self.causes.since_us, self.causes.until_us);
        let mut last_us = since_us;
        // What is to be said of the time since the last frame, if nothing better is known.
        let mut meanwhile = None;
        for happening in &recording.happenings {
            let Some((sender, seen)) = seen(happening, from, to) else {
                continue;
            };
            if seen.at_us < since_us || seen.at_us >= until_us {
                continue;
            }
            let frames = if sender == from {
                &mut self.there
            } else {
                &mut self.back
            };
            match seen.fate {
                Fate::Heard => frames.heard += 1,
                Fate::Missed(MissedWhy::Collided) => frames.collided += 1,
                Fate::Missed(MissedWhy::Sending) => frames.sending += 1,
                Fate::Missed(MissedWhy::Chance) => frames.chance += 1,
                Fate::OutOfReach => frames.out_of_reach += 1,
            }
            let gap_from_us = last_us.min(seen.at_us);
            if matches!(seen.fate, Fate::OutOfReach) {
                self.causes.paint(gap_from_us, seen.until_us, Cause::OutOfReach);
                meanwhile = Some(Cause::OutOfReach);
                last_us = seen.until_us.max(last_us);
                continue;
            }
            if let Some(cause) = meanwhile {
                self.causes.paint(gap_from_us, seen.at_us, cause);
            }
            let ready_us = seen.at_us.saturating_sub(seen.queued_us).max(gap_from_us);
            let held_us = seen.at_us.saturating_sub(seen.held_by_law_us).max(gap_from_us);
            self.causes.paint(ready_us, seen.at_us, Cause::Queued);
            self.causes.paint(held_us, seen.at_us, Cause::AirtimeUsedUp);
            let (meant, then) = match seen.fate {
                Fate::Missed(why) => (missed(why), missed(why)),
                _ => (Cause::OnAir, Cause::InTouch),
            };
            self.causes.paint(seen.at_us, seen.until_us, meant);
            meanwhile = Some(then);
            last_us = seen.until_us.max(last_us);
        }
        if let Some(cause) = meanwhile {
            self.causes.paint(last_us, until_us, cause);
        }
    }

    /// What the time went into, longest first.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let mut waits = BTreeMap::<Cause, Wait>::new();
        for (from_us, until_us, cause) in self.causes.stretches() {
            let us = until_us - from_us;
            let none = Wait {
                cause,
                us: 0,
                longest_from_us: from_us,
                longest_until_us: from_us,
            };
            let wait = waits.entry(cause).or_insert(none);
            wait.us += us;
            if us > wait.longest_until_us - wait.longest_from_us {
                (wait.longest_from_us, wait.longest_until_us) = (from_us, until_us);
            }
        }
        let mut waits: Vec<Wait> = waits.into_values().collect();
        waits.sort_by_key(|wait| std::cmp::Reverse(wait.us));
        waits
    }
}

fn missed(why: MissedWhy) -> Cause {
    match why {
        MissedWhy::Collided => Cause::Collided,
        MissedWhy::Sending => Cause::Sending,
        MissedWhy::Chance => Cause::Chance,
    }
}

/// Who of the two sent, and what it was to the other; nothing if it was neither's.
fn seen(happening: &Happening, a: usize, b: usize) -> Option<(usize, Seen)> {
    match happening {
        Happening::Frame {
            at_us,
            airtime_us,
            from,
            to,
            missed,
            queued_us,
            held_by_law_us,
            ..
        } => {
            let other = if *from == a { b } else { a };
            if *from != a && *from != b {
                return None;
            }
            let fate = match missed.iter().find(|missed| missed.node == other) {
                _ if to.contains(&other) => Fate::Heard,
                Some(missed) => Fate::Missed(missed.why),
                None => Fate::OutOfReach,
            };
            let seen = Seen {
                at_us: *at_us,
                until_us: at_us.saturating_add(*airtime_us),
                queued_us: *queued_us,
                held_by_law_us: *held_by_law_us,
                fate,
            };
            Some((*from, seen))
        }
        Happening::Wired {
            at_us,
            from,
            to,
            lost,
            ..
        } if (*from, *to) == (a, b) || (*from, *to) == (b, a) => {
            let fate = if *lost {
                Fate::Missed(MissedWhy::Chance)
            } else {
                Fate::Heard
            };
            Some((
                *from,
                Seen {
                    at_us: *at_us,
                    until_us: *at_us,
                    queued_us: 0,
                    held_by_law_us: 0,
                    fate,
                },
            ))
        }
        _ => None,
    }
}

/// When a node was down, up to a time.
fn down(node: &NodeRecord, until_us: u64) -> Vec<(u64, u64)> {
    let mut down = Vec::new();
    let mut last_us = 0;
    for (from_us, end_us) in &node.up {
        if *from_us > last_us {
            down.push((last_us, *from_us));
        }
        last_us = last_us.max(*end_us);
    }
    if last_us < until_us {
        down.push((last_us, until_us));
    }
    down
}

/// A stretch of time in colours: each moment has the one that was painted last.
struct Timeline {
    since_us: u64,
    until_us: u64,
    /// From when on it has which.
    from: BTreeMap<u64, Cause>,
}

impl Timeline {
    fn new(since_us: u64, until_us: u64, cause: Cause) -> Self {
        Self {
            since_us,
            until_us,
            from: BTreeMap::from([(since_us, cause)]),
        }
    }

    fn paint(&mut self, from_us: u64, until_us: u64, cause: Cause) {
        let (from_us, until_us) = (from_us.max(self.since_us), until_us.min(self.until_us));
        if from_us >= until_us {
            return;
        }
        let after = self.from.range(..=until_us).next_back().map(|(_, cause)| *cause);
        let covered: Vec<u64> = self
            .from
            .range(from_us..until_us)
            .map(|(at_us, _)| *at_us)
            .collect();
        for at_us in covered {
            self.from.remove(&at_us);
        }
        self.from.insert(from_us, cause);
        if let Some(after) = after
            && until_us < self.until_us
        {
            self.from.entry(until_us).or_insert(after);
        }
    }

    /// Stretches of one cause, in order: neighbours differ.
    fn stretches(&self) -> Vec<(u64, u64, Cause)> {
        let mut stretches: Vec<(u64, u64, Cause)> = Vec::new();
        for (at_us, cause) in &self.from {
            match stretches.last_mut() {
                Some((_, until_us, last)) if last == cause => *until_us = self.until_us,
                last => {
                    if let Some((_, until_us, _)) = last {
                        *until_us = *at_us;
                    }
                    stretches.push((*at_us, self.until_us, *cause));
                }
            }
        }
        stretches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_covers_paint_and_nothing_is_left_bare() {
        let mut timeline = Timeline::new(10, 100, Cause::Silent);
        timeline.paint(0, 40, Cause::OutOfReach);
        timeline.paint(30, 60, Cause::Queued);
        timeline.paint(50, 55, Cause::AirtimeUsedUp);
        timeline.paint(90, 500, Cause::SenderDown);
        timeline.paint(70, 70, Cause::NoLink);
        let expected = [
            (10, 30, Cause::OutOfReach),
            (30, 50, Cause::Queued),
            (50, 55, Cause::AirtimeUsedUp),
            (55, 60, Cause::Queued),
            (60, 90, Cause::Silent),
            (90, 100, Cause::SenderDown),
        ];
        assert_eq!(timeline.stretches(), expected);
        timeline.paint(10, 100, Cause::InTouch);
        assert_eq!(timeline.stretches(), [(10, 100, Cause::InTouch)]);
    }

    #[test]
    fn down_is_what_is_not_up() {
        let node = NodeRecord {
            up: vec![(0, 10), (30, 50)],
            ..NodeRecord::default()
        };
        assert_eq!(down(&node, 80), [(10, 30), (50, 80)]);
        assert_eq!(down(&node, 40), [(10, 30)]);
        assert_eq!(down(&NodeRecord::default(), 5), [(0, 5)]);
    }
}
