//! From a failure to a short scenario that fails in the same way.

use super::mix::{Named, Part};
use super::{Examined, Mix, examine};
use crate::Planted;
use crate::laws::Breach;

/// The shortest that was found.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// What is left of the mix.
    pub mix: Mix,
    /// How its run breaks the law.
    pub breach: Breach,
    /// Runs that it took.
    pub runs: usize,
}

/// Takes parts away as long as the same law is broken, in at most so many runs.
pub fn shrink(mix: &Mix, breach: &Breach, planted: Option<Planted>, runs_max: usize) -> Shrunk {
    let mut shrinking = Shrinking {
        best: Shrunk {
            mix: mix.clone(),
            breach: breach.clone(),
            runs: 0,
        },
        planted,
        runs_max,
    };
    while shrinking.round() {}
    shrinking.best
}

struct Shrinking {
    best: Shrunk,
    planted: Option<Planted>,
    runs_max: usize,
}

impl Shrinking {
    /// Tries every way once. Says whether one of them worked and another round is allowed.
    fn round(&mut self) -> bool {
        let before = self.best.mix.clone();
        self.drop_parts();
        for node in 0..self.best.mix.members.len() {
            self.attempt(|mix| mix.members[node] = None);
        }
        for _ in 0..4 {
            self.attempt(|mix| mix.duration_s = (mix.duration_s / 2).max(1800));
        }
        for part in 0..self.best.mix.parts.len() {
            for _ in 0..4 {
                self.attempt(|mix| {
                    if let Some(count) = mix.parts.get_mut(part).and_then(|part| part.count.as_mut()) {
                        *count = (*count / 2).max(1);
                    }
                });
            }
        }
        self.best.mix != before && self.best.runs < self.runs_max
    }

    /// Halves of the parts, then quarters, down to one by one (Zeller 1999).
    fn drop_parts(&mut self) {
        let mut size = self.best.mix.parts.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.best.mix.parts.len() {
                let until = (from + size).min(self.best.mix.parts.len());
                let worked = self.attempt(|mix| {
                    // Without the line that joins a space nothing could converge.
                    let gone: Vec<Part> = mix.parts.drain(from..until).collect();
                    let lines = gone
                        .into_iter()
                        .filter(|part| matches!(part.nodes, Named::Line(_)));
                    mix.parts.splice(from..from, lines);
                });
                // What was kept of them stands first.
                let lines = self.best.mix.parts[from..].iter();
                let kept = lines
                    .take_while(|part| matches!(part.nodes, Named::Line(_)))
                    .count();
                from = if worked { from + kept } else { until };
            }
            size /= 2;
        }
    }

    fn attempt(&mut self, change: impl FnOnce(&mut Mix)) -> bool {
        let mut mix = self.best.mix.clone();
        change(&mut mix);
        if mix == self.best.mix || self.best.runs >= self.runs_max {
            return false;
        }
        self.best.runs += 1;
        let Examined { breach, .. } = examine(&mix, self.planted);
        match breach.filter(|breach| breach.law == self.best.breach.law) {
            Some(breach) => {
                self.best.mix = mix;
                self.best.breach = breach;
                true
            }
            None => false,
        }
    }
}
