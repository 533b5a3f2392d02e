//! Messages of which something was refused for a reason that may pass.
//!
//! A station gives each object once: when the same one is sent again it answers that it has all of it. So an engine that took nothing of it
//! would never be given it again. It has the station forget the object instead, after a pause that grows: whoever pushed it finds the
//! entries lacking, sends it again, and it counts as new. A reason that lasts costs a little airtime now and then; when it may
//! have gone the object is forgotten at once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::mesh::LinkId;
use crate::model::Instant;

/// The first pause; each is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_secs(2 * 60);
const PAUSE_LONGEST: Duration = Duration::from_secs(3600);
/// A station remembers no more finished objects than this; what is pushed out here it has forgotten as well.
const REFUSED_MAX: usize = 64;

/// What a refusal waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Obstacle {
    /// A clock is wrong: this node's, or the writer's.
    Clock,
    /// A grant is not known here.
    Membership,
    /// There is no room.
    Room,
}

/// The same bytes have the same name: see [`Broadcast`](crate::mesh::Broadcast).
pub(super) type MessageName = [u8; 4];

#[derive(Debug)]
struct Refusal {
    radio: LinkId,
    name: MessageName,
    obstacle: Obstacle,
    times: u32,
    /// When to have it forgotten; `None` when it is, and did not come again yet.
    due: Option<Instant>,
}

/// Objects to be forgotten by a radio's station.
#[derive(Debug, Default)]
pub(in crate::mesh) struct Refused(VecDeque<Refusal>);

impl Refused {
    /// Something of a message was refused.
    pub(super) fn note(&mut self, now: Instant, radio: LinkId, name: MessageName, obstacle: Obstacle) {
        let known = self
            .0
            .iter_mut()
            .find(|refusal| refusal.radio == radio && refusal.name == name);
        match known {
            Some(refusal) => {
                refusal.obstacle = obstacle;
                if refusal.due.is_none() {
                    refusal.times = refusal.times.saturating_add(1);
                    refusal.due = Some(now.after(pause(refusal.times)));
                }
            }
            None => {
                if self.0.len() >= REFUSED_MAX {
                    self.0.pop_front();
                }
                self.0.push_back(Refusal {
                    radio,
                    name,
                    obstacle,
                    times: 0,
                    due: Some(now.after(pause(0))),
                });
            }
        }
    }

    /// All of a message was taken in.
    pub(super) fn settled(&mut self, radio: LinkId, name: MessageName) {
        self.0
            .retain(|refusal| refusal.radio != radio || refusal.name != name);
    }

    /// A radio is gone, and its station with it.
    pub(super) fn radio_down(&mut self, radio: LinkId) {
        self.0.retain(|refusal| refusal.radio != radio);
    }

    /// What was refused for this reason may be welcome now.
    pub(in crate::mesh) fn may_pass(&mut self, now: Instant, obstacle: Obstacle) {
        for refusal in self.0.iter_mut().filter(|refusal| refusal.obstacle == obstacle) {
            refusal.due = refusal.due.map(|due| due.min(now));
        }
    }

    /// When [`due`](Self::due) gives something.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(|refusal| refusal.due).min()
    }

    /// An object that is to be forgotten now.
    pub(super) fn due(&mut self, now: Instant) -> Option<(LinkId, MessageName)> {
        let refusal = self
            .0
            .iter_mut()
            .find(|refusal| refusal.due.is_some_and(|due| due <= now))?;
        refusal.due = None;
        Some((refusal.radio, refusal.name))
    }
}

fn pause(times: u32) -> Duration {
    (PAUSE * 2_u32.pow(times.min(8))).min(PAUSE_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RADIO: LinkId = LinkId(1);

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let (mut refused, mut now, mut pauses) = (Refused::default(), at(0), Vec::new());
        for _ in 0..8 {
            refused.note(now, RADIO, [1; 4], Obstacle::Clock);
            // It may come twice before it is forgotten.
            refused.note(now, RADIO, [1; 4], Obstacle::Clock);
            let due = refused.timeout().unwrap();
            assert_eq!(refused.due(Instant(due.0 - 1)), None);
            assert_eq!(refused.due(due), Some((RADIO, [1; 4])));
            assert_eq!(refused.due(due), None, "once is enough");
            assert_eq!(refused.timeout(), None);
            pauses.push(due.since(now).as_secs() / 60);
            now = due;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn it_is_forgotten_at_once_when_the_reason_may_have_gone() {
        let mut refused = Refused::default();
        refused.note(at(0), RADIO, [1; 4], Obstacle::Clock);
        refused.note(at(0), RADIO, [2; 4], Obstacle::Room);
        refused.may_pass(at(10), Obstacle::Clock);
        assert_eq!(refused.due(at(10)), Some((RADIO, [1; 4])));
        assert_eq!(refused.due(at(10)), None);
        // What was forgotten already has to come first.
        refused.may_pass(at(11), Obstacle::Clock);
        assert_eq!(refused.due(at(11)), None);
        refused.settled(RADIO, [2; 4]);
        assert_eq!(refused.due(at(10_000)), None);
    }

    #[test]
    fn no_more_is_kept_than_a_station_remembers() {
        let mut refused = Refused::default();
        for number in 0..200_u8 {
            refused.note(at(0), RADIO, [number; 4], Obstacle::Room);
        }
        let forgotten = std::iter::from_fn(|| refused.due(at(3600))).count();
        assert_eq!(forgotten, REFUSED_MAX);
        refused.note(at(1), RADIO, [0; 4], Obstacle::Room);
        refused.radio_down(RADIO);
        assert_eq!(refused.timeout(), None);
    }
}
